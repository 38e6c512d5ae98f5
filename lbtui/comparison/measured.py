"""A metric as one profile has it: a series, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from lbtui.comparison.model import Metric
from lbtui.comparison.series import Series
from lbtui.profile import FrameName


@dataclass(frozen=True)
class Source:
    """One profile's frames and its window, µs since 1970 (UTC)."""

    frames: Mapping[FrameName, pl.DataFrame]
    window: tuple[int, int]


@dataclass(frozen=True)
class Measured:
    """One metric of one subject; `absent` is a sentence without its end where there is no series."""

    metric: Metric
    series: Series | None = None
    absent: str = ""
