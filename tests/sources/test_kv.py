"""KV blocks per DP domain, from files that name no domain."""

from datetime import datetime, timedelta

import polars as pl
import pytest

from lbtui.profile import Silent
from lbtui.sources import open_profile
from lbtui.sources.canonical.kv_owners import give_to_domains, read_service
from lbtui.sources.discover import find_output
from lbtui.sources.res_list import parse_res_list
from lbtui.sources.steps.scheduling import load_scheduling
from lbtui.sources.store import Store
from tests.sources.made import MS, START, Service, write
from tests.sources.recorded import CSV_ONLY, content, lay_out, profile, sentences
from tests.sources.traces import write as write_trace
from tests.tools import parser_format as made

PD = ["pd_ep/batch.csv", "pd_ep/kvcache.csv"]
T0 = datetime(2026, 1, 1)


@pytest.fixture(scope="module")
def mindie(tmp_path_factory):
    return profile(tmp_path_factory.mktemp("mindie"), *CSV_ONLY).load("kv")


def test_every_event_falls_on_the_domain_whose_batches_hold_its_request(mindie):
    """By another path: request ids read with the full parser of res_list, joined in plain Python."""
    owners = {}
    for row in pl.read_csv(content("csv_only/batch.csv")).iter_rows(named=True):
        for request in parse_res_list(row["res_list"]).requests:
            owners.setdefault(request.request_id, set()).add(f"node-a/dp{row['dp_rank']}")
    raw = pl.read_csv(content("csv_only/kvcache.csv")).to_dicts()
    assert len(raw) == mindie.frame.height == 291
    expected = [(*owners[row["rid"]], int(row["device_kvcache_left"])) for row in raw]
    # Of one time the parser writes them in any order.
    assert sorted(mindie.frame.select("domain", "free_blocks").rows()) == sorted(expected)


def test_domain_three_has_sixteen_blocks_down_to_none_and_the_others_near_1500(mindie):
    found = mindie.frame.group_by("domain").agg(
        pl.col("free_blocks").min().alias("least"), pl.col("total_blocks").max()
    )
    by_domain = {row["domain"][-3:]: row for row in found.to_dicts()}
    assert (by_domain["dp3"]["least"], by_domain["dp3"]["total_blocks"]) == (0, 16)
    for rank in range(3):
        assert 1490 <= by_domain[f"dp{rank}"]["total_blocks"] <= 1500
        assert by_domain[f"dp{rank}"]["least"] > 1400


def test_trap_04_usage_is_of_the_domains_own_pool_and_not_of_the_largest(mindie):
    """In kvcache.csv domain 3 reads 98.9 % when it is empty."""
    frame = mindie.frame.filter(pl.col("domain") == "node-a/dp3")
    empty = frame.filter(pl.col("free_blocks") == 16)
    assert empty.height > 0
    assert set(empty["usage"]) == {0.0}
    assert set(frame.filter(pl.col("free_blocks") == 0)["usage"]) == {1.0}
    written = pl.read_csv(content("csv_only/kvcache.csv"))
    assert written.filter(pl.col("device_kvcache_left") == 16)["kvcache_usage_rate"].min() > 0.98
    assert "usage is 1 − free / the most blocks" in sentences(mindie.notes)


def test_trap_05_the_traces_zero_counters_are_never_shown_as_blocks(tmp_path):
    kv = profile(tmp_path, "chrome_mindie_small.json").load("kv")
    assert kv.frame.is_empty()
    assert "all 0" in sentences(kv.notes)


@pytest.fixture(scope="module")
def vllm(tmp_path_factory):
    return profile(tmp_path_factory.mktemp("vllm"), "vllm_small/forward.csv", "vllm_small/batch.csv")


