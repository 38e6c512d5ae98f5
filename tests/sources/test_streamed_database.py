"""A large table of profiler.db is joined to steps while it is read: the same as from all passes at once."""

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbtui.analysis.data_parallel import domain_steps, round_at
from lbtui.overview.run import overview
from lbtui.profile import Cancelled, Silent
from lbtui.sources import open_profile
from lbtui.sources.steps import large_forward, steps_in_parts, streamed
from lbtui.sources.tables import database
from tests.sources.databases import as_database
from tests.sources.made import write
from tests.sources.recorded import lay_out
from tests.sources.test_streamed import MADE, RECORDED, plain

HELD = "All its rows are held in memory"


def unchanged(_table, rows):
    return rows


def made(folder, name, change=unchanged):
    source = lay_out(folder, *RECORDED[name]) if name in RECORDED else write(folder, *MADE[name])
    return as_database(source, "forward", "batch", change=change)


def in_parts(monkeypatch, chunk=97):
    monkeypatch.setattr(large_forward, "LARGE_TABLE", 1)
    monkeypatch.setattr(streamed, "MOST_COMPARED", 50)
    monkeypatch.setattr(database, "_CHUNK", chunk)


def both(monkeypatch, folder, chunk=97):
    """Return the steps read part by part (None if they are not) and those from all passes, and the notes."""
    monkeypatch.setattr(database, "_CHUNK", chunk)
    at_once = open_profile(folder)
    expected = domain_steps(at_once.load("steps").frame)
    in_parts(monkeypatch, chunk)
    loaded = open_profile(folder).load_domain_steps()
    joined = loaded if "cards" in loaded.frame.columns else None
    return joined, expected, ({n.text for n in loaded.notes}, {n.text for n in at_once.load("steps").notes})


def assert_same(joined, expected):
    assert plain(joined.frame).select(expected.columns).equals(plain(expected))


@pytest.mark.parametrize("name", [*RECORDED, *MADE])
def test_the_same_steps(monkeypatch, tmp_path, name):
    joined, expected, notes = both(monkeypatch, made(tmp_path, name))
    assert expected.height > 50
    assert_same(joined, expected)
    assert notes[0] == notes[1]


def test_the_same_of_what_the_parser_wrote(monkeypatch, tmp_path):
    folder = lay_out(tmp_path, "db_only/profiler.db")
    known = overview(open_profile(folder))
    joined, expected, notes = both(monkeypatch, folder)
    assert expected.height > 50
    assert_same(joined, expected)
    assert notes[0] == notes[1]
    opened = open_profile(folder)
    again = overview(opened)
    assert "cards" in opened.loaded()["steps"].frame.columns
    # As text, since NaN equals nothing.
    assert repr(again.lines) == repr(known.lines)
    assert (again.domains, again.window, again.notes) == (known.domains, known.window, known.notes)
    [first, *_others] = opened.loaded()["steps"].provenance
    [told, *_others] = open_profile(folder).load("steps").provenance
    assert (first.file, first.reader, first.rows) == (told.file, told.reader, told.rows)


def test_the_steps_of_sqlites_own_grouping(monkeypatch, tmp_path):
    """Cards of these services never overlap with another step: a step is what has one forward_iter."""
    folder = made(tmp_path, "pipeline")
    with closing(sqlite3.connect(folder / "profiler.db")) as connection:
        sql = (
            "SELECT CAST(min(start_time) * 1000 AS INTEGER), CAST(max(end_time) * 1000 AS INTEGER), "
            "max(during_time), max(CAST(batch_size AS INTEGER)), count(*) FROM forward GROUP BY forward_iter"
        )
        expected = connection.execute(sql).fetchall()
    in_parts(monkeypatch)
    steps = open_profile(folder).load_domain_steps().frame
    found = steps.select(pl.col("start", "end").cast(pl.Int64), "duration", "batch_size", "cards")
    assert "host" in steps.columns
    assert found.sort("start").rows() == sorted(expected)


def spoil(row, column, cell):
    def change(table, rows):
        if table == "forward":
            rows[row][column] = cell
        return rows

    return change


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda table, rows: rows[::-1], "not in the order of their start"),
        (spoil(100, "bubble_time", None), "lack their bubble time"),
        (spoil(100, "forward_iter", None), "lack their forward_iter"),
    ],
)
def test_what_cannot_be_joined_part_by_part_is_read_whole(monkeypatch, tmp_path, change, why):
    joined, expected, notes = both(monkeypatch, made(tmp_path, "forward alone", change))
    assert joined is None
    assert expected.height > 50
    [told] = notes[0] - notes[1]
    assert told.startswith(HELD)
    assert why in told


