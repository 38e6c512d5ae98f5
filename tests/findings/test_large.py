"""A forward.csv too large to hold is judged by joined steps: the same findings as from all its passes."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from lbtui.comparison import compare, metrics
from lbtui.findings.diagnosis import diagnose
from lbtui.findings.run import evidence_of, find_in
from lbtui.sources import open_profile
from lbtui.sources.steps import large_forward
from lbtui.sources.tables import csv_lines
from lbtui.thresholds import Thresholds
from tests.findings.service import Group, service
from tests.sources.recorded import CSV_ONLY, lay_out

WINDOW = (1_767_225_600_000_000, 1_767_225_610_000_000)
RECORDED = {
    "mindie_tp4": ["mindie_tp4/forward.csv", "mindie_tp4/batch.csv"],
    "vllm_small": ["vllm_small/forward.csv", "vllm_small/batch.csv"],
    "no rank": ["vllm_small/forward.csv"],
    "csv_only": CSV_ONLY,
}


@pytest.mark.parametrize("name", [*RECORDED, "slow card"])
def test_the_same_findings(monkeypatch, tmp_path, name):
    if name == "slow card":
        folder = service(tmp_path, Group(domains=2, cards=2, slow={(1, 1): 1.3})).path
    else:
        folder = lay_out(tmp_path, *RECORDED[name])
    expected = diagnose(open_profile(folder), WINDOW)
    monkeypatch.setattr(large_forward, "LARGE_FORWARD", 0)
    monkeypatch.setattr(csv_lines, "_READ", 16_000)  # some hundred rows
    in_parts = open_profile(folder)
    found = diagnose(in_parts, WINDOW)
    assert "cards" in in_parts.loaded()["steps"].frame.columns
    assert [plain(f) for f in found.findings] == [plain(f) for f in expected.findings]
    for one, other in zip(found.findings, expected.findings, strict=True):
        # Sums of floats in whatever order polars' threads bring them.
        assert one.value == pytest.approx(other.value, rel=1e-12)
    assert [drawn(f) for f in found.found] == [drawn(f) for f in expected.found]
    assert {f.id for f in found.findings} >= {"dp.straggler"} or name != "slow card"


def plain(finding):
    said = (finding.id, finding.severity, finding.subject, finding.window, finding.message, finding.evidence)
    return (*said, finding.cost and finding.cost.text, [plain(f) for f in finding.consequences])


def drawn(found):
    picture = found.picture
    return picture and [(s.name, repr(np.round(np.array(s.values, float), 9))) for s in picture.strips]


def test_the_same_comparison(monkeypatch, tmp_path):
    folders = []
    for name, slow in (("before", {}), ("after", {(1, 1): 1.3})):
        (tmp_path / name).mkdir()
        folders.append(service(tmp_path / name, Group(domains=3, cards=2, slow=slow)).path)
    expected = compare(*map(open_profile, folders))
    monkeypatch.setattr(large_forward, "LARGE_FORWARD", 0)
    monkeypatch.setattr(csv_lines, "_READ", 16_000)  # some hundred rows
    in_parts = [open_profile(folder) for folder in folders]
    found = compare(*in_parts)
    assert all("cards" in p.loaded()["steps"].frame.columns for p in in_parts)
    assert not any("steps" in p._frames for p in in_parts), "no pass is held"
    assert len(found.rows) == len(expected.rows) > 20
    known = [row.metric for row in found.rows if np.isfinite([row.before, row.after, row.low]).all()]
    assert {metrics.BATCH_SIZE_PAR, metrics.TOKENS_PAR, metrics.WASTED_SHARE} <= set(known)
    for one, other in zip(found.rows, expected.rows, strict=True):
        assert (one.metric, one.subject, one.verdict, one.reason) == (
            other.metric,
            other.subject,
            other.verdict,
            other.reason,
        )
        for name in ("before", "after", "low", "high"):
            ours, theirs = getattr(one, name), getattr(other, name)
            assert ours == pytest.approx(theirs, rel=1e-12, nan_ok=True), (one.metric.label, name)
    assert found.notes == expected.notes


def split(monkeypatch, folder):
    """Return the evidence of a profile whose passes are not held."""
    monkeypatch.setattr(large_forward, "LARGE_FORWARD", 0)
    monkeypatch.setattr(csv_lines, "_READ", 16_000)  # some hundred rows
    return evidence_of(open_profile(folder))


@pytest.mark.parametrize("left_out", [0, 7])
@pytest.mark.parametrize("name", [*RECORDED, "slow card"])
def test_no_card_is_slower_than_the_times_of_all_allow(monkeypatch, tmp_path, name, left_out):
    if name == "slow card":
        folder = service(tmp_path, Group(domains=2, cards=2, slow={(1, 1): 1.3})).path
    else:
        folder = lay_out(tmp_path, *RECORDED[name])
    if left_out:  # steps that not all cards take part in
        header, *lines = (folder / "forward.csv").read_text().splitlines()
        kept = [line for number, line in enumerate(lines) if number % left_out]
        (folder / "forward.csv").write_text("\n".join([header, *kept, ""]))
    evidence = split(monkeypatch, folder)
    others = (pl.col("duration").sum().over("step") - pl.col("duration")) / (pl.len().over("step") - 1)
    compared = 0
    for domain in evidence.domains:
        cards = evidence.passes_of(domain.key).filter(pl.len().over("step") > 1)
        sums = cards.with_columns(others=others).group_by("prof_id").agg(pl.col("duration", "others").sum())
        for ratio in sums["duration"] / sums["others"]:
            assert evidence.may_have_slow_card(domain.key, ratio)
            compared += 1
    assert compared or name not in ("mindie_tp4", "slow card")


@pytest.mark.parametrize("slow", [{}, {(1, 1): 1.3}])
def test_passes_are_read_again_only_where_a_card_may_be_slow(monkeypatch, tmp_path, slow):
    folder = service(tmp_path, Group(domains=2, cards=2, slow=slow)).path
    evidence = split(monkeypatch, folder)
    reads = []
    read = evidence.read_passes
    found = find_in(replace(evidence, read_passes=lambda: reads.append(1) or read()), Thresholds())
    assert len(reads) == bool(slow)
    assert any(f.id == "dp.straggler" for f in found) == bool(slow)
