"""P/D: who is slow to whom, since when, which side is short, and whose clock is off."""

from __future__ import annotations

import csv
import gzip
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from statistics import median

import numpy as np
import pytest

from lbtui.findings import Finding, find_all
from lbtui.findings.causes import explained
from lbtui.findings.model import Cost
from lbtui.findings.pictures import Pictures
from lbtui.findings.run import evidence_of
from lbtui.profile import Profile, micros
from lbtui.sources import open_profile
from tests.findings.service import MS, SECOND, START
from tests.findings.test_cases import everything, imbalances, named
from tests.tools import parser_format as fmt

CASES = Path(__file__).parents[1] / "data" / "cases"
RANKS, SOURCES = 4, 3


def case(name: str, folder: Path) -> Profile:
    """Open a recorded case."""
    for file in (CASES / name).glob("*.gz"):
        (folder / file.stem).write_bytes(gzip.decompress(file.read_bytes()))
    return open_profile(folder)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def address(source: int) -> str:
    return f"172.17.0.{17 + source}"


Slow = Callable[[int, int, int], float]  # rank, source, number of the pull -> × its time


def pulls(folder: Path, slow: Slow, count: int = 400, ranks: int = RANKS) -> Profile:
    """Write pulls of all ranks from all sources, drawn at random."""
    rng = random.Random(11)
    written = []
    for i in range(count):
        rank, source, tokens = rng.randrange(ranks), rng.randrange(SOURCES), rng.randint(200, 900)
        length = int((1.5 + tokens / 400) * MS * rng.uniform(0.9, 1.3) * slow(rank, source, i))
        begin = START + i * 100 * MS
        written.append(fmt.Pull(f"r{i}", rank, tokens, source, 4, begin, begin + length))
    fmt.write_pd_split_kvcache_csv(folder / "pd_split_kvcache.csv", written)
    return open_profile(folder)


# ---- pulls --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("slow", "subjects"),
    [
        (lambda r, s, i: 1.0, []),
        (lambda r, s, i: 3.0 if r == 2 else 1.0, [{"rank": 2, "role": "decode"}]),
        (lambda r, s, i: 3.0 if s == 1 else 1.0, [{"source": address(1), "role": "prefill"}]),
        (
            lambda r, s, i: 5.0 if (r, s) == (1, 2) else 1.0,
            [{"rank": 1, "source": address(2), "role": "decode"}],
        ),
        (
            lambda r, s, i: 5.0 if s == 0 and r > 1 else 1.0,
            [{"rank": r, "source": address(0), "role": "decode"} for r in (2, 3)],
        ),
        (
            lambda r, s, i: 4.0 if r == 0 or (r, s) == (3, 1) else 1.0,
            [{"rank": 0, "role": "decode"}, {"rank": 3, "source": address(1), "role": "decode"}],
        ),
        (lambda r, s, i: 4.0 if i >= 150 else 1.0, [{"role": "decode"}]),
        (lambda r, s, i: 4.0 if 150 <= i < 250 else 1.0, [{"role": "decode"}]),
        # The later half slow, and the last rank slow all along.
        (
            lambda r, s, i: (3.0 if i >= 200 else 1.0) * (3.0 if r == 3 else 1.0),
            [{"role": "decode"}, {"rank": 3, "role": "decode"}],
        ),
        (lambda r, s, i: 1.3 if i >= 150 else 1.0, []),
    ],
)
def test_what_is_slow_is_named_and_nothing_beside_it(
    tmp_path: Path, slow: Slow, subjects: list[dict[str, object]]
) -> None:
    found = imbalances(pulls(tmp_path, slow))
    assert {f.id for f in found} <= {"pd.transfer.slow"}
    key = lambda subject: sorted((k, str(v)) for k, v in subject.items())  # noqa: E731
    assert sorted((dict(f.subject) for f in found), key=key) == sorted(subjects, key=key)


def test_a_slow_pair_is_the_ratio_of_its_median_to_all_others(tmp_path: Path) -> None:
    (finding,) = imbalances(pulls(tmp_path, lambda r, s, _i: 5.0 if (r, s) == (1, 2) else 1.0))
    own: list[float] = []
    others: list[float] = []
    for row in rows(tmp_path / "pd_split_kvcache.csv"):
        pair = float(row["rank"]) == 1 and row["block_tables"].startswith("[[2886795283,")
        (own if pair else others).append(float(row["during_time(ms)"]))
    assert finding.value == pytest.approx(median(own) / median(others))
    assert finding.cost.value == pytest.approx(median(own) - median(others))
    picture = Pictures(evidence_of(open_profile(tmp_path)), None).of(finding)
    assert picture is not None
    assert picture.at == 1
    assert picture.own.values[1] == pytest.approx(median(own))


def test_a_change_within_the_run_is_told_with_its_onset(tmp_path: Path) -> None:
    (finding,) = imbalances(pulls(tmp_path, lambda _r, _s, i: 4.0 if i >= 150 else 1.0))
    assert finding.window is not None
    assert (finding.window[0] - datetime(2026, 1, 1)).total_seconds() == pytest.approx(15.0, abs=0.3)
    times = [float(row["during_time(ms)"]) for row in rows(tmp_path / "pd_split_kvcache.csv")]
    assert finding.value == pytest.approx(median(times[150:]) / median(times[:150]), rel=0.03)


