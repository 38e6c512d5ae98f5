"""The loaders of frames that a raw profile's records tell and events of a trace do not, or not as well."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from lbtui.profile import FrameName, Loaded, Progress
from lbtui.profile.source import Loader
from lbtui.sources.raw.events import RawEvents
from lbtui.sources.raw.kv import load_kv
from lbtui.sources.raw.operators import read_layer_times, read_rank_intervals
from lbtui.sources.raw.speculation import load_speculation
from lbtui.sources.raw.store import RawStore
from lbtui.sources.steps.owners import Owners


class Known(Protocol):
    """What is found of a profile from several of its frames."""

    def owners(self, progress: Progress) -> Owners:
        """Return the DP domain of every process."""

    def layers(self, progress: Progress) -> int | None:
        """Return how many MoE layers the model has, None where no expert table tells."""


def raw_loaders(store: RawStore, known: Known) -> dict[FrameName, Loader]:
    """Return the loader of each."""
    raw, operators = store.raw, store.output.experts.operators
    loaders: dict[FrameName, Loader] = {
        "kv": lambda progress: load_kv(RawEvents(raw, progress), known.owners(progress)),
        "speculation": lambda progress: load_speculation(RawEvents(raw, progress)),
    }
    if operators:
        loaders["layer_times"] = lambda progress: read_layer_times(
            operators, progress, known.layers(progress)
        )
        loaders["rank_intervals"] = lambda progress: read_rank_intervals(operators, progress)
    return loaders


def with_notes(store: RawStore, load: Loader) -> Loader:
    """Return a loader that also tells what of the raw profile could not be read."""

    def told(progress: Progress) -> Loaded:
        loaded = load(progress)
        return replace(loaded, notes=tuple(dict.fromkeys((*loaded.notes, *store.raw.notes()))))

    return told
