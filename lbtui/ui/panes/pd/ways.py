"""Lanes of a request's way from P to D beside those of the nodes: the wait for the KV pull, and the pull."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from lbtui.analysis.hand_off_waits import longest_begun, waits_and_pulls
from lbtui.analysis.imbalance import Floats
from lbtui.analysis.prefill_decode import NodeTable
from lbtui.render import palette
from lbtui.render.canvas import Scale
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.lanes import Marks, lane
from lbtui.render.text import fit, number, row
from lbtui.text import _


@dataclass(frozen=True, eq=False)
class Way:
    """One quantity of hand-offs, ms: the `longest` that begins in each bin, NaN without, and quantiles."""

    name: str
    longest: Floats
    p50: float
    p95: float
    across: bool  # begins by the clock of one host and ends by that of another


def ways_of(table: NodeTable, transfers: pl.DataFrame, handoffs: pl.DataFrame) -> tuple[Way, ...]:
    """Return the wait for the KV pull, and the pull, by the bins of a table; not what is not recorded."""
    ends = table.starts + round(table.bin_seconds * 1e6)
    found = []
    names = (_("hand-off wait"), _("KV pull"))
    for name, timed in zip(names, waits_and_pulls(transfers, handoffs), strict=True):
        if timed.height:
            p50, p95 = np.quantile(timed["value"].cast(pl.Float64).to_numpy(), [0.5, 0.95])
            longest = longest_begun(timed, table.starts, ends)
            found.append(Way(name, longest, float(p50), float(p95), name == names[0]))
    return tuple(found)


def way_row(way: Way, columns: Floats, cells: tuple[int, int, int], marks: Marks, caps: Capabilities) -> Row:
    """Return a lane of one line: its values in `columns`; `cells` of its label, its figures and the whole."""
    label, figures, width = cells
    high = float(np.nanmax(columns, initial=0.0)) or 1.0
    (bars,) = lane(columns.tolist(), Scale(0.0, high), caps, marks=marks)
    text = _(" p50 {p50} p95 {p95} ms").format(p50=number(way.p50), p95=number(way.p95))
    dim = palette.dim(caps)
    return row(
        fit(f" {way.name}", label, caps=caps, style=dim),
        bars,
        fit(text, figures, caps=caps, style=dim) if figures else [],
        width=width,
    )


def way_words(ways: tuple[Way, ...], bin: int) -> list[str]:
    """Return the longest of a bin, for the reading line."""
    return [
        _("{name} up to {longest} ms").format(name=way.name, longest=number(float(way.longest[bin])))
        for way in ways
        if not np.isnan(way.longest[bin])
    ]
