import ast
import json
from functools import cache

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbtui.profile import SCHEMAS, Cancelled, Silent, Unreadable
from lbtui.sources.experts.tables import combine
from lbtui.sources.trace.events import (
    FLOW_EVENTS,
    FORWARDS,
    KV_COUNTERS,
    PROCESSES,
    QUEUE_EVENTS,
    SPANS,
)
from lbtui.sources.trace.nodes import DISPATCHES
from lbtui.sources.trace.read import read_event, read_trace
from tests.sources.traces import DATA, unpack, write

SHANGHAI = pl.duration(hours=8)
FRAMES = {
    "processes": PROCESSES,
    "forwards": FORWARDS,
    "spans": SPANS,
    "queue_events": QUEUE_EVENTS,
    "kv_counters": KV_COUNTERS,
    "dispatches": DISPATCHES,
    **{name: SCHEMAS[name] for name in ("requests", "nodes", "transfers", "handoffs")},
}
NULLS = ["", "None", "N/A"]


def text_of(column, fraction=":%6f"):
    return (pl.col(column) + SHANGHAI).dt.strftime(f"%Y-%m-%d %H:%M:%S{fraction}")


def table(path):
    return pl.read_csv(DATA / path, null_values=NULLS)


@pytest.fixture(scope="module")
def path_of(tmp_path_factory):
    """Return a function that unpacks a recorded trace, once per name."""
    return cache(lambda name: unpack(name, tmp_path_factory.mktemp(name)))


@pytest.fixture(scope="module")
def trace_of(path_of):
    """Return a function that reads a recorded trace, once per name."""
    return cache(lambda name: read_trace(path_of(name), Silent()))


def scheduled(one):
    return {key: value for key, value in one.items() if key != "num_spec_accepted_tokens"}


def at(time, name, /, ph="I", pid=1, tid="t", **args):
    return {"name": name, "ph": ph, "ts": time, "dur": 0.0, "pid": pid, "tid": tid, "args": args}


@pytest.mark.parametrize("name", ["mindie_small", "pd_ep_cut", "vllm_small_cut"])
def test_frames_have_their_schemas_and_nothing_is_amiss(trace_of, name):
    trace = trace_of(name)
    assert {frame: getattr(trace, frame).schema for frame in FRAMES} == FRAMES
    assert trace.notes == ()


@pytest.mark.parametrize("name", ["mindie_small", "pd_ep_cut", "vllm_small_cut"])
def test_times_equal_upstreams_texts_to_the_microsecond(path_of, trace_of, name):
    trace = trace_of(name)
    checked = 0
    spans = trace.spans.with_columns(text_of("start").alias("s"), text_of("end").alias("e"))
    for start, end, offset in spans.select("s", "e", "offset").rows()[::7]:
        args = read_event(path_of(name), offset)["args"]
        assert (start, end) == (args["start_datetime"], args["end_datetime"])
        checked += 1
    expected = [
        event["args"]["start_datetime"]
        for event in json.loads(path_of(name).read_text())
        if event["name"] in ("Queue", "Enqueue", "Dequeue")
    ]
    assert trace.queue_events.select(text_of("time")).to_series().to_list() == expected
    assert checked + len(expected) > 300


