import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbtui.profile import SCHEMAS, UNPLACED
from lbtui.sources.experts.frames import heat_frames
from lbtui.sources.experts.rows import ExpertRow
from tests.sources.expert_tables import iterations, read_tables
from tests.sources.traces import DATA, unpack

# Two ranks with three slots, two layers, four routed experts and the shared one, last, on every rank.
ROUTING = [[0, 1, 3, 4, 2], [4, 3, 1, 0, 5]]
UNNAMED = "In EPLB period {} {} slots have tokens though no routing table names them; "
LAST = "maps count them to the last model expert, as the parser does."
HOT = {0: [[1, 2, 3], [4, 5, 6]], 1: [[10, 20, 30], [40, 50, 60]]}


def rows(*parts):
    """Each part is (kind, table by rank); all ranks take them in step."""
    return [
        ExpertRow(f"process-{rank}", order, rank, kind, tables[rank] if isinstance(tables, dict) else tables)
        for order, (kind, tables) in enumerate(parts)
        for rank in (0, 1)
    ]


def times(factor):
    return {rank: (np.array(table) * factor).tolist() for rank, table in HOT.items()}


def texts(tables):
    return [note.text for note in tables.notes]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    events = json.loads(unpack("pd_ep_cut", tmp_path_factory.mktemp("pd_ep")).read_text())
    return [
        ExpertRow(event["pid"], event["ts"], event["args"]["rank"], kind, event["args"][f"expert_{kind}"])
        for event in events
        for kind in ("hot", "routing")
        if f"expert_{kind}" in event.get("args", {})
    ]


def test_recorded_shares_equal_the_arrays_upstream_drew(recorded):
    tables = read_tables(recorded, "trace")
    assert (tables.ranks, tables.slots_per_rank, tables.notes) == (tuple(range(16)), 17, ())
    assert iterations(tables) == 16
    heat, placements = heat_frames(tables, "d0")
    assert heat.schema == SCHEMAS["expert_heat"]
    assert placements.schema == SCHEMAS["placements"]
    truth = np.load(DATA / "pd_ep_shares_4_layers.npz")
    assert len(truth.files) == 9
    for name in truth.files:
        period, view = name[1:].split("_", 1)
        cells = heat.filter(period=int(period), view=view).sort("layer", "column")
        expected = truth[name]
        assert np.abs(cells["share"].to_numpy().reshape(expected.shape) - expected).max() < 1e-12
        span = expected.max() - expected.min()
        assert cells["relative"].to_numpy() == pytest.approx(((expected - expected.min()) / span).ravel())
    assert len(heat) == sum(truth[name].size for name in truth.files)
    assert len(placements) == 3 * 4 * 16 * 17


def test_recorded_placements_name_the_slots_of_the_routing_tables(recorded):
    _, placements = heat_frames(read_tables(recorded, "trace"), "d0")
    routing = [row for row in recorded if row.kind == "routing" and row.rank == 0]
    assert len(routing) == 3
    expert = placements.sort("period", "layer", "rank", "slot")["expert"].to_numpy().reshape(3, 4, 272)
    for period, row in enumerate(routing):
        for layer, slots in enumerate(row.table):
            assert [expert[period, layer, slot] for slot in slots] == list(range(257))
            others = set(range(272)) - set(slots)
            assert {expert[period, layer, slot] for slot in others} == {256}


def test_columns_ranks_slots_and_experts():
    tables = read_tables(rows(("routing", ROUTING), ("hot", HOT)), "trace")
    heat, _ = heat_frames(tables, "i")
    cells = heat.filter(pl.col("view") == "expert", pl.col("layer") == 0).sort("column")
    assert cells["column"].to_list() == [0, 1, 2, 3, 4, 5]
    assert cells["rank"].to_list() == [0, 0, 0, 1, 1, 1]
    assert cells["slot"].to_list() == [0, 1, 2, 0, 1, 2]
    # Slot 5 is named by no expert: it is another copy of the shared one, number 4.
    assert cells["expert"].to_list() == [0, 1, 4, 2, 3, 4]
    assert cells["tokens"].to_list() == [1, 2, 3, 10, 20, 30]
    assert cells["share"].to_list() == pytest.approx([v / 66 for v in (1, 2, 3, 10, 20, 30)])
    by_expert = heat.filter(pl.col("view") == "model_expert").sort("layer", "column")
    assert by_expert["tokens"].to_list() == [1, 2, 10, 20, 33, 50, 40, 5, 4, 66]
    assert by_expert["expert"].to_list() == by_expert["column"].to_list() == [0, 1, 2, 3, 4] * 2
    by_rank = heat.filter(pl.col("view") == "rank").sort("layer", "column")
    assert by_rank["tokens"].to_list() == [6, 60, 15, 150]
    assert by_rank["rank"].to_list() == by_rank["column"].to_list() == [0, 1, 0, 1]
    assert set(heat["instance"]) == {"i"}


