"""The values of an answer as they are shown and written: times in the files' zone, nothing that acts."""

from __future__ import annotations

import json
import math
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import polars as pl

from lbtui.profile.time import ZONE, ZONE_OFFSET, ZONE_REGION
from lbtui.text import visible

_ISO = "%Y-%m-%dT%H:%M:%S%.6f"
_LONGEST = 1 << 20  # characters of a text from the data


def told(frame: pl.DataFrame) -> pl.DataFrame:
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
    cells = (
        cell if cell is None or isinstance(cell, str) else json.dumps(cell) for cell in values_of(column)
    )
    return pl.Series(column.name, list(cells), pl.String)


def values_of(column: pl.Series) -> list[Any]:
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


def cell_text(value: object) -> str:
    """Return a value of `told` as it stands in a table: nothing for null."""
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
