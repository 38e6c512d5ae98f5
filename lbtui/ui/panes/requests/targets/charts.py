"""The distribution of a time, a line for each domain, node or length, and the time over the input length."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from lbtui.analysis.imbalance import Floats
from lbtui.analysis.slo import LEAST_CLASS, class_end, steps
from lbtui.overview.attained import Group
from lbtui.render.axis import nice_ticks
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Row
from lbtui.render.chart import Chart, line_chart
from lbtui.render.scatter import Axes, Plane, Tick, plane, room, scatter
from lbtui.render.text import number, quantity
from lbtui.text import _
from lbtui.ui.panes.requests.targets.data import (
    Distributed,
    Measure,
    TargetsData,
    distributed,
    measure_words,
    of_kind,
)
from lbtui.ui.panes.requests.targets.state import TargetsState, View, kind_of

# As many lines as there are distinct colours, one of them the target's.
MOST_LINES = 7
# Where the middle of the values lies in so small a part of the axis, it is logarithmic.
_CROWDED = 16
_MOST_TICKS = 8


@dataclass(frozen=True)
class ChartKey:
    """All that a chart depends on, so that a cursor move does not draw it again."""

    view: View
    measure: Measure
    rows: tuple[int, ...]  # of `TargetsData.rows`
    width: int
    height: int


@dataclass(frozen=True)
class Scale:
    """An axis from `low` to `high`, in ms, or logarithmic."""

    low: float
    high: float
    logarithmic: bool

    def places(self, values: Floats) -> Floats:
        """Return values as they lie on the axis: themselves, or their logarithms to base 10."""
        return np.log10(np.maximum(values, self.low)) if self.logarithmic else values

    def places_of(self, value: float) -> float:
        """Return a value as it lies on the axis."""
        return float(self.places(np.array(value)))

    def value(self, place: float) -> float:
        """Return the value at a place of the axis."""
        return float(10**place) if self.logarithmic else place

    def part(self, values: Floats) -> Floats:
        """Return values as parts of the axis, 0..1."""
        low, high = (float(self.places(np.array(end))) for end in (self.low, self.high))
        return np.clip((self.places(values) - low) / ((high - low) or 1.0), 0.0, 1.0)

    def ticks(self) -> list[float]:
        """Return round values on the axis."""
        if not self.logarithmic:
            return nice_ticks(self.low, self.high, _MOST_TICKS)
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for digits in ((1, 2, 5), (1,)):
            found = [digit * 10.0**power for power in powers for digit in digits]
            found = [tick for tick in found if self.low <= tick <= self.high]
            if len(found) <= _MOST_TICKS:
                break
        return found or [self.low, self.high]


@dataclass(frozen=True, eq=False)
class Drawn:
    """What a worker has drawn: lines, or points with their axes.

    `of_rows` are the distributions of the groups that the cursor may be on, and of all: of row 0.
    """

    scale: Scale
    of_rows: Mapping[int, Distributed]
    chart: Chart | None = None
    points: Plane | None = None
    y_ticks: tuple[Tick, ...] = ()
    left_out: int = 0  # requests without length or time


def chart_key(data: TargetsData, state: TargetsState, canvas: Canvas) -> ChartKey:
    """Return which chart is shown: the groups of the cursor's kind, those that attained least and its own."""
    rows: tuple[int, ...] = ()
    if state.view == "cdf":
        rows = _lines(data, state)
    return ChartKey(state.view, state.measure, rows, canvas.width, canvas.height)


def _lines(data: TargetsData, state: TargetsState) -> tuple[int, ...]:
    kind = kind_of(data, state)
    if kind is None:
        return (0,)
    places = of_kind(data, kind)
    if len(places) > MOST_LINES:
        others = sorted((place for place in places if place != state.row), key=lambda p: (_share(data, p), p))
        places = sorted([state.row, *others[: MOST_LINES - 1]])
    return tuple(places)


def _share(data: TargetsData, place: int) -> float:
    group = data.rows[place]
    share = math.nan if group is None else group.attained.share
    return 2.0 if math.isnan(share) else share


def drawn(data: TargetsData, key: ChartKey, canvas: Canvas) -> Drawn:
    """Return the chart of a key."""
    return _points(data, key, canvas) if key.view == "scatter" else _distributions(data, key, canvas)


