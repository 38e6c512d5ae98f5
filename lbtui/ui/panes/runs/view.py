"""The table of runs as rows: what is shown, the course of each column, the runs, the one under the cursor."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import polars as pl
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from lbtui.profile import instant
from lbtui.render import palette
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.glyphs import glyphs
from lbtui.render.lanes import Marks, pointed
from lbtui.render.table import Cell, Layout, table
from lbtui.render.text import blank, fit, fit_parts, padded, printable, row, wrapped
from lbtui.runs.model import Run
from lbtui.text import _, visible
from lbtui.ui.kit.saved import zoned
from lbtui.ui.panes.compare.view import verdict_style
from lbtui.ui.panes.runs.columns import LENGTH, NAME, PLAIN, SHAPE, START, VERDICT, WORST, RunColumn, seconds
from lbtui.ui.panes.runs.data import (
    RunsData,
    calls,
    decimals_of,
    engine_words,
    in_course,
    sort_value,
)
from lbtui.ui.panes.runs.layout import GUTTER, in_view, layout, lines
from lbtui.ui.panes.runs.plot import course
from lbtui.ui.panes.runs.state import Kept, column_of, columns, place_of, rows
from lbtui.ui.panes.runs.words import (
    begun_words,
    course_words,
    run_sentences,
    state_line,
    verdict_cell,
)

_UNKNOWN, _COMING = "–", "…"
_MARKS = {"critical": "!!", "warning": "!", "info": ""}


def draw(data: RunsData, state: Kept, canvas: Canvas) -> list[Row]:
    """Return rows that fill the canvas exactly."""
    width, height, caps = canvas.width, canvas.height, canvas.caps
    state = in_view(data, state, width, height)
    at, where = lines(width, height), layout(data, state, width)
    drawn = [blank(width) for _line in range(height)]

    def put(first: int | None, lines_of: Sequence[Row]) -> None:
        if first is not None:
            drawn[first : first + len(lines_of)] = lines_of

    said = state_line(data, state, [place for place, _x, _cells in where.columns])
    put(0, [fit_parts(f" {said}", width, caps=caps, style=palette.dim(caps))])
    if at.course is not None:
        put(at.course, [_course_row(data, state, canvas)])
    put(at.header, [_header_row(data, state, where, canvas)])
    if at.courses is not None:
        put(at.courses, [_courses_row(data, state, where, canvas)])
    body = _body(data, state, where, canvas.sized(height=at.count))
    put(at.rows, body)
    if at.reading is not None:
        put(at.reading, _reading_rows(data, state, canvas.sized(height=at.reading_count)))
    return [line for line in drawn[:height] if width > 0] or [[] for _line in range(height)]


# The course over the runs


@lru_cache(maxsize=256)
def _course(data: RunsData, name: str, width: int, caps: Capabilities) -> Row:
    """Return a column's numbers over the runs in order of time, the newest at the right."""
    return course(in_course(data, name), width, _low(data, name), caps)


def _low(data: RunsData, name: str) -> float | None:
    """Return what the lowest bar stands for: of max/mean that all carry the same, else 0."""
    metric = data.metrics.get(name)
    return 1.0 if metric is not None and metric.unit == _("max/mean") else None


def _course_at(data: RunsData, state: Kept, name: str, width: int, caps: Capabilities) -> Row:
    """Return the course with the run under the cursor in the accent."""
    drawn = _course(data, name, width, caps)
    place, count = place_of(data, state), len(data.known)
    if place is None or not width:
        return drawn
    at = data.order[place]
    column = at * width // count if count > width else width - count + at
    return pointed([drawn], caps, Marks(cursor=column, here=True))[0]


def _has_course(data: RunsData, column: RunColumn) -> bool:
    return (column.name not in PLAIN or column.name == LENGTH) and any(
        value is not None for value in in_course(data, column.name)
    )


def _courses_row(data: RunsData, state: Kept, where: Layout, canvas: Canvas) -> Row:
    """Return the course of every column in view, under its title."""
    shown, caps = columns(data, state), canvas.caps
    parts: Row = []
    x = 0
    for place, start, width in where.columns:
        column = shown[place]
        parts.append(Segment(" " * (start - x)))
        if column.name == NAME:
            said = _("oldest → newest")
            parts += fit(said, width, caps=caps, style=palette.dim(caps))
        elif _has_course(data, column):
            parts += _course_at(data, state, column.name, width, caps)
        else:
            parts += blank(width)
        x = start + width
    return row(parts, width=canvas.width)


