"""From 60 × 20 to 400 × 120, resized at any time; below that a sentence, and the app lives on."""

import asyncio

import pytest
from rich.cells import cell_len

from lbtui.render.capabilities import Capabilities
from lbtui.ui.app import LbtuiApp
from lbtui.ui.opening import Asked
from tests.terminal.driven import DEMO, drive, pane_rows, pane_text, press, screen_text
from tests.tools.driving import settled

CAPS = Capabilities("256")
SIZES = [(60, 20), (79, 23), (80, 24), (119, 40), (120, 32), (200, 50), (400, 120)]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_every_pane_fills_the_screen_exactly(size):
    async def scenario(app, pilot):
        for pane in "12345":
            await press(app, pilot, pane)
            rows = pane_rows(app)
            assert len(rows) == size[1] - 3
            assert {sum(cell_len(segment.text) for segment in row) for row in rows} == {size[0]}
            assert "no pane" not in screen_text(app)

    drive(CAPS, scenario, size)


@pytest.mark.parametrize("small", [(59, 30), (100, 19), (20, 5), (1, 1)], ids=str)
def test_too_small_asks_for_room_and_comes_back(small):
    async def scenario(app, pilot):
        await press(app, pilot, "2")
        before = screen_text(app)
        await pilot.resize_terminal(*small)
        await settled(app, pilot)
        text = " ".join(screen_text(app).split())
        assert "DP" not in text
        if small[0] > 10:
            assert (
                text == f"lbtui needs 60 x 20 cells; here are {small[0]} x {small[1]}. Enlarge, or q quits."
            )
        await press(app, pilot, "right", "3", "2")
        await pilot.resize_terminal(100, 30)
        await settled(app, pilot)
        assert "forward_iter" in screen_text(app)
        assert screen_text(app).splitlines()[:2] == before.splitlines()[:2]

    drive(CAPS, scenario)


def test_resizing_while_everything_is_read():
    async def whole():
        app = LbtuiApp(Asked(DEMO), CAPS)
        async with app.run_test(size=(80, 24)) as pilot:
            for turn, size in enumerate([(200, 50), (30, 8), (60, 20), (400, 120), (80, 24), (120, 32)]):
                await pilot.resize_terminal(*size)
                await pilot.press(str(turn % 5 + 1))
            await settled(app, pilot)
            await press(app, pilot, "1")
            assert "DP batch" in pane_text(app)
            assert len(pane_rows(app)) == 32 - 3

    asyncio.run(whole())
