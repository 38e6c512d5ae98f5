"""The faults that are in the recorded samples and the demo are found, where and when they are."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from lbtui.findings import Finding, evidence_of, find_all, supporting_figures
from lbtui.sources import open_profile
from lbtui.thresholds import Thresholds
from tests.findings.service import Group, service
from tests.sources.recorded import CSV_ONLY, DATA, lay_out

DEMO = Path(__file__).parents[2] / "lbtui" / "demo" / "output"
START = datetime(2026, 1, 1)
DEMO_START = datetime(2026, 3, 2, 2)


def found(folder: Path) -> list[Finding]:
    """Return the imbalances in their order."""
    return [f for f in find_all(open_profile(folder)) if f.dimension != "data"]


def flat(findings: list[Finding]) -> list[Finding]:
    """Return findings and consequences."""
    return [each for f in findings for each in (f, *f.consequences)]


def at(findings: list[Finding], id: str, **subject: object) -> Finding:
    """Return the one finding of an id and subject."""
    (only,) = [f for f in findings if f.id == id and all(f.subject.get(k) == v for k, v in subject.items())]
    return only


def overlaps(finding: Finding, start: datetime, first: float, last: float) -> bool:
    """Tell whether a finding's window shares time with seconds [first, last) after `start`."""
    assert finding.window is not None
    return finding.window[0] < start + timedelta(seconds=last) and finding.window[1] > start + timedelta(
        seconds=first
    )


def test_mindie_small_as_csv(tmp_path: Path) -> None:
    findings = found(lay_out(tmp_path, *CSV_ONLY))
    out = at(findings, "kv.exhausted", dp_rank=3)
    assert overlaps(at(findings, "dp.batch_size.skew", dp_rank=2), START, 2.5, 5.0)
    assert {f.id for f in out.consequences} == {"dp.queue.skew", "kv.skew"}
    assert len(findings) == 2


def test_mindie_small_as_trace_names_the_same_domains_as_far_as_it_goes(tmp_path: Path) -> None:
    findings = found(lay_out(tmp_path, "chrome_mindie_small.json"))
    skew = at(findings, "dp.batch_size.skew", dp_rank=2)
    assert overlaps(skew, START, 2.5, 5.0)
    # A trace's KV counters are 0 for MindIE: the queue is all that is seen of domain 3's small pool.
    assert at(findings, "dp.queue.skew", dp_rank=3)
    assert len(findings) == 2


def test_mindie_tp4(tmp_path: Path) -> None:
    names = [f"mindie_tp4/{name}.csv" for name in ("batch", "forward", "request_status")]
    (finding,) = found(lay_out(tmp_path, *names))
    assert (finding.id, finding.subject["dp_rank"]) == ("dp.batch_size.skew", 1)
    assert overlaps(finding, START, 3.0, 6.0)


def test_vllm_small(tmp_path: Path) -> None:
    names = ("batch", "forward", "kvcache", "request", "request_status")
    findings = found(lay_out(tmp_path, *(f"vllm_small/{name}.csv" for name in names)))
    assert findings[0] == at(findings, "dp.batch_size.skew", dp_rank=1)
    assert overlaps(findings[0], START, 2.0, 4.0)
    assert at(findings, "kv.skew", dp_rank=0).value == pytest.approx(0.1)
    assert len(findings) == 2


def test_pd_ep_pictures() -> None:
    findings = found(DATA / "pd_ep_png")
    assert findings[0].id in ("ep.expert.hot", "ep.rank.hot")
    hot = at(findings, "ep.rank.hot", rank=3)
    assert [f.id for f in hot.consequences] == ["ep.skew", "ep.eplb.ineffective"]
    assert at(findings, "ep.expert.hot", expert=120).subject["layer"] == 10
    assert "layer" not in at(findings, "ep.expert.hot", expert=37).subject
    assert {f.id for f in findings} == {"ep.expert.hot", "ep.rank.hot"}


def test_pd_ep_nodes(tmp_path: Path) -> None:
    names = [f"pd_ep/{name}.csv" for name in ("coordinator", "request", "pd_split_kvcache")]
    findings = found(lay_out(tmp_path, *names))
    assert findings[0] == at(findings, "pd.node.skew", address="10.20.0.12:1025", role="prefill")
    for other in findings[1:]:  # more requests for DP 5 come through its node
        assert other.subject["address"] == "10.20.1.13:1025"
        assert overlaps(other, START, 21, 29)


def test_the_demos_five_faults() -> None:
    findings = found(DEMO)
    skew = at(findings, "dp.batch_size.skew", dp_rank=5)
    assert skew.subject["host"] == "mindie-server-d0-worker-1"
    assert overlaps(skew, DEMO_START, 32, 66)
    assert at(findings, "kv.exhausted", dp_rank=2).subject["role"] == "decode"
    prefill = at(findings, "pd.node.skew", address="10.20.0.12:1025")
    assert [f.subject["role"] for f in prefill.consequences] == ["prefill"]
    assert at(findings, "pd.transfer.slow", rank=6)
    assert at(findings, "ep.rank.hot", rank=3)
    assert at(findings, "ep.expert.hot", expert=120).subject["layer"] == 10
    assert "layer" not in at(findings, "ep.expert.hot", expert=37).subject
    assert len(findings) == 7


def test_most_severe_first_and_every_finding_says_what_it_costs() -> None:
    findings = found(DEMO)
    severities = [("critical", "warning", "info").index(f.severity) for f in findings]
    assert severities == sorted(severities)
    for finding in flat(findings):
        assert finding.cost.text
        assert finding.message.endswith((".", "%"))
        assert finding.advice
        assert finding.excess >= 1
        assert finding.p_value is None or 0 <= finding.p_value <= 0.01


def test_an_even_service_has_figures_that_say_so(tmp_path: Path) -> None:
    (figure,) = supporting_figures(evidence_of(service(tmp_path, Group(domains=4))), Thresholds())
    assert figure.dimension == "dp"
    assert 1 < figure.value < figure.high * 1.15
    assert f"{figure.value:.2f}" in figure.text


def test_figures_of_the_demo_name_what_is_uneven() -> None:
    figures = supporting_figures(evidence_of(open_profile(DEMO)), Thresholds())
    assert [f.dimension for f in figures] == ["dp"] * 2 + ["pd"] * 6 + ["ep"]
    shares = {f.subject: f for f in figures if f.dimension == "pd"}
    assert shares["10.20.0.12:1025"].low > 0.5  # an equal share is not in its interval
    assert figures[-1].value > figures[-1].high
