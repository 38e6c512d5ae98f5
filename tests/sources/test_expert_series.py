"""Expert heat iteration by iteration, against the rows' own differences."""

import json

import numpy as np
import pytest

from lbtui.profile import UNPLACED, Cancelled, LoadedSeries, Profile
from lbtui.sources import open_profile
from lbtui.sources.experts.rows import ExpertRow
from lbtui.sources.experts.series import expert_series, series_notes
from tests.sources.expert_tables import read_tables
from tests.sources.recorded import profile, sentences
from tests.sources.test_experts import counts, expert_slices, mark, marks, write_db
from tests.sources.traces import unpack

ROUTING = [[0, 1, 3, 4, 2], [4, 3, 1, 0, 5]]  # [layer][model expert] -> rank * 3 + slot; the last is shared


def increments_by_hand(folder):
    """Return (tokens [iteration, layer, rank * 17 + slot], period, µs of rank 0) of the recorded trace."""
    events = json.loads(unpack("pd_ep_cut", folder).read_text())
    by_rank: dict[int, list] = {}
    for event in events:
        args = event.get("args", {})
        if "expert_hot" in args or "expert_routing" in args:
            by_rank.setdefault(args["rank"], []).append(event)
    columns, periods, times = [], [], []
    for rank in sorted(by_rank):
        before, period, rows = None, -1, []
        for event in sorted(by_rank[rank], key=lambda event: event["ts"]):
            if "expert_routing" in event["args"]:
                before, period = None, period + 1
                continue
            table = event["args"]["expert_hot"]
            rows.append(
                [[c - (before[i][j] if before else 0) for j, c in enumerate(r)] for i, r in enumerate(table)]
            )
            before = table
            if rank == 0:
                periods.append(period)
                times.append(int(event["ts"]))
        columns.append(rows)
    return np.concatenate([np.array(c) for c in columns], axis=2), periods, times


@pytest.mark.parametrize("source", ["trace", "db"])
def test_the_recorded_iterations_are_the_rows_own_differences(tmp_path, source):
    for name in ("by_hand", "trace", "db"):
        (tmp_path / name).mkdir()
    tokens, periods, times = increments_by_hand(tmp_path / "by_hand")
    if source == "trace":
        opened = profile(tmp_path / "trace", "chrome_pd_ep_cut.json")
    else:
        opened = write_db(tmp_path / "db", expert_slices(tmp_path))
    loaded = opened.load_expert_series()
    (series,) = loaded.series
    assert series.tokens.dtype == np.int32
    assert np.array_equal(series.tokens, tokens)
    assert series.period.tolist() == periods
    assert series.time.astype("int64").tolist() == times
    assert (series.ranks, series.slots_per_rank, series.experts) == (tuple(range(16)), 17, 257)
    assert (series.phase, series.passes) == (None, None)
    assert len(series.tokens) == 16
    assert [p.reader for p in opened.load("expert_heat").provenance] == [
        "trace" if source == "trace" else "sqlite"
    ]
    assert "EPLB period" not in sentences(opened.load("expert_heat").notes)
    heat = opened.load("expert_heat").frame.filter(view="expert").sort("period", "layer", "column")
    sums = np.stack([series.tokens[series.period == p].sum(axis=0, dtype=np.int64) for p in range(3)])
    assert heat["tokens"].to_list() == sums.ravel().tolist()


def test_the_recorded_placements_know_every_copy_of_the_shared_expert(tmp_path):
    (series,) = profile(tmp_path, "chrome_pd_ep_cut.json").load_expert_series().series
    assert len(series.placements) == 3
    for placement in series.placements:
        assert placement.dtype == np.int32
        for layer in placement:
            found, copies = np.unique(layer, return_counts=True)
            assert found.tolist() == list(range(257))
            assert copies.tolist() == [1] * 256 + [16]


def series_of(*rows):
    """Rows are (rank, kind, table), in order."""
    given = [
        ExpertRow(f"process {rank}", order, rank, kind, table, (order + 1) * 1000)
        for order, (rank, kind, table) in enumerate(rows)
    ]
    tables = read_tables(given, "trace")
    return expert_series(tables, "i"), [*tables.notes, *series_notes(tables, "trace")]


def test_what_to_mind_about_iterations_is_told_with_the_maps(tmp_path):
    loaded = write_db(tmp_path, marks(mark(0, 6, expert_hot=counts(3)[0]))).load("expert_heat")
    assert "EP ranks 1 were read 1 times in EPLB period 1, others up to 2" in sentences(loaded.notes)


def test_iterations_that_not_all_ranks_read_are_left_out_and_told():
    one, two = [[1, 2, 3]], [[2, 4, 7]]
    series, notes = series_of(
        (0, "hot", one), (1, "hot", one), (0, "hot", two), (1, "hot", two), (0, "hot", [[9, 9, 9]])
    )
    assert series.tokens.tolist() == [[[1, 2, 3, 1, 2, 3]], [[1, 2, 4, 1, 2, 4]]]
    assert series.time.astype("int64").tolist() == [1000, 3000]
    assert [note.text for note in notes] == [
        "EP ranks 1 were read 2 times in EPLB period 0, others up to 3 times: over time it is shown as far "
        "as all were read."
    ]


def test_a_period_that_a_rank_never_read_has_no_iteration():
    table = [[1, 2, 3]]
    series, notes = series_of(
        (0, "routing", [[0, 3]]),
        (1, "routing", [[0, 3]]),
        (0, "hot", table),
        (0, "routing", [[0, 3]]),
        (1, "routing", [[0, 3]]),
        (0, "hot", table),
        (1, "hot", table),
    )
    assert series.period.tolist() == [1]
    assert "EPLB period 0" in sentences(notes)


