"""Recorded CSVs with rows moved in time, by plain text and float arithmetic."""

import csv
import io
from datetime import datetime, timedelta
from pathlib import Path

# What the columns of times hold: text, or numbers of so many a second.
_TEXT = "%Y-%m-%d %H:%M:%S"
_NUMBERS = {"batch.csv": 1e6}  # named (ms), but µs
DAY = timedelta(days=1)


def rows_of(content: bytes) -> list[dict[str, str]]:
    """Return a CSV's rows."""
    return list(csv.DictReader(io.StringIO(content.decode())))


def moved(row: dict[str, str], file: str, by: timedelta) -> dict[str, str]:
    """Return a row with all its times moved."""
    found = dict(row)
    for name, value in row.items():
        if name in ("start_time(ms)", "end_time(ms)", "timestamp(ms)"):
            found[name] = repr(float(value) + by.total_seconds() * _NUMBERS.get(file, 1e3))
        elif name in ("start_datetime", "end_datetime", "start_time", "end_time", "time") and value:
            whole, _colon, rest = (value[:19], value[19:20], value[19:])
            found[name] = (datetime.strptime(whole, _TEXT) + by).strftime(_TEXT) + rest
    return found


def write(path: Path, rows: list[dict[str, str]], *, header_before: int | None = None) -> None:
    """Write a CSV; `header_before` repeats the header before that row."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        for number, row in enumerate(rows):
            if number == header_before:
                writer.writeheader()
            writer.writerow(row)
