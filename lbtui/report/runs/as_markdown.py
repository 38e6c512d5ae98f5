"""Runs side by side as a Markdown page for a ticket."""

from __future__ import annotations

from collections.abc import Iterator

from lbtui.render.capabilities import Capabilities
from lbtui.render.text import printable
from lbtui.report.inert import inert, table_of
from lbtui.report.runs import rows
from lbtui.runs.many import Many
from lbtui.runs.words import change_sentences
from lbtui.text import _, visible


def runs_markdown(many: Many, *, ascii_only: bool) -> str:
    """Return the page, ending in a line break; nothing from a file can act as Markdown or HTML."""
    caps = Capabilities("none", unicode=not ascii_only)
    return "".join(f"{printable(line, caps).rstrip()}\n" for line in _page(many))


def _page(many: Many) -> Iterator[str]:
    yield "# " + inert(rows.headline(many))
    yield ""
    yield from (f"- {inert(note)}" for note in rows.notes(many))
    yield ""
    yield "## " + _("What changed over the runs")
    yield ""
    yield from (f"- {inert(line)}" for line in change_sentences(many.trends, many.runs))
    yield ""
    if many.baseline is not None:
        yield "## " + _("Against the baseline")
        yield ""
        yield inert(visible(many.baseline.name))
        yield ""
        yield from (f"- {inert(line)}" for line in rows.judged_sentences(many))
        yield ""
    yield "## " + _("Runs")
    yield ""
    if many.runs:
        yield from _table(rows.run_table(many))
    yield ""
    yield from (f"- {inert(line)}" for line in rows.formulas(many))
    if many.sweep is not None:
        yield ""
        yield "## " + _("What was tuned")
        yield ""
        if many.sweep.why:
            yield inert(many.sweep.why)
            yield ""
        yield from _table(rows.sweep_table(many.sweep))


def _table(table: rows.Table) -> Iterator[str]:
    heads, cells = table
    yield from table_of([inert(head, in_table=True) for head in heads], cells)
