"""Where an output and its raw profile lie near each other: the choice, the list of files, the page."""

import pytest

from lbtui.render.capabilities import Capabilities
from lbtui.render.text import plain
from lbtui.ui.choosing import Chooser
from lbtui.ui.kit.pages import TextPage
from lbtui.ui.opening import Asked
from tests.sources.engines import output_of, raw_of
from tests.terminal.driven import drive, press

RUN = "vllm_v1_dp2"


@pytest.fixture
def base(tmp_path):
    folder = raw_of(RUN, tmp_path / "a" / "prof").resolve()
    (folder / "output").mkdir()
    output_of(RUN, "csv", folder / "output")
    return folder


def run(asked, scenario):
    drive(Capabilities("256", True), scenario, (80, 24), asked)


def choice(app):
    rows = app.screen.rows(80, 8)
    return [plain([row]).rstrip() for row in rows]


def to_near(app):
    """Return the presses from the first entry down to that of the other reading."""
    entries = app.panes["1"]._contents.entries
    return ["home", *["down"] * next(n for n, entry in enumerate(entries) if entry.near)]


def test_o_leads_from_the_output_to_the_raw_profile_and_back(base):
    async def scenario(app, pilot):
        assert app.profile.path == base / "output"
        await press(app, pilot, "O")
        assert isinstance(app.screen, Chooser)
        assert choice(app) == [
            plain([app.screen.rows(80, 8)[0]]).rstrip(),
            "The raw profile is what was recorded, an output what was made of it. Which?",
            "",
            "> output  (open)",
            "  .  (raw profile)",
            "",
            "",
            "↑↓ move  ⏎ open  Esc back  q quit",
        ]
        assert choice(app)[0].startswith("1 output and 1 raw profile below /")
        await press(app, pilot, "down", "enter")
        assert (app.profile.path, app.profile.raw) == (base, True)
        await press(app, pilot, "O")
        assert choice(app)[3:5] == ["  output", "> .  (raw profile)  (open)"]
        await press(app, pilot, "up", "enter")
        assert (app.profile.path, app.profile.raw) == (base / "output", False)
        # Nobody was asked at first, so Escape does not lead to the choice.
        await press(app, pilot, "escape")
        assert len(app.screen_stack) == 1

    run(Asked(base), scenario)


def test_an_output_that_was_named_opens_without_a_question(base):
    async def scenario(app, pilot):
        assert len(app.screen_stack) == 1
        assert (app.profile.path, app.profile.raw) == (base / "output", False)
        assert plain(app.panes["1"].picture(80, 60)).count("The same run") == 1

    run(Asked(base / "output"), scenario)


def test_of_several_outputs_each_leads_to_the_raw_profile(base):
    (base / "again").mkdir()
    output_of(RUN, "db", base / "again")

    async def scenario(app, pilot):
        assert {"again", "output"} <= {run.name for run in app.many.runs}
        await press(app, pilot, "home")
        while app.current.data.known[app.current._place()].run.name != "output":
            await press(app, pilot, "down")
        await press(app, pilot, "enter")
        assert app.profile.path == base / "output"
        await press(app, pilot, "O")
        assert "  .  (raw profile)" in choice(app)
        await press(app, pilot, "end", "enter")
        assert (app.profile.path, app.profile.raw) == (base, True)
        await press(app, pilot, "R")
        assert (app.profile.path, app.profile.raw) == (base, True)

    run(Asked(base), scenario)


@pytest.mark.parametrize("raw", [True, False])
def test_the_list_of_files_leads_to_a_page_of_the_differences(raw, base):
    async def scenario(app, pilot):
        shown = [line.rstrip() for line in plain(app.panes["1"].picture(80, 70)).splitlines()]
        at = next(n for n, line in enumerate(shown) if "The same run" in line)
        other = "parsed output" if raw else "raw profile"
        assert shown[at + 1].startswith(f"  {other}  /")
        assert shown[at + 2].strip() == "Enter: where the two differ · O opens the other"
        if raw:
            read = next(n for n, line in enumerate(shown) if line.startswith("── Read"))
            assert shown[read + 1].startswith("  raw profile  3 files · 0.30 MB · 1,255 rows · 1 µs")
        await press(app, pilot, *to_near(app))
        assert f"> {other}" in plain(app.panes["1"].picture(80, 24))
        await press(app, pilot, "enter")
        assert isinstance(app.screen, TextPage)
        page = str(app.screen.query_one(".page-text").render())
        assert page == f"output       {base}/output\nraw profile  {base}\n{PAGE}"

    run(Asked(base, raw=raw), scenario)


PAGE = """\

3 quantities differ of 21.
quantity           output  raw profile
KV readings            93          123
TTFT, median    62.405 ms    61.755 ms
TTFT, highest  106.981 ms   107.481 ms

KV readings
  batch.csv has vLLM's KV blocks at the end of rounds, and not what is freed after them.

TTFT, median, TTFT, highest
  An event of several requests is not split: a request has the time of a later one, or none.

The same in both, as exactly as the output tells
quantity                             output      raw profile
forward passes                           93               93
first pass begins           08:00:00.091965  08:00:00.091965
last pass ends              08:00:01.611962  08:00:01.611962
DP domains                                2                2
processes that schedule                   2                2
scheduling rounds                        93               93
tokens scheduled                     12,450           12,450
domains with KV blocks                    2                2
most KV blocks used                      39               39
most KV blocks of a domain            2,000            2,000
highest KV usage                        2 %              2 %
queue samples                            82               82
most requests waiting                     2                2
requests                                 30               30
input tokens                         14,097           14,097
output tokens                           303              303
duration, median                 378.500 ms       378.188 ms
cache hit rates                          30               30
"""


def test_a_reading_that_is_gone_is_told_on_the_page(base):
    async def scenario(app, pilot):
        await press(app, pilot, *to_near(app))
        for file in (base / "output").iterdir():
            file.unlink()
        await press(app, pilot, "enter")
        assert "It could not be read" in str(app.screen.query_one(".page-text").render())
        await press(app, pilot, "escape")
        assert len(app.screen_stack) == 1

    run(Asked(base, raw=True), scenario)
