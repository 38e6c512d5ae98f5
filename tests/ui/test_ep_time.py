"""The EP pane along the iterations: every number against the series' own tokens."""

import re
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities
from lbtui.render.text import plain
from lbtui.sources import open_profile
from lbtui.ui.panes.ep import layout as ep_layout
from lbtui.ui.panes.ep import moment as ep_moment
from lbtui.ui.panes.ep import state as ep_state
from lbtui.ui.panes.ep.data import ep_data
from lbtui.ui.panes.ep.facts import fact_words
from lbtui.ui.panes.ep.help import entries
from lbtui.ui.panes.ep.iterations import columns, ep_over
from lbtui.ui.panes.ep.shown import current_load, current_map, current_scale
from tests.analysis.eplb.made import series
from tests.ep_frames import cells
from tests.render.strategies import ALL_CAPS, check
from tests.ui.test_ep_view import CAPS, DEMO, NARROW, WIDE, at, draw, frames, numbers, text

VIEWS = ("rank", "expert", "model_expert")


@lru_cache
def recorded():
    (only,) = open_profile(DEMO).load_expert_series().series
    return only


@lru_cache
def demo():
    data = ep_data(*frames(DEMO))
    return replace(data, over={data.instances[0]: ep_over(recorded(), 1.3, 4.5)})


def step(state, by, width=80):
    return ep_moment.step(demo(), state, width, by)


def moment(iteration):
    return {"span": (iteration, iteration + 1), "period": int(recorded().period[iteration])}


def tokens_of(first, last):
    return recorded().tokens[first:last].astype(int).sum(axis=0)


def test_stepping_shows_one_iteration_after_another_and_stops_at_both_ends():
    state = ep_state.start(demo())
    seen = []
    for _press in range(12):
        state = step(state, 1)
        seen.append((state.span, state.period))
    count = len(recorded().period)
    spans = [(i, i + 1) for i in range(count)]
    assert list(dict.fromkeys(seen)) == [
        (span, int(p)) for span, p in zip(spans, recorded().period, strict=True)
    ]
    assert step(step(state, -1), -1).span == (count - 3, count - 2)
    assert ep_moment.leave(state).span is None


def test_views_of_processes_have_no_iterations():
    for view in ("times", "intervals"):
        state = replace(ep_state.start(demo()), view=view)
        assert step(state, 1) == state


def test_stepping_begins_in_the_period_that_is_shown():
    state = replace(ep_state.start(demo()), period=1)
    own = np.flatnonzero(recorded().period == 1)
    assert step(state, 1).span == (own[0], own[0] + 1)
    assert step(state, -1).span == (own[-1], own[-1] + 1)
    moved = ep_state.change_period(demo(), step(state, 1), 1)
    assert (moved.period, moved.span) == (2, None)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("iteration", [0, 4, 8])
def test_a_moments_cell_reads_its_own_tokens(view, iteration):
    state = replace(
        at(demo(), view, 20, 5, int(recorded().period[iteration])), span=(iteration, iteration + 1)
    )
    layer = tokens_of(iteration, iteration + 1)[20]
    held = recorded().placements[state.period][20]
    by_column = {
        "rank": layer.reshape(8, 17).sum(axis=1),
        "expert": layer,
        "model_expert": np.bincount(held, weights=layer, minlength=129),
    }[view]
    drawn = text(demo(), state, WIDE)
    reading = drawn.splitlines()[-1]
    share, multiple = numbers(r"· ([\d.e,-]+) % · ([\d.,e-]+)× mean", reading)
    assert share == pytest.approx(100 * by_column[5] / layer.sum(), rel=0.006)
    routed = by_column[:128] if view == "model_expert" else by_column
    assert multiple == pytest.approx(by_column[5] / routed.mean(), rel=0.006)
    assert f"{int(by_column[5]):,} tokens" in reading
    (par,) = numbers(r"PAR ([\d.]+) \(", drawn)
    ranks = layer.reshape(8, 17).sum(axis=1)
    assert par == pytest.approx(ranks.max() / ranks.mean(), abs=0.006)
    assert f"iteration {iteration} · period {state.period}" in drawn.splitlines()[0]


