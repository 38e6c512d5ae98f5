"""Shares, PAR, stages and pulls against the raw files, and against simulation where chance is meant."""

import csv
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from pathlib import Path
from statistics import NormalDist, mean, median

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtui.analysis.prefill_decode import (
    NODE_DEVIATIONS,
    beyond_role,
    bin_at,
    median_ratios,
    node_shares,
    node_table,
    outstanding,
    random_dispatch,
    role_chance_par,
    role_par,
    stage_spreads,
    transfer_spreads,
    window_bins,
    window_loads,
)
from lbtui.profile import SCHEMAS
from lbtui.sources import open_profile

DATA = Path(__file__).parent.parent / "data" / "pd_ep"
START = datetime(2026, 1, 1)
MICRO = 1_767_225_600_000_000


def rows_of(name):
    with (DATA / name).open() as file:
        return list(csv.DictReader(file))


def table_of(*rows):
    """Return the table of rows (second, address, role, added, ended, running)."""
    full = [(START + timedelta(seconds=s), *rest, rest[-1]) for s, *rest in rows]
    return node_table(pl.DataFrame(full, schema=SCHEMAS["nodes"], orient="row"))


@pytest.fixture(scope="module")
def table():
    return node_table(open_profile(DATA).load("nodes").frame)


def test_shares_and_par_are_those_of_the_file(table):
    added, role = Counter(), {}
    for line in rows_of("coordinator.csv"):
        added[line["address"]] += int(line["add_count"])
        role[line["address"]] = line["node_type"]
    shares = {share.node.address: share for share in node_shares(table)}
    assert shares.keys() == added.keys()
    for address, count in added.items():
        peers = [added[other] for other in added if role[other] == role[address]]
        assert shares[address].added == count
        assert shares[address].share == pytest.approx(count / sum(peers))
        assert shares[address].ratio == pytest.approx(count / mean(peers))
    for name in ("prefill", "decode"):
        peers = [added[address] for address in added if role[address] == name]
        assert role_par(table, name) == pytest.approx(max(peers) / mean(peers))
    assert [share.node.address for share in shares.values() if share.stands_out] == ["10.20.0.12:1025"]


def test_what_stands_out_is_the_overloaded_prefill_node_in_its_worst_bin(table):
    bin, node = outstanding(table)[0]
    assert table.nodes[node].address == "10.20.0.12:1025"
    cells = defaultdict(dict)
    for line in rows_of("coordinator.csv"):
        if line["node_type"] == "prefill":
            cells[line["time"]][line["address"]] = int(line["add_count"])
    worst = max(cells, key=lambda t: cells[t]["10.20.0.12:1025"] - mean(cells[t].values()))
    assert str(table.times[bin] + timedelta(hours=8)) == worst


def test_a_window_counts_only_its_bins(table):
    begin = int(table.starts[4])
    first, last = window_bins(table, (begin + 1, begin + 6_000_000))
    assert (first, last) == (4, 6)
    expected = Counter()
    for line in rows_of("coordinator.csv"):
        if line["time"][-8:] in ("08:00:20", "08:00:25"):
            expected[line["address"]] += int(line["add_count"])
    loads = window_loads(table, "added", first, last)
    assert {n.address: load for n, load in zip(table.nodes, loads, strict=True)} == expected


def test_even_dispatch_is_how_random_dispatch_varies():
    draws = np.random.default_rng(1).multinomial(168, [0.25] * 4, size=20_000)[:, 0]
    mean_of, deviation = random_dispatch(168, 1 / 4)
    assert mean_of == pytest.approx(draws.mean(), rel=0.01)
    assert deviation == pytest.approx(draws.std(), rel=0.02)


def test_the_par_of_chance_is_what_equal_nodes_get(table):
    draws = np.random.default_rng(1).poisson(168 / 4, size=(20_000, 4))
    simulated = draws.max(axis=1).mean() / draws.mean()
    assert role_chance_par(table, "decode") == pytest.approx(simulated, rel=0.01)


def test_equal_nodes_do_not_stand_out_nor_does_the_only_node_of_a_role():
    alone = table_of(
        (0, "p:1", "prefill", 90, 90, 0), (0, "d:1", "decode", 40, 0, 40), (0, "d:2", "decode", 50, 0, 50)
    )
    shares = node_shares(alone)
    assert np.isnan(shares[0].excess)
    assert abs(shares[2].excess) < NODE_DEVIATIONS
    assert not any(share.stands_out for share in shares)
    assert outstanding(alone)[0] == (0, 2)


def test_how_far_a_node_is_above_its_role_is_measured_by_chance_alone(table):
    """Against plain loops over the file, with the normal quantile of the standard library."""
    added = {(r["time"], r["address"]): int(r["add_count"]) for r in rows_of("coordinator.csv")}
    roles = {r["address"]: r["node_type"] for r in rows_of("coordinator.csv")}
    apart = beyond_role(table, "added")
    for place, time in enumerate(table.times):
        at = f"{time + timedelta(hours=8):%Y-%m-%d %H:%M:%S}"
        for i, node in enumerate(table.nodes):
            peers = [added[at, who] for who, role in roles.items() if role == node.role]
            m, z = mean(peers), NormalDist().inv_cdf(0.8 ** (1 / len(peers)))
            chance = max(z * m**0.5 + (z * z - 1) / 6, 0.15 * m)
            assert apart[place, i] == pytest.approx((added[at, node.address] - m) / chance if m else 0.0)
    assert 0 < (apart > 1).sum() < apart.size / 5


