"""The DP pane's two profiles: their times laid on each other, one scale for both, and their difference."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lbtui.analysis.lanes import LaneStatistics, bin_edges, bin_lanes
from lbtui.analysis.standout import standouts
from lbtui.profile import Domain
from lbtui.profile.pairing import matched
from lbtui.ui.kit.selection import Side
from lbtui.ui.kit.sides import Pair
from lbtui.ui.panes.dp.data import (
    PLACES,
    SCAN_BINS,
    DpData,
    Evenness,
    Measured,
    Place,
    Scene,
    place_of,
    scene,
)
from lbtui.ui.panes.dp.layout import DpState, view_window


def offset_of(data: Pair[DpData]) -> int:
    """Return how many µs before's run began after after's: negative where it was earlier, as is usual."""
    return 0 if data.before is None else data.before.begin - data.after.begin


def local_state(state: DpState, data: Pair[DpData], side: Side) -> DpState:
    """Return the state in the times and domains of the side shown; `state` is in those of after.

    Both runs are laid on each other at their starts.
    """
    own = data.of(side)
    if data.before is None:
        return state
    state = _shifted(replace(state, side=side), offset_of(data) if side == "before" else 0)
    if own.domains and all(d.key != state.domain for d in own.domains):
        state = replace(state, domain=_same_rank(state.domain, data, side))
    return state


def shared_state(local: DpState, data: Pair[DpData], side: Side) -> DpState:
    """Return a state of the side shown in the times of after."""
    return _shifted(local, -offset_of(data) if side == "before" else 0)


def _shifted(state: DpState, offset: int) -> DpState:
    window = state.window and (state.window[0] + offset, state.window[1] + offset)
    return replace(state, window=window, time=state.time + offset)


def _same_rank(key: str, data: Pair[DpData], side: Side) -> str:
    """Return the domain of the side that pairs with a domain of the other, or the side's first."""
    own, other = data.of(side), data.of("after" if side == "before" else "before")
    ranks = {d.key: (d.instance, d.dp_rank) for d in other.domains}
    if key in ranks:
        instance, rank = ranks[key]
        names = dict(_matched(other.domains, own.domains))
        wanted = names.get(instance), rank
        for domain in own.domains:
            if (domain.instance, domain.dp_rank) == wanted:
                return domain.key
    return own.domains[0].key


def _matched(before: tuple[Domain, ...], after: tuple[Domain, ...]) -> list[tuple[str, str]]:
    """Return which instance before goes with which after, as the comparison pairs them."""
    sides = ({d.instance: None for d in domains} for domains in (before, after))
    return [(b, a) for b, a in matched(*sides) if b is not None and a is not None]


@dataclass(frozen=True)
class Common:
    """The lanes of both profiles that belong together."""

    lanes: tuple[tuple[int, int], ...]  # before's, after's
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]
    measured: Measured  # after's of these lanes


def common(measured: Pair[Measured], data: Pair[DpData]) -> Common:
    """Return the domains that both profiles have, where they changed most, and the names of the others."""
    after, before = measured.after, measured.before
    assert before is not None
    names = dict(_matched(before.domains, after.domains))
    place = {(names.get(d.instance, ""), d.dp_rank): i for i, d in enumerate(before.domains)}
    lanes = [
        (place.pop((d.instance, d.dp_rank)), i)
        for i, d in enumerate(after.domains)
        if (d.instance, d.dp_rank) in place
    ]
    kept = [i for _before, i in lanes]
    return Common(
        tuple(lanes),
        tuple(_name(before.domains[i], before) for i in place.values()),
        tuple(_name(d, after) for i, d in enumerate(after.domains) if i not in kept),
        Measured(
            after.metric,
            tuple(after.domains[i] for i in kept),
            tuple(after.lanes[i] for i in kept),
            (),
            _changes(measured, data, lanes),
            (0.0,) * len(kept),
            expected=after.expected,
        ),
    )


