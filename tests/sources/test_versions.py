"""Outputs of older parsers read to today's numbers. Expected values come from plain csv, not from lbtui."""

import sqlite3
from collections import Counter, defaultdict
from datetime import datetime, timedelta

import polars as pl
import pytest

from lbtui.sources import open_profile
from tests.sources.recorded import CSV_ONLY, lay_out, rows, sentences, write

ALL = [*CSV_ONLY, "csv_only/request.csv"]
OLD = "old_versions"
SCHEDULERS = {"10041": 0, "10109": 1, "10121": 2, "10192": 3}  # of csv_only, by dp_rank


def load(folder, name):
    return open_profile(folder).load(name)


def tokens_by_rank(batch="csv_only/batch.csv"):
    found = Counter()
    for row in rows(batch):
        if row["name"] == "Execute":
            found[int(float(row["dp_rank"]))] += int(row["total_scheduled_tokens"])
    return found


def sizes_by_start(forward="csv_only/forward.csv"):
    utc = [
        (datetime(1970, 1, 1) + timedelta(microseconds=int(float(r["start_time(ms)"]) * 1000)), r)
        for r in rows(forward)
    ]
    return sorted((start, r["prof_id"], int(r["batch_size"])) for start, r in utc)


def steps_of(folder):
    steps = load(folder, "steps").frame
    return (
        steps.select("start", "prof_id", pl.col("batch_size").cast(pl.Int64)).sort("start", "prof_id").rows()
    )


def renamed(names, drop=()):
    def change(row):
        return {names.get(h, h): cell for h, cell in row.items() if h not in drop}

    return change


EPOCHS = ("start_time(ms)", "end_time(ms)")
TEXTS = {"start_datetime": "start_time", "end_datetime": "end_time"}
VERSIONS = {
    "2026-02-25: batch without epochs": (renamed({}, EPOCHS), renamed({})),
    "2025-12-26: texts, capitals": (
        renamed(
            {
                **TEXTS,
                "batch_size": "total_batch_size",
                "prefill_batch_size": "Prefill_batch_size",
                "decode_batch_size": "Decode_batch_size",
            },
            EPOCHS,
        ),
        renamed(TEXTS, EPOCHS),
    ),
    "epochs alone": (renamed({}, tuple(TEXTS)), renamed({}, tuple(TEXTS))),
    "microsecond": (
        renamed({**{h: h.replace("(ms)", "(microsecond)") for h in EPOCHS}}, tuple(TEXTS)),
        renamed({}),
    ),
}


@pytest.mark.parametrize("version", VERSIONS)
def test_columns_of_each_version_mean_the_same(tmp_path, version):
    of_batch, of_forward = VERSIONS[version]
    lay_out(tmp_path, *ALL)
    write(tmp_path, "batch.csv", [of_batch(row) for row in rows("csv_only/batch.csv")])
    write(tmp_path, "forward.csv", [of_forward(row) for row in rows("csv_only/forward.csv")])
    found = load(tmp_path, "steps").frame
    assert [(s, p, n) for s, p, n in steps_of(tmp_path)] == sizes_by_start()
    assert found["prefill_batch_size"].sum() == sum(
        int(row["prefill_batch_size"]) for row in rows("csv_only/batch.csv") if row["name"] == "Execute"
    )
    batches = load(tmp_path, "batches").frame
    by_rank = dict(batches.group_by("dp_rank").agg(pl.col("tokens").sum()).iter_rows())
    assert by_rank == dict(tokens_by_rank())


