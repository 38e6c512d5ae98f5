"""The answer to a query as a table: what is drawn, moved over, sorted, copied, saved, cancelled."""

import threading
from datetime import datetime, timedelta, timezone

import polars as pl
import pytest
from textual.widgets import Input

from lbtui import cli
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities
from lbtui.render.text import plain
from lbtui.sql import Answered, SqlError
from lbtui.ui.kit.pages import TextPage
from lbtui.ui.kit.pane import Stage
from lbtui.ui.panes.sql import pane as sql_pane
from lbtui.ui.panes.sql import view
from lbtui.ui.panes.sql.data import SqlData, in_order
from lbtui.ui.panes.sql.pane import SqlPane
from lbtui.ui.panes.sql.view import SqlState
from tests.terminal.driven import drive, pane_text, press, screen_text
from tests.tools.driving import handled, settled
from tests.ui.test_commands import enter, last_line

CAPS = Capabilities("256")
FRAME = pl.DataFrame(
    {
        "name": ["a", "b\x1b[31m", None, "d" * 100],
        "mean": [1.5, None, 120.25, float("nan")],
        "count": [3, 1, 2, None],
        "at": [datetime(2026, 3, 2, 2, tzinfo=timezone.utc) + timedelta(seconds=n) for n in range(4)],
        "took": [timedelta(milliseconds=n) for n in (1, 2, 3, 4)],
        "list": [[1, 2], [], None, [3]],
    }
)
START = SqlState()
DATA = SqlData("SELECT *\n  FROM steps", FRAME, ("steps has no rows",))


def drawn(state=START, size=(100, 12), data=DATA):
    return plain(view.draw(data, state, Canvas(*size, CAPS))).splitlines()


def test_the_rows_stand_under_their_names_and_nothing_acts():
    lines = drawn(size=(200, 12))
    assert lines[0] == " 4 rows · 6 columns · 1 note (i)"
    assert lines[1] == " SELECT * FROM steps"
    assert lines[2].split() == ["name", "mean", "count", "at", "took", "list"]
    assert lines[3].split() == ["a", "1.5", "3", "2026-03-02T10:00:00.000000+08:00", "1", "[1,", "2]"]
    assert lines[4].split()[:3] == ["b\\x1b[31m", "–", "1"]
    assert lines[5].split()[:2] == ["–", "120.2"] or lines[5].split()[:2] == ["–", "120.3"]
    assert "…" in lines[6]
    assert lines[-1].startswith(" row 1 of 4 · name: a · mean: 1.5")


@pytest.mark.parametrize("size", [(200, 40), (80, 24), (60, 17), (20, 5), (3, 3), (1, 1)])
@pytest.mark.parametrize("column", [0, 3, 5])
def test_every_size_is_filled_and_the_cursor_is_in_view(size, column):
    state = view.moved(DATA, SqlState(), 3, column)
    rows = view.draw(DATA, state, Canvas(*size, CAPS))
    assert len(rows) == size[1]
    assert {sum(segment.cell_length for segment in row) for row in rows} == {size[0]}
    left = view.in_view(DATA, state, *size).left
    assert column in [place for place, _x, _width in view.layout(DATA, left, size[0]).columns]


def test_it_scrolls_to_the_right_no_further_than_needed_and_back():
    state = SqlState()
    seen = []
    for step in (1, 1, 1, 1, 1, -1, -1, -1, -1, -1):
        state = view.in_view(DATA, view.moved(DATA, state, 0, step), 60, 12)
        seen.append((state.column, state.left))
    assert seen[-1] == (0, 0)
    assert max(left for _column, left in seen) > 0
    assert all(left <= column for column, left in seen)


def test_orders_put_null_last_either_way():
    assert in_order(FRAME, (2, False)).to_list() == [1, 2, 0, 3]
    assert in_order(FRAME, (2, True)).to_list() == [0, 2, 1, 3]
    state = SqlState(column=2)
    assert view.next_order(state) == (2, False)
    assert view.next_order(view.ordered(state, (2, False), in_order(FRAME, (2, False)))) == (2, True)
    shown = view.ordered(state, (2, True), in_order(FRAME, (2, True)))
    assert "by count, downwards" in drawn(shown)[0]
    assert view.cell_words(DATA, shown) == "3"


def test_the_value_under_the_cursor_is_whole():
    assert view.cell_words(DATA, SqlState(row=3)) == "d" * 100
    assert view.cell_words(DATA, SqlState(row=2)) == ""
    assert view.cell_words(DATA, SqlState(row=1)) == "b\\x1b[31m"
    page = view.page_words(DATA, SqlState(row=3))
    assert "steps has no rows" in page
    assert "d" * 100 in page


@pytest.mark.parametrize("frame", [pl.DataFrame(), FRAME.head(0), pl.DataFrame({"x": [None]})])
def test_an_answer_of_nothing_is_said(frame):
    data = SqlData("SELECT 1", frame)
    lines = drawn(data=data)
    assert len(lines) == 12
    assert view.cell_words(data, SqlState()) == ""
    assert "No row." in "\n".join(lines) or frame.height


def test_of_many_rows_only_those_in_view_are_written(monkeypatch):
    many = SqlData("SELECT 1", pl.DataFrame({"n": range(1_000_000), "x": [0.5] * 1_000_000}))
    _columns = many.columns
    written = []
    texts = SqlData._texts

    def counted(self, place, cells):
        written.append(len(cells))
        return texts(self, place, cells)

    monkeypatch.setattr(SqlData, "_texts", counted)
    lines = drawn(view.moved(many, SqlState(), 1 << 40, 0), data=many)
    assert "999999" in lines[-2]
    assert sum(written) < 100


