"""Expert heat of a raw profile, against its rows' differences, the parsed outputs and upstream's arrays."""

import json
import shutil
import sqlite3

import numpy as np
import pytest

from lbtui.profile import Cancelled, Silent, Unreadable
from lbtui.sources import open_profile
from lbtui.sources.experts.discover import find_expert_files
from lbtui.sources.experts.raw_profile import read_raw
from tests.sources import heat_images
from tests.sources.made import Service, write
from tests.sources.raw_samples import lay_out_raw, recorded_marks
from tests.sources.recorded import DATA, profile, sentences, state_of
from tests.sources.test_experts import expert_slices, write_db
from tests.tools.expert_format import RawMark, write_raw

INSTANCE = "mindie-server-d0"
ROUTING = [[0, 1, 2, 3], [3, 2, 1, 0]]  # two ranks of two slots, two layers


def by_hand():
    """Return the recorded tokens [iteration, layer, column] as differences of the rows, and the periods."""
    columns, periods = {}, {}
    for _host, _pid, marks in recorded_marks():
        rows, numbers, before, period = [], [], 0, -1
        for mark in marks:
            if "expert_routing" in mark.fields:
                before, period = 0, period + 1
            else:
                table = np.array(mark.fields["expert_hot"])
                rows.append(table - before)
                numbers.append(period)
                before = table
        columns[marks[0].fields["rank"]] = rows
        periods[marks[0].fields["rank"]] = numbers
    ranks = sorted(columns)
    return np.concatenate([np.stack(columns[rank]) for rank in ranks], axis=2), periods[0]


def assert_same(series, other):
    assert np.array_equal(series.tokens, other.tokens)
    assert (series.ranks, series.slots_per_rank, series.experts) == (
        other.ranks,
        other.slots_per_rank,
        other.experts,
    )
    assert series.period.tolist() == other.period.tolist()
    # The parser reckons in floats of a quarter of a microsecond.
    assert np.abs(series.time.astype(np.int64) - other.time.astype(np.int64)).max() <= 1
    assert all(np.array_equal(a, b) for a, b in zip(series.placements, other.placements, strict=True))


@pytest.mark.parametrize("options", [{}, {"hats": True}, {"layout": "slice"}])
def test_raw_database_and_trace_give_the_same_tokens_and_these_are_the_rows_differences(tmp_path, options):
    for name in ("trace", "db"):
        (tmp_path / name).mkdir()
    raw = open_profile(lay_out_raw(tmp_path / "raw", **options))
    (series,) = raw.load_expert_series().series
    tokens, periods = by_hand()
    assert np.array_equal(series.tokens, tokens)
    assert series.period.tolist() == periods
    assert series.instance == INSTANCE
    opened = write_db(tmp_path / "db", expert_slices(tmp_path))
    trace = profile(tmp_path / "trace", "chrome_pd_ep_cut.json")
    for parsed in (opened, trace):
        assert_same(series, parsed.load_expert_series().series[0])
        for frame in ("expert_heat", "placements"):
            ours, theirs = raw.load(frame), parsed.load(frame)
            assert ours.frame.drop("instance").equals(theirs.frame.drop("instance"))
            assert {p.reader for p in ours.provenance} == {"raw_profile"}
            assert sentences(ours.notes) == ""


def test_each_periods_shares_equal_what_upstream_drew(tmp_path):
    """pd_ep's rows end with a repeated one, so that trap 16 (the last mark is lost) changes nothing."""
    heat = open_profile(lay_out_raw(tmp_path)).load("expert_heat").frame
    truth = np.load(DATA / "pd_ep_shares_4_layers.npz")
    assert len(truth.files) == 9
    for name in truth.files:
        period, view = name[1:].split("_", 1)
        cells = heat.filter(period=int(period), view=view).sort("layer", "column")
        assert np.abs(cells["share"].to_numpy().reshape(truth[name].shape) - truth[name]).max() < 1e-12


