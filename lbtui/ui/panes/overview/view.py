"""The Overview as rows: findings, the one under the cursor explained, lines of load, lists to scroll."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.segment import Segment

from lbtui.findings.words import window_sentence
from lbtui.overview.model import Overview
from lbtui.overview.text import short
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.palette import dim, severity, strong
from lbtui.render.text import blank, fit, row, wrapped
from lbtui.text import _
from lbtui.ui.panes.overview.data import FOUND, Contents, Entry, Shown
from lbtui.ui.panes.overview.findings import cost_heading, finding_rows
from lbtui.ui.panes.overview.lines import Placed, heading, lane_columns, line_rows, list_rows, missed_rows
from lbtui.ui.panes.overview.words import TWO_COLUMNS, explanation_rows, paragraphs, rows_wanted


@dataclass(frozen=True)
class _Plan:
    """How many rows each part has: the heading, findings, the explanation below a rule, then the rest."""

    findings: int
    explanation: int  # 0: no rule either
    rest: int  # 0: no heading of the lines either


def _plan(found: int, whole: int, width: int, height: int) -> _Plan:
    """Return the plan for so many entries in the list; `whole` rows hold what they mean, cost and advise."""
    most = 9 if width >= TWO_COLUMNS else 14
    least = min(whole, height // 2)
    explanation = 0 if height < 9 else max(2, least, min(most, height * 3 // 10))
    findings = min(max(found, 1), max(height - 1, 0), max(3, height // 3))
    rest = height - 1 - findings - (explanation + 1 if explanation else 0) - 1
    return _Plan(findings, explanation, max(rest, 0))


def draw(shown: Shown, canvas: Canvas, progress: str = "") -> list[Row]:
    """Return the whole pane, filling the canvas; `progress` tells of what is being read."""
    if canvas.width < 1 or canvas.height < 1:
        return []
    return [drawn for drawn, _entry in _placed(shown, canvas, progress)]


def entry_at(shown: Shown, width: int, height: int, y: int) -> int | None:
    """Return the entry drawn in row `y` of the pane, None where there is none."""
    placed = _placed(shown, Canvas(width, height, Capabilities()), "")
    return placed[y][1] if 0 <= y < len(placed) else None


def _placed(shown: Shown, canvas: Canvas, progress: str) -> list[Placed]:
    """Return every row with the entry that it shows."""
    width, height, caps = canvas.width, canvas.height, canvas.caps
    contents, everything = shown.contents, shown.contents.entries
    found = sum(e.kind in FOUND for e in everything)
    head = _head_rows(contents, width, caps, progress)
    missed = missed_rows(shown, width, caps)
    room = height + 1 - len(head) - len(missed)
    plan = _plan(found, rows_wanted(contents, width, caps), width, room)
    placed: list[Placed] = [(line, None) for line in head]
    placed += finding_rows(contents, shown.at, width, plan.findings, caps)
    placed += missed
    if plan.explanation:
        explained, whole = explanation_rows(paragraphs(shown), width, plan.explanation, caps)
        more = "" if whole else _("i: the rest")
        placed.append((heading(_place_words(shown.entry, shown.known), width, caps, more), None))
        placed += [(r, None) for r in explained]
    if plan.rest:
        placed.append((_load_heading(shown.known, width, caps), None))
        body = line_rows(shown, canvas.sized(height=plan.rest))
        body += list_rows(everything, shown.at, width, caps)
        placed += _scrolled(body, shown.at, plan.rest)
    return (placed + [(blank(width), None)] * height)[:height]


def _scrolled(body: Sequence[Placed], at: int, room: int) -> list[Placed]:
    """Return `room` rows of the body with the cursor's entry among them, from the top where it is not."""
    place = max((i for i, (_row, entry) in enumerate(body) if entry == at), default=0)
    top = max(0, min(place + 1 - room, len(body) - room))
    return list(body[top : top + room])


def _head_rows(contents: Contents, width: int, caps: Capabilities, progress: str) -> list[Row]:
    """Return what the list is of: one row, or those that it takes to say what to do."""
    title = _("FINDINGS")
    room, warned = max(width - cell_len(title) - 2, 0), severity(caps, "warning")
    if progress:
        said = fit(progress, room, caps=caps, style=warned)
        return [row(Segment(title, strong(caps)), blank(2), said, width=width, caps=caps)]
    if to_do := _to_do(contents):
        before = [Segment(title, strong(caps)), *blank(2)]
        return [
            row(blank(cell_len(title) + 2) if n else before, line, width=width, caps=caps)
            for n, line in enumerate(wrapped(to_do, max(room, 1), caps, warned))
        ]
    above, room = cost_heading(contents, width)
    order = _("most severe first, then most costly") if above else ""
    left = max(width - cell_len(title) - 2 - room, 0)
    order_row = fit(order, left, caps=caps, style=dim(caps))
    cost = fit(above, room, caps=caps, style=dim(caps))
    return [row(Segment(title, strong(caps)), blank(2), order_row, cost, width=width, caps=caps)]


def _to_do(contents: Contents) -> str:
    """Return what to do where nothing was parsed, or nothing that is here can be judged; else nothing."""
    known, diagnosis = contents.known, contents.diagnosis
    if known.how_to_parse:
        return known.how_to_parse
    nothing = diagnosis is not None and diagnosis.even and not diagnosis.support
    if not nothing or not known.missing:
        return ""
    return _("to judge the load: {how}").format(how=known.missing[0].how_to_collect)


def _place_words(entry: Entry, known: Overview) -> str:
    if entry.found is None:
        return _("under the cursor")
    finding = entry.found.finding
    return f"{finding.id} · {window_sentence(finding, date=known.dated)}"


def _load_heading(known: Overview, width: int, caps: Capabilities) -> Row:
    text = _("Load · PAR = max / mean, 1 is even")
    if known.window:
        seconds = (known.window[1] - known.window[0]) / 1e6 / max(lane_columns(width), 1)
        text += " · " + _("1 column = {seconds} s").format(seconds=short(seconds))
    return heading(text, width, caps)