def _course_row(data: RunsData, state: Kept, canvas: Canvas) -> Row:
    """Return the course of the column under the cursor, with its ends."""
    width, caps = canvas.width, canvas.caps
    column = columns(data, state)[column_of(data, state)]
    if not _has_course(data, column):
        said = _("← → to a figure shows its course over the runs here")
        return fit(f" {said}", width, caps=caps, style=palette.dim(caps))
    label, ends = course_words(data, column)
    before, after = printable(f" {label}  ", caps), printable(f"  {ends}", caps)
    room = width - cell_len(before) - cell_len(after)
    if room < 8:
        return fit(before, width, caps=caps, style=palette.strong(caps))
    cells = min(room, len(data.known))
    return row(
        Segment(before, palette.strong(caps)),
        _course_at(data, state, column.name, cells, caps),
        Segment(after, palette.dim(caps)),
        width=width,
    )


# The table


def _header_row(data: RunsData, state: Kept, where: Layout, canvas: Canvas) -> Row:
    names = [column.name for column in columns(data, state)]
    name, descending = state.order
    sort = (names.index(name), descending) if name in names else None
    return table([], where, height=1, caps=canvas.caps, sort=sort)[0]


def _body(data: RunsData, state: Kept, where: Layout, canvas: Canvas) -> list[Row]:
    """Return the runs in view."""
    width, height, caps = canvas.width, canvas.height, canvas.caps
    shown = rows(data, state)
    if not shown:
        said = _("No run matches; Escape takes the filter off.") if data.known else _("No run lies here.")
        return [fit(f" {said}", width, caps=caps)][:height]
    here = place_of(data, state)
    seen = shown[state.first : state.first + height]
    cells = [_cells(data, state, place, caps, here=place == here) for place in seen]
    drawn = table(cells, where, height=len(seen) + 1, caps=caps)[1:]
    for line, place in enumerate(seen):
        run = data.known[place].run
        if run.summary is None and run.problem:
            drawn[line] = _failed(run, drawn[line], where, caps)
        drawn[line] = row(_gutter(data, state, place, here, caps), _behind(drawn[line]), width=width)
    return drawn


def _behind(drawn: Row) -> Row:
    """Return a row without the cells of the gutter."""
    whole = sum(cell_len(segment.text) for segment in drawn)
    return list(Segment.divide(drawn, [GUTTER, whole]))[-1] if whole > GUTTER else []


def _gutter(data: RunsData, state: Kept, place: int, here: int | None, caps: Capabilities) -> Row:
    """Return the cells before a name: the cursor, the baseline, the mark."""
    key = data.known[place].key
    lit = palette.selected(caps)
    return [
        Segment(glyphs(caps).right[-1] if place == here else " ", lit),
        Segment("B" if key == state.baseline else " ", lit),
        Segment(glyphs(caps).point if key in state.marks else " ", lit),
        Segment(" "),
    ]


def _failed(run: Run, drawn: Row, where: Layout, caps: Capabilities) -> Row:
    """Return the row of a run that cannot be read: its name, and why in place of the figures."""
    _place, start, width = where.columns[0]
    whole = sum(cell_len(segment.text) for segment in drawn)
    if whole <= start + width + 2:
        return drawn
    name = next(iter(Segment.divide(drawn, [start + width, whole])))
    room = whole - start - width - 2
    return [*name, Segment("  "), *fit(run.problem, room, caps=caps, style=palette.severity(caps, "warning"))]


def _cells(data: RunsData, state: Kept, place: int, caps: Capabilities, *, here: bool) -> list[Cell]:
    """Return the cells of a run: of the row under the cursor in the accent, of the others as they are."""
    shown = columns(data, state)
    cells = [_cell(data, state, place, column, caps) for column in shown]
    if not here:
        return list(cells)
    at = column_of(data, state)
    inks = [palette.cursor(caps) if number == at else palette.selected(caps) for number in range(len(shown))]
    return [
        Segment(printable(cell.text if isinstance(cell, Segment) else cell, caps), ink)
        for cell, ink in zip(cells, inks, strict=True)
    ]


def _cell(data: RunsData, state: Kept, place: int, column: RunColumn, caps: Capabilities) -> Cell:
    known, name = data.known[place], column.name
    run = known.run
    if name == NAME:
        return visible(run.name)
    if name == START:
        return begun_words(run, short=True) or _nothing(run)
    if name == SHAPE:
        return visible(engine_words(run)) or _nothing(run)
    if name == VERDICT:
        text, called = verdict_cell(data, state, place)
        return text if called is None else Segment(text, verdict_style(caps, called))
    if name == WORST:
        return _worst_cell(run, caps)
    if name == LENGTH:
        length = sort_value(data, place, LENGTH)
        return seconds(length) if isinstance(length, float) else _nothing(run)
    measure = known.worst.get(name)
    if measure is None:
        return _nothing(run)
    text, called = column.written(measure, decimals_of(data, name)), calls(data, place).get(name)
    if called in ("worse", "better", "load_differs"):
        return Segment(text, verdict_style(caps, called))
    return text


