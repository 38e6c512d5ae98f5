"""The quantities of Targets with their formulas."""

from __future__ import annotations

from lbtui.analysis.slo import FEW
from lbtui.overview.targets import FORMULAS
from lbtui.text import _, in_sentences
from lbtui.ui.kit.pane import HelpEntry
from lbtui.ui.panes.requests.targets.charts import MOST_LINES

_GIVEN = _("--slo ttft=500,tpot=50,e2e=20000 or [slo] of the config, ms; of those given only these count.")


def entries() -> list[HelpEntry]:
    """Return every quantity."""
    judged, met, goodput, interval, own = FORMULAS
    return [
        HelpEntry(
            _("targets"),
            in_sentences(_GIVEN, own),
        ),
        HelpEntry(_("met, missed, unknown"), judged),
        HelpEntry(_("met, %"), met),
        HelpEntry(_("goodput"), goodput),
        HelpEntry(
            _("95 % interval"),
            in_sentences(
                interval,
                _(
                    "Under {few} judged requests it stands behind every share. A group is amber whose "
                    "whole interval lies below the share of all."
                ).format(few=FEW),
            ),
        ),
        HelpEntry(
            _("DP domain, P node, D node"),
            _(
                "Where a request ran, as in Requests; it counts in each domain that served it, in P/D in one "
                "of P and one of D. Requests whose place is not known are in no group."
            ),
        ),
        HelpEntry(
            _("input tokens"),
            _("Classes of input lengths: 0 to 127 tokens, then each up to the next power of two."),
        ),
        HelpEntry(
            _("met, goodput over time"),
            _(
                "By the end of the requests: at most 60 stretches of the run from the first arrival on, each "
                "1, 2 or 5 times a power of ten long."
            ),
        ),
        HelpEntry(
            _("distribution"),
            _(
                "Share of the requests whose time is at or below a value, exact to a column; a line ends at "
                "its slowest request. Of more than {most} groups those that met least, and the cursor's. "
                "Logarithmic where half of the values lie in the first sixteenth of the axis."
            ).format(most=MOST_LINES),
        ),
        HelpEntry(
            _("scatter"),
            _(
                "A dot for each request, several may share one; red those that missed a target, the rule is "
                "the target. Each class of input lengths is as wide; those outside of the cursor's are grey."
            ),
        ),
    ]
