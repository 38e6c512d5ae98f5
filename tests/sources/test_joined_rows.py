import contextlib
import math
import sqlite3
import sys
import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lbtui.profile import Cancelled, Silent, Unreadable
from lbtui.sources.tables import database, joined_rows

FIRST, LAST = -(2**63), 2**63 - 1


def write(path, create, rows):
    path.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(create)
        # Text that is no UTF-8 comes as a tuple of its bytes.
        for row in rows:
            marks = ", ".join("CAST(? AS TEXT)" if isinstance(cell, tuple) else "?" for cell in row)
            values = [cell[0] if isinstance(cell, tuple) else cell for cell in row]
            connection.execute(f"INSERT INTO t (rowid, a, b, c) VALUES ({marks})", values)
        connection.commit()
    return path


def cell_by_cell(path, rows):
    """The rows of so many rowids after the other, each cell fetched by itself."""
    sql = "SELECT rowid - 1, a, b, c FROM t WHERE rowid BETWEEN ? AND ? ORDER BY rowid"
    with database.connect(path) as opened:
        parts = list(joined_rows.ranges(opened.connection, "t", rows))
        assert all(begin <= end for begin, end in parts)
        assert parts == sorted(parts)
        chunks = [c for part in parts for c in opened.chunks(sql, ["0", "1", "2", "3"], part)]
        # Together they are all rows, each once.
        told_apart = [row for chunk in chunks for row in chunk["0"]]
        whole = opened.connection.execute("SELECT rowid - 1 FROM t ORDER BY rowid")
        assert told_apart == [row for (row,) in whole]
    return chunks


def in_bulk(path):
    with database.connect(path) as opened:
        assert joined_rows.can_be_joined(opened.connection, "t")
        return [chunk for chunk in opened.rows("t", ["a", "b", "c"]) if chunk.height]


def told(chunks):
    """What every cell is, with its type and sign."""
    return [(chunk.schema, [tuple(map(repr, row)) for row in chunk.rows()]) for chunk in chunks]


INTEGERS = st.integers(FIRST, LAST) | st.integers(-3, 3)
DECIMALS = st.integers(-(10**6), 10**6).map(lambda n: n / 1000)
EPOCHS = st.integers(0, 2**20).map(lambda n: 1.7e12 + n / 4096)
# Not −0.0, which is the number 0 and comes as either, as SQLite writes it.
REALS = st.floats(allow_nan=False).map(lambda x: x + 0.0) | DECIMALS | EPOCHS
TEXTS = st.text(st.sampled_from("aé\x00\x1e\x1f,'\"5.\n"), max_size=3)
BROKEN = st.binary(max_size=3).map(lambda raw: (raw,))
ANY = st.none() | INTEGERS | REALS | TEXTS | BROKEN | st.binary(max_size=3)
KINDS = [INTEGERS, DECIMALS, EPOCHS, REALS, TEXTS, BROKEN, ANY, st.just("\x1e"), st.just("x")]
COLUMNS = st.sampled_from([*KINDS, *(st.none() | kind for kind in KINDS)])
ROWIDS = st.sets(st.integers(1, 12) | INTEGERS, max_size=9)


@st.composite
def tables(draw):
    kinds = draw(st.tuples(COLUMNS, COLUMNS, COLUMNS))
    types = draw(st.tuples(*[st.sampled_from(["", "INTEGER", "REAL", "TEXT", "NUMERIC"])] * 3))
    create = "CREATE TABLE t (a {}, b {}, c {});".format(*types)
    create += draw(st.sampled_from(["", "CREATE INDEX i ON t (c, b, a);"]))
    rowids = draw(ROWIDS.map(sorted) | st.integers(0, 9).map(lambda n: range(1, n + 1)))
    return create, [(rowid, *(draw(kind) for kind in kinds)) for rowid in rowids]


@settings(max_examples=300, deadline=None)
@given(table=tables(), chunk=st.integers(1, 4), sample=st.integers(1, 4))
@example(("CREATE TABLE t (a, b, c);", [(FIRST, 1, 2.5, "x")]), 1, 1)
@example(("CREATE TABLE t (a, b, c);", [(FIRST, 1, 2.5, "x"), (LAST, 2, 0.0, "")]), 1, 1)
def test_in_bulk_every_cell_is_what_it_is_cell_by_cell(table, chunk, sample):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = write(Path(folder) / "profiler.db", *table)
        patch.setattr(database, "_CHUNK", chunk)
        patch.setattr(joined_rows, "_SAMPLE", sample)
        assert told(in_bulk(path)) == told(cell_by_cell(path, chunk))


