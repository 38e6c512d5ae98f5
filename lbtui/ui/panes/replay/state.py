"""What is chosen in a what-if by replay, and what a key changes of it: pure functions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from lbtui.analysis.replay.figures import FIGURE_LABELS, UNITS, FigureName
from lbtui.text import _, with_comma

# What a ratio's table can show: a figure of a run, or the goodput over its nodes.
Measure: TypeAlias = FigureName | Literal["per_node"]
ROUTING: tuple[Measure, ...] = ("ttft_p95", "tpot_p95", "goodput", "par", "ttft_p50", "tpot_p50")
RATIO: tuple[Measure, ...] = ("per_node", "goodput", "ttft_p95", "tpot_p95")


@dataclass(frozen=True)
class ReplayState:
    """The figure that is ranked by, and which policy or shape the cursor is on (""; the first)."""

    measure: Measure
    chosen: str = ""


def measure_words(measure: Measure) -> str:
    """Return a measure with its unit."""
    if measure == "per_node":
        return _("goodput per node, req/s")
    unit = UNITS[measure]
    return with_comma(FIGURE_LABELS[measure], unit) if unit else FIGURE_LABELS[measure]


def next_measure(state: ReplayState, known: Sequence[Measure]) -> ReplayState:
    """Rank by the next figure; the cursor stays on what it is on."""
    return replace(state, measure=known[(known.index(state.measure) + 1) % len(known)])


def place(state: ReplayState, names: Sequence[str]) -> int:
    """Return the cursor's place among what is listed."""
    return names.index(state.chosen) if state.chosen in names else 0


def moved(state: ReplayState, names: Sequence[str], by: int) -> ReplayState:
    """Move the cursor."""
    if not names:
        return state
    return replace(state, chosen=names[max(0, min(place(state, names) + by, len(names) - 1))])


def shares_of(text: str) -> tuple[float, ...]:
    """Return the shares that were typed: numbers parted by colons, commas or blanks."""
    return tuple(float(part) for part in _parts(text))


def shares_words(shares: Sequence[float]) -> str:
    """Return shares as they are typed."""
    return ":".join(f"{share:g}" for share in shares)


def shares_problem(text: str, count: int) -> str | None:
    """Return what is wrong with shares typed, None if nothing is."""
    parts = _parts(text)
    numbers = [part for part in parts if _NUMBER.fullmatch(part)]
    if len(numbers) == len(parts) == count and any(float(part) > 0 for part in numbers):
        return None
    return _("{count} numbers are needed, one a domain, e.g. {example}.").format(
        count=count, example=":".join(["2", *["1"] * (count - 1)])
    )


def _parts(text: str) -> list[str]:
    return text.replace(":", " ").replace(",", " ").split()


_NUMBER = re.compile(r"[0-9]{1,6}(?:\.[0-9]{0,6})?|\.[0-9]{1,6}", re.ASCII)
