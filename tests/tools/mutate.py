"""Broken and hostile outputs made from real samples, the same for the same seed.

`make_case(seed, folder)` writes one output into an empty folder and tells what was done to it.
"""

import csv
import gzip
import io
import json
import os
import random
import shutil
import sqlite3
import struct
import tempfile
import zlib
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
DEMO = ROOT / "lbtui" / "demo" / "output"
_PNGS = DATA / "pd_ep_png"
_ROWS = 60  # of a table: what breaks a reader does not need many

# Text that harms whoever shows it as it is.
HOSTILE = (
    "[red]markup[/red]",
    "[/]",
    "[link=http://x]click[/link]",
    "[@click=app.quit]q[/]",
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\x1b]52;c;aGk=\x07",
    "\x1bP+q544e\x1b\\",
    "\x1b[2J\x1b[H",
    "\x9b31m",
    "\x00nul",
    "back\x08\x08space",
    "tab\tline\nreturn\r",
    "del\x7f",
    "\x85next",
    "rtl\u202eevil\u2066x\u2069",
    "\u200bzero\u200dwidth\ufeff",
    "\u2028line\u2029par",
    "宿主机😀",
    "combine\u0301" * 3,
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "../../x",
    "a/b\\c",
    "%s%n{0}{name}",
    "'; DROP TABLE batch; --",
    "x" * 5000,
    "\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "replace"),
)
FILE_NAMES = [text for text in HOSTILE if not {"/", "\x00"} & set(text) and len(text.encode()) < 200]
NUMBERS = (
    "nan", "NaN", "inf", "-inf", "Infinity", "1e308", "-1e308", "1e400", "-1", "-0.0", "0", "0.5", "1e-320",
    "1000000000", "2147483647", "2147483648", "4294967296", "1000000000000", "9007199254740993",
    "9223372036854775807", "9223372036854775808", "-9223372036854775808", "1" * 40, "1.7672256e18", "1,5",
    "0x10", "1_000", "１２", "None", "", "<NA>", "N/A", "true", "[]", "abc", "1.", ".5", "+7", "--7", "1 2",
)  # fmt: skip
TIMES = (
    "0", "-1", "1970-01-01 00:00:00:000", "9999-12-31 23:59:59:999999", "0001-01-01 00:00:00",
    "2026-02-30 00:00:00:0", "2026-01-01 25:00:00:0", "2026-01-01", "1767225600057.8", "99999999999999999999",
    "2262-04-12 00:00:00:0", "nan", "", "2026-01-01 08:00:00:1234567890123", "-2026-01-01 08:00:00:1",
)  # fmt: skip

Bytes = Callable[[random.Random, bytes], bytes]


@dataclass
class Case:
    """One broken output: where it is, what was done, and what happens while it is open."""

    path: Path
    done: list[str] = field(default_factory=list)
    after_open: Callable[[], None] | None = None
    close: Callable[[], None] | None = None
    unprivileged: bool = False  # to be read by a user other than root, whom nothing is denied
    experts: Path | None = None  # given with --experts
    placement: Path | None = None  # given with --placement


# Samples


@cache
def csv_sample(name: str) -> bytes:
    """Return the head of one recorded table, as `folder/table`."""
    if name == "vllm_small/spec_decode":
        return _SPEC_DECODE
    for path in (DATA / f"{name}.csv", DATA / f"{name}.csv.gz", DEMO / f"{Path(name).name}.csv"):
        if path.exists():
            raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            return b"".join(raw.splitlines(keepends=True)[: _ROWS + 1])
    raise FileNotFoundError(name)


_SPEC_DECODE = b"".join(
    [
        b"rid,iter,prof_id,start_datetime,end_datetime,during_time(ms),spec_tokens,accepted_tokens,"
        b"accepted_ratio,draft_model_time_ms\n",
        *(
            f"req-{i},{i},ms_service_vllm-{100 + i % 2},2026-01-01 08:00:00:{i:06},"
            f"2026-01-01 08:00:01:{i:06},1.0,3,{i % 4},0.3,1.0\n".encode()
            for i in range(20)
        ),
    ]
)
_DP_TABLES = ("batch", "forward", "request", "request_status", "kvcache")
_PD_TABLES = (
    "coordinator", "pd_split_communication", "pd_split_kvcache", "ep_balance", "moe_analysis", "batch",
    "forward", "request", "kvcache",
)  # fmt: skip
CSV_LAYOUTS = (
    tuple(f"csv_only/{name}" for name in _DP_TABLES),
    (*(f"vllm_small/{name}" for name in _DP_TABLES), "vllm_small/spec_decode"),
    tuple(f"demo/{name}" for name in _PD_TABLES),
)


@cache
def trace_sample(name: str) -> tuple[dict, ...]:
    """Return some events of each kind of a recorded trace."""
    text = gzip.decompress((DATA / f"{name}.json.gz").read_bytes()).rstrip()
    if not text.endswith(b"]"):
        text = text[: text.rindex(b"},") + 1] + b"]"
    taken: dict[tuple[str, str], int] = {}
    events = []
    for event in json.loads(text):
        kind = (event["ph"], "" if event["ph"] in "stf" else event["name"])
        taken[kind] = taken.get(kind, 0) + 1
        if taken[kind] <= (45 if event["ph"] == "M" else 8):
            events.append(event)
    return tuple(events)


