import asyncio
import gzip
import re
import threading
from contextlib import asynccontextmanager
from pathlib import Path

import polars as pl
import pytest

from lbtui.findings import Figure
from lbtui.findings.diagnosis import Diagnosis, diagnose
from lbtui.profile import Loaded, Profile, SourceFile, empty, micros
from lbtui.render.capabilities import Capabilities
from lbtui.render.text import plain
from lbtui.thresholds import Thresholds, described
from lbtui.ui.app import LbtuiApp
from lbtui.ui.bars import TopBar
from lbtui.ui.kit.pages import TextPage
from lbtui.ui.kit.pane import Stage
from lbtui.ui.opening import Asked
from tests.tools.driving import settled
from tests.tools.frames import Frames

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "lbtui" / "demo" / "output"
DATA = ROOT / "tests" / "data"


def shown(app):
    pane = app.panes["1"]
    return plain(pane.picture(*pane.size))


def header(app):
    bar = app.screen_stack[0].query_one(TopBar)
    return plain(bar.picture(80, 2)[:1])


def test_the_header_says_that_a_load_failed(tmp_path, monkeypatch):
    file = SourceFile(tmp_path / "request.csv", "request.csv", "csv", 10)
    profile = Profile(tmp_path, (file,), source=Frames({"requests": lambda _progress: 1 / 0}))
    monkeypatch.setattr("lbtui.sources.open_profile", lambda *_paths: profile)

    async def whole():
        app = LbtuiApp(Asked(tmp_path), Capabilities("256", True))
        async with app.run_test(size=(80, 24)) as pilot:
            await settled(app, pilot)
            await pilot.press("5")
            await settled(app, pilot)
            assert app.panes["5"].stage is Stage.FAILED
            assert "Requests: reading failed" in header(app)

    asyncio.run(whole())


def run(path, size, scenario):
    async def whole():
        app = LbtuiApp(Asked(path), Capabilities("256", True))
        async with app.run_test(size=size) as pilot:
            await settled(app, pilot)
            await scenario(app, pilot)

    asyncio.run(whole())


def test_a_profile_without_a_row_ends_with_its_sentence(tmp_path):
    (tmp_path / "request.csv").write_text("http_rid,start_datetime\n")
    (tmp_path / "forward.csv").write_bytes(b"")

    async def whole():
        app = LbtuiApp(Asked(tmp_path), Capabilities("256", True))
        async with app.run_test(size=(80, 24)) as pilot:
            await settled(app, pilot)
        assert app.return_value == 3
        assert app.failure.startswith(f"nothing in {tmp_path} can be used: forward.csv is empty")
        assert "request.csv: It holds a header and no rows" in app.failure

    asyncio.run(whole())


def known_of(app):
    return app.panes["1"]._contents.known


def to_line(app, label):
    """Return the presses from the first entry down to a line of load."""
    found = [e.line.label if e.line else None for e in app.panes["1"]._contents.entries]
    return ["down"] * found.index(label)


@pytest.mark.parametrize(
    ("line", "key", "expected"),
    [
        ("DP batch", "2", {"domain": "mindie-server-d0/dp5"}),
        ("KV used", "2", {"domain": "mindie-server-d0/dp2"}),
        ("P added", "3", {"node": "10.20.0.12:1025"}),
        ("Experts", "4", {"layer": 10}),
    ],
)
def test_enter_goes_where_the_line_is_worst(line, key, expected):
    async def scenario(app, pilot):
        await pilot.press("home", *to_line(app, line))
        assert f"> {line}" in shown(app)
        await pilot.press("enter")
        assert app.current is app.panes[key]
        assert {name: getattr(app.selection, name) for name in expected} == expected
        if key == "2":
            begin, end = known_of(app).window
            assert begin < app.selection.time < end

    run(DEMO, (120, 32), scenario)