@pytest.mark.parametrize(
    ("name", "path"), [("mindie_small", "csv_only/batch.csv"), ("vllm_small_cut", "vllm_small/batch.csv.gz")]
)
def test_spans_equal_batch_csv(path_of, trace_of, name, path):
    trace, batch = trace_of(name), table(path)
    key = ["name", "prof_id", "start_datetime", "end_datetime"]
    host = trace.processes.select("pid", "host", "dp_rank")
    ours = (
        trace.spans.join(host, on="pid", how="left")
        .with_columns(
            pl.format("ms_service_{}-{}", "host", "pid").alias("prof_id"),
            text_of("start").alias("start_datetime"),
            text_of("end").alias("end_datetime"),
        )
        .rename(
            {
                "duration_ms": "during_time(ms)",
                "prefill_tokens": "prefill_scheduled_tokens",
                "decode_tokens": "decode_scheduled_tokens",
                "tokens": "total_scheduled_tokens",
            }
        )
        .sort(key)
    )
    batch = batch.sort(key)
    compared = [
        *key,
        *("during_time(ms)", "batch_type", "batch_size", "prefill_batch_size", "decode_batch_size"),
        *("prefill_scheduled_tokens", "decode_scheduled_tokens", "total_scheduled_tokens", "dp_rank"),
    ]
    types = {column: batch.schema[column] for column in compared}
    assert ours.select(compared).cast(types).equals(batch.select(compared))
    grouping = ours.filter(pl.col("rids").is_not_null())
    lists = batch.filter(pl.col("name").is_in(["BatchSchedule", "batchFrameworkProcessing"]))["res_list"]
    assert grouping["rids"].to_list() == [[one["rid"] for one in ast.literal_eval(cell)] for cell in lists]
    for offset, cell in list(zip(ours["offset"], batch["res_list"], strict=True))[::50]:
        # In specDecoding rows batch.csv has accepted tokens that the trace has not.
        event = [scheduled(one) for one in read_event(path_of(name), offset)["args"]["res_list"]]
        assert event == [scheduled(one) for one in ast.literal_eval(cell)]


def test_forwards_equal_forward_csv(trace_of):
    forward = table("csv_only/forward.csv").sort("prof_id", "start_datetime")
    ours = trace_of("mindie_small").forwards.sort("pid", "start")
    assert ours["pid"].to_list() == forward["prof_id"].str.extract(r"(\d+)$").cast(int).to_list()
    assert ours["dp_rank"].to_list() == forward["dp_rank"].to_list()
    assert ours["batch_size"].to_list() == forward["batch_size"].to_list()
    assert ours["duration_ms"].to_list() == forward["during_time(ms)"].to_list()
    for column in ("start", "end"):
        assert ours.select(text_of(column)).to_series().to_list() == forward[f"{column}_datetime"].to_list()


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("mindie_small", "csv_only/request.csv"),
        ("vllm_small_cut", "vllm_small/request.csv"),
        ("pd_ep_cut", "pd_ep/request.csv"),
    ],
)
def test_requests_equal_request_csv(trace_of, name, path):
    ours, theirs = trace_of(name).requests, table(path)
    assert len(theirs) > 50
    assert ours["request_id"].to_list() == theirs["http_rid"].to_list()
    assert ours.select(text_of("arrival")).to_series().to_list() == theirs["start_datetime"].to_list()
    for column, theirs_column in {
        "input_tokens": "recv_token_size",
        "output_tokens": "reply_token_size",
        "ttft": "first_token_latency(ms)",
        "queue_wait": "queue_wait_time(ms)",
    }.items():
        assert ours[column].to_list() == theirs[theirs_column].to_list()
    # The file cuts start and end to whole milliseconds first.
    assert (ours["duration"] - theirs["execution_time(ms)"]).abs().max() < 1
    assert ours["cache_hit_rate"].null_count() == len(ours)


def test_queue_samples_equal_request_status_csv(trace_of):
    status = table("csv_only/request_status.csv")
    queues = ("waiting", "running", "swapped")
    ours = trace_of("mindie_small").queue_events.filter(kind="Queue")
    wide = ours.select(
        "pid",
        text_of("time").alias("start_datetime"),
        *[pl.when(pl.col("queue") == name).then(pl.col("size")).alias(name) for name in queues],
    )
    theirs = status.select("pid", "start_datetime", *[pl.col(name).cast(pl.Int64) for name in queues])
    key = wide.columns
    assert wide.sort(key).equals(theirs.sort(key))


def test_every_kv_counter_is_kept_with_its_owner(path_of, trace_of):
    counters = trace_of("vllm_small_cut").kv_counters
    raw = [e for e in json.loads(path_of("vllm_small_cut").read_text()) if e["ph"] == "C"]
    assert counters["value"].to_list() == [event["args"]["Device Block"] for event in raw]
    assert counters["dp_rank"].to_list() == [int(event["name"][-1]) for event in raw]
    assert counters["pid"].to_list() == [event["pid"] for event in raw]
    assert len(counters) == 485