def _changes(measured: Pair[Measured], data: Pair[DpData], lanes: list[tuple[int, int]]) -> tuple[Place, ...]:
    """Return the places where after − before is furthest from 0 for longest, the furthest first."""
    edges = bin_edges(data.after.begin, data.after.end, SCAN_BINS)
    alike = measured.after.metric.each_alike
    after, before = (
        bin_lanes([own.lanes[pair[k]] for pair in lanes], edges + k_offset, each_alike=alike).mean
        for k, own, k_offset in ((1, measured.after, 0), (0, measured.of("before"), offset_of(data)))
    )
    change = np.nan_to_num(after - before)
    less = (replace(found, excess=-found.excess) for found in standouts(-change, PLACES))
    found = sorted([*standouts(change, PLACES), *less], key=lambda place: -place.score)
    return tuple(place_of(each, edges) for each in found[:PLACES])


def _name(domain: Domain, measured: Measured) -> str:
    return domain.name if len(measured.instances) == 1 else f"{domain.instance}/{domain.name}"


def scenes(
    data: Pair[DpData], measured: Pair[Measured], shared: DpState, columns: int, side: Side
) -> Pair[Scene]:
    """Return the scenes of both profiles in the window that the side shows, each knowing the other's scale.

    The whole of before and of after are drawn side by side, however long each is; a difference has the window
    of after, laid on before from its start.
    """
    window = view_window(shared, data.after)
    if data.before is None or measured.before is None:
        return Pair(scene(measured.after, window, columns))
    offset = offset_of(data)
    there = window[0] + offset, window[1] + offset
    if shared.window is None and side != "difference":
        there = view_window(replace(shared, window=None), data.before)
    after, before = scene(measured.after, window, columns), scene(measured.before, there, columns)
    return Pair(
        replace(after, ceiling=_peaks(before, measured.before)),
        replace(before, ceiling=_peaks(after, measured.after)),
    )


def _peaks(view: Scene, measured: Measured) -> dict[str, tuple[float, float]]:
    """Return the largest mean and the largest worst value of each instance, 0 where it has none."""
    return {
        instance: (
            float(np.nanmax(view.mean[lanes], initial=0.0)),
            float(np.nanmax(view.worst[lanes], initial=0.0)),
        )
        for instance in measured.instances
        if (lanes := measured.lanes_of(instance))
    }


def difference(views: Pair[Scene], both: Common) -> Scene:
    """Return after − before of each lane, column and figure that both have, and of how even the lanes are.

    Of an instance with other domains before than after evenness is left out: over more of them PAR is higher
    by chance alone.
    """
    after, before = views.after, views.before
    assert before is not None
    there, here = ([pair[k] for pair in both.lanes] for k in (0, 1))
    return replace(
        after,
        mean=after.mean[here] - before.mean[there],
        worst=after.worst[here] - before.worst[there],
        mean_apart=after.mean_apart[here],
        worst_apart=after.worst_apart[here],
        prefill=None,
        statistics=tuple(_statistics(after.statistics[a], before.statistics[b]) for b, a in both.lanes),
        evenness={}
        if both.only_after or both.only_before
        else _evenness(after, before, both.measured.instances),
        ceiling={},
    )


def _statistics(after: LaneStatistics, before: LaneStatistics) -> LaneStatistics:
    return LaneStatistics(
        after.mean - before.mean,
        after.p95 - before.p95,
        after.max - before.max,
        after.ratio - before.ratio,
        after.p5 - before.p5,
        after.min - before.min,
    )


def _evenness(after: Scene, before: Scene, instances: list[str]) -> dict[str, Evenness]:
    found = {}
    others = list(before.evenness.values())
    for instance in instances:
        even = after.evenness.get(instance)
        other = before.evenness.get(instance) or (
            others[0] if len(others) == len(after.evenness) == 1 else None
        )
        if even is not None and other is not None:
            found[instance] = Evenness(
                even.columns - other.columns, even.value - other.value, None, even.share_counted
            )
    return found
