"""The Compare pane as rows: totals, the load, a table by dimension, the row under the cursor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import polars as pl
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from lbtui.comparison import Comparison, Metric
from lbtui.comparison import Row as Compared
from lbtui.comparison.words import effect_words, figure, interval_words, load_sentence
from lbtui.render import palette
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.glyphs import glyphs
from lbtui.render.intervals import Interval, interval_bar
from lbtui.render.text import blank, fit, number, printable, row, wrapped
from lbtui.text import _, in_sentences, with_comma
from lbtui.ui.panes.compare.words import (
    MARKS,
    SHORT_VERDICTS,
    VERDICTS,
    Called,
    called,
    changed,
    group_of,
    group_words,
    relative,
    row_sentences,
    split_label,
    totals_words,
    unit_words,
)

# What the bars reach to either side, as shares of before: the least of these that holds most intervals.
_REACHES = (0.1, 0.2, 0.5, 1.0)
_WITHIN = 0.9

# A row and the place of the compared row in it, None for headings.
Placed: TypeAlias = tuple[Row, "int | None"]


@dataclass(frozen=True)
class CompareState:
    """What the user has chosen. `cursor` is a place among the rows shown."""

    cursor: int = 0
    changed_only: bool = False
    text: str = ""  # filter


def shown_rows(comparison: Comparison, state: CompareState) -> list[Compared]:
    """Return the rows left: of all, or of those that changed beyond chance, those with the filter's words."""
    words = state.text.lower().split()
    return [
        r
        for r in comparison.rows
        if (not state.changed_only or changed(r)) and all(word in _said_of(r) for word in words)
    ]


def saved_rows(rows: Sequence[Compared]) -> pl.DataFrame:
    """Return rows as they are saved: numbers as they are, null where they are unknown."""
    texts = ("metric", "key", "unit", "subject", "verdict", "reason")
    numbers = ("before", "after", "difference", "low", "high", "p_value", "adjusted")
    cells = [
        (
            *(row.metric.label, row.metric.key, row.metric.unit, group_words(group_of(row)), row.verdict),
            row.reason,
            *(getattr(row, name) for name in numbers),
        )
        for row in rows
    ]
    kinds = {**dict.fromkeys(texts, pl.String), **dict.fromkeys(numbers, pl.Float64)}
    return pl.DataFrame(cells, kinds, orient="row").with_columns(pl.col(numbers).fill_nan(None))


def _said_of(compared: Compared) -> str:
    """Return what the filter looks in, in lower case: dimension, subject, metric, verdict."""
    parts = (group_words(group_of(compared)), compared.metric.label, VERDICTS[called(compared)])
    return " ".join(parts).lower()


def starting(comparison: Comparison) -> CompareState:
    """Return the first state: the cursor on what matters most, a headline that is worse, or the first row."""
    found = [(called(r), r.is_detail) for r in comparison.rows]
    wanted: tuple[tuple[Called, bool], ...] = (
        ("worse", False),
        ("better", False),
        ("worse", True),
        ("better", True),
        ("load_differs", False),
    )
    return CompareState(next((found.index(kind) for kind in wanted if kind in found), 0))


def moved(comparison: Comparison, state: CompareState, step: int) -> CompareState:
    """Return the state with its cursor moved, kept among the rows shown."""
    last = len(shown_rows(comparison, state)) - 1
    return replace(state, cursor=max(0, min(state.cursor + step, last)))


def next_change(comparison: Comparison, state: CompareState, step: int) -> CompareState:
    """Return the state with its cursor on the next (or previous) row that changed; as it was without one."""
    places = [i for i, r in enumerate(shown_rows(comparison, state)) if changed(r)]
    ahead = [i for i in places if (i - state.cursor) * step > 0]
    return replace(state, cursor=min(ahead, key=lambda i: abs(i - state.cursor), default=state.cursor))


def filtered(comparison: Comparison, state: CompareState, *, changed_only: bool, text: str) -> CompareState:
    """Return the state with another filter, its cursor on the same row or the nearest before it."""
    rows = shown_rows(comparison, state)
    here = rows[state.cursor] if state.cursor < len(rows) else None
    other = replace(state, changed_only=changed_only, text=text)
    order = [id(r) for r in comparison.rows]
    at = order.index(id(here)) if here is not None else 0
    places = [i for i, r in enumerate(shown_rows(comparison, other)) if order.index(id(r)) <= at]
    return replace(other, cursor=max(places, default=0))


