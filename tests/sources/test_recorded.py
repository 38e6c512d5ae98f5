"""What an engine did not record and the parser writes as 0 is unknown."""

import csv
import io
from statistics import mean

import polars as pl
import pytest

from lbtui.sources import open_profile
from lbtui.sources.steps.recorded import executed_rounds, recorded_passes, recorded_rounds
from tests.sources.recorded import content, lay_out, sentences
from tests.sources.traces import write as write_trace

SGLANG = [f"cases/sglang_dp2/{name}.csv" for name in ("batch", "kvcache", "request", "request_status")]
V0 = [f"cases/vllm_v0/{name}.csv" for name in ("batch", "forward", "kvcache")]


def rows_of(name):
    return list(csv.DictReader(io.StringIO(content(name).decode())))


def told(kind, size, prefill, decode, tokens=0):
    """Return size, prefill size, decode size and tokens of a round that the file writes so."""
    schema = dict.fromkeys(("batch_size", "prefill_batch_size", "decode_batch_size", "tokens"), pl.Int64)
    frame = pl.DataFrame(
        {"batch_type": [kind], "batch_size": [size], "prefill_batch_size": [prefill]}
        | {"decode_batch_size": [decode], "tokens": [tokens]},
        schema={"batch_type": pl.String, **schema},
    )
    return recorded_rounds(frame).select(list(schema)).row(0)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (("prefill", 3, 0, 0), (3, 3, 0, None)),  # SGLang lists bare ids
        (("decode", 5, 0, 0), (5, 0, 5, None)),
        (("Prefill", 3, 0, 3), (3, 3, 0, None)),  # a worker of vLLM's v0, whose requests have no iter
        (("Prefill,Decode", 4, 0, 0), (4, None, None, None)),
        (("Prefill,Decode", 4, 1, 3, 80), (4, 1, 3, 80)),
        ((None, 4, 0, 0), (4, None, None, None)),
        ((None, 4, 1, 3, 9), (4, 1, 3, 9)),
        (("Decode", 2, 0, 2, 2), (2, 0, 2, 2)),
        (("decode", 0, 0, 0), (None, 0, None, None)),
    ],
)
def test_a_round_has_requests_and_tokens_or_they_are_unknown(written, meant):
    size, prefill, decode, tokens = told(*written)
    assert (size, prefill, decode, tokens) == meant


def test_grouping_rows_stand_in_for_a_scheduler_without_executions():
    frame = pl.DataFrame(
        {
            "name": ["BatchSchedule", "Execute", "batchFrameworkProcessing", "modelRunnerExec"],
            "prof_id": ["a", "a", "b", "b"],
            "batch_type": ["Prefill", None, "decode", None],
            "batch_size": [1, 1, 2, 2],
            "prefill_batch_size": [1, 1, 0, 0],
            "decode_batch_size": [0, 0, 0, 2],
            "tokens": [5, 5, 0, 0],
        }
    )
    assert executed_rounds(frame).select("name", "phase").rows() == [
        ("Execute", "prefill"),
        ("batchFrameworkProcessing", "decode"),
    ]


def test_a_pass_that_names_no_request_is_none_where_rounds_tell_the_steps():
    frame = pl.DataFrame({"batch_size": [0, 4, None]})
    assert recorded_passes(frame, rounds=True)["batch_size"].to_list() == [4]
    assert recorded_passes(frame, rounds=False)["batch_size"].to_list() == [None, 4, None]


def test_sglang_steps_are_its_executions(tmp_path):
    """The case's own figures: pid 20010 mean batch 6.70, most 14; pid 20020 1.54, most 4."""
    loaded = open_profile(lay_out(tmp_path, *SGLANG)).load("steps").frame
    expected = {}
    for row in rows_of(SGLANG[0]):
        if row["name"] == "modelExec":
            expected.setdefault(row["prof_id"], []).append((float(row["batch_size"]), row["batch_type"]))
    assert loaded["prof_id"].n_unique() == len(expected) == 2
    for prof_id, rounds in expected.items():
        own = loaded.filter(pl.col("prof_id") == prof_id)
        assert list(zip(own["batch_size"], own["phase"], strict=True)) == rounds
        for phase, column in (("prefill", "prefill_batch_size"), ("decode", "decode_batch_size")):
            assert own.filter(phase=phase)[column].to_list() == [
                size for size, kind in rounds if kind == phase
            ]
    sizes = {p[-5:]: [size for size, _kind in rounds] for p, rounds in expected.items()}
    assert (round(mean(sizes["20010"]), 2), max(sizes["20010"])) == (6.70, 14)
    assert (round(mean(sizes["20020"]), 2), max(sizes["20020"])) == (1.54, 4)
    assert loaded["tokens"].null_count() == loaded.height


