"""What another placement of experts would do to the ranks' loads, fitted on one half, judged on the other.

A replica's load = its expert's tokens / its copies. PAR = max / mean over ranks of a half's tokens, by layer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

import numpy as np

from lbtui.analysis.eplb.policies import (
    Impossible,
    Ints,
    copies_of,
    global_placement,
    hierarchical_placement,
)
from lbtui.analysis.eplb.recorded import Half, Recorded
from lbtui.analysis.imbalance import Floats, known_mean, par
from lbtui.text import _

Policy: TypeAlias = Literal["in use", "global", "hierarchical", "file"]
POLICIES: tuple[Policy, ...] = get_args(Policy)
# The curve over redundant experts ends here: more than a fourth of DeepSeek-V3's 256 experts is not deployed.
MOST_REDUNDANT = 64


@dataclass(frozen=True)
class Settings:
    """What a user chooses. Nodes and groups matter to the hierarchical policy only."""

    policy: Policy
    redundant: int  # copies beyond one of each expert, over all ranks, in each layer
    ranks: int
    nodes: int = 1
    groups: int = 1
    expert_mib: float | None = None  # size of one expert of one layer
    link_gbps: float | None = None  # at which a rank gets weights, gigabits a second


@dataclass(frozen=True)
class Judged:
    """PAR over ranks by layer, NaN in a layer without tokens, in one half of the iterations."""

    before: Floats  # as counted, under the placement in use
    after: Floats  # under the placement chosen
    iterations: int

    @property
    def means(self) -> tuple[float, float]:
        """Before and after, mean over layers."""
        return float(known_mean(self.before)), float(known_mean(self.after))

    @property
    def worst(self) -> tuple[tuple[int, float], tuple[int, float]]:
        """Before and after, the worst layer and its PAR."""
        return _worst(self.before), _worst(self.after)

    @property
    def waiting(self) -> tuple[float, float]:
        """Before and after, mean over layers of 1 − mean / max: the share of rank-time spent waiting."""
        return float(known_mean(1 - 1 / self.before)), float(known_mean(1 - 1 / self.after))


@dataclass(frozen=True)
class Replicated:
    """An expert with copies: in how many layers, how many in all beyond the first, the most in one layer."""

    expert: int
    layers: int
    extra: int
    most: int


@dataclass(frozen=True)
class WhatIf:
    """What the settings would give."""

    settings: Settings
    placement: Ints  # [layer, slot] -> model expert, rank by rank, without what stays (shared experts)
    fitted: Judged  # on the half the placement was made of: flattering
    held_out: Judged  # on the half it has not seen
    replicated: tuple[Replicated, ...]  # most extra copies first
    moved: Ints | None  # slots by layer whose expert is not yet on that rank; None: other ranks than in use

    @property
    def slots_per_rank(self) -> int:
        """Slots a rank, without what stays."""
        return int(self.placement.shape[1]) // self.settings.ranks


@dataclass(frozen=True)
class Point:
    """One number of redundant experts on the curve: PAR mean and worst over layers, and what it costs."""

    redundant: int
    fitted: tuple[float, float]
    held_out: tuple[float, float]
    extra_slots: float  # a rank and layer, beyond one slot for each expert
    mib: float | None  # a rank, all layers; None where the size of an expert is unknown


def start_settings(data: Recorded) -> Settings:
    """Return the global policy with the ranks and redundant experts in use, or the next number possible."""
    return fitting(data, Settings("global", data.slots_in_use - len(data.experts), len(data.ranks)))


def fitting(data: Recorded, settings: Settings) -> Settings:
    """Return the settings with the next number of redundant experts that is possible, or those in use."""
    if (given := _given(data, settings.policy)) is not None:
        return replace(settings, redundant=_redundant(data, given), ranks=given.shape[1])
    least = max(0, settings.redundant)
    missing = -(len(data.experts) + least) % max(1, settings.ranks)
    return replace(settings, redundant=least + missing)


def policies(data: Recorded) -> tuple[Policy, ...]:
    """Return the policies that can be asked for; `file` only where a placement file fits."""
    return tuple(policy for policy in POLICIES if policy != "file" or data.file is not None)


def _given(data: Recorded, policy: Policy) -> Ints | None:
    """Return a placement that is not computed, [layer, rank, slot]; None for those that are."""
    if policy == "in use":
        return data.in_use.reshape(len(data.in_use), len(data.ranks), -1)
    return data.file if policy == "file" else None


def _redundant(data: Recorded, given: Ints) -> int:
    """Return how many slots a placement has beyond one for each expert, in the layer that has most."""
    return int((given >= 0).sum(axis=(1, 2)).max(initial=0)) - len(data.experts)


def possible(data: Recorded, settings: Settings, most: int = MOST_REDUNDANT) -> list[int]:
    """Return the numbers of redundant experts up to `most` that give every rank equally many slots."""
    if (given := _given(data, settings.policy)) is not None:
        return [_redundant(data, given)]
    ranks = max(1, settings.ranks)
    return list(range(-len(data.experts) % ranks, most + 1, ranks))


def what_if(data: Recorded, settings: Settings) -> WhatIf:
    """Return what `settings` would give; raises `Impossible` with a sentence."""
    slots = len(data.experts) + settings.redundant
    placed = _placement(data, settings, slots)
    copies = _copies(placed, len(data.experts))
    fitted, held_out = (_judged(half, placed, copies, settings.ranks) for half in (data.first, data.second))
    return WhatIf(
        settings,
        np.where(placed >= 0, data.experts[placed], -1),
        fitted,
        held_out,
        _replicated(data, copies),
        _moved(data, placed, settings),
    )


def curve(data: Recorded, settings: Settings) -> tuple[Point, ...]:
    """Return PAR against the number of redundant experts, up to 64 or the number chosen.

    Extra slots a rank and layer = redundant / ranks; memory a rank = MiB of an expert × these × layers.
    Raises `Impossible`.
    """
    layers = len(data.in_use)
    points = []
    for redundant in possible(data, settings, max(MOST_REDUNDANT, settings.redundant)):
        found = what_if(data, replace(settings, redundant=redundant))
        extra = redundant / settings.ranks
        mib = None if settings.expert_mib is None else settings.expert_mib * extra * layers
        fitted, held_out = ((half.means[1], half.worst[1][1]) for half in (found.fitted, found.held_out))
        points.append(Point(redundant, fitted, held_out, extra, mib))
    return tuple(points)


def _placement(data: Recorded, settings: Settings, slots: int) -> Ints:
    if settings.redundant < 0:
        sentence = _("Redundant experts must be at least 0, not {count}.")
        raise Impossible(sentence.format(count=settings.redundant))
    if (given := _given(data, settings.policy)) is not None:
        return _as_given(data, settings, given)
    if settings.policy == "global":
        return global_placement(data.first.experts, slots=slots, ranks=settings.ranks)
    return hierarchical_placement(
        data.first.experts, slots=slots, ranks=settings.ranks, nodes=settings.nodes, groups=settings.groups
    )


def _as_given(data: Recorded, settings: Settings, given: Ints) -> Ints:
    """Return a placement that is not computed; raises `Impossible` for other settings or missing experts."""
    sizes = (_redundant(data, given), given.shape[1])
    if (settings.redundant, settings.ranks) != sizes:
        sentence = _(
            "This placement has {redundant} redundant experts on {ranks} ranks: another number needs "
            "another policy."
        )
        raise Impossible(sentence.format(redundant=sizes[0], ranks=sizes[1]))
    placed = given.reshape(len(given), -1)
    lost = np.argwhere((_copies(placed, len(data.experts)) == 0) & (data.second.experts > 0))
    if len(lost):
        layer, place = lost[0].tolist()
        sentence = _("This placement has no slot for expert {expert} in layer {layer}, which gets tokens.")
        raise Impossible(sentence.format(expert=int(data.experts[place]), layer=layer))
    return placed


def _copies(placed: Ints, experts: int) -> Ints:
    """Return the copies [layer, expert] of a placement; what stays (-1) is none of the experts."""
    # One column more takes what stays.
    return copies_of(np.where(placed >= 0, placed, experts), experts + 1)[:, :experts]


def _judged(half: Half, placed: Ints, copies: Ints, ranks: int) -> Judged:
    with np.errstate(divide="ignore", invalid="ignore"):
        each = half.experts / copies
    loads = np.where(placed >= 0, np.take_along_axis(each, np.maximum(placed, 0), axis=1), 0.0)
    by_rank = loads.reshape(len(loads), ranks, -1).sum(axis=2)
    # What stays is on its rank; with another number of ranks it is shared evenly.
    fixed = half.fixed if half.fixed.shape[1] == ranks else half.fixed.sum(axis=1, keepdims=True) / ranks
    return Judged(par(half.ranks, axis=1), par(by_rank + fixed, axis=1), half.iterations)


def _replicated(data: Recorded, copies: Ints) -> tuple[Replicated, ...]:
    several = copies > 1
    found = [
        Replicated(
            int(data.experts[place]),
            int(several[:, place].sum()),
            int((copies[:, place] - 1)[several[:, place]].sum()),
            int(copies[:, place].max()),
        )
        for place in np.flatnonzero(several.any(axis=0))
    ]
    return tuple(sorted(found, key=lambda r: (-r.extra, r.expert)))


def _moved(data: Recorded, placed: Ints, settings: Settings) -> Ints | None:
    if settings.ranks != len(data.ranks):
        return None
    layers, ranks, experts = len(placed), settings.ranks, len(data.experts)
    there = np.zeros((layers, ranks, experts + 1), dtype=bool)
    there[_cells(data.in_use, ranks)] = True
    there[:, :, -1] = True  # what stays does not move
    moved: Ints = (~there[_cells(placed, ranks)]).sum(axis=1)
    return moved


def _cells(placed: Ints, ranks: int) -> tuple[Ints, Ints, Ints]:
    """Return layer, rank and expert of every slot [layer, slot]."""
    layers, slots = placed.shape
    rank = np.arange(slots) // (slots // ranks)
    return np.arange(layers)[:, None], np.broadcast_to(rank, placed.shape), placed


def _worst(pars: Floats) -> tuple[int, float]:
    layer = int(np.argmax(np.nan_to_num(pars, nan=-np.inf)))
    return layer, float(pars[layer])
