"""What-if: what it shows is what the analysis says, and every key asks what it should."""

import re
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbtui.analysis.eplb.price import Worth
from lbtui.analysis.eplb.price_words import verdict_words
from lbtui.analysis.eplb.recommended import recommended
from lbtui.analysis.eplb.recorded import recorded
from lbtui.analysis.eplb.what_if import Settings, curve, what_if
from lbtui.profile import PlacementFile
from lbtui.render.canvas import Canvas
from lbtui.render.text import plain
from lbtui.ui.panes.what_if import state as states
from lbtui.ui.panes.what_if.view import what_if_rows
from lbtui.ui.panes.what_if.words import verdict_sentences
from tests.analysis.eplb.made import series, skewed
from tests.bench.eplb_loads import cases
from tests.render.strategies import ALL_CAPS, check
from tests.ui.test_ep_view import CAPS

BIG = (140, 40)


@lru_cache
def began():
    return states.begin([skewed()])


def answered(state):
    return replace(state, outcome=states.answer(state.data, state.settings))


def text(state, size=BIG, caps=CAPS):
    return plain(what_if_rows("What-if", state, Canvas(*size, caps)))


def test_before_and_after_are_those_of_the_analysis():
    state = answered(replace(began(), settings=Settings("global", 8, 8, expert_mib=10)))
    found = what_if(recorded([skewed()]), Settings("global", 8, 8))
    drawn = text(state)
    for name, judged in (("held out (64)", found.held_out), ("fitted on (63)", found.fitted)):
        line = next(line for line in drawn.splitlines() if line.startswith(name))
        assert f"{judged.before.mean():.2f} → {judged.after.mean():.2f}" in line
        worst = [(pars.max(), pars.argmax()) for pars in (judged.before, judged.after)]
        assert " → ".join(f"{par:.2f} ({layer})" for par, layer in worst) in line
        waiting = [100 * (1 - 1 / pars).mean() for pars in (judged.before, judged.after)]
        assert "{:.0f} → {:.0f} %".format(*waiting) in line
    assert f"9 slots a rank and layer · {found.moved.sum():,} of {26 * 72:,} experts to move" in drawn
    assert f"copies for {len(found.replicated)} experts: {found.replicated[0].expert} (" in drawn


@pytest.mark.parametrize("caps", ALL_CAPS)
def test_figures_end_where_their_titles_do(caps):
    state = answered(replace(began(), settings=Settings("global", 8, 8)))
    lines = text(state, caps=caps).splitlines()
    title = next(place for place, line in enumerate(lines) if "PAR worst (layer)" in line)
    assert len({len(line.rstrip()) for line in lines[title : title + 3]}) == 1


@pytest.mark.parametrize("width", [80, 97, 140, 200, 400])
def test_copies_that_have_no_room_are_counted(width):
    state = answered(replace(began(), settings=Settings("global", 56, 8)))
    replicated = state.outcome.found.replicated
    said = " ".join(text(state, (width, 50)).split()).partition(f"copies for {len(replicated)} experts: ")[2]
    said = said.partition(" PAR held out")[0]
    listed = re.findall(r"(\d+) \(\d+ layers(?:, up to \d+)?\)", said)
    assert [int(expert) for expert in listed] == [r.expert for r in replicated[: len(listed)]]
    rest = re.search(r", (\d+) more$", said)
    assert len(listed) + (int(rest[1]) if rest else 0) == len(replicated)
    assert len(listed) > 1


