"""Operator times from MSPTI's databases, against plain loops over their rows and the parser's tables."""

import csv
import io
import math
import random
import sqlite3
import statistics
from collections import defaultdict
from contextlib import closing
from itertools import count

import pytest

from lbtui.profile import SCHEMAS, Cancelled, Silent, SourceFile
from lbtui.sources import frame as canonical_frame
from lbtui.sources import open_profile
from lbtui.sources.raw import mspti
from lbtui.sources.raw.operators import read_layer_times, read_rank_intervals
from tests.sources.operators import (
    COMBINE,
    DISPATCH,
    GROUPED,
    START,
    Call,
    found,
    lay_out_mspti,
    of_passes,
    took,
    write_mspti,
)
from tests.sources.recorded import content, sentences, state_of


def layer_times(folder, layers=None):
    loaded = read_layer_times(found(folder), Silent(), layers)
    assert loaded.frame.schema == SCHEMAS["layer_times"]
    return loaded


def intervals(folder):
    loaded = read_rank_intervals(found(folder), Silent())
    assert loaded.frame.schema == SCHEMAS["rank_intervals"]
    return loaded


def by_column(frame):
    """Return the times of layers by column."""
    times = defaultdict(list)
    for layer, _pid, column, time in frame.sort("column", "layer").iter_rows():
        assert layer == len(times[column])
        times[column].append(time)
    return dict(times)


def sums(passes, layers, skip=0):
    """Return the ns by layer of what `of_passes` yields."""
    return [
        sum(took(layer, n, 0) + took(layer, n, 1) for n in range(passes) if n or layer >= skip)
        for layer in range(layers)
    ]