def _nothing(run: Run) -> str:
    """Return what stands for a value that is unknown, or still to come."""
    return _UNKNOWN if run.is_read else _COMING


def _worst_cell(run: Run, caps: Capabilities) -> Cell:
    if run.summary is None:
        return _nothing(run)
    if run.summary.worst is None:
        return Segment(_("none"), palette.dim(caps))
    worst = run.summary.worst
    text = padded(_MARKS[worst.severity], 3) + visible(worst.id)
    return Segment(text, palette.severity(caps, worst.severity)) if worst.severity != "info" else text


# The run under the cursor


def _reading_rows(data: RunsData, state: Kept, canvas: Canvas) -> list[Row]:
    """Return the run under the cursor in sentences, below a rule where there is room."""
    width, height, caps = canvas.width, canvas.height, canvas.caps
    place = place_of(data, state)
    if place is None:
        return [blank(width)] * height
    drawn: list[Row] = []
    if height > 3:
        drawn.append(row(Segment(glyphs(caps).rule * width, palette.dim(caps)), width=width))
    identity, cell, against, rest = run_sentences(data, state, place)
    problem = palette.severity(caps, "warning") if data.known[place].run.problem else palette.dim(caps)
    inks: list[tuple[str, Style | None]] = [
        (identity, palette.strong(caps)),
        (cell, None),
        (against, None),
        (rest, problem),
    ]
    room = height - len(drawn)
    said = [(text, ink) for text, ink in inks if text]
    texts: list[Row] = []
    for number, (text, ink) in enumerate(said):
        # Each has a line; what is left goes to the last ones.
        most = max(1, room - len(texts) - (len(said) - number - 1))
        broken = wrapped(text, max(1, width - 2), caps, ink)
        if len(broken) > most:
            broken = [*broken[: most - 1], _cut(text, broken, most, canvas, ink)]
        texts += [row(" ", line, width=width) for line in broken]
    return [*drawn, *[*texts, *[blank(width)] * room][:room]]


def _cut(text: str, broken: Sequence[Row], most: int, canvas: Canvas, ink: Style | None) -> Row:
    """Return the last line of a text that has no more room, ending in an ellipsis."""
    rest = " ".join("".join(segment.text for segment in line).strip() for line in broken[most - 1 :])
    return fit(rest, max(1, canvas.width - 2), caps=canvas.caps, style=ink)


def copied(data: RunsData, state: Kept) -> str:
    """Return the run under the cursor in words."""
    place = place_of(data, state)
    return "" if place is None else "\n".join(filter(None, run_sentences(data, state, place)))


def saved_rows(data: RunsData, state: Kept) -> pl.DataFrame:
    """Return the runs shown with all columns, as they are saved: null where a value is unknown."""
    places = rows(data, state)
    found: dict[str, pl.Series] = {}
    runs = [data.known[place].run for place in places]
    found["run"] = pl.Series([visible(run.name) for run in runs], dtype=pl.String)
    begun = [None if run.begun is None else instant(run.begun) for run in runs]
    found["start"] = pl.Series(begun, dtype=pl.Datetime("us"))
    found["shape"] = pl.Series([engine_words(run) or None for run in runs], dtype=pl.String)
    for name in data.parameters:
        values = [run.parameters.get(name) for run in runs]
        found[name] = pl.Series([None if v is None else str(v) for v in values], dtype=pl.String)
    numbers = [LENGTH, *data.metrics]
    for name in numbers:
        found[name] = pl.Series([_float(sort_value(data, place, name)) for place in places], dtype=pl.Float64)
    worst = [None if run.summary is None or run.summary.worst is None else run.summary.worst for run in runs]
    found["finding"] = pl.Series([None if one is None else one.id for one in worst], dtype=pl.String)
    found["problem"] = pl.Series([run.problem or None for run in runs], dtype=pl.String)
    found["note"] = pl.Series([run.note or None for run in runs], dtype=pl.String)
    return zoned(pl.DataFrame([series.alias(name) for name, series in found.items()]))


def _float(value: float | str | None) -> float | None:
    return float(value) if isinstance(value, int | float) else None
