"""Read chosen columns of one CSV file: all rows, the first, or those between two numbers."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

import polars as pl

from lbtui.profile import Cut, Note, Progress, Unreadable
from lbtui.profile.note import cut_words
from lbtui.profile.progress import UpTo
from lbtui.sources.cells import NULL_WORDS
from lbtui.sources.failure import broken_csv, unreadable_on_failure
from lbtui.sources.tables import SHANGHAI, Clock, Conversion, Headers, match_headers, numeric_headers
from lbtui.text import _, visible

_T = TypeVar("_T")

# Between two batches the user may cancel: so many rows, or bytes of the file if these are more.
_BATCH = 100_000
_BATCH_BYTES = 128 << 20
_LONGEST_HEADER = 1 << 20
_SAMPLE = 1 << 18  # bytes that tell the length of a line


def read_header(path: Path) -> list[str]:
    """Return the header's names. Raises `Unreadable` if there is no first line to read."""
    with (
        unreadable_on_failure(path),
        path.open(encoding="utf-8-sig", errors="replace", newline="") as lines,
    ):
        # Python 3.10's csv refuses a NUL byte, later ones do not.
        line = lines.readline(_LONGEST_HEADER).replace("\0", "")
    if not line.strip():
        raise Unreadable(_("{file} is empty; was the parser interrupted?").format(file=visible(path.name)))
    try:
        return [name.strip() for name in next(csv.reader([line]))]
    except csv.Error as error:
        raise Unreadable(broken_csv(path, str(error))) from error


def read_csv(
    path: Path, table: str, wanted: Collection[str], progress: Progress, clock: Clock = SHANGHAI
) -> tuple[pl.DataFrame, list[Note]]:
    """Return the `wanted` columns of `table` in this file, typed, with `row`; and notes on what was dropped.

    Raises `Unreadable` with a sentence when nothing of the file can be used.
    """
    headers, rows = _typed_rows(path, table, wanted, clock)

    def converted(way: Way) -> Conversion:
        conversion = Conversion(table, headers, visible(path.name))
        for batch in rows.read(progress, way):
            conversion.take(batch)
        return conversion

    conversion = first_way(converted)
    return conversion.frame(), [*rows.notes, *conversion.notes()]


def read_parts(
    path: Path, table: str, wanted: Collection[str], progress: Progress, way: Way
) -> Iterator[pl.DataFrame]:
    """Yield what `read_csv` returns part by part, read in one of the `WAYS`; raises what `Rows.read` does."""
    headers, rows = _typed_rows(path, table, wanted)
    conversion = Conversion(table, headers, visible(path.name))
    yield from map(conversion.converted, rows.read(progress, way))


def _typed_rows(
    path: Path, table: str, wanted: Collection[str], clock: Clock = SHANGHAI
) -> tuple[Headers, Rows]:
    header = read_header(path)
    headers = match_headers(table, header, wanted, visible(path.name), clock)
    types = dict.fromkeys(numeric_headers(table, headers), pl.Float64())
    return headers, Rows(path, header, list(headers.header_of.values()), types)


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

    def chosen(found: pl.LazyFrame, headers: Headers) -> pl.LazyFrame:
        if name:
            found = found.filter(pl.col(headers.header_of[name]).str.strip_chars().is_in(list(among)))
        return found.head(rows)

    return _read_chosen(path, table, wanted, chosen)


def read_between(
    path: Path, table: str, wanted: Collection[str], name: str, bounds: tuple[float, float]
) -> pl.DataFrame:
    """Return the `wanted` columns of the rows whose number `name`, as it is written, lies between bounds."""

    def chosen(rows: pl.LazyFrame, headers: Headers) -> pl.LazyFrame:
        number = pl.col(headers.header_of[name]).cast(pl.Float64, strict=False)
        return rows.filter(number.is_between(*bounds))

    return _read_chosen(path, table, wanted, chosen)


