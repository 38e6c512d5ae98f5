"""What is closed is let go: a session that lasts all day must not grow."""

import gc
import sys

from textual.strip import Strip

from lbtui.render.capabilities import Capabilities
from tests.terminal.driven import drive, press
from tests.tools.person import Person
from tests.tools.terminal import Terminal

# Tidies all the time, as in a session of hours.
TIDYING = """
import lbtui.cli, lbtui.ui.terminal.memory
lbtui.ui.terminal.memory.TIDY_SECONDS = 0.02
raise SystemExit(lbtui.cli.main(["--demo"]))
"""


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


def test_tidying_disturbs_nothing():
    with Terminal([sys.executable, "-c", TIDYING], 80, 24) as terminal:
        person = Person(terminal, 80, 24)
        for key, words in (
            ("", "DP batch"),
            ("2", "forward_iter"),
            ("?", "DP: keys"),
            ("\x1b", "forward_iter"),
        ):
            person.press(key)
            person.sees(words)
        person.press("q")
        assert terminal.wait() == 0
