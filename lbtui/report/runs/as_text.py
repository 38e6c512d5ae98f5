"""Runs side by side as plain text: what changed, the table, the baseline's verdicts, what was tuned."""

from __future__ import annotations

from collections.abc import Iterator

from lbtui.render.capabilities import Capabilities
from lbtui.render.text import aligned, printable
from lbtui.report.runs import rows
from lbtui.runs.many import Many
from lbtui.runs.words import change_sentences
from lbtui.text import _, visible, with_label


def runs_text(many: Many, *, ascii_only: bool) -> str:
    """Return the report, ending in a line break."""
    caps = Capabilities("none", unicode=not ascii_only)
    return "".join(f"{printable(line, caps)}\n" for line in _report(many))


def _report(many: Many) -> Iterator[str]:
    yield rows.headline(many)
    yield from rows.notes(many)
    yield ""
    yield _("What changed over the runs")
    yield from (f"  {line}" for line in change_sentences(many.trends, many.runs))
    if many.baseline is not None:
        yield ""
        yield with_label(_("Against the baseline"), visible(many.baseline.name))
        yield from (f"  {line}" for line in rows.judged_sentences(many))
    yield ""
    if many.runs:
        heads, table = rows.run_table(many)
        yield from aligned([heads, *table])
    if many.sweep is not None:
        yield ""
        yield _("What was tuned")
        if many.sweep.why:
            yield f"  {many.sweep.why}"
        heads, table = rows.sweep_table(many.sweep)
        yield from (f"  {line}" for line in aligned([heads, *table]))
    yield ""
    yield from rows.formulas(many)
