"""Where the requests of a profile ran, beside their times: read once, where they are not too many."""

from __future__ import annotations

import polars as pl

from lbtui.analysis.request_places import request_places
from lbtui.profile import FrameName, Profile, Progress
from lbtui.text import _

# Beyond these it is not looked for where requests ran: the lists of rounds would take a GB of memory.
MOST_PLACED = 2_000_000  # requests
MOST_ENTRIES = 10_000_000  # requests of rounds

_TELL_PLACES: tuple[FrameName, ...] = ("batches", "transfers", "nodes")


def tells_places(profile: Profile) -> bool:
    """Tell whether a file of a profile may say where its requests ran."""
    return any(map(profile.has, _TELL_PLACES))


def places_of(
    request_ids: pl.Series, profile: Profile, progress: Progress | None = None
) -> pl.DataFrame | str:
    """Return where each of these requests ran (`request_places`), or why that is not looked for."""
    entries = int(profile.load("batches", progress).frame["batch_size"].sum())
    if len(request_ids) > MOST_PLACED or entries > MOST_ENTRIES:
        text = _("too many to tell where they ran ({requests} requests, {entries} entries of rounds)")
        return text.format(requests=f"{len(request_ids):,}", entries=f"{entries:,}")
    told = profile.read_request_places(progress)
    transfers = profile.load("transfers", progress).frame
    return request_places(request_ids, told.service, told.dispatches, transfers)