def test_without_an_iteration_that_all_read_there_is_no_series():
    series, notes = series_of(
        (0, "routing", [[0, 3]]),
        (1, "routing", [[0, 3]]),
        (0, "hot", [[1, 2, 3]]),
        (0, "routing", [[0, 3]]),
        (1, "routing", [[0, 3]]),
        (1, "hot", [[1, 2, 3]]),
    )
    assert series is None
    assert sentences(notes).count("over time it is shown as far as all were read") == 2


def test_a_counter_that_falls_counts_from_0():
    series, _ = series_of((0, "hot", [[5, 5]]), (0, "hot", [[7, 9]]), (0, "hot", [[8, 1]]))
    assert series.tokens.tolist() == [[[5, 5]], [[2, 4]], [[8, 1]]]


def test_counts_beyond_32_bits_are_exact():
    series, _ = series_of((0, "hot", [[2**40, 0]]), (0, "hot", [[2**40 + 7, 3]]))
    assert series.tokens.tolist() == [[[2**40, 0]], [[7, 3]]]


def test_trap_17_the_expert_of_a_slot_that_no_table_names_is_unknown_and_told():
    series, notes = series_of(
        (0, "routing", ROUTING), (1, "routing", ROUTING), *((rank, "hot", counts(1)[rank]) for rank in (0, 1))
    )
    assert series.placements[0].tolist() == [[0, 1, 4, 2, 3, UNPLACED], [3, 2, UNPLACED, 1, 0, 4]]
    assert "In EPLB period 0 2 slots have tokens though no routing table names them" in sentences(notes)


def test_replicas_that_only_another_ranks_table_names_are_known():
    other = [[0, 5, 3, 4, 2], [4, 3, 1, 0, 2]]  # expert 1 of layer 0 also in slot 5, the shared one in slot 2
    series, notes = series_of(
        (0, "routing", ROUTING), (1, "routing", other), *((rank, "hot", counts(1)[rank]) for rank in (0, 1))
    )
    assert series.placements[0].tolist() == [[0, 1, 4, 2, 3, 1], [3, 2, 4, 1, 0, 4]]
    assert notes == []


def test_tables_that_name_two_experts_for_a_slot_are_told_and_the_lowest_ranks_counts():
    other = [[1, 0, 3, 4, 2], [4, 3, 1, 0, 5]]
    series, notes = series_of(
        (0, "routing", ROUTING), (1, "routing", other), *((rank, "hot", counts(1)[rank]) for rank in (0, 1))
    )
    assert series.placements[0][0, :2].tolist() == [0, 1]
    assert "2 slots are named for several experts: the first counts" in sentences(notes)


def test_routing_to_slots_of_missing_ranks_places_nothing():
    series, _ = series_of((2, "routing", [[0, 1, 6, 7, 99]]), (2, "hot", [[1, 2, 3]]))
    assert series.ranks == (2,)
    assert series.placements[0].tolist() == [[2, 3, UNPLACED]]


def test_outputs_without_expert_tables_have_no_series(tmp_path):
    opened = profile(tmp_path, "csv_only/forward.csv", "csv_only/batch.csv")
    assert opened.load_expert_series() == LoadedSeries()
    assert Profile(tmp_path, ()).load_expert_series() == LoadedSeries()


class Stopping:
    def __init__(self):
        self.calls = 0

    def advance(self, what, done, total):
        self.calls += 1
        assert 0 <= done <= total
        raise Cancelled


def test_a_cancelled_reading_starts_again(tmp_path):
    write_db(tmp_path, marks())
    opened = open_profile(tmp_path)
    stopping = Stopping()
    with pytest.raises(Cancelled):
        opened.load_expert_series(stopping)
    assert stopping.calls == 1
    (series,) = opened.load_expert_series().series
    assert series.period.tolist() == [0, 0, 1]
    assert series.tokens[1].tolist() == [[4, 8, 12, 40, 40, 40]] * 2
    assert opened.load_expert_series().series[0] is series


def test_marks_that_are_not_all_alike_are_read_as_if_they_were(tmp_path):
    """A mark without tables, a ragged one and one that is none: read one by one, to the same result."""
    plain = write_db(tmp_path / "plain", marks()).load_expert_series().series[0]
    odd = [mark(0, 6, expert_hot="none"), mark(1, 6, other=1), mark(1, 7, expert_hot=[[1, 2], [3]])]
    loaded = write_db(tmp_path / "odd", marks(*odd))
    (series,) = loaded.load_expert_series().series
    assert np.array_equal(series.tokens, plain.tokens)
    assert series.period.tolist() == plain.period.tolist()
    assert all(np.array_equal(a, b) for a, b in zip(series.placements, plain.placements, strict=True))
    assert "2 expert marks carry no readable rank and table" in sentences(loaded.load("expert_heat").notes)


def test_readings_that_lie_too_far_apart_in_time_are_told():
    rows = [
        ExpertRow(f"process {rank}", order, rank, "hot", [[order + 1]], 10**6 * (order + 1) + rank * 600_000)
        for order in range(4)
        for rank in (0, 1)
    ]
    tables = read_tables(rows, "trace")
    assert sentences(series_notes(tables, "trace")) == (
        "trace: In EPLB period 0 readings of the ranks that count as one iteration are 0.60 s apart, one "
        "iteration takes 1.00 s: single iterations may mix several."
    )
    assert len(expert_series(tables, "i").tokens) == 4
    close = [row._replace(time=row.time - row.rank * 200_000) for row in rows]
    assert series_notes(read_tables(close, "trace"), "trace") == []
