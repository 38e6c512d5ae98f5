"""A finding: what is unbalanced, where, when, how much, what it costs and what to try."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, TypeAlias, cast

Dimension: TypeAlias = Literal["dp", "kv", "pd", "ep", "data"]
Severity: TypeAlias = Literal["critical", "warning", "info"]
ShareOf: TypeAlias = Literal["steps", "domains", "experts", "requests"]
SubjectValue: TypeAlias = str | int | tuple[int, ...]

SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "info")


@dataclass(frozen=True)
class Cost:
    """What the users pay; `value` is None where it cannot be known, and `text` says why.

    `share` is the same in the currency that orders findings: of the NPU time of the load's own part (the
    domains that step together, the ranks' expert time), or, where nobody waits for steps, of the time that
    requests spend in the service; `of` says which. None where it cannot be told.
    """

    value: float | None
    unit: str
    text: str
    share: float | None = None  # 0..1
    of: ShareOf = "steps"  # whose time the share is of


@dataclass(frozen=True)
class Figure:
    """What was measured, how much it is, how much is too much, and which files tell it."""

    metric: str
    value: float
    threshold: float
    evidence: str


@dataclass(frozen=True)
class Finding:
    """One finding. `id` is stable and dotted; `subject` has the keys of DESIGN.md that apply.

    `excess` is how far the metric is beyond its threshold (value / threshold, unless it is given): the
    order within a severity. `p_value` is the probability of such a figure by chance alone, None where
    chance plays no part. `expected` is the load that the config expects of the subject, in multiples of the
    mean of its peers, None where it expects no other than theirs. `what_if` is what
    re-balancing would bring, held out, empty where nothing tells it.
    """

    id: str
    severity: Severity
    subject: Mapping[str, SubjectValue]
    window: tuple[datetime, datetime] | None = field(default=None, kw_only=True)  # UTC; None: the whole
    metric: str
    value: float
    threshold: float
    cost: Cost
    message: str
    advice: str
    evidence: str
    excess: float = math.nan
    p_value: float | None = None
    consequences: tuple[Finding, ...] = field(default=())
    expected: float | None = None
    over_expected: bool = False  # its value is over what the config expects, not over its peers
    what_if: str = ""
    hurt: int | None = None  # requests of its place that were in service in its window
    hurt_beyond: int = 0  # of these, that missed a target
    note: str = ""  # what the user says of it

    def __post_init__(self) -> None:
        if math.isnan(self.excess):
            object.__setattr__(self, "excess", self.value / self.threshold)

    @property
    def dimension(self) -> Dimension:
        """What of the load it is about: the first part of its id."""
        return cast(Dimension, self.id.partition(".")[0])

    def explaining(self, others: tuple[Finding, ...]) -> Finding:
        """Return this finding with `others` listed as what follows from it."""
        return replace(self, consequences=(*self.consequences, *others))

    def overlaps(self, other: Finding) -> bool:
        """Tell whether the two share any time; the whole profile overlaps everything."""
        if self.window is None or other.window is None:
            return True
        return self.window[0] < other.window[1] and other.window[0] < self.window[1]


def ranked(findings: list[Finding]) -> list[Finding]:
    """Return the findings most severe first, within that most costly, then most beyond the threshold.

    What they cost is compared as `Cost.share`; an unknown cost comes after the known ones of its severity.
    """
    return sorted(
        findings,
        key=lambda f: (
            SEVERITIES.index(f.severity),
            1.0 if f.cost.share is None else -f.cost.share,
            -f.excess,
            f.id,
        ),
    )


def with_consequences(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield findings, then what follows from them, then what follows from that."""
    later: list[Finding] = []
    for finding in findings:
        yield finding
        later += finding.consequences
    if later:
        yield from with_consequences(later)
