import contextlib
import math
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lbtui.profile import Cancelled, Silent, Unreadable
from lbtui.sources.tables import arrow_rows, beside_writer, database, rowids, sqlite_cells
from tests.sources.recorded import state_of

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
        parts = list(rowids.ranges(opened.connection, "t", rows))
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
        assert rowids.can_be_parted(opened.connection, "t")
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
TYPES = ["", "INTEGER", "REAL", "TEXT", "NUMERIC", "TEXT COLLATE NOCASE", "COLLATE RTRIM"]
COLUMNS = st.sampled_from([*KINDS, *(st.none() | kind for kind in KINDS)])
ROWIDS = st.sets(st.integers(1, 12) | INTEGERS, max_size=9)


@st.composite
def tables(draw):
    kinds = draw(st.tuples(COLUMNS, COLUMNS, COLUMNS))
    types = draw(st.tuples(*[st.sampled_from(TYPES)] * 3))
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
        patch.setattr(database, "_SAMPLE", sample)
        assert told(in_bulk(path)) == told(cell_by_cell(path, chunk))


def plain_rows(count):
    return [(n + 1, f"node-{n % 3}", n, n / 1000 if n % 5 else None) for n in range(count)]


def refused(*_asked):
    raise AssertionError


def test_columns_of_plain_cells_are_never_read_cell_by_cell(tmp_path, monkeypatch):
    rows = [*plain_rows(1000), (3000, "\0é", 2**63 - 1, math.inf), (LAST, None, FIRST, -0.5)]
    path = write(tmp_path / "profiler.db", "CREATE TABLE t (a, b, c);", rows)
    monkeypatch.setattr(database.Database, "part", refused)
    assert [row for chunk in in_bulk(path) for row in chunk.rows()] == [(n - 1, *cells) for n, *cells in rows]


@pytest.mark.parametrize("place", [0, 250, 299])
@pytest.mark.parametrize("most", [5000, 2**31 - 1])
@pytest.mark.parametrize(
    "odd",
    [
        ("x", "2", 0.5),
        ("x", b"2", 0.5),
        ("x", (b"\xfe",), 0.5),
        ("x", 2, "0.5"),
        (1, 2, 0.5),
        (1.5, 2, 0.5),
        ("y" * 101, 2, 0.5),
    ],
)
def test_of_what_is_not_plain_the_driver_tells_nothing(tmp_path, monkeypatch, place, most, odd):
    monkeypatch.setattr(arrow_rows, "_MOST", most)
    monkeypatch.setattr(database, "_CHUNK", 50)
    rows = plain_rows(300)
    rows[place] = (place + 1, *odd)
    path = write(tmp_path / "profiler.db", "CREATE TABLE t (a, b, c);", rows)
    asked = beside_writer.place_of(path), "t", ["a", "b", "c"], [True, False, False]
    # A long text is none of its business where a column cannot have more bytes than are counted.
    alone = arrow_rows.arrow_rows(*asked, (place + 1, place + 1), 50)
    assert (alone is None) == (odd != ("y" * 101, 2, 0.5) or most == 5000)
    assert arrow_rows.arrow_rows(*asked, (100, 149), 50) is not None
    assert told(in_bulk(path)) == told(cell_by_cell(path, 50))


