"""What a worker sent before the end and is heard after it disturbs nobody."""

import asyncio
from pathlib import Path

import pytest

import lbtui.ui
from lbtui.render.capabilities import Capabilities
from lbtui.runs.found import Together
from lbtui.sources.runs_below import Found
from lbtui.ui.app import LbtuiApp
from lbtui.ui.opening import Asked, Opened, RunsFound
from tests.terminal.driven import DEMO
from tests.tools.driving import settled


class Late(LbtuiApp):
    """An app that hears what comes after the first profile once its screens have gone."""

    CSS_PATH = str(Path(lbtui.ui.__file__).parent / LbtuiApp.CSS_PATH)

    def __init__(self):
        super().__init__(Asked(DEMO), Capabilities("256"))
        self.heard = asyncio.Event()

    async def on_opened(self, event):
        if self.panes:
            await self._gone()
        await super().on_opened(event)

    async def on_runs_found(self, event):
        await self._gone()
        await super().on_runs_found(event)

    async def _gone(self):
        self.heard.set()
        while self.screen_stack:
            await asyncio.sleep(0.001)


@pytest.mark.parametrize(
    "sent",
    [lambda app: Opened(app.profile, None, []), lambda app: RunsFound(Together(Found(DEMO)), (), None)],
    ids=["one", "several"],
)
def test_what_was_opened_is_let_go(sent):
    async def scenario():
        app = Late()
        async with app.run_test(size=(80, 24)) as pilot:
            await settled(app, pilot)
            app.post_message(sent(app))
            await app.heard.wait()
        assert app.failure is None

    asyncio.run(scenario())
