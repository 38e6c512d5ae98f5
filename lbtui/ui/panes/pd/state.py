"""What the P/D pane knows and what its user has chosen; both frozen, replaced and never changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from lbtui.analysis.node_events import LEAST_BIN, NodeEvents
from lbtui.analysis.prefill_decode import (
    COUNTS,
    Count,
    Node,
    NodeTable,
    Spread,
    bin_at,
    outstanding,
    rank_label,
    window_bins,
    window_loads,
)
from lbtui.profile import Missing, short_names
from lbtui.text import _
from lbtui.ui.kit import window as windows
from lbtui.ui.kit.selection import Selection, Side
from lbtui.ui.kit.window import Window
from lbtui.ui.panes.pd.ways import Way

_LEAST_BINS = 20  # in the shortest window
ROLE_CHOICES = (None, "prefill", "decode")


@dataclass(frozen=True, eq=False)
class PdData:
    """What the pane shows. `table` is None where no file has requests per node.

    Compared by identity, so that what is worked out of it can be kept by it.
    """

    table: NodeTable | None
    pulls: tuple[Spread, ...]  # per decode rank
    stages: tuple[Spread, ...]
    handoffs: pl.DataFrame  # by arrival
    missing: tuple[Missing, ...]  # of nodes, hand-offs and KV pulls
    side: Side | None = None  # which of two profiles; None: there is one
    doubt: str = ""  # why what goes from host to host may be off, a sentence
    ways: tuple[Way, ...] = ()  # hand-offs by the table's bins
    before: PdData | None = None  # of a difference: the profile before, its lines in the order of these
    left_out: str = ""  # of a difference: what one profile alone has, or why there is none
    # Requests at their own times, of which the table's bins may be made anew; None: only bins are known.
    events: NodeEvents | None = None
    pulled: pl.DataFrame | None = None  # KV pulls, which the ways are made of
    zoomed: bool = False  # whether the table has the bins of a part of the time


@dataclass(frozen=True)
class PdState:
    """What the user has chosen. `bin` and `node` are the cursor's place in the table."""

    count: Count = "added"
    role: str | None = None  # None is both
    text: str = ""  # filter
    chart: bool = False  # the upper part: lanes or line chart
    transfers: bool = False  # the lower part: table or hand-offs
    three: bool | None = None  # counts in a table cell; None: three if they fit
    bin: int = 0
    node: int = 0
    line: int = 0  # cursor in the hand-offs
    # What is scrolled to: kept, so that a move inside the view changes two rows only.
    first_bin: int = 0
    first_node: int = 0  # place among the nodes shown
    first_line: int = 0


def shown_nodes(table: NodeTable, state: PdState) -> list[int]:
    """Return the columns of the nodes that the role and the text filter leave, in the table's order."""
    return matching(table.nodes, state.role, state.text)


def matching(nodes: Sequence[Node], role: str | None, text: str) -> list[int]:
    """Return the places of nodes of a role (None: any) whose role or address holds every word of `text`."""
    words = text.lower().split()
    return [
        i
        for i, node in enumerate(nodes)
        if role in (None, node.role) and all(w in f"{node.role} {node.address}".lower() for w in words)
    ]


def lit_bins(table: NodeTable, selection: Selection) -> tuple[int, int] | None:
    """Return the half-open range of bins that the shared window touches, None if none or no window."""
    if selection.window is None:
        return None
    first, last = window_bins(table, selection.window)
    return (first, last) if first < last else None


def starting(data: PdData, selection: Selection) -> PdState:
    """Return the first state: the cursor where something is selected, else on what stands out most."""
    if data.table is None or not (places := outstanding(data.table)):
        return PdState(transfers=True)
    return following(data.table, PdState(bin=places[0][0], node=places[0][1]), selection)


def renewed(old: NodeTable, new: NodeTable, state: PdState) -> PdState:
    """Return the state on a table read anew: the same node and time; in the last bin in the last one now."""
    address, time = old.nodes[state.node].address, int(old.starts[state.bin])
    node = next((i for i, node in enumerate(new.nodes) if node.address == address), 0)
    last = len(new.times) - 1
    place = last if state.bin == len(old.times) - 1 else bin_at(new, time)
    return moved(new, replace(state, node=node, bin=min(state.bin, last) if place is None else place), 0, 0)


def rebinned(old: NodeTable, new: NodeTable, state: PdState) -> PdState:
    """Return the state on other bins of the same nodes: at the same time, or the nearest that is there."""
    place = int(np.searchsorted(new.starts, int(old.starts[state.bin]), side="right")) - 1
    return replace(state, bin=_kept(place, len(new.times)), first_bin=0)


def following(table: NodeTable, state: PdState, selection: Selection) -> PdState:
    """Return the state with its cursor at the selected time and node, where those are on the table."""
    if selection.time is not None and (place := bin_at(table, selection.time)) is not None:
        state = replace(state, bin=place)
    if selection.node is not None and table.nodes[state.node].address != selection.node:
        found = [i for i in shown_nodes(table, state) if table.nodes[i].address == selection.node]
        state = replace(state, node=found[0]) if found else state
    return state


def moved(table: NodeTable, state: PdState, bins: int, nodes: int) -> PdState:
    """Return the state with its cursor moved by so many bins and shown nodes, kept inside the table."""
    shown = shown_nodes(table, state)
    place = shown.index(state.node) if state.node in shown else 0
    return replace(
        state,
        bin=_kept(state.bin + bins, len(table.times)),
        node=shown[_kept(place + nodes, len(shown))],
    )