def _read_chosen(
    path: Path,
    table: str,
    wanted: Collection[str],
    chosen: Callable[[pl.LazyFrame, Headers], pl.LazyFrame],
) -> pl.DataFrame:
    """Return the `wanted` columns, typed, of the rows that `chosen` leaves of those of the file as text."""
    header = read_header(path)
    headers = match_headers(table, header, wanted, visible(path.name))
    conversion = Conversion(table, headers, visible(path.name))
    with unreadable_on_failure(path):
        rows = _scan(path, header, list(headers.header_of.values()))
        conversion.take(chosen(rows, headers).collect(engine="streaming"))
    return conversion.frame()


def read_head(path: Path, columns: Sequence[str], rows: int) -> pl.DataFrame:
    """Return the `columns` of the first rows as text; raises `Unreadable`."""
    with unreadable_on_failure(path):
        return _scan(path, read_header(path), columns).head(rows).collect(engine="streaming")


def read_text(path: Path, progress: Progress) -> tuple[pl.DataFrame, list[Note]]:
    """Return all columns of a CSV file, whole, as text; of a doubled header the first counts."""
    header = read_header(path)
    columns = list(dict.fromkeys(header))
    rows = Rows(path, header, columns)
    empty = pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    whole = UpTo(progress, None)
    return first_way(lambda way: pl.concat([empty, *rows.read(whole, way)]), typed=False), rows.notes


def read_row(path: Path, row: int, columns: Sequence[str]) -> pl.DataFrame:
    """Return the `columns` of data row `row` as text: one row, or none if the file ends before."""
    header = read_header(path)
    missing = [column for column in columns if column not in header]
    if missing:
        raise Unreadable(
            _("{file} has no column {column}.").format(file=visible(path.name), column=missing[0])
        )
    with unreadable_on_failure(path):
        return _scan(path, header, columns).slice(row, 1).collect()


def _scan(
    path: Path,
    header: list[str],
    columns: Sequence[str],
    types: Mapping[str, pl.DataType] | None = None,
    null_words: Sequence[str] | None = None,
) -> pl.LazyFrame:
    """Name columns by their place, since a header may be doubled, padded or carry a byte-order mark.

    With `types`, by header, a cell of another type raises when collected. Empty cells come as null, and
    `null_words`.
    """
    names = [f"c{place}" for place in range(len(header))]
    frame = pl.scan_csv(
        _source(path),
        new_columns=names,
        infer_schema=False,
        schema_overrides={n: types[h] for n, h in zip(names, header, strict=True) if h in types}
        if types
        else None,
        null_values=None if null_words is None else list(null_words),
        # A line of another length than the header's is taken as far as it goes.
        truncate_ragged_lines=True,
        encoding="utf8-lossy",
        raise_if_empty=False,
        # Brackets in a folder's name are no pattern.
        glob=False,
    )
    return frame.select(pl.col(f"c{header.index(column)}").alias(column) for column in columns)


def _source(path: Path) -> Path | io.BytesIO:
    try:
        str(path).encode()
    except UnicodeEncodeError:  # a folder's name need not be UTF-8, but polars takes no other
        return io.BytesIO(path.read_bytes())
    return path


Way: TypeAlias = Literal["plain", "typed", "text", "lines"]
# The faster first: to compare every cell with the null words costs a third of the reading. What one has
# yielded before it failed is worth nothing: polars reads parts of a file at once, and yields those after a
# broken one, too.
WAYS: tuple[Way, ...] = ("plain", "typed", "text", "lines")


class BrokenCells(Exception):
    """The file cannot be read this way; what was yielded may have gaps. The next way takes all."""


