"""How a recorded dispatcher chose: round robin, the least loaded, or by chance. Told from its choices."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from lbtui.analysis.replay.model import Floats, Ints

Kind: TypeAlias = Literal["round_robin", "least_requests", "random", "uneven"]

_CYCLIC = 0.7  # of the choices that follow the usual one after the choice before
_LEAST = 0.3  # mean rank of the chosen among all by requests held: 0.5 by chance
_SIGMAS = 4.0  # of a count, beyond which shares are not even


def dispatch_kind(chosen: Ints, count: int, held: Floats | None = None) -> Kind:
    """Return how each of `chosen` (0 to `count` − 1, in the order of arrival) was chosen.

    `held` [request, candidate] are the requests that each candidate had then.
    """
    if count < 2 or len(chosen) < 4 * count:
        return "random"
    follows = np.zeros((count, count))
    np.add.at(follows, (chosen[:-1], chosen[1:]), 1)
    if count > 1 and follows.max(axis=1).sum() >= _CYCLIC * (len(chosen) - 1) and np.diag(follows).sum() == 0:
        return "round_robin"
    if held is not None and _mean_rank(chosen, held) <= _LEAST:
        return "least_requests"
    counts = np.bincount(chosen, minlength=count)
    mean = len(chosen) / count
    even = np.abs(counts - mean).max() <= _SIGMAS * np.sqrt(mean * (1 - 1 / count))
    return "random" if even else "uneven"


def held_by(arrival: Floats, end: Floats, chosen: Ints, count: int) -> Floats:
    """Return the requests [request, candidate] that each candidate holds when one arrives, without it."""
    found = np.zeros((len(arrival), count))
    for place in range(count):
        own = chosen == place
        came = np.searchsorted(np.sort(arrival[own]), arrival, "left")
        found[:, place] = came - np.searchsorted(np.sort(end[own]), arrival, "right")
    return found


def _mean_rank(chosen: Ints, held: Floats) -> float:
    """Return the mean rank, 0 to 1, of the chosen candidate among all; equals share their ranks."""
    own = held[np.arange(len(chosen)), chosen][:, None]
    less = (held < own).sum(axis=1)
    equal = (held == own).sum(axis=1) - 1
    told = (held != own).any(axis=1)  # where all hold as much nothing is told
    if not told.any():
        return 0.5
    return float(((less + equal / 2) / (held.shape[1] - 1))[told].mean())
