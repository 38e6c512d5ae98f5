"""How the measure of the requests is distributed, and where the request under the cursor is in it."""

from __future__ import annotations

from rich.cells import cell_len
from rich.segment import Segment

from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.lanes import histogram
from lbtui.render.palette import accent, dim, selected, strong
from lbtui.render.text import blank, fit, number, quantity, row, wrapped
from lbtui.text import _
from lbtui.ui.panes.requests.columns import BY_NAME
from lbtui.ui.panes.requests.data import BINS, Request, RequestsData, RequestsState
from lbtui.ui.panes.requests.layout import Shown
from lbtui.ui.panes.requests.words import speculation_words, summary

_FACT = 24  # cells of a fact's name in the panel, half as many where it is narrow
_WORDS = 19  # cells beside the folded distribution
_BARS = 7  # lines of the panel's bars


def summary_row(data: RequestsData, state: RequestsState, width: int, caps: Capabilities) -> Row:
    """Return the percentiles of the measure in one row."""
    column = BY_NAME[state.arranged.arrangement.measure]
    parts: Row = [*fit(" " + column.measure, cell_len(column.measure) + 1, caps=caps, style=strong(caps))]
    note = ""
    if data.disaggregated and column.name == "queue_wait":
        note = "  " + _("P and D queues together")
    # What the numbers are of before more of them.
    for name, value in summary(state, width - 1 - cell_len(note)):
        parts += [Segment(f"  {name} ", dim(caps)), *fit(value, cell_len(value), caps=caps)]
    room = width - sum(segment.cell_length for segment in parts)
    if cell_len(note) > room:
        note = "  " + _("P+D queues")
    return row(
        parts,
        fit(note, cell_len(note), caps=caps, style=dim(caps)) if cell_len(note) <= room else [],
        width=width,
    )


def _bars(
    state: RequestsState, request: Request | None, width: int, height: int, caps: Capabilities
) -> list[Row]:
    column = BY_NAME[state.arranged.arrangement.measure]
    found = state.arranged.distribution
    return histogram(
        found.counts.tolist(),
        [column.scaled(float(edge)) for edge in found.edges],
        Canvas(width, height, caps),
        unit=column.unit,
        cursor=_bin(state, request),
    )


def folded_rows(shown: Shown, width: int, caps: Capabilities) -> list[Row]:
    """Return the distribution above the table, its words at the right where there is room."""
    state, request, height = shown.state, shown.request, shown.at.folded_height
    each = (width - 1 - _WORDS) // BINS
    if each < 1:
        return [row(" ", bars, width=width) for bars in _bars(state, request, width - 1, height, caps)]
    scale, where, count = _bin_words(state, request)
    words = [(where, accent(caps)), (count, accent(caps)), (scale, dim(caps))]
    beside = [blank(_WORDS)] * (height - len(words)) + [
        fit("  " + text, _WORDS, caps=caps, style=style) for text, style in words
    ]
    bars = _bars(state, request, each * BINS, height, caps)
    return [row(" ", left, right, width=width) for left, right in zip(bars, beside, strict=True)]


def panel_rows(shown: Shown, caps: Capabilities) -> list[Row]:
    """Return the distribution and the request under the cursor, beside the table."""
    state, request = shown.state, shown.request
    column = BY_NAME[state.arranged.arrangement.measure]
    width, height = shown.at.panel, shown.at.rows + 1
    scale, where, count = _bin_words(state, request)
    bars = min(_BARS, max(1, height - 4))
    rows = [
        row(
            fit(column.title, cell_len(column.title), caps=caps, style=strong(caps)),
            fit(f" · {scale}", width, caps=caps, style=dim(caps)),
            width=width,
        ),
        *_bars(state, request, width, bars + 1, caps),
        fit(f"{where}: {count}", width, caps=caps, style=accent(caps)),
        blank(width),
    ]
    if request is not None:
        rows.append(fit(str(request["request_id"] or ""), width, caps=caps, style=selected(caps)))
        for fact in shown.data.columns[1:]:
            if fact.name not in request:
                continue
            value = request[fact.name]
            short = width < 2 * _FACT
            label = fit(fact.title if short else fact.words, _FACT // 2 if short else _FACT, caps=caps)
            text = fact.spoken(value)
            # What has no room for its unit, or for hosts, is as in the table.
            if short or cell_len(text) > width - cell_len(label[0].text):
                text = fact.cell(value)
            rows.append(row(Segment.apply_style(label, dim(caps)), fit(text, width, caps=caps), width=width))
    if words := speculation_words(state):
        said = wrapped(words, max(1, width - 2), caps, None)
        rows += [blank(width), *(row(" ", line, width=width) for line in said)]
    rows += [blank(width)] * (height - len(rows))
    return rows[:height]


def _bin(state: RequestsState, request: Request | None) -> int | None:
    value = None if request is None else request[state.arranged.arrangement.measure]
    return None if value is None else state.arranged.distribution.bin_of(float(value))


def _bin_words(state: RequestsState, request: Request | None) -> tuple[str, str, str]:
    """Return the scale, and the bin that holds the request under the cursor: its range and its count."""
    column = BY_NAME[state.arranged.arrangement.measure]
    found = state.arranged.distribution
    scale = _("logarithmic") if found.logarithmic else _("linear")
    place = _bin(state, request)
    if place is None:
        return scale, _("here unknown"), "–"
    low, high = (column.scaled(float(edge)) for edge in found.edges[place : place + 2])
    return (
        scale,
        f"{number(low)}–{quantity(high, column.unit)}",
        _("{count} of {total}").format(
            count=f"{int(found.counts[place]):,}", total=f"{int(found.counts.sum()):,}"
        ),
    )
