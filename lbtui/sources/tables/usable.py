"""Tells of many parsed numbers at once that none needs to be looked at by itself."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from lbtui.sources import limits

Floats: TypeAlias = NDArray[np.float64]


def is_count(numbers: Floats) -> bool:
    """Tell whether all numbers but NaN are what `cells.count` lets be."""
    return _are_within(numbers, 0, limits.MOST, whole=True)


def is_duration(numbers: Floats) -> bool:
    """Tell whether all numbers but NaN are what `cells.milliseconds` lets be."""
    return _are_within(numbers, 0, limits.LONGEST)


def is_number(numbers: Floats) -> bool:
    """Tell whether all numbers but NaN are what `cells.number` lets be."""
    return _are_within(numbers, -limits.LARGEST, limits.LARGEST)


def microseconds(times: Floats) -> NDArray[np.int64] | None:
    """Return times since 1970 as `cells.epoch` does, in whole µs; None if any needs a look of its own.

    So it is with NaN, with what is no time of a capture, and where times seem to be in several units.
    """
    if not len(times):
        return None
    # NaN, if there is any.
    first, last = times.min(), times.max()
    if not 0 < first <= last:
        return None
    factor = limits.microseconds_per_unit(first)
    if factor != limits.microseconds_per_unit(last) or last * factor > limits.LATEST:
        return None
    return (times * factor).astype(np.int64)


def any_unknown(numbers: Floats) -> bool:
    """Tell whether any of at least one number is NaN."""
    return bool(np.isnan(numbers.min()))


def _are_within(numbers: Floats, least: float, most: float, *, whole: bool = False) -> bool:
    if not len(numbers):
        return True
    if any_unknown(numbers):
        return _are_within(numbers[~np.isnan(numbers)], least, most, whole=whole)
    return bool(
        least <= numbers.min()
        and numbers.max() <= most
        and not (whole and (np.floor(numbers) != numbers).any())
    )
