"""What was tuned as rows: a table by parameters, and the plane of throughput and latency with its front."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import polars as pl
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from lbtui.render import palette
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.chart import Chart, line_chart
from lbtui.render.glyphs import glyphs
from lbtui.render.table import Cell, Column, Layout, first_visible, table
from lbtui.render.text import blank, fit_parts, printable, row, wrapped
from lbtui.runs.sweep import DOWN
from lbtui.runs.sweep import front as front_of
from lbtui.runs.together import Sweep, Tried
from lbtui.text import _, in_list, plural, visible, with_label
from lbtui.ui.panes.runs.data import RunsData, value_words
from lbtui.ui.panes.runs.plot import cell_of, put, without
from lbtui.ui.panes.runs.state import Kept
from lbtui.ui.panes.runs.words import figure_label, figure_words, joined

_GUTTER = 3
_GAP = 2
_WIDE = 120
_LABELLED = 16  # lines from which a chart names its axes
_WIDEST = 24
# What is to be low, by runs and by the optimizer.
_LATENCIES = (
    *(key for keys in DOWN.values() for key in keys),
    *("requests.ttft.p50", "requests.time_per_output_token.p50", "requests.duration.p50"),
)
_OTHERS = 6  # figures beyond the two of the chart


def latencies(data: RunsData) -> list[str]:
    """Return the figures that may stand for latency, as far as any is known: that of the front first."""
    if data.sweep is None:
        return []
    known = {key for tried in data.sweep.tried for key in tried.figures}
    return [key for key in dict.fromkeys([data.sweep.down, *_LATENCIES]) if key in known]


def down_of(data: RunsData, state: Kept) -> str:
    """Return the latency that is shown."""
    known = latencies(data)
    return state.down if state.down in known else (known[0] if known else "")


def next_latency(data: RunsData, state: Kept) -> Kept:
    """Show the next latency."""
    known = latencies(data)
    if not known:
        return state
    return replace(state, down=known[(known.index(down_of(data, state)) + 1) % len(known)])


@dataclass(frozen=True)
class Plane:
    """What was tried as points, low latency at the left: those of the front, by place, and all others."""

    front: tuple[int, ...]
    others: tuple[int, ...]


@lru_cache(maxsize=8)
def plane_of(data: RunsData, down: str) -> Plane:
    """Return which of what was tried is on the front, by latency, and the rest."""
    sweep = data.sweep
    if sweep is None:
        return Plane((), ())
    both = [_both(one, sweep.up, down) for one in sweep.tried]
    known = [at for at, point in enumerate(both) if point is not None]
    if down == sweep.down:
        best = [one.front for one in sweep.tried]
    else:
        best = front_of([(math.nan, math.nan) if point is None else point[::-1] for point in both])
    front = [at for at in known if best[at]]
    front.sort(key=lambda at: sweep.tried[at].figures[down])
    return Plane(tuple(front), tuple(at for at in known if not best[at]))


def _both(tried: Tried, up: str, down: str) -> tuple[float, float] | None:
    x, y = tried.figures.get(down, math.nan), tried.figures.get(up, math.nan)
    return (x, y) if math.isfinite(x) and math.isfinite(y) else None


# The table


@dataclass(frozen=True)
class _Field:
    """One column of the table: the name, a parameter, or a figure."""

    kind: str
    name: str
    title: str


@lru_cache(maxsize=8)
def _fields(data: RunsData, down: str) -> tuple[_Field, ...]:
    sweep = data.sweep
    if sweep is None:
        return ()
    found = [_Field("parameter", name, visible(name)) for name in sweep.parameters]
    keys = [key for key in (sweep.up, down) if key]
    others = sorted({key for tried in sweep.tried for key in tried.figures} - set(keys))
    # Those that only the optimizer has come behind.
    wanted = [*_PREFERRED, *(key for key in others if key not in data.metrics)]
    keys += [key for key in wanted if key in others][:_OTHERS]
    figures = [_Field("figure", key, figure_label(data, key)) for key in keys]
    return (*found, *figures, _Field("name", "", _("tried")))


_PREFERRED = (
    *("requests.goodput", "requests.attainment", "requests.ttft.p50", "requests.ttft.p95"),
    *("requests.time_per_output_token.p50", "requests.time_per_output_token.p95"),
    *("requests.throughput.requests", "requests.throughput.output_tokens"),
    *("dp.batch_size.par", "dp.step_time.wasted"),
)


def _value(tried: Tried, field: _Field) -> str | float | bool | None:
    if field.kind == "name":
        return tried.name
    if field.kind == "parameter":
        return tried.parameters.get(field.name)
    value = tried.figures.get(field.name)
    return None if value is None or math.isnan(value) else value


def _text(data: RunsData, tried: Tried, field: _Field) -> str:
    value = _value(tried, field)
    if value is None:
        return "–"
    if field.kind == "figure" and isinstance(value, int | float):
        return figure_words(data, field.name, value)
    return visible(value_words(value))


@lru_cache(maxsize=8)
def ordered(data: RunsData, down: str, order: tuple[int, bool] | None) -> tuple[int, ...]:
    """Return the places of what was tried in order: by parameters at first, else by a column."""
    sweep = data.sweep
    if sweep is None:
        return ()
    fields = _fields(data, down)
    places = list(range(len(sweep.tried)))
    if order is None or order[0] >= len(fields):
        inner = [field for field in fields if field.kind == "parameter"]
        return tuple(sorted(places, key=lambda at: [_key(_value(sweep.tried[at], one)) for one in inner]))
    field, descending = fields[order[0]], order[1]
    known = [at for at in places if _value(sweep.tried[at], field) is not None]
    unknown = [at for at in places if _value(sweep.tried[at], field) is None]
    known.sort(key=lambda at: _key(_value(sweep.tried[at], field)), reverse=descending)
    return (*known, *unknown)


def _key(value: str | float | bool | None) -> tuple[int, float, str]:
    """Return what values of any kind are ordered by: numbers before texts, what is unknown last."""
    if value is None:
        return 2, 0.0, ""
    return (1, 0.0, value) if isinstance(value, str) else (0, float(value), "")


def rows(data: RunsData, state: Kept) -> tuple[int, ...]:
    """Return the places of what was tried in the order shown."""
    return ordered(data, down_of(data, state), state.tried_order)


def row_of(data: RunsData, state: Kept) -> int:
    """Return the row under the cursor."""
    shown = rows(data, state)
    return shown.index(state.tried) if state.tried in shown else 0


def place_of(data: RunsData, state: Kept) -> int | None:
    """Return the place of what is under the cursor; None where nothing was tried."""
    shown = rows(data, state)
    return shown[row_of(data, state)] if shown else None


def moved(data: RunsData, state: Kept, down: int, right: int) -> Kept:
    """Move the cursor."""
    shown, count = rows(data, state), len(_fields(data, down_of(data, state)))
    if not shown:
        return state
    row_ = max(0, min(row_of(data, state) + down, len(shown) - 1))
    column = max(0, min(state.tried_column + right, count - 1))
    return replace(state, tried=shown[row_], tried_column=column)


def next_front(data: RunsData, state: Kept, step: int) -> Kept:
    """Move the cursor to the next point of the front in the table, or the one before."""
    front, shown, at = set(plane_of(data, down_of(data, state)).front), rows(data, state), row_of(data, state)
    ahead = range(at + 1, len(shown)) if step > 0 else range(at - 1, -1, -1)
    found = next((one for one in ahead if shown[one] in front), None)
    return state if found is None else replace(state, tried=shown[found])


def sorted_by(data: RunsData, state: Kept, column: int) -> Kept:
    """Sort by a column: upwards, and downwards when asked for again."""
    return replace(state, tried_order=(column, state.tried_order == (column, False)), tried_first=0)


def reversed_(state: Kept) -> Kept:
    """Reverse the order, where there is one."""
    if state.tried_order is None:
        return state
    return replace(state, tried_order=(state.tried_order[0], not state.tried_order[1]), tried_first=0)


# Where all stands


@dataclass(frozen=True)
class Parts:
    """Room of the table and of the chart (width, height), the chart `beside` it or below; lines of words."""

    table: tuple[int, int]
    chart: tuple[int, int]
    beside: bool
    below: int


@lru_cache(maxsize=8)
def parts(width: int, height: int, wanted: int, lines_wanted: int) -> Parts:
    """Return where table and chart stand; `wanted` cells and lines would show the table whole."""
    below = min(max(0, height - 4), 2 if height < 17 else 4)
    room = max(0, height - 1 - below)
    if width >= _WIDE:
        left = min(max(wanted, width // 3), width * 55 // 100)
        return Parts((left, room), (max(0, width - left - _GAP), room), True, below)
    # A chart of few lines says little.
    if room < 13:
        return Parts((width, room), (0, 0), False, below)
    lines = min(max(4, lines_wanted), room - max(9, room * 2 // 3))
    return Parts((width, lines), (width, room - lines), False, below)


@lru_cache(maxsize=8)
def _columns(data: RunsData, down: str) -> tuple[Column, ...]:
    sweep = data.sweep
    assert sweep is not None
    found = []
    for field in _fields(data, down):
        longest = max((cell_len(_text(data, tried, field)) for tried in sweep.tried), default=1)
        numeric = all(not isinstance(_value(tried, field), str) for tried in sweep.tried)
        title = min(cell_len(field.title) + 1, _WIDEST)
        found.append(Column(field.title, max(min(longest, _WIDEST), title), "right" if numeric else "left"))
    return tuple(found)


def _places(data: RunsData, state: Kept, width: int, height: int) -> Parts:
    of = _columns(data, down_of(data, state))
    wanted = _GUTTER + sum(column.width for column in of) + _GAP * (len(of) - 1)
    return parts(width, height, wanted, len(rows(data, state)) + 1)


def layout(data: RunsData, state: Kept, width: int) -> Layout:
    """Return which columns stand where: the name, then from the first in view as many as have room."""
    of = _columns(data, down_of(data, state))
    placed = [(0, _GUTTER, max(0, min(of[0].width, width - _GUTTER)))]
    x = _GUTTER + of[0].width + _GAP
    for place in range(max(1, state.tried_left), len(of)):
        if x >= width or (len(placed) > 1 and x + of[place].width > width):
            break
        placed.append((place, x, max(0, min(of[place].width, width - x))))
        x += of[place].width + _GAP
    return Layout(of, tuple(placed), width)


def in_view(data: RunsData, state: Kept, width: int, height: int) -> Kept:
    """Return the state with the cursor in view, what is in view being moved least."""
    if data.sweep is None or not data.sweep.tried:
        return state
    room = _places(data, state, width, height).table
    count = len(_fields(data, down_of(data, state)))
    column = max(0, min(state.tried_column, count - 1))
    first = first_visible(row_of(data, state), state.tried_first, max(0, room[1] - 1), len(rows(data, state)))
    left = max(1, min(state.tried_left, column or 1))
    state = replace(state, tried_first=first, tried_column=column, tried_left=left)
    while column and left < column and column not in _whole(layout(data, state, room[0])):
        left += 1
        state = replace(state, tried_left=left)
    return state


def _whole(at: Layout) -> list[int]:
    return [place for place, _x, cells in at.columns if cells == at.of[place].width]


def place_at(
    data: RunsData, state: Kept, size: tuple[int, int], at: tuple[int, int]
) -> tuple[int, int | None] | None:
    """Return the row (-1 the header) and the column at a cell of the table; None beside it."""
    if data.sweep is None or not data.sweep.tried:
        return None
    room = _places(data, state, *size).table
    x, y = at
    if x >= room[0] or not 1 <= y < 1 + room[1]:
        return None
    column = layout(data, state, room[0]).column_at(x)
    row_ = state.tried_first + y - 2 if y > 1 else -1
    return (row_, column) if row_ < len(rows(data, state)) else None


# Drawing


def draw(data: RunsData, state: Kept, canvas: Canvas) -> list[Row]:
    """Return rows that fill the canvas exactly."""
    width, height, caps = canvas.width, canvas.height, canvas.caps
    sweep = data.sweep
    if sweep is None or not sweep.tried:
        return _nothing(sweep, canvas)
    state = in_view(data, state, width, height)
    room = _places(data, state, width, height)
    drawn = _table(data, state, canvas.sized(*room.table))
    if room.beside:
        beside = _chart(data, state, canvas.sized(*room.chart))
        drawn = [row(one, " " * _GAP, other, width=width) for one, other in zip(drawn, beside, strict=True)]
    elif room.chart[1]:
        drawn += _chart(data, state, canvas.sized(*room.chart))
    top = fit_parts(f" {_state_line(data, sweep, state)}", width, caps=caps, style=palette.dim(caps))
    drawn = [top, *drawn, *_below(data, state, canvas.sized(height=room.below))]
    return [*drawn, *[blank(width)] * (height - len(drawn))][:height]


def _nothing(sweep: Sweep | None, canvas: Canvas) -> list[Row]:
    width, height, caps = canvas.width, canvas.height, canvas.caps
    why = sweep.why if sweep is not None else ""
    said = why or _("No run names parameters.")
    more = _(
        'A run names what was tuned in its run.json, {"dp_policy": "rr", "p_nodes": 2}, or in the name of '
        "its folder, dp_policy=rr,p_nodes=2."
    )
    lines = [
        row(" ", line, width=width)
        for text, ink in ((said, palette.strong(caps)), (more, None))
        for line in wrapped(text, max(1, width - 2), caps, ink)
    ]
    return [*lines, *[blank(width)] * height][:height]


def _state_line(data: RunsData, sweep: Sweep, state: Kept) -> str:
    down = down_of(data, state)
    axes = ""
    if sweep.up and down:
        axes = _("{up} against {down}").format(up=figure_label(data, sweep.up), down=figure_label(data, down))
    names = in_list(map(visible, sweep.parameters))
    front = len(plane_of(data, down).front)
    return joined(
        (
            _("{count} tried").format(count=len(sweep.tried)),
            names,
            axes,
            plural("1 on the front", "{count} on the front", front) if front else "",
        )
    )


def _table(data: RunsData, state: Kept, canvas: Canvas) -> list[Row]:
    width, height, caps = canvas.width, canvas.height, canvas.caps
    assert data.sweep is not None
    down = down_of(data, state)
    fields, where = _fields(data, down), layout(data, state, width)
    front = set(plane_of(data, down).front)
    here = place_of(data, state)
    seen = rows(data, state)[state.tried_first : state.tried_first + max(0, height - 1)]
    cells: list[list[Cell]] = []
    for place in seen:
        texts = [_text(data, data.sweep.tried[place], field) for field in fields]
        inks: list[Style | None] = [None] * len(texts)
        if place == here:
            inks = [
                palette.cursor(caps) if at == state.tried_column else palette.selected(caps)
                for at in range(len(texts))
            ]
        elif place in front:
            inks = [palette.better(caps)] * len(texts)
        cells.append([Segment(printable(text, caps), ink) for text, ink in zip(texts, inks, strict=True)])
    drawn = table(cells, where, height=height, caps=caps, sort=state.tried_order)
    for line, place in enumerate(seen, 1):
        gutter = [
            Segment(glyphs(caps).right[-1] if place == here else " ", palette.selected(caps)),
            Segment(_sign(place in front, caps) if place in front else " ", palette.better(caps)),
            Segment(" "),
        ]
        drawn[line] = row(gutter, _behind(drawn[line]), width=width)
    return drawn


def _behind(drawn: Row) -> Row:
    whole = sum(cell_len(segment.text) for segment in drawn)
    return list(Segment.divide(drawn, [_GUTTER, whole]))[-1] if whole > _GUTTER else []


def _sign(front: bool, caps: Capabilities) -> str:
    return glyphs(caps).points[1] if not front else glyphs(caps).point if caps.unicode else "#"


@lru_cache(maxsize=4)
def _plot(data: RunsData, down: str, canvas: Canvas) -> Chart:
    """Return the plane with the line through the front; points are put over it."""
    sweep = data.sweep
    assert sweep is not None
    at = plane_of(data, down)
    both = [_both(sweep.tried[place], sweep.up, down) or (0.0, 0.0) for place in at.front]
    # What lies between two of them is no better than the one at its left.
    xs, ys = _stairs(both)
    rest = [_both(sweep.tried[place], sweep.up, down) or (0.0, 0.0) for place in at.others]
    lone = [one for point in rest for one in (point, (math.nan, math.nan))]
    lines = [(_("the front: none is as good in both and better in one"), xs, ys)]
    if lone:
        lines.append((_("all others"), [x for x, _y in lone], [y for _x, y in lone]))
    # The line above the table names both figures, too.
    if canvas.height < _LABELLED:
        return line_chart(lines, canvas)
    return line_chart(lines, canvas, y_label=figure_label(data, sweep.up), x_label=figure_label(data, down))


def _stairs(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    xs: list[float] = []
    ys: list[float] = []
    for x, y in points:
        if ys:
            xs.append(x)
            ys.append(ys[-1])
        xs.append(x)
        ys.append(y)
    return xs, ys


def _chart(data: RunsData, state: Kept, canvas: Canvas) -> list[Row]:
    """Return the plane: its front as a line, every point with a sign, that of the cursor in the accent."""
    sweep, caps, down = data.sweep, canvas.caps, down_of(data, state)
    assert sweep is not None
    at = plane_of(data, down)
    if not at.front:
        why = sweep.why or _("No figure of throughput and latency is known of any.")
        lines = [
            row(" ", one, width=canvas.width) for one in wrapped(why, max(1, canvas.width - 2), caps, None)
        ]
        return [*lines, *[blank(canvas.width)] * canvas.height][: canvas.height]
    chart = _plot(data, down, canvas)
    drawn = without(chart, 1, caps)
    drawn += [blank(canvas.width)] * (canvas.height - len(drawn))
    ys = [sweep.tried[place].figures[sweep.up] for place in (*at.front, *at.others)]
    ends = min(0.0, *ys), max(0.0, *ys) or 1.0
    here = place_of(data, state) or 0
    for place in (*at.others, *at.front, here):
        both = _both(sweep.tried[place], sweep.up, down)
        if both is None or (cell := cell_of(chart, both, ends, caps)) is None:
            continue
        front = place in at.front
        ink = palette.better(caps) if front else palette.series(caps, 1)
        ink = palette.cursor(caps) if place == here else ink
        drawn[cell[0]] = put(drawn[cell[0]], cell[1], _sign(front, caps), ink)
    return drawn


def _below(data: RunsData, state: Kept, canvas: Canvas) -> list[Row]:
    """Return what is under the cursor in words, and why there is no front."""
    width, height, caps = canvas.width, canvas.height, canvas.caps
    assert data.sweep is not None
    drawn: list[Row] = []
    if height > 2:
        drawn.append(row(Segment(glyphs(caps).rule * width, palette.dim(caps)), width=width))
    texts: list[tuple[str, Style | None]] = [(tried_words(data, state), palette.strong(caps))]
    if data.sweep.why:
        texts.append((data.sweep.why, palette.dim(caps)))
    lines = [
        row(" ", line, width=width)
        for text, ink in texts
        for line in wrapped(text, max(1, width - 2), caps, ink)
    ]
    return [*drawn, *lines, *[blank(width)] * height][:height]


def tried_words(data: RunsData, state: Kept) -> str:
    """Return what is under the cursor: its name, every parameter and figure; empty where nothing is."""
    here = place_of(data, state)
    if data.sweep is None or here is None:
        return ""
    tried, down = data.sweep.tried[here], down_of(data, state)
    fields = _fields(data, down)
    told = [
        with_label(field.title, _text(data, tried, field))
        if field.kind == "figure"
        else f"{field.title}={_text(data, tried, field)}"
        for field in fields[:-1]
    ]
    front = here in plane_of(data, down).front
    # The figures of the front may be among the others, too.
    return joined((visible(tried.name), *dict.fromkeys(told), _("on the front") if front else ""))


def saved_rows(data: RunsData, state: Kept) -> pl.DataFrame:
    """Return what was tried in the order shown, as it is saved: null where a figure is unknown."""
    if data.sweep is None:
        return pl.DataFrame()
    tried = [data.sweep.tried[place] for place in rows(data, state)]
    front = set(plane_of(data, down_of(data, state)).front)
    found = {"name": pl.Series([one.name for one in tried], dtype=pl.String)}
    for name in data.sweep.parameters:
        values = [one.parameters.get(name) for one in tried]
        texts = [None if value is None else value_words(value) for value in values]
        found[name] = pl.Series(texts, dtype=pl.String)
    for key in sorted({key for one in tried for key in one.figures}):
        numbers = [one.figures.get(key) for one in tried]
        found[key] = pl.Series(numbers, dtype=pl.Float64).fill_nan(None)
    found["front"] = pl.Series([place in front for place in rows(data, state)], dtype=pl.Boolean)
    return pl.DataFrame([series.alias(name) for name, series in found.items()])
