"""The slices that tables tell of: scheduling rounds, forward passes, KV pulls, hand-offs, arrivals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import polars as pl

from lbtui.profile import FrameName, Progress
from lbtui.profile.slices import FORWARD, SliceFields, Slices, Track
from lbtui.profile.source import Loader, ScheduledRequest
from lbtui.sources.res_list import parse_res_list
from lbtui.sources.steps.owners import Owners
from lbtui.sources.steps.recorded import EXECUTION, GROUPING
from lbtui.sources.store import Raw, Store
from lbtui.sources.timeline.build import Codes, Columns, FileReader, build
from lbtui.sources.timeline.requests import is_of
from lbtui.sources.timeline.tracks import Label, host_of, track
from lbtui.text import _

_BACK = 8  # slices before a pass of which one is its round
_LATE = 1_000_000  # ns by which a pass may end after its round
_ROW_BITS = 40  # of `row`; above them stands which table
_BATCH, _STEPS, _PASSES, _PULLS, _HANDOFFS, _ARRIVALS, _ENDS = range(7)
_THREADS = {**dict.fromkeys(GROUPING, "Schedule"), **dict.fromkeys(EXECUTION, "Execute")}
_SHOWN: Mapping[int, tuple[str, ...]] = {
    _BATCH: ("batch_type", "batch_size", "prefill_batch_size", "decode_batch_size", "tokens", "dp_rank"),
    _STEPS: ("phase", "batch_size", "prefill_batch_size", "decode_batch_size", "tokens", "forward_iter"),
    _PULLS: ("rank", "source", "tokens"),
    _HANDOFFS: ("sent", "received", "prefill_done"),
    _ARRIVALS: ("input_tokens",),
    _ENDS: ("output_tokens", "ttft", "queue_wait", "duration"),
}


class Known(Protocol):
    """What is found of a profile from several of its frames."""

    named: dict[FrameName, Loader]

    def owners(self, progress: Progress) -> Owners:
        """Return the DP domain of every process."""

    def raw_batch(self, progress: Progress) -> Raw | None:
        """Return the table of scheduling rounds as it was read."""

    def joined_steps(self, progress: Progress) -> object | None:
        """Return something where the forward passes are too many to be held."""

    def passes(self, progress: Progress) -> pl.DataFrame:
        """Return the forward passes of all cards, where they are too many to be held."""

    def read_round(self, prof_id: str, row: int) -> list[ScheduledRequest]:
        """Return the requests of a scheduling round."""


class FrameSlices(FileReader):
    """Makes slices of the tables that there are; `row` is which table, and the row of its frame."""

    def __init__(self, store: Store, known: Known) -> None:
        self._store, self._known = store, known
        self.file = _("the tables")
        self.large = False
        self.lacks = (
            _(
                "Of the tables only rounds, forward passes, KV pulls, hand-offs and arrivals are known: no "
                "preprocess, no sample, no event of a queue. To have them: parse with --format db."
            ),
        )
        self._frames: dict[int, pl.DataFrame] = {}

    def read(self, progress: Progress) -> Slices:
        """Return the slices of all tables."""
        taken = _Taken()
        self._frames = {}
        owners = self._known.owners(progress)
        batch = self._known.raw_batch(progress)
        if batch is not None:
            self._take_rounds(taken, batch.frame)
        self._take_passes(taken, progress)
        frames = {name: self._load(name, progress) for name in ("transfers", "handoffs", "requests")}
        self._take_pulls(taken, frames["transfers"], _decode_hosts(owners, batch))
        handoffs = frames["handoffs"].with_columns(
            start=pl.min_horizontal("prefill_done", "sent"), end=pl.max_horizontal("received", "sent")
        )
        self._take(taken, _HANDOFFS, handoffs, Track("handoffs", "handoff", _("hand-offs"), ""), "hand-off")
        requests = frames["requests"].with_columns(start=pl.col("arrival"), end=pl.col("arrival"))
        front = Track("requests", "front", _("requests"), "")
        self._take(taken, _ARRIVALS, requests, front, "httpReq")
        ended = pl.col("arrival") + (pl.col("duration") * 1000).cast(pl.Duration("us"))
        self._take(taken, _ENDS, requests.with_columns(start=ended, end=ended), front, "httpRes")
        return taken.slices()

    sample = read

    def _load(self, name: FrameName, progress: Progress) -> pl.DataFrame:
        return self._known.named[name](progress).frame

    def _take_rounds(self, taken: _Taken, batch: pl.DataFrame) -> None:
        self._frames[_BATCH] = batch
        named = batch.with_columns(
            thread=pl.col("name").replace_strict(_THREADS, default="Execute", return_dtype=pl.String),
            prof_id=pl.col("prof_id").fill_null(""),
            at=pl.int_range(pl.len(), dtype=pl.Int64),
        )
        for (prof_id, thread), rows in named.group_by(["prof_id", "thread"], maintain_order=True):
            names = set(rows["name"].unique())
            taken.take(_BATCH, rows, track(str(thread), host_of(str(prof_id)), names), rows["name"])

    def _take_passes(self, taken: _Taken, progress: Progress) -> None:
        held = self._known.joined_steps(progress) is None
        of = _STEPS if held else _PASSES
        frame = self._load("steps", progress) if held else self._known.passes(progress)
        self._frames[of] = frame if held else frame.select("prof_id").clear()
        placed = frame.with_columns(
            pl.col("prof_id").cast(pl.String).fill_null(""), at=pl.int_range(pl.len(), dtype=pl.Int64)
        )
        for (prof_id,), rows in placed.group_by(["prof_id"], maintain_order=True):
            taken.take(of, rows, track("Execute", host_of(str(prof_id)), (FORWARD,)), FORWARD)

    def _take_pulls(self, taken: _Taken, pulls: pl.DataFrame, hosts: Mapping[int, Mapping[str, Any]]) -> None:
        self._frames[_PULLS] = pulls
        placed = pulls.with_columns(at=pl.int_range(pl.len(), dtype=pl.Int64))
        for (rank,), rows in placed.group_by(["rank"], maintain_order=True):
            name = "PullKVCache" if rank is None else f"PullKVCache({rank})"
            own = hosts.get(-1 if rank is None else int(str(rank)), {})
            label = Label("", None, own.get("host", ""), None if rank is None else int(str(rank)))
            taken.take(_PULLS, rows, track(name, label, ()), "PullKVCache", own.get("domain"))

    def _take(self, taken: _Taken, of: int, frame: pl.DataFrame, on: Track, name: str) -> None:
        self._frames[of] = frame
        taken.take(of, frame.with_columns(at=pl.int_range(pl.len(), dtype=pl.Int64)), on, name)

    def fields(self, slices: Slices, index: int) -> SliceFields:
        """Return the cells of its row; of a round and of a forward pass the requests of the round."""
        of, at = int(slices.row[index]) >> _ROW_BITS, int(slices.row[index]) & ((1 << _ROW_BITS) - 1)
        frame = self._frames[of]
        if at >= frame.height:
            return SliceFields(requests=self._round_of(slices, index))
        row = frame.row(at, named=True)
        shown = tuple((name, str(row[name])) for name in _SHOWN[of] if row.get(name) is not None)
        if of == _BATCH:
            return SliceFields(shown, self._requests(row))
        if of == _STEPS:
            return SliceFields(shown, self._round_of(slices, index))
        return SliceFields(shown, (row["request_id"],) if row.get("request_id") else ())

    def _requests(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        if row["prof_id"] is None:
            return ()
        found = self._known.read_round(row["prof_id"], row["row"])
        return tuple(dict.fromkeys(one.request_id for one in found))

    def _round_of(self, slices: Slices, index: int) -> tuple[str, ...]:
        """Return the requests of the round that holds a forward pass."""
        domain = slices.tracks[slices.track_of(index)].domain
        middle = int(slices.start[index]) + int(slices.duration[index]) // 2
        for place, one in enumerate(slices.tracks):
            if one.kind not in ("round", "card") or one.domain is None or one.domain != domain:
                continue
            begin, end = slices.offsets[place], slices.offsets[place + 1]
            last = int(begin + np.searchsorted(slices.start[begin:end], middle, "right"))
            # On one track a round begins before its forward passes.
            for at in range(last - 1, max(int(begin), last - _BACK) - 1, -1):
                if slices.names[slices.name[at]] in EXECUTION and slices.end(at) >= middle:
                    row = self._frames[_BATCH].row(int(slices.row[at]) & ((1 << _ROW_BITS) - 1), named=True)
                    return self._requests(row)
        return ()

    def flow(self, slices: Slices, request: str, progress: Progress) -> Sequence[int]:
        """Return the rounds, with their forward passes, pulls, hand-offs and ends of a request."""
        rows = [
            of << _ROW_BITS | at
            for of, frame in self._frames.items()
            if "request_id" in frame.columns
            for at in frame.select(pl.arg_where(pl.col("request_id") == request)).to_series()
        ]
        rows += [_BATCH << _ROW_BITS | at for at in self._rounds(request, progress)]
        found = np.flatnonzero(np.isin(slices.row, np.array(rows, np.int64))).tolist() if rows else []
        passes = [each for at in found for each in _passes_in(slices, at)]
        return sorted({*found, *passes}, key=lambda at: (int(slices.start[at]), at))

    def _rounds(self, request: str, progress: Progress) -> list[int]:
        """Return the rows of the rounds that hold a request."""
        if (held := self._frames.get(_BATCH)) is None:
            return []
        found, _notes = self._store.read("batch", ("name", "start", "end", "res_list"), progress)
        if found is None:
            return []
        may = found.frame.filter(pl.col("res_list").str.contains(request, literal=True))
        rows = [
            row
            for row, cell in may.select("row", "res_list").iter_rows()
            if any(is_of(one.request_id, request) for one in parse_res_list(cell).requests)
        ]
        return held.select(pl.arg_where(pl.col("row").is_in(rows))).to_series().to_list()


def _passes_in(slices: Slices, index: int) -> list[int]:
    """Return the forward passes of a domain that lie within one of its rounds."""
    one = slices.tracks[slices.track_of(index)]
    if slices.names[slices.name[index]] not in EXECUTION or one.domain is None:
        return []
    begin, end = int(slices.start[index]), slices.end(index)
    found: list[int] = []
    for place, other in enumerate(slices.tracks):
        if other.kind == "card" and other.domain == one.domain:
            first, last = slices.offsets[place], slices.offsets[place + 1]
            own = slices.start[first:last]
            inside = range(int(np.searchsorted(own, begin)), int(np.searchsorted(own, end)))
            passes = [int(first) + at for at in inside if slices.names[slices.name[first + at]] == FORWARD]
            found += [at for at in passes if slices.end(at) <= end + _LATE]
    return found


def _decode_hosts(owners: Owners, batch: Raw | None) -> dict[int, dict[str, Any]]:
    """Return where the decode domain of each rank is: its pulls are known by the rank alone."""
    if batch is None or "decode_batch_size" not in batch.frame.columns:
        return {}
    sizes = batch.frame.group_by("prof_id").agg(
        decode=pl.col("decode_batch_size").sum(), prefill=pl.col("prefill_batch_size").sum()
    )
    known = owners.frame.join(sizes, on="prof_id").filter(pl.col("decode") > pl.col("prefill"))
    rows = known.drop_nulls("dp_rank").unique("domain", maintain_order=True).unique("dp_rank", keep="none")
    return {row["dp_rank"]: row for row in rows.iter_rows(named=True)}


class _Taken:
    """Columns made of tables one by one."""

    def __init__(self) -> None:
        self._columns, self._names = Columns(), Codes()
        self._tracks: dict[int, Track] = {}
        self._places: dict[str, int] = {}

    def take(
        self, of: int, rows: pl.DataFrame, on: Track, name: str | pl.Series, domain: str | None = None
    ) -> None:
        """Take the rows of a table, with their places in it `at`, as slices of a track."""
        good = rows.with_columns(name=pl.lit(name) if isinstance(name, str) else name)
        good = good.drop_nulls(["start", "end"])
        if good.is_empty():
            return
        place = self._places.setdefault(on.key, len(self._places))
        known = self._tracks.get(place)
        # A worker's rounds may come before its forward passes.
        kind = "card" if known is not None and "card" in (known.kind, on.kind) else on.kind
        self._tracks[place] = replace(on, kind=kind, domain=domain)
        codes = {text: self._names.of(text) for text in good["name"].unique(maintain_order=True)}
        named = good["name"].replace_strict(list(codes), list(codes.values()), return_dtype=pl.Int64)
        start, end = (good[each].dt.timestamp("us").to_numpy() * 1000 for each in ("start", "end"))
        rows_of = (of << _ROW_BITS) | good["at"].to_numpy()
        self._columns.add(np.full(good.height, place), named.to_numpy(), start, end - start, rows_of)

    def slices(self) -> Slices:
        """Return what was taken."""
        return build(self._columns, self._tracks, self._names.texts)
