"""Why something is missing: not there, not readable, of another run. Nothing at all is no success."""

import csv
import gzip
import io
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from lbtui.overview.run import overview
from lbtui.profile import Silent, Unreadable
from lbtui.sources import open_profile
from lbtui.sources.tables import csv_dialect
from tests.sources.recorded import CSV_ONLY, content, lay_out, profile, sentences

HEADERS = {Path(name).name: content(name).split(b"\n", 1)[0] + b"\n" for name in CSV_ONLY}


def missing(opened, name):
    opened.load(name)
    return opened.missing_of(name)


def command(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "lbtui", *map(str, arguments)], capture_output=True, timeout=1200, check=False
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def source(known, file):
    return next(s for s in known.sources if s.file.path.name == file)


# There, but of no use


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "forward.csv is empty"),
        (HEADERS["forward.csv"], "forward.csv: It holds a header and no rows"),
        (b"\x1f\x8bgarbage", "forward.csv is a damaged gzip file"),
        (b"name,colour\n1,2\n", "forward.csv has no column prof_id"),
    ],
)
def test_a_file_that_is_there_was_recorded(tmp_path, data, why):
    lay_out(tmp_path, "csv_only/request.csv")
    (tmp_path / "forward.csv").write_bytes(data)
    known = overview(opened := open_profile(tmp_path))
    steps = opened.missing_of("steps")
    assert steps.status == "unreadable"
    assert why in steps.reason
    assert "was not recorded" not in steps.reason
    assert steps in known.missing
    assert source(known, "forward.csv").status == "unreadable"
    line = next(line for line in known.lines if line.key == "dp.batch_size")
    assert why in line.absent


def test_a_file_that_may_not_be_read_was_recorded(tmp_path, monkeypatch):
    lay_out(tmp_path, *CSV_ONLY)

    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(csv_dialect, "_first_bytes", refused)
    found = missing(open_profile(tmp_path), "requests")
    assert found.status == "unreadable"
    assert "request.csv cannot be read (Permission denied); check that it is there and yours" in found.reason
    assert "readable copy of request.csv" in found.how_to_collect


def test_what_no_file_may_tell_was_not_recorded(tmp_path):
    opened = profile(tmp_path, "csv_only/request.csv")
    assert missing(opened, "steps").status == "not_recorded"
    assert "domain ModelExecute was not recorded" in missing(opened, "steps").reason


def test_an_empty_table_leaves_it_to_the_next_file(tmp_path):
    lay_out(tmp_path, "db_only/profiler.db")
    (tmp_path / "request.csv").write_bytes(HEADERS["request.csv"])
    loaded = open_profile(tmp_path).load("requests")
    assert loaded.provenance[0].file == "profiler.db:request"
    assert loaded.frame.height == 133


