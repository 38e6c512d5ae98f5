"""What a profile tells of the service whose experts are placed anew: for the price of EPLB."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from lbtui.analysis.eplb.price import Service, Worth
from lbtui.analysis.eplb.share import Computing, by_layer_times, by_slices, cards_of, service_of
from lbtui.profile import JoinedSteps, Loaded, Profile, Progress, Silent, attempted, empty
from lbtui.text import _, visible
from lbtui.thresholds import Thresholds


def worth_of(limits: Thresholds) -> Worth:
    """Return from which gain on a trial is worth it."""
    return Worth(limits.eplb_step_gain, limits.eplb_gain)


def service_for(profile: Profile, instance: str, progress: Progress | None = None) -> Service:
    """Return what is known of the service of an instance; raises `Cancelled` when `progress` does.

    GroupedMatmul times are of all that is recorded, and so must be the passes, whichever capture is shown.
    The slices of a large timeline are not read for it.
    """
    nothing = Loaded(empty("steps"))
    joined = attempted("steps", lambda: profile.load_domain_steps(progress), nothing)[0]
    if isinstance(joined, JoinedSteps):
        steps, cards = joined.frame, cards_of(joined.frame, joined.card_times)
        if joined.card_times.is_empty():
            return Service(told=_("passes of all captures are not known apart"))
    else:
        steps = attempted("steps", lambda: profile.load_whole("steps", progress), nothing)[0].frame
        cards = cards_of(steps)
    times = attempted(
        "layer_times", lambda: profile.load("layer_times", progress), Loaded(empty("layer_times"))
    )
    loaded = times[0]
    file = visible(loaded.provenance[0].file) if loaded.provenance else "layer_times"
    computing = by_layer_times(loaded.frame, file)
    if not computing.times and not cards.is_empty():
        computing = attempted(_("slices"), lambda: _by_slices(profile, progress), computing)[0]
    return service_of(computing, cards, _wall_ms(steps), instance)


def _by_slices(profile: Profile, progress: Progress | None) -> Computing:
    reader = profile.slices(progress)
    return Computing({}, "") if reader.large else by_slices(reader.read(progress or Silent()))


def _wall_ms(steps: pl.DataFrame) -> float:
    """Return the time from the first start to the last end, 0 without any."""
    start, end = steps["start"].min(), steps["end"].max()
    if not isinstance(start, datetime) or not isinstance(end, datetime):
        return 0.0
    return (end - start).total_seconds() * 1e3
