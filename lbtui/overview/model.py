"""What Overview, text report and JSON say, as plain data: one summary, so that they never differ."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import polars as pl

from lbtui.overview.attained import Slo
from lbtui.overview.readings import Beside
from lbtui.profile import Domain, FrameName, Missing, Note, Reading, SourceFile, Summary, dated
from lbtui.profile.captures import Captures
from lbtui.text import _
from lbtui.thresholds import Expected

# A lane's bins: as many as the widest lane is drawn with, whatever the number of rows.
BINS = 200

Frames: TypeAlias = Mapping[FrameName, pl.DataFrame]
Dimension: TypeAlias = Literal["dp", "kv", "pd", "ep", "requests"]
Formula: TypeAlias = Literal[
    "time_weighted_par",
    "par",
    "mean_layer_par",
    "max_layer_par",
    "share",
    "wasted_share",
    "max",
    "p50",
    "p95",
]
Status: TypeAlias = Literal["waiting", "read", "partly", "not needed", "unreadable", "other run"]

# Every formula behind a figure; the help and the report print these sentences.
FORMULAS: Mapping[Formula, str] = {
    "time_weighted_par": _(
        "PAR over DP domains = Σ max / Σ mean over the window, each instant weighted by how long it lasts; "
        "an idle domain carries 0. For numbers of requests, instants with fewer requests than domains are "
        "left out, and chance is the PAR that equal domains would show at this load (Poisson numbers)."
    ),
    "par": _("PAR = max / mean over the nodes of a role, or over the ranks; 1 is even."),
    "mean_layer_par": _(
        "PAR = max / mean over the ranks' shares of a layer's tokens, averaged over layers and EPLB periods. "
        "vllm-ascend and MindIE re-balance above 1.18 to 1.3."
    ),
    "max_layer_par": _("PAR = max / mean over the ranks of the layer in which it is highest."),
    "share": _("A node's part of all requests that its role received."),
    "wasted_share": _(
        "Σ wait / Σ length of the steps that DP domains take together: from a domain's own end to the last "
        "end of the step; a domain's step and its length count once each."
    ),
    "max": _("The highest value in the window."),
    "p50": _("Half of the requests lie at or below it (linear interpolation)."),
    "p95": _("95 % of the requests lie at or below it (linear interpolation)."),
}


@dataclass(frozen=True)
class Place:
    """Where something is: the keys that apply, times in µs since 1970 (UTC)."""

    instance: str | None = None
    host: str | None = None
    dp_rank: int | None = None
    domain: str | None = None  # `Domain.key`
    address: str | None = None
    role: str | None = None
    period: int | None = None
    layer: int | None = None
    rank: int | None = None
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True)
class Figure:
    """One number with its formula's name, of whom it speaks, and where it is worst."""

    dimension: Dimension
    metric: str
    formula: Formula
    unit: str
    value: float  # NaN where it cannot be told
    subject: Place = Place()
    worst: Place | None = None
    chance: float | None = None
    time_counted: float | None = None  # share of the window that counts
    doubt: str = ""  # why the value may be off, a sentence


@dataclass(frozen=True)
class Line:
    """One line of lanes: a quantity over time, nodes or ranks, its figures, and both in words.

    `values` are drawn from left to right; NaN is no data. A line without values says why in `absent`.
    """

    key: str  # dimension and metric, dotted
    dimension: Dimension
    label: str
    headline: str = ""  # e.g. PAR 1.42
    beside: str = ""  # what to hold it against
    values: tuple[float, ...] = ()
    column: str = ""  # what one column is
    unit: str = ""
    over_time: bool = False
    names: tuple[str, ...] = ()  # of the columns, where they are not time
    worst: str = ""
    place: Place | None = None
    time: int | None = None  # the worst instant, µs since 1970 (UTC)
    details: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    absent: str = ""


def absent_line(key: str, dimension: Dimension, label: str, why: str) -> Line:
    """Return a line without values, which says why."""
    return Line(key, dimension, label, absent=why)


@dataclass(frozen=True)
class Experts:
    """The shape of one instance's experts; None where no file tells it.

    Without ranks `slots_per_rank` are the slots of a layer.
    """

    instance: str
    periods: int
    layers: int
    ranks: int | None
    slots_per_rank: int | None
    experts: int | None  # model experts


@dataclass(frozen=True)
class Source:
    """One file: which reader, how many rows of it were used, and how far that went."""

    file: SourceFile
    rows: int | None
    precision: str
    status: Status
    why: str = ""  # one sentence, for every status but `read`


@dataclass(frozen=True)
class Summarised:
    """One figure of upstream's `analyze`, and lbtui's own; NaN where lbtui has none."""

    summary: Summary
    own: float

    @property
    def agrees(self) -> bool | None:
        """Whether they are the same within rounding; None where there is nothing to compare.

        `analyze` works on times that are cut to whole ms at either end.
        """
        if math.isnan(self.own):
            return None
        value = self.summary.value
        least = 2.0 if self.summary.unit == "ms" else 0.01
        return abs(self.own - value) <= max(0.01 * abs(value), least)


@dataclass(frozen=True)
class NodeName:
    """A P/D node."""

    address: str
    role: str


@dataclass(frozen=True)
class Overview:
    """The whole summary. `reading` names what is still to come; empty once complete."""

    name: str
    path: str
    hosts: tuple[str, ...] = ()
    window: tuple[int, int] | None = None  # µs since 1970, UTC: of the capture shown
    captures: Captures | None = None  # None until all is read
    domains: tuple[Domain, ...] = ()
    nodes: tuple[NodeName, ...] = ()
    experts: tuple[Experts, ...] = ()
    sources: tuple[Source, ...] = ()
    missing: tuple[Missing, ...] = ()
    notes: tuple[Note, ...] = ()
    lines: tuple[Line, ...] = field(default_factory=tuple)
    reading: str = ""
    summaries: tuple[Summarised, ...] = ()  # of upstream's `analyze`, beside ours
    near: tuple[Reading, ...] = ()  # where else the run is to be seen
    beside: tuple[Beside, ...] = ()  # how outputs differ from the raw profile, where that was asked for
    expected: Expected = field(default_factory=Expected)  # the shares that chance is told of
    slo: Slo | None = None  # what requests attained of their targets, where that was asked for
    unparsed: str = ""  # why all but experts is missing, and the command that gets it
    how_to_parse: str = ""  # that command alone

    @property
    def dated(self) -> bool:
        """Whether instants need their date: the window spans several days."""
        return self.window is not None and dated(self.window)

    def figures(self) -> list[Figure]:
        """Return the figures of all lines, in their order."""
        return [figure for line in self.lines for figure in line.figures]
