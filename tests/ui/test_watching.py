"""`W` and `--watch`: what comes to the files is shown without a key, and what goes is told."""

import asyncio
import os
import shutil
import time

import pytest

from lbtui.cli import main
from lbtui.render.capabilities import Capabilities
from lbtui.render.text import plain
from lbtui.sources import open_profile
from lbtui.ui import watched as watched_module
from lbtui.ui import watching
from lbtui.ui.app import LbtuiApp
from lbtui.ui.bars import TopBar
from lbtui.ui.opening import Asked
from lbtui.ui.watching import Watch, age_words
from tests.sources.engines import raw_of
from tests.sources.recorded import lay_out, state_of
from tests.tools.driving import settled
from tests.tools.replay import Replay

PANES = "1257"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Look all the time: how long it waits is no matter of these tests."""
    monkeypatch.setattr(watching, "PERIOD", 0.1)
    monkeypatch.setattr(watching, "_REST", 0.0)
    monkeypatch.setattr(watched_module, "PERIOD", 0.1)
    monkeypatch.setattr(watched_module, "_SETTLING", 0.01)
    monkeypatch.setattr(watched_module, "_CLOCK", 0.01)


@pytest.fixture
def recorded(tmp_path):
    return raw_of("vllm_v1_dp2", tmp_path / "recorded")


def watch(path, scenario, size=(120, 36)):
    async def whole():
        app = LbtuiApp(Asked(path, watch=True), Capabilities("256"))
        async with app.run_test(size=size) as pilot:
            await until(app, pilot, lambda: app.watching.window is not None)
            await shown(app, pilot)
            await scenario(app, pilot)

    asyncio.run(whole())


async def until(app, pilot, holds):
    """Return once something holds; what never does ends by the time limit of all tests."""
    while not holds():
        await pilot.pause(0.01)


async def shown(app, pilot):
    """Return once the pane shown shows what was last opened."""
    await until(app, pilot, lambda: app.current is not None and app.current.profile is app.profile)
    await until(app, pilot, lambda: app.current.stage.name == "READY")


async def looked(app, pilot, times=3):
    """Return once it was looked so many times more."""
    begun = {app.watching._begun}

    def more():
        begun.add(app.watching._begun)
        return len(begun) > times

    await until(app, pilot, more)


def measures(app):
    """Whether how even other metrics are is still to come."""
    return any(worker.group.startswith("dp-") and not worker.is_finished for worker in app.workers)


def steps(app):
    return app.profile.load("batches").frame.height


def line_one(app):
    return plain(app.screen_stack[0].query_one(TopBar).picture(app.size.width, 2)[:1])


@pytest.mark.parametrize("pane", PANES)
def test_rows_that_come_are_shown_without_a_key(tmp_path, recorded, pane):
    replay = Replay(recorded, tmp_path / "live")
    replay.to(0.5)

    async def scenario(app, pilot):
        await pilot.press(pane)
        await shown(app, pilot)
        before, widget = steps(app), app.current
        picture = plain(widget.picture(*widget.size))
        replay.to(0.9)
        await until(app, pilot, lambda: steps(app) > before)
        await shown(app, pilot)
        assert app.current is widget, "the pane stays"
        expected = open_profile(tmp_path / "live").load("batches").frame
        assert app.profile.load("batches").frame.equals(expected)
        assert plain(widget.picture(*widget.size)) != picture

    watch(tmp_path / "live", scenario)
    replay.close()


def test_the_end_is_followed_until_the_cursor_is_moved_and_from_the_end_again(tmp_path, recorded):
    replay = Replay(recorded, tmp_path / "live")
    replay.to(0.4)

    async def come(app, pilot, share):
        before = app.profile
        replay.to(share)
        await until(app, pilot, lambda: app.profile is not before)
        await shown(app, pilot)

    async def scenario(app, pilot):
        await pilot.press("2")
        await shown(app, pilot)
        await come(app, pilot, 0.5)
        end = app.current._both.after.end
        assert app.selection.time == app.current.state.time
        assert end - app.selection.time <= 2
        await come(app, pilot, 0.6)
        assert app.current._both.after.end > end
        assert app.current._both.after.end - app.selection.time <= 2

        app.current.action_column(-20)
        stood, domain = app.current.state.time, app.current.state.domain
        await come(app, pilot, 0.7)
        assert (app.current.state.time, app.current.state.domain) == (stood, domain)
        assert app.selection.time == stood

        app.current.action_zoom(0.25)
        window = app.selection.window
        assert window is not None
        await come(app, pilot, 0.8)
        assert app.selection.window == window
        assert app.current.state.window == window

        app.current.action_whole()
        app.current.action_column(1000)
        app.current.action_zoom(0.125)
        window = app.selection.window
        assert app.watching.follows
        await come(app, pilot, 1.0)
        assert app.selection.window[1] > window[1]
        assert app.selection.window[1] - app.selection.window[0] == window[1] - window[0]

    watch(tmp_path / "live", scenario)
    replay.close()


def test_what_the_user_has_chosen_in_each_pane_stays(tmp_path, recorded):
    replay = Replay(recorded, tmp_path / "live")
    replay.to(0.6)

    async def scenario(app, pilot):
        await pilot.press("5")
        await shown(app, pilot)
        await pilot.press("s", "r", "down", "down", "down")
        await settled_look(app, pilot)
        requests = app.panes["5"]
        chosen, wanted = requests._shown.request["request_id"], requests._wanted
        await pilot.press("2")
        await shown(app, pilot)
        await pilot.press("m", "s", "down")
        state = app.panes["2"].state
        await pilot.press("1")
        await pilot.press("down", "down", "down", "down")
        entry = app.panes["1"]._shown.entry
        before = app.profile
        replay.to(1.0)
        await until(app, pilot, lambda: app.profile is not before)
        await shown(app, pilot)
        assert (app.panes["1"]._shown.entry.kind, app.panes["1"]._shown.entry.title) == (
            entry.kind,
            entry.title,
        )
        await pilot.press("2")
        await shown(app, pilot)
        now = app.panes["2"].state
        assert (now.metric, now.by_score, now.domain) == (state.metric, state.by_score, state.domain)
        await pilot.press("5")
        await shown(app, pilot)
        assert requests is app.panes["5"]
        assert requests._wanted == wanted
        assert requests._shown.request["request_id"] == chosen

    async def settled_look(app, pilot):
        requests = app.panes["5"]
        await until(app, pilot, lambda: requests._wanted == requests.state.arranged.arrangement)

    watch(tmp_path / "live", scenario)
    replay.close()


def test_nothing_flickers_and_nothing_is_written(tmp_path, recorded):
    live = tmp_path / "live"
    replay = Replay(recorded, live)
    replay.to(0.5)
    pictures = []

    async def scenario(app, pilot):
        await pilot.press("2")
        await shown(app, pilot)
        pane = app.current
        drawn = pane.picture

        def kept(width, height):
            rows = drawn(width, height)
            pictures.append(plain(rows))
            return rows

        pane.picture = kept
        before = state_of(live)
        await looked(app, pilot)
        assert {name: told[0] for name, told in state_of(live).items() if "-shm" not in name} == {
            name: told[0] for name, told in before.items() if "-shm" not in name
        }
        profile = app.profile
        replay.to(0.7)
        await until(app, pilot, lambda: app.profile is not profile)
        await shown(app, pilot)
        assert pictures
        assert not [picture for picture in pictures if "reading" in picture or "computing" in picture]

    watch(live, scenario)
    replay.close()


def test_w_begins_and_ends_the_watching(tmp_path, recorded):
    replay = Replay(recorded, tmp_path / "live")
    replay.to(0.5)

    async def whole():
        app = LbtuiApp(Asked(tmp_path / "live"), Capabilities("256"))
        async with app.run_test(size=(120, 36)) as pilot:
            await settled(app, pilot)
            assert "live," not in line_one(app)
            await pilot.press("W")
            await until(app, pilot, lambda: "live, last event" in line_one(app))
            await pilot.press("W")
            assert "live," not in line_one(app)
            await settled(app, pilot)
            profile, begun = app.profile, app.watching._begun
            replay.to(1.0)
            for _pause in range(30):
                await pilot.pause(0.01)
            assert (app.profile, app.watching._begun) == (profile, begun)

    asyncio.run(whole())
    replay.close()


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


def emptied(path):
    os.truncate(path, 0)


def replaced(path):
    path.unlink()
    path.write_bytes(b"something else")


def removed(path):
    path.unlink()


@pytest.mark.parametrize("harm", [cut, emptied, replaced, removed])
@pytest.mark.parametrize("kind", ["raw", "csv", "db"])
def test_files_that_go_are_told_and_come_back(tmp_path, recorded, harm, kind):
    live = tmp_path / "live"
    if kind == "raw":
        shutil.copytree(recorded, live)
    else:
        names = {"csv": ("csv_only/forward.csv", "csv_only/batch.csv"), "db": ("db_only/profiler.db",)}
        live.mkdir()
        lay_out(live, *names[kind])
    files = sorted(path for path in live.rglob("*") if path.is_file())
    safe = {path: path.read_bytes() for path in files}

    async def scenario(app, pilot):
        await pilot.press("2")
        await shown(app, pilot)
        await until(app, pilot, lambda: not measures(app))
        await pilot.pause()
        picture, known = plain(app.current.picture(*app.current.size)), steps(app)
        for path in files:
            harm(path)
        before = app.profile
        await until(app, pilot, lambda: app.watching.why)
        assert "live, " in line_one(app)
        await looked(app, pilot)
        if (kind, harm) != ("csv", cut):  # half a table is one, too
            assert app.watching.why
            assert app.profile is before
            assert plain(app.current.picture(*app.current.size)) == picture, "what was read stands"
        for path, content in safe.items():
            path.write_bytes(content)
        await until(app, pilot, lambda: not app.watching.why)
        await until(app, pilot, lambda: app.profile is not before)
        await until(app, pilot, lambda: steps(app) == known)
        await shown(app, pilot)

    watch(live, scenario)


def test_a_file_of_several_that_goes_is_told_by_its_name(tmp_path, recorded):
    live = tmp_path / "live"
    shutil.copytree(recorded, live)
    gone = sorted(live.rglob("ms_service_*.db"))[0]

    async def scenario(app, pilot):
        gone.rename(tmp_path / "aside")
        await until(app, pilot, lambda: gone.name in app.watching.why)
        await looked(app, pilot)
        assert f"{gone.name} is gone" in app.watching.why
        (tmp_path / "aside").rename(gone)
        await until(app, pilot, lambda: not app.watching.why)

    watch(live, scenario)


def test_an_output_that_is_parsed_again_is_shown_anew(tmp_path):
    live = tmp_path / "live"
    live.mkdir()
    lay_out(live, "csv_only/forward.csv", "csv_only/batch.csv")
    batch = live / "batch.csv"
    lines = batch.read_bytes().splitlines(keepends=True)
    batch.write_bytes(b"".join(lines[: len(lines) // 2]))

    async def scenario(app, pilot):
        before = steps(app)
        batch.write_bytes(b"".join(lines))
        await until(app, pilot, lambda: steps(app) > before)
        assert steps(app) == open_profile(live).load("batches").frame.height

    watch(live, scenario)


@pytest.mark.parametrize("others", [["--report"], ["--json"], ["--export", "x"], ["--fail-on", "warning"]])
def test_watch_goes_with_no_report(others, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--demo", "--watch", *others])
    assert ended.value.code == 2
    assert "--watch is of the screen" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "last event 0 s ago"),
        (5, "last event 5 s ago"),
        (119, "last event 119 s ago"),
        (180, "last event 3 min ago"),
        (7200, "last event 2 h ago"),
        (400_000, "last event 5 d ago"),
        (-1, "last event 0 s ago"),
        (-30, "last event 30 s ahead of this clock"),
    ],
)
def test_how_old_the_last_event_is(seconds, words):
    now = int(time.time() * 1e6)
    assert age_words(now - int(seconds * 1e6), now) == words


def test_a_watch_that_was_not_begun_follows_nothing():
    known = Watch()
    known.moved((0, 10), 9)
    assert known.at_end(None) is None
    assert known.words() == ""
