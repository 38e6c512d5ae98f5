"""The fullest rank by iteration, and who has to move, by plain loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbtui.analysis.eplb.peaks import Table, arrivals, fullest_in_use, loads_of
from lbtui.analysis.eplb.recorded import recorded
from tests.analysis.eplb.made import series, skewed


def loads(tokens, places, table, ranks):
    """Return each rank's tokens in one layer: what stays is on its rank, copies share equally."""
    found = [0.0] * table.ranks
    room = len(table.placed[0]) // table.ranks
    of_expert, own = {}, len(places) // ranks
    for slot, place in enumerate(places):
        if place < 0:
            found[slot // own] += tokens[slot]
        else:
            of_expert[place] = of_expert.get(place, 0) + tokens[slot]
    for expert, whole in of_expert.items():
        slots = [slot for slot, held in enumerate(table.placed[0]) if held == expert]
        for slot in slots:
            found[slot // room] += whole / len(slots)
    return found


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_fullest_is_that_of_plain_loops(data):
    ranks, slots = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4))
    columns = ranks * slots
    experts = data.draw(st.integers(1, columns))
    numbers = st.lists(st.integers(0, 50), min_size=columns, max_size=columns)
    tokens = data.draw(st.lists(numbers, min_size=1, max_size=6))
    held = list(range(experts)) + [
        data.draw(st.integers(-1, experts - 1)) for _slot in range(columns - experts)
    ]
    places = data.draw(st.permutations(held))
    new = list(range(experts)) + [data.draw(st.integers(0, experts - 1)) for _s in range(-experts % ranks)]
    table = Table(np.array([data.draw(st.permutations(new))]), ranks)
    # Ids are places here; -1 is UNPLACED and stays.
    one = series([[row] for row in tokens], ranks, placements=[[places]], experts=experts)
    every, ids = np.arange(len(tokens)), np.arange(experts)
    known = loads_of(one, every, ids)
    expected = [max(loads(row, places, table, ranks)) for row in tokens]
    assert known.of_fullest(every, table) == pytest.approx(expected, rel=1e-5)
    assert known.of_mean_rank() == pytest.approx([sum(row) / ranks for row in tokens])
    in_use = Table(np.array([places]), ranks)
    expected = [max(loads(row, places, in_use, ranks)) for row in tokens]
    assert fullest_in_use(one, every, ids, known) == pytest.approx(expected, rel=1e-5)


def test_without_copies_the_tables_in_use_give_what_was_counted():
    one = skewed()
    ids = recorded([one]).experts
    chosen = np.array([3, 50, 126])
    counted = one.tokens[chosen].astype(int).reshape(3, 26, 8, 8).sum(axis=3)
    known = loads_of(one, chosen, ids)
    np.testing.assert_allclose(fullest_in_use(one, chosen, ids, known), counted.max(axis=2).sum(axis=1))
    np.testing.assert_allclose(known.of_mean_rank(), counted.mean(axis=2).sum(axis=1))


def test_iterations_follow_the_table_of_their_period():
    # In the second period experts 1 and 2 have changed places, and expert 1 has all that is hot.
    tokens, tables = [[[5, 1, 1, 1]], [[1, 1, 5, 1]]], [[[0, 1, 2, 3]], [[0, 2, 1, 3]]]
    one = series(tokens, 2, period=[0, 1], placements=tables)
    every, ids = np.arange(2), np.arange(4)
    known = loads_of(one, every, ids)
    assert known.experts[:, 0].tolist() == [[5, 1, 1, 1], [1, 5, 1, 1]]
    assert fullest_in_use(one, every, ids, known).tolist() == [6, 6]
    assert known.of_fullest(every, Table(np.array([[0, 1, 2, 3]]), 2)).tolist() == [6, 6]
    copied = Table(np.array([[0, 1, 2, 1, 3, 0]]), 2)
    assert known.of_fullest(every, copied).tolist() == [4, 4]


def test_arrivals_are_slots_whose_expert_is_not_on_their_rank():
    before, after = Table(np.array([[0, 1, 2, -1]]), 2), Table(np.array([[0, 2, 0, 1, -1, 2]]), 2)
    assert arrivals(before, after).tolist() == [[1, 1]]
    assert arrivals(before, before).tolist() == [[0, 0]]
    assert arrivals(before, Table(np.array([[0, 1, 2, 0]]), 4)) is None
