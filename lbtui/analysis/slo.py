"""Targets (SLO): which requests met them, how many of which, and the distribution they are read from.

All of it works on the request table (`latency.request_table`), the places on that joined with
`request_places.request_places`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from lbtui.analysis.imbalance import Floats
from lbtui.analysis.latency import ascending
from lbtui.analysis.request_places import THEN
from lbtui.thresholds import TARGET_NAMES

# The targets by the names that a user gives them, with their column of the request table; all ms.
COLUMNS: Mapping[str, str] = {"ttft": "ttft", "tpot": "time_per_output_token", "e2e": "duration"}
BITS: Mapping[str, int] = {name: 1 << place for place, name in enumerate(TARGET_NAMES)}
# Of these p95 of the run is the target where none is given. Not of the end to end: it is as long as the
# answer that was asked for.
_OWN = ("ttft", "tpot")
OWN_SHARE = 0.95

# Fewer judged requests than these tell a share only with its interval.
FEW = 100
_Z = 1.959963984540054  # of a two-sided 95 % interval

# The least class of input lengths is all below this many tokens.
LEAST_CLASS = 128
_CLASSES = [1 << power for power in range(7, 31)]
assert _CLASSES[0] == LEAST_CLASS


@dataclass(frozen=True)
class Targets:
    """What a request is to take at most, ms; None is no target. Not `given` is p95 of the run."""

    ttft: float | None = None
    tpot: float | None = None
    e2e: float | None = None
    given: bool = False

    @property
    def limits(self) -> dict[str, float]:
        """The targets by their names in `COLUMNS`."""
        named = {"ttft": self.ttft, "tpot": self.tpot, "e2e": self.e2e}
        return {name: limit for name, limit in named.items() if limit is not None}


@dataclass(frozen=True)
class Attained:
    """How many requests met all targets, missed one, or cannot be judged; `seconds` is the time it took."""

    met: int = 0
    missed: int = 0
    unknown: int = 0
    seconds: float | None = None  # from the first arrival to the last end; None where either is unknown

    @property
    def judged(self) -> int:
        """How many are known to have met or missed."""
        return self.met + self.missed

    @property
    def share(self) -> float:
        """Attainment: met / judged, 0..1; NaN where none is judged."""
        return self.met / self.judged if self.judged else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the share by Wilson's score; NaN where none is judged."""
        return wilson(self.met, self.judged)

    @property
    def goodput(self) -> float:
        """Requests that met all targets, per second; NaN where the time is unknown or none is judged."""
        return self.met / self.seconds if self.seconds and self.judged else math.nan


@dataclass(frozen=True)
class Stretch:
    """The requests that ended in [begin, end), µs since 1970, UTC."""

    begin: int
    end: int
    attained: Attained


def targets_of(table: pl.DataFrame, given: Mapping[str, float]) -> Targets:
    """Return the targets given (by their names in `COLUMNS`, ms), else p95 of this run's TTFT and TPOT.

    Where some are given only these count. p95 interpolates linearly; None where no request tells a value.
    """
    if given:
        return Targets(given.get("ttft"), given.get("tpot"), given.get("e2e"), given=True)
    ttft, tpot = (table[COLUMNS[name]].quantile(OWN_SHARE, "linear") for name in _OWN)
    return Targets(ttft, tpot)


def met(table: pl.DataFrame, targets: Targets) -> pl.Series:
    """Return whether each request took no longer than any target, in the order of the table.

    Null where a metric that a target needs is unknown and no known one is missed, and where there is no
    target. A request of at most one output token has no time per output token, so that it cannot miss it.
    """
    return (missed(table, targets) == 0).rename("met")


def missed(table: pl.DataFrame, targets: Targets) -> pl.Series:
    """Return which targets each request missed, as the sum of their `BITS`; null as in `met`."""
    limits = targets.limits
    if not limits:
        return pl.Series("missed", [None] * table.height, pl.UInt8)
    bits = pl.sum_horizontal(
        pl.when(pl.col(COLUMNS[name]) > limit).then(pl.lit(BITS[name], pl.UInt8)).otherwise(0)
        for name, limit in limits.items()
    )
    unknown = pl.any_horizontal(_unknown(COLUMNS[name]) for name in limits)
    # One that was missed outweighs what is unknown.
    told = pl.when(unknown & (bits == 0)).then(None).otherwise(bits)
    return table.select(missed=told.cast(pl.UInt8)).to_series()


def names_in(bits: int) -> list[str]:
    """Return the names of the targets whose `BITS` a sum has."""
    return [name for name, bit in BITS.items() if bits & bit]


def _unknown(column: str) -> pl.Expr:
    unknown = pl.col(column).is_null()
    if column == COLUMNS["tpot"]:
        return unknown & ~(pl.col("output_tokens") <= 1).fill_null(False)
    return unknown


def ends(table: pl.DataFrame) -> pl.Series:
    """Return when each request ended, µs since 1970, UTC; null where arrival or duration is unknown."""
    return table.select(
        # Longer than any clock counts is no known end.
        end=pl.col("arrival").cast(pl.Int64) + (pl.col("duration") * 1000).cast(pl.Int64, strict=False)
    ).to_series()


def seconds_of(table: pl.DataFrame) -> float | None:
    """Return the time from the first arrival to the last end, s; None where either is unknown or it is 0."""
    begin, end = table["arrival"].cast(pl.Int64).min(), ends(table).max()
    if not isinstance(begin, int) or not isinstance(end, int) or end <= begin:
        return None
    return (end - begin) / 1e6


