"""`--what-if EPLB`: is another placement of experts worth a trial, and at what price?"""

from __future__ import annotations

import math
from dataclasses import replace

from lbtui.analysis.eplb.later import Interval
from lbtui.analysis.eplb.limits import limits
from lbtui.analysis.eplb.policies import Impossible
from lbtui.analysis.eplb.price import Evidence, Verdict, evidence_for, known_of, verdict
from lbtui.analysis.eplb.price_words import FORMULAS, detail_words, verdict_words
from lbtui.analysis.eplb.recommended import recommended
from lbtui.analysis.eplb.recorded import Recorded, recorded
from lbtui.analysis.eplb.what_if import WhatIf, curve, fitting, start_settings, what_if
from lbtui.analysis.expert_parallel import phase_name
from lbtui.findings.ep_service import service_for, worth_of
from lbtui.profile import ExpertSeries, Profile
from lbtui.report.values import Json, finite
from lbtui.report.what_if.answer import Answer, Asked, Section
from lbtui.text import _, visible, with_brackets


def eplb(profile: Profile, asked: Asked) -> Answer:
    """Return what EPLB would bring to each instance and what it would cost, prefill and decode apart."""
    title = _("What if EPLB placed the experts anew?")
    parts = [_of(profile, asked, series) for series in profile.load_expert_series().series]
    if not parts:
        parts = [_without_iterations(profile)]
    sections, loads = zip(*parts, strict=True)
    return Answer(title, sections, "eplb", {"loads": list(loads)})


def _without_iterations(profile: Profile) -> tuple[Section, Json]:
    """Return that there is nothing to judge by: heat is not recorded, or only in pictures and sums."""
    heat = profile.load("expert_heat").frame
    why = _("there is no expert heat by iteration to fit a placement on")
    if not heat.is_empty():
        why = with_brackets(why, _("only sums of EPLB periods, or pictures, which have relative heat"))
    sentence = _("Not enough evidence: {why}.").format(why=why)
    return Section(_("experts"), sentence), _unknown(None, None, sentence)


def _unknown(instance: str | None, phase: str | None, reason: str) -> Json:
    name = None if instance is None else visible(instance)
    return {"instance": name, "phase": phase, "verdict": "not enough evidence", "reason": reason}


def _of(profile: Profile, asked: Asked, series: ExpertSeries) -> tuple[Section, Json]:
    name = phase_name(series.instance, series.phase)
    try:
        data = recorded([series], profile.placement)
        found = _recommended(data, asked)
    except Impossible as error:
        sentence = _("Not enough evidence: {why}").format(why=str(error))
        return Section(name, sentence), _unknown(series.instance, series.phase, sentence)
    service = service_for(profile, series.instance)
    known = evidence_for(known_of([series], data, service, worth_of(asked.limits)), found)
    said = verdict(known)
    details = [_("{name}: {text}").format(name=label, text=text) for label, text in detail_words(known)]
    formulas = tuple(_("{name}: {text}").format(name=label, text=text) for label, text in FORMULAS)
    section = Section(name, verdict_words(known, said), (*details, *limits(data, found)), formulas=formulas)
    load = {"instance": visible(series.instance), "phase": series.phase, **_json(known, said)}
    return section, load


def _recommended(data: Recorded, asked: Asked) -> WhatIf:
    """Return the placement file where one is given that fits, else the recommended number of experts."""
    offer = asked.limits.offer
    settings = replace(start_settings(data), expert_mib=offer.expert_mib, link_gbps=offer.link_gbps)
    if data.file is not None:
        return what_if(data, fitting(data, replace(settings, policy="file")))
    best = recommended(curve(data, settings))
    return what_if(data, settings if best is None else replace(settings, redundant=best.redundant))


def _json(known: Evidence, said: Verdict) -> Json:
    gain, lasting, last = known.gain, known.lasting, known.last
    return {
        "verdict": said.sentence,
        "reason": verdict_words(known, said),
        "policy": known.settings.policy,
        "redundant": known.settings.redundant,
        "redundant_in_use": known.in_use,
        "iterations": None if gain is None else gain.iterations,
        "par": None if gain is None else {"before": finite(gain.par[0]), "after": finite(gain.par[1])},
        "expert_time_saved": _interval(None if gain is None else gain.time),
        "step_time_saved": _interval(known.step),
        "share_of_step": known.service.share,
        "share_from": visible(known.service.told) or None,
        "experts_to_move": None if known.moved is None else int(known.moved.sum()),
        "experts_to_one_rank": known.most,
        "move_seconds": _number(known.standstill),
        "break_even_seconds": _number(known.break_even),
        "break_even_periods": _number(_periods(known)),
        "lasts_seconds": _number(known.kept),
        "recorded_seconds": _number(known.looked_at),
        "lasts": None
        if lasting is None
        else {
            "window": lasting.window,
            "saved": [finite(saved) for saved in lasting.saved],
            "iterations": lasting.kept,
        },
        "last_tables": None
        if last is None
        else {"first": last.first, "last": last.last, "tables": last.tables},
        "anew_every": None if said.anew is None else said.anew.window,
        "doubts": [one.kind for one in known.artificial],
    }


def _periods(known: Evidence) -> float | None:
    length = known.seconds(known.period)
    return None if known.break_even is None or not length else known.break_even / length


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _interval(one: Interval | None) -> Json | None:
    return (
        None
        if one is None
        else {"value": finite(one.value), "low": finite(one.low), "high": finite(one.high)}
    )
