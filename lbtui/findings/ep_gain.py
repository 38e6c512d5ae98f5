"""What re-balancing would bring where experts or their ranks are hot: a what-if, held out, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lbtui.analysis.eplb.limits import check_words
from lbtui.analysis.eplb.policies import Impossible
from lbtui.analysis.eplb.recorded import Check, recorded
from lbtui.analysis.eplb.what_if import WhatIf, start_settings, what_if
from lbtui.analysis.expert_parallel import phase_name
from lbtui.findings.ep_heat import ExpertHeat
from lbtui.findings.evidence import Evidence
from lbtui.text import _, in_sentences


@dataclass(frozen=True)
class Gain:
    """What DeepSeek's global policy would bring to one phase of an instance."""

    found: WhatIf
    phase: str  # " of prefill", " of decode", or empty
    check: Check | None


def gains(evidence: Evidence, heat: ExpertHeat, *, extra_slots: int = 0) -> list[Gain]:
    """Return the gain by phase, with the redundant experts in use and `extra_slots` more a rank.

    None where heat by iteration is not recorded or too short to fit on one half and judge by the other.
    """
    phases = {"prefill": _(" of prefill"), "decode": _(" of decode"), None: ""}
    gained = []
    for series in evidence.series:
        names = (series.instance, phase_name(series.instance, series.phase))
        if heat.instance not in names or heat.by_time:
            continue
        try:
            data = recorded([series])
            settings = start_settings(data)
            redundant = settings.redundant + extra_slots * settings.ranks
            found = what_if(data, replace(settings, redundant=redundant))
        except Impossible:
            continue
        gained.append(Gain(found, phases[series.phase], data.check))
    return gained


def gain_words(gained: Sequence[Gain]) -> str:
    """Return the gain over all layers in sentences, and whether to believe it."""
    said = []
    for gain in gained:
        before, after = gain.found.held_out.means
        said.append(_gain(gain, before, after, _("mean over layers")))
        if gain.check is not None and gain.check.fails:
            said.append(check_words(gain.check))
    return in_sentences(*said)


def layer_gain_words(gained: Sequence[Gain], layer: int) -> str:
    """Return the gain in one layer in sentences, and a word of doubt if due."""
    said = []
    for gain in gained:
        judged = gain.found.held_out
        if layer >= len(judged.before):
            continue
        where = _("layer {layer}").format(layer=layer)
        said.append(_gain(gain, float(judged.before[layer]), float(judged.after[layer]), where))
        if gain.check is not None and gain.check.fails:
            said.append(_("Load here stays on its ranks more than it follows experts: expect less."))
    return in_sentences(*said)


def _gain(gain: Gain, before: float, after: float, where: str) -> str:
    return _(
        "DeepSeek's global EPLB with {redundant} redundant experts, fitted on {fitted} "
        "iterations{phase}, gives PAR {after:.2f} over ranks on the next {judged}, where it was {before:.2f} "
        "({where})."
    ).format(
        redundant=gain.found.settings.redundant,
        fitted=gain.found.fitted.iterations,
        judged=gain.found.held_out.iterations,
        phase=gain.phase,
        before=before,
        after=after,
        where=where,
    )