ODD = st.sampled_from(
    [None, "None", "nan", "", " 5", "x", "12", "1e1", b"\xff", b"7", -7, 0, 1.5, 2.0, 3, 2**40, 1e300, 1e-300]
)
COLUMNS = (
    "forward_iter", "batch_type", "batch_size", "start_time", "end_time", "during_time", "bubble_time"
)  # fmt: skip
# Of these only the first rows are read; what they say of a process may differ from the rest.
NAMES = ("prof_id", "hostname", "dp_rank")
CELLS = st.tuples(st.integers(0, 359), st.sampled_from(COLUMNS), ODD) | st.tuples(
    st.integers(0, 359), st.sampled_from(NAMES), st.sampled_from([None, "None", ""])
)
# A bubble may be unknown of the last pass of a process only.
LAST = st.tuples(st.integers(356, 359), st.just("bubble_time"), st.none())


@settings(deadline=None, max_examples=40)
@given(
    cells=st.lists(CELLS | LAST, max_size=4),
    sparse=st.booleans(),
    chunk=st.integers(20, 400),
    name=st.sampled_from(["a card begins before the slowest ends", "later card of a domain"]),
)
def test_the_same_whatever_its_cells_are(cells, sparse, chunk, name):
    def change(table, rows):
        for row, column, cell in cells if table == "forward" else ():
            rows[row % len(rows)][column] = cell
        return rows

    with tempfile.TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
        folder = made(Path(place), name, change)
        if sparse:
            with closing(sqlite3.connect(folder / "profiler.db")) as connection:
                connection.execute("DELETE FROM forward WHERE rowid % 7 = 3")
                connection.commit()
        joined, expected, notes = both(patch, folder, chunk)
        more = {note for note in notes[0] if note.startswith(HELD)}
        assert notes[0] - more == notes[1]
        assert bool(more) == (joined is None)
        if joined is not None:
            assert_same(joined, expected)


def test_a_round_is_read_again_from_the_table(monkeypatch, tmp_path):
    folder = made(tmp_path, "mindie_tp4")
    whole = open_profile(folder)
    steps, batches = whole.load("steps").frame, whole.load("batches").frame
    in_parts(monkeypatch)
    opened = open_profile(folder)
    joined = opened.load_domain_steps().frame
    for place in (0, 200, joined.height - 1):
        domain, start, end = joined.select("domain", "start", "end").row(place)
        begin, last = (int(np.datetime64(time, "us").astype(np.int64)) for time in (start, end))
        around = opened.steps_around(begin, last)
        found, expected = (round_at(s, batches, domain, start) for s in (around, steps))
        assert found.cards.height == 4
        assert found.cards.drop("bubble").equals(expected.cards.drop("bubble"))
        assert found.step == expected.step
    assert "cards" in opened.loaded()["steps"].frame.columns


def test_all_passes_are_those_of_the_table(monkeypatch, tmp_path):
    folder = made(tmp_path, "mindie_tp4")
    with closing(sqlite3.connect(folder / "profiler.db")) as connection:
        expected = connection.execute("SELECT prof_id, during_time FROM forward").fetchall()
    in_parts(monkeypatch)
    opened = open_profile(folder)
    opened.load_domain_steps()
    passes = opened.read_passes()
    assert passes.select(pl.col("prof_id").cast(pl.String), "duration").rows() == expected


def test_it_can_be_cancelled_and_started_again(monkeypatch, tmp_path):
    class Impatient(Silent):
        def advance(self, what, done, total):
            if done > 2000 * database._BYTES_OF_ROW:
                raise Cancelled

    in_parts(monkeypatch)
    folder = made(tmp_path, "forward alone")
    opened = open_profile(folder)
    with pytest.raises(Cancelled):
        opened.load_domain_steps(Impatient())
    assert opened.load_domain_steps().frame.height > 50
    assert {path.name for path in folder.iterdir()} == {"profiler.db"}


def test_a_small_table_is_held(tmp_path):
    opened = open_profile(made(tmp_path, "mindie_tp4"))
    assert "cards" not in opened.load_domain_steps().frame.columns


def test_the_steps_of_every_card_come_in_parts(monkeypatch, tmp_path):
    folder = made(tmp_path, "mindie_tp4")
    expected = open_profile(folder).load("steps").frame
    in_parts(monkeypatch)
    monkeypatch.setattr(steps_in_parts, "_PART", 211)
    opened = open_profile(folder)
    parts = opened.each_part_of_steps(list)
    assert len(parts) > 5
    assert pl.concat(parts).equals(expected)
