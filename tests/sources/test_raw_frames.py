"""Frames of raw profiles against the parser's of the same runs, and plain loops over the databases."""

import re
import sqlite3
from collections import defaultdict
from contextlib import closing
from datetime import datetime, timedelta

import polars as pl
import pytest

from lbtui.profile import SCHEMAS
from lbtui.sources import open_profile
from tests.bench.engine_cells import compared, format_of, shown_of
from tests.bench.frame_rows import SHAPES
from tests.bench.raw_and_parsed import rows_of
from tests.sources.engines import FORMATS, events_of, output_of, raw_of, truth_of

RUNS = ["vllm_v1_dp2", "vllm_pd_even", "sglang_dp2", "sglang_tp2", "mindie_pd_even"]


@pytest.fixture(scope="module")
def raws(tmp_path_factory):
    """Each run's raw profile, unpacked once."""
    return {run: raw_of(run, tmp_path_factory.mktemp(run)) for run in RUNS}


@pytest.mark.parametrize("run", RUNS)
def test_a_raw_profile_shows_what_was_recorded(run, raws):
    truth = truth_of(run)
    rows = list(compared(run, truth, [(format_of(raws[run]), shown_of(raws[run]))]))
    assert len(rows) == 5 + 13 * len(truth.domains)
    assert [row for row in rows if row.wrong] == []
    # Of a raw profile nothing that was recorded is unknown.
    assert [row for row in rows if row.cells[0] == "unknown" != row.truth] == []


@pytest.mark.parametrize("formats", FORMATS)
@pytest.mark.parametrize("run", RUNS)
def test_every_frame_is_the_parsers_but_for_its_known_faults(run, formats, raws, tmp_path):
    # Deep enough that no other test's folder is around it: expert files there would be taken for its own.
    folder = tmp_path / "profile" / "host" / "output"
    folder.mkdir(parents=True)
    output = output_of(run, formats, folder)
    rows = list(rows_of(run, truth_of(run), open_profile(raws[run]), [output]))
    if formats == "db":  # its table of threads, which queues are found by, is not among the test data
        rows = [row for row in rows if row.frame != "queues" or row.parsed]
        assert {row.frame for row in rows} >= {"batches", "steps", "requests", "kv"}
    else:
        assert {row.frame for row in rows} >= {"batches", "steps", "requests", "kv", "queues"}
    assert [row for row in rows if row.why == "UNEXPLAINED"] == []
    # What everything is placed by has no fault of the parser's to explain it.
    assert all(row.equal == "yes" for row in rows if row.frame in ("batches", "steps"))


def test_prefill_and_decode_on_one_host_are_told_apart_by_what_they_do(tmp_path):
    # A raw forward pass does not say of which kind it is: the schedulers do.
    raw = raw_of("mindie_pd_even", tmp_path)
    for path in raw.rglob("ms_service_node-1-*.db"):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("UPDATE Meta SET value = 'node-0' WHERE name = 'hostname'")
            connection.commit()
        path.rename(path.with_name(path.name.replace("node-1", "node-0")))
    batches = open_profile(raw).load("batches").frame
    assert set(batches["instance"]) == {"node-0 prefill", "node-0 decode"}