def test_sglang_rounds_name_their_requests(tmp_path):
    opened = open_profile(lay_out(tmp_path, *SGLANG))
    batches = opened.load("batches").frame
    rows = rows_of(SGLANG[0])
    for prof_id, row in batches.select("prof_id", "row").gather_every(40).rows():
        written = rows[row]["res_list"].strip("[]").replace("'", "").split(", ")
        assert [request.request_id for request in opened.requests_of_round(prof_id, row)] == written


def test_forward_spans_without_requests_do_not_hide_the_rounds(tmp_path):
    spans = []
    for step in range(6):
        start, kind = 1_767_225_600_000_000.0 + step * 30_000, "prefill" if step == 0 else "decode"
        of_step = {"ph": "X", "pid": 7, "tid": "ModelExecute(7)", "ts": start}
        ids = [f"r{number}" for number in range(step + 1)]
        args = {"batch_type": kind, "batch_size": str(step + 1), "res_list": ids}
        spans.append({**of_step, "name": "batchFrameworkProcessing", "dur": 100.0, "args": args})
        spans.append({**of_step, "name": "modelExec", "ts": start + 200, "dur": 20_000.0, "args": args})
        spans.append(
            {**of_step, "name": "forward", "ts": start + 300, "dur": 19_000.0, "args": {"batch_size": "0"}}
        )
    label = {"name": "process_labels", "ph": "M", "pid": 7, "args": {"labels": "node"}}
    write_trace([*spans, label], tmp_path)
    steps = open_profile(tmp_path).load("steps").frame
    assert steps["batch_size"].to_list() == [1, 2, 3, 4, 5, 6]
    assert steps["prefill_batch_size"].to_list() == [1, 0, 0, 0, 0, 0]
    assert steps["decode_batch_size"].to_list() == [0, 2, 3, 4, 5, 6]


def test_v0_records_neither_tokens_nor_free_blocks(tmp_path):
    opened = open_profile(lay_out(tmp_path, *V0))
    steps, kv = opened.load("steps"), opened.load("kv")
    assert steps.frame["tokens"].null_count() == steps.frame.height > 100
    assert "lie in no scheduling round" not in sentences(steps.notes), (
        "they do, whose tokens are not recorded"
    )
    assert kv.frame.is_empty()
    assert "number of sequences" in sentences(kv.notes)


def test_a_disaggregated_node_of_sglang_says_why_it_has_no_queues(tmp_path):
    names = ("batch", "kvcache", "request")
    opened = open_profile(lay_out(tmp_path, *(f"cases/sglang_decode_node/{n}.csv" for n in names)))
    requests = opened.load("requests").frame
    written = [
        float(row["first_token_latency(ms)"]) for row in rows_of("cases/sglang_decode_node/request.csv")
    ]
    assert requests["ttft"].drop_nulls().to_list() == [t for t in written if t]
    assert (requests["ttft"].len() - requests["ttft"].null_count(), len(written)) == (19, 25)
    assert "6 of 25 times to first token are written as 0" in sentences(opened.load("requests").notes)
    assert "disaggregated node of SGLang" in opened.missing_of("queues").reason
    free = [int(float(row["free_blocks"])) for row in rows_of("cases/sglang_decode_node/kvcache.csv")]
    assert opened.load("kv").frame["free_blocks"].to_list() == free


def test_a_rank_of_minus_one_is_none_and_no_broken_cell(tmp_path):
    names = [f"cases/vllm_dp_minus1/{name}.csv" for name in ("batch", "forward")]
    loaded = open_profile(lay_out(tmp_path, *names)).load("steps")
    assert {row["dp_rank"] for row in rows_of(names[0])} == {"None", "-1"}
    assert loaded.frame["dp_rank"].null_count() == loaded.frame.height
    assert "usable value" not in sentences(loaded.notes)
    assert loaded.frame["domain"].n_unique() == 1, "its two workers run the same batches"
