"""What the findings on steps cost: what the common steps would be shorter without the excess."""

from __future__ import annotations

import numpy as np

from lbtui.analysis.imbalance import Floats
from lbtui.analysis.step_account import StepAccount
from lbtui.findings.evidence import Evidence
from lbtui.findings.model import Cost
from lbtui.text import _, in_percent

_UNIT = _("ms/step")


def cost_of(
    evidence: Evidence, account: StepAccount, cut: Floats, *, of_gap: bool = False, least: bool = False
) -> Cost:
    """Return what steps that end `cut` ms earlier would save (`StepAccount.saving`).

    Where the domains do not step together, what their own requests lose, as a share of the time of all
    requests. `least` says that the cost is a lower bound.
    """
    saving = account.saving(cut, of_gap=of_gap)
    if saving is not None:
        words = _(
            "without it a common step is {ms:.2f} ms shorter, {share} of the steps' time (last end less "
            "the last end without its excess, Σ / steps)"
        ).format(ms=saving.per_step, share=in_percent(saving.share, 1))
        if of_gap and account.tails is None:
            words += _("; at least: what it is late after its passes is not seen in them")
        if least:
            words += _("; at least: what the others wait inside their forward passes is not seen")
        return Cost(saving.per_step, _UNIT, words, saving.share)
    steps = cut > 0
    if not steps.any():
        return Cost(None, _UNIT, _("unknown: steps of this load do not take longer"))
    each, seconds = float(cut[steps].mean()), account.request_seconds(np.maximum(cut, 0.0))
    return Cost(
        each,
        _UNIT,
        _(
            "its own requests take {ms:.2f} ms a step longer, {seconds:.1f} request-seconds in all (Σ "
            "excess × batch size); the domains do not step together, so nobody else is seen waiting"
        ).format(ms=each, seconds=seconds),
        evidence.share_of_requests(seconds),
        of="requests",
    )
