import numpy as np
import pytest

from lbtui.analysis.eplb.policies import Impossible
from lbtui.analysis.eplb.recorded import recorded
from lbtui.analysis.eplb.what_if import (
    Settings,
    curve,
    fitting,
    policies,
    possible,
    start_settings,
    what_if,
)
from lbtui.profile import PlacementFile
from tests.analysis.eplb import reference
from tests.analysis.eplb.made import series, skewed

# One layer, two ranks of two slots; expert 0 gets most.
SMALL = np.array([[[60, 20, 10, 10]], [[60, 20, 10, 10]], [[80, 0, 10, 10]], [[40, 20, 20, 20]]])
IN_ORDER = [[0, 1, 2, 3]]


def small(**changes):
    return recorded([series(SMALL, 2, **{"placements": [IN_ORDER], **changes})])


def test_both_halves_together_have_the_par_of_all_iterations():
    data = recorded([skewed()])
    together = data.first.ranks + data.second.ranks
    pars = []
    for layer in skewed().tokens.sum(axis=0).tolist():
        ranks = [sum(layer[8 * rank : 8 * rank + 8]) for rank in range(8)]
        pars.append(max(ranks) * 8 / sum(ranks))
    assert (together.max(axis=1) / together.mean(axis=1)).tolist() == pytest.approx(pars)
    assert max(pars) > 1.7
    assert (data.first.iterations, data.second.iterations) == (63, 64)


@pytest.mark.parametrize("redundant", [0, 8])
def test_held_out_par_of_skewed_loads_is_that_of_the_reference(redundant):
    tokens = skewed().tokens.astype(int)
    first, second = tokens[:63].sum(axis=0), tokens[63:].sum(axis=0)
    found = what_if(recorded([skewed()]), Settings("global", redundant, 8))
    placed = [reference.place(own, redundant, 8) for own in first]
    expected = [reference.par(p, own) for p, own in zip(placed, second, strict=True)]
    np.testing.assert_allclose(found.held_out.after, expected, atol=1e-9)
    fitted = [reference.par(p, own) for p, own in zip(placed, first, strict=True)]
    np.testing.assert_allclose(found.fitted.after, fitted, atol=1e-9)
    before = second.reshape(26, 8, 8).sum(axis=2)
    np.testing.assert_allclose(found.held_out.before, before.max(axis=1) / before.mean(axis=1))
    # Fitting flatters: the half the placement was made of is more even than the other.
    assert found.fitted.means[1] < found.held_out.means[1] < found.held_out.means[0]


def test_a_small_case_by_hand():
    found = what_if(small(), Settings("global", 2, 2))
    # The first half holds 120, 40, 20, 20: two more copies for expert 0, 40 each. By falling load expert 0,
    # 1, 0, 0, 2, 3 go to rank 0, 1, 0, 1, 0, 1.
    assert found.placement.tolist() == [[0, 0, 2, 1, 0, 3]]
    assert found.replicated[0].expert == 0
    assert (found.replicated[0].extra, found.replicated[0].most, found.replicated[0].layers) == (2, 3, 1)
    assert found.fitted.before.tolist() == [1.6]
    # Second half: expert 0 has 120, the others 20, 30, 30.
    assert found.held_out.before.tolist() == [1.4]
    assert found.held_out.waiting[0] == pytest.approx(1 - 1 / 1.4)
    loads = {0: 40, 1: 20, 2: 30, 3: 30}
    by_rank = [sum(loads[e] for e in part) for part in np.split(found.placement[0], 2)]
    assert found.held_out.after.tolist() == [max(by_rank) / 100]


def test_moves_are_slots_whose_expert_is_not_on_that_rank():
    found = what_if(small(), Settings("global", 2, 2))
    there = [{0, 1}, {2, 3}]
    parts = np.split(found.placement[0], 2)
    expected = sum(e not in held for part, held in zip(parts, there, strict=True) for e in part)
    assert found.moved.tolist() == [expected]
    assert what_if(small(), Settings("global", 0, 4)).moved is None


def test_the_placement_in_use_stays_and_cannot_be_resized():
    found = what_if(small(), Settings("in use", 0, 2))
    assert found.held_out.after.tolist() == found.held_out.before.tolist()
    assert found.moved.tolist() == [0]
    with pytest.raises(Impossible, match="has 0 redundant experts on 2 ranks"):
        what_if(small(), Settings("in use", 2, 2))
    assert possible(small(), Settings("in use", 0, 2)) == [0]