def test_enter_on_each_finding_puts_its_place_under_the_cursor():
    """What each finding names must be what the pane reads out, whatever was shown there before."""
    seen = set()

    async def scenario(app, pilot):
        listed = [e.found.finding for e in app.panes["1"]._contents.entries if e.found]
        # Backwards too, so that no pane is right by what the finding before left there.
        for place in [*range(len(listed)), *reversed(range(len(listed)))]:
            finding = listed[place]
            await pilot.press("1", "home", *["down"] * place)
            await pilot.press("enter")
            await settled(app, pilot)
            pane = app.current
            read_out = " ".join(plain(pane.picture(*pane.size)).split())
            check_landing(finding, pane, app.selection, read_out)
            seen.add(finding.id)

    run(DEMO, (140, 32), scenario)
    assert {"kv.exhausted", "dp.batch_size.skew", "pd.node.skew", "ep.rank.hot", "ep.expert.hot"} <= seen


METRIC_WORDS = {"dp.batch_size.skew": "batch size PAR", "kv.exhausted": "KV cache usage PAR"}


def check_landing(finding, pane, selection, read_out):
    subject = finding.subject
    if finding.dimension in ("dp", "kv"):
        assert pane.KEY == "2"
        assert METRIC_WORDS[finding.id] in read_out
        assert f"· dp{subject['dp_rank']} · {subject['host']} ·" in read_out
        begin, end = map(micros, finding.window)
        assert begin <= selection.time < end
        assert selection.time == pane.state.time
    elif finding.id == "pd.transfer.slow":
        assert pane.KEY == "3"
        assert re.search(rf"rank {subject['rank']}: \d+ KV pulls", read_out)
    elif finding.dimension == "pd":
        assert pane.KEY == "3"
        assert re.search(rf"{re.escape(subject['address'])} {subject['role']}: \d+ added", read_out)
    else:
        assert pane.KEY == "4"
        under = read_out[read_out.rindex("layer ") :]
        for key in ("layer", "rank", "expert"):
            if key in subject:
                assert re.search(rf"\b{key} {subject[key]}\b", under), (key, under)
        assert ("slot" in under) == ("expert" in subject)


def test_the_first_finding_is_under_the_cursor_unless_the_user_has_moved():
    async def scenario(app, pilot):
        assert shown(app).splitlines()[1].startswith("> !! ")

    run(DEMO, (80, 24), scenario)


def test_findings_come_after_the_lines_and_leave_the_cursor_where_the_user_put_it(monkeypatch):
    gate = threading.Event()

    def slow(*arguments):
        assert gate.wait(20)
        return diagnose(*arguments)

    monkeypatch.setattr("lbtui.ui.panes.overview.pane.diagnose", slow)

    async def whole():
        app = LbtuiApp(Asked(DEMO), Capabilities("256", True))
        async with app.run_test(size=(80, 24)) as pilot:
            while not app.panes or "looking for imbalances … Escape" not in " ".join(shown(app).split()):
                await pilot.pause()
            assert "> DP batch" in shown(app)
            await pilot.press("down", "down", "down")
            assert "> KV used" in shown(app)
            gate.set()
            await settled(app, pilot)
            assert "!! KV" in shown(app)
            assert "> KV used" in shown(app)

    asyncio.run(whole())


def test_an_even_profile_opens_on_no_imbalance_found(monkeypatch):
    figure = Figure("dp", "d0", 1.1, 1.0, 1.2, "d0: PAR 1.10; chance gives 1.20.")
    monkeypatch.setattr(
        "lbtui.ui.panes.overview.pane.diagnose", lambda *_arguments: Diagnosis(support=(figure,))
    )

    async def scenario(app, pilot):
        assert shown(app).splitlines()[1].startswith(">  ✓ no imbalance found")
        assert "d0: PAR 1.10; chance gives 1.20." in shown(app)
        await pilot.press("enter")
        assert isinstance(app.screen, TextPage)

    run(DEMO, (80, 24), scenario)


