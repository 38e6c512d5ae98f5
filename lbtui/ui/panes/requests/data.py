"""What the Requests pane draws: computed once from the frames, and what the user has made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import polars as pl

from lbtui.analysis.latency import Arranged, Arrangement, request_table
from lbtui.analysis.queue_states import StateLanes, state_lanes
from lbtui.findings import Thresholds
from lbtui.findings.doubts import DOUBTFUL_COLUMNS, doubt_of
from lbtui.profile import Profile, Progress, place
from lbtui.profile.place import Window
from lbtui.profile.schema import FrameName
from lbtui.text import _, visible
from lbtui.ui.kit.selection import Selection

Request: TypeAlias = Mapping[str, Any]  # one row of the request table

# Narrow enough to stand beside the table at 120 columns, one cell a bin.
BINS = 30

_PD_FILES = frozenset({"coordinator.csv", "pd_split_communication.csv", "pd_split_kvcache.csv"})


@dataclass(frozen=True, eq=False)
class RequestsData:
    """The request table and the queue states. Compared by identity, so that drawings can be kept by it."""

    table: pl.DataFrame  # `request_table`
    lanes: Mapping[str | None, StateLanes]  # `state_lanes`
    whole: Window  # first arrival or reading to the last end
    longest_id: int  # characters
    disaggregated: bool  # prefill and decode run on different nodes
    no_requests: str | None  # why there are none, as a sentence
    no_queues: str | None
    doubt: str = ""  # why what goes from host to host may be off, a sentence

    @property
    def doubtful(self) -> tuple[str, ...]:
        """The columns whose values may be off."""
        return DOUBTFUL_COLUMNS if self.doubt else ()

    @property
    def domains(self) -> int:
        """How many DP domains have queues."""
        return sum(domain is not None for domain in self.lanes)


@dataclass(frozen=True)
class RequestsState:
    """What is shown of the data. `first` is the row of the arrangement shown on top."""

    arranged: Arranged
    cursor: int = 0
    first: int = 0
    all_domains: bool = False
    busy: bool = False  # another arrangement is being made


def load_requests(profile: Profile, limits: Thresholds, progress: Progress) -> RequestsData:
    """Return the pane's data; loads what it needs of the profile."""
    requests = profile.load("requests", progress).frame
    queues = profile.load("queues", progress).frame
    speculation = profile.load("speculation", progress).frame
    table = request_table(requests, speculation)
    return RequestsData(
        table=table,
        lanes=state_lanes(queues),
        whole=_whole(profile, requests, queues),
        longest_id=table.select(pl.col("request_id").str.len_chars().max().fill_null(0)).item(),
        disaggregated=_disaggregated(profile, progress),
        no_requests=_why_none(profile, "requests") if requests.is_empty() else None,
        no_queues=_why_none(profile, "queues") if queues.is_empty() else None,
        doubt=doubt_of(profile, limits, progress),
    )


def first_arrangement(table: pl.DataFrame) -> Arrangement:
    """Return the slowest by TTFT first; by duration where no TTFT is known."""
    known = table["ttft"].null_count() < table.height
    column = "ttft" if known else "duration"
    return Arrangement(sort=column, descending=True, measure=column)


def window_of(data: RequestsData, selection: Selection) -> Window:
    """Return the window shown: the selected one, else the whole."""
    return selection.window or data.whole


def request_at(data: RequestsData, state: RequestsState, place: int) -> Request | None:
    """Return the request at a place of the arrangement, None beyond its end."""
    rows = state.arranged.rows
    return data.table.row(int(rows[place]), named=True) if 0 <= place < len(rows) else None


def domain_shown(state: RequestsState, selection: Selection) -> str | None:
    """Return the domain whose queues are shown; None for all together."""
    return None if state.all_domains else selection.domain


def _whole(profile: Profile, requests: pl.DataFrame, queues: pl.DataFrame) -> Window:
    frames: dict[FrameName, pl.DataFrame] = {"requests": requests, "queues": queues}
    begin, end = place.window_of(frames, whole=profile.capture == "all") or (0, 0)
    # The last reading lies in it, too.
    return begin, end + 1


def _disaggregated(profile: Profile, progress: Progress) -> bool:
    if any(file.kind in _PD_FILES for file in profile.files):
        return True
    # A trace may be gigabytes: it is looked into only where the requests came from it anyway.
    readers = {provenance.reader for provenance in profile.load("requests", progress).provenance}
    if "csv" in readers or not profile.has("handoffs"):
        return False
    return not profile.load("handoffs", progress).frame.is_empty()


def _why_none(profile: Profile, name: FrameName) -> str:
    missing = profile.missing_of(name)
    notes = " ".join(note.text for note in profile.load(name).notes)
    sentence = _("No {what}: {reason}; {how}.").format(
        what=missing.what, reason=missing.reason, how=missing.how_to_collect
    )
    return visible(f"{notes} {sentence}".strip())
