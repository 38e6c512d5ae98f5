"""chrome_tracing.json, read once from end to end: raw frames of all that other files lack or may lack."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from lbtui.profile import Cancelled, Cut, Note, Progress, Provenance, Unreadable, host_and_pid
from lbtui.profile.note import cut_words
from lbtui.sources.experts.rows import ProcessExperts
from lbtui.sources.safe_values import moment, real, whole
from lbtui.sources.trace.events import FLOW_EVENTS, EventCollector
from lbtui.sources.trace.json_stream import Break, ElementReader, read_element
from lbtui.sources.trace.names import names_behind
from lbtui.sources.trace.nodes import node_frame
from lbtui.sources.trace.requests import client_ids, handoffs_of, left_queue, requests_of
from lbtui.text import _, in_list, visible

_EPOCH = datetime(1970, 1, 1)


@dataclass(frozen=True)
class Trace:
    """`Events` of one trace; frames keep the file's order."""

    file: str  # as it is shown
    reader: str
    processes: pl.DataFrame
    forwards: pl.DataFrame
    spans: pl.DataFrame
    queue_events: pl.DataFrame
    kv_counters: pl.DataFrame
    requests: pl.DataFrame
    client_ids: pl.DataFrame
    left_queue: pl.DataFrame
    dispatches: pl.DataFrame
    nodes: pl.DataFrame
    transfers: pl.DataFrame
    handoffs: pl.DataFrame
    experts: tuple[ProcessExperts, ...]
    notes: tuple[Note, ...]

    def linked(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the rows: the parser has named the requests of a trace."""
        return rows

    def provenance(self, rows: int, precision: str = _("1 µs")) -> Provenance:
        """Return where that many rows come from."""
        return Provenance(self.file, self.reader, precision, rows)


def read_trace(path: Path, progress: Progress) -> Trace:
    """Return all that is readable of the trace at `path`; notes say what is not.

    Operator spans (tid Api, Kernel) are left out: their times are cut to whole us, too coarse for the ns
    sums of ep_balance.csv. A trace of which `progress` wants no more is as if the capture had ended there:
    spans and events stand in it by time. Raises `Unreadable` when the file is no trace, `Cancelled` when
    `progress` does.
    """
    reader = ElementReader(path, progress, skip=FLOW_EVENTS)
    collector = EventCollector()
    for offset, event in reader:
        collector.take(offset, event)
    cut = None
    if reader.stopped is not None:
        cut = _cut(path, reader.stopped, collector, progress)
    if collector.others and not collector.events:
        raise Unreadable(
            _("{file} is not a trace: none of its {count} elements is a trace event.").format(
                file=path.name, count=collector.others
            )
        )
    dispatches = collector.coordinator.dispatches()
    stages = collector.stages.frame()
    return Trace(
        file=visible(path.name),
        reader="trace",
        processes=collector.processes(),
        forwards=collector.forwards.frame(),
        spans=collector.spans.frame(),
        queue_events=collector.queue_events.frame(),
        kv_counters=collector.kv_counters.frame(),
        requests=requests_of(stages),
        client_ids=client_ids(stages),
        left_queue=left_queue(stages),
        dispatches=dispatches,
        nodes=node_frame(dispatches),
        transfers=collector.transfers.frame(),
        handoffs=handoffs_of(stages),
        experts=collector.experts.processes(),
        notes=tuple(
            Note(visible(path.name), text, lost)
            for lost, texts in ((True, _losses(collector, reader.broken)), (False, _doubts(collector)))
            for text in texts
        )
        + (() if cut is None else (Note(cut.file, cut_words(cut), lost=True, cut=cut),)),
    )


def _cut(path: Path, stopped: int, collector: EventCollector, progress: Progress) -> Cut:
    """Let the collector know who is who, which a trace tells near its end; return where it was cut.

    Raises `Cancelled` where that is not found: rows of nobody cannot be shown.
    """
    try:
        for event in names_behind(path, stopped, progress):
            collector.take(stopped, event)
        size = path.stat().st_size
    except OSError as error:
        raise Cancelled from error
    if collector.processes().is_empty():
        raise Cancelled
    progress.advance(path.name, stopped, stopped)
    return Cut(visible(path.name), stopped, size)


def read_event(path: Path, offset: int) -> dict[str, Any]:
    """Return the event that begins at byte `offset` (`spans.offset`), with its whole `args.res_list`.

    Raises `Unreadable` when there is none, as after the file was written anew.
    """
    event = read_element(path, offset)
    if type(event) is not dict:
        raise Unreadable(
            _("{file} has no event at byte {offset}: the file was changed since it was read.").format(
                file=path.name, offset=offset
            )
        )
    return event


def read_span(path: Path, prof_id: str, offset: int) -> tuple[tuple[Any, ...] | None, str | None]:
    """Return what proves the span at byte `offset` (name, prof_id, start, end), and its `res_list`.

    None of one of another process, or without its times. Raises what `read_event` does.
    """
    event = read_event(path, offset)
    process = host_and_pid(prof_id)
    start, duration = moment(event.get("ts")), real(event.get("dur"))
    if process is None or process[1] != whole(event.get("pid")) or start is None or duration is None:
        return None, None
    args = event.get("args")
    res_list = args.get("res_list") if isinstance(args, dict) else None
    times = (_EPOCH + timedelta(microseconds=int(time)) for time in (start, start + duration))
    return (event.get("name"), prof_id, *times), None if res_list is None else str(res_list)


def _losses(collector: EventCollector, broken: Break | None) -> list[str]:
    notes = []
    if broken:
        notes.append(
            _("The trace breaks at byte {byte}: {reason}. What stands before it is used.").format(
                byte=broken.byte, reason=broken.reason
            )
        )
    if collector.others:
        notes.append(_("{count} elements are no trace events: left out.").format(count=collector.others))
    if collector.unusable:
        notes.append(
            _("{count} events lack a usable time, pid or rank: left out.").format(count=collector.unusable)
        )
    return notes


def _doubts(collector: EventCollector) -> list[str]:
    notes = []
    if collector.operators:
        notes.append(
            _(
                "{count} events have the name of a service's span and their time as text: the parser merged "
                "an operator profile (torch_npu) in. They are no forward passes and are left out."
            ).format(count=collector.operators)
        )
    if collector.relabelled:
        notes.append(
            _("pid {pids} occurs on two hosts; the trace cannot tell their rows apart.").format(
                pids=in_list(map(str, sorted(collector.relabelled)))
            )
        )
    if collector.coordinator.without_dispatch:
        notes.append(
            _(
                "{count} requests were dispatched before the capture: their nodes are unknown, "
                "and running counts are lower bounds."
            ).format(count=collector.coordinator.without_dispatch)
        )
    return notes