def rows_of(path, sql):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def test_the_recorded_layers_take_what_their_rows_and_the_parser_say(tmp_path):
    lay_out_mspti(tmp_path)
    loaded = layer_times(tmp_path, 58)
    parsed = list(csv.DictReader(io.StringIO(content("pd_ep_operators/ep_balance.csv").decode())))
    pids = [10828, 10880, 10887, 11174]
    assert loaded.frame.unique(["process", "column"]).sort("column")["process"].to_list() == pids
    for column, pid in enumerate(pids):
        (path,) = tmp_path.rglob(f"*-{pid}.db")
        named = {c for (c,) in rows_of(path, f"SELECT correlationId FROM Api WHERE name = '{GROUPED}'")}
        calls = rows_of(path, "SELECT correlationId, start, end FROM Kernel ORDER BY correlationId")
        by_hand = [0] * 58
        for number, (_id, start, end) in enumerate(call for call in calls if call[0] in named):
            by_hand[number // 2 % 58] += end - start
        assert by_column(loaded.frame)[column] == by_hand == [int(row[str(pid)]) for row in parsed]
    (source,) = loaded.provenance
    assert (source.reader, source.rows) == ("mspti", 4 * 58)
    assert [(file.path.name.rpartition("-")[2], rows) for file, rows in source.parts] == [
        (f"{pid}.db", 58) for pid in pids
    ]
    told = sentences(loaded.notes)
    assert "the first call is taken to be of layer 0" in told
    assert "a guess at the rank" in told


def test_the_recorded_intervals_are_the_parsers_but_for_its_deviation_over_n(tmp_path):
    lay_out_mspti(tmp_path)
    parsed = {
        int(row["Dataset"]): row
        for row in csv.DictReader(io.StringIO(content("pd_ep_operators/moe_analysis.csv").decode()))
    }
    frame = intervals(tmp_path).frame
    assert frame["process"].to_list() == [10828, 10880, 10887, 11174]
    assert frame["column"].to_list() == [0, 1, 2, 3]
    for pid, _column, mean, low, high in frame.iter_rows():
        (path,) = tmp_path.rglob(f"*-{pid}.db")
        took = [end - start for start, end in rows_of(path, "SELECT start, end FROM Communication")]
        assert mean == pytest.approx(statistics.fmean(took), rel=1e-12)
        assert mean == pytest.approx(float(parsed[pid]["Mean"]), rel=1e-12)
        # The parser divides by √n what it must divide by √(n − 1).
        n = len(took)
        half = (float(parsed[pid]["CI_Upper"]) - mean) * math.sqrt(n / (n - 1))
        assert high - mean == pytest.approx(half, rel=1e-9)
        assert mean - low == pytest.approx(half, rel=1e-9)


def test_where_the_layers_are_not_known_only_what_is_certain_is_told(tmp_path):
    lay_out_mspti(tmp_path)
    loaded = layer_times(tmp_path)
    assert loaded.frame.is_empty()
    totals = {}
    for path in tmp_path.rglob("*.db"):
        (totals[path.stem],) = rows_of(path, "SELECT sum(end - start) / 1e6 FROM Kernel")[0]
    least, most = min(totals.values()), max(totals.values())
    told = sentences(loaded.notes)
    assert "How many layers a forward pass has is not known" in told
    assert f"took {least:.3f} to {most:.3f} ms in all" in told
    assert "the longest in pid 10880 of mindie-server-d0-master-0" in told


@pytest.mark.parametrize("known", [30, None])
def test_another_model_has_its_own_number_of_layers(tmp_path, known):
    write_mspti(tmp_path, "node-0", 7, of_passes(5, 30))
    loaded = layer_times(tmp_path, known)
    assert by_column(loaded.frame) == {0: sums(5, 30)}
    assert [note.text for note in loaded.notes if "guess" not in note.text] == []


def test_a_recording_that_begins_within_a_pass_keeps_its_layers(tmp_path):
    write_mspti(tmp_path, "node-0", 7, of_passes(6, 30, skip=11))
    loaded = layer_times(tmp_path, 30)
    assert by_column(loaded.frame) == {0: sums(6, 30, skip=11)}
    assert "1 of 1 processes did not record whole forward passes" in sentences(loaded.notes)


def test_a_recording_that_begins_within_a_layer_keeps_its_layers(tmp_path):
    calls = [call for call in of_passes(5, 8) if call.name != DISPATCH or call.start > START]
    first = next(i for i, call in enumerate(calls) if call.api)
    write_mspti(tmp_path, "node-0", 7, calls[:first] + calls[first + 1 :])
    expected = sums(5, 8)
    expected[0] -= took(0, 0, 0)
    assert by_column(layer_times(tmp_path, 8).frame) == {0: expected}


def test_calls_without_dispatch_and_combine_are_taken_by_two_and_it_is_told(tmp_path):
    write_mspti(tmp_path, "node-0", 7, of_passes(5, 8, marks=False), without=["Communication"])
    loaded = layer_times(tmp_path)
    assert by_column(loaded.frame) == {0: sums(5, 8)}
    assert "each two calls of GroupedMatmul are taken to be of one" in sentences(loaded.notes)
    assert intervals(tmp_path).frame.is_empty()


def test_collectives_that_are_not_of_experts_or_have_no_times_separate_nothing(tmp_path):
    calls = list(of_passes(5, 8))
    for call in [call for call in calls if call.api]:
        calls.append(Call("MoeDistributeOther", call.start, call.end))
        calls.append(Call(COMBINE, call.start, 0))
    write_mspti(tmp_path, "node-0", 7, calls)
    assert by_column(layer_times(tmp_path).frame) == {0: sums(5, 8)}


def test_a_call_that_begins_as_a_dispatch_does_is_after_it(tmp_path):
    calls = [
        call._replace(start=call.start + 25_000, end=call.end + 25_000) if call.name == DISPATCH else call
        for call in of_passes(5, 8)
    ]
    first = next(i for i, call in enumerate(calls) if call.api)
    write_mspti(tmp_path, "node-0", 7, calls[:first] + calls[first + 1 :])
    expected = sums(5, 8)
    expected[0] -= took(0, 0, 0)
    assert by_column(layer_times(tmp_path).frame) == {0: expected}


def test_three_calls_a_layer_are_of_one_layer(tmp_path):
    calls = []
    for call in of_passes(5, 8):
        calls.append(call)
        if call.name == DISPATCH:
            calls.append(Call("te_gate", call.end, call.end + 1000, GROUPED))
    write_mspti(tmp_path, "node-0", 7, calls)
    assert by_column(layer_times(tmp_path).frame) == {0: [time + 5 * 1000 for time in sums(5, 8)]}


def test_a_pause_within_some_passes_does_not_shift_the_layers(tmp_path):
    late, calls = 0, []
    chance = random.Random(3)
    for call in of_passes(60, 20):
        if call.name == DISPATCH and chance.random() < 1 / 200:
            late += 1_500_000
        calls.append(call._replace(start=call.start + late, end=call.end + late))
    assert late >= 3 * 1_500_000
    write_mspti(tmp_path, "node-0", 7, calls)
    assert by_column(layer_times(tmp_path).frame) == {0: sums(60, 20)}


def test_a_speculative_layer_with_a_pause_of_its_own_is_the_last(tmp_path):
    late, calls = 0, []
    layer = count(-1)
    for call in of_passes(9, 12, skip=5):
        if call.name == DISPATCH and (next(layer) + 5) % 12 == 10:
            late += 2_000_000
        calls.append(call._replace(start=call.start + late, end=call.end + late))
    write_mspti(tmp_path, "node-0", 7, calls)
    loaded = layer_times(tmp_path, 11)
    assert by_column(loaded.frame) == {0: sums(9, 12, skip=5)}
    assert "a forward pass runs 12 layers, expert tables have 11" in sentences(loaded.notes)


def test_three_pauses_may_be_chance(tmp_path):
    write_mspti(tmp_path, "node-0", 7, of_passes(4, 6))
    assert layer_times(tmp_path).frame.is_empty()
    assert by_column(layer_times(tmp_path, 6).frame) == {0: sums(4, 6)}


def test_pauses_without_order_are_no_passes(tmp_path):
    late, calls = 0, []
    chance = random.Random(5)
    for call in of_passes(60, 20, pause=0):
        if call.name == DISPATCH and chance.random() < 1 / 20:
            late += 3_000_000
        calls.append(call._replace(start=call.start + late, end=call.end + late))
    write_mspti(tmp_path, "node-0", 7, calls)
    assert layer_times(tmp_path).frame.is_empty()
    assert by_column(layer_times(tmp_path, 20).frame) == {0: sums(60, 20)}


NAMES = {
    "aclnnGroupedMatmulV5_GroupedMatmul_GroupedMatmul": True,
    "aclnnGroupedMatmulSwigluQuant_GroupedMatmulSwigluQuant_GroupedMatmulSwigluQuant": True,
    "GroupedMatmul_17": True,
    "aclnnGroupedMatmulV4_Cast_Cast": False,
    "aclnnGroupedMatmulV4": False,
    "aclnnMatmul_MatMulV3Common_MatMulV3": False,
}


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_which_kernels_are_of_grouped_matmul(tmp_path, name, own):
    """Of the kernel's own name too: a graph's launch is one Api row of another name."""
    calls = [
        call._replace(name=name if own else "te_1", api="aclmdlRIExecuteAsync" if own else name)
        if call.api
        else call
        for call in of_passes(5, 6)
    ]
    write_mspti(tmp_path, "node-0", 7, calls)
    assert by_column(layer_times(tmp_path, 6).frame) == ({0: sums(5, 6)} if NAMES[name] else {})


def test_kernels_of_one_launch_and_rows_out_of_order_are_ordered_by_time(tmp_path):
    calls = [
        call._replace(name=GROUPED, api=None, launch=1) if call.api else call for call in of_passes(5, 6)
    ]
    random.Random(1).shuffle(calls)
    write_mspti(tmp_path, "node-0", 7, calls)
    assert by_column(layer_times(tmp_path).frame) == {0: sums(5, 6)}


@pytest.mark.parametrize(
    "times", [(0, 0), (None, None), (START + 10, START), ("x", b"y"), (START, 2**63 - 1)]
)
def test_a_call_without_times_leaves_the_others_in_their_layers(tmp_path, times):
    calls = list(of_passes(5, 8, marks=False))
    calls[2 * 8 + 5] = calls[2 * 8 + 5]._replace(start=times[0], end=times[1])
    write_mspti(tmp_path, "node-0", 7, calls)
    loaded = layer_times(tmp_path, 8)
    expected = sums(5, 8)
    # Of the call beside it nothing is known to be the layer's whole time.
    expected[2] -= took(2, 1, 0) + took(2, 1, 1)
    assert by_column(loaded.frame) == {0: expected}
    assert "1 call has no times: what is known of its layer" in sentences(loaded.notes)


def test_a_layer_of_which_no_call_is_timed_has_no_time(tmp_path):
    calls = [
        call._replace(start=0, end=0) if (number // 2) % 8 == 3 else call
        for number, call in enumerate(of_passes(1, 8, marks=False))
    ]
    write_mspti(tmp_path, "node-0", 7, calls)
    expected = sums(1, 8)
    assert by_column(layer_times(tmp_path, 8).frame) == {0: [*expected[:3], None, *expected[4:]]}


def test_two_hosts_with_one_pid_stay_apart_in_the_order_of_their_numbers(tmp_path):
    for number, host in enumerate(["node-10", "node-2", "node-1"]):
        write_mspti(tmp_path / host, host, 77, of_passes(number + 5, 6))
    write_mspti(tmp_path / "node-1", "node-1", 1000, of_passes(9, 6))
    times, moe = layer_times(tmp_path), intervals(tmp_path)
    assert by_column(times.frame) == {0: sums(7, 6), 1: sums(9, 6), 2: sums(6, 6), 3: sums(5, 6)}
    for frame in (times.frame, moe.frame):
        of_column = frame.unique(["process", "column"]).sort("column")["process"].to_list()
        assert of_column == [77, 1000, 77, 77]
    for loaded in (times, moe):
        assert "Hosts share the pids 77" in sentences(loaded.notes)
    assert "from 30 to 54 executions of layers" in sentences(times.notes)


def test_two_files_of_one_process_are_read_once(tmp_path):
    write_mspti(tmp_path / "a", "node-0", 7, of_passes(3, 6))
    write_mspti(tmp_path / "b", "node-0", 7, of_passes(60, 6))
    loaded = layer_times(tmp_path)
    assert by_column(loaded.frame) == {0: sums(60, 6)}
    assert ["is read instead" in note.text for note in loaded.notes if note.lost] == [True]


def test_few_calls_have_no_interval_or_a_wide_one(tmp_path):
    one, two = [Call(DISPATCH, START, START + 30)], [Call(COMBINE, START + 50, START + 90)]
    write_mspti(tmp_path, "node-0", 1, one)
    write_mspti(tmp_path, "node-0", 2, [*one, *two])
    write_mspti(
        tmp_path, "node-0", 3, [Call(DISPATCH, 0, 0), *two, Call("MoeDistributeOther", START, START + 1)]
    )
    write_mspti(tmp_path, "node-0", 4, [Call("MoeDistributeCombineV2", START, START + 5)])
    loaded = intervals(tmp_path)
    # Of one degree of freedom t is tan(0.475 π), and s / √n of two values is half their distance.
    half = math.tan(0.475 * math.pi) * 5
    (first, *others) = loaded.frame.rows()
    assert first == (1, 0, 30.0, None, None)
    assert others[0] == (2, 1, 35.0, pytest.approx(35 - half), pytest.approx(35 + half))
    assert others[1:] == [(3, 2, 40.0, None, None), (4, 3, 5.0, None, None)]
    assert "1 call has no times and is left out" in sentences(loaded.notes)


def test_nothing_is_read_of_nothing(tmp_path):
    for loaded in (layer_times(tmp_path), intervals(tmp_path)):
        assert loaded.frame.is_empty()
        assert loaded.notes == loaded.provenance == ()


def break_files(folder):
    """Write databases that hold nothing, or are none."""
    whole = write_mspti(folder, "node-0", 1, of_passes(40, 6)).read_bytes()
    (folder / "ascend_service_profiler_node-0-2.db").write_bytes(b"")
    (folder / "ascend_service_profiler_node-0-3.db").write_bytes(b"no database" * 1000)
    (folder / "ascend_service_profiler_node-0-4.db").write_bytes(whole[: len(whole) // 2])
    write_mspti(folder, "node-0", 5, [])
    write_mspti(folder, "node-0", 6, [], without=["Api", "Kernel", "Communication"])
    for pid, statement in (
        (7, "CREATE VIEW Kernel AS SELECT * FROM Kernel"),
        (8, "CREATE TABLE Kernel (name, start)"),
    ):
        path = write_mspti(folder, "node-0", pid, [], without=["Api", "Kernel", "Communication"])
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(statement)


def test_broken_files_are_told_and_the_others_read(tmp_path):
    break_files(tmp_path)
    before = state_of(tmp_path)
    times, moe = layer_times(tmp_path), intervals(tmp_path)
    assert by_column(times.frame) == {0: sums(40, 6)}
    assert moe.frame["process"].to_list() == [1]
    for loaded in (times, moe):
        assert sorted(note.file for note in loaded.notes if note.verdict == "unreadable") == [
            f"ascend_service_profiler_node-0-{pid}.db" for pid in (3, 4)
        ]
        assert "5 of 6 databases hold no timed call" in sentences(loaded.notes)
    assert state_of(tmp_path) == before


def test_a_file_that_went_away_is_told(tmp_path):
    gone = tmp_path / "ascend_service_profiler_node-0-2.db"
    loaded = read_layer_times([SourceFile(gone, "mspti", "mspti", 10)], Silent())
    assert [note.verdict for note in loaded.notes] == ["unreadable"]


@pytest.mark.parametrize("layers", [0, 5000, 2**40])
def test_no_model_has_so_many_layers(tmp_path, layers):
    write_mspti(tmp_path, "node-0", 7, of_passes(2, 6, pause=0))
    loaded = layer_times(tmp_path, layers)
    assert loaded.frame.is_empty()
    assert "not known" in sentences(loaded.notes)


def test_of_too_many_processes_the_first_are_read_and_it_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(mspti, "MOST_LANES", 2)
    for pid in (5, 30, 4, 200):
        write_mspti(tmp_path, "node-0", pid, of_passes(3, 6))
    loaded = intervals(tmp_path)
    assert loaded.frame["process"].to_list() == [4, 5]
    assert "There are 4 files" in sentences(loaded.notes)
    assert mspti.MOST_LANES < canonical_frame.MOST_LANES


@pytest.mark.parametrize("read", [read_layer_times, read_rank_intervals])
def test_it_can_be_cancelled(tmp_path, read):
    lay_out_mspti(tmp_path)

    class Watching(Silent):
        def advance(self, what, done, total):
            assert 0 <= done <= total
            raise Cancelled

    for path in tmp_path.rglob("*.db"):
        with closing(sqlite3.connect(path)) as connection:
            # So many rows that SQLite asks whether to go on.
            for table in ("Kernel", "Communication"):
                connection.execute(
                    f"INSERT INTO {table} (name, start) WITH RECURSIVE n(i) AS "
                    f"(SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) SELECT 'x', i FROM n"
                )
            connection.commit()
    with pytest.raises(Cancelled):
        read(found(tmp_path), Watching())


def test_databases_of_mspti_are_found_in_the_walk_for_raw_files_and_open_nothing_by_themselves(tmp_path):
    lay_out_mspti(tmp_path)
    (tmp_path / "ascend_service_profiler_node.db").write_bytes(b"")
    (tmp_path / "ascend_service_profiler_node-7.db-wal").write_bytes(b"")
    files = found(tmp_path)
    assert [file.path.name.rpartition("-")[2] for file in files] == [
        "10828.db",
        "10880.db",
        "10887.db",
        "11174.db",
    ]
    assert [file.path for file in files] == sorted(tmp_path.rglob("*-*.db"))
    assert all(file.size == file.path.stat().st_size for file in files)
    with pytest.raises(Exception, match="holds no parsed output"):
        open_profile(tmp_path)
    with pytest.raises(Exception, match="is no file of a parsed output"):
        open_profile(files[0].path)
