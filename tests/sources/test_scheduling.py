"""The frames `batches` and `steps`, checked against the raw files by Python's own csv reader."""

import csv
from collections import Counter
from datetime import datetime

import polars as pl
import pytest

from lbtui.analysis.data_parallel import domain_steps
from lbtui.sources import open_profile
from tests.sources.made import Service, write
from tests.sources.recorded import CSV_ONLY, content, profile, sentences

TP4 = ["mindie_tp4/forward.csv", "mindie_tp4/batch.csv"]
VLLM = ["vllm_small/forward.csv", "vllm_small/batch.csv"]


def rows(name):
    return list(csv.DictReader(content(name).decode().splitlines()))


@pytest.fixture(scope="module")
def tp4(tmp_path_factory):
    return profile(tmp_path_factory.mktemp("tp4"), *TP4)


@pytest.fixture(scope="module")
def vllm(tmp_path_factory):
    return profile(tmp_path_factory.mktemp("vllm"), *VLLM)


def test_trap_06_batch_times_are_microseconds_and_forward_times_milliseconds(tmp_path):
    opened = profile(tmp_path, *CSV_ONLY)
    first = rows("csv_only/batch.csv")[1]
    assert first["name"] == "Execute"
    assert first["start_time(ms)"].startswith("1767225600057")
    assert len(first["start_time(ms)"].partition(".")[0]) == 16
    batches, steps = opened.load("batches").frame, opened.load("steps").frame
    written = datetime.strptime(first["start_datetime"], "%Y-%m-%d %H:%M:%S:%f")
    assert batches["start"].min() == written.replace(hour=0)
    # Each forward pass lies inside the round of its own domain, which it could not with the factor wrong.
    assert steps["tokens"].null_count() == 0
    assert {time.year for time in (*batches["start"], *batches["end"], *steps["start"], *steps["end"])} == {
        2026
    }


def test_trap_10_each_batch_counts_once_whatever_rows_it_has(vllm, tmp_path):
    raw = rows("vllm_small/batch.csv")
    assert Counter(row["name"] for row in raw) == {
        "batchFrameworkProcessing": 373,
        "modelExec": 373,
        "modelRunnerExec": 373,
        "specDecoding": 322,
    }
    executed = [row for row in raw if row["name"] == "modelExec"]
    batches = vllm.load("batches").frame
    assert batches.height == len(executed)
    assert batches["tokens"].sum() == sum(int(row["total_scheduled_tokens"]) for row in executed)
    assert batches["phase"].value_counts(sort=True).rows() == [("decode", 322), ("prefill", 51)]
    mindie = profile(tmp_path, *CSV_ONLY).load("batches").frame
    executed = [row for row in rows("csv_only/batch.csv") if row["name"] == "Execute"]
    assert mindie["tokens"].sum() == sum(int(row["total_scheduled_tokens"]) for row in executed)


def test_vllm_prefills_of_the_runner_are_not_taken_for_decodes(vllm):
    steps = vllm.load("steps").frame
    raw = rows("vllm_small/forward.csv")
    assert Counter(steps["phase"]) == Counter(row["batch_type"].lower() for row in raw)
    assert steps["prefill_batch_size"].sum() > 0
    runner = [row for row in rows("vllm_small/batch.csv") if row["name"] == "modelRunnerExec"]
    assert sum(int(row["prefill_batch_size"]) for row in runner) == 0


def test_one_batch_on_four_cards_counts_once_and_each_card_is_seen(tp4):
    raw = rows("mindie_tp4/forward.csv")
    steps, batches = tp4.load("steps").frame, tp4.load("batches").frame
    assert steps.height == len(raw) == 4 * batches.height
    assert steps["prof_id"].n_unique() == 16
    assert steps["domain"].n_unique() == batches["domain"].n_unique() == 4
    assert steps.group_by("domain").agg(pl.col("prof_id").n_unique())["prof_id"].to_list() == [4] * 4
    once = domain_steps(steps)
    assert once.height == batches.height
    assert once["cards"].unique().to_list() == [4]
    assert once["batch_size"].sum() == batches["batch_size"].sum()
    assert once["tokens"].sum() == batches["tokens"].sum()
    # The slowest card sets a step's time.
    longest = steps.group_by("domain").agg(pl.col("duration").max()).sort("domain")
    assert once.group_by("domain").agg(pl.col("duration").max()).sort("domain").equals(longest)


def test_every_card_keeps_its_own_numbers(tp4):
    raw = {(row["prof_id"], int(row["forward_iter"])): row for row in rows("mindie_tp4/forward.csv")}
    for step in tp4.load("steps").frame.iter_rows(named=True):
        row = raw[step["prof_id"], step["forward_iter"]]
        assert step["duration"] == float(row["during_time(ms)"])
        assert step["bubble"] == (float(row["bubble_time(ms)"]) if row["bubble_time(ms)"] else None)
        assert (step["host"], step["dp_rank"]) == (row["hostname"], int(row["dp_rank"]))
        assert step["batch_size"] == int(row["batch_size"])
        text = row["start_datetime"]
        assert step["start"].strftime("%Y-%m-%d %H:%M:%S:%f") == text.replace(" 08:", " 00:")


def test_the_last_pass_of_each_card_has_no_bubble(tp4):
    steps = tp4.load("steps").frame.sort("prof_id", "start")
    last = steps.group_by("prof_id").agg(pl.col("bubble").last())
    assert last["bubble"].null_count() == last.height == steps["bubble"].null_count()


def test_without_forward_passes_rounds_are_the_steps_and_told(tmp_path):
    opened = profile(tmp_path, "csv_only/batch.csv")
    steps, batches = opened.load("steps"), opened.load("batches").frame
    assert steps.frame.select("start", "tokens", "domain").equals(
        batches.sort("start", "prof_id").select("start", "tokens", "domain")
    )
    assert "No forward passes are recorded" in sentences(steps.notes)
    assert [p.file for p in steps.provenance] == ["batch.csv"]


def test_without_rounds_forward_passes_stand_alone(tmp_path):
    opened = profile(tmp_path, "csv_only/forward.csv")
    steps = opened.load("steps").frame
    assert steps.height == 853
    assert steps["tokens"].null_count() == 853
    assert steps["phase"].null_count() == 0
    assert sorted(steps["domain"].unique()) == [f"node-a/dp{rank}" for rank in range(4)]


def test_a_scheduler_without_executions_is_counted_by_its_grouping_rows(tmp_path):
    write(
        tmp_path, Service("n", 10, (11,), 0, 0, (1, 2, 3)), Service("n", 20, (21,), 1, 1, (4, 5, 6), offset=7)
    )
    path = tmp_path / "batch.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not (line.startswith("Execute") and "n-20" in line)))
    batches = open_profile(tmp_path).load("batches")
    assert batches.frame.group_by("dp_rank").agg(pl.col("batch_size").sum()).sort("dp_rank").rows() == [
        (0, 6),
        (1, 15),
    ]
    assert "no Execute or modelExec rows" in sentences(batches.notes)


def test_numbers_too_large_for_their_column_are_null_and_not_an_error(tmp_path):
    write(tmp_path, Service("n", 10, (11,), 0, 0, (1, 2, 3)))
    path = tmp_path / "forward.csv"
    path.write_text(path.read_text().replace(",2,Decode,2,0,", ",99999999999,Decode,2,0,"))
    steps = open_profile(tmp_path).load("steps").frame
    assert steps["batch_size"].to_list() == [1, None, 3]
