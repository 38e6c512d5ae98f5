"""When a DP domain takes no step, and what its queues held meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lbtui.analysis.lanes import Lane, Micros


@dataclass(frozen=True)
class Pause:
    """No step from `begin` to `end` (µs); `first` and `last` say that none came before or comes after."""

    begin: int
    end: int
    first: bool = False
    last: bool = False

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return (self.end - self.begin) / 1e6


def pauses(starts: Micros, ends: Micros, begin: int, end: int, least_us: float) -> list[Pause]:
    """Return the pauses of at least `least_us` between steps (by start) in the window [begin, end)."""
    if not len(starts):
        return [Pause(begin, end, first=True, last=True)] if end - begin >= least_us else []
    done = np.maximum.accumulate(ends)
    found = [Pause(begin, int(starts[0]), first=True)]
    gaps = np.flatnonzero(starts[1:] - done[:-1] >= least_us)
    found += [Pause(int(done[i]), int(starts[i + 1])) for i in gaps.tolist()]
    found.append(Pause(int(done[-1]), end, last=True))
    return [pause for pause in found if pause.end - pause.begin >= least_us]


@dataclass(frozen=True)
class Held:
    """What a queue held in a pause: the share of the time above 0, the most, and Σ requests × s."""

    share: float
    most: int
    request_seconds: float
    readings: int  # that came in the pause
    heard: float  # share of the pause up to the last of these


def held_in(lane: Lane, pause: Pause) -> Held:
    """Return what a lane of readings held in a pause; before the first reading nothing is known."""
    part = lane.clipped(pause.begin, pause.end)
    inside = (lane.starts >= pause.begin) & (lane.starts < pause.end)
    if not len(part.values):
        return Held(0.0, 0, 0.0, 0, 0.0)
    lasted = (part.ends - part.starts) / 1e6
    heard = (int(lane.starts[inside].max()) - pause.begin) / 1e6 if inside.any() else 0.0
    return Held(
        float(lasted[part.values > 0].sum()) / pause.seconds,
        int(part.values.max()),
        float((lasted * part.values).sum()),
        int(inside.sum()),
        heard / pause.seconds,
    )
