"""Each id is raised by a case made for it, and not by its like without the fault."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from lbtui.findings import Finding, find_all
from lbtui.findings.causes import explained
from lbtui.findings.ep_heat import expert_heats
from lbtui.findings.ep_moves import find_moves
from lbtui.findings.kv import find_kv
from lbtui.findings.pictures import drawn
from lbtui.findings.run import evidence_of
from lbtui.findings.words import figure_words
from lbtui.profile import Cut, LoadedSeries, Note, Profile, Progress
from lbtui.sources import open_profile
from lbtui.thresholds import Expected, Thresholds
from tests.findings import expert_cases
from tests.findings.service import MS, SECOND, START, Group, service, write_experts, write_service
from tests.tools import parser_format as fmt

DEMO = Path(__file__).parents[2] / "lbtui" / "demo" / "output"
DECODE = Group("srv-d0-master-0", domains=2, decode_only=True, first_pid=20_000, waiting=lambda _d, _s: 0)
PREFILL = Group("srv-p0-master-0", domains=2, prefill_only=True, rate=lambda _d, _s: 12)


def everything(profile: Profile) -> list[Finding]:
    """Return all findings with their consequences, flat."""
    return [each for f in find_all(profile) for each in (f, *f.consequences)]


def named(profile: Profile, id: str) -> list[Finding]:
    """Return the findings and consequences of an id."""
    return [f for f in everything(profile) if f.id == id]


def imbalances(profile: Profile) -> list[Finding]:
    """Return what is not about the data."""
    return [f for f in find_all(profile) if f.dimension != "data"]


# ---- DP and KV ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("domains", [2, 4, 8])
@pytest.mark.parametrize("rate", [2, 8])
def test_an_even_service_raises_nothing(tmp_path: Path, domains: int, rate: int) -> None:
    group = Group(domains=domains, rate=lambda _d, _s: rate, waiting=lambda d, s: int(7 * s + d) % 2)
    assert imbalances(service(tmp_path, group, kv=True)) == []


@pytest.mark.parametrize("domains", [2, 4, 8])
def test_more_requests_for_a_while_are_a_batch_skew(tmp_path: Path, domains: int) -> None:
    group = Group(domains=domains, rate=lambda dp, s: 15 if dp == 1 and 10 < s < 22 else 5)
    (finding,) = imbalances(service(tmp_path, group))
    assert (finding.id, finding.subject["dp_rank"]) == ("dp.batch_size.skew", 1)
    assert finding.window is not None
    begin, end = ((time - datetime(2026, 1, 1)).total_seconds() for time in finding.window)
    assert min(end, 22) - max(begin, 10) > 6
    assert end - begin < 16


@pytest.mark.parametrize(("group", "rest"), [(2, 2), (4, 4), (3, 5)])
def test_domains_that_carry_more_together_are_one_finding(tmp_path: Path, group: int, rest: int) -> None:
    profile = service(tmp_path, Group(domains=group + rest, rate=lambda dp, _s: 8 if dp < group else 4))
    (finding,) = imbalances(profile)
    assert (finding.id, finding.subject["dp_ranks"]) == ("dp.batch_size.skew", tuple(range(group)))
    assert "dp_rank" not in finding.subject
    assert finding.value == pytest.approx(2.1, rel=0.2)
    assert f"of the other {rest} domains" in finding.message
    assert {f.subject["dp_rank"] for f in finding.consequences} <= set(range(group))
    picture = next(each.picture for each in drawn(evidence_of(profile), None, (finding,)))
    assert picture is None or sum(strip.own for strip in picture.strips) == group


def test_longer_requests_all_along_are_a_batch_skew_too(tmp_path: Path) -> None:
    group = Group(domains=4, rate=lambda _d, _s: 6, longer={2: 3.0})
    (finding,) = imbalances(service(tmp_path, group))
    assert (finding.id, finding.subject["dp_rank"]) == ("dp.batch_size.skew", 2)
    assert finding.value > 2


HALF = Thresholds(expected=Expected(domains=(("dp3", 0.5),), nodes=(("10.0.0.11:1025", 0.5),)))


def test_a_domain_that_carries_the_share_expected_is_a_remark(tmp_path: Path) -> None:
    group = Group(domains=4, rate=lambda dp, _s: 4 if dp == 3 else 8)
    found = find_all(service(tmp_path, group), HALF)
    assert [(f.id, f.severity) for f in found if f.dimension != "data"] == [("dp.expected", "info")]
    # The node's entry names nothing here.
    assert "data.expected.unknown" in [f.id for f in found]


def test_a_node_that_gets_the_share_expected_is_a_remark(tmp_path: Path) -> None:
    found = find_all(coordinator(tmp_path, (40, 80, 80)), HALF)
    assert ("pd.expected", "info") in [(f.id, f.severity) for f in found]
    assert {f.severity for f in found} == {"info"}


def test_without_a_config_nothing_is_expected(tmp_path: Path) -> None:
    ids = {f.id for f in find_all(coordinator(tmp_path, (40, 80, 80)))}
    assert not ids & {"dp.expected", "pd.expected", "data.expected.unknown"}


def _queue_at_3(dp: int, _second: float) -> int:
    return 4 if dp == 3 else 0


def test_a_lasting_queue_at_a_domain_with_a_smaller_batch_is_a_queue_skew(tmp_path: Path) -> None:
    group = Group(rate=lambda dp, _s: 4 if dp == 3 else 6, waiting=_queue_at_3)
    (finding,) = imbalances(service(tmp_path, group))
    assert (finding.id, finding.subject["dp_rank"]) == ("dp.queue.skew", 3)


def test_a_lasting_queue_at_a_domain_that_is_sent_more_follows_from_its_batch(tmp_path: Path) -> None:
    group = Group(rate=lambda dp, _s: 12 if dp == 3 else 5, waiting=_queue_at_3)
    (finding,) = imbalances(service(tmp_path, group))
    assert finding.id == "dp.batch_size.skew"
    assert [(f.id, f.subject["dp_rank"]) for f in finding.consequences] == [("dp.queue.skew", 3)]


def test_a_lasting_queue_at_an_equal_load_is_chance(tmp_path: Path) -> None:
    # In a service that is nearly full a random dispatch makes one queue long for the whole run.
    assert imbalances(service(tmp_path, Group(waiting=_queue_at_3))) == []


def test_one_long_queue_is_no_queue_skew(tmp_path: Path) -> None:
    group = Group(waiting=lambda dp, s: 9 if dp == 3 and 12 < s < 16 else 0)
    assert imbalances(service(tmp_path, group)) == []


def test_a_slow_domain_is_a_straggler(tmp_path: Path) -> None:
    (finding,) = imbalances(service(tmp_path, Group(slow={(2, 0): 1.2})))
    assert (finding.id, finding.subject["dp_rank"]) == ("dp.straggler", 2)
    assert "ends last in" in finding.message
    assert finding.cost.value is not None


def test_a_slow_card_is_a_straggler_and_its_domain_follows(tmp_path: Path) -> None:
    (finding,) = imbalances(service(tmp_path, Group(domains=2, cards=2, slow={(1, 1): 1.3})))
    assert (finding.id, finding.subject["prof_id"]) == ("dp.straggler", "ms_service_node-a-10012")
    assert [(f.id, f.subject["dp_rank"]) for f in finding.consequences] == [("dp.straggler", 1)]


def test_a_card_that_is_slow_for_a_while_is_a_straggler_then(tmp_path: Path) -> None:
    group = Group(domains=2, cards=4, slow={(1, 2): 1.4}, slow_when=(12.0, 22.0))
    (finding,) = imbalances(service(tmp_path, group))
    assert (finding.id, finding.subject["prof_id"]) == ("dp.straggler", "ms_service_node-a-10013")
    assert finding.value == pytest.approx(1.4, rel=0.03)
    assert finding.window is not None
    begin, end = ((time - datetime(2026, 1, 1)).total_seconds() for time in finding.window)
    assert (begin, end) == (pytest.approx(12, abs=2), pytest.approx(22, abs=2))


def test_a_domain_that_is_slow_because_it_carries_more_is_no_straggler(tmp_path: Path) -> None:
    assert not named(service(tmp_path, Group(rate=lambda dp, _s: 15 if dp == 0 else 4)), "dp.straggler")


def test_four_percent_slower_is_below_the_threshold(tmp_path: Path) -> None:
    assert imbalances(service(tmp_path, Group(slow={(2, 0): 1.04}))) == []


@pytest.mark.parametrize("domains", [2, 4, 8])
def test_a_domain_that_is_slow_for_a_while_is_a_straggler_then(tmp_path: Path, domains: int) -> None:
    group = Group(domains=domains, slow={(1, 0): 1.4}, slow_when=(12.0, 22.0))
    (finding,) = imbalances(service(tmp_path, group))
    assert (finding.id, finding.subject["dp_rank"]) == ("dp.straggler", 1)
    assert finding.window is not None
    begin, end = ((time - datetime(2026, 1, 1)).total_seconds() for time in finding.window)
    assert (begin, end) == (pytest.approx(12, abs=2), pytest.approx(22, abs=2))


def test_waits_inside_the_forward_pass_are_told_by_who_ends_last(tmp_path: Path) -> None:
    (finding,) = imbalances(service(tmp_path, Group(slow={(2, 0): 1.4}, couple=0.8)))
    assert (finding.id, finding.subject["dp_rank"]) == ("dp.straggler", 2)
    assert "inside their forward passes" in finding.message


def test_even_domains_that_wait_inside_the_forward_pass_are_even(tmp_path: Path) -> None:
    assert imbalances(service(tmp_path, Group(couple=0.8))) == []


def test_a_domain_that_begins_late_has_long_bubbles(tmp_path: Path) -> None:
    (finding,) = imbalances(service(tmp_path, Group(late={2: 6.0})))
    assert (finding.id, finding.subject["dp_rank"]) == ("dp.bubble.long", 2)
    assert finding.cost.value == pytest.approx(6.0, rel=0.35)


def test_half_a_millisecond_later_is_no_long_bubble(tmp_path: Path) -> None:
    assert imbalances(service(tmp_path, Group(late={2: 0.5}))) == []


def test_longer_prompts_at_one_domain_are_a_tokens_skew(tmp_path: Path) -> None:
    (finding,) = imbalances(service(tmp_path, Group(prompt={1: 4.0})))
    assert (finding.id, finding.subject["dp_rank"]) == ("dp.tokens.skew", 1)


def test_longer_prompts_everywhere_are_no_skew(tmp_path: Path) -> None:
    assert imbalances(service(tmp_path, Group(prompt=dict.fromkeys(range(4), 4.0)))) == []


@pytest.mark.parametrize("domains", [1, 2, 4])
def test_a_domain_that_takes_no_step_while_requests_wait_is_stalled(tmp_path: Path, domains: int) -> None:
    last = domains - 1
    group = Group(
        domains=domains, stands={last: (15.0, 99.0)}, waiting=lambda dp, s: 3 * int(dp == last and s > 15)
    )
    found = imbalances(service(tmp_path, group))
    assert [(f.id, f.subject["dp_rank"], f.severity) for f in found] == [("dp.stalled", last, "critical")]
    assert "since 08:00:1" in found[0].message


def test_two_stalled_domains_are_two_findings_and_the_others_are_not_blamed(tmp_path: Path) -> None:
    stands = {1: (15.0, 99.0), 3: (16.0, 99.0)}
    group = Group(stands=stands, waiting=lambda dp, s: 3 * int(dp in stands and s > 16))
    found = imbalances(service(tmp_path, group))
    assert sorted((f.id, f.subject["dp_rank"]) for f in found) == [("dp.stalled", 1), ("dp.stalled", 3)]


def test_a_domain_that_gets_nothing_any_more_is_idle(tmp_path: Path) -> None:
    group = Group(rate=lambda dp, s: 0.0 if dp == 3 and s > 20 else 6.0, waiting=lambda _d, _s: 0)
    (finding,) = imbalances(service(tmp_path, group))
    assert (finding.id, finding.subject["dp_rank"]) == ("dp.idle", 3)


def test_a_lull_of_all_is_neither_idle_nor_stalled(tmp_path: Path) -> None:
    group = Group(rate=lambda _d, s: 0.0 if 15 < s < 30 else 6.0, waiting=lambda _d, _s: 0)
    assert imbalances(service(tmp_path, group)) == []


def test_a_small_pool_is_a_kv_skew_before_it_runs_out(tmp_path: Path) -> None:
    (finding,) = imbalances(service(tmp_path, Group(pool=lambda dp: 100 if dp == 0 else 900), kv=True))
    assert (finding.id, finding.severity, finding.subject["dp_rank"]) == ("kv.skew", "warning", 0)
    assert finding.cost.value is None


def test_more_blocks_in_use_of_an_equal_pool_are_a_kv_skew(tmp_path: Path) -> None:
    group = Group(pool=lambda _d: 120, blocks=lambda dp: 10 if dp == 2 else 2)
    (finding,) = imbalances(service(tmp_path, group, kv=True))
    assert (finding.id, finding.subject["dp_rank"]) == ("kv.skew", 2)


def test_a_domain_out_of_blocks_with_requests_waiting_is_exhausted(tmp_path: Path) -> None:
    group = Group(
        rate=lambda _d, _s: 6,
        pool=lambda dp: 16 if dp == 2 else 900,
        waiting=lambda dp, _s: 2 if dp == 2 else 0,
    )
    first = imbalances(service(tmp_path, group, kv=True))[0]
    assert (first.id, first.severity, first.subject["dp_rank"]) == ("kv.exhausted", "critical", 2)
    assert {"kv.skew", "dp.queue.skew"} <= {f.id for f in first.consequences}


def test_a_pool_whose_total_is_not_written_is_what_it_ever_had_free(tmp_path: Path) -> None:
    group = Group(pool=lambda dp: 20 if dp == 1 else 1000, waiting=lambda dp, _s: 3 if dp == 1 else 0)
    evidence = evidence_of(service(tmp_path, group, kv=True))
    blank = evidence.frame("kv").with_columns(
        total_blocks=pl.lit(None, pl.Int64), usage=pl.lit(None, pl.Float64)
    )
    unwritten = replace(
        evidence, frames={**evidence.frames, "kv": replace(evidence.frames["kv"], frame=blank)}
    )
    found, written = (
        [(f.id, f.subject, f.value) for f in find_kv(each, Thresholds())] for each in (unwritten, evidence)
    )
    assert [id for id, *_ in found] == ["kv.exhausted", "kv.skew"]
    assert found == written


def test_few_free_blocks_without_waiting_are_not_exhausted(tmp_path: Path) -> None:
    group = Group(rate=lambda _d, _s: 6, pool=lambda _d: 40, waiting=lambda _d, _s: 0)
    assert not named(service(tmp_path, group, kv=True), "kv.exhausted")


# ---- P/D ----------------------------------------------------------------------------------------------


def test_a_queue_on_prefill_alone_is_a_matter_of_the_ratio(tmp_path: Path) -> None:
    profile = service(tmp_path, replace(PREFILL, waiting=lambda _d, _s: 3), DECODE)
    (finding,) = imbalances(profile)
    assert (finding.id, finding.subject) == ("pd.ratio", {"role": "prefill"})
    assert "Move the P:D ratio towards prefill" in finding.advice


def test_a_queue_on_decode_alone_is_a_matter_of_the_ratio(tmp_path: Path) -> None:
    decode = replace(DECODE, waiting=lambda _d, _s: 2)
    (finding,) = imbalances(service(tmp_path, replace(PREFILL, waiting=lambda _d, _s: 0), decode))
    assert (finding.id, finding.subject) == ("pd.ratio", {"role": "decode"})


@pytest.mark.parametrize(
    ("prefill", "decode"),
    [
        (lambda _d, _s: 0, lambda _d, _s: 0),  # busy decode alone proves nothing
        (lambda _d, _s: 3, lambda _d, _s: 3),  # too few of both
        (lambda _d, s: 20 if 5 < s < 9 else 0, lambda _d, _s: 0),  # one bad moment
    ],
)
def test_the_ratio_is_not_blamed_without_a_lasting_queue_on_one_side(
    tmp_path: Path, prefill: Callable[[int, float], int], decode: Callable[[int, float], int]
) -> None:
    groups = replace(PREFILL, waiting=prefill), replace(DECODE, waiting=decode)
    assert not named(service(tmp_path, *groups), "pd.ratio")


def coordinator(folder: Path, prefills: tuple[int, ...]) -> Profile:
    rng = random.Random(3)
    events = []
    for node, count in enumerate(prefills):
        for _ in range(count):
            time = START + int(rng.uniform(0, 60) * SECOND)
            address = f"10.0.0.{11 + node}:1025"
            events += [
                fmt.NodeEvent(time, address, "prefill", True),
                fmt.NodeEvent(time + SECOND, address, "prefill", False),
            ]
    fmt.write_coordinator_csv(folder / "coordinator.csv", events)
    return open_profile(folder)


def test_a_node_with_twice_the_requests_is_a_node_skew(tmp_path: Path) -> None:
    (finding,) = imbalances(coordinator(tmp_path, (120, 60, 60)))
    assert (finding.id, finding.subject["address"]) == ("pd.node.skew", "10.0.0.11:1025")


@pytest.mark.parametrize("prefills", [(80, 80, 80), (12, 6), (60, 50)])
def test_nodes_within_chance_are_even(tmp_path: Path, prefills: tuple[int, ...]) -> None:
    assert imbalances(coordinator(tmp_path, prefills)) == []


def _stalling(folder: Path, dead_at: float, *, stays_in: bool) -> Profile:
    """Write three decode nodes; the first dies while it gets requests, or ends its own and gets none."""
    rng = random.Random(5)
    events = []
    for i in range(400):
        time = i * 0.15
        node = rng.randrange(3)
        if node == 0 and time >= dead_at and not stays_in:
            node = rng.randrange(1, 3)
        end = time + rng.uniform(2, 8)
        address = f"10.0.1.{11 + node}:1025"
        events.append(fmt.NodeEvent(START + int(time * SECOND), address, "decode", True))
        if node > 0 or end < dead_at or not stays_in:
            events.append(fmt.NodeEvent(START + int(end * SECOND), address, "decode", False))
    fmt.write_coordinator_csv(folder / "coordinator.csv", events)
    return open_profile(folder)


@pytest.mark.parametrize(("stays_in", "words"), [(True, "ends nothing since"), (False, "gets nothing since")])
def test_a_node_that_dies_stands_still_and_its_peers_load_follows(
    tmp_path: Path, stays_in: bool, words: str
) -> None:
    (finding,) = imbalances(_stalling(tmp_path, 30, stays_in=stays_in))
    assert (finding.id, finding.subject) == (
        "pd.node.stalled",
        {"address": "10.0.1.11:1025", "role": "decode"},
    )
    assert words in finding.message
    assert finding.severity == "critical"
    assert finding.window is not None
    assert abs((finding.window[0] - datetime(2026, 1, 1)).total_seconds() - 30) <= 5
    assert {f.id for f in finding.consequences} <= {"pd.node.skew"}


def test_nodes_that_end_all_in_time_do_not_stand_still(tmp_path: Path) -> None:
    assert imbalances(_stalling(tmp_path, 1e9, stays_in=True)) == []


def _pulls(folder: Path, slow: float, tokens: int = 500) -> Profile:
    rng = random.Random(4)
    pulls = []
    for i in range(200):
        rank = i % 4
        own = tokens if rank == 3 else 500
        length = int((2 + own / 250) * MS * rng.uniform(0.9, 1.2) * (slow if rank == 3 else 1))
        begin = START + i * 40 * MS
        pulls.append(fmt.Pull(f"r{i}", rank, own, 0, 4, begin, begin + length))
    fmt.write_pd_split_kvcache_csv(folder / "pd_split_kvcache.csv", pulls)
    return open_profile(folder)


def test_a_rank_with_slow_pulls_is_named(tmp_path: Path) -> None:
    (finding,) = imbalances(_pulls(tmp_path, 4.0))
    assert (finding.id, finding.subject["rank"]) == ("pd.transfer.slow", 3)


@pytest.mark.parametrize(("slow", "tokens"), [(1.0, 500), (1.15, 500), (1.0, 2500)])
def test_pulls_that_are_not_slow_for_their_tokens_are_not(tmp_path: Path, slow: float, tokens: int) -> None:
    assert imbalances(_pulls(tmp_path, slow, tokens)) == []


# ---- EP -----------------------------------------------------------------------------------------------

RANKS, SLOTS, LAYERS = 8, 5, 12
ROUTED = RANKS * (SLOTS - 1)


def _even_counts(seed: int) -> list[list[int]]:
    rng = random.Random(seed)
    return [[rng.randint(960, 1040) for _ in range(RANKS * SLOTS)] for _ in range(LAYERS)]


def _placement(shift: int) -> list[list[int]]:
    """Return [layer][expert] -> slot: the routed experts moved on by `shift` ranks, the shared one last."""
    slots = [r * SLOTS + k for r in range(RANKS) for k in range(SLOTS - 1)]
    moved = [slots[(e + shift * (SLOTS - 1)) % ROUTED] for e in range(ROUTED)]
    return [[*moved, SLOTS - 1] for _ in range(LAYERS)]


def _experts(folder: Path, counts: list[list[list[int]]]) -> Profile:
    placements = [_placement(period) for period in range(len(counts))]
    return open_profile(write_experts(folder, counts, placements, SLOTS))


def test_even_experts_raise_nothing(tmp_path: Path) -> None:
    assert imbalances(_experts(tmp_path, [_even_counts(1), _even_counts(2)])) == []


def test_a_rank_hot_in_all_layers_is_hot_and_the_skew_follows(tmp_path: Path) -> None:
    counts = _even_counts(1)
    for layer in counts:
        layer[2 * SLOTS : 3 * SLOTS] = [int(1.5 * n) for n in layer[2 * SLOTS : 3 * SLOTS]]
    (finding,) = imbalances(_experts(tmp_path, [counts]))
    assert (finding.id, finding.subject["rank"]) == ("ep.rank.hot", 2)
    assert [f.id for f in finding.consequences] == ["ep.skew"]


def test_a_rank_hot_in_one_period_alone_is_found_there(tmp_path: Path) -> None:
    periods = [_even_counts(seed) for seed in range(4)]
    for layer in periods[2]:
        layer[5 * SLOTS : 6 * SLOTS] = [int(1.4 * n) for n in layer[5 * SLOTS : 6 * SLOTS]]
    (finding,) = named(_experts(tmp_path, periods), "ep.rank.hot")
    assert (finding.subject["rank"], finding.subject["period"]) == (5, 2)
    loads = [[sum(row[5 * SLOTS : 6 * SLOTS]) * RANKS / sum(row) for row in period] for period in periods]
    assert finding.value == pytest.approx(statistics.fmean(loads[2]))
    whole = statistics.fmean(statistics.fmean(each) for each in zip(*loads, strict=True))
    assert whole < 1.15
    assert finding.message.endswith(f"That is EPLB period 2; over all 4 it carries {whole:.2f}×.")
    assert "over 1 EPLB period" in finding.message


def _skewed(seed: int, ranks: list[int]) -> list[list[int]]:
    """Return counts in which a different rank is loaded in each layer, so that none is hot on the whole."""
    counts = _even_counts(seed)
    for layer, rank in zip(counts, ranks, strict=True):
        layer[rank * SLOTS : (rank + 1) * SLOTS] = [
            int(1.6 * n) for n in layer[rank * SLOTS : (rank + 1) * SLOTS]
        ]
    return counts


def test_ranks_uneven_in_every_layer_are_a_skew_without_a_hot_rank(tmp_path: Path) -> None:
    (finding,) = imbalances(_experts(tmp_path, [_skewed(1, [layer % RANKS for layer in range(LAYERS)])]))
    assert finding.id == "ep.skew"


def test_the_hottest_experts_of_a_skew_follow_from_it(tmp_path: Path) -> None:
    counts = _skewed(1, [layer % RANKS for layer in range(LAYERS)])
    counts[7][4 * SLOTS + 2] = 9000  # six times the mean: the tail of a skew, as popular experts are
    (skew,) = imbalances(_experts(tmp_path / "tail", [counts]))
    assert (skew.id, [f.id for f in skew.consequences]) == ("ep.skew", ["ep.expert.hot"])
    counts[7][4 * SLOTS + 2] = 20_000  # beyond any tail
    found = imbalances(_experts(tmp_path / "beyond", [counts]))
    assert {f.id for f in found} == {"ep.skew", "ep.expert.hot"}


def test_a_rank_hot_beside_an_expert_that_is_elsewhere_is_its_own_finding(tmp_path: Path) -> None:
    counts = _even_counts(1)
    for layer in counts:
        layer[4 * SLOTS + 2] = 7000
        layer[2 * SLOTS : 3 * SLOTS] = [int(1.8 * n) for n in layer[2 * SLOTS : 3 * SLOTS]]
    found = imbalances(_experts(tmp_path, [counts]))
    assert {(f.id, f.subject["rank"]) for f in found} == {("ep.expert.hot", 4), ("ep.rank.hot", 2)}
    expert = next(f for f in found if f.id == "ep.expert.hot")
    assert ("ep.rank.hot", 4) in {(f.id, f.subject.get("rank")) for f in expert.consequences}


def test_uneven_ranks_in_two_layers_are_no_skew(tmp_path: Path) -> None:
    counts = _even_counts(1)
    counts[3:5] = _skewed(1, [2] * LAYERS)[3:5]
    assert not named(_experts(tmp_path, [counts]), "ep.skew")


def test_periods_that_change_nothing_are_ineffective(tmp_path: Path) -> None:
    # The heat drifts: each period another rank is loaded, as much as before.
    periods = [_skewed(p, [(layer + 3 * p) % RANKS for layer in range(LAYERS)]) for p in range(3)]
    (finding,) = named(_experts(tmp_path, periods), "ep.eplb.ineffective")
    assert finding.subject["period"] == 2


def test_periods_that_even_the_ranks_are_effective(tmp_path: Path) -> None:
    periods = [_skewed(0, [layer % RANKS for layer in range(LAYERS)]), _even_counts(1), _even_counts(2)]
    profile = _experts(tmp_path, periods)
    assert not named(profile, "ep.eplb.ineffective")
    (skew,) = named(profile, "ep.skew")
    assert skew.subject["period"] == 0


def test_tables_that_pack_hot_experts_together_make_it_worse(tmp_path: Path) -> None:
    (finding,) = imbalances(open_profile(expert_cases.worse(tmp_path)))
    assert (finding.id, finding.severity, finding.subject["period"]) == ("ep.eplb.worse", "critical", 2)
    assert [f.id for f in finding.consequences] == ["ep.skew"]
    assert "By EPLB period: 1.14 (0), 1.91 (1), 1.91 (2)." in finding.message
    assert finding.p_value is not None
    assert finding.p_value <= 0.01


def test_tables_that_spread_hot_experts_do_not_and_the_skew_is_history(tmp_path: Path) -> None:
    (finding,) = imbalances(open_profile(expert_cases.worse(tmp_path, good=True)))
    assert (finding.id, finding.severity, finding.subject["period"]) == ("ep.skew", "info", 0)
    assert finding.message.endswith("EPLB has evened it since.")


def test_even_tables_are_not_blamed_for_a_rank_that_is_hot_since(tmp_path: Path) -> None:
    padded = _even_counts(2)
    for layer in padded:
        layer[2 * SLOTS : 3 * SLOTS] = [int(1.9 * n) for n in layer[2 * SLOTS : 3 * SLOTS]]
    profile = _experts(tmp_path, [_even_counts(1), padded, padded])
    assert not named(profile, "ep.eplb.worse")
    assert not named(profile, "ep.heat.moves")
    (rank,) = named(profile, "ep.rank.hot")
    assert (rank.subject["rank"], rank.subject["period"]) == (2, 1)
    assert rank.message.endswith("It was not before period 1.")


def test_other_hot_experts_in_each_period_are_moving_heat_and_the_cause(tmp_path: Path) -> None:
    (finding,) = imbalances(open_profile(expert_cases.moving(tmp_path)))
    assert (finding.id, finding.severity, finding.subject["period"]) == ("ep.heat.moves", "critical", 2)
    assert [f.id for f in finding.consequences] == ["ep.eplb.worse", "ep.skew"]
    assert "would be 1.14 with the heat it was made of, and is 1.90" in finding.message


@pytest.mark.parametrize("good", [False, True])
def test_heat_that_stays_does_not_move_whatever_its_tables_do(tmp_path: Path, good: bool) -> None:
    assert not named(open_profile(expert_cases.worse(tmp_path, good=good)), "ep.heat.moves")


def test_heat_whose_tables_never_fitted_is_not_said_to_move(tmp_path: Path) -> None:
    # Each period another rank is loaded, and the tables only shift all experts on by a rank.
    periods = [_skewed(p, [(layer + 3 * p) % RANKS for layer in range(LAYERS)]) for p in range(3)]
    assert not named(_experts(tmp_path, periods), "ep.heat.moves")


def test_without_any_experts_heat_nothing_is_said_to_move(tmp_path: Path) -> None:
    folder = expert_cases.moving(tmp_path)
    evidence = evidence_of(open_profile(folder))
    (heat,) = expert_heats(evidence)
    bare = replace(heat, slots=(), models=(None,) * len(heat.periods))
    assert not list(find_moves(evidence, Thresholds(), bare, 1))
    # Of the heat of model experts alone it is told, but not that the tables fitted before.
    (finding,) = find_moves(evidence, Thresholds(), replace(heat, slots=()), 1)
    assert "is not recorded" in finding.message
    assert finding.cost.text.startswith("up to ")


def _layer_each(factor: int) -> list[list[int]]:
    """Return counts in which each layer has one expert hot, on another rank and in another slot each."""
    counts = _even_counts(1)
    for number, layer in enumerate(counts):
        layer[(number % RANKS) * SLOTS + number % (SLOTS - 1)] = factor * 1000
    return counts


def test_at_most_five_hot_experts_are_listed_and_the_rest_counted(tmp_path: Path) -> None:
    (skew,) = imbalances(_experts(tmp_path, [_layer_each(7)]))
    assert skew.id == "ep.skew"
    assert [f.id for f in skew.consequences] == ["ep.expert.hot"] * 5 + ["ep.expert.more"]
    more = skew.consequences[-1]
    assert (more.value, figure_words(more)) == (LAYERS - 5, f"+ {LAYERS - 5} more hot")
    assert (skew.severity, more.severity) == ("critical", "critical")  # each costs 4 % of expert compute


def test_five_hot_experts_have_no_more(tmp_path: Path) -> None:
    counts = _even_counts(1)
    counts[:5] = _layer_each(7)[:5]
    profile = _experts(tmp_path, [counts])
    assert len(named(profile, "ep.expert.hot")) == 5
    assert not named(profile, "ep.expert.more")


def test_an_expert_that_nobody_waits_for_is_a_remark(tmp_path: Path) -> None:
    counts = _even_counts(1)
    counts[7][4 * SLOTS + 2] = 9000
    counts[7][2 * SLOTS : 3 * SLOTS] = [5000] * SLOTS
    (finding,) = imbalances(_experts(tmp_path, [counts]))
    assert (finding.id, finding.severity, finding.value) == ("ep.expert.more", "info", 1)
    assert finding.cost.value is None


def test_an_expert_hot_in_one_period_is_said_with_it(tmp_path: Path) -> None:
    later = _even_counts(2)
    later[7][4 * SLOTS + 2] = 20_000
    (finding,) = named(_experts(tmp_path, [_even_counts(1), later]), "ep.expert.hot")
    assert (finding.subject["layer"], finding.subject["period"]) == (7, 1)
    assert "in layer 7 (EPLB period 1 of 2)" in finding.message


def test_a_critical_consequence_makes_its_cause_critical(tmp_path: Path) -> None:
    (cause,) = imbalances(open_profile(expert_cases.worse(tmp_path)))
    alone = [replace(cause, severity="warning", consequences=()), *cause.consequences]
    (again,) = explained(alone, {}, {})
    assert (again.severity, [f.severity for f in again.consequences]) == ("critical", ["critical"])
    lower = [alone[0], *(replace(f, severity="info") for f in cause.consequences)]
    assert [f.severity for f in explained(lower, {}, {})] == ["warning"]


def test_one_period_cannot_be_ineffective(tmp_path: Path) -> None:
    counts = _skewed(1, [layer % RANKS for layer in range(LAYERS)])
    assert not named(_experts(tmp_path, [counts]), "ep.eplb.ineffective")


def test_an_expert_far_above_the_others_is_hot_at_its_place(tmp_path: Path) -> None:
    counts = _even_counts(1)
    counts[7][4 * SLOTS + 2] = 7000
    (finding,) = imbalances(_experts(tmp_path, [counts]))
    assert finding.id == "ep.expert.hot"
    assert {**finding.subject, "instance": ""} == {
        "instance": "",
        "expert": 4 * (SLOTS - 1) + 2,
        "layer": 7,
        "rank": 4,
    }


def test_an_expert_hot_in_all_layers_is_one_finding(tmp_path: Path) -> None:
    counts = _even_counts(1)
    for layer in counts:
        layer[4 * SLOTS + 2] = 7000
    (finding,) = imbalances(_experts(tmp_path, [counts]))
    assert (finding.id, finding.subject["expert"]) == ("ep.expert.hot", 18)
    assert "layer" not in finding.subject
    assert [f.id for f in finding.consequences] == ["ep.rank.hot", "ep.skew"]


def test_without_a_placement_routed_experts_are_counted_past_the_shared_slots(tmp_path: Path) -> None:
    counts = _even_counts(1)
    for layer in counts:
        layer[SLOTS - 1 :: SLOTS] = [500] * RANKS
    counts[7][4 * SLOTS + 2] = 7000
    (finding,) = imbalances(open_profile(write_experts(tmp_path, [counts], None, SLOTS)))
    assert (finding.subject["expert"], finding.subject["layer"]) == (18, 7)


def test_without_placement_and_shared_slots_no_expert_is_named(tmp_path: Path) -> None:
    counts = _even_counts(1)
    counts[7][4 * SLOTS + 2] = 7000
    (finding,) = imbalances(open_profile(write_experts(tmp_path, [counts], None, SLOTS)))
    assert "expert" not in finding.subject
    assert (finding.subject["rank"], finding.subject["layer"]) == (4, 7)
    assert "not recorded" in finding.message


def test_a_shared_expert_on_every_rank_is_not_hot(tmp_path: Path) -> None:
    counts = _even_counts(1)
    for layer in counts:
        layer[SLOTS - 1 :: SLOTS] = [60_000] * RANKS
    without = open_profile(write_experts(tmp_path / "without", [counts], None, SLOTS))
    # A slot that no table names holds the shared expert too.
    assert imbalances(_experts(tmp_path / "with", [counts])) == imbalances(without) == []


def _times(folder: Path, factors: dict[int, float]) -> None:
    rng = random.Random(5)
    columns = {
        900 + rank: [int(1e6 * factors.get(rank, 1.0) * rng.uniform(0.98, 1.02)) for _ in range(LAYERS)]
        for rank in range(RANKS)
    }
    fmt.write_ep_balance_csv(folder / "ep_balance.csv", columns)


def test_a_rank_slow_at_an_even_load_is_slow(tmp_path: Path) -> None:
    _times(tmp_path, {5: 1.3})
    (finding,) = imbalances(_experts(tmp_path, [_even_counts(1)]))
    assert (finding.id, finding.subject["rank"]) == ("ep.rank.slow", 5)


def test_a_rank_slow_because_it_carries_more_is_hot_and_not_slow(tmp_path: Path) -> None:
    _times(tmp_path, {5: 1.3})
    counts = _even_counts(1)
    for layer in counts:
        layer[5 * SLOTS : 6 * SLOTS] = [int(1.4 * n) for n in layer[5 * SLOTS : 6 * SLOTS]]
    profile = _experts(tmp_path, [counts])
    assert not named(profile, "ep.rank.slow")
    assert named(profile, "ep.rank.hot")


def test_times_without_heat_say_hot_or_slow_and_that_they_cannot_tell(tmp_path: Path) -> None:
    _times(tmp_path, {5: 1.3})
    (finding,) = imbalances(open_profile(tmp_path))
    assert (finding.id, finding.severity, finding.subject["rank"]) == ("ep.rank.hot", "warning", 5)
    assert "cannot be told" in finding.message


def test_even_times_raise_nothing(tmp_path: Path) -> None:
    _times(tmp_path, {})
    assert imbalances(_experts(tmp_path, [_even_counts(1)])) == []


# ---- the data -----------------------------------------------------------------------------------------


def _handoffs(folder: Path, offset_ms: float) -> Profile:
    rows = []
    for i in range(60):
        begin = START + i * SECOND
        received = begin + 51 * MS + int(offset_ms * MS)
        rows.append(fmt.Handoff(f"r{i}", begin, begin + 50 * MS, received, begin + 49 * MS, begin + 900 * MS))
    fmt.write_pd_split_communication_csv(folder / "pd_split_communication.csv", rows)
    return open_profile(folder)


def test_handoffs_received_before_they_are_sent_tell_of_clocks(tmp_path: Path) -> None:
    (finding,) = named(_handoffs(tmp_path, -40.0), "data.clock.skew")
    assert finding.value == pytest.approx(39.0, abs=1.1)


@pytest.mark.parametrize("offset", [0.0, 30.0, -3.0])
def test_handoffs_in_order_do_not(tmp_path: Path, offset: float) -> None:
    assert not named(_handoffs(tmp_path, offset), "data.clock.skew")


def test_forward_passes_without_dp_rank_are_counted(tmp_path: Path) -> None:
    folder = write_service(tmp_path, Group(seconds=5, named_ranks=False))
    (folder / "batch.csv").unlink()
    (finding,) = named(open_profile(folder), "data.dp_rank.unknown")
    assert finding.value == sum(1 for _ in (folder / "forward.csv").open()) - 1


def test_a_file_read_in_part_is_told_before_all_else_on_the_data(tmp_path: Path) -> None:
    profile = service(tmp_path, Group(seconds=5))
    assert not named(profile, "data.file.cut")
    assert named(profile, "data.capture.short")
    profile.cuts.append(Note("forward.csv", "only 3 of 4 MB", lost=True, cut=Cut("forward.csv", 3, 4)))
    (finding,) = named(profile, "data.file.cut")
    assert finding.value == 0.75
    assert finding.message.endswith("a part of forward.csv: only 3 of 4 MB")
    assert [f.id for f in find_all(profile) if f.dimension == "data"][:2] == ["data.file.cut", "data.missing"]


def test_iterations_that_cannot_be_read_are_told() -> None:
    profile = open_profile(DEMO)

    def fails(_progress: Progress) -> LoadedSeries:
        raise ZeroDivisionError("no such luck\x1b[31m")

    profile.source.load_series = fails  # type: ignore[method-assign]
    (finding,) = named(profile, "data.iterations.unread")
    assert "ZeroDivisionError: no such luck" in finding.message
    assert "\x1b" not in finding.message


def test_iterations_that_can_be_are_not() -> None:
    assert not named(open_profile(DEMO), "data.iterations.unread")


def test_forward_passes_with_dp_rank_are_not(tmp_path: Path) -> None:
    assert not named(service(tmp_path, Group(seconds=5)), "data.dp_rank.unknown")


def test_requests_that_no_node_row_holds_have_vanished(tmp_path: Path) -> None:
    folder = write_service(tmp_path, Group(seconds=30))
    finished = sum(1 for _ in (folder / "request.csv").open()) - 1
    events = [fmt.NodeEvent(START + i * SECOND // 4, "10.0.0.1:1", "prefill", True) for i in range(100)]
    fmt.write_coordinator_csv(folder / "coordinator.csv", events)
    (finding,) = named(open_profile(folder), "data.rows.vanished")
    assert finding.value == finished - 100


def test_requests_that_all_nodes_hold_have_not(tmp_path: Path) -> None:
    folder = write_service(tmp_path, Group(seconds=30))
    finished = sum(1 for _ in (folder / "request.csv").open()) - 1
    events = [fmt.NodeEvent(START + i * SECOND // 50, "10.0.0.1:1", "prefill", True) for i in range(finished)]
    fmt.write_coordinator_csv(folder / "coordinator.csv", events)
    assert not named(open_profile(folder), "data.rows.vanished")


def test_running_counts_of_bins_without_events_are_rebuilt(tmp_path: Path) -> None:
    events = [
        fmt.NodeEvent(START, "10.0.0.1:1", "prefill", True),
        fmt.NodeEvent(START + 30 * SECOND, "10.0.0.1:1", "prefill", False),
    ]
    fmt.write_coordinator_csv(tmp_path / "coordinator.csv", events)
    (finding,) = named(open_profile(tmp_path), "data.running.rebuilt")
    assert finding.value == 5  # the bins of 5 s between the two


def test_running_counts_of_bins_with_events_are_not(tmp_path: Path) -> None:
    events = [fmt.NodeEvent(START + i * SECOND, "10.0.0.1:1", "prefill", True) for i in range(60)]
    fmt.write_coordinator_csv(tmp_path / "coordinator.csv", events)
    assert not named(open_profile(tmp_path), "data.running.rebuilt")


def test_a_short_capture_is_said_to_be_short(tmp_path: Path) -> None:
    short, long = tmp_path / "short", tmp_path / "long"
    (finding,) = named(service(short, Group(domains=2, seconds=20)), "data.capture.short")
    assert finding.value == pytest.approx(20, abs=0.5)
    slow = Group(domains=2, seconds=125, rate=lambda _d, _s: 0.5)
    assert not named(service(long, slow), "data.capture.short")


def test_microseconds_named_milliseconds_are_said_of_the_table_alone(tmp_path: Path) -> None:
    folder = write_service(tmp_path, Group(seconds=5))
    assert len(named(open_profile(folder), "data.units.renamed")) == 1
    (folder / "batch.csv").unlink()
    assert not named(open_profile(folder), "data.units.renamed")


def test_frames_that_no_file_holds_are_missing(tmp_path: Path) -> None:
    profile = service(tmp_path, Group(seconds=5))
    missing = {f.evidence for f in named(profile, "data.missing")}
    assert missing == {m.what for m in profile.missing()}
    assert missing

    assert len(named(open_profile(DEMO), "data.missing")) < len(missing)
