"""Two profiles in the app: the Compare pane, where Enter leads, and b in DP, P/D and EP."""

import asyncio
import csv
import re
import threading
from pathlib import Path

import pytest

from lbtui.profile import Cancelled
from lbtui.render.capabilities import Capabilities
from lbtui.render.text import plain
from lbtui.ui.app import LbtuiApp
from lbtui.ui.kit.pages import TextPage
from lbtui.ui.kit.pane import Stage
from lbtui.ui.opening import Asked
from lbtui.ui.panes.compare import pane as compare_module
from tests.sources.recorded import CSV_ONLY, lay_out
from tests.tools.driving import settled
from tests.ui import comparisons as made

pytestmark = pytest.mark.usefixtures("read_once")

DEMO = Path(__file__).parents[2] / "lbtui" / "demo" / "output"


def run(path, baseline, scenario, size=(120, 32)):
    async def whole():
        app = LbtuiApp(Asked(path, baseline=baseline), Capabilities("256"))
        async with app.run_test(size=size) as pilot:
            await settled(app, pilot)
            await scenario(Driven(app, pilot))
        return app

    return asyncio.run(whole())


class Driven:
    """The app, settled after every key."""

    def __init__(self, app, pilot):
        self.app, self.pilot = app, pilot

    async def press(self, *keys):
        for key in keys:
            await self.pilot.press(key)
            await settled(self.app, self.pilot)

    def pane(self):
        pane = self.app.current
        return plain(pane.picture(*pane.size)).splitlines()

    def top(self):
        bar = self.app.screen_stack[0].query_one("#top")
        return plain(bar.picture(*bar.size)).splitlines()

    def foot(self):
        bar = self.app.screen_stack[0].query_one("#bottom")
        return plain(bar.picture(*bar.size))


def doubled(tmp_path, rank):
    """csv_only with batches twice as large on one rank, an hour later, and another rank left out."""
    before = lay_out(tmp_path / "before", *CSV_ONLY)
    after = lay_out(tmp_path / "after", *CSV_ONLY)
    for name in ("forward.csv", "batch.csv"):
        with (after / name).open(newline="") as file:
            rows = list(csv.DictReader(file))
        with (after / name).open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            for row in rows:
                if row["dp_rank"] in ("3", "3.0"):
                    continue
                if row["dp_rank"] in (str(rank), f"{rank}.0"):
                    row["batch_size"] = str(2 * float(row["batch_size"]))
                for key in [*row]:
                    row[key] = row[key].replace("2026-01-01 08:", "2026-01-01 09:")
                    if key in ("start_time(ms)", "end_time(ms)"):
                        row[key] = repr(float(row[key]) + 3_600_000 * (1000 if name == "batch.csv" else 1))
                writer.writerow(row)
    return before, after


def test_two_profiles_open_on_compare_and_enter_shows_the_difference(tmp_path, monkeypatch):
    monkeypatch.setattr(compare_module, "compare", lambda before, after, *given: made.comparison())

    async def scenario(driven):
        assert driven.app.current is driven.app.panes["6"]
        assert driven.top()[0].startswith("before before → after after")
        assert "6 Compare" in driven.top()[1]
        assert "1-7" in driven.foot()
        assert driven.pane()[0].startswith(" 1 worse, 1 better of 4 headlines · 1 worse, 1 better of 4")
        await driven.press("o")
        assert not any("no evidence" in line for line in driven.pane()[4:])
        await driven.press("escape", "i")
        assert isinstance(driven.app.screen, TextPage)
        await driven.press("escape", "question_mark")
        assert "Holm" in driven.app.screen._text.plain
        await driven.press("escape", "enter")
        assert driven.app.current is driven.app.panes["2"]
        assert driven.top()[1].endswith("difference")
        assert driven.pane()[0].startswith(" difference  batch size")
        await driven.press("escape")
        assert driven.app.current is driven.app.panes["6"]
        # Nothing there has two sides.
        assert "difference" not in driven.top()[1]

    before, after = doubled(tmp_path, 2)
    run(after, before, scenario)


def test_b_shows_after_before_and_difference_from_the_files(tmp_path):
    async def scenario(driven):
        # The comparison itself: domain 3 is blocked before and gone after.
        assert any("KV" in line.split("│")[0] for line in driven.pane()), driven.pane()
        assert any(line.startswith(" DP · ") for line in driven.pane())
        # As if they were not known yet: it opens on batch size.
        driven.app.findings = ()
        await driven.press("2")
        found = {}
        for side in ("after", "before", "difference"):
            lines = driven.pane()
            assert lines[0].startswith(f" {side}  batch size"), side
            found[side] = lines
            (lane,) = [line for line in lines if re.search(r"\bdp2 ", line) and "·" not in line[:20]][-1:]
            found[side, "dp2"] = lane.split()[-5:]
            await driven.press("b")
        assert driven.app.selection.side == "after"
        assert "08:00:00" in found["before"][0]
        assert "09:00:00" in found["after"][0]
        # Batches are twice as large: in the same seconds the difference is half of what they are now. (All of
        # before is longer, as the domain left out ended last.)
        after, difference = (float(found[side, "dp2"][1]) for side in ("after", "difference"))
        assert abs(difference - after / 2) < 0.005 * after
        assert float(found["before", "dp2"][3]) * 2 == float(found["after", "dp2"][3])
        assert any("only before: dp3" in line for line in found["difference"])
        assert not any(re.match(r".* dp3 +[^ ]", line) for line in found["difference"][2:-6])

    before, after = doubled(tmp_path, 2)
    run(after, before, scenario, size=(150, 40))


