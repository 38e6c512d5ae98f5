"""What-if in sentences: what is asked, what it brings or why nothing is to be expected, what it costs."""

from __future__ import annotations

import numpy as np

from lbtui.analysis.eplb.price_words import detail_words, verdict_words
from lbtui.analysis.eplb.recommended import best, gains
from lbtui.analysis.eplb.recorded import Check, Recorded
from lbtui.analysis.eplb.what_if import MOST_REDUNDANT, Judged, Point, Replicated, WhatIf
from lbtui.render.glyphs import Glyphs
from lbtui.render.palette import Severity
from lbtui.render.text import number
from lbtui.text import _, in_list
from lbtui.ui.panes.what_if.state import Outcome, WhatIfState

# A sentence, and how bad what it says is; None: it is not.
Said = tuple[str, Severity | None]


def settings_words(state: WhatIfState, data: Recorded) -> str:
    """Return what is asked."""
    settings = state.settings
    parts = [
        {
            "in use": _("the placement in use"),
            "global": _("DeepSeek's EPLB, global"),
            "hierarchical": _("DeepSeek's EPLB, hierarchical"),
            "file": _("the placement file"),
        }[settings.policy],
        _("R = {redundant} redundant experts for {experts}").format(
            redundant=settings.redundant, experts=len(data.experts)
        ),
        _("{ranks} ranks").format(ranks=settings.ranks),
    ]
    if settings.policy == "hierarchical":
        parts.append(_("{nodes} nodes, {groups} groups").format(nodes=settings.nodes, groups=settings.groups))
    if settings.expert_mib is not None:
        parts.append(_("{size} MiB an expert").format(size=number(settings.expert_mib)))
    if settings.link_gbps is not None:
        parts.append(_("{link} Gbit/s").format(link=number(settings.link_gbps)))
    if state.busy:
        parts.append(_("computing …"))
    return " · ".join(parts)


def conclusion(data: Recorded, outcome: Outcome, found: WhatIf) -> list[Said]:
    """Return first whether to expect anything, then what this placement brings, then which R is enough."""
    doubted = data.check is not None and data.check.fails
    said = [_brings(found, doubted=doubted)]
    point = outcome.recommended
    if point is not None:
        said.append(_enough(outcome, found.held_out, point, doubted=doubted))
    if data.check is not None:
        said.insert(0 if doubted else len(said), _check(data.check))
    return said


def _check(check: Check) -> Said:
    text = _(
        "Load follows its experts: by these the fullest rank of later tables should carry {predicted}× the "
        "mean, and it carried {counted}."
    )
    if check.fails:
        text = _(
            "No such gain is to be expected: load stays on its ranks, whichever experts they hold. By its "
            "experts the fullest rank of later tables should carry {predicted}× the mean; it carried "
            "{counted}."
        )
    words = text.format(predicted=f"{check.predicted:.2f}", counted=f"{check.counted:.2f}")
    return words, "warning" if check.fails else None


def _brings(found: WhatIf, *, doubted: bool) -> Said:
    judged = found.held_out
    (mean, mean_after), (worst, worst_after) = judged.means, judged.worst
    wait, wait_after = judged.waiting
    numbers = {
        "worst": f"{worst[1]:.2f}",
        "layer": worst[0],
        "worst_after": f"{worst_after[1]:.2f}",
        "layer_after": worst_after[0],
        "mean": f"{mean:.2f}",
        "mean_after": f"{mean_after:.2f}",
        "wait": f"{100 * wait:.0f}",
        "wait_after": f"{100 * wait_after:.0f}",
    }
    if found.settings.policy == "in use":
        text = _("As it is: PAR of the worst layer {worst} (layer {layer}), mean over layers {mean}.")
        return text.format(**numbers), None
    if worst_after[1] > worst[1]:
        text = _(
            "This placement makes the worst layer worse: PAR {worst} (layer {layer}) becomes {worst_after} "
            "(layer {layer_after}); mean over layers {mean} becomes {mean_after}."
        )
        return text.format(**numbers), "warning"
    if numbers["worst"] == numbers["worst_after"]:
        text = _(
            "It leaves the worst layer at PAR {worst} (layer {layer_after}); mean over layers {mean} becomes "
            "{mean_after}."
        )
        return text.format(**numbers), None
    text = _(
        "It brings the worst layer from PAR {worst} (layer {layer}) to {worst_after} (layer {layer_after}), "
        "the mean over layers from {mean} to {mean_after}; ranks wait {wait_after} % of the time instead of "
        "{wait} %."
    )
    if doubted:
        text = _(
            "On paper the worst layer would go from PAR {worst} (layer {layer}) to {worst_after} (layer "
            "{layer_after}), the mean over layers from {mean} to {mean_after}."
        )
    return text.format(**numbers), None


