"""Going back to a pane already seen: no reading, no recomputation."""

import sys

import pytest
from textual.dom import DOMNode

from lbtui.profile import Profile
from lbtui.render.capabilities import Capabilities
from tests.terminal.driven import DEMO, drive, pane_text, press

OPENED = []
LISTENING = []


def hear(event, arguments):
    if LISTENING and event in ("open", "sqlite3.connect") and str(DEMO) in str(arguments[0]):
        OPENED.append(arguments[0])


@pytest.fixture
def watched(monkeypatch):
    """Return what is done from now on: files opened, frames asked for, work begun."""
    done = []
    monkeypatch.setattr("lbtui.ui.panes.requests.pane._AT_REST", 0.01)
    sys.addaudithook(hear)

    def watch():
        OPENED.clear()
        LISTENING.append(1)
        for owner, names in (
            (Profile, ("load", "load_domain_steps", "load_expert_series")),
            (DOMNode, ("run_worker",)),
        ):
            for name in names:
                original = getattr(owner, name)

                def told(*arguments, _name=name, _original=original, **options):
                    done.append(_name)
                    return _original(*arguments, **options)

                monkeypatch.setattr(owner, name, told)
        return done

    yield watch
    LISTENING.clear()


def test_nothing_is_read_or_computed_again(watched):
    async def scenario(app, pilot):
        seen = {}
        for key in "123451":
            await press(app, pilot, key)
            seen[key] = pane_text(app)
        while app.panes["5"]._orders._ahead is None:  # made ahead of a key, once, a while after the table
            await pilot.pause()
        done = watched()
        for key in "2345154321":
            await press(app, pilot, key)
            assert pane_text(app) == seen[key]
        assert (done, OPENED) == ([], [])
        await press(app, pilot, "2", "enter")
        assert "run_worker" in done, "a round is read now"
        assert OPENED

    drive(Capabilities("256"), scenario, size=(200, 50))