def test_rows_that_cannot_be_placed_were_recorded(tmp_path):
    """As in outputs of CANN 8.1: rounds that name no process, and no forward passes to find it by."""
    kept = {
        "batch": ["name", "res_list", "start_datetime", "end_datetime"],
        "kvcache": ["rid", "name", "start_time", "device_kvcache_left"],
    }
    for table, columns in kept.items():
        rows = csv.DictReader(io.StringIO(content(f"csv_only/{table}.csv").decode()))
        with (tmp_path / f"{table}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)
    kv = missing(open_profile(tmp_path), "kv")
    assert kv.status == "unreadable"
    assert "291 of 291 KV events belong to requests that no scheduling round of a known domain" in kv.reason


# Of another run


def test_kv_events_of_another_engine_are_left_out(tmp_path):
    lay_out(tmp_path, *CSV_ONLY)
    rows = "".join(f"KVCacheStatus,2026-01-01 08:00:0{n},40,{n},{40 - n},1,0,{n / 40}\n" for n in range(8))
    columns = "name,start_time,total_blocks,used_blocks,free_blocks,blocks_allocated,blocks_freed"
    (tmp_path / "kvcache.csv").write_text(f"{columns},kvcache_usage_rate\n{rows}")
    known = overview(opened := open_profile(tmp_path))
    kv = opened.missing_of("kv")
    assert kv.status == "other_run"
    assert "written as of vLLM, the scheduling rounds are MindIE's" in kv.reason
    assert source(known, "kvcache.csv").status == "other run"
    assert [f.metric for f in known.figures() if f.dimension == "kv"] == []


def test_kv_events_of_other_requests_are_left_out(tmp_path):
    lay_out(tmp_path, *CSV_ONLY)
    other = content("csv_only/kvcache.csv").replace(b"endpoint_common_", b"chat-")
    (tmp_path / "kvcache.csv").write_bytes(other)
    kv = missing(open_profile(tmp_path), "kv")
    assert kv.status == "other_run"
    assert "none of its" in kv.reason


def test_kv_events_of_a_few_of_the_requests_are_of_this_run(tmp_path):
    lay_out(tmp_path, *CSV_ONLY)
    lines = content("csv_only/kvcache.csv").splitlines(keepends=True)
    strange = [line.replace(b"endpoint_common_", b"chat-") for line in lines[20:]]
    (tmp_path / "kvcache.csv").write_bytes(b"".join([*lines[:20], *strange]))
    opened = open_profile(tmp_path)
    assert opened.load("kv").frame.height == 19
    assert opened.load("kv").provenance != ()


def test_queues_of_other_hosts_are_left_out(tmp_path):
    lay_out(tmp_path, *CSV_ONLY)
    other = content("csv_only/request_status.csv").replace(b"node-a", b"node-b")
    (tmp_path / "request_status.csv").write_bytes(other)
    queues = missing(open_profile(tmp_path), "queues")
    assert queues.status == "other_run"
    assert "its hosts (node-b) are not those of the scheduling rounds (node-a)" in queues.reason


@pytest.mark.parametrize(
    ("date", "kept"),
    [("2026-01-09 08", False), ("2026-01-01 09", True), ("2026-01-01 18", True), ("2025-12-31 23", True)],
)
def test_requests_of_another_day_are_left_out_but_not_those_of_another_zone(tmp_path, date, kept):
    lay_out(tmp_path, *CSV_ONLY)
    other = content("csv_only/request.csv").replace(b"2026-01-01 08", date.encode())
    # Text times alone: this parser version writes no epoch.
    lines = [line.rpartition(b",")[0] for line in other.splitlines()]
    (tmp_path / "request.csv").write_bytes(b"\n".join(lines) + b"\n")
    opened = open_profile(tmp_path)
    loaded = opened.load("requests")
    assert loaded.frame.height == (133 if kept else 0)
    assert (opened.missing_of("requests").status == "other_run") == (not kept)


def test_a_few_requests_of_another_day_prove_nothing(tmp_path):
    lay_out(tmp_path, *CSV_ONLY)
    other = (
        content("csv_only/request.csv").replace(b"2026-01-01 08", b"2026-01-09 08").splitlines(keepends=True)
    )
    (tmp_path / "request.csv").write_bytes(b"".join(line.rpartition(b",")[0] + b"\n" for line in other[:4]))
    assert open_profile(tmp_path).load("requests").frame.height == 3


# There and not needed


def test_not_needed_is_said_of_what_other_files_hold(tmp_path):
    known = overview(profile(tmp_path, *CSV_ONLY, "db_only/profiler.db"))
    database = source(known, "profiler.db")
    assert (database.status, database.rows) == ("not needed", None)
    assert database.why == "what it tells is in the other files"


# Nothing at all


@pytest.mark.parametrize("arguments", [(), ("--report",), ("--json",), ("--fail-on", "warning")])
@pytest.mark.parametrize("rows", [0, 1])
def test_nothing_readable_is_no_success(tmp_path, arguments, rows):
    for name, header in HEADERS.items():
        (tmp_path / name).write_bytes(header * rows)
    (tmp_path / "profiler.db").write_bytes(b"")
    code, out, err = command(tmp_path, *arguments)
    assert (code, out) == (3, "")
    assert "batch.csv" in err
    assert "profiler.db: It is empty" in err
    assert ("holds a header and no rows" if rows else "is empty") in err
    assert err.count("\n") == 1


def test_nothing_is_exported_of_nothing(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "request.csv").write_bytes(HEADERS["request.csv"])
    code, out, _err = command(tmp_path / "in", "--export", tmp_path / "out")
    assert (code, out) == (3, "")
    assert not (tmp_path / "out").exists()


def test_a_baseline_of_nothing_is_no_success(tmp_path):
    (tmp_path / "before").mkdir()
    (tmp_path / "before" / "request.csv").write_bytes(HEADERS["request.csv"])
    after = lay_out(tmp_path / "after", *CSV_ONLY)
    assert command(after, "--baseline", tmp_path / "before", "--fail-on", "worse")[0] == 3


def test_one_row_is_enough(tmp_path):
    lines = content("csv_only/request.csv").splitlines(keepends=True)
    (tmp_path / "request.csv").write_bytes(b"".join(lines[:2]))
    open_profile(tmp_path).require_rows(Silent())


def test_rows_that_are_of_no_use_alone_are_not_said_not_to_be_there(tmp_path):
    rows = content("csv_only/kvcache.csv")
    (tmp_path / "kvcache.csv").write_bytes(rows)
    count = len(rows.splitlines()) - 1
    said = rf"^nothing in .* can be used: kvcache.csv: {count} of {count} KV events .* other tables"
    with pytest.raises(Unreadable, match=said):
        open_profile(tmp_path).require_rows()


def test_a_raw_profile_without_records_says_what_to_check(tmp_path):
    folder = tmp_path / "Trace_Service"
    folder.mkdir()
    with sqlite3.connect(folder / "ms_service_node-a-1.db") as database:
        database.execute("CREATE TABLE Mstx (markId, timestamp, message)")
        database.execute("CREATE TABLE Meta (name, value)")
    database.close()
    with pytest.raises(Unreadable, match=r"None of its 1 files holds a record: .* switched on"):
        open_profile(tmp_path).require_rows()


def test_json_says_which_of_the_answers_it_is(tmp_path):
    lay_out(tmp_path, *CSV_ONLY)
    (tmp_path / "forward.csv").write_bytes(HEADERS["forward.csv"])
    (tmp_path / "request.csv").write_bytes(b"")
    (tmp_path / "request_status.csv").write_bytes(
        content("csv_only/request_status.csv").replace(b"node-a", b"node-b")
    )
    code, out, _err = command(tmp_path, "--json")
    assert code == 0
    found = {m["what"].partition(" (")[0]: m["status"] for m in json.loads(out)["profile"]["missing"]}
    assert found["requests"] == "unreadable"
    assert found["queue lengths"] == "other_run"
    assert found["KV pulls"] == "not_recorded"
    assert "forward passes" not in found, "the rounds stand in for them"


# Other tools' files

SPLIT = "name,during_time(ms),pid,tid,start_time(ms),end_time(ms),rid\n,,,,,,\nhttpReq,0.0,1,1,2,3,4\n"
SPAN = "span_name,start_datetime,end_datetime,during_time(ms),hostname,pid\n"


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("span_info/forward.csv", SPAN, "parse --span"),
        ("span_info/anything.csv", SPAN, "parse --span"),
        ("forward_of_a_copy.csv", SPAN, "parse --span"),
        ("prefill.csv", SPLIT, "ms_service_profiler split"),
        ("decode_detail.csv", SPLIT, "ms_service_profiler split"),
        ("prefill_1.csv", SPLIT, "ms_service_profiler split"),
        ("decode_2.csv", "\ufeff" + SPLIT, "ms_service_profiler split"),
        ("span_comparation_result.csv", "name,Golden-AVG\n", "ms_service_profiler compare"),
        ("request_summary.csv", "Metric,Average\n", "ms_service_profiler analyze"),
        ("host_1_2026_ascend_pt/ASCEND_PROFILER_OUTPUT/trace_view.json", "[]", "torch_npu's profiler"),
        ("trace_view.json", "[]", "torch_npu's profiler"),
        ("chrome_tracing.json.gz", "", "unpack it"),
    ],
)
def test_other_tools_are_told_by_name(tmp_path, name, data, words):
    path = tmp_path / "output" / name
    path.parent.mkdir(parents=True)
    path.write_text(data)
    for asked in (tmp_path / "output", tmp_path, path):
        with pytest.raises(Unreadable, match=words):
            open_profile(asked).require_rows()


