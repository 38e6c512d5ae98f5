"""What each event of chrome_tracing.json means: events in, raw rows out."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import polars as pl

from lbtui.profile import SCHEMAS
from lbtui.profile.schema import TIME
from lbtui.sources.experts.rows import ExpertAccumulator, ExpertRow
from lbtui.sources.pull_source import source_of
from lbtui.sources.safe_values import count, moment, real, request_ids, share, small, text, whole
from lbtui.sources.tables.row_buffer import RowBuffer, columns
from lbtui.sources.trace.nodes import CoordinatorEvents
from lbtui.sources.trace.requests import STAGE_EVENTS, STAGES, WAITING

PROCESSES = columns(
    {"pid": pl.Int64, "host": pl.String, "dp_rank": pl.Int32, "name": pl.String}  # name misleads: trap 19
)
FORWARDS = columns(
    {
        "pid": pl.Int64,
        "dp_rank": pl.Int32,  # null on vLLM
        "start": TIME,
        "end": TIME,
        "duration_ms": pl.Float64,
        "batch_size": pl.Int32,  # requests
    }
)
SPANS = columns(
    {
        "pid": pl.Int64,
        "name": pl.String,
        "start": TIME,
        "end": TIME,
        "duration_ms": pl.Float64,
        "batch_type": pl.String,  # Prefill, Decode; null on Execute and modelRunnerExec
        "batch_size": pl.Int32,  # requests
        "prefill_batch_size": pl.Int32,
        "decode_batch_size": pl.Int32,
        "prefill_tokens": pl.Int64,
        "decode_tokens": pl.Int64,
        "tokens": pl.Int64,
        "rids": pl.List(pl.String),  # on the grouping spans only
        "offset": pl.Int64,  # byte of the file at which the event begins
    }
)
QUEUE_EVENTS = columns(
    {
        "time": TIME,
        "pid": pl.Int64,
        "queue": pl.String,  # waiting, running, swapped (MindIE), pending (vLLM)
        "size": pl.Int64,  # after the event
        "kind": pl.String,  # Queue, Enqueue, Dequeue
        "rids": pl.List(pl.String),
    }
)
KV_COUNTERS = columns(
    {"time": TIME, "pid": pl.Int64, "dp_rank": pl.Int32, "value": pl.Float64}  # free blocks
)

GROUPING = frozenset({"BatchSchedule", "batchFrameworkProcessing"})
SPAN_NAMES = GROUPING | {"Execute", "modelExec", "modelRunnerExec", "specDecoding"}

_FLOW = ("s", "t", "f")
# Flow events as upstream writes them: two thirds of a file. Passing over them saves a third of its time.
FLOW_EVENTS = re.compile(
    r'(?:\{"name": "flow_[^"\\]*", "ph": "[stf]", "ts": [\d.]+, "id": "[^"\\]*", "cat": "[^"\\]*", '
    r'"pid": \d+, "tid": "[^"\\]*"\},\s*(?=\{))+'
)
_COUNTER_DP = re.compile(r"KVCache(?:-dp(\d{1,9}))?$")  # SGLang's names no rank
_LABEL_DP = re.compile(r"(?P<host>.*?)(?:,\s*dp(?P<dp>\d{1,9}))?")
_EXPERT_KINDS: tuple[tuple[Literal["hot", "routing"], str], ...] = (
    ("routing", "expert_routing"),
    ("hot", "expert_hot"),
)

Event: TypeAlias = dict[str, Any]
_Handler: TypeAlias = Callable[[int, Event, Event, int, float], None]


class EventCollector:
    """Takes the events one by one and keeps rows of what lbtui shows, never the events."""

    def __init__(self) -> None:
        self.forwards = RowBuffer(FORWARDS)
        self.spans = RowBuffer(SPANS)
        self.queue_events = RowBuffer(QUEUE_EVENTS)
        self.kv_counters = RowBuffer(KV_COUNTERS)
        self.transfers = RowBuffer(SCHEMAS["transfers"])
        self.stages = RowBuffer(STAGES)
        self.coordinator = CoordinatorEvents()
        self.experts = ExpertAccumulator()
        self.events = 0  # of the trace format, used or not
        self.others = 0  # elements that are no trace event
        self.unusable = 0  # events that lack their time or pid
        self.operators = 0  # events of an operator profile, whose times are texts
        self.relabelled: set[int] = set()  # pids that two hosts claim
        self._names: dict[int, str | None] = {}
        self._labels: dict[int, tuple[str | None, int | None]] = {}
        self._handlers: dict[str, _Handler] = {
            "forward": self._forward,
            "PullKVCache": self._pull,
            "RequestDispatch": self._dispatch,
            "GenerateToken": self._generate,
            "ReqFinish": self._finish,
            **dict.fromkeys(("Queue", "Enqueue", "Dequeue"), self._queue),
            **dict.fromkeys(SPAN_NAMES, self._span),
            **dict.fromkeys(STAGE_EVENTS, self._stage),
        }

    def take(self, offset: int, event: Any) -> None:
        """Take the event that begins at byte `offset`."""
        if type(event) is not dict or "ph" not in event:
            self.others += 1
            return
        self.events += 1
        phase = event["ph"]
        if phase in _FLOW:
            return
        name = event.get("name")
        args = event.get("args")
        if type(name) is not str or type(args) is not dict:
            return
        if phase == "M":
            self._describe(name, event, args)
            return
        handler = self._handlers.get(name)
        if handler is None:
            if phase == "C":
                handler = self._counter
            # Their names are free; the parser goes by domain, and the domain is the thread's name.
            elif str(event.get("tid")).startswith("eplb_observe"):
                handler = self._experts
            else:
                return
        pid, time = whole(event.get("pid")), moment(event.get("ts"))
        if type(event.get("ts")) is str:
            self.operators += 1
        elif pid is None or time is None:
            self.unusable += 1
        else:
            handler(offset, event, args, pid, time)

    def processes(self) -> pl.DataFrame:
        """Return `PROCESSES`, one row per pid, ascending; host and dp_rank are null without a label."""
        rows = RowBuffer(PROCESSES)
        for pid in sorted(self._names.keys() | self._labels.keys()):
            rows.add(pid, *self._labels.get(pid, (None, None)), self._names.get(pid))
        return rows.frame()

    def _describe(self, name: str, event: Event, args: Event) -> None:
        pid = whole(event.get("pid"))
        if pid is None:
            return
        if name == "process_name":
            self._names[pid] = text(args.get("name"))
        elif name == "process_labels":
            label = labelled(text(args.get("labels")) or "")
            if label is not None and self._labels.setdefault(pid, label) != label:
                self.relabelled.add(pid)

    def _forward(self, _offset: int, event: Event, args: Event, pid: int, time: float) -> None:
        end, duration = _end(event, time)
        self.forwards.add(
            pid, count(args.get("dp_rank")), int(time), end, duration, count(args.get("batch_size"))
        )

    def _span(self, offset: int, event: Event, args: Event, pid: int, time: float) -> None:
        end, duration = _end(event, time)
        name = event["name"]
        res_list = args.get("res_list")
        prefills, decodes, prefill_tokens, decode_tokens = _scheduled(res_list)
        self.spans.add(
            pid,
            name,
            int(time),
            end,
            duration,
            text(args.get("batch_type")),
            count(args.get("batch_size")),
            prefills,
            decodes,
            prefill_tokens,
            decode_tokens,
            _sum(prefill_tokens, decode_tokens),
            request_ids(res_list) if name in GROUPING else None,
            offset,
        )

    def _queue(self, _offset: int, event: Event, args: Event, pid: int, time: float) -> None:
        queue = text(args.get("status", args.get("scope#QueueName")))
        if queue is None:
            return
        queue = queue.lower()
        kind = event["name"]
        rids = request_ids(args.get("res_list"))
        self.queue_events.add(int(time), pid, queue, count(args.get("QueueSize=")), kind, rids)
        if queue in WAITING and kind != "Queue":
            for rid in rids:
                self.stages.add(kind, rid, pid, time, None, None, None)

    def _counter(self, _offset: int, event: Event, args: Event, pid: int, time: float) -> None:
        match = _COUNTER_DP.search(event["name"])
        if match:
            self.kv_counters.add(int(time), pid, small(match[1]), real(args.get("Device Block")))

    def _stage(self, _offset: int, event: Event, args: Event, pid: int, time: float) -> None:
        tokens = count(args.get("recvTokenSize=")), count(args.get("replyTokenSize="))
        hits = share(args.get("hitCache", args.get("hitRate=")))
        for rid in request_ids(args.get("res_list")):
            self.stages.add(event["name"], rid, pid, time, *tokens, hits)

    def _dispatch(self, _offset: int, _event: Event, args: Event, _pid: int, time: float) -> None:
        for rid in request_ids(args.get("res_list")):
            self.coordinator.dispatch(
                rid, time, text(args.get("PrefillAddress")), text(args.get("DecodeAddress"))
            )

    def _generate(self, _offset: int, _event: Event, args: Event, _pid: int, time: float) -> None:
        if args.get("Phase") == "prefill":
            for rid in request_ids(args.get("res_list")):
                self.coordinator.prefill_end(rid, time)

    def _finish(self, _offset: int, _event: Event, args: Event, _pid: int, time: float) -> None:
        for rid in request_ids(args.get("res_list")):
            self.coordinator.decode_end(rid, time)

    def _pull(self, _offset: int, event: Event, args: Event, _pid: int, time: float) -> None:
        end, duration = _end(event, time)
        rids = request_ids(args.get("res_list"))
        lengths = args.get("batch_seq_len")
        # One length per request; any other number of lengths cannot be told apart.
        tokens = lengths if type(lengths) is list and len(lengths) == len(rids) else [None] * len(rids)
        rank, source = count(args.get("rank")), source_of(args.get("block_tables"))
        for rid, length in zip(rids, tokens, strict=True):
            self.transfers.add(rid, rank, source, int(time), end, duration, count(length))

    def _experts(self, _offset: int, _event: Event, args: Event, pid: int, time: float) -> None:
        rank = count(args.get("rank"))
        for kind, key in _EXPERT_KINDS:
            if key not in args:
                continue
            if rank is None:
                self.unusable += 1
            else:
                self.experts.add(ExpertRow(pid, time, rank, kind, args[key], int(time)))


def labelled(label: str) -> tuple[str | None, int | None] | None:
    """Return the host and the dp_rank that a process's label names (`host,dp2`); None if it is no label."""
    match = _LABEL_DP.fullmatch(label)
    return None if match is None else (match["host"] or None, small(match["dp"]))


