"""Whether a metric stayed as it was over runs that follow each other, went by steps, or drifted.

Runs of an unchanged service are exchangeable: any order of them is as likely. So the order that was seen is
compared with random ones (a permutation test, Fisher 1935), which holds whatever the distribution. What is
compared is the largest share of the variance that one shape explains: a step at any place (the largest
two-sample |t|, Hawkins 1977, in other units) or a straight line; and by itself a stretch at another level
(circular binary segmentation, Olshen and others 2004), for which less of the level is spent. It stops as soon
as so many orders reach what was seen that no more can make it a call (Besag and Clifford 1991).

Three things more are asked, since equal runs are not the only ones that nothing was changed between:

- Runs may resemble those next to them (the hour of the day, a warm cache). The change must explain the runs
  better than an AR(1) around one level does, by more than 6 in BIC ("strong", Kass and Raftery 1995).
- It must be more than the runs' own errors explain: 1.96 standard errors of the levels' difference.
- It must be at least the smallest difference worth calling.

Which shape it is the BIC says (Schwarz 1978), a place counting as a parameter. Where a step is found, the
runs before and behind it are looked at by themselves (binary segmentation, Vostrikova 1981), at half the
level. Positive values are taken as logarithms. Values further than 2.5 robust standard deviations from the
median count as that far, the robust one being that of the shortest half (Rousseeuw and Leroy 1987), so that
one broken run neither is a change nor hides one: a step of 1.3 × with one run at 2.7 × among 20 is found in a
third of the cases without it, in nine tenths with it. `tests/bench/runs_trend.py` prints what all of this
calls.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from lbtui.analysis.imbalance import Floats

Kind: TypeAlias = Literal["step", "drift"]
_Places: TypeAlias = npt.NDArray[np.intp]

SEED = 20260102
# Of equal runs no more are called: the promise is 2 %, which a sample of 300 sequences may miss by chance.
LEVEL = 0.015
# With 10 runs 2 of the 252 orders of a step in the middle look as clear: 0.8 %. With 8 it would be 2.9 %.
FEWEST = 10
# A level is told by three runs at least.
SIDE = 3
# Robust standard deviations from the median.
FAR = 2.5
# A standard deviation / the length that half of a Gaussian's values have; of n values 1 + 10 / n times that.
_OF_HALF, _OF_FEW = 0.7413, 10.0
STRONG = 6.0
_Z = 1.959964
_CHUNK = 125
# Orders × runs that are looked at in one test; at least `_FEWEST_ORDERS`, at most `_MOST_ORDERS` orders.
_EFFORT, _FEWEST_ORDERS, _MOST_ORDERS = 400_000, 999, 9_999
# Places between which a stretch at another level is looked for in the orders.
_MOST_CUTS = 20
# Of the level, what steps and lines have and what stretches have.
_SHARES = np.array([0.7, 0.3])
# What rounding leaves of a share of the variance.
_NOTHING = 1e-12


@dataclass(frozen=True)
class Values:
    """One metric of runs in order of time: `errors` are their own standard errors, NaN where unknown.

    `smallest` is the smallest difference worth calling: in the values' unit, or a share of the greater one.
    """

    values: Floats
    errors: Floats
    smallest: float = 0.0
    relative: bool = False

    @property
    def count(self) -> int:
        """How many runs there are."""
        return len(self.values)

    @property
    def logs(self) -> bool:
        """Whether the values are taken as logarithms: all are above 0."""
        return bool((self.values > 0).all())

    def matters(self, before: float, after: float) -> bool:
        """Tell whether a difference is worth calling."""
        least = self.smallest * (max(abs(before), abs(after)) if self.relative else 1.0)
        return before != after and abs(after - before) >= least


@dataclass(frozen=True)
class Found:
    """One change; places count from 0 among the values given.

    Of a step `at` is the first run behind it, `before` and `after` are the medians of the runs between it and
    its neighbours, `first` and `last` their bounds, both included. Of a drift `at` is `first`, and the levels
    are the ends of the line. `p_value` is how often runs in any order show a change as clear. `per_run` is
    the factor from one run to the next of a drift, NaN of a step and where a level is not above 0.
    """

    kind: Kind
    at: int
    first: int
    last: int
    before: float
    after: float
    p_value: float
    per_run: float = math.nan


@dataclass(frozen=True)
class _Model:
    """A shape that explains a stretch: places of its steps (none of a line), and the share left, > 0."""

    cuts: tuple[int, ...]
    left: float
    parameters: int

    def bic(self, count: int) -> float:
        return count * math.log(self.left) + self.parameters * math.log(count)


@dataclass
class _Pieces:
    """What was found so far: steps as place and p-value, drifts as bounds and p-value."""

    steps: dict[int, float] = field(default_factory=dict)
    drifts: list[tuple[int, int, float]] = field(default_factory=list)


def changes(given: Values) -> tuple[Found, ...]:
    """Return what changed, in order of time; nothing of fewer than `FEWEST` runs."""
    pieces = _Pieces()
    _look(given, 0, given.count, pieces)
    if not _is_strong(given, pieces):
        return ()
    return tuple(sorted([*_steps(given, pieces), *_drifts(given, pieces)], key=lambda one: one.at))


def _look(given: Values, begin: int, end: int, pieces: _Pieces) -> None:
    """Put into `pieces` what changed in [begin, end)."""
    if end - begin < FEWEST:
        return
    level = _even(given, begin, end)
    spread = float(level @ level)
    if spread <= 0:
        return
    level /= math.sqrt(spread)
    # Between steps there are two stretches or more, of which none is to be called by chance.
    highest = LEVEL if end - begin == given.count else LEVEL / 2
    p_value = _p_value(level, highest)
    if p_value > highest:
        return
    model = _shape(level)
    if not model.cuts:
        before, after = _line(given, begin, end)
        error = _line_error(given, begin, end)
        if given.matters(before, after) and abs(after - before) > _Z * error:
            pieces.drifts.append((begin, end, p_value))
        return
    edges = _placed(given, [begin, *(begin + cut for cut in model.cuts), end])
    for (first, at), (_same, last) in pairwise(pairwise(edges)):
        before, after = _median(given, first, at), _median(given, at, last)
        error = math.hypot(_level_error(given, first, at), _level_error(given, at, last))
        if not given.matters(before, after) or abs(after - before) <= _Z * error:
            return
    pieces.steps |= dict.fromkeys(edges[1:-1], p_value)
    for first, last in pairwise(edges):
        _look(given, first, last, pieces)


def _placed(given: Values, edges: list[int]) -> list[int]:
    """Return the edges with each step where the absolute deviations from the medians beside it are least.

    By the values as they are: of those that count as less far nothing tells on which side they belong.
    """
    taken = np.log(given.values) if given.logs else given.values
    placed = list(edges)
    for place in range(1, len(edges) - 1):
        first, at, last = placed[place - 1], placed[place], placed[place + 1]
        own = taken[first:last]
        before, after = (np.abs(own - np.median(side)) for side in (own[: at - first], own[at - first :]))
        cost = np.cumsum(before)[SIDE - 1 : len(own) - SIDE] - np.cumsum(after)[SIDE - 1 : len(own) - SIDE]
        placed[place] = first + SIDE + int(np.argmin(cost))
    return placed


def _steps(given: Values, pieces: _Pieces) -> Iterator[Found]:
    edges = sorted({0, given.count, *pieces.steps})
    for (first, at), (_same, last) in pairwise(pairwise(edges)):
        levels = _median(given, first, at), _median(given, at, last)
        yield Found("step", at, first, last - 1, *levels, pieces.steps[at])


def _drifts(given: Values, pieces: _Pieces) -> Iterator[Found]:
    for begin, end, p_value in pieces.drifts:
        before, after = _line(given, begin, end)
        per_run = math.nan
        if before > 0 and after > 0:
            per_run = (after / before) ** (1 / (end - 1 - begin))
        yield Found("drift", begin, begin, end - 1, before, after, p_value, per_run)


def _even(given: Values, begin: int, end: int) -> Floats:
    """Return the values as they are compared: logarithms, none far from the median, of mean 0."""
    own = given.values[begin:end]
    taken = np.log(own) if given.logs else own
    away = taken - np.median(taken)
    # Of half the values the closest: a step of the other half does not widen it, as it does a MAD.
    ordered, count, half = np.sort(taken), len(taken), len(taken) // 2
    shortest = float((ordered[half - 1 :] - ordered[: count - half + 1]).min())
    robust = _OF_HALF * (1 + _OF_FEW / count) * shortest
    # Where most values are equal nothing tells which are far.
    kept = np.clip(away, -FAR * robust, FAR * robust) if robust > 0 else away
    still = kept - kept.mean()
    # Equal values leave what rounding does.
    return np.zeros(len(own)) if np.ptp(taken) <= 1e-12 * np.abs(taken).max() else still


def _median(given: Values, begin: int, end: int) -> float:
    return float(np.median(given.values[begin:end]))


def _line(given: Values, begin: int, end: int) -> tuple[float, float]:
    """Return both ends of the line through [begin, end), in the values' unit."""
    own = given.values[begin:end]
    taken = np.log(own) if given.logs else own
    kept = _even(given, begin, end)
    middle, rise = float(taken.mean()), float(kept @ _time(len(own)))
    reach = rise * float(_time(len(own))[-1])
    ends = middle - reach, middle + reach
    return (math.exp(ends[0]), math.exp(ends[1])) if given.logs else ends


