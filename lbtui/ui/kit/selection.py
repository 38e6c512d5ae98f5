"""What is selected, shared by all panes: choose a spike in DP, and P/D lights the same seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from lbtui.text import _

Side: TypeAlias = Literal["after", "before", "difference"]
SIDES: tuple[Side, ...] = ("after", "before", "difference")


def side_word(side: Side) -> str:
    """Return what a side is called."""
    return {"after": _("after"), "before": _("before"), "difference": _("difference")}[side]


@dataclass(frozen=True)
class Selection:
    """Times are µs since 1970, UTC, of the profile opened (after). None means: nothing chosen yet."""

    window: tuple[int, int] | None = None  # what is zoomed to; None is the whole profile
    time: int | None = None  # the instant under the cursor
    domain: str | None = None  # `Domain.key`
    node: str | None = None  # address of a P/D node
    instance: str | None = None
    rank: int | None = None
    layer: int | None = None
    period: int | None = None
    request: str | None = None  # that is followed through all processes
    side: Side = "after"  # of two profiles compared, in the panes that can show both


@dataclass(frozen=True)
class Aim:
    """What a pane is asked once to show, beyond the shared selection; None leaves it as it is."""

    metric: str | None = None  # a `MetricKey` in DP, a view's name in EP
    expert: int | None = None  # model expert, or slot where experts are unknown
    pull: int | None = None  # rank whose KV pulls are looked at
    handoffs: bool = False  # hand-offs and KV pulls instead of the table
    instance: str | None = None  # whose domains are looked at
    role: str | None = None  # whose nodes are looked at
    request: str | None = None  # id of the request that is looked at
    filter: str | None = None  # which requests are looked at
    row: str | None = None  # which line of the Overview, by its name there
