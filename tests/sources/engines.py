"""The small runs of engines under tests/data/engines: outputs by format, and what was recorded."""

import gzip
import json
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.bench.engine_truth import Event, Truth, from_json, read_processes
from tests.sources.recorded import DATA

_ENGINES = DATA / "engines"
FORMATS = {"csv": ["csv"], "db": ["db"], "json": ["json"], "all": ["csv", "db", "json"]}


def truth_of(run: str) -> Truth:
    return from_json((_ENGINES / run / "truth.json").read_text())


def output_of(run: str, formats: str, folder: Path) -> Path:
    """Unpack a run's files of `FORMATS[formats]` into `folder`; return it."""
    for packed in (path for name in FORMATS[formats] for path in (_ENGINES / run / name).glob("*.gz")):
        (folder / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
    return folder


def raw_of(run: str, folder: Path) -> Path:
    """Write a run's raw databases into `folder`; return it."""
    return unpacked(_ENGINES / run / "raw.json.gz", folder)


def unpacked(packed: Path, folder: Path) -> Path:
    """Write the raw databases that a file holds into `folder`; return it."""
    for held in json.loads(gzip.decompress(packed.read_bytes())):
        path = folder / held["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path)) as connection:
            for table in held["tables"]:
                connection.execute(table)
            for name, rows in (("Meta", held["meta"]), (held["layout"], held["rows"])):
                marks = ", ".join("?" * len(rows[0]))
                connection.executemany(f"INSERT INTO {name} VALUES ({marks})", rows)
            connection.commit()
    return folder


def events_of(raw: Path) -> dict[str, tuple[Event, ...]]:
    """Return the events of each process of a raw profile, by plain loops."""
    return {process.prof_id: process.events for process in read_processes(raw)}
