"""The Compare pane's method and quantities."""

from __future__ import annotations

from collections.abc import Sequence

from lbtui.analysis.comparison import Comparison, Row
from lbtui.text import _, visible
from lbtui.ui.pane import HelpEntry
from lbtui.ui.panes.compare_words import DIMENSIONS, metrics_of, smallest_words


def entries(comparison: Comparison | None) -> list[HelpEntry]:
    """Return what to mind, how the verdicts come about, then each metric of the rows with its formula."""
    if comparison is None:
        return _METHOD
    notes = [HelpEntry(_("Note"), visible(note)) for note in comparison.notes]
    return [*notes, *_METHOD, *_metrics(comparison.rows)]


def _metrics(rows: Sequence[Row]) -> list[HelpEntry]:
    found = []
    for metric in metrics_of(rows):
        unit = (
            _("{text} Unit: {unit}.").format(text=metric.formula, unit=metric.unit)
            if metric.unit
            else metric.formula
        )
        text = _("{text} Smallest difference worth calling: {smallest}.").format(
            text=unit, smallest=smallest_words(metric)
        )
        found.append(HelpEntry(f"{DIMENSIONS[metric.dimension]} · {metric.label}", text))
    return found


_METHOD = [
    HelpEntry(
        _("difference, effect"),
        _(
            "After − before, in the metric's unit; shares in percent, their differences in points. Effect: % "
            "of before, or × before from 2 × and up to 0.5 ×; of a PAR how many × the mean the most loaded "
            "carries more or less."
        ),
    ),
    HelpEntry(
        _("95 % interval"),
        _(
            "Where the difference would lie in 95 % of such pairs of runs. Neighbouring steps resemble each "
            "other, so single values are no independent measurements: each series is pre-whitened by an AR(1)"
            " (Andrews and Monahan 1992), the rest resampled 9,999 times in circular moving blocks (Politis "
            "and Romano 1992) as long as its autocorrelation asks for (Politis and White 2004, corrected "
            "2009), each resample's difference divided by its own standard error (Götze and Künsch 1996), and"
            " both sides' intervals joined (MOVER, Zou and Donner 2008). One fixed seed: the same files give "
            "the same numbers."
        ),
    ),
    HelpEntry(
        _("the bars"),
        _(
            "The same interval as a share of before, on one scale for all rows that the heading names: │ is "
            "no difference, ● the one measured, < and > lie beyond. A bar covers the middle exactly if its "
            "interval holds 0."
        ),
    ),
    HelpEntry(
        _("verdict"),
        _(
            "Worse or better: the adjusted p is below 0.05 and the difference is not below the smallest worth"
            " calling. No evidence: else; that is no proof that nothing changed. Too little data, not "
            "comparable: the reason stands in the line below the table. A load that differs is neither better"
            " nor worse, but may explain everything else."
        ),
    ),
    HelpEntry(
        _("adjusted p"),
        _(
            "How often equal runs would differ at least so much in any of the rows: of some thirty rows one "
            "or two lie below 0.05 by chance alone. Corrected over all rows of load, and over all others, by "
            "Holm (1979)."
        ),
    ),
]
