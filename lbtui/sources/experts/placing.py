"""Placements from files, put to expert tables that have none of their own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lbtui.profile import UNPLACED, PlacementFile
from lbtui.sources.experts.routing import Placement
from lbtui.sources.experts.tables import ExpertTables


def fitting(file: PlacementFile, tables: ExpertTables, before: int = 0) -> Placement | None:
    """Return a file's placement as [layer, column of the tables], None if it is of another deployment.

    Its first `before` devices hold shared experts only and are no ranks of the tables.
    """
    if not tables.periods:
        return None
    layers, columns = tables.periods[0].shape
    devices = file.over(len(tables.ranks) + before)
    shape = (layers, len(tables.ranks), tables.slots_per_rank)
    if devices is None or devices[:, before:].shape != shape:
        return None
    return devices[:, before:].reshape(layers, columns)


def in_order(tables: ExpertTables, experts: int) -> Placement | None:
    """Return the placement of a deployment without EPLB, expert after expert; None if numbers do not fit."""
    if not tables.periods or tables.periods[0].shape[1] != experts:
        return None
    layers, columns = tables.periods[0].shape
    return np.tile(np.arange(columns, dtype=np.int32), (layers, 1))


def placed(tables: ExpertTables, placement: Placement, experts: int = 0) -> ExpertTables:
    """Return tables with one placement in every period; `experts` is how many there are at least."""
    named = max(experts, int(placement.max(initial=UNPLACED)) + 1)
    return replace(tables, placements=(placement,) * len(tables.periods), experts=named)
