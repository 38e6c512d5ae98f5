"""The Overview as rows: the lines of lanes on top, below them profile, files, gaps and notes to scroll."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, TypeAlias

from rich.cells import cell_len, chop_cells
from rich.segment import Segment
from rich.style import Style

from lbtui.analysis.overview import expert_shape, when
from lbtui.analysis.overview_lines import clock, instant, short
from lbtui.analysis.overview_model import FORMULAS, Line, Overview, Source
from lbtui.profile import ZONE_NAME
from lbtui.render.axis import time_axis
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.glyphs import glyphs
from lbtui.render.lanes import lane
from lbtui.render.palette import dim, selected, severity, strong
from lbtui.render.text import blank, fit, number, printable, row
from lbtui.text import _, visible
from lbtui.ui.selection import Selection

Kind: TypeAlias = Literal["line", "fact", "file", "missing", "note"]

# A row and the entry that it shows.
Placed: TypeAlias = tuple[Row, "int | None"]

# From this width details stand at the right.
_WIDE = 120
_LABEL, _HEADLINE, _WORST = 12, 13, 38


@dataclass(frozen=True)
class State:
    """What the user has moved: the entry under the cursor, and a column of a line without time."""

    entry: int = 0
    column: int | None = None  # of the line's values


@dataclass(frozen=True)
class Entry:
    """One thing the cursor can stand on: `short` and `below` in the list, `long` where there is more room."""

    kind: Kind
    title: str
    short: str = ""
    below: str = ""  # a second row in the list
    long: tuple[str, ...] = ()
    heading: str = ""  # of the section that begins here
    warning: bool = False
    line: Line | None = None


def entries(known: Overview) -> list[Entry]:
    """Return everything the cursor walks over: lines first, then the sections below them."""
    return [
        *(Entry("line", line.label, line=line) for line in known.lines),
        *_section(_("Profile"), _facts(known)),
        *_section(_("Read"), _files(known.sources)),
        *_section(
            _("Missing ({count})").format(count=len(known.missing)),
            [
                Entry(
                    "missing",
                    missing.what,
                    missing.reason,
                    missing.how_to_collect,
                    (
                        _("Why it may be missing: {reason}.").format(reason=missing.reason),
                        _("How to get it: {how}.").format(how=missing.how_to_collect),
                    ),
                )
                for missing in known.missing
            ],
        ),
        *_section(
            _("Notes on the data ({count})").format(count=len(known.notes)),
            [
                Entry("note", note.file, note.text, long=(note.text,), warning=note.lost)
                for note in known.notes
            ],
        ),
    ]


def _section(heading: str, found: Sequence[Entry]) -> list[Entry]:
    return [replace(entry, heading=heading) for entry in found[:1]] + list(found[1:])


def _facts(known: Overview) -> list[Entry]:
    found = [("path", known.path)]
    if known.hosts:
        label = _("host") if len(known.hosts) == 1 else _("{count} hosts").format(count=len(known.hosts))
        found.append((label, ", ".join(known.hosts)))
    if known.window:
        seconds = (known.window[1] - known.window[0]) / 1e6
        text = f"{when(known.window)} {ZONE_NAME} · " + _("{seconds} s").format(seconds=short(seconds))
        found.append((_("window"), text))
    for instance in dict.fromkeys(domain.instance for domain in known.domains):
        own = [domain for domain in known.domains if domain.instance == instance]
        names = ", ".join(domain.name for domain in own)
        found.append((_("DP {count}").format(count=len(own)), f"{instance}: {names}"))
    for role, label in (("prefill", _("P {count}")), ("decode", _("D {count}"))):
        nodes = [node.address for node in known.nodes if node.role == role]
        if nodes:
            found.append((label.format(count=len(nodes)), ", ".join(nodes)))
    for experts in known.experts:
        found.append((_("experts"), f"{experts.instance}: {expert_shape(experts)}"))
    return [Entry("fact", title, text, long=(text,)) for title, text in found]


def _files(sources: Sequence[Source]) -> list[Entry]:
    """Return an entry a file; pictures of one kind and fate are one entry."""
    groups: dict[tuple[str, ...], list[Source]] = {}
    for source in sources:
        alone = source.file.kind not in ("heat_png", "picture")
        name = source.file.path.name if alone else ""
        groups.setdefault((source.file.kind, name, source.status, source.why), []).append(source)
    found = []
    for group in groups.values():
        first = group[0]
        size = f"{sum(s.file.size for s in group) / 1e6:.2f} MB"
        rows = [s.rows for s in group if s.rows is not None]
        said = [
            size,
            _("{rows} rows").format(rows=number(sum(rows))) if rows else "",
            first.file.reader if rows and first.file.reader != first.file.kind else "",
            first.precision,
            "" if first.status == "read" and rows else _status(first),
        ]
        title = (
            first.file.path.name
            if len(group) == 1
            else _("{count} heatmaps").format(count=len(group))
            if first.file.kind == "heat_png"
            else _("{count} pictures").format(count=len(group))
        )
        names = tuple(s.file.path.name for s in group) if len(group) > 1 else ()
        text = " · ".join(part for part in said if part)
        bad = first.status in ("partly", "unreadable")
        found.append(Entry("file", title, text, long=(text, *names), warning=bad))
    return found


def _status(source: Source) -> str:
    words = {
        "waiting": _("not read yet"),
        "read": _("read"),
        "partly": _("partly read"),
        "not needed": _("not needed"),
        "unreadable": _("unreadable"),
    }
    return f"{words[source.status]}: {source.why}" if source.why else words[source.status]


def draw(
    known: Overview,
    state: State,
    selection: Selection,
    width: int,
    height: int,
    caps: Capabilities,
    progress: str = "",
) -> list[Row]:
    """Return the whole pane, `height` rows of `width` cells; `progress` tells of what is being read."""
    if width < 1 or height < 1:
        return []
    everything = entries(known)
    at = min(state.entry, len(everything) - 1)
    side = _side_width(width)
    reading = 0 if side else _reading_height(height)
    placed = _placed(known, state, selection, width - side, height - reading, caps, progress)
    rows = [drawn for drawn, _entry in placed]
    words = reading_words(known, everything[at], state, selection)
    if side:
        panel = _panel(everything[at], words, side - 2, height, caps)
        edge = Segment(f" {glyphs(caps).column}", dim(caps))
        return [row(r, edge, p, width=width) for r, p in zip(rows, panel, strict=True)]
    return rows + _reading_rows(words, width, reading, caps)


def entry_at(known: Overview, state: State, width: int, height: int, y: int) -> int | None:
    """Return the entry drawn in row `y` of the pane, None where there is none."""
    side = _side_width(width)
    reading = 0 if side else _reading_height(height)
    placed = _placed(known, state, Selection(), width - side, height - reading, Capabilities(), "")
    return placed[y][1] if 0 <= y < len(placed) else None


def _placed(
    known: Overview,
    state: State,
    selection: Selection,
    width: int,
    height: int,
    caps: Capabilities,
    progress: str,
) -> list[Placed]:
    """Return all but the words under the cursor, `height` rows, each with the entry that it shows."""
    everything = entries(known)
    at = min(state.entry, len(everything) - 1)
    placed: list[Placed] = [(_state_row(known, width, caps, progress), None)]
    placed += _line_rows(known, everything, at, state, selection, width, height - 1, caps)
    # However low the pane, the line under the cursor is in it.
    hidden = next((i for i, (_drawn, e) in enumerate(placed) if e == at), 0) - height + 1
    if hidden > 0:
        placed = placed[:1] + placed[1 + hidden :]
    placed = placed[:height]
    if (room := height - len(placed)) > 0:
        placed += _list_rows(everything, at, width, room, caps)
    return placed


def _side_width(width: int) -> int:
    return min(56, width // 3 - 8) if width >= _WIDE else 0


def _reading_height(height: int) -> int:
    return 0 if height < 8 else 1 if height < 16 else 3


def _state_row(known: Overview, width: int, caps: Capabilities, progress: str) -> Row:
    if progress:
        return fit(progress, width, caps=caps, style=severity(caps, "warning"))
    text = _("load by dimension · PAR = max / mean, 1 is even")
    if known.window:
        lane_width = _columns(width)[1]
        seconds = (known.window[1] - known.window[0]) / 1e6 / max(lane_width, 1)
        text += " · " + _("1 column = {seconds} s").format(seconds=short(seconds))
    return fit(text, width, caps=caps, style=dim(caps))


def _columns(width: int) -> tuple[bool, int, int]:
    """Return whether `beside` has room, and the widths of the lane and of where it is worst."""
    worst = min(_WORST, max(0, width - 42))
    beside = width >= 100
    used = 2 + _LABEL + _HEADLINE * (2 if beside else 1) + (worst + 1 if worst else 0)
    return beside, max(width - used, 0), worst


def lane_columns(width: int) -> int:
    """Return how many columns a lane has in a pane of this width."""
    return _columns(width - _side_width(width))[1]


def _line_rows(
    known: Overview,
    everything: Sequence[Entry],
    at: int,
    state: State,
    selection: Selection,
    width: int,
    room: int,
    caps: Capabilities,
) -> list[Placed]:
    found = [e.line for e in everything if e.line is not None]
    timed = [line.over_time and bool(line.values) for line in found]
    last_timed = max((i for i, t in enumerate(timed) if t), default=-1)
    last_ranks = max((i for i, e in enumerate(found) if e.values and not timed[i]), default=-1)
    # The list below keeps at least half of a high pane.
    tall = 2 if room >= 2 * (2 * len(found) + 1) else 1
    axes = room > len(found) + 6
    rows: list[Placed] = []
    for i, line in enumerate(found):
        rows += [(r, i) for r in _one_line(known, line, i == at, state, selection, width, tall, caps)]
        if axes and i == last_timed and known.window:
            rows.append((_axis_row(known.window, width, caps), None))
        if axes and i == last_ranks:
            rows.append((_rank_row(len(line.values), width, caps), None))
    return rows


def _before_lane(width: int) -> int:
    return 2 + _LABEL + _HEADLINE * (2 if _columns(width)[0] else 1)


def _rank_row(count: int, width: int, caps: Capabilities) -> Row:
    """Return the numbers of ranks under their columns, as many as have room."""
    columns = _columns(width)[1]
    step = next((s for s in (1, 2, 4, 8, 16, 32) if _rank_column(s, count, columns) >= 4), count)
    text = ""
    for rank in range(0, count, step):
        text = text.ljust(_rank_column(rank, count, columns)) + str(rank)
    return row(blank(_before_lane(width)), fit(text, columns, caps=caps, style=dim(caps)), width=width)


def _rank_column(rank: int, count: int, columns: int) -> int:
    return rank * (columns // count) if count <= columns else rank * columns // count


def _axis_row(window: tuple[int, int], width: int, caps: Capabilities) -> Row:
    columns, before = _columns(width)[1], _before_lane(width)
    begin, end = window
    # A window that begins just after a round second would lose the label of its first column.
    late = begin % 1_000_000
    if late * columns < end - begin:
        begin -= late
    axis = time_axis(instant(begin), instant(end), columns, caps)
    return row(blank(before), axis, width=width)


def _one_line(
    known: Overview,
    line: Line,
    here: bool,
    state: State,
    selection: Selection,
    width: int,
    tall: int,
    caps: Capabilities,
) -> list[Row]:
    beside, columns, worst = _columns(width)
    mark = _mark(here, caps)
    label = fit(line.label, _LABEL, caps=caps, style=selected(caps) if here else None)
    if not line.values:
        text = _("no data: {why}").format(why=line.absent) if line.absent else glyphs(caps).ellipsis
        body = fit(text, max(width - 2 - _LABEL, 0), caps=caps, style=dim(caps))
        return [row(mark, label, body, width=width), *[blank(width)] * (tall - 1)]
    head = fit(line.headline, _HEADLINE, caps=caps, style=strong(caps))
    aside = fit(line.beside, _HEADLINE, caps=caps, style=dim(caps)) if beside else []
    values = stretched(line.values, columns, alike=not line.over_time)
    lane_rows = lane(
        values,
        low=0.0,
        high=max((v for v in line.values if v == v), default=1.0),
        height=tall,
        caps=caps,
        cursor=_cursor_column(known, line, state, selection, columns, here),
        marks=_worst_columns(known, line, len(values)),
        lit=_lit(known, line, selection, columns),
        lit_row=here,
    )
    words = [Segment(" "), *fit(line.worst, worst, caps=caps)] if worst else []
    above = [blank(_before_lane(width))] * (tall - 1)
    lane_rows = [row(picture, width=columns) for picture in lane_rows]
    rows = [row(b, picture, width=width) for b, picture in zip(above, lane_rows[:-1], strict=True)]
    return [*rows, row(mark, label, head, aside, lane_rows[-1], words, width=width)]


def stretched(values: Sequence[float], width: int, *, alike: bool) -> list[float]:
    """Return the values spread over `width` columns: the largest that each covers, NaN for no data.

    Fewer values than columns are repeated; `alike` gives each equally many columns and may leave some of
    the width unused, as ranks want it and time does not.
    """
    if not values or width < 1:
        return []
    if alike and len(values) <= width:
        width = width // len(values) * len(values)
    cuts = [i * len(values) // width for i in range(width + 1)]
    return [
        max((v for v in values[a : max(b, a + 1)] if v == v), default=float("nan")) for a, b in pairwise(cuts)
    ]


def column_of(time: int, window: tuple[int, int], columns: int) -> int | None:
    """Return the column that an instant falls in, None outside the window."""
    begin, end = window
    if not begin <= time <= end or columns < 1:
        return None
    return min((time - begin) * columns // (end - begin), columns - 1)


def _cursor_column(
    known: Overview, line: Line, state: State, selection: Selection, columns: int, here: bool
) -> int | None:
    if line.over_time:
        if selection.time is None or known.window is None:
            return None
        return column_of(selection.time, known.window, columns)
    if not here or state.column is None or not columns:
        return None
    return _rank_column(state.column, len(line.values), columns)


def _worst_columns(known: Overview, line: Line, columns: int) -> list[bool]:
    """Return which columns lie in the stretch in which the line is worst."""
    marks = [False] * columns
    place = line.place
    if line.over_time and known.window and place and place.start is not None:
        first = column_of(place.start, known.window, columns)
        last = column_of(place.end if place.end is not None else place.start, known.window, columns)
        if first is not None:
            last = columns - 1 if last is None else last
            marks[first : last + 1] = [True] * (last + 1 - first)
    return marks


def _lit(known: Overview, line: Line, selection: Selection, columns: int) -> tuple[int, int] | None:
    if not line.over_time or selection.window is None or known.window is None:
        return None
    begin, end = (min(max(t, known.window[0]), known.window[1]) for t in selection.window)
    first, last = (column_of(t, known.window, columns) for t in (begin, end))
    return (first, last + 1) if first is not None and last is not None else None


def _list_rows(
    everything: Sequence[Entry], at: int, width: int, room: int, caps: Capabilities
) -> list[Placed]:
    """Return the part of the scrolled sections in which the cursor is, `room` rows."""
    rows: list[Placed] = []
    place = 0
    # Each section its own column of titles: file names are long, labels are not.
    title_widths: dict[Kind, int] = {}
    for entry in everything:
        widest = max(title_widths.get(entry.kind, 0), cell_len(entry.title))
        title_widths[entry.kind] = min(widest, 46, width // 3)
    for i, entry in enumerate(everything):
        if entry.line is not None:
            continue
        if entry.heading:
            rows.append((_heading(entry.heading, width, caps), None))
        if i == at:
            place = len(rows)
        title_width = title_widths[entry.kind]
        rows.append((_entry_row(entry, i == at, title_width, width, caps), i))
        if entry.below:
            indent = title_width + 4
            below = fit(entry.below, max(width - indent, 0), caps=caps, style=None if i == at else dim(caps))
            rows.append((row(blank(indent), below, width=width), i))
    # The heading above the first entry comes along.
    top = max(0, min(place - room // 2, len(rows) - room))
    shown = rows[top : top + room]
    return shown + [(blank(width), None)] * (room - len(shown))


def _heading(text: str, width: int, caps: Capabilities) -> Row:
    name = printable(text, caps)
    rule = glyphs(caps).rule
    return row(
        Segment(rule * 2, dim(caps)),
        Segment(f" {name} ", strong(caps)),
        Segment(rule * max(width - cell_len(name) - 4, 0), dim(caps)),
        width=width,
    )


def _mark(here: bool, caps: Capabilities) -> Segment:
    return Segment("> ", selected(caps)) if here else Segment("  ")


def _entry_row(entry: Entry, here: bool, title_width: int, width: int, caps: Capabilities) -> Row:
    mark = _mark(here, caps)
    title = fit(entry.title, title_width, caps=caps, style=selected(caps) if here else None)
    style = severity(caps, "warning") if entry.warning else None if here else dim(caps)
    text = fit(entry.short, max(width - title_width - 4, 0), caps=caps, style=style)
    return row(mark, title, Segment("  "), text, width=width)


def reading_words(known: Overview, entry: Entry, state: State, selection: Selection) -> list[str]:
    """Return what is under the cursor in words and numbers, a sentence or list item each."""
    line = entry.line
    if line is None:
        return [f"{entry.title} · {entry.short}" if entry.kind == "fact" else entry.title, *entry.long]
    if not line.values:
        return [f"{line.label}: " + (line.absent or _("not read yet"))]
    found = [" · ".join(part for part in (line.label, line.headline, line.beside, line.worst) if part)]
    if value := _value_words(known, line, state, selection):
        found.append(value)
    return [*found, *line.details]


def _value_words(known: Overview, line: Line, state: State, selection: Selection) -> str:
    """Return the value under the column cursor, empty where there is none."""
    if line.over_time:
        if selection.time is None or known.window is None:
            return ""
        index = column_of(selection.time, known.window, len(line.values))
        if index is None:
            return ""
        name = clock(selection.time, 1)
    elif state.column is None:
        return ""
    else:
        index = min(state.column, len(line.values) - 1)
        name = line.names[index]
    value = line.values[index]
    said = _("no data") if value != value else f"{short(value)} {line.unit}"
    return f"{name}: {said} ({line.column})"


def _panel(entry: Entry, words: Sequence[str], width: int, height: int, caps: Capabilities) -> list[Row]:
    inner = width - 2
    rows = _wrapped(entry.title, inner, caps, strong(caps))
    line = entry.line
    if line is None or not line.values:
        paragraphs: list[tuple[str, Style | None]] = [
            (text, None) for text in words[1 if line is None else 0 :]
        ]
    else:
        paragraphs = [(text, None) for text in (line.headline, line.beside, line.worst) if text]
        paragraphs += [("", None), *((text, None) for text in words[1:])]
        paragraphs += [("", None), *((text, dim(caps)) for text in _explained(line))]
    for text, style in paragraphs:
        rows += _wrapped(text, inner, caps, style)
    rows = [row(Segment(" "), r, width=width) for r in rows]
    return (rows + [blank(width)] * height)[:height]


def _explained(line: Line) -> list[str]:
    """Return what the line's columns and figures mean."""
    formulas = dict.fromkeys(figure.formula for figure in line.figures)
    return [
        _("One column: {what}.").format(what=line.column),
        *(FORMULAS[formula] for formula in formulas),
    ]


