"""What is closed is let go: a session that lasts all day must not grow."""

import gc

from textual.strip import Strip

from lbtui.render.capabilities import Capabilities
from tests.terminal.driven import drive, press


def lines_kept():
    """Return how many drawn lines are alive."""
    gc.collect()
    return sum(type(thing) is Strip for thing in gc.get_objects())


def test_pages_that_were_closed_leave_nothing_behind():
    async def scenario(app, pilot):
        kept = []
        await press(app, pilot, "5")
        for _turn in range(2):
            for key in ("question_mark", "enter", "slash", "ctrl+p") * 4:
                await press(app, pilot, key, "escape")
            kept.append(lines_kept())
        # A page with its frame holds hundreds of lines.
        assert kept[1] - kept[0] < 200

    drive(Capabilities("256"), scenario)