def with_filter(table: NodeTable, state: PdState, *, role: str | None, text: str) -> PdState:
    """Return the state with another filter, its cursor on a node that is still shown.

    A text that leaves no node of the role is given up for the role.
    """
    changed = replace(state, role=role, text=text, first_node=0)
    if not shown_nodes(table, changed):
        changed = replace(changed, text="")
    return moved(table, changed, 0, 0)


def place_moved(table: NodeTable, state: PdState, places: Sequence[tuple[int, int]], by: int) -> PdState:
    """Return the state with the cursor at the place `by` further among those (bin, node) of nodes shown.

    From elsewhere it goes to the first, or back to the last.
    """
    shown = shown_nodes(table, state)
    left = [place for place in places if place[1] in shown]
    if not left:
        return state
    here = (state.bin, state.node)
    at = left.index(here) if here in left else -1 if by > 0 else 0
    bin_, node = left[(at + by) % len(left)]
    return replace(state, bin=bin_, node=node)


def next_role(table: NodeTable, state: PdState) -> PdState:
    """Return the state with the next of both, prefill, decode, of those roles that the table has."""
    choices = [role for role in ROLE_CHOICES if role is None or role in table.roles]
    role = choices[(choices.index(state.role) + 1) % len(choices)] if state.role in choices else None
    return with_filter(table, state, role=role, text=state.text)


def next_count(state: PdState) -> PdState:
    """Return the state with the next of added, ended, running."""
    return replace(state, count=COUNTS[(COUNTS.index(state.count) + 1) % len(COUNTS)])


def whole_of(data: PdData, table: NodeTable) -> Window:
    """Return all the time that there are bins of."""
    if data.events is not None:
        return data.events.whole
    return int(table.starts[0]), int(table.starts[-1]) + round(table.bin_seconds * 1e6)


def zoomed(
    data: PdData, table: NodeTable, state: PdState, selection: Selection, factor: float
) -> Window | None:
    """Return the shared window `factor` times as long about the cursor's bin; None for the whole.

    It is one bin long at least, or where bins follow it, some of the shortest.
    """
    length = round(table.bin_seconds * 1e6)
    whole = whole_of(data, table)
    around = int(table.starts[state.bin]) + length // 2
    least = length if data.events is None else _LEAST_BINS * LEAST_BIN
    return windows.zoomed(factor, windows.within(selection.window, whole), whole, around, least)


def beyond(
    data: PdData, table: NodeTable, state: PdState, selection: Selection, bins: int
) -> tuple[int, Window] | None:
    """Return the time so many bins on and a window moved to hold it, None where the table goes so far."""
    if not data.zoomed or selection.window is None or 0 <= state.bin + bins < len(table.times):
        return None
    whole = whole_of(data, table)
    time = int(table.starts[state.bin]) + bins * round(table.bin_seconds * 1e6)
    time = max(whole[0], min(time, whole[1] - 1))
    return time, windows.following(time, windows.within(selection.window, whole), whole)


def moved_line(data: PdData, state: PdState, lines: int) -> PdState:
    """Return the state with the hand-offs' cursor moved."""
    return replace(state, line=_kept(state.line + lines, len(data.stages) + len(data.pulls)))


def aimed_at(data: PdData, state: PdState, pull: int | None) -> PdState:
    """Return the state with its cursor on the KV pulls of a rank, or in the table where `pull` is None."""
    if pull is None:
        return replace(state, transfers=state.transfers and data.table is None)
    labels = [spread.label for spread in data.pulls]
    name = rank_label(pull)
    line = len(data.stages) + labels.index(name) if name in labels else state.line
    return replace(state, transfers=True, line=line)


def at_role(table: NodeTable, state: PdState, role: str) -> PdState:
    """Return the state in the table, its cursor on the node of a role that was given most requests."""
    nodes = table.of_role(role)
    if not nodes:
        return state
    loads = np.nan_to_num(window_loads(table, "added"))
    state = replace(state, transfers=False)
    if state.role not in (None, role) or state.text:
        state = with_filter(table, state, role=None, text="")
    return replace(state, node=max(nodes, key=lambda i: loads[i]))


def scrolled(first: int, cursor: int, visible: int, total: int) -> int:
    """Return the first of `visible` entries shown so that the cursor is among them, moved no further."""
    first = min(max(first, cursor - visible + 1), cursor)
    return max(0, min(first, total - visible))


def _kept(place: int, total: int) -> int:
    return max(0, min(place, total - 1))


def count_title(count: Count) -> str:
    """Return the name of a count as a title."""
    return {"added": _("added requests"), "ended": _("ended requests"), "running": _("running requests")}[
        count
    ]


def count_word(count: Count) -> str:
    """Return the name of a count for people."""
    return {"added": _("added"), "ended": _("ended"), "running": _("running")}[count]


def count_head(count: Count) -> str:
    """Return the name of a count above its column."""
    return {"added": _("add"), "ended": _("end"), "running": _("run")}[count]


def role_word(role: str) -> str:
    """Return the name of a role for people; one that lbtui does not know stays as the file has it."""
    return {"prefill": _("prefill"), "decode": _("decode")}.get(role, role)


def node_names(table: NodeTable) -> list[str]:
    """Return each node's name: its role's first letter, then what tells its host apart."""
    short = short_names(table.hosts, dotted=True)
    return [
        f"{node.role[:1].upper()}{short[host]}" for node, host in zip(table.nodes, table.hosts, strict=True)
    ]
