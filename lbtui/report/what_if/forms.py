"""An answer as plain text, as a Markdown page and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator

from lbtui.render.capabilities import Capabilities
from lbtui.render.text import aligned, printable
from lbtui.report.as_json import SCHEMA
from lbtui.report.inert import inert
from lbtui.report.values import Json
from lbtui.report.what_if.answer import Answer, Section
from lbtui.text import _, visible


def what_if_text(answer: Answer, path: str, *, ascii_only: bool) -> str:
    """Return the answer as text, ending in a line break."""
    return _printed(_text(answer, path), ascii_only=ascii_only)


def what_if_markdown(answer: Answer, path: str, *, ascii_only: bool) -> str:
    """Return the answer as a page, ending in a line break; nothing from a file can act as Markdown."""
    return _printed(_markdown(answer, path), ascii_only=ascii_only)


def what_if_json(answer: Answer, path: str, *, ascii_only: bool) -> str:
    """Return the answer as a document of its own, without a line break at its end."""
    return json.dumps(what_if_document(answer, path), indent=2, ensure_ascii=ascii_only, allow_nan=False)


def what_if_document(answer: Answer, path: str) -> Json:
    """Return the document as plain dicts, lists, strings and finite numbers."""
    return {"schema": SCHEMA, "profile": {"path": visible(path)}, "what_if": {answer.key: answer.json}}


def _printed(lines: Iterator[str], *, ascii_only: bool) -> str:
    caps = Capabilities("none", unicode=not ascii_only)
    return "".join(f"{printable(line, caps).rstrip()}\n" for line in lines)


def _text(answer: Answer, path: str) -> Iterator[str]:
    yield answer.title
    yield _("path      {path}").format(path=visible(path))
    for section in answer.sections:
        yield ""
        yield visible(section.title)
        yield f"  {visible(section.sentence)}"
        yield from (f"  {visible(detail)}" for detail in section.details)
        if section.rows:
            yield ""
            yield from (f"  {visible(line)}" for line in aligned([section.heads, *section.rows]))
    if formulas := _formulas(answer):
        yield ""
        yield _("Formulas")
        yield from (f"  {formula}" for formula in formulas)


def _markdown(answer: Answer, path: str) -> Iterator[str]:
    yield f"# {inert(answer.title)}"
    yield ""
    yield inert(_("path      {path}").format(path=path))
    for section in answer.sections:
        yield ""
        yield f"## {inert(section.title)}"
        yield ""
        yield f"**{inert(section.sentence)}**"
        yield ""
        yield from (f"- {inert(detail)}" for detail in section.details)
        if section.rows:
            yield ""
            yield from _table(section)
    if formulas := _formulas(answer):
        yield ""
        yield "## " + _("Formulas")
        yield ""
        yield from (f"- {inert(formula)}" for formula in formulas)


def _table(section: Section) -> Iterator[str]:
    yield f"| {' | '.join(inert(head, in_table=True) for head in section.heads)} |"
    yield "|---" * len(section.heads) + "|"
    for cells in section.rows:
        yield f"| {' | '.join(inert(cell, in_table=True) for cell in cells)} |"


def _formulas(answer: Answer) -> list[str]:
    """Return the formulas of all sections, each once."""
    return list(dict.fromkeys(formula for section in answer.sections for formula in section.formulas))
