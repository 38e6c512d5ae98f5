"""All metrics of DP at a glance: their figures are the Overview's, the chosen one is always in view."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbtui.analysis.data_parallel import METRICS
from lbtui.findings import Cost, Finding
from lbtui.overview.run import overview
from lbtui.render.capabilities import Capabilities
from lbtui.render.text import plain
from lbtui.sources import open_profile
from lbtui.ui.app import LbtuiApp
from lbtui.ui.opening import Asked
from lbtui.ui.panes.dp.glance import Glanced, glance_row, opening_metric, worst_findings
from lbtui.ui.panes.overview import pane as overview_pane
from tests.tools.driving import settled
from tests.ui.test_dp_pane import DEMO, drive

CAPS = Capabilities("256")
KEYS = [m.key for m in METRICS]
GLANCE = tuple(Glanced(key, f"{1 + k / 10:.2f}") for k, key in enumerate(KEYS))


def found(id_, severity="warning", consequences=()):
    cost = Cost(None, "", "")
    return Finding(id_, severity, {}, "m", 1.0, 1.0, cost, "", "", "", consequences=tuple(consequences))


def test_figures_are_those_of_the_overview():
    """Of the whole run, of the instance that the Overview's headline is of."""
    lines = {line.key.split(".")[1]: line for line in overview(open_profile(DEMO)).lines if "." in line.key}

    async def script(driven):
        assert {each.key for each in driven.pane._glance()} == set(KEYS)
        compared = {
            each.key: (f"PAR {each.figure}", lines[each.key].headline)
            for each in driven.pane._glance()
            if each.key in lines
        }
        assert {"batch_size", "tokens", "kv_usage", "waiting"} <= set(compared)
        assert all(ours == theirs for ours, theirs in compared.values()), compared
        text = driven.text()[0]
        assert f" batch size PAR d0 {compared['batch_size'][0].split()[1]} ·" in text
        # Zoomed they stay what they are, and are called so.
        await driven.press("plus", "plus")
        assert f" batch size run's PAR d0 {compared['batch_size'][0].split()[1]} ·" in driven.text()[0]

    drive(DEMO, script, size=(200, 50))


@given(st.integers(0, 9), st.integers(1, 160), st.booleans())
@settings(deadline=None)
def test_the_chosen_one_is_in_view_at_every_width(chosen, room, zoomed):
    text = plain([glance_row(GLANCE, KEYS[chosen], zoomed, room, CAPS)])
    assert f"{METRICS[chosen].label} " in text
    assert f"{1 + chosen / 10:.2f}" in text
    shown = [k for k in range(10) if f"{1 + k / 10:.2f}" in text]
    # One after the other, and as many as there is room for.
    assert shown == list(range(shown[0], shown[-1] + 1))
    assert len(text) <= room or shown == [chosen]
    assert ("…" in text) == (len(shown) < 10)


def test_marks_stand_at_the_metric_of_their_finding():
    glance = [Glanced("batch_size", "2.08", finding=found("dp.batch_size.skew", "critical")), *GLANCE[1:3]]
    text = plain([glance_row(glance, "decode_batch_size", False, 100, CAPS)])
    assert text == " batch 2.08 !! · prefill 1.10 · decode batch size PAR 1.20"


def test_what_is_not_known_yet_and_what_cannot_be_compared():
    glance = [Glanced("batch_size", "–"), Glanced("kv_usage", None), Glanced("kv_free", "0.07")]
    text = plain([glance_row(glance, "batch_size", False, 100, CAPS)])
    assert text == " batch size PAR – · KV … · KV free min/mean 0.07"


def test_the_pane_opens_on_the_metric_of_the_worst_finding():
    assert opening_metric([]) == "batch_size"
    assert opening_metric([found("ep.skew", "critical"), found("dp.bubble.long", "info")]) == "batch_size"
    own = [found("dp.queue.skew"), found("kv.exhausted", "critical"), found("dp.batch_size.skew", "critical")]
    assert opening_metric(own) == "kv_usage"
    # What follows from another is a finding, too.
    assert opening_metric([found("pd.node.skew", consequences=[found("dp.straggler")])]) == "duration"
    assert list(worst_findings(own)) == ["kv_usage", "batch_size", "waiting"]


@pytest.mark.parametrize("told", [True, False])
def test_it_opens_so_in_the_app_if_findings_are_known(told):
    async def script(driven):
        findings = driven.app.findings
        assert bool(findings) == told
        assert driven.pane.state.metric == opening_metric(findings)
        assert ("!!" in driven.text()[0]) == told

    drive(DEMO, script, size=(200, 50), told=told)


def test_findings_that_come_later_are_marked_and_do_not_change_the_metric():
    async def run():
        app = LbtuiApp(Asked(DEMO), CAPS)
        async with app.run_test(size=(200, 50)) as pilot:
            await pilot.press("2")
            await settled(app, pilot)
            await pilot.press("1")
            await settled(app, pilot)
            chosen = app.panes["2"].state.metric
            await pilot.press("2")
            await settled(app, pilot)
            assert app.panes["2"].state.metric == chosen
            assert "!!" in plain([app.panes["2"].picture(200, 45)[0]])

    asyncio.run(run())


def test_with_a_baseline_findings_are_looked_for_once_dp_is_there_and_only_once(monkeypatch):
    looked = []

    def counted(profile, *more):
        looked.append(profile)
        return diagnose(profile, *more)

    diagnose = overview_pane.diagnose
    monkeypatch.setattr(overview_pane, "diagnose", counted)

    async def run():
        app = LbtuiApp(Asked(DEMO, baseline=DEMO), CAPS)
        async with app.run_test(size=(200, 50)) as pilot:
            await settled(app, pilot)
            assert looked == [], "Compare needs none"
            await pilot.press("2")
            await settled(app, pilot)
            rows = plain(app.panes["2"].picture(200, 45)).split("\n")
            assert "!!" in rows[0]
            assert any("dp5 !!" in row for row in rows)
            await pilot.press("1")
            await settled(app, pilot)
            assert app.findings
            await pilot.press("2")
            await settled(app, pilot)
            assert looked == [app.profile]

    asyncio.run(run())