def test_counts_are_cumulative_within_a_period_and_begin_anew_with_the_next():
    tables = read_tables(
        rows(
            ("routing", ROUTING),
            ("hot", times(1)),
            ("hot", times(3)),
            ("routing", ROUTING),
            ("hot", times(5)),
        ),
        "trace",
    )
    assert [period[0].tolist() for period in tables.periods] == [
        [3, 6, 9, 30, 60, 90],
        [5, 10, 15, 50, 100, 150],
    ]
    assert iterations(tables) == 3


def test_a_counter_that_falls_was_restarted():
    tables = read_tables(rows(("hot", times(4)), ("hot", times(1)), ("hot", times(2))), "trace")
    assert tables.periods[0][0].tolist() == [6, 12, 18, 60, 120, 180]


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 50), min_size=1, max_size=5), min_size=1, max_size=4))
def test_any_restarts_sum_to_what_was_counted(segments):
    """Increments of several lives of a counter, reported cumulatively, each life beginning below the last."""
    readings, total = [], 0
    for number, increments in enumerate(segments):
        reached = 0
        for position, increment in enumerate(increments):
            # A restart shows only if the first reading is lower than the last one before it.
            if position == 0 and number:
                increment = min(increment, max(readings[-1] - 1, 0))
                if readings[-1] == 0:
                    break
            reached += increment
            readings.append(reached)
        total += reached
    hot = [ExpertRow(0, order, 0, "hot", [[reading]]) for order, reading in enumerate(readings)]
    assert read_tables(hot, "trace").periods[0].tolist() == [[total]]


def test_without_routing_there_is_one_period_without_placement():
    tables = read_tables(rows(("hot", HOT)), "trace")
    assert tables.placements == (None,)
    heat, placements = heat_frames(tables, "i")
    assert set(heat["view"]) == {"rank", "expert"}
    assert heat["expert"].null_count() == len(heat)
    assert placements.is_empty()


def test_rows_before_the_first_routing_are_left_out_and_counted():
    tables = read_tables(rows(("hot", times(9)), ("routing", ROUTING), ("hot", HOT)), "trace")
    assert tables.periods[0][0].tolist() == [1, 2, 3, 10, 20, 30]
    assert texts(tables)[0] == "2 expert rows before the first routing table are left out."


def test_a_missing_rank_keeps_the_numbers_of_the_others():
    given_rows = [
        row._replace(rank=row.rank * 2)
        for row in rows(("routing", [[0, 1, 6, 7, 2], [7, 6, 1, 0, 8]]), ("hot", HOT))
    ]
    tables = read_tables(given_rows, "trace")
    assert tables.ranks == (0, 2)
    heat, placements = heat_frames(tables, "i")
    cells = heat.filter(pl.col("view") == "expert", pl.col("layer") == 0).sort("column")
    assert cells["column"].to_list() == [0, 1, 2, 6, 7, 8]
    assert cells["expert"].to_list() == [0, 1, 4, 2, 3, 4]
    assert set(placements["rank"]) == {0, 2}
    assert texts(tables)[0] == "EP ranks 1 are missing; shares are of the others."


@pytest.mark.parametrize(
    "table",
    [
        [[1, 2, 3], [4, 5]],
        [[1.5, 2, 3], [4, 5, 6]],
        [["1", "2", "3"]],
        [[-1, 2, 3], [4, 5, 6]],
        [[1, 2, 10**30], [4, 5, 6]],
        [[2**63 + 1, 1, 1], [1, 1, 1]],
        [1, 2, 3],
        [],
        None,
        {"a": 1},
        [[1, 2], [3, 4]],
    ],
)
def test_tables_of_no_use_are_left_out_and_the_rest_kept(table):
    tables = read_tables([*rows(("hot", HOT)), ExpertRow("process-0", 9, 0, "hot", table)], "trace")
    assert tables.periods[0][0].tolist() == [1, 2, 3, 10, 20, 30]
    assert texts(tables) == ["1 expert rows hold no consistent table of counts: left out."]


