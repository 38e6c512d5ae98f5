"""The recommended number of redundant experts, computed once more by plain loops."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtui.analysis.eplb.recommended import best, gains, recommended
from lbtui.analysis.eplb.recorded import recorded
from lbtui.analysis.eplb.what_if import Point, Settings, curve
from tests.analysis.eplb import reference
from tests.analysis.eplb.made import series, skewed


def by_loops(tokens, ranks, numbers):
    """Return the worst layer's PAR, held out, as it was and for each number of redundant experts."""
    middle = len(tokens) // 2
    first, second = tokens[:middle].sum(axis=0), tokens[middle:].sum(axis=0)
    before = max(
        max(part.sum() for part in layer.reshape(ranks, -1)) * ranks / layer.sum() for layer in second
    )
    worst = {}
    for redundant in numbers:
        pars = []
        for made_of, judged_by in zip(first, second, strict=True):
            pars.append(reference.par(reference.place(made_of, redundant, ranks), judged_by))
        worst[redundant] = max(pars)
    return before, worst


def enough(worst):
    """Return the least number within 2 % of the best."""
    least = min(worst.values())
    for redundant in sorted(worst):
        if worst[redundant] <= 1.02 * least:
            return redundant
    raise AssertionError


def one_hot():
    """Return eight experts of which one gets half of all tokens: without copies of it no rank is even."""
    return series([[[40, 4, 8, 6, 8, 5, 5, 4]]] * 4, 4, placements=[[list(range(8))]])


@pytest.mark.parametrize(("made", "ranks"), [(skewed, 8), (one_hot, 4)])
def test_it_is_the_least_within_2_percent_of_the_best_worst_layer(made, ranks):
    one = made()
    before, worst = by_loops(one.tokens.astype(int), ranks, range(0, 65, ranks))
    points = curve(recorded([one]), Settings("global", 0, ranks))
    point = recommended(points)
    assert point.redundant == enough(worst)
    assert point.held_out[1] == pytest.approx(worst[point.redundant])
    assert best(points).held_out[1] == pytest.approx(min(worst.values()))
    assert gains(point, before) == (worst[point.redundant] <= 0.98 * before)


def test_it_is_more_than_none_where_one_expert_needs_copies():
    assert recommended(curve(recorded([one_hot()]), Settings("global", 0, 4))).redundant > 0


def test_a_larger_number_that_is_looked_at_changes_nothing():
    data = recorded([skewed()])
    usual, more = (recommended(curve(data, Settings("global", r, 8))) for r in (0, 400))
    assert usual == more


def point(redundant, worst):
    return Point(redundant, (1.0, 1.0), (1.0, worst), 0.0, None)


@given(st.lists(st.floats(1, 9), min_size=1, max_size=9))
def test_of_any_curve(worst):
    points = [point(8 * place, value) for place, value in enumerate(worst)]
    assert recommended(points).redundant == enough({p.redundant: p.held_out[1] for p in points})


def test_where_no_number_is_small_the_least_is_taken_and_without_points_none():
    assert recommended([point(144, 1.5), point(344, 1.2), point(544, 1.2)]).redundant == 344
    assert recommended([]) is None


def test_a_gain_is_2_percent_or_more():
    assert gains(point(8, 1.96), 2.0)
    assert not gains(point(8, 1.97), 2.0)
