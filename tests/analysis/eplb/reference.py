"""EPLB in plain Python, one layer at a time, written from its description and unlike the product's arrays."""

import heapq
from fractions import Fraction


def pack(weights, packs):
    """Return the items of each pack: heaviest first onto the lightest pack that is not full."""
    room = len(weights) // packs
    if room == 1:
        return [[item] for item in range(packs)]
    held = [[] for _pack in range(packs)]
    open_packs = [(Fraction(0), number) for number in range(packs)]
    for item in sorted(range(len(weights)), key=lambda i: -weights[i]):
        load, number = heapq.heappop(open_packs)
        held[number].append(item)
        if len(held[number]) < room:
            heapq.heappush(open_packs, (load + weights[item], number))
    return held


def copies(weights, redundant):
    """Return the experts of the slots before they are packed: each once, then the copies as given out."""
    slots, count = list(range(len(weights))), [1] * len(weights)
    for _copy in range(redundant):
        expert = max(range(len(weights)), key=lambda e: (Fraction(weights[e], count[e]), -e))
        slots.append(expert)
        count[expert] += 1
    return slots, count


def place(weights, redundant, ranks, nodes=1, groups=1):
    """Return the experts of each rank, a list of lists."""
    weights = [Fraction(int(weight)) for weight in weights]
    size = len(weights) // groups
    sums = [sum(weights[g * size : (g + 1) * size]) for g in range(groups)]
    by_rank = []
    for own_groups in pack(sums, nodes):
        experts = [g * size + i for g in own_groups for i in range(size)]
        slots, count = copies([weights[e] for e in experts], redundant // nodes)
        loads = [weights[experts[s]] / count[s] for s in slots]
        by_rank += [[experts[slots[item]] for item in held] for held in pack(loads, ranks // nodes)]
    return by_rank


def par(by_rank, weights):
    """Return max / mean of the ranks' loads, a replica carrying its part of its expert's load."""
    every = [expert for held in by_rank for expert in held]
    loads = [sum(Fraction(int(weights[e]), every.count(e)) for e in held) for held in by_rank]
    return float(max(loads) / (sum(loads) / len(loads)))
