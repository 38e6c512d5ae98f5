"""Findings on what EPLB's new tables brought: the ranks less even than before, or as uneven as before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lbtui.analysis.imbalance import Floats, known_mean
from lbtui.findings.chance import chance_above
from lbtui.findings.ep_gain import gain_words, gains
from lbtui.findings.ep_heat import ExpertHeat
from lbtui.findings.ep_ranks import subject_of
from lbtui.findings.evidence import Evidence
from lbtui.findings.model import Cost, Finding
from lbtui.text import _, in_list, in_percent, plural
from lbtui.thresholds import Thresholds

_UNIT = _("share of expert compute")


@dataclass(frozen=True)
class _Change:
    """PAR over ranks by layer, in the first period and as the mean of the later ones."""

    first: Floats
    later: Floats

    @property
    def rises(self) -> Floats:
        """By how much each layer's PAR rose, of the layers known in both."""
        rises: Floats = (self.later - self.first)[np.isfinite(self.later - self.first)]
        return rises

    @property
    def before(self) -> float:
        return float(known_mean(self.first))

    @property
    def after(self) -> float:
        return float(known_mean(self.later))


def _change(heat: ExpertHeat) -> _Change | None:
    if len(heat.periods) < 2:
        return None
    change = _Change(heat.pars[0], known_mean(heat.pars[1:], axis=0))
    return change if len(change.rises) > 1 else None


def find_worse(evidence: Evidence, limits: Thresholds, heat: ExpertHeat, instances: int) -> Iterator[Finding]:
    """Yield that the ranks are less even since EPLB began new periods.

    The rise is each layer's mean PAR over the later periods less its PAR in the first; it must be beyond
    `eplb_gain` of the first mean with certainty (`chance_above` over the layers, which are placed
    independently, times the instances looked at).
    """
    change = _change(heat)
    if change is None or change.after < limits.ep_par_mild:
        return
    p = min(1.0, instances * chance_above(change.rises, limits.eplb_gain * change.before))
    if p > limits.p_value:
        return
    pars = known_mean(heat.pars, axis=1)
    worst = 1 + int(np.nanargmax(pars[1:]))
    waste = float(known_mean(1 / change.first - 1 / change.later))
    critical = waste >= limits.critical_share and change.after >= limits.ep_par
    yield Finding(
        id="ep.eplb.worse",
        severity="critical" if critical else "warning",
        subject=subject_of(heat, period=heat.periods[worst]),
        metric=_("mean over layers and later periods of PAR over ranks"),
        value=change.after,
        threshold=limits.ep_par_mild,
        cost=Cost(
            waste,
            _UNIT,
            _(
                "{waste} more of the ranks' expert time is waiting than in the first period (mean over "
                "layers of 1 − mean/max, later less first)"
            ).format(waste=in_percent(waste, 1)),
            waste,
            of="experts",
        ),
        message=_(
            "Since EPLB began new periods the ranks{of_instance} are less even: PAR over ranks went from "
            "{before:.2f} to {after:.2f}. By EPLB period: {pars}."
        ).format(
            of_instance=heat.of_instance,
            before=change.before,
            after=change.after,
            pars=heat.pars_by_period,
        ),
        advice=_(
            "Serve with the first table (static EPLB, expert map file) until this is mended. See whether the "
            "tables are made of this instance's load, in the order of its ranks and layers, and whether "
            "their policy weighs a rank's experts together."
        ),
        what_if=gain_words(gains(evidence, heat)),
        evidence=_about_periods(evidence, pars),
        p_value=p,
    )


def _about_periods(evidence: Evidence, pars: Floats) -> str:
    return _("{file}: PAR per period {pars}").format(
        file=evidence.file("expert_heat"), pars=in_list(f"{m:.2f}" for m in pars)
    )


def find_ineffective(evidence: Evidence, limits: Thresholds, heat: ExpertHeat) -> Iterator[Finding]:
    """Yield that EPLB began new periods but the ranks are as uneven as before.

    The gain is each layer's PAR in the first period less its mean over the later ones; it must be small
    with certainty: mean gain + 2 standard errors over the layers below `eplb_gain` of the first mean.
    """
    change = _change(heat)
    if change is None:
        return
    before, after, falls = change.before, change.after, -change.rises
    most = float(falls.mean() + 2 * falls.std(ddof=1) / np.sqrt(len(falls)))
    if after < limits.ep_par_mild or most > limits.eplb_gain * before:
        return
    waste = float(known_mean(1 - 1 / change.later))
    yield Finding(
        id="ep.eplb.ineffective",
        severity="warning",
        subject=subject_of(heat, period=heat.periods[-1]),
        metric=_("mean over layers and later periods of PAR over ranks"),
        value=after,
        threshold=limits.ep_par_mild,
        cost=Cost(
            waste,
            _UNIT,
            _("{waste} of the ranks' expert time is still waiting (mean over layers of 1 − mean/max)").format(
                waste=in_percent(waste, 1)
            ),
            waste,
            of="experts",
        ),
        message=_("EPLB began {periods}, yet PAR over ranks went from {before:.2f} to {after:.2f}.").format(
            periods=plural("1 new period", "{count} new periods", len(heat.periods) - 1),
            before=before,
            after=after,
        ),
        advice=_(
            "See whether the load that EPLB counts is the load that ranks carry, whether redundant experts "
            "are too few, or the heat moves faster than the period."
        ),
        what_if=gain_words(gains(evidence, heat)),
        evidence=_about_periods(evidence, known_mean(heat.pars, axis=1)),
    )