def test_longer_prompts_are_no_slower_link(tmp_path: Path) -> None:
    rng = random.Random(2)
    written = []
    for i in range(300):
        tokens = rng.randint(2000, 3000) if i >= 150 else rng.randint(400, 600)
        begin = START + i * 100 * MS
        length = int(tokens / 200 * MS * rng.uniform(0.9, 1.2))
        written.append(fmt.Pull(f"r{i}", i % 4, tokens, 0, 4, begin, begin + length))
    fmt.write_pd_split_kvcache_csv(tmp_path / "pd_split_kvcache.csv", written)
    assert imbalances(open_profile(tmp_path)) == []


def test_all_pulls_ten_times_slower_are_one_finding_and_the_queue_follows(tmp_path: Path) -> None:
    """sglang#5450: the first 100 pulls take 0.25 s, the next 100 2.6 s, on all ranks."""
    (finding,) = imbalances(case("kv_pulls_slow_down_10x", tmp_path))
    assert (finding.id, finding.subject) == ("pd.transfer.slow", {"role": "decode"})
    table = sorted(rows(tmp_path / "pd_split_kvcache.csv"), key=lambda row: row["start_time"])
    times = [float(row["during_time(ms)"]) for row in table]
    assert finding.value == pytest.approx(median(times[100:]) / median(times[:100]))
    assert "08:00:30" in finding.message
    assert [f.id for f in finding.consequences] == ["pd.ratio"]
    assert finding.severity == "critical"  # what waits for the pulls costs 60 %


# ---- the ratio from hand-offs alone -------------------------------------------------------------------


def test_hand_offs_that_wait_longer_and_longer_are_a_matter_of_decode(tmp_path: Path) -> None:
    """vllm-ascend#10686: decode is full, from prefill to pull requests wait up to 116 s."""
    profile = case("decode_full_handoff_waits", tmp_path)
    (finding,) = imbalances(profile)
    assert (finding.id, finding.subject) == ("pd.ratio", {"role": "decode"})

    def seconds(text: str) -> float:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S:%f").timestamp()

    table = {r["rid"]: r for r in rows(tmp_path / "pd_split_communication.csv")}
    begun = {r["rid"]: seconds(r["start_time"]) for r in rows(tmp_path / "pd_split_kvcache.csv")}
    waits = [begun[rid] - seconds(table[rid]["prefill_res_time(ms)"]) for rid in begun]
    span = max(begun.values()) - min(seconds(r["http_req_time(ms)"]) for r in table.values())
    assert finding.cost.value == pytest.approx(sum(waits) / span)
    assert finding.value == pytest.approx(sum(waits) / span / 8)
    assert f"{np.quantile(waits, 0.95):.3g} s at p95" in finding.message
    evidence = evidence_of(profile)
    assert evidence.window is not None
    window = (micros(evidence.window[0]), micros(evidence.window[1]))
    picture = Pictures(evidence, window).of(finding)
    assert picture is not None
    assert picture.own.name == "decode"
    bin_seconds = (window[1] - window[0]) / 1e6 / len(picture.own.values)
    assert sum(picture.own.values) * bin_seconds == pytest.approx(sum(waits), rel=0.001)


Time = Callable[[int], float]


def hand_offs(folder: Path, prefill: Time, wait: Time, hosts: tuple[Time, Time] | None = None) -> Profile:
    """Write 240 requests, 4 a second, that take `prefill` s and `wait` s; `hosts` are clocks of P and D."""
    on_p, on_d = hosts or (lambda _i: 0.0, lambda _i: 0.0)
    rng = random.Random(6)
    written, pulled = [], []
    for i in range(240):
        arrival = START + i * SECOND // 4 + int(on_p(i) * SECOND)
        done = arrival + int(prefill(i) * rng.uniform(0.9, 1.1) * SECOND)
        start = done + int((wait(i) - on_p(i) + on_d(i)) * SECOND) + int(rng.uniform(2, 4) * MS)
        written.append(fmt.Handoff(f"r{i}", arrival, done, done + MS, done, start + 2 * SECOND))
        pulled.append(fmt.Pull(f"r{i}", i % 4, 500, i % 2, 4, start, start + 3 * MS))
    fmt.write_pd_split_communication_csv(folder / "pd_split_communication.csv", written)
    fmt.write_pd_split_kvcache_csv(folder / "pd_split_kvcache.csv", pulled)
    return open_profile(folder)


