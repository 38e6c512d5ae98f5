"""The What-if page: what it shows is what the analysis says, and every key asks what it should."""

import re
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbtui.analysis.eplb.recorded import recorded
from lbtui.analysis.eplb.what_if import Settings, curve, what_if
from lbtui.profile import PlacementFile
from lbtui.render.text import plain
from lbtui.ui.panes.what_if import state as states
from lbtui.ui.panes.what_if.view import what_if_rows
from tests.analysis.eplb.made import real, series
from tests.render.strategies import ALL_CAPS, check
from tests.ui.test_ep_view import CAPS

BIG = (140, 40)


@lru_cache
def began():
    return states.begin([real()])


def answered(state):
    return replace(state, outcome=states.answer(state.data, state.settings))


def text(state, size=BIG):
    return plain(what_if_rows("What-if", state, *size, CAPS))


def test_before_and_after_are_those_of_the_analysis():
    state = answered(replace(began(), settings=Settings("global", 8, 8, expert_mib=10)))
    found = what_if(recorded([real()]), Settings("global", 8, 8))
    drawn = text(state)
    for name, judged, count in (("held out", found.held_out, 64), ("fitted on", found.fitted, 63)):
        line = next(line for line in drawn.splitlines() if line.startswith(name))
        assert f"{count} it." in line
        assert f"{judged.before.mean():.2f} → {judged.after.mean():.2f}" in line
        worst = [(pars.max(), pars.argmax()) for pars in (judged.before, judged.after)]
        assert " → ".join(f"{par:.2f} ({layer})" for par, layer in worst) in line
        waiting = [100 * (1 - 1 / pars).mean() for pars in (judged.before, judged.after)]
        assert "{:.0f} % → {:.0f} %".format(*waiting) in line
    assert f"9 slots a rank and layer · {found.moved.sum():,} of {26 * 72:,} experts to move" in drawn
    assert f"copies for {len(found.replicated)} experts: {found.replicated[0].expert} (" in drawn


@pytest.mark.parametrize("caps", ALL_CAPS)
def test_figures_end_where_their_titles_do(caps):
    state = answered(replace(began(), settings=Settings("global", 8, 8)))
    lines = plain(what_if_rows("What-if", state, *BIG, caps)).splitlines()
    title = next(place for place, line in enumerate(lines) if "PAR worst layer" in line)
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


def test_the_curve_shows_par_and_memory_of_every_possible_number():
    state = answered(replace(began(), settings=Settings("global", 8, 8, expert_mib=10)))
    points = curve(recorded([real()]), Settings("global", 8, 8, expert_mib=10))
    lines = text(state).splitlines()
    head = next(i for i, line in enumerate(lines) if line.split()[:3] == ["R", "+a", "rank"])
    for point, line in zip(points, lines[head + 1 :], strict=False):
        shown = [float(cell.replace(",", "")) for cell in line[:44].split()[:6]]
        expected = [point.redundant, point.extra_slots, point.mib, *point.held_out, point.fitted[0]]
        assert shown == pytest.approx(expected, abs=0.006)
    assert points[1].mib == 260
    unknown = answered(replace(began(), settings=Settings("global", 8, 8)))
    assert text(unknown).splitlines()[head + 1].split()[2] == "–"


def test_layers_are_listed_with_the_worst_first_and_scrolled():
    state = answered(replace(began(), settings=Settings("global", 8, 8)))
    found = state.outcome.found
    order = np.argsort(-found.held_out.before, kind="stable")

    def rows(shown):
        return re.findall(r" (\d+) +([\d.]+) → +([\d.]+) +([\d.]+)(?: |$)", text(shown))

    for place, (layer, before, after, fitted) in enumerate(rows(state)[:10]):
        assert int(layer) == order[place]
        values = [float(before), float(after), float(fitted)]
        own = [found.held_out.before, found.held_out.after, found.fitted.after]
        assert values == pytest.approx([pars[order[place]] for pars in own], abs=0.006)
    assert int(rows(states.scrolled(state, 3))[0][0]) == order[3]
    assert states.scrolled(state, -5).first == 0
    assert states.scrolled(state, 99).first == 25


def test_limits_and_the_check_are_on_the_page():
    state = answered(replace(began(), settings=Settings("global", 0, 8)))
    drawn = " ".join(text(state).split())
    assert "not what moving experts and sending tokens" in drawn
    assert "8 or fewer experts a die" in drawn
    # Rank 0 is hot whichever experts it holds.
    tokens = [[[90, 90, 10, 10]], [[90, 90, 10, 10]], [[90, 90, 10, 10]]]
    stays = series(tokens, 2, period=[0, 1, 1], placements=[[[0, 1, 2, 3]], [[2, 3, 0, 1]]])
    assert "Expect no such gain" in " ".join(text(answered(states.begin([stays]))).split())


def test_impossible_settings_show_their_sentence():
    state = answered(replace(began(), settings=Settings("hierarchical", 0, 8, nodes=3, groups=8)))
    assert "8 ranks cannot be shared evenly by 3 nodes." in text(state)
    nothing = states.begin([])
    assert nothing.data is None
    assert "no expert heat by iteration" in text(nothing)


def test_keys_change_the_question():
    state = began()
    assert state.settings == Settings("global", 0, 8)
    assert state.busy
    more = states.more_redundant(state, 1)
    assert more.settings.redundant == 8
    assert states.more_redundant(more, -1).settings.redundant == 0
    assert states.more_redundant(state, -1) == state
    for _press in range(9):
        more = states.more_redundant(more, 1)
    assert more.settings.redundant == 80
    policies = [state.settings.policy]
    for _press in range(3):
        state = states.next_policy(state)
        policies.append(state.settings.policy)
    assert policies == ["global", "hierarchical", "in use", "global"]
    ranks = states.with_number(began(), "ranks", 10)
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
    st.sampled_from(["began", "answered", "impossible", "nothing"]),
)
def test_rows_are_exact_in_every_size(width, height, caps, kind):
    state = {
        "began": began,
        "answered": lambda: _answer(Settings("global", 8, 8, expert_mib=44)),
        "impossible": lambda: _answer(Settings("global", 3, 8)),
        "nothing": lambda: states.begin([]),
    }[kind]()
    check(what_if_rows("What-if\x1b[31m", state, width, height, caps), width, caps, height)


@lru_cache
def _answer(wanted):
    return answered(replace(began(), settings=wanted))


def test_a_placement_file_is_the_first_question():
    state = states.begin(
        [real()], PlacementFile("map.json", np.tile(np.arange(64).reshape(8, 8), (26, 1, 1)))
    )
    assert state.settings == Settings("file", 0, 8)
    drawn = text(answered(state))
    assert "policy of the placement file · 0 redundant for 64 experts" in drawn
    assert "0 of 1,664 experts to move" in drawn
    assert states.next_policy(state).settings.policy == "in use"
    assert states.with_number(state, "ranks", 16).settings == Settings("global", 0, 16)
