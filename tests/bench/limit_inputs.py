"""Inputs that are far larger than any that a service writes, one kind of largeness each.

Each maker writes into an empty folder and returns what `lbtui` is called with.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from tests.tools import parser_format as fmt
from tests.tools.expert_format import RawMark, write_raw

MANY = 100_000
HOSTS = 300_000
MIB = 1 << 20
_START = 1_767_225_600_000_000_000
_MS = 1_000_000
_SAMPLES = Path(__file__).parent.parent / "data"

Maker = Callable[[Path], "list[str]"]


def _forward(folder: Path, processes: Iterable[tuple[str, int, int | None]], steps: int) -> None:
    rows = (
        fmt.ForwardRow(at, at + 20 * _MS, 4 + pid % 5, "Decode", rank, host, pid)
        for host, pid, rank in processes
        for at in range(_START + pid % 1000 * 1000, _START + steps * 30 * _MS, 30 * _MS)
    )
    fmt.write_forward_csv(folder / "forward.csv", rows)


def _batch(folder: Path, processes: Iterable[tuple[str, int, int | None]], steps: int) -> None:
    requests = tuple(fmt.Scheduled(f"r{n}", 1, 1) for n in range(4))
    rows = (
        fmt.BatchRow("Execute", requests, at, at + 21 * _MS, None, fmt.prof_id(host, pid), rank)
        for host, pid, rank in processes
        for at in range(_START, _START + steps * 30 * _MS, 30 * _MS)
    )
    fmt.write_batch_csv(folder / "batch.csv", rows)


def hosts(folder: Path) -> list[str]:
    """Every forward pass on a host of its own."""
    _forward(folder, ((f"node-{n}", 7, 0) for n in range(HOSTS)), 1)
    return [str(folder)]


def hosts_of_rounds(folder: Path) -> list[str]:
    """Every scheduling round, queue length and forward pass on a host of its own."""
    _forward(folder, ((f"node-{n}", 7, 0) for n in range(HOSTS // 3)), 1)
    _batch(folder, ((f"node-{n}", 6, 0) for n in range(HOSTS // 3)), 1)
    samples = (fmt.QueueSample(f"node-{n}", 6, _START + n * 1000, n % 7, 3, 0) for n in range(HOSTS // 3))
    fmt.write_request_status_csv(folder / "request_status.csv", samples)
    return [str(folder)]


def domains(folder: Path) -> list[str]:
    """So many DP ranks of one host, some steps each, with their rounds."""
    _forward(folder, (("node-a", n, n) for n in range(MANY)), 4)
    _batch(folder, (("node-a", MANY + n, n) for n in range(MANY)), 4)
    return [str(folder)]


def processes(folder: Path) -> list[str]:
    """So many processes without a rank, as vLLM's: which domain they are of is found by their batches."""
    _forward(folder, (("node-a", n, None) for n in range(MANY)), 4)
    _batch(folder, (("node-a", MANY + n, n % 64) for n in range(MANY)), 4)
    return [str(folder)]


def nodes(folder: Path) -> list[str]:
    """So many addresses of P and D nodes, in two bins."""
    events = (
        fmt.NodeEvent(_START + n % 2 * 5_000 * _MS, f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}:1025", role, True)
        for n in range(MANY)
        for role in (("prefill", "decode")[n % 2],)
    )
    fmt.write_coordinator_csv(folder / "coordinator.csv", events)
    return [str(folder)]


