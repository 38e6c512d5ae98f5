"""DeepSeek's EPLB: which experts get copies, and on which rank each copy lies.

After the description in github.com/deepseek-ai/EPLB (README, 2025); every function does all layers at once.
A placement is [layer, slot] -> expert; rank r holds the slots r·slots/ranks up to the next rank's.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lbtui.analysis.imbalance import Floats
from lbtui.text import _

Ints = npt.NDArray[np.int64]


class Impossible(Exception):
    """Settings that no placement can have; the text is one sentence that says why."""


def check_sizes(*, experts: int, slots: int, ranks: int, nodes: int = 1, groups: int = 1) -> None:
    """Raise `Impossible` unless every rank gets equally many slots and every expert at least one.

    With several nodes the experts must make equal groups and the nodes get equally many of these, as the
    hierarchical policy needs.
    """
    for name, count in ((_("Ranks"), ranks), (_("Nodes"), nodes), (_("Groups"), groups)):
        if count < 1:
            raise Impossible(_("{name} must be at least 1, not {count}.").format(name=name, count=count))
    if slots < experts:
        sentence = _("{experts} experts need at least {experts} slots; there would be {slots}.")
        raise Impossible(sentence.format(experts=experts, slots=slots))
    if slots % ranks:
        sentence = _("{slots} slots (experts and redundant ones) cannot be shared evenly by {ranks} ranks.")
        raise Impossible(sentence.format(slots=slots, ranks=ranks))
    if ranks % nodes:
        raise Impossible(
            _("{ranks} ranks cannot be shared evenly by {nodes} nodes.").format(ranks=ranks, nodes=nodes)
        )
    if experts % groups:
        raise Impossible(
            _("{experts} experts do not make {groups} equal groups.").format(experts=experts, groups=groups)
        )
    if groups % nodes:
        raise Impossible(
            _("{groups} groups cannot be shared evenly by {nodes} nodes.").format(groups=groups, nodes=nodes)
        )


def balanced_packing(weights: Floats, packs: int) -> Ints:
    """Return [layer, slot] -> item of `weights` [layer, item], equally many items a pack, pack by pack.

    Items by falling weight (equal ones in order), each onto the lightest pack that has room (of equal ones
    the first). One item a pack needs no packing and stays in its place.
    """
    layers, items = weights.shape
    room = items // packs
    if room <= 1:
        return np.tile(np.arange(items), (layers, 1))
    order = np.argsort(-weights, axis=1, kind="stable")
    falling = np.take_along_axis(weights, order, axis=1)
    loads = np.zeros((layers, packs))
    filled = np.zeros((layers, packs), dtype=np.int64)
    every = np.arange(layers)
    slots = np.empty((layers, items), dtype=np.int64)
    for item in range(items):
        pack = loads.argmin(axis=1)
        place = filled[every, pack]
        slots[every, pack * room + place] = order[:, item]
        filled[every, pack] = place + 1
        # A full pack is never again the lightest.
        loads[every, pack] += np.where(place + 1 == room, np.inf, falling[:, item])
    return slots


def replicate(weights: Floats, slots: int) -> Ints:
    """Return [layer, slot] -> expert: every expert once, then copies, one by one.

    Each copy goes to the expert of the largest weight / copies (of equal ones the first).
    """
    layers, experts = weights.shape
    placed = np.empty((layers, slots), dtype=np.int64)
    placed[:, :experts] = np.arange(experts)
    copies = np.ones((layers, experts))
    every = np.arange(layers)
    for slot in range(experts, slots):
        expert = (weights / copies).argmax(axis=1)
        placed[:, slot] = expert
        copies[every, expert] += 1
    return placed


def copies_of(placement: Ints, experts: int) -> Ints:
    """Return how many slots hold each expert, [layer, expert]."""
    layers = len(placement)
    flat = placement + np.arange(layers)[:, None] * experts
    return np.bincount(flat.ravel(), minlength=layers * experts).reshape(layers, experts)


def global_placement(weights: Floats | Ints, *, slots: int, ranks: int) -> Ints:
    """Return the placement [layer, slot] of `weights` [layer, expert]: copies anywhere, packed onto ranks.

    Raises `Impossible`.
    """
    return hierarchical_placement(weights, slots=slots, ranks=ranks, nodes=1, groups=1)


def hierarchical_placement(
    weights: Floats | Ints, *, slots: int, ranks: int, nodes: int, groups: int
) -> Ints:
    """Return the placement [layer, slot] of `weights` [layer, expert] that keeps groups of experts together.

    Groups (consecutive experts) are packed onto nodes, copies made within each node, and packed onto its
    ranks. Raises `Impossible`.
    """
    weights = np.asarray(weights, dtype=np.float64)
    layers, experts = weights.shape
    check_sizes(experts=experts, slots=slots, ranks=ranks, nodes=nodes, groups=groups)
    size = experts // groups
    packed = balanced_packing(weights.reshape(layers, groups, size).sum(axis=2), nodes)
    # [layer, node, expert of the node] -> expert, then a node of a layer is treated as a layer.
    members = (packed[:, :, None] * size + np.arange(size)).reshape(layers * nodes, experts // nodes)
    own = np.take_along_axis(np.repeat(weights, nodes, axis=0), members, axis=1)
    copied = replicate(own, slots // nodes)
    copies = copies_of(copied, experts // nodes)
    loads = np.take_along_axis(own / copies, copied, axis=1)
    placed = balanced_packing(loads, ranks // nodes)
    chosen = np.take_along_axis(copied, placed, axis=1)
    return np.take_along_axis(members, chosen, axis=1).reshape(layers, slots)