def at(ns):
    return datetime(1970, 1, 1) + timedelta(microseconds=ns // 1000)


def ids_of(event):
    rid = event.args.get("rid")
    items = rid if isinstance(rid, list) else [] if rid is None else [rid]
    return [item["rid"] if isinstance(item, dict) else item for item in items]


def domains_of(profile):
    """The domain of each scheduler's process, as its rounds have it."""
    return dict(profile.load("batches").frame.select("prof_id", "domain").unique().iter_rows())


@pytest.mark.parametrize("run", RUNS)
def test_kv_blocks_are_those_that_each_scheduler_told(run, raws):
    profile = open_profile(raws[run])
    domains = domains_of(profile)
    readings = defaultdict(list)
    totals = {}
    for prof_id, events in events_of(raws[run]).items():
        for event in events:
            free = event.args.get("deviceBlock=", event.args.get("FreeBlocks="))
            if event.domain in ("KVCache", "Schedule.KVCache") and free is not None:
                readings[domains[prof_id]].append((at(event.start), free))
                if "TotalBlocks=" in event.args:
                    totals[domains[prof_id]] = event.args["TotalBlocks="]
    loaded = profile.load("kv")
    assert loaded.frame.height == sum(map(len, readings.values())) > 0
    for domain, told in readings.items():
        frame = loaded.frame.filter(domain=domain)
        assert sorted(frame.select("time", "free_blocks").rows()) == sorted(told)
        total = totals.get(domain) or max(free for _time, free in told)
        assert set(frame["total_blocks"]) == {total}
        assert frame["used_blocks"].to_list() == [total - free for free in frame["free_blocks"]]
        assert frame["usage"].to_list() == pytest.approx([1 - free / total for free in frame["free_blocks"]])
    assert bool(totals) != any("is not recorded" in note.text for note in loaded.notes)


@pytest.mark.parametrize("run", RUNS)
def test_queues_are_what_was_last_heard_of_each(run, raws):
    frame = open_profile(raws[run]).load("queues").frame
    for prof_id, events in events_of(raws[run]).items():
        sampled = any(event.name == "Queue" for events in events_of(raws[run]).values() for event in events)
        kinds = {"Queue"} if sampled else {"Enqueue", "Dequeue"}
        states, state = {}, dict.fromkeys(("waiting", "running", "swapped"))
        for event in sorted((e for e in events if e.name in kinds), key=lambda event: event.start):
            queue = event.args.get("status", event.args.get("scope#QueueName", "")).lower()
            if queue in state and "QueueSize=" in event.args:
                state = {**state, queue: event.args["QueueSize="]}
                states[at(event.start)] = tuple(state.values())
        host, _, pid = prof_id.removeprefix("ms_service_").rpartition("-")
        ours = frame.filter(host=host, pid=int(pid)).select("time", "waiting", "running", "swapped")
        assert {row[0]: row[1:] for row in ours.iter_rows()} == states


@pytest.mark.parametrize("run", RUNS)
def test_requests_are_what_their_events_tell(run, raws):
    lives = defaultdict(lambda: defaultdict(list))
    for prof_id, events in events_of(raws[run]).items():
        for event in events:
            for rid in ids_of(event):
                lives[rid][event.name].append((event.start, prof_id, event.args))
    frame = open_profile(raws[run]).load("requests").frame
    served = {rid: life for rid, life in lives.items() if "httpReq" in life}
    assert set(frame["request_id"]) == set(served)
    for row in frame.iter_rows(named=True):
        life = served[row["request_id"]]
        arrived = min(time for time, *_ in life["httpReq"])
        assert row["arrival"] == at(arrived)
        ended = [time for time, *_ in life["httpRes"]]
        assert row["duration"] == pytest.approx((max(ended) - arrived) / 1e6, abs=0.002)
        left = [time for time, _of, args in life["Dequeue"] if of_waiting(args)]
        entered = [time for time, _of, args in life["Enqueue"] if of_waiting(args)]
        assert row["queue_wait"] == pytest.approx((max(left) - min(entered)) / 1e6, abs=0.002)
        hits = sorted(life["CacheHitRate"] + life["HitCache"], key=lambda one: one[0])
        rates = [args.get("hitCache", args.get("hitRate=")) for _time, _of, args in hits]
        assert row["cache_hit_rate"] == (float(rates[0]) if rates else None)
        told = sorted((one for kind in life.values() for one in kind), key=lambda one: one[0])
        for column, field in (("input_tokens", "recvTokenSize="), ("output_tokens", "replyTokenSize=")):
            assert row[column] == [args[field] for _time, _of, args in told if field in args][-1]
    truth = truth_of(run).ttft
    known = frame.select("request_id", "ttft").drop_nulls()
    assert dict(known.iter_rows()) == pytest.approx(truth, abs=0.002)


def of_waiting(args):
    return args.get("status", args.get("scope#QueueName", "")).lower() == "waiting"


def test_pulls_and_hand_offs_are_what_their_events_tell(raws):
    profile = open_profile(raws["mindie_pd_even"])
    pulls, stages = [], defaultdict(dict)
    names = {"httpReq": "arrival", "sendReqToD": "sent", "sendReqToDSucc": "received"}
    names |= {"prefillRes": "prefill_done", "decodeRes": "end"}
    for events in events_of(raws["mindie_pd_even"]).values():
        for event in events:
            for place, rid in enumerate(ids_of(event)):
                if event.name in names:
                    stages[rid][names[event.name]] = at(event.start)
                if event.name == "PullKVCache":
                    tokens = event.args["batch_seq_len"][place]
                    pulls.append((rid, event.args["rank"], at(event.start), at(event.end), tokens))
    transfers = profile.load("transfers").frame
    assert sorted(transfers.select("request_id", "rank", "start", "end", "tokens").rows()) == sorted(pulls)
    assert transfers["source"].null_count() == 0
    handoffs = profile.load("handoffs").frame
    assert len(pulls) == handoffs.height == len(stages) > 30
    for row in handoffs.iter_rows(named=True):
        assert {name: row[name] for name in names.values() if row[name]} == stages[row["request_id"]]


def test_nodes_add_up_to_what_the_coordinator_dispatched(raws):
    events = [e for all_of in events_of(raws["mindie_pd_even"]).values() for e in all_of]
    profile = open_profile(raws["mindie_pd_even"])
    nodes = profile.load("nodes").frame
    for role, field in (("prefill", "PrefillAddress"), ("decode", "DecodeAddress")):
        sent = [event.args[field] for event in events if event.name == "RequestDispatch"]
        added = nodes.filter(role=role).group_by("address").agg(pl.col("added").sum())
        assert dict(added.iter_rows()) == {address: sent.count(address) for address in set(sent)}
    finished = sum(event.name == "ReqFinish" for event in events)
    assert nodes.filter(role="decode")["ended"].sum() == finished > 0


@pytest.mark.parametrize("run", RUNS)
def test_the_requests_of_a_round_are_found_again(run, raws):
    profile = open_profile(raws[run])
    recorded = {
        (prof_id, at(event.start), event.name): ids_of(event)
        for prof_id, events in events_of(raws[run]).items()
        for event in events
    }
    batches = profile.load("batches").frame
    for row in batches[:: batches.height // 7].iter_rows(named=True):
        found = [one.request_id for one in profile.source.read_round(row["prof_id"], row["row"])]
        name = "Execute" if run.startswith("mindie") else "modelExec"
        assert found == recorded[row["prof_id"], row["start"], name]


def test_every_frame_that_can_be_compared_is():
    parsers_alone = {"layer_times", "rank_intervals"}  # of MSPTI's databases
    assert set(SCHEMAS) - set(SHAPES) == parsers_alone


def test_a_scheduler_whose_executions_were_not_recorded_has_its_grouping_rounds(tmp_path):
    raw = raw_of("mindie_pd_even", tmp_path)
    prof_id, events = next(
        (prof_id, events)
        for prof_id, events in events_of(raw).items()
        if any(event.name == "BatchSchedule" for event in events)
    )
    path = next(raw.rglob(f"{prof_id}.db"))
    with closing(sqlite3.connect(path)) as database:
        database.execute("DELETE FROM Mstx WHERE message LIKE '%\"Execute\"%'")
        database.commit()
    profile = open_profile(raw)
    batches = profile.load("batches").frame
    own = batches.filter(pl.col("prof_id") == prof_id).sort("row")
    grouped = [event for event in events if event.name == "BatchSchedule"]
    assert own["batch_size"].to_list() == [len(ids_of(event)) for event in grouped]
    assert set(batches["prof_id"]) > {prof_id}
    found = profile.requests_of_round(prof_id, own["row"][3])
    assert [request.request_id for request in found] == ids_of(grouped[3])


@pytest.mark.parametrize("run", RUNS)
def test_what_a_raw_profile_lacks_is_told_without_the_parser(run, raws):
    profile = open_profile(raws[run])
    for name in profile.source.names:
        profile.load(name)
    missing = profile.missing()
    assert missing
    for told in missing:
        words = " ".join([told.what, told.reason, told.how_to_collect])
        assert not re.search(r"parse|\.csv|raw profile", words), words