def _level_error(given: Values, begin: int, end: int) -> float:
    """Return the standard error of a level as the runs' own errors have it; runs without one add none."""
    errors = np.nan_to_num(given.errors[begin:end], nan=0.0, posinf=0.0, neginf=0.0)
    return math.sqrt(float(errors @ errors)) / len(errors)


def _line_error(given: Values, begin: int, end: int) -> float:
    """Return the standard error of the difference of a line's ends, likewise."""
    errors = np.nan_to_num(given.errors[begin:end], nan=0.0, posinf=0.0, neginf=0.0)
    time = _time(len(errors))
    return 2 * float(time[-1]) * math.sqrt(float((errors * time) @ (errors * time)))


@lru_cache(maxsize=64)
def _time(count: int) -> Floats:
    """Return the places of runs as a contrast: of mean 0 and length 1."""
    places = np.arange(count, dtype=np.float64) - (count - 1) / 2
    return places / math.sqrt(float(places @ places))


@dataclass(frozen=True)
class _Contrasts:
    """The shapes that are looked for in so many runs.

    Of steps the places with their scales; of stretches [begin, end) likewise.
    """

    steps: _Places
    step_scales: Floats
    begins: _Places
    ends: _Places
    stretch_scales: Floats

    def largest(self, levels: Floats) -> Floats:
        """Return of levels [run, order] of length 1 and mean 0 the most that shapes explain, as lengths.

        [0] of a line and the steps, [1] of the stretches.
        """
        sums = np.cumsum(levels, axis=0)
        line = np.abs(_time(len(levels)) @ levels)
        steps = (np.abs(sums[self.steps - 1]) * self.step_scales[:, None]).max(axis=0)
        gaps = np.abs(sums[self.ends - 1] - sums[self.begins - 1]) * self.stretch_scales[:, None]
        return np.stack([np.maximum(line, steps), gaps.max(axis=0, initial=0.0)])


