"""Token counts by model expert put to the slots of a placement, and so to ranks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lbtui.profile import EMPTY, Note, PlacementFile
from lbtui.sources.experts.placement_oddities import odd_words
from lbtui.sources.experts.rows import Period, ProcessExperts, Table, compact
from lbtui.sources.experts.tables import ExpertTables
from lbtui.text import _, in_percent


class Spread(NamedTuple):
    """The tables, and whether every count in them was recorded as it stands, none shared among copies."""

    tables: ExpertTables
    exact: bool


def unplaced(tokens: Table) -> ExpertTables:
    """Return counts [step, layer, expert] as tables without ranks: their columns are model experts."""
    total = tokens.sum(axis=0, dtype=np.int64)
    return ExpertTables((total,), (None,), 0, (), (), (), total.shape[1])


def spread(name: str, tokens: Table, file: PlacementFile) -> Spread | Note:
    """Return counts [step, layer, expert] as tables of the ranks and slots of a placement.

    The tokens of an expert are shared evenly by its copies in the layer, to within one of them. A note says
    why where the placement is of another model, or tells no ranks.
    """
    if not file.has_ranks:
        text = _(
            '{file} tells no ranks, so that no PAR can be made: a placement with devices, or "ep_size" in '
            "it, does."
        )
        return Note(name, text.format(file=file.file))
    empty = len(tokens[0]) - len(file.experts)
    notes = []
    if empty > 0 and not tokens[:, :empty].any():
        text = _(
            "Its first {count} layers hold no token and {file} has none for them: left out as dense layers."
        )
        notes.append(Note(name, text.format(count=empty, file=file.file)))
        tokens = tokens[:, empty:]
    steps, layers, experts = tokens.shape
    if len(file.experts) != layers or file.count > experts:
        text = _(
            "{file} places {named} experts in {placed} layers; these are counts of {experts} experts in "
            "{layers} layers: it is not used."
        )
        return Note(
            name,
            text.format(
                file=file.file, named=file.count, placed=len(file.experts), experts=experts, layers=layers
            ),
        )
    ranks, slots = file.experts.shape[1:]
    placement = np.where(file.experts < 0, EMPTY, file.experts).reshape(layers, ranks * slots)
    copies = _copies(placement)
    parts = _shared(tokens, placement, copies)
    lost = int(tokens.sum()) - int(parts.sum())
    if lost:
        text = _("{count} tokens ({share}) are of experts that {file} puts nowhere: they are in no rank.")
        share = in_percent(lost / int(tokens.sum()), 1)
        notes.append(Note(name, text.format(count=lost, share=share, file=file.file)))
    notes += [Note(file.file, text) for text in odd_words(file.experts, experts)]
    exact = bool((copies[1] <= 1).all())
    if not exact:
        text = _(
            "The copies of an expert are taken to share its tokens evenly, as in {file}: which copy had "
            "which is not recorded."
        )
        notes.append(Note(name, text.format(file=file.file)))
    # One step is a sum over a time that nobody told.
    processes = _processes(name, parts, ranks, slots) if steps > 1 else ()
    total = parts.sum(axis=0, dtype=np.int64)
    tables = ExpertTables(
        (total,), (placement,), slots, tuple(range(ranks)), tuple(notes), processes, experts
    )
    return Spread(tables, exact)


def _shared(tokens: Table, placement: Table, copies: tuple[Table, Table]) -> Table:
    """Return counts [step, layer, slot]: an expert's tokens shared evenly by its copies."""
    parts = np.zeros((len(tokens), *placement.shape), dtype=np.int64)
    for layer in range(len(placement)):
        held = np.flatnonzero(placement[layer] >= 0)
        number, count = copies[0][layer, held], copies[1][layer, held]
        # Of counters, so that the copies are as even over all steps as in each of them.
        counters = tokens[:, layer].cumsum(axis=0)[:, placement[layer, held]]
        shared = (counters + (count - 1 - number)) // count
        parts[:, layer, held] = np.diff(shared, axis=0, prepend=np.zeros_like(shared[:1]))
    return parts


def _processes(name: str, parts: Table, ranks: int, slots: int) -> tuple[ProcessExperts, ...]:
    """Return the counts of each rank, step by step."""
    nothing = np.empty(0, dtype=np.int64)
    marks = np.arange(len(parts), dtype=np.int64)
    return tuple(
        ProcessExperts(
            f"{name} rank {rank}",
            rank,
            (Period(None, compact(parts[:, :, rank * slots : (rank + 1) * slots]), nothing, marks),),
            rows=len(parts),
        )
        for rank in range(ranks)
    )


def _copies(placement: np.ndarray) -> tuple[Table, Table]:
    """Return each slot's place among the copies of its expert, and their number, [layer, column]."""
    place = np.zeros(placement.shape, dtype=np.int64)
    count = np.zeros(placement.shape, dtype=np.int64)
    for layer, row in enumerate(placement):
        order = np.argsort(row, kind="stable")
        _values, first, many = np.unique(row[order], return_index=True, return_counts=True)
        place[layer, order] = np.arange(len(row)) - np.repeat(first, many)
        count[layer, order] = np.repeat(many, many)
    return np.where(placement < 0, 0, place), np.where(placement < 0, 0, count)