def test_nodes_equal_coordinator_csv(trace_of):
    nodes = trace_of("pd_ep_cut").nodes
    theirs = table("pd_ep/coordinator.csv").sort("time", "address")
    ours = nodes.select(
        text_of("time", "").alias("time"),
        "address",
        pl.col("role").alias("node_type"),
        pl.col("added").alias("add_count"),
        pl.col("ended").alias("end_count"),
    )
    assert ours.equals(theirs.select(ours.columns))
    # Upstream writes 0 into bins without events; all others agree.
    wrong = nodes["running"] != theirs["running_count"]
    assert wrong.sum() == 7
    assert theirs.filter(wrong).select("add_count", "end_count", "running_count").sum().row(0) == (0, 0, 0)


def test_handoffs_equal_pd_split_communication_csv(trace_of):
    stages = ("arrival", "sent", "received", "prefill_done", "end")
    ours = trace_of("pd_ep_cut").handoffs.select("request_id", *[text_of(s, ":%3f").alias(s) for s in stages])
    theirs = table("pd_ep/pd_split_communication.csv")
    assert ours.sort("request_id").rows() == theirs.sort("rid").rows()
    assert len(ours) == 168


def test_transfers_equal_pd_split_kvcache_csv(trace_of):
    ours = trace_of("pd_ep_cut").transfers.select(
        pl.col("request_id").alias("rid"),
        pl.col("rank").cast(pl.Float64),
        pl.format("[{}]", "tokens").alias("batch_seq_len"),
        pl.col("duration").alias("during_time(ms)"),
        text_of("start", ":%3f").alias("start_time"),
        text_of("end", ":%3f").alias("end_time"),
    )
    theirs = table("pd_ep/pd_split_kvcache.csv").select(ours.columns)
    assert ours.sort("rid").equals(theirs.sort("rid"))


def test_experts_come_one_process_a_rank(trace_of):
    experts = trace_of("pd_ep_cut").experts
    assert [process.rank for process in experts] == list(range(16))
    assert {len(process.periods) for process in experts} == {3}
    assert combine(experts, "trace").periods[0].shape == (4, 272)


def test_the_object_form_and_other_layouts_read_the_same(path_of, tmp_path):
    events = json.loads(path_of("mindie_small").read_text())[:2000]
    plain = read_trace(write(events, tmp_path), Silent())
    path = tmp_path / "object.json"
    path.write_text(json.dumps({"displayTimeUnit": "ns", "traceEvents": events}, indent=1))
    other = read_trace(path, Silent())
    assert other.notes == ()
    for frame in FRAMES:
        ours, theirs = getattr(plain, frame), getattr(other, frame)
        assert ours.drop("offset", strict=False).equals(theirs.drop("offset", strict=False))
    assert len(plain.spans) > 50


def test_flow_events_are_passed_over_as_a_run(path_of):
    text = path_of("mindie_small").read_text()
    found = list(FLOW_EVENTS.finditer(text))
    assert sum(match[0].count('"name": "flow_') for match in found) == text.count('"name": "flow_') > 10_000
    assert not any(f'"ph": "{phase}"' in match[0] for match in found for phase in "XICM")


