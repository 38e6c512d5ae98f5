"""What is worked out of a pane's state is worked out once a key, however many parts of the picture ask."""

import asyncio
from collections import Counter

import pytest

from lbtui.analysis import timeline
from lbtui.render.capabilities import Capabilities
from lbtui.ui.app import LbtuiApp
from lbtui.ui.opening import Asked
from lbtui.ui.panes.compare import view as compare_view
from lbtui.ui.panes.dp import layout as dp_layout
from lbtui.ui.panes.dp import passes as dp_passes
from lbtui.ui.panes.dp import pictures as dp_pictures
from lbtui.ui.panes.ep import layout as ep_layout
from lbtui.ui.panes.ep import shown as ep_shown
from lbtui.ui.panes.overview import data as overview_data
from lbtui.ui.panes.overview import view as overview_view
from lbtui.ui.panes.pd import layout as pd_layout
from lbtui.ui.panes.requests import layout as requests_layout
from lbtui.ui.panes.timeline import layout as timeline_layout
from tests.terminal.driven import DEMO
from tests.tools.driving import settled
from tests.ui.test_every_key import press

MOVES = ["down", "right", "pagedown", "home", "plus", "minus", "0"]
KEYS = {
    "1": MOVES[:4],
    "2": [*MOVES, "n", "m", "s", "t", *MOVES, "s", "S", "r", "n", "t"],
    "3": [*MOVES, "n", "p", "d", "m", "t", "down", "t", "c", "c"],
    "4": [*MOVES, "n", "v", "s", "v", "v", "v", "v", "enter", "right", "escape"],
    "5": [*MOVES, "s", "r", "z", "0"],
    "7": [*MOVES, "n", "z", "p", "0"],
}
KEPT = {
    "layout of DP": dp_layout.layout,
    "place in the table of DP": dp_passes.place_of,
    "layout of P/D": pd_layout.layout,
    "layout of EP": ep_layout._layout,
    "map of EP": ep_shown._current,
    "layout of Requests": requests_layout.places,
    "layout of the Timeline": timeline_layout.layout,
}
CALLED = {
    "common lanes of DP": (dp_pictures, "common"),
    "order of the passes of DP": (dp_passes, "in_order"),
    "short hosts": (overview_data, "short_hosts"),
    "entries": (overview_data, "_entries"),
    "rows of the Overview": (overview_view, "_placed"),
    "rows of Compare": (compare_view, "_placed"),
    "bubbles of the Timeline": (timeline, "_longest"),
}


@pytest.mark.parametrize(
    ("baseline", "side", "size"),
    [(None, [], (80, 24)), (DEMO, ["b", "b"], (160, 45))],
    ids=["alone", "compared"],
)
def test_each_at_most_once(monkeypatch, baseline, side, size):
    calls = Counter()
    for name, (module, function) in CALLED.items():
        real = getattr(module, function)

        def counted(*given, name=name, real=real):
            calls[name] += 1
            return real(*given)

        monkeypatch.setattr(module, function, counted)

    def so_far():
        return Counter(calls) + Counter({name: one.cache_info().misses for name, one in KEPT.items()})

    async def scenario():
        app = LbtuiApp(Asked(DEMO, baseline=baseline), Capabilities("256"))
        async with app.run_test(size=size) as pilot:
            await settled(app, pilot)
            worked, too_often = Counter(), []
            for number, keys in {**KEYS, **({"6": MOVES[:4]} if baseline else {})}.items():
                app.action_pane(number)
                await settled(app, pilot)
                for key in [*(side if number in "234" else []), *keys]:
                    before = so_far()
                    await press(app, pilot, [key])
                    found = so_far() - before
                    worked += found
                    too_often += [(number, key, name, n) for name, n in found.items() if n > 1]
                    await settled(app, pilot)
            assert too_often == []
            # That counts at all.
            wanted = {
                "order of the passes of DP",
                "layout of P/D",
                "map of EP",
                "layout of EP",
                "rows of the Overview",
            }
            assert wanted <= set(worked)

    asyncio.run(scenario())
