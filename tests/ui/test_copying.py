"""Every pane and page has something to copy, and the last line says where it went."""

import pytest

from lbtui.render.capabilities import Capabilities
from lbtui.render.text import plain
from lbtui.ui.bars import BottomBar
from lbtui.ui.kit.pane import Pane
from lbtui.ui.opening import Asked
from lbtui.ui.panes.order import with_comparison
from lbtui.ui.panes.runs.pane import RunsPane
from lbtui.ui.terminal.clipboard import Clipboard
from tests.terminal.driven import DEMO, drive, press
from tests.tools.driving import settled
from tests.tools.screens import EVEN
from tests.ui.test_keys import OVER

pytestmark = pytest.mark.usefixtures("read_once")

CAPS = Capabilities("256")


class Heard(Clipboard):
    """Keeps what it was given."""

    def __init__(self, folder):
        super().__init__({"XDG_STATE_HOME": str(folder)})
        self.texts = []

    def take(self, text, number, profile):
        self.texts.append(text)
        return super().take(text, number, profile)


def listening(app, folder):
    app.copies_to = heard = Heard(folder)
    return heard.texts


def last_line(app):
    return plain(app.screen_stack[0].query_one(BottomBar).picture(app.size.width, 1))


# Keys pressed one after the other, and what is in the text then.
UNDER = [
    (("1",), "ep.rank.hot · rank 3 · the whole run: EP rank 3 carries"),
    (("down",) * 9, "DP batch · PAR"),
    (("2",), "10:00:58.672 · dp2 · mindie-server-d0-worker-0 · "),
    (("c",), " · dp2 · "),
    (("t",), "begins 10:00:58.093 · mindie-server-d0-worker-0 · ends 10:00:59.162"),
    (("w",), "TTFT p50 "),
    (("3",), " prefill: "),
    (("t",), "arrival → prefill done: 241 requests, mean 782 ms"),
    (("w",), "goodput per node "),
    (("4",), "rank × layer · period 0 (1 of 3) · layer 34 · rank 3 · 17.9 %"),
    (("v",), "layer 34 · rank 3 slot 0 · expert 50"),
    (("v",), "layer 34 · expert 37"),
    (("v",), "layer 34 · process 3 (pid 10980), rank guessed · 0.291 ms"),
    (("v",), "process 3 (pid 10980), rank guessed · 27.7 µs"),
    (("v", "w"), "held out PAR"),
    (("5",), "endpoint_common_"),
    (("t",), "DP domain d0/dp2 · "),
    (("c",), "TTFT ≤ "),
    (("c",), "p50 "),
    (("7",), "this column: "),
    (("n",), "between two forward passes"),
    (("t",), " · count "),
    (("colon", *"sql SELECT phase, 7 AS n FROM steps LIMIT 1", "enter"), "prefill"),
]


def test_something_is_under_the_cursor_of_every_pane(tmp_path):
    async def scenario(app, pilot):
        texts, seen = listening(app, tmp_path), set()
        for number, (keys, words) in enumerate(UNDER):
            await press(app, pilot, *keys)
            seen.add(type(app.current))
            texts.clear()
            await press(app, pilot, "y")
            (text,) = texts
            assert words in text
            # In one line but for lists of the Overview, and whole.
            assert number == 1 or "\n" not in text
            assert "…" not in text
            assert "to the terminal: " in last_line(app)
            assert (tmp_path / "lbtui" / "copied.txt").read_text("utf-8") == text
            rows = plain(app.current.picture(*app.current.size)).rstrip("\n")
            await press(app, pilot, "Y")
            assert texts[1] == rows
            assert len(rows.split("\n")) > 5
        alone = {owner for owner in with_comparison() if owner.KEY != "6"}
        # Runs have no profile open: tests/ui/test_runs_view.py copies from them.
        assert seen == {*alone, *OVER} - {RunsPane}

    drive(CAPS, scenario, (160, 40))


