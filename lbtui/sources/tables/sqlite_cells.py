"""SQLite's cells and names: a column may hold any types, a name any characters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from lbtui.sources.decoded import decoded


def frame(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> pl.DataFrame:
    """Return rows of cells as columns with these names."""
    columns = zip(*rows, strict=True) if rows else ((),) * len(names)
    return pl.DataFrame([series(name, cells) for name, cells in zip(names, columns, strict=True)])


def series(name: str, cells: Sequence[Any]) -> pl.Series:
    """Return cells of whatever types SQLite let into one column: numbers, or text where any is text."""
    kinds = set(map(type, cells)) - {type(None)}
    if kinds <= {int}:
        return pl.Series(name, cells, dtype=pl.Int64)
    if kinds == {str}:
        return pl.Series(name, cells, dtype=pl.String)
    if kinds <= {int, float}:
        return pl.Series(name, cells, dtype=pl.Float64, strict=False)
    return pl.Series(name, map(_text, cells), dtype=pl.String)


def _text(cell: Any) -> str | None:
    if cell is None or isinstance(cell, str):
        return cell
    return decoded(cell) if isinstance(cell, bytes) else str(cell)


def quoted(name: str) -> str:
    """Return a name as SQL writes identifiers."""
    return '"' + name.replace('"', '""') + '"'
