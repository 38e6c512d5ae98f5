"""What a raw profile's records mean, as frames like those of a trace, each read when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial

import polars as pl

from lbtui.profile import SCHEMAS, Note, Progress, Provenance, SourceFile
from lbtui.profile.once import Once
from lbtui.sources.experts.rows import ProcessExperts
from lbtui.sources.pull_source import sources
from lbtui.sources.raw.records import (
    Process,
    Record,
    Records,
    Wanted,
    read_processes,
    read_record,
    read_records,
)
from lbtui.sources.raw.scheduled import requests_of, sizes_of
from lbtui.sources.steps.recorded import EXECUTION, GROUPING
from lbtui.sources.tables import cells
from lbtui.sources.trace.events import KV_COUNTERS
from lbtui.sources.trace.nodes import CoordinatorEvents, node_frame
from lbtui.sources.trace.requests import ENTERED, LEFT, STAGE_EVENTS, STAGES, handoffs_of
from lbtui.sources.trace.requests import requests_of as lives_of
from lbtui.text import _

_BATCH_TYPES = {
    "0": "Prefill",
    "1": "Decode",
    "2": "Extend",
    "3": "Mixed",
    "5": "Dummy",
}  # MindIE's batchType
_QUEUES = frozenset({"Queue", ENTERED, LEFT})


def _named(*names: str, fields: Sequence[str] = ()) -> Wanted:
    return Wanted(frozenset(names), frozenset(), ("rid", *fields))


_WANTED = {
    "forwards": _named("forward", fields=["dp_rank"]),
    "rounds": _named(*EXECUTION, *GROUPING, fields=["batchType", "batch_type"]),
    "queues": _named(*_QUEUES, fields=["status", "scope#QueueName", "QueueSize="]),
    "stages": _named(*STAGE_EVENTS, fields=["recvTokenSize=", "replyTokenSize="]),
    "coordinator": _named(
        "RequestDispatch",
        "GenerateToken",
        "ReqFinish",
        fields=["PrefillAddress", "DecodeAddress", "Phase"],
    ),
    "pulls": _named("PullKVCache", fields=["rank", "batch_seq_len", "block_tables"]),
    "speculation": _named("specDecoding"),
    "accepted": _named("modelRunnerExec", fields=["spec_decode_accepted_by_req"]),
    "kv": Wanted(
        frozenset(),
        frozenset({"KVCache", "Schedule.KVCache"}),
        ("deviceBlock=", "deviceFreeBlock", "FreeBlocks=", "TotalBlocks=", "UsedBlocks="),
    ),
}


class RawProfile:
    """The processes of a raw profile and their records, each kind read once."""

    def __init__(self, files: Sequence[SourceFile]) -> None:
        self.files = tuple(files)
        self.processes = Once(lambda progress: read_processes(self.files, progress))
        self._records = {kind: Once(partial(self._read, wanted)) for kind, wanted in _WANTED.items()}

    def _read(self, wanted: Wanted, progress: Progress) -> Records:
        return read_records(self.processes(progress)[0], wanted, progress)

    def record(self, prof_id: str, row: int, kind: str, progress: Progress) -> Record | None:
        """Return the record of a kind at a row of the table of a process, read now."""
        known = self.processes(progress)[0]
        process = next((process for process in known if process.prof_id == prof_id), None)
        return None if process is None else read_record(process, row, _WANTED[kind], progress)

    def records(self, kind: str, progress: Progress) -> Records:
        """Return the records of a kind of `_WANTED`."""
        return self._records[kind](progress)


class RawEvents:
    """What `Trace` holds, of a raw profile; read with the progress that it was made with.

    Rows name their process by `prof_id`, which is unique, and by its pid, which need not be.
    """

    file = _("raw profile")
    reader = "raw"
    experts: tuple[ProcessExperts, ...] = ()  # its files are read where expert heat is

    def __init__(self, raw: RawProfile, progress: Progress) -> None:
        self._raw = raw
        self._progress = progress

    @property
    def parts(self) -> tuple[tuple[SourceFile, int], ...]:
        """The files, and how many records each holds."""
        held = {process.file: process.records for process in self._known}
        return tuple((file, held.get(file, 0)) for file in self._raw.files)

    def provenance(self, rows: int, precision: str = _("1 µs")) -> Provenance:
        """Return where that many rows come from."""
        return Provenance(self.file, self.reader, precision, rows, parts=self.parts)

    @property
    def notes(self) -> tuple[Note, ...]:
        """What could not be read."""
        return self._raw.processes(self._progress)[1]

    @property
    def _known(self) -> tuple[Process, ...]:
        return self._raw.processes(self._progress)[0]

    @cached_property
    def processes(self) -> pl.DataFrame:
        """`prof_id`, `pid`, `host` and `dp_rank` of each process."""
        known = self._known
        return pl.DataFrame(
            {
                "prof_id": [process.prof_id for process in known],
                "pid": [process.pid for process in known],
                "host": [process.host for process in known],
                "dp_rank": [process.dp_rank for process in known],
            },
            schema={"prof_id": pl.String, "pid": pl.Int64, "host": pl.String, "dp_rank": pl.Int32},
        ).unique("prof_id", keep="first", maintain_order=True)

    def _records(self, kind: str) -> pl.DataFrame:
        """Return the records of a kind, with the `prof_id` and `pid` of their process."""
        records = self._raw.records(kind, self._progress).frame
        known = self._known
        of = pl.DataFrame(
            {
                "process": pl.Series(range(len(known)), dtype=pl.Int32),
                "prof_id": pl.Series([process.prof_id for process in known], dtype=pl.String),
                "pid": pl.Series([process.pid for process in known], dtype=pl.Int64),
            }
        )
        return records.join(of, on="process", how="left", maintain_order="left")

    @cached_property
    def forwards(self) -> pl.DataFrame:
        """Forward passes: `prof_id`, `dp_rank`, `start`, `end`, `duration_ms`, `batch_size`."""
        records = self._records("forwards")
        sizes = sizes_of(records["rid"])
        return records.select(
            "prof_id",
            "start",
            "end",
            _duration(),
            cells.count(records["dp_rank"]).alias("dp_rank"),
            sizes["batch_size"].cast(pl.Int32),
        )

    @cached_property
    def spans(self) -> pl.DataFrame:
        """Scheduling rounds, as a trace has them; `offset` is the place of the record in its process."""
        records = self._records("rounds")
        named = pl.col("batchType").replace_strict(_BATCH_TYPES, default=None)
        ids = requests_of(records["rid"]).group_by("cell", maintain_order=True).agg(rids=pl.col("request_id"))
        return (
            records.hstack(sizes_of(records["rid"]))
            .with_columns(cell=pl.int_range(pl.len(), dtype=pl.Int64))
            .join(ids, on="cell", how="left", maintain_order="left")
            .select(
                "prof_id",
                "name",
                "start",
                "end",
                _duration(),
                pl.coalesce(named, "batch_type").alias("batch_type"),
                pl.col("batch_size", "prefill_batch_size", "decode_batch_size").cast(pl.Int32),
                "tokens",
                "rids",
                offset="row",
            )
        )

    @cached_property
    def queue_events(self) -> pl.DataFrame:
        """Lengths of queues: `time`, `prof_id`, `pid`, `queue`, `size`, `kind`."""
        records = self._records("queues")
        queue = pl.coalesce("status", "scope#QueueName").str.to_lowercase()
        return records.select(
            "prof_id",
            "pid",
            time="start",
            queue=queue,
            size=cells.count(records["QueueSize="]),
            kind="name",
        ).drop_nulls("queue")

    @property
    def kv_records(self) -> pl.DataFrame:
        """Records on KV blocks: `prof_id`, `name`, `start`, and what they tell, as text."""
        return self._records("kv")

    @property
    def speculation_records(self) -> pl.DataFrame:
        """Proposals of a draft model: `prof_id`, `start`, `end`, `rid`."""
        return self._records("speculation")

    @property
    def accepted_records(self) -> pl.DataFrame:
        """Runs of a model that tell what they accepted: `prof_id`, `start`, `end`."""
        return self._records("accepted")

    @property
    def kv_counters(self) -> pl.DataFrame:
        """None: the readings themselves are there."""
        return pl.DataFrame(schema=KV_COUNTERS)

    @cached_property
    def _stages(self) -> pl.DataFrame:
        """The events of requests' lives, as `STAGES`."""
        of_queues = self._records("queues").filter(
            pl.col("name").is_in([ENTERED, LEFT]),
            pl.coalesce("status", "scope#QueueName").str.to_lowercase() == "waiting",
        )
        nothing = (pl.lit(None, pl.String).alias(name) for name in ("recvTokenSize=", "replyTokenSize="))
        events = pl.concat(
            [self._records("stages"), of_queues.with_columns(nothing)], how="diagonal"
        ).with_row_index("cell")
        told = requests_of(events["rid"]).select("cell", "request_id")
        return (
            events.select(
                pl.col("cell").cast(pl.Int64),
                "name",
                process=pl.col("process").cast(pl.Int64),
                time=pl.col("start").dt.timestamp("us").cast(pl.Float64),
                input_tokens=cells.count(events["recvTokenSize="]),
                output_tokens=cells.count(events["replyTokenSize="]),
            )
            .join(told, on="cell", how="inner", maintain_order="left_right")
            .select(pl.col(name).cast(kind, strict=False) for name, kind in STAGES.items())
        )

    @cached_property
    def requests(self) -> pl.DataFrame:
        """The canonical frame of that name."""
        return lives_of(self._stages)

    @cached_property
    def handoffs(self) -> pl.DataFrame:
        """The canonical frame of that name."""
        return handoffs_of(self._stages)

    @cached_property
    def dispatches(self) -> pl.DataFrame:
        """Which nodes a coordinator sent each request to, as a trace has it."""
        events = CoordinatorEvents()
        records = self._records("coordinator").with_row_index("cell")
        told = requests_of(records["rid"]).select("cell", "request_id")
        rows = (
            records.with_columns(pl.col("cell").cast(pl.Int64), time=pl.col("start").dt.timestamp("us"))
            .join(told, on="cell", maintain_order="left_right")
            .select("name", "request_id", "time", "PrefillAddress", "DecodeAddress", "Phase")
        )
        for name, rid, time, prefill, decode, phase in rows.iter_rows():
            if name == "RequestDispatch":
                events.dispatch(rid, time, prefill, decode)
            elif name == "ReqFinish":
                events.decode_end(rid, time)
            elif phase == "prefill":
                events.prefill_end(rid, time)
        return events.dispatches()

    @cached_property
    def nodes(self) -> pl.DataFrame:
        """The canonical frame of that name."""
        return node_frame(self.dispatches)

    @cached_property
    def transfers(self) -> pl.DataFrame:
        """The canonical frame of that name."""
        records = self._records("pulls").with_row_index("cell")
        told = requests_of(records["rid"]).with_columns(
            place=pl.int_range(pl.len()).over("cell"), of=pl.len().over("cell")
        )
        lengths = pl.col("batch_seq_len").str.extract_all(r"\d+")
        # One length per request; any other number of lengths cannot be told apart.
        length = pl.when(lengths.list.len() == pl.col("of")).then(lengths.list.get("place", null_on_oob=True))
        rows = (
            records.with_columns(pl.col("cell").cast(pl.Int64), rank=cells.count(records["rank"]))
            .join(told.select("cell", "request_id", "place", "of"), on="cell", maintain_order="left_right")
            .select(
                "request_id",
                "rank",
                "start",
                "end",
                _duration("duration"),
                source=sources("block_tables"),
                tokens=length.cast(pl.Int64, strict=False),
            )
        )
        return rows.select(
            pl.col(name).cast(kind, strict=False) for name, kind in SCHEMAS["transfers"].items()
        )


def _duration(name: str = "duration_ms") -> pl.Expr:
    return ((pl.col("end") - pl.col("start")).dt.total_microseconds() / 1000).alias(name)
