"""How well what a replay tells of a service agrees with what truly happens to it, in numbers alone.

An option is a routing policy or a split of nodes. Values are told per measure, then per option.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

MORE = ("goodput", "throughput")  # measures of which more is better
RECORDED = "recorded"

Values = Mapping[str, float]  # by option


@dataclass(frozen=True)
class Told:
    """What a replay tells of a measure: each option, and the 90 % interval of its difference to recorded."""

    values: Values
    differences: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Pair:
    """Two options that truly differ, and whether the one that is better is told to be."""

    better: str
    worse: str
    right: bool


def unlike(truth: Values, measure: str, least: float) -> list[tuple[str, str]]:
    """Return pairs of options that truly differ by more than a share `least` of the lesser, better first."""
    found = []
    for one, other in combinations(sorted(truth), 2):
        low, high = sorted((one, other), key=lambda option: truth[option])
        if truth[high] - truth[low] > least * truth[low]:
            found.append((high, low) if measure in MORE else (low, high))
    return found


def ranked(truth: Values, told: Values, measure: str, least: float = 0.05) -> list[Pair]:
    """Return each pair that differs, of what is told; a tie is not right."""
    both = {option: truth[option] for option in truth if option in told}
    return [
        Pair(better, worse, told[better] > told[worse] if measure in MORE else told[better] < told[worse])
        for better, worse in unlike(both, measure, least)
    ]


def fixed_order(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, ...], float]:
    """Return the one order of options that ranks most (better, worse) pairs right, and their share.

    By sets, the first ones first: what a set's best order scores does not hang on who comes after.
    """
    wins: dict[tuple[str, str], int] = {}
    for pair in pairs:
        wins[pair] = wins.get(pair, 0) + 1
    options = sorted({option for pair in wins for option in pair})
    best: dict[frozenset[str], tuple[int, tuple[str, ...]]] = {frozenset(): (0, ())}
    for size in range(len(options)):
        for first in combinations(options, size):
            score, order = best[frozenset(first)]
            for last in set(options) - set(first):
                gained = score + sum(wins.get((before, last), 0) for before in first)
                key = frozenset((*first, last))
                if gained > best.get(key, (-1, ()))[0]:
                    best[key] = (gained, (*order, last))
    score, order = best[frozenset(options)]
    return order, score / max(sum(wins.values()), 1)


def off(truth: Values, told: Values) -> dict[str, float]:
    """Return by how much of the truth each option is told too high (+) or too low."""
    return {option: told[option] / truth[option] - 1 for option in truth if option in told and truth[option]}


def covered(truth: Values, told: Told) -> dict[str, bool]:
    """Return of each option whether its interval holds the true difference to the recorded."""
    return {
        option: low <= truth[option] - truth[RECORDED] <= high
        for option, (low, high) in told.differences.items()
        if option in truth and option != RECORDED
    }


def kept(truth: Values, chosen: str) -> float:
    """Return what share of the best option's value the chosen one truly has."""
    best = max(truth.values())
    return truth[chosen] / best if best else 1.0


def share(flags: Sequence[bool]) -> float:
    """Return the share that holds; NaN of none."""
    return sum(flags) / len(flags) if flags else float("nan")