def curve_of(drawn):
    """Return the cells of the list by redundant experts, the placement in use first."""
    lines = [line[: BIG[0] // 2].split() for line in drawn.splitlines()]
    head = next(i for i, line in enumerate(lines) if line[:3] == ["R", "slots", "a"])
    return lines[head + 1 :]


def test_the_curve_shows_par_and_memory_of_every_possible_number():
    state = answered(replace(began(), settings=Settings("global", 8, 8, expert_mib=10)))
    points = curve(recorded([skewed()]), Settings("global", 8, 8, expert_mib=10))
    in_use, *rows = curve_of(text(state))
    before = state.outcome.found.held_out.before
    assert in_use[:2] == ["in", "use"]
    values = [float(cell) for cell in in_use[2:4]]
    assert values == pytest.approx([before.mean(), before.max()], abs=0.006)
    for point, row in zip(points, rows[: len(points)], strict=True):
        shown = [float(cell.replace(",", "").strip("+")) for cell in row if re.match(r"[+\d]", cell)][:5]
        expected = [point.redundant, point.extra_slots, point.mib, *point.held_out]
        assert shown == pytest.approx(expected, abs=0.006)
    assert points[1].mib == 260
    # What a size is needed for has no column without one.
    unknown = answered(replace(began(), settings=Settings("global", 8, 8)))
    assert "MiB" not in text(unknown)


def test_the_recommended_number_is_where_it_begins_and_is_marked():
    state = states.begin([stacked()])
    point = recommended(curve(recorded([stacked()]), Settings("global", 0, 4)))
    assert point.redundant > 0
    assert state.settings == Settings("global", point.redundant, 4)
    assert not state.busy
    drawn = text(state)
    marked = [row for row in curve_of(drawn) if row[-1:] == ["recommended"]]
    assert [row[:2] for row in marked] == [["●", str(point.redundant)]]
    said = " ".join(drawn.split())
    before, after = state.outcome.found.held_out.before.max(), point.held_out[1]
    assert f"It brings the worst layer from PAR {before:.2f} (layer 0) to {after:.2f} (layer 0)" in said
    assert f"R = {point.redundant} is recommended" in said
    other = answered(states.more_redundant(state, -1))
    assert other.settings != state.settings
    assert states.at_recommended(other).settings == state.settings
    # A placement that has its number has none to recommend.
    in_use = answered(states.next_policy(states.next_policy(state)))
    assert states.at_recommended(in_use) == in_use
    assert "is recommended" not in text(in_use)


def stacked():
    """Return eight experts on four ranks of which one gets 40 % of all tokens."""
    return series([[[40, 12, 8, 6, 12, 9, 8, 5]]] * 4, 4, placements=[[list(range(8))]])


def test_a_placement_that_makes_the_worst_layer_worse_says_so():
    # Experts 0 and 1 share a rank in the second half's order of heat: what was packed for the first is worse.
    halves = [[[40, 10, 30, 20]]] * 2 + [[[10, 40, 40, 10]]] * 2
    state = answered(states.begin([series(halves, 2, placements=[[[0, 1, 2, 3]]])]))
    state = answered(replace(state, settings=Settings("global", 0, 2)))
    # Packed for 40, 10, 30, 20: experts 0 and 1 to one rank, 2 and 3 to the other. As in use.
    assert "It leaves the worst layer at PAR 1.00 (layer 0)" in text(state)
    worse = series([[[40, 30, 20, 10]]] * 2 + [[[40, 10, 10, 40]]] * 2, 2, placements=[[[0, 1, 2, 3]]])
    state = answered(replace(states.begin([worse]), settings=Settings("global", 0, 2)))
    # Packed for 40, 30, 20, 10: experts 0 and 3 to one rank, which then get 80 of 100.
    said = " ".join(text(state).split())
    assert "makes the worst layer worse: PAR 1.00 (layer 0) becomes 1.60 (layer 0)" in said
    assert "No gain: no R up to 64 lowers the worst layer, 1.00, by 2 % or more" in said
    assert "●" not in text(state)


def held_of(found, layer):
    return f"{found.held_out.before[layer]:.2f}"


def test_layers_are_listed_with_the_worst_first_and_the_cursor_is_read():
    state = answered(replace(began(), settings=Settings("global", 8, 8)))
    found = state.outcome.found
    order = np.argsort(-found.held_out.before, kind="stable")

    def rows(shown):
        listed = text(shown).partition("to move")[2]
        return re.findall(r" (\d+) +(\d\.\d\d) +(\d\.\d\d) +(\d\.\d\d) +(\d+)(?: |$)", listed)

    for place, (layer, before, after, fitted, moved) in enumerate(rows(state)[:10]):
        assert int(layer) == order[place]
        values = [float(before), float(after), float(fitted), int(moved)]
        own = [found.held_out.before, found.held_out.after, found.fitted.after, found.moved]
        assert values == pytest.approx([pars[order[place]] for pars in own], abs=0.006)
    layer = order[3]
    pars = [found.held_out.before, found.held_out.after, found.fitted.before, found.fitted.after]
    held, after, fitted, fitted_after = (f"{each[layer]:.2f}" for each in pars)
    reading = text(states.scrolled(state, 3)).splitlines()[-1]
    assert reading.startswith(
        f"layer {layer} · held out PAR {held} → {after} · fitted on {fitted} → {fitted_after}"
    )
    assert f"{found.moved[layer]} of 72 to move" in reading
    # The cursor stays in sight.
    small = text(states.scrolled(state, 20), (80, 24))
    assert re.search(rf" {order[20]} +{held_of(found, order[20])}", small)
    assert states.scrolled(state, -5).place == 0
    assert states.scrolled(state, 99).place == 25


@lru_cache
def judged():
    """Return a state with a verdict: a skew that stays, a price that is known."""
    case = next(cases(1, "skew_cheap"))
    return states.begin([case.series], None, (case.service, Worth(0.01, 0.05)), case.offer)


@pytest.mark.parametrize("size", [(80, 21), (120, 30), (200, 60)])
def test_the_last_lines_say_whether_it_is_worth_a_trial(size):
    state = judged()
    said = verdict_words(state.outcome.evidence, state.outcome.verdict)
    assert said.startswith(f"Worth a trial: R = {state.settings.redundant} (DeepSeek's EPLB, global) saves ")
    lines = text(state, size).splitlines()
    assert said in " ".join(lines[-5:-1])
    drawn = " ".join(" ".join(lines).split())
    details = verdict_sentences(state.outcome)[1:]
    assert len(details) == 6
    assert all(each in drawn for each in details) == (size == (200, 60))


def test_a_verdict_too_long_for_a_low_screen_is_cut_and_the_page_has_it_whole():
    lines = text(judged(), (40, 9)).splitlines()
    assert lines[-2].startswith("Worth a trial: R = ")
    assert lines[-2].endswith("…")
    assert verdict_sentences(judged().outcome)[0].endswith("while experts move.")


def test_size_and_link_change_the_price_and_are_asked_for():
    state = judged()
    slower = states.with_link(state, " 1 ")
    assert slower.settings.link_gbps == 1
    outcome = states.answer(slower.data, slower.settings, slower.outcome, slower.about)
    assert outcome.evidence.standstill == pytest.approx(
        state.outcome.evidence.standstill * state.settings.link_gbps
    )
    assert outcome.evidence.gain == state.outcome.evidence.gain
    unknown = states.with_link(state, "")
    outcome = states.answer(unknown.data, unknown.settings, unknown.outcome, unknown.about)
    assert outcome.evidence.standstill is None
    assert "--link-gbps" in " ".join(verdict_sentences(outcome))
    assert states.link_problem("200") is None
    assert states.link_problem("fast") == "Gbit/s are needed, e.g. 200, or nothing."


def test_the_placement_in_use_has_no_verdict():
    state = states.next_policy(states.next_policy(judged()))
    assert state.settings.policy == "in use"
    outcome = states.answer(state.data, state.settings, None, state.about)
    assert outcome.verdict is None
    assert verdict_sentences(outcome) == []


def test_limits_and_the_check_are_on_the_page():
    state = answered(replace(began(), settings=Settings("global", 0, 8)))
    drawn = " ".join(text(state).split())
    assert "not what sending them costs" in drawn
    assert "8 or fewer experts a die" in drawn
    # Rank 0 is hot whichever experts it holds.
    tokens = [[[90, 90, 10, 10]], [[90, 90, 10, 10]], [[90, 90, 10, 10]]]
    stays = series(tokens, 2, period=[0, 1, 1], placements=[[[0, 1, 2, 3]], [[2, 3, 0, 1]]])
    assert "No such gain is to be expected" in " ".join(text(answered(states.begin([stays]))).split())


def test_impossible_settings_show_their_sentence():
    state = answered(replace(began(), settings=Settings("hierarchical", 0, 8, nodes=3, groups=8)))
    assert "8 ranks cannot be shared evenly by 3 nodes." in text(state)
    nothing = states.begin([])
    assert nothing.data is None
    assert "no expert heat by iteration" in text(nothing)


def test_keys_change_the_question():
    state = began()
    assert state.settings == Settings(
        "global", recommended(curve(state.data, Settings("global", 0, 8))).redundant, 8
    )
    assert not state.busy
    none = replace(state, settings=replace(state.settings, redundant=0))
    assert none.busy
    assert states.more_redundant(none, -1) == none
    more = states.more_redundant(none, 1)
    assert more.settings.redundant == 8
    assert states.more_redundant(more, -1).settings.redundant == 0
    for _press in range(9):
        more = states.more_redundant(more, 1)
    assert more.settings.redundant == 80
    policies = [state.settings.policy]
    for _press in range(3):
        state = states.next_policy(state)
        policies.append(state.settings.policy)
    assert policies == ["global", "hierarchical", "in use", "global"]
    ranks = states.with_number(none, "ranks", 10)
    assert (ranks.settings.ranks, ranks.settings.redundant) == (10, 6)
    in_use = states.next_policy(states.next_policy(began()))
    assert states.with_number(in_use, "ranks", 4).settings.policy == "global"
    assert states.with_number(began(), "nodes", 2).settings.nodes == 2
    assert states.with_size(began(), " 44.5 ").settings.expert_mib == 44.5
    assert states.with_size(began(), "").settings.expert_mib is None
    assert not answered(began()).busy


@pytest.mark.parametrize(
    ("typed", "fine"), [("16", True), (" 2 ", True), ("", False), ("-1", False), ("1e3", False), ("²", False)]
)
def test_only_whole_numbers_are_taken(typed, fine):
    assert (states.number_problem(typed) is None) == fine


@pytest.mark.parametrize(
    ("typed", "fine"),
    [("44.5", True), ("", True), ("nan", False), ("-1", False), ("inf", False), ("x", False)],
)
def test_only_sizes_are_taken(typed, fine):
    assert (states.size_problem(typed) is None) == fine


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 200),
    st.integers(1, 50),
    st.sampled_from(ALL_CAPS),
    st.sampled_from(["began", "answered", "impossible", "nothing", "judged"]),
)
def test_rows_are_exact_in_every_size(width, height, caps, kind):
    state = {
        "began": began,
        "answered": lambda: _answer(Settings("global", 8, 8, expert_mib=44)),
        "impossible": lambda: _answer(Settings("global", 3, 8)),
        "nothing": lambda: states.begin([]),
        "judged": judged,
    }[kind]()
    check(what_if_rows("What-if\x1b[31m", state, Canvas(width, height, caps)), width, caps, height)


@lru_cache
def _answer(wanted):
    return answered(replace(began(), settings=wanted))


def test_a_placement_file_is_the_first_question():
    state = states.begin(
        [skewed()], PlacementFile("map.json", np.tile(np.arange(64).reshape(8, 8), (26, 1, 1)))
    )
    assert state.settings == Settings("file", 0, 8)
    drawn = text(answered(state))
    assert "the placement file · R = 0 redundant experts for 64" in drawn
    assert "0 of 1,664 experts to move" in drawn
    assert states.next_policy(state).settings.policy == "in use"
    assert states.with_number(state, "ranks", 16).settings == Settings("global", 0, 16)
