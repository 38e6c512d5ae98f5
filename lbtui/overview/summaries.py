"""The figures of upstream's `analyze` beside lbtui's own, and where they differ."""

from __future__ import annotations

import math
from collections.abc import Iterable

import polars as pl

from lbtui.overview.model import Frames, Summarised
from lbtui.profile import Note, Summary
from lbtui.text import _

_OF_REQUESTS = {
    "first_token_latency": "ttft",
    "total_time": "duration",
    "waiting_time": "queue_wait",
    "input_token_num": "input_tokens",
    "generated_token_num": "output_tokens",
}
_TOTALS = {"total_input_token_num": "input_tokens", "total_generated_token_num": "output_tokens"}
_BATCHES = {"prefill_batch_num": "prefill", "decode_batch_num": "decode"}
_MOMENTS = {"Average": "mean", "Max": "max", "Min": "min"}
_QUANTILES = {"P50": 0.5, "P90": 0.9, "P99": 0.99}


def beside_own(summaries: Iterable[Summary], frames: Frames) -> tuple[Summarised, ...]:
    """Return each figure with that which the frames `requests` and `batches` give."""
    return tuple(Summarised(summary, _own(summary, frames)) for summary in summaries)


def differing(summarised: Iterable[Summarised]) -> list[Note]:
    """Return a note for each file of which a figure is not lbtui's own."""
    by_file: dict[str, list[Summarised]] = {}
    for one in summarised:
        if one.agrees is False:
            by_file.setdefault(one.summary.file, []).append(one)
    notes: list[Note] = []
    for file, found in by_file.items():
        first = found[0].summary
        text = _(
            "{count} figures of `analyze` are not those of the tables here, the first {statistic} of "
            "{metric}: {written:,.6g}, here {own:,.6g}."
        )
        words = {"statistic": first.statistic, "metric": first.metric, "written": first.value}
        notes.append(Note(file, text.format(count=len(found), own=found[0].own, **words)))
    return notes


def _own(summary: Summary, frames: Frames) -> float:
    requests, batches = frames["requests"], frames["batches"]
    if column := _TOTALS.get(summary.metric):
        known = requests[column].drop_nulls()
        return float(known.sum()) if len(known) else math.nan
    if column := _OF_REQUESTS.get(summary.metric):
        return _statistic(requests[column], summary.statistic)
    if phase := _BATCHES.get(summary.metric):
        return _statistic(batches.filter(pl.col("phase") == phase)["batch_size"], summary.statistic)
    return math.nan


def _statistic(values: pl.Series, name: str) -> float:
    found: object = None
    if name in _QUANTILES:
        found = values.quantile(_QUANTILES[name], "linear")
    elif name in _MOMENTS:
        found = getattr(values, _MOMENTS[name])()
    return float(found) if isinstance(found, (int, float)) else math.nan
