"""The Compare pane's method and quantities."""

from __future__ import annotations

from collections.abc import Sequence

from lbtui.comparison import Comparison, Row
from lbtui.comparison.words import METHOD, definition, metrics_of
from lbtui.findings.latency.words import CHANGE_FORMULA, FORMULAS
from lbtui.text import _, in_list, in_sentences, visible
from lbtui.ui.kit.pane import HelpEntry
from lbtui.ui.panes.compare.words import DIMENSIONS, VERDICTS


def entries(comparison: Comparison | None) -> list[HelpEntry]:
    """Return what to mind, how the verdicts come about, then each metric of the rows with its formula."""
    if comparison is None:
        return [_VERDICTS, *_method(), _BARS, _CHANGE]
    notes = [HelpEntry(_("Note"), visible(note)) for note in comparison.notes]
    return [*notes, _VERDICTS, *_method(), _BARS, _CHANGE, *_metrics(comparison.rows)]


def _method() -> list[HelpEntry]:
    """Return the method's paragraphs, each under what it is about."""
    return [HelpEntry(name, text) for name, text in METHOD]


def _metrics(rows: Sequence[Row]) -> list[HelpEntry]:
    found = []
    for metric in metrics_of(rows):
        text = definition(metric)
        if metric.unit:
            text = _("{text} Unit: {unit}.").format(text=text, unit=metric.unit)
        found.append(HelpEntry(f"{DIMENSIONS[metric.dimension]} · {metric.label}", text))
    return found


_VERDICTS = HelpEntry(
    in_list(VERDICTS.values()),
    _(
        "Worse and better: beyond chance, and by enough to be worth calling. No evidence: chance explains "
        "it, which is no proof that nothing changed. Too little data: too few independent observations. Not "
        "comparable: the row says why. Load differs: what was asked of the service is not the same beyond "
        "chance, which is neither better nor worse, and may explain all else."
    ),
)
_BARS = HelpEntry(
    _("the bars"),
    _(
        "The 95 % interval as a share of before, on one scale for all rows that the heading names: │ is no "
        "difference, ● the one measured, < and > lie beyond. A bar covers the middle exactly if its interval "
        "holds 0."
    ),
)
_CHANGE = HelpEntry(_("what changed a latency (i)"), in_sentences(CHANGE_FORMULA, *FORMULAS))
