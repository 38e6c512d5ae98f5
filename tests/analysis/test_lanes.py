"""Lanes against loops over every microsecond."""

import math
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbtui.analysis.lanes import (
    Lane,
    bin_edges,
    bin_lanes,
    held_lanes,
    highest,
    idle_as_zero,
    lane_statistics,
    lanes_evenness,
    lanes_par,
    reading_lanes,
    sampled,
)

SPAN = 60  # µs: small enough for loops over each
VALUES = st.integers(0, 9)


@st.composite
def lane(draw, key="a"):
    """A lane within SPAN µs, with touching intervals and gaps."""
    cuts = sorted(draw(st.sets(st.integers(0, SPAN), max_size=14)))
    pieces = [(a, b, draw(VALUES)) for a, b in pairwise(cuts) if draw(st.integers(0, 3)) > 0]
    starts, ends, values = zip(*pieces, strict=True) if pieces else ((), (), ())
    return Lane(key, np.array(starts, np.int64), np.array(ends, np.int64), np.array(values, np.float64))


LANES = st.lists(lane(), min_size=1, max_size=4)
EDGES = st.sets(st.integers(0, SPAN), min_size=2, max_size=8).map(lambda cuts: np.array(sorted(cuts)))


def every_micro(given_lane):
    """The value in each µs, None in a gap; written without searching."""
    held = [None] * SPAN
    for start, end, value in zip(given_lane.starts, given_lane.ends, given_lane.values, strict=True):
        for micro in range(start, end):
            held[micro] = float(value)
    return held


def same(found, wanted):
    return found == pytest.approx(math.nan if wanted is None else wanted, rel=1e-9, abs=1e-12, nan_ok=True)


@given(lane())
def test_at_is_the_value_of_that_microsecond(one):
    assert all(same(one.at(t), value) for t, value in enumerate(every_micro(one)))
    assert math.isnan(one.at(-1))
    assert math.isnan(one.at(SPAN))


@given(lane(), EDGES)
def test_clipped_is_what_lies_inside(one, edges):
    begin, end = int(edges[0]), int(edges[-1])
    part = one.clipped(begin, end)
    assert (part.ends > part.starts).all()
    assert every_micro(part) == [v if begin <= t < end else None for t, v in enumerate(every_micro(one))]


@given(LANES, EDGES)
def test_bins_against_every_microsecond(lanes, edges):
    bins = bin_lanes(lanes, edges)
    assert np.array_equal(highest(lanes, edges), bins.high, equal_nan=True)
    for row, one in enumerate(lanes):
        held = every_micro(one)
        for column, (begin, end) in enumerate(pairwise(edges)):
            inside = [v for v in held[begin:end] if v is not None]
            assert same(bins.mean[row, column], sum(inside) / len(inside) if inside else None)
            assert same(bins.low[row, column], min(inside, default=None))
            assert same(bins.high[row, column], max(inside, default=None))
            assert bins.count[row, column] == sum(begin <= start < end for start in one.starts)


@given(LANES, EDGES)
def test_bins_in_which_each_value_counts_once(lanes, edges):
    bins = bin_lanes(lanes, edges, each_alike=True)
    for row, one in enumerate(lanes):
        pieces = list(zip(one.starts, one.ends, one.values, strict=True))
        for column, (begin, end) in enumerate(pairwise(edges)):
            touching = [v for a, b, v in pieces if a < end and b > begin]
            assert same(bins.mean[row, column], sum(touching) / len(touching) if touching else None)


@given(LANES, LANES, EDGES)
def test_idleness_is_zero_and_the_unknown_stays_unknown(lanes, busy, edges):
    count = min(len(lanes), len(busy))
    begin, end = int(edges[0]), int(edges[-1])
    # A lane has values only where its owner is busy.
    lanes = [
        _only_where(one, [v is not None for v in every_micro(owner)])
        for one, owner in zip(lanes[:count], busy[:count], strict=True)
    ]
    for before, owner, after in zip(lanes, busy, idle_as_zero(lanes, busy[:count], begin, end), strict=False):
        was, works, now = every_micro(before), every_micro(owner), every_micro(after)
        assert (np.diff(after.starts) > 0).all()
        assert (after.ends[:-1] <= after.starts[1:]).all()
        for t in range(SPAN):
            if not len(before.starts) or works[t] is not None or not begin <= t < end:
                assert now[t] == was[t]
            else:
                assert now[t] == 0.0


def _only_where(one, allowed):
    held = [v if ok else None for v, ok in zip(every_micro(one), allowed, strict=True)]
    pieces = [(t, t + 1, v) for t, v in enumerate(held) if v is not None]
    starts, ends, values = zip(*pieces, strict=True) if pieces else ((), (), ())
    return Lane("a", np.array(starts, np.int64), np.array(ends, np.int64), np.array(values, np.float64))