def parsers_sum(ranks, period, first_id):
    """Return the tokens [layer, rank] upstream's parser counts: windows strictly between mark ids, the last
    one ending at (rows - 1); differences; ranks cut to the shortest. `ranks` are lists of RawMark."""
    used = []
    for marks in ranks:
        ids = list(range(first_id, first_id + len(marks)))
        bounds = [i for i, mark in zip(ids, marks, strict=True) if "expert_routing" in mark.fields]
        bounds = sorted({*bounds, len(marks) - 1})
        low, high = bounds[period], bounds[period + 1]
        rows = [np.array(m.fields["expert_hot"]) for i, m in zip(ids, marks, strict=True) if low < i < high]
        used.append([row - (rows[n - 1] if n else 0) for n, row in enumerate(rows)])
    shortest = min(map(len, used))
    return np.stack([sum(rows[:shortest]).sum(axis=1) for rows in used], axis=1)


def marks_of(rank, readings=((1, 1, 3), (2, 9, 40)), slots=2):
    """Marks of one rank: for each period its routing table, then cumulative readings."""
    marks, number = [], 0
    for period in readings:
        marks.append(RawMark(number * 10**9 + 10**18, {"rank": rank, "expert_routing": ROUTING}))
        number += 1
        for factor in period:
            table = [[(rank + 1) * factor, factor][:slots], [factor if rank else factor * factor, 5][:slots]]
            marks.append(RawMark(number * 10**9 + 10**18, {"rank": rank, "expert_hot": table}))
            number += 1
    return marks


def draw(folder, counts, period):
    drawn = heat_images.draw(folder, np.asarray(counts, dtype=float))
    drawn.path.rename(folder / heat_images.file_name("server-d0", period, "rank"))


@pytest.mark.parametrize(
    ("layout", "first_id", "lost"),
    [("mstx", 0, "2 in all; of rank 0 marks 7"), ("slice", 1, "4 in all; of rank 0 marks 7, 8")],
)
def test_trap_16_readings_that_the_parser_lost_are_in_our_sums_and_told(tmp_path, layout, first_id, lost):
    ranks = [marks_of(rank) for rank in (0, 1)]
    output = tmp_path / "output"
    write(output, Service("server-d0-master-0", 10, (11,), 0, 0, (1, 2, 3)))
    for rank, marks in enumerate(ranks):
        write_raw(tmp_path / "raw", "server-d0-worker-0", 100 + rank, marks, layout=layout)
    for period in (0, 1):
        draw(output, parsers_sum(ranks, period, first_id), period)
    loaded = open_profile(output, tmp_path / "raw").load("expert_heat")
    tokens = loaded.frame.filter(view="rank", period=1).sort("layer", "column")["tokens"].to_list()
    assert tokens == [80, 120, 1605, 45], "the last reading of each rank"
    assert sentences(loaded.notes) == (
        "server-d0_eplb_1_summed_hot_map_by_rank.png: The picture lacks readings of EPLB period 1 that the "
        f"parser lost ({lost}); the numbers here include them."
    )


def test_trap_16_as_the_parser_itself_did_it(tmp_path):
    """Its own pictures of the recorded marks in slice layout: ids 18 and 19 of 19 are lost."""
    lay_out_raw(tmp_path / "raw", layout="slice")
    shutil.copytree(DATA / "slice_png", tmp_path / "output")
    loaded = open_profile(tmp_path / "output", tmp_path / "raw").load("expert_heat")
    assert sentences(loaded.notes) == (
        "mindie-server-d0_eplb_2_summed_hot_map_by_rank.png: The picture lacks readings of EPLB period 2 "
        "that the parser lost (32 in all; of rank 0 marks 18, 19); the numbers here include them."
    )
    truth = np.load(DATA / "pd_ep_shares_4_layers.npz")["p2_rank"]
    cells = loaded.frame.filter(view="rank", period=2).sort("layer", "column")
    assert np.abs(cells["share"].to_numpy().reshape(truth.shape) - truth).max() < 1e-12


