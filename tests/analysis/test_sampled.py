"""Lanes from a sample of blocks against those of all steps, which are worked out by what the panes use."""

import numpy as np
import polars as pl
import pytest

from lbtui.analysis.lanes import bin_edges
from lbtui.analysis.sampled import LEAST_BLOCKS, sampled_bins, sampled_lanes
from lbtui.profile.sample import StepSample
from tests.bench.sampled import KINDS, both, figures, sample_of, served

STEPS = 12_000  # of each domain


def contiguous(steps, blocks):
    """Return a sample that leaves nothing out but the last step."""
    start = steps["start"].cast(pl.Int64).to_numpy()
    firsts = np.linspace(0, len(start) - 1, blocks + 1).astype(int)
    begins, ends = start[firsts[:-1]], start[firsts[1:]]
    block = np.searchsorted(begins, start, side="right") - 1
    taken = steps.with_columns(pl.Series("block", block.astype(np.uint32))).filter(
        pl.Series(start < ends[-1])
    )
    window = int(start[0]), int(ends[-1])
    return StepSample(taken.sort("domain", "start"), begins, ends, window, "", 1.0)


@pytest.mark.parametrize("kind", [name for name in KINDS if name != "few requests"])
def test_what_leaves_nothing_out_gives_the_exact_mean(kind):
    steps = served(KINDS[kind], 3000, 1)
    exact, bins = both(steps, 1, contiguous(steps, 200))
    assert bins.mean[:, 0] == pytest.approx(exact[:, 0], rel=0.01)
    # Nothing is unseen, so nothing is unsure.
    assert bins.high - bins.low == pytest.approx(np.zeros_like(bins.low), abs=0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_the_band_holds_the_exact_means(kind):
    told = []
    for seed in range(4):
        steps = served(KINDS[kind], STEPS, seed)
        told.append(figures(*both(steps, 20, sample_of(steps, 250, 48))))
    known, _near, held, bias = np.mean(told, axis=0)
    assert known > 0.9
    # More than 90 % where blocks are so close that they tell of what lies between.
    assert held > 0.85
    assert abs(bias) < 0.03


def test_a_band_is_no_wider_than_it_need_be():
    held = [
        figures(*both(steps, 20, sample_of(steps, 250, 48)))[2]
        for seed in range(6)
        for steps in [served(KINDS["no memory"], STEPS, seed)]
    ]
    assert 0.85 < np.mean(held) < 0.95


def test_a_domain_that_rests_is_known_to_carry_nothing():
    steps = served(KINDS["one idle for a half"], 4000, 1)
    _exact, bins = both(steps, 8, sample_of(steps, 100, 40))
    assert bins.mean[1, -3:] == pytest.approx([0, 0, 0])
    assert (bins.mean[0, -3:] > 10).all()


def test_columns_with_few_blocks_are_unknown():
    steps = served(KINDS["even"], 4000, 1)
    sample = sample_of(steps, LEAST_BLOCKS * 10, 24)
    lanes = sampled_lanes(sample, ["dp0"])
    assert not np.isnan(sampled_bins(sample, lanes, bin_edges(*sample.window, 8)).mean).any()
    assert np.isnan(sampled_bins(sample, lanes, bin_edges(*sample.window, 20)).mean).all()
    (missing,) = sampled_lanes(sample, ["dp9"])
    assert not missing.area.any()