@lru_cache(maxsize=64)
def _contrasts(count: int) -> _Contrasts:
    steps = np.arange(SIDE, count - SIDE + 1)
    cuts = steps
    if len(cuts) > _MOST_CUTS:
        cuts = np.unique(np.linspace(SIDE, count - SIDE, _MOST_CUTS).astype(np.intp))
    begins, ends = (found.ravel() for found in np.meshgrid(cuts, cuts, indexing="ij"))
    wide = ends - begins >= SIDE
    begins, ends = begins[wide], ends[wide]
    return _Contrasts(steps, _scale(steps, count), begins, ends, _scale(ends - begins, count))


def _scale(inside: _Places, count: int) -> Floats:
    """Return by what a sum over so many runs is multiplied to be a contrast of length 1."""
    return np.asarray(np.sqrt(count / (inside * (count - inside))), dtype=np.float64)


@lru_cache(maxsize=8)  # 4 MB each at most
def _orders(count: int) -> npt.NDArray[np.uint16]:
    """Return random orders of so many runs: [run, order]."""
    number = min(max(_EFFORT // count, _FEWEST_ORDERS), _MOST_ORDERS)
    rng = np.random.default_rng((SEED, count))
    orders = rng.permuted(np.tile(np.arange(count, dtype=np.uint16), (number, 1)), axis=1)
    return np.ascontiguousarray(orders.T)


def _p_value(level: Floats, highest: float = LEVEL) -> float:
    """Return how often orders show as clear a shape; where it stops early, a number above `highest`."""
    shapes, orders = _contrasts(len(level)), _orders(len(level))
    seen = shapes.largest(level[:, None]) * (1 - 1e-9)
    number = orders.shape[1]
    reached = np.ones(2)
    for begin in range(0, number, _CHUNK):
        most = shapes.largest(level[orders[:, begin : begin + _CHUNK]])
        reached += np.count_nonzero(most >= seen, axis=1)
        if (p_value := float((reached / (number + 1) / _SHARES).min())) > highest:
            break
    return min(p_value, 1.0)


def _shape(level: Floats) -> _Model:
    """Return the model that explains a level of length 1 best."""
    count = len(level)
    sums = np.concatenate([[0.0], np.cumsum(level)])
    line = _Model((), max(1 - float(level @ _time(count)) ** 2, _NOTHING), 3)
    at = _best_cut(sums, 0, count)
    step = _Model((at,), _left(sums, (0, at, count)), 4)
    best = min(line, step, _stretch(sums), key=lambda model: model.bic(count))
    if best is not line:
        return best
    # Two steps in one direction look like a line.
    parts = [(first, last) for first, last in ((0, at), (at, count)) if last - first >= 2 * SIDE]
    stairs = [tuple(sorted((at, _best_cut(sums, *part)))) for part in parts]
    models = [_Model(cuts, _left(sums, (0, *cuts, count)), 6) for cuts in stairs]
    return min([line, *models], key=lambda model: model.bic(count))


def _best_cut(sums: Floats, begin: int, end: int) -> int:
    """Return where [begin, end) is cut best into two levels."""
    cuts = np.arange(begin + SIDE, end - SIDE + 1)
    inside = cuts - begin
    gaps = sums[cuts] - sums[begin] - (sums[end] - sums[begin]) * inside / (end - begin)
    return int(cuts[np.argmax(np.abs(gaps) * _scale(inside, end - begin))])


def _stretch(sums: Floats) -> _Model:
    """Return the stretch whose level differs most from that of all other runs."""
    count = len(sums) - 1
    shapes = _contrasts(count)
    found = int(np.argmax(np.abs(sums[shapes.ends] - sums[shapes.begins]) * shapes.stretch_scales))
    begin, end = int(shapes.begins[found]), int(shapes.ends[found])
    for _again in range(2):  # the places looked at may not be all
        begins = np.arange(SIDE, end - SIDE + 1)
        begin = int(begins[np.argmax(np.abs(sums[end] - sums[begins]) * _scale(end - begins, count))])
        ends = np.arange(begin + SIDE, count - SIDE + 1)
        end = int(ends[np.argmax(np.abs(sums[ends] - sums[begin]) * _scale(ends - begin, count))])
    inside = (sums[end] - sums[begin]) ** 2 * float(_scale(np.array(end - begin), count)) ** 2
    return _Model((begin, end), max(1 - float(inside), _NOTHING), 5)


def _left(sums: Floats, edges: tuple[int, ...]) -> float:
    """Return the share of the variance that levels between the edges leave."""
    told = sum(float(sums[b] - sums[a]) ** 2 / (b - a) for a, b in pairwise(edges))
    return max(1 - told, _NOTHING)


def _is_strong(given: Values, pieces: _Pieces) -> bool:
    """Tell whether what was found explains the runs better than their resemblance to each other."""
    if not (pieces.steps or pieces.drifts):
        return False
    level = _even(given, 0, given.count)
    level /= math.sqrt(float(level @ level))
    left, drifting = 0.0, {(begin, end) for begin, end, _p in pieces.drifts}
    for begin, end in pairwise(sorted({0, given.count, *pieces.steps})):
        part = level[begin:end] - level[begin:end].mean()
        rise = float(part @ _time(end - begin)) if (begin, end) in drifting else 0.0
        left += max(float(part @ part) - rise**2, 0.0)
    model = _Model((), max(left, _NOTHING), 2 + 2 * len(pieces.steps) + len(drifting))
    return model.bic(given.count) + STRONG <= _resembling(level)


def _resembling(level: Floats) -> float:
    """Return the BIC of an AR(1) around one level, of exact Gaussian likelihood."""
    past = float(level[:-1] @ level[:-1])
    phi = min(max(float(level[1:] @ level[:-1]) / past, 0.0), 0.95) if past > 0 else 0.0
    new = level[1:] - phi * level[:-1]
    left = float(new @ new) + (1 - phi**2) * float(level[0]) ** 2
    count = len(level)
    return count * math.log(max(left, _NOTHING)) - math.log(1 - phi**2) + 3 * math.log(count)
