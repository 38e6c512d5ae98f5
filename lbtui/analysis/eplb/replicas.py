"""The copies of a model expert, and how evenly they share its load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lbtui.analysis.imbalance import Floats, par


@dataclass(frozen=True)
class Replicas:
    """The copies of one model expert in one layer."""

    expert: int
    columns: tuple[int, ...]  # of the expert view
    ranks: tuple[int, ...]  # of each copy
    shares: tuple[float, ...]  # of the expert's load, sum 1; NaN without load
    par: float  # over its copies: 1 is even; NaN without load


def replicas_of(
    loads: Floats, experts: Sequence[int | None], ranks: Sequence[int], expert: int
) -> Replicas | None:
    """Return the copies of `expert` in a layer, given the layer's loads, experts and ranks by column.

    None where it is in no slot.
    """
    columns = [column for column, held in enumerate(experts) if held == expert]
    if not columns:
        return None
    own = np.nan_to_num(loads[columns])
    total = float(own.sum())
    shares = own / total if total > 0 else np.full(len(own), np.nan)
    return Replicas(
        expert, tuple(columns), tuple(ranks[c] for c in columns), tuple(shares.tolist()), float(par(own))
    )


def replicated(
    loads: Floats, experts: Sequence[int | None], ranks: Sequence[int], shared: frozenset[int] = frozenset()
) -> tuple[Replicas, ...]:
    """Return the experts with several copies in a layer, the least evenly shared first; without `shared`."""
    several = sorted({e for e in experts if e is not None and e not in shared and experts.count(e) > 1})
    found = [replicas_of(loads, experts, ranks, expert) for expert in several]
    known = [each for each in found if each is not None]
    return tuple(sorted(known, key=lambda each: -np.nan_to_num(each.par, nan=-np.inf)))
