"""The lines of the Overview on a placement of experts that lies alone."""

from __future__ import annotations

import numpy as np
import polars as pl

from lbtui.analysis.placement import Placed, placed
from lbtui.overview.model import Experts, Line, Place
from lbtui.text import _, visible


def shape_of(found: Placed) -> Experts:
    """Return layers, ranks (None where unknown), slots of a rank, or of a layer, and experts."""
    layers, columns = found.experts.shape
    ranks = len(set(found.ranks))
    slots = columns // max(ranks, 1)
    return Experts(found.instance, 1, layers, ranks or None, slots, found.copies.shape[1])


def placement_lines(placements: pl.DataFrame) -> list[Line]:
    """Return a line per placement that lies alone: the copies of each expert."""
    return [_line(each) for each in placed(placements)]


def _line(found: Placed) -> Line:
    shape, copies = shape_of(found), found.copies
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