@dataclass(frozen=True)
class _Columns:
    """Widths; 0 is absent."""

    label: int
    figure: int
    bar: int
    interval: int
    effect: int
    verdict: int

    @property
    def change(self) -> int:
        """Cells of the difference: a sign and `pp` need more."""
        return self.figure + 2


def _columns(width: int) -> _Columns:
    """Return the columns of a width: words first give way, then the bar, the figures last."""
    if width >= 170:
        fixed = _Columns(0, 12, 41, 24, 16, 20)
    elif width >= 140:
        fixed = _Columns(0, 9, 21, 20, 16, 19)
    elif width >= 112:
        fixed = _Columns(0, 9, 17, 0, 16, 19)
    elif width >= 76:
        fixed = _Columns(0, 8, 9, 0, 0, 15)
    else:
        fixed = _Columns(0, 8, 0, 0, 0, 4)
    used = 1 + 2 * fixed.figure + fixed.change + fixed.bar + fixed.interval + fixed.effect + fixed.verdict + 3
    return replace(fixed, label=max(0, width - used))


def reach_of(rows: Sequence[Compared]) -> float:
    """Return how far the bars reach to either side, as a share of before."""
    sizes = [
        abs(relative(r, bound))
        for r in rows
        for bound in (r.low, r.high)
        if not math.isnan(relative(r, bound))
    ]
    for reach in _REACHES:
        if sum(size <= reach for size in sizes) >= _WITHIN * len(sizes):
            return reach
    return _REACHES[-1]


def verdict_style(caps: Capabilities, verdict: Called) -> Style:
    """Return the style of a verdict."""
    if verdict == "worse":
        return palette.severity(caps, "critical")
    if verdict == "better":
        return palette.better(caps)
    return palette.severity(caps, "warning") if verdict == "load_differs" else palette.dim(caps)


def draw(comparison: Comparison, state: CompareState, canvas: Canvas) -> list[Row]:
    """Return the pane as rows that fill the canvas."""
    return [drawn for drawn, _place in _placed(comparison, state, canvas)]


def row_at(comparison: Comparison, state: CompareState, width: int, height: int, y: int) -> int | None:
    """Return the place among the rows shown that is drawn in line `y`, None where there is none."""
    placed = _placed(comparison, state, Canvas(width, height, Capabilities()))
    return placed[y][1] if 0 <= y < len(placed) else None


def _placed(comparison: Comparison, state: CompareState, canvas: Canvas) -> list[Placed]:
    width, height, caps = canvas.width, canvas.height, canvas.caps
    if width < 1 or height < 1:
        return []
    rows = shown_rows(comparison, state)
    columns = _columns(width)
    reach = reach_of(comparison.rows)
    top: list[Placed] = [(_totals_row(comparison, state, width, caps), None)]
    if height >= 8:
        style = palette.severity(caps, "warning") if comparison.loads_differ else palette.dim(caps)
        lines = 3 if height >= 24 else 2
        said = wrapped(load_sentence(comparison), max(1, width - 4), caps, style)[:lines]
        mark = MARKS["load_differs"] if comparison.loads_differ else ""
        top += [
            (row(fit(f" {mark if not i else ''}", 3, caps=caps, style=style), line, width=width), None)
            for i, line in enumerate(said)
        ]
    if height >= 24:
        paths = _("   before {before}   after {after}").format(
            before=comparison.before, after=comparison.after
        )
        top.insert(1, (fit(paths, width, caps=caps, style=palette.dim(caps)), None))
    if height >= 6:
        top += [(line, None) for line in _note_rows(comparison, width, 2 if height >= 30 else 0, caps)]
        top.append((_heading_row(columns, reach, width, caps), None))
    reading = _reading_rows(rows, state, width, _reading_lines(height), caps)
    room = max(0, height - len(top) - len(reading))
    body = _table(rows, state, columns, reach, width, caps)
    if not rows:
        nothing = _("Nothing changed beyond chance. o shows every row.")
        if state.text:
            nothing = _("No row matches; Escape takes the filter off.")
        body = [(fit(f"   {nothing}", width, caps=caps, style=palette.dim(caps)), None)]
    body = _scrolled(body, state.cursor, room)
    body += [(blank(width), None)] * (room - len(body))
    return [*top, *body, *((line, None) for line in reading)][:height]


