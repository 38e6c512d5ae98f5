"""Nodes that stand still: that end nothing although requests run on them, or get nothing any more."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from lbtui.analysis.imbalance import Floats
from lbtui.analysis.prefill_decode import Count, NodeTable

_FEWEST_BINS = 3
# With nothing coming in, requests whose end was not recorded look as if they ran on: so many must have come,
# or so much of the most that were ever there must be left.
_FEWEST_ADDED, _FEWEST_LEFT, _LEFT_SHARE = 3, 5, 0.5
_LONGER_GAP = 2.0  # × the longest other time without an end
_CERTAIN = 0.999  # keeps the logarithm finite where all end within their bin
_LONGER_STAY = 1.5  # × how long 95 % of the requests stay on a node of the role


@dataclass(frozen=True)
class Stall:
    """Column `node` of a table stands still in bins [first, last).

    With `running`, that many run at the end of it while none ends, `held` request-seconds in all; without,
    the node gets nothing while its peers get `peers` requests, of which `share` each would be its own.
    """

    node: int
    first: int
    last: int
    least_bins: int
    p_value: float
    running: int | None = None
    held: float = 0.0
    peers: int = 0
    share: float = 0.0


@dataclass(frozen=True)
class StallLimits:
    """What counts: a stretch of 3 bins and `least_share` of the run, `chance` at most, all looks included.

    `stay` is how long 95 % of the requests stay on a node of the role (s), 0 where unknown.
    """

    least_share: float
    chance: float
    stay: float = 0.0


def stalls(table: NodeTable, role: str, limits: StallLimits) -> list[Stall]:
    """Return the nodes of a role that stand still, one stall each; those that end nothing first."""
    columns = table.of_role(role)
    least = max(_FEWEST_BINS, math.ceil(limits.least_share * len(table.times)))
    if least > len(table.times):
        return []
    found = [_ends_nothing(table, columns, i, least, limits) for i in range(len(columns))]
    found += [_gets_nothing(table, columns, i, least, limits) for i in range(len(columns))]
    first: dict[int, Stall] = {}
    for stall in found:
        if stall is not None:
            first.setdefault(stall.node, stall)
    return list(first.values())


@lru_cache(maxsize=6)
def _cells(table: NodeTable, count: Count, role: str) -> Floats:
    """Return the cells [bin, node] of a role's nodes, 0 where unknown; made once for all of these."""
    return np.nan_to_num(table.counts[count])[:, table.of_role(role)]


def _ends_nothing(
    table: NodeTable, columns: list[int], place: int, least: int, limits: StallLimits
) -> Stall | None:
    """Return the longest stretch in which a node ends nothing while requests run on it.

    Chance: each request there would have to stay in each bin, though elsewhere (the less of this node at
    other times and of its peers) a share of those present ends in each. Requests that all take as long end
    in bursts: the stretch must be longer than any other without an end, and than requests stay.
    """
    role = table.nodes[columns[0]].role
    added, ended, running = (_cells(table, count, role) for count in ("added", "ended", "running"))
    still = (ended[:, place] == 0) & (running[:, place] > 0)
    stretches = sorted(_stretches(still), key=lambda s: s[1] - s[0], reverse=True)
    if not stretches:
        return None
    first, last = stretches[0]
    length = last - first
    others = max((b - a for a, b in stretches[1:]), default=0)
    if (
        length < max(least, _LONGER_GAP * others)
        or length * table.bin_seconds < _LONGER_STAY * limits.stay
        or not _really_runs(added[:, place], running[:, place], first, last)
    ):
        return None
    outside = np.ones(len(still), bool)
    outside[first:last] = False
    peers = [i for i in range(len(columns)) if i != place]
    if ended[:first, place].any():
        shares = [
            _ending_share(ended[rows][:, nodes], running[rows][:, nodes])
            for rows, nodes in ((outside, [place]), (slice(None), peers))
        ]
    else:
        # Nothing ends before the first requests have stayed as long as requests do: so with the peers?
        shares = [_ending_share(ended[first:last, peers], running[first:last, peers])]
    known = [share for share in shares if share is not None]
    if not known or min(known) <= 0:
        return None
    present = float(running[first:last, place].sum())
    looks = len(columns) * len(table.times)
    p = min(1.0, looks * math.exp(present * math.log1p(-min([*known, _CERTAIN]))))
    if p > limits.chance:
        return None
    return Stall(
        columns[place],
        first,
        last,
        least,
        p,
        running=int(running[last - 1, place]),
        held=present * table.bin_seconds,
    )


def _really_runs(added: Floats, running: Floats, first: int, last: int) -> bool:
    left = running[last - 1]
    return bool(
        # What comes in the last bin may well end in the next.
        added[first : last - 1].sum() >= _FEWEST_ADDED
        or (left >= _FEWEST_LEFT and left >= _LEFT_SHARE * running.max())
    )


def _ending_share(ended: Floats, running: Floats) -> float | None:
    """Return Σ ended / Σ present (running at the end of the bin, or ended in it), None if none ever was."""
    present = float((ended + running).sum())
    return float(ended.sum()) / present if present else None


def _gets_nothing(
    table: NodeTable, columns: list[int], place: int, least: int, limits: StallLimits
) -> Stall | None:
    """Return the time from which a node gets nothing, up to the last request that its role gets.

    Chance: none of the role's requests since would have gone to it, each with its share before then, or an
    equal one where that is smaller.
    """
    if len(columns) < 2:
        return None
    added = _cells(table, "added", table.nodes[columns[0]].role)
    got = np.flatnonzero(added[:, place])
    coming = np.flatnonzero(added.sum(axis=1))
    if not len(coming):
        return None
    first = int(got[-1]) + 1 if len(got) else int(coming[0])
    last = int(coming[-1]) + 1
    peers = int(added[first:last].sum())
    if last - first < least or not peers:
        return None
    before = added[:first]
    own = (float(before[:, place].sum()) + 1) / (float(before.sum()) + len(columns))
    share = min(own, 1 / len(columns))
    p = min(1.0, len(columns) * len(table.times) * math.exp(peers * math.log1p(-share)))
    if p > limits.chance:
        return None
    return Stall(columns[place], first, last, least, p, peers=peers, share=share)


def _stretches(still: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.r_[False, still, False]))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
