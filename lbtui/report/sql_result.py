"""The answer to a query as text: a table for people, CSV and JSON for programs."""

from __future__ import annotations

import json
import math
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, Literal, TypeAlias

import polars as pl
from rich.cells import cell_len

from lbtui.profile.time import ZONE, ZONE_OFFSET, ZONE_REGION
from lbtui.render.glyphs import spell
from lbtui.report.export import defuse
from lbtui.text import plural, visible

SqlFormat: TypeAlias = Literal["table", "csv", "json"]

_ISO = "%Y-%m-%dT%H:%M:%S%.6f"
_LONGEST = 1 << 20  # characters of a text from the data


def sql_table(frame: pl.DataFrame, *, ascii_only: bool) -> str:
    """Return the rows under the names of their columns, numbers to the right, and how many they are."""
    told = _told(frame)
    columns = [[visible(name), *map(_cell, told[name])] for name in told.columns]
    numbers = [kind.is_numeric() for kind in told.dtypes]
    widths = [max(map(cell_len, cells)) for cells in columns]
    lines = [
        "  ".join(
            " " * (width - cell_len(cell)) + cell if right else cell + " " * (width - cell_len(cell))
            for cell, width, right in zip(cells, widths, numbers, strict=True)
        ).rstrip()
        for cells in zip(*columns, strict=True)
    ]
    if lines:
        lines.insert(1, "  ".join("─" * width for width in widths))
    text = "\n".join([*lines, f"({plural('1 row', '{count} rows', frame.height)})", ""])
    return spell(text) if ascii_only else text


def sql_csv(frame: pl.DataFrame) -> tuple[str, int]:
    """Return the rows as CSV, and how many texts got a `'` since a spreadsheet would execute them."""
    told = _told(frame)
    told, defused = defuse(told.rename({name: visible(name) for name in told.columns}))
    return told.write_csv(), defused


def sql_json(frame: pl.DataFrame) -> str:
    """Return the rows as a JSON array of objects, one a line, in ASCII."""
    names = [visible(name) for name in frame.columns]
    columns = [_values(frame[name]) for name in frame.columns]
    rows = (dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True))
    text = ",\n".join(json.dumps(row, allow_nan=False) for row in rows)
    return f"[\n{text}\n]\n" if text else "[]\n"


def _told(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with all but numbers and truths as text without control characters."""
    return frame.select(_column(frame[name]) for name in frame.columns) if frame.width else frame


def _column(column: pl.Series) -> pl.Series:
    kind = column.dtype
    if isinstance(kind, pl.Datetime):
        # One without a zone was made so in the query, and of which zone it is nobody knows.
        if kind.time_zone is None:
            return column.dt.strftime(_ISO)
        return column.dt.convert_time_zone(ZONE_REGION).dt.strftime(_ISO + ZONE_OFFSET)
    if isinstance(kind, pl.Duration):
        return (column.dt.total_microseconds() / 1000).round(3)
    if kind.is_numeric() or kind == pl.Boolean:
        return column
    cells = (cell if cell is None or isinstance(cell, str) else json.dumps(cell) for cell in _values(column))
    return pl.Series(column.name, list(cells), pl.String)


def _values(column: pl.Series) -> list[Any]:
    """Return the cells as JSON has them."""
    if isinstance(column.dtype, pl.Datetime | pl.Duration):
        column = _column(column)
    # Python would look for a zone database, which servers often lack.
    return [_plain(cell, column.dtype) for cell in column.cast(_without_zone(column.dtype))]


def _without_zone(kind: pl.DataType) -> pl.DataType:
    """Return a type with naive times (UTC) in the place of those with a zone, however deep they are."""
    if isinstance(kind, pl.Datetime):
        return pl.Datetime(kind.time_unit)
    if isinstance(kind, pl.List):
        return pl.List(_without_zone(_instance(kind.inner)))
    if isinstance(kind, pl.Struct):
        return pl.Struct({field.name: _without_zone(_instance(field.dtype)) for field in kind.fields})
    return kind


def _instance(kind: Any) -> pl.DataType:
    made: pl.DataType = kind() if isinstance(kind, type) else kind
    return made


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and math.isfinite(value) and (value == 0 or abs(value) >= 1e-4):
        return f"{value:.6f}".rstrip("0").rstrip(".")
    return str(value)


def _plain(value: Any, kind: pl.DataType) -> Any:
    """Return a value of a type as JSON has it: times in ISO, with their zone if any, NaN as null."""
    if isinstance(kind, pl.Struct) and isinstance(value, dict):
        kinds = {field.name: _instance(field.dtype) for field in kind.fields}
        return {visible(name): _plain(one, kinds[name]) for name, one in value.items()}
    if isinstance(kind, pl.List | pl.Array) and isinstance(value, list | tuple | pl.Series):
        return [_plain(one, _instance(kind.inner)) for one in value]
    if isinstance(value, datetime) and isinstance(kind, pl.Datetime) and kind.time_zone is not None:
        return value.replace(tzinfo=timezone.utc).astimezone(ZONE).isoformat(timespec="microseconds")
    return _atom(value)


def _atom(value: Any) -> Any:
    if isinstance(value, str):
        return visible(value, _LONGEST)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    if isinstance(value, timedelta):
        return value / timedelta(milliseconds=1)
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    return value.hex() if isinstance(value, bytes) else value
