"""Operator times of the EP ranks, from MSPTI's databases: the frames `layer_times` and `rank_intervals`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from lbtui.profile import Loaded, Progress, SourceFile, empty
from lbtui.sources.frame import MOST_LANES
from lbtui.sources.limits import LATEST
from lbtui.sources.raw.layers import LayerCalls, executions, layer_sums, pass_length
from lbtui.sources.raw.mspti import OfProcesses, Process, read_each
from lbtui.sources.tables.database import Database
from lbtui.student_t import two_sided_t
from lbtui.text import _, in_list, plural, visible

_CONFIDENCE = 0.95
# Of any version, also fused with what stands beside it: `aclnn<function>_<operator>_<kernel>`.
_GROUPED = "(name GLOB 'GroupedMatmul*' OR name GLOB 'aclnn*_GroupedMatmul*')"
_DISTRIBUTE = """(name IN ('MoeDistributeDispatch', 'MoeDistributeCombine')
    OR name GLOB 'MoeDistributeDispatchV[0-9]' OR name GLOB 'MoeDistributeCombineV[0-9]')"""
# Both times are 0 where MSPTI could not take them.
_TIMED = f"""(typeof(start) = 'integer' AND typeof("end") = 'integer'
    AND start > 0 AND "end" >= start AND "end" <= {LATEST * 1000})"""
_START, _DURATION = (f"CASE WHEN {_TIMED} THEN {value} END" for value in ("start", '"end" - start'))


class _Interval(NamedTuple):
    mean: float
    low: float | None
    high: float | None
    untimed: int


def read_layer_times(files: Sequence[SourceFile], progress: Progress, layers: int | None = None) -> Loaded:
    """Return `layer_times` of MSPTI's databases; `column` is the process's place by host and pid.

    A kernel is of GroupedMatmul where its own name or that of the Api row of its correlationId says so.
    `layers` is how many MoE layers the model has, where expert tables tell it; else the calls have to show
    it, or there are no rows. What is missing or guessed is told in notes. Raises `Cancelled` when `progress`
    does.
    """
    read = read_each(files, _layer_calls, progress)
    calls = [calls for _process, calls in read.found]
    notes = [*_without(read, _("no timed call of GroupedMatmul"))]
    length, told = _length(calls, layers)
    if length is None:
        notes += [_of_unknown_layers(read)] if calls else []
        return read.loaded(empty("layer_times"), "layer_times", notes)
    sums = [layer_sums(each, length) for each in calls]
    notes += [*told, *_doubts(calls, length, sum(not begins for _times, begins in sums))]
    column = np.repeat(np.arange(len(calls)), length)
    frame = pl.DataFrame(
        {
            "layer": np.tile(np.arange(length), len(calls)),
            "process": np.array([process.pid for process, _calls in read.found], dtype=np.int64)[column],
            "column": column,
            "time": np.concatenate([times for times, _begins in sums]),
        }
    ).with_columns(pl.col("time").fill_nan(None))
    return read.loaded(frame, "layer_times", [*notes, *_ranks([process for process, _calls in read.found])])


def read_rank_intervals(files: Sequence[SourceFile], progress: Progress) -> Loaded:
    """Return `rank_intervals` of MSPTI's databases; `column` is the process's place by host and pid.

    The interval is mean ± t · s / √n, with the sample's s (n − 1); null of a single call. What is missing or
    guessed is told in notes. Raises `Cancelled` when `progress` does.
    """
    read = read_each(files, _interval, progress)
    notes = [*_without(read, _("no timed call of MoeDistributeDispatch or MoeDistributeCombine"))]
    if untimed := sum(interval.untimed for _process, interval in read.found):
        told = plural(
            "1 call has no times and is left out.", "{count} calls have no times and are left out.", untimed
        )
        notes.append(told)
    if not read.found:
        return read.loaded(empty("rank_intervals"), "rank_intervals", notes)
    rows = [(process.pid, column, *interval[:3]) for column, (process, interval) in enumerate(read.found)]
    frame = pl.DataFrame(rows, schema=["process", "column", "mean", "low", "high"], orient="row")
    return read.loaded(frame, "rank_intervals", [*notes, *_ranks([process for process, _of in read.found])])


def _layer_calls(opened: Database) -> LayerCalls | None:
    if not _has(opened, "Kernel", "correlationId"):
        return None
    by_api = ""
    if _has(opened, "Api", "correlationId"):
        by_api = f"OR correlationId IN (SELECT correlationId FROM Api WHERE {_GROUPED})"
    integers = pl.Schema(dict.fromkeys(("start", "time", "launch"), pl.Int64()))
    sql = f"SELECT {_START}, {_DURATION}, correlationId FROM Kernel WHERE {_GROUPED} {by_api}"
    calls = opened.query(sql, integers)
    if calls["start"].null_count() == calls.height:
        return None
    # A call without times has its place among those that were launched beside it.
    place = pl.col("start").fill_null(strategy="forward").fill_null(strategy="backward")
    calls = calls.sort("launch", "start", maintain_order=True).with_columns(place)
    calls = calls.sort("start", maintain_order=True)
    marks = np.empty(0, dtype=np.int64)
    if _has(opened, "Communication"):
        sql = f"SELECT start FROM Communication WHERE {_DISTRIBUTE} AND {_TIMED} ORDER BY start"
        marks = opened.query(sql, pl.Schema({"start": pl.Int64()}))["start"].to_numpy()
    return executions(calls["start"].to_numpy(), calls["time"].cast(pl.Float64).to_numpy(), marks)


def _interval(opened: Database) -> _Interval | None:
    if not _has(opened, "Communication"):
        return None
    durations = f"(SELECT {_DURATION} AS time FROM Communication WHERE {_DISTRIBUTE})"
    execute = opened.connection.execute
    count, timed, mean = execute(f"SELECT count(*), count(time), avg(time) FROM {durations}").fetchone()
    if not timed:
        return None
    if timed == 1:
        return _Interval(mean, None, None, count - timed)
    sql = f"SELECT total((time - ?) * (time - ?)) FROM {durations}"
    (squares,) = execute(sql, (mean, mean)).fetchone()
    half = two_sided_t(_CONFIDENCE, timed - 1) * math.sqrt(squares / (timed - 1) / timed)
    return _Interval(mean, mean - half, mean + half, count - timed)


def _has(opened: Database, table: str, *more: str) -> bool:
    return table in opened.tables() and {"name", "start", "end", *more} <= set(opened.columns(table))


def _length(calls: Sequence[LayerCalls], layers: int | None) -> tuple[int | None, list[str]]:
    """Return how many layers a forward pass has, and what to tell of it."""
    found = pass_length(calls)
    length = layers if found is None or (layers and found % layers == 0) else found
    if not calls or not length or length > MOST_LANES:
        return None, []
    if not layers or found in (None, layers):
        return length, []
    text = _(
        "Pauses show that a forward pass runs {found} layers, expert tables have {layers}: {taken} are taken."
    )
    return length, [text.format(found=found, layers=layers, taken=length)]


def _of_unknown_layers(read: OfProcesses[LayerCalls]) -> str:
    totals = {process: float(np.nansum(calls.times)) / 1e6 for process, calls in read.found}
    worst = max(totals, key=totals.__getitem__)
    text = _(
        "How many layers a forward pass has is not known: no expert table tells it, nor do pauses between "
        "calls. A process's GroupedMatmul took {least:,.3f} to {most:,.3f} ms in all, the longest in pid "
        "{pid} of {host}."
    )
    return text.format(
        least=min(totals.values()), most=totals[worst], pid=worst.pid, host=visible(worst.host)
    )


def _doubts(calls: Sequence[LayerCalls], length: int, unseen: int) -> Iterator[str]:
    """Yield what is guessed of the calls' layers, and what makes processes' sums unequal."""
    if untimed := sum(each.untimed for each in calls):
        yield plural(
            "1 call has no times: what is known of its layer in that pass is left out.",
            "{count} calls have no times: what is known of their layers in these passes is left out.",
            untimed,
        )
    if unmarked := sum(not each.marked for each in calls):
        text = _(
            "In {count} of {processes} processes no calls of MoeDistributeDispatch and MoeDistributeCombine "
            "separate the layers: each two calls of GroupedMatmul are taken to be of one."
        )
        yield text.format(count=unmarked, processes=len(calls))
    if unseen:
        text = _(
            "In {count} of {processes} processes no pauses show where a forward pass begins: the first call "
            "is taken to be of layer 0."
        )
        yield text.format(count=unseen, processes=len(calls))
    numbers = [len(each.times) for each in calls]
    if cut := sum(number % length > 0 for number in numbers):
        text = _(
            "{count} of {processes} processes did not record whole forward passes: some layers were executed "
            "once more than others."
        )
        yield text.format(count=cut, processes=len(calls))
    if min(numbers) < max(numbers):
        text = _(
            "The processes recorded from {least:,} to {most:,} executions of layers: their times differ by "
            "that alone."
        )
        yield text.format(least=min(numbers), most=max(numbers))


def _without(read: OfProcesses[_Interval] | OfProcesses[LayerCalls], what: str) -> Iterator[str]:
    if read.without:
        text = _("{count} of {files} databases hold {what}.")
        files = len(read.without) + len(read.found)
        yield text.format(count=len(read.without), files=files, what=what)


def _ranks(processes: Iterable[Process]) -> Iterator[str]:
    yield _("No file maps its processes to ranks; the order of hosts and pids is a guess at the rank.")
    pids = Counter(process.pid for process in processes)
    if shared := [pid for pid, count in pids.items() if count > 1]:
        text = _("Hosts share the pids {pids}: such processes are apart by their place only.")
        listed = in_list(map(str, sorted(shared)[:8])) + (", …" if len(shared) > 8 else "")
        yield text.format(pids=listed)
