"""Experts whose heat and place are chosen apart by period: 8 ranks of 4 routed experts and a shared one."""

from __future__ import annotations

import random
from collections.abc import Sequence, Set
from pathlib import Path

from tests.findings.service import write_experts

RANKS, SLOTS, LAYERS = 8, 5, 12
ROUTED = RANKS * (SLOTS - 1)
HOT = 2500  # tokens, where others get about 1000

Ranks = list[list[int]]  # the routed experts of each rank, in one layer


def written(folder: Path, hot: Sequence[Sequence[set[int]]], held: Sequence[Sequence[Ranks]]) -> Path:
    """Write the profile of hot experts [period][layer] that lie as `held` [period][layer][rank] says."""
    rng = random.Random(3)
    counts, placements = [], []
    for hot_now, held_now in zip(hot, held, strict=True):
        table, places = [], []
        for experts, ranks in zip(hot_now, held_now, strict=True):
            slots, where = [], [0] * (ROUTED + 1)
            for rank, own in enumerate(ranks):
                for slot, expert in enumerate(own):
                    where[expert] = rank * SLOTS + slot
                slots += [int((HOT if e in experts else 1000) * rng.uniform(0.98, 1.02)) for e in own]
                slots.append(1000)
            table.append(slots)
            places.append(where)
        counts.append(table)
        placements.append(places)
    return write_experts(folder, counts, placements, SLOTS)


def four(layer: int, turn: int) -> set[int]:
    """Return four of the experts; others in each of four turns."""
    return {(layer + turn + 8 * k) % ROUTED for k in range(4)}


def apart(layer: int, *groups: set[int]) -> Ranks:
    """Return ranks of which four hold one expert each of every group."""
    ranks: Ranks = [[] for _ in range(RANKS)]
    for group in groups:
        for k, expert in enumerate(sorted(group)):
            ranks[(layer + k) % RANKS].append(expert)
    return _filled(ranks)


def together(layer: int, group: set[int], spread: Set[int] = frozenset()) -> Ranks:
    """Return ranks of which one holds a whole group, and four others one each of the experts to be spread."""
    ranks: Ranks = [[] for _ in range(RANKS)]
    ranks[layer % RANKS] = sorted(group)
    for k, expert in enumerate(sorted(spread)):
        ranks[(layer + 1 + k) % RANKS].append(expert)
    return _filled(ranks)


def _filled(ranks: Ranks) -> Ranks:
    rest = iter(sorted(set(range(ROUTED)) - {e for own in ranks for e in own}))
    return [[*own, *(next(rest) for _ in range(SLOTS - 1 - len(own)))] for own in ranks]


def worse(folder: Path, *, good: bool = False) -> Path:
    """Write the same heat under a table that spreads it, then under two that do not; or the other way."""
    hot = [[four(layer, 0) for layer in range(LAYERS)]] * 3
    spread = [apart(layer, four(layer, 0)) for layer in range(LAYERS)]
    packed = [[together(layer + p, four(layer, 0)) for layer in range(LAYERS)] for p in (0, 3)]
    return written(folder, hot, [packed[0], spread, spread] if good else [spread, *packed])


def moving(folder: Path) -> Path:
    """Write a heat that moves in each of three periods, always under a table that spread the one before."""
    layers = range(LAYERS)
    hot = [[four(layer, p) for layer in layers] for p in range(3)]
    held = [[apart(layer, four(layer, 0)) for layer in layers]]
    held += [
        [together(layer + 3 * p, four(layer, p), four(layer, p - 1)) for layer in layers] for p in (1, 2)
    ]
    return written(folder, hot, held)
