"""Without Unicode every pane, page and question is pure ASCII, and says the same."""

import pytest
from textual.widgets import Static

from lbtui.render.capabilities import Capabilities
from lbtui.render.glyphs import spell_key
from tests.terminal.driven import drive, pane_text, press, screen_text

pytestmark = pytest.mark.usefixtures("read_once")

PLAIN = Capabilities("none", unicode=False)
# Keys that lead to every view of each pane.
VIEWS = {
    "1": ("end", "home"),
    "2": (*"mmmmmmmmmm", "a", "s", "c", "c", "plus", "0"),
    "3": ("m", "m", "c", "c", "t", "t", "d", "f"),
    "4": (*"vvvvv", "g", "enter", "escape", "plus", "0"),
    "5": ("s", "r", "plus", "0"),
    "7": (*"nnzpav", "plus", "minus", "t", "t", "0"),
}
# What opens pages over each pane.
PAGES = {"1": "i", "2": "enter", "3": "enter", "5": "i", "7": "enter"}


@pytest.mark.parametrize("pane", VIEWS)
def test_every_view_and_page_of_a_pane(pane):
    async def scenario(app, pilot):
        await press(app, pilot, pane)
        for key in VIEWS[pane]:
            await press(app, pilot, key)
            # The picture itself, before anything is replaced on its way to the terminal.
            assert (text := pane_text(app)).isascii(), (key, [c for c in text if not c.isascii()])
            assert "\\u" not in text, key
            assert screen_text(app).isascii()
        for key in ("question_mark", PAGES.get(pane)):
            if key is not None:
                await press(app, pilot, key)
                assert app.screen is not app.screen_stack[0], key
                assert screen_text(app).isascii()
                for static in app.screen.query(Static):
                    assert (text := str(static.content)).isascii(), text
                    assert "\\u" not in text
                await press(app, pilot, "escape")

    drive(PLAIN, scenario)


@pytest.mark.parametrize("pane", ["3", "5", "7"])
def test_a_question(pane):
    async def scenario(app, pilot):
        await press(app, pilot, pane, "slash")
        for static in app.screen.query(Static):
            assert str(static.content).isascii()
        assert screen_text(app).isascii()

    drive(PLAIN, scenario)


def test_the_palette():
    async def scenario(app, pilot):
        await press(app, pilot, "2", "ctrl+p")
        text = screen_text(app)
        assert "words of what you want" in text
        assert text.isascii()

    drive(PLAIN, scenario)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("↑↓←→", "arrows"),
        ("↑↓", "Up/Down"),
        ("← h", "Left h"),
        ("⏎", "Enter"),
        ("[ ]", "[ ]"),
        ("→", "Right"),
    ],
)
def test_keys_have_names(key, name):
    assert spell_key(key) == name


@pytest.mark.parametrize("colors", ["truecolor", "256", "16", "none"])
@pytest.mark.parametrize("unicode", [True, False])
def test_in_every_depth_of_colour_the_panes_say_the_same_words(colors, unicode):
    async def scenario(app, pilot):
        for pane, words in (
            ("1", "DP batch"),
            ("2", "forward_iter"),
            ("3", "added requests"),
            ("5", "241 requests"),
        ):
            await press(app, pilot, pane)
            assert words in pane_text(app)
        await press(app, pilot, "4")
        assert "layer" in pane_text(app)
        # The number under the cursor is there whatever the colours can tell.
        assert "mean" in pane_text(app).splitlines()[-1]

    drive(Capabilities(colors, unicode), scenario)
