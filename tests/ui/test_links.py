"""The line that a view gives opens the same screen, to the last cell and style.

Every screen of `tests/tools/screens.py` over which no page stands, and others that keys lead to: what is
scrolled, sorted, filtered, marked. Half of them in a large terminal, half in a small one. Only reading and
what is derived of a profile are shared between the first app and that which the line opens.
"""

import asyncio
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from lbtui.cli import _given, main
from lbtui.codes import USAGE
from lbtui.manual import text_of
from lbtui.options import parser
from lbtui.render.capabilities import Capabilities
from lbtui.ui.kit.at import MEANINGS, View, parse_view
from lbtui.ui.kit.pages import TextPage
from tests.tools.driving import settled
from tests.tools.reading_once import reading_once
from tests.tools.screens import SCENES, Scene, cells, folders, standing

CAPS = Capabilities("truecolor")
LARGE, SMALL = (200, 50), (80, 24)
# Over these a page stands, a line that asks for something or a query's rows, or there is no profile yet.
PAGES = {
    *("dp-round", "request", "timeline-slice", "help", "help-ep", "notes"),
    *("actions", "filter", "filter-pd", "first-run", "chooser"),
    *("command", "command-wrong", "find", "sql"),
    # Of no profile: what stands there is the app's to open.
    *("runs", "runs-trend", "runs-sweep"),
}
GREATER = "greater_than_sign"
OTHERS = {
    "overview-last": Scene(("1", "G", "up")),
    "overview-value": Scene(("1", *["down"] * 4, "right", "right")),
    "dp-zoomed": Scene(("2", "plus", "plus", "l", "l", "down", "down", "m", "a", "s", "G")),
    "dp-filtered": Scene(("2", "slash", *"dp=5", "enter", "plus")),
    "dp-table-sorted": Scene(("2", "t", "s", "s", "s", "s", "r", *["pagedown"] * 3)),
    "pd-zoomed": Scene(("3", "plus", "plus", "down", "down", "right", "m", "d")),
    "pd-one-role": Scene(("3", "slash", *"decode", "enter", "p", "G")),
    "pd-hand-offs-last": Scene(("3", "t", "G")),
    "ep-scrolled": Scene(("4", "v", "plus", "plus", "plus", *["l"] * 9, *["h"] * 4, "j")),
    "ep-entered": Scene(("4", "m", "s", "enter", "l", "n", "n")),
    "what-if-asked": Scene(("4", "w", "p", "minus", "down", "down")),
    "requests-sorted": Scene(("5", "s", "s", "r", *["pagedown"] * 3, "up")),
    "requests-by-part": Scene(("5", "S", *["down"] * 30)),
    "requests-filtered": Scene(("5", "z", "o", "slash", *"dp=2 ttft", GREATER, *"500", "enter", "down", "d")),
    "targets-filtered": Scene(("5", "slash", *"ttft", GREATER, *"500", "enter", "c", "v", "right", "m")),
    "timeline-marked": Scene(("7", "n", "z", "x", "enter", "l", "l", "x", "enter", "v", "l", "l", "v", "p")),
    "timeline-aligned": Scene(("7", "n", "a", "j", "j", "n", "a", "n", "a", "v", "l")),
    "timeline-of-cards": Scene(("7", "slash", *"card", "enter", "n", "z", "t", "down", "down")),
    "timeline-last": Scene(("7", "G", "up")),
    "compare-changed": Scene(("6", "o", "slash", *"p95", "enter", "down"), "compared"),
    "compare-dp-before": Scene(("2", "b", "plus", "t", "down"), "compared"),
    "compare-ep-before": Scene(("4", "b", "j", "j", "v"), "compared"),
}  # fmt: skip
EVERY = {**{name: scene for name, scene in SCENES.items() if name not in PAGES}, **OTHERS}
SIZES = {name: (LARGE, SMALL)[place % 2] for place, name in enumerate(EVERY)}


@pytest.fixture(scope="module")
def asked():
    with folders() as made, reading_once():
        yield made


async def linked(app, pilot):
    """Take the line of a view as its user does; return it, and what the screen shows."""
    await pilot.press("ctrl+y")
    await settled(app, pilot)
    assert isinstance(app.screen, TextPage)
    line = app.screen._text.plain
    await pilot.press("escape")
    await settled(app, pilot)
    return line, cells(app)


async def opened_anew(asked, keys, size):
    """Return the words of the line, what the screen shows, and what it shows where the line opens it."""
    async with standing(asked, keys, size, CAPS) as (app, pilot):
        line, shown = await linked(app, pilot)
    program, *words = shlex.split(line)
    assert program == "lbtui"
    options = parser().parse_args(words)
    assert (options.path, options.baseline) == (asked.path, asked.baseline)
    assert options.slo == (asked.thresholds.targets if asked.thresholds else None)
    async with standing(replace(asked, at=options.at), (), size, CAPS) as (app, _pilot):
        return words, shown, cells(app), app._said