def test_pictures_that_show_all_that_the_marks_hold_are_no_reason_for_a_note(tmp_path):
    ranks = [marks_of(rank, readings=((1, 2), (3, 40, 40))) for rank in (0, 1)]
    write(tmp_path / "output", Service("server-d0-master-0", 10, (11,), 0, 0, (1, 2, 3)))
    for rank, marks in enumerate(ranks):
        write_raw(tmp_path / "raw", "server-d0-worker-0", 100 + rank, marks)
    for period in (0, 1):
        draw(tmp_path / "output", parsers_sum(ranks, period, 0), period)
    assert open_profile(tmp_path / "output", tmp_path / "raw").load("expert_heat").notes == ()


def test_trap_16_ranks_cut_to_the_shortest_by_the_parser_are_told_too(tmp_path):
    ranks = [marks_of(0, ((1, 2), (3, 40, 40))), marks_of(1, ((1, 2, 9), (3, 40, 40)))]
    write(tmp_path / "output", Service("server-d0-master-0", 10, (11,), 0, 0, (1, 2, 3)))
    for rank, marks in enumerate(ranks):
        write_raw(tmp_path / "raw", "server-d0-worker-0", 100 + rank, marks)
    draw(tmp_path / "output", parsers_sum(ranks, 0, 0), 0)
    loaded = open_profile(tmp_path / "output", tmp_path / "raw").load("expert_heat")
    assert "(1 in all; of rank 1 marks 3)" in sentences(loaded.notes)


def test_a_picture_of_another_run_is_told(tmp_path):
    write(tmp_path / "output", Service("server-d0-master-0", 10, (11,), 0, 0, (1, 2, 3)))
    for rank in (0, 1):
        write_raw(tmp_path / "raw", "server-d0-worker-0", 100 + rank, marks_of(rank))
    draw(tmp_path / "output", [[1, 9], [3, 2]], 0)
    loaded = open_profile(tmp_path / "output", tmp_path / "raw").load("expert_heat")
    assert "it may be of another run" in sentences(loaded.notes)


def test_trap_15_other_databases_and_domains_do_not_matter(tmp_path):
    """The parser fails on these together; here only the domain's own rows count."""
    others = [
        RawMark(1, {"rid": "1"}, "httpReq", "Request"),
        RawMark(2, {"text": "eplb_observe", "expert_hot": [[9, 9]], "rank": 0}, "x", "Request"),
        RawMark(3, {"text": '"domain":"eplb_observe"', "rank": 0, "expert_hot": [[9, 9]]}, "y", "Schedule"),
    ]
    write_raw(tmp_path / "a" / "b" / "c", "server-d0-worker-0", 7, others)
    write_raw(tmp_path, "server-d0-worker-0", 100, marks_of(0))
    opened = open_profile(tmp_path)
    (series,) = opened.load_expert_series().series
    assert series.ranks == (0,)
    assert series.tokens.shape == (6, 2, 2)
    assert opened.load("expert_heat").frame.filter(view="rank")["tokens"].to_list() == [6, 14, 80, 1605]


def test_other_rows_in_the_same_process_do_not_shift_anything(tmp_path):
    marks = marks_of(0)
    mixed = [one for mark in marks for one in (RawMark(1, {"rid": "1"}, "x", "Request"), mark)]
    write_raw(tmp_path / "mixed", "server-d0-worker-0", 100, mixed)
    write_raw(tmp_path / "pure", "server-d0-worker-0", 100, marks)
    assert_same(*(open_profile(tmp_path / name).load_expert_series().series[0] for name in ("mixed", "pure")))


def test_marks_count_in_the_order_of_their_ids(tmp_path):
    path = write_raw(tmp_path, "server-d0-worker-0", 100, marks_of(0))
    expected = open_profile(tmp_path).load("expert_heat").frame
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE turned AS SELECT * FROM Mstx ORDER BY markId DESC")
    connection.execute("DROP TABLE Mstx")
    connection.execute("ALTER TABLE turned RENAME TO Mstx")
    connection.commit()
    connection.close()
    assert open_profile(tmp_path).load("expert_heat").frame.equals(expected)