def _enough(outcome: Outcome, judged: Judged, point: Point, *, doubted: bool) -> Said:
    top = best(outcome.points)
    before = judged.worst[0][1]
    numbers = {
        "most": max(MOST_REDUNDANT, point.redundant),
        "redundant": point.redundant,
        "best": f"{top.held_out[1]:.2f}",
        "best_redundant": top.redundant,
        "before": f"{before:.2f}",
    }
    if not gains(point, before):
        text = _(
            "No gain: no R up to {most} lowers the worst layer, {before}, by 2 % or more (best {best} at "
            "R = {best_redundant}). Keep the placement in use."
        )
        return text.format(**numbers), "warning"
    text = _("R = {redundant} is recommended: {reason}")
    if doubted:
        text = _("R = {redundant} would be enough: {reason}")
    reason = (
        _("the worst layer is most even with it.")
        if top.redundant == point.redundant
        else _("the least whose worst layer is within 2 % of the best, {best} at R = {best_redundant}.")
    )
    return text.format(reason=reason.format(**numbers), **numbers), None


def verdict_said(outcome: Outcome) -> Said | None:
    """Return whether a trial is worth it, with its reason; None of the placement in use."""
    if outcome.evidence is None or (said := outcome.verdict) is None:
        return None
    level: Severity | None = "warning" if said.sentence == "not enough evidence" else None
    return verdict_words(outcome.evidence, said), level


def verdict_details(outcome: Outcome) -> list[str]:
    """Return what the verdict rests on, a line each."""
    if outcome.evidence is None:
        return []
    named = detail_words(outcome.evidence)
    return [_("{name}: {text}").format(name=name, text=text) for name, text in named]


def verdict_sentences(outcome: Outcome) -> list[str]:
    """Return the verdict and what it rests on; nothing of the placement in use."""
    said = verdict_said(outcome)
    return [] if said is None else [said[0], *verdict_details(outcome)]


def recommended_word(data: Recorded, outcome: Outcome, before: float) -> str:
    """Return what the recommended number is called in the curve, empty where it gains nothing."""
    point = outcome.recommended
    if point is None or not gains(point, before):
        return ""
    doubted = data.check is not None and data.check.fails
    return _("enough, on paper") if doubted else _("recommended")


def judged_words(judged: Judged, symbols: Glyphs) -> tuple[str, str, str]:
    """Return PAR mean, PAR of the worst layer, waiting; each before and after."""
    arrow = symbols.right
    (before, after), (worst, worst_after), (wait, wait_after) = judged.means, judged.worst, judged.waiting
    return (
        f"{before:.2f} {arrow} {after:.2f}",
        f"{worst[1]:.2f} ({worst[0]}) {arrow} {worst_after[1]:.2f} ({worst_after[0]})",
        f"{100 * wait:.0f} {arrow} {100 * wait_after:.0f} %",
    )


def cost_words(found: WhatIf, data: Recorded) -> str:
    """Return the slots that it takes and the experts that have to move."""
    layers = len(data.in_use)
    slots = _("{slots} slots a rank and layer").format(slots=found.slots_per_rank)
    if found.moved is None:
        return _("{slots} · moves unknown: other ranks than in use").format(slots=slots)
    moved, every = int(found.moved.sum()), int(found.placement.size)
    return _("{slots} · {moved} of {every} experts to move, in {layers} of {all} layers").format(
        slots=slots,
        moved=number(moved),
        every=number(every),
        layers=int((found.moved > 0).sum()),
        all=layers,
    )


def copies_words(replicated: tuple[Replicated, ...], room: int) -> str:
    """Return which experts get copies, as many as `room` cells hold, and how many more."""
    if not replicated:
        return _("no expert gets copies")
    listed = [
        _("{expert} ({layers} layers)").format(expert=r.expert, layers=r.layers)
        if r.most == 2
        else _("{expert} ({layers} layers, up to {most})").format(
            expert=r.expert, layers=r.layers, most=r.most
        )
        for r in replicated
    ]
    whole = _("copies for {count} experts: {listed}")

    def said(shown: int) -> str:
        rest = len(listed) - shown
        parts = listed[:shown] + ([_("{count} more").format(count=rest)] if rest else [])
        return whole.format(count=len(listed), listed=in_list(parts))

    fitting = (shown for shown in range(len(listed), 1, -1) if len(said(shown)) <= room)
    return said(next(fitting, 1))


def reading_words(found: WhatIf, layer: int, symbols: Glyphs) -> str:
    """Return the layer under the cursor in one line."""
    arrow = symbols.right
    parts = [_("layer {layer}").format(layer=layer)]
    for name, judged in ((_("held out PAR"), found.held_out), (_("fitted on"), found.fitted)):
        before, after = (par_words(float(pars[layer])) for pars in (judged.before, judged.after))
        parts.append(f"{name} {before} {arrow} {after}")
    if found.moved is not None:
        slots = found.placement.shape[1]
        parts.append(
            _("{moved} of {slots} to move").format(moved=number(int(found.moved[layer])), slots=number(slots))
        )
    return " · ".join(parts)


def par_words(value: float) -> str:
    """Return a PAR to two places, a dash where it is unknown."""
    return "–" if np.isnan(value) else f"{value:.2f}"
