"""What is odd in a placement, in sentences: an expert twice on a rank or nowhere, unequal slots."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from lbtui.profile import Note, PlacementFile
from lbtui.sources.experts.tables import ExpertTables
from lbtui.text import _, in_clauses, in_list

_Table: TypeAlias = "npt.NDArray[np.signedinteger[Any]]"
_MOST = 6  # places and experts that a sentence lists


def file_notes(file: PlacementFile) -> list[Note]:
    """Return what a placement file holds, and what is odd in it."""
    layers, ranks, slots = file.experts.shape
    shape = _("{layers} layers × {ranks} ranks × {slots} slots, {experts} experts; {copies}.")
    if not file.has_ranks:
        shape = _(
            "{layers} layers × {slots} slots, {experts} experts; {copies}. It does not tell the ranks of the "
            'slots: with their number as "ep_size" in it they are known.'
        )
    copies = _copy_words(further_copies(file.experts))
    texts = [shape.format(layers=layers, ranks=ranks, slots=slots, experts=file.count, copies=copies)]
    texts += odd_words(file.experts, file.count, has_ranks=file.has_ranks)
    return [*file.notes, *(Note(file.file, text) for text in texts)]


def further_copies(placement: _Table) -> list[int]:
    """Return how many slots of each layer hold an expert that an earlier slot of the layer holds, too."""
    held = [layer[layer >= 0] for layer in placement]
    return [len(layer) - len(np.unique(layer)) for layer in held]


def odd_words(placement: _Table, experts: int, *, has_ranks: bool = True, whole: bool = True) -> list[str]:
    """Return a sentence for each kind of oddity in [layer, rank, slot] -> expert, below 0 where none is.

    `whole`: slots below 0 are empty; else what they hold is unknown, and no expert is missed.
    """
    texts = _twice(placement) if has_ranks else []
    if whole:
        texts += _nowhere(placement, experts)
        texts += _unequal(placement) if has_ranks else []
    return texts


def _copy_words(copies: Sequence[int]) -> str:
    least, most = min(copies), max(copies)
    if not most:
        return _("no expert has a second copy")
    count = str(most) if least == most else _("{least} to {most}").format(least=least, most=most)
    return _("{count} slots of a layer hold a further copy").format(count=count)


def _twice(placement: _Table) -> list[str]:
    ordered = np.sort(placement, axis=2)
    again = (ordered[:, :, 1:] == ordered[:, :, :-1]) & (ordered[:, :, 1:] >= 0)
    found = sorted(
        {
            (layer, rank, int(ordered[layer, rank, slot + 1]))
            for layer, rank, slot in np.argwhere(again).tolist()
        }
    )
    if not found:
        return []
    places = [
        _("expert {expert} in layer {layer} on rank {rank}").format(expert=expert, layer=layer, rank=rank)
        for layer, rank, expert in found
    ]
    text = _("An expert lies twice on one rank, where a copy takes no load off it ({count} ×): {places}.")
    return [text.format(count=len(found), places=_listed(places))]


def _nowhere(placement: _Table, experts: int) -> list[str]:
    absent = [sorted(set(range(experts)) - set(np.unique(layer).tolist())) for layer in placement]
    if not any(absent):
        return []
    if all(missing == absent[0] for missing in absent):
        text = _("No slot of any layer holds expert {experts}: tokens sent to it have no place to go.")
        return [text.format(experts=_listed(list(map(str, absent[0]))))]
    places = [
        _("layer {layer}: {experts}").format(layer=layer, experts=_listed(list(map(str, missing))))
        for layer, missing in enumerate(absent)
        if missing
    ]
    text = _(
        "In {count} of {layers} layers experts lie nowhere ({places}): their tokens have no place to go."
    )
    return [text.format(count=len(places), layers=len(absent), places=_listed(places, in_clauses))]


def _unequal(placement: _Table) -> list[str]:
    slots = (placement >= 0).sum(axis=2)
    least, most = int(slots.min()), int(slots.max())
    if least == most:
        return []
    places = [
        _("rank {rank} in layer {layer}").format(rank=rank, layer=layer)
        for layer, rank in np.argwhere(slots == least).tolist()
    ]
    text = _("Ranks have unequal numbers of slots, {least} to {most}: {least} has {places}.")
    return [text.format(least=least, most=most, places=_listed(places))]


def _listed(words: Sequence[str], joined: Callable[[Iterable[str]], str] = in_list) -> str:
    more = [_("and {count} more").format(count=len(words) - _MOST)] if len(words) > _MOST else []
    return joined([*words[:_MOST], *more])


def table_notes(tables: ExpertTables, file: str) -> list[Note]:
    """Return what is odd in the placements that loads were counted under, of periods the first odd one.

    A slot that no routing table names holds an unknown expert, so that none is missed then.
    """
    ranks = len(tables.ranks)
    found = []
    for period, placement in enumerate(tables.placements):
        if placement is not None and ranks:
            by_rank = placement.reshape(len(placement), ranks, tables.slots_per_rank)
            words = odd_words(by_rank, tables.experts, whole=bool((placement >= 0).all()))
            found += [(period, words)] if words else []
    if not found:
        return []
    period, words = found[0]
    if len(tables.placements) > 1:
        text = _("EPLB period {period} ({count} of {all} periods are like that): {words}")
        words = [
            text.format(period=period, count=len(found), all=len(tables.placements), words=each)
            for each in words
        ]
    return [Note(file, each) for each in words]
