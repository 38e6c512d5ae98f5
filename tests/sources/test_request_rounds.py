"""In which rounds each request was, and the moments of its life: the same from every file of a run."""

from __future__ import annotations

import csv
import gzip
import io
from ast import literal_eval
from collections import defaultdict
from datetime import datetime

import polars as pl
import pytest

from lbtui.sources import open_profile
from lbtui.sources.steps.members import grouping_of
from tests.sources.engines import events_of, output_of, raw_of
from tests.sources.recorded import DATA, lay_out
from tests.tools import parser_format as fmt

RUNS = ("vllm_v1_dp2", "vllm_pd_even", "sglang_dp2", "sglang_tp2", "mindie_pd_even")
_EXECUTED = {"Execute", "modelExec"}


def members_of(profile):
    """Return (request id, process, how many of its rounds begin before) of all requests."""
    ids = profile.load("requests").frame["request_id"]
    told = profile.read_request_rounds(ids)
    rounds = (
        profile.load("batches")
        .frame.select("prof_id", "row", "start")
        .sort("prof_id", "start", "row")
        .with_columns(place=pl.int_range(pl.len()).over("prof_id"))
    )
    named = told.members.with_columns(request_id=ids.gather(told.members["request"]))
    joined = named.with_columns(pl.col("prof_id").cast(rounds["prof_id"].dtype)).join(
        rounds, on=["prof_id", "row"]
    )
    assert joined.height == told.members.height
    rows = joined.select("request_id", pl.col("prof_id").cast(pl.String), "place").rows()
    assert len(set(rows)) == len(rows)
    return set(rows)


def members_of_file(text, ids):
    """Return the same of batch.csv by plain loops."""
    places, found = defaultdict(int), set()
    rows = [row for row in csv.DictReader(io.StringIO(text)) if row["name"] in _EXECUTED]
    for row in sorted(rows, key=lambda row: float(row["start_time(ms)"])):
        place = places[row["prof_id"]]
        places[row["prof_id"]] += 1
        for one in literal_eval(row["res_list"]):
            rid = str(one["rid"] if isinstance(one, dict) else one)
            found.add((rid, row["prof_id"], place))
    return {row for row in found if row[0] in ids}


@pytest.mark.parametrize("run", RUNS)
def test_members_are_the_same_from_csv_database_trace_and_raw(run, tmp_path):
    found = {}
    for source in ("csv", "db", "json", "all", "raw"):
        folder = tmp_path / source
        folder.mkdir()
        path = raw_of(run, folder) if source == "raw" else output_of(run, source, folder)
        found[source] = members_of(open_profile(path))
    text = gzip.decompress((DATA / "engines" / run / "csv" / "batch.csv.gz").read_bytes()).decode("utf-8-sig")
    ids = set(open_profile(tmp_path / "csv").load("requests").frame["request_id"])
    expected = members_of_file(text, ids)
    assert len(expected) > 100
    assert {source: rows ^ expected for source, rows in found.items()} == {key: set() for key in found}


@pytest.mark.parametrize("run", ["vllm_v1_dp2", "sglang_dp2", "mindie_pd_even"])
def test_a_raw_profile_tells_what_its_events_do(run, tmp_path):
    raw = raw_of(run, tmp_path)
    profile = open_profile(raw)
    ids = profile.load("requests").frame["request_id"]
    told = profile.read_request_rounds(ids)

    def ids_of(event):
        listed = event.args.get("res_list", event.args.get("rid"))
        listed = listed if isinstance(listed, list) else [listed]
        return [str(one["rid"] if isinstance(one, dict) else one) for one in listed]

    taken, pulls, dispatched = set(), set(), set()
    for events in events_of(raw).values():
        for event in events:
            begin, end = event.start // 1000, event.end // 1000
            for rid in ids_of(event) if event.name in ("Dequeue", "PullKVCache", "RequestDispatch") else ():
                if event.name == "PullKVCache":
                    pulls.add((rid, begin, end))
                elif event.name == "RequestDispatch":
                    dispatched.add((rid, begin))
                elif str(event.args.get("scope#QueueName", "WAITING")).lower() == "waiting":
                    taken.add((rid, begin))

    def rows(frame, *columns):
        named = frame.with_columns(request_id=ids.gather(frame["request"]))
        return set(named.select("request_id", *(pl.col(name).cast(pl.Int64) for name in columns)).rows())

    assert rows(told.taken, "time") == taken
    assert rows(told.pulls, "start", "end") == pulls
    assert rows(told.dispatched, "time") == dispatched
    assert taken