@pytest.mark.parametrize("name", EVERY)
def test_the_line_opens_the_same_screen(name, asked):
    scene = EVERY[name]
    words, shown, anew, said = asyncio.run(opened_anew(asked[scene.of], scene.keys, SIZES[name]))
    assert anew == shown, words[-1]
    assert not said
    view = parse_view(words[-1])
    assert {*view.parts, *view.inner} <= MEANINGS.keys()


def test_every_pane_and_what_stands_in_its_place_is_among_them():
    assert {scene.keys[0] for scene in EVERY.values()} == set("1234567")
    assert set(SIZES.values()) == {LARGE, SMALL}
    assert not PAGES - SCENES.keys()


@pytest.mark.parametrize(
    ("text", "pane", "said"),
    [
        ("dp;d=dp5;m=batch_size", "DP", ""),
        ("dp;d=dp99;m=smell;top=x", "DP", "d=dp99, m=smell, top=x"),
        ("ep;l=999;r=3", "EP", "l=999"),
        ("ep;over=routing", "EP", "over=routing"),
        ("ep;over=what-if;over.policy=none", "What-if", "policy=none"),
        ("requests;f=tt ft>x;o=-ttft;colour=red", "Requests", "f=tt ft>x, colour=red"),
        ("pd;n=1.2.3.4:5;row=99999", "P/D", "n=1.2.3.4:5, row=99999"),
        ("timeline;track=none;range=x;marks=A", "Timeline", "track=none, range=x, marks=A"),
        ("overview;row=none", "Overview", "row=none"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence_and_the_rest_is_shown(text, pane, said, asked):
    async def opened():
        async with standing(replace(asked["demo"], at=parse_view(text)), (), LARGE, CAPS) as (app, _pilot):
            return app._said, app.current.TITLE, app.view()

    told, title, view = asyncio.run(opened())
    assert title == pane
    wanted = "not in this pane of this profile: {parts}; the rest is shown"
    assert told == (wanted.format(parts=said) if said else "")
    if text.startswith("dp;d=dp5"):
        assert (view.parts["d"], view.parts["m"]) == ("mindie-server-d0/dp5", "batch_size")
    if text.startswith("requests"):
        assert view.parts["o"] == "-ttft"


def test_compare_without_a_baseline_says_what_it_needs(asked):
    async def opened():
        async with standing(replace(asked["demo"], at=View("compare")), (), SMALL, CAPS) as (app, _pilot):
            return app._said, app.current.TITLE

    assert asyncio.run(opened()) == ("Compare needs a baseline: --baseline BEFORE", "Overview")


def test_of_a_pane_that_stands_only_what_is_named_changes(asked):
    async def shown():
        async with standing(asked["demo"], ("2", "plus", "c"), SMALL, CAPS) as (app, pilot):
            before = app.view()
            app.show_view(parse_view("dp;m=waiting"))
            await settled(app, pilot)
            return before, app.view()

    before, after = asyncio.run(shown())
    assert {**before.parts, "m": "waiting"} == dict(after.parts)


def test_a_click_on_line_1_gives_the_line(asked):
    async def clicked():
        async with standing(asked["demo"], ("3",), SMALL, CAPS) as (app, pilot):
            await pilot.click("#top", offset=(3, 0))
            await settled(app, pilot)
            return app.screen._text.plain

    path = asked["demo"].path
    assert asyncio.run(clicked()).startswith(f"lbtui {shlex.quote(str(path))} --at 'pd;")


def test_the_options_that_shape_what_is_shown_are_told_with_absolute_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    typed = ["x", "--baseline", "before", "--slo", "e2e=20000,ttft=500.25", "--capture", "all", "--ascii"]
    typed += ["--expert-mib", ".0000001", "--config", "a b/c.toml", "--watch"]
    options = parser().parse_args(typed)
    wanted = ["--baseline", f"{tmp_path}/before", "--config", f"{tmp_path}/a b/c.toml", "--capture", "all"]
    wanted += ["--slo", "ttft=500.25,e2e=20000", "--expert-mib", "0.0000001"]
    assert list(_given(options)) == wanted
    again = parser().parse_args(["x", *wanted])
    assert (again.slo, again.expert_mib) == (options.slo, options.expert_mib)


@pytest.mark.parametrize(
    ("typed", "why"), [(["--at", "dq"], "not dq"), (["--at", "dp", "--json"], "--at is of the screen")]
)
def test_what_is_no_view_or_has_no_screen_is_wrong_usage(typed, why, capsys):
    with pytest.raises(SystemExit) as left:
        main(["--demo", *typed])
    assert left.value.code == USAGE
    assert why in capsys.readouterr().err


def test_the_manual_tells_every_name_as_it_is_meant():
    text = text_of("links")
    for name, meaning in MEANINGS.items():
        assert f"| `{name}` | {meaning} |" in text
    for example in [line for line in text.splitlines() if line.startswith("lbtui ")]:
        options = parser().parse_args(shlex.split(example)[1:])
        assert isinstance(options.at, View)
        assert {*options.at.parts, *options.at.inner} <= MEANINGS.keys()
        assert options.demo or options.path == Path("/data/run7/output")
