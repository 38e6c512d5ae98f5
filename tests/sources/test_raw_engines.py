"""What engines record in ways of their own, in small raw profiles made for it: values reckoned by hand."""

from datetime import datetime, timedelta

import pytest

from lbtui.profile import Silent
from lbtui.sources import open_profile
from tests.tools.expert_format import RawMark, write_raw

START = 1_767_225_600_000_000_000
MS = 1_000_000
LAYOUTS = ["mstx", "slice"]


def event(ms, name, domain="Request", **fields):
    return RawMark(START + int(ms * MS), fields, name, domain)


def span(begin, end, name, domain="Execute", **fields):
    return RawMark(START + int(begin * MS), {"type": 2, **fields}, name, domain, START + int(end * MS))


def at(ms):
    return datetime(2026, 1, 1) + timedelta(milliseconds=ms)


def rounds_of(rank, sizes, first=0.0):
    """Rounds of 10 ms with so many requests each, and their forward passes in the same process."""
    for number, size in enumerate(sizes):
        begin = first + 20 * number
        rids = [{"rid": f"r{rank}-{n}", "iter": number, "num_scheduled_tokens=": 3} for n in range(size)]
        yield span(begin, begin + 10, "BatchSchedule", "Schedule", rid=rids, batchType=min(number, 1))
        yield span(begin + 1, begin + 10, "Execute", "ModelExecute", rid=rids)
        names = [one["rid"] for one in rids]
        yield span(begin + 2, begin + 9, "forward", "ModelExecute", rid=names, dp_rank=str(rank))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_pid_on_two_hosts_is_two_processes(tmp_path, layout):
    sizes = {"node-a-0-0": [1, 2, 3], "node-b-0-0": [7, 7, 7, 7]}
    for rank, (host, batches) in enumerate(sizes.items()):
        queued = [event(5, "Queue", "Schedule", status="waiting", **{"QueueSize=": 10 + rank})]
        blocks = [event(6, "Free", "KVCache", rid="r", **{"deviceBlock=": 100 + rank})]
        meta = {"hostname": host, "dpRankId": str(rank)}
        marks = [*rounds_of(rank, batches), *queued, *blocks]
        write_raw(tmp_path / host, host, 7, marks, layout=layout, meta=meta)
    opened = open_profile(tmp_path)
    for frame in ("batches", "steps"):
        rows = opened.load(frame).frame
        for rank, (host, batches) in enumerate(sizes.items()):
            own = rows.filter(host=host)
            assert own["batch_size"].to_list() == batches
            assert own["tokens"].to_list() == [3 * size for size in batches]
            assert set(own["dp_rank"]) == {rank}
    assert opened.load("queues").frame.sort("host")["waiting"].to_list() == [10, 11]
    assert opened.load("kv").frame.sort("host")["free_blocks"].to_list() == [100, 101]
    assert opened.load("batches").frame["phase"].to_list()[:2] == ["prefill", "prefill"]


@pytest.mark.parametrize("engines", [1, 2])
def test_a_scheduler_that_runs_nothing_is_the_domain_of_its_rank(tmp_path, engines):
    # Of two engines on one host nothing tells whose it is.
    sizes = {0: [1, 2, 3], 1: [3, 2, 1], 2: []}
    for rank, batches in sizes.items():
        for engine in range(engines if batches else 1):
            queued = [event(5, "Queue", "Schedule", status="waiting", **{"QueueSize=": rank})]
            marks = [*rounds_of(rank, batches, first=7.0 * engine), *queued]
            meta = {"hostname": "node", "dpRankId": str(rank)}
            write_raw(tmp_path, "node", 10 * engine + rank, marks, meta=meta)
    queues = open_profile(tmp_path).load("queues").frame.filter(pid=2)
    assert queues["domain"].to_list() == [["node/dp2"], [None]][engines - 1]
    assert queues["waiting"].to_list() == [2]


def test_a_few_passes_that_lie_in_the_rounds_of_another_engine_are_not_its_own(tmp_path):
    """Two engines on one host: each of the few passes of one lies in a round of the other, by chance."""
    few = [mark for n in range(4) for mark in rounds_of(1, [1], first=100.0 + 20 * n + (3, 6, 1, 5)[n])]
    for pid, marks in ((10, few), (20, list(rounds_of(1, [1] * 30)))):
        ranked = {"hostname": "node", "dpRankId": "1"}
        of_card = [mark for mark in marks if mark.name == "forward"]
        rounds = [mark for mark in marks if mark.name != "forward"]
        write_raw(tmp_path, "node", pid, rounds, meta=ranked)
        write_raw(tmp_path, "node", pid + 1, of_card, meta=ranked)
    opened = open_profile(tmp_path)
    domains = [
        dict(opened.load(frame).frame.select("prof_id", "domain").unique().iter_rows())
        for frame in ("batches", "steps")
    ]
    for pid in (10, 20):
        assert domains[0][f"ms_service_node-{pid}"] == domains[1][f"ms_service_node-{pid + 1}"]


