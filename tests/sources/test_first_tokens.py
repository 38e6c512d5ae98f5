"""Times to first token that upstream gets wrong come from events, or are doubtful and left out."""

import ast
import csv
import io
import json
import sqlite3
from datetime import datetime, timedelta
from statistics import median

import numpy as np
import polars as pl
import pytest

from lbtui.sources import open_profile
from lbtui.sources.steps.row_checks import are_of_prefills
from tests.sources.engines import events_of, output_of, raw_of
from tests.sources.recorded import content, lay_out, sentences
from tests.sources.test_recorded import SGLANG

CASE = ["cases/vllm014_ttft/batch.csv", "cases/vllm014_ttft/request.csv"]
BATCH = "name,res_list,start_time(ms),end_time(ms),batch_type,prof_id,batch_size,total_scheduled_tokens"
REQUEST = (
    "http_rid,start_datetime,recv_token_size,reply_token_size,execution_time(ms),queue_wait_time(ms),"
    "first_token_latency(ms)"
)
T0 = 1_767_225_600_000_000  # µs: 2026-01-01 08:00 in Shanghai


def rows_of(name):
    return list(csv.DictReader(io.StringIO(content(name).decode())))


def late_by_hand():
    """Return the requests of the case whose first token ends more than a usual step after their prompt."""
    ends, lengths = {}, []
    for row in rows_of(CASE[0]):
        if row["name"] != "modelExec":
            continue
        start, end = float(row["start_time(ms)"]), float(row["end_time(ms)"])
        lengths.append(end - start)
        for request in ast.literal_eval(row["res_list"]):
            if request["type"] == 0:
                ends[request["rid"]] = end
    step = median(lengths)
    late = {}
    for row in rows_of(CASE[1]):
        arrival = (
            datetime.strptime(row["start_datetime"] + "+0800", "%Y-%m-%d %H:%M:%S:%f%z").timestamp() * 1e6
        )
        late[row["http_rid"]] = (
            arrival + float(row["first_token_latency(ms)"]) * 1000 - ends[row["http_rid"]] > step
        )
    return {rid for rid, is_late in late.items() if is_late}


def test_the_case_separates_exactly_its_two_wrong_ones(tmp_path):
    loaded = open_profile(lay_out(tmp_path, *CASE)).load("requests")
    unknown = set(loaded.frame.filter(pl.col("ttft").is_null())["request_id"])
    assert unknown == late_by_hand()
    assert (len(unknown), loaded.frame.height) == (2, 30)
    values = loaded.frame["ttft"].drop_nulls().to_numpy()
    assert (round(np.percentile(values, 95), 1), round(values.max(), 1)) == (85.7, 99.9)
    assert "2 of 30 times to first token are doubtful and left out" in sentences(loaded.notes)


def time_text(us):
    moment = datetime(1970, 1, 1) + timedelta(microseconds=us + 8 * 3600 * 10**6)
    return moment.strftime("%Y-%m-%d %H:%M:%S:%f")


