"""`ep.heat.moves`: other experts are hot in each period, so that a table of the past does not fit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtui.analysis.counts import binomial_tail
from lbtui.analysis.imbalance import known_mean
from lbtui.findings.chance import chance_above
from lbtui.findings.ep_gain import gain_words, gains
from lbtui.findings.ep_heat import ExpertHeat
from lbtui.findings.ep_ranks import subject_of
from lbtui.findings.ep_tables import Tables, tables_of
from lbtui.findings.evidence import Evidence
from lbtui.findings.model import Cost, Finding
from lbtui.text import _, in_list, in_percent, in_sentences
from lbtui.thresholds import Thresholds

_UNIT = _("share of expert compute")
_BEYOND_CHANCE = 2.0  # × what Poisson counts of an unmoved heat show


def find_moves(evidence: Evidence, limits: Thresholds, heat: ExpertHeat, instances: int) -> Iterator[Finding]:
    """Yield that the heat moves between periods, and with it the ranks' load.

    Where the placement is recorded, each table is judged by the heat of the period before (of which it was
    made) and by that of its own: it must fit the one and not the other, layer after layer (`chance_above`).
    Where only the experts' heat is, it must move beyond chance in most layers (sign test). Both times the
    instances looked at. What ranks carry in all layers is no expert's, and left out.
    """
    tables = tables_of(heat)
    if tables is None or tables.mean_now < limits.ep_par_mild or tables.fit is False:
        return
    moved = tables.mean_moved
    if moved < max(limits.ep_heat_moved, _BEYOND_CHANCE * float(known_mean(tables.chance))):
        return
    p = min(1.0, instances * _chance(limits, tables))
    if p > limits.p_value:
        return
    waste = _waste(tables)
    critical = waste >= limits.critical_share and tables.mean_now >= limits.ep_par
    yield Finding(
        id="ep.heat.moves",
        severity="critical" if critical else "warning",
        subject=subject_of(heat, period=heat.periods[1 + tables.worst]),
        metric=_(
            "share of routed tokens that go to other experts than in the period before (½ Σ |share − share "
            "before|), mean over layers and periods"
        ),
        value=moved,
        threshold=limits.ep_heat_moved,
        cost=Cost(waste, _UNIT, _cost_words(tables, waste), waste, of="experts"),
        message=_message(heat, tables),
        advice=_(
            "Let EPLB follow: a shorter period, or more redundant experts; else balance on the average of "
            "several periods and not on the last one."
        ),
        what_if=gain_words(gains(evidence, heat)),
        evidence=_("{file}: share moved into each period {moved}; PAR per period {pars}").format(
            file=evidence.file("expert_heat"),
            moved=in_list(f"{m:.2f}" for m in known_mean(tables.moved, axis=1)),
            pars=in_list(f"{m:.2f}" for m in known_mean(heat.pars, axis=1)),
        ),
        p_value=p,
    )


def _chance(limits: Thresholds, tables: Tables) -> float:
    """Return the chance of tables that fit, or of heat that moves, in so many layers."""
    if tables.fitted is not None:
        return chance_above(known_mean(tables.now - tables.fitted, axis=0))
    moved, chance = known_mean(tables.moved, axis=0), known_mean(tables.chance, axis=0)
    known = np.isfinite(moved)
    over = moved[known] >= np.maximum(limits.ep_heat_moved, _BEYOND_CHANCE * chance[known])
    return binomial_tail(int(over.sum()), int(known.sum()), 0.5)


def _waste(tables: Tables) -> float:
    """Return the share of expert time lost beyond what tables would lose with the heat they were made of."""
    best = 1.0 if tables.fitted is None else 1 / tables.fitted
    return float(known_mean(best - 1 / tables.now))


def _cost_words(tables: Tables, waste: float) -> str:
    if tables.fitted is None:
        return _(
            "up to {waste} of the ranks' expert time is waiting for it (mean over layers and later "
            "periods of 1 − mean/max; what the tables would lose without it is not known)"
        ).format(waste=in_percent(waste, 1))
    return _(
        "{waste} of the ranks' expert time is waiting for it (mean over layers and later periods of 1 − "
        "mean/max, with a table's own heat less with that of the period before)"
    ).format(waste=in_percent(waste, 1))


def _message(heat: ExpertHeat, tables: Tables) -> str:
    fitted = tables.mean_fitted
    said = _(
        "{moved} of the tokens{of_instance} go to other experts in each period than in the one before."
    ).format(moved=in_percent(tables.mean_moved), of_instance=heat.of_instance)
    if fitted is None:
        why = _(
            "A table made of the past period does not fit the next: PAR over ranks is {now:.2f} after "
            "re-balancing (that the tables fitted before is not recorded)."
        ).format(now=tables.mean_now)
    else:
        why = _(
            "A table made of the past period does not fit the next: PAR over ranks would be {fitted:.2f} "
            "with the heat it was made of, and is {now:.2f}."
        ).format(fitted=fitted, now=tables.mean_now)
    return in_sentences(said, why, _("By EPLB period: {pars}.").format(pars=heat.pars_by_period))