@pytest.mark.parametrize("texts", [False, True])
def test_profiler_db_of_old_versions(tmp_path, texts):
    drop = EPOCHS if texts else tuple(TEXTS)
    connection = sqlite3.connect(tmp_path / "profiler.db")
    for table in ("batch", "forward"):
        changed = [
            {h.replace("during_time(ms)", "during_time"): c for h, c in row.items() if h not in drop}
            for row in rows(f"csv_only/{table}.csv")
        ]
        headers = ", ".join(f'"{h}"' for h in changed[0])
        marks = ", ".join("?" * len(changed[0]))
        connection.execute(f"CREATE TABLE {table} ({headers})")
        connection.executemany(f"INSERT INTO {table} VALUES ({marks})", [tuple(r.values()) for r in changed])
    connection.commit()
    connection.close()
    assert steps_of(tmp_path) == sizes_by_start()
    assert load(tmp_path, "batches").frame["tokens"].sum() == sum(tokens_by_rank().values())


def test_recorded_output_of_december_2025(tmp_path):
    lay_out(tmp_path, *(f"{OLD}/mindie_e7818cfb/{t}.csv" for t in ("batch", "forward", "request_status")))
    assert steps_of(tmp_path) == sizes_by_start()
    found = load(tmp_path, "batches").frame.group_by("dp_rank").agg(pl.col("tokens").sum())
    assert dict(found.iter_rows()) == dict(tokens_by_rank())
    running = load(tmp_path, "queues").frame.group_by("dp_rank").agg(pl.col("waiting").max())
    assert dict(running.iter_rows()) == {0: 0, 1: 0, 2: 0, 3: 7}


def test_recorded_vllm_output_of_january_2026_has_two_domains_and_its_blocks(tmp_path):
    lay_out(tmp_path, f"{OLD}/vllm_2259066b/batch.csv", f"{OLD}/vllm_2259066b/forward.csv")
    steps = load(tmp_path, "steps").frame
    most = steps.group_by("prof_id").agg(pl.col("batch_size").max()).sort("prof_id")
    assert most["batch_size"].to_list() == [18, 4]
    written = [
        float(row["used_blocks"])
        for row in rows(f"{OLD}/vllm_2259066b/batch.csv")
        if row["name"] == "batchFrameworkProcessing"
    ]
    assert sorted(load(tmp_path, "kv").frame["used_blocks"].to_list()) == sorted(written)


