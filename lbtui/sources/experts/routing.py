"""The routing tables of an EPLB period's ranks, joined to which expert each slot holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from lbtui.profile import UNPLACED

Placement: TypeAlias = npt.NDArray[np.int32]
_Table: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Placed:
    """Which expert each slot holds: `placement` [layer, place × slots + slot], `UNPLACED` where unknown.

    `experts` is how many the tables name; `disputed` counts the slots that were named for several.
    """

    placement: Placement
    experts: int
    disputed: int


def join_routing(
    tables: Sequence[_Table | None], layers: int, ranks: Sequence[int], slots: int
) -> Placed | None:
    """Return what the ranks' tables [layer, model expert] -> global slot say together.

    A slot belongs to the expert that any rank's table sends there, as upstream joins them: each rank names
    its own copy of the shared expert, and may name another replica of any. Of several, the first counts.
    None if no table has `layers` rows.
    """
    usable = [table for table in tables if table is not None and len(table) == layers]
    if not usable:
        return None
    column_of = np.full((ranks[-1] + 1) * slots, -1, dtype=np.int64)
    column_of[(np.asarray(ranks)[:, None] * slots + np.arange(slots)).ravel()] = np.arange(len(ranks) * slots)
    placement = np.full((layers, len(ranks) * slots), UNPLACED, dtype=np.int32)
    disputed = np.zeros(placement.shape, dtype=np.bool_)
    for table in usable:
        column = np.where(table < len(column_of), column_of[np.minimum(table, len(column_of) - 1)], -1)
        layer, expert = np.nonzero(column >= 0)
        place = column[layer, expert]
        free = placement[layer, place] == UNPLACED
        # Backwards, so that within a table the first counts too.
        placement[layer[free][::-1], place[free][::-1]] = expert[free][::-1]
        disputed[layer, place] |= placement[layer, place] != expert
    return Placed(placement, max(table.shape[1] for table in usable), int(disputed.sum()))
