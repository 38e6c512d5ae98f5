"""Steps of DP domains: several cards, one batch; against a search over overlaps and the parser's own file."""

import csv
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtui.analysis.data_parallel import (
    METRICS,
    domain_steps,
    domains_of,
    metric,
    metric_lanes,
    numbered_steps,
    round_at,
    step_intervals,
)
from lbtui.profile import SCHEMAS, Domain
from tests.sources.recorded import content, profile

START = datetime(2026, 1, 1)


def ms(count):
    return START + timedelta(milliseconds=count)


def forward_pass(card, begin, end, *, domain="i/dp0", batch=1, iteration=0, bubble=None, **more):
    return {
        "instance": "i",
        "host": "i-0",
        "dp_rank": 0,
        "domain": domain,
        "prof_id": card,
        "forward_iter": iteration,
        "phase": "decode",
        "batch_size": batch,
        "prefill_batch_size": 0,
        "decode_batch_size": batch,
        "tokens": batch,
        "start": ms(begin),
        "end": ms(end),
        "duration": float(end - begin),
        "bubble": bubble,
        **more,
    }


def steps_frame(rows):
    return pl.DataFrame(rows, schema=SCHEMAS["steps"])


@st.composite
def tensor_parallel(draw):
    """Steps of one domain on several cards that start and end a little apart, some running ahead."""
    cards = draw(st.integers(1, 4))
    rows, clock = [], [0] * cards
    truth = []
    for step in range(draw(st.integers(1, 8))):
        batch = draw(st.integers(1, 99))
        # Else each card goes on at once, never as far ahead as a step: the cards of a step share its work.
        apart = max(clock) - min(clock)
        begin = max(clock) if apart > 8 or draw(st.booleans()) else None
        longest, first, last = 0, 10**9, 0
        for card in range(cards):
            own = clock[card] + draw(st.integers(0, 1)) if begin is None else begin + draw(st.integers(0, 2))
            length = draw(st.integers(10, 14))
            rows.append(forward_pass(f"card{card}", own, own + length, batch=batch, iteration=step))
            clock[card] = own + length
            longest, first, last = max(longest, length), min(first, own), max(last, own + length)
        truth.append((batch, longest, first, last))
    return steps_frame(draw(st.permutations(rows))), truth, cards


@given(tensor_parallel())
def test_each_batch_counts_once_and_its_slowest_card_sets_its_time(case):
    frame, truth, cards = case
    found = domain_steps(frame)
    assert [(r["batch_size"], r["duration"], r["start"], r["end"]) for r in found.iter_rows(named=True)] == [
        (batch, longest, ms(first), ms(last)) for batch, longest, first, last in truth
    ]
    assert found["cards"].to_list() == [cards] * len(truth)


@given(tensor_parallel())
def test_a_card_takes_part_in_a_step_once(case):
    numbered = numbered_steps(case[0])
    assert numbered.group_by("step", "prof_id").len()["len"].max() == 1
    assert numbered.height == case[0].height


def test_domains_do_not_mix_and_the_unowned_are_left_out():
    frame = steps_frame(
        [
            forward_pass("a", 0, 10, domain="p/dp0", batch=3),
            forward_pass("b", 1, 11, domain="d/dp0", batch=5),
            forward_pass("c", 2, 12, domain=None, batch=7),
        ]
    )
    assert domain_steps(frame).select("domain", "batch_size", "cards").rows() == [
        ("p/dp0", 3, 1),
        ("d/dp0", 5, 1),
    ]


def test_the_bubble_is_the_least_of_the_cards_and_null_only_where_none_has_one():
    frame = steps_frame(
        [
            forward_pass("a", 0, 10, bubble=5.0),
            forward_pass("b", 0, 12, bubble=3.0),
            forward_pass("a", 15, 20),
            forward_pass("b", 15, 20),
        ]
    )
    assert domain_steps(frame)["bubble"].to_list() == [3.0, None]


def test_a_batch_holds_over_a_gap_no_longer_than_the_step():
    frame = steps_frame([forward_pass("a", b, e) for b, e in ((0, 10), (20, 30), (41, 50), (50, 60))])
    held = step_intervals(domain_steps(frame))
    assert held.select("start", "end").rows() == [
        (ms(0), ms(20)),
        (ms(20), ms(30)),
        (ms(41), ms(50)),
        (ms(50), ms(60)),
    ]


def test_domains_are_found_once_in_order():
    frame = steps_frame(
        [
            forward_pass("a", 0, 1, domain="i/dp10") | {"dp_rank": 10, "host": "i-1"},
            forward_pass("b", 0, 1, domain="i/dp2") | {"dp_rank": 2, "host": "i-9"},
            forward_pass("b", 0, 1, domain="i/dp2") | {"dp_rank": 2, "host": "i-0"},
            forward_pass("c", 0, 1, domain="h/dp2") | {"dp_rank": 2, "instance": "h", "host": "h-0"},
            forward_pass("d", 0, 1, domain=None),
        ]
    )
    assert domains_of(frame, frame.clear()) == [
        Domain("h/dp2", "h", "h-0", 2),
        Domain("i/dp2", "i", "i-0", 2),
        Domain("i/dp10", "i", "i-1", 10),
    ]
    assert domains_of(frame.clear()) == []


