"""Read chosen columns of one CSV file: all rows, the first, or those between two numbers."""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

import polars as pl

from lbtui.profile import Cut, Note, Progress, Silent, Unreadable
from lbtui.profile.note import cut_words
from lbtui.profile.progress import UpTo
from lbtui.sources.ahead import ahead, worked
from lbtui.sources.failure import unreadable_on_failure
from lbtui.sources.number_marks import plain_numbers
from lbtui.sources.tables.cells import NULL_WORDS
from lbtui.sources.tables.csv_dialect import CsvFile, open_csv
from lbtui.sources.tables.csv_lines import ClosedQuotes, CsvLines
from lbtui.sources.tables.tables import SHANGHAI, Clock, Conversion, Headers, match_headers, numeric_headers
from lbtui.text import _, visible

_T = TypeVar("_T")

# What is read whole has a column for each process; each costs polars a query of its own.
_MOST_COLUMNS = 8192
# Rows that are made columns at once.
_ENOUGH = 50_000


def read_header(path: Path) -> list[str]:
    """Return the header's names. Raises `Unreadable` if there is no first line to read."""
    return open_csv(path).header


def read_csv(
    path: Path, table: str, wanted: Collection[str], progress: Progress, clock: Clock = SHANGHAI
) -> tuple[pl.DataFrame, list[Note]]:
    """Return the `wanted` columns of `table` in this file, typed, with `row`; and notes on what was dropped.

    Raises `Unreadable` with a sentence when nothing of the file can be used.
    """
    headers, rows = _typed_rows(path, table, wanted, clock)

    def converted(way: Way) -> Conversion:
        conversion = Conversion(table, headers, visible(path.name))
        for batch in _joined(rows.read(progress, way)):
            conversion.take(batch)
        return conversion

    conversion = first_way(converted)
    return conversion.frame(), [*rows.notes, *conversion.notes()]


