"""What a profile tells of the service whose experts are placed anew."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from lbtui.findings.ep_service import service_for, worth_of
from lbtui.profile import Loaded, Profile, empty
from lbtui.profile.slices import NoSlices, Slices, Track
from lbtui.profile.source import Nothing
from lbtui.sources import open_profile
from lbtui.thresholds import Thresholds
from tests.analysis.eplb.test_share import steps

DEMO = Path(__file__).parents[2] / "lbtui" / "demo" / "output"


class Reader(NoSlices):
    """Has kernels of 500 ms a process."""

    def read(self, progress):
        tracks = tuple(Track(f"{pid} Kernel", "operators", "Kernel", "x", pid=pid) for pid in (1, 2))
        start = np.array([0, 10]) * 1_000_000_000
        long = np.array([500, 500]) * 1_000_000
        return Slices(
            tracks, ("GroupedMatmul",), np.array([0, 1, 2]), np.zeros(2, np.uint16), start, long, start, 2
        )


class Recorded(Nothing):
    """Has passes, and slices where it is asked for them."""

    names = ("steps",)

    def __init__(self, reader):
        self.reader = reader

    def load(self, name, progress):
        return Loaded(steps([1, 2]) if name == "steps" else empty(name))

    def joined_steps(self, progress):
        return None

    def slices(self, progress):
        return self.reader


def test_without_layer_times_the_kernels_of_the_timeline_tell():
    found = service_for(Profile(Path("x"), (), source=Recorded(Reader())), "d0")
    assert found.share == pytest.approx(500 / 5000)
    large = Reader()
    large.large = True
    found = service_for(Profile(Path("x"), (), source=Recorded(large)), "d0")
    assert (found.share, found.told) == (None, "GroupedMatmul time is not recorded")
    assert found.pass_ms == pytest.approx(50)


def test_the_demo_s_operator_times_are_of_other_passes():
    found = service_for(open_profile(DEMO), "experts")
    assert found.share is None
    assert "0.02 %" in found.told
    frame = open_profile(DEMO).load("steps").frame.filter(pl.col("instance").str.contains("d0"))
    assert found.pass_ms == pytest.approx(frame["duration"].mean())


def test_a_profile_of_experts_alone_tells_nothing():
    found = service_for(Profile(Path("x"), ()), "d0")
    assert (found.share, found.busy, found.pass_ms) == (None, None, None)
    assert found.told == "forward passes are not recorded"


def test_what_is_worth_a_trial_is_a_threshold():
    assert worth_of(replace(Thresholds(), eplb_step_gain=0.03)).step == 0.03
    assert worth_of(Thresholds()).time == Thresholds().eplb_gain