# The parser's own file: four domains of four cards each


@pytest.fixture(scope="module")
def tp4(tmp_path_factory):
    return profile(
        tmp_path_factory.mktemp("tp4"),
        "mindie_tp4/forward.csv",
        "mindie_tp4/batch.csv",
        "mindie_tp4/request_status.csv",
    )


def raw(name):
    return list(csv.DictReader(content(name).decode().splitlines()))


def test_recorded_cards_are_one_step_a_batch(tp4):
    executed = [r for r in raw("mindie_tp4/batch.csv") if r["name"] == "Execute"]
    steps = domain_steps(tp4.load("steps").frame)
    assert steps["cards"].to_list() == [4] * len(executed)
    found = Counter(steps.select("dp_rank", "batch_size").rows())
    assert found == Counter((int(r["dp_rank"]), round(float(r["batch_size"]))) for r in executed)


def test_recorded_slowest_card_sets_the_time(tp4):
    # In this sample all cards of a domain number their passes alike: an independent way to the same steps.
    by_iteration = defaultdict(list)
    for r in raw("mindie_tp4/forward.csv"):
        by_iteration[int(r["dp_rank"]), int(r["forward_iter"])].append(float(r["during_time(ms)"]))
    found = {
        (r["dp_rank"], r["forward_iter"]): r["duration"]
        for r in domain_steps(tp4.load("steps").frame).iter_rows(named=True)
    }
    assert found == pytest.approx({key: max(times) for key, times in by_iteration.items()})


def test_recorded_round_names_its_cards_and_its_requests(tp4):
    steps, batches = tp4.load("steps").frame, tp4.load("batches").frame
    rounds = [r for r in raw("mindie_tp4/batch.csv") if r["name"] == "Execute"]
    cards = defaultdict(set)
    for r in raw("mindie_tp4/forward.csv"):
        cards[int(r["dp_rank"])].add(r["prof_id"])
    domains = {d.dp_rank: d.key for d in domains_of(steps)}
    for wanted in rounds[5::200]:
        rank = int(wanted["dp_rank"])
        # batch.csv writes µs under this heading.
        middle = (float(wanted["start_time(ms)"]) + float(wanted["end_time(ms)"])) / 2
        time = datetime(1970, 1, 1) + timedelta(microseconds=middle)
        found = round_at(steps, batches, domains[rank], time)
        assert set(found.cards["prof_id"]) == cards[rank]
        assert found.step["batch_size"] == round(float(wanted["batch_size"]))
        assert found.scheduler == wanted["prof_id"]
        requests = tp4.requests_of_round(found.scheduler, found.row)
        assert [r.request_id for r in requests] == [
            part.split("'")[1] for part in wanted["res_list"].split("'rid': ")[1:]
        ]


def test_before_the_first_step_there_is_no_round_and_a_step_without_one_says_so():
    frame = steps_frame([forward_pass("a", 10, 20, batch=4)])
    none = pl.DataFrame(schema=SCHEMAS["batches"])
    assert round_at(frame, none, "i/dp0", ms(9)) is None
    assert round_at(frame, none, "elsewhere", ms(15)) is None
    found = round_at(frame, none, "i/dp0", ms(25))
    assert (found.step["batch_size"], found.scheduler, found.row) == (4, None, None)


# Metrics


def test_every_metric_has_a_lane_a_domain_with_the_values_of_its_column(tp4):
    steps = tp4.load("steps").frame
    intervals = step_intervals(domain_steps(steps))
    domains = domains_of(steps)
    kv = pl.DataFrame(
        [{"time": ms(t), "domain": domains[0].key, "free_blocks": t, "usage": 1 - t / 10} for t in range(3)],
        schema=SCHEMAS["kv"],
    )
    queues = tp4.load("queues").frame
    frames = {"steps": intervals, "kv": kv, "queues": queues}
    until = (ms(60_000) - datetime(1970, 1, 1)) // timedelta(microseconds=1)
    for chosen in METRICS:
        lanes = metric_lanes(chosen, intervals, kv, queues, domains, until)
        assert [lane.key for lane in lanes] == [d.key for d in domains]
        source = frames[chosen.frame].drop_nulls([chosen.column])
        for lane in lanes:
            own = set(source.filter(pl.col("domain") == lane.key)[chosen.column].cast(pl.Float64))
            # Readings that another replaces in the same microsecond hold for no time.
            assert set(lane.values) <= own
            assert bool(len(lane.values)) == bool(own)
            assert all(a <= b for a, b in pairwise(lane.starts.tolist()))
        assert metric(chosen.key) is chosen


def test_steps_count_once_where_longer_ones_would_weigh_more():
    assert {m.key for m in METRICS if m.each_alike} == {"duration", "bubble"}
    assert [m.key for m in METRICS if not m.more_is_load] == ["kv_free"]