def test_copies_in_use_are_added_up_and_shared_by_the_model():
    # Expert 0 on both ranks, and unevenly used.
    tables = [[[0, 1, 0, 2]]]
    data = small(placements=tables)
    assert data.experts.tolist() == [1, 2]  # on every rank in every layer: taken as shared, it cannot move
    tables = [[[0, 1, 0, 2], [0, 1, 2, 3]]]
    data = recorded([series(np.repeat(SMALL, 2, axis=1), 2, placements=tables)])
    assert data.experts.tolist() == [0, 1, 2, 3]
    assert data.first.experts[0].tolist() == [140, 40, 20, 0]
    found = what_if(data, Settings("in use", 0, 2))
    assert found.fitted.before[0] == 1.6
    assert found.fitted.after[0] == pytest.approx((70 + 40) / 100)


def test_shared_and_unknown_slots_keep_their_load_on_their_rank():
    # Column 2 of each rank: the shared expert 4; rank 1's first slot is unknown.
    tables = [[[0, 1, 4, -1, 3, 4]]]
    tokens = np.array([[[10, 30, 5, 7, 20, 50]]] * 2)
    data = recorded([series(tokens, 2, placements=tables)])
    assert data.experts.tolist() == [0, 1, 3]
    assert data.first.fixed.tolist() == [[5, 57]]
    assert data.first.ranks.tolist() == [[45, 77]]
    found = what_if(data, Settings("global", 1, 2))
    # 30 → 15 + 15; 20 onto the first rank, 15 15 onto the second, 10 onto the first.
    assert found.placement.tolist() == [[3, 0, 1, 1]]
    assert found.fitted.after.tolist() == [(57 + 30) / 61]
    assert found.moved.tolist() == [3]


def test_halves_follow_what_is_where_in_each_period():
    # The same experts, placed the other way round in period 1.
    tokens = np.array([[[60, 20, 10, 10]], [[60, 20, 10, 10]], [[10, 10, 20, 60]], [[10, 10, 20, 60]]])
    data = recorded([series(tokens, 2, period=[0, 0, 1, 1], placements=[IN_ORDER, [[3, 2, 1, 0]]])])
    assert data.first.experts.tolist() == data.second.experts.tolist() == [[120, 40, 20, 20]]
    assert data.in_use.tolist() == IN_ORDER
    # A half that spans both: slot 0 holds expert 0, then 3.
    data = recorded([series(tokens, 2, period=[0, 1, 1, 1], placements=[IN_ORDER, [[3, 2, 1, 0]]])])
    assert data.first.experts.tolist() == [[70, 30, 30, 70]]


def test_periods_without_a_placement_are_left_out_and_without_any_slots_are_experts():
    data = recorded([series(SMALL, 2, period=[0, 1, 1, 2], placements=[None, IN_ORDER, None])])
    assert (data.first.iterations, data.second.iterations) == (1, 1)
    assert data.first.experts.tolist() == [[60, 20, 10, 10]]
    data = recorded([series(SMALL, 2)])
    assert not data.placed
    assert data.experts.tolist() == [0, 1, 2, 3]


def test_prefill_and_decode_are_added_half_by_half():
    data = recorded([series(SMALL, 2, phase="prefill"), series(SMALL[:2], 2, phase="decode")])
    assert data.first.iterations == 3
    assert data.first.experts.tolist() == [[180, 60, 30, 30]]


def test_the_curve_has_every_possible_number_and_what_it_costs():
    data = recorded([skewed()])
    settings = Settings("global", 8, 8, expert_mib=10.5)
    points = curve(data, settings)
    assert [point.redundant for point in points] == list(range(0, 65, 8))
    for point in points[:3]:
        one = what_if(data, Settings("global", point.redundant, 8))
        assert point.held_out == (one.held_out.means[1], one.held_out.worst[1][1])
        assert point.fitted == (one.fitted.means[1], one.fitted.worst[1][1])
        assert point.extra_slots == point.redundant / 8
        assert point.mib == 10.5 * point.redundant / 8 * 26
    assert curve(data, Settings("global", 8, 8))[0].mib is None
    assert [p.redundant for p in curve(data, Settings("global", 6, 7))][:3] == [6, 13, 20]
    assert possible(data, Settings("hierarchical", 0, 16, nodes=2, groups=8)) == [0, 16, 32, 48, 64]


