"""The line behind the colon, driven: what it shows, what each command does, what is written."""

import asyncio
import re
import threading
from dataclasses import replace

import pytest
from textual.widgets import Input

from lbtui import cli
from lbtui.profile import Cancelled
from lbtui.render.capabilities import Capabilities
from lbtui.render.text import plain
from lbtui.report.asked import write_report
from lbtui.ui.actions.page import ActionsPage
from lbtui.ui.app import LbtuiApp
from lbtui.ui.bars import BottomBar
from lbtui.ui.commands.line import CommandLine
from lbtui.ui.kit.pages import TextPage
from lbtui.ui.kit.pane import Stage
from lbtui.ui.kit.working import WorkLine
from lbtui.ui.opening import Asked
from tests.terminal.driven import DEMO, drive, pane_text, press, screen_text
from tests.tools.driving import handled, settled

pytestmark = pytest.mark.usefixtures("read_once")

CAPS = Capabilities("256")
DP5 = "mindie-server-d0/dp5"


async def enter(app, pilot, line):
    """Write a line behind the colon, and press Enter."""
    app.outlets = app.outlets or cli._outlets()
    await press(app, pilot, "colon")
    app.screen.query_one(Input).value = line
    await press(app, pilot, "enter")


def last_line(app):
    return plain(app.screen_stack[0].query_one(BottomBar).picture(app.size.width, 1)).strip()


def written(app):
    return app.screen.query_one(Input).value


def said(app):
    return screen_text(app).splitlines()[-1]


def test_the_line_stands_in_the_place_of_the_last_and_says_how_a_command_is_written():
    async def scenario(app, pilot):
        above = screen_text(app).splitlines()[:-1]
        await press(app, pilot, "colon")
        assert isinstance(app.screen, CommandLine)
        assert screen_text(app).splitlines()[:-1] == above
        assert "find TEXT" in said(app)
        await press(app, pilot, *"report")
        assert written(app) == "report"
        assert "report FILE" in said(app)
        await press(app, pilot, "escape")
        assert len(app.screen_stack) == 1
        await press(app, pilot, "colon", "enter")
        assert len(app.screen_stack) == 1
        await press(app, pilot, "colon", "x", "backspace", "backspace")
        assert len(app.screen_stack) == 1

    drive(CAPS, scenario)


def test_a_mistake_stays_in_the_line_with_a_sentence():
    async def scenario(app, pilot):
        await press(app, pilot, "2", "1")
        for line, words in (
            ("fnd dp5", "nearest: find"),
            ("sql SELEC 1", "only SELECT, WITH"),
            ("slo ttft=x", "a number of ms"),
            ("slo tfft=1", "is no target"),
            ("layer 99", "there are 0 to 57"),
            ("t 08:00:24", "outside the run: 10:00:00"),
            ("w x.doc", ".txt (pane)"),
            ("side before", "no baseline"),
            ("compare;m=x", "no baseline"),
        ):
            await enter(app, pilot, line)
            assert isinstance(app.screen, CommandLine), line
            assert words in said(app), line
            assert written(app) == line
            await press(app, pilot, "escape")

    drive(CAPS, scenario, size=(140, 30))


def test_go_to_and_set():
    async def scenario(app, pilot):
        await enter(app, pilot, "dp5")
        assert (app.current.KEY, app.selection.domain) == ("2", DP5)
        await enter(app, pilot, "metric kv")
        assert app.current.state.metric == "kv_usage"
        await enter(app, pilot, "t 10:01:02")
        assert "10:01:0" in pane_text(app)
        await enter(app, pilot, "window 10:00:30..10:01:00")
        begin, end = app.selection.window
        assert end - begin == 30_000_000
        await enter(app, pilot, "window all")
        assert app.selection.window is None
        await enter(app, pilot, "layer 31")
        assert (app.current.KEY, app.selection.layer) == ("4", 31)
        await enter(app, pilot, "rank 3")
        assert app.selection.rank == 3
        await enter(app, pilot, "metric tokens")
        assert "tokens" in pane_text(app)
        await enter(app, pilot, "10.20.0.12:1025")
        assert (app.current.KEY, app.selection.node) == ("3", "10.20.0.12:1025")
        await enter(app, pilot, "metric ended")
        assert app.current._asked.count == "ended"
        request = app.profile.load("requests").frame["request_id"][17]
        await enter(app, pilot, f"request {request}")
        assert (app.current.KEY, app.current.copied()) == ("5", request)
        await enter(app, pilot, "request nobody")
        assert "there is no request nobody" in said(app)
        await press(app, pilot, "escape")
        await enter(app, pilot, "1")
        assert app.current.KEY == "1"
        await enter(app, pilot, "dp;d=dp2;m=tokens")
        assert (app.selection.domain.rpartition("/")[2], app.current.state.metric) == ("dp2", "tokens")

    drive(CAPS, scenario, size=(120, 32))