def test_thresholds_reach_the_findings_and_the_help():
    limits = Thresholds(short_capture_seconds=7, ep_rank_ratio=5)

    async def whole():
        app = LbtuiApp(Asked(DEMO, thresholds=limits), Capabilities("256", True))
        async with app.run_test(size=(80, 24)) as pilot:
            await settled(app, pilot)
            ids = {finding.id for finding in app.panes["1"]._contents.diagnosis.findings}
            assert not {"data.capture.short", "ep.rank.hot"} & ids
            texts = {entry.name: entry.text for entry in app.panes["1"].help_entries()}
            for name, default, meaning in described():
                value = getattr(limits, name)
                assert texts[name].startswith(f"threshold {value:g}: {meaning}")
                assert ("default" in texts[name].removeprefix(f"threshold {value:g}: {meaning}")) == (
                    value != default
                )

    asyncio.run(whole())


def test_details_of_a_finding_hold_all_that_follows_from_it():
    async def scenario(app, pilot):
        await pilot.press("i")
        page = str(app.screen.query_one(".page-text").render())
        first = app.panes["1"]._contents.diagnosis.findings[0]
        assert first.consequences
        for finding in (first, *first.consequences):
            assert finding.message in page
            assert finding.evidence in page
            assert finding.advice in page

    run(DEMO, (80, 24), scenario)


def test_identity_and_notes_stand_in_the_first_line():
    async def scenario(app, pilot):
        top = app.query_one("#top")
        first = plain(top.picture(*top.size)).splitlines()[0]
        assert first.startswith("output · 6 hosts · 2026-03-02 10:00:00–10:01:59")
        assert first.endswith(f"{len(known_of(app).notes)} notes")

    run(DEMO, (200, 50), scenario)


def test_the_cursor_walks_into_the_lists_and_enter_shows_all_there_is_to_say():
    async def scenario(app, pilot):
        await pilot.press("end")
        assert known_of(app).notes[-1].text[:40] in " ".join(shown(app).split())
        await pilot.press("enter")
        assert isinstance(app.screen, TextPage)
        await pilot.press("escape")
        await pilot.press("home")
        assert shown(app).splitlines()[1].startswith("> !! ")

    run(DEMO, (80, 24), scenario)


def test_right_and_left_read_values_out_and_share_the_instant():
    async def scenario(app, pilot):
        await pilot.press(*to_line(app, "DP batch"), "right")
        first = app.selection.time
        place = known_of(app).lines[0].place
        assert place.start <= first <= place.end
        await pilot.press("right")
        assert app.selection.time > first
        await pilot.press("left")
        assert app.selection.time == pytest.approx(first, abs=2)
        assert "requests a step" in shown(app)

    run(DEMO, (80, 24), scenario)


def test_a_click_moves_the_cursor():
    async def scenario(app, pilot):
        pane = app.panes["1"]
        y = next(i for i, row in enumerate(shown(app).splitlines()) if row.startswith("  P added"))
        await pilot.click(pane, offset=(5, y))
        assert "> P added" in shown(app)

    run(DEMO, (120, 32), scenario)


def slow_profile(tmp_path, gate, entered):
    """A profile whose nodes arrive only when the gate is opened, told cancelled from within."""

    def nodes(progress):
        entered.set()
        assert gate.wait(20)
        progress.advance("coordinator.csv", 1, 2)
        return Loaded(empty("nodes"))

    def requests(_progress):
        frame = pl.DataFrame({"request_id": ["a"], "ttft": [12.5], "arrival": [0]}).with_columns(
            pl.col("arrival").cast(pl.Datetime("us"))
        )
        return Loaded(pl.concat([empty("requests"), frame], how="diagonal"))

    file = SourceFile(tmp_path / "coordinator.csv", "coordinator.csv", "csv", 10)
    return Profile(tmp_path, (file,), source=Frames({"nodes": nodes, "requests": requests}))


