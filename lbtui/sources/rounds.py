"""The requests of one scheduling round, read from its file when asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import polars as pl

from lbtui.profile import Silent, Unreadable
from lbtui.profile.source import ScheduledRequest
from lbtui.sources.events import READERS
from lbtui.sources.res_list import parse_res_list
from lbtui.sources.tables import csv_file, database
from lbtui.sources.tables.sqlite_cells import quoted
from lbtui.sources.tables.tables import Conversion, match_headers, numeric_headers
from lbtui.sources.trace.requests import by_client_id
from lbtui.text import _

if TYPE_CHECKING:
    from lbtui.sources.store import Raw, Store

# Prove that a row is still the round it was when the table was read.
_IDENTITY = ("name", "prof_id", "start", "end")
_WANTED = (*_IDENTITY, "res_list")
_Found: TypeAlias = "tuple[tuple[Any, ...] | None, str | None]"  # what proves the row, and its res_list


def read_round(store: Store, batch: Raw, prof_id: str, row: int) -> list[ScheduledRequest]:
    """Return the requests of the round of scheduler `prof_id` at `row` of the file that `batch` came from.

    Raises `Unreadable` when there is no such round, as after the file was written anew.
    """
    known = batch.frame.filter(pl.col("row") == row, pl.col("prof_id") == prof_id).select(_IDENTITY)
    if known.height == 1:
        of_events = batch.provenance.reader in READERS
        read = store.read_span(prof_id, row) if of_events else _from_table(store, batch, prof_id, row)
        found, res_list = read
        if found == known.row(0):
            requests = parse_res_list(res_list).requests
            return _by_known_ids(requests, store, prof_id) if of_events else requests
    raise Unreadable(
        _("{file} changed while it was open; R reads it again.").format(file=batch.provenance.file)
    )


def _by_known_ids(requests: list[ScheduledRequest], store: Store, prof_id: str) -> list[ScheduledRequest]:
    """Return the requests by the ids that the other frames know them by."""
    events, _notes = store.whole_trace(Silent())
    if events is None:
        return requests
    ids = pl.Series([one.request_id for one in requests], dtype=pl.String)
    rows = pl.DataFrame({"request_id": ids}).with_columns(prof_id=pl.lit(prof_id))
    named = by_client_id(events.linked(rows), events.client_ids)["request_id"]
    return [replace(one, request_id=known) for one, known in zip(requests, named, strict=True)]


def _from_table(store: Store, batch: Raw, prof_id: str, row: int) -> _Found:
    clock = store.clocks(Silent()).of["batch"]
    file = batch.provenance.file
    if batch.provenance.reader == "sqlite":
        assert store.database is not None
        with database.connect(store.database) as opened:
            headers = match_headers("batch", opened.columns("batch"), _WANTED, file, clock)
            columns = list(headers.header_of.values())
            sql = f"SELECT {', '.join(map(quoted, columns))} FROM batch WHERE rowid = ?"
            raw = next(opened.chunks(sql, columns, (row + 1,)), None)
    else:
        path = store.output.csv["batch"]
        headers = match_headers("batch", csv_file.read_header(path), _WANTED, file, clock)
        numbers = numeric_headers("batch", headers)
        raw = csv_file.read_row(path, row, list(headers.header_of.values()), numbers)
    if raw is None:
        return None, None
    conversion = Conversion("batch", headers, file)
    conversion.take(raw)
    # An old table names no process.
    cells = conversion.frame().select(_WANTED).with_columns(pl.col("prof_id").fill_null(prof_id))
    return (cells.row(0)[:-1], cells["res_list"][0]) if cells.height else (None, None)