def test_the_figures_under_the_map_are_those_of_the_iteration():
    state = step(step(ep_state.start(demo()), 1), 1)
    ranks = tokens_of(1, 2).reshape(58, 8, 17).sum(axis=2)
    pars = ranks.max(axis=1) / ranks.mean(axis=1)
    for size in (WIDE, (100, 47), (120, 21)):
        line = next(
            line for line in text(demo(), state, size).splitlines() if "iteration 1 · PAR mean" in line
        )
        mean, worst = numbers(r"PAR mean ([\d.]+), max ([\d.]+)", line)
        assert (mean, worst) == (pytest.approx(pars.mean(), abs=0.006), pytest.approx(pars.max(), abs=0.006))
        assert f"(layer {pars.argmax()})" in line
        (ratio,) = numbers(r"balance ([\d.]+)", line)
        assert ratio == pytest.approx(ranks.std(axis=1).mean(), rel=0.006)


def test_the_axis_marks_where_the_table_changed():
    drawn = text(demo(), ep_state.start(demo()), WIDE).splitlines()
    axis = drawn[-2]
    cell = (axis.index("│p2") - axis.index("│p1")) // int((recorded().period == 1).sum())
    first = int(np.flatnonzero(recorded().period == 1)[0])
    assert axis.index("│p1") == ep_layout.GUTTER + first * cell
    lanes = [line[: ep_layout.GUTTER].strip() for line in drawn[-5:-2]]
    assert lanes == ["PAR mean", "PAR max", "balance"]


def lanes_of(size, state=None):
    """Return what each figure under the map is drawn as: the bottom line of its lane."""
    rows = draw(demo(), state or ep_state.start(demo()), size)
    return {name: row for row in rows if (name := plain([row])[: ep_layout.GUTTER].strip()) in LANES}


LANES = ("PAR mean", "PAR max", "balance")


def test_a_value_has_the_same_colour_at_every_width():
    wide = lanes_of(WIDE)
    assert set(wide) == set(LANES)
    for size in (NARROW, (100, 30), (120, 29), (250, 67)):
        for name, row in lanes_of(size).items():
            assert style_at(row, ep_layout.GUTTER) == style_at(wide[name], ep_layout.GUTTER), (size, name)


def style_at(row, x):
    place = 0
    for segment in row:
        place += segment.cell_length
        if x < place:
            return segment.style
    raise AssertionError


def test_the_lanes_never_merge_and_grow_on_a_tall_screen():
    # The iterations are alike: the worst layer's bars are as tall as they get.
    size = (120, 29)
    main = ep_layout.layout(demo(), ep_state.start(demo()), *size).main
    lanes = [plain([row])[:main] for row in lanes_of(size).values()]
    assert "▇" in "".join(lanes)
    assert "█" not in "".join(lanes)
    drawn = text(demo(), ep_state.start(demo()), (250, 67)).splitlines()
    places = [next(y for y, line in enumerate(drawn) if line.strip().startswith(name)) for name in LANES]
    assert np.diff(places).tolist() == [3, 3]


def test_the_balance_has_its_unit():
    assert re.search(r"balance [\d,]+–[\d,]+ tokens", text(demo(), ep_state.start(demo()), WIDE))
    assert re.search(r"balance [\d,.]+ tokens", text(demo(), step(ep_state.start(demo()), 1), WIDE))


def test_running_ends_at_the_last_iteration_with_tokens():
    for width in (40, 137):
        state = ep_state.start(demo())
        for _column in range(9):
            assert ep_moment.goes_on(demo(), state, width)
            state = ep_moment.step(demo(), state, width, 1)
        assert state.span == (8, 9)
        assert tokens_of(8, 9).any()
        assert not ep_moment.goes_on(demo(), state, width)