def _joined(batches: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Yield the batches, those of few rows as one: each column of each costs polars some queries."""
    waiting: list[pl.DataFrame] = []
    rows = 0
    for batch in batches:
        waiting.append(batch)
        rows += batch.height
        if rows >= _ENOUGH:
            yield pl.concat(waiting)
            waiting, rows = [], 0
    if waiting:
        yield pl.concat(waiting)


def read_parts(
    path: Path,
    table: str,
    wanted: Collection[str],
    progress: Progress,
    way: Way,
    clock: Clock = SHANGHAI,
) -> Iterator[pl.DataFrame]:
    """Yield what `read_csv` returns part by part, read in one of the `WAYS`; raises what `Rows.read` does."""
    headers, rows = _typed_rows(path, table, wanted, clock)
    conversion = Conversion(table, headers, visible(path.name))
    yield from map(conversion.converted, rows.read(progress, way))


def _typed_rows(
    path: Path, table: str, wanted: Collection[str], clock: Clock = SHANGHAI
) -> tuple[Headers, Rows]:
    file = open_csv(path)
    headers = match_headers(table, file.header, wanted, visible(path.name), clock)
    types = dict.fromkeys(numeric_headers(table, headers), pl.Float64())
    return headers, Rows(file, list(headers.header_of.values()), types)


def first_way(read: Callable[[Way], _T], *, typed: bool = True) -> _T:
    """Return what `read` returns for the first way that reads the whole file; all as text unless `typed`."""
    *ways, last = WAYS if typed else WAYS[WAYS.index("text") :]
    for way in ways:
        with suppress(BrokenCells):
            return read(way)
    return read(last)


def read_first(
    path: Path, table: str, wanted: Collection[str], rows: int, *, name: str = "", among: Sequence[str] = ()
) -> pl.DataFrame:
    """Return the `wanted` columns of the first rows, typed; of those only whose column `name` is `among`."""
    headers, parts = _typed_rows(path, table, wanted)

    def converted(way: Way) -> Conversion:
        conversion, left = Conversion(table, headers, visible(path.name)), rows
        for part in parts.read(Silent(), way):
            if name:
                part = part.filter(pl.col(headers.header_of[name]).str.strip_chars().is_in(list(among)))
            conversion.take(part.head(left))
            left -= part.height
            if left <= 0:
                break
        return conversion

    return first_way(converted).frame()


@dataclass(frozen=True)
class Between:
    """The rows whose number `name`, as it is written, lies between two.

    They are looked for in `ranges` of the file only, if given, as `CsvLines` takes them.
    """

    name: str
    bounds: tuple[float, float]
    ranges: Sequence[tuple[int, int]] | None = None


def read_between(
    path: Path, table: str, wanted: Collection[str], chosen: Between, progress: Progress
) -> pl.DataFrame:
    """Return the `wanted` columns, typed, of the rows chosen; raises what `progress` does."""
    file = open_csv(path)
    headers = match_headers(table, file.header, wanted, visible(path.name))
    conversion = Conversion(table, headers, visible(path.name))
    plain = plain_numbers(numeric_headers(table, headers), decimal_comma=file.decimal_comma)
    number = pl.col(headers.header_of[chosen.name]).cast(pl.Float64, strict=False)
    columns = list(headers.header_of.values())
    with unreadable_on_failure(path):
        sizes = None if chosen.ranges is None else [end - begin for begin, end in chosen.ranges]
        total, read = path.stat().st_size if sizes is None else sum(sizes), 0
        progress.advance(path.name, 0, total)
        for block, done in CsvLines(file, chosen.ranges).blocks():
            rows = _scan(file, columns, block).with_columns(plain)
            conversion.take(rows.filter(number.is_between(*chosen.bounds)).collect())
            read = done if sizes is None else min(read + len(block), total)
            progress.advance(path.name, read, total)
        progress.advance(path.name, total, total)
    return conversion.frame()


def read_head(path: Path, columns: Sequence[str], rows: int) -> pl.DataFrame:
    """Return the `columns` of the first rows as text, numbers in plain notation; raises `Unreadable`."""

    def take(parts: Iterator[pl.LazyFrame]) -> pl.DataFrame:
        found = pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
        for part in parts:
            found = pl.concat([found, part.head(rows - found.height).collect(engine="streaming")])
            if found.height >= rows:
                break
        return found

    return _from_texts(open_csv(path), columns, columns, take)


def read_text(path: Path, progress: Progress) -> tuple[pl.DataFrame, list[Note]]:
    """Return all columns of a CSV file, whole, as text; of a doubled header the first counts.

    Of more than `_MOST_COLUMNS` the first, and a note tells so.
    """
    file = open_csv(path)
    found = list(dict.fromkeys(file.header))
    columns = found[:_MOST_COLUMNS]
    rows = Rows(file, columns, dict.fromkeys(columns, pl.Float64()))
    empty = pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    whole = UpTo(progress, None)
    frame = first_way(lambda way: pl.concat([empty, *rows.read(whole, way)]), typed=False)
    if columns == found:
        return frame, rows.notes
    text = _("It has {count} columns, more than any model has processes; only the first {most} are read.")
    told = Note(visible(path.name), text.format(count=len(found), most=_MOST_COLUMNS), lost=True)
    return frame, [*rows.notes, told]


def read_row(path: Path, row: int, columns: Sequence[str], numbers: Collection[str] = ()) -> pl.DataFrame:
    """Return the `columns` of data row `row` as text, `numbers` in plain notation.

    One row, or none if the file ends before.
    """
    file = open_csv(path)
    missing = [column for column in columns if column not in file.header]
    if missing:
        raise Unreadable(
            _("{file} has no column {column}.").format(file=visible(path.name), column=missing[0])
        )

    def take(parts: Iterator[pl.LazyFrame]) -> pl.DataFrame:
        before = 0
        found = pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
        for part in parts:
            found = part.slice(row - before, 1).collect()
            if found.height:
                break
            before += part.select(pl.len()).collect().item()
        return found

    return _from_texts(file, columns, numbers, take)


def _from_texts(
    file: CsvFile,
    columns: Sequence[str],
    numbers: Collection[str],
    take: Callable[[Iterator[pl.LazyFrame]], _T],
) -> _T:
    """Return what `take` makes of all rows as text, in one frame or more; it may be called anew."""
    plain = plain_numbers(numbers, decimal_comma=file.decimal_comma)
    with unreadable_on_failure(file.path):
        blocks = CsvLines(file).blocks()
        return take(_scan(file, columns, block).with_columns(plain) for block, _done in blocks)


def _scan(
    file: CsvFile,
    columns: Sequence[str],
    block: bytes,
    types: Mapping[str, pl.DataType] | None = None,
    null_words: Sequence[str] | None = None,
) -> pl.LazyFrame:
    """Return the rows of a block of lines of the file.

    Polars is not given the path: it would map the file into memory, and a file that is cut short while it is
    read then ends the process (SIGBUS).

    Columns are named by their place, since a header may be doubled, padded or carry a byte-order mark. With
    `types`, by header, a cell of another type raises when collected. Empty cells come as null, and
    `null_words`.
    """
    header = file.header
    names = [f"c{place}" for place in range(len(header))]
    schema: dict[str, pl.DataType] = dict.fromkeys(names, pl.String())
    if types:
        schema |= {n: types[h] for n, h in zip(names, header, strict=True) if h in types}
    frame = pl.scan_csv(
        # A mark at the begin is left out, which here is part of a cell.
        io.BytesIO(codecs.BOM_UTF8 + block if block.startswith(codecs.BOM_UTF8) else block),
        has_header=False,
        schema=schema,
        null_values=None if null_words is None else list(null_words),
        # A line of another length than the header's, the first too, is taken as far as it goes.
        truncate_ragged_lines=True,
        extra_columns="ignore",
        missing_columns="insert",
        raise_if_empty=False,
        separator=file.separator,
        decimal_comma=file.decimal_comma and file.separator != ",",
    )
    # Of a doubled header the first.
    place = {column: at for at, column in reversed(list(enumerate(header)))}
    return frame.select(pl.col(f"c{place[column]}").alias(column) for column in columns)


_Batches: TypeAlias = Generator[pl.DataFrame, None, int]
# Lines, how many bytes of the file are read by then, and where they end in it (`CsvLines.end`).
_Block: TypeAlias = tuple[bytes, int, int | None]
Way: TypeAlias = Literal["plain", "typed", "text", "lines"]
# The faster first: to compare every cell with the null words costs a third of the reading.
WAYS: tuple[Way, ...] = ("plain", "typed", "text", "lines")


class BrokenCells(Exception):
    """The file cannot be read this way; what was yielded may have gaps. The next way takes all."""


class Rows:
    """The rows of a CSV file in batches of columns named by header; `notes` tells what was left out.

    Read the way `typed`, columns come in their `types` (by header), several times faster than as text; so
    they do the way `plain`, but for null words: among numbers none may be but NaN, as texts they are left.
    In the others what would be Float64 comes as text in plain notation. So many blocks are parsed `at_once`:
    one by itself does not keep two processors busy, and each takes memory.
    """

    def __init__(
        self,
        file: CsvFile,
        columns: list[str],
        types: Mapping[str, pl.DataType] | None = None,
        *,
        at_once: int = 1,
    ) -> None:
        self._at_once = at_once
        self._file = file
        self._path = file.path
        self._columns = columns
        self._types = types
        numbers = [header for header, kind in (types or {}).items() if kind == pl.Float64()]
        self._plain = plain_numbers(numbers, decimal_comma=file.decimal_comma)
        self.notes: list[Note] = []
        self.end: int | None = None  # of the batch yielded last, as `CsvLines.end`

    def read(self, progress: Progress, way: Way) -> Iterator[pl.DataFrame]:
        """Yield the batches in order; raises `Unreadable`, and `BrokenCells` where another way is left."""
        self.notes = []
        with unreadable_on_failure(self._path):
            size = self._path.stat().st_size
            progress.advance(self._path.name, 0, size)
            end = yield from self._by_blocks(progress, way, size)
            progress.advance(self._path.name, end, end)

    def in_ranges(self, ranges: Sequence[tuple[int, int]]) -> tuple[pl.DataFrame, list[int]]:
        """Return the rows in these ranges (`CsvLines`) as `plain` reads them, and how many each range has.

        Raises `BrokenCells` where that way has gaps, `Unreadable`.
        """
        with unreadable_on_failure(self._path):
            blocks = [block for block, _done in CsvLines(self._file, ranges).blocks()]
        counts = [block.count(b"\n") for block in blocks]
        frame, _done, _end = self._batch((b"".join(blocks), 0, None), "plain")
        if len(blocks) != len(ranges) or frame.height != sum(counts):
            raise BrokenCells
        return frame, counts

    def _by_blocks(self, progress: Progress, way: Way, size: int) -> _Batches:
        """Yield a batch for each block of lines; return how far it got."""
        lines, quotes = CsvLines(self._file), ClosedQuotes(self._file.separator)
        blocks = ((block, done, lines.end) for block, done in lines.blocks())
        if way == "lines":
            # Not as they are in the file.
            blocks = ((quotes.only(block), done, None) for block, done, _end in blocks)
        more, read, end = True, 0, size
        for batch, done, place in worked(lambda block: self._batch(block, way), ahead(blocks), self._at_once):
            if not more:
                end = self._cut(read, size)
                break
            read, self.end = done, place
            more = progress.wants_more(self._path.name, done, size)
            yield batch
        else:
            self.notes += lines.notes
        if quotes.broken:
            text = _("{count} rows have a quote that is not closed and are left out.")
            told = text.format(count=quotes.broken)
            self.notes.append(Note(visible(self._path.name), told, lost=True))
        return end

    def _batch(self, block: _Block, way: Way) -> tuple[pl.DataFrame, int, int | None]:
        lines, done, end = block
        if b'"' in lines and lines.count(b'"') % 2:
            raise BrokenCells  # an odd quote would swallow what follows
        try:
            return self._scan(way, lines).collect(), done, end
        except pl.exceptions.ComputeError as error:
            raise BrokenCells from error

    def _scan(self, way: Way, block: bytes) -> pl.LazyFrame:
        if way in ("text", "lines") or not self._types:
            return _scan(self._file, self._columns, block).with_columns(self._plain)
        words = NULL_WORDS if way == "typed" else None
        return _scan(self._file, self._columns, block, self._types, words)

    def _cut(self, done: int, size: int) -> int:
        """Tell that no more is read; return how many bytes are."""
        cut = Cut(visible(self._path.name), done, size)
        self.notes.append(Note(cut.file, cut_words(cut), lost=True, cut=cut))
        return done