MS, NOW = 1_000_000, 1_767_225_600_000_000_000


def moments_profile(folder, ids=("1", "2", "3"), slices=None):
    """Write a service of which tables tell pulls to 1 ms, and profiler.db's events exactly."""
    folder.mkdir()
    requests = [
        fmt.RequestRow(rid, NOW + place * MS, NOW + 90 * MS, NOW + 50 * MS, MS, 5, 5)
        for place, rid in enumerate(ids)
    ]
    fmt.write_request_csv(folder / "request.csv", requests)
    pulls = [
        fmt.Pull(rid, 0, 10, 0, 4, NOW + (20 + place) * MS + 345_000, NOW + (30 + place) * MS + 678_000)
        for place, rid in enumerate(ids)
    ]
    fmt.write_pd_split_kvcache_csv(folder / "pd_split_kvcache.csv", pulls)
    batch = [
        fmt.BatchRow(
            "Execute",
            tuple(fmt.Scheduled(rid, 0, 5) for rid in ids),
            NOW + 10 * MS,
            NOW + 19 * MS,
            "Prefill",
            fmt.prof_id("h", 7),
            0,
        )
    ]
    fmt.write_batch_csv(folder / "batch.csv", batch)
    if slices is not None:
        fmt.write_profiler_db(folder / "profiler.db", [fmt.Process(7, "7", "h")], slices)
    return open_profile(folder)