def test_an_iteration_without_tokens_has_a_tick_and_no_number():
    state = replace(ep_state.start(demo()), span=(9, 10), period=2)
    assert not tokens_of(9, 10).any()
    line = next(line for line in text(demo(), state, WIDE).splitlines() if "iteration 9 · no" in line)
    assert "no tokens" in line


def test_a_click_on_the_figures_goes_there():
    state = ep_state.start(demo())
    view = ep_layout.viewport(demo(), state, None, Canvas(*WIDE, CAPS))
    each = ep_layout.layout(demo(), state, *WIDE).map_width // len(recorded().period)
    clicked = ep_layout.clicked(
        demo(), state, view, ep_layout.GUTTER + each * 4 + 3, WIDE[1] - 4, Canvas(*WIDE, CAPS)
    )
    assert clicked.span == (4, 5)
    assert clicked.period == recorded().period[4]


def test_tokens_are_coloured_by_tokens_of_all_periods():
    state = ep_moment.next_metric(at(demo(), "rank", 3, 2, 1))
    shown = current_map(demo(), state)
    first = np.flatnonzero(recorded().period == 1)
    own = tokens_of(first[0], first[-1] + 1).reshape(58, 8, 17).sum(axis=2)
    assert shown.values.tolist() == own.tolist()
    every = np.concatenate(
        [tokens_of(a, b).reshape(58, 8, 17).sum(axis=2) for a, b in ((0, 3), (3, 6), (6, 10))]
    )
    scale = current_scale(demo(), state)
    assert scale.high == pytest.approx(np.quantile(every, 0.995))
    drawn = text(demo(), state, WIDE)
    assert "tokens, all periods" in drawn
    assert "· tokens" in drawn.splitlines()[0]
    assert ep_moment.next_metric(state).metric == "share"


def test_tokens_that_are_unknown_leave_the_shares_and_say_so():
    data = ep_data(cells([[0.4, 0.6]]), *frames(DEMO)[1:])
    state = replace(ep_state.start(data), metric="tokens")
    assert "tokens unknown here: shares" in text(data, state, WIDE).splitlines()[0]
    assert current_map(data, state).kind == "multiple"


def test_moments_share_one_scale_that_holds_most_of_them():
    states = [
        replace(ep_state.start(demo()), span=(i, i + 1), period=int(recorded().period[i])) for i in range(9)
    ]
    scales = {current_scale(demo(), state) for state in states}
    assert len(scales) == 1
    every = np.concatenate([current_map(demo(), state).values.ravel() for state in states])
    assert (every <= next(iter(scales)).high).mean() > 0.99
    assert current_load(demo(), states[0]).par.shape == (58,)


def test_facts_are_counts_of_iterations():
    state = at(demo(), "rank", 10, 4, 1)
    own = recorded().tokens[recorded().period == 1][:, 10].reshape(-1, 8, 17).sum(axis=2).astype(float)
    hot = own >= 1.3 * own.mean(axis=1, keepdims=True)
    words = fact_words(demo(), state)
    assert f"in {hot[:, 4].sum()} of {len(own)} iterations" in words[0]
    fullest = own.argmax(axis=1)[hot.any(axis=1)]
    rank = np.bincount(fullest).argmax()
    assert f"layer hot (PAR ≥ 1.30) in {len(fullest)}: stays on rank {rank}" in words[1]
    reading = text(demo(), state, WIDE).splitlines()[-1]
    assert reading.endswith(f"hot in {100 * hot[:, 4].mean():.0f} % of iterations")
    assert "iteration by iteration" in text(demo(), state, WIDE)


