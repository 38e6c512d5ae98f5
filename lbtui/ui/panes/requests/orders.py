"""Orders of the request table: by which column, and downwards or upwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from lbtui.analysis.latency import Arranged, Arrangement, arrange
from lbtui.ui.kit.columns import after
from lbtui.ui.kit.orders import Orders
from lbtui.ui.panes.requests.columns import BY_NAME
from lbtui.ui.panes.requests.data import BINS


def orders_of(table: pl.DataFrame) -> Orders[Arrangement, Arranged]:
    """Return the orders of a request table."""
    return Orders(lambda wanted: arrange(table, wanted, BINS))


def sorted_by(name: str, wanted: Arrangement) -> Arrangement:
    """Return the arrangement by a column: numbers (and targets missed) from the greatest down, summarised."""
    column = BY_NAME[name]
    return replace(
        wanted,
        sort=name,
        descending=column.numeric or column.kind == "targets",
        measure=name if column.numeric else wanted.measure,
    )


def next_column(wanted: Arrangement, step: int, names: Sequence[str]) -> Arrangement:
    """Return the arrangement by the column `step` on among `names`."""
    return sorted_by(after(names, wanted.sort, step), wanted)