@cache
def database_sample(name: str) -> bytes:
    """Return a profiler.db with few rows in each table; of expert tables the first of each process."""
    source = (
        (DEMO / "profiler.db").read_bytes()
        if name == "demo"
        else gzip.decompress((DATA / "db_only" / "profiler.db.gz").read_bytes())
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "profiler.db"
        path.write_bytes(source)
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode = DELETE")
            names = [n for (n,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for table in names:
                if table == "slice":
                    db.execute(
                        "DELETE FROM slice WHERE id NOT IN (SELECT id FROM slice ORDER BY id LIMIT 90)"
                    )
                elif table not in ("process", "thread"):
                    db.execute(f'DELETE FROM "{table}" WHERE rowid > {_ROWS}')
            db.execute("VACUUM")
        return path.read_bytes()


@cache
def png_sample(view: str) -> bytes:
    """Return one recorded heat map."""
    return (_PNGS / f"mindie-server-d0_eplb_0_summed_hot_map_by_{view}.png").read_bytes()


# Bytes of any file


def _cut(rng: random.Random, raw: bytes) -> bytes:
    return raw[: rng.randrange(len(raw) + 1)]


def _flip(rng: random.Random, raw: bytes) -> bytes:
    broken = bytearray(raw)
    for _time in range(rng.choice((1, 1, 3, 20, 200))):
        if broken:
            broken[rng.randrange(len(broken))] = rng.choice((rng.randrange(256), 0, 0x22, 0x2C, 0x0A, 0xFF))
    return bytes(broken)


def _insert(rng: random.Random, raw: bytes) -> bytes:
    at = rng.randrange(len(raw) + 1)
    piece = rng.choice(
        (b"\x00" * 50, b'"', b"'", b"\n", b"\r", b",", b"{", b"[", b"\xff\xfe", b"\xed\xa0\x80", rng.randbytes(30),
         b"\n\n\n", b'""', b"\\", b"\x1b[31m", b"\xc2\x9b", b"\x1a")
    )  # fmt: skip
    return raw[:at] + piece + raw[at:]


def _swap(rng: random.Random, raw: bytes) -> bytes:
    first, second, third = sorted(rng.randrange(len(raw) + 1) for _place in range(3))
    return raw[:first] + raw[second:third] + raw[first:second] + raw[third:]


def _repeat(rng: random.Random, raw: bytes) -> bytes:
    first, second = sorted(rng.randrange(len(raw) + 1) for _place in range(2))
    return raw[:second] + raw[first:]


def _remove(rng: random.Random, raw: bytes) -> bytes:
    first = rng.randrange(len(raw) + 1)
    return raw[:first] + raw[first + rng.choice((1, 1, 10, 500)) :]


def _utf16(rng: random.Random, raw: bytes) -> bytes:
    return raw.decode("utf-8", "replace").encode(rng.choice(("utf-16", "utf-16-le", "utf-16-be", "utf-32")))


def _packed(rng: random.Random, raw: bytes) -> bytes:
    at = rng.randrange(len(raw) + 1)
    packed = gzip.compress(raw[:at], 1) + gzip.compress(raw[at:], 1)
    return rng.choice((packed, packed, _cut(rng, packed), _flip(rng, packed), packed + b"\x1f\x8b"))


def _gb18030(rng: random.Random, raw: bytes) -> bytes:
    name = rng.choice(("华为".encode("gb18030"), b"\xff\xfe", b"\x81\x30\x81\x30", "华为".encode()))
    return raw.replace(rng.choice((b"node", b"mindie", b"forward", b"Decode", b"0")), name)


BYTES: dict[str, Bytes] = {
    "gzip": _packed,
    "other encoding": _gb18030,
    "separator named": lambda rng, raw: rng.choice((b"sep=;\r\n", b"sep=,\n", b"sep=")) + raw,
    "cut": _cut,
    "flipped": _flip,
    "inserted": _insert,
    "swapped": _swap,
    "repeated": _repeat,
    "removed": _remove,
    "UTF-16": _utf16,
    "BOM": lambda _rng, raw: b"\xef\xbb\xbf" + raw,
    "CRLF": lambda _rng, raw: raw.replace(b"\n", b"\r\n"),
    "CR": lambda _rng, raw: raw.replace(b"\n", b"\r"),
    "empty": lambda _rng, _raw: b"",
    "blank": lambda rng, _raw: rng.choice((b"\n", b"\r\n\r\n", b" ", b"\x00", b"\x00" * 4096, b",", b'"', b"\xff")),
    "random": lambda rng, _raw: rng.randbytes(rng.choice((1, 100, 5000))),
    "NUL": lambda rng, raw: raw[: (at := rng.randrange(len(raw) + 1))] + b"\x00" * 4096 + raw[at + 4096 :],
    "no last newline": lambda _rng, raw: raw.rstrip(b"\r\n"),
    "preallocated": lambda _rng, raw: raw + b"\x00" * 8192,
}  # fmt: skip


# Tables of text

Table = list[list[str]]


def _rows(raw: bytes) -> Table:
    return list(csv.reader(io.StringIO(raw.decode("utf-8"), newline="")))


_NUL = "\uf8f0"


def _joined(rows: Table, **dialect: object) -> bytes:
    # Python 3.10 refuses to write NUL.
    kept = [[str(cell).replace("\0", _NUL) for cell in row] for row in rows]
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n", **dialect).writerows(kept)
    return out.getvalue().replace(_NUL, "\0").encode("utf-8", "replace")


def _column(rng: random.Random, rows: Table) -> int:
    return rng.randrange(max(len(rows[0]), 1))


def _drop_column(rng: random.Random, rows: Table) -> Table:
    for _time in range(rng.choice((1, 1, 3))):
        if len(rows[0]) > 1:
            place = _column(rng, rows)
            rows = [row[:place] + row[place + 1 :] for row in rows]
    return rows


def _rename_column(rng: random.Random, rows: Table) -> Table:
    place = _column(rng, rows)
    rows[0][place] = rng.choice(
        ("", "row", "c0", "domain", rows[0][place].upper(), f" {rows[0][place]} ", *HOSTILE)
    )
    return rows


def _double_column(rng: random.Random, rows: Table) -> Table:
    place, other = _column(rng, rows), _column(rng, rows)
    if rng.random() < 0.5:
        rows[0][other] = rows[0][place]
        return rows
    return [row + row[place : place + 1] for row in rows]


def _reorder_columns(rng: random.Random, rows: Table) -> Table:
    order = list(range(len(rows[0])))
    rng.shuffle(order)
    return [[row[place] for place in order] for row in rows]


def _cells(rng: random.Random, rows: Table) -> Table:
    """Put odd values into one column: everywhere, here and there, or once."""
    place = _column(rng, rows)
    heads = rows[0][place].lower()
    values = (
        TIMES if "time" in heads and rng.random() < 0.6 else rng.choice((NUMBERS, NUMBERS, HOSTILE, TIMES))
    )
    same = rng.choice((None, rng.choice(values)))
    share = rng.choice((1.0, 0.3, 0.03))
    for row in rows[1:]:
        if rng.random() <= share:
            row[place] = rng.choice(values) if same is None else same
    return rows


def _factor(rng: random.Random, rows: Table) -> Table:
    """Scale or shift one column's numbers."""
    place = _column(rng, rows)
    by = rng.choice((-1.0, 1e-9, 1e3, 1e6, 1e9, 1e12, 1e18, 0.0))
    shift = rng.choice((0.0, 0.0, 1e15, -1e15))
    for row in rows[1:]:
        with suppress(ValueError, OverflowError):
            row[place] = repr(float(row[place]) * by + shift)
    return rows


def _many_owners(rng: random.Random, rows: Table) -> Table:
    """Give each row a rank, a process or a host of its own."""
    heads = [
        h for h in ("dp_rank", "prof_id", "hostname", "pid", "hostuid", "rid", "address") if h in rows[0]
    ]
    if heads:
        place = rows[0].index(rng.choice(heads))
        big = rng.choice((1, 10**6, 10**9))
        for number, row in enumerate(rows[1:]):
            row[place] = (
                str(number * big) if rows[0][place] in ("dp_rank", "pid") else f"h{number}-{number * big}"
            )
    return rows


def _order(rng: random.Random, rows: Table) -> Table:
    body = rows[1:]
    change = rng.choice(("shuffle", "reverse", "double", "same"))
    if change == "shuffle":
        rng.shuffle(body)
    elif change == "reverse":
        body.reverse()
    elif change == "double":
        body = [row for row in body for _copy in range(rng.choice((2, 5)))]
    elif body:
        body = [body[0]] * len(body)
    return [rows[0], *[list(row) for row in body]]


def _ragged(rng: random.Random, rows: Table) -> Table:
    for row in rows[1:]:
        if rng.random() < 0.2:
            del row[rng.randrange(len(row) + 1) :]
        elif rng.random() < 0.2:
            row.extend(["1", "x"])
    return rows


def _huge_cell(rng: random.Random, rows: Table) -> Table:
    size = rng.choice((70_000, 1_000_000, 3_000_000))
    row = rng.randrange(len(rows))
    rows[row][rng.randrange(max(len(rows[row]), 1))] = rng.choice(("x", "1", "宿", "[", "'", "\x1b")) * size
    return rows


def _many_columns(rng: random.Random, rows: Table) -> Table:
    extra = rng.choice((1_000, 3_000, 10_000))
    rows[0].extend(f"x{number}" for number in range(extra))
    for row in rows[1 : rng.choice((1, 3, 5))]:
        row.extend("1" * extra)
    return rows


def _few_rows(rng: random.Random, rows: Table) -> Table:
    return rows[: rng.choice((1, 2, 3))]


def _headless(_rng: random.Random, rows: Table) -> Table:
    return rows[1:] or [[""]]


def _pids_as_columns(rng: random.Random, rows: Table) -> Table:
    rows[0] = [str(rng.choice((0, 1, 10**17, 10**18, number))) for number, _head in enumerate(rows[0])]
    return rows


def _header_again(rng: random.Random, rows: Table) -> Table:
    at = rng.randrange(1, len(rows) + 1)
    return [*rows[:at], *rows[: rng.choice((1, len(rows)))], *rows[at:]]


def _twice_each(rng: random.Random, rows: Table) -> Table:
    twice = [row for row in rows[1:] for _time in range(rng.choice((1, 2)))]
    return [*rows[:1], *(rng.choice((twice, rows[1:] * 2)))]


def _marks(rng: random.Random, rows: Table) -> Table:
    """Write fractions with other marks."""
    group, point = rng.choice(((",", "."), (".", ","), ("", ","), (" ", ","), ("'", "."), ("\u202f", ",")))

    def cell(text: str) -> str:
        whole, dot, fraction = text.partition(".")
        if not (dot and whole.isdecimal() and fraction.isdecimal()):
            return text
        return f"{int(whole):,}".replace(",", group) + point + fraction

    return [rows[0], *([cell(text) for text in row] for row in rows[1:])]


TABLES: dict[str, Callable[[random.Random, Table], Table]] = {
    "columns dropped": _drop_column,
    "column renamed": _rename_column,
    "column doubled": _double_column,
    "columns reordered": _reorder_columns,
    "cells": _cells,
    "more cells": _cells,
    "numbers scaled": _factor,
    "owners": _many_owners,
    "order": _order,
    "ragged": _ragged,
    "huge cell": _huge_cell,
    "many columns": _many_columns,
    "few rows": _few_rows,
    "no header": _headless,
    "pids": _pids_as_columns,
    "header again": _header_again,
    "rows twice": _twice_each,
    "marks": _marks,
}


def mutate_csv(rng: random.Random, raw: bytes) -> tuple[bytes, str]:
    """Return a CSV file changed as a table, as bytes, or both; and how."""
    done = []
    if rng.random() < 0.65:
        rows = _rows(raw)
        for name in rng.sample(sorted(TABLES), rng.choice((1, 1, 2, 3))):
            with suppress(IndexError):
                rows = TABLES[name](rng, rows)
                done.append(name)
        quoting = rng.choice((csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL))
        raw = _joined(rows, quoting=quoting, delimiter=rng.choice(",,,,,,,;\t"))
    if not done or rng.random() < 0.2:
        for name in rng.sample(sorted(BYTES), rng.choice((1, 1, 2))):
            raw = BYTES[name](rng, raw)
            done.append(name)
    return raw, " + ".join(done)


# Traces


def _odd_value(rng: random.Random) -> object:
    return rng.choice(
        (None, True, -1, 0, 10**9, 10**12, 2**63, -(2**63) - 1, 10**40, 1e308, float("nan"), float("inf"), "", "1",
         "nan", [], {}, [[]], [1, "a", None], {"rid": []}, rng.choice(HOSTILE), "9" * 30, [[1, 2], [3]],
         [[10**18] * 4] * 3, [[-1, 2]], [[[1]]], [{"rid": rng.choice(HOSTILE), "iter": "x"}], 0.1)
    )  # fmt: skip


def _odd_events(rng: random.Random, events: list) -> list:
    """Change fields of events, all of one name or some."""
    names = sorted(
        {
            e["name"]
            for e in events
            if isinstance(e, dict) and "name" in e and not e["name"].startswith("flow")
        }
    )
    name = rng.choice(names)
    chosen = (
        [e for e in events if isinstance(e, dict) and e.get("name") == name] if rng.random() < 0.7 else events
    )
    share = rng.choice((1.0, 0.3))
    keys = rng.sample(["ts", "dur", "pid", "tid", "ph", "args", "name", "args.", "args.", "args."], 2)
    for event in chosen:
        if not isinstance(event, dict) or rng.random() > share:
            continue
        for key in keys:
            args = event.get("args")
            if key == "args.":
                if isinstance(args, dict) and args:
                    args[rng.choice(sorted(args))] = _odd_value(rng)
            elif rng.random() < 0.2:
                event.pop(key, None)
            else:
                event[key] = _odd_value(rng)
    return events


def _odd_experts(rng: random.Random, events: list) -> list:
    """Change ranks and tables of expert marks."""
    what = rng.choice(("rank", "shape", "values", "drop", "huge rank"))
    for event in events:
        args = event.get("args") if isinstance(event, dict) else None
        if not isinstance(args, dict) or "rank" not in args or rng.random() < 0.4:
            continue
        for key in ("expert_hot", "expert_routing"):
            if key not in args:
                continue
            if what == "rank":
                args["rank"] = rng.choice((0, -1, 1, 10**5, "2", 1.5))
            elif what == "huge rank":
                args["rank"] = rng.choice((10**9, 2**31 - 1, 2**31, 10**12))
            elif what == "shape":
                args[key] = args[key][: rng.randrange(3)] * rng.choice((1, 1, 500))
            elif what == "values":
                args[key] = [
                    [rng.choice((0, -1, 10**9, 2**53, 2**62, 1.5)) for _c in row] for row in args[key]
                ]
            else:
                args.pop(key)
    return events


def _other_elements(rng: random.Random, events: list) -> list:
    for _time in range(5):
        events.insert(rng.randrange(len(events) + 1), _odd_value(rng))
    return events


def _event_order(rng: random.Random, events: list) -> list:
    rng.shuffle(events)
    return events * rng.choice((1, 1, 2))


EVENTS = {
    "fields": _odd_events,
    "more fields": _odd_events,
    "experts": _odd_experts,
    "elements": _other_elements,
    "order": _event_order,
    "none": lambda _rng, _events: [],
    "few": lambda rng, events: events[: rng.randrange(4)],
}


def _deep(rng: random.Random, raw: bytes) -> bytes:
    depth = rng.choice((100, 2_000, 100_000))
    mark = rng.choice((b"[", b'{"a":', b'{"args":{"x":['))
    at = rng.choice((0, 1, len(raw) // 2, len(raw) - 1))
    return raw[:at] + mark * depth + rng.choice((b"", b"]" * depth)) + raw[at:]


def _twice(_rng: random.Random, raw: bytes) -> bytes:
    return raw.replace(b'"ph": ', b'"ph": "Q", "ph": ').replace(b'"ts": ', b'"ts": [], "ts": ')


TEXTS: dict[str, Bytes] = {
    "nested": _deep,
    "doubled keys": _twice,
    "object": lambda rng, raw: rng.choice((b'{"traceEvents": ', b'{"a": [], "traceEvents":', b'{"x": ')) + raw + b"}",
    "huge number": lambda _rng, raw: raw.replace(b'"ts": ', b'"ts": 1' + b"0" * 5000, 1),
    "lines": lambda _rng, raw: raw.replace(b"}, {", b"}\n{"),
}  # fmt: skip


def mutate_trace(rng: random.Random, events: tuple[dict, ...]) -> tuple[bytes, str]:
    """Return the text of a trace, changed as events, as text, as bytes; and how."""
    done = []
    copied = json.loads(json.dumps(events))
    if rng.random() < 0.7:
        for name in rng.sample(sorted(EVENTS), rng.choice((1, 2, 2))):
            with suppress(IndexError, AttributeError, TypeError):
                copied = EVENTS[name](rng, copied)
                done.append(name)
    raw = json.dumps(copied, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    if rng.random() < 0.2:
        name = rng.choice(sorted(TEXTS))
        raw = TEXTS[name](rng, raw)
        done.append(name)
    if not done or rng.random() < 0.2:
        name = rng.choice(sorted(BYTES))
        raw = BYTES[name](rng, raw)
        done.append(name)
    return raw, " + ".join(done)


# Databases


def _known_tables(db: sqlite3.Connection) -> list[str]:
    return [n for (n,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT NULL")]


def _odd_cells(rng: random.Random, db: sqlite3.Connection) -> None:
    table = rng.choice(_known_tables(db))
    columns = [row[1] for row in db.execute(f'PRAGMA table_info("{table}")')]
    for _time in range(rng.choice((1, 3))):
        value = rng.choice(
            (None, -1, 0, 2**63 - 1, -(2**63), 1e308, float("inf"), rng.randbytes(9), b"", "nan", "",
             rng.choice(NUMBERS), rng.choice(TIMES), rng.choice(HOSTILE), "{" * 3000, '{"rank": 1000000000}', "[" * 500)
        )  # fmt: skip
        where = rng.choice(("1", "rowid % 3 = 0", "rowid = 5"))
        with suppress(sqlite3.Error):
            db.execute(f'UPDATE "{table}" SET "{rng.choice(columns)}" = ? WHERE {where}', (value,))


def _odd_experts_in_db(rng: random.Random, db: sqlite3.Connection) -> None:
    change = rng.choice(
        (
            "json_set(args, '$.rank', 1000000000)",
            "json_set(args, '$.rank', 100000 + id)",
            "json_set(args, '$.rank', -1)",
            "json_set(args, '$.expert_hot', json('[[1,2],[3]]'))",
            "json_set(args, '$.expert_hot[0][0]', 9223372036854775807)",
            "json_set(args, '$.expert_routing[0][0]', 1e30)",
            "json_set(args, '$.expert_routing[0][0]', 9007199254740992)",
            "json_remove(args, '$.expert_hot[0]')",
            "json_remove(args, '$.rank')",
            "substr(args, 1, length(args) / 2)",
        )
    )
    db.execute(f"UPDATE slice SET args = {change} WHERE json_valid(args) AND {rng.choice(('1', 'id % 2'))}")


def _odd_names(rng: random.Random, db: sqlite3.Connection) -> None:
    name = rng.choice(
        ('batch"; DROP TABLE forward; --', "x'); --", "sqlite_x", "\x1b[31m", '"', "", "a\x00b", "slice ")
    )
    with suppress(sqlite3.Error, ValueError):
        db.execute('CREATE TABLE "{}" ("a""b" TEXT, "]" INT)'.format(name.replace('"', '""')))
    table = rng.choice(_known_tables(db))
    columns = [row[1] for row in db.execute(f'PRAGMA table_info("{table}")')]
    odd = rng.choice((*HOSTILE, 'a"b', "row", "0", "rowid", "x; DROP TABLE batch")).replace('"', '""')
    with suppress(sqlite3.Error, ValueError):
        db.execute(f'ALTER TABLE "{table}" RENAME COLUMN "{rng.choice(columns)}" TO "{odd}"')


def _view_instead(rng: random.Random, db: sqlite3.Connection) -> None:
    """Let a view stand where a table is due: one that raises, never ends, or never was."""
    table = rng.choice(_known_tables(db))
    db.execute(f'DROP TABLE "{table}"')
    body = rng.choice(
        (
            "SELECT nothing FROM nowhere",
            "SELECT abs(-9223372036854775808) AS name",
            "WITH RECURSIVE n(name) AS (SELECT 1 UNION ALL SELECT name + 1 FROM n) SELECT name FROM n",
            "SELECT 1 AS prof_id, 2 AS name",
        )
    )
    db.execute(f'CREATE VIEW "{table}" AS {body}')


def _drop_columns(rng: random.Random, db: sqlite3.Connection) -> None:
    table = rng.choice(_known_tables(db))
    columns = [row[1] for row in db.execute(f'PRAGMA table_info("{table}")')]
    for column in rng.sample(columns, min(len(columns), rng.choice((1, 2)))):
        with suppress(sqlite3.Error):
            db.execute(f'ALTER TABLE "{table}" DROP COLUMN "{column}"')


def _without_rowid(rng: random.Random, db: sqlite3.Connection) -> None:
    table = rng.choice(_known_tables(db))
    columns = [row[1] for row in db.execute(f'PRAGMA table_info("{table}")')]
    listed = ", ".join(f'"{column}"' for column in columns)
    db.execute(f'ALTER TABLE "{table}" RENAME TO old')
    db.execute(f'CREATE TABLE "{table}" ({listed}, lbtui_key, PRIMARY KEY (lbtui_key)) WITHOUT ROWID')
    db.execute(f'INSERT INTO "{table}" SELECT *, rowid FROM old')


def _generated(rng: random.Random, db: sqlite3.Connection) -> None:
    table = rng.choice(_known_tables(db))
    columns = [row[1] for row in db.execute(f'PRAGMA table_info("{table}")')]
    listed = ", ".join(f"\"{column}\" AS (json_extract('x', '$.y'))" for column in columns)
    db.execute(f'DROP TABLE "{table}"')
    db.execute(f'CREATE TABLE "{table}" (a, {listed})')
    db.execute(f'INSERT INTO "{table}" (a) VALUES (1)')


def _times_of_experts(rng: random.Random, db: sqlite3.Connection) -> None:
    column = rng.choice(("timestamp", "track_id", "name", "duration"))
    value = rng.choice(
        ("-timestamp", "0", "'x'", "9223372036854775807", "timestamp / 1000", "NULL", "timestamp * 1e3")
    )
    db.execute(f"UPDATE slice SET {column} = {value}")


DATABASES = {
    "cells": _odd_cells,
    "more cells": _odd_cells,
    "expert tables": _odd_experts_in_db,
    "names": _odd_names,
    "view instead": _view_instead,
    "columns dropped": _drop_columns,
    "without rowid": _without_rowid,
    "generated": _generated,
    "slices": _times_of_experts,
    "table dropped": lambda rng, db: db.execute(f'DROP TABLE "{rng.choice(_known_tables(db))}"'),
    "rows deleted": lambda rng, db: db.execute(f'DELETE FROM "{rng.choice(_known_tables(db))}"'),
}


def mutate_database(rng: random.Random, path: Path) -> str:
    """Change the profiler.db at `path` through SQL, as bytes, or both; return how."""
    done = []
    if rng.random() < 0.7:
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("PRAGMA synchronous = OFF")
            db.execute("BEGIN")
            for name in rng.sample(sorted(DATABASES), rng.choice((1, 2, 3))):
                with suppress(sqlite3.Error, IndexError):
                    DATABASES[name](rng, db)
                    done.append(name)
            db.execute("COMMIT")
    if not done or rng.random() < 0.15:
        name = rng.choice(
            ("cut", "flipped", "inserted", "NUL", "empty", "random", "swapped", "BOM", "flipped")
        )
        path.write_bytes(BYTES[name](rng, path.read_bytes()))
        done.append(name)
    return " + ".join(done)


# Pictures


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """Return a PNG chunk with its right checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_bomb(width: int, height: int, rows: int) -> bytes:
    """Return a small PNG that declares `width` × `height` pixels and holds `rows` rows of them."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(b"\0" * (3 * width + 1)) for _row in range(rows)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", data) + png_chunk(b"IEND", b"")


def _saved(image: Image.Image, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1, **options)
    return out.getvalue()


# Adam7: where each pass begins, and its steps.
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def png_of(image: Image.Image, *, deep: bool, interlaced: bool) -> bytes:
    """Return an RGB picture as PNG with 8 or 16 bits a colour, its rows in order or in seven passes."""
    raw = image.tobytes()
    rows = [raw[y * 3 * image.width : (y + 1) * 3 * image.width] for y in range(image.height)]
    pieces = []
    for left, top, across, down in _PASSES if interlaced else ((0, 0, 1, 1),):
        if left >= image.width:
            continue
        for row in rows[top::down]:
            places = range(3 * left, len(row), 3 * across)
            line = b"".join(row[place : place + 3] for place in places)
            pieces.append(b"\0" + (bytes(value for value in line for _half in "01") if deep else line))
    kind = struct.pack(">IIBBBBB", *image.size, 16 if deep else 8, 2, 0, 0, int(interlaced))
    body = png_chunk(b"IHDR", kind) + png_chunk(b"IDAT", zlib.compress(b"".join(pieces), 1))
    return b"\x89PNG\r\n\x1a\n" + body + png_chunk(b"IEND", b"")


def _other_encoding(rng: random.Random, raw: bytes) -> bytes:
    """Write the same pixels with 16 bits, interlaced or both; at times cut."""
    image = Image.open(io.BytesIO(raw)).convert("RGB")
    deep, interlaced = rng.choice(((True, False), (False, True), (True, True)))
    written = png_of(image, deep=deep, interlaced=interlaced)
    return written if rng.random() < 0.7 else written[: rng.randrange(len(written))]


def _other_picture(rng: random.Random, raw: bytes) -> bytes:
    image = Image.open(io.BytesIO(raw)).convert("RGB")
    change = rng.choice(
        (
            "palette",
            "grey",
            "16 bit",
            "1 bit",
            "rotated",
            "resized",
            "cropped",
            "noise",
            "alpha",
            "tiny",
            "one colour",
        )
    )
    if change == "palette":
        image = image.quantize(rng.choice((2, 16, 256)))
    elif change == "grey":
        image = image.convert("L")
    elif change == "16 bit":
        image = image.convert("I").convert("I;16")
    elif change == "1 bit":
        image = image.convert("1")
    elif change == "rotated":
        image = image.rotate(rng.choice((90, 180, 7)))
    elif change == "resized":
        image = image.resize((rng.randrange(1, 900), rng.randrange(1, 900)))
    elif change == "cropped":
        left, top = rng.randrange(700), rng.randrange(700)
        image = image.crop((left, top, rng.randrange(left + 1, 801), rng.randrange(top + 1, 801)))
    elif change == "noise":
        for _dot in range(rng.choice((5, 500))):
            place = rng.randrange(image.width), rng.randrange(image.height)
            image.putpixel(place, tuple(rng.randrange(256) for _c in range(3)))
    elif change == "alpha":
        image.putalpha(rng.randrange(256))
    elif change == "tiny":
        image = Image.new("RGB", (rng.randrange(1, 5), rng.randrange(1, 5)), (68, 1, 84))
    else:
        image = Image.new("RGB", (800, 800), rng.choice(((68, 1, 84), (255, 255, 255), (0, 0, 0))))
    return _saved(image)


def _painted(rng: random.Random, raw: bytes) -> bytes:
    """Paint over parts where a map, its ticks, its bar or its labels are."""
    image = Image.open(io.BytesIO(raw)).convert("RGB")
    for _box in range(rng.choice((1, 3))):
        left, top = rng.randrange(image.width), rng.randrange(image.height)
        size = rng.choice((3, 20, 200))
        colour = rng.choice(((255, 255, 255), (0, 0, 0), (68, 1, 84), (253, 231, 37), (255, 0, 0)))
        image.paste(colour, (left, top, left + size, top + rng.choice((3, 20, 200))))
    return _saved(image)


def _chunks(rng: random.Random, raw: bytes) -> bytes:
    header = struct.pack(
        ">IIBBBBB", rng.choice((0, 1, 800, 70_000, 2**31 - 1, 2**32 - 1)), rng.choice((0, 1, 800, 60_000, 2**31)),
        rng.choice((0, 1, 2, 4, 8, 16, 255)), rng.choice((0, 1, 2, 3, 4, 6)), 0, 0, rng.choice((0, 1, 2)),
    )  # fmt: skip
    return raw[:8] + png_chunk(b"IHDR", header) + raw[33:]


def _bomb(rng: random.Random, _raw: bytes) -> bytes:
    return rng.choice(
        (
            lambda: png_bomb(2**31 - 1, 2**31 - 1, 0),
            lambda: png_bomb(30_000, 30_000, 50),
            lambda: png_bomb(8_000, 3_999, 400),
            lambda: png_bomb(1, 60_000_000, 10),
        )
    )()


PICTURES: dict[str, Bytes] = {
    "another picture": _other_picture,
    "another encoding": _other_encoding,
    "painted": _painted,
    "chunks": _chunks,
    "bomb": _bomb,
    "no PNG": lambda rng, _raw: (
        rng.choice((b"GIF89a", b"\xff\xd8\xff", b"%PDF", b"\x89PNG\r\n\x1a\n")) + rng.randbytes(50)
    ),
}
PNG_NAMES = (
    "mindie-server-d0_eplb_0_summed_hot_map_by_rank.png",
    "h_eplb_999999999_summed_hot_map_by_rank.png",
    "h_eplb_1000000000000_summed_hot_map_by_rank.png",
    "\x1b[31mh_eplb_1_summed_hot_map_by_expert.png",
    "[red]_eplb_1_summed_hot_map_by_model_expert.png",
    "..%2f..%2fx_eplb_2_summed_hot_map_by_rank.png",
    "_eplb_0_summed_hot_map_by_rank.png",
    "a\nb\u202e_eplb_0_summed_hot_map_by_rank.png",
    "h_balance_ratio.png",
    os.fsdecode(b"\xff\xfe_eplb_0_summed_hot_map_by_rank.png"),
)  # fmt: skip


def mutate_picture(rng: random.Random, raw: bytes) -> tuple[bytes, str]:
    """Return a picture changed as such or as bytes, and how."""
    if rng.random() < 0.6:
        name = rng.choice(sorted(PICTURES))
        return PICTURES[name](rng, raw), name
    name = rng.choice(sorted(BYTES))
    return BYTES[name](rng, raw), name


# Folders


def _special(rng: random.Random, case: Case) -> None:
    """Put something that is no regular file where a file is due."""
    name = rng.choice(
        ("batch.csv", "forward.csv", "profiler.db", "chrome_tracing.json", "kvcache.csv", PNG_NAMES[0])
    )
    place = case.path / name
    place.unlink(missing_ok=True)
    kind = rng.choice(("directory", "pipe", "device", "loop", "dangling", "socket", "itself"))
    if kind == "directory":
        place.mkdir()
        (place / "forward.csv").write_bytes(csv_sample("csv_only/forward"))
    elif kind == "pipe":
        os.mkfifo(place)
    elif kind == "device":
        place.symlink_to(
            rng.choice(("/dev/zero", "/dev/full", "/dev/stdin", "/proc/self/mem", "/dev/random"))
        )
    elif kind == "loop":
        place.symlink_to(place.name)
    elif kind == "dangling":
        place.symlink_to("nowhere")
    elif kind == "socket":
        import socket

        with closing(socket.socket(socket.AF_UNIX)) as end, suppress(OSError):
            end.bind(str(place))
    else:
        place.symlink_to(".")
    case.done.append(f"{name} is a {kind}")


def _denied(rng: random.Random, case: Case) -> None:
    present = sorted(path for path in case.path.iterdir() if path.is_file())
    for path in rng.sample(present, min(len(present), 2)):
        path.chmod(0)
    case.unprivileged = True
    case.done.append("no permission")


def _files(folder: Path) -> list[Path]:
    """Return the files in a folder, or where it holds folders only, those below them."""
    return [p for p in folder.iterdir() if not p.is_dir()] or [p for p in folder.rglob("*") if not p.is_dir()]


def _vanishing(rng: random.Random, case: Case) -> None:
    def vanish() -> None:
        for path in _files(case.path):
            if rng.random() < 0.6:
                path.unlink()

    case.after_open = vanish
    case.done.append("vanishes")


def _replaced(rng: random.Random, case: Case) -> None:
    def replace() -> None:
        for path in _files(case.path):
            if path.is_file() and rng.random() < 0.6:
                change = rng.choice(("cut", "flipped", "empty", "random", "CRLF"))
                path.write_bytes(BYTES[change](rng, path.read_bytes()))
            elif rng.random() < 0.3:
                path.unlink()
                path.mkdir()

    case.after_open = replace
    case.done.append("replaced while open")


def _journal(rng: random.Random, case: Case) -> None:
    """Leave a profiler.db with rows in its -wal, a -journal that is none, or a lock on it."""
    path = case.path / "profiler.db"
    path.write_bytes(database_sample("db_only"))
    kind = rng.choice(("wal", "junk wal", "junk journal", "lock"))
    if kind == "lock":
        db = sqlite3.connect(path, isolation_level=None)
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("BEGIN EXCLUSIVE")
        case.close = db.close
    elif kind == "wal":
        aside = path.with_name("aside.db")
        shutil.copy(path, aside)
        with closing(sqlite3.connect(aside, isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("DELETE FROM batch WHERE rowid % 2")
            for suffix in ("", "-wal"):
                shutil.copy(f"{aside}{suffix}", f"{path}{suffix}")
        aside.unlink()
    else:
        path.with_name("profiler.db-wal" if kind == "junk wal" else "profiler.db-journal").write_bytes(
            rng.randbytes(600)
        )
    case.done.append(f"profiler.db with {kind}")


def _hostile_names(rng: random.Random, case: Case) -> None:
    """Put the output into a folder of a hostile name, and strangers beside it."""
    for text in rng.sample(HOSTILE, 3):
        with suppress(OSError, ValueError):
            (case.path / f"{text.replace('/', '_')}.csv").write_bytes(b"x")
    name = rng.choice(FILE_NAMES)
    inner = case.path / name
    inner.mkdir()
    for path in list(case.path.iterdir()):
        if path != inner:
            path.rename(inner / path.name)
    case.path = inner if rng.random() < 0.5 else case.path
    case.done.append(f"folder named {name!r}")


def _several(rng: random.Random, case: Case) -> None:
    for text in rng.sample(
        [h for h in HOSTILE if "/" not in h and "\x00" not in h and len(h.encode()) < 200], 2
    ):
        inner = case.path / text
        inner.mkdir()
        (inner / "batch.csv").write_bytes(csv_sample("csv_only/batch"))
    if rng.random() < 0.7:
        for path in case.path.iterdir():
            if path.is_file():
                path.unlink()
    case.done.append("several outputs")


def _other_tools(rng: random.Random, case: Case) -> None:
    """Put files of other tools beside, and pack one of the tables."""
    raw = csv_sample("csv_only/request")
    for name in rng.sample(("request_summary.csv", "service_summary.csv", "prefill_1.csv", "decode.csv"), 2):
        head = rng.choice(
            (b"Metric,Average,Max\nfirst_token_latency (ms),1,nan\n", b"name,during_time(ms),\n", raw)
        )
        (case.path / name).write_bytes(rng.choice(sorted(BYTES.items()))[1](rng, head))
    tables = sorted(case.path.glob("*.csv"))
    for path in rng.sample(tables, min(len(tables), 1)):
        path.with_name(f"{path.name}.gz").write_bytes(_packed(rng, path.read_bytes()))
        if rng.random() < 0.7:
            path.unlink()
    case.done.append("other tools")


FOLDERS = (
    _other_tools,
    _special,
    _special,
    _denied,
    _vanishing,
    _replaced,
    _journal,
    _hostile_names,
    _several,
)


def crowd(folder: Path, count: int = 100_000) -> Case:
    """Return an output among `count` other files."""
    (folder / "forward.csv").write_bytes(csv_sample("csv_only/forward"))
    for number in range(count):
        os.close(os.open(folder / f"x{number}", os.O_CREAT | os.O_WRONLY))
    return Case(folder, [f"{count} files beside it"])


# Sizes: readable, absurd, and under 10 MB


def _scaled_csv(
    folder: Path, table: str, rows: int, change: Callable[[list[str], dict[str, int], int], None]
) -> None:
    """Write `rows` rows of a recorded table, each changed by (row, place of each header, number)."""
    header, *body = _rows(csv_sample(table))
    places = {name: place for place, name in enumerate(header)}
    written = []
    for number in range(rows):
        row = list(body[number % len(body)])
        for name in ("res_list", "block_tables"):
            if name in places:
                row[places[name]] = "[]"
        change(row, places, number)
        written.append(row)
    (folder / f"{Path(table).name}.csv").write_bytes(_joined([header, *written]))


def _ranks(folder: Path) -> None:
    def change(row: list[str], at: dict[str, int], number: int) -> None:
        row[at["dp_rank"]] = str(number)
        row[at["prof_id"]] = f"ms_service_host-{number}"

    _scaled_csv(folder, "csv_only/batch", 30_000, change)
    _scaled_csv(folder, "csv_only/forward", 30_000, change)


def _hosts(folder: Path) -> None:
    def change(row: list[str], at: dict[str, int], number: int) -> None:
        row[at["prof_id"]] = f"ms_service_h{number}-7"
        row[at["hostname"]] = f"h{number}"

    _scaled_csv(folder, "csv_only/forward", 40_000, change)


def _twin_ranks(folder: Path) -> None:
    """Write processes that all claim one rank."""

    def change(row: list[str], at: dict[str, int], number: int) -> None:
        row[at["prof_id"]] = f"ms_service_h-{number}"
        row[at["dp_rank"]] = "0"

    _scaled_csv(folder, "csv_only/batch", 3_000, change)
    _scaled_csv(folder, "csv_only/forward", 3_000, change)


def _one_domain(folder: Path) -> None:
    def change(row: list[str], at: dict[str, int], number: int) -> None:
        row[at["prof_id"]] = "ms_service_h-1"

    _scaled_csv(folder, "csv_only/forward", 45_000, change)


def _addresses(folder: Path) -> None:
    def change(row: list[str], at: dict[str, int], number: int) -> None:
        row[at["address"]] = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}:1"

    _scaled_csv(folder, "demo/coordinator", 100_000, change)


def _node_times(folder: Path) -> None:
    def change(row: list[str], at: dict[str, int], number: int) -> None:
        row[at["time"]] = f"{1000 + number % 9000}-01-01 00:00:{number % 60:02}"

    _scaled_csv(folder, "demo/coordinator", 50_000, change)


def _queue_processes(folder: Path) -> None:
    def change(row: list[str], at: dict[str, int], number: int) -> None:
        row[at["pid"]] = str(number)

    _scaled_csv(folder, "csv_only/request_status", 80_000, change)


def _requests(folder: Path) -> None:
    def change(row: list[str], at: dict[str, int], number: int) -> None:
        row[at["http_rid"]] = f"r{number}"
        row[at["start_datetime"]] = f"{1971 + number % 8000}-01-01 00:00:00:000"

    _scaled_csv(folder, "csv_only/request", 80_000, change)


def _far_apart(folder: Path) -> None:
    """Write times from 1970 to 2096."""

    def change(row: list[str], at: dict[str, int], number: int) -> None:
        if number % 1000 == 0:
            for name in ("start_time(ms)", "end_time(ms)"):
                row[at[name]] = repr(float(row[at[name]]) * (number % 3000) / 1e3)

    _scaled_csv(folder, "csv_only/batch", 20_000, change)
    _scaled_csv(folder, "csv_only/forward", 20_000, change)


def _expert_columns(folder: Path) -> None:
    pids = 10_000
    lines = [",".join(str(pid) for pid in range(pids))]
    lines += [",".join(str(layer * 7) for _pid in range(pids)) for layer in range(200)]
    (folder / "ep_balance.csv").write_text("\n".join(lines) + "\n")
    means = [f"{pid},1.0,0.5,1.5" for pid in range(pids)]
    (folder / "moe_analysis.csv").write_text("\n".join(["Dataset,Mean,CI_Lower,CI_Upper", *means]) + "\n")


def _columns(folder: Path) -> None:
    _scaled_csv(folder, "csv_only/forward", 60, lambda row, at, number: None)
    path = folder / "forward.csv"
    header, *body = path.read_text().splitlines()
    extra = ",".join(f"x{number}" for number in range(100_000))
    body = [line + "," + "1," * 99_999 + "1" for line in body[:20]]
    path.write_text("\n".join([f"{header},{extra}", *body]) + "\n")


def _cell(folder: Path) -> None:
    header, *body = _rows(csv_sample("csv_only/batch"))
    for place in (header.index("res_list"), header.index("name")):
        body[place][place] = "[{'rid': " * 500_000
    (folder / "batch.csv").write_bytes(_joined([header, *body]))


def _huge_cell_alone(folder: Path) -> None:
    header, *body = _rows(csv_sample("csv_only/batch"))
    body[3][header.index("res_list")] = "[" + "{'rid': 'r', 'iter': 1}, " * 4_000_000 + "]"
    (folder / "batch.csv").write_bytes(_joined([header, *body]))


def _quote(folder: Path) -> None:
    line = csv_sample("csv_only/forward").splitlines(keepends=True)
    body = line[1:] * 700
    body[len(body) // 3] = b'"' + body[0]
    body[len(body) // 2] = b'x"y' + body[0]
    (folder / "forward.csv").write_bytes(line[0] + b"".join(body))


def _nested(folder: Path) -> None:
    event = b'{"name": "forward", "ph": "X", "ts": 1, "dur": 1, "pid": 1, "tid": "x", "args": {"a": '
    (folder / "chrome_tracing.json").write_bytes(
        b"[" + (event + b"[" * 900 + b"]" * 900 + b"}},\n") * 4_000 + b"[" * 10**6
    )


def _trace_processes(folder: Path) -> None:
    events = [
        {
            "name": "forward",
            "ph": "X",
            "ts": 1.7e15 + number,
            "dur": 5,
            "pid": number,
            "tid": "x",
            "args": {"dp_rank": number},
        }
        for number in range(60_000)
    ]
    (folder / "chrome_tracing.json").write_text(json.dumps(events))


def _trace_experts(folder: Path) -> None:
    events = [
        {"name": "e", "ph": "I", "ts": 1.7e15 + number, "pid": number, "tid": "eplb_observe(1)",
         "args": {"rank": number * 40_000, "expert_hot": [[number] * 20] * 58, "expert_routing": [[2**53 - number] * 9] * 58}}
        for number in range(1_000)
    ]  # fmt: skip
    (folder / "chrome_tracing.json").write_text(json.dumps(events))


def _periods(folder: Path) -> None:
    events = [
        {"name": "e", "ph": "I", "ts": 1.7e15 + number, "pid": number % 2, "tid": "eplb_observe(1)",
         "args": {"rank": number % 2, "expert_routing": [[0, 1], [1, 0]], "expert_hot": [[number, 1], [2, 3]]}}
        for number in range(40_000)
    ]  # fmt: skip
    (folder / "chrome_tracing.json").write_text(json.dumps(events))


def _transfers(folder: Path) -> None:
    def change(row: list[str], at: dict[str, int], number: int) -> None:
        row[at["rid"]] = f"r{number}"
        row[at["rank"]] = str(number)

    _scaled_csv(folder, "demo/pd_split_kvcache", 60_000, change)


def _kv_domains(folder: Path) -> None:
    """Write KV events of requests that many domains have held."""

    def held(row: list[str], at: dict[str, int], number: int) -> None:
        row[at["prof_id"]] = f"ms_service_h-{number % 5_000}"
        row[at["dp_rank"]] = str(number % 5_000)
        row[at["res_list"]] = f"[{{'rid': '{number % 7}', 'iter': 1}}]"

    def event(row: list[str], at: dict[str, int], number: int) -> None:
        row[at["rid"]] = str(number % 7)

    _scaled_csv(folder, "csv_only/batch", 20_000, held)
    _scaled_csv(folder, "csv_only/kvcache", 60_000, event)


def _pictures(folder: Path) -> None:
    for period in range(150):
        name = f"h{period % 50}_eplb_{period * 6_000_000}_summed_hot_map_by_rank.png"
        (folder / name).write_bytes(png_sample("rank"))


def _bombs(folder: Path) -> None:
    for number, raw in enumerate(
        (png_bomb(8_000, 3_999, 3_999), png_bomb(32_000_000, 1, 1), png_bomb(2**31, 1, 0))
    ):
        (folder / f"h_eplb_{number}_summed_hot_map_by_rank.png").write_bytes(raw)


def _endless_view(folder: Path) -> None:
    path = folder / "profiler.db"
    path.write_bytes(database_sample("db_only"))
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for table in ("forward", "slice", "thread", "process"):
            db.execute(f"DROP TABLE {table}")
            db.execute(
                f"CREATE VIEW {table} AS WITH RECURSIVE n(name) AS (SELECT 1 UNION ALL SELECT name + 1 FROM n) "
                "SELECT name, name AS pid, name AS track_id, name AS tid, name AS prof_id FROM n"
            )


def _slow_database(folder: Path) -> None:
    """Let joins of slices and threads meet one value everywhere, and generated columns be dear."""
    path = folder / "profiler.db"
    path.write_bytes(database_sample("db_only"))
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN")
        db.execute("DROP TABLE thread")
        db.execute("CREATE TABLE thread (track_id, tid, pid, thread_name, thread_sort_index)")
        db.executemany(
            "INSERT INTO thread VALUES (1, 'eplb_observe(1)', ?, '', 0)", ((n,) for n in range(4_000))
        )
        db.execute("UPDATE slice SET track_id = 1, name = 'Queue'")
        row = "SELECT NULL, timestamp, duration, name, depth, track_id, cat, '{}', cname, end_time, flag_id FROM slice"
        for _double in range(6):
            db.execute(f"INSERT INTO slice {row}")
        db.execute("COMMIT")


def _wide_database(folder: Path) -> None:
    path = folder / "profiler.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(f"CREATE TABLE ep_balance ({', '.join(f'c{n}' for n in range(1_900))})")
        db.execute("CREATE TABLE moe_analysis (Dataset, Mean, CI_Lower, CI_Upper)")
        many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) "
        db.execute(f"INSERT INTO moe_analysis {many} SELECT i, i, i, i FROM n")
        db.execute(f"INSERT INTO ep_balance (c0) {many} SELECT i FROM n WHERE i < 2000")
        db.execute("CREATE TABLE batch (a, b)")
        db.execute("INSERT INTO batch VALUES (zeroblob(5000000), randomblob(2000000))")


def _deep_folders(folder: Path) -> None:
    inner = folder
    for _level in range(200):
        inner = inner / "d"
        inner.mkdir()
    (folder / "forward.csv.d").mkdir()
    for number in range(3_000):
        (folder / "forward.csv.d" / str(number)).mkdir()


SCALED: dict[str, Callable[[Path], None]] = {
    "30,000 DP ranks": _ranks,
    "40,000 hosts": _hosts,
    "3,000 processes of one rank": _twin_ranks,
    "one domain": _one_domain,
    "100,000 addresses": _addresses,
    "node times over 9,000 years": _node_times,
    "80,000 queue processes": _queue_processes,
    "requests over 8,000 years": _requests,
    "rounds over 120 years": _far_apart,
    "10,000 × 200 operator times": _expert_columns,
    "100,000 columns": _columns,
    "cells of 4 MB": _cell,
    "a cell of 100 MB": _huge_cell_alone,
    "quotes in the middle": _quote,
    "nested JSON": _nested,
    "60,000 processes in a trace": _trace_processes,
    "1,000 EP ranks up to 40 million": _trace_experts,
    "20,000 EPLB periods": _periods,
    "60,000 pull ranks": _transfers,
    "5,000 KV domains": _kv_domains,
    "150 pictures": _pictures,
    "PNG bombs": _bombs,
    "endless views": _endless_view,
    "cross joins": _slow_database,
    "wide database": _wide_database,
    "deep folders": _deep_folders,
    "100,000 files": lambda folder: crowd(folder) and None,
}


def make_scaled(name: str, folder: Path) -> Case:
    """Write the output `name` of `SCALED` into the empty `folder`."""
    SCALED[name](folder)
    return Case(folder, [name])


# Cases


def _write_csv(rng: random.Random, case: Case) -> None:
    layout = rng.choice(CSV_LAYOUTS)
    chosen = set(rng.sample(layout, rng.choice((1, 1, 2, len(layout)))))
    left_out = set(rng.sample(layout, rng.choice((0, 0, 1, 3)))) - chosen
    for name in layout:
        raw = csv_sample(name)
        if name in chosen:
            raw, done = mutate_csv(rng, raw)
            case.done.append(f"{name}: {done}")
        if name not in left_out:
            (case.path / f"{Path(name).name}.csv").write_bytes(raw)


def _write_database(rng: random.Random, case: Case) -> None:
    name = rng.choice(("db_only", "db_only", "demo"))
    path = case.path / "profiler.db"
    path.write_bytes(database_sample(name))
    case.done.append(f"profiler.db of {name}: {mutate_database(rng, path)}")


def _write_trace(rng: random.Random, case: Case) -> None:
    name = rng.choice(
        ("chrome_mindie_small", "chrome_pd_ep_cut", "chrome_pd_ep_cut", "chrome_vllm_small_cut")
    )
    raw, done = mutate_trace(rng, trace_sample(name))
    (case.path / "chrome_tracing.json").write_bytes(raw)
    case.done.append(f"{name}: {done}")


def _write_picture(rng: random.Random, case: Case) -> None:
    view = rng.choice(("rank", "rank", "rank", "rank", "rank", "expert"))
    raw, done = mutate_picture(rng, png_sample(view))
    name = rng.choice(PNG_NAMES)
    (case.path / name).write_bytes(raw)
    if rng.random() < 0.3:
        (case.path / "good_eplb_3_summed_hot_map_by_rank.png").write_bytes(png_sample("rank"))
    case.done.append(f"{name!r}: {done}")


READERS = {
    "csv": _write_csv,
    "profiler.db": _write_database,
    "trace": _write_trace,
    "heat_png": _write_picture,
}
_WEIGHTS = {"csv": 50, "profiler.db": 20, "trace": 20, "heat_png": 10}


# Seeds from here on are of the inputs that the parser did not write: others keep what they always were.
EXPERT_SEEDS = 10_000_000
RAW_SEEDS = 20_000_000


def make_case(seed: int, folder: Path) -> Case:
    """Write the output of `seed` into the empty `folder`."""
    rng = random.Random(seed)
    case = Case(folder)
    if seed >= RAW_SEEDS:
        from tests.tools import mutate_raw

        mutate_raw.write_case(rng, case)
        return case
    if seed >= EXPERT_SEEDS:
        from tests.tools.mutate_experts import write_case

        write_case(rng, case)
        return case
    kinds = [rng.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]]
    if rng.random() < 0.1:
        kinds.append(rng.choice(sorted(set(_WEIGHTS) - set(kinds))))
    for kind in kinds:
        READERS[kind](rng, case)
    if rng.random() < 0.08:
        rng.choice(FOLDERS)(rng, case)
    return case
