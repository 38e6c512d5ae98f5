"""Slices summed up, computed once more by plain loops."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtui.analysis import timeline
from tests.ui.slices import BEGIN, MS, service, slices_of, track

TIMES = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 25)), min_size=1, max_size=30)


def one_track(times):
    return slices_of([(track("card", 0), [("forward", start, length) for start, length in times])])


def covered_by_hand(times, begin, end):
    """Return how many ms of a span any of the slices covers, ms by ms."""
    return sum(any(start <= at < start + length for start, length in times) for at in range(begin, end))


@given(TIMES, st.integers(-5, 40), st.integers(1, 40), st.integers(1, 12))
def test_a_column_is_as_busy_as_the_union_of_its_slices(times, begin, length, columns):
    slices = one_track(times)
    # Columns of whole ms.
    length = -(-length // columns) * columns
    window = BEGIN + begin * MS, BEGIN + (begin + length) * MS
    found = timeline.summary(slices, 0, window, columns)
    each = length // columns
    for column in range(columns):
        first = begin + column * each
        busy = covered_by_hand(times, first, first + each) / each
        assert found.share[column] == pytest.approx(busy)
        assert found.count[column] == sum(first <= start < first + each for start, _length in times)
    figures = timeline.figures(slices, 0, window)
    assert figures.share == pytest.approx(covered_by_hand(times, begin, begin + length) / length)
    inside = [lasts for start, lasts in times if begin <= start < begin + length]
    assert (figures.count, figures.longest) == (len(inside), max(inside, default=0) * MS)


@given(TIMES, st.integers(0, 85))
def test_an_instant_is_in_the_slices_that_hold_it_the_shortest_first(times, at):
    slices = one_track(times)
    found = timeline.holding(slices, 0, BEGIN + at * MS)
    lengths = sorted(length for start, length in times if start <= at < start + length)
    assert [int(slices.duration[index]) // MS for index in found] == lengths


@given(TIMES, st.integers(0, 60), st.integers(1, 30), st.integers(1, 10))
def test_large_slices_of_a_window_are_all_that_reach_into_it(times, begin, length, least):
    slices = one_track(times)
    window = BEGIN + begin * MS, BEGIN + (begin + length) * MS
    found = timeline.large_in(slices, 0, window, least * MS)
    lengths = [int(slices.duration[index]) // MS for index in found]
    told = [
        lasts for start, lasts in times if lasts >= least and start < begin + length and start + lasts > begin
    ]
    assert lengths == sorted(told, reverse=True)


def test_bubbles_are_between_forward_passes_of_a_card_and_nowhere_else():
    slices = service()
    begins, ends = timeline.bubbles(slices, 3)
    assert [((b - BEGIN) / MS, (e - BEGIN) / MS) for b, e in zip(begins, ends, strict=True)] == [
        (20 * k + 11, 20 * k + 21) for k in range(4)
    ]
    assert not len(timeline.bubbles(slices, 2)[0])
    found = timeline.longest_bubbles(slices, (0, 3, 4), (BEGIN, BEGIN + 200 * MS))
    assert [(each.track, each.length // MS) for each in found] == [
        (4, 50),
        (3, 10),
        (3, 10),
        (3, 10),
        (3, 10),
    ]
    assert timeline.bubble_at(slices, 4, BEGIN + 60 * MS) == found[0]
    assert timeline.bubble_at(slices, 4, BEGIN + 95 * MS) is None
    # One that begins before what is asked for is none of it.
    assert len(timeline.longest_bubbles(slices, (3,), (BEGIN + 15 * MS, BEGIN + 200 * MS))) == 3


def test_statistics_of_a_range():
    slices = service()
    found = {
        each.name: each for each in timeline.statistics(slices, (3, 4), (BEGIN + 5 * MS, BEGIN + 55 * MS))
    }
    lengths = [10, 10]  # begin at 21 and 41
    forward = found["forward"]
    assert forward.count == 2
    assert forward.total == sum(lengths) * MS
    assert forward.mean == 10 * MS
    assert forward.p95 == np.quantile(np.array(lengths) * MS, 0.95)
    # 6 + 10 + 10 ms of one card, 35 of the other, of 2 × 50 ms.
    assert forward.share == pytest.approx((6 + 10 + 10 + 35) / 100)
    bubble = found["bubble"]
    assert (bubble.count, bubble.total) == (4, (10 + 10 + 10 + 50) * MS)
    assert bubble.share == pytest.approx((10 + 10 + 4 + 15) / 100)
    assert found["sample"].count == 3
    assert "Execute" not in found
    assert list(found) == ["bubble", "forward", "sample"]


def test_what_belongs_to_a_slice():
    slices = service()
    round_ = next(i for i in range(slices.count) if slices.track_of(i) == 2)
    span = int(slices.start[round_]), slices.end(round_)
    found = [
        (slices.names[slices.name[i]], slices.tracks[slices.track_of(i)].kind)
        for i in timeline.belonging(slices, 2, span, round_)
    ]
    assert found == [("forward", "card"), ("sample", "card")]


def test_the_order_is_that_of_a_request_and_who_prefills_first():
    decode, prefill = "mindie-server-d0-master-0", "mindie-server-p0-master-0"
    given = [
        (track("card", 0, host=decode, pid=1), [("forward", 50, 1)]),
        (track("pull", 0, host=decode, pid=1), [("PullKVCache", 40, 1)]),
        (track("schedule", 0, host=decode, pid=2), [("Queue", 0, 0)]),
        (track("card", 10, host=prefill, pid=3), [("forward", 20, 1)]),
        (track("card", 2, host=prefill, pid=4), [("forward", 10, 1)]),
        (track("front", None, host=prefill, pid=5), [("httpReq", 1, 0)]),
        (track("operators", None, host="", pid=6), [("k", 0, 1)]),
        (track("coordinator", None, host="z", pid=7), [("RequestDispatch", 0, 0)]),
    ]
    slices = slices_of(given)
    found = [slices.tracks[place].pid for place in timeline.in_order(slices)]
    assert found == [7, 5, 4, 3, 2, 1, 1, 6]
    # In whatever order they are read.
    random.Random(3).shuffle(given)
    again = slices_of(given)
    assert [again.tracks[place].pid for place in timeline.in_order(again)] == found


def test_a_sample_has_no_bubbles():
    slices = slices_of([(track("card", 0), [("forward", 0, 1), ("forward", 50, 1)])], total=100)
    assert slices.sampled
    assert not len(timeline.bubbles(slices, 0)[0])


def test_nothing_is_in_no_slices():
    slices = slices_of([])
    assert timeline.extent(slices) is None
    assert timeline.in_order(slices) == ()
    assert timeline.statistics(slices, (), (0, 1)) == []
