"""What-ifs by replay as rows: what they show is what the replay says, in every size."""

import pytest

from lbtui.findings.replay import words
from lbtui.findings.replay.what_if import (
    Prepared,
    RatioAnswer,
    Routing,
    prepared,
    ratio_answer_of,
    routing_of,
)
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities
from lbtui.render.text import plain
from lbtui.sources import open_profile
from lbtui.ui.panes.replay import state as states
from lbtui.ui.panes.replay.ratio import ratio_sheet
from lbtui.ui.panes.replay.routing import routing_sheet
from lbtui.ui.panes.replay.state import RATIO, ROUTING, ReplayState
from lbtui.ui.panes.replay.view import draw, page_parts, placed
from tests.render.strategies import check
from tests.sources.engines import unpacked
from tests.tools.screens import PREFILLING, QUEUEING, targets

COLOUR, GREY, ASCII = Capabilities("256"), Capabilities("none"), Capabilities("none", unicode=False)


@pytest.fixture(scope="module")
def routing():
    return routing_of(prepared(open_profile(QUEUEING), targets(500, 60)))


@pytest.fixture(scope="module")
def ratio(tmp_path_factory):
    folder = unpacked(PREFILLING, tmp_path_factory.mktemp("raw") / "PROF_DIR")
    return ratio_answer_of(prepared(open_profile(folder), targets(600, 40)))


def policies(found, state, size=(200, 47), caps=GREY):
    return plain(draw(routing_sheet(found, "133 requests", state, caps), Canvas(*size, caps)))


def shapes(found, state, size=(200, 47), caps=GREY):
    return plain(draw(ratio_sheet(found, "159 requests", state, caps), Canvas(*size, caps)))


def rows_after(text, head):
    """Return the words of the lines of a table, from the one after its heads to the next blank line."""
    lines = text.split("\n")
    first = next(place for place, line in enumerate(lines) if line.startswith(head))
    rest = lines[first + 1 :]
    until = next((place for place, line in enumerate(rest) if not line.strip()), len(rest))
    return rest[:until]


@pytest.mark.parametrize("caps", [COLOUR, GREY, ASCII, Capabilities("truecolor", light=True)])
@pytest.mark.parametrize("size", [(1, 1), (7, 3), (20, 10), (60, 17), (80, 21), (140, 37), (200, 47)])
def test_rows_fill_every_size(routing, ratio, caps, size):
    canvas = Canvas(*size, caps)
    for sheet in (
        routing_sheet(routing, "title \x1b[31m", ReplayState("ttft_p95"), caps),
        ratio_sheet(ratio, "title", ReplayState("per_node", "1:3"), caps),
        routing_sheet(Routing(Prepared(), absent="nothing"), "title", ReplayState("par"), caps),
        ratio_sheet(RatioAnswer(Prepared(), absent="nothing"), "title", ReplayState("per_node"), caps),
    ):
        check(draw(sheet, canvas), size[0], caps, size[1])


@pytest.mark.parametrize("measure", ROUTING)
def test_a_row_a_policy_by_each_figure_best_first(routing, measure):
    text = policies(routing, ReplayState(measure))
    assert words.routing_sentences(routing, measure)[0] in text
    rows = rows_after(text, " policy")
    order = words.ranked_policies(routing, measure)
    assert len(rows) == len(order) == 8
    for line, row in zip(rows, order, strict=True):
        assert line.startswith(f" {words.POLICY_LABELS[row.policy]} ")
        for name in ("par", "ttft_p50", "ttft_p95", "tpot_p50", "tpot_p95", "goodput"):
            assert f" {words.figure(name, row.answer.figures[name])} " in line + " "
        if row.policy != "recorded":
            assert words.interval_words(measure, row.answer.differences[measure]) in line
            verdict = words.verdict_words(row.answer, measure)
            assert (verdict.removesuffix(" beyond chance")) in line


def test_below_stands_every_figure_of_the_policy_under_the_cursor(routing):
    order = words.ranked_policies(routing, "goodput")
    text = policies(routing, states.moved(ReplayState("goodput"), [row.policy for row in order], 2))
    row = order[2]
    assert f" {words.POLICY_LABELS[row.policy]}: every figure, both replayed" in text
    line = next(line for line in text.split("\n") if line.startswith(" end to end p95"))
    found = row.answer.differences["e2e_p95"]
    assert words.figure("e2e_p95", found.value, signed=True) in line
    assert words.interval_words("e2e_p95", found) in line


