"""profiler.db made of the CSV files of a folder, with the column types that upstream writes."""

import csv
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

# Of tables forward and batch; all other columns are TEXT.
TYPES = {
    **dict.fromkeys(["relative_start_time", "during_time", "bubble_time", "start_time", "end_time"], "REAL"),
    **dict.fromkeys(["during_time(ms)", "start_time(ms)", "end_time(ms)"], "REAL"),
    **dict.fromkeys(["total_blocks", "used_blocks", "free_blocks", "kvcache_usage_rate"], "REAL"),
    **dict.fromkeys(["prefill_batch_size", "decode_batch_size", "total_scheduled_tokens"], "INTEGER"),
    "forward_iter": "INTEGER",
}
Rows = list[dict[str, Any]]


def as_database(folder: Path, *tables: str, change: Callable[[str, Rows], Iterable[dict[str, Any]]]) -> Path:
    """Put the rows of CSV files into profiler.db instead, as `change` leaves them; return the folder."""
    with closing(sqlite3.connect(folder / "profiler.db")) as connection:
        for table in tables:
            path = folder / f"{table}.csv"
            if not path.exists():
                continue
            with path.open(newline="") as lines:
                reader = csv.DictReader(lines)
                header = [
                    name.replace("(ms)", "") if table == "forward" else name for name in reader.fieldnames
                ]
                rows = [dict(zip(header, row.values(), strict=True)) for row in reader]
            path.unlink()
            kinds = ", ".join(f'"{name}" {TYPES.get(name, "TEXT")}' for name in header)
            connection.execute(f"CREATE TABLE {table} ({kinds})")
            # Upstream leaves unknown numbers NULL, and writes unknown texts as they are.
            cells = [
                [None if row[n] == "" and n in TYPES else row[n] for n in header]
                for row in change(table, rows)
            ]
            connection.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(header))})", cells)
        connection.commit()
    return folder
