"""A profile is shown as it was left: pane, filter, marks, notes; and fresh again where that is wanted."""

import asyncio
import shutil
from pathlib import Path

import pytest

from lbtui.remembered import Memory
from lbtui.render.capabilities import Capabilities
from lbtui.render.text import plain
from lbtui.ui.app import LbtuiApp
from lbtui.ui.bars import BottomBar
from lbtui.ui.kit.at import listed_pairs, pairs, parse_view
from lbtui.ui.opening import Asked
from tests.tools.driving import settled

DATA = Path(__file__).parents[1] / "data"
RUN, OTHER = DATA / "cases" / "dead_domain", DATA / "cases" / "hist_vllm_labels"
WORD = "shown as you left it; F begins fresh, --no-state always does"


@pytest.fixture
def memory(tmp_path):
    return Memory(tmp_path / "state")


def visit(memory, do, *, path=RUN, **asked):
    """Open a profile, do something and leave."""

    async def whole():
        app = LbtuiApp(Asked(path, memory=memory, **asked), Capabilities("256", True))
        async with app.run_test(size=(140, 40)) as pilot:
            await settled(app, pilot)
            await do(app, pilot)
            await settled(app, pilot)
            app.exit()
        assert app.remembering.write() == ""
        return app

    return asyncio.run(whole())


def press(*keys):
    async def do(app, pilot):
        for key in keys:
            await pilot.press(key)
            await settled(app, pilot)

    return do


def last_line(app):
    bar = app.screen_stack[0].query_one(BottomBar)
    return plain(bar.picture(*bar.size)).strip()


def shown(app):
    return plain(app.current.picture(*app.current.size))


def test_a_profile_is_shown_as_it_was_left(memory):
    pictures = []

    async def leave(app, pilot):
        await press("2", "m", "plus", "right", "right", "down")(app, pilot)
        pictures.append(shown(app))

    async def back(app, pilot):
        assert app.current.KEY == "2"
        assert shown(app) == pictures[0]
        assert last_line(app) == WORD
        # The word goes with the next key.
        await press("left")(app, pilot)
        assert last_line(app) != WORD

    visit(memory, leave)
    visit(memory, back)


def test_left_in_an_answer_to_a_query_the_pane_below_is_shown(memory):
    async def leave(app, pilot):
        await press("2", "right")(app, pilot)
        app.ask_query("SHOW TABLES")
        await settled(app, pilot)
        assert app.current.KEY == "sql"

    async def back(app, _pilot):
        assert app.current.KEY == "2"
        assert last_line(app) == WORD
        assert app.selection.time is not None

    visit(memory, leave)
    visit(memory, back)


def test_where_nothing_was_done_nothing_is_said(memory):
    async def do(app, _pilot):
        assert app.current.KEY == "1"
        assert last_line(app) != WORD

    visit(memory, press("down"))
    visit(memory, do)


def test_what_is_watched_is_shown_at_its_end(memory):
    visit(memory, press("2", "right", "plus", "plus"))

    async def do(app, _pilot):
        assert app.current.KEY == "2"
        assert app.selection.window != before[0]

    before = []

    async def look(app, _pilot):
        before.append(app.selection.window)
        assert before[0] is not None

    visit(memory, look)
    visit(memory, do, watch=True)


def test_the_copy_elsewhere_is_the_same_profile_and_another_is_not(memory, tmp_path):
    shutil.copytree(RUN, tmp_path / "moved")
    visit(memory, press("3"))

    async def same(app, _pilot):
        assert app.current.KEY == "3"

    async def other(app, _pilot):
        assert app.current.KEY == "1"
        assert last_line(app) != WORD

    visit(memory, same, path=tmp_path / "moved")
    visit(memory, other, path=OTHER)


def test_filters_of_other_panes_return_with_them(memory):
    visit(memory, press("5", "slash", *"ttft>1", "enter", "1"))

    async def back(app, pilot):
        assert app.current.KEY == "1"
        await press("5")(app, pilot)
        assert app.current.filter_text() == "ttft>1"
        # One that is taken off does not return.
        await press("escape")(app, pilot)
        assert app.current.filter_text() == ""

    visit(memory, back)

    async def again(app, pilot):
        await press("5")(app, pilot)
        assert app.current.filter_text() == ""

    visit(memory, again)


def test_what_a_pane_not_seen_had_stays(memory):
    visit(memory, press("5", "slash", *"ttft>1", "enter", "1"))
    visit(memory, press("2"))

    async def back(app, pilot):
        await press("5")(app, pilot)
        assert app.current.filter_text() == "ttft>1"

    visit(memory, back)


def test_marks_return_and_those_of_another_lbtui_are_kept(memory):
    async def one(app, pilot):
        await press("7", "x", "enter")(app, pilot)
        identity = app.remembering.identity
        # It is there at once, for another lbtui, which sets one of its own.
        ((name, time),) = pairs(memory.recall(identity).remembered.parts["timeline"]["marks"])
        assert name == "A"
        theirs = {"timeline": {"marks": listed_pairs([("theirs", time)])}}
        assert memory.change(identity, RUN, lambda known: known.with_parts(theirs)) == ""

    visit(memory, one)

    async def back(app, pilot):
        await press("7")(app, pilot)
        assert sorted(mark.name for mark in app.current.state.marks) == ["A", "theirs"]

    visit(memory, back)