def test_of_two_profiles_one_is_chosen():
    async def scenario(app, pilot):
        await enter(app, pilot, "dp5")
        await enter(app, pilot, "side before")
        assert app.selection.side == "before"
        await enter(app, pilot, "6")
        assert app.current.KEY == "6"
        await enter(app, pilot, "find dp5")
        await press(app, pilot, "enter")
        assert (app.current.KEY, app.selection.side) == ("2", "after")

    drive(CAPS, scenario, path=Asked(DEMO, baseline=DEMO))


def test_tab_goes_on_and_arrows_go_back():
    async def scenario(app, pilot):
        await press(app, pilot, "colon", *"rep", "tab")
        assert written(app) == "report "
        await press(app, pilot, "escape")
        await press(app, pilot, "colon", *"metric", "space", *"st", "tab")
        assert app.current.KEY == "1"
        before = written(app)
        await press(app, pilot, "escape", "colon", *"domain", "space", *"dp", "tab")
        # As far as all go on alike they go on already: then each, one after the other.
        assert written(app) in ("domain dp0", "domain dp2")
        first = written(app)
        await press(app, pilot, "tab")
        assert written(app) != first
        await press(app, pilot, "shift+tab")
        assert written(app) == first
        assert len(app.screen_stack) == 2
        assert before.startswith("metric st")
        await press(app, pilot, "escape")
        for line in ("dp5", "layer 3"):
            await enter(app, pilot, line)
        await press(app, pilot, "colon", "q", "up")
        assert written(app) == "layer 3"
        await press(app, pilot, "up", "up")
        assert written(app) == "dp5"
        await press(app, pilot, "down", "down")
        assert written(app) == "q"
        await press(app, pilot, "escape", "tab")
        # Tab goes from pane to pane again.
        assert app.current.KEY == "5"

    drive(CAPS, scenario)


def test_find_goes_where_what_is_found_is_shown():
    async def scenario(app, pilot):
        await enter(app, pilot, "find dp5")
        assert isinstance(app.screen, ActionsPage)
        assert "DP domains" in screen_text(app)
        await press(app, pilot, "enter")
        assert (app.current.KEY, app.selection.domain) == ("2", DP5)
        await enter(app, pilot, "find rank 3")
        offers, _cursor = app.screen.found()
        assert "rank 31" not in [offer.name for offer in offers]
        await press(app, pilot, "enter")
        assert (app.current.KEY, app.selection.rank) == ("4", 3)
        await enter(app, pilot, "find 10.20.0.12")
        await press(app, pilot, "enter")
        assert (app.current.KEY, app.selection.node) == ("3", "10.20.0.12:1025")
        await enter(app, pilot, "find expert 37")
        await press(app, pilot, "enter")
        assert "expert 37" in pane_text(app)
        request = app.profile.load("requests").frame["request_id"][17]
        await enter(app, pilot, f"find {request}")
        await press(app, pilot, "enter")
        assert app.current.KEY == "5"
        assert app.current.copied() == request
        await enter(app, pilot, "find forward.csv")
        await press(app, pilot, "enter")
        assert app.current.KEY == "1"
        assert app.current._shown.entry.title == "forward.csv"
        await enter(app, pilot, "find no such thing")
        assert "Nothing is called so" in screen_text(app)
        await press(app, pilot, "escape")
        await enter(app, pilot, "find endpoint")
        assert re.search(r"requests: 100 of \d", screen_text(app))

    drive(CAPS, scenario, size=(120, 40))


