"""The app under Textual's Pilot, for what does not need a real terminal."""

import asyncio
from pathlib import Path

import lbtui
from lbtui.render.text import plain
from lbtui.ui.app import LbtuiApp
from lbtui.ui.opening import Asked
from tests.tools.driving import settled

DEMO = Path(lbtui.__file__).parent / "demo" / "output"


def drive(caps, scenario, size=(100, 30), path=DEMO):
    """Run `scenario(app, pilot)` once everything is read of a path, or of what is `Asked`."""

    async def whole():
        app = LbtuiApp(path if isinstance(path, Asked) else Asked(path), caps)
        async with app.run_test(size=size) as pilot:
            await settled(app, pilot)
            await scenario(app, pilot)

    asyncio.run(whole())


async def press(app, pilot, *keys):
    for key in keys:
        await pilot.press(key)
        await settled(app, pilot)


def pane_rows(app):
    """Return the rows of the pane shown."""
    return app.current.picture(*app.current.size)


def screen_text(app):
    """Return what the top screen shows, as it goes to the terminal."""
    lines = app.screen._compositor.render_strips(app.screen.size)
    return "\n".join(strip.text for strip in lines)


def pane_text(app):
    return plain(pane_rows(app))