def test_a_cell_that_sqlite3_refuses_has_no_room_in_the_driver(tmp_path):
    path = tmp_path / "profiler.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (a, b)")
        connection.execute("INSERT INTO t VALUES (zeroblob(20000000), 1)")
        connection.execute("INSERT INTO t VALUES ('x', CAST(zeroblob(20000000) AS TEXT))")
        connection.commit()
    # The limit holds for the process, and for ever.
    code = f"""if True:
        from lbtui.sources.tables import arrow_rows, beside_writer
        arrow_rows._PRAGMAS = ("hard_heap_limit = 10000000",)
        for texts in ([True, False], [False, True], [False, False]):
            for row in (1, 2):
                place = beside_writer.place_of(__import__("pathlib").Path({str(path)!r}))
                assert arrow_rows.arrow_rows(place, "t", ["a", "b"], texts, (row, row), 50) is None
        assert arrow_rows.arrow_rows(place, "t", ["b"], [False], (1, 1), 50).rows() == [(0, 1)]
        print("all")
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("all\n", "")


@pytest.mark.parametrize("table", ['of "all"', "{c} {0}", "it's; -- ?1", "é\n", "select"])
def test_whatever_a_table_and_its_columns_are_called(tmp_path, monkeypatch, table):
    path = tmp_path / "profiler.db"
    name = sqlite_cells.quoted(table)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"CREATE TABLE {name} ({name} TEXT, b)")
        connection.execute(f"INSERT INTO {name} VALUES ('x', 1)")
        connection.commit()
    monkeypatch.setattr(database.Database, "part", refused)
    with database.connect(path) as opened:
        (chunk,) = opened.rows(table, [table, "b", table])
    assert chunk.rows() == [(0, "x", 1, "x")]


def test_a_table_without_a_row_has_no_part(tmp_path):
    assert in_bulk(write(tmp_path / "profiler.db", "CREATE TABLE t (a, b, c);", [])) == []


def test_columns_that_the_file_computes_are_read(tmp_path):
    create = "CREATE TABLE t (a, b, c, d AS (a || b) STORED, e AS (b + 1));"
    path = write(tmp_path / "profiler.db", create, [(1, 2, 3, 4)])
    with database.connect(path) as opened:
        (chunk,) = opened.rows("t", ["d", "e"])
    assert chunk.rows() == [(0, "23", 4)]


def test_nothing_is_left_beside_a_database_in_a_folder_that_cannot_be_written_to(tmp_path, monkeypatch):
    path = write(
        tmp_path / "profiler.db", "PRAGMA journal_mode = WAL; CREATE TABLE t (a, b, c);", plain_rows(99)
    )
    assert path.read_bytes()[18:20] == b"\x02\x02"
    tmp_path.chmod(0o500)
    before = state_of(tmp_path)
    monkeypatch.setattr(database.Database, "part", refused)
    assert in_bulk(path)[0].height == 99
    assert state_of(tmp_path) == before
    tmp_path.chmod(0o700)


def test_beside_a_writer_only_the_sqlite_that_holds_the_locks_reads(tmp_path, monkeypatch):
    path = tmp_path / "profiler.db"
    writer = sqlite3.connect(path)
    writer.executescript(
        "PRAGMA journal_mode = WAL; CREATE TABLE t (a, b, c); INSERT INTO t VALUES (1, 2, 3);"
    )
    monkeypatch.setattr(arrow_rows.adbc_driver_sqlite, "connect", refused)
    with contextlib.closing(writer), database.connect(path) as opened:
        writer.execute("INSERT INTO t VALUES (4, 5, 6)")
        (chunk,) = opened.rows("t", ["a", "b", "c"])
        writer.commit()
        assert chunk.rows() == [(0, 1, 2, 3)]
        assert opened.connection.execute("SELECT count(*) FROM t").fetchone() == (1,)


def test_what_is_locked_by_a_writer_is_read_as_it_was(tmp_path):
    path = write(tmp_path / "profiler.db", "CREATE TABLE t (a, b, c);", plain_rows(9))
    with contextlib.closing(sqlite3.connect(path)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        writer.execute("DELETE FROM t")
        assert in_bulk(path)[0].height == 9
        writer.rollback()


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
    monkeypatch.setattr(arrow_rows, "arrow_rows", None)
    if "WITHOUT" in create:
        with pytest.raises(Unreadable, match="rowid"), database.connect(path) as opened:
            list(opened.rows("t", ["a", "b", "c"]))
        return
    with database.connect(path) as opened:
        (chunk,) = opened.rows("t", ["a", "b", "c"])
    assert chunk.rows()[0][1:] == (1, 2, 3)


def test_what_breaks_in_a_part_is_one_sentence(tmp_path, monkeypatch):
    path = write(tmp_path / "profiler.db", "CREATE TABLE t (a, b, c);", plain_rows(5000))
    monkeypatch.setattr(database, "_CHUNK", 100)
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2 // 4096 * 4096])
    with pytest.raises(Unreadable, match=r"profiler\.db cannot be read"):
        in_bulk(path)


def test_a_table_is_cancelled_in_its_middle_and_its_progress_never_goes_back(tmp_path, monkeypatch):
    path = write(tmp_path / "profiler.db", "CREATE TABLE t (a, b, c);", plain_rows(5000))
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
