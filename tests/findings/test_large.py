"""A forward.csv too large to hold is judged by joined steps: the same findings as from all its passes."""

import numpy as np
import pytest

from lbtui.analysis.comparison import compare, metrics
from lbtui.findings.diagnosis import diagnose
from lbtui.sources import open_profile
from lbtui.sources.canonical import forward_csv, large_forward
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
    monkeypatch.setattr(forward_csv, "_BATCH", 97)
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
    monkeypatch.setattr(forward_csv, "_BATCH", 97)
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
