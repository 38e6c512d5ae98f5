"""How long forward passes take, by what is computed in them: robust fits over all domains of a role."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lbtui.analysis.imbalance import Flags
from lbtui.analysis.replay.least_deviations import least_deviations
from lbtui.analysis.replay.model import Floats, Ints, Pace

_TURNS = 6  # of factors and slopes, each by the other
_BLOCKS = 10  # of time, whose means tell the error of the pace
_FEWEST = 8  # passes of a kind, for slopes of its own
_GAIN = 0.97  # of the residual spread, below which a further term is worth its place
_NORMAL = 1.4826  # standard deviation / median absolute deviation


@dataclass(frozen=True)
class Passes:
    """Forward passes of the domains of one role, an entry each; times in ms."""

    domain: Ints
    group: Ints  # common step
    prefills: Flags  # only prefills
    prompt: Floats  # tokens
    sequences: Floats  # requests that are prefilled
    decoding: Floats  # requests
    context: Floats  # tokens in their KV caches
    start: Floats  # of the round
    end: Floats
    forward_start: Floats
    forward_end: Floats
    coupled: Flags  # domains wait for each other inside of it

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.domain)

    @cached_property
    def _by_group(self) -> tuple[Ints, Ints, Ints]:
        order: Ints = np.argsort(self.group, kind="stable")
        _values, first, numbers = np.unique(self.group[order], return_index=True, return_inverse=True)
        return order, first, numbers

    def over_group(self, ufunc: np.ufunc, values: Floats) -> Floats:
        """Return `ufunc` over the passes of each common step, for each pass."""
        order, first, numbers = self._by_group
        found = np.empty(len(values))
        found[order] = ufunc.reduceat(values[order], first)[numbers]
        return found

    @cached_property
    def length(self) -> Floats:
        """How long each pass takes; where domains wait inside, how long the common step's passes take."""
        last = self.over_group(np.maximum, self.forward_end)
        whole = last - self.over_group(np.minimum, self.forward_start)
        return np.where(self.coupled, whole, self.forward_end - self.forward_start)

    def expected(self, pace: Pace, factors: Floats) -> Floats:
        """Return how long each pass takes by itself, at a pace; `factors` are of the domains."""
        prefill = pace.prefill + pace.token * self.prompt + pace.sequence * self.sequences
        decode = pace.decode + pace.request * self.decoding + pace.context * self.context
        mixed = np.where(self.prompt > 0, decode + pace.token * self.prompt, decode)
        return factors[self.domain] * np.where(self.prefills, prefill, mixed)


def fit_pace(passes: Passes) -> tuple[Pace, dict[int, float]]:
    """Return the pace of a role and the factor of each of its domains (place: factor).

    Where domains wait for each other inside of the passes, a step is that of its largest load: only the
    pass that is expected to take longest counts for it.
    """
    factors = np.ones(int(passes.domain.max()) + 1)
    chosen = np.ones(len(passes), dtype=bool)
    pace = _slopes(passes, factors, chosen)
    for _turn in range(_TURNS):
        expected = passes.expected(pace, factors)
        if passes.coupled.any():
            chosen = ~passes.coupled | (expected >= passes.over_group(np.maximum, expected))
        factors = _factors(passes, pace, chosen)
        pace = _slopes(passes, factors, chosen)
    expected = passes.expected(pace, factors)
    chosen &= expected > 0  # of a kind of which there are enough
    ratio = passes.length[chosen] / expected[chosen]
    spread = _NORMAL * float(np.median(np.abs(ratio - np.median(ratio))))
    in_time = ratio[np.argsort(passes.start[chosen], kind="stable")]
    blocks = [float(np.mean(part)) for part in np.array_split(in_time, _BLOCKS)]
    error = float(np.std(blocks, ddof=1) / np.sqrt(_BLOCKS))
    # The rare long passes are of the mean, too.
    level = float(np.clip(np.mean(np.clip(ratio, 0, 3)), 0.9, 1.2))
    found = Pace(
        level * pace.prefill,
        level * pace.token,
        level * pace.sequence,
        level * pace.decode,
        level * pace.request,
        level * pace.context,
        spread,
        error,
    )
    return found, {place: float(factors[place]) for place in np.unique(passes.domain).tolist()}


def _factors(passes: Passes, pace: Pace, chosen: Flags) -> Floats:
    """Return by how much each domain is slower than the usual one; 1 where few passes tell."""
    factors = np.ones(int(passes.domain.max()) + 1)
    ratio = passes.length / np.maximum(passes.expected(pace, factors), 1e-6)
    for domain in np.unique(passes.domain).tolist():
        own = ratio[chosen & (passes.domain == domain)]
        if len(own) >= _FEWEST:
            factors[domain] = float(np.median(own))
    usual = float(np.median(factors[np.unique(passes.domain)]))
    return factors / usual if usual > 0 else factors


def _slopes(passes: Passes, factors: Floats, chosen: Flags) -> Pace:
    """Return the pace for known factors, each kind of pass by itself; mixed ones with the decodes."""
    length = passes.length / factors[passes.domain]
    alone = chosen & passes.prefills
    other = chosen & ~passes.prefills
    prefill, token, sequence = (0.0, 0.0, 0.0)
    if alone.sum() >= _FEWEST:
        prefill, token, sequence = _fit(length, alone, passes.prompt, passes.sequences)
    decode, request, context = (0.0, 0.0, 0.0)
    if other.sum() >= _FEWEST:
        mixed = other & (passes.prompt > 0)
        if mixed.sum() >= _FEWEST:
            design = np.column_stack([np.ones(len(length)), passes.decoding, passes.prompt])
            decode, request, token = least_deviations(design[other], length[other]).tolist()
        else:
            decode, request, context = _fit(length, other, passes.decoding, passes.context)
    return Pace(prefill, token, sequence, decode, request, context)


def _fit(length: Floats, chosen: Flags, main: Floats, further: Floats) -> tuple[float, float, float]:
    """Return base, slope of `main`, and of `further` where that explains more than chance would."""
    y, one = length[chosen], np.ones(int(chosen.sum()))
    short = np.column_stack([one, main[chosen]])
    few = least_deviations(short, y)
    long = np.column_stack([short, further[chosen]])
    more = least_deviations(long, y)
    residual = np.median(np.abs(y - short @ few))
    better = np.median(np.abs(y - long @ more)) < _GAIN * residual and more[2] > 0 and more[1] >= 0
    base, slope, extra = more if better else (*few, 0.0)
    return float(base), float(slope), float(extra)
