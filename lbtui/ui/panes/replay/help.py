"""The quantities of what-ifs by replay with their formulas."""

from __future__ import annotations

from lbtui.findings.replay.formulas import (
    FIGURE_FORMULA,
    INTERVAL_FORMULA,
    KNEE_FORMULA,
    POLICY_FORMULA,
    RATIO_FORMULA,
    SELF_TEST_FORMULA,
)
from lbtui.findings.replay.words import (
    ASSUMED,
    RATIO_ASSUMED,
    ROUTING_ASSUMED,
)
from lbtui.overview.targets import FORMULAS
from lbtui.text import _, in_sentences
from lbtui.ui.kit.pane import HelpEntry


def routing_entries() -> list[HelpEntry]:
    """Return the quantities of other routing."""
    return [
        HelpEntry(_("policy"), POLICY_FORMULA),
        *_shared(),
        HelpEntry(_("assumed"), in_sentences(*ASSUMED, ROUTING_ASSUMED)),
    ]


def ratio_entries() -> list[HelpEntry]:
    """Return the quantities of other P:D ratios."""
    return [
        HelpEntry(_("P:D, nodes, goodput per node, per node, best"), RATIO_FORMULA),
        HelpEntry(_("knee"), KNEE_FORMULA),
        *_shared(),
        HelpEntry(_("assumed"), in_sentences(*ASSUMED, RATIO_ASSUMED)),
    ]


def _shared() -> list[HelpEntry]:
    _judged, _met, goodput, _interval, own = FORMULAS
    return [
        HelpEntry(
            _("difference, 90 % interval, no difference, better, worse"),
            INTERVAL_FORMULA,
        ),
        HelpEntry(
            _(
                "TTFT p50, TTFT p95, TPOT p50, TPOT p95, end to end p50, end to end p95, PAR of running "
                "requests, throughput"
            ),
            FIGURE_FORMULA,
        ),
        HelpEntry(_("goodput"), goodput + " " + own),
        HelpEntry(
            _("self-test, as recorded, recorded, replayed, off, steps −2 %, +2 %, holds, fails"),
            SELF_TEST_FORMULA,
        ),
        HelpEntry(
            _("fitted"),
            _(
                "What a forward pass takes, by role, on this recording alone: base + so much a prompt token, "
                "a prompt, a decoded request and 1,000 tokens of their context, robustly; ± is how far "
                "single passes are off. Where the wait for other domains lies inside the pass, a round is "
                "fitted to its largest load."
            ),
        ),
    ]
