"""Which process belongs to which DP domain, whatever the files say about it."""

import random
from statistics import median

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtui.sources import open_profile
from lbtui.sources.steps import owners
from lbtui.sources.steps.same_batches import Runs, same_batches, share_enclosed
from tests.sources.made import Service, write
from tests.sources.recorded import profile, sentences

EVEN = (1, 3, 2, 4, 3, 5, 2, 1, 4, 3, 5, 2)
ODD = (6, 2, 7, 1, 6, 2, 5, 7, 1, 6, 3, 8)


def domains(opened, frame="steps"):
    """Return prof_id's end (host-pid) -> domain."""
    rows = opened.load(frame).frame.select("prof_id", "domain").unique().rows()
    owner = {prof_id.removeprefix("ms_service_"): domain for prof_id, domain in rows}
    assert len(owner) == len(rows)
    return owner


def batches_of(opened):
    return domains(opened, "batches")


def notes_of(opened):
    return sentences(opened.load("steps").notes)


def test_cards_of_one_rank_are_one_domain_and_the_scheduler_is_in_it(tmp_path):
    write(
        tmp_path,
        Service("node-a", 10, (11, 12), 0, 0, EVEN),
        Service("node-a", 20, (21, 22), 1, 1, ODD, offset=5),
    )
    opened = open_profile(tmp_path)
    assert domains(opened) == {
        "node-a-11": "node-a/dp0",
        "node-a-12": "node-a/dp0",
        "node-a-21": "node-a/dp1",
        "node-a-22": "node-a/dp1",
    }
    assert batches_of(opened) == {"node-a-10": "node-a/dp0", "node-a-20": "node-a/dp1"}
    assert notes_of(opened) == ""


@pytest.mark.parametrize("scheduler_is_card", [False, True])
def test_trap_13_a_scheduler_whose_pid_is_on_two_hosts_goes_with_its_own_cards(tmp_path, scheduler_is_card):
    """Upstream joins dp_rank on the pid alone: batch.csv says 0 for both."""
    cards = (7777,) if scheduler_is_card else (7801, 7802)
    write(
        tmp_path,
        Service("node-a", 7777, cards, 0, 0, EVEN),
        Service("node-b", 7777, cards, 1, 0, ODD, offset=3),
    )
    opened = open_profile(tmp_path)
    assert {key: domain[-3:] for key, domain in batches_of(opened).items()} == {
        "node-a-7777": "dp0",
        "node-b-7777": "dp1",
    }
    assert {(host, rank) for host, rank in opened.load("steps").frame.select("host", "dp_rank").rows()} == {
        ("node-a", 0),
        ("node-b", 1),
    }
    # Every forward pass has found its own scheduler's round.
    assert opened.load("steps").frame["tokens"].null_count() == 0
    notes = notes_of(opened)
    assert "dp_rank 0 of ms_service_node-b-7777 is joined by its pid alone" in notes
    assert "node-a-7777" not in notes


def test_trap_13_p_and_d_instances_reuse_ranks(tmp_path):
    write(
        tmp_path,
        Service("mindie-server-p0-master-0", 10, (11,), 0, 0, EVEN),
        Service("mindie-server-d0-master-0", 20, (21,), 0, 0, ODD, offset=7),
        Service("mindie-server-d0-worker-0", 30, (31,), 1, 1, EVEN, offset=11),
    )
    opened = open_profile(tmp_path)
    assert set(domains(opened).values()) == {
        "mindie-server-p0/dp0",
        "mindie-server-d0/dp0",
        "mindie-server-d0/dp1",
    }
    assert notes_of(opened) == ""


@pytest.mark.parametrize("in_step", [False, True], ids=["at other times", "in lockstep"])
def test_hosts_that_repeat_a_rank_for_other_batches_are_two_domains_and_told(tmp_path, in_step):
    write(
        tmp_path,
        Service("node-a", 10, (11, 12), 0, 0, EVEN),
        Service("node-b", 20, (21, 22), 0, 0, ODD, offset=0 if in_step else 13, period=30 if in_step else 41),
    )
    opened = open_profile(tmp_path)
    assert domains(opened) == {
        "node-a-11": "node-a/dp0",
        "node-a-12": "node-a/dp0",
        "node-b-21": "node-b/dp0",
        "node-b-22": "node-b/dp0",
    }
    assert batches_of(opened) == {"node-a-10": "node-a/dp0", "node-b-20": "node-b/dp0"}
    instances = set(opened.load("steps").frame["instance"])
    assert instances == {"node-a", "node-b"}, "engines of their own are not compared"
    assert "Domains of node-a run different batches under one dp_rank" in notes_of(opened)
    assert "each compared for itself: node-a, node-b" in notes_of(opened)


