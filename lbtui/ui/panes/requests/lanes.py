"""Queue states over time, and the life of the request under the cursor below them."""

from __future__ import annotations

from functools import lru_cache

from lbtui.analysis.queue_states import STATES, StateWindow, state_window
from lbtui.profile import dated, format_time, instant, micros
from lbtui.render.axis import time_axis, time_pointer
from lbtui.render.canvas import Canvas, Scale
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.glyphs import glyphs, shades
from lbtui.render.lanes import Marks, lane, runs
from lbtui.render.palette import accent, dim
from lbtui.render.text import fit, number, row
from lbtui.text import _
from lbtui.ui.kit.window import Window, column_of
from lbtui.ui.panes.requests.data import RequestsData
from lbtui.ui.panes.requests.layout import FIGURES, LABEL, Shown


def pointer_row(shown: Shown, width: int, caps: Capabilities) -> Row:
    """Return the row above the lanes: the instant chosen, and what the figures beside them are."""
    window, at, chosen = shown.window, shown.at, shown.selection.time
    heads = [
        segment
        for name, cells in zip((_("at cursor"), _("mean"), _("max")), FIGURES, strict=True)
        for segment in fit(name, cells, align="right", caps=caps, style=dim(caps))
    ]
    if chosen is None:
        pointer = row(width=at.plot)
    else:
        column = column_of(chosen, window, at.plot)
        decimals = 3 if window[1] - window[0] < 60_000_000 else 1
        time, date = instant(chosen), dated(window)
        pointer = time_pointer(time, column, at.plot, caps, decimals=decimals, date=date)
    return row(" " * LABEL, pointer, heads if at.figures else "", width=width)


def lane_rows(shown: Shown, canvas: Canvas) -> list[Row]:
    """Return a lane for each queue state, with its value at the instant, its mean and its maximum."""
    data, domain, window, at, time = shown.data, shown.domain, shown.window, shown.at, shown.selection.time
    states = _window_of_states(data, domain, window, at.plot)
    cursor = None if time is None else column_of(time, window, at.plot)
    rows = []
    for index, name in enumerate(STATES):
        high = float(states.peaks[index])
        drawn = lane(
            states.highs[index].tolist(),
            Scale(0.0, high if high > 0 else 1.0),
            canvas.caps,
            height=at.lane_height,
            marks=Marks(cursor),
        )
        now = float("nan")
        if time is not None and domain in data.lanes:
            now = data.lanes[domain][index].at(time)
        figures = now, float(states.means[index]), high
        for line, bars in enumerate(drawn):
            last = line == at.lane_height - 1
            label = fit(" " + _label(name) if last else "", LABEL, caps=canvas.caps)
            numbers = _figures(figures, time, canvas.caps) if last and at.figures else []
            rows.append(row(label, bars, numbers, width=canvas.width))
    return rows


def queue_words(shown: Shown) -> str:
    """Return how many requests each queue has at the instant chosen; empty where none is, or no lanes are."""
    time, lanes = shown.selection.time, shown.data.lanes.get(shown.domain)
    if time is None or lanes is None:
        return ""
    whose = _("all domains") if shown.domain is None else shown.domain
    now = [f"{_label(name)} {number(lanes[index].at(time))}" for index, name in enumerate(STATES)]
    return " · ".join((format_time(instant(time), 3, date=dated(shown.window)), whose, *now))


def _label(state: str) -> str:
    return {"waiting": _("waiting"), "running": _("running"), "swapped": _("swapped")}[state]


def _figures(figures: tuple[float, float, float], time: int | None, caps: Capabilities) -> Row:
    texts = [number(value, cells - 1) for value, cells in zip(figures, FIGURES, strict=True)]
    if time is None:
        texts[0] = ""
    styles = (accent(caps), None, None)
    cells = (
        fit(text, width, align="right", caps=caps, style=style)
        for text, width, style in zip(texts, FIGURES, styles, strict=True)
    )
    return [segment for cell in cells for segment in cell]


@lru_cache(maxsize=8)
def _window_of_states(data: RequestsData, domain: str | None, window: Window, columns: int) -> StateWindow:
    """Return the lanes as drawn; kept, as most repaints only move a cursor."""
    return state_window(data.lanes.get(domain, ()), *window, columns)


def life_row(shown: Shown, width: int, caps: Capabilities) -> Row:
    """Return how the request under the cursor waited and decoded, in the time of the lanes."""
    request, window, at = shown.request, shown.window, shown.at
    label = fit(" " + _("request"), LABEL, caps=caps, style=accent(caps))
    waited, decoded = shades(caps)[1], shades(caps)[-1]
    legend = _("{waited} TTFT {decoded} decode").format(waited=waited, decoded=decoded) if at.figures else ""
    tail = fit("  " + legend, at.figures, caps=caps, style=dim(caps))
    if request is None or request["arrival"] is None:
        return row(label, " " * at.plot, tail, width=width)
    arrival = micros(request["arrival"])
    first = _later(arrival, request["ttft"])
    end = max(first, _later(arrival, request["duration"]))
    begin_column, first_column, end_column = (
        column_of(time, window, at.plot) for time in (arrival, first, end)
    )
    if end_column < 0 or begin_column >= at.plot:
        body = (
            fit(glyphs(caps).left + " " + _("before this window"), at.plot, caps=caps, style=dim(caps))
            if end_column < 0
            else fit(
                _("after this window") + " " + glyphs(caps).right,
                at.plot,
                caps=caps,
                align="right",
                style=dim(caps),
            )
        )
        return row(label, body, tail, width=width)
    text = [
        " " if not begin_column <= column <= end_column else waited if column < first_column else decoded
        for column in range(at.plot)
    ]
    return row(label, runs(text, [accent(caps)] * at.plot), tail, width=width)


def _later(time: int, milliseconds: float | None) -> int:
    return time if milliseconds is None else time + round(milliseconds * 1000)


def axis_row(shown: Shown, width: int, caps: Capabilities) -> Row:
    """Return the time axis below the lanes."""
    begin, end = map(instant, shown.window)
    axis = time_axis(begin, end, shown.at.plot, caps)
    return row(" " * LABEL, axis, width=width)