def note(*text):
    return press("A", *text, "enter")


def test_a_note_stands_with_its_finding_and_returns(memory):
    async def write(app, pilot):
        await note(*"seen_in_May")(app, pilot)
        assert "note       seen_in_May" in shown(app)
        assert app.findings[0].note == "seen_in_May"

    async def back(app, pilot):
        assert "note       seen_in_May" in shown(app)
        assert any(line[2:].lstrip("!· ")[4:].startswith("* ") for line in shown(app).splitlines()[1:3])
        await press("i")(app, pilot)
        assert "note: seen_in_May" in app.screen.query_one(".page-text").render().plain
        await press("escape")(app, pilot)
        assert "note: seen_in_May." in app.current.to_copy()
        # Changed: the line begins with it.
        await note("end", "x")(app, pilot)
        assert app.findings[0].note == "seen_in_Mayx"

    async def off(app, pilot):
        assert app.findings[0].note == "seen_in_Mayx"
        await press("A", "ctrl+u", "enter")(app, pilot)
        assert app.findings[0].note == ""
        assert "seen_in" not in shown(app)

    async def gone(app, _pilot):
        assert app.findings[0].note == ""

    for each in (write, back, off, gone):
        visit(memory, each)


def test_a_note_needs_a_finding_and_has_a_length(memory):
    async def do(app, pilot):
        await press("end", "A")(app, pilot)
        assert last_line(app) == "a note is of a finding: none is under the cursor"
        await press("home", "A")(app, pilot)
        app.screen.query_one("Input").value = "x" * 501
        await press("enter")(app, pilot)
        assert len(app.screen_stack) == 2
        await press("escape")(app, pilot)
        assert app.findings[0].note == ""

    visit(memory, do)


def test_without_a_memory_a_note_holds_until_the_end():
    async def do(app, pilot):
        await note("x")(app, pilot)
        assert app.findings[0].note == "x"
        assert last_line(app) == "the note holds until you leave: nothing is written (--no-state)"

    visit(None, do)


def test_f_begins_fresh_and_leaves_the_notes(memory):
    async def leave(app, pilot):
        await note("x")(app, pilot)
        await press("5", "slash", *"ttft>1", "enter", "2", "plus", "plus")(app, pilot)

    async def fresh(app, pilot):
        assert app.current.KEY == "2"
        await press("F")(app, pilot)
        assert app.current.KEY == "1"
        assert app.selection.window is None
        assert last_line(app).startswith("begun fresh: view, filters and marks are forgotten")
        assert app.findings[0].note == "x"
        await press("5")(app, pilot)
        assert app.current.filter_text() == ""
        await press("1")(app, pilot)

    async def after(app, pilot):
        assert app.current.KEY == "1"
        assert app.selection.window is None
        assert app.findings[0].note == "x"

    for each in (leave, fresh, after):
        visit(memory, each)


def test_a_view_that_is_asked_for_goes_before_but_notes_are_there(memory):
    async def leave(app, pilot):
        await note("x")(app, pilot)
        await press("5", "slash", *"ttft>1", "enter")(app, pilot)

    async def asked(app, pilot):
        assert app.current.KEY == "2"
        assert last_line(app) != WORD
        await press("5")(app, pilot)
        assert app.current.filter_text() == ""
        assert app.findings[0].note == "x"

    visit(memory, leave)
    visit(memory, asked, at=parse_view("dp"))


def test_with_a_baseline_it_is_another_view(memory):
    visit(memory, press("2"))

    async def compared(app, pilot):
        assert app.current.KEY == "6"
        await press("3")(app, pilot)

    async def alone(app, _pilot):
        assert app.current.KEY == "2"

    async def again(app, _pilot):
        assert app.current.KEY == "3"

    visit(memory, compared, baseline=OTHER)
    visit(memory, alone)
    visit(memory, again, baseline=OTHER)


def test_a_damaged_file_is_a_sentence_and_everything_is_fresh(memory, tmp_path):
    visit(memory, press("2"))
    (file,) = (tmp_path / "state" / "profiles").glob("*.json")
    file.write_bytes(b"{")

    async def do(app, _pilot):
        assert app.current.KEY == "1"
        assert last_line(app).startswith("what was remembered of this profile is ignored: ")

    visit(memory, do)
    assert memory.recall(file.stem).problem == ""


def test_r_reads_again_and_stays_where_it_is(memory):
    visit(memory, press("2"))

    async def do(app, pilot):
        await press("3", "R")(app, pilot)
        assert app.current.KEY == "3"

    visit(memory, do)


def test_nothing_is_written_into_the_profile(tmp_path):
    shutil.copytree(RUN, tmp_path / "run")
    before = sorted(tmp_path.rglob("*"))

    async def do(app, pilot):
        await note("x")(app, pilot)
        app.exit()

    async def whole():
        app = LbtuiApp(Asked(tmp_path / "run", memory=Memory(tmp_path / "run")), Capabilities("256", True))
        async with app.run_test(size=(140, 40)) as pilot:
            await settled(app, pilot)
            await do(app, pilot)
        assert "lies in the profile's" in app.remembering.write()

    asyncio.run(whole())
    assert sorted(tmp_path.rglob("*")) == before
