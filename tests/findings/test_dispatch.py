"""Requests sent to a domain, counted from prefills, batches, pulls and queues."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lbtui.findings import evidence_of
from lbtui.findings.dispatch import dispatched
from lbtui.findings.evidence import Evidence
from lbtui.sources import open_profile
from tests.findings.service import MS, SECOND, START, Group, service, write_service
from tests.findings.test_cases import DECODE, PREFILL
from tests.tools import parser_format as fmt


def _edges(seconds: float = 60, bins: int = 6) -> np.ndarray:
    return np.linspace(START / 1000 - 1e6, START / 1000 + seconds * 1e6, bins + 1).astype(np.int64)


def _sent(evidence: Evidence, instance: str, edges: np.ndarray | None = None) -> list[int]:
    counts = dispatched(evidence, evidence.instances[instance], _edges() if edges is None else edges)
    return np.rint(counts.sum(axis=1)).astype(int).tolist()


def _prefilled(folder: Path, group: Group) -> list[int]:
    """Return the requests in each domain's prefill passes of forward.csv, by plain text."""
    counts = [0] * group.domains
    for line in (folder / "forward.csv").read_text().splitlines()[1:]:
        cells = line.split(",")
        if cells[7] == "Prefill" and cells[11] == group.host:
            counts[int(cells[9])] += int(cells[6])
    return counts


def test_prefills_tell_what_came(tmp_path: Path) -> None:
    group = Group(rate=lambda dp, _s: 3 + 2 * dp)
    folder = write_service(tmp_path, group)
    # Those still running at the end are not in request.csv: all count in the same proportion.
    expected = _prefilled(folder, group)
    finished = sum(1 for _ in (folder / "request.csv").open()) - 1
    sent = _sent(evidence_of(open_profile(folder)), "node-a")
    assert sent == pytest.approx([n * finished / sum(expected) for n in expected], abs=1)


@pytest.mark.parametrize("queue", [lambda dp, s: int(2 * s) if dp == 1 else 0])
def test_a_queue_that_grows_came_too(tmp_path: Path, queue: Callable[[int, float], int]) -> None:
    without = _sent(evidence_of(service(tmp_path / "a", Group(waiting=lambda _d, _s: 0))), "node-a")
    grown = _sent(evidence_of(service(tmp_path / "b", Group(waiting=queue))), "node-a")
    difference = [b - a for a, b in zip(without, grown, strict=True)]
    assert difference == [0, pytest.approx(79, abs=2), 0, 0]  # 2 a second for 40 s


def test_a_queue_that_drains_into_rounds_that_are_not_there_sent_nothing(tmp_path: Path) -> None:
    # As where the rounds of the beginning are lost: what is less than none cannot be given to anyone.
    group = Group(rate=lambda _d, s: 3 if s > 30 else 0, waiting=lambda _d, s: max(0, 30 - int(2 * s)))
    evidence = evidence_of(service(tmp_path, group))
    counts = dispatched(evidence, evidence.domains, _edges()[1:])
    assert (counts >= 0).all()


def test_what_was_sent_is_not_taken_back_when_a_queue_falls(tmp_path: Path) -> None:
    group = Group(waiting=lambda _d, s: max(0, 30 - int(s)))
    counts = dispatched(evidence := evidence_of(service(tmp_path, group)), evidence.domains, _edges())
    assert (counts >= 0).all()


def test_decode_domains_get_what_they_pull(tmp_path: Path) -> None:
    folder = write_service(tmp_path, PREFILL, DECODE)
    pulls = [
        fmt.Pull(f"r{i}", 0 if i % 4 else 1, 500, 0, 4, at := START + i * SECOND // 2, at + 3 * MS)
        for i in range(40)
    ]
    fmt.write_pd_split_kvcache_csv(folder / "pd_split_kvcache.csv", pulls)
    assert _sent(evidence_of(open_profile(folder)), "srv-d0") == [30, 10]


def test_decode_domains_without_pulls_get_what_their_batches_grow_by(tmp_path: Path) -> None:
    decode = replace(DECODE, rate=lambda dp, _s: 2 + 4 * dp)
    sent = _sent(evidence_of(service(tmp_path, PREFILL, decode)), "srv-d0")
    # Requests that come as others end are not seen: fewer than really came, in much the same proportion.
    assert sent[1] > 1.7 * sent[0]
    assert sent[0] > 30  # of about 48


def test_ranks_of_two_decode_instances_do_not_tell_whose_pulls_they_are(tmp_path: Path) -> None:
    other = replace(DECODE, host="srv-d1-master-0", first_pid=30_000, seed=8)
    folder = write_service(tmp_path, PREFILL, DECODE, other)
    fmt.write_pd_split_kvcache_csv(
        folder / "pd_split_kvcache.csv",
        [fmt.Pull(f"r{i}", i % 2, 500, 0, 4, START + i * SECOND, START + i * SECOND + MS) for i in range(30)],
    )
    sent = _sent(evidence_of(open_profile(folder)), "srv-d0")
    assert sum(sent) > 30  # by growth of the batches, not the 30 pulls


def test_nothing_is_sent_outside_the_edges(tmp_path: Path) -> None:
    evidence = evidence_of(service(tmp_path, Group()))
    before = np.linspace(START / 1000 - 9e6, START / 1000 - 1e6, 5).astype(np.int64)
    assert _sent(evidence, "node-a", before) == [0, 0, 0, 0]