def test_a_rank_below_zero_is_none(tmp_path):
    """vLLM's hooks record -1 where they find no parallel config."""
    for pid, sizes in ((7, [1, 2]), (8, [5, 5])):
        marks = [mark._replace(fields={**mark.fields, "dp_rank": "-1"}) for mark in rounds_of(pid, sizes)]
        write_raw(tmp_path, "node", pid, marks, meta={"hostname": "node", "dpRankId": "-1"})
    batches = open_profile(tmp_path).load("batches").frame
    assert batches["dp_rank"].null_count() == batches.height == 4
    assert sorted(set(batches["domain"])) == ["node:7/dp?", "node:8/dp?"]


def vllm(suffix):
    """Prefill of a request and a step with two tokens of a draft; vLLM adds `suffix` to the id."""
    rid = f"cmpl-1{suffix}"
    first = [{"rid": rid, "type": 0, "num_scheduled_tokens": 40}]
    then = [{"rid": rid, "type": 1, "iter": 1, "num_scheduled_tokens": 3, "num_spec_output_tokens": 2}]
    return [
        event(0, "httpReq", "Engine", rid="cmpl-1"),
        event(1, "CacheHitRate", "Schedule.KVCache", rid=rid, hitCache=0.25),
        event(1, "Enqueue", "Schedule", rid=rid, **{"scope#QueueName": "WAITING", "QueueSize=": 1}),
        event(4, "Dequeue", "Schedule", rid=[rid], **{"scope#QueueName": "WAITING", "QueueSize=": 0}),
        span(4, 5, "batchFrameworkProcessing", "Schedule", rid=first, batch_type="Prefill"),
        span(5, 30, "modelExec", rid=first, batch_type="Prefill"),
        event(31, "detokenize", "Engine", rid=[rid, "another-1"]),
        span(32, 33, "batchFrameworkProcessing", "Schedule", rid=then, batch_type="Decode"),
        span(34, 59, "modelExec", rid=then, batch_type="Decode"),
        span(35, 58, "modelRunnerExec", rid=then, msg=f'{{"spec_decode_accepted_by_req": {{"{rid}": 1}}}}'),
        span(56, 57, "specDecoding", rid=then),
        event(60, "detokenize", "Engine", rid=[rid]),
        event(61, "httpRes", "Engine", rid=rid, **{"recvTokenSize=": 40, "replyTokenSize=": 3}),
    ]


