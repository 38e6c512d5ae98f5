"""Broken raw profiles: the recordings of small runs of all engines, changed in what their records say."""

from __future__ import annotations

import gzip
import json
import random
import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

from tests.sources.operators import of_passes, write_mspti
from tests.sources.recorded import DATA
from tests.tools.mutate import FOLDERS, HOSTILE, Case, _odd_value, mutate_database
from tests.tools.mutate_experts import KINDS

_RUNS = tuple(sorted(path.parent.name for path in (DATA / "engines").glob("*/raw.json.gz")))
_ROWS = 80  # of a process
_PROCESSES = 4
_TIMES = (0, -1, 1, 2**62, -(2**63), 2**63 - 1, 10**9, 1.5e18, "soon", None, b"\xff")
_TEXT, _TIME = {"Mstx": 0, "slice": 7}, {"Mstx": (3, 4), "slice": (1, 2, 9)}


@cache
def _recorded(run: str) -> str:
    return gzip.decompress((DATA / "engines" / run / "raw.json.gz").read_bytes()).decode()


def _odd_fields(rng: random.Random, text: str) -> str:
    """Change fields of a record."""
    message = json.loads(text)
    for key in rng.sample(sorted(message), min(len(message), rng.choice((1, 1, 3)))):
        if rng.random() < 0.2:
            del message[key]
        elif isinstance(message[key], list) and message[key] and rng.random() < 0.6:
            message[key][rng.randrange(len(message[key]))] = _odd_value(rng)
        else:
            message[key] = _odd_value(rng)
    if rng.random() < 0.2:
        message[rng.choice(("rid", "name", "domain", "dp_rank", "TotalBlocks=", "QueueSize="))] = _odd_value(
            rng
        )
    return json.dumps(message)


def _odd_text(rng: random.Random, text: str) -> Any:
    """Write a record another way, or break it."""
    return rng.choice(
        (
            lambda: text.replace('"', "^"),
            lambda: text.replace('"', "^")[1:-1] + ",",
            lambda: text[1:-1],
            lambda: text.replace(",", ",\n"),
            lambda: text[: rng.randrange(len(text))],
            lambda: text + '}\n{"r":1,"s":1,"e":2,"m":{"name":"forward"}}',
            lambda: text.replace("forward", rng.choice(HOSTILE)),
            lambda: text.replace("e", "\x00", 1),
            lambda: text.encode() + b"\xff\xfe",
            lambda: text.encode("utf-16"),
            lambda: None,
            lambda: 17,
            lambda: "[" * 500,
            lambda: '{"rid":' * 300,
            lambda: f"[{text}]",
            lambda: " " + text,
        )
    )()


def _changed(rng: random.Random, rows: list[list[Any]], layout: str) -> None:
    for _change in range(rng.choice((1, 2))):
        share, kind = rng.choice((0.02, 0.3, 1.0)), rng.choice(("fields", "fields", "text", "time"))
        for row in rows:
            if rng.random() > share:
                continue
            text = row[_TEXT[layout]]
            if kind == "time":
                row[rng.choice(_TIME[layout])] = rng.choice(_TIMES)
            elif isinstance(text, str):
                try:
                    row[_TEXT[layout]] = (_odd_fields if kind == "fields" else _odd_text)(rng, text)
                except (ValueError, TypeError, AttributeError):
                    continue


def _write(path: Path, held: dict[str, Any], rows: list[list[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA synchronous = OFF")
        for table in held["tables"]:
            db.execute(table)
        for name, cells in (("Meta", held["meta"]), (held["layout"], rows)):
            if cells:
                marks = ", ".join("?" * len(cells[0]))
                db.executemany(f"INSERT OR REPLACE INTO {name} VALUES ({marks})", cells)
        db.commit()


def write_case(rng: random.Random, case: Case) -> None:
    """Write a raw profile into the case's folder."""
    run = rng.choice(_RUNS)
    case.done.append(run)
    recorded = json.loads(_recorded(run))
    if rng.random() < 0.8:  # what others recorded was not copied; each file takes its time
        recorded = rng.sample(recorded, min(len(recorded), _PROCESSES))
    for held in recorded:
        begin = rng.choice((0, 0, rng.randrange(max(len(held["rows"]) - _ROWS, 1))))
        rows = [list(row) for row in held["rows"][begin : begin + _ROWS]]
        if rng.random() < 0.6:
            _changed(rng, rows, held["layout"])
        if rng.random() < 0.1:
            held["meta"] = [
                [cells[0], rng.choice(("-1", "9" * 30, "", "2", *HOSTILE)), ""] for cells in held["meta"]
            ]
        places = [held["file"]]
        if rng.random() < 0.05:  # the same process, recorded twice
            places.append(f"again/{held['file']}")
        for place in places:
            path = case.path / place
            _write(path, held, rows)
            if rng.random() < 0.1:
                case.done.append(mutate_database(rng, path))
    if rng.random() < 0.1:
        KINDS["raw_profile"](rng, case)  # marks of experts
    if rng.random() < 0.1:
        _write_operators(rng, case)
    if rng.random() < 0.08:
        rng.choice(FOLDERS)(rng, case)


def _write_operators(rng: random.Random, case: Case) -> None:
    """Write databases of MSPTI, for processes of their own."""
    for rank in range(rng.choice((1, 2))):
        calls = list(of_passes(rng.choice((1, 3)), 3, marks=rng.random() < 0.7))
        if rng.random() < 0.5:
            odd = {"start": rng.choice(_TIMES), "end": rng.choice(_TIMES), "name": rng.choice(HOSTILE)}
            field = rng.choice(sorted(odd))
            calls = [c._replace(**{field: odd[field]}) if rng.random() < 0.3 else c for c in calls]
        path = write_mspti(case.path / "mspti", "node-0", 900 + rank, calls)
        case.done.append(f"MSPTI: {mutate_database(rng, path) if rng.random() < 0.6 else 'calls'}")
