import sqlite3

import polars as pl
import pytest

from lbtui.profile import Cancelled, Silent, Unreadable
from lbtui.sources.tables import database
from tests.sources.recorded import lay_out, sentences, state_of

MOE = ("process", "mean", "low", "high")


def write(path, *statements, rows=()):
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    if rows:
        marks = ",".join("?" * len(rows[0]))
        connection.executemany(f"INSERT INTO moe_analysis VALUES ({marks})", rows)
    connection.commit()
    connection.close()
    return path


TABLE = "CREATE TABLE moe_analysis (Dataset, Mean, CI_Lower, CI_Upper)"


def test_cells_of_mixed_types_are_read_as_what_they_say(tmp_path):
    rows = [(7, 1.5, "1", 2), ("8", "None", 1.25, b"2.5"), (None, 1, 1, 1), ("9.0", None, "x", 2**62)]
    path = write(tmp_path / "profiler.db", TABLE, rows=rows)
    frame, notes = database.read_table(path, "moe_analysis", MOE, Silent())
    assert frame.select(*MOE, "row").rows() == [
        (7, 1.5, 1.0, 2.0, 0),
        (8, None, 1.25, 2.5, 1),
        (9, None, None, 2.0**62, 3),
    ]
    assert "1 of 4 rows lack a readable Dataset (the first is data row 3)" in sentences(notes)


def test_types_may_change_between_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "_CHUNK", 2)
    rows = [(i, *cells) for i, cells in enumerate([(1, 1, 1), (2, 2, 2), (1.5, "2.5", None), ("x", 3, 3)])]
    path = write(tmp_path / "profiler.db", TABLE, rows=rows)
    frame, _notes = database.read_table(path, "moe_analysis", MOE, Silent())
    assert frame["mean"].to_list() == [1.0, 2.0, 1.5, None]
    assert frame["low"].to_list() == [1.0, 2.0, 2.5, 3.0]
    assert frame["row"].to_list() == [0, 1, 2, 3]
    schema = pl.Schema([("a", pl.Float64()), ("b", pl.String())])
    with database.connect(path) as opened:
        found = opened.query("SELECT Mean, CI_Lower FROM moe_analysis ORDER BY rowid", schema)
    assert found.rows() == [(1.0, "1"), (2.0, "2"), (1.5, "2.5"), (None, "3")]


def test_text_that_is_no_utf8_keeps_its_bytes_and_is_not_refused(tmp_path):
    path = write(
        tmp_path / "profiler.db", "CREATE TABLE t (a TEXT)", "INSERT INTO t VALUES (CAST(x'6eff' AS TEXT))"
    )
    with database.connect(path) as opened:
        assert opened.query("SELECT a FROM t", pl.Schema([("a", pl.String())])).item() == "n\\xff"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no column"),
        (b"not a database" * 100, "not a database"),
        (b"SQLite format 3\0" + b"\xff" * 4000, "cannot be read"),
    ],
)
def test_what_is_no_database_is_refused_with_a_sentence(tmp_path, content, words):
    path = tmp_path / "profiler.db"
    path.write_bytes(content)
    with pytest.raises(Unreadable, match=words):
        database.read_table(path, "moe_analysis", MOE, Silent())


def test_a_schema_that_is_broken_and_no_utf8_is_refused_with_a_sentence(tmp_path):
    path = write(tmp_path / "profiler.db", "CREATE TABLE moe_analysis (a)")
    raw = path.read_bytes().replace(b"tablemoe_analysis", b"tablemoe_analysi\xff")
    path.write_bytes(raw.replace(b"CREATE TABLE", b"CREATE TALBE"))
    with pytest.raises(Unreadable, match=r"profiler\.db cannot be read as an SQLite database"):
        database.read_table(path, "moe_analysis", MOE, Silent())


def test_a_database_cut_in_the_middle_is_refused_with_a_sentence(tmp_path):
    path = lay_out(tmp_path, "db_only/profiler.db") / "profiler.db"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(Unreadable, match=r"profiler\.db cannot be read as an SQLite database"):
        database.read_table(path, "batch", ("prof_id", "start", "end", "name", "res_list"), Silent())


def test_a_missing_database_is_refused_and_not_made(tmp_path):
    with pytest.raises(Unreadable), database.connect(tmp_path / "profiler.db"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_reading_a_database_in_wal_mode_leaves_nothing_beside_it(tmp_path):
    path = lay_out(tmp_path, "db_only/profiler.db") / "profiler.db"
    assert path.read_bytes()[18:20] == b"\x02\x02", "upstream's databases are in WAL mode"
    before = state_of(tmp_path)
    with database.connect(path) as opened:
        assert "forward" in opened.tables()
        assert [file.name for file in tmp_path.iterdir()] == ["profiler.db"]
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            opened.connection.execute("DELETE FROM forward")
    assert state_of(tmp_path) == before


def test_a_query_is_cancelled_in_its_middle(tmp_path):
    path = write(tmp_path / "profiler.db", "CREATE TABLE t (a)", "INSERT INTO t VALUES (1)")
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"

    class Impatient:
        def advance(self, what, done, total):
            raise Cancelled

    with pytest.raises(Cancelled), database.connect(path, Impatient()) as opened:
        opened.query(endless, pl.Schema([("n", pl.Int64())]))
