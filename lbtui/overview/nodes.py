"""The Overview's lines over P/D nodes: the requests added per role."""

from __future__ import annotations

import math

import numpy as np
import polars as pl

from lbtui.analysis import prefill_decode
from lbtui.analysis.imbalance import Floats
from lbtui.analysis.lanes import bin_edges
from lbtui.overview.domains import Scope
from lbtui.overview.model import BINS, Figure, Line, Place, absent_line
from lbtui.overview.text import par_text, percent
from lbtui.profile.place import Window
from lbtui.text import _, visible

_ROLES = (("prefill", _("P added")), ("decode", _("D added")))


def node_lines(nodes: pl.DataFrame, scope: Scope) -> list[Line]:
    """Return a line per role of the requests added to its nodes."""
    if nodes.is_empty():
        return [absent_line("pd.added", "pd", _("P/D added"), _("no P/D node is recorded"))]
    table = prefill_decode.node_table(nodes, scope.expected)
    names = dict(_ROLES)
    return [_role_line(table, role, names.get(role, visible(role)), scope.window) for role in table.roles]


def _role_line(table: prefill_decode.NodeTable, role: str, name: str, window: Window) -> Line:
    shares = [s for s in prefill_decode.node_shares(table) if s.node.role == role]
    most = max(shares, key=lambda s: s.added)
    column = table.nodes.index(most.node)
    added = table.counts["added"][:, column]
    fullest = int(np.nanargmax(added)) if not np.isnan(added).all() else 0
    start = int(table.starts[fullest])
    value = prefill_decode.role_par(table, role)
    chance = prefill_decode.role_chance_par(table, role)
    place = Place(address=most.node.address, role=role, start=start, end=start + int(table.bin_seconds * 1e6))
    address = visible(most.node.address)
    total = sum(s.added for s in shares)
    details = [
        _("{address} · {added} of {total} · {share} · {ratio:.2f}× the mean").format(
            address=visible(s.node.address), added=s.added, total=total, share=percent(s.share), ratio=s.ratio
        )
        for s in sorted(shares, key=lambda s: -s.added)
    ]
    return Line(
        f"pd.added.{role}",
        "pd",
        name,
        headline=par_text(value),
        beside=_("chance {par:.2f}").format(par=chance),
        values=tuple(_at_instants(table, added, window)),
        column=_("requests added to {address} in {seconds:g} s").format(
            address=address, seconds=table.bin_seconds
        ),
        unit=_("requests"),
        over_time=True,
        worst=_("{address}: {share} of {total}").format(
            address=address, share=percent(most.share), total=total
        ),
        place=place,
        time=start + int(table.bin_seconds * 5e5),
        details=tuple(details),
        figures=(
            Figure("pd", "added", "par", "max/mean", value, Place(role=role), place, chance),
            *(
                Figure("pd", "added", "share", "share", s.share, Place(role=role, address=s.node.address))
                for s in shares
            ),
        ),
    )


def _at_instants(table: prefill_decode.NodeTable, values: Floats, window: Window) -> list[float]:
    """Return the value of the node bin that each of the lane's bins has its middle in."""
    edges = bin_edges(*window, BINS)
    bins = [prefill_decode.bin_at(table, int(middle)) for middle in (edges[:-1] + edges[1:]) // 2]
    return [math.nan if i is None else float(values[i]) for i in bins]