@pytest.mark.parametrize("suffix", ["", "-0a1b2c3d", "-0", "-0-0a1b2c3d"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_request_has_the_id_that_its_client_knows(tmp_path, layout, suffix):
    write_raw(tmp_path, "node", 7, vllm(suffix), layout=layout)
    opened = open_profile(tmp_path)
    (request,) = opened.load("requests").frame.iter_rows(named=True)
    assert request == {
        "request_id": "cmpl-1",
        "arrival": at(0),
        "input_tokens": 40,
        "output_tokens": 3,
        "ttft": 31.0,
        "queue_wait": 3.0,
        "duration": 61.0,
        "cache_hit_rate": 0.25,
    }
    (places,) = opened.read_request_places().service.rows()
    assert places == ("cmpl-1", "node/dp?", at(5))
    for row in opened.load("batches").frame.iter_rows(named=True):
        assert [one.request_id for one in opened.source.read_round(row["prof_id"], row["row"])] == ["cmpl-1"]
    (proposal,) = opened.load("speculation").frame.iter_rows(named=True)
    # The run that encloses the proposal tells what was accepted, in a text.
    assert (proposal["request_id"], proposal["proposed"], proposal["accepted"]) == ("cmpl-1", 2, 1)
    assert proposal["start"] == at(56)


def test_an_id_that_only_begins_like_another_is_left_as_it_is(tmp_path):
    marks = [event(0, "httpReq", rid=rid) for rid in ("a", "a-b", "ab-1")]
    marks += [event(10, "detokenize", rid=rid) for rid in ("a-b", "ab-1", "abc-1")]
    write_raw(tmp_path, "node", 7, marks)
    requests = open_profile(tmp_path).load("requests").frame.sort("request_id")
    assert requests.select("request_id", "ttft").rows() == [("a", None), ("a-b", 10.0), ("ab-1", 10.0)]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_first_token_of_the_prefill_engine_is_none_of_the_clients(tmp_path, layout):
    """vLLM's proxy sends a request to P, and passes on nothing of its answer, then to D."""
    of_p = [event(0, "httpReq", rid="a"), event(9, "detokenize", rid=["a"])]
    of_p += [event(10, "httpRes", rid="a", **{"recvTokenSize=": 8, "replyTokenSize=": 1})]
    of_d = [
        event(12, "httpReq", rid="a"),
        event(20, "detokenize", rid=["a"]),
        event(25, "detokenize", rid=["a"]),
    ]
    of_d += [event(30, "httpRes", rid="a", **{"recvTokenSize=": 8, "replyTokenSize=": 2})]
    # Whichever is read first.
    for hosts in (("p", "d"), ("y", "x")):
        folder = tmp_path / "".join(hosts)
        for host, marks in zip(hosts, (of_p, of_d), strict=True):
            write_raw(folder, host, 7, marks, layout=layout)
        (row,) = open_profile(folder).load("requests").frame.iter_rows(named=True)
        assert (row["ttft"], row["duration"], row["output_tokens"]) == (20.0, 30.0, 2)


def test_sequences_that_hold_blocks_are_no_free_blocks(tmp_path):
    """vLLM v0 tells the number of sequences as `deviceBlock=`, and what is free when it is looked up."""
    marks = [span(0, 9, "batchFrameworkProcessing", "BatchSchedule", rid=[{"rid": "a", "iter": 0}])]
    marks += [event(n, "Allocate", "KVCache", rid="a", **{"deviceBlock=": n}) for n in (1, 2, 3)]
    marks += [
        event(10 + n, "GetCacheHitRate", "KVCache", deviceFreeBlock=free) for n, free in enumerate((90, 60))
    ]
    write_raw(tmp_path, "node", 7, marks)
    loaded = open_profile(tmp_path).load("kv")
    assert loaded.frame.select("time", "free_blocks", "total_blocks").rows() == [
        (at(10), 90, 90),
        (at(11), 60, 90),
    ]
    assert "is not recorded" in loaded.notes[0].text


@pytest.mark.parametrize("layout", LAYOUTS)
def test_requests_wait_in_the_queues_of_disaggregated_nodes(tmp_path, layout):
    def queue(ms, kind, name, **fields):
        return event(ms, kind, "Schedule", **{"scope#QueueName": name}, **fields)

    of_d = [event(0, "httpReq", rid="a"), queue(1, "Enqueue", "DecodePrealloc", rid="a")]
    of_d += [queue(2, "Queue", "DecodePrealloc", **{"QueueSize=": 4})]
    of_d += [event(9, "detokenize", rid=["a"]), event(20, "httpRes", rid="a")]
    of_d += [
        RawMark(
            START + 19 * MS, {"rid": "a", "recvTokenSize=": 5, "replyTokenSize=": 6}, "DecodeEnd", "Request"
        )
    ]
    of_p = [event(0, "httpReq", rid="b"), queue(1, "Enqueue", "PrefillBootstrap", rid="b")]
    of_p += [
        queue(2, "Queue", "PrefillBootstrap", **{"QueueSize=": 7}),
        queue(5, "Queue", "WAITING", **{"QueueSize=": 2}),
    ]
    of_p += [queue(6, "Dequeue", "WAITING", rid="b")]
    of_p += [event(6, "HitCache", "HitCache", rid="b", **{"hitRate=": "0.5"})]
    write_raw(tmp_path, "d", 7, of_d, layout=layout)
    write_raw(tmp_path, "p", 8, of_p, layout=layout)
    opened = open_profile(tmp_path)
    decoded, prefilled = opened.load("requests").frame.sort("request_id").iter_rows(named=True)
    assert (decoded["queue_wait"], decoded["input_tokens"], decoded["output_tokens"]) == (None, 5, 6)
    assert (prefilled["queue_wait"], prefilled["cache_hit_rate"]) == (5.0, 0.5)
    queues = opened.load("queues").frame.sort("pid", "time")
    assert queues.drop_nulls("waiting").select("pid", "time", "waiting").rows() == [
        (7, at(2), 4),
        (8, at(5), 2),
    ]


def test_a_span_without_attributes_is_a_span(tmp_path):
    marks = [mark._replace(text="" if mark.name == "forward" else None) for mark in rounds_of(0, [2, 2])]
    write_raw(tmp_path, "node", 7, marks, layout="slice")
    opened = open_profile(tmp_path)
    # It names no request: the rounds tell what ran.
    assert opened.load("steps").frame["batch_size"].to_list() == [2, 2]
    assert opened.source.read_request_places(Silent()).service["request_id"].to_list() == ["r0-0", "r0-1"]