class Rows:
    """The rows of a CSV file in batches of columns named by header; `notes` tells what was left out.

    Read the way `typed`, columns come in their `types` (by header), several times faster than as text; so
    they do the way `plain`, but for null words: among numbers none may be but NaN, as texts they are left.
    In these ways `more` columns are computed of them while they are read, `batch` rows at once.
    """

    def __init__(
        self,
        path: Path,
        header: list[str],
        columns: list[str],
        types: Mapping[str, pl.DataType] | None = None,
        batch: int | None = None,
        more: Sequence[pl.Expr] = (),
    ) -> None:
        self._path = path
        self._header = header
        self._columns = columns
        self._types = types
        self._batch = batch or _BATCH
        self._more = list(more)
        self.notes: list[Note] = []

    def read(self, progress: Progress, way: Way) -> Iterator[pl.DataFrame]:
        """Yield the batches in order; raises `Unreadable`, and `BrokenCells` where another way is left."""
        path = self._path
        self.notes = []
        with unreadable_on_failure(path):
            size = path.stat().st_size
            line, cut = _look(path, size)
            progress.advance(path.name, 0, size)
            if way == "lines":
                yield from self._line_by_line(cut, progress, size)
            else:
                types = None if way == "text" else self._types
                words = NULL_WORDS if way == "typed" and types else None
                rows = _scan(path, self._header, self._columns, types, words)
                if types:
                    rows = rows.with_columns(self._more)
                if cut:
                    rows = self._without_last(rows)
                done = 0
                try:
                    most = max(_BATCH_BYTES // max(line, 1), 1)
                    batches = rows.collect_batches(chunk_size=min(self._batch, most))
                    for batch in batches:
                        done += batch.height
                        more = progress.wants_more(path.name, min(done * line, size), size)
                        yield batch
                        # Of a last batch, or one after a broken cell, the next one tells.
                        if not more and next(batches, None) is not None:
                            size = self._cut(min(done * line, size), size)
                            break
                except pl.exceptions.ComputeError as error:
                    raise BrokenCells from error
            progress.advance(path.name, size, size)

    def _line_by_line(self, cut: bool, progress: Progress, size: int) -> Iterator[pl.DataFrame]:
        """Yield the rows, each line for itself: one with an odd quote, which stops polars, is left out.

        Upstream writes no line breaks inside cells, so a quote that is not closed spoils its own line only.
        """
        places = [self._header.index(column) for column in self._columns]
        kept: list[tuple[str | None, ...]] = []
        broken = done = 0
        more = True
        with self._path.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
            next(lines, None)
            for line in lines:
                if not more:
                    self._cut(done, size)
                    break
                done = min(done + len(line), size)
                if cut and not line.endswith(("\n", "\r")):
                    self._tell_of_the_cut()
                    break
                try:
                    cells = next(csv.reader([line], strict=True), [])
                except csv.Error:
                    broken += 1
                    continue
                if cells:
                    kept.append(tuple(cells[p] if p < len(cells) else None for p in places))
                if len(kept) >= _BATCH:
                    more = progress.wants_more(self._path.name, done, size)
                    yield self._frame(kept)
                    kept = []
        yield self._frame(kept)
        if broken:
            self.notes.append(
                Note(
                    visible(self._path.name),
                    _("{count} rows have a quote that is not closed and are left out.").format(count=broken),
                    lost=True,
                )
            )

    def _frame(self, rows: list[tuple[str | None, ...]]) -> pl.DataFrame:
        return pl.DataFrame(rows, schema=dict.fromkeys(self._columns, pl.String), orient="row")

    def _without_last(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        """Leave out the last row of a file that breaks off: its last cell may be half a number."""
        # A column without quotes can be counted although the last row breaks off inside quotes.
        count = _scan(self._path, self._header, self._header[:1]).select(pl.len()).collect().item()
        if not count:
            return rows
        self._tell_of_the_cut()
        return rows.head(count - 1)

    def _cut(self, done: int, size: int) -> int:
        """Tell that no more is read; return how many bytes are."""
        cut = Cut(visible(self._path.name), done, size)
        self.notes.append(Note(cut.file, cut_words(cut), lost=True, cut=cut))
        return done

    def _tell_of_the_cut(self) -> None:
        text = _("The file breaks off without an end of line; its last row is left out.")
        self.notes.append(Note(visible(self._path.name), text, lost=True))


def _look(path: Path, size: int) -> tuple[int, bool]:
    """Return the average length of a line in bytes, from a sample, and whether the last line has no end."""
    with path.open("rb") as file:
        sample = file.read(_SAMPLE)
        file.seek(max(size - 1, 0))
        last = file.read(1)
    return len(sample) // max(sample.count(b"\n"), 1), last not in (b"\n", b"\r", b"\x00", b"")
