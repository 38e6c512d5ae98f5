"""What a comparison of two profiles says, as plain data: rows with interval and verdict, one summary for all.

Screen, text report, Markdown and JSON read these and compute nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from lbtui.analysis.latency_parts import PartName
from lbtui.overview.model import Dimension, Place

Verdict: TypeAlias = Literal["better", "worse", "no_evidence", "too_little_data", "not_comparable"]
_NOTHING = 0.0005  # ms: what rounding leaves
Better: TypeAlias = Literal["lower", "higher", "neither"]


@dataclass(frozen=True)
class Metric:
    """One compared quantity. `key` is stable and dotted (`batch_size.par`), unique within its dimension."""

    key: str
    dimension: Dimension
    label: str
    unit: str  # of before, after, difference, low and high; "" for pure numbers
    better: Better  # which direction is better; "neither" for the load
    formula: str  # one sentence for the help
    smallest: float  # the smallest difference worth calling: in `unit`, or a share of the greater value
    relative: bool = False  # `smallest` is a share of before or after, whichever is greater
    headline: bool = False  # one of the few that stand for their dimension; the others are details under it


@dataclass(frozen=True)
class Term:
    """What a part of latency adds to a metric before and after; `low` and `high` bound its difference.

    `place` is where most of the difference is (a domain's key), `where` what that is called. The term without
    a part is what the others leave, and has no interval.
    """

    part: PartName | None
    before: float
    after: float
    low: float = math.nan
    high: float = math.nan
    place: str | None = None
    where: str = ""

    @property
    def difference(self) -> float:
        """After − before, in the metric's unit."""
        return self.after - self.before

    @property
    def shown(self) -> bool:
        """Whether the part changed at all."""
        return abs(self.difference) > _NOTHING


@dataclass(frozen=True)
class Row:
    """One metric of one subject, before and after; numbers are NaN where they are unknown.

    `difference` is after − before, `low` and `high` bound its 95 % interval (of this row alone); a bound that
    the data do not show is infinite. `p_value` is two-sided, the chance that noise about the runs as they
    went makes such a difference; `adjusted` the same after the correction over the rows of its family
    (`verdict.judged`). `reason` says why the verdict is `too_little_data` or `not_comparable`, or why it is
    `no_evidence` although p-value or interval by themselves say otherwise; empty where they agree.
    """

    metric: Metric
    subject: Place  # instance, role: the keys that apply
    verdict: Verdict
    before: float = math.nan
    after: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p_value: float = math.nan
    adjusted: float = math.nan
    reason: str = ""
    terms: tuple[Term, ...] = ()  # of a latency, the parts that its difference is the sum of

    @property
    def difference(self) -> float:
        """After − before, in the metric's unit; NaN where either is unknown."""
        return self.after - self.before

    @property
    def ratio(self) -> float:
        """After / before; NaN where either is unknown or before is 0."""
        return self.after / self.before if self.before > 0 else math.nan

    @property
    def is_load(self) -> bool:
        """Tell whether the row describes what was asked of the service, not how it did."""
        return self.metric.better == "neither"

    @property
    def is_headline(self) -> bool:
        """Tell whether the row is one of those that stand for their dimension."""
        return self.metric.headline

    @property
    def is_detail(self) -> bool:
        """Tell whether the row is one under the headlines of its dimension; a row of the load is neither."""
        return not (self.is_headline or self.is_load)

    @property
    def load_differs(self) -> bool:
        """Tell whether a row of the load differs beyond chance: no better or worse, but it may explain all.

        Its verdict then is `not_comparable`, with numbers, interval and this as the reason.
        """
        return self.is_load and self.verdict == "not_comparable" and not math.isnan(self.adjusted)


@dataclass(frozen=True)
class Comparison:
    """All rows: those of the load first, then by dimension (dp, kv, pd, ep, requests) and subject.

    Of one dimension and subject the headlines come first, then their details.
    """

    before: str  # path of the baseline
    after: str  # path of the profile
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()  # what to mind: shapes that differ, what neither profile records

    @property
    def loads_differ(self) -> tuple[Row, ...]:
        """The rows of the load that differ beyond chance, to be told first."""
        return tuple(row for row in self.rows if row.load_differs)

    @property
    def headlines(self) -> tuple[Row, ...]:
        """The rows that stand for their dimensions, in order."""
        return tuple(row for row in self.rows if row.is_headline)

    @property
    def is_worse(self) -> bool:
        """Tell whether a headline is worse; a detail alone is not enough."""
        return any(row.verdict == "worse" for row in self.headlines)

    def of(self, verdict: Verdict) -> tuple[Row, ...]:
        """Return the rows of a verdict, in order."""
        return tuple(row for row in self.rows if row.verdict == verdict)