def test_bins_missing_between_others_are_rows_without_data():
    gap = table_of(*((s, "p:1", "prefill", 1, 1, 0) for s in (0, 5, 15, 20)), (0, "d:1", "decode", 1, 0, 1))
    assert gap.even
    assert gap.bin_seconds == 5
    assert [int(s - MICRO) // 1_000_000 for s in gap.starts] == [0, 5, 10, 15, 20]
    assert np.isnan(gap.counts["added"][2]).all()
    assert np.isnan(gap.counts["added"][1:, 1]).all()


def test_bins_off_the_grid_and_far_apart_stay_as_they_are():
    off = table_of(*((s, "p:1", "prefill", 1, 1, 0) for s in (0, 5, 10, 17)))
    assert not off.even
    assert len(off.times) == 4
    far = table_of(*((s, "p:1", "prefill", 1, 1, 0) for s in (0, 5, 10, 86_400)))
    assert not far.even
    assert len(far.times) == 4


def test_nodes_are_ordered_by_role_then_by_number():
    names = ("10.0.0.10:1", "10.0.0.9:1", "host-b:²")
    ordered = table_of(*((0, name, role, 1, 1, 0) for role in ("decode", "prefill") for name in names))
    assert [(n.role[0], n.address) for n in ordered.nodes] == [
        (role, name) for role in "pd" for name in ("10.0.0.9:1", "10.0.0.10:1", "host-b:²")
    ]


@given(st.integers(-30, 80), st.integers(1, 60))
def test_window_and_instant_find_the_bins_they_touch(begin, length):
    table = table_of(*((5 * b, "p:1", "prefill", b, 0, 0) for b in range(9)))
    window = (MICRO + begin * 1_000_000, MICRO + (begin + length) * 1_000_000)
    touched = [b for b in range(9) if 5 * b < begin + length and begin < 5 * b + 5]
    first, last = window_bins(table, window)
    assert list(range(first, last)) == touched
    inside = [b for b in range(9) if 5 * b <= begin < 5 * b + 5]
    assert bin_at(table, window[0]) == (inside[0] if inside else None)


def test_stages_are_those_of_the_file_in_the_order_of_the_events():
    times = [
        [datetime.strptime(line[c], "%Y-%m-%d %H:%M:%S:%f") for c in line if c != "rid"]
        for line in rows_of("pd_split_communication.csv")
    ]
    way = [(arrival, done, sent, received, end) for arrival, sent, received, done, end in times]
    stages = stage_spreads(open_profile(DATA).load("handoffs").frame)
    for place, spread in enumerate(stages[:-1]):
        expected = [(t[place + 1] - t[place]) / timedelta(milliseconds=1) for t in way]
        assert (spread.known, spread.negative) == (len(way), 0)
        assert spread.mean == pytest.approx(mean(expected))
        assert spread.p50 == pytest.approx(median(expected))
        assert spread.max == max(expected)
    assert sum(s.mean for s in stages[:-1]) == pytest.approx(stages[-1].mean)
    # In the documented order, prefill done last, times would be negative: that is why it is not used.
    assert any(done < received for _a, done, _s, received, _e in way)


def test_events_in_another_order_are_counted_and_unseen_ones_left_out():
    moment = {"arrival": 0, "prefill_done": 30, "sent": 20, "received": None, "end": 90}
    row = {k: None if v is None else START + timedelta(milliseconds=v) for k, v in moment.items()}
    spreads = {
        s.label: s
        for s in stage_spreads(pl.DataFrame([{"request_id": "a", **row}], schema=SCHEMAS["handoffs"]))
    }
    assert spreads["prefill done → sent"].mean == -10
    assert spreads["prefill done → sent"].negative == 1
    assert spreads["sent → received"].known == 0
    assert np.isnan(spreads["sent → received"].mean)


def test_kv_pulls_per_rank_are_those_of_the_file_and_a_slow_rank_shows():
    by_rank = defaultdict(list)
    for line in rows_of("pd_split_kvcache.csv"):
        by_rank[int(float(line["rank"]))].append(float(line["during_time(ms)"]))
    transfers = open_profile(DATA).load("transfers").frame
    spreads = transfer_spreads(transfers)
    assert [s.label for s in spreads] == [f"rank {rank}" for rank in sorted(by_rank)]
    for spread, rank in zip(spreads, sorted(by_rank), strict=True):
        assert spread.known == len(by_rank[rank])
        assert spread.mean == pytest.approx(mean(by_rank[rank]))
        assert spread.p50 == pytest.approx(median(by_rank[rank]))
    slow = transfers.with_columns(
        pl.when(pl.col("rank") == 6).then(pl.col("duration") * 8).otherwise(pl.col("duration"))
    )
    ratios = median_ratios(transfer_spreads(slow))
    assert int(np.argmax(ratios)) == 6
    assert ratios[6] == pytest.approx(
        8 * median(by_rank[6]) / median([median(v) * (8 if r == 6 else 1) for r, v in by_rank.items()])
    )