def test_a_rank_of_another_shape_is_left_out():
    odd = ExpertRow("odd", 0, 2, "hot", [[1, 2], [3, 4]])
    tables = read_tables([*rows(("hot", HOT)), odd], "trace")
    assert tables.ranks == (0, 1)
    assert texts(tables) == ["EP ranks 2 are left out: their tables have another shape."]


def test_a_rank_with_other_periods_is_left_out():
    late = [ExpertRow("late", n, 2, k, t) for n, (k, t) in enumerate([("routing", ROUTING), ("hot", HOT[0])])]
    tables = read_tables(
        [*rows(("routing", ROUTING), ("hot", HOT), ("routing", ROUTING), ("hot", HOT)), *late], "trace"
    )
    assert tables.ranks == (0, 1)
    assert texts(tables) == [
        "EP ranks 2 are left out: they have other EPLB periods.",
        *(UNNAMED.format(period, 2) + LAST for period in (0, 1)),
    ]


def test_a_rank_reported_twice_counts_once():
    tables = read_tables([*rows(("hot", HOT)), ExpertRow("twin", 0, 1, "hot", HOT[0])], "trace")
    assert tables.periods[0][0].tolist() == [1, 2, 3, 10, 20, 30]
    assert texts(tables) == ["EP rank 1 is reported by two processes; process twin is left out."]


def test_late_rows_change_nothing():
    ordered = rows(("hot", times(1)), ("hot", times(2)), ("hot", times(3)))
    tables = read_tables([*ordered, ordered[2]], "trace")
    assert tables.periods[0][0].tolist() == [3, 6, 9, 30, 60, 90]
    assert texts(tables) == ["1 expert rows out of time order are left out."]


def test_a_layer_without_tokens_has_no_share():
    hot = {0: [[0, 0, 0], [1, 1, 2]], 1: [[0, 0, 0], [0, 0, 0]]}
    heat, _ = heat_frames(read_tables(rows(("hot", hot)), "trace"), "i")
    idle = heat.filter(layer=0)
    assert idle["share"].null_count() == idle["relative"].null_count() == len(idle) > 0
    busy = heat.filter(layer=1, view="expert").sort("column")
    assert busy["relative"].to_list() == [0.5, 0.5, 1.0, 0.0, 0.0, 0.0]


def test_a_map_of_one_colour_lies_at_the_bottom():
    hot = [[1, 1, 1], [2, 2, 2]]
    heat, _ = heat_frames(read_tables(rows(("hot", hot)), "trace"), "i")
    assert set(heat["relative"]) == {0.0}


def test_routing_beyond_the_slots_is_not_placed():
    routing = [[0, 1, 3, 99, 2], [4, 3, 1, 0, 5]]
    heat, _ = heat_frames(read_tables(rows(("routing", routing), ("hot", HOT)), "trace"), "i")
    cells = heat.filter(view="expert", layer=0).sort("column")
    assert cells["expert"].to_list() == [0, 1, 4, 2, 4, 4]
    nowhere = heat.filter(view="model_expert", layer=0, column=3)
    assert nowhere["tokens"].to_list() == [0]


def test_ranks_each_name_their_own_copies():
    own_copy = {0: ROUTING, 1: [[*layer[:-1], 5] for layer in ROUTING]}
    tables = read_tables(rows(("routing", own_copy), ("hot", HOT)), "trace")
    assert texts(tables) == [UNNAMED.format(0, 1) + LAST]
    assert tables.placements[0].tolist() == [[0, 1, 4, 2, 3, 4], [3, 2, UNPLACED, 1, 0, 4]]
    other = {0: ROUTING, 1: [ROUTING[1], ROUTING[0]]}
    tables = read_tables(rows(("routing", other), ("hot", HOT)), "trace")
    assert texts(tables) == ["In EPLB period 0 8 slots are named for several experts: the first counts."]
    assert tables.placements[0].tolist() == [[0, 1, 4, 2, 3, 4], [3, 2, 4, 1, 0, 4]]


def test_routing_of_other_layers_gives_no_placement():
    tables = read_tables(rows(("routing", ROUTING[:1]), ("hot", HOT)), "trace")
    assert tables.placements == (None,)
    assert texts(tables) == ["The routing table of EPLB period 0 has other layers: left out."]


def test_no_rows_give_no_periods():
    tables = read_tables([], "trace")
    assert tables.periods == ()
    heat, placements = heat_frames(tables, "i")
    assert heat.is_empty()
    assert placements.is_empty()
    assert heat.schema == SCHEMAS["expert_heat"]
