"""What a raw profile's records mean, as frames like those of a trace, each made when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial

import polars as pl

from lbtui.profile import Note, Progress, SourceFile
from lbtui.profile.once import Once
from lbtui.sources.frame import canonical
from lbtui.sources.pull_source import sources
from lbtui.sources.raw import links
from lbtui.sources.raw.links import Links, links_of
from lbtui.sources.raw.processes import Process, read_processes
from lbtui.sources.raw.reader import Wanted
from lbtui.sources.raw.records import Record, Records, read_record, read_records
from lbtui.sources.raw.scheduled import requests_of, sizes_of
from lbtui.sources.steps.recorded import EXECUTION, GROUPING
from lbtui.sources.tables import cells
from lbtui.sources.trace.nodes import CoordinatorEvents
from lbtui.sources.trace.requests import ENTERED, LEFT, STAGE_EVENTS, STAGES, WAITING, client_ids
from lbtui.text import _

_BATCH_TYPES = {
    "0": "Prefill",
    "1": "Decode",
    "2": "Extend",
    "3": "Mixed",
    "5": "Dummy",
}  # MindIE's batchType
FILE = _("raw profile")
_QUEUES = frozenset({"Queue", ENTERED, LEFT})


def _named(*names: str, fields: Sequence[str] = ()) -> Wanted:
    return Wanted(frozenset(names), frozenset(), ("rid", *fields))


_COORDINATOR = ("RequestDispatch", "GenerateToken", "ReqFinish")
_PASS, _PULL, PROPOSAL, RUN = "forward", "PullKVCache", "specDecoding", "modelRunnerExec"
# Each kind is one pass over the files.
_WANTED = {
    # A round is grouped and executed: both hold the same batch.
    "runs": replace(
        _named(_PASS, *EXECUTION, fields=["dp_rank", "batchType", "batch_type"]),
        instead=frozenset(GROUPING),
        unless=frozenset(EXECUTION),
    ),
    "queues": _named(*_QUEUES, fields=["status", "scope#QueueName", "QueueSize="]),
    "kv": Wanted(
        frozenset(),
        frozenset({"KVCache", "Schedule.KVCache"}),
        ("deviceBlock=", "deviceFreeBlock", "FreeBlocks=", "TotalBlocks="),
    ),
    "others": replace(
        _named(
            *STAGE_EVENTS,
            *_COORDINATOR,
            _PULL,
            PROPOSAL,
            RUN,
            links.NAME,
            fields=[
                links.FROM,
                links.TO,
                "recvTokenSize=",
                "replyTokenSize=",
                "hitCache",
                "hitRate=",
                "PrefillAddress",
                "DecodeAddress",
                "Phase",
                "rank",
                "batch_seq_len",
                "block_tables",
                "spec_decode_accepted_by_req",
                "msg",
            ],
        ),
        keys=frozenset({links.FROM}),
    ),
}


_EVERY = "every"
EVERY = Wanted(frozenset(), frozenset(), ("rid",), every=True)


class Kept:
    """What was read of files that records may come to, for those who read them again."""

    def __init__(self) -> None:
        self.processes: tuple[Process, ...] = ()
        self.records: dict[str, Records] = {}  # by kind


class RawProfile:
    """The processes of a raw profile; what their records mean is found once, when it is first asked for.

    Of what is `kept` only what came since is read, and kept in its turn.
    """

    def __init__(self, files: Sequence[SourceFile], kept: Kept | None = None) -> None:
        self.files = tuple(files)
        self._kept = kept
        self.processes = Once(self._read_processes)
        self._told: dict[str, tuple[Note, ...]] = {}  # by kind
        self._records = {kind: Once(partial(self.read, kind)) for kind in ("queues", "others")}
        self._links = Once(self._read_links)
        self._frames = {name: Once(partial(make, self)) for name, make in _FRAMES.items()}

    def _read_processes(self, progress: Progress) -> tuple[tuple[Process, ...], tuple[Note, ...]]:
        if self._kept is None:
            return read_processes(self.files, progress)
        found = read_processes(self.files, progress, self._kept.processes)
        self._kept.processes = found[0]
        return found

    def frame(self, name: str, progress: Progress) -> pl.DataFrame:
        """Return a frame of `_FRAMES`."""
        return self._frames[name](progress)

    def read(
        self,
        kind: str,
        progress: Progress,
        reduced: Callable[[pl.DataFrame], pl.DataFrame] = lambda records: records,
    ) -> pl.DataFrame:
        """Return the records of a kind of `_WANTED`, with the `prof_id` and `pid` of their process.

        Each piece of them is as `reduced` makes it.
        """
        known = self.processes(progress)[0]
        of = pl.DataFrame(
            {
                "process": pl.Series(range(len(known)), dtype=pl.Int32),
                "prof_id": pl.Series([process.prof_id for process in known], dtype=pl.String),
                "pid": pl.Series([process.pid for process in known], dtype=pl.Int64),
            }
        )
        before = None if self._kept is None else self._kept.records.get(kind)
        records = read_records(known, _WANTED[kind], progress, reduced, before)
        if self._kept is not None:
            self._kept.records[kind] = records
        self._told[kind] = (*_unusable_note(records.unusable), *records.notes)
        return records.frame.join(of, on="process", how="left", maintain_order="left")

    def all_records(self, progress: Progress, reduced: Callable[[pl.DataFrame], pl.DataFrame]) -> Records:
        """Return every record, whatever it means, with its `rid`, each piece as `reduced` makes it."""
        before = None if self._kept is None else self._kept.records.get(_EVERY)
        records = read_records(self.processes(progress)[0], EVERY, progress, reduced, before)
        if self._kept is not None:
            self._kept.records[_EVERY] = records
        return records

    def links(self, progress: Progress) -> Links:
        """Return which ids are of one request."""
        return self._links(progress)

    def _read_links(self, progress: Progress) -> Links:
        records = self._records["others"](progress).filter(pl.col(links.FROM).is_not_null())
        return links_of(records, self.processes(progress)[0])

    def notes(self) -> tuple[Note, ...]:
        """Return what could not be read of what was read so far."""
        processes = self.processes.kept
        if processes is None:
            return ()
        told = (note for notes in list(self._told.values()) for note in notes)
        nothing = () if processes[0] else (_nothing_note(len(self.files)),)
        return tuple(dict.fromkeys((*processes[1], *nothing, *told)))

    def records(self, kind: str, names: Collection[str], progress: Progress) -> pl.DataFrame:
        """Return the records of these names, of a kind that several frames are made of."""
        return self._records[kind](progress).filter(pl.col("name").is_in(list(names)))

    def record(self, prof_id: str, row: int, kind: str, progress: Progress) -> Record | None:
        """Return the record of a kind at a row of the table of a process, read now."""
        known = self.processes(progress)[0]
        process = next((process for process in known if process.prof_id == prof_id), None)
        return None if process is None else read_record(process, row, _WANTED[kind], progress)


def _nothing_note(files: int) -> Note:
    text = _(
        "None of its {count} files holds a record: was the profiler switched on while requests were served, "
        "and stopped, so that it wrote what it had?"
    )
    return Note(FILE, text.format(count=files), lost=True, verdict="no rows")


def _unusable_note(count: int) -> tuple[Note, ...]:
    if not count:
        return ()
    text = _("{count} records have no time or are no JSON objects, and are left out.")
    return (Note(FILE, text.format(count=count), lost=True),)


def _forwards(raw: RawProfile, progress: Progress) -> pl.DataFrame:
    passes = raw.frame("runs", progress).filter(pl.col("name") == _PASS)
    return passes.select("prof_id", "start", "end", "duration_ms", "dp_rank", "batch_size")


def _spans(raw: RawProfile, progress: Progress) -> pl.DataFrame:
    return raw.frame("runs", progress).filter(pl.col("name") != _PASS).drop("dp_rank")


def _runs(raw: RawProfile, progress: Progress) -> pl.DataFrame:
    """Return forward passes and scheduling rounds, which one reading yields."""
    return raw.read("runs", progress, _sized).drop("process", "pid")


def _sized(records: pl.DataFrame) -> pl.DataFrame:
    named = pl.col("batchType").replace_strict(_BATCH_TYPES, default=None)
    requests = requests_of(records["rid"])
    rounds = records.select(
        cell=pl.int_range(pl.len(), dtype=pl.Int64), is_round=pl.col("name") != _PASS
    ).filter("is_round")
    ids = (
        requests.join(rounds, on="cell", how="semi", maintain_order="left")
        .group_by("cell", maintain_order=True)
        .agg(rids=pl.col("request_id"))
    )
    return (
        records.with_columns(cells.count(records["dp_rank"]).alias("dp_rank"))
        .hstack(sizes_of(requests, records.height))
        .with_columns(cell=pl.int_range(pl.len(), dtype=pl.Int64))
        .join(ids, on="cell", how="left", maintain_order="left")
        .select(
            "process",
            "name",
            "start",
            "end",
            _duration(),
            "dp_rank",
            pl.coalesce(named, "batch_type").alias("batch_type"),
            pl.col("batch_size", "prefill_batch_size", "decode_batch_size").cast(pl.Int32),
            "tokens",
            "rids",
            offset="row",
        )
    )


def _queue_events(raw: RawProfile, progress: Progress) -> pl.DataFrame:
    records = raw.records("queues", _QUEUES, progress)
    return records.select(
        "prof_id",
        "pid",
        time="start",
        queue=_queue(),
        size=cells.count(records["QueueSize="]),
        kind="name",
    ).drop_nulls("queue")


def _stages(raw: RawProfile, progress: Progress) -> pl.DataFrame:
    """Return the events of requests' lives, as `STAGES`."""
    of_queues = raw.records("queues", [ENTERED, LEFT], progress).filter(_queue().is_in(list(WAITING)))
    events = pl.concat([raw.records("others", STAGE_EVENTS, progress), of_queues], how="diagonal")
    told = events.with_columns(
        process=pl.col("process").cast(pl.Int64),
        time=pl.col("start").dt.timestamp("us").cast(pl.Float64),
        input_tokens=cells.count(events["recvTokenSize="]),
        output_tokens=cells.count(events["replyTokenSize="]),
        cache_hit_rate=cells.share(events.select(pl.coalesce("hitCache", "hitRate="))["hitCache"]),
    )
    return _each(told, raw.links(progress)).select(
        pl.col(name).cast(kind, strict=False) for name, kind in STAGES.items()
    )