@pytest.mark.parametrize(
    ("prefill", "wait", "role"),
    [
        (lambda _i: 0.1, lambda i: i / 4, "decode"),
        (lambda _i: 0.1, lambda i: 5 + (i * 37 % 10), "decode"),
        (lambda i: 0.1 + i / 8, lambda _i: 0.0, "prefill"),
        (lambda _i: 0.1, lambda _i: 0.0, None),
        (lambda _i: 2.0, lambda _i: 0.0, None),  # long prompts are no queue
        (lambda i: 0.1 + i / 8, lambda i: i / 8, None),  # both sides
        (lambda _i: 0.1, lambda i: 30.0 if i > 220 else 0.0, None),  # a bad end
    ],
)
def test_the_side_that_requests_wait_for_is_the_bottleneck(
    tmp_path: Path, prefill: Time, wait: Time, role: str | None
) -> None:
    found = imbalances(hand_offs(tmp_path, prefill, wait))
    assert [f.subject for f in found if f.id == "pd.ratio"] == ([{"role": role}] if role else [])


# ---- clocks -------------------------------------------------------------------------------------------


def clocks(profile: Profile) -> list[Finding]:
    """Return the findings on clocks."""
    return named(profile, "data.clock.skew")


def zero(_i: int) -> float:
    return 0.0


@pytest.mark.parametrize("seconds", [-2.0, -0.05, 0.05, 2.0])
def test_a_source_whose_pulls_are_all_off_alike_has_another_clock(tmp_path: Path, seconds: float) -> None:
    hosts = (lambda i: seconds if i % 2 else 0.0, zero)
    profile = hand_offs(tmp_path, lambda _i: 0.1, zero, hosts)
    (finding,) = clocks(profile)
    assert finding.subject == {"source": address(1)}
    assert finding.value == pytest.approx(abs(seconds) * 1000, abs=2)
    assert not named(profile, "pd.ratio")


@pytest.mark.parametrize("seconds", [-2.0, 0.05, 2.0])
def test_a_rank_whose_pulls_are_all_off_alike_has_another_clock(tmp_path: Path, seconds: float) -> None:
    (finding,) = clocks(
        hand_offs(tmp_path, lambda _i: 0.1, zero, (zero, lambda i: seconds if i % 4 == 2 else 0.0))
    )
    assert finding.subject == {"rank": 2, "role": "decode"}
    assert finding.value == pytest.approx(abs(seconds) * 1000, abs=2)


def test_pulls_that_all_start_before_their_prefill_ended_tell_of_clocks_at_least(tmp_path: Path) -> None:
    found = clocks(hand_offs(tmp_path, lambda _i: 0.1, zero, (zero, lambda _i: -0.5)))
    assert len(found) == 1
    assert "at least" in found[0].message
    assert found[0].value == pytest.approx(497, abs=2)


@pytest.mark.parametrize(
    ("wait", "on_d"),
    [
        (zero, zero),
        (lambda i: i / 4, zero),  # a queue varies
        (lambda i: 0.04 + (i * 37 % 10) / 100, zero),
        (lambda i: (i * 37 % 10) / 10 if i % 4 == 2 else 0.0, zero),  # a queue at one rank
        (zero, lambda i: 0.003 if i % 4 == 2 else 0.0),  # within the threshold
    ],
)
def test_waits_that_differ_from_pull_to_pull_are_no_clock(tmp_path: Path, wait: Time, on_d: Time) -> None:
    assert clocks(hand_offs(tmp_path, lambda _i: 0.1, wait, (zero, on_d))) == []


def test_a_queue_is_told_in_spite_of_a_clock(tmp_path: Path) -> None:
    hosts = (lambda i: 2.0 if i % 2 else 0.0, zero)
    profile = hand_offs(tmp_path, lambda _i: 0.1, lambda i: i / 4, hosts)
    assert [f.subject for f in everything(profile) if f.id == "pd.ratio"] == [{"role": "decode"}]


def test_nothing_is_said_of_the_recorded_cases_clocks(tmp_path: Path) -> None:
    assert not clocks(case("decode_full_handoff_waits", tmp_path))
    assert [f for f in find_all(open_profile(tmp_path)) if f.id == "data.clock.skew"] == []


# ---- what follows from what ---------------------------------------------------------------------------


def _finding(id: str, **subject: str | int) -> Finding:
    cost = Cost(None, "", "")
    return Finding(id, "warning", subject, "", 2.0, 1.25, cost, "", "", "", 1.6)


@pytest.mark.parametrize(
    ("skewed", "cause"), [([4, 5], "pd.node.skew"), ([4], "dp.batch_size.skew")], ids=["node", "domain"]
)
def test_a_decode_node_is_the_cause_where_several_of_its_domains_carry_more(
    skewed: list[int], cause: str
) -> None:
    batches = [_finding("dp.batch_size.skew", host="d2", dp_rank=rank, role="decode") for rank in skewed]
    node = _finding("pd.node.skew", address="10.20.1.13:1025", role="decode")
    (found,) = explained([*batches, node], {}, {"decode": 4})
    assert found.id == cause
    assert len(found.consequences) == len(skewed)


@pytest.mark.parametrize(("ratio", "follows"), [(1.5, True), (2.6, False)])
def test_peers_of_a_still_node_carry_its_share_and_no_more(ratio: float, follows: bool) -> None:
    still = _finding("pd.node.stalled", address="10.20.0.11:1025", role="prefill")
    skew = replace(_finding("pd.node.skew", address="10.20.0.12:1025", role="prefill"), value=ratio)
    assert (len(explained([still, skew], {}, {"prefill": 3})) == 1) == follows