def rows_that_join(count):
    return [(n + 1, f"node-{n % 3}", n, n / 1000 if n % 5 else None) for n in range(count)]


def test_no_column_of_plain_cells_is_read_cell_by_cell(tmp_path, monkeypatch):
    rows = rows_that_join(1000)
    path = write(tmp_path / "profiler.db", "CREATE TABLE t (a, b, c);", rows)
    asked = []
    by_cell = joined_rows._Part._cell_by_cell

    def watched(part, wanted, most=-1):
        asked.append(most)
        return by_cell(part, wanted, most)

    monkeypatch.setattr(joined_rows._Part, "_cell_by_cell", watched)
    (chunk,) = in_bulk(path)
    assert chunk.rows() == [(n - 1, *cells) for n, *cells in rows]
    assert asked == [joined_rows._SAMPLE]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 cannot set SQLite's limits")
def test_cells_too_long_to_be_joined_are_read_one_by_one(tmp_path):
    rows = [(n, "x" * 900, n, 0.5) for n in range(1, 101)]
    path = write(tmp_path / "profiler.db", "CREATE TABLE t (a, b, c);", rows)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 10_000)
        found = joined_rows.joined_rows(connection, "t", ["a", "b", "c"], (FIRST, LAST))
    assert found.rows() == [(n - 1, *cells) for n, *cells in rows]


@pytest.mark.parametrize(
    "create",
    [
        "PRAGMA encoding = 'UTF-16'; CREATE TABLE t (a, b, c);",
        "CREATE TABLE t (rowid, a, b, c);",
        "CREATE TABLE t (a PRIMARY KEY, b, c) WITHOUT ROWID;",
        "CREATE VIRTUAL TABLE t USING rtree(a, b, c);",
    ],
)
def test_what_has_no_order_or_other_texts_is_read_cell_by_cell(tmp_path, create, monkeypatch):
    path = tmp_path / "profiler.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(create + "INSERT INTO t (a, b, c) VALUES (1, 2, 3);")
    monkeypatch.setattr(database, "joined_rows", None)
    if "WITHOUT" in create:
        with pytest.raises(Unreadable, match="rowid"), database.connect(path) as opened:
            list(opened.rows("t", ["a", "b", "c"]))
        return
    with database.connect(path) as opened:
        (chunk,) = opened.rows("t", ["a", "b", "c"])
    assert chunk.rows()[0][1:] == (1, 2, 3)


def test_what_breaks_in_a_part_is_one_sentence(tmp_path, monkeypatch):
    path = write(tmp_path / "profiler.db", "CREATE TABLE t (a, b, c);", rows_that_join(5000))
    monkeypatch.setattr(database, "_CHUNK", 100)
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2 // 4096 * 4096])
    with pytest.raises(Unreadable, match=r"profiler\.db cannot be read"):
        in_bulk(path)


def test_a_table_is_cancelled_in_its_middle_and_its_progress_never_goes_back(tmp_path, monkeypatch):
    path = write(tmp_path / "profiler.db", "CREATE TABLE t (a, b, c);", rows_that_join(5000))
    monkeypatch.setattr(database, "_CHUNK", 100)
    monkeypatch.setattr(database, "_STEPS", 100)
    told_so_far = []

    class Impatient(Silent):
        def advance(self, what, done, total):
            told_so_far.append((what, done))
            if done > 200 * database._BYTES_OF_ROW:
                # Once only: the other threads must learn of it, too.
                assert not any(before > 200 * database._BYTES_OF_ROW for _what, before in told_so_far[:-1])
                raise Cancelled

    with pytest.raises(Cancelled), database.connect(path, Impatient()) as opened:
        pl.concat(opened.rows("t", ["a", "b", "c"]))
    assert {what for what, _done in told_so_far} == {"profiler.db"}
    assert max(done for _what, done in told_so_far) < 1000 * database._BYTES_OF_ROW
    assert [done for _what, done in told_so_far] == sorted(done for _what, done in told_so_far)


def test_numbers_of_a_known_bit_pattern_come_back_bit_by_bit(tmp_path):
    reals = [0.1, 22.74325, 1767225600000.0151, math.pi, 5e-324, 1e300]
    for real in reals:
        path = write(tmp_path / "profiler.db", "CREATE TABLE t (a, b, c REAL);", [(1, None, 1, real)])
        (chunk,) = in_bulk(path)
        assert chunk["3"].item().hex() == real.hex()
