"""Requests: derived columns, filtering, sorting, percentiles and distribution.

All of it works on whole columns; the order is an array of row numbers, so that a screen gathers only the rows
it shows.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from lbtui.analysis.imbalance import Floats
from lbtui.analysis.named_terms import named_term, ranks_of, values_of
from lbtui.analysis.order import RowNumbers, in_order
from lbtui.analysis.request_places import NODE_COLUMNS, THEN
from lbtui.text import _, in_list
from lbtui.thresholds import TARGET_NAMES


class Ascending(Protocol):
    """Known values, the least first: an array, or what is as good as one."""

    def __len__(self) -> int:
        """Return how many."""

    def __getitem__(self, place: int, /) -> float:
        """Return the value at a place, from the end where it is negative."""

    def mean(self) -> Any:
        """Return the mean of all."""


# What a filter may call each numeric column of the request table, the shortest name first.
FILTER_NAMES: dict[str, tuple[str, ...]] = {
    "ttft": ("ttft",),
    "queue_wait": ("wait", "queue_wait"),
    "duration": ("duration",),
    "time_per_output_token": ("tpot", "time_per_output_token"),
    "input_tokens": ("input", "input_tokens"),
    "output_tokens": ("output", "output_tokens"),
    "cache_hit_rate": ("hit", "cache_hit_rate"),
}
_COLUMN_OF = {name: column for column, names in FILTER_NAMES.items() for name in names}
# What a filter may call the places of a request (`request_places`): these are equal, or of a list one is.
PLACE_NAMES = ("dp", "domain", "node")
# How a filter asks for requests that met their targets, missed any or a certain one, or cannot be judged; it
# needs the column of `slo.missed`.
JUDGED = "slo"
_JUDGED: dict[str, pl.Expr] = {
    "met": pl.col("missed") == 0,
    "missed": pl.col("missed") > 0,
    "unknown": pl.col("missed").is_null(),
    **{name: pl.col("missed") & (1 << place) > 0 for place, name in enumerate(TARGET_NAMES)},
}
_SIGNS = ("<=", ">=", "<", ">", "=")

# Where at least half of the values would share the first of so many bins, bins grow by a factor instead.
_CROWDED = 16


@dataclass(frozen=True)
class Percentiles:
    """A column in numbers; NaN without values. `unknown` counts the nulls."""

    count: int
    unknown: int
    mean: float
    p50: float
    p90: float
    p95: float
    p99: float
    max: float


@dataclass(frozen=True)
class Distribution:
    """How many values lie in each bin: `counts` [bins] between `edges` [bins + 1]; the last bin is closed."""

    counts: npt.NDArray[np.int64]
    edges: Floats
    logarithmic: bool

    def bin_of(self, value: float) -> int | None:
        """Return the bin a value lies in, None outside of all bins."""
        if not self.edges[0] <= value <= self.edges[-1]:
            return None
        return min(int(np.searchsorted(self.edges, value, side="right")) - 1, len(self.counts) - 1)


@dataclass(frozen=True)
class Arrangement:
    """Which requests are shown in which order, and which numeric column is summarised."""

    sort: str
    descending: bool
    measure: str
    filter: str = ""
    window: tuple[int, int] | None = None  # those in service in [begin, end), µs since 1970, UTC


@dataclass(frozen=True)
class Arranged:
    """The result of an arrangement: `rows` [shown] are row numbers of the request table, top first."""

    arrangement: Arrangement
    rows: RowNumbers
    percentiles: Percentiles
    distribution: Distribution
    proposed: int  # tokens that speculation proposed and
    accepted: int  # that were accepted, over the rows shown
    met: int = 0  # of the rows shown, which met all targets
    missed: int = 0  # and which missed one; the others cannot be judged


def request_table(requests: pl.DataFrame, speculation: pl.DataFrame) -> pl.DataFrame:
    """Return `requests` with what follows from them: `time_per_output_token` (ms), `proposed`, `accepted`.

    Time per output token is (duration − TTFT) / (output tokens − 1): the first token is what TTFT times. It
    is null where either is unknown, under two tokens, or where the duration is shorter than TTFT.
    """
    after_first = pl.col("duration") - pl.col("ttft")
    defined = (pl.col("output_tokens") > 1) & (after_first >= 0)
    # Of millions of requests, only what changes is made anew.
    floats = requests.select(pl.col(pl.Float64))
    wrong = [column.name for column in floats if not column.is_finite().all()]
    finite = requests.with_columns(pl.when(pl.col(c).is_finite()).then(pl.col(c)).alias(c) for c in wrong)
    return finite.with_columns(
        *_spoken(requests, speculation),
        time_per_output_token=pl.when(defined).then(after_first / (pl.col("output_tokens") - 1)),
    )


def _spoken(requests: pl.DataFrame, speculation: pl.DataFrame) -> Sequence[pl.Expr | pl.Series]:
    """Return how many tokens were proposed and accepted for each request, null where none is recorded."""
    if speculation.is_empty():
        return [pl.lit(None, pl.Int64).alias(name) for name in ("proposed", "accepted")]
    sums = speculation.group_by("request_id").agg(pl.col("proposed").sum(), pl.col("accepted").sum())
    joined = requests.select("request_id").join(sums, on="request_id", how="left", maintain_order="left")
    return joined.select("proposed", "accepted").get_columns()


def most_spread(table: pl.DataFrame, columns: Sequence[str]) -> str | None:
    """Return the column whose p95 is the most times its p50, None where none has a p50 above 0."""
    spreads = {}
    for column in columns:
        # One after the other: each takes the memory of a column.
        p50, p95 = (table[column].quantile(share, "linear") for share in (0.5, 0.95))
        if p50 is not None and p95 is not None and p50 > 0:
            spreads[column] = p95 / p50
    return max(spreads, key=lambda column: spreads[column]) if spreads else None


def arrange(table: pl.DataFrame, arrangement: Arrangement, bins: int) -> Arranged:
    """Return which rows of a request table are shown in which order, summarised.

    Unknown values come last in either direction; equal ones in the order of arrival. Raises `ValueError` as
    `filter_terms` does.
    """
    terms = filter_terms(arrangement.filter)
    if arrangement.window is not None:
        terms.append(in_service(*arrangement.window))
    keys = _keys(table, arrangement)
    shown = table.lazy().with_row_index("row").filter(*terms)
    rows = in_order(shown, keys)
    measure = pl.col(arrangement.measure)
    judged = pl.col("missed") if "missed" in table.columns else pl.lit(None, pl.UInt8)
    sums = shown.select(
        pl.col("proposed", "accepted").sum(),
        known=measure.count(),
        mean=measure.mean(),
        met=(judged == 0).sum(),
        missed=(judged > 0).sum(),
    )
    proposed, accepted, count, mean, met, missed = sums.collect().row(0)
    known: Ascending
    if arrangement.sort == arrangement.measure:
        upwards = rows[:count][:: -1 if arrangement.descending else 1]
        known = _InOrder(table[arrangement.measure], upwards, mean)
    else:
        known = ascending(shown.select(measure).collect().to_series())
    return Arranged(
        arrangement,
        rows,
        percentiles(known, len(rows) - len(known)),
        distribution(known, bins),
        proposed,
        accepted,
        met or 0,
        missed or 0,
    )


def in_service(begin: int, end: int) -> pl.Expr:
    """Return whether a request is in service at any time of [begin, end), µs: from its arrival to its end.

    Where the end is unknown, whether it arrives in it; an unknown arrival is in no window.
    """
    arrival = pl.col("arrival").cast(pl.Int64)
    # Its last instant belongs to a request, so that one of no duration is somewhere.
    until = arrival + (pl.col("duration") * 1000).fill_null(0).cast(pl.Int64)
    return (arrival < end) & (until >= begin)


@dataclass(frozen=True)
class _InOrder:
    """Known values of a column by row numbers, the least first: a few are looked up, millions not copied."""

    column: pl.Series
    rows: RowNumbers
    average: float

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> float:
        return float(self.column[int(self.rows[place])])

    def mean(self) -> float:
        """Return the mean of all."""
        return self.average


def _keys(table: pl.DataFrame, arrangement: Arrangement) -> dict[str, bool]:
    """Return the columns that the rows are sorted by, and whether downwards: no more than change anything.

    Rows in the order of arrival, as request.csv mostly is, stay so where they are equal: one key sorts in
    half the time of two.
    """
    keys = {arrangement.sort: arrangement.descending}
    if table[arrangement.sort].null_count() == table.height:
        keys = {}
    if not table["arrival"].is_sorted(nulls_last=True):
        keys.setdefault("arrival", False)
    return keys


def ascending(values: pl.Series) -> Floats:
    """Return the known, finite values of a numeric column, the least first."""
    numbers = values.cast(pl.Float64)
    finite = numbers.is_finite()
    if not finite.all():
        numbers = numbers.filter(finite)
    known: Floats = numbers.sort(nulls_last=True).head(len(numbers) - numbers.null_count()).to_numpy()
    return known


def percentiles(known: Ascending, unknown: int) -> Percentiles:
    """Return the percentiles (linear interpolation) of ascending values, beside which some are unknown."""
    if len(known) == 0:
        return Percentiles(0, unknown, *(float("nan"),) * 6)
    p50, p90, p95, p99 = (_quantile(known, share) for share in (0.5, 0.9, 0.95, 0.99))
    return Percentiles(len(known), unknown, float(known.mean()), p50, p90, p95, p99, float(known[-1]))


def _quantile(known: Ascending, share: float) -> float:
    """Return a quantile of ascending values, linear between two neighbours (Hyndman and Fan's no. 7)."""
    place, part = divmod(share * (len(known) - 1), 1)
    low, high = (float(known[n]) for n in (int(place), min(int(place) + 1, len(known) - 1)))
    return low + (high - low) * part


def distribution(known: Ascending, bins: int) -> Distribution:
    """Return the distribution of ascending values.

    Bins are equally wide, from 0 (or the least, if negative) to the greatest value. Where half of the values
    would crowd into the first sixteenth of that and all are positive, bins are equally wide in the logarithm,
    from the least value to the greatest.
    """
    if len(known) == 0:
        return Distribution(np.zeros(bins, dtype=np.int64), np.linspace(0.0, 1.0, bins + 1), False)
    least, greatest = float(known[0]), float(known[-1])
    logarithmic = least > 0 and _quantile(known, 0.5) < greatest / _CROWDED
    if logarithmic:
        edges = np.geomspace(least, greatest, bins + 1)
        # Rounding in the powers must not push the extremes out.
        edges[0], edges[-1] = least, greatest
    else:
        low = min(0.0, least)
        edges = np.linspace(low, greatest if greatest > low else low + 1.0, bins + 1)
    *inner, last = edges.tolist()
    begins = [bisect_left(known, edge) for edge in inner]
    counts = np.diff(begins, append=bisect_right(known, last))
    return Distribution(counts.astype(np.int64), edges, logarithmic)


def filter_terms(text: str) -> list[pl.Expr]:
    """Return the terms of a filter, all of which must hold: parts of an id, `column>number`, `place=name`.

    Columns go by the names in `FILTER_NAMES`; an unknown value satisfies no comparison. Places go by
    `PLACE_NAMES` and need the columns of `request_places`; of names separated by commas one must fit. Raises
    `ValueError` with a sentence for a term that names no column or no number.
    """
    return [_term(word) for word in text.split()]


def asks_for_places(text: str) -> bool:
    """Tell whether a filter asks where requests ran."""
    return any(named_term(word, PLACE_NAMES) is not None for word in text.split())


def filter_error(text: str) -> str | None:
    """Return what is wrong with a filter, as a sentence; None if nothing is."""
    try:
        filter_terms(text)
    except ValueError as error:
        return str(error)
    return None


def _at_place(place: str, names: Sequence[str]) -> pl.Expr:
    if place == "dp":
        names = [f"dp{rank}" for rank in ranks_of(names)]
    any_of = "|".join(re.escape(name) for name in values_of(place, names))
    if place == "node":
        # An address with its port or without.
        found = [pl.col(column).str.contains(f"^(?:{any_of})(?::|$)") for column in NODE_COLUMNS]
        return pl.any_horizontal(found)
    # A whole key, or a part of one: its host or instance, or its name.
    return pl.col("domain").str.contains(rf"(?:^|/|{re.escape(THEN)})(?:{any_of})(?:$|/|:|{re.escape(THEN)})")


def _judged(names: Sequence[str]) -> pl.Expr:
    if other := [name for name in names if name.lower() not in _JUDGED]:
        raise ValueError(
            _("“{name}” after slo= is none of {known}.").format(name=other[0], known=in_list(_JUDGED))
        )
    return pl.any_horizontal(_JUDGED[name.lower()] for name in values_of(JUDGED, names))


def _term(word: str) -> pl.Expr:
    if (asked := named_term(word, PLACE_NAMES)) is not None:
        return _at_place(*asked)
    if (judged := named_term(word, (JUDGED,))) is not None:
        return _judged(judged[1])
    sign = next((sign for sign in _SIGNS if sign in word), None)
    if sign is None:
        return pl.col("request_id").str.contains(word, literal=True)
    name, _sign, text = word.partition(sign)
    column = _COLUMN_OF.get(name.lower())
    if column is None:
        names = in_list(names[0] for names in FILTER_NAMES.values())
        places = in_list(f"{place}=" for place in PLACE_NAMES)
        raise ValueError(
            _("“{name}” is no column of numbers; these are: {names}; {places} want a name.").format(
                name=name, names=names, places=places
            )
        )
    try:
        limit = float(text)
    except ValueError:
        raise ValueError(
            _("“{text}” after {start} is no number.").format(text=text, start=name + sign)
        ) from None
    value = pl.col(column)
    return {
        "<=": value <= limit,
        ">=": value >= limit,
        "<": value < limit,
        ">": value > limit,
        "=": value == limit,
    }[sign]