def _dispatches(raw: RawProfile, progress: Progress) -> pl.DataFrame:
    events = CoordinatorEvents()
    records = raw.records("others", _COORDINATOR, progress)
    rows = _each(records, raw.links(progress)).select(
        "name",
        "request_id",
        pl.col("start").dt.timestamp("us"),
        "PrefillAddress",
        "DecodeAddress",
        "Phase",
    )
    for name, rid, time, prefill, decode, phase in rows.iter_rows():
        if name == "RequestDispatch":
            events.dispatch(rid, time, prefill, decode)
        elif name == "ReqFinish":
            events.decode_end(rid, time)
        elif phase == "prefill":
            events.prefill_end(rid, time)
    return events.dispatches()


def _transfers(raw: RawProfile, progress: Progress) -> pl.DataFrame:
    records = raw.records("others", [_PULL], progress)
    lengths = pl.col("batch_seq_len").str.extract_all(r"\d+")
    # One length per request; any other number of lengths cannot be told apart.
    length = pl.when(lengths.list.len() == pl.col("of")).then(lengths.list.get("place", null_on_oob=True))
    ranked = records.with_columns(cells.count(records["rank"]))
    rows = _each(ranked, raw.links(progress)).with_columns(
        place=pl.int_range(pl.len()).over("cell"), of=pl.len().over("cell")
    )
    return canonical(
        rows.with_columns(
            _duration("duration"), source=sources("block_tables"), tokens=length.cast(pl.Int64, strict=False)
        ),
        "transfers",
    )


def _each(records: pl.DataFrame, known: Links) -> pl.DataFrame:
    """Return the records once for each of their requests, with its `request_id` and their `cell`."""
    told = requests_of(records["rid"]).select("cell", "request_id")
    placed = records.with_columns(cell=pl.int_range(pl.len(), dtype=pl.Int64))
    return known.named(placed.join(told, on="cell", maintain_order="left_right"))


def _queue() -> pl.Expr:
    return pl.coalesce("status", "scope#QueueName").str.to_lowercase()


def _duration(name: str = "duration_ms") -> pl.Expr:
    # Rounded, as a quotient's last bit depends on how many are divided at once.
    return ((pl.col("end") - pl.col("start")).dt.total_microseconds() / 1000).round(3).alias(name)


_FRAMES: dict[str, Callable[[RawProfile, Progress], pl.DataFrame]] = {
    "runs": _runs,
    "forwards": _forwards,
    "spans": _spans,
    "queue_events": _queue_events,
    "stages": _stages,
    "client_ids": lambda raw, progress: client_ids(raw.frame("stages", progress)),
    "dispatches": _dispatches,
    "transfers": _transfers,
}