def pairs(folder: Path) -> list[str]:
    """KV pulls of so many pairs of a source and a decode rank."""
    pulls = (
        fmt.Pull(f"r{n}", n % 400, 100, n // 400, 4, _START + n * _MS, _START + (n + 9) * _MS)
        for n in range(MANY)
    )
    fmt.write_pd_split_kvcache_csv(folder / "pd_split_kvcache.csv", pulls)
    return [str(folder)]


def ranks(folder: Path) -> list[str]:
    """KV pulls of so many decode ranks, each from a source of its own."""
    pulls = (fmt.Pull(f"r{n}", n, 100, n, 4, _START + n * _MS, _START + (n + 9) * _MS) for n in range(MANY))
    fmt.write_pd_split_kvcache_csv(folder / "pd_split_kvcache.csv", pulls)
    return [str(folder)]


def kv_owners(folder: Path) -> list[str]:
    """KV readings of so many requests, each on a rank of its own, in profiler.db and kvcache.csv."""
    events = [
        fmt.KvEvent(f"r{n}", kind, _START + n * _MS, 100 - (kind != "Free"), n, n)
        for n in range(MANY)
        for kind in ("Allocate", "Free")
    ]
    fmt.write_kvcache_csv(folder / "kvcache.csv", events)
    named = [fmt.Process(n, f"p{n}", f"node-{n},dp{n}") for n in range(MANY)]
    fmt.write_profiler_db(folder / "profiler.db", named, (), events)
    return [str(folder)]


def layers(folder: Path) -> list[str]:
    """Operator times of so many layers."""
    fmt.write_ep_balance_csv(folder / "ep_balance.csv", {7: range(MANY), 8: range(MANY), 9: range(MANY)})
    return [str(folder)]


def columns(folder: Path) -> list[str]:
    """Operator times of 50,000 processes, a column each."""
    fmt.write_ep_balance_csv(folder / "ep_balance.csv", {n: range(100, 160) for n in range(MANY // 2)})
    return [str(folder)]


def columns_of_forward(folder: Path) -> list[str]:
    """forward.csv with 50,000 columns more."""
    _forward(folder, (("node-a", n, n) for n in range(4)), 30)
    header, *lines = (folder / "forward.csv").read_text().splitlines()
    more, cells = ("," + ",".join(f"{word}{n}" for n in range(MANY // 2)) for word in ("c", ""))
    text = "".join(f"{line}\n" for line in (header + more, *(line + cells for line in lines)))
    (folder / "forward.csv").write_text(text)
    return [str(folder)]


def datasets(folder: Path) -> list[str]:
    """Mean times of so many EP processes."""
    fmt.write_moe_analysis_csv(folder / "moe_analysis.csv", {n: (1e5, 1.1e5, 1.2e5 + n) for n in range(MANY)})
    return [str(folder)]


def long_ids(folder: Path) -> list[str]:
    """300 requests whose ids are 1 MB long."""
    rows = [
        fmt.RequestRow(
            f"{n:03}" + "x" * 1_000_000,
            _START + n * _MS,
            _START + (n + 90) * _MS,
            _START + (n + 40) * _MS,
            _MS,
            500,
            30,
        )
        for n in range(300)
    ]
    fmt.write_request_csv(folder / "request.csv", rows)
    return [str(folder)]


def _one_cell(folder: Path, cell: bytes, end: bytes) -> list[str]:
    _batch(folder, (("node-a", 9 + n, n) for n in range(4)), 50)
    with (folder / "batch.csv").open("ab") as file:
        file.write(b'Execute,"')
        for _part in range(300 * MIB // len(cell)):
            file.write(cell)
        file.write(end)
    return [str(folder)]


def large_cell(folder: Path) -> list[str]:
    """One cell of 300 MB among the rounds."""
    end = b'",2026-01-01 08:00:00:0,2026-01-01 08:00:00:1,1,,ms_service_node-a-9,1,0,1,0,1,1,0,1,1\n'
    return _one_cell(folder, b"x" * MIB, end)


def large_list(folder: Path) -> list[str]:
    """One `res_list` of 300 MB, of so many requests as that takes."""
    end = (
        b']",2026-01-01 08:00:00:057339,2026-01-01 08:00:00:088737,31.398,,ms_service_node-a-9,'
        b"1.0,0,1,0,1,1,0,1767225600057339.0,1767225600088737.0\n"
    )
    return _one_cell(folder, b"{'rid': 'r0', 'iter': 1, 'num_scheduled_tokens=': 1}, " * 20_000, end)


def open_quote(folder: Path) -> list[str]:
    """A quote that 300 MB later is not closed yet, over many lines."""
    return _one_cell(folder, b"x" * 70 + b"\n", b"")


def one_line(folder: Path) -> list[str]:
    """forward.csv is 300 MB without an end of line."""
    with (folder / "forward.csv").open("wb") as file:
        for _part in range(300):
            file.write(b"1,2,3,4567" * (MIB // 10))
    return [str(folder)]


def _trace(folder: Path, before: bytes, part: bytes, times: int, after: bytes) -> list[str]:
    with (folder / "chrome_tracing.json").open("wb") as file:
        file.write(before)
        for _part in range(times):
            file.write(part)
        file.write(after)
    return [str(folder)]


def trace_string(folder: Path) -> list[str]:
    """A trace with one text of 300 MB."""
    return _trace(folder, b'[{"ph": "X", "name": "', b"x" * MIB, 300, b'"}]')


def trace_key(folder: Path) -> list[str]:
    """A trace that begins with a member of 300 MB that is not its events."""
    return _trace(folder, b'{"other": "', b"x" * MIB, 300, b'", "traceEvents": []}')


def trace_nested(folder: Path) -> list[str]:
    """A trace that is nothing but opening brackets."""
    return _trace(folder, b"", b"[" * MIB, 300, b"")


def trace_objects(folder: Path) -> list[str]:
    """A trace whose one event is a list of empty objects."""
    return _trace(
        folder, b'[{"ph": "X", "name": "forward", "args": {"a": [', b"{}," * 100_000, 1000, b"{}]}}]"
    )


def trace_processes(folder: Path) -> list[str]:
    """A trace of 300,000 processes, each with a label and a forward pass."""
    with (folder / "chrome_tracing.json").open("w") as file:
        file.write("[")
        for n in range(HOSTS):
            label = {"ph": "M", "name": "process_labels", "pid": n, "args": {"labels": f"node-{n},dp{n}"}}
            step = {
                "ph": "X",
                "name": "forward",
                "ts": 1_767_225_600_000_000 + n,
                "dur": 20_000,
                "pid": n,
                "tid": f"forward({n})",
                "args": {"batch_size": 4, "dp_rank": n},
            }
            file.write(f"{json.dumps(label)},\n{json.dumps(step)},\n")
        file.write('{"ph": "M", "name": "end", "args": {}}]')
    return [str(folder)]


def _bomb(path: Path, head: bytes, part: bytes, times: int) -> None:
    with path.open("wb") as file:
        packer = zlib.compressobj(9, wbits=31)
        file.write(packer.compress(head))
        for _part in range(times):
            file.write(packer.compress(part))
        file.write(packer.flush())


def _forward_head() -> bytes:
    return fmt.HEADERS["forward.csv"].encode() + b"\n"


def bomb_zeros(folder: Path) -> list[str]:
    """forward.csv.gz, 10 MB that are 10 GB of zeros."""
    _bomb(folder / "forward.csv.gz", _forward_head(), bytes(10 * MIB), 1000)
    return [str(folder)]


def bomb_lines(folder: Path) -> list[str]:
    """The same of empty lines."""
    _bomb(folder / "forward.csv.gz", _forward_head(), b"\n" * (10 * MIB), 1000)
    return [str(folder)]


def bomb_commas(folder: Path) -> list[str]:
    """The same of rows with no cell."""
    _bomb(folder / "forward.csv.gz", _forward_head(), b"," * 13 + b"\n" + b",,,,,,,,,,,,,\n" * 699_050, 1000)
    return [str(folder)]


def bomb_rows(folder: Path) -> list[str]:
    """The same of one row again and again."""
    _forward(folder, [("node-a", 7, 0)], 2)
    row = (folder / "forward.csv").read_bytes().splitlines(keepends=True)[1]
    (folder / "forward.csv").unlink()
    _bomb(folder / "forward.csv.gz", _forward_head(), row * (10 * MIB // len(row)), 1000)
    return [str(folder)]


def bomb_header(folder: Path) -> list[str]:
    """The same of a header that does not end."""
    _bomb(folder / "forward.csv.gz", b"", b"a" * (10 * MIB), 1000)
    return [str(folder)]


def _sqlite(path: Path, statements: Sequence[tuple[str, tuple[object, ...]]]) -> None:
    connection = sqlite3.connect(path)
    try:
        connection.execute("BEGIN")  # or the disk is waited for after each table
        for sql, parameters in statements:
            connection.execute(sql, parameters)
        connection.commit()
    finally:
        connection.close()


def cells_of_rounds(folder: Path) -> list[str]:
    """profiler.db with two cells of 300 MB in `batch`."""
    names = fmt.HEADERS["batch.csv"].split(",")
    marks = ", ".join("?" * len(names))
    row = ["Execute", "x" * (300 * MIB), "2026-01-01 08:00:00:057339", "2026-01-01 08:00:00:088737", 31.4, ""]
    row += ["ms_service_node-a-9", 1, 0, 1, 0, 1, 1, 0, 1767225600057339.0, 1767225600088737.0]
    made = f"CREATE TABLE batch ({', '.join(f'[{name}]' for name in names)})"
    insert = f"INSERT INTO batch VALUES ({marks})"
    _sqlite(folder / "profiler.db", [(made, ()), (insert, tuple(row)), (insert, tuple(row))])
    return [str(folder)]


def cells_of_slices(folder: Path) -> list[str]:
    """profiler.db with two cells of 300 MB in the arguments of events."""
    fmt.write_profiler_db(
        folder / "profiler.db",
        [fmt.Process(7, "p", "node-a,dp0")],
        [fmt.Slice(_START + n * _MS, _START + n * _MS, "expert_hot", "eplb_observe", 7) for n in range(3)],
    )
    args = json.dumps({"rank": 0, "expert_hot": "x" * (300 * MIB)})
    _sqlite(folder / "profiler.db", [("UPDATE slice SET args = ? WHERE id < 3", (args,))])
    return [str(folder)]


def cells_of_marks(folder: Path) -> list[str]:
    """A raw profile with two marks of 300 MB."""
    heat = {"rank": 0, "expert_hot": [[3, 4], [5, 6]]}
    path = write_raw(folder, "node-a", 7, [RawMark(_START + n * _MS, heat) for n in range(4)])
    long = json.dumps(
        {"name": "expert", "domain": "eplb_observe", "rank": 0, "expert_hot": "x" * (300 * MIB)}
    )
    _sqlite(path, [("UPDATE Mstx SET message = ? WHERE markId < 2", (long.replace(": ", ":"),))])
    return [str(folder)]


def tables(folder: Path) -> list[str]:
    """profiler.db with so many tables."""
    fmt.write_profiler_db(folder / "profiler.db", [fmt.Process(7, "p", "node-a,dp0")], ())
    _sqlite(folder / "profiler.db", [(f"CREATE TABLE t{n} (a)", ()) for n in range(MANY // 4)])
    return [str(folder)]


def _placement(folder: Path, before: str, part: str, after: str) -> list[str]:
    _forward(folder, (("node-a", n, n) for n in range(4)), 30)
    path = folder.parent / f"{folder.name}.json"
    with path.open("w") as file:
        file.write(before)
        for _part in range(60 * MIB // len(part)):
            file.write(part)
        file.write(after)
    return [str(folder), "--placement", str(path)]


def placement_numbers(folder: Path) -> list[str]:
    """A placement file of 60 MB, of one list of numbers."""
    return _placement(folder, '{"physical_to_logical_map": [[', "1000, " * 10_000, "1]]}")


def placement_lists(folder: Path) -> list[str]:
    """The same of empty lists."""
    return _placement(folder, '{"physical_to_logical_map": [', "[]," * 10_000, "[1]]}")


def placement_objects(folder: Path) -> list[str]:
    """The same of devices that hold nothing but an object."""
    layer = '{"layer_id":0,"device_count":1,"device_list":[{"device_id":0,"device_expert":[0]}]},'
    return _placement(folder, '{"moe_layer_count":9,"layer_list":[', layer * 1000, "{}]}")


def placement_texts(folder: Path) -> list[str]:
    """The same of short texts."""
    return _placement(folder, "[", "".join(f'"{n:04}",' for n in range(10_000)), '""]')


def placement_alone(folder: Path) -> list[str]:
    """A placement file of 60 MB of empty objects, opened by itself."""
    _folder, _option, path = _placement(folder, "[", "{}," * 10_000, "{}]")
    return [path]


def many_files(folder: Path) -> list[str]:
    """So many files of no known name beside an output."""
    shutil.copytree(_SAMPLES / "csv_only", folder, dirs_exist_ok=True)
    for n in range(MANY):
        (folder / f"file{n}.txt").touch()
    return [str(folder)]


def many_raw(folder: Path) -> list[str]:
    """So many empty files that are named like those of a raw profile."""
    for n in range(MANY):
        (folder / f"ms_service_node-{n}.db").touch()
    return [str(folder)]


def many_pictures(folder: Path) -> list[str]:
    """So many heat maps, all the same file of one name each."""
    [picture, *_others] = sorted((_SAMPLES / "pd_ep_png").glob("*eplb_0*.png"))
    shutil.copy(picture, folder)
    for n in range(1, MANY):
        os.link(folder / picture.name, folder / picture.name.replace("eplb_0", f"eplb_{n}"))
    return [str(folder)]


def many_outputs(folder: Path) -> list[str]:
    """So many folders with an output each."""
    for n in range(MANY // 4):
        (folder / f"{n}").mkdir()
        (folder / f"{n}" / "forward.csv").touch()
    return [str(folder)]


def many_csv(folder: Path) -> list[str]:
    """So many CSV files that are no table of the parser's."""
    for n in range(MANY):
        (folder / f"load{n}.csv").write_text("a,b\n1,2\n")
    return [str(folder)]


def deep_folders(folder: Path) -> list[str]:
    """Folders in folders as deep as a path can be."""
    deep = folder
    while len(str(deep)) < 4000:
        deep = deep / "d"
        deep.mkdir()
    return [str(folder)]


def link_loop(folder: Path) -> list[str]:
    """Folders that hold links to those around them, and files that are links to themselves."""
    shutil.copytree(_SAMPLES / "csv_only", folder / "a" / "output")
    (folder / "a" / "up").symlink_to(folder)
    (folder / "a" / "output" / "round").symlink_to(folder / "a")
    (folder / "a" / "output" / "kvcache.csv").unlink()
    (folder / "a" / "output" / "kvcache.csv").symlink_to("kvcache.csv")
    return [str(folder)]


def packed_twice(folder: Path) -> list[str]:
    """forward.csv.gz, of which the inside is packed again."""
    _bomb(folder / "forward.csv.gz", gzip.compress(_forward_head() * 1000), b"", 0)
    return [str(folder)]


MAKERS: dict[str, Maker] = {
    maker.__name__: maker
    for maker in (
        hosts,
        hosts_of_rounds,
        domains,
        processes,
        nodes,
        pairs,
        ranks,
        kv_owners,
        layers,
        columns,
        columns_of_forward,
        datasets,
        long_ids,
        large_cell,
        large_list,
        open_quote,
        one_line,
        trace_string,
        trace_key,
        trace_nested,
        trace_objects,
        trace_processes,
        bomb_zeros,
        bomb_lines,
        bomb_commas,
        bomb_rows,
        bomb_header,
        packed_twice,
        cells_of_rounds,
        cells_of_slices,
        cells_of_marks,
        tables,
        placement_numbers,
        placement_lists,
        placement_objects,
        placement_texts,
        placement_alone,
        many_files,
        many_raw,
        many_pictures,
        many_outputs,
        many_csv,
        deep_folders,
        link_loop,
    )
}
# Of these the screen is looked at, too.
ON_SCREEN = ("hosts", "hosts_of_rounds", "domains", "processes", "nodes", "pairs", "trace_processes")