def _end(event: Event, start: float) -> tuple[int | None, float | None]:
    """Return a span's end in whole us since 1970 and its duration in ms; null without a usable `dur`."""
    duration = real(event.get("dur"))
    end = None if duration is None or duration < 0 else moment(start + duration)
    return (None, None) if end is None or duration is None else (int(end), duration / 1000)


def _scheduled(res_list: Any) -> tuple[int, int, int | None, int | None]:
    """Return the prefill and decode requests of a `res_list`, then their tokens, as batch.csv counts them.

    `type` 0 is prefill (vLLM: also a later piece of a long prompt); where there is no `type`, `iter` 0 is.
    Requests with neither count as decode, so all of vLLM's modelRunnerExec do.
    Requests without a number of tokens count 0, as upstream has it; one that cannot be read makes the sum
    unknown.
    """
    prefills = decodes = 0
    prefill_tokens: int | None = 0
    decode_tokens: int | None = 0
    if type(res_list) is list:
        for item in res_list:
            if type(item) is not dict:
                continue
            tokens = count(item.get("num_scheduled_tokens=", item.get("num_scheduled_tokens", 0)))
            if item.get("type", item.get("iter")) == 0:
                prefills += 1
                prefill_tokens = _sum(prefill_tokens, tokens)
            else:
                decodes += 1
                decode_tokens = _sum(decode_tokens, tokens)
    return prefills, decodes, prefill_tokens, decode_tokens


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other