def test_two_services_on_one_host_with_one_rank_are_told_apart_by_process(tmp_path):
    write(
        tmp_path,
        Service("node-a", 10, (11, 12), 0, 0, EVEN),
        Service("node-a", 20, (21, 22), 0, 0, ODD, offset=13, period=41),
    )
    opened = open_profile(tmp_path)
    owner = {**domains(opened), **batches_of(opened)}
    assert [owner[f"node-a-{pid}"] for pid in (10, 11, 12)] == ["node-a:11/dp0"] * 3
    assert [owner[f"node-a-{pid}"] for pid in (20, 21, 22)] == ["node-a:21/dp0"] * 3


@pytest.mark.parametrize(
    "how",
    [{}, {"jitter": 1.5}, {"lag": 19.0, "period": 45.0}, {"lag": 5.0}],
    ids=["at once", "a little apart", "pipeline stages", "clocks apart"],
)
def test_one_rank_on_two_hosts_with_the_same_batches_is_one_domain(tmp_path, how):
    write(
        tmp_path,
        Service("node-a", 10, (11, 12, 13, 14), 3, 3, EVEN * 3, card_host="node-b", **how),
        Service("node-a", 20, (21,), 2, 2, ODD * 3, offset=4),
    )
    opened = open_profile(tmp_path)
    owner = {**domains(opened), **batches_of(opened)}
    assert {owner[name] for name in ("node-a-10", "node-a-11", "node-a-12", "node-b-13", "node-b-14")} == {
        "node-a/dp3"
    }
    assert "different batches" not in notes_of(opened)


def test_without_ranks_cards_of_one_batch_are_merged_and_others_are_not(tmp_path):
    write(
        tmp_path,
        Service("node-a", 10, (11, 12), None, None, EVEN),
        Service("node-a", 20, (21, 22), None, None, ODD, offset=13, period=41),
        Service("node-b", 30, (31,), None, None, EVEN, offset=9, period=53),
    )
    opened = open_profile(tmp_path)
    owner = {**domains(opened), **batches_of(opened)}
    assert [owner[f"node-a-{pid}"] for pid in (10, 11, 12)] == ["node-a:11/dp?"] * 3
    assert [owner[f"node-a-{pid}"] for pid in (20, 21, 22)] == ["node-a:21/dp?"] * 3
    assert [owner[f"node-b-{pid}"] for pid in (30, 31)] == ["node-b/dp?"] * 2
    assert opened.load("steps").frame["dp_rank"].null_count() == opened.load("steps").frame.height
    assert "named by pid, or dp? where a host has one" in notes_of(opened)


def test_without_dp_at_all_one_service_is_one_lane(tmp_path):
    write(tmp_path, Service("node-a", 10, (11, 12, 13, 14), None, None, EVEN))
    opened = open_profile(tmp_path)
    assert {*domains(opened).values(), *batches_of(opened).values()} == {"node-a/dp?"}


def test_cards_without_a_rank_take_it_from_the_scheduler_they_work_for(tmp_path):
    """MindIE of old writes no dp_rank on forward passes."""
    write(
        tmp_path,
        Service("node-a", 10, (11, 12), None, 0, EVEN),
        Service("node-a", 20, (21, 22), None, 1, ODD, offset=13, period=41),
    )
    opened = open_profile(tmp_path)
    owner = {**domains(opened), **batches_of(opened)}
    assert [owner[f"node-a-{pid}"] for pid in (10, 11, 12)] == ["node-a/dp0"] * 3
    assert [owner[f"node-a-{pid}"] for pid in (20, 21, 22)] == ["node-a/dp1"] * 3


def test_a_scheduler_whose_cards_were_not_recorded_keeps_its_own_domain(tmp_path):
    lockstep = {"period": 30.0, "offset": 0.0}
    write(
        tmp_path,
        Service("node-a", 10, (11,), 0, 0, EVEN, **lockstep),
        Service("node-a", 20, (), 1, 1, EVEN, **lockstep),
    )
    assert batches_of(open_profile(tmp_path)) == {"node-a-10": "node-a/dp0", "node-a-20": "node-a/dp1"}


def test_schedulers_alone_are_domains_of_their_ranks(tmp_path):
    write(
        tmp_path,
        Service("node-a", 10, (11,), 0, 0, EVEN),
        Service("node-b", 20, (21,), 0, 0, ODD, offset=13, period=41),
        forwards=False,
    )
    assert batches_of(open_profile(tmp_path)) == {"node-a-10": "node-a/dp0", "node-b-20": "node-b/dp0"}


