"""How far the heat of experts moves from one EPLB period to the next, and whether a table fitted before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lbtui.analysis.eplb.policies import Ints, copies_of
from lbtui.analysis.imbalance import Floats, known_mean, par


@dataclass(frozen=True)
class Placed:
    """One EPLB period: the load of each slot [layer, slot], the expert in it, and the rank it is on.

    Loads are tokens or shares of a layer's tokens; expert -1 stays where it is (shared, or unknown).
    """

    loads: Floats
    experts: Ints  # [layer, slot]
    ranks: Ints  # [slot]

    def heat(self, count: int) -> Floats:
        """Return the load of each of `count` experts, summed over its copies, [layer, expert]."""
        found = np.zeros((len(self.loads), count + 1))
        layers = np.broadcast_to(np.arange(len(self.loads))[:, None], self.experts.shape)
        # The last column takes what stays.
        np.add.at(found, (layers, np.where(self.experts < 0, count, self.experts)), np.nan_to_num(self.loads))
        return found[:, :count]

    def under(self, heat: Floats) -> Floats:
        """Return the load of each rank [layer, rank] if experts were as hot as `heat` [layer, expert] says.

        An expert's load is shared equally by its copies; all experts together carry what they carry here,
        and what stays carries what it does.
        """
        count = heat.shape[1]
        named = np.where(self.experts < 0, count, self.experts)
        copies = np.maximum(copies_of(named, count + 1), 1)
        held = np.zeros((len(heat), count + 1), dtype=bool)
        np.put_along_axis(held, named, True, axis=1)
        placed = np.where(held[:, :count], heat, 0.0)
        total = placed.sum(axis=1, keepdims=True)
        own = np.where(self.experts >= 0, np.nan_to_num(self.loads), 0.0).sum(axis=1, keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            scaled = np.where(total > 0, placed / total * own, np.nan)
        each = np.hstack([scaled, np.zeros((len(heat), 1))]) / copies
        slots = np.where(self.experts >= 0, np.take_along_axis(each, named, axis=1), self.loads)
        return _by_rank(slots, self.ranks)


@dataclass(frozen=True)
class Step:
    """From one period to the next, by layer.

    `moved` is the share of routed tokens that go to other experts than before, `chance` what Poisson counts
    show of it though nothing moves. PAR over ranks of the next table is `counted` with the heat of its own
    period, `now` with that but for what is a rank's own (`without_rank_effects`), and `fitted` with the heat
    of the period before, of which the table was made (None: no placement is known).
    """

    moved: Floats
    chance: Floats
    counted: Floats
    now: Floats
    fitted: Floats | None


def moved_share(before: Floats, after: Floats) -> Floats:
    """Return which share of a layer's tokens goes to other experts than before, [layer]: ½ Σ |share − share|.

    `before` and `after` are loads [layer, expert]; NaN where one of them has none.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = [each / np.nansum(each, axis=1, keepdims=True) for each in (before, after)]
    gap: Floats = np.abs(shares[1] - shares[0]).sum(axis=1) / 2
    return gap


def moved_by_chance(before: Floats, after: Floats) -> Floats:
    """Return what `moved_share` is on average of Poisson counts [layer, expert] though nothing moves.

    A difference of two shares is normal with variance p · (1/n + 1/m); its mean size is √(2/π) of its spread.
    """
    totals = [np.nansum(each, axis=1, keepdims=True) for each in (before, after)]
    with np.errstate(invalid="ignore", divide="ignore"):
        pooled = (before + after) / (totals[0] + totals[1])
        spread = np.sqrt(pooled * (1 / totals[0] + 1 / totals[1]))
    expected: Floats = np.sqrt(2 / np.pi) * spread.sum(axis=1) / 2
    return expected


def without_rank_effects(loads: Floats, expected: Floats) -> Floats:
    """Return the ranks' loads, × their layer's mean, without what each has beyond `expected` in all layers.

    Both are loads [layer, rank]. Layers route independently: what a rank has more than expected in layer
    after layer (padding, dummy tokens) is the rank's and no expert's; its mean over layers is taken off.
    """
    relative = []
    for each in (loads, expected):
        with np.errstate(invalid="ignore", divide="ignore"):
            relative.append(each / known_mean(each, axis=1, keepdims=True))
    eased: Floats = np.maximum(relative[0] - known_mean(relative[0] - relative[1], axis=0), 0.0)
    return eased


def step_between(before: Placed, after: Placed, tokens: float | None) -> Step:
    """Return what moved between two periods; `tokens` an expert are assumed where loads are no counts."""
    count = int(max(before.experts.max(initial=-1), after.experts.max(initial=-1))) + 1
    heats = [each.heat(count) for each in (before, after)]
    counts = [each if tokens is None else _as_counts(each, tokens) for each in heats]
    loads, expected = after.under(heats[1]), after.under(heats[0])
    return Step(
        moved_share(*heats),
        moved_by_chance(counts[0], counts[1]),
        par(loads, axis=1),
        par(without_rank_effects(loads, expected), axis=1),
        par(expected, axis=1),
    )


def par_of_first(periods: Sequence[Placed]) -> Floats:
    """Return PAR over ranks of each later period's table with the heat of the first, [period - 1, layer]."""
    count = int(max(period.experts.max(initial=-1) for period in periods)) + 1
    heat = periods[0].heat(count)
    return np.stack([par(period.under(heat), axis=1) for period in periods[1:]])


def step_of_heat(before: Floats, after: Floats, rank_loads: Floats, tokens: float | None) -> Step:
    """Return what moved between two periods of which only the experts' heat [layer, expert] is known.

    `rank_loads` [layer, rank] are those of the later period; `tokens` as in `step_between`.
    """
    counts = [each if tokens is None else _as_counts(each, tokens) for each in (before, after)]
    return Step(
        moved_share(before, after),
        moved_by_chance(counts[0], counts[1]),
        par(rank_loads, axis=1),
        par(without_rank_effects(rank_loads, np.ones(rank_loads.shape)), axis=1),
        None,
    )


def _as_counts(heat: Floats, tokens: float) -> Floats:
    mean = known_mean(heat, axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return heat / mean * tokens


def _by_rank(slots: Floats, ranks: Ints) -> Floats:
    return np.stack([slots[:, ranks == rank].sum(axis=1) for rank in np.unique(ranks)], axis=1)
