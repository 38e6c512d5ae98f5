"""Queue lengths per process, from rows that each tell of one queue only."""

import csv
from datetime import datetime, timedelta

import polars as pl
import pytest

from lbtui.sources import open_profile
from tests.sources.made import Service, write
from tests.sources.recorded import CSV_ONLY, content, lay_out, profile, sentences

STATE = ["pid", "time", "waiting", "running", "swapped"]


def states_by_hand(name):
    """Carry each queue of each process forward, in plain Python; the last row of an instant counts."""
    last, states = {}, {}
    for row in csv.DictReader(content(name).decode().splitlines()):
        process = (row["hostuid"], int(float(row["pid"])))
        queues = last.setdefault(process, [None, None, None])
        for place, queue in enumerate(("waiting", "running", "swapped")):
            if row[queue]:
                queues[place] = int(float(row[queue]))
        text = row["start_datetime"]
        time = datetime.strptime(text, "%Y-%m-%d %H:%M:%S:%f") - timedelta(hours=8)
        states[(*process, time)] = tuple(queues)
    return sorted((*key, *queues) for key, queues in states.items())


@pytest.mark.parametrize("run", ["csv_only", "vllm_small", "mindie_tp4"])
def test_a_state_is_what_was_last_heard_of_each_queue(tmp_path, run):
    name = f"{run}/request_status.csv"
    queues = profile(tmp_path, name).load("queues").frame
    ours = queues.select("host", *STATE).rows()
    assert sorted(ours, key=str) == sorted(states_by_hand(name), key=str)


def test_pids_written_as_floats_find_their_domain(tmp_path):
    assert b",10046.0," in content("mindie_tp4/request_status.csv")
    files = [f"mindie_tp4/{name}.csv" for name in ("request_status", "forward", "batch")]
    queues = profile(tmp_path, *files).load("queues").frame
    assert queues["domain"].null_count() == 0
    assert queues["domain"].n_unique() == 4


def test_a_queue_not_yet_heard_of_is_unknown_and_not_empty(tmp_path):
    text = "hostuid,pid,start_datetime,waiting,running,swapped\n" + "".join(
        f"n,7,2026-01-01 08:00:0{second},{cells}\n" for second, cells in enumerate([",1,", "2,,", ",,"])
    )
    (tmp_path / "request_status.csv").write_text(text)
    queues = open_profile(tmp_path).load("queues").frame
    assert queues.select("waiting", "running", "swapped").rows() == [
        (None, 1, None),
        (2, 1, None),
        (2, 1, None),
    ]
    assert queues["domain"].to_list() == [None] * 3


def test_trap_21_profiler_dbs_own_table_mixes_the_processes_and_is_not_read(tmp_path):
    opened = profile(tmp_path, "db_only/profiler.db")
    queues = opened.load("queues")
    assert queues.provenance[0].file == "profiler.db:slice"
    assert queues.frame["pid"].n_unique() == 4
    assert queues.frame["domain"].n_unique() == 4
    # It hides zeros, too: here they are.
    assert (queues.frame["waiting"] == 0).sum() > 0
    assert sorted(queues.frame.select("host", *STATE).rows()) == states_by_hand("csv_only/request_status.csv")
    assert queues.notes == ()


def test_two_hosts_with_one_pid_keep_their_queues_apart(tmp_path):
    write(
        tmp_path,
        Service("node-a", 7777, (1,), 0, 0, (1, 3, 2, 4)),
        Service("node-b", 7777, (2,), 1, 0, (6, 2, 7, 1), offset=3),
    )
    lines = ["hostuid,pid,start_datetime,waiting,running,swapped"]
    for second in range(3):
        lines.append(f"node-a,7777,2026-01-01 08:00:0{second},{second},,")
        lines.append(f"node-b,7777,2026-01-01 08:00:0{second},{second + 10},,")
    (tmp_path / "request_status.csv").write_text("\n".join(lines) + "\n")
    queues = open_profile(tmp_path).load("queues").frame
    found = queues.sort("host", "time").group_by("host", "dp_rank", maintain_order=True).agg("waiting")
    assert found.rows() == [("node-a", 0, [0, 1, 2]), ("node-b", 1, [10, 11, 12])]


def test_a_broken_csv_gives_way_to_the_database_and_is_told(tmp_path):
    folder = lay_out(tmp_path, *CSV_ONLY, "db_only/profiler.db")
    (folder / "request_status.csv").write_bytes(b"\0\1\2" * 1000)
    queues = open_profile(folder).load("queues")
    assert queues.frame.height == 340
    assert "request_status.csv has no column pid" in sentences(queues.notes)
    assert [p.file for p in queues.provenance] == ["profiler.db:slice"]


def test_vllm_events_of_the_trace_are_those_of_the_csv(tmp_path):
    trace = profile(tmp_path, "chrome_vllm_small_cut.json").load("queues").frame
    last = trace.select("host", "pid", "time", "waiting", "running").sort("host", "time", "pid")
    raw = [row[:5] for row in states_by_hand("vllm_small/request_status.csv")]
    assert last.height == len(raw)
    assert last.sort("host", "pid", "time").rows() == raw
    assert last["waiting"].dtype == pl.Int64
