"""Where hosts' clocks differ, what goes from one host to another is marked, and nothing else."""

from __future__ import annotations

import json
import random
from pathlib import Path
from types import SimpleNamespace

import pytest

from lbtui.comparison import compare
from lbtui.findings import Cost, Finding, find_all
from lbtui.findings.doubts import clock_doubt, comparable, doubt_of, with_doubt
from lbtui.findings.lockstep_clocks import find_lockstep_clocks
from lbtui.overview.run import overview
from lbtui.profile import Profile
from lbtui.report import as_json
from lbtui.sources import open_profile
from lbtui.thresholds import Thresholds
from tests.findings.service import MS, START
from tests.tools import parser_format as fmt


def hand_offs(folder: Path, ahead_ms: float, seed: int = 5) -> Profile:
    """200 hand-offs from two P nodes to ranks 0 and 1; the clock of rank 1 is ahead."""
    rng = random.Random(seed)
    handoffs, pulls = [], []
    for i in range(200):
        arrival = START + 100 * i * MS
        done = arrival + int(rng.uniform(20, 40) * MS)
        rank, source = i % 2, (i // 2) % 2
        shift = int(ahead_ms * MS) * rank
        end = done + int(rng.uniform(300, 600) * MS) + shift
        handoffs.append(fmt.Handoff(f"r{i}", arrival, done, done + MS, done, end))
        pull = done + int(rng.uniform(2, 4) * MS) + shift
        pulls.append(fmt.Pull(f"r{i}", rank, 500, source, 4, pull, pull + 3 * MS))
    folder.mkdir(exist_ok=True)
    fmt.write_pd_split_communication_csv(folder / "pd_split_communication.csv", handoffs)
    fmt.write_pd_split_kvcache_csv(folder / "pd_split_kvcache.csv", pulls)
    return open_profile(folder)


def test_what_goes_across_is_doubtful_and_what_does_not_is_not(tmp_path: Path) -> None:
    profile = hand_offs(tmp_path, 2000)
    findings = find_all(profile)
    known = with_doubt(overview(profile), findings)
    doubts = {(f.metric, f.formula): f.doubt for f in known.figures()}
    assert "differ by 2.0 s" in doubts["hand_off_wait", "p50"]
    assert doubts["pull", "p50"] == ""
    (line,) = [line for line in known.lines if line.key == "pd.hand_off_wait"]
    assert line.headline.endswith(" ms ?")
    assert line.details[-1].startswith("wait for the KV pull: Doubtful: ")
    figures = json.loads(as_json(known, findings, ascii_only=False))["metrics"]["pd"]
    assert {f["metric"]: "doubt" in f for f in figures} == {"hand_off_wait": True, "pull": False}


@pytest.mark.parametrize("ahead", [0.0, 1.0])
def test_clocks_that_agree_leave_no_doubt(tmp_path: Path, ahead: float) -> None:
    profile = hand_offs(tmp_path, ahead)
    known = overview(profile)
    assert with_doubt(known, find_all(profile)) is known
    assert doubt_of(profile, Thresholds()) == ""


def test_rows_that_clocks_make_doubtful_are_not_compared(tmp_path: Path) -> None:
    before, after = hand_offs(tmp_path / "a", 0, seed=6), hand_offs(tmp_path / "b", 2000)
    doubts = doubt_of(before, Thresholds()), doubt_of(after, Thresholds())
    assert doubts[0] == ""
    rows = {row.metric.key: row for row in comparable(compare(before, after), *doubts).rows}
    across = rows["handoff.arrival_to_end.p50"]
    assert (across.verdict, across.reason) == ("not_comparable", f"after: {doubts[1]}")
    assert "2.0 s" in across.reason
    assert rows["handoff.arrival_to_prefill_done.p50"].verdict == "no_evidence"
    assert rows["transfer.p50"].verdict != "not_comparable"


def test_a_doubt_names_host_and_amount() -> None:
    profile_wide = _skew(50.4, {"host": "n\x1b[31m"})
    said = clock_doubt([profile_wide, profile_wide])
    assert said.count("50 ms") == 1
    assert "\x1b" not in said
    assert clock_doubt([]) == ""


def _skew(ms: float, subject: dict[str, str | int]) -> Finding:
    return Finding("data.clock.skew", "warning", subject, "", ms, 5.0, Cost(None, "", ""), "", "", "", 1.0)


@pytest.mark.parametrize(
    ("offsets", "told", "found", "sure"),
    [
        ({"a": 0, "b": 2_000_000}, set(), {"b": 2000}, False),
        # Which of two is off nothing tells: the one ahead is named.
        ({"a": 0, "b": -2_000_000}, set(), {"a": 2000}, False),
        ({"a": 0, "b": 50_000, "c": 50_300, "d": 200}, set(), {"b": 50, "c": 50}, False),
        ({"a": 0, "b": -50_000, "c": 30_000}, set(), {"a": 50, "c": 80}, False),
        # The pulls tell which of the two it is.
        ({"a": 0, "b": -2_000_000}, {"a"}, {}, True),
        ({"a": 0, "b": -2_000_000}, {"b"}, {}, True),
        ({"a": 0, "b": -2_000_000}, {"a", "b"}, {}, True),
        # Of several the one that is told is no yardstick; another that is off, too, is.
        ({"a": 0, "b": 0, "c": 50_000}, set(), {"c": 50}, True),
        ({"a": 0, "b": -50_000, "c": 300}, set(), {"b": 50}, True),
        ({"a": 0, "b": 60_000, "c": 0, "d": 90_000}, {"d"}, {"b": 60}, True),
    ],
)
def test_of_hosts_that_step_together_those_off_the_clock_that_most_share_are_told(
    offsets, told, found, sure
) -> None:
    evidence = SimpleNamespace(clock_offsets={"i": offsets}, file=lambda name: f"{name}.csv")
    findings = list(find_lockstep_clocks(evidence, Thresholds(), told))
    assert {f.subject["host"]: round(f.value) for f in findings} == found
    assert all(("Which of these clocks is off" in f.message) != sure for f in findings)
