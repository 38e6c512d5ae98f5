"""Read chosen columns of one CSV file as text."""

from __future__ import annotations

import csv
from collections.abc import Collection
from pathlib import Path

import polars as pl

from lbtui.profile import Note, Progress, Unreadable
from lbtui.sources.tables import convert, match_headers
from lbtui.text import _, visible


def read_header(path: Path) -> list[str]:
    """Return the header's names. Raises `Unreadable` if there is no first line to read."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
            line = lines.readline(1 << 20)
    except OSError as error:
        raise Unreadable(_unreadable(path, error.strerror or str(error))) from error
    if not line.strip("\r\n\x00 "):
        raise Unreadable(_("{file} is empty; was the parser interrupted?").format(file=visible(path.name)))
    try:
        return [name.strip() for name in next(csv.reader([line]))]
    except csv.Error as error:
        raise Unreadable(_unreadable(path, str(error))) from error


def read_csv(
    path: Path, table: str, wanted: Collection[str], progress: Progress
) -> tuple[pl.DataFrame, list[Note]]:
    """Return the `wanted` columns of `table` in this file, typed, with `row`; and notes on what was dropped.

    Raises `Unreadable` with a sentence when nothing of the file can be used.
    """
    header = read_header(path)
    headers = match_headers(table, header, wanted, visible(path.name))
    raw, notes = read_text_columns(path, header, list(headers.header_of.values()), progress)
    frame, dropped = convert(table, raw, headers, visible(path.name))
    return frame, [*notes, *dropped]


def read_text_columns(
    path: Path, header: list[str], columns: list[str], progress: Progress
) -> tuple[pl.DataFrame, list[Note]]:
    """Return the named columns of a CSV file as text; of a doubled header the first counts.

    Raises `Unreadable` with a sentence when the file is no CSV.
    """
    size = path.stat().st_size
    progress.advance(path.name, 0, size)
    places = [header.index(column) for column in columns]
    notes: list[Note] = []
    try:
        # Columns by place, since a header may be doubled, padded or carry a byte-order mark.
        frame = pl.read_csv(
            path,
            has_header=False,
            skip_rows=1,
            columns=sorted(set(places)),
            new_columns=[f"c{place}" for place in range(len(header))],
            infer_schema=False,
            encoding="utf8-lossy",
            truncate_ragged_lines=True,
            raise_if_empty=False,
        )
    except (pl.exceptions.PolarsError, OSError) as error:
        raise Unreadable(_unreadable(path, str(error).splitlines()[0])) from error
    progress.advance(path.name, size, size)
    if frame.width == 0:
        return pl.DataFrame({c: [] for c in columns}, schema=dict.fromkeys(columns, pl.String)), notes
    return frame.select(
        pl.col(f"c{place}").alias(column) for place, column in zip(places, columns, strict=True)
    ), notes


def _unreadable(path: Path, why: str) -> str:
    return _("{file} cannot be read as CSV ({why}); parse the profile again or remove the file.").format(
        file=visible(path.name), why=visible(why, 200)
    )
