"""Collects rows one by one into a polars frame without keeping them all as Python objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from lbtui.profile.schema import ColumnType

_FLUSH = 1 << 15  # rows: a few MiB of Python objects


def columns(kinds: Mapping[str, ColumnType]) -> pl.Schema:
    """Return the schema of a raw frame; a plain dict of instances and classes has no type mypy accepts."""
    return pl.Schema(dict(kinds))


class RowBuffer:
    """Rows of one schema. Datetime columns take whole microseconds since 1970, UTC."""

    def __init__(self, schema: pl.Schema) -> None:
        self.schema = schema
        self._rows: list[tuple[Any, ...]] = []
        self._parts: list[pl.DataFrame] = []

    def add(self, *cells: Any) -> None:
        """Append one row; cells in the schema's order, null as None."""
        self._rows.append(cells)
        if len(self._rows) >= _FLUSH:
            self._flush()

    def frame(self) -> pl.DataFrame:
        """Return all rows in the order they were added."""
        self._flush()
        return pl.concat(self._parts) if self._parts else pl.DataFrame(schema=self.schema)

    def _flush(self) -> None:
        if not self._rows:
            return
        columns = [
            pl.Series(name, cells, dtype=pl.Int64).cast(kind)
            if isinstance(kind, pl.Datetime)
            else pl.Series(name, cells, dtype=kind)
            for (name, kind), cells in zip(self.schema.items(), zip(*self._rows, strict=True), strict=True)
        ]
        self._parts.append(pl.DataFrame(columns))
        self._rows.clear()
