"""Requests: what was asked of the service, and how long they took, in blocks of arrivals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import polars as pl

from lbtui.analysis.imbalance import Floats
from lbtui.analysis.interval import MOST_BINS
from lbtui.analysis.latency import request_table
from lbtui.analysis.slo import Targets, ends, met, targets_of
from lbtui.comparison import metrics
from lbtui.comparison.measured import Measured, Source
from lbtui.comparison.model import Metric
from lbtui.comparison.series import Places, Quantile, Ratio, by_order, by_time, pieces, summed
from lbtui.overview.model import Dimension
from lbtui.text import _

# label, column of the request table
TIMES: tuple[tuple[str, str], ...] = (
    (_("queue wait"), "queue_wait"),
    (_("TTFT"), "ttft"),
    (_("time per output token"), "time_per_output_token"),
    (_("end to end"), "duration"),
)
# Each with the most pieces that a series is cut into. Requests differ so much in length that a slow swing of
# their times shows in no shorter ones; of the few beyond p95 a piece must hold some.
PERCENTILES = {0.5: 64, 0.95: 32}
# The same for means: a swing over a twentieth of the requests is still called chance.
MEAN_PIECES = 32


def load_of(source: Source) -> Iterator[Measured]:
    """Yield the load: request rate, input and output lengths."""
    arrived = source.frames["requests"].drop_nulls("arrival").sort("arrival")
    times = arrived["arrival"].cast(pl.Int64).to_numpy()
    if len(times) < 2 or times[-1] <= times[0]:
        yield Measured(metrics.REQUEST_RATE, absent=_("no two requests have a known arrival"))
    else:
        yield Measured(metrics.REQUEST_RATE, _rate(times, np.ones(len(times)), int(times[0]), int(times[-1])))
    for compared, column in (
        (metrics.INPUT_TOKENS, "input_tokens"),
        (metrics.OUTPUT_TOKENS, "output_tokens"),
    ):
        yield mean_of(compared, arrived[column], _("no request tells its length"), MOST_BINS)


def times_of(source: Source) -> Iterator[Measured]:
    """Yield the percentiles of every time of a request, then the throughput."""
    table = request_table(source.frames["requests"], source.frames["speculation"]).sort(
        "arrival", nulls_last=True
    )
    for label, column in TIMES:
        why = _("no request tells it")
        if column == "time_per_output_token":
            yield _time_per_token(table, why)
        else:
            average = metrics.mean(column, label, "requests", headline=column == "ttft")
            yield mean_of(average, table[column], why)
        yield from percentiles_of(column, label, table[column], why, "requests")
    finished = table.drop_nulls(["arrival", "duration"])
    yield _throughput(metrics.REQUEST_THROUGHPUT, finished, None)
    yield _throughput(metrics.TOKEN_THROUGHPUT, finished, "output_tokens")


def targets_for(source: Source, given: Iterable[tuple[str, float]]) -> Targets:
    """Return the targets that are given, else p95 of the requests of a side (`targets_of`)."""
    return targets_of(request_table(source.frames["requests"], source.frames["speculation"]), dict(given))


def attained_of(source: Source, targets: Targets) -> Iterator[Measured]:
    """Yield which share of the requests met the targets, and how many a second."""
    table = request_table(source.frames["requests"], source.frames["speculation"]).sort(
        "arrival", nulls_last=True
    )
    judged = table.with_columns(met(table, targets).cast(pl.Int64))
    yield mean_of(metrics.ATTAINMENT, judged["met"], _("no request can be judged"))
    finished = judged.drop_nulls(["arrival", "duration"])
    yield _throughput(metrics.GOODPUT, finished, "met", _("no request can be judged"))


def percentiles_of(
    key: str, label: str, values: pl.Series, absent: str, dimension: Dimension
) -> Iterator[Measured]:
    """Yield p50 and p95 of values that stand in the order of arrival; nulls are left out."""
    known = values.drop_nulls().cast(pl.Float64).to_numpy()
    for share, most in PERCENTILES.items():
        compared = metrics.percentile(key, label, share, dimension)
        if not len(known):
            yield Measured(compared, absent=absent)
            continue
        piece = by_order(len(known), most)
        yield Measured(compared, Quantile(known, np.ones(len(known)), piece, share))


def _time_per_token(table: pl.DataFrame, absent: str) -> Measured:
    """Return the mean over tokens: over requests, those of two tokens would outweigh all others."""
    known = table.drop_nulls(["time_per_output_token", "output_tokens"])
    if known.is_empty():
        return Measured(metrics.TIME_PER_TOKEN, absent=absent)
    tokens = known["output_tokens"].cast(pl.Float64).to_numpy() - 1
    times = known["time_per_output_token"].to_numpy() * tokens
    piece, count = by_order(len(tokens), MEAN_PIECES), pieces(len(tokens), MEAN_PIECES)
    return Measured(metrics.TIME_PER_TOKEN, Ratio(summed(piece, times, count), summed(piece, tokens, count)))


def mean_of(compared: Metric, values: pl.Series, absent: str, most: int = MEAN_PIECES) -> Measured:
    """Return the mean of values that stand in the order of arrival, in `most` pieces; nulls are left out."""
    known = values.drop_nulls().cast(pl.Float64).to_numpy()
    if not len(known):
        return Measured(compared, absent=absent)
    piece, count = by_order(len(known), most), pieces(len(known), most)
    return Measured(compared, Ratio(summed(piece, known, count), summed(piece, np.ones(len(known)), count)))


def _throughput(
    compared: Metric, finished: pl.DataFrame, column: str | None, absent: str | None = None
) -> Measured:
    when = ends(finished).to_numpy()
    amounts = np.ones(len(when))
    if column is not None:
        if finished[column].null_count() == finished.height:
            return Measured(compared, absent=absent or _("no request tells its length"))
        amounts = finished[column].fill_null(0).cast(pl.Float64).to_numpy()
    if len(when) < 2:
        return Measured(compared, absent=_("no two finished requests are recorded"))
    begin = int(finished["arrival"].cast(pl.Int64).min())
    return Measured(compared, _rate(when, amounts, begin, int(when.max())))


def _rate(times: Places, amounts: Floats, begin: int, end: int) -> Ratio:
    """Return amounts per second."""
    count = pieces(len(times))
    seconds = (end - begin) / 1e6 / count
    return Ratio(summed(by_time(times, begin, end, count), amounts, count), np.full(count, seconds))
