"""What the Requests pane draws: computed once from the frames, and what the user has made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeAlias

import polars as pl

from lbtui.analysis.latency import Arranged, Arrangement, most_spread, request_table
from lbtui.analysis.queue_states import StateLanes, state_lanes
from lbtui.analysis.request_places import NODE_COLUMNS, PLACE_COLUMNS
from lbtui.analysis.slo import Targets, missed, seconds_of, targets_of
from lbtui.findings.doubts import DOUBTFUL_COLUMNS, doubt_of
from lbtui.findings.latency.told import Told
from lbtui.overview.placed import places_of, tells_places
from lbtui.profile import Profile, Progress, place
from lbtui.profile.place import Window
from lbtui.profile.schema import FrameName
from lbtui.text import _, in_sentences, visible
from lbtui.thresholds import Thresholds
from lbtui.ui.kit.selection import Selection
from lbtui.ui.panes.requests.columns import BY_NAME, COLUMNS, RequestColumn
from lbtui.ui.panes.requests.parts import LARGEST, largest_parts

Request: TypeAlias = Mapping[str, Any]  # one row of the request table

# Narrow enough to stand beside the table at 120 columns, one cell a bin.
BINS = 30

_SAME = "time_per_output_token"  # of the pane's table and that of what is told
_PD_FILES = frozenset({"coordinator.csv", "pd_split_communication.csv", "pd_split_kvcache.csv"})


@dataclass(frozen=True, eq=False)
class RequestsData:
    """The request table and the queue states. Compared by identity, so that drawings can be kept by it."""

    table: pl.DataFrame  # `request_table`
    lanes: Mapping[str | None, StateLanes]  # `state_lanes`
    whole: Window  # first arrival or reading to the last end
    longest: Mapping[str, int]  # cells that the longest text of a column takes
    disaggregated: bool  # prefill and decode run on different nodes
    no_requests: str | None  # why there are none, as a sentence
    no_queues: str | None
    targets: Targets = field(default_factory=Targets)
    seconds: float | None = None  # from the first arrival to the last end
    doubt: str = ""  # why what goes from host to host may be off, a sentence
    no_places: str | None = None  # why it is not looked for where requests ran; "" where no file tells
    told: Told | None = None  # where the time went, once that is known

    @cached_property
    def columns(self) -> tuple[RequestColumn, ...]:
        """The columns that the table has, or may have once it is known where requests ran."""
        hidden: set[str] = set()
        if self.placed:
            hidden = {name for name in PLACE_COLUMNS if self.table[name].null_count() == self.table.height}
        elif self.no_places is not None:
            hidden = set(PLACE_COLUMNS)
        elif not self.disaggregated:
            hidden = set(NODE_COLUMNS)
        if not self.targets.limits:
            hidden |= {"missed"}
        if self.told is not None and self.told.latency.absent:
            hidden |= {LARGEST}
        return tuple(column for column in COLUMNS if column.name not in hidden)

    @property
    def placed(self) -> bool:
        """Whether it was looked for where requests ran."""
        return PLACE_COLUMNS[0] in self.table.columns

    @cached_property
    def sortable(self) -> list[str]:
        """The names of the columns that can be sorted by now."""
        return [column.name for column in self.columns if column.name in self.table.columns]

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
    placing: bool = False  # it is being looked for where requests ran


def load_requests(profile: Profile, limits: Thresholds, progress: Progress) -> RequestsData:
    """Return the pane's data; loads what it needs of the profile."""
    requests = profile.load("requests", progress).frame
    queues = profile.load("queues", progress).frame
    speculation = profile.load("speculation", progress).frame
    table = request_table(requests, speculation)
    targets = targets_of(table, dict(limits.targets))
    table = table.with_columns(missed(table, targets))
    return RequestsData(
        table=table,
        lanes=state_lanes(queues),
        whole=_whole(profile, requests, queues),
        longest={"request_id": table.select(pl.col("request_id").str.len_chars().max()).item() or 0},
        disaggregated=_disaggregated(profile, progress),
        no_requests=_why_none(profile, "requests") if requests.is_empty() else None,
        no_queues=_why_none(profile, "queues") if queues.is_empty() else None,
        doubt=doubt_of(profile, limits, progress),
        targets=targets,
        seconds=seconds_of(table),
        no_places=None if tells_places(profile) else "",
    )


def judged(data: RequestsData, limits: Thresholds) -> RequestsData:
    """Return the data with what the requests missed of the targets as they are now."""
    targets = targets_of(data.table, dict(limits.targets))
    if targets == data.targets:
        return data
    return replace(data, table=data.table.with_columns(missed(data.table, targets)), targets=targets)


def first_arrangement(table: pl.DataFrame) -> Arrangement:
    """Return the slowest first by duration or queue wait: the one that spreads most (`most_spread`).

    By TTFT where neither is known.
    """
    column = most_spread(table, ("duration", "queue_wait")) or "ttft"
    return Arrangement(sort=column, descending=True, measure=column)


def with_places(data: RequestsData, profile: Profile, progress: Progress) -> RequestsData:
    """Return the data with where each request ran (`request_places`), or why that is not looked for."""
    places = places_of(data.table["request_id"], profile, progress)
    return replace(data, no_places=places) if isinstance(places, str) else _placed(data, places)


def _placed(data: RequestsData, places: pl.DataFrame) -> RequestsData:
    table = data.table.with_columns(places.get_columns())
    shown = places.select(PLACE_COLUMNS).unique()
    longest = {
        name: max((len(BY_NAME[name].cell(value)) for value in shown[name].drop_nulls()), default=0)
        for name in PLACE_COLUMNS
    }
    return replace(data, table=table, longest={**data.longest, **longest})


def with_told(data: RequestsData, told: Told) -> RequestsData:
    """Return the data with where the time of its requests went; as it was where that is of others."""
    if data.told is told or not told.table["request_id"].equals(data.table["request_id"]):
        return data
    table = data.table
    if table[_SAME].equals(told.table[_SAME]):
        table = table.with_columns(told.table[_SAME])  # of millions of requests one of both is enough
    if not told.latency.absent:
        table = table.with_columns(largest_parts(told))
    found = replace(data, told=told, table=table)
    if data.placed or PLACE_COLUMNS[0] not in told.table.columns:
        return found
    return _placed(found, told.table.select(*PLACE_COLUMNS, "first_round"))


def window_of(data: RequestsData, selection: Selection) -> Window:
    """Return the window shown: the selected one, else the whole."""
    return selection.window or data.whole


def request_at(data: RequestsData, state: RequestsState, place: int) -> Request | None:
    """Return the request at a place of the arrangement, None beyond its end."""
    rows = state.arranged.rows
    return data.table.row(int(rows[place]), named=True) if 0 <= place < len(rows) else None


def place_in(data: RequestsData, arranged: Arranged, request: Request | None) -> int:
    """Return the place of a request that was shown before, 0 where it is not shown now."""
    if request is None:
        return 0
    ids = data.table["request_id"].gather(arranged.rows)
    return ids.index_of(request["request_id"]) or 0


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
    notes = [note.text for note in profile.load(name).notes]
    sentence = _("No {what}: {reason}; {how}.").format(
        what=missing.what, reason=missing.reason, how=missing.how_to_collect
    )
    return visible(in_sentences(*notes, sentence))
