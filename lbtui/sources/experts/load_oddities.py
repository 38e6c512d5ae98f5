"""What is odd in the tokens of expert tables, in sentences: none at all, empty layers, one expert only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lbtui.profile import Note
from lbtui.sources.experts.frames import tokens_by_model_expert
from lbtui.sources.experts.rows import Table
from lbtui.sources.experts.tables import ExpertTables, listing
from lbtui.text import _

_FEWEST = 8  # of fewer experts one may well get all


def load_notes(tables: ExpertTables, instance: str, file: str) -> list[Note]:
    """Return a note for each oddity in the tokens of one instance, over all its EPLB periods."""
    maps = [_by_expert(tables, period) for period in range(len(tables.periods))]
    if not maps:
        return []
    layers = np.array([tokens.sum(axis=1) for tokens in maps]).sum(axis=0)
    empty = np.flatnonzero(layers == 0).tolist()
    if len(empty) == len(layers):
        text = _(
            "No token was counted: every counter of {instance} is 0. Serve requests while it records, and "
            "see that the gathering of expert heat is switched on."
        )
        return [Note(file, text.format(instance=instance))]
    texts = []
    if empty:
        texts.append(
            _(
                "{count} of {all} layers of {instance} carry no token (layers: {layers}): all figures are "
                "over the other {others}."
            ).format(
                count=len(empty),
                all=len(layers),
                instance=instance,
                layers=listing(empty),
                others=len(layers) - len(empty),
            )
        )
    texts += _single(maps, instance)
    return [Note(file, text) for text in texts]


def _by_expert(tables: ExpertTables, period: int) -> Table:
    """Return the tokens [layer, model expert], or of slots where no placement tells their experts."""
    tokens, placement = tables.periods[period], tables.placements[period]
    if placement is None:
        return tokens
    named = np.where(placement < 0, tables.experts - 1, placement)
    return tokens_by_model_expert(tokens, named, tables.experts)


def _single(maps: Sequence[Table], instance: str) -> list[str]:
    if min(tokens.shape[1] for tokens in maps) < _FEWEST:
        return []
    used = [(tokens > 0).sum(axis=1) for tokens in maps]
    most, some = np.max(used, axis=0), np.sum([tokens.sum(axis=1) for tokens in maps], axis=0) > 0
    single = np.flatnonzero((most == 1) & some).tolist()
    if not single:
        return []
    text = _(
        "In {count} of {all} layers of {instance} all tokens went to one expert (layers: {layers}): no "
        "router does that; the counters, or a test's fixed routing, are behind it."
    )
    return [text.format(count=len(single), all=int(some.sum()), instance=instance, layers=listing(single))]