def test_it_starts_with_what_is_in_use():
    assert start_settings(small()) == Settings("global", 0, 2)
    tables = [[[0, 1, 0, 2], [0, 1, 2, 0]]]
    data = recorded([series(np.repeat(SMALL, 2, axis=1), 2, placements=tables)])
    assert data.experts.tolist() == [1, 2]
    tables = [[[0, 1, 0, 2], [0, 1, 2, 3]]]
    assert (
        start_settings(recorded([series(np.repeat(SMALL, 2, axis=1), 2, placements=tables)])).redundant == 0
    )
    assert start_settings(recorded([series(np.ones((2, 1, 3)), 3, placements=[[[0, 1, 0]]])])).redundant == 1


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        ([], "no expert heat by iteration"),
        ([series(SMALL[:1], 2)], "At least two iterations"),
        ([series(SMALL * 0, 2)], "holds no tokens"),
        ([series(SMALL, 2, placements=[[[-1, 4, -1, 4]]])], "holds no tokens"),
        ([series(SMALL, 2), series(SMALL, 4)], "other ranks"),
    ],
)
def test_what_cannot_be_fitted_is_told(made, sentence):
    with pytest.raises(Impossible, match=sentence):
        recorded(made)


@pytest.mark.parametrize(
    "settings", [Settings("global", -1, 2), Settings("global", 1, 2), Settings("global", 0, 0)]
)
def test_impossible_settings_are_told(settings):
    with pytest.raises(Impossible):
        what_if(small(), settings)
    assert policies(small()) == ("in use", "global", "hierarchical")


def test_a_new_table_tells_whether_load_follows_its_experts():
    rng = np.random.default_rng(5)
    weights = rng.integers(1, 100, (3, 8))
    tables = np.array([[rng.permutation(8) for _layer in range(3)] for _period in range(2)])

    def made(bonus):
        tokens = []
        for table in (tables[0], tables[0], tables[1], tables[1]):
            counted = np.take_along_axis(weights, table, axis=1)
            counted[:, :2] += bonus  # rank 0's two slots, whatever they hold
            tokens.append(counted)
        return recorded([series(tokens, 4, period=[0, 0, 1, 1], placements=tables)]).check

    follows = made(0)
    ranks = np.take_along_axis(weights, tables[1], axis=1).reshape(3, 4, 2).sum(axis=2)
    expected = (ranks.max(axis=1) / ranks.mean(axis=1)).mean()
    assert follows.predicted == pytest.approx(expected)
    assert follows.counted == pytest.approx(expected)
    assert (follows.iterations, follows.fails) == (2, False)
    stays = made(2000)
    # The first rank is the fullest; its experts of the first table's load are now elsewhere.
    assert stays.counted > 3
    assert stays.predicted < 2
    assert stays.fails
    # Exchanged, the ranks would be as uneven, but the other way round.
    tokens = [[[90, 90, 10, 10]], [[90, 90, 10, 10]], [[90, 90, 10, 10]]]
    check = recorded([series(tokens, 2, period=[0, 1, 1], placements=[IN_ORDER, [[2, 3, 0, 1]]])]).check
    assert (check.predicted, check.counted, check.fails) == (pytest.approx(0.2), pytest.approx(1.8), True)
    assert small().check is None


def test_a_placement_file_is_judged_as_it_is():
    own = series(SMALL, 2, placements=[IN_ORDER])

    def with_file(*layers):
        return recorded([own], PlacementFile("map.json", np.array(layers, dtype=np.int32)))

    # Three ranks; expert 0 on two of them, rank 2 with a slot unused.
    data = with_file([[0, 2], [0, 3], [1, -1]])
    assert policies(data)[-1] == "file"
    settings = fitting(data, Settings("file", 9, 9))
    assert settings == Settings("file", 1, 3)
    found = what_if(data, settings)
    assert found.placement.tolist() == [[0, 2, 0, 3, 1, -1]]
    # Second half: 120 in two copies, 30, 30, 20.
    assert found.held_out.after.tolist() == [pytest.approx(90 / (200 / 3))]
    assert found.moved is None
    assert [point.redundant for point in curve(data, settings)] == [1]
    with pytest.raises(Impossible, match="no slot for expert 2 in layer 0"):
        what_if(with_file([[0, 1], [3, 3]]), Settings("file", 0, 2))
    with pytest.raises(Impossible, match="has 1 redundant experts on 3 ranks"):
        what_if(data, Settings("file", 2, 3))
    # Of another model: not offered.
    other = with_file([[0, 1], [2, 3]], [[0, 1], [2, 3]])
    assert other.file is None
    assert policies(other) == ("in use", "global", "hierarchical")
