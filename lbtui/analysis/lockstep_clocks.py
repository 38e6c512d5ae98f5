"""By how much the clocks of hosts differ whose DP domains step together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from lbtui.analysis.lanes import Micros

_FURTHEST = 10_000_000  # µs: offsets up to 10 s are looked for
_STEPS = 600  # of each host that are compared
_BIN = 1000  # µs; domains that step together start within about so much
_CANDIDATES = 40
_FEWEST = 60  # of fewer steps, one step off may match as well by chance
_FINEST = 50.0  # µs; less spread tells nothing, as of times that are rounded
# Of the simulator's services, domains that step together spread by 0.004 of a step (0.015 where a host is
# slow between steps), and one step off at least 2.8 times that; others by 0.14 and more, as elsewhere.
_MOST_SPREAD = 0.04
_SURE = 8.0  # / √steps: by so much more the matches elsewhere spread, five times what is chance
_A_STEP = 0.9  # of the typical one


def clock_offsets(starts: Mapping[str, Micros]) -> dict[str, int]:
    """Return by how much (µs) each host's clock is ahead of the first host's, where that can be told.

    `starts` are the starts of one domain's steps on each host, in order. Domains that step together start
    together: at the right offset their starts hardly spread, and at any other they do, for steps differ in
    length, if only a little. Where they do not step together they spread at all, and the host is left out.
    """
    hosts = list(starts)
    offsets = {hosts[0]: 0} if hosts else {}
    for host in hosts[1:]:
        offset = _offset(starts[host], starts[hosts[0]])
        if offset is not None:
            offsets[host] = offset
    return offsets


def are_steps_apart(offsets: Mapping[str, int], starts: Mapping[str, Micros]) -> bool:
    """Tell whether clocks differ by a step or more, so that steps may overlap others than their own.

    By less, steps overlap their own, and a host whose steps start later may as well be late.
    """
    typical = max((_typical(own) for own in starts.values() if len(own) > 1), default=0.0)
    return max(offsets.values(), default=0) - min(offsets.values(), default=0) > _A_STEP * typical


def _offset(own: Micros, other: Micros) -> int | None:
    """Return the offset whose matches spread least, if little and far less than at any other.

    As the period of a star is found (phase dispersion minimisation, Stellingwerf 1978), with the median
    absolute deviation for the variance: hosts lack some steps.
    """
    if len(own) > len(other):
        offset = _offset(other, own)
        return None if offset is None else -offset
    if len(own) < _FEWEST:
        return None
    middle = len(own) // 2
    part = own[max(0, middle - _STEPS // 2) : middle + _STEPS // 2]
    found = sorted({_settled(part, other, offset) for offset in _candidates(part, other)})
    if not found:
        return None
    typical = _typical(part)
    spread, best = found[0]
    elsewhere = min((s for s, offset in found if abs(offset - best) > typical / 2), default=np.inf)
    if spread > _MOST_SPREAD * typical or elsewhere < (1 + _SURE / len(part) ** 0.5) * max(spread, _FINEST):
        return None
    return best


def _typical(starts: Micros) -> float:
    """Return how long (µs) after a step the next begins, on the median."""
    return float(np.median(np.diff(starts)))


def _candidates(part: Micros, other: Micros) -> list[int]:
    """Return the offsets (µs) at which most starts of both are near each other."""
    first = np.searchsorted(other, part - _FURTHEST)
    last = np.searchsorted(other, part + _FURTHEST)
    places = np.concatenate([np.arange(a, b) for a, b in zip(first.tolist(), last.tolist(), strict=True)])
    differences = np.repeat(part, last - first) - other[places]
    counts = np.bincount((differences + _FURTHEST) // _BIN, minlength=2 * _FURTHEST // _BIN + 2)
    # What lies across the border of two bins counts for both.
    pairs = counts[:-1] + counts[1:]
    most = np.argsort(-pairs, kind="stable")[:_CANDIDATES]
    found: list[int] = ((most[pairs[most] > 0] + 1) * _BIN - _FURTHEST).tolist()
    return found


def _settled(part: Micros, other: Micros, offset: int) -> tuple[float, int]:
    """Return the spread of matches (µs, median absolute deviation) about the offset near this one, and it."""
    apart: npt.NDArray[np.int64] = part
    for _ in range(3):
        own = part - offset
        at = np.clip(np.searchsorted(other, own), 1, len(other) - 1)
        before, after = own - other[at - 1], own - other[at]
        apart = np.where(before < -after, before, after)
        offset += int(np.median(apart))
    apart = apart - int(np.median(apart))
    return float(np.median(np.abs(apart))), offset
