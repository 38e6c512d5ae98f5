"""A metric as one profile has it: a series, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import polars as pl

from lbtui.comparison.model import Metric
from lbtui.comparison.series import Series
from lbtui.profile import SCHEMAS, FrameName, Loaded, Profile, Progress, attempted, empty
from lbtui.profile.place import window_of


@dataclass(frozen=True)
class Source:
    """One profile's frames and its window, µs since 1970 (UTC)."""

    frames: Mapping[FrameName, pl.DataFrame]
    window: tuple[int, int]


def source_of(profile: Profile, progress: Progress) -> Source:
    """Return all frames of a profile; one that cannot be made is empty.

    Raises `Cancelled` when `progress` does.
    """
    # The overview says which frame could not be made.
    loads = {name: partial(profile.load, name, progress) for name in SCHEMAS}
    # Nothing here asks for a card's own passes.
    loads["steps"] = partial(profile.load_domain_steps, progress)
    profile.captures(progress)
    frames = {name: attempted(name, load, Loaded(empty(name)))[0].frame for name, load in loads.items()}
    return Source(frames, window_of(frames, whole=profile.capture == "all") or (0, 1))


@dataclass(frozen=True)
class Measured:
    """One metric of one subject; `absent` is a sentence without its end where there is no series."""

    metric: Metric
    series: Series | None = None
    absent: str = ""