def test_instances_are_told_apart_by_the_host_in_meta_or_the_files_name(tmp_path):
    write_raw(tmp_path, "server-d0-worker-0", 100, marks_of(0))
    write_raw(tmp_path, "x", 101, marks_of(1), meta={"hostname": "server-d0-worker-1"})
    write_raw(tmp_path, "server-p0-worker-0", 100, marks_of(0), meta={})
    loaded = open_profile(tmp_path).load_expert_series()
    assert [(one.instance, one.ranks) for one in loaded.series] == [
        ("server-d0", (0, 1)),
        ("server-p0", (0,)),
    ]
    assert sum(len(one.tokens) for one in loaded.series) == 12


def test_a_raw_profile_alone_of_experts_says_that_it_holds_no_more(tmp_path):
    write_raw(tmp_path, "server-d0-worker-0", 100, marks_of(0))
    opened = open_profile(tmp_path)
    assert [file.reader for file in opened.files] == ["raw_profile"]
    assert opened.load("steps").frame.is_empty()
    missing = {one.what: one for one in opened.missing()}
    assert "forward passes" in missing
    assert not any("expert heat" in what for what in missing)
    alone = open_profile(next(tmp_path.glob("*.db")))
    assert alone.load("expert_heat").frame.equals(opened.load("expert_heat").frame)


def test_a_raw_profile_without_experts_says_so(tmp_path):
    write_raw(tmp_path, "node", 1, [RawMark(1, {"rid": "1"}, "httpReq", "Request")])
    opened = open_profile(tmp_path)
    heat = opened.load("expert_heat")
    assert heat.frame.is_empty()
    assert "None of its 1 files holds expert marks" in sentences(heat.notes)
    assert any("expert heat" in one.what for one in opened.missing())


def services(pid=10):
    return Service("server-d0-worker-0", pid, (pid + 1,), 0, 0, (1, 2, 3))


@pytest.mark.parametrize("place", ["inside", "around"])
def test_the_raw_profile_near_an_output_is_used_if_its_processes_are_in_it(tmp_path, place):
    raw = tmp_path / "prof" / "server-d0-worker-0"
    output = raw.parent / "output" if place == "inside" else tmp_path / "output"
    write(output, services())
    write_raw(raw / "Trace_Service", "server-d0-worker-0", 10, [RawMark(1, {"rid": "1"}, "x", "Request")])
    write_raw(raw / "eplb" / "Trace_Service", "server-d0-worker-0", 100, marks_of(0))
    # Of another run: its processes are not in the output.
    write_raw(tmp_path / "prof2" / "h" / "Trace_Service", "server-d0-worker-0", 20, marks_of(0, ((7,),)))
    loaded = open_profile(output).load("expert_heat")
    assert [p.reader for p in loaded.provenance] == ["raw_profile"]
    assert loaded.frame.filter(view="rank", period=0)["tokens"].to_list() == [6, 14]


def test_the_raw_profile_of_another_run_is_not_used(tmp_path):
    write(tmp_path / "output", services(pid=50))
    write_raw(tmp_path / "prof", "server-d0-worker-0", 10, marks_of(0))
    opened = open_profile(tmp_path / "output")
    assert opened.load("expert_heat").frame.is_empty()
    asked = open_profile(tmp_path / "output", tmp_path / "prof")
    assert not asked.load("expert_heat").frame.is_empty()
    assert asked.load("steps").frame.height == 3


def test_a_raw_profile_near_an_output_without_a_readable_table_is_nothing_to_open(tmp_path):
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "profiler.db").write_bytes(b"no database at all" * 100)
    write_raw(tmp_path / "prof", "server-d0-worker-0", 10, marks_of(0))
    with pytest.raises(Unreadable, match="cannot be read as an SQLite database"):
        open_profile(tmp_path / "output")


def test_a_raw_profile_comes_before_the_database(tmp_path):
    from tests.sources.test_experts import marks

    opened = write_db(tmp_path / "output", marks(), services())
    write_raw(tmp_path / "prof", "server-d0-worker-0", 10, marks_of(0))
    assert [p.reader for p in opened.load("expert_heat").provenance] == ["sqlite"]
    again = open_profile(tmp_path / "output")
    assert [p.reader for p in again.load("expert_heat").provenance] == ["raw_profile"]


