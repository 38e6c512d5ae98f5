"""A placement of experts as tables: which expert each slot holds, and how many copies each expert has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from lbtui.analysis.imbalance import Floats


@dataclass(frozen=True)
class Placed:
    """The first placement of one instance.

    `experts` is [layer, column] -> model expert, -1 where no slot is or it holds none; columns are rank ×
    slots + slot, or slots where ranks are unknown (`ranks` is then empty, else the rank of each column).
    """

    instance: str
    experts: npt.NDArray[np.int64]
    ranks: tuple[int, ...]

    @property
    def copies(self) -> Floats:
        """How many slots hold each expert, [layer, expert]."""
        counts = np.zeros((len(self.experts), int(self.experts.max(initial=-1)) + 1))
        layer, column = np.nonzero(self.experts >= 0)
        np.add.at(counts, (layer, self.experts[layer, column]), 1)
        return counts


def placed(placements: pl.DataFrame) -> list[Placed]:
    """Return the first placement of each instance in the frame `placements`."""
    found = []
    for (instance,), rows in placements.group_by(["instance"], maintain_order=True):
        first = rows.filter(pl.col("period") == pl.col("period").min())
        slots = int(first["slot"].to_numpy().max()) + 1
        known = not first["rank"].has_nulls()
        rank = first["rank"].fill_null(0).to_numpy().astype(np.int64)
        layer, slot = first["layer"].to_numpy(), first["slot"].to_numpy()
        ranks = int(rank.max()) + 1
        experts = np.full((int(layer.max()) + 1, ranks * slots), -1, dtype=np.int64)
        experts[layer, rank * slots + slot] = first["expert"].to_numpy()
        owners = tuple(np.repeat(np.arange(ranks), slots).tolist()) if known else ()
        found.append(Placed(str(instance), experts, owners))
    return found