def test_a_wider_screen_copies_no_other_words_of_a_place():
    found = []
    for width in (80, 200):

        async def scenario(app, pilot):
            told = []
            for pane in ("2", "3", "4", "5", "7"):
                await press(app, pilot, pane)
                told.append(app.current.to_copy().split(" · "))
            found.append(told)

        drive(CAPS, scenario, (width, 40))
    narrow, wide = found
    # The values of a column are of as much time as it has.
    assert list(map(len, narrow)) == list(map(len, wide))
    assert [parts[1] for parts in narrow if len(parts) > 1] == [parts[1] for parts in wide if len(parts) > 1]


def test_of_two_profiles_too(tmp_path):
    async def scenario(app, pilot):
        texts = listening(app, tmp_path)
        for side in ("after", "before", "difference"):
            app.select(side=side)
            for pane in ("1", "2", "3", "4", "6"):
                await press(app, pilot, pane)
                texts.clear()
                await press(app, pilot, "y")
                assert len(texts) == 1, (pane, side)
                assert texts[0]
                if side == "difference" and pane in ("2", "3", "4"):
                    assert "before" in texts[0] or "→" in texts[0]
        await press(app, pilot, "3", "t")
        assert "→" in app.current.to_copy()

    drive(CAPS, scenario, (140, 40), Asked(DEMO, baseline=DEMO))


def test_every_pane_says_what_it_copies():
    for owner in with_comparison():
        assert any("copied" in kind.__dict__ for kind in owner.__mro__ if kind is not Pane), owner


def test_where_nothing_is_under_the_cursor_that_is_said(tmp_path):
    async def scenario(app, pilot):
        texts = listening(app, tmp_path)
        for pane in ("3", "4"):
            await press(app, pilot, pane)
            await press(app, pilot, "y")
            if not app.current.to_copy():
                assert "nothing under the cursor; Y copies the whole pane" in last_line(app)
        before = len(texts)
        await press(app, pilot, "Y")
        assert len(texts) == before + 1

    drive(CAPS, scenario, (120, 32), EVEN)


def test_what_is_said_goes_with_the_next_key(tmp_path):
    async def scenario(app, pilot):
        listening(app, tmp_path)
        keys = last_line(app)
        await press(app, pilot, "y")
        assert last_line(app) != keys
        await press(app, pilot, "up")
        assert last_line(app) == keys

    drive(CAPS, scenario, (120, 32))


def test_a_page_is_copied_whole_or_its_line_under_the_cursor(tmp_path):
    async def scenario(app, pilot):
        texts = listening(app, tmp_path)
        await press(app, pilot, "i", "y")
        assert texts[-1].startswith("ep.rank.hot\n\n")
        foot = app.screen.query_one(".page-foot").render_line(0).text
        assert "to the terminal: " in foot
        await press(app, pilot, "down")
        assert "Escape closes" in app.screen.query_one(".page-foot").render_line(0).text
        await press(app, pilot, "escape", "2", "enter")
        await press(app, pilot, "y")
        line = texts[-1]
        await press(app, pilot, "Y")
        assert "\n" not in line
        assert line in texts[-1]
        assert texts[-1].count("\n") > 5

    drive(CAPS, scenario, (160, 40))


def test_a_narrow_last_line_still_says_to_whom_it_went(tmp_path):
    async def scenario(app, pilot):
        listening(app, tmp_path)
        await press(app, pilot, "y")
        assert last_line(app).strip().startswith("to the terminal: ")
        await settled(app, pilot)

    drive(CAPS, scenario, (60, 20))


def test_without_a_clipboard_and_a_mouse_that_is_said():
    async def scenario(app, pilot):
        await press(app, pilot, "y")
        assert "nothing can be copied here" in last_line(app)
        await press(app, pilot, "P")
        assert "no mouse here" in last_line(app)

    drive(CAPS, scenario)
