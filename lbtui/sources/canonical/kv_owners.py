"""To which DP domain each event of MindIE's kvcache.csv belongs, which names none.

A request's events belong to the domain whose batches hold its id, and after its hand-off to the next such
domain.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from lbtui.profile import Note, Progress
from lbtui.sources.res_list import request_ids
from lbtui.sources.steps.from_trace import name_processes
from lbtui.sources.steps.owners import Owners
from lbtui.sources.steps.served import service_order
from lbtui.sources.store import Store
from lbtui.sources.trace.requests import by_client_id


def read_service(store: Store, owners: Owners, progress: Progress) -> tuple[pl.DataFrame, list[Note]]:
    """Return one row per request and domain that served it, in the order of service, and notes.

    Columns: request_id, domain, `first` and `last` start of its rounds there.
    """
    # Not kept: the request ids are most of the file.
    raw, notes = store.read("batch", ("name", "prof_id", "start", "end", "res_list"), progress)
    if raw is not None:
        named = raw.frame
        if owners.rounds is not None:
            named = named.drop("prof_id").join(owners.rounds, on="row", how="left")
        rounds = named.select("name", "prof_id", "start", request_id=request_ids("res_list"))
    else:
        trace, trace_notes = store.whole_trace(progress)
        notes += trace_notes
        if trace is None:
            return service_order([], owners), notes
        rounds = name_processes(trace.spans, trace.processes).select(
            "name", "prof_id", "start", request_id="rids"
        )
        return by_client_id(service_order([trace.linked(rounds)], owners), trace.client_ids), notes
    return service_order([rounds], owners), notes


def give_to_domains(events: pl.DataFrame, service: pl.DataFrame, *, whole_seconds: bool) -> pl.DataFrame:
    """Return `events` (request_id, name, time, row, in file order) with the `domain` each belongs to.

    `whole_seconds` tells that the events' times are cut; null domain where no round holds the request.
    """
    served = service.group_by("request_id", maintain_order=True).agg("domain", "last")
    moving = served.filter(pl.col("domain").list.len() > 1)
    ways: dict[str, _Way] = {}
    for request_id, domains, lasts in moving.iter_rows():
        cut = [t.replace(microsecond=0) for t in lasts] if whole_seconds else lasts
        ways[request_id] = _Way(domains, cut)
    several = events.join(moving, on="request_id", how="semi", maintain_order="left")
    places = [
        ways[request_id].domain_of(name, time)
        for request_id, name, time in several.select("request_id", "name", "time").iter_rows()
    ]
    moved = pl.DataFrame({"row": several["row"], "moved": pl.Series(places, dtype=pl.String)})
    first = served.select("request_id", domain=pl.col("domain").list.first())
    return (
        events.join(first, on="request_id", how="left", maintain_order="left")
        .join(moved, on="row", how="left", maintain_order="left")
        .with_columns(domain=pl.coalesce("moved", "domain"))
        .drop("moved")
    )


class _Way:
    """One request's way through the domains that served it, from P to D."""

    def __init__(self, domains: list[str], lasts: list[datetime]) -> None:
        self._domains = domains
        self._lasts = lasts  # start of its last round there: until then it stays
        self._at = 0
        self._holds = False  # blocks in the present domain
        self._held_before = False  # and still in the one before

    def domain_of(self, name: str, time: datetime) -> str:
        """Return the domain of its next event."""
        if name != "Free":
            # D takes its blocks before P, pulled from, has freed its own.
            if name == "Allocate" and self._holds and self._may_leave(time):
                self._held_before = True
                self._at += 1
            self._holds = True
            return self._domains[self._at]
        if self._held_before:
            self._held_before = False
            return self._domains[self._at - 1]
        domain = self._domains[self._at]
        self._holds = False
        if self._may_leave(time):
            self._at += 1
        return domain

    def _may_leave(self, time: datetime) -> bool:
        return self._at + 1 < len(self._domains) and time >= self._lasts[self._at]
