"""Clocks of two hosts whose domains step together, from forward.csv to what is taken out."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from lbtui.findings.run import evidence_of
from lbtui.sources import open_profile
from tests.findings.service import MS, START
from tests.tools import parser_format as fmt


def _offsets(folder: Path, ahead_ms: float = 0.0, late_ms: float = 0.0) -> dict[str, int]:
    """Return what is found of two hosts that take 300 steps; the second is ahead or begins late."""
    rng = random.Random(3)
    rows, time = [], START
    for step in range(300):
        length = rng.gauss(25, 0.4)
        for rank in range(4):
            if rank % 2 == 0 and step % 10:  # seldom has anything to do
                continue
            host, second = ("node-a", "node-b")[rank // 2], rank // 2
            start = time + int((rng.uniform(0, 0.2) + second * (late_ms + ahead_ms)) * MS)
            rows.append(fmt.ForwardRow(start, start + int(length * MS), 4, "Decode", rank, host, 1000 + rank))
        time += int((length + late_ms + 2) * MS)
    fmt.write_forward_csv(folder / "forward.csv", rows)
    return evidence_of(open_profile(folder)).clock_offsets.get("node-a", {})


@pytest.mark.parametrize("ahead", [10.0, -60.0, 27.0, -54.0])
def test_a_clock_that_is_off_is_told_and_if_by_whole_steps(tmp_path: Path, ahead: float) -> None:
    found = _offsets(tmp_path, ahead)
    assert found["node-b"] - found["node-a"] == pytest.approx(1000 * ahead, abs=50)


@pytest.mark.parametrize("late", [0.0, 6.0, 15.0, 40.0])
def test_a_host_that_begins_its_steps_late_has_no_other_clock(tmp_path: Path, late: float) -> None:
    assert _offsets(tmp_path, late_ms=late) == {}
