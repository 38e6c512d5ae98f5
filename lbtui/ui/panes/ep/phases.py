"""The EP pane's data by phase (prefill, decode, both), and what is read of iterations behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from lbtui.analysis.expert_parallel import Phase, of_phase, phase_name, phases_of
from lbtui.analysis.placement import placed
from lbtui.profile import ExpertSeries, Profile
from lbtui.text import _
from lbtui.ui.kit.pane import PaneProgress
from lbtui.ui.kit.selection import Side
from lbtui.ui.panes.ep.data import EpData, ep_data
from lbtui.ui.panes.ep.iterations import EpOver, ep_over
from lbtui.ui.panes.ep.placement import with_placements
from lbtui.ui.panes.ep.shown import EpState
from lbtui.ui.panes.ep.sides import names_after, sides
from lbtui.ui.panes.ep.words import phase_word

ByPhase: TypeAlias = dict[Phase, EpData]
Iterations: TypeAlias = dict[Phase, dict[str, EpOver]]


def by_phase(profile: Profile, progress: PaneProgress) -> ByPhase:
    """Return what is drawn of a profile for each phase that can be chosen, the first to be shown first.

    One entry, `both`, where phases are not told apart; without heat it has what a placement tells.
    """
    heat = profile.load("expert_heat", progress).frame
    times = profile.load("layer_times", progress).frame
    intervals = profile.load("rank_intervals", progress).frame
    phases = phases_of(heat)
    if phases == ("both",):
        data = ep_data(heat, times, intervals)
        if heat.is_empty():
            data = with_placements(data, placed(profile.load("placements", progress).frame))
        return {"both": data}
    return {phase: replace(ep_data(of_phase(heat, phase), times, intervals), phase=phase) for phase in phases}


def sided(after: ByPhase, before: ByPhase | None) -> dict[Phase, dict[Side, EpData]]:
    """Return the sides of each phase; a phase that the baseline lacks is compared with its first."""
    if before is None:
        return {phase: sides(data, None) for phase, data in after.items()}
    other = next(iter(before.values()))
    return {phase: sides(data, before.get(phase, other)) for phase, data in after.items()}


def iterations(
    profile: Profile, rank_ratio: float, expert_ratio: float, progress: PaneProgress
) -> Iterations:
    """Return the iterations of every instance, by phase.

    Prefill and decode have iterations of their own, so together (`both`) there are none where they are two.
    """
    found: Iterations = {}
    series = profile.load_expert_series(progress).series
    for each in series:
        if not len(each.period):
            continue
        over = ep_over(each, rank_ratio, expert_ratio)
        found.setdefault(each.phase or "both", {})[each.instance] = over
        alone = sum(other.instance == each.instance for other in series) == 1
        if each.phase is not None and alone:
            found.setdefault("both", {})[each.instance] = over
        progress.advance("", 0, 0)
    return found


def with_iterations(
    phases: Mapping[Phase, Mapping[Side, EpData]], found: Mapping[Side, Iterations]
) -> dict[Phase, dict[Side, EpData]]:
    """Return the data with the iterations of each side; a difference has none."""
    return {
        phase: {
            side: replace(data, over=_named(found[side].get(phase, {}), by_side["after"]))
            if side in found
            else data
            for side, data in by_side.items()
        }
        for phase, by_side in phases.items()
    }


def _named(over: Mapping[str, EpOver], shown: EpData) -> dict[str, EpOver]:
    """Return the iterations by the names that instances have on the screen."""
    names = names_after(over, shown.periods)
    return {names.get(instance, instance): each for instance, each in over.items()}


def pointed_at(
    phases: Mapping[Phase, Mapping[Side, EpData]], phase: Phase, label: str | None
) -> tuple[Phase, str | None]:
    """Return the phase and the instance that another pane's name of an instance means.

    Findings name an instance with its phase where phases are told apart.
    """
    for named in ("prefill", "decode"):
        own = phases.get(named)
        for instance in own["after"].periods if own is not None else ():
            if label == phase_name(instance, named):
                return named, instance
    return phase, label


def after(phase: Phase, choices: Mapping[Phase, object]) -> Phase:
    """Return the next phase that can be chosen."""
    listed = list(choices)
    return listed[(listed.index(phase) + 1) % len(listed)]


def series_of(
    phases: Mapping[Phase, Mapping[Side, EpData]], phase: Phase, side: Side, instance: str | None
) -> tuple[ExpertSeries, ...]:
    """Return the series behind what is shown: those of each phase where both are."""
    own = phases[phase][side].over.get(instance or "")
    if own is not None:
        return (own.series,)
    found = (by_side[side].over.get(instance or "") for by_side in phases.values() if side in by_side)
    return tuple(over.series for over in found if over is not None)


def what_if_title(data: EpData, state: EpState, series: Sequence[ExpertSeries]) -> str:
    """Return the title of What-if: whose experts are placed."""
    parts = [_("What-if: another placement of experts"), state.instance or ""]
    if data.phase is not None:
        parts.append(phase_word(data.phase))
    if series:
        ranks, slots = len(series[0].ranks), series[0].slots_per_rank
        parts.append(_("{ranks} ranks × {slots} slots recorded").format(ranks=ranks, slots=slots))
    return " · ".join(part for part in parts if part)
