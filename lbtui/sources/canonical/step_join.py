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
NO_PHASE = 255
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
        ordered, chains = _chains(passes)
        # The last chain of each domain may go on.
        ends = np.append(np.flatnonzero(ordered.domain[1:] != ordered.domain[:-1]) + 1, len(ordered.start))
        last = np.searchsorted(chains, ends) - 1
        ranges = zip(chains[last].tolist(), ends.tolist(), strict=True)
        self._open = ordered.take(np.concatenate([np.arange(begin, end) for begin, end in ranges]))
        if len(self._open.start) > _MOST_OPEN:
            raise NotJoinable(_("there is no moment at which all cards of a DP domain rest"))
        steps, chain = _steps(ordered, chains)
        complete = np.ones(len(chains), dtype=bool)
        complete[last] = False
        return steps.take(np.flatnonzero(complete[chain]))

    def rest(self) -> Passes | None:
        """Return the steps still open, once there are no more passes."""
        return None if self._open is None else _steps(*_chains(self._open))[0]


def _chains(passes: Passes) -> tuple[Passes, Integers]:
    """Return the passes by domain, start and card, and the place of the first of each chain."""
    # Within a domain they come by start already.
    ordered = passes.take(np.argsort(passes.domain, kind="stable"))
    if _order_of_cards_tells(ordered):
        ordered = passes.take(np.lexsort((passes.card, passes.start, passes.domain)))
    first = int(ordered.start.min())
    # Domains one after the other on one axis: the latest end of one lies before the next.
    reach = int(ordered.end.max()) - first + 1
    offset = (np.arange(int(ordered.domain[-1]) + 1) * reach - first)[ordered.domain]
    latest = np.maximum.accumulate(ordered.end + offset)
    begins = (ordered.start + offset)[1:] >= latest[:-1]
    return ordered, np.append(0, np.flatnonzero(begins) + 1)


def _order_of_cards_tells(ordered: Passes) -> bool:
    """Tell whether passes of a domain that start at once are of different phases or one is without length.

    Of others all but the phase of a step is the same in whatever order they come.
    """
    same = (ordered.start[1:] == ordered.start[:-1]) & (ordered.domain[1:] == ordered.domain[:-1])
    places = np.flatnonzero(same)
    tells = ordered.phase[places] != ordered.phase[places + 1]
    for place in (places, places + 1):
        tells |= ordered.end[place] <= ordered.start[place]
    return bool(tells.any())


def _steps(passes: Passes, chains: Integers) -> tuple[Passes, Integers]:
    """Return the steps of at least one pass, and the number of each one's chain."""
    first = chains
    chain = np.arange(len(chains))
    if _cards_repeat(passes.card, chains):
        of_chain = np.repeat(chain, np.diff(np.append(chains, len(passes.start))))
        number = _numbers_in_chain(passes.card, of_chain)
        order = np.lexsort((number, of_chain))
        passes, of_chain, number = passes.take(order), of_chain[order], number[order]
        begins = np.append(True, (of_chain[1:] != of_chain[:-1]) | (number[1:] != number[:-1]))
        first = np.flatnonzero(begins)
        chain = of_chain[first]

    def most(values: Numbers | None) -> Numbers | None:
        return None if values is None else np.fmax.reduceat(values, first)

    steps = Passes(
        domain=passes.domain[first],
        card=np.diff(np.append(first, len(passes.start))),
        start=np.minimum.reduceat(passes.start, first),
        end=np.maximum.reduceat(passes.end, first),
        phase=_first_known(passes.phase, first),
        forward_iter=np.fmin.reduceat(passes.forward_iter, first),
        duration=np.fmax.reduceat(passes.duration, first),
        bubble=np.fmin.reduceat(passes.bubble, first),
        batch_size=np.fmax.reduceat(passes.batch_size, first),
        prefill_batch_size=most(passes.prefill_batch_size),
        decode_batch_size=most(passes.decode_batch_size),
        tokens=most(passes.tokens),
    )
    return steps, chain


def _cards_repeat(cards: NDArray[Any], chains: Integers) -> bool:
    """Tell whether any card is twice in one chain; if there are many cards, that it may be."""
    if int(cards.max()) >= _BITS:
        return True
    seen = np.bitwise_or.reduceat(_BIT_OF[cards], chains)
    counts = np.diff(np.append(chains, len(cards)))
    return bool((np.bitwise_count(seen) != counts).any())


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


def _first_known(phases: NDArray[np.uint8], first: Integers) -> NDArray[np.uint8]:
    if not (phases == NO_PHASE).any():
        return phases[first]
    places = np.where(phases == NO_PHASE, _LATEST, np.arange(len(phases)))
    known = np.minimum.reduceat(places, first)
    return np.where(known == _LATEST, NO_PHASE, phases[np.minimum(known, len(phases) - 1)]).astype(np.uint8)
