"""The demo profile: made by its script, in the parser's formats, whole in itself, and with its faults."""

from __future__ import annotations

import ast
import itertools
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

from tests.tools import make_demo
from tests.tools import parser_format as fmt

SIZE_LIMIT = 2_500_000

# As in files of the real parser, typed out rather than taken from the writers.
HEADERS = {
    "batch.csv": "name,res_list,start_datetime,end_datetime,during_time(ms),batch_type,prof_id,batch_size,prefill_batch_size,decode_batch_size,prefill_scheduled_tokens,decode_scheduled_tokens,total_scheduled_tokens,dp_rank,start_time(ms),end_time(ms)",  # noqa: E501
    "forward.csv": "name,relative_start_time(ms),start_datetime,end_datetime,during_time(ms),bubble_time(ms),batch_size,batch_type,forward_iter,dp_rank,prof_id,hostname,start_time(ms),end_time(ms)",  # noqa: E501
    "request.csv": "http_rid,start_datetime,recv_token_size,reply_token_size,execution_time(ms),queue_wait_time(ms),first_token_latency(ms),cache_hit_rate,start_time(ms)",  # noqa: E501
    "request_status.csv": "hostuid,pid,start_datetime,relative_timestamp(ms),waiting,running,swapped,timestamp(ms)",  # noqa: E501
    "kvcache.csv": "rid,name,start_time,device_kvcache_left,kvcache_usage_rate",
    "coordinator.csv": "time,address,node_type,add_count,end_count,running_count",
    "pd_split_communication.csv": "rid,http_req_time(ms),send_request_time(ms),send_request_succ_time(ms),prefill_res_time(ms),request_end_time(ms)",  # noqa: E501
    "pd_split_kvcache.csv": "domain,rank,rid,block_tables,batch_seq_len,during_time(ms),start_time,end_time",
    "moe_analysis.csv": "Dataset,Mean,CI_Lower,CI_Upper",
}
FILES = {*HEADERS, "ep_balance.csv", "profiler.db"}


def _csv(name: str) -> pl.DataFrame:
    return pl.read_csv(make_demo.DEMO / name, infer_schema_length=None)


def _slices(name: str, folder: Path = make_demo.DEMO) -> Iterator[dict]:
    """Yield the arguments of a name's slices in the order of time."""
    with closing(sqlite3.connect(f"file:{folder / 'profiler.db'}?mode=ro&immutable=1", uri=True)) as db:
        for (args,) in db.execute("SELECT args FROM slice WHERE name = ? ORDER BY timestamp", (name,)):
            yield json.loads(args)