def write(folder, requests, *, bare=False):
    """Write a vLLM (or, `bare`, SGLang) run: a prefill of each request, then decodes; ttft as given, ms.

    `requests`: ttft by request id, or None for one that the file does not know (0.0).
    """
    folder.mkdir(exist_ok=True)
    names, batches, rows = list(requests), [], []
    for number, rid in enumerate(names):
        for kind, at in (("Prefill", 0), ("Decode", 40_000)):
            start = T0 + number * 100_000 + at
            entry = {"rid": rid, "iter": at // 40_000, "type": at // 40_000, "num_scheduled_tokens": 9}
            cell = repr([rid] if bare else [entry])
            kind = kind.lower() if bare else kind
            tokens = 0 if bare else 9
            batches.append(
                f'modelExec,"{cell}",{start}.0,{start + 30_000}.0,{kind},ms_service_n-1,1.0,{tokens}'
            )
        ttft = requests[rid]
        rows.append(
            f"{rid},{time_text(T0 + number * 100_000 - 5000)},10,5,200,1,{0.0 if ttft is None else ttft}"
        )
    (folder / "batch.csv").write_text("\n".join([BATCH, *batches]) + "\n")
    (folder / "request.csv").write_text("\n".join([REQUEST, *rows]) + "\n")
    return folder


# A prompt ends 35 ms after the arrival, the step that follows it 75 ms after.
@pytest.mark.parametrize("bare", [False, True], ids=["vllm", "sglang"])
def test_one_step_after_the_prompt_is_the_limit(tmp_path, bare):
    loaded = open_profile(
        write(tmp_path, {"a": 35.5, "b": 74.9, "c": 75.6, "d": 190.0, "e": None}, bare=bare)
    )
    ttft = dict(loaded.load("requests").frame.select("request_id", "ttft").rows())
    assert ttft == {"a": 35.5, "b": 74.9, "c": None, "d": None, "e": None}
    assert "2 of 5 times to first token are doubtful" in sentences(loaded.load("requests").notes)


def events(requests, seen):
    """Return a trace's events: each request's arrival, and one detokenize event for all of a step."""
    start = {rid: T0 + number * 100_000 - 5000 for number, rid in enumerate(requests)}
    arrivals = [("httpReq", start[rid], rid) for rid in requests]
    return [
        *arrivals,
        *(("detokenize", start[rid] + int(seen[rid] * 1000), [rid, "other"]) for rid in requests),
    ]


WRITTEN = {"a": 35.5, "b": 190.0, "c": None}
SEEN = {"a": 35.5, "b": 36.0, "c": 37.0}


@pytest.mark.parametrize("kind", ["trace", "database"])
def test_events_tell_what_the_table_has_wrong(tmp_path, kind):
    folder = write(tmp_path, WRITTEN)
    told = events(WRITTEN, SEEN)
    if kind == "trace":
        trace = [
            {
                "name": name,
                "ph": "I",
                "ts": float(at),
                "dur": 0.0,
                "pid": 1,
                "tid": "Engine(1)",
                "args": {"res_list": ids},
            }
            for name, at, ids in told
        ]
        (folder / "chrome_tracing.json").write_text(json.dumps(trace))
    else:
        with sqlite3.connect(folder / "profiler.db") as made:
            made.execute("CREATE TABLE slice (id INTEGER, timestamp INTEGER, name TEXT, args TEXT)")
            made.executemany(
                "INSERT INTO slice VALUES (?, ?, ?, ?)",
                [
                    (n, at * 1000, name, json.dumps({"res_list": ids}))
                    for n, (name, at, ids) in enumerate(told)
                ],
            )
            made.execute("INSERT INTO slice VALUES (99, 1, 'detokenize', 'no json')")
        made.close()
    loaded = open_profile(folder).load("requests")
    assert dict(loaded.frame.select("request_id", "ttft").rows()) == SEEN
    assert "2 of 3 times to first token" in sentences(loaded.notes)


def test_sglang_writes_zero_for_what_it_does_not_know(tmp_path):
    loaded = open_profile(lay_out(tmp_path, *SGLANG)).load("requests").frame
    written = [float(row["first_token_latency(ms)"]) for row in rows_of(SGLANG[2])]
    assert written.count(0.0) == loaded["ttft"].null_count() == 8
    assert loaded["ttft"].drop_nulls().sort().to_list() == sorted(t for t in written if t)


@pytest.mark.parametrize("formats", ["csv", "db", "all"])
def test_what_the_prefill_engine_replied_is_not_the_output(tmp_path, formats):
    raw = raw_of("vllm_pd_even", tmp_path / "raw")
    replied = {
        event.args["rid"]: int(event.args["replyTokenSize="])
        for events in events_of(raw).values()
        for event in sorted(events, key=lambda event: event.start)
        if event.name == "httpRes" and event.args["replyTokenSize="] != 1
    }
    output = tmp_path / "output"
    output.mkdir()
    loaded = open_profile(output_of("vllm_pd_even", formats, output)).load("requests")
    tokens = dict(loaded.frame.select("request_id", "output_tokens").iter_rows())
    assert len(tokens) > 20
    known = formats == "all"
    assert tokens == ({rid: replied[rid] for rid in tokens} if known else dict.fromkeys(tokens))
    assert ("Those of chrome_tracing.json are used" in sentences(loaded.notes)) is known
    assert ("How many there were is unknown" in sentences(loaded.notes)) is not known


@pytest.mark.parametrize(
    ("replies", "decoded", "wrong"),
    [
        ([1, 1, None], 3, True),
        ([1, 1], 2, False),
        ([1, 2], 90, False),
        ([None], 90, False),
        ([], 90, False),
    ],
)
def test_one_token_each_is_the_prefills_where_more_were_decoded(replies, decoded, wrong):
    requests = pl.DataFrame({"output_tokens": replies}, schema={"output_tokens": pl.Int32})
    assert are_of_prefills(requests, decoded) is wrong