@asynccontextmanager
async def while_reading(tmp_path, monkeypatch):
    """Run the app on a slow profile; yield it with its pilot and the gate that lets reading end."""
    gate, entered = threading.Event(), threading.Event()
    profile = slow_profile(tmp_path, gate, entered)
    monkeypatch.setattr("lbtui.sources.open_profile", lambda *_paths: profile)
    app = LbtuiApp(Asked(tmp_path), Capabilities("256", True))
    async with app.run_test(size=(80, 24)) as pilot:
        while not entered.is_set():
            await pilot.pause()
        yield app, pilot, gate


def test_shows_what_it_has_while_reading_and_escape_cancels(tmp_path, monkeypatch):
    async def whole():
        async with while_reading(tmp_path, monkeypatch) as (app, pilot, gate):
            await pilot.pause()
            pane = app.panes["1"]
            assert pane.stage is Stage.LOADING
            assert "reading nodes …" in shown(app)
            assert "coordinator.csv" in shown(app)
            assert "no forward pass is recorded" in shown(app)
            await pilot.press("escape")
            assert pane.stage is Stage.CANCELLED
            assert "cancelled" in shown(app)
            assert "looking for" not in shown(app)
            assert "Overview: reading cancelled" in header(app)
            gate.set()
            await settled(app, pilot)
            assert pane.stage is Stage.CANCELLED
            assert "12.5 ms" not in shown(app)
            await pilot.press("R")
            await settled(app, pilot)
            assert app.panes["1"].stage is Stage.READY
            assert "p95 12.5 ms" in shown(app)
            assert "cancelled" not in header(app)

    asyncio.run(whole())


def test_escape_closes_what_is_open_then_cancels_what_runs_then_goes_out(tmp_path, monkeypatch):
    async def whole():
        async with while_reading(tmp_path, monkeypatch) as (app, pilot, gate):
            await pilot.press("3")
            pane = app.panes["3"]
            while pane.stage is not Stage.LOADING:
                await pilot.pause()
            await pilot.press("question_mark")
            assert isinstance(app.screen, TextPage)
            await pilot.press("escape")
            assert not isinstance(app.screen, TextPage)
            assert (pane.stage, app.current) == (Stage.LOADING, pane)
            await pilot.press("escape")
            assert (pane.stage, app.current) == (Stage.CANCELLED, pane)
            assert app.panes["1"].stage is Stage.LOADING, "only what is shown is cancelled"
            await pilot.press("escape")
            assert app.current is app.panes["1"]
            gate.set()
            await settled(app, pilot)

    asyncio.run(whole())


def test_help_states_the_formula_of_every_line():
    async def scenario(app, pilot):
        pane = app.panes["1"]
        names = " ".join(entry.name for entry in pane.help_entries())
        for line in known_of(app).lines:
            assert line.label in names
        await pilot.press("question_mark")
        assert isinstance(app.screen, TextPage)

    run(DEMO, (80, 24), scenario)


@pytest.mark.parametrize("case", ["kv_pulls_slow_down_10x", "decode_full_handoff_waits"])
def test_enter_on_what_hand_offs_tell_shows_them(case, tmp_path):
    for file in (DATA / "cases" / case).glob("*.gz"):
        (tmp_path / file.stem).write_bytes(gzip.decompress(file.read_bytes()))

    async def scenario(app, pilot):
        await pilot.press("1", "home", "enter")
        await settled(app, pilot)
        assert app.current is app.panes["3"]
        assert app.current._state.transfers

    run(tmp_path, (120, 32), scenario)


@pytest.mark.parametrize("key", ["pd.hand_off_wait", "pd.pull"])
def test_enter_on_a_line_of_hand_offs_shows_them(key):
    async def scenario(app, pilot):
        listed = app.panes["1"]._contents.entries
        place = next(i for i, e in enumerate(listed) if e.line is not None and e.line.key == key)
        await pilot.press("1", "home", *["down"] * place)
        await pilot.press("enter")
        await settled(app, pilot)
        assert app.current is app.panes["3"]
        assert app.current._state.transfers

    run(DEMO, (120, 32), scenario)
