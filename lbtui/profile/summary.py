"""Figures that upstream's `analyze` wrote beside the tables."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Summary:
    """One figure as a file has it: `statistic` (Average, Max, P50, …) of `metric`, in `unit` or without."""

    file: str
    metric: str
    unit: str
    statistic: str
    value: float
