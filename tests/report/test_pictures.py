"""The lanes under findings against the raw files, read by another path."""

import csv
from collections import defaultdict
from pathlib import Path
from statistics import median

import pytest

from lbtui.findings import evidence_of, find_all
from lbtui.findings.pictures import Pictures
from lbtui.overview.run import overview
from lbtui.sources import open_profile
from tests.report.made import BATCH, RANK

DEMO = Path(__file__).parents[2] / "lbtui" / "demo" / "output"


@pytest.fixture(scope="module")
def demo():
    profile = open_profile(DEMO)
    return Pictures(evidence_of(profile), overview(profile).window), find_all(profile)


def picture_of(demo, id, **subject):
    pictures, findings = demo
    found = next(f for f in findings if f.id == id and subject.items() <= f.subject.items())
    return pictures.of(found), found


def rows(name):
    with (DEMO / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_nodes_lane_is_its_added_requests_per_bin(demo):
    picture, found = picture_of(demo, "pd.node.skew")
    address = found.subject["address"]
    table = rows("coordinator.csv")
    times = sorted({row["time"] for row in table})
    added = {(row["time"], row["address"]): float(row["add_count"]) for row in table}
    assert picture.own.name == address
    assert list(picture.own.values) == [added[time, address] for time in times]
    assert len(picture.strips) == 2


def test_pulls_are_medians_by_rank_and_the_slow_rank_is_marked(demo):
    picture, found = picture_of(demo, "pd.transfer.slow")
    durations = defaultdict(list)
    for row in rows("pd_split_kvcache.csv"):
        if row["rank"]:
            durations[int(float(row["rank"]))].append(float(row["during_time(ms)"]))
    expected = [median(durations[rank]) for rank in sorted(durations)]
    assert list(picture.own.values) == pytest.approx(expected)
    assert sorted(durations)[picture.at] == found.subject["rank"]


def test_a_batch_lane_is_the_mean_of_what_its_domain_holds_over_time(demo):
    picture, found = picture_of(demo, "dp.batch_size.skew")
    begin, end = picture.span
    rank, host = found.subject["dp_rank"], found.subject["host"]
    steps = sorted(
        (float(row["start_time(ms)"]), float(row["end_time(ms)"]), int(row["batch_size"]))
        for row in rows("forward.csv")
        if row["hostname"] == host and row["dp_rank"] and int(float(row["dp_rank"])) == rank
    )

    def held(time):
        """Return the batch at an instant (ms): of a step, or of the one before over a short bubble."""
        running = [size for start, stop, size in steps if start <= time < stop]
        if running:
            return max(running)
        before = max((s for s in steps if s[1] <= time), key=lambda s: s[1], default=None)
        after = min((s for s in steps if s[0] > time), default=None)
        if before is None or after is None:
            return 0
        return before[2] if after[0] - before[1] <= before[1] - before[0] else 0

    width = (end - begin) / len(picture.own.values) / 1000
    for column in range(20, 100, 9):
        first = begin / 1000 + column * width
        samples = [held(first + width * (i + 0.5) / 200) for i in range(200)]
        assert picture.own.values[column] == pytest.approx(sum(samples) / 200, abs=0.15)
    assert [strip.name for strip in picture.strips if strip.own] == [f"dp{rank}"]


def test_rank_loads_are_means_over_layers_and_periods(demo):
    picture, _found = picture_of(demo, "ep.rank.hot")
    heat = open_profile(DEMO).load("expert_heat").frame
    totals = defaultdict(dict)
    for period, layer, rank, share in (
        heat.filter(heat["view"] == "rank").select("period", "layer", "rank", "share").iter_rows()
    ):
        totals[period, layer][rank] = share
    ranks = sorted(next(iter(totals.values())))
    expected = [
        sum(cell[rank] / (sum(cell.values()) / len(cell)) for cell in totals.values()) / len(totals)
        for rank in ranks
    ]
    assert list(picture.own.values) == pytest.approx(expected)
    assert picture.at == max(ranks, key=expected.__getitem__) == 3


def test_a_hot_experts_slot_is_the_highest_of_its_layer(demo):
    picture, _found = picture_of(demo, "ep.expert.hot", layer=10)
    assert picture.own.values[picture.at] == max(picture.own.values)
    assert sum(picture.own.values) / len(picture.own.values) == pytest.approx(1.0)


def test_every_imbalance_of_the_demo_can_be_drawn(demo):
    pictures, findings = demo
    for finding in findings:
        drawn = pictures.of(finding)
        assert (drawn is None) == (finding.dimension == "data")
        if drawn is not None:
            assert drawn.own.own
            assert drawn.high > 0


def test_a_finding_of_another_profile_has_no_lane(demo):
    pictures, _findings = demo
    assert pictures.of(RANK) is not None
    assert pictures.of(BATCH) is None
