"""What the EP pane draws of a placement that lies alone: how many copies the expert in each slot has."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lbtui.analysis.expert_parallel import column_means, heat_scale
from lbtui.analysis.imbalance import Floats
from lbtui.analysis.placement import Placed
from lbtui.ui.panes.ep.data import EpData, EpMap, ViewName

_LEAST_HIGH = 2.0  # copies: a placement without any must not look hot


def with_placements(data: EpData, placements: list[Placed]) -> EpData:
    """Return the data with maps of slots and of model experts, coloured by copies, for each placement."""
    maps: dict[tuple[str, ViewName, int], EpMap] = {}
    for found in placements:
        copies = found.copies
        held = np.where(
            found.experts >= 0, np.take_along_axis(copies, np.maximum(found.experts, 0), 1), np.nan
        )
        maps[found.instance, "expert", 0] = _map(held, found)
        maps[found.instance, "model_expert", 0] = _map(copies, None)
    common = {(instance, view): shown.scale for (instance, view, _period), shown in maps.items()}
    return replace(data, periods={found.instance: (0,) for found in placements}, maps=maps, common=common)


def _map(values: Floats, slots: Placed | None) -> EpMap:
    ranks = slots.ranks if slots else ()
    experts = slots.experts.tolist() if slots else []
    return EpMap(
        values=values,
        kind="copies",
        scale=heat_scale([values], _LEAST_HIGH),
        multiples=None,
        shares=None,
        tokens=None,
        ranks=ranks,
        experts=tuple(tuple(None if expert < 0 else expert for expert in row) for row in experts),
        boundaries=tuple(i for i in range(len(ranks)) if i == 0 or ranks[i] != ranks[i - 1]),
        shared=frozenset(),
        means=column_means(values),
    )
