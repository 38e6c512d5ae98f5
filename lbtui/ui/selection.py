"""What is selected, shared by all panes: choose a spike in DP, and P/D lights the same seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Selection:
    """Times are µs since 1970, UTC. None means: nothing chosen yet."""

    window: tuple[int, int] | None = None  # what is zoomed to; None is the whole profile
    time: int | None = None  # the instant under the cursor
    domain: str | None = None  # `Domain.key`
    node: str | None = None  # address of a P/D node
    instance: str | None = None
    rank: int | None = None
    layer: int | None = None
    period: int | None = None


@dataclass(frozen=True)
class Aim:
    """What a pane is asked once to show, beyond the shared selection; None leaves it as it is."""

    metric: str | None = None  # a `MetricKey` in DP, a view's name in EP
    expert: int | None = None  # model expert, or slot where experts are unknown
    pull: int | None = None  # rank whose KV pulls are looked at
