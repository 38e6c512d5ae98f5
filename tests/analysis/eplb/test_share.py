"""What expert computation takes of a step: whose passes, of how much time, and why it may be unknown."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from lbtui.analysis.eplb.share import Computing, by_layer_times, by_slices, cards_of, service_of
from lbtui.profile import empty
from lbtui.profile.slices import Slices, Track

T0 = datetime(2026, 3, 1)


def steps(pids, instance="d0", ms=50.0, count=100, cards=1):
    """Return passes of a card a pid, `cards` of which are a domain."""
    rows = [
        {
            "instance": instance,
            "host": f"{instance}-a",
            "domain": f"{instance}/dp{place // cards}",
            "prof_id": f"ms_service_{instance}-a-{pid}",
            "start": T0 + timedelta(milliseconds=2 * ms * number),
            "end": T0 + timedelta(milliseconds=2 * ms * number + ms),
            "duration": ms,
        }
        for place, pid in enumerate(pids)
        for number in range(count)
    ]
    known = pl.DataFrame(rows, schema_overrides={"start": pl.Datetime("us"), "end": pl.Datetime("us")})
    return pl.concat([empty("steps"), known], how="diagonal_relaxed")


def times(by_pid):
    """Return `layer_times` of two layers that share a process's ms."""
    rows = [
        {"layer": layer, "process": pid, "column": place, "time": ms * 1e6 / 2}
        for place, (pid, ms) in enumerate(by_pid.items())
        for layer in (0, 1)
    ]
    return by_layer_times(pl.DataFrame(rows), "ep_balance.csv")


def test_processes_are_found_by_their_pids():
    frame = pl.concat([steps([1, 2]), steps([7, 8], "p0", ms=200.0)])
    found = service_of(times({1: 1500, 2: 500, 9: 90_000}), cards_of(frame), 10_000, "d0")
    # 100 passes of 50 ms; the third process ran none of them.
    assert found.share == pytest.approx(1000 / 5000)
    assert found.busy == pytest.approx(0.5)
    assert found.pass_ms == pytest.approx(50)
    assert found.told == "GroupedMatmul time of 2 processes in ep_balance.csv / time of 2 cards' passes"


def test_of_two_instances_the_one_that_is_meant():
    frame = pl.concat([steps([1, 2]), steps([7, 8], "p0", ms=200.0)])
    both = times({1: 1000, 2: 1000, 7: 8000, 8: 8000})
    assert service_of(both, cards_of(frame), 10_000, "d0").share == pytest.approx(0.2)
    assert service_of(both, cards_of(frame), 40_000, "p0").share == pytest.approx(0.4)


def test_processes_of_other_pids_are_guessed_by_their_number():
    frame = pl.concat([steps(range(10, 14), cards=2), steps([7], "p0")])
    # As many as the DP domains of d0.
    found = service_of(times({1: 1000, 2: 1000}), cards_of(frame), 10_000, "experts")
    assert found.share == pytest.approx(0.2)
    assert found.told.endswith("guessed to be these by their number")
    neither = service_of(times({1: 1000, 2: 1000, 3: 1000}), cards_of(frame), 10_000, "experts")
    assert neither.share is None
    assert "nothing tells which passes" in neither.told
    assert neither.busy == pytest.approx(0.5)


@pytest.mark.parametrize(("ms", "words"), [(9000, "180.00 %"), (2, "0.04 %")])
def test_an_impossible_share_is_unknown(ms, words):
    found = service_of(times({1: ms, 2: ms}), cards_of(steps([1, 2])), 10_000, "d0")
    assert found.share is None
    assert words in found.told


def test_what_is_not_recorded_is_told():
    assert "passes are not recorded" in service_of(times({1: 1}), cards_of(empty("steps")), 0, "").told
    found = service_of(Computing({}, ""), cards_of(steps([1])), 10_000, "d0")
    assert (found.share, found.told) == (None, "GroupedMatmul time is not recorded")
    assert found.pass_ms == pytest.approx(50)
    assert by_layer_times(empty("layer_times"), "x").times == {}


def test_joined_steps_tell_cards_apart_by_their_times():
    whole = steps([1, 2], cards=2)
    joined = whole.filter(pl.col("prof_id").str.ends_with("-1"))
    card_times = whole.group_by("domain", "prof_id").agg(pl.col("duration").sum())
    found = cards_of(joined, card_times).sort("prof_id")
    assert found["busy"].to_list() == [5000, 5000]
    assert found["passes"].to_list() == [100, 100]


def test_kernels_of_a_timeline_count_and_their_launches_do_not():
    names = ("GroupedMatmul_1", "MatMulV2", "aclnnGroupedMatmulV4_GroupedMatmul_x")
    tracks = [Track(f"{pid} {thread}", "operators", thread, "x", pid=pid) for pid, thread in
              ((1, "Kernel(0)"), (1, "Api(0)"), (2, "Kernel(0)"))]  # fmt: skip
    tracks.append(Track("3 forward", "card", "forward", "x", pid=3))
    name = np.array([0, 1, 0, 2, 0], np.uint16)
    duration = np.array([5, 50, 7, 11, 13]) * 1_000_000
    start = np.arange(5) * 100_000_000
    whole = Slices(tuple(tracks), names, np.array([0, 2, 3, 4, 5]), name, start, duration, start, 5)
    assert by_slices(whole).times == {1: 5.0, 2: 11.0}
    sampled = Slices(tuple(tracks), names, np.array([0, 2, 3, 4, 5]), name, start, duration, start, 9)
    assert by_slices(sampled).times == {}
