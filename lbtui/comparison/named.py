"""Every metric there is, by its dimension and key: what a file names is told in this process's words."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from lbtui.analysis.prefill_decode import STAGES
from lbtui.comparison import metrics
from lbtui.comparison.model import Metric
from lbtui.comparison.nodes import PULL, stage_names
from lbtui.comparison.requests import PERCENTILES, TIMES
from lbtui.overview.model import Dimension


def metric_named(dimension: str, key: str) -> Metric | None:
    """Return the metric; None where this lbtui knows none of that name."""
    return _named().get((dimension, key))


@cache
def _named() -> dict[tuple[str, str], Metric]:
    every = [value for value in vars(metrics).values() if isinstance(value, Metric)]
    return {(metric.dimension, metric.key): metric for metric in (*_of_times(), *every)}


def _of_times() -> Iterator[Metric]:
    for label, column in TIMES:
        yield from _of_one(column, label, "requests", headline=column == "ttft")
    yield from _of_one(*PULL, "pd", headline=True)
    for stage in STAGES:
        yield from _of_one(*stage_names(*stage), "pd", headline=True)


def _of_one(key: str, label: str, dimension: Dimension, *, headline: bool) -> Iterator[Metric]:
    yield metrics.mean(key, label, dimension, headline=headline)
    for share in PERCENTILES:
        yield metrics.percentile(key, label, share, dimension)
