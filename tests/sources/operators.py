"""MSPTI's databases for a test: the recorded ones under tests/data laid out, and others made of calls."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from lbtui.profile import SourceFile
from lbtui.sources.experts.discover import find_expert_files
from tests.sources.recorded import DATA, content

GROUPED = "aclnnGroupedMatmulV4_GroupedMatmul_GroupedMatmul"
DISPATCH, COMBINE = "MoeDistributeDispatch", "MoeDistributeCombine"
START = 1_767_225_601_000_000_000  # ns

_TABLES = {
    "Api": "name TEXT, start INTEGER, end INTEGER, processId INTEGER, threadId INTEGER, "
    "correlationId INTEGER",
    "Kernel": "type TEXT, name TEXT, start INTEGER, end INTEGER, deviceId INTEGER, streamId INTEGER, "
    "correlationId INTEGER",
    "Communication": "name TEXT, start INTEGER, end INTEGER, deviceId INTEGER, streamId INTEGER, "
    "dataCount INTEGER, dataType INTEGER, commGroupName TEXT, correlationId INTEGER",
}


class Call(NamedTuple):
    """One call on the device: of a collective where its name says so, else a kernel launched as `api`."""

    name: str
    start: Any  # ns
    end: Any
    api: str | None = None
    launch: int | None = None  # correlationId, else counted


def of_passes(
    passes: int, layers: int, *, pause: int = 2_000_000, marks: bool = True, skip: int = 0
) -> Iterator[Call]:
    """Yield the calls of forward passes but the first `skip` layers of the first; see `took`.

    Between two passes lie `pause` ns.
    """
    time = START
    for number in range(passes):
        for layer in range(layers):
            if number or layer >= skip:
                if marks:
                    yield Call(DISPATCH, time, time + 20_000)
                for call in range(2):
                    begin = time + 25_000 + call * 100_000
                    yield Call("te_gmm", begin, begin + took(layer, number, call), GROUPED)
                if marks:
                    yield Call(COMBINE, time + 230_000, time + 260_000)
            time += 300_000
        time += pause


def took(layer: int, number: int, call: int) -> int:
    """Return how long one of the two calls of a layer takes in a pass, in ns."""
    return 10_000 + 500 * layer + 7 * number + call


def write_mspti(
    folder: Path, host: str, pid: int, calls: Iterable[Call], without: Iterable[str] = ()
) -> Path:
    """Write a process's database as upstream's collector does, but for the tables `without`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"ascend_service_profiler_{host}-{pid}.db"
    rows: dict[str, list[tuple[Any, ...]]] = {table: [] for table in _TABLES}
    for number, call in enumerate(calls, start=1):
        launch = number if call.launch is None else call.launch
        if call.name.startswith("MoeDistribute"):
            rows["Communication"].append((call.name, call.start, call.end, 0, 11, 1, 1, "group", launch))
        else:
            rows["Kernel"].append(("KERNEL_AICORE", call.name, call.start, call.end, 0, 2, launch))
        if call.api:
            rows["Api"].append((call.api, START, START + 1, pid, pid, launch))
    with closing(sqlite3.connect(path)) as connection:
        for table, columns in _TABLES.items():
            if table not in without:
                connection.execute(f"CREATE TABLE {table} ({columns})")
                marks = ", ".join("?" * len(columns.split(",")))
                connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows[table])
        connection.commit()
    return path


def lay_out_mspti(folder: Path) -> Path:
    """Write the recorded databases, four of the 16 of `pd_ep`, as the raw profile `folder` has them."""
    for packed in sorted((DATA / "pd_ep_operators").glob("*.db.gz")):
        name = packed.name.removesuffix(".gz")
        host, _, _pid = name.removeprefix("ascend_service_profiler_").rpartition("-")
        path = folder / host / "mspti" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content(f"pd_ep_operators/{name}"))
    return folder


def found(folder: Path) -> tuple[SourceFile, ...]:
    """Return MSPTI's databases below a folder."""
    return find_expert_files(folder).operators
