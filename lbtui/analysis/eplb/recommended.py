"""How many redundant experts are enough, and whether they bring anything."""

from __future__ import annotations

from collections.abc import Sequence

from lbtui.analysis.eplb.what_if import MOST_REDUNDANT, Point

# A worst layer this little above the best one is as good: another half would make more of a difference.
NEAR = 0.02


def recommended(points: Sequence[Point]) -> Point | None:
    """Return the least number of redundant experts whose worst layer, held out, is within 2 % of the best.

    Of the numbers up to `MOST_REDUNDANT`, so that a larger one that is looked at changes nothing; of all
    where there is none so small. None without points.
    """
    if not points:
        return None
    most = (1 + NEAR) * best(points).held_out[1]
    return min((p for p in _usual(points) if p.held_out[1] <= most), key=lambda point: point.redundant)


def best(points: Sequence[Point]) -> Point:
    """Return the number whose worst layer, held out, is the most even, of those that `recommended` takes."""
    return min(_usual(points), key=lambda point: (point.held_out[1], point.redundant))


def gains(point: Point, before: float) -> bool:
    """Tell whether it lowers the worst layer's PAR `before` by 2 % or more, held out."""
    return point.held_out[1] <= (1 - NEAR) * before


def _usual(points: Sequence[Point]) -> Sequence[Point]:
    return [point for point in points if point.redundant <= MOST_REDUNDANT] or points