def test_other_tools_beside_an_output_are_a_note(tmp_path):
    lay_out(tmp_path, *CSV_ONLY)
    (tmp_path / "prefill_1.csv").write_text(SPLIT)
    (tmp_path / "span_comparation_result.csv").write_text("name\n")
    opened = open_profile(tmp_path)
    assert "prefill_1.csv: It is written by `ms_service_profiler split`" in sentences(opened.notes)
    assert "span_comparation_result.csv: It is written by" in sentences(opened.notes)
    assert opened.load("steps").frame.height == 853


def test_a_dump_of_mindie_is_still_one(tmp_path):
    (tmp_path / "prefill").mkdir()
    (tmp_path / "prefill" / "prefill_1.csv").write_text("1,2,3\n")
    assert open_profile(tmp_path).has("expert_heat")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_with_the_name_of_another_tools_file_does_not_hang(tmp_path):
    lay_out(tmp_path, *CSV_ONLY)
    os.mkfifo(tmp_path / "prefill_1.csv")
    os.mkfifo(tmp_path / "other.csv")
    assert open_profile(tmp_path).has("steps")


def test_operator_events_that_the_parser_merged_in_are_told_as_such(tmp_path):
    lay_out(tmp_path, "chrome_vllm_small_cut.json")
    path = tmp_path / "chrome_tracing.json"
    events = json.loads(path.read_text())
    listed = events["traceEvents"] if isinstance(events, dict) else events
    whole = open_profile(tmp_path).load("steps").frame
    listed += [
        {
            "ph": "X",
            "name": "forward",
            "pid": 1,
            "tid": 1,
            "ts": f"17672256002{n:05}.125",
            "dur": 3.5,
            "args": {},
        }
        for n in range(7)
    ]
    path.write_text(json.dumps(events))
    loaded = open_profile(tmp_path).load("steps")
    assert loaded.frame.equals(whole)
    assert "7 events have the name of a service's span and their time as text" in sentences(loaded.notes)


