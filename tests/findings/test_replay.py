"""Replays of profiles of every reader and engine: what is recorded by the files themselves, and the mends."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from lbtui.findings import diagnosis as diagnosis_module
from lbtui.findings.diagnosis import diagnose, with_latency
from lbtui.findings.model import Cost, Finding
from lbtui.findings.replay.mend import mend_of
from lbtui.findings.replay.what_if import prepared, prepared_of, ratio_answer_of, routing_of
from lbtui.findings.run import evidence_of
from lbtui.overview.run import overview
from lbtui.profile import Cancelled, Loaded, Progress
from lbtui.report import as_json
from lbtui.sources import open_profile
from lbtui.thresholds import Thresholds
from tests.findings.samples import DEMO, SAMPLES


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_profile_is_replayed_or_it_is_said_why_not(sample: str, tmp_path: Path) -> None:
    made = prepared(open_profile(SAMPLES[sample](tmp_path)), Thresholds())
    assert "could not be read" not in made.absent
    if made.asked is None:
        assert made.absent
        assert routing_of(made).absent == ratio_answer_of(made).absent == made.absent
        return
    assert made.test is not None
    for row in made.test.rows:
        assert np.isfinite([row.replayed, row.low, row.high]).all(), row.name
    if not made.holds:
        assert not routing_of(made).rows
        assert "does not give what was recorded" in routing_of(made).absent


def plain(folder: Path) -> dict[str, list[float]]:
    """Return TTFT, TPOT and end to end (ms) of request.csv, by the csv module alone."""
    found: dict[str, list[float]] = {"ttft": [], "tpot": [], "e2e": []}
    with (folder / "request.csv").open() as file:
        for row in csv.DictReader(file):
            ttft, whole = float(row["first_token_latency(ms)"]), float(row["execution_time(ms)"])
            tokens = float(row["reply_token_size"])
            found["ttft"].append(ttft)
            found["e2e"].append(whole)
            if tokens > 1:
                found["tpot"].append((whole - ttft) / (tokens - 1))
    return found


def test_recorded_figures_are_those_of_request_csv(tmp_path: Path) -> None:
    folder = SAMPLES["csv_only"](tmp_path)
    test = prepared(open_profile(folder), Thresholds()).test
    assert test is not None
    by_name = {row.name: row.recorded for row in test.rows}
    for name, values in plain(folder).items():
        for share in (50, 95):
            assert by_name[f"{name}_p{share}"] == pytest.approx(np.percentile(values, share), rel=2e-3)  # type: ignore[index]


def test_the_same_profile_gives_the_same_answers() -> None:
    one, other = (routing_of(prepared(open_profile(DEMO), Thresholds())) for _turn in range(2))
    assert one.rows
    for mine, theirs in zip(one.rows, other.rows, strict=True):
        assert mine.answer == theirs.answer


def test_targets_are_those_of_the_run_or_as_given() -> None:
    limits = Thresholds(targets=(("ttft", 700.0),))
    made = prepared(open_profile(DEMO), limits)
    assert made.asked is not None
    assert made.asked.targets.limits == {"ttft": 700.0}
    own = made.asked.recorded
    met = int((own.ttft <= 700).sum())
    assert own.figures(made.asked.targets)["goodput"] == pytest.approx(met / own.seconds)


def test_clocks_that_differ_between_prefill_and_decode_are_said() -> None:
    evidence = evidence_of(open_profile(DEMO))
    transfers = evidence.frames["transfers"]
    moved = transfers.frame.with_columns(pl.col("start", "end") + pl.duration(seconds=2))
    frames = {**evidence.frames, "transfers": Loaded(moved, transfers.provenance)}
    made = prepared_of(replace(evidence, frames=frames), Thresholds())
    assert made.asked is None
    assert made.absent.startswith("the clocks of ")


class Impatient(Progress):
    """One that is cancelled once a replay has begun."""

    def advance(self, what: str, done: int, total: int) -> None:
        if what == "replay":
            raise Cancelled


def test_a_replay_is_cancelled_while_it_runs() -> None:
    made = prepared(open_profile(DEMO), Thresholds(), Impatient())
    with pytest.raises(Cancelled):
        routing_of(made)


# What a finding costs, by replay


def mended(profile_path: Path) -> dict[str, Finding]:
    profile = open_profile(profile_path)
    found = with_latency(diagnose(profile, None), profile, Thresholds())
    return {finding.id: finding for finding in found.findings}


def test_findings_quote_what_the_run_would_be_without_them() -> None:
    found = mended(DEMO)
    assert found["kv.exhausted"].what_if.startswith("With as many KV blocks as its peers have, replayed: ")
    assert found["dp.batch_size.skew"].what_if.startswith("With requests dispatched in turn, replayed: ")
    assert found["pd.node.skew"].what_if.startswith("With requests dispatched to prefill nodes in turn")
    assert found["pd.transfer.slow"].what_if.startswith("With KV pulls as fast as the others', replayed: ")


def test_a_quoted_figure_is_that_of_the_replay() -> None:
    made = prepared(open_profile(DEMO), Thresholds())
    assert made.asked is not None
    turns = next(row for row in routing_of(made).rows if row.policy == "recorded")
    before = turns.answer.figures["ttft_p95"]
    words = mended(DEMO)["pd.node.skew"].what_if
    assert f"TTFT p95 {before:,.0f} → " in words


def test_without_a_replay_that_holds_findings_are_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    from lbtui.analysis.replay import asked

    monkeypatch.setattr(asked, "MOST_OFF", 0.0)
    monkeypatch.setattr(asked, "SENSITIVITY", 0.0)
    assert all(not finding.what_if for id_, finding in mended(DEMO).items() if not id_.startswith("ep."))


def test_a_replay_that_fails_leaves_the_findings(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: object) -> None:
        raise ValueError("a fault")

    monkeypatch.setattr(diagnosis_module, "with_mends", broken)
    assert "kv.exhausted" in mended(DEMO)


def finding(id_: str, **subject: object) -> Finding:
    return Finding(
        id=id_,
        severity="warning",
        subject=subject,  # type: ignore[arg-type]
        metric="",
        value=2.0,
        threshold=1.0,
        cost=Cost(None, "", ""),
        message="",
        advice="",
        evidence="",
    )


def test_what_is_taken_out_is_what_the_finding_names() -> None:
    evidence = evidence_of(open_profile(DEMO))
    asked = prepared_of(evidence, Thresholds()).asked
    assert asked is not None
    keys = [domain.key for domain in asked.fitted.service.domains]
    slow = mend_of(finding("dp.straggler", instance="mindie-server-d0", dp_rank=5), asked, evidence.domains)
    assert slow is not None
    assert slow.cause == "slow"
    assert [keys[place] for place in slow.domains] == ["mindie-server-d0/dp5"]
    host = finding("dp.bubble.long", instance="mindie-server-d0", host="mindie-server-d0-worker-1")
    gap = mend_of(host, asked, evidence.domains)
    assert gap is not None
    assert len(gap.domains) == 2
    assert mend_of(finding("dp.stalled", dp_rank=1), asked, evidence.domains) is None
    assert mend_of(finding("pd.transfer.slow", rank=6, source="1.2.3.4"), asked, evidence.domains) is None
    assert mend_of(finding("dp.straggler", dp_rank=77), asked, evidence.domains) is None
    # A domain with a smaller pool is helped by a larger one, another by fewer requests.
    small = mend_of(finding("kv.skew", instance="mindie-server-d0", dp_rank=2), asked, evidence.domains)
    other = mend_of(finding("kv.skew", instance="mindie-server-d0", dp_rank=4), asked, evidence.domains)
    assert (small and small.cause, other and other.cause) == ("pool", "dispatch")


def test_findings_without_a_cause_to_take_out_cost_no_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis_module, "prepared_of", lambda *_: pytest.fail("replayed"))
    profile = open_profile(DEMO)
    found = diagnose(profile, None)
    none = replace(found, found=tuple(one for one in found.found if one.finding.dimension == "ep"))
    with_latency(none, profile, Thresholds())


def test_json_has_what_a_finding_quotes() -> None:
    profile = open_profile(DEMO)
    found = with_latency(diagnose(profile, None), profile, Thresholds())
    told = json.loads(as_json(overview(profile), found.findings, None, found.told, ascii_only=False))
    quoted = {each["id"]: each.get("what_if", "") for each in told["findings"]}
    assert "replayed" in quoted["kv.exhausted"]


@pytest.mark.parametrize(
    ("named", "prefills", "told"),
    [
        ((1, 1), 1, ""),  # as many as hosts
        ((2, 1), 2, ""),  # as many prefill nodes as domains: those of a host are nodes of their own
        ((0, 0), 1, ""),  # no coordinator: hosts
        ((5, 1), 0, "nothing tells which domains are one of the nodes that are named"),
    ],
)
def test_nodes_are_as_many_as_the_coordinator_names(
    named: tuple[int, int], prefills: int, told: str, tmp_path: Path
) -> None:
    evidence = evidence_of(open_profile(SAMPLES["cases/mindie_pd_plain_hosts"](tmp_path)))
    nodes = evidence.frames["nodes"]
    rows = [
        (f"10.0.{number}.{role}:1025", role)
        for role, count in zip(("prefill", "decode"), named, strict=True)
        for number in range(count)
    ]
    columns = pl.DataFrame(rows, schema={"address": pl.String, "role": pl.String}, orient="row")
    frames = {**evidence.frames, "nodes": Loaded(columns, nodes.provenance)}
    found = ratio_answer_of(prepared_of(replace(evidence, frames=frames), Thresholds()))
    assert found.absent == told
    if found.ratio is not None:
        assert (found.ratio.present.prefill, found.ratio.present.decode) == (prefills, 1)