def unnamed(row):
    kept = (
        "name",
        "res_list",
        "start_time(ms)",
        "end_time(ms)",
        "batch_size",
        "batch_type",
        "during_time(ms)",
    )
    times = {h: float(row[h]) // 1000 for h in EPOCHS}  # floored to ms, as CANN 8.3 does
    return {**{h: row[h] for h in kept}, **times}


def test_rounds_without_a_process_are_given_to_the_domain_that_ran_them(tmp_path):
    lay_out(tmp_path, *(f"{OLD}/cann83/{t}.csv" for t in ("batch", "forward", "kvcache", "request_status")))
    batches = load(tmp_path, "batches")
    found = batches.frame.group_by("dp_rank").agg(pl.col("tokens").sum())
    assert dict(found.iter_rows()) == dict(tokens_by_rank())
    assert "1706 of 1706 rounds are given to DP domains" in sentences(load(tmp_path, "steps").notes)
    # MindIE's KV events and its queues find their domains by these rounds.
    kv = load(tmp_path, "kv").frame
    assert kv.group_by("dp_rank").agg(pl.col("total_blocks").max()).sort("dp_rank").rows()[3] == (3, 16)
    queues = load(tmp_path, "queues").frame
    by_pid = queues.drop_nulls("dp_rank").group_by("pid").agg(pl.col("dp_rank").unique())
    assert {str(pid): ranks for pid, ranks in by_pid.iter_rows()} == {p: [r] for p, r in SCHEDULERS.items()}


@pytest.mark.parametrize("run", ["csv_only", "mindie_tp4"])
@pytest.mark.parametrize("kinds", [("BatchSchedule", "Execute"), ("BatchSchedule",)])
def test_no_round_is_given_to_a_wrong_domain(tmp_path, run, kinds):
    lay_out(tmp_path, f"{run}/forward.csv")
    batch = [row for row in rows(f"{run}/batch.csv") if row["name"] in kinds]
    write(tmp_path, "batch.csv", [unnamed(row) for row in batch])
    truth = [int(float(row["dp_rank"])) for row in batch]
    found = load(tmp_path, "batches").frame.select("row", "dp_rank").drop_nulls()
    assert all(truth[row] == rank for row, rank in found.iter_rows())
    one_kind = sum(row["name"] == kinds[-1] for row in batch)
    assert found.height >= 0.97 * one_kind


def test_durations_of_grouping_rows_that_are_floored_contradict_nothing(tmp_path):
    batch = [row for row in rows("csv_only/batch.csv") if row["name"] == "BatchSchedule"]
    lay_out(tmp_path, "csv_only/forward.csv")
    # The first half of the rounds finds no owner: none of its forward passes is there.
    passes = rows("csv_only/forward.csv")
    write(tmp_path, "forward.csv", passes[len(passes) // 2 :])
    write(tmp_path, "batch.csv", [unnamed(row) for row in batch])
    loaded = load(tmp_path, "batches")
    assert loaded.frame["dp_rank"].null_count() > 100
    assert loaded.frame["dp_rank"].count() > 100
    assert "during_time" not in sentences(loaded.notes)


def test_rounds_that_several_domains_fit_have_no_owner(tmp_path):
    """Two domains that start the same sizes at the same time, and requests of one round each."""
    passes, rounds = [], []
    for number in range(20):
        start = 1767225600000.0 + 30 * number
        for card in (0, 1):
            passes.append(
                {
                    "name": "forward",
                    "start_time(ms)": start + 1,
                    "end_time(ms)": start + 20,
                    "batch_size": 1,
                    "dp_rank": card,
                    "prof_id": f"ms_service_node-a-{card}",
                    "hostname": "node-a",
                }
            )
            rounds.append(
                {
                    "name": "Execute",
                    "res_list": str([{"rid": f"{number}-{card}", "iter": 0}]),
                    "start_time(ms)": start,
                    "end_time(ms)": start + 21,
                    "batch_size": 1,
                    "batch_type": "Prefill",
                }
            )
    write(tmp_path, "forward.csv", passes)
    write(tmp_path, "batch.csv", rounds)
    batches = load(tmp_path, "batches")
    assert batches.frame["domain"].null_count() == len(rounds)
    assert "0 of 40 rounds" in sentences(load(tmp_path, "steps").notes)


def test_rounds_alone_have_no_owner_and_make_no_steps(tmp_path):
    lay_out(tmp_path, *(f"{OLD}/cann81/{t}.csv" for t in ("batch", "kvcache", "request")))
    steps = load(tmp_path, "steps")
    assert steps.frame.is_empty()
    assert "rounds name no process" in sentences(steps.notes)
    requests = load(tmp_path, "requests").frame
    written = {row["http_rid"]: row for row in rows(f"{OLD}/cann81/request.csv")}
    for rid, arrival, wait, duration in requests.select(
        "request_id", "arrival", "queue_wait", "duration"
    ).iter_rows():
        row = written[rid]
        assert duration == pytest.approx(float(row["execution_time(microsecond)"]) / 1000)
        assert wait == pytest.approx(float(row["queue_wait_time(microsecond)"]) / 1000)
        assert arrival == datetime(1970, 1, 1) + timedelta(microseconds=float(row["start_time(microsecond)"]))


def test_request_columns_of_december_2024(tmp_path):
    (tmp_path / "request.csv").write_text(
        "http_rid,start_time_httpReq(microsecond),recv_token_size,reply_token_size,"
        "execution_time(microsecond),queue_wait_time(microsecond),first_token_latency\n"
        "7.0,1767225600056000.0,391.0,27.0,761000.0,100.25,32628.25\n"
    )
    found = load(tmp_path, "requests").frame.row(0, named=True)
    assert found["request_id"] == "7"
    assert found["arrival"] == datetime(2026, 1, 1, 0, 0, 0, 56_000)
    assert (found["duration"], found["queue_wait"], found["ttft"]) == (761.0, 0.10025, 32.62825)


def test_request_status_in_epoch_seconds_or_by_its_timestamp(tmp_path):
    head = "hostuid,pid,start_datetime,relative_timestamp(ms),waiting,running,swapped,timestamp(ms)\n"
    (tmp_path / "request_status.csv").write_text(
        head + "1,101,1696321692,0.0,10,,,1.0\n1,101,1696321694,1,,5,,3\n"
    )
    queues = load(tmp_path, "queues").frame
    # 2023-10-03 16:28:12 in Shanghai.
    assert queues["time"].to_list() == [datetime(2023, 10, 3, 8, 28, 12), datetime(2023, 10, 3, 8, 28, 14)]
    head = "hostuid,pid,timestamp(ms),relative_timestamp(ms),waiting,running,swapped\n"
    (tmp_path / "request_status.csv").write_text(head + "a,1,1767225600126.88,0.0,,3,\n")
    assert load(tmp_path, "queues").frame["time"].to_list() == [datetime(2026, 1, 1, 0, 0, 0, 126_880)]


@pytest.mark.parametrize("form", ["{}", "{}.0"])
def test_integer_request_ids_are_those_of_the_rounds(tmp_path, form):
    lay_out(tmp_path, *ALL)
    ids = {row["http_rid"]: number for number, row in enumerate(rows("csv_only/request.csv"))}
    batch = rows("csv_only/batch.csv")
    for row in batch:
        for rid in sorted(ids, key=len, reverse=True):
            row["res_list"] = row["res_list"].replace(f"'{rid}'", form.format(ids[rid]))
    write(tmp_path, "batch.csv", batch)
    kv = rows("csv_only/kvcache.csv")
    write(tmp_path, "kvcache.csv", [{**row, "rid": ids[row["rid"]]} for row in kv])
    loaded = load(tmp_path, "kv")
    assert loaded.frame.height == len(kv)
    assert "no scheduling round" not in sentences(loaded.notes)
    assert loaded.frame.filter(pl.col("dp_rank") == 3)["total_blocks"].max() == 16


def test_rank_minus_one_is_no_rank_and_no_broken_cell(tmp_path):
    lay_out(tmp_path, *ALL)
    write(tmp_path, "batch.csv", [{**row, "dp_rank": "-1"} for row in rows("csv_only/batch.csv")])
    steps = load(tmp_path, "steps")
    assert "usable value" not in sentences(steps.notes)
    assert set(load(tmp_path, "batches").frame["dp_rank"].to_list()) == {0, 1, 2, 3}


def test_the_note_on_microseconds_is_of_columns_that_are_there(tmp_path):
    lay_out(tmp_path, *ALL)
    assert load(tmp_path, "batches").provenance[0].microseconds == EPOCHS
    write(tmp_path, "batch.csv", [renamed({}, EPOCHS)(row) for row in rows("csv_only/batch.csv")])
    assert load(tmp_path, "batches").provenance[0].microseconds == ()


def test_a_large_table_with_texts_for_times_is_held_whole_and_said_so(tmp_path, monkeypatch):
    from lbtui.sources.steps import large_forward

    monkeypatch.setattr(large_forward, "LARGE_FORWARD", 1)
    lay_out(tmp_path, *ALL)
    write(tmp_path, "forward.csv", [renamed(TEXTS, EPOCHS)(row) for row in rows("csv_only/forward.csv")])
    steps = load(tmp_path, "steps")
    assert "held in memory" in sentences(steps.notes)
    assert "its times are texts" in sentences(steps.notes)
    assert steps_of(tmp_path) == sizes_by_start()
    grouped = defaultdict(int)
    for _start, prof_id, _size in steps_of(tmp_path):
        grouped[prof_id] += 1
    assert sorted(grouped.values()) == [177, 214, 226, 236]
