"""What is under the Overview's cursor, in paragraphs: a finding explained, a line read out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

from rich.style import Style

from lbtui.findings import Finding
from lbtui.findings.pictures import Drawn
from lbtui.findings.words import (
    MARKS,
    consequence_words,
    cost_words,
    explained,
    formula_words,
    hurt_words,
    subject_words,
    window_sentence,
)
from lbtui.overview.model import FORMULAS, Line
from lbtui.overview.text import clock, short
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.palette import dim, severity, strong
from lbtui.render.text import behind, blank, fit, row, wrapped
from lbtui.text import _, in_sentences, visible, with_label, with_stop
from lbtui.ui.panes.overview.data import Contents, Shown
from lbtui.ui.panes.overview.lines import column_of

Role: TypeAlias = Literal["title", "text", "aside", "critical", "warning", "info"]

# From this width the explanation runs in two columns.
TWO_COLUMNS = 150
# `cost from` and two blanks: the same for every finding, so that nothing moves from one to the next.
_LABEL = 11
# So many findings tell how many rows the essence of one takes: the list may hold thousands.
_LOOKED_AT = 64


@dataclass(frozen=True)
class Paragraph:
    """One sentence or so, with a label before it."""

    text: str
    role: Role = "text"
    label: str = ""


def paragraphs(shown: Shown) -> list[Paragraph]:
    """Return all there is to say of the entry under the cursor, most important first."""
    entry = shown.entry
    if entry.found is not None:
        return _of_finding(entry.found, shown.contents.hosts)
    words = reading_words(shown)
    found = [Paragraph(words[0], "title"), *map(Paragraph, words[1:])]
    if entry.line is not None and entry.line.values:
        found += [Paragraph(text, "aside") for text in _explained(entry.line)]
    return found


def _of_finding(found: Drawn, hosts: Mapping[str, str]) -> list[Paragraph]:
    finding = found.finding
    said = [*_essence(finding)]
    if finding.hurt:
        said.append(Paragraph(hurt_words(finding.hurt, finding.hurt_beyond), label=_("requests")))
    if finding.what_if:
        said.append(Paragraph(finding.what_if, label=_("what-if")))
    for i, consequence in enumerate(finding.consequences):
        words = consequence_words(consequence, hosts)
        said.append(Paragraph(words, consequence.severity, "" if i else _("so also")))
    said.append(Paragraph(formula_words(finding), label=_("metric")))
    if finding.cost.value is not None:
        said.append(Paragraph(finding.cost.text, label=_("cost from")))
    said.append(Paragraph(finding.evidence, label=_("evidence")))
    if found.picture is not None:
        words = _("{quantity}; one value: {column}")
        text = words.format(quantity=found.picture.quantity, column=found.picture.column)
        said.append(Paragraph(text, "aside", _("lane")))
    return said


def _essence(finding: Finding) -> list[Paragraph]:
    """Return what it means, what it costs and what to try: whole wherever a screen has the room."""
    known = finding.cost.value is not None
    return [
        Paragraph(finding.message, "title"),
        *([Paragraph(finding.note, label=_("note"))] if finding.note else []),
        Paragraph(cost_words(finding) if known else finding.cost.text, label=_("cost")),
        Paragraph(finding.advice, label=_("try")),
    ]


def rows_wanted(contents: Contents, width: int, caps: Capabilities) -> int:
    """Return how many rows hold the essence of any finding."""
    width = _halved(width) if width >= TWO_COLUMNS else width
    found = [_essence(entry.found.finding) for entry in contents.entries if entry.found]
    return max((_height(tuple(said), width, caps) for said in found[:_LOOKED_AT]), default=0)


@lru_cache(maxsize=4 * _LOOKED_AT)
def _height(said: tuple[Paragraph, ...], width: int, caps: Capabilities) -> int:
    return len(_laid_out(said, width, caps))


def _halved(width: int) -> int:
    """Return the width of the left one of two columns."""
    return (width - 3) // 2


def explanation_rows(
    said: Sequence[Paragraph], width: int, height: int, caps: Capabilities
) -> tuple[list[Row], bool]:
    """Return as much of the paragraphs as `height` rows hold, and whether that is all."""
    if width < TWO_COLUMNS:
        rows = _laid_out(said, width, caps)
        return _filled(rows, height, width), len(rows) <= height
    left = _halved(width)
    right = width - left - 3
    first, second = _halves(said, left, caps)
    columns = (_laid_out(first, left, caps), _laid_out(second, right, caps))
    pairs = zip(_filled(columns[0], height, left), _filled(columns[1], height, right), strict=True)
    return [row(a, blank(3), b, width=width) for a, b in pairs], max(map(len, columns)) <= height


def _halves(
    said: Sequence[Paragraph], width: int, caps: Capabilities
) -> tuple[Sequence[Paragraph], Sequence[Paragraph]]:
    """Return the paragraphs in two parts, the first no lower than the second, neither split inside one."""
    heights = [len(_laid_out([paragraph], width, caps)) for paragraph in said]
    count = next((i for i in range(len(said) + 1) if sum(heights[:i]) >= sum(heights[i:])), len(said))
    return said[:count], said[count:]


def _filled(rows: list[Row], height: int, width: int) -> list[Row]:
    return (rows + [blank(width)] * height)[:height]


def _laid_out(said: Sequence[Paragraph], width: int, caps: Capabilities) -> list[Row]:
    label_width = _LABEL if any(p.label for p in said) and width >= 40 else 0
    rows: list[Row] = []
    for paragraph in said:
        before = label_width if paragraph.role != "title" else 0
        style = _style(paragraph.role, caps)
        lines = wrapped(paragraph.text, width - before, caps, style)
        for i, line in enumerate(lines):
            label = paragraph.label if i == 0 else ""
            rows.append(row(fit(label, before, caps=caps, style=dim(caps)), line, width=width))
    return rows


def _style(role: Role, caps: Capabilities) -> Style | None:
    if role == "title":
        return strong(caps)
    if role == "aside":
        return dim(caps)
    return None if role == "text" else severity(caps, role)


def reading_words(shown: Shown) -> list[str]:
    """Return what is under the cursor in words and numbers, a sentence or list item each."""
    entry, line = shown.entry, shown.entry.line
    if line is None:
        return [f"{entry.title} · {entry.short}" if entry.kind == "fact" else entry.title, *entry.long]
    if not line.values:
        return [with_label(line.label, line.absent or _("not read yet"))]
    found = [" · ".join(part for part in (line.label, line.headline, line.beside, line.worst) if part)]
    if value := _value_words(shown, line):
        found.append(value)
    return [*found, *line.details]


def _value_words(shown: Shown, line: Line) -> str:
    """Return the value under the column cursor, empty where there is none."""
    known, time, column = shown.known, shown.selection.time, shown.state.column
    if line.over_time:
        if time is None or known.window is None:
            return ""
        index = column_of(time, known.window, len(line.values))
        if index is None:
            return ""
        name = clock(time, 1, date=known.dated)
    elif column is None:
        return ""
    else:
        index = min(column, len(line.values) - 1)
        name = line.names[index]
    value = line.values[index]
    said = _("no data") if value != value else f"{short(value)}{behind(line.unit)}"
    return _("{where}: {value} ({column})").format(where=name, value=said, column=line.column)


def _explained(line: Line) -> list[str]:
    """Return what the line's columns and figures mean."""
    formulas = dict.fromkeys(figure.formula for figure in line.figures)
    return [
        _("One column: {what}.").format(what=line.column),
        *(FORMULAS[formula] for formula in formulas),
    ]


