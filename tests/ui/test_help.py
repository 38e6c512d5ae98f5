"""`?`: how to read the pane in five sentences, its keys, then every number on it."""

import asyncio
import re
from pathlib import Path

import pytest

import lbtui
from lbtui.analysis.data_parallel import METRICS
from lbtui.analysis.prefill_decode import COUNTS
from lbtui.keymap import printed
from lbtui.manual import glossary, introduction
from lbtui.overview.run import overview
from lbtui.render.capabilities import Capabilities
from lbtui.sources import open_profile
from lbtui.ui.app import LbtuiApp
from lbtui.ui.kit.keys import families_first
from lbtui.ui.opening import Asked
from lbtui.ui.panes.compare.words import VERDICTS
from lbtui.ui.panes.ep.words import VIEW_TITLES
from lbtui.ui.panes.order import with_comparison
from lbtui.ui.panes.pd.state import count_word
from lbtui.ui.panes.replay.kept import Kept
from lbtui.ui.panes.replay.pane import RatioPane, RoutingPane
from lbtui.ui.panes.requests.columns import COLUMNS
from lbtui.ui.panes.requests.targets.pane import TargetsPane
from lbtui.ui.panes.runs.pane import RunsPane
from lbtui.ui.panes.sql.pane import SqlPane
from lbtui.ui.panes.what_if.pane import WhatIfPane
from tests.terminal.driven import press, screen_text
from tests.tools.driving import settled

DATA = Path(__file__).parents[1] / "data"
DEMO = Path(lbtui.__file__).parent / "demo" / "output"
EVERY = (*with_comparison(), WhatIfPane, RoutingPane, RatioPane, TargetsPane, SqlPane, RunsPane)
SPREAD = ["mean", "p50", "p90", "p95", "p99", "max"]
REPLAYED = [
    *("difference", "90 % interval", "no difference", "better", "worse", "throughput"),
    *("self-test", "recorded", "replayed", "off", "steps −2 %", "+2 %", "holds", "fails", "fitted"),
    *("PAR of running requests", "end to end p50", "end to end p95", "as recorded", "assumed"),
]
# What stands above, in every pane: the first line, and what lanes are made of.
ABOVE = ["DP 2+8", "P 2", "D 4", "EP 16 ranks × 17 × 58 layers", "notes", "window", "1 column", "period"]
# The names of the figures of each pane, in its headings, state line and reading line.
FIGURES = {
    "Overview": lambda: [
        *(line.label for line in overview(open_profile(DEMO)).lines),
        *("cost", "metric", "evidence", "chance", "PAR", "p95", "no imbalance found"),
    ],
    "DP": lambda: [
        *(metric.label for metric in METRICS),
        *(
            "at cursor",
            "mean",
            "p5",
            "p95",
            "min",
            "max",
            "× mean",
            "PAR",
            "chance",
            "PAR over lanes",
            "round",
        ),
    ],
    "P/D": lambda: [
        *map(count_word, COUNTS),
        *("sum", "total", "max", "share", "× mean", "PAR", "chance alone", "even dispatch"),
        *("n", "mean", "p50", "p95", "of whole", "× median", "hand-off", "KV pull"),
    ],
    "EP": lambda: [
        *VIEW_TITLES.values(),
        *("share", "× mean", "tokens", "PAR", "PAR mean", "PAR max", "balance", "colour scale", "iteration"),
    ],
    "Requests": lambda: [
        *(re.sub(" (ms|%)$", "", column.title) for column in COLUMNS),
        *("waiting", "running", "swapped", "n", *SPREAD, "distribution", "peak", "order", "speculation"),
    ],
    "Compare": lambda: [
        *("before", "after", "difference", "95 % interval", "effect", "verdict", "PAR"),
        *VERDICTS.values(),
    ],
    "Targets": lambda: [
        *("met", "95 % interval", "goodput", "unknown", "DP domain", "P node", "D node", "input tokens"),
        *("targets", "distribution", "scatter"),
    ],
    "Timeline": lambda: [
        *("track", "slice", "event", "busy", "slices", "longest", "bubble", "a sample", "~", "following"),
        *("step", "queue", "shifted", "count", "total", "mean", "p95", "share"),
    ],
    "What-if: routing": lambda: [
        *("policy", "PAR", "TTFT p50", "TTFT p95", "TPOT p50", "TPOT p95", "goodput", *REPLAYED),
    ],
    "What-if: P:D ratio": lambda: [
        *("P:D", "nodes", "goodput per node", "per node", "best", "knee", *REPLAYED),
    ],
    "SQL": lambda: ["the table", "notes"],
    "Runs": lambda: [
        *("the table", "oldest → newest", "PAR batch", "chance", "vs baseline", "worst finding", "filter"),
        *("trend", "step", "drift", "level found", "sweep", "front", *VERDICTS.values()),
        *("PAR", "TTFT", "TPOT"),
    ],
    "What-if": lambda: [
        *("PAR mean", "PAR worst", "waiting", "R", "recommended R", "policy", "experts to move", "copies"),
    ],
}


