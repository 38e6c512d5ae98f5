"""No output is named: the one here or below is opened, of several one is chosen; else what to do is said."""

import asyncio
import shutil
from pathlib import Path

import pytest

from lbtui.profile import Note
from lbtui.render.capabilities import Capabilities
from lbtui.render.text import plain
from lbtui.ui.app import DEMO, LbtuiApp
from lbtui.ui.bars import identity_row
from lbtui.ui.choosing import Chooser, Welcome
from lbtui.ui.help import notes_text
from lbtui.ui.kit.pages import TextPage
from lbtui.ui.opening import Asked
from tests.tools.driving import settled

DATA = Path(__file__).parents[1] / "data"
UNICODE = Capabilities("256", True)


def run(asked, scenario, size=(80, 24)):
    async def whole():
        app = LbtuiApp(asked, UNICODE)
        async with app.run_test(size=size) as pilot:
            await settled(app, pilot)
            await scenario(app, pilot)
        return app

    return asyncio.run(whole())


def page(app):
    return plain(app.screen.rows(*app.size))


def test_one_output_has_no_choice():
    async def scenario(app, pilot):
        await pilot.press("escape")
        assert not isinstance(app.screen, Chooser)
        await pilot.press("O")
        assert isinstance(app.screen, TextPage)

    run(Asked(DATA / "even_small"), scenario)


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 32)])
def test_where_nothing_is_found_it_says_what_to_do_and_offers_the_demo(tmp_path, size):
    async def scenario(app, pilot):
        assert isinstance(app.screen, Welcome)
        words = " ".join(page(app).split())
        assert "lbtui PATH" in words
        # What is to be typed is never broken.
        assert "python3 -m ms_service_profiler.parse --input-path=PROF_DIR" in page(app)
        assert "d opens the demo" in words
        await pilot.press("d")
        await settled(app, pilot)
        assert app.profile.path == DEMO

    run(Asked(tmp_path, named=False), scenario, size)


def test_what_the_user_named_and_is_not_there_is_an_error(tmp_path):
    async def scenario(app, pilot):
        pass

    app = run(Asked(tmp_path), scenario)
    assert (app.return_value, "holds no parsed output" in app.failure) == (3, True)


def test_the_output_below_is_opened(tmp_path):
    shutil.copytree(DATA / "even_small", tmp_path / "a" / "output")

    async def scenario(app, pilot):
        assert app.profile.path == tmp_path / "a" / "output"

    run(Asked(tmp_path, named=False), scenario)


@pytest.mark.parametrize("how", ["key", "click"])
def test_the_notes_open_whole(how):
    async def scenario(app, pilot):
        notes = app.panes["1"]._contents.known.notes
        assert notes
        await pilot.press("2")
        await settled(app, pilot)
        if how == "key":
            await pilot.press("exclamation_mark")
        else:
            await pilot.click("#top", offset=(78, 0))
        await settled(app, pilot)
        assert isinstance(app.screen, TextPage)
        shown = str(app.screen.query_one(".page-text").render())
        assert all(note.text in shown and note.file in shown for note in notes)

    run(Asked(DATA / "even_small"), scenario)


def test_what_is_lost_comes_first_and_no_note_says_so():
    said = notes_text([Note("a.csv", "Odd."), Note("b.csv", "Gone.\x1b[31m", lost=True)]).plain
    assert said.index("Gone.") < said.index("Odd.")
    assert "\x1b" not in said
    assert notes_text([]).plain.startswith("None: ")


def test_the_key_of_the_notes_stands_before_them():
    assert plain([identity_row("out", "", ("!", "2 notes"), 40, UNICODE)]).endswith(" ! 2 notes")
    assert plain([identity_row("out", "DP: reading failed", ("!", "2 notes"), 60, UNICODE)]).endswith(
        "DP: reading failed · ! 2 notes"
    )
    assert plain([identity_row("out", "", ("!", ""), 40, UNICODE)]) == "out"
