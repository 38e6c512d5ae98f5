"""Cells as upstream writes them: null words, numbers as text, epochs in whatever unit, Shanghai times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import polars as pl

from lbtui.profile.time import ZONE_OFFSET_US
from lbtui.sources import limits

if TYPE_CHECKING:
    from lbtui.sources.tables.usable import Floats

# With `db` among the parser's formats nulls become the word None; others come from pandas.
NULL_WORDS = ["", "None", "<NA>", "nan", "NaN", "N/A", "null", "NULL"]

_SAMPLE, _FEW = 1000, 100  # cells, and different ones among them that are few


def text(column: pl.Series) -> pl.Series:
    """Return the column as text, null words as null."""
    words: pl.Series = column.cast(pl.String, strict=False)
    # Names and types stand in every row: to look at each once takes a third of the time.
    if len(words) <= _SAMPLE or words.head(_SAMPLE).n_unique() > _FEW:
        return _words(words)
    different = words.unique()
    changed = different.filter(different.ne_missing(_words(different)))
    if len(changed) > 2 or not changed.is_in(NULL_WORDS).all():
        return _words(words)
    for word in changed:
        words = words.set(words == word, None)
    return words


def _words(column: pl.Series) -> pl.Series:
    words = pl.col(column.name).str.strip_chars()
    return _computed(column, pl.when(~words.is_in(NULL_WORDS)).then(words))


def number(column: pl.Series) -> pl.Series:
    """Return the column as Float64; null words and what is no number of a usable size become null."""
    return column if _are_all(column, "number") else _within(column, -limits.LARGEST, limits.LARGEST)


def share(column: pl.Series) -> pl.Series:
    """Return shares from 0 to 1 as Float64, null where they are none."""
    return _within(column, 0, 1)


def milliseconds(column: pl.Series) -> pl.Series:
    """Return durations as Float64, null where they are negative or longer than a century."""
    return column if _are_all(column, "duration") else _within(column, 0, limits.LONGEST)


def _are_all(column: pl.Series, kind: Literal["number", "duration", "count"]) -> bool:
    """Tell whether the column is parsed and none of its cells needs to be looked at by itself."""
    if column.dtype != pl.Float64 or column.null_count() or not len(column):
        return False
    # Opening a profile needs no numpy.
    from lbtui.sources.tables import usable

    numbers: Floats = column.to_numpy()
    are_usable = {"number": usable.is_number, "duration": usable.is_duration, "count": usable.is_count}
    return not usable.any_unknown(numbers) and are_usable[kind](numbers)


def _within(column: pl.Series, least: float, most: float) -> pl.Series:
    values = (text(column) if column.dtype == pl.String else column).cast(pl.Float64, strict=False)
    # NaN counts as larger than all numbers.
    return _computed(values, pl.when(pl.col(column.name).is_between(least, most)).then(pl.col(column.name)))


def identity(column: pl.Series) -> pl.Series:
    """Return the column as text; a number is the same whether it is written `7` or `7.0`."""
    return _computed(text(column), pl.col(column.name).str.replace(r"^(\d+)\.0+$", "$1"))


def integer(column: pl.Series) -> pl.Series:
    """Return the column as Int64, `3.0` as 3; fractions, being no integers, become null."""
    value = pl.col(column.name)
    whole = (value == value.round(0)) & (value.abs() <= 2**53)
    # Both branches of a `when` are computed: what does not fit must not raise.
    return _computed(number(column), pl.when(whole).then(value).cast(pl.Int64, strict=False))


def count(column: pl.Series) -> pl.Series:
    """Return the column as Int64; what cannot be a number of things becomes null."""
    if column.dtype == pl.Int64 and column.is_between(0, limits.MOST).all():
        return column
    if column.dtype == pl.String:
        column = text(column).cast(pl.Float64, strict=False)
    if _are_all(column, "count"):
        return _cast(column, pl.Int64())
    value = pl.col(column.name)
    return _computed(integer(column), pl.when(value.is_between(0, limits.MOST)).then(value))


def time(column: pl.Series, zone_us: int = ZONE_OFFSET_US) -> pl.Series:
    """Return a time in whichever way each cell writes it, as microsecond datetimes in UTC.

    Numbers are times since 1970 as `epoch` reads them, texts the wall clock of a zone `zone_us` ahead of
    UTC.
    """
    if column.dtype != pl.String:
        return epoch(column)
    words = text(column)
    numbers = words.cast(pl.Float64, strict=False)
    if numbers.null_count() == len(numbers):
        return local_datetime(words, zone_us)
    times = epoch(numbers)
    if numbers.null_count() == words.null_count():
        return times
    of_texts = local_datetime(words.set(numbers.is_not_null(), None), zone_us)
    both: pl.Series = times.zip_with(numbers.is_not_null(), of_texts)
    return both


def epoch(column: pl.Series) -> pl.Series:
    """Return numbers since 1970 as microsecond datetimes, floored as upstream's texts are.

    The unit is told by the size of the median, since upstream names microseconds `(ms)`. A lone 0 says that
    an event was not seen: null.
    """
    if column.dtype == pl.Float64 and not column.null_count():
        from lbtui.sources.tables import usable

        times = usable.microseconds(column.to_numpy())
        if times is not None:
            return _cast(pl.Series(column.name, times), pl.Datetime("us"))
    values = number(column)
    median = values.median()
    if not isinstance(median, float) or median <= 0:
        return pl.Series(column.name, [None] * len(column), dtype=pl.Datetime("us"))
    factor = limits.microseconds_per_unit(median)
    # Raw times come in quarters of a microsecond, which is also a double's step at today's epoch: a time
    # that was divided into ms comes back exact when multiplied.
    micros = (pl.col(column.name) * factor).floor()
    possible = (micros > 0) & (micros <= limits.LATEST)
    whole = pl.when(possible).then(micros).cast(pl.Int64, strict=False)
    return _computed(values, whole.cast(pl.Datetime("us")))


def local_datetime(column: pl.Series, zone_us: int = ZONE_OFFSET_US) -> pl.Series:
    """Return wall-clock texts (`2026-01-01 08:00:00:147`, any or no fraction) as UTC datetimes.

    They are Shanghai's unless another zone is told, µs ahead of UTC. Upstream writes 0
    for an event that was not seen: null.
    """
    dotted = pl.col(column.name).str.replace(r"^(.*:\d\d:\d\d)[:.](\d+)$", "$1.$2")
    times = dotted.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False)
    utc = times.cast(pl.Int64) - zone_us
    possible = pl.when(utc.is_between(0, limits.LATEST)).then(utc)
    return _computed(text(column), possible.cast(pl.Datetime("us")))


def is_unreadable(column: pl.Series, converted: pl.Series, nothing: Sequence[str] = ()) -> pl.Series:
    """Tell of each raw cell whether it says something and none of it is left in `converted`.

    The words `nothing` say that there is nothing to be told.
    """
    if converted.null_count() == column.null_count():
        nowhere: pl.Series = pl.Series([False]).new_from_index(0, len(column))
        return nowhere
    said = text(column)
    if nothing:
        said = _computed(said, pl.when(~pl.col(said.name).is_in(list(nothing))).then(pl.col(said.name)))
    return converted.is_null() & said.is_not_null()


def _cast(column: pl.Series, kind: pl.DataType) -> pl.Series:
    cast: pl.Series = column.cast(kind)
    return cast


def _computed(column: pl.Series, expression: pl.Expr) -> pl.Series:
    return column.to_frame().select(expression.alias(column.name)).to_series()