def names(text):
    """Return the names in the head of an entry, each as it may stand in a heading."""
    parts = re.sub(r"\(.*?\)", "", text).rpartition(": ")[2].split(", ")
    return {part.strip().lower() for part in parts}


def run(scenario, size, path=DEMO, baseline=None):
    async def whole():
        app = LbtuiApp(Asked(path, baseline=baseline), Capabilities("256"))
        async with app.run_test(size=size) as pilot:
            await settled(app, pilot)
            await scenario(app, pilot)

    asyncio.run(whole())


@pytest.mark.parametrize("pane", EVERY, ids=lambda pane: pane.TITLE)
def test_five_plain_sentences_tell_how_to_read_a_pane(pane):
    text = introduction(pane.TITLE)
    assert len(re.findall(r"\.(?= |$)", text)) == 5, text
    assert "`" not in text
    assert len(text) < 680


def test_every_figure_of_every_pane_has_its_entry():
    words = {name for word, _text in glossary() for name in names(word)}
    missing = {}

    async def scenario(app, pilot):
        panes = [
            *app.panes.values(),
            WhatIfPane(app.profile, app.caps, "", ()),
            RoutingPane(app.profile, app.caps, Kept()),
            RatioPane(app.profile, app.caps, Kept()),
            TargetsPane(app.profile, app.caps, None, "table"),
            SqlPane(app.profile, app.caps, None),
            RunsPane(app.profile, app.caps, DATA, ()),
        ]
        assert {pane.TITLE for pane in panes} == FIGURES.keys()
        await press(app, pilot, "4")
        for pane in panes:
            known = {name for entry in pane.help_entries() for name in names(entry.name)} | words
            wanted = [*FIGURES[pane.TITLE](), *ABOVE]
            missing[pane.TITLE] = [name for name in wanted if name.lower() not in known]

    run(scenario, (120, 32), path=DATA / "pd_ep", baseline=DATA / "pd_ep")
    assert missing == {title: [] for title in FIGURES}


def test_the_glossary_says_every_word_once():
    every = [name for word, _text in glossary() for name in sorted(names(word))]
    assert len(every) > 50
    assert len(every) == len(set(every))
    for word in ("par", "chance", "ttft", "tpot", "step", "round", "period", "dp 2+8"):
        assert word in every
    assert all(text.endswith(".") and "\n" not in text for _word, text in glossary())


def test_at_80_by_24_sentences_and_first_keys_stand_on_the_first_page():
    async def scenario(app, pilot):
        for pane in app.panes.values():
            await press(app, pilot, pane.KEY, "question_mark")
            # Without the bar that scrolls.
            page = "\n".join(line[:-2] for line in screen_text(app).splitlines())
            flowing = " ".join(page.split())
            assert introduction(pane.TITLE) in flowing, pane.TITLE
            first = families_first(pane.BINDINGS)[:8]
            lines = [line.strip() for line in page.splitlines()]
            for binding in first:
                assert any(line.startswith(printed(binding.key)) for line in lines), (pane.TITLE, binding.key)
            await press(app, pilot, "escape")

    run(scenario, (80, 24))