def copied_text(shown: Shown) -> str:
    """Return the entry under the cursor for the clipboard: a finding with where it is and what it costs."""
    entry = shown.entry
    if entry.found is None:
        return "\n".join(reading_words(shown))
    finding = entry.found.finding
    where = " · ".join(
        (
            f"{MARKS[finding.severity]} {finding.id}",
            subject_words(finding, shown.contents.hosts),
            window_sentence(finding, date=shown.known.dated),
        )
    )
    known = finding.cost.value is not None
    cost = cost_words(finding) if known else finding.cost.text
    said = [with_label(where, finding.message)]
    said += [with_label(_("note"), finding.note)] if finding.note else []
    said += [with_label(_("cost"), cost)] if cost else []
    said += [with_label(_("try"), finding.advice)] if finding.advice else []
    return in_sentences(*map(with_stop, said))


def detail_text(shown: Shown) -> str:
    """Return everything known of the entry under the cursor as paragraphs, for a page of its own."""
    entry = shown.entry
    if entry.found is not None:
        return "\n".join(map(visible, _page_of(entry.found.finding, shown.contents)))
    if entry.page:
        return "\n".join(map(visible, entry.page))
    # The page is headed by the title.
    words = list(entry.long) if entry.line is None and entry.long else reading_words(shown)
    if entry.line is not None and entry.line.values:
        words += ["", *_explained(entry.line)]
    return "\n".join(visible(text) for text in words)


def _page_of(finding: Finding, contents: Contents) -> list[str]:
    lines = [finding.message, ""]
    for label, text in explained(finding, date=contents.known.dated):
        lines.append(with_label(label, text))
    for consequence in finding.consequences:
        title = (
            f"{MARKS[consequence.severity]} {consequence.id} · {subject_words(consequence, contents.hosts)}"
        )
        lines += ["", _("so also: {title}").format(title=title), *_page_of(consequence, contents)]
    return lines
