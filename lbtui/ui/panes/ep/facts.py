"""What single iterations tell of the cell under the cursor, and how its expert's copies share its load."""

from __future__ import annotations

import numpy as np

from lbtui.analysis.eplb.persistence import HotSpot, Persistence
from lbtui.analysis.eplb.replicas import Replicas, replicas_of, replicated
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.palette import strong
from lbtui.render.text import fit, number, wrapped
from lbtui.text import _, in_list
from lbtui.ui.panes.ep.data import EpData
from lbtui.ui.panes.ep.iterations import EpOver, together
from lbtui.ui.panes.ep.shown import EpState, column_of, map_of, over_of

_MOST_LINES = 9
_MOST_COPIES = 6


def fact_rows(data: EpData, state: EpState, width: int, caps: Capabilities) -> list[Row]:
    """Return the facts for the side panel, wrapped; none where there are none."""
    texts = fact_words(data, state)
    if not texts:
        return []
    lines = [line for text in texts for line in wrapped(text, width, caps, None)]
    title = _("copies") if over_of(data, state) is None else _("iteration by iteration")
    return [fit(title, width, caps=caps, style=strong(caps)), *lines[:_MOST_LINES]]


def fact_words(data: EpData, state: EpState) -> list[str]:
    """Return how often the cell is hot, whether the hot spot stays, what is hot together, the copies."""
    over = over_of(data, state)
    hot = _persistence(over, state)
    texts = []
    if over is not None and hot is not None:
        texts += [_cell_words(over, hot, state), _spot_words(over, hot.spots[state.layer])]
        texts += _together_words(data, over, state)
    texts += _copy_words(data, state)
    return [text for text in texts if text]


def hot_share_words(data: EpData, state: EpState) -> str:
    """Return in which share of the period's iterations the cell is hot; empty where unknown."""
    over = over_of(data, state)
    hot = _persistence(over, state)
    count = None if over is None or hot is None else _count(over, hot, state)
    if count is None or hot is None or not hot.iterations:
        return ""
    return _("hot in {share} % of iterations").format(share=f"{100 * count / hot.iterations:.0f}")


def _persistence(over: EpOver | None, state: EpState) -> Persistence | None:
    if over is None or state.period >= len(over.hot):
        return None
    hot = over.hot[state.period]
    return hot if state.layer < len(hot.spots) and hot.iterations else None


def _count(over: EpOver, hot: Persistence, state: EpState) -> int | None:
    """Return in how many iterations the cell under the cursor is hot."""
    counts = {"rank": hot.ranks, "expert": hot.slots, "model_expert": hot.experts}.get(state.view)
    column: int | None = column_of(state)
    if state.view in ("rank", "expert"):
        column = over.place_of(state.view == "expert", column_of(state))
    if counts is None or column is None or column >= counts.shape[1]:
        return None
    return int(counts[state.layer, column])


def _cell_words(over: EpOver, hot: Persistence, state: EpState) -> str:
    count = _count(over, hot, state)
    if count is None:
        return ""
    ratio = over.rank_ratio if state.view == "rank" else over.expert_ratio
    return _("hot (≥ {ratio}× mean) in {count} of {all} iterations of this period").format(
        ratio=number(ratio), count=number(count), all=number(hot.iterations)
    )


def _spot_words(over: EpOver, spot: HotSpot) -> str:
    ratio = number(over.rank_ratio)
    if not spot.hot:
        return _("the layer is never hot (PAR ≥ {ratio})").format(ratio=ratio)
    text = (
        _("layer hot (PAR ≥ {ratio}) in {hot}: stays on rank {rank}, the fullest in {share} of these")
        if spot.stays
        else _("layer hot (PAR ≥ {ratio}) in {hot}: moves {turns} times, most often on rank {rank}, {share}")
    )
    return text.format(
        ratio=ratio,
        hot=number(spot.hot),
        rank=over.series.ranks[spot.column],
        share=f"{100 * spot.fullest / spot.hot:.0f} %",
        turns=number(spot.turns),
    )


def _together_words(data: EpData, over: EpOver, state: EpState) -> list[str]:
    """Return which two slots of the cursor's rank are most often hot in the same iterations."""
    if state.view == "model_expert" or state.rank not in over.series.ranks:
        return []
    first = over.series.ranks.index(state.rank) * over.series.slots_per_rank
    pairs = together(over, state.period, state.layer, range(first, first + over.series.slots_per_rank))
    if not pairs:
        return [_("no two slots of rank {rank} hot together").format(rank=state.rank)]
    table = over.series.placements[state.period]
    slots = [column - first for column in pairs[0].columns]
    held = [-1, -1] if table is None else [int(table[state.layer, column]) for column in pairs[0].columns]
    known = min(held) >= 0
    text = _("rank {rank}: experts {a} and {b} hot together in {count}")
    if not known:
        text = _("rank {rank}: slots {a} and {b} hot together in {count}")
    a, b = held if known else slots
    return [text.format(rank=state.rank, a=a, b=b, count=number(pairs[0].iterations))]


def _copy_words(data: EpData, state: EpState) -> list[str]:
    slots = map_of(data, state, "expert")
    if slots is None or not slots.experts or not slots.ranks or state.layer >= slots.shape[0]:
        return []
    loads = slots.tokens if slots.tokens is not None else slots.shares
    if loads is None:
        return []
    layer = loads[state.layer]
    experts = slots.experts[state.layer]
    if state.view == "rank":
        shared = data.maps.get((state.instance or "", "model_expert", state.period))
        several = replicated(layer, experts, slots.ranks, shared.shared if shared else frozenset())
        if not several:
            return []
        return [
            _("{count} experts of this layer have copies; least evenly shared: {worst}").format(
                count=len(several), worst=_one(several[0])
            )
        ]
    expert = experts[state.slot] if state.view == "expert" else state.expert
    found = None if expert is None else replicas_of(layer, experts, slots.ranks, expert)
    if found is None or len(found.columns) < 2:
        return []
    return [_one(found)]


def _one(found: Replicas) -> str:
    ranks = in_list(str(rank) for rank in found.ranks[:_MOST_COPIES])
    more = ", …" if len(found.ranks) > _MOST_COPIES else ""
    shares = " / ".join("–" if np.isnan(s) else f"{100 * s:.0f}" for s in found.shares[:_MOST_COPIES])
    return _("expert {expert} on ranks {ranks}: {shares} % of its load, PAR over copies {par}").format(
        expert=found.expert, ranks=ranks + more, shares=shares, par=number(found.par)
    )