def told_by(profile, name, *columns):
    ids = profile.load("requests").frame["request_id"]
    frame = getattr(profile.read_request_rounds(ids), name)
    named = frame.with_columns(request_id=ids.gather(frame["request"]))
    return set(named.select("request_id", *(pl.col(c).cast(pl.Int64) - NOW // 1000 for c in columns)).rows())


def test_tables_tell_pulls_to_a_ms_and_no_dispatch(tmp_path):
    profile = moments_profile(tmp_path / "run")
    assert told_by(profile, "pulls", "start", "end") == {
        ("1", 20_000, 30_000),
        ("2", 21_000, 31_000),
        ("3", 22_000, 32_000),
    }
    assert told_by(profile, "dispatched", "time") == set()


def test_the_database_tells_pulls_and_dispatches_exactly(tmp_path):
    """A pull lists ids or objects; a dispatch names one request, or a number."""
    pulls = [
        fmt.Slice(
            NOW + 20_345_000, NOW + 30_678_000, "PullKVCache", "KV", 7, {"res_list": ["1", {"rid": "2"}]}
        ),
        fmt.Slice(NOW + 22_345_000, NOW + 32_678_000, "PullKVCache", "KV", 7, {"res_list": [3]}),
        fmt.Slice(NOW - 1_500_000, NOW - 1_500_000, "RequestDispatch", "C", 7, {"res_list": "1"}),
        fmt.Slice(NOW - 500_000, NOW - 500_000, "RequestDispatch", "C", 7, {"res_list": 2}),
        fmt.Slice(NOW, NOW, "RequestDispatch", "C", 7, {"res_list": "nobody"}),
        fmt.Slice(NOW, NOW, "RequestDispatch", "C", 7, {"res_list": None}),
        fmt.Slice(NOW, NOW, "RequestDispatch", "C", 7),
        fmt.Slice(NOW, NOW, "RequestDispatch", "C", 7, {"res_list": {"rid": {"x": [1]}}}),
        fmt.Slice(NOW, NOW, "Else", "C", 7, {"res_list": "1"}),
    ]
    profile = moments_profile(tmp_path / "run", slices=pulls)
    assert told_by(profile, "pulls", "start", "end") == {
        ("1", 20_345, 30_678),
        ("2", 20_345, 30_678),
        ("3", 22_345, 32_678),
    }
    assert told_by(profile, "dispatched", "time") == {("1", -1_500), ("2", -500)}


def test_the_database_tells_the_nodes_that_requests_were_dispatched_to(tmp_path):
    def dispatch(rid, **addresses):
        return fmt.Slice(NOW, NOW, "RequestDispatch", "C", 7, {"res_list": rid, **addresses})

    slices = [
        dispatch("1", PrefillAddress="10.0.0.1:1", DecodeAddress="10.0.1.1:1"),
        dispatch("2", PrefillAddress="10.0.0.2:1"),
        dispatch("3"),
    ]
    profile = moments_profile(tmp_path / "run", slices=slices)
    assert set(profile.read_request_places().dispatches.rows()) == {
        ("1", "10.0.0.1:1", "10.0.1.1:1"),
        ("2", "10.0.0.2:1", None),
        ("3", None, None),
    }


def test_an_id_that_stands_twice_is_told_of_its_first_request(tmp_path):
    profile = moments_profile(tmp_path / "run", ids=("1", "2"))
    ids = pl.Series(["1", None, "1", "2", "nobody"], dtype=pl.String)
    told = profile.read_request_rounds(ids)
    assert set(told.members["request"]) == {0, 3}
    assert set(told.pulls["request"]) == {0, 3}


def batch_of(*rows):
    """Return rows of the raw table batch: name, process, start (ms), size."""
    return pl.DataFrame(
        [(place, *row) for place, row in enumerate(rows)],
        schema={
            "row": pl.Int64,
            "name": pl.String,
            "prof_id": pl.String,
            "at": pl.Int64,
            "batch_size": pl.Int64,
        },
        orient="row",
    ).with_columns(start=pl.lit(datetime(2026, 1, 1)) + pl.duration(milliseconds="at"))


def grouped(*rows):
    """Return (round, grouping, ms) of each execution that has one."""
    found = grouping_of(batch_of(*rows)).sort("row")
    times = (found["time"] - datetime(2026, 1, 1)).dt.total_milliseconds()
    return list(zip(found["row"], found["group"], times, strict=True))


def test_a_round_is_grouped_by_the_last_grouping_of_its_size_and_process():
    assert grouped(
        ("BatchSchedule", "a", 0, 2),
        ("BatchSchedule", "a", 1, 2),
        ("BatchSchedule", "a", 2, 3),
        ("BatchSchedule", "b", 3, 2),
        ("Execute", "a", 4, 2),
        ("BatchSchedule", "a", 5, 2),
    ) == [(4, 1, 1)]


def test_two_rounds_are_not_of_one_grouping():
    assert grouped(
        ("batchFrameworkProcessing", "a", 0, 2),
        ("modelExec", "a", 1, 2),
        ("modelExec", "a", 2, 2),
    ) == [(1, 0, 0)]


def test_rounds_without_grouping_process_time_or_size_have_none():
    assert grouped(("Execute", "a", 1, 2), ("BatchSchedule", "a", 2, 2)) == []
    assert grouped(("BatchSchedule", "a", 0, None), ("Execute", "a", 1, None)) == []
    assert grouped(("BatchSchedule", None, 0, 2), ("Execute", None, 1, 2)) == []
    assert grouped(("BatchSchedule", "a", None, 2), ("Execute", "a", 1, 2)) == []


def test_when_a_request_is_taken_up_without_a_dequeue_is_its_first_grouping(tmp_path):
    profile = open_profile(lay_out(tmp_path, "csv_only/batch.csv", "csv_only/request.csv"))
    ids = profile.load("requests").frame["request_id"]
    told = profile.read_request_rounds(ids)
    first = {}
    for row in csv.DictReader(io.StringIO((DATA / "csv_only/batch.csv").read_text(encoding="utf-8-sig"))):
        if row["name"] == "BatchSchedule":
            for one in literal_eval(row["res_list"]):
                time = int(float(row["start_time(ms)"]))  # µs, whatever its name says
                first[one["rid"]] = min(first.get(one["rid"], time), time)
    named = dict(zip(ids.gather(told.taken["request"]), told.taken["time"].cast(pl.Int64), strict=True))
    assert named == first
    assert len(named) == len(ids) == 133