def test_vllm_blocks_come_from_the_rounds_of_each_rank(vllm):
    raw = pl.read_csv(content("vllm_small/batch.csv")).filter(pl.col("name") == "batchFrameworkProcessing")
    kv = vllm.load("kv").frame
    assert kv.height == raw.height == 373
    keyed = ["dp_rank", "free_blocks", "used_blocks", "total_blocks"]
    assert sorted(kv.select(keyed).rows()) == sorted(raw.select(pl.col(keyed).cast(pl.Int64)).rows())
    pools = kv.group_by("dp_rank").agg(pl.col("total_blocks").unique()).sort("dp_rank")
    assert pools.rows() == [(0, [40]), (1, [400])]
    assert (
        kv.select((pl.col("usage") - pl.col("used_blocks") / pl.col("total_blocks")).abs().max()).item() == 0
    )


def test_trap_05_drops_to_zero_between_vllms_real_counters_are_left_out(vllm, tmp_path):
    """The trace of the same run: free blocks at each round's end, never the 0 of Free and CacheHitRate."""
    kv = profile(tmp_path, "chrome_vllm_small_cut.json").load("kv")
    keyed = ["domain", "time", "free_blocks"]
    ours = kv.frame.select(keyed).sort(keyed)
    assert ours.equals(vllm.load("kv").frame.select(keyed).sort(keyed))
    assert kv.frame["total_blocks"].null_count() == kv.frame.height
    assert "size of the pools is unknown" in sentences(kv.notes)


def test_trap_05_a_round_without_a_reading_takes_none_from_before_it(tmp_path):
    def event(ph, name, ts, **more):
        return {"ph": ph, "name": name, "ts": ts, "pid": 7, "tid": "t", "args": {}, **more}

    def reading(ts, blocks):
        return event("C", "Schedule.KVCache-dp0", ts, args={"Device Block": blocks})

    rounds = [event("X", "batchFrameworkProcessing", ts, dur=50.0) for ts in (1.7e15 + 100, 1.7e15 + 300)]
    write_trace([*rounds, reading(1.7e15 + 120, 30.0), reading(1.7e15 + 200, 0.0)], tmp_path)
    assert open_profile(tmp_path).load("kv").frame["free_blocks"].to_list() == [30]


def owned_by_requests(folder, *, whole_seconds):
    store = Store(find_output(folder))
    owners = load_scheduling(store, Silent()).owners
    service, _notes = read_service(store, owners, Silent())
    raw, _notes = store.table("kvcache", Silent())
    return give_to_domains(raw.frame, service, whole_seconds=whole_seconds), owners


