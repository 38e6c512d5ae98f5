"""A key means the same in every pane that has it, and is printed the same everywhere."""

import asyncio
import re
from pathlib import Path

import pytest
from textual.binding import Binding

from lbtui.keymap import KEYS, printed
from lbtui.render.capabilities import Capabilities
from lbtui.ui.app import LbtuiApp
from lbtui.ui.kit.keys import FAMILIES, RESERVED, families_first
from lbtui.ui.opening import Asked
from lbtui.ui.panes.order import with_comparison
from lbtui.ui.panes.replay.pane import RatioPane, RoutingPane
from lbtui.ui.panes.requests.targets.pane import TargetsPane
from lbtui.ui.panes.runs.pane import RunsPane
from lbtui.ui.panes.sql.pane import SqlPane
from lbtui.ui.panes.what_if.pane import WhatIfPane
from tests.tools.driving import settled

DATA = Path(__file__).parents[1] / "data"
OVER = (WhatIfPane, RoutingPane, RatioPane, TargetsPane, SqlPane, RunsPane)
# What a letter that is reserved may already do, in the panes that have the thing.
THERE = {
    "w": "what_if",
    "t": "table",
    "c": "chart",
    "b": "side",
    "f": "follow",
    "x": "mark",
    "apostrophe": "marks",
    "A": "note",
}


def bindings(owner):
    return [binding for binding in owner.BINDINGS if isinstance(binding, Binding)]


def each():
    return [
        (owner, binding, key)
        for owner in with_comparison()
        for binding in bindings(owner)
        for key in _keys(binding)
    ]


def _keys(binding):
    return binding.key.split(",")


def test_keys_of_a_family_do_the_same_in_every_pane():
    found = {}
    for _owner, binding, key in each():
        if binding.id in FAMILIES:
            found.setdefault(key, set()).add(binding.action)
    assert len(found) > 20
    assert {key: actions for key, actions in found.items() if len(actions) > 1} == {}
    # And nothing else takes a key of theirs.
    others = {key for _owner, binding, key in each() if binding.id not in FAMILIES}
    assert not others & set(found)


def test_reserved_letters_have_no_other_meaning():
    taken = {key: binding.action for _owner, binding, key in each() if key in RESERVED}
    assert taken == THERE
    for owner in (WhatIfPane, RoutingPane, RatioPane):
        assert not {key for binding in bindings(owner) for key in _keys(binding)} & RESERVED.keys()
    both = {"t": "table", "c": "chart"}
    for owner, wanted in ((TargetsPane, both), (RunsPane, {**both, "A": "note", "B": "baseline"})):
        own = {key: binding.action for binding in bindings(owner) for key in _keys(binding)}
        assert {key: own[key] for key in own.keys() & RESERVED.keys()} == wanted


def test_a_key_is_printed_the_same_everywhere():
    for owner in (*with_comparison(), *OVER):
        for binding in bindings(owner):
            assert binding.key_display == printed(binding.key), (owner, binding)


def test_the_families_come_first_in_the_help_and_in_one_order():
    for owner in with_comparison():
        keys = [binding.id for binding in families_first(bindings(owner))]
        own = [key for key in FAMILIES if key in keys]
        assert keys[: len(own)] == own
        assert len(keys) == len(bindings(owner))


def test_tab_goes_round_the_panes_but_not_under_a_page():
    async def whole():
        app = LbtuiApp(Asked(DATA / "pd_ep"), Capabilities("256", True))
        async with app.run_test(size=(120, 32)) as pilot:
            await settled(app, pilot)
            seen = []
            for key in ("tab",) * 6 + ("shift+tab",) * 2:
                await pilot.press(key)
                seen.append(app.current.KEY)
            assert seen == ["2", "3", "4", "5", "7", "1", "7", "5"]
            await pilot.press("question_mark", "tab", "escape")
            assert app.current.KEY == "5"

    asyncio.run(whole())


def test_the_manual_tells_every_key_as_it_is():
    page = (Path(__file__).parents[2] / "lbtui" / "manual" / "keys.md").read_text(encoding="utf-8")
    general, own = page.split("## In one pane")
    own = own.split("\n## ")[0]
    sections = {part.split("\n")[0]: part for part in own.split("### ")[1:]}
    for owner in (*with_comparison(), *OVER):
        rows = [
            f"| `{binding.key_display}` | {binding.tooltip or binding.description} | `{binding.id}` |"
            for binding in bindings(owner)
            if binding.id not in FAMILIES
        ]
        # The same rows in the same order, and no others.
        assert [row for row in sections.get(owner.TITLE, "").splitlines() if row.startswith("| `")] == rows, (
            owner.TITLE
        )
    said = {key for span in re.findall("`([^`]+)`", general) for key in span.split()}
    families = {key for name in FAMILIES for key in printed(KEYS[name]).split()}
    assert families <= said


@pytest.mark.parametrize("pane", ["2", "3", "5", "7"])
def test_plus_never_widens_minus_never_narrows_and_0_shows_all(pane):
    async def whole():
        app = LbtuiApp(Asked(DATA / "pd_ep"), Capabilities("256", True))
        async with app.run_test(size=(120, 32)) as pilot:
            await settled(app, pilot)
            await pilot.press(pane)
            await settled(app, pilot)

            async def length(key):
                await pilot.press(key)
                await settled(app, pilot)
                window = app.selection.window
                return float("inf") if window is None else window[1] - window[0]

            lengths = [float("inf")]
            for _time in range(30):
                lengths.append(await length("plus"))
                assert lengths[-1] <= lengths[-2]
            assert lengths[1] < lengths[0]
            assert lengths[-1] == lengths[-2]
            # One that another pane has made as short is made no longer here by +.
            app.select(window=(app.selection.window[0], app.selection.window[0] + 1_000))
            assert await length("plus") <= 1_000
            lengths = [1_000]
            while lengths[-1] < float("inf"):
                lengths.append(await length("minus"))
                assert lengths[-1] >= lengths[-2]
                assert len(lengths) < 60
            await length("plus")
            assert await length("0") == float("inf")

    asyncio.run(whole())
