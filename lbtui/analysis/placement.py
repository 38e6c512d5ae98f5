"""A placement of experts as tables: which expert each slot holds, and how many copies each expert has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from lbtui.analysis.imbalance import Floats
from lbtui.analysis.overview_model import Experts, Line, Place
from lbtui.text import _, visible


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

    @property
    def shape(self) -> Experts:
        """Layers, ranks (None where unknown), slots of a rank, or of a layer, and experts."""
        layers, columns = self.experts.shape
        ranks = len(set(self.ranks))
        slots = columns // max(ranks, 1)
        return Experts(self.instance, 1, layers, ranks or None, slots, self.copies.shape[1])


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


def placement_lines(placements: pl.DataFrame) -> list[Line]:
    """Return a line per placement that lies alone: the copies of each expert."""
    return [_line(each) for each in placed(placements)]


def _line(found: Placed) -> Line:
    shape, copies = found.shape, found.copies
    layer, expert = (int(place) for place in np.unravel_index(copies.argmax(), copies.shape))
    most = int(copies[layer, expert])
    absent = int((copies == 0).sum())
    size = _("{ranks} ranks × {slots}").format(ranks=shape.ranks, slots=shape.slots_per_rank)
    details = [
        _("{experts} experts in {layers} layers of {size} slots").format(
            experts=shape.experts, layers=shape.layers, size=size if shape.ranks else shape.slots_per_rank
        ),
        _("{count} experts of the mean layer have several copies").format(
            count=f"{float((copies > 1).sum(axis=1).mean()):.3g}"
        ),
    ]
    if absent:
        details.append(_("{count} times an expert lies nowhere in a layer").format(count=absent))
    return Line(
        "ep.placement",
        "ep",
        _("Placement"),
        headline=size if shape.ranks else _("{slots} slots").format(slots=shape.slots_per_rank),
        beside=_("{count} experts").format(count=shape.experts),
        values=tuple(copies.mean(axis=0).tolist()),
        column=_("copies of an expert, mean over layers"),
        unit=_("copies"),
        names=tuple(_("expert {expert}").format(expert=number) for number in range(copies.shape[1])),
        worst=_("layer {layer}: expert {expert} {count} ×").format(layer=layer, expert=expert, count=most),
        place=Place(instance=visible(found.instance), layer=layer),
        details=tuple(details),
    )
