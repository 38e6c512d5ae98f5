"""The answer to a query as text: a table for people, CSV and JSON for programs."""

from __future__ import annotations

import json
from typing import Literal, TypeAlias

import polars as pl
from rich.cells import cell_len

from lbtui.render.glyphs import spell
from lbtui.report.export import defuse
from lbtui.sql.cells import cell_text, told, values_of
from lbtui.text import plural, visible

SqlFormat: TypeAlias = Literal["table", "csv", "json"]


def sql_table(frame: pl.DataFrame, *, ascii_only: bool) -> str:
    """Return the rows under the names of their columns, numbers to the right, and how many they are."""
    cells = told(frame)
    columns = [[visible(name), *map(cell_text, cells[name])] for name in cells.columns]
    numbers = [kind.is_numeric() for kind in cells.dtypes]
    widths = [max(map(cell_len, column)) for column in columns]
    lines = [
        "  ".join(
            " " * (width - cell_len(cell)) + cell if right else cell + " " * (width - cell_len(cell))
            for cell, width, right in zip(row, widths, numbers, strict=True)
        ).rstrip()
        for row in zip(*columns, strict=True)
    ]
    if lines:
        lines.insert(1, "  ".join("─" * width for width in widths))
    text = "\n".join([*lines, f"({plural('1 row', '{count} rows', frame.height)})", ""])
    return spell(text) if ascii_only else text


def sql_csv(frame: pl.DataFrame) -> tuple[str, int]:
    """Return the rows as CSV, and how many texts got a `'` since a spreadsheet would execute them."""
    cells = told(frame)
    cells, defused = defuse(cells.rename({name: visible(name) for name in cells.columns}))
    return cells.write_csv(), defused


def sql_json(frame: pl.DataFrame) -> str:
    """Return the rows as a JSON array of objects, one a line, in ASCII."""
    names = [visible(name) for name in frame.columns]
    columns = [values_of(frame[name]) for name in frame.columns]
    rows = (dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True))
    text = ",\n".join(json.dumps(row, allow_nan=False) for row in rows)
    return f"[\n{text}\n]\n" if text else "[]\n"