def _distributions(data: TargetsData, key: ChartKey, canvas: Canvas) -> Drawn:
    of_rows = {place: distributed(data, data.rows[place], key.measure) for place in (0, *key.rows)}
    scale = _scale(data.table[key.measure])
    series: list[tuple[str, Sequence[float], Sequence[float]]] = []
    for line in (of_rows[place] for place in key.rows):
        xs, ys = steps(scale.places(line.xs), line.ys, canvas.width)
        series.append((f"{line.name} ({line.count:,})", xs.tolist(), (100 * ys).tolist()))
    target = data.target(key.measure)
    if target is not None and scale.low <= target <= scale.high:
        at = float(scale.places(np.array(target)))
        series.append((_("target {value}").format(value=quantity(target, "ms")), [at, at], [0.0, 100.0]))
    ticks = [(float(scale.places(np.array(tick))), number(tick)) for tick in scale.ticks()]
    label = _("{measure}, ms (logarithmic)") if scale.logarithmic else _("{measure}, ms")
    chart = line_chart(
        series,
        canvas,
        x_label=label.format(measure=measure_words(key.measure)),
        y_label=_("% of the requests at or below"),
        x_ticks=ticks,
    )
    return Drawn(scale, of_rows, chart)


def _scale(values: pl.Series) -> Scale:
    """Return the axis of a time: to its greatest value, logarithmic where most would crowd together."""
    known = values.drop_nulls()
    if known.is_empty():
        return Scale(0.0, 1.0, False)
    middle = float(known.quantile(0.5, "linear") or 0.0)
    least, most = float(known.min()), float(known.max())  # type: ignore[arg-type]
    logarithmic = least > 0 and middle < most / _CROWDED
    return Scale(least if logarithmic else 0.0, most if most > 0 else 1.0, logarithmic)


def _points(data: TargetsData, key: ChartKey, canvas: Canvas) -> Drawn:
    known = data.table.select("input_tokens", key.measure, "missed").drop_nulls(["input_tokens", key.measure])
    scale = _scale(known[key.measure])
    ticks = tuple((float(scale.part(np.array(tick))), number(tick)) for tick in scale.ticks())
    lengths = length_part(known["input_tokens"].to_numpy(), *length_range(data))
    times = scale.part(known[key.measure].to_numpy())
    missed = (known["missed"] > 0).fill_null(False).to_numpy()
    points = plane(lengths, times, missed, room(canvas, ticks))
    of_rows = {place: distributed(data, data.rows[place], key.measure) for place in of_kind(data, "input")}
    return Drawn(scale, of_rows, points=points, y_ticks=ticks, left_out=data.table.height - known.height)


def length_range(data: TargetsData) -> tuple[int, int]:
    """Return the least and the greatest length of the axis: all of the classes that there are."""
    floors = [int(group.key) for group in data.slo.of("input")]
    if not floors:
        return LEAST_CLASS // 2, LEAST_CLASS
    return max(floors[0], LEAST_CLASS // 2), class_end(floors[-1]) + 1


def length_part(tokens: Floats, low: int, high: int) -> Floats:
    """Return input lengths as parts of their axis, on which each class is as wide as the others."""
    found: Floats = np.log2(np.clip(tokens, low, high) / low) / math.log2(high / low)
    return found


def scatter_rows(data: TargetsData, state: TargetsState, found: Drawn, canvas: Canvas) -> list[Row]:
    """Return the points, of which those of the class under the cursor are lit."""
    assert found.points is not None
    low, high = length_range(data)
    floors = [max(int(group.key), low) for group in data.slo.of("input")]
    x_ticks = [(float(length_part(np.array(floor), low, high)), f"{floor:,}") for floor in (*floors, high)]
    target = data.target(state.measure)
    line = None
    if target is not None and found.scale.low <= target <= found.scale.high:
        line = float(found.scale.part(np.array(target)))
    axes = Axes(x_ticks, found.y_ticks, line, _lit(data.rows[state.row], low, high))
    return scatter(found.points, axes, canvas)


def _lit(group: Group | None, low: int, high: int) -> tuple[float, float] | None:
    if group is None or group.kind != "input":
        return None
    floor = int(group.key)
    begin, end = (float(length_part(np.array(edge), low, high)) for edge in (floor, class_end(floor) + 1))
    return begin, end
