"""Expert heat, placements and operator times as a profile's frames: from db, trace, pictures and CSV."""

import csv
import json
import shutil
import sqlite3

import numpy as np
import polars as pl
import pytest

from lbtui.sources import open_profile, store
from tests.sources.made import START, Service, write
from tests.sources.recorded import DATA, content, lay_out, profile, sentences
from tests.sources.traces import unpack
from tests.tools import parser_format as made

ROUTING = [[0, 1, 3, 4, 2], [4, 3, 1, 0, 5]]  # [layer][model expert] -> rank * 3 + slot; the last is shared
CELL = ["view", "period", "layer", "column"]


def expert_slices(folder):
    """Return the recorded trace's expert marks as rows of profiler.db's slice."""
    events = json.loads(unpack("pd_ep_cut", folder).read_text())
    return [
        made.Slice(
            int(event["ts"] * 1000),
            int(event["ts"] * 1000),
            event["name"],
            "eplb_observe",
            event["pid"],
            args,
        )
        for event in events
        if "expert_hot" in (args := event.get("args", {})) or "expert_routing" in args
    ]


def mark(rank, number, **table):
    time = START + number * 1000
    return made.Slice(time, time, "any name", "eplb_observe", 100 + rank, {"rank": rank, **table})


def counts(factor):
    return [[[factor, 2 * factor, 3 * factor]] * 2, [[10 * factor] * 3] * 2]


def marks(*extra):
    """Two ranks of three slots, two layers; one period with two readings, the second period with one."""
    rows = []
    for rank in (0, 1):
        rows += [
            mark(rank, 0, expert_hot=counts(100)[rank]),  # before the first routing table
            mark(rank, 1, expert_routing=ROUTING),
            mark(rank, 2, expert_hot=counts(1)[rank]),
            mark(rank, 3, expert_hot=counts(5)[rank]),
            mark(rank, 4, expert_routing=ROUTING),
            mark(rank, 5, expert_hot=counts(2)[rank]),
        ]
    return [*rows, *extra]


def write_db(folder, slices, *services):
    write(folder, *(services or (Service("node-a", 10, (11,), 0, 0, (1, 2, 3)),)))
    made.write_profiler_db(folder / "profiler.db", [], slices)
    return open_profile(folder)


def test_the_database_and_the_trace_hold_the_same_cells_and_upstreams_shares(tmp_path):
    (tmp_path / "trace").mkdir()
    (tmp_path / "db").mkdir()
    trace = profile(tmp_path / "trace", "chrome_pd_ep_cut.json")
    opened = write_db(tmp_path / "db", expert_slices(tmp_path))
    for frame in ("expert_heat", "placements"):
        ours, theirs = opened.load(frame), trace.load(frame)
        assert ours.provenance[0].file == "profiler.db:slice"
        assert theirs.provenance[0].file == "chrome_tracing.json"
        assert ours.frame.drop("instance").equals(theirs.frame.drop("instance"))
        assert [p.rows for p in ours.provenance] == [ours.frame.height]
    truth = np.load(DATA / "pd_ep_shares_4_layers.npz")
    heat = opened.load("expert_heat").frame
    for name in truth.files:
        period, view = name[1:].split("_", 1)
        cells = heat.filter(period=int(period), view=view).sort("layer", "column")
        assert np.abs(cells["share"].to_numpy().reshape(truth[name].shape) - truth[name]).max() < 1e-12


def test_trap_16_the_last_reading_of_the_last_period_counts_and_earlier_ones_are_in_it(tmp_path):
    """Upstream's windows lose the last mark; and rows before the first routing table have no placement."""
    opened = write_db(tmp_path, marks())
    heat = opened.load("expert_heat")
    by_rank = heat.frame.filter(pl.col("view") == "rank").sort("period", "layer", "column")
    assert by_rank["tokens"].to_list() == [30, 150, 30, 150, 12, 60, 12, 60]
    assert "2 expert rows before the first routing table are left out" in sentences(heat.notes)


def test_marks_count_in_the_order_of_time_and_not_of_their_ids(tmp_path):
    opened = write_db(tmp_path, marks())
    heat = opened.load("expert_heat").frame
    connection = sqlite3.connect(tmp_path / "profiler.db")
    # Upstream's workers number the rows as they come.
    connection.execute("UPDATE slice SET id = 1000 - id")
    connection.commit()
    connection.close()
    assert open_profile(tmp_path).load("expert_heat").frame.equals(heat)


