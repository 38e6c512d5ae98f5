"""Whether the durations of request.csv are in the unit that their names state, told by all that ran."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from lbtui.profile import Note, Summary
from lbtui.text import _, in_list

# No service that anyone waits for is slower than so many ms a token: what is needs a look.
SLOW = 500.0
_STEPS = 300.0  # steps a token takes at most, queueing and all
_FACTOR = 0.001
_AFTER = 1_000_000  # µs that a request may end after the last record
_MOST, _NEARLY_ALL = 0.5, 0.95

# Latencies, and what the summary of `analyze` calls them.
_SUMMARISED = {"ttft": "first_token_latency", "queue_wait": "waiting_time"}
_SAME = 0.01


@dataclass(frozen=True)
class Ran:
    """What schedulers and cards recorded: the last end, and the median length of a step in ms."""

    last: int  # µs since 1970
    step: float


def are_slow(requests: pl.DataFrame) -> bool:
    """Tell whether the requests take so long a token that their unit needs to be looked at."""
    each = _ms_per_token(requests)
    return each is not None and each >= SLOW


def what_ran(*tables: pl.DataFrame | None) -> Ran | None:
    """Return what raw tables with `start` and `end` tell, None if they are empty."""
    rows = [table.select("start", "end") for table in tables if table is not None and table.height]
    if not rows:
        return None
    # The first table tells of the most exact steps.
    step = rows[0].select((pl.col("end") - pl.col("start")).dt.total_microseconds().median() / 1000).item()
    last = max(int(table["end"].cast(pl.Int64).max() or 0) for table in rows)
    return Ran(last, float(step)) if step else None


def in_milliseconds(requests: pl.DataFrame, ran: Ran, file: str) -> tuple[pl.DataFrame, list[Note]]:
    """Return the requests with ttft, queue_wait and duration in ms; unknown where their unit is not plain."""
    each = _ms_per_token(requests)
    late = _share_late(requests, ran, 1.0)
    if each is None or late < _MOST or each < _STEPS * ran.step:
        return requests, []
    if _share_late(requests, ran, _FACTOR) <= 1 - _NEARLY_ALL and each * _FACTOR <= _STEPS * ran.step:
        scaled = requests.with_columns(pl.col("duration") * _FACTOR)
        longest = scaled["duration"].median()
        # What is in ms already is shorter than the whole request; a wait in another unit than what follows
        # it, nobody would write.
        others = [name for name in ("ttft", "queue_wait") if _exceeds(requests[name], longest)]
        if "ttft" in others or not requests["ttft"].count():
            others = ["ttft", "queue_wait"]
        text = _(
            "Its execution times, read as ms, end after all else that is recorded and take {steps:,.0f} "
            "steps a token; read as µs they fit: {columns} are read so."
        ).format(steps=each / ran.step, columns=in_list(["duration", *others]))
        return scaled.with_columns(pl.col(others) * _FACTOR), [Note(file, text)]
    text = _(
        "Its execution times end after all else that is recorded and take {steps:,.0f} steps a token: their "
        "unit is not plain, and all durations of requests are unknown."
    ).format(steps=each / ran.step)
    nothing = pl.lit(None, pl.Float64)
    return requests.with_columns(duration=nothing, ttft=nothing, queue_wait=nothing), [Note(file, text)]


def from_seconds(
    requests: pl.DataFrame, summaries: Sequence[Summary], file: str
) -> tuple[pl.DataFrame, list[Note]]:
    """Return the requests with latencies in ms where `analyze` wrote s under that name: its summary tells."""
    most = {s.metric: s.value for s in summaries if s.statistic == "Max" and s.unit == "ms"}
    seconds: list[str] = []
    for column, metric in _SUMMARISED.items():
        written, own = most.get(metric), requests[column].max()
        if written and isinstance(own, float) and abs(own * 1000 / written - 1) < _SAME:
            seconds.append(column)
    if not seconds:
        return requests, []
    text = _(
        "{columns} are in seconds although their header says ms, as request_summary.csv tells: they are read "
        "as such."
    )
    note = Note(file, text.format(columns=in_list(seconds)))
    return requests.with_columns(pl.col(seconds) * 1000), [note]


def _ms_per_token(requests: pl.DataFrame) -> float | None:
    known = requests.select("duration", "output_tokens").filter(pl.col("output_tokens") > 0)
    median = known.select(pl.col("duration") / pl.col("output_tokens")).to_series().median()
    return float(median) if isinstance(median, float) else None


def _share_late(requests: pl.DataFrame, ran: Ran, factor: float) -> float:
    """Return the share of the requests that end after the last record."""
    end = pl.col("arrival").cast(pl.Int64) + pl.col("duration") * factor * 1000
    late = requests.select((end > ran.last + _AFTER).mean()).item()
    return float(late or 0.0)


def _exceeds(column: pl.Series, longest: object) -> bool:
    median = column.drop_nulls().median()
    return isinstance(median, float) and isinstance(longest, float) and median > longest
