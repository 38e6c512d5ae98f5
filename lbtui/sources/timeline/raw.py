"""The slices of a raw profile: every record of every process."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import polars as pl

from lbtui.profile import Note, Progress, Silent
from lbtui.profile.slices import SliceFields, Slices, Track
from lbtui.sources.raw.meanings import EVERY, FILE, RawProfile
from lbtui.sources.raw.processes import Process
from lbtui.sources.raw.reader import Reader, read_object
from lbtui.sources.raw.records import Records
from lbtui.sources.raw.scheduled import requests_of
from lbtui.sources.tables import database
from lbtui.sources.timeline.build import Codes, Columns, FileReader, Whole, build
from lbtui.sources.timeline.fields import fields_of
from lbtui.sources.timeline.requests import RequestRows
from lbtui.sources.timeline.tracks import Label, track
from lbtui.text import _

LARGE = 64 << 20  # bytes of files that are read in a second or two
_ROW_BITS = 40  # of `row`; above them stands the process
_SAMPLE_SECONDS = 0.5
_PIECE = 40


class RawSlices(FileReader):
    """Reads the records of a raw profile; `row` is a process' place and the row of its table."""

    def __init__(self, raw: RawProfile) -> None:
        self._raw = raw
        self.file = FILE
        self.large = sum(file.size for file in raw.files) > LARGE
        self._requests = RequestRows()

    def sample(self, progress: Progress) -> Slices:
        """Return records from all over the tables, as many as half a second has."""
        processes = self._raw.processes(progress)[0]
        frames = list(_pieces(processes)) or [pl.DataFrame()]
        known = [frame for frame in frames if frame.height]
        if not known:
            return self.read(progress)
        total = sum(process.records for process in processes)
        return self._slices(pl.concat(known).unique(maintain_order=True), processes, (), total)

    def read(self, progress: Progress) -> Slices:
        """Return all records as slices."""
        found = self._raw.all_records(progress, _with_ids)
        self._requests = self._named(found, progress)
        notes = list(found.notes)
        if found.unusable:
            words = _("{count} records have no time or are no JSON objects, and are left out.")
            notes.append(Note(FILE, words.format(count=found.unusable), lost=True))
        return self._slices(found.frame, found.processes, notes, None)

    def _named(self, found: Records, progress: Progress) -> RequestRows:
        """Return which records are of which request, by the ids that the service links them to."""
        rows = RequestRows()
        prof_ids = {place: one.prof_id for place, one in enumerate(found.processes)}
        told = found.frame.select("process", "row", request_id="rids").explode("request_id").drop_nulls()
        named = self._raw.links(progress).named(
            told.with_columns(prof_id=pl.col("process").replace_strict(prof_ids, default=None))
        )
        rows.add_all(_rows(named), named["request_id"].to_list())
        return rows

    @staticmethod
    def _slices(
        frame: pl.DataFrame, processes: Sequence[Process], notes: Sequence[Note], total: int | None
    ) -> Slices:
        names, columns = Codes(), Columns()
        named = frame.with_columns(pl.col("name").fill_null(""), pl.col("domain").fill_null(""))
        threads = named.select("process", "domain").unique(maintain_order=True)
        threads = threads.with_columns(track=pl.int_range(pl.len(), dtype=pl.Int64))
        named = named.join(threads, on=["process", "domain"], how="left", maintain_order="left")
        codes = {name: names.of(name) for name in named["name"].unique(maintain_order=True)}
        of = named["name"].replace_strict(list(codes), list(codes.values()), return_dtype=pl.Int64)
        start, end = (named[each].cast(pl.Int64).to_numpy() * 1000 for each in ("start", "end"))
        columns.add(named["track"].to_numpy(), of.to_numpy(), start, end - start, _rows(named))
        called: dict[int, set[str]] = {}
        for place, name in named.select("track", "name").unique().iter_rows():
            called.setdefault(place, set()).add(name)
        tracks: dict[int, Track] = {}
        for process, domain, place in threads.iter_rows():
            one = processes[process]
            label = Label(one.prof_id, one.pid, one.host, one.dp_rank)
            tracks[place] = track(domain, label, called.get(place, ()))
        return build(columns, tracks, names.texts, notes, total)

    def fields(self, slices: Slices, index: int) -> SliceFields:
        """Return the fields of one record."""
        row = int(slices.row[index])
        process = self._raw.processes(Silent())[0][row >> _ROW_BITS]
        with database.connect(process.file.path) as opened:
            return fields_of(read_object(opened, process, row & ((1 << _ROW_BITS) - 1)))

    def flow(self, slices: Slices, request: str, progress: Progress) -> Sequence[int]:
        """Return the slices of a request by their start."""
        return self._requests.flow(slices, request)


def _with_ids(records: pl.DataFrame) -> pl.DataFrame:
    """Return records with the ids of their requests in the place of what tells them."""
    told = requests_of(records["rid"]).group_by("cell", maintain_order=True).agg(rids=pl.col("request_id"))
    placed = records.drop("rid").with_columns(cell=pl.int_range(pl.len(), dtype=pl.Int64))
    return placed.join(told, on="cell", how="left", maintain_order="left").drop("cell")


def _rows(frame: pl.DataFrame) -> Whole:
    rows: Whole = (frame["process"].cast(pl.Int64).to_numpy() << _ROW_BITS) | frame["row"].to_numpy()
    return rows


def _pieces(processes: Sequence[Process]) -> Iterator[pl.DataFrame]:
    """Yield a few records from each part of each process, until the time is over."""
    end = time.monotonic() + _SAMPLE_SECONDS
    for number in range(256):
        for place, process in enumerate(processes):
            if time.monotonic() > end:
                return
            at = 1 + int((number * 0.6180339887498949 % 1.0) * max(1, process.records - _PIECE))
            with database.connect(process.file.path) as opened:
                for frame, _bad in Reader(opened, process, EVERY).piece((at, at + _PIECE - 1)):
                    of = pl.repeat(place, frame.height, dtype=pl.Int32, eager=True).alias("process")
                    yield frame.drop("rid").insert_column(0, of)
