"""Fast and slow ranks: one range per process, the shortest on top."""

from __future__ import annotations

from rich.segment import Segment

from lbtui.render.axis import nice_ticks
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.glyphs import glyphs
from lbtui.render.palette import accent, cursor, dim, severity, strong
from lbtui.render.text import blank, fit, number, padded, row
from lbtui.text import _
from lbtui.ui.panes.ep.data import EpData, Interval
from lbtui.ui.panes.ep.shown import EpState
from lbtui.ui.panes.ep.words import process_words

_LABEL = 26
_NUMBERS = 34
# Below this the ranges have no room beside their numbers.
_LEAST_RANGE = 10


def interval_rows(data: EpData, state: EpState, width: int, height: int, caps: Capabilities) -> list[Row]:
    """Return the view without its state line: how to read it, an axis, one range per process, the reading."""
    if height < 1:
        return []
    reading = fit(interval_words(data, state), width, caps=caps)
    if height == 1:
        return [reading]
    how = _("Read inverted: mostly waiting for others; the shortest is the slowest card.")
    rows = [fit(how, width, caps=caps, style=severity(caps, "warning"))]
    label, span = _widths(width)
    low, high = _ends(data.intervals)
    head = row(
        fit(_("shortest first"), label, caps=caps, style=dim(caps)),
        fit(_("     µs [95 % t-interval] × mean"), width - label - span, caps=caps, style=dim(caps)),
        _axis(low, high, span, caps),
        width=width,
    )
    rows.append(head)
    count = max(0, height - len(rows) - 1)
    order = [interval.column for interval in data.intervals]
    place = order.index(state.process) if state.process in order else 0
    first = first_interval(place, len(order), count)
    for interval in data.intervals[first : first + count]:
        rows.append(_interval_row(interval, state, (low, high), width, caps))
    rows = rows[: height - 1]
    return [*rows, *([blank(width)] * (height - 1 - len(rows))), reading]


def first_interval(place: int, total: int, count: int) -> int:
    """Return the first process in view so that the one at `place` is seen, about in the middle."""
    return max(0, min(place - count // 2, total - count))


def interval_words(data: EpData, state: EpState) -> str:
    """Return the process under the cursor in one line."""
    interval = next((each for each in data.intervals if each.column == state.process), None)
    if interval is None:
        return ""
    return _("{process}, rank guessed · {mean} µs {range} · {multiple}× mean").format(
        process=process_words(interval.column, interval.process),
        mean=number(interval.mean),
        range=_range_words(interval),
        multiple=number(interval.multiple),
    )


def _range_words(interval: Interval) -> str:
    if interval.low is None or interval.high is None:
        return _("[no interval]")
    return f"[{number(interval.low)}–{number(interval.high)}]"


def _widths(width: int) -> tuple[int, int]:
    """Return the cells for the label and for the range."""
    label = min(_LABEL, width)
    span = width - label - _NUMBERS
    return label, span if span >= _LEAST_RANGE else 0


def _ends(intervals: tuple[Interval, ...]) -> tuple[float, float]:
    """Return the ends of the axis: from 0, so that lengths compare."""
    return 0.0, max((i.mean if i.high is None else i.high for i in intervals), default=1.0) * 1.02


def _place(value: float, low: float, high: float, span: int) -> int:
    return max(0, min(span - 1, int((value - low) / (high - low) * span))) if high > low else 0


def _axis(low: float, high: float, span: int, caps: Capabilities) -> Row:
    text = ""
    for tick in nice_ticks(low, high, max(1, span // 12)):
        at, label = _place(tick, low, high, span), number(tick)
        if at >= len(text) + bool(text) and at + len(label) <= span:
            text = text.ljust(at) + label
    return fit(text, span, caps=caps, style=dim(caps))


def _interval_row(
    interval: Interval,
    state: EpState,
    ends: tuple[float, float],
    width: int,
    caps: Capabilities,
) -> Row:
    label, span = _widths(width)
    here = interval.column == state.process
    style = cursor(caps) if here else None
    numbers = (
        f"{number(interval.mean, 7)} {padded(_range_words(interval), 17)}{number(interval.multiple, 6)}  "
    )
    return row(
        fit(process_words(interval.column, interval.process), label, caps=caps, style=style),
        fit(numbers, width - label - span, caps=caps, style=strong(caps) if here else None),
        _range(interval, ends, span, caps, here),
        width=width,
    )


def _range(interval: Interval, ends: tuple[float, float], span: int, caps: Capabilities, here: bool) -> Row:
    if span < 1:
        return []
    symbols = glyphs(caps)
    middle = _place(interval.mean, *ends, span)
    first = middle if interval.low is None else _place(interval.low, *ends, span)
    last = middle if interval.high is None else _place(interval.high, *ends, span)
    text = [" "] * span
    for x in range(first, last + 1):
        text[x] = symbols.rule
    text[first] = text[last] = symbols.column
    text[middle] = symbols.points[0]
    style = accent(caps) if here else dim(caps)
    return [Segment("".join(text), style)]