def made(tokens, **more):
    """Return data and iterations of the same made tokens."""
    own = series(tokens, 2, **more)
    sums = own.tokens.sum(axis=0)
    layers, slots = sums.shape
    heat = [
        cells(sums / sums.sum(), view="expert", slots=slots // 2, experts=own.placements[0], tokens=sums),
        cells(np.ones((layers, 2)) / 2, tokens=sums.reshape(layers, 2, -1).sum(axis=2)),
    ]
    data = ep_data(frames(DEMO)[0].clear().vstack(heat[0]).vstack(heat[1]), *frames(DEMO)[1:])
    return replace(data, over={"d0": ep_over(own, 1.3, 2.0)})


def test_copies_and_what_is_hot_together_are_told():
    data = made([[[9, 9, 0, 0, 3, 1]]] * 3 + [[[0, 0, 0, 9, 9, 0]]], placements=[[[7, 1, 2, 3, 7, 5]]])
    words = fact_words(data, at(data, "expert", 0, 0))
    assert "rank 0: experts 1 and 7 hot together in 3" in words or (
        "rank 0: experts 7 and 1 hot together in 3" in words
    )
    assert "expert 7 on ranks 0, 1: 60 / 40 % of its load, PAR over copies 1.20" in words
    rank = fact_words(data, at(data, "rank", 0, 0))
    assert any("1 experts of this layer have copies" in text for text in rank)
    unknown = made([[[9, 9, 0, 0, 3, 1]]] * 3)
    assert "rank 0: slots 0 and 1 hot together in 3" in fact_words(unknown, at(unknown, "expert", 0, 0))
    assert "no two slots of rank 1 hot together" in fact_words(
        unknown, replace(at(unknown, "expert", 0, 3), rank=1)
    )


def test_a_hot_spot_that_moves_is_told_from_one_that_stays():
    moving = made([[[9, 0]], [[0, 9]], [[9, 0]], [[0, 9]]])
    assert any(
        "moves 3 times, most often on rank 0, 50 %" in w for w in fact_words(moving, at(moving, "rank", 0, 0))
    )
    never = made([[[5, 5]]] * 3)
    assert "the layer is never hot (PAR ≥ 1.30)" in fact_words(never, at(never, "rank", 0, 0))


def test_many_iterations_share_columns_and_their_sums_are_shown():
    rng = np.random.default_rng(2)
    tokens = rng.integers(1, 50, (300, 3, 8))
    data = made(tokens)
    state = ep_moment.at_column(data, ep_state.start(data), 70, 10)
    edges = columns(data.over["d0"], 70).edges
    assert state.span == (edges[10], edges[11])
    assert state.span[1] - state.span[0] > 1
    own = tokens[slice(*state.span)].sum(axis=0).reshape(3, 2, 4).sum(axis=2)
    assert current_map(data, state).tokens.tolist() == own.tolist()
    assert f"iterations {edges[10]}–{edges[11] - 1}" in text(data, state)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 220),
    st.integers(1, 60),
    st.sampled_from(ALL_CAPS),
    st.sampled_from(VIEWS),
    st.one_of(st.none(), st.integers(0, 9)),
    st.booleans(),
    st.booleans(),
)
def test_rows_are_exact_in_every_size(width, height, caps, view, iteration, tokens, common):
    state = replace(
        ep_state.start(demo()), view=view, metric="tokens" if tokens else "share", common_scale=common
    )
    if iteration is not None:
        state = replace(state, **moment(iteration))
    check(draw(demo(), state, (width, height), caps), width, caps, height)


def test_the_lane_has_room_in_80_columns_and_in_ascii():
    state = step(ep_state.start(demo()), 1)
    drawn = plain(draw(demo(), state, NARROW, Capabilities("16", unicode=False))).splitlines()
    assert drawn[-2].startswith("PAR mean ")
    assert re.search(r"iteration 0 . PAR mean 1\.\d\d, max .*balance \d", drawn[-3])


def test_every_figure_has_its_formula_in_the_help():
    said = " ".join(entry.name + " " + entry.text for entry in entries(demo(), ()))
    for words in ("PAR max", "Balance ratio", "in tokens", "Hot together", "copies"):
        assert words in said