def test_the_cursor_stays_on_its_policy_when_another_figure_is_ranked_by(routing):
    names = [row.policy for row in words.ranked_policies(routing, "goodput")]
    state = states.moved(ReplayState("goodput"), names, 3)
    further = states.next_measure(state, ROUTING)
    assert (further.chosen, further.measure) == (names[3], "par")
    assert states.moved(state, names, 99).chosen == names[-1]
    assert states.moved(state, names, -99).chosen == names[0]
    assert states.moved(state, [], 1) == state


def test_the_self_test_stands_beside_it_or_in_a_sentence(routing, ratio):
    for text in (policies(routing, ReplayState("par")), shapes(ratio, ReplayState("per_node"))):
        assert "Self-test: the recording replayed" in text
    test = routing.prepared.test
    lines = policies(routing, ReplayState("par")).split("\n")
    for row in test.rows:
        wanted = f"{words.figure(row.name, row.replayed)}"
        assert any(wanted in line and words.off_words(row) in line for line in lines)
    small = policies(routing, ReplayState("par"), (80, 21))
    assert "Self-test holds" in small
    assert "Self-test: the recording replayed" not in small


def test_a_failing_self_test_is_all_there_is(routing):
    bad = Routing(routing.prepared, absent="it does not give what was recorded")
    text = policies(bad, ReplayState("par"), (120, 30))
    assert "policy" not in text.split("Self-test")[0]
    assert "every figure" not in text


def test_a_row_a_ratio_with_its_goodput_per_node_at_each_load(ratio):
    text = shapes(ratio, ReplayState("per_node"))
    rows = rows_after(text, " P:D")
    order = ratio.ratio.at(1.0)
    assert len(rows) == len(order) == 9
    for line, row in zip(rows, order, strict=True):
        cells = line.split()
        assert cells[:2] == [words.shape_words(row.shape), str(row.shape.nodes)]
        per_node = [words.row_at(ratio.ratio, row.shape, load).per_node for load in (0.5, 1.0, 1.5, 2.0)]
        assert cells[2:6] == [words.figure("goodput", value) for value in per_node]
    best = words.shape_words(ratio.ratio.best().shape)
    assert [line.split()[0] for line in rows if "the best" in line] == [best]
    assert [line.split()[0] for line in rows if "as recorded" in line] == ["2:2"]


@pytest.mark.parametrize("measure", RATIO[1:])
def test_ratios_by_other_figures(ratio, measure):
    rows = rows_after(shapes(ratio, ReplayState(measure)), " P:D")
    values = [row.figures[measure] for row in ratio.ratio.at(1.0)]
    wanted = sorted(values, reverse=measure == "goodput")
    assert [line.split()[3] for line in rows] == [words.figure(measure, value) for value in wanted]


def test_a_long_list_scrolls_with_the_cursor_and_a_click_finds_its_row(routing):
    names = [row.policy for row in words.ranked_policies(routing, "par")]
    canvas = Canvas(80, 12, GREY)
    for place, name in enumerate(names):
        sheet = routing_sheet(routing, "title", ReplayState("par", name), GREY)
        at = placed(sheet, canvas)
        lines = plain(draw(sheet, canvas)).split("\n")
        assert at.first <= place < at.first + at.rows
        assert lines[at.line + place - at.first].startswith(f" {words.POLICY_LABELS[name]} ")


def test_the_page_has_the_figures_the_self_test_and_all_that_is_assumed(routing):
    sheet = routing_sheet(routing, "title", ReplayState("par", "sticky"), GREY)
    parts = page_parts(sheet)
    titles = [title for title, _part in parts if title]
    assert titles == [
        "session-sticky: every figure, both replayed",
        "Self-test: the recording replayed",
        "Assumed",
    ]
    assert {part for _title, part in parts if isinstance(part, str)} >= set(sheet.assumed)


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        *(
            ("2:1:1", True),
            (" 2, 1 .5 ", True),
            ("0 0 1", True),
            ("0:0:0", False),
            ("1:1", False),
            ("", False),
        ),
        *(("1:1:-1", False), ("1:1:nan", False), ("1:1:1e9", False), ("1:1:1:1", False)),
    ],
)
def test_shares_as_they_are_typed(text, fits):
    problem = states.shares_problem(text, 3)
    assert (problem is None) == fits
    if fits:
        assert states.shares_problem(states.shares_words(states.shares_of(text)), 3) is None
    else:
        assert problem == "3 numbers are needed, one a domain, e.g. 2:1:1."