def _reading_lines(height: int) -> int:
    if height < 10:
        return 1 if height > 2 else 0
    return 4 if height < 24 else 5 if height < 36 else 6


def _scrolled(body: list[Placed], cursor: int, room: int) -> list[Placed]:
    """Return `room` lines of the table, the cursor's in the middle of a table that is too long."""
    if len(body) <= room:
        return body
    at = next((i for i, (_row, place) in enumerate(body) if place == cursor), 0)
    top = max(0, min(at - room // 2, len(body) - room))
    seen = body[top : top + room]
    headings = [placed for placed in body[: top + 1] if placed[1] is None]
    # The first row in view gives way to the heading of those below it, unless they have their own.
    return [headings[-1], *seen[1:]] if room > 2 and headings and seen[1][1] is not None else seen


def _totals_row(comparison: Comparison, state: CompareState, width: int, caps: Capabilities) -> Row:
    aside = _("only what changed, o shows all") if state.changed_only else _("o shows only what changed")
    if state.text:
        aside = _('filter "{text}": {shown} of {all} rows').format(
            text=state.text, shown=len(shown_rows(comparison, state)), all=len(comparison.rows)
        )
    parts: Row = [Segment(" ", Style())]
    for verdict, words in totals_words(comparison, short=width < 112):
        style = verdict_style(caps, verdict) if verdict else Style()
        parts.append(Segment(printable(words, caps), style))
    room = width - sum(cell_len(segment.text) for segment in parts) - 3
    grey = palette.dim(caps)
    right = fit(aside, room, caps=caps, align="right", style=grey) if room >= cell_len(aside) else []
    return row(parts, "  ", right, width=width)


def _note_rows(comparison: Comparison, width: int, lines: int, caps: Capabilities) -> list[Row]:
    """Return what else to mind in at most so many lines; the help has all of it."""
    notes = in_sentences(*comparison.notes)
    said = wrapped(notes, max(1, width - 4), caps, palette.dim(caps)) if notes and lines else []
    if len(said) > lines:
        said[lines - 1] = fit(_("… ? shows all notes"), max(1, width - 4), caps=caps, style=palette.dim(caps))
    return [row("   ", line, width=width) for line in said[:lines]]


def _heading_row(columns: _Columns, reach: float, width: int, caps: Capabilities) -> Row:
    grey = palette.dim(caps)

    def title(text: str, cells: int, align: str = "right") -> Row:
        return fit(text, cells, caps=caps, align="right" if align == "right" else "left", style=grey)

    percent = number(100 * reach)
    bar = _("−{percent} %  of before  +{percent} %") if columns.bar >= 25 else _("±{percent} % of before")
    scale = (bar if columns.bar > 20 else _("±{percent} %")).format(percent=percent)
    return row(
        title("", 1),
        title("", columns.label),
        title(_("before"), columns.figure),
        title(_("after"), columns.figure),
        title(_("difference") if columns.figure > 10 else _("change"), columns.change),
        "  ",
        fit(scale, columns.bar, caps=caps, align="center", style=grey),
        title(_("95 % interval"), columns.interval),
        title(_("effect"), columns.effect),
        " ",
        title("  " + (_("verdict") if columns.verdict > 10 else ""), columns.verdict, "left"),
        width=width,
    )


def _table(
    rows: Sequence[Compared],
    state: CompareState,
    columns: _Columns,
    reach: float,
    width: int,
    caps: Capabilities,
) -> list[Placed]:
    placed: list[Placed] = []
    before: tuple[str, str] | None = None
    for place, compared in enumerate(rows):
        group = group_of(compared)
        if group != before:
            placed.append((_group_row(group, width, caps), None))
            before = group
        placed.append((_line(compared, place == state.cursor, columns, reach, width, caps), place))
    return placed


def _group_row(group: tuple[str, str], width: int, caps: Capabilities) -> Row:
    words = f" {group_words(group)} "
    length = cell_len(printable(words, caps))
    return row(
        fit(words, min(length, width), caps=caps, style=palette.strong(caps)),
        Segment(glyphs(caps).rule * max(0, width - length), palette.dim(caps)),
        width=width,
    )


def _line(
    compared: Compared, here: bool, columns: _Columns, reach: float, width: int, caps: Capabilities
) -> Row:
    verdict = called(compared)
    style = verdict_style(caps, verdict)
    quiet = palette.dim(caps) if verdict in ("too_little_data", "not_comparable") else None
    ink = palette.strong(caps) if changed(compared) else quiet
    metric = compared.metric
    # Between runs that are alike, the size of a difference says nothing: it steps back.
    difference = ink if changed(compared) else palette.dim(caps)
    words = (VERDICTS if columns.verdict > 15 else SHORT_VERDICTS)[verdict]
    label = palette.selected(caps) if here else ink
    ends = (compared.low, compared.difference, compared.high)
    bar = interval_bar(
        Interval(*(relative(compared, end) for end in ends)),
        reach=reach,
        width=columns.bar,
        caps=caps,
        style=style if changed(compared) else quiet or Style(),
    )
    return row(
        Segment(glyphs(caps).right[-1] if here else " ", palette.selected(caps)),
        _label(compared, columns.label, label, caps),
        fit(figure(metric, compared.before), columns.figure, caps=caps, align="right", style=ink),
        fit(figure(metric, compared.after), columns.figure, caps=caps, align="right", style=ink),
        fit(
            figure(metric, compared.difference, signed=True),
            columns.change,
            caps=caps,
            align="right",
            style=difference,
        ),
        "  ",
        bar,
        fit(interval_words(compared), columns.interval, caps=caps, align="right", style=difference),
        fit(effect_words(compared), columns.effect, caps=caps, align="right", style=difference),
        " ",
        " ",
        # The style ends with the word: underlined in a terminal without colour.
        Segment(printable(MARKS[verdict], caps), style),
        " " * (3 - len(MARKS[verdict])),
        Segment(printable(words if columns.verdict > 4 else "", caps), style),
        width=width,
    )


def _label(compared: Compared, width: int, style: Style | None, caps: Capabilities) -> Row:
    """Return a metric's name, a detail's further in; with its unit where that has room.

    If it must be cut, then before its last part.
    """
    if compared.is_detail:
        further = min(2, width)
        return row(" " * further, _name(compared.metric, width - further, style, caps), width=width)
    return _name(compared.metric, width, style, caps)


def _name(metric: Metric, width: int, style: Style | None, caps: Capabilities) -> Row:
    unit = unit_words(metric)
    if unit and unit not in metric.label and cell_len(metric.label) + cell_len(unit) + 4 <= width:
        return fit(f" {with_comma(metric.label, unit)}", width, caps=caps, style=style)
    head, tail = split_label(metric.label)
    if cell_len(metric.label) + 1 <= width or not tail:
        return fit(f" {metric.label}", width, caps=caps, style=style)
    if cell_len(tail) > width // 2:
        last = tail.removeprefix(with_comma("", ""))
        return fit(f" {glyphs(caps).ellipsis}{last}", width, caps=caps, style=style)
    cut = fit(f" {head}", max(0, width - cell_len(tail)), caps=caps, style=style)
    return row(cut, Segment(printable(tail, caps), style), width=width)


def _reading_rows(
    rows: Sequence[Compared], state: CompareState, width: int, lines: int, caps: Capabilities
) -> list[Row]:
    """Return the row under the cursor in sentences, below a rule where there is room."""
    if not lines or not rows:
        return [blank(width)] * lines
    sentences = row_sentences(rows[min(state.cursor, len(rows) - 1)])
    drawn: list[Row] = []
    if lines > 4:
        drawn.append(row(Segment(glyphs(caps).rule * width, palette.dim(caps)), width=width))
    styles = (palette.strong(caps), None, palette.dim(caps))
    texts: list[Row] = []
    for sentence, style in zip(sentences, styles, strict=True):
        texts += [row(" ", line, width=width) for line in wrapped(sentence, max(1, width - 2), caps, style)]
    room = lines - len(drawn)
    return [*drawn, *[*texts, *[blank(width)] * room][:room]]
