"""Which track a thread is: what runs on it, and where."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from lbtui.profile import host_and_pid
from lbtui.profile.slices import FORWARD, Track, TrackKind
from lbtui.sources.safe_values import whole
from lbtui.sources.steps.owners import Owners
from lbtui.sources.steps.recorded import EXECUTION, GROUPING
from lbtui.sources.trace.events import labelled

# How the threads of each kind begin: upstream names them after the domain of what they do.
_BEGINS: tuple[tuple[str, TrackKind], ...] = (
    ("Coordinator", "coordinator"),
    ("Request", "front"),
    ("Engine", "front"),
    ("http", "front"),
    ("Communication", "handoff"),
    ("PullKVCache", "pull"),
    ("Schedule.KVCache", "other"),
    ("KVCache", "other"),
    ("Schedule", "schedule"),
    ("BatchSchedule", "schedule"),
    ("ModelExecute", "round"),
    ("Execute", "round"),
    ("eplb_observe", "experts"),
    ("Api", "operators"),
    ("Kernel", "operators"),
)
# What runs on a thread whose name tells nothing.
_BY_NAME: dict[str, TrackKind] = {
    **dict.fromkeys(EXECUTION, "round"),
    FORWARD: "card",
    **dict.fromkeys(GROUPING, "schedule"),
    "PullKVCache": "pull",
    "RequestDispatch": "coordinator",
    "httpReq": "front",
}
# What only a card does.
_OF_CARDS = frozenset({FORWARD, "modelRunnerExec", "preprocess", "sample", "specDecoding"})


@dataclass(frozen=True)
class Label:
    """What a file tells of a process."""

    process: str
    pid: int | None = None
    host: str = ""
    dp_rank: int | None = None


def label_of(pid: str, label: str | None) -> Label:
    """Return what a process' label (`host,dp2`) tells."""
    found = labelled(label or "") or (None, None)
    return Label(pid, whole(pid), found[0] or "", found[1])


def track(thread: str, label: Label, names: Collection[str]) -> Track:
    """Return the track of a thread on which there are slices of these names."""
    told = [kind for begin, kind in _BEGINS if thread.startswith(begin)]
    told += [kind for name, kind in _BY_NAME.items() if name in names]
    kind: TrackKind = told[0] if told else "other"
    # Schedulers and cards call what they execute alike.
    if kind == "round" and not _OF_CARDS.isdisjoint(names):
        kind = "card"
    return Track(
        f"{label.process} {thread}", kind, thread, label.process, label.host, label.pid, None, label.dp_rank
    )


def owned(tracks: Iterable[Track], owners: Owners) -> tuple[Track, ...]:
    """Return the tracks with the DP domains of their processes."""
    by_name = {row["prof_id"]: row for row in owners.frame.iter_rows(named=True)}
    of = owners.of_processes()
    by_host = {(row["host"], row["pid"]): row for row in of.iter_rows(named=True)}
    alone = {row["pid"]: row for row in of.unique("pid", keep="none").iter_rows(named=True)}

    def of_one(one: Track) -> Track:
        row = by_name.get(one.process)
        if row is None and one.pid is not None:
            row = by_host.get((one.host, one.pid)) if one.host else alone.get(one.pid)
        if row is None or one.kind in ("coordinator", "front", "handoff", "experts", "operators"):
            return one
        rank = one.dp_rank if row["dp_rank"] is None else row["dp_rank"]
        return replace(one, host=one.host or row["host"], domain=row["domain"], dp_rank=rank)

    return tuple(map(of_one, tracks))


def host_of(prof_id: str) -> Label:
    """Return what a `prof_id` tells."""
    named = host_and_pid(prof_id)
    return Label(prof_id, None, "") if named is None else Label(prof_id, named[1], named[0])