# The summaries of `analyze`


def analyzed(folder: Path) -> Path:
    """Write a request.csv in seconds under a `(ms)` name, and its summary."""
    rows = [(100.0, 40.0), (200.0, 10.0), (900.0, 500.0)]
    body = "".join(
        f"r{n},2026-01-01 08:00:0{n}:000000,{n + 1},2,{total},{wait / 1000},{total / 2000},N/A,1\n"
        for n, (total, wait) in enumerate(rows)
    )
    (folder / "request.csv").write_bytes(HEADERS["request.csv"] + body.encode())
    (folder / "request_summary.csv").write_text(
        "Metric,Average,Max,Min,P50,P90,P99\n"
        "first_token_latency (ms),200,450,50,100,380,443\n"
        "waiting_time (ms),183.3333,500,10,40,408,490.8\n"
        "total_time (ms),400,900,100,777,760,886\n"
        "exec_time (ms),1,2,3,4,5,6\n"
    )
    (folder / "service_summary.csv").write_text("Metric,Value\ntotal_input_token_num,6\n")
    return folder


def test_seconds_under_the_name_of_ms_are_read_as_such(tmp_path):
    loaded = open_profile(analyzed(tmp_path)).load("requests")
    assert loaded.frame["ttft"].to_list() == [50.0, 100.0, 450.0]
    assert loaded.frame["queue_wait"].to_list() == [40.0, 10.0, 500.0]
    assert loaded.frame["duration"].to_list() == [100.0, 200.0, 900.0]
    assert "ttft, queue_wait are in seconds although their header says ms" in sentences(loaded.notes)


def test_summaries_stand_beside_our_own_figures(tmp_path):
    code, out, _err = command(analyzed(tmp_path), "--json")
    assert code == 0
    document = json.loads(out)
    found = {
        (s["metric"], s["statistic"]): (s["value"], s["own"], s["agrees"]) for s in document["summaries"]
    }
    assert found["first_token_latency", "P50"] == (100.0, 100.0, True)
    assert found["total_time", "P50"] == (777.0, 200.0, False)
    assert found["exec_time", "Max"] == (2.0, None, None)
    assert found["total_input_token_num", "Value"] == (6.0, 6.0, True)
    [note] = [n["text"] for n in document["profile"]["notes"] if n["file"] == "request_summary.csv"]
    assert note.startswith(
        "1 figures of `analyze` are not those of the tables here, the first P50 of total_time"
    )
    _code, report, _err = command(tmp_path, "--report")
    assert "Figures of `analyze`" in report
    assert "P50 777 (here 200!)" in report


def test_packed_summaries_and_odd_ones_do_no_harm(tmp_path):
    analyzed(tmp_path)
    (tmp_path / "batch_summary.csv").write_bytes(gzip.compress(b"Metric,Average\n"))
    (tmp_path / "service_summary.csv").write_text("a,b\n1,2\n")
    known = overview(open_profile(tmp_path))
    assert source(known, "batch_summary.csv").status == "unreadable"
    assert "service_summary.csv has no column Metric" in sentences(known.notes)
