"""By how much the clocks of hosts differ whose DP domains step together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lbtui.analysis.lanes import Micros

_FURTHEST = 10_000_000  # µs: offsets up to 10 s are looked for
_STEPS = 600  # of each host that are compared
_BIN = 1000  # µs; domains that step together start within less
_FEWEST = 30
_MATCHED = 0.6  # of the steps must start together at the right offset
_NEXT_BEST = 0.85  # × that, at most, elsewhere: steps of equal length match one step off, too


def clock_offsets(starts: Mapping[str, Micros]) -> dict[str, int]:
    """Return by how much (µs) each host's clock is ahead of the first host's, where that can be told.

    `starts` are the starts of one domain's steps on each host, in order. Domains that step together start
    together: the differences between their starts pile up at one value, the offset, for steps differ in
    length. Where they do not step together nothing piles up, and the host is left out.
    """
    hosts = list(starts)
    offsets = {hosts[0]: 0} if hosts else {}
    for host in hosts[1:]:
        offset = _offset(starts[host], starts[hosts[0]])
        if offset is not None:
            offsets[host] = offset
    return offsets


def _offset(own: Micros, other: Micros) -> int | None:
    if min(len(own), len(other)) < _FEWEST:
        return None
    middle = len(own) // 2
    part = own[max(0, middle - _STEPS // 2) : middle + _STEPS // 2]
    first = np.searchsorted(other, part - _FURTHEST)
    last = np.searchsorted(other, part + _FURTHEST)
    places = np.concatenate([np.arange(a, b) for a, b in zip(first.tolist(), last.tolist(), strict=True)])
    differences = np.repeat(part, last - first) - other[places]
    if not len(differences):
        return None
    bins = 2 * _FURTHEST // _BIN + 2
    counts = np.bincount((differences + _FURTHEST) // _BIN, minlength=bins)
    # What lies across the border of two bins counts for both.
    pairs = counts[:-1] + counts[1:]
    best = int(pairs.argmax())
    elsewhere = np.delete(pairs, slice(max(0, best - 2), best + 3))
    if pairs[best] < _MATCHED * len(part) or elsewhere.max() > _NEXT_BEST * pairs[best]:
        return None
    near = (differences >= best * _BIN - _FURTHEST) & (differences < (best + 2) * _BIN - _FURTHEST)
    return int(np.median(differences[near]))