@settings(deadline=None, max_examples=25)
@given(share=st.floats(0.001, 0.999))
def test_a_cut_trace_keeps_what_stands_before_the_break(path_of, trace_of, tmp_path_factory, share):
    whole = trace_of("vllm_small_cut")
    data = path_of("vllm_small_cut").read_bytes()
    path = tmp_path_factory.mktemp("cut") / "chrome_tracing.json"
    path.write_bytes(data[: int(len(data) * share)])
    cut = read_trace(path, Silent())
    for frame in ("spans", "forwards", "queue_events", "kv_counters"):
        ours = getattr(cut, frame)
        assert ours.equals(getattr(whole, frame).head(len(ours)))
    assert (
        cut.spans["offset"].to_list()
        == [o for o in whole.spans["offset"] if o < len(data) * share][: len(cut.spans)]
    )
    (note,) = cut.notes
    assert "breaks at byte" in note.text
    assert "the file ends there" in note.text


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(
    [
        "forward",
        "Execute",
        "BatchSchedule",
        "Enqueue",
        "Queue",
        "httpReq",
        "httpRes",
        "sendReqToD",
        "Other",
        "PullKVCache",
        "RequestDispatch",
        "GenerateToken",
        "ReqFinish",
        "KVCache-dp1",
        "process_labels",
    ]
)
ARGS = st.sampled_from(
    [
        "res_list",
        "batch_size",
        "dp_rank",
        "status",
        "QueueSize=",
        "recvTokenSize=",
        "rank",
        "batch_seq_len",
        "PrefillAddress",
        "DecodeAddress",
        "Device Block",
        "labels",
        "expert_hot",
        "expert_routing",
        "Phase",
    ]
)
EVENT = st.fixed_dictionaries(
    {"name": NAMES | ANYTHING, "ph": st.sampled_from("XICMs") | ANYTHING},
    optional={
        "ts": st.floats(0, 1e15) | ANYTHING,
        "dur": st.floats(0, 1e9) | ANYTHING,
        "pid": st.integers(0, 9) | ANYTHING,
        "tid": st.just("eplb_observe(1)") | ANYTHING,
        "args": st.dictionaries(ARGS, ANYTHING | st.just([{"rid": "a", "iter": 0}]), max_size=5) | ANYTHING,
    },
)


@settings(deadline=None, max_examples=300)
@given(st.lists(EVENT | ANYTHING, max_size=6))
def test_no_event_breaks_the_reading_of_the_others(tmp_path_factory, events):
    good = at(1_767_225_600_000_000.0, "forward", "X", dp_rank="3", batch_size="2")
    trace = read_trace(write([*events, good], tmp_path_factory.getbasetemp()), Silent())
    assert trace.forwards.tail(1).select("dp_rank", "batch_size").row(0) == (3, 2)
    assert {frame: getattr(trace, frame).schema for frame in FRAMES} == FRAMES


@pytest.mark.parametrize("content", ["[1, 2, 3]", '[{"a": 1}]', '{"a": []}', "hello", ""])
def test_what_is_no_trace_is_unreadable(tmp_path, content):
    path = tmp_path / "chrome_tracing.json"
    path.write_text(content)
    with pytest.raises(Unreadable, match=r"chrome_tracing\.json is not a trace"):
        read_trace(path, Silent())


def test_an_empty_trace_is_empty(tmp_path):
    trace = read_trace(write([], tmp_path), Silent())
    assert all(getattr(trace, frame).is_empty() for frame in FRAMES)
    assert trace.notes == ()


def test_left_out_elements_are_counted(tmp_path):
    events = [3, "x", at("soon", "forward", "X"), at(1.0, "Queue", pid=None, status="waiting")]
    notes = [note.text for note in read_trace(write(events, tmp_path), Silent()).notes]
    assert notes == [
        "2 elements are no trace events: left out.",
        "1 events lack a usable time, pid or rank: left out.",
        "1 events have the name of a service's span and their time as text: the parser merged an operator "
        "profile (torch_npu) in. They are no forward passes and are left out.",
    ]


def test_a_pid_of_two_hosts_is_reported(tmp_path):
    labels = [at(0, "process_labels", "M", pid=7777, labels=label) for label in ("node-a,dp0", "node-b,dp1")]
    trace = read_trace(write(labels, tmp_path), Silent())
    assert trace.processes.rows() == [(7777, "node-a", 0, None)]
    assert [note.text for note in trace.notes] == [
        "pid 7777 occurs on two hosts; the trace cannot tell their rows apart."
    ]


def test_processes_without_dp_or_label(tmp_path):
    events = [
        at(0, "process_labels", "M", pid=2, labels="node-a"),
        at(0, "process_name", "M", pid=1, name="expert"),
        at(0, "process_name", "M", pid=2, name="schedule"),
    ]
    trace = read_trace(write(events, tmp_path), Silent())
    assert trace.processes.rows() == [(1, None, None, "expert"), (2, "node-a", None, "schedule")]


def dispatch(time, rid, prefill="p:1", decode="d:1"):
    return at(time, "RequestDispatch", PrefillAddress=prefill, DecodeAddress=decode, res_list=rid)