def test_the_report_is_the_one_that_the_command_prints(tmp_path, capsys):
    async def scenario(app, pilot):
        for suffix in ("txt", "md", "json"):
            name = tmp_path / f"report.{suffix}"
            await enter(app, pilot, f"report {name}")
            assert last_line(app).startswith("written: ")
            await enter(app, pilot, f"report {name}")
            assert "exists already" in said(app)
            await press(app, pilot, "escape")
        await enter(app, pilot, f"report {tmp_path / 'x.html'}")
        assert ".txt, .md, .json" in last_line(app)
        for line in (f"report {DEMO / 'x.md'}", f"w {DEMO / 'x.md.txt'}", f"export {DEMO / 'x.md'}"):
            await enter(app, pilot, line)
            assert "stays as it is" in screen_text(app)
            await press(app, pilot, "escape")
        assert not list(DEMO.glob("x.md*"))

    drive(CAPS, scenario, size=(250, 30))
    for suffix, option in (("txt", "--report"), ("md", "--report=markdown"), ("json", "--json")):
        cli.main([str(DEMO), option])
        assert (tmp_path / f"report.{suffix}").read_text("utf-8") == capsys.readouterr().out


def test_what_is_shown_is_saved_as_text_picture_and_rows(tmp_path):
    async def scenario(app, pilot):
        for pane in "12345":
            await press(app, pilot, pane)
            for suffix in (".txt", ".svg", ".csv"):
                name = tmp_path / f"pane{pane}{suffix}"
                shown = pane_text(app)
                await enter(app, pilot, f"w {name}")
                assert last_line(app).startswith("written: "), last_line(app)
                text = name.read_text("utf-8")
                if suffix == ".txt":
                    assert text.rstrip("\n") == shown.rstrip("\n")
                elif suffix == ".svg":
                    assert text.startswith("<svg")
                    assert "url(" not in text.replace("url(#", "")
                    assert "http" not in text.replace("http://www.w3.org/", "").replace(
                        "https://www.textualize.io", ""
                    )
                else:
                    head, *rows = text.splitlines()
                    assert rows
                    assert head.count(",") >= 1
        for pane, keys in (("5t", "5t"), ("7t", "7t")):
            await press(app, pilot, *keys)
            await enter(app, pilot, f"w {tmp_path / pane}.csv")
            assert last_line(app).startswith("written: "), last_line(app)
            assert len((tmp_path / f"{pane}.csv").read_text("utf-8").splitlines()) > 1
        await press(app, pilot, "7", "t")
        await enter(app, pilot, f"w {tmp_path / 'pane7.csv'}")
        assert "no rows here" in last_line(app) or "no rows here" in said(app)
        assert not (tmp_path / "pane7.csv").exists()

    drive(CAPS, scenario, size=(120, 32))


def test_the_export_is_written_and_not_twice(tmp_path):
    async def scenario(app, pilot):
        await enter(app, pilot, f"export {tmp_path / 'csv'}")
        assert re.search(r"written into .*: \d+ files, [\d,]+ rows", last_line(app))
        await enter(app, pilot, f"export {tmp_path / 'csv'}")
        assert "already holds" in last_line(app)
        await enter(app, pilot, f"export parquet {tmp_path / 'pq'}")
        assert (tmp_path / "pq" / "steps.parquet").exists()

    drive(CAPS, scenario, size=(160, 30))


