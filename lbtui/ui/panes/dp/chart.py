"""The line chart of a step's metric against forward_iter, one line per dp_rank."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
from rich.cells import cell_len
from rich.segment import Segment

from lbtui.analysis.data_parallel import Metric, metric
from lbtui.profile import format_window, instant
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.chart import Chart, line_chart
from lbtui.render.palette import dim, strong
from lbtui.render.text import fit, printable, row
from lbtui.text import _
from lbtui.ui.kit.selection import Side
from lbtui.ui.kit.sides import side_chip
from lbtui.ui.panes.dp.data import DpData, Measured
from lbtui.ui.panes.dp.filtered import filter_words, lanes_left
from lbtui.ui.panes.dp.layout import DpState

# As many lines as there are distinct colours.
MOST_LINES = 8


@dataclass(frozen=True)
class ChartKey:
    """All that a chart depends on."""

    metric: Metric
    instance: str
    lanes: tuple[int, ...]
    window: tuple[int, int]
    width: int
    height: int
    text: str = ""  # the filter that left these lanes


def chart_key(measured: Measured, state: DpState, window: tuple[int, int], canvas: Canvas) -> ChartKey:
    """Return which chart is shown: of the cursor's instance, the lanes that stand out most and the cursor's.

    Lanes that the filter hides are in none.
    A metric that is not one of steps has no forward_iter; then it is the batch size.
    """
    own = measured.index(state.domain) or 0
    instance = measured.domains[own].instance
    left = lanes_left(measured, state.text)
    lanes = [i for i in measured.lanes_of(instance) if i in left]
    if len(lanes) > MOST_LINES:
        others = sorted((i for i in lanes if i != own), key=lambda i: (-measured.scores[i], i))
        lanes = sorted([own, *others[: MOST_LINES - 1]])
    chosen = measured.metric if measured.metric.frame == "steps" else metric("batch_size")
    return ChartKey(chosen, instance, tuple(lanes), window, canvas.width, canvas.height, state.text)


def chart_rows(key: ChartKey, data: DpData, measured: Measured, caps: Capabilities) -> Chart:
    """Return the chart: x is forward_iter, which every card counts for itself, y the metric."""
    begin, end = (pl.lit(instant(edge)) for edge in key.window)
    series = []
    for i in key.lanes:
        table = data.tables.get(measured.domains[i].key)
        if table is None:
            continue
        part = table.frame.filter(pl.col("end") > begin, pl.col("start") < end).sort("forward_iter")
        ys = part[key.metric.column].cast(pl.Float64).fill_null(float("nan"))
        series.append((measured.domains[i].name, part["forward_iter"].to_list(), ys.to_list()))
    return line_chart(
        series,
        Canvas(key.width, key.height, caps),
        x_label=_("forward_iter (each domain counts its own)"),
        y_label=key.metric.unit,
    )


def marked_rows(
    chart: Chart, key: ChartKey, data: DpData, measured: Measured, state: DpState, caps: Capabilities
) -> list[Row]:
    """Return the chart with the cursor's domain lit, and the cursor at the step that it runs there."""
    drawn = [measured.domains[i].key for i in key.lanes if measured.domains[i].key in data.tables]
    step = data.tables[state.domain].at(state.time) if state.domain in data.tables else None
    x = None if step is None else step[0]["forward_iter"]
    chosen = drawn.index(state.domain) if state.domain in drawn else None
    return chart.marked(chosen, None if x is None else float(x), caps)


def chart_state_row(key: ChartKey, measured: Measured, caps: Capabilities, side: Side | None = None) -> Row:
    """Return the line that says what the chart shows."""
    begin, end = map(instant, key.window)
    parts = [key.instance, format_window(begin, end, 3)]
    left = lanes_left(measured, key.text)
    count = sum(lane in left for lane in measured.lanes_of(key.instance))
    parts += filter_words(measured, key.text)
    if count > len(key.lanes):
        parts.append(
            _("{shown} of {count} domains: those that stand out most, and the cursor's").format(
                shown=len(key.lanes), count=count
            )
        )
    title = " " + _("{metric} against forward_iter").format(metric=key.metric.label)
    rest = "".join(f" · {part}" for part in parts)
    chip = side_chip(side, caps)
    used = cell_len(title) + Segment.get_line_length(chip)
    return row(
        chip,
        Segment(printable(title, caps), strong(caps)),
        fit(rest, max(0, key.width - used), caps=caps, style=dim(caps)),
        width=key.width,
    )