def _tables(folder: Path) -> dict[str, list[tuple]]:
    with closing(sqlite3.connect(f"file:{folder / 'profiler.db'}?mode=ro&immutable=1", uri=True)) as db:
        names = [
            n for (n,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        ]
        return {name: db.execute(f'SELECT * FROM "{name}"').fetchall() for name in names}


def _scheduled(batches: pl.DataFrame) -> pl.DataFrame:
    """Return one row per request and executed step."""
    rows = [
        (row["prof_id"], row["dp_rank"], row["start_time(ms)"], item["rid"], item["iter"])
        for row in batches.filter(pl.col("name") == "Execute").iter_rows(named=True)
        for item in ast.literal_eval(row["res_list"])
    ]
    return pl.DataFrame(rows, schema=["prof_id", "dp_rank", "start", "rid", "iter"], orient="row")


def _seconds(frame: pl.DataFrame, column: str = "start_time(ms)", scale: float = 1e3) -> pl.DataFrame:
    return frame.with_columns(second=pl.col(column) / scale - make_demo.START / make_demo.NS)


def test_the_script_makes_the_shipped_bytes(tmp_path: Path) -> None:
    make_demo.make(tmp_path)
    assert {p.name for p in make_demo.DEMO.iterdir()} == FILES
    assert {p.name for p in tmp_path.iterdir()} == FILES
    for path in sorted(tmp_path.glob("*.csv")):
        assert path.read_bytes() == (make_demo.DEMO / path.name).read_bytes(), path.name
    assert _tables(tmp_path) == _tables(make_demo.DEMO)


def test_it_is_small_enough_to_travel_in_the_package() -> None:
    assert sum(p.stat().st_size for p in make_demo.DEMO.iterdir()) <= SIZE_LIMIT


@pytest.mark.parametrize("name", HEADERS)
def test_headers_are_the_parsers(name: str) -> None:
    with (make_demo.DEMO / name).open(encoding="utf-8", newline="") as file:
        assert file.readline() == HEADERS[name] + "\n"


def test_ep_balance_has_a_column_per_process_in_the_order_of_text() -> None:
    frame = _csv("ep_balance.csv")
    assert frame.shape == (58, make_demo.EP_RANKS)
    assert frame.columns == sorted(frame.columns)
    assert frame.columns == _csv("moe_analysis.csv")["Dataset"].cast(pl.String).to_list()


def test_profiler_db_opens_from_a_read_only_folder() -> None:
    header = (make_demo.DEMO / "profiler.db").read_bytes()[:20]
    assert header[18:20] == b"\x01\x01", "a WAL database needs to write beside itself"
    assert _tables(make_demo.DEMO).keys() >= {"process", "thread", "slice", "counter", "coordinator"}


# ---- whole in itself ----------------------------------------------------------------------------------


def test_units_of_times_are_the_parsers() -> None:
    for name, factor in (("batch.csv", 1), ("forward.csv", 1000), ("request.csv", 1000)):
        row = _csv(name).row(0, named=True)
        whole = row["start_time(ms)"] * factor
        day = (
            pl.Series([row["start_datetime"]]).str.to_datetime("%Y-%m-%d %H:%M:%S:%6f").dt.timestamp("us")[0]
        )
        assert whole + 8 * 3600 * 1e6 == pytest.approx(day, abs=1000 if name == "request.csv" else 1), name


def test_each_request_is_prefilled_once_and_decoded_token_by_token() -> None:
    requests = {r["http_rid"]: int(r["reply_token_size"]) for r in _csv("request.csv").iter_rows(named=True)}
    steps = _scheduled(_csv("batch.csv")).sort("start")
    assert set(steps["rid"]) == set(requests)
    for (rid,), rows in steps.group_by("rid"):
        assert rows["iter"].to_list() == list(range(requests[rid])), rid
        roles = rows["prof_id"].str.contains("-p0-").to_list()
        assert roles == [True] + [False] * (requests[rid] - 1), rid


def test_the_cards_of_a_domain_hold_the_same_batches() -> None:
    decode = _csv("forward.csv").filter(pl.col("batch_type") == "Decode")
    cards = decode.group_by("dp_rank", "forward_iter").agg(
        pl.len(),
        pl.col("batch_size").n_unique(),
        spread=pl.col("start_time(ms)").max() - pl.col("start_time(ms)").min(),
    )
    assert cards["len"].unique().to_list() == [2]
    assert cards["batch_size"].unique().to_list() == [1]
    assert 0 < cards["spread"].max() < 0.1


def test_every_pool_is_whole_again_at_the_end() -> None:
    events = _csv("kvcache.csv").with_row_index()
    owners = [(name, pid) for _, name, pid, *_ in _tables(make_demo.DEMO)["counter"]]
    assert len(owners) == events.height
    pools = (
        events.with_columns(owner=pl.Series([pid for _, pid in owners]))
        .group_by("owner")
        .agg(
            pl.col("device_kvcache_left").sort_by("index").last().alias("last"),
            pl.col("device_kvcache_left").min().alias("least"),
        )
    )
    assert sorted(pools["last"]) == [make_demo.SMALL_BLOCKS] + [make_demo.KV_BLOCKS] * 9
    assert pools["least"].min() >= 0


def test_the_coordinator_balances_and_says_zero_in_bins_without_events() -> None:
    nodes = _csv("coordinator.csv").with_columns(
        running=(pl.col("add_count") - pl.col("end_count")).cum_sum().over("address")
    )
    requests = _csv("request.csv").height
    for role in ("prefill", "decode"):
        rows = nodes.filter(pl.col("node_type") == role)
        assert rows["add_count"].sum() == rows["end_count"].sum() == requests
    quiet = (pl.col("add_count") == 0) & (pl.col("end_count") == 0)
    assert (nodes.filter(quiet)["running_count"] == 0).all()
    assert nodes.filter(~quiet & (pl.col("running") != pl.col("running_count"))).is_empty()
    assert nodes.filter(quiet & (pl.col("running") > 0)).height >= 1


def test_experts_write_tables_and_growing_counts_by_period() -> None:
    assert [a["rank"] for a in _slices("expert_routing")] == [*range(make_demo.EP_RANKS)] * make_demo.PERIODS
    tables = [a["expert_routing"] for a in _slices("expert_routing") if a["rank"] == 0]
    slots = make_demo.EP_RANKS * make_demo.SLOTS
    for table in tables:
        assert len(table) == make_demo.LAYERS
        assert all(len(set(layer)) == len(layer) and max(layer) < slots for layer in table)
    for before, after in itertools.pairwise(tables):
        assert all(a != b for a, b in zip(before, after, strict=True))


# ---- the faults ---------------------------------------------------------------------------------------


def test_fault_dp_5_gets_more_than_its_share_for_a_third_of_the_run() -> None:
    decode = _seconds(_csv("forward.csv")).filter(pl.col("batch_type") == "Decode")
    load = pl.col("batch_size") * pl.col("during_time(ms)")

    def ratio(window: pl.DataFrame) -> float:
        by_domain = window.group_by("dp_rank").agg(load.sum().alias("load"))
        own = by_domain.filter(pl.col("dp_rank") == 5)["load"].item()
        return own / by_domain.filter(pl.col("dp_rank") != 5)["load"].mean()

    start, end = make_demo.SKEW_SECONDS
    assert ratio(decode.filter(pl.col("second").is_between(start + 5, end))) > 2
    assert ratio(decode.filter(pl.col("second") < start)) < 1.6
    hosts = decode.filter(pl.col("dp_rank") == 5)["hostname"].unique().to_list()
    assert hosts == ["mindie-server-d0-worker-1"]


def test_fault_requests_wait_for_the_small_pool_of_dp_2() -> None:
    scheduler = (
        _csv("batch.csv")
        .filter(pl.col("prof_id").str.contains("-d0-"), pl.col("dp_rank") == make_demo.SMALL_DP)["prof_id"]
        .unique()
    )
    pid = int(scheduler.item().rsplit("-", 1)[1])
    decode = _csv("request_status.csv").filter(pl.col("hostuid").str.contains("-d0-"))
    waiting = decode.group_by("pid").agg(pl.col("waiting").max(), mean=pl.col("waiting").mean())
    small = waiting.filter(pl.col("pid") == pid)
    assert small["waiting"].item() >= 5
    assert small["mean"].item() > 1
    assert waiting.filter(pl.col("pid") != pid)["waiting"].max() == 0


def test_fault_one_p_node_gets_seven_in_ten_prefills() -> None:
    prefill = _csv("coordinator.csv").filter(pl.col("node_type") == "prefill")
    share = (
        prefill.filter(pl.col("address") == "10.20.0.12:1025")["add_count"].sum() / prefill["add_count"].sum()
    )
    assert share == pytest.approx(0.7, abs=0.03)


def test_fault_one_decode_rank_pulls_slowly() -> None:
    pulls = _csv("pd_split_kvcache.csv").group_by("rank").agg(pl.col("during_time(ms)").mean().alias("mean"))
    slow = pulls.filter(pl.col("rank") == make_demo.SLOW_PULL_DP)["mean"].item()
    assert slow > 5 * pulls.filter(pl.col("rank") != make_demo.SLOW_PULL_DP)["mean"].max()


def test_fault_rank_3_is_hot_in_every_layer_and_period() -> None:
    counts = [
        [a["expert_hot"] for a in _slices("expert_hot") if a["rank"] == r] for r in range(make_demo.EP_RANKS)
    ]
    tables = [a["expert_routing"] for a in _slices("expert_routing") if a["rank"] == 0]
    for period, table in enumerate(tables):
        last = [rows[(period + 1) * make_demo.HOT_ROWS - 1] for rows in counts]
        for layer in range(make_demo.LAYERS):
            loads = [sum(rank[layer]) for rank in last]
            assert loads[3] * len(loads) / sum(loads) == pytest.approx(1.4, abs=0.05), (period, layer)
            slots = [count for rank in last for count in rank[layer]]
            routed = [slots[slot] for slot in table[layer][:-1]]
            others = sum(routed) / len(routed)
            assert routed[37] > 2 * others or layer == 10, (period, layer)
            if layer == 10:
                assert routed[120] == max(routed)
                assert routed[120] > 15 * others


def test_fault_rank_3_computes_longest_and_waits_least() -> None:
    matmul = _csv("ep_balance.csv").sum().row(0)
    assert matmul.index(max(matmul)) == 3
    assert matmul[3] * len(matmul) / sum(matmul) > 1.2
    waits = _csv("moe_analysis.csv")["Mean"].to_list()
    assert waits.index(min(waits)) == 3
    assert waits[3] < 0.7 * sum(waits) / len(waits)


# ---- the writers, against lines that the real parser wrote --------------------------------------------


def _second_line(path: Path) -> str:
    return path.read_text(encoding="utf-8").splitlines()[1]


def test_writers_repeat_lines_of_the_real_parser(tmp_path: Path) -> None:
    base = 1_767_225_600 * make_demo.NS
    path = tmp_path / "out.csv"
    request = (fmt.Scheduled("endpoint_common_0", 0, 421),)
    owner = fmt.prof_id("mindie-server-p0-worker-0", 10169)
    fmt.write_batch_csv(
        path,
        [fmt.BatchRow("BatchSchedule", request, base + 112_707_500, base + 112_879_250, "Prefill", owner, 1)],
    )
    assert _second_line(path) == (
        "BatchSchedule,\"[{'rid': 'endpoint_common_0', 'iter': 0, 'num_scheduled_tokens=': 421}]\","
        "2026-01-01 08:00:00:112707,2026-01-01 08:00:00:112879,0.17175,Prefill,"
        "ms_service_mindie-server-p0-worker-0-10169,1.0,1,0,421,0,421,1,1767225600112707.5,1767225600112879.2"
    )
    fmt.write_forward_csv(
        path,
        [
            fmt.ForwardRow(base + start, base + end, 1, "Prefill", 2, "node-a", 10154)
            for start, end in ((57_811_500, 88_286_500), (89_525_250, 112_692_000))
        ],
    )
    assert _second_line(path) == (
        "forward,0.0,2026-01-01 08:00:00:057811,2026-01-01 08:00:00:088286,30.475,1.24,1,Prefill,1,2,"
        "ms_service_node-a-10154,node-a,1767225600057.8115,1767225600088.2866"
    )
    fmt.write_request_status_csv(path, [fmt.QueueSample("node-a", 10192, base + 12_000, 0, 0, 0)])
    assert _second_line(path) == "node-a,10192,2026-01-01 08:00:00:000012,0.0,0.0,,,1767225600000.01"
    fmt.write_kvcache_csv(
        path,
        [
            fmt.KvEvent("endpoint_common_0", "Allocate", base + 57_028_000, 1496, 2, 10121),
            fmt.KvEvent("endpoint_common_0", "Free", base + 817_000_000, 1500, 2, 10121),
        ],
    )
    assert (
        _second_line(path)
        == "endpoint_common_0,Allocate,2026-01-01 08:00:00:057028,1496.0,0.0026666666666666666"
    )