def counters(owners):
    """Return what the trace's counters say: time and domain of every event, in time order."""
    return (
        pl.read_csv(content("pd_ep/kv_counters.csv"))
        .join(owners.of_pids(), on="pid", how="left", maintain_order="left")
        .with_columns(time=(pl.col("timestamp") // 1000).cast(pl.Datetime("us")))
    )


def test_the_domains_that_requests_tell_are_those_of_the_counters_for_all_701_events(tmp_path):
    owned, owners = owned_by_requests(lay_out(tmp_path, *PD), whole_seconds=True)
    truth = counters(owners)
    assert owned.height == truth.height == 701
    assert truth["domain"].null_count() == 0
    assert owned["domain"].to_list() == truth["domain"].to_list()
    assert owned["domain"].n_unique() == 10


def test_with_exact_times_too(tmp_path):
    folder = lay_out(tmp_path, *PD)
    raw = pl.read_csv(folder / "kvcache.csv")
    _owned, owners = owned_by_requests(folder, whole_seconds=True)
    exact = (counters(owners)["time"] + timedelta(hours=8)).dt.strftime("%Y-%m-%d %H:%M:%S:%6f")
    raw.with_columns(start_time=exact).write_csv(folder / "kvcache.csv")
    owned, owners = owned_by_requests(folder, whole_seconds=False)
    assert owned["domain"].to_list() == counters(owners)["domain"].to_list()
    kv = open_profile(folder).load("kv")
    assert kv.provenance[0].precision == "1 µs"
    assert kv.frame["time"].to_list() == counters(owners)["time"].to_list()


def test_a_request_served_by_p_and_then_d_has_events_on_both(tmp_path):
    owned, _owners = owned_by_requests(lay_out(tmp_path, *PD), whole_seconds=True)
    for _request, events in owned.group_by("request_id"):
        places = [domain.split("/")[0] for domain in events.sort("row")["domain"].unique(maintain_order=True)]
        assert places == ["mindie-server-p0", "mindie-server-d0"]


def moments(*seconds):
    return [T0 + timedelta(seconds=second) for second in seconds]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["Allocate", "Free", "Allocate", "AppendSlot", "Free"], "ppddd"),
        (["Allocate", "Allocate", "Free", "AppendSlot", "Free"], "pdpdd"),  # D takes its blocks before P's go
        (["Allocate", "AppendSlot", "Allocate", "Free", "Free"], "ppdpd"),
        (["Allocate", "Free", "Allocate", "Free"], "ppdd"),
    ],
)
def test_a_hand_off_is_told_by_allocate_and_free(names, expected):
    """P's last round starts at 1 s; all events but the first come later."""
    times = moments(0.5, 2, 3, 4, 5)[: len(names)]
    events = pl.DataFrame(
        {"request_id": ["r"] * len(names), "name": names, "time": times, "row": range(len(names))}
    )
    service = pl.DataFrame(
        {"request_id": ["r", "r"], "domain": ["p", "d"], "first": moments(0.6, 3.5), "last": moments(1, 6)}
    )
    assert "".join(give_to_domains(events, service, whole_seconds=False)["domain"]) == expected


def test_a_preempted_request_stays_where_its_rounds_still_are():
    """It is freed and allocated anew before its last round there."""
    names = ["Allocate", "Free", "Allocate", "Free", "Allocate"]
    events = pl.DataFrame(
        {"request_id": ["r"] * 5, "name": names, "time": moments(0, 1, 2, 4, 5), "row": range(5)}
    )
    service = pl.DataFrame(
        {"request_id": ["r", "r"], "domain": ["p", "d"], "first": moments(0, 6), "last": moments(3, 9)}
    )
    assert "".join(give_to_domains(events, service, whole_seconds=False)["domain"]) == "ppppd"


def test_events_of_requests_that_no_round_holds_are_counted_and_not_drawn(tmp_path):
    write(tmp_path, Service("node-a", 10, (11,), 0, 0, (1, 1, 1)))
    events = [
        made.KvEvent(rid, "Allocate", START + i * MS, 90 - i, 0, 10)
        for i, rid in enumerate(["node-a-10-0", "stranger", "stranger"])
    ]
    made.write_kvcache_csv(tmp_path / "kvcache.csv", events)
    kv = open_profile(tmp_path).load("kv")
    assert kv.frame.select("domain", "free_blocks").rows() == [("node-a/dp0", 90)]
    assert (
        "2 of 3 KV events belong to requests that no scheduling round of a known domain holds"
        in sentences(kv.notes)
    )


def test_a_domain_that_never_stood_empty_has_a_lower_bound_of_usage(tmp_path):
    write(tmp_path, Service("node-a", 10, (11,), 0, 0, (2, 2)))
    rids = ("node-a-10-0", "node-a-10-1")
    steps = [("Allocate", rids[0], 95), ("Allocate", rids[1], 90), ("Free", rids[0], 95)]
    events = [made.KvEvent(r, n, START + i * MS, free, 0, 10) for i, (n, r, free) in enumerate(steps)]
    made.write_kvcache_csv(tmp_path / "kvcache.csv", events)
    kv = open_profile(tmp_path).load("kv")
    assert "A lower bound for node-a/dp0, which never stood empty" in sentences(kv.notes)
    assert kv.frame["total_blocks"].to_list() == [95, 95, 95]