@given(LANES, EDGES, st.booleans())
def test_statistics_against_every_microsecond(lanes, edges, each_alike):
    begin, end = int(edges[0]), int(edges[-1])
    groups = ["even" if i % 2 == 0 else "odd" for i in range(len(lanes))]
    found = lane_statistics(lanes, begin, end, groups, each_alike=each_alike)
    means = []
    for one, statistics in zip(lanes, found, strict=True):
        if each_alike:
            pieces = zip(one.starts, one.ends, one.values, strict=True)
            inside = sorted(float(v) for a, b, v in pieces if a < end and b > begin)
        else:
            inside = sorted(v for v in every_micro(one)[begin:end] if v is not None)
        means.append(sum(inside) / len(inside) if inside else None)
        assert same(statistics.mean, means[-1])
        assert same(statistics.max, max(inside, default=None))
        assert same(statistics.min, min(inside, default=None))
        if inside:
            for q, value in ((0.05, statistics.p5), (0.95, statistics.p95)):
                assert sum(v <= value for v in inside) >= q * len(inside) - 1e-9
                assert sum(v < value for v in inside) < q * len(inside) + 1e-9
    for i, statistics in enumerate(found):
        peers = [m for m, g in zip(means, groups, strict=True) if g == groups[i] and m is not None]
        level = sum(peers) / len(peers) if peers else 0
        known = means[i] is not None and level > 0
        assert same(statistics.ratio, means[i] / level if known else None)


@given(LANES, EDGES, st.booleans())
def test_sampling_loses_nothing(lanes, edges, idle):
    begin, end = int(edges[0]), int(edges[-1])
    loads, durations, times = sampled(lanes, begin, end, idle_is_zero=idle)
    assert durations.sum() == end - begin
    for row, one in enumerate(lanes):
        held = every_micro(one)
        for column, (time, length) in enumerate(zip(times, durations, strict=True)):
            for micro in range(time, time + int(length)):
                wanted = (0.0 if idle else None) if held[micro] is None else held[micro]
                assert same(loads[row, column], wanted)


@given(LANES, EDGES, st.booleans())
def test_par_over_time_against_every_microsecond(lanes, edges, counts):
    begin, end = int(edges[0]), int(edges[-1])
    held = [[v or 0.0 for v in every_micro(one)] for one in lanes]
    peaks = levels = 0.0
    for t in range(begin, end):
        loads = [row[t] for row in held]
        if len(loads) < 2 or sum(loads) < (len(loads) if counts else 1e-12):
            continue
        peaks, levels = peaks + max(loads), levels + sum(loads) / len(loads)
    found = lanes_par(lanes, (begin, end), idle_is_zero=True, counts=counts)
    assert same(found.value, peaks / levels if levels else None)
    assert (found.chance is None) == (not counts or not levels)


@given(LANES, EDGES)
def test_what_is_scarce_is_compared_by_its_least(lanes, edges):
    begin, end = int(edges[0]), int(edges[-1])
    held = [every_micro(one) for one in lanes]
    lows = levels = counted = 0.0
    for t in range(begin, end):
        known = [row[t] for row in held if row[t] is not None]
        if len(known) > 1:
            lows, levels, counted = lows + min(known), levels + sum(known) / len(known), counted + 1
    found = lanes_evenness(lanes, (begin, end), counts=False, scarce=True)
    assert same(found.value, lows / levels if levels else None)
    assert same(found.share_counted, counted / (end - begin))


@settings(max_examples=20)
@given(LANES)
def test_too_many_changes_are_sampled_evenly(lanes):
    import lbtui.analysis.lanes as module

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_INSTANTS", 7)
        _loads, durations, times = sampled(lanes, 0, SPAN, idle_is_zero=True)
    assert len(times) <= 7
    assert durations.sum() == SPAN


@given(st.lists(st.tuples(st.integers(0, SPAN), st.integers(1, 20), VALUES), max_size=8))
def test_overlapping_intervals_end_where_the_next_begins(rows):
    frame = pl.DataFrame(
        {
            "domain": ["a"] * len(rows),
            "start": [r[0] for r in rows],
            "end": [r[0] + r[1] for r in rows],
            "value": [r[2] for r in rows],
        },
        schema={
            "domain": pl.String,
            "start": pl.Datetime("us"),
            "end": pl.Datetime("us"),
            "value": pl.Float64,
        },
    )
    one, none = held_lanes(frame, key="domain", value="value", keys=["a", "absent"])
    assert len(none.starts) == 0
    assert (one.ends[:-1] <= one.starts[1:]).all()
    covered = {t for start, length, _v in rows for t in range(start, start + length)}
    # The last to begin rules, so a short one hides what an earlier, longer one still held.
    for t in covered:
        begun = max(start for start, _length, _v in rows if start <= t)
        here = [(length, v) for start, length, v in rows if start == begun and start + length > t]
        value = one.at(t)
        assert math.isnan(value) if not here else value in [v for _length, v in here] or math.isnan(value)


def test_a_reading_holds_to_the_next_and_the_last_to_the_end():
    frame = pl.DataFrame(
        {"time": [30, 10, 20, 20], "domain": ["a", "a", "a", "b"], "free": [5, 7, None, 1]}
    ).with_columns(pl.col("time").cast(pl.Datetime("us")))
    a, b, c = reading_lanes(frame, key="domain", value="free", keys=["a", "b", "c"], until=50)
    assert [a.at(t) for t in (10, 29, 30, 49)] == [7, 7, 5, 5]
    assert math.isnan(a.at(9))
    assert math.isnan(a.at(50))
    assert (list(b.starts), list(b.ends), len(c.starts)) == ([20], [50], 0)


@given(st.integers(0, 10**16), st.integers(0, 10**9), st.integers(1, 400))
def test_edges_divide_evenly_and_never_meet(begin, length, columns):
    edges = bin_edges(begin, begin + length, columns)
    assert (len(edges), edges[0]) == (columns + 1, begin)
    widths = np.diff(edges)
    assert widths.min() >= 1
    assert widths.max() - widths.min() <= 1
