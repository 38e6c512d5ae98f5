"""Load that no router makes: padding, dummy tokens, fixed routing. What a placement brings it is not real.

Every layer has a router of its own, which sends each token where it belongs: over layers other experts, and
so other ranks, are hot, and from iteration to iteration counts vary by chance at least.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from lbtui.analysis.eplb.moving import without_rank_effects
from lbtui.analysis.eplb.policies import Ints
from lbtui.analysis.eplb.recorded import Recorded, experts_between, places_of_period
from lbtui.analysis.imbalance import Floats, known_mean, par
from lbtui.profile import ExpertSeries

# Load stays on its ranks when experts move; the same ranks, or the same experts, are hot in all layers; a few
# experts get all tokens; counts vary less than chance has them vary.
Kind: TypeAlias = Literal["stays", "ranks", "experts", "few", "steady"]

FEWEST_LAYERS = 4
# Below there is next to nothing that would have to be explained, or gained.
_UNEVEN = 1.05
_LOOKED_AT = 256  # iterations
_FEWEST_ITERATIONS = 8
_STEADY = 0.3  # of the variance of chance; of routers choosing 2 of 8 experts it is 0.75
_FEW = 0.25  # of the experts
_TOKENS_AN_EXPERT = 20


@dataclass(frozen=True)
class Artificial:
    """What is wrong with a load, and by how much: `value` where routers give about `usual`."""

    kind: Kind
    value: float
    usual: float


def artificial(series: ExpertSeries, data: Recorded, usable: Ints) -> tuple[Artificial, ...]:
    """Return what shows that the load of the iterations `usable` is not a router's, plainest first."""
    found = []
    experts = experts_between(series, usable, data.experts)
    loads = data.first.ranks + data.second.ranks
    uneven = float(known_mean(par(loads, axis=1)))
    if data.check is not None and data.check.fails:
        found.append(Artificial("stays", data.check.counted, data.check.predicted))
    elif uneven >= _UNEVEN:
        found += _common_ranks(loads, uneven) if data.check is None else []
        found += _common_experts(experts)
    found += _few(experts)
    found += _steady(series, data, usable)
    return tuple(found)


def _common_ranks(loads: Floats, uneven: float) -> list[Artificial]:
    """Return that ranks are uneven by what each has in all layers, for more than half of it."""
    known = loads[loads.sum(axis=1) > 0]
    if len(known) < FEWEST_LAYERS:
        return []
    eased = float(known_mean(par(without_rank_effects(known, np.ones(known.shape)), axis=1)))
    return [Artificial("ranks", uneven, eased)] if 2 * (eased - 1) < uneven - 1 else []


def _common_experts(experts: Floats) -> list[Artificial]:
    """Return that experts of the same ids are hot in all layers: more than half of the variance is theirs.

    Of L independent layers 1/L is by chance, which is taken off.
    """
    known = experts[experts.sum(axis=1) > 0]
    layers = len(known)
    if layers < FEWEST_LAYERS or known.shape[1] < 2:
        return []
    relative = known / known.mean(axis=1, keepdims=True)
    whole = float(relative.var(axis=1).mean())
    common = (float(relative.mean(axis=0).var()) - whole / layers) / (1 - 1 / layers)
    share = common / whole if whole > 0 else 0.0
    return [Artificial("experts", share, 0.0)] if share > 0.5 else []


def _few(experts: Floats) -> list[Artificial]:
    """Return that in most layers hardly any experts get all of many tokens."""
    count = experts.shape[1]
    many = experts.sum(axis=1) >= _TOKENS_AN_EXPERT * count
    if count < 8 or not many.any():
        return []
    used = (experts[many] > 0).mean(axis=1)
    return [Artificial("few", float(np.median(used)), 1.0)] if np.median(used) < _FEW else []


def _steady(series: ExpertSeries, data: Recorded, usable: Ints) -> list[Artificial]:
    """Return that counts of slots vary less from iteration to iteration than tokens that choose by chance.

    Σ (count − expected)² / expected over its degrees of freedom, the median of layers and periods; expected
    is the iteration's total by the period's shares. 1 is chance alone, what moves is above.
    """
    chosen = usable[:: max(1, len(usable) // _LOOKED_AT)]
    indices = []
    for period in np.unique(series.period[chosen]).tolist():
        own = chosen[series.period[chosen] == period]
        if len(own) < _FEWEST_ITERATIONS:
            continue
        moves = places_of_period(series, period, data.experts) >= 0
        tokens = np.where(moves, series.tokens[own], 0).astype(np.float64)
        totals = tokens.sum(axis=2, keepdims=True)
        expected = totals * tokens.sum(axis=0) / np.maximum(totals.sum(axis=0), 1.0)
        squares = np.divide((tokens - expected) ** 2, expected, out=np.zeros_like(tokens), where=expected > 0)
        freedom = (len(own) - 1) * np.maximum((tokens.sum(axis=0) > 0).sum(axis=1) - 1, 1)
        loaded = tokens.sum(axis=(0, 2)) > 0
        indices += (squares.sum(axis=(0, 2)) / freedom)[loaded].tolist()
    if not indices:
        return []
    middle = float(np.median(indices))
    return [Artificial("steady", middle, 1.0)] if middle < _STEADY else []
