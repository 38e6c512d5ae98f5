"""Open a path: find the output, tell which frames it can yield, and wire each to its loader."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar, cast

import polars as pl

from lbtui.profile import FrameName, Note, Profile, Progress, Unreadable
from lbtui.profile.model import Loader, ScheduledRequest
from lbtui.sources import csv_file, database
from lbtui.sources.discover import Output, find_output
from lbtui.sources.store import Store
from lbtui.text import _, visible

# Which tables (CSV or profiler.db) can yield a frame; the trace can yield those marked True.
_YIELDS: dict[FrameName, tuple[tuple[str, ...], bool]] = {
    "batches": (("batch",), True),
    "steps": (("forward", "batch"), True),
    "kv": (("kvcache", "batch"), True),
    "queues": (("request_status", "slice"), True),
    "nodes": (("coordinator",), True),
    "requests": (("request",), True),
    "transfers": (("pd_split_kvcache",), True),
    "handoffs": (("pd_split_communication",), True),
    "expert_heat": (("slice",), True),
    "placements": (("slice",), True),
    "layer_times": (("ep_balance",), False),
    "rank_intervals": (("moe_analysis",), False),
    "speculation": (("spec_decode",), False),
}

_T = TypeVar("_T")


def open_profile(path: Path) -> Profile:
    """Return the profile at `path`; looks at names, sizes and table names only, whatever the size.

    Raises `Unreadable` when nothing there can be read, `SeveralOutputs` when there is a choice to make.
    """
    output = find_output(path)
    notes: list[Note] = []
    present = set(output.csv)
    if output.database:
        try:
            present |= database.tables_of(output.database)
        except Unreadable as error:
            notes.append(Note(visible(output.database.name), str(error)))
    available: list[FrameName] = [
        name
        for name, (tables, in_trace) in _YIELDS.items()
        if present.intersection(tables) or (in_trace and output.trace)
    ]
    if output.heat_maps and "expert_heat" not in available:
        available.append("expert_heat")
    if not available:
        sentences = " ".join(note.text for note in notes)
        raise Unreadable(
            sentences
            or _("{path} holds no table that lbtui knows; parse the profile again.").format(
                path=visible(str(output.folder))
            )
        )
    loaders = _Loaders(Store(output))
    return Profile(
        path=output.folder,
        files=output.files,
        notes=tuple(notes),
        loaders={name: loaders.named[name] for name in available},
        round_reader=loaders.read_round,
    )


class _Loaders:
    """The loader of each frame; what several frames need is computed once."""

    def __init__(self, store: Store) -> None:
        from lbtui.sources.canonical import experts, kv, nodes, queues, requests, scheduling

        self._store = store
        scheduled = _Once(lambda progress: scheduling.load_scheduling(store, progress))
        batches = _Once(lambda progress: scheduling.load_batches(scheduled(progress)))
        heat = _Once(lambda progress: experts.load_expert_heat(store, progress))
        self._scheduled = scheduled
        self.named: dict[FrameName, Loader] = {
            "batches": batches,
            "steps": lambda p: scheduling.load_steps(scheduled(p), batches(p)),
            "kv": lambda p: kv.load_kv(store, scheduled(p), p),
            "queues": lambda p: queues.load_queues(store, scheduled(p).owners, p),
            "nodes": lambda p: nodes.load_nodes(store, p),
            "requests": lambda p: requests.load_requests(store, p),
            "transfers": lambda p: requests.load_transfers(store, p),
            "handoffs": lambda p: requests.load_handoffs(store, p),
            "expert_heat": lambda p: heat(p)[0],
            "placements": lambda p: heat(p)[1],
            "layer_times": lambda p: experts.load_layer_times(store, p),
            "rank_intervals": lambda p: experts.load_rank_intervals(store, p),
            "speculation": lambda p: requests.load_speculation(store, p),
        }

    def read_round(self, prof_id: str, row: int) -> list[ScheduledRequest]:
        """Return the requests of the scheduling round at `row` of the file that `batches` came from.

        Raises `Unreadable` when the file changed under us so that the row is another scheduler's.
        """
        from lbtui.profile import Silent
        from lbtui.sources.res_list import parse_res_list

        raw = self._scheduled(Silent()).batch
        output = self._store.output
        if raw is None:
            return []
        if raw.provenance.reader == "trace" and output.trace:
            from lbtui.sources.trace import read_event

            requests = read_event(output.trace, row).get("args", {}).get("res_list", [])
            return parse_res_list(str(requests)).requests
        written_by, res_list = _round_cell(output, raw.provenance.reader, row)
        if written_by != prof_id:
            raise Unreadable(
                _("{file} changed while it was open; start lbtui again.").format(file=raw.provenance.file)
            )
        return parse_res_list(res_list).requests


def _round_cell(output: Output, reader: str, row: int) -> tuple[str | None, str | None]:
    if reader == "sqlite":
        assert output.database is not None
        with database.connect(output.database) as connection:
            found = connection.execute(
                "SELECT prof_id, res_list FROM batch WHERE rowid = ?", (row + 1,)
            ).fetchone()
        return found or (None, None)
    path = output.csv["batch"]
    header = csv_file.read_header(path)
    cell = (
        pl.scan_csv(path, has_header=False, skip_rows=1, infer_schema=False, encoding="utf8-lossy")
        .select(
            pl.nth(header.index("prof_id")).alias("prof_id"),
            pl.nth(header.index("res_list")).alias("res_list"),
        )
        .slice(row, 1)
        .collect()
    )
    return cast("tuple[str | None, str | None]", cell.row(0)) if cell.height else (None, None)


class _Once(Generic[_T]):
    """A loader whose result is kept; a second caller waits for the first, a cancelled one is forgotten."""

    def __init__(self, load: Callable[[Progress], _T]) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._kept: list[_T] = []

    def __call__(self, progress: Progress) -> _T:
        with self._lock:
            if not self._kept:
                self._kept.append(self._load(progress))
            return self._kept[0]
