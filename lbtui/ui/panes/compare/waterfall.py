"""The page of a row that compares a latency: from before to after, part by part."""

from __future__ import annotations

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text

from lbtui.comparison import Row as Compared
from lbtui.findings.latency.words import CHANGE_FORMULA, change_title, signed, term_rows
from lbtui.overview.text import short
from lbtui.render.capabilities import Capabilities
from lbtui.render.glyphs import glyphs
from lbtui.render.palette import better, dim, severity
from lbtui.render.text import aligned, padded, printable
from lbtui.text import _

_BAR = 32


def waterfall_text(compared: Compared, caps: Capabilities) -> Text:
    """Return the waterfall of a row with terms: before, what each part adds or takes, after."""
    rows = term_rows(compared)
    terms = [term for term in compared.terms if term.shown]
    edges = [compared.before]
    for term in terms:
        edges.append(edges[-1] + term.difference)
    highest = max(*edges, compared.after, 0.0)
    names = [row[0] for row in rows]
    unit = compared.metric.unit
    heads = [
        (_("before"), short(compared.before), (0.0, compared.before)),
        *(
            (name, signed(term.difference), (first, last))
            for name, term, first, last in zip(names, terms, edges[:-1], edges[1:], strict=True)
        ),
        (_("after"), short(compared.after), (0.0, compared.after)),
    ]
    lines = aligned(
        [(name, value.rjust(max(len(head[1]) for head in heads))) for name, value, _ends in heads]
    )
    width = max(map(cell_len, lines))
    text = Text()
    text.append(printable(change_title(compared), caps) + "\n", style="bold")
    text.append(
        printable(_("one scale from 0 to {highest} {unit}").format(highest=short(highest), unit=unit), caps)
    )
    text.append("\n\n", style=dim(caps))
    for place, (line, (_name, _value, ends)) in enumerate(zip(lines, heads, strict=True)):
        whole = place in (0, len(heads) - 1)
        style = None if whole else better(caps) if ends[1] < ends[0] else severity(caps, "critical")
        text.append(printable(padded(line, width), caps) + "  ")
        _bar(text, ends, highest, caps, style or dim(caps))
    text.append("\n")
    for line in aligned(rows):
        text.append(printable(line, caps) + "\n")
    text.append("\n" + printable(CHANGE_FORMULA, caps), style=dim(caps))
    return text


def _bar(text: Text, ends: tuple[float, float], highest: float, caps: Capabilities, style: Style) -> None:
    """Add a bar from one value to another on a scale from 0, at least one cell wide."""
    low, high = (min(max(value / highest, 0.0), 1.0) if highest > 0 else 0.0 for value in sorted(ends))
    first = min(int(low * _BAR), _BAR - 1)
    last = max(round(high * _BAR), first + 1)
    text.append(" " * first)
    text.append(glyphs(caps).eighths[-1] * (last - first) + "\n", style=style)
