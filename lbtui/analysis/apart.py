"""Find the lanes that stand apart from the others for a while: one lane, or all those of a host."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeAlias

import numpy as np

from lbtui.analysis.imbalance import Flags, Floats

Bins: TypeAlias = tuple[int, int]  # [first, last)

_NORMAL = NormalDist()
_MAD = 1.4826  # × the median absolute deviation is the standard deviation of normal noise
_TAILS = 1.5  # × that: bins are no normal numbers
_LEAST_NOISE = 0.02  # of the least effect
_ENOUGH = 30  # steps in a window
_MOST_FOR_MEDIANS = 64  # lanes; of more, one lane moves no median
_LIKE_ITS_HOST = 0.5  # of the host's effect
_MOST_WINDOWS = 8
_ALL = 0.9  # of the bins: then it is all of them


@dataclass(frozen=True)
class Apart:
    """`lanes` (one, or all of a host) lie above the others in `windows`, by `effect` on the whole."""

    lanes: tuple[int, ...]
    host: str | None  # where the lanes are all those of a host
    windows: tuple[Bins, ...]
    effect: float  # in the unit of the values
    p_value: float


def lanes_apart(
    values: Floats,
    counts: Floats,
    hosts: Sequence[str],
    least: float,
    p_value: float,
    enough: int = _ENOUGH,
) -> list[Apart]:
    """Return who lies at least `least` above the median of the others, the most certain first.

    `values` [lane, bin] are means over `counts` steps. A window scores Σ n (x − median of the others) over
    s √Σ n, the likelihood ratio for a shifted mean in noise (Kulldorff 1997); s comes from the differences of
    neighbouring bins, which a lasting shift does not widen. Chance: the normal tail of the best score times
    all lanes and windows looked at (Bonferroni). Hosts of which every lane is above go before lanes; who is
    found is no yardstick for the others any more. A window has at least `enough` counts.
    """
    lanes, bins = values.shape
    if lanes < 2 or bins < 2:
        return []
    known = np.where(counts > 0, values, np.nan)
    noise = _noise(_above_others(known, list(range(lanes))), counts, least)
    looks = (lanes + len(set(hosts))) * bins * (bins + 1) / 2
    least_score = _NORMAL.inv_cdf(1 - min(p_value / looks, 0.5))
    scan = _Scan(least, least_score, noise, looks, enough)
    free = list(range(lanes))
    found: list[Apart] = []
    while len(free) > 1:
        best = max(
            (*_hosts(known, counts, hosts, free, scan), *_single(known, counts, free, scan)),
            key=lambda rated: rated[0],
            default=None,
        )
        if best is None:
            break
        found.append(best[1])
        free = [lane for lane in free if lane not in best[1].lanes]
    return found


@dataclass(frozen=True)
class _Scan:
    least: float
    least_score: float
    noise: float  # standard deviation of one step's value
    looks: float
    enough: int

    def windows(self, above: Floats, counts: Floats) -> tuple[list[Bins], float]:
        """Return the windows of one lane in which it is apart, and the best one's score."""
        weights = np.where(np.isfinite(above), counts, 0.0)
        x = np.nan_to_num(above)
        found: list[Bins] = []
        best = 0.0
        parts = [(0, len(x))]
        while parts and len(found) < _MOST_WINDOWS:
            begin, end = parts.pop()
            window, score = self._best(x[begin:end], weights[begin:end])
            if window is None:
                continue
            first, last = begin + window[0], begin + window[1]
            found.append((first, last))
            best = max(best, score)
            parts += [(begin, first), (last, end)]
        return sorted(found), best

    def _best(self, x: Floats, weights: Floats) -> tuple[Bins | None, float]:
        if len(x) == 0 or not weights.any():
            return None, 0.0
        steps = np.append(0.0, np.cumsum(weights))
        sums = np.append(0.0, np.cumsum(weights * x))
        n = steps[None, :] - steps[:, None]
        total = sums[None, :] - sums[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            root = np.sqrt(np.maximum(n, 0.0))
            # What is above half the effect draws the window's ends.
            drawn = (total - n * self.least / 2) / root
            right = (n >= self.enough) & (total >= self.least * n)
        drawn = np.where(right, drawn, -np.inf)
        first, last = np.unravel_index(int(np.argmax(drawn)), drawn.shape)
        score = float(total[first, last] / (self.noise * root[first, last])) if right[first, last] else 0.0
        return ((int(first), int(last)), score) if score >= self.least_score else (None, 0.0)

    def apart(self, lanes: Sequence[int], host: str | None, above: Floats, counts: Floats) -> _Rated | None:
        """Return the finding of one lane or host with its score, None where it is like the others."""
        windows, score = self.windows(above, counts)
        if not windows:
            return None
        if sum(last - first for first, last in windows) >= _ALL * len(above):
            windows = [(0, len(above))]
        chosen = inside(windows, len(above)) & np.isfinite(above) & (counts > 0)
        effect = float(np.average(above[chosen], weights=counts[chosen]))
        p = min(1.0, self.looks * _tail(score))
        return score, Apart(tuple(lanes), host, tuple(windows), effect, p)


_Rated: TypeAlias = tuple[float, Apart]


def _tail(score: float) -> float:
    return 0.5 * math.erfc(score / math.sqrt(2))


def inside(windows: Sequence[Bins], bins: int) -> Flags:
    """Return for each bin whether one of the windows covers it."""
    chosen = np.zeros(bins, dtype=bool)
    for first, last in windows:
        chosen[first:last] = True
    return chosen


def _hosts(
    known: Floats, counts: Floats, hosts: Sequence[str], free: list[int], scan: _Scan
) -> Iterator[_Rated]:
    for host in dict.fromkeys(hosts[lane] for lane in free):
        own = [lane for lane in free if hosts[lane] == host]
        others = [lane for lane in free if hosts[lane] != host]
        if len(own) < 2 or not others:
            continue
        weights = np.where(np.isfinite(known[own]), counts[own], 0.0)
        n = weights.sum(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = np.nansum(np.nan_to_num(known[own]) * weights, axis=0) / n
        middle = _median(known[others])
        rated = scan.apart(own, host, mean - middle, n)
        if rated is None:
            continue
        chosen = inside(rated[1].windows, known.shape[1])
        each = [_mean(known[lane] - middle, counts[lane], chosen) for lane in own]
        if min(each) >= _LIKE_ITS_HOST * rated[1].effect:
            # One lane of a host that is apart makes the host's mean apart too, but not so certainly.
            yield rated


def _single(known: Floats, counts: Floats, free: list[int], scan: _Scan) -> Iterator[_Rated]:
    for lane, above in zip(free, _above_others(known, free), strict=True):
        rated = scan.apart([lane], None, above, counts[lane])
        if rated is not None:
            yield rated


def _above_others(known: Floats, free: list[int]) -> Floats:
    """Return [lane, bin] of the `free` lanes less the median of the other free ones."""
    part = known[free]
    if len(free) > _MOST_FOR_MEDIANS:
        return part - _median(part)
    return np.array([part[i] - _median(np.delete(part, i, axis=0)) for i in range(len(free))])


def _median(rows: Floats) -> Floats:
    """Return the median of what is known in each column, NaN where nothing is."""
    ordered = np.sort(rows, axis=0)  # NaN last
    count = np.isfinite(rows).sum(axis=0)
    columns = np.arange(rows.shape[1])
    low, high = np.maximum(count - 1, 0) // 2, np.minimum(count // 2, len(rows) - 1)
    middle: Floats = np.where(count > 0, (ordered[low, columns] + ordered[high, columns]) / 2, np.nan)
    return middle


def _mean(values: Floats, counts: Floats, chosen: Flags) -> float:
    right = chosen & np.isfinite(values) & (counts > 0)
    return float(np.average(values[right], weights=counts[right])) if right.any() else -math.inf


def _noise(above: Floats, counts: Floats, least: float) -> float:
    """Return the standard deviation of one step's value, from the differences of neighbouring bins."""
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.sqrt(1 / counts[:, 1:] + 1 / counts[:, :-1])
        steps = (above[:, 1:] - above[:, :-1]) / scale
    known = np.abs(steps[np.isfinite(steps)])
    middle = float(np.median(known)) if len(known) else 0.0
    return max(_TAILS * _MAD * middle, _LEAST_NOISE * least)