def test_running_is_carried_through_bins_without_events(tmp_path):
    events = [
        dispatch(1e6, "a"),
        at(2e6, "GenerateToken", Phase="prefill", res_list="a"),
        at(3e6, "GenerateToken", Phase="decode", res_list="a"),
        at(16e6, "ReqFinish", res_list="a"),
    ]
    nodes = read_trace(write(events, tmp_path), Silent()).nodes
    decode = nodes.filter(role="decode")
    assert decode["time"].dt.second().to_list() == [0, 5, 10, 15]
    assert decode.select("added", "ended", "running").rows() == [(1, 0, 1), (0, 0, 1), (0, 0, 1), (0, 1, 0)]
    prefill = nodes.filter(role="prefill")
    assert prefill.select("added", "ended", "running").rows() == [(1, 1, 0)] + [(0, 0, 0)] * 3


def test_a_token_of_the_decode_phase_hands_nothing_over(tmp_path):
    events = [dispatch(1e6, "a"), at(2e6, "GenerateToken", Phase="decode", res_list="a")]
    trace = read_trace(write(events, tmp_path), Silent())
    assert trace.nodes.select("role", "added", "ended").rows() == [("prefill", 1, 0)]
    assert trace.dispatches["prefill_end"].to_list() == [None]


def test_requests_dispatched_before_the_capture_are_counted(tmp_path):
    events = [dispatch(1e6, "a"), at(2e6, "ReqFinish", res_list="early")]
    trace = read_trace(write(events, tmp_path), Silent())
    assert trace.nodes["ended"].sum() == 0
    assert "1 requests were dispatched before the capture" in trace.notes[0].text


def test_a_stray_time_makes_no_endless_grid(tmp_path):
    events = [dispatch(0, "a"), dispatch(1_767_225_600e6, "b")]
    nodes = read_trace(write(events, tmp_path), Silent()).nodes
    assert nodes["time"].n_unique() == 2
    assert nodes["running"].to_list() == [1, 2]


def test_stages_that_were_not_seen_are_null(tmp_path):
    events = [
        at(5e6, "httpReq", res_list="a", **{"recvTokenSize=": 7}),
        at(6e6, "sendReqToD", res_list="a"),
        at(9e6, "decodeRes", res_list="b"),
    ]
    trace = read_trace(write(events, tmp_path), Silent())
    assert trace.requests.drop("arrival").rows() == [("a", 7, None, None, None, None, None)]
    known = trace.handoffs.select("request_id", pl.exclude("request_id").is_not_null())
    assert known.rows() == [("a", True, True, False, False, False), ("b", False, False, False, False, True)]


def test_only_the_first_token_counts_for_ttft_in_any_order(tmp_path):
    events = [
        at(9e6, "sendResponse", res_list="a"),
        at(7e6, "sendResponse", res_list="a"),
        at(5e6, "httpReq", res_list="a"),
        at(10e6, "httpRes", res_list="a", **{"replyTokenSize=": 2}),
        at(8e6, "httpRes", res_list="a"),
    ]
    requests = read_trace(write(events, tmp_path), Silent()).requests
    assert requests.select("ttft", "duration", "output_tokens").row(0) == (2000.0, 5000.0, 2)


def test_a_first_token_that_is_a_span_is_timed_at_its_beginning(tmp_path):
    events = [
        at(5e6, "httpReq", res_list=["a", "b"]),
        {**at(7e6, "detokenize", "X", res_list=["a", "b"]), "dur": 400.0},
        {**at(9e6, "detokenize", "X", res_list=["b"]), "dur": 1.0},
    ]
    requests = read_trace(write(events, tmp_path), Silent()).requests
    assert requests.select("request_id", "ttft").rows() == [("a", 2000.0), ("b", 2000.0)]


@pytest.mark.parametrize("turned", [False, True])
def test_a_token_of_the_prefill_engine_is_not_the_clients_first(tmp_path, turned):
    # vLLM's proxy sends a request to P (pid 1), throws its token away and sends it to D (pid 2).
    events = [
        at(5e6, "httpReq", res_list="a"),
        at(6e6, "detokenize", res_list="a"),
        at(7e6, "httpReq", pid=2, res_list="a"),
        at(8e6, "detokenize", pid=2, res_list="a"),
        at(9e6, "detokenize", pid=2, res_list="a"),
    ]
    path = write(events[::-1] if turned else events, tmp_path)
    requests = read_trace(path, Silent()).requests
    assert requests["ttft"].to_list() == [3000.0]


