"""What a service says of its ids: that `to` is the same request as `from` (old MindIE numbers requests anew).

Upstream names a request by `from` in the process that links the two, and in the workers that it started. So
does this, and chains are followed; an id that is no number is unique, so its link holds in every process.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from lbtui.sources.raw.processes import Process
from lbtui.sources.tables import cells

NAME, FROM, TO = "Link", "from", "to"

_LINKED = {"scope": pl.String(), "request_id": pl.String(), "linked": pl.String()}


@dataclass(frozen=True)
class Links:
    """By what id a request is known: `within` a scope, or `anywhere`; `scopes` has that of each process."""

    scopes: pl.DataFrame  # prof_id, scope
    within: pl.DataFrame  # scope, request_id, linked
    anywhere: pl.DataFrame  # request_id, linked

    def named(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return rows that have `prof_id` and a `request_id`, or a list of them, with the ids linked."""
        if self.within.is_empty():
            return rows
        if isinstance(rows.schema["request_id"], pl.List):
            numbered = rows.with_row_index("_list")
            single = self.named(numbered.select("_list", "prof_id", "request_id").explode("request_id"))
            lists = single.group_by("_list", maintain_order=True).agg("request_id")
            # A list that is null or empty stays what it is.
            own = numbered.select("_list", given="request_id").join(
                lists, on="_list", how="left", maintain_order="left"
            )
            known = own.select(pl.when(pl.col("given").list.len() > 0).then("request_id").otherwise("given"))
            return rows.with_columns(known.to_series().alias("request_id"))
        found = (
            rows.join(self.scopes, on="prof_id", how="left", maintain_order="left")
            .join(self.within, on=["scope", "request_id"], how="left", maintain_order="left")
            .join(self.anywhere, on="request_id", how="left", suffix="_anywhere", maintain_order="left")
        )
        return found.with_columns(request_id=pl.coalesce("linked", "linked_anywhere", "request_id")).drop(
            "scope", "linked", "linked_anywhere"
        )


def links_of(records: pl.DataFrame, processes: Sequence[Process]) -> Links:
    """Return the links that records with `prof_id`, `from` and `to` tell, the last of two of one id."""
    told = (
        records.select("prof_id", cells.identity(records[FROM]), cells.identity(records[TO]))
        .drop_nulls([FROM, TO])
        .filter((pl.col(FROM) != "") & (pl.col(TO) != "") & (pl.col(FROM) != pl.col(TO)))
    )
    own: dict[str, dict[str, str]] = {}
    froms: dict[str, set[str]] = {}
    for prof_id, linked, request in told.select("prof_id", FROM, TO).iter_rows():
        own.setdefault(prof_id, {})[request] = linked
        froms.setdefault(request, set()).add(linked)
    # Numbers are counted by each process for itself; what two link to different ids tells nothing elsewhere.
    shared = {to: next(iter(ids)) for to, ids in froms.items() if len(ids) == 1 and not to.isdigit()}
    parents = _parents(processes)
    merged = {prof_id: _merged(prof_id, own, parents) for prof_id in own}
    within = [
        (scope, request, _followed(request, [links, shared]))
        for scope, links in merged.items()
        for request in links
    ]
    anywhere = [(request, _followed(request, [shared])) for request in shared]
    scopes = [
        (prof_id, scope)
        for prof_id in dict.fromkeys(process.prof_id for process in processes)
        if (scope := next((one for one in _line(prof_id, parents) if one in own), None)) is not None
    ]
    return Links(
        pl.DataFrame(scopes, schema={"prof_id": pl.String, "scope": pl.String}, orient="row"),
        pl.DataFrame(within, schema=_LINKED, orient="row"),
        pl.DataFrame(anywhere, schema={"request_id": pl.String, "linked": pl.String}, orient="row"),
    )


def _parents(processes: Iterable[Process]) -> dict[str, str]:
    """Return the process that started each, of those that are known."""
    at = {(process.host, process.pid): process.prof_id for process in processes}
    found = {process.prof_id: at.get((process.host, process.parent or 0)) for process in processes}
    return {prof_id: parent for prof_id, parent in found.items() if parent is not None}


def _line(prof_id: str, parents: Mapping[str, str]) -> list[str]:
    """Return a process and those that it comes from."""
    found = [prof_id]
    while (parent := parents.get(found[-1])) is not None and parent not in found:
        found.append(parent)
    return found


def _merged(prof_id: str, own: Mapping[str, Mapping[str, str]], parents: Mapping[str, str]) -> dict[str, str]:
    """Return the links that hold in a process: its own before those of the processes that it comes from."""
    merged: dict[str, str] = {}
    for one in reversed(_line(prof_id, parents)):
        merged |= own.get(one, {})
    return merged


def _followed(request: str, maps: Sequence[Mapping[str, str]]) -> str:
    """Return the id at the beginning of the chain that ends in one; links in a circle end it."""
    seen = {request}
    while True:
        linked = next((found[request] for found in maps if request in found), None)
        if linked is None or linked in seen:
            return request
        request = linked
        seen.add(request)