def test_a_process_that_follows_another_is_the_same_domain(tmp_path):
    write(
        tmp_path,
        Service("node-a", 10, (11,), 0, 0, EVEN),
        Service("node-a", 10, (12,), 0, 0, ODD, offset=10_000),
    )
    assert domains(open_profile(tmp_path)) == {"node-a-11": "node-a/dp0", "node-a-12": "node-a/dp0"}


@pytest.mark.parametrize("seed", range(5))
def test_busy_domains_of_random_load_are_never_taken_for_one(tmp_path, seed):
    """Two services that repeat a rank, with batches as alike as chance makes them."""
    dice = random.Random(seed)
    services = [
        Service(
            f"node-{name}",
            10,
            (11, 12),
            0,
            0,
            tuple(dice.choices((1, 2, 3, 4), k=200)),
            period=dice.uniform(25, 31),
            offset=dice.uniform(0, 30),
        )
        for name in "ab"
    ]
    write(tmp_path, *services)
    assert len(set(domains(open_profile(tmp_path)).values())) == 2


def test_full_batches_of_one_size_are_told_apart_by_their_times(tmp_path):
    full = (8,) * 150
    write(
        tmp_path,
        Service("node-a", 10, (11, 12), 0, 0, full, period=29.0),
        Service("node-b", 10, (11, 12), 0, 0, full, period=29.7),
    )
    assert set(domains(open_profile(tmp_path)).values()) == {"node-a/dp0", "node-b/dp0"}


def test_few_batches_are_not_shifted_until_they_fit(tmp_path):
    write(
        tmp_path,
        Service("node-a", 10, (11,), 0, 0, (1, 2, 2, 1)),
        Service("node-b", 10, (11,), 0, 0, (2, 2, 1, 1), offset=16),
    )
    assert len(set(domains(open_profile(tmp_path)).values())) == 2


def test_trap_09_vllm_forwards_carry_no_rank_and_get_that_of_their_batches(tmp_path):
    opened = profile(tmp_path, "vllm_small/forward.csv", "vllm_small/batch.csv")
    assert b",None,ms_service_" in (tmp_path / "forward.csv").read_bytes()
    steps = opened.load("steps").frame
    assert steps.height == 373
    assert steps["dp_rank"].null_count() == 0
    assert steps["domain"].n_unique() == 2
    ranks = {
        row["prof_id"]: row["dp_rank"]
        for row in opened.load("batches").frame.select("prof_id", "dp_rank").unique().to_dicts()
    }
    assert set(ranks.values()) == {0, 1}


@given(st.data())
def test_the_share_of_enclosed_passes_is_that_of_a_plain_count(data):
    times = st.lists(st.integers(0, 200), min_size=1, max_size=12, unique=True).map(sorted)
    starts, begins = data.draw(times), data.draw(times)
    sizes = st.integers(1, 2)
    passes = [(start, data.draw(sizes)) for start in starts]
    rounds = [(begin, begin + data.draw(st.integers(1, 40)), data.draw(sizes)) for begin in begins]
    covered = [(start, size) for start, size in passes if rounds[0][0] <= start <= rounds[-1][1]]
    # Rounds may overlap here: a pass is in the one that began last.
    last = [max((r for r in rounds if r[0] <= start), key=lambda r: r[0]) for start, _size in covered]
    inside = [
        start < end and size == own for (start, size), (_b, end, own) in zip(covered, last, strict=True)
    ]
    expected = sum(inside) / len(inside) if inside else 0.0
    found = share_enclosed(_runs([(s, s + 1, size) for s, size in passes]), _runs(rounds))
    assert found == expected


def _runs(rows):
    return Runs(*(np.array(column) for column in zip(*rows, strict=True)))


@given(st.lists(st.integers(0, 10**6), min_size=1))
def test_the_length_of_runs_is_their_median(durations):
    assert _runs([(0, duration, 1) for duration in durations]).length == median(durations)


def test_of_very_many_processes_without_a_rank_only_so_many_pairs_are_compared(tmp_path, monkeypatch):
    compared = []
    monkeypatch.setattr(owners, "_MOST_COMPARED", 20)
    monkeypatch.setattr(owners, "same_batches", lambda *of: compared.append(of) or same_batches(*of))
    write(
        tmp_path,
        *(
            Service("node-a", 100 + n, (200 + n,), None, None, sizes=(4, 5, 3, 5, 4), offset=7.0 * n)
            for n in range(12)
        ),
        rounds=False,
    )
    opened = open_profile(tmp_path)
    assert opened.load("steps").frame["prof_id"].n_unique() == 12
    assert len(compared) == 20
    assert "More processes than can be compared" in notes_of(opened)