def attained(told: pl.Series, seconds: float | None) -> Attained:
    """Return how many of the requests with these answers of `met` met, missed or are unknown."""
    good, known = int(told.sum() or 0), len(told) - told.null_count()
    return Attained(good, known - good, len(told) - known, seconds)


def of_groups(told: pl.Series, groups: pl.Series, seconds: float | None) -> dict[str | int, Attained]:
    """Return what each group attained, in the order of the groups; a null group is left out.

    A group may be a list: its request counts in each. `seconds` are those of the run, so that the goodput
    of groups without a common request adds up to the run's.
    """
    rows = pl.DataFrame({"group": groups, "met": told})
    if groups.dtype == pl.List:
        rows = rows.with_columns(pl.col("group").list.unique()).explode("group")
    counts = (
        rows.drop_nulls("group")
        .group_by("group")
        .agg(
            pl.col("met").sum().alias("met"),
            (~pl.col("met")).sum().alias("missed"),
            pl.col("met").is_null().sum().alias("unknown"),
        )
        .with_columns(pl.col("met", "missed", "unknown").cast(pl.Int64))
        .sort("group")
    )
    return {group: Attained(good, bad, unknown, seconds) for group, good, bad, unknown in counts.iter_rows()}


def domains_of(table: pl.DataFrame) -> pl.Series:
    """Return the keys of the DP domains that served each request, as lists; null where none is known."""
    return table["domain"].str.split(THEN)


def input_classes(tokens: pl.Series) -> pl.Series:
    """Return the least number of input tokens of each request's class; null where its length is unknown.

    A class ends where the next power of two begins; the least is 0 to 127.
    """
    floors = np.array([0, *_CLASSES], dtype=np.int64)
    known = tokens.is_not_null()
    places = np.searchsorted(_CLASSES, tokens.fill_null(0).cast(pl.Int64).to_numpy(), side="right")
    found = pl.DataFrame({"floor": floors[places], "known": known})
    return found.select(pl.when("known").then("floor").alias("input")).to_series()


def class_end(floor: int) -> int:
    """Return the greatest number of tokens of the class that begins with `floor`."""
    return (floor * 2 if floor else LEAST_CLASS) - 1


def over_time(table: pl.DataFrame, told: pl.Series, most: int = 60) -> list[Stretch]:
    """Return what the requests attained that ended in each of equal stretches of the run, in order.

    They begin with the first arrival; at most `most` of them, each 1, 2 or 5 times a power of ten long, of
    at least a millisecond. The last one ends after the last end; its goodput is over what the run has of it.
    A request whose end is unknown is in none.
    """
    when = ends(table)
    begin, last = table["arrival"].cast(pl.Int64).min(), when.max()
    if not isinstance(begin, int) or not isinstance(last, int) or last < begin:
        return []
    # The last instant belongs to the run, too.
    length = last - begin + 1
    width = stretch_of(length, most)
    places = (when - begin) // width
    counts = of_groups(told, places, None)
    found = []
    for place in range(-(-length // width)):
        start = begin + place * width
        stop = min(start + width, last + 1)
        one = counts.get(place, Attained())
        found.append(Stretch(start, stop, Attained(one.met, one.missed, one.unknown, (stop - start) / 1e6)))
    return found


def stretch_of(length: int, most: int) -> int:
    """Return the least of 1, 2, 5, 10, 20 … ms of which at most `most` cover a length; all in µs."""
    width = 1000
    while True:
        for factor in (1, 2, 5):
            if width * factor * most >= length:
                return width * factor
        width *= 10


def wilson(good: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a share by Wilson's score (1927); NaN without any."""
    if not total:
        return math.nan, math.nan
    share, z = good / total, _Z
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    # Rounding must leave the share inside.
    return max(0.0, min(middle - half, share)), min(1.0, max(middle + half, share))


def cdf(values: pl.Series) -> tuple[Floats, Floats]:
    """Return the empirical distribution: each value that occurs, ascending, and the share at or below it.

    Unknown values do not count; without any both are empty.
    """
    known = ascending(values)
    xs, counts = np.unique(known, return_counts=True)
    return xs, np.cumsum(counts) / max(1, len(known))


def steps(xs: Floats, ys: Floats, columns: int) -> tuple[Floats, Floats]:
    """Return the corners of a distribution's steps, from 0 up, no more than are seen in so many columns.

    Of many values that lie in one column the first and the last are kept, which is exact to a column.
    """
    if len(xs) == 0:
        return xs, ys
    kept = _seen(xs, columns)
    before = np.concatenate([[0.0], ys])[kept]
    return np.repeat(xs[kept], 2), np.column_stack([before, ys[kept]]).ravel()


def _seen(xs: Floats, columns: int) -> npt.NDArray[np.int64]:
    if len(xs) <= 2 * columns:
        return np.arange(len(xs))
    edges: Sequence[float] = np.linspace(float(xs[0]), float(xs[-1]), columns + 1)[1:-1].tolist()
    begins = np.concatenate([[0], np.searchsorted(xs, edges, side="left")])
    ends_at = np.concatenate([begins[1:], [len(xs)]]) - 1
    kept = np.unique(np.concatenate([begins, ends_at]))
    return kept[(kept >= 0) & (kept < len(xs))]