def test_a_report_can_be_cancelled_and_nothing_is_written(tmp_path):
    begun, go_on, ended = (threading.Event() for _each in range(3))

    def report(name, profile, baseline, thresholds, notes, progress):
        begun.set()
        go_on.wait(10)
        try:
            return write_report(name, profile, baseline, thresholds, notes, progress)
        except Cancelled:
            ended.set()
            raise

    async def scenario(app, pilot):
        app.outlets = replace(cli._outlets(), report=report)
        await pilot.press("colon")
        await settled(app, pilot)
        app.screen.query_one(Input).value = f"report {tmp_path / 'x.md'}"
        await pilot.press("enter")
        while not isinstance(app.screen, WorkLine):
            await handled(pilot)
        await handled(pilot)
        assert "Escape cancels" in said(app)
        assert begun.wait(10)
        await pilot.press("escape")
        await handled(pilot)
        assert len(app.screen_stack) == 1
        assert last_line(app).startswith("cancelled")
        go_on.set()
        assert await asyncio.to_thread(ended.wait, 10)
        assert not (tmp_path / "x.md").exists()

    drive(CAPS, scenario, size=(160, 30))


def test_targets_are_set_for_all_panes():
    async def scenario(app, pilot):
        await press(app, pilot, "5")
        await enter(app, pilot, "slo ttft=123")
        assert app.thresholds.targets == (("ttft", 123.0),)
        assert app.current.limits.targets == (("ttft", 123.0),)
        assert app.current.stage is Stage.READY
        await press(app, pilot, "t")
        assert "TTFT ≤ 123 ms" in pane_text(app)
        await enter(app, pilot, "slo tpot=45")
        # What a link opens is judged so, too.
        assert app.asked.given == ("--slo", "tpot=45")
        assert "45 ms" in pane_text(app)
        await enter(app, pilot, "1")
        await settled(app, pilot)
        assert app.current.limits.targets == (("tpot", 45.0),)

    drive(CAPS, scenario, size=(120, 32))


def test_help_and_quit():
    async def scenario(app, pilot):
        await enter(app, pilot, "help")
        assert isinstance(app.screen, TextPage)
        assert ":report FILE" in screen_text(app)
        await press(app, pilot, "escape")
        await enter(app, pilot, "help slo")
        assert ":slo ttft=500,tpot=50" in screen_text(app)
        assert ":report" not in screen_text(app)
        await press(app, pilot, "escape")
        await enter(app, pilot, "link")
        assert "--at" in screen_text(app)
        await press(app, pilot, "escape")
        await enter(app, pilot, "q")
        assert not app.is_running or app.return_value is not None

    drive(CAPS, scenario, size=(120, 60))


def test_every_command_is_found_by_ctrl_p():
    async def scenario(app, pilot):
        await press(app, pilot, "ctrl+p", *"report", "enter")
        assert isinstance(app.screen, CommandLine)
        assert written(app) == "report "
        await press(app, pilot, "x")
        assert written(app) == "report x"

    drive(CAPS, scenario)


def test_before_there_is_a_profile_nothing_breaks(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(LbtuiApp, "_open", lambda self: None)

    async def scenario(app, pilot):
        for line in ("dp5", "find x", "w x.txt", "report x.md", "export x", "sql SELECT 1", "t 10:00", "2"):
            await enter(app, pilot, line)
            await press(app, pilot, "escape", "escape")
        assert app.is_running

    drive(CAPS, scenario, path=Asked(DEMO))


@pytest.mark.parametrize("name", ["a\x1b[31mb.txt", "no/such/folder/x.txt", "~nobody-here/x.txt", "\0.txt"])
def test_a_name_that_cannot_be_is_said(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    async def scenario(app, pilot):
        await enter(app, pilot, f"w {name}")
        assert "\x1b[31m" not in last_line(app)
        assert not last_line(app).startswith("written") or "\\x1b" in last_line(app)

    drive(CAPS, scenario, size=(160, 30))


def test_a_report_has_the_notes_that_were_just_written(tmp_path):
    async def scenario(app, pilot):
        app.outlets = cli._outlets()
        await pilot.press("A", *"by_hand", "enter")
        await settled(app, pilot)
        assert app.findings[0].note == "by_hand"
        await enter(app, pilot, f"report {tmp_path / 'x.md'}")
        assert "- note: `by_hand`" in (tmp_path / "x.md").read_text(encoding="utf-8")

    drive(CAPS, scenario, size=(160, 30))