def test_trap_17_a_slot_that_no_routing_names_is_the_shared_expert(tmp_path):
    heat = write_db(tmp_path, marks()).load("expert_heat").frame
    slots = heat.filter(pl.col("view") == "expert", pl.col("period") == 0, pl.col("layer") == 0).sort(
        "column"
    )
    # Slot 5 of layer 0 is not in the routing table: it counts for expert 4, the last.
    assert slots["expert"].to_list() == [0, 1, 4, 2, 3, 4]
    shared = heat.filter(pl.col("view") == "model_expert", pl.col("period") == 0, pl.col("column") == 4)
    assert shared.filter(pl.col("layer") == 0)["tokens"].item() == 15 + 50


def test_trap_18_expert_marks_are_found_by_their_thread_whatever_their_names(tmp_path):
    stranger = made.Slice(START, START, "expert_hot", "Schedule", 7, {"rank": 0, "expert_hot": [[9]]})
    heat = write_db(tmp_path, marks(stranger)).load("expert_heat").frame
    assert heat.filter(pl.col("view") == "rank")["tokens"].sum() == 2 * (30 + 150 + 12 + 60)


def test_trap_15_marks_without_a_rank_are_counted_and_the_rest_is_shown(tmp_path):
    strangers = [
        made.Slice(START, START, "x", "eplb_observe", 7, {"expert_hot": [[9]]}),
        made.Slice(START, START, "x", "eplb_observe", 7, {"rank": None, "expert_hot": "no table"}),
    ]
    heat = write_db(tmp_path, marks(*strangers)).load("expert_heat")
    assert heat.frame.filter(pl.col("view") == "rank")["tokens"].sum() == 2 * (30 + 150 + 12 + 60)
    assert "2 expert marks carry no readable rank and table" in sentences(heat.notes)


def test_the_only_instance_owns_the_experts_and_of_several_the_one_named_by_a_picture(tmp_path):
    p, d = (Service(f"server-{role}0-master-0", 10, (11,), 0, 0, (1, 2)) for role in "pd")
    alone = write_db(tmp_path / "alone", marks(), d).load("expert_heat")
    assert set(alone.frame["instance"]) == {"server-d0"}
    assert not any("instance" in note.text for note in alone.notes)
    both = write_db(tmp_path / "both", marks(), p, d).load("expert_heat")
    assert set(both.frame["instance"]) == {"experts"}
    assert "Nothing tells to which instance" in sentences(both.notes)
    (tmp_path / "both" / "server-d0_eplb_0_summed_hot_map_by_rank.png").write_bytes(b"x")
    named = open_profile(tmp_path / "both").load("expert_heat")
    assert set(named.frame["instance"]) == {"server-d0"}


def test_pictures_alone_give_shares_and_say_that_counts_are_lost(tmp_path):
    for picture in (DATA / "pd_ep_png").glob("*_eplb_0_*.png"):
        shutil.copy(picture, tmp_path)
    (tmp_path / "x_eplb_1_summed_hot_map_by_rank.png").write_bytes(b"no picture")
    heat = open_profile(tmp_path).load("expert_heat")
    assert heat.frame["tokens"].null_count() == heat.frame.height == 58 * (16 + 272 + 257)
    assert sum(p.rows for p in heat.provenance) == heat.frame.height
    assert set(heat.frame["instance"]) == {"mindie-server-d0"}
    assert "token counts are not" in sentences(heat.notes)
    assert "is not a PNG" in sentences(heat.notes)
    for view in ("rank", "expert", "model_expert"):
        cells = heat.frame.filter(pl.col("view") == view).sort("layer", "column")
        truth = np.load(DATA / f"truth/pd_ep_p0_by_{view}.npy")
        error = np.abs(cells["share"].to_numpy().reshape(truth.shape) - truth).max()
        assert error < 1.3 / 256 * (truth.max() - truth.min())
    slots = heat.frame.filter(pl.col("view") == "expert")
    assert slots.filter(pl.col("column") != pl.col("rank") * 17 + pl.col("slot")).is_empty()


def test_rank_boundaries_are_known_from_any_periods_picture(tmp_path):
    for name in ("0_summed_hot_map_by_rank", "1_summed_hot_map_by_expert"):
        shutil.copy(DATA / "pd_ep_png" / f"mindie-server-d0_eplb_{name}.png", tmp_path)
    heat = open_profile(tmp_path).load("expert_heat").frame
    assert heat.filter(pl.col("view") == "expert")["slot"].max() == 16