def test_a_query_is_shown_sorted_copied_and_saved(tmp_path):
    query = "SELECT dp_rank, avg(batch_size) AS mean FROM steps GROUP BY dp_rank"

    async def scenario(app, pilot):
        await press(app, pilot, "2")
        await enter(app, pilot, f"sql {query}")
        assert isinstance(app.current, SqlPane)
        assert "2 DP · SQL" in screen_text(app)
        assert "8 rows · 2 columns" in pane_text(app)
        await press(app, pilot, "right", "s", "s")
        assert "by mean, downwards" in pane_text(app)
        first = app.current.to_copy()
        await press(app, pilot, "r", "end")
        assert app.current.to_copy() == first
        await press(app, pilot, "E")
        app.screen.query_one(Input).value = str(tmp_path / "a.txt")
        await press(app, pilot, "enter")
        assert "ends in .csv" in screen_text(app)
        app.screen.query_one(Input).value = str(tmp_path / "a.csv")
        await press(app, pilot, "enter")
        assert "8 rows" in last_line(app)
        head, *rows = (tmp_path / "a.csv").read_text("utf-8").splitlines()
        assert head == "dp_rank,mean"
        means = [float(row.split(",")[1]) for row in rows]
        assert means == sorted(means)
        await enter(app, pilot, f"w {tmp_path / 'b.csv'}")
        assert (tmp_path / "b.csv").read_bytes() == (tmp_path / "a.csv").read_bytes()
        await press(app, pilot, "i")
        assert isinstance(app.screen, TextPage)
        assert "mean" in screen_text(app)
        await press(app, pilot, "escape", "question_mark")
        assert "It shows the rows that a query" in screen_text(app)
        await press(app, pilot, "escape", "escape")
        assert app.current.KEY == "2"

    drive(CAPS, scenario)


def test_a_mistake_has_the_engine_s_words_and_the_nearest_name():
    async def scenario(app, pilot):
        app.outlets = cli._outlets()
        await enter(app, pilot, "sql SELECT batchsize FROM steps")
        assert "batch_size" in pane_text(app)
        assert "batchsize" in pane_text(app)
        await press(app, pilot, "s", "i")
        await press(app, pilot, "escape")
        await enter(app, pilot, "w x.csv")
        assert "no rows here" in last_line(app)
        # Another query stands in its place.
        await enter(app, pilot, "sql SHOW TABLES")
        assert "expert_heat" in pane_text(app)

    drive(CAPS, scenario, size=(120, 30))


def test_escape_kills_the_query_and_goes_out_then(monkeypatch):
    begun, killed = threading.Event(), threading.Event()

    def answer(asked, cancelling):
        begun.set()
        while not cancelling.cancelled:
            killed.wait(0.01)
        killed.set()
        raise SqlError("cancelled", "the query was cancelled.")

    monkeypatch.setattr(SqlPane.__init__, "__defaults__", (answer,))

    async def scenario(app, pilot):
        await pilot.press("colon")
        await settled(app, pilot)
        app.screen.query_one(Input).value = "sql SELECT 1"
        await pilot.press("enter")
        while not begun.is_set():
            await handled(pilot)
        assert "the query runs … " in pane_text(app)
        await pilot.press("escape")
        await settled(app, pilot)
        assert killed.is_set()
        assert app.current.stage is Stage.CANCELLED
        await press(app, pilot, "escape")
        assert app.current.KEY == "1"
        # So does whatever leads away.
        begun.clear()
        killed.clear()
        await pilot.press("colon")
        await handled(pilot)
        app.screen.query_one(Input).value = "sql SELECT 1"
        await pilot.press("enter")
        while not begun.is_set():
            await handled(pilot)
        await press(app, pilot, "3")
        assert killed.is_set()

    drive(CAPS, scenario)


def test_a_real_child_is_killed_by_escape():
    join = "SELECT count(*) FROM steps a JOIN steps b ON a.batch_size = b.batch_size "
    join += "JOIN steps c ON b.batch_size = c.batch_size JOIN steps d ON c.batch_size = d.batch_size"

    async def scenario(app, pilot):
        await pilot.press("colon")
        await settled(app, pilot)
        app.screen.query_one(Input).value = f"sql {join}"
        await pilot.press("enter")
        await handled(pilot)
        children = []
        while not (children := app.current._cancelling._child):
            await handled(pilot)
        await pilot.press("escape")
        await settled(app, pilot)
        assert children[0].returncode is not None
        assert app.current.stage is Stage.CANCELLED

    drive(CAPS, scenario)


def test_what_is_sorted_for_another_answer_is_dropped():
    async def scenario(app, pilot):
        await enter(app, pilot, "sql SELECT dp_rank FROM steps")
        pane = app.current
        pane.post_message(SqlPane.Sorted(DATA, (0, True), in_order(FRAME, (0, True))))
        await settled(app, pilot)
        assert pane.state.order is None

    drive(CAPS, scenario)


def test_the_pane_asks_the_child_by_itself():
    assert SqlPane.__init__.__defaults__ == (sql_pane.ask,)
    assert Answered(FRAME).notes == ()