def test_experts_from_nowhere_are_refused(tmp_path):
    write(tmp_path / "output", services())
    for wrong in (tmp_path / "none", tmp_path / "output", tmp_path / "output" / "batch.csv"):
        with pytest.raises(Unreadable, match="holds no raw profile"):
            open_profile(tmp_path / "output", wrong)


def test_what_cannot_be_read_is_told_and_the_rest_is_shown(tmp_path):
    write_raw(tmp_path, "server-d0-worker-0", 100, marks_of(0))
    (tmp_path / "ms_service_server-d0-worker-0-200.db").write_bytes(b"no database at all" * 100)
    whole = write_raw(tmp_path, "server-d0-worker-0", 300, marks_of(1)).read_bytes()
    (tmp_path / "ms_service_server-d0-worker-0-300.db").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "ms_service_empty-1.db").write_bytes(b"")
    (tmp_path / "ms_service_folder-1.db").mkdir()
    odd = [RawMark(5, {"rank": 2, "expert_hot": "x"}), RawMark(6, {"expert_hot": [[1]]})]
    write_raw(tmp_path, "server-d0-worker-0", 400, odd)
    opened = open_profile(tmp_path)
    loaded = opened.load("expert_heat")
    assert set(loaded.frame["rank"].drop_nulls()) == {0}
    told = sentences(loaded.notes)
    assert "ms_service_server-d0-worker-0-200.db cannot be read as an SQLite database" in told
    assert "ms_service_server-d0-worker-0-300.db cannot be read as an SQLite database" in told
    assert "2 expert marks carry no readable rank and table" in told


def test_ids_and_times_that_are_none_do_not_stop_it(tmp_path):
    path = write_raw(tmp_path, "server-d0-worker-0", 100, marks_of(0))
    connection = sqlite3.connect(path)
    connection.execute("UPDATE Mstx SET timestamp = 'x' WHERE markId = 1")
    connection.execute("UPDATE Mstx SET markId = NULL WHERE markId = 2")
    connection.commit()
    connection.close()
    (series,) = open_profile(tmp_path).load_expert_series().series
    assert series.time is None
    assert len(series.tokens) == 5


def test_a_counter_that_falls_is_told(tmp_path):
    write_raw(tmp_path, "server-d0-worker-0", 100, marks_of(0, ((5, 2),)))
    loaded = open_profile(tmp_path).load("expert_heat")
    assert "Counters fell 1 times" in sentences(loaded.notes)
    assert loaded.frame.filter(view="rank")["tokens"].to_list() == [(5 + 2) * 2, 25 + 5 + 4 + 5]


def test_reading_leaves_the_folder_as_it_was(tmp_path):
    lay_out_raw(tmp_path)
    for path in tmp_path.rglob("*.db"):
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.close()
    before = state_of(tmp_path)
    opened = open_profile(tmp_path)
    opened.load("expert_heat")
    opened.load_expert_series()
    assert state_of(tmp_path) == before


def test_it_can_be_cancelled_and_its_progress_rises(tmp_path):
    lay_out_raw(tmp_path)
    files = find_expert_files(tmp_path).raw
    told = []

    class Watching(Silent):
        def advance(self, what, done, total):
            told.append((done, total))
            if len(told) == 10:
                raise Cancelled

    with pytest.raises(Cancelled):
        read_raw(files, Watching())
    assert len(told) == 10
    assert [done for done, _total in told] == sorted(done for done, _total in told)
    assert all(total == sum(file.size for file in files) and 0 <= done <= total for done, total in told)


def test_a_copy_of_the_recorded_marks_is_what_these_tests_think_it_is():
    marks = next(iter(recorded_marks()))[2]
    assert len(marks) == 19
    assert json.dumps(marks[-1].fields) == json.dumps(marks[-2].fields), "the last row is repeated"
    assert len(list(recorded_marks())) == 16