def test_exact_tables_come_before_pictures(tmp_path):
    write_db(tmp_path, marks())
    shutil.copy(DATA / "pd_ep_png" / "mindie-server-d0_eplb_0_summed_hot_map_by_rank.png", tmp_path)
    heat = open_profile(tmp_path).load("expert_heat")
    assert [p.reader for p in heat.provenance] == ["sqlite"]
    assert heat.frame["tokens"].null_count() == 0


@pytest.mark.parametrize("pictures", [False, True])
def test_a_large_trace_is_read_for_experts_only_if_nothing_else_has_them(tmp_path, monkeypatch, pictures):
    monkeypatch.setattr(store, "LARGE_TRACE", 1000)
    lay_out(tmp_path, "csv_only/forward.csv", "csv_only/batch.csv", "chrome_pd_ep_cut.json")
    if pictures:
        shutil.copy(DATA / "pd_ep_png" / "mindie-server-d0_eplb_0_summed_hot_map_by_rank.png", tmp_path)
    heat = open_profile(tmp_path).load("expert_heat")
    assert {p.reader for p in heat.provenance} == {"heat_png" if pictures else "trace"}
    assert ("was not searched" in sentences(heat.notes)) == pictures


BALANCE = {9999: [1, 2, 3], 10000: [4, 5, 6], 101: [7, 8, 9]}


def check_layer_times(loaded, file):
    assert loaded.frame.select("process", "column", "layer", "time").rows() == [
        (pid, column, layer, float(BALANCE[pid][layer]))
        for column, pid in enumerate([101, 9999, 10000])
        for layer in range(3)
    ]
    assert [(p.file, p.rows) for p in loaded.provenance] == [(file, 9)]
    assert "a guess at the rank" in sentences(loaded.notes)


def test_ep_balance_is_ordered_by_pid_as_a_number(tmp_path):
    made.write_ep_balance_csv(tmp_path / "ep_balance.csv", BALANCE)
    assert (tmp_path / "ep_balance.csv").read_text().startswith("10000,101,9999")
    check_layer_times(open_profile(tmp_path).load("layer_times"), "ep_balance.csv")


def test_ep_balance_of_the_database_is_the_same_and_stands_in_for_a_broken_csv(tmp_path):
    names = sorted(map(str, BALANCE))
    table = made.Table(
        "ep_balance",
        tuple(f'"{name}" INTEGER' for name in names),
        list(zip(*(BALANCE[int(n)] for n in names), strict=True)),
    )
    made.write_profiler_db(tmp_path / "profiler.db", [], [], tables=[table])
    check_layer_times(open_profile(tmp_path).load("layer_times"), "profiler.db:ep_balance")
    (tmp_path / "ep_balance.csv").write_text("")
    check_layer_times(open_profile(tmp_path).load("layer_times"), "profiler.db:ep_balance")


@pytest.mark.parametrize("header", ["a,b", "²,x", "9" * 40, "7,7"])
def test_odd_headers_of_ep_balance_are_no_reason_to_fail(tmp_path, header):
    (tmp_path / "ep_balance.csv").write_text(f"{header}\n1,2\nNone,x\n")
    times = open_profile(tmp_path).load("layer_times")
    if header == "7,7":
        assert times.frame.select("process", "time").rows() == [(7, 1.0), (7, None)]
    else:
        assert times.frame.is_empty()
        assert "no column named by a pid" in sentences(times.notes)


def test_moe_analysis_is_ordered_by_pid_and_exact(tmp_path):
    made.write_moe_analysis_csv(
        tmp_path / "moe_analysis.csv", {9999: [1.0, 2.0, 4.0], 10000: [3.0, 3.5, 4.5]}
    )
    frame = open_profile(tmp_path).load("rank_intervals").frame
    raw = {int(r["Dataset"]): r for r in csv.DictReader((tmp_path / "moe_analysis.csv").open())}
    assert frame.rows() == [
        (pid, column, *(float(raw[pid][name]) for name in ("Mean", "CI_Lower", "CI_Upper")))
        for column, pid in enumerate([9999, 10000])
    ]


def test_the_recorded_trace_is_what_these_tests_think_it_is():
    assert b"expert_routing" in content("chrome_pd_ep_cut.json")