def _reading_rows(words: Sequence[str], width: int, height: int, caps: Capabilities) -> list[Row]:
    rows = [r for text in words for r in _wrapped(text, width, caps, None)]
    return (rows + [blank(width)] * height)[:height]


def _wrapped(text: str, width: int, caps: Capabilities, style: Style | None) -> list[Row]:
    """Return text broken between words into rows of at most `width` cells, at least one."""
    if width < 1:
        return []
    lines = [""]
    for word in printable(text, caps).split(" "):
        space = 1 if lines[-1] else 0
        if cell_len(lines[-1]) + space + cell_len(word) <= width:
            lines[-1] += " " * space + word
            continue
        # A word longer than a row, such as a path, is broken where it must be.
        first, *rest = chop_cells(word, width) or [""]
        if lines[-1]:
            lines.append(first)
        else:
            lines[-1] = first
        lines += rest
    return [fit(line, width, caps=caps, style=style) for line in lines]


def detail_text(known: Overview, entry: Entry, state: State, selection: Selection) -> str:
    """Return everything known of an entry as paragraphs, for a page of its own."""
    words = reading_words(known, entry, state, selection)
    if entry.line is not None and entry.line.values:
        words += ["", *_explained(entry.line)]
    return "\n".join(visible(text) for text in words)
