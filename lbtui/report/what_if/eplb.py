"""`--what-if EPLB`: what another placement of experts would bring."""

from __future__ import annotations

from lbtui.analysis.eplb.policies import Impossible
from lbtui.analysis.eplb.recommended import recommended
from lbtui.analysis.eplb.recorded import recorded
from lbtui.analysis.eplb.what_if import WhatIf, curve, start_settings, what_if
from lbtui.analysis.expert_parallel import phase_name
from lbtui.profile import ExpertSeries, Profile
from lbtui.report.values import Json, finite
from lbtui.report.what_if.answer import Answer, Asked, Section
from lbtui.text import _, visible


def eplb(profile: Profile, asked: Asked) -> Answer:
    """Return what EPLB would bring to each instance, prefill and decode apart."""
    title = _("What if EPLB placed the experts anew?")
    parts = [_of(series) for series in profile.load_expert_series().series]
    if not parts:
        none = _("There is no expert heat by iteration to fit a placement on.")
        parts = [(Section(_("experts"), none), {})]
    return Answer(
        title,
        tuple(section for section, _json in parts),
        "eplb",
        {"loads": [one for _s, one in parts if one]},
    )


def _of(series: ExpertSeries) -> tuple[Section, Json]:
    name = phase_name(series.instance, series.phase)
    known: Json = {"instance": visible(series.instance), "phase": series.phase}
    try:
        data = recorded([series])
        settings = start_settings(data)
        best = recommended(curve(data, settings))
        redundant = settings.redundant if best is None else best.redundant
        found = what_if(data, type(settings)(settings.policy, redundant, settings.ranks))
    except Impossible as error:
        return Section(name, str(error)), {**known, "reason": str(error)}
    return Section(name, _sentence(found)), {**known, **_json(found)}


def _sentence(found: WhatIf) -> str:
    before, after = found.held_out.means
    return _("R = {redundant}: PAR {before:.2f} becomes {after:.2f}, held out, mean over layers.").format(
        redundant=found.settings.redundant, before=before, after=after
    )


def _json(found: WhatIf) -> Json:
    before, after = found.held_out.means
    return {
        "redundant": found.settings.redundant,
        "policy": found.settings.policy,
        "par": {"before": finite(before), "after": finite(after)},
    }
