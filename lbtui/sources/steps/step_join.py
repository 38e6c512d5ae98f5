"""Joins forward passes of the cards of a DP domain to steps, part by part, in little memory.

The same steps as `numbered_steps` and `joined_steps` of `lbtui.analysis.data_parallel` make of all passes
at once: passes of one domain that overlap in time are a chain; a card's n-th pass in it is of its n-th step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lbtui.text import _

# So many passes may be under way at the end of a part; more are a chain that never ends.
_MOST_OPEN = 400_000
_BITS = 63
_BIT_OF = np.left_shift(np.uint64(1), np.arange(_BITS, dtype=np.uint64))
_BITS_OF_BYTE = np.array([byte.bit_count() for byte in range(256)], np.uint8)
NO_PHASE = 255
_FEW_CARDS = 16
_LATEST = np.iinfo(np.int64).max

Integers: TypeAlias = NDArray[np.int64]
Numbers: TypeAlias = NDArray[np.float64]


class NotJoinable(Exception):
    """The passes cannot be joined part by part; the text says why, as the end of a sentence."""


@dataclass(frozen=True)
class Passes:
    """Forward passes, one per place; or, once joined, steps. Times in µs since 1970; NaN is unknown."""

    domain: NDArray[Any]  # number of the domain, ≥ 0
    card: NDArray[Any]  # number of the card; of a step how many cards it has
    start: Integers
    end: Integers
    phase: NDArray[np.uint8]  # number of the phase, NO_PHASE if unknown
    forward_iter: Numbers
    duration: Numbers  # ms
    bubble: Numbers  # ms
    batch_size: Numbers
    prefill_batch_size: Numbers | None = None  # None where no scheduling rounds are known
    decode_batch_size: Numbers | None = None
    tokens: Numbers | None = None

    def take(self, places: Any) -> Passes:
        """Return the passes at these places."""
        columns: list[Any] = [None if a is None else a[places] for a in self.arrays()]
        return Passes(*columns)

    def arrays(self) -> list[Any]:
        """Return the columns in the order of the fields."""
        return list(vars(self).values())


def concatenated(parts: list[Passes]) -> Passes:
    """Return all passes (or steps) of at least one part."""
    parts_of = zip(*(part.arrays() for part in parts), strict=True)
    columns: list[Any] = [None if of[0] is None else np.concatenate(of) for of in parts_of]
    return Passes(*columns)


class StepJoiner:
    """Takes passes by start, gives back the steps that are complete.

    Raises `NotJoinable` where a part starts before the one before it, or too much stays open.
    """

    def __init__(self) -> None:
        self._open: Passes | None = None
        self._last = -1

    def join(self, passes: Passes) -> Passes | None:
        """Return the steps that no later pass can be a part of."""
        if not len(passes.start):
            return None
        if passes.start[0] < self._last or (passes.start[1:] < passes.start[:-1]).any():
            raise NotJoinable(_("its rows are not in the order of their start"))
        self._last = int(passes.start[-1])
        if self._open is not None:
            passes = concatenated([self._open, passes])
        order, chains, last = _chains(passes)
        # The last chain of each domain may go on.
        begins, sizes = chains[last], np.diff(np.append(chains, len(order)))
        ends = (begins + sizes[last]).tolist()
        self._open = passes.take(_ranges(order, begins.tolist(), ends))
        if len(self._open.start) > _MOST_OPEN:
            raise NotJoinable(_("there is no moment at which all cards of a DP domain rest"))
        complete = _ranges(order, [0, *ends[:-1]], begins.tolist())
        sizes = np.delete(sizes, last)
        return _steps(passes, complete, np.cumsum(sizes) - sizes) if len(sizes) else None

    def rest(self) -> Passes | None:
        """Return the steps still open, once there are no more passes."""
        if self._open is None:
            return None
        order, chains, _last = _chains(self._open)
        return _steps(self._open, order, chains)


def _ranges(places: Integers, begins: list[int], ends: list[int]) -> Integers:
    """Return the places from each beginning to its end."""
    return np.concatenate([places[begin:end] for begin, end in zip(begins, ends, strict=True)])


def _chains(passes: Passes) -> tuple[Integers, Integers, Integers]:
    """Return the places of the passes by domain, start and card, where in that order each chain begins, and
    which chain is the last of each domain.
    """
    # Within a domain they come by start already.
    order = np.argsort(passes.domain, kind="stable")
    counts = np.bincount(passes.domain)
    start, end = passes.start.take(order), passes.end.take(order)
    if _order_of_cards_tells(passes, order, start, end):
        order = np.lexsort((passes.card, passes.start, passes.domain))
        end = passes.end.take(order)
    first = int(start.min())
    # Domains one after the other on one axis: the latest end of one lies before the next.
    reach = int(end.max()) - first + 1
    offset = np.repeat(np.arange(len(counts)) * reach - first, counts)
    end += offset
    start += offset
    latest = np.maximum.accumulate(end)
    chains = np.append(0, np.flatnonzero(start[1:] >= latest[:-1]) + 1)
    ends = np.cumsum(counts[counts > 0])
    return order, chains, np.searchsorted(chains, ends) - 1


def _order_of_cards_tells(passes: Passes, order: Integers, start: Integers, end: Integers) -> bool:
    """Tell whether passes of a domain that start at once are of different phases or one is without length.

    Of others all but the phase of a step is the same in whatever order they come.
    """
    places = np.flatnonzero(start[1:] == start[:-1])
    one, other = order[places], order[places + 1]
    tells = passes.phase[one] != passes.phase[other]
    for place in (places, places + 1):
        tells |= end[place] <= start[place]
    return bool((tells & (passes.domain[one] == passes.domain[other])).any())


class _Groups:
    """Places of passes, in groups of one step each; `first` is where in `order` each group begins."""

    def __init__(self, order: Integers, first: Integers) -> None:
        self.order = order
        self.first = first
        self.sizes = np.diff(np.append(first, len(order)))
        size = int(self.sizes[0])
        # As a rule every card takes part in every step, and all domains have as many.
        regular = size <= _FEW_CARDS and bool((self.sizes == size).all())
        self._columns = [np.ascontiguousarray(order[n::size]) for n in range(size)] if regular else []

    def firsts(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the value of the first pass of each group."""
        return values.take(self.order.take(self.first))

    def reduced(self, by: np.ufunc, values: NDArray[Any]) -> NDArray[Any]:
        """Return of each group what `by` makes of its values."""
        if not self._columns:
            found: NDArray[Any] = by.reduceat(values.take(self.order), self.first)
            return found
        # Several times as fast as reduceat.
        found = values.take(self._columns[0])
        for places in self._columns[1:]:
            by(found, values.take(places), out=found)
        return found