def test_the_sides_keep_cursor_zoom_and_metric(tmp_path):
    async def scenario(driven):
        await driven.press("2", "j", "plus", "plus", "m")
        app = driven.app
        selection, state = app.selection, app.panes["2"].state
        await driven.press("b")
        assert "08:00:0" in driven.pane()[-2] + driven.pane()[-3] + driven.pane()[-4]
        await driven.press("right", "left", "b", "b")
        assert app.panes["2"].state.metric == state.metric
        assert app.panes["2"].state.domain == state.domain
        assert app.selection.window == selection.window
        # A column and back, by no more than half of it.
        assert abs(app.selection.time - selection.time) < (selection.window[1] - selection.window[0]) // 20

    before, after = doubled(tmp_path, 2)
    run(after, before, scenario, size=(150, 40))


def test_profiles_with_nothing_in_common_say_so(tmp_path, monkeypatch):
    folder = lay_out(tmp_path, *CSV_ONLY)

    async def scenario(driven):
        await driven.press("2", "b", "b")
        text = " ".join(" ".join(driven.pane()).split())
        assert "No DP domain is in both profiles." in text
        assert "only after:" in text
        await driven.press("right", "j", "n", "plus", "0", "enter", "c", "s", "m", "M", "escape")
        await driven.press("3")
        assert "No difference of requests per node" in " ".join(driven.pane())
        await driven.press("right", "j", "m", "enter", "t", "c", "f", "b", "b", "b")
        await driven.press("4")
        assert "No difference of" in " ".join(driven.pane())
        await driven.press("v", "right", "j", "n", "bracketright", "enter", "i", "plus", "b")
        assert driven.pane()[0].startswith(" after  ")

    monkeypatch.setattr(compare_module, "compare", lambda before, after, *given: made.comparison())
    run(DEMO, folder, scenario)


def test_each_key_of_every_side_of_the_demo_against_itself(monkeypatch):
    async def scenario(driven):
        for pane, keys in (("3", "jtc"), ("4", "vn"), ("2", "jmc")):
            await driven.press(pane)
            for side in ("after", "before", "difference"):
                assert driven.pane()[0].startswith(f" {side}  ")
                await driven.press(*keys)
                assert driven.app.current.stage is Stage.READY
                await driven.press("b")

    monkeypatch.setattr(compare_module, "compare", lambda before, after, *given: made.comparison())
    run(DEMO, DEMO, scenario, size=(80, 24))


def test_without_a_baseline_6_and_b_say_how_to_give_one():
    async def scenario(driven):
        assert driven.app.current is driven.app.panes["1"]
        assert "Compare" not in driven.top()[1]
        driven.app.findings = ()
        for keys in (("6",), ("2", "b")):
            await driven.press(*keys)
            assert "--baseline" in driven.app.screen._text.plain
            await driven.press("escape")
        assert driven.app.current is driven.app.panes["2"]
        assert driven.pane()[0].startswith(" batch size")

    run(DEMO, None, scenario)


def test_a_baseline_that_cannot_be_read_ends_with_its_sentence(tmp_path):
    async def scenario(driven):
        pass

    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "absent", tmp_path / "empty"):
        app = run(DEMO, path, scenario)
        assert app.return_value == 3
        assert app.failure.startswith("baseline: ")
        assert str(path) in app.failure


def test_escape_cancels_the_comparison_and_r_starts_it_again(tmp_path, monkeypatch):
    begun, cancelled, calls = threading.Event(), threading.Event(), []

    def slow(before, after, progress, targets):
        calls.append(1)
        if len(calls) > 1:
            return made.comparison()
        begun.set()
        try:
            while True:
                progress.advance("comparison", 1, 2)
                cancelled.wait(0.01)
        except Cancelled:
            cancelled.set()
            raise

    monkeypatch.setattr(compare_module, "compare", slow)
    folder = lay_out(tmp_path, *CSV_ONLY)

    async def whole():
        app = LbtuiApp(Asked(folder, baseline=folder), Capabilities("256"))
        async with app.run_test(size=(80, 24)) as pilot:
            while not begun.is_set():
                await pilot.pause()
            await pilot.press("escape")
            await settled(app, pilot)
            assert cancelled.is_set()
            assert app.panes["6"].stage is Stage.CANCELLED
            await pilot.press("R")
            await settled(app, pilot)
            assert app.panes["6"].stage is Stage.READY

    asyncio.run(whole())