def test_a_first_token_before_the_last_arrival_is_unknown(tmp_path):
    events = [at(6e6, "httpReq", res_list="a"), at(5.5e6, "detokenize", res_list="a")]
    assert read_trace(write(events, tmp_path), Silent()).requests["ttft"].to_list() == [None]


def test_the_type_tells_a_prefill_where_the_iteration_does_not(tmp_path):
    requests = [
        {"rid": "a", "iter": 0, "type": 0, "num_scheduled_tokens": 512},
        {"rid": "b", "iter": 1, "type": 0, "num_scheduled_tokens": 188},  # the rest of a long prompt
        {"rid": "c", "iter": 0, "type": 1, "num_scheduled_tokens": 1},  # prefilled by another engine
        {"rid": "d", "iter": 0, "num_scheduled_tokens=": 7},
        {"rid": "e", "iter": 3, "num_scheduled_tokens=": 1},
    ]
    event = {**at(5e6, "modelExec", "X", res_list=requests), "dur": 1.0}
    spans = read_trace(write([event], tmp_path), Silent()).spans
    counted = spans.select("prefill_batch_size", "decode_batch_size", "prefill_tokens", "decode_tokens")
    assert counted.rows() == [(3, 2, 707, 2)]


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        *[("12", 12), (12.0, 12), (" 12.0 ", 12), ("-3", None)],
        *[(1.5, None), (2**31, None), (True, None), ("", None), ([1], None), ("1e3", None)],
        *[(float("nan"), None), ("9" * 30, None)],
    ],
)
def test_numbers_are_taken_as_written_or_not_at_all(tmp_path, written, kept):
    trace = read_trace(write([at(1.0, "forward", "X", batch_size=written)], tmp_path), Silent())
    assert trace.forwards["batch_size"].to_list() == [kept]


def test_text_that_no_frame_can_hold_is_escaped(tmp_path):
    events = [at(0, "process_name", "M", name="a\ud800b"), at(1.0, "httpReq", res_list="räume\udfff")]
    trace = read_trace(write(events, tmp_path), Silent())
    assert trace.processes["name"].to_list() == ["a\\ud800b"]
    assert trace.requests["request_id"].to_list() == ["räume\\udfff"]


def test_several_requests_of_one_pull(tmp_path):
    pulls = [
        at(1e6, "PullKVCache", "X", rank=2, res_list=["a", "b"], batch_seq_len=[10, 20]),
        at(2e6, "PullKVCache", "X", rank=2, res_list=["c", "d"], batch_seq_len=[30]),
    ]
    transfers = read_trace(write(pulls, tmp_path), Silent()).transfers
    assert transfers.select("request_id", "rank", "tokens").rows() == [
        ("a", 2, 10),
        ("b", 2, 20),
        ("c", 2, None),
        ("d", 2, None),
    ]


def test_more_rows_than_one_buffer_holds(tmp_path):
    count = (1 << 15) + 10
    events = [at(float(n), "Queue", status="RUNNING", **{"QueueSize=": n}) for n in range(count)]
    queue_events = read_trace(write(events, tmp_path), Silent()).queue_events
    assert queue_events["size"].to_list() == list(range(count))
    assert queue_events["queue"].unique().to_list() == ["running"]


def test_reading_can_be_cancelled(path_of):
    class Impatient(Silent):
        def advance(self, what, done, total):
            raise Cancelled

    with pytest.raises(Cancelled):
        read_trace(path_of("mindie_small"), Impatient())


def test_an_event_is_not_found_where_there_is_none(path_of, tmp_path):
    with pytest.raises(Unreadable, match="at byte 3"):
        read_event(path_of("mindie_small"), 3)
    path = write([[1]], tmp_path)
    with pytest.raises(Unreadable, match="has no event at byte 1"):
        read_event(path, 1)