def _steps(passes: Passes, order: Integers, chains: Integers) -> Passes:
    """Return the steps of at least one chain of passes: their places, and where in them each chain begins."""
    groups = _Groups(order, chains)
    if _cards_repeat(passes.card, groups):
        of_chain = np.repeat(np.arange(len(chains)), groups.sizes)
        number = _numbers_in_chain(passes.card[order], of_chain)
        by_number = np.lexsort((number, of_chain))
        of_chain, number = of_chain[by_number], number[by_number]
        begins = np.append(True, (of_chain[1:] != of_chain[:-1]) | (number[1:] != number[:-1]))
        groups = _Groups(order[by_number], np.flatnonzero(begins))

    def most(values: Numbers | None) -> Numbers | None:
        return None if values is None else groups.reduced(np.fmax, values)

    return Passes(
        domain=groups.firsts(passes.domain),
        card=groups.sizes,
        start=groups.firsts(passes.start),
        end=groups.reduced(np.maximum, passes.end),
        phase=_first_known(passes.phase, groups),
        forward_iter=groups.reduced(np.fmin, passes.forward_iter),
        duration=groups.reduced(np.fmax, passes.duration),
        bubble=groups.reduced(np.fmin, passes.bubble),
        batch_size=groups.reduced(np.fmax, passes.batch_size),
        prefill_batch_size=most(passes.prefill_batch_size),
        decode_batch_size=most(passes.decode_batch_size),
        tokens=most(passes.tokens),
    )


def _cards_repeat(cards: NDArray[Any], groups: _Groups) -> bool:
    """Tell whether any card is twice in one group; if there are many cards, that it may be."""
    if int(cards.max()) >= _BITS:
        return True
    seen = groups.reduced(np.bitwise_or, _BIT_OF.take(cards))
    return bool((bits_set(seen) != groups.sizes).any())


def bits_set(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return how many bits of each number are 1, as `np.bitwise_count` of numpy 2 does."""
    of_bytes = _BITS_OF_BYTE.take(numbers.view(np.uint8)).view(np.uint64)
    # The product has in its highest byte the sum of all eight.
    bits: NDArray[np.uint64] = of_bytes * np.uint64(0x0101010101010101) >> np.uint64(56)
    return bits


def _numbers_in_chain(cards: NDArray[Any], chains: Integers) -> Integers:
    """Return of each pass how many its card has before it in the chain."""
    order = np.lexsort((cards, chains))  # stable: by time within a card
    first = np.append(
        True, np.diff(chains[order]).astype(bool) | np.diff(cards[order].astype(int)).astype(bool)
    )
    places = np.arange(len(order))
    entered = np.maximum.accumulate(np.where(first, places, 0))
    numbers = np.empty(len(order), dtype=np.int64)
    numbers[order] = places - entered
    return numbers


def _first_known(phases: NDArray[np.uint8], groups: _Groups) -> NDArray[np.uint8]:
    """Return the first known phase of each group."""
    if not (phases == NO_PHASE).any():
        return groups.firsts(phases)
    ordered = phases.take(groups.order)
    places = np.where(ordered == NO_PHASE, _LATEST, np.arange(len(ordered)))
    known = np.minimum.reduceat(places, groups.first)
    return np.where(known == _LATEST, NO_PHASE, ordered[np.minimum(known, len(ordered) - 1)]).astype(np.uint8)
