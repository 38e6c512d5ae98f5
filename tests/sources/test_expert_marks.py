"""Marks read many at once give what they give one by one."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtui.sources.experts import marks as expert_marks
from lbtui.sources.experts.marks import Mark, MarkReader

cells = st.integers(0, 3000)
tables = st.lists(st.lists(cells, min_size=2, max_size=2), min_size=2, max_size=2)
odd_tables = st.one_of(
    st.just([]),
    st.just([[]]),
    st.lists(
        st.lists(st.integers(-2, 5) | st.floats(0, 9) | st.just("7") | st.none(), max_size=3), max_size=3
    ),
    st.just([[[1, 2], [3, 4]]]),
    st.just([[2**60, 1], [1, 1]]),
    st.integers(),
)
fields = st.fixed_dictionaries(
    {"rank": st.sampled_from([3, 3, 3, 3, 4, None]), "name": st.sampled_from(["x", "[[1]]", 'q"'])},
    optional={},
)
kinds = st.sampled_from(["expert_hot", "expert_hot", "expert_hot", "expert_routing"])


def one_by_one(marks):
    """Return what a reader makes of marks when it may not read them many at once."""
    reader = MarkReader()
    reader._read_alike = lambda process, kept: None
    return reader.read("p", marks), reader.unreadable


def assert_same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert (one.rank, one.before_routing, one.late, one.unusable) == (
            other.rank,
            other.before_routing,
            other.late,
            other.unusable,
        )
        assert len(one.periods) == len(other.periods)
        for period, same in zip(one.periods, other.periods, strict=True):
            for name in ("placement", "increments", "times"):
                a, b = getattr(period, name), getattr(same, name)
                assert (a is None) == (b is None)
                assert a is None or (a.tolist() == b.tolist() and a.dtype == b.dtype)


def texts(marks, separators=None):
    return [Mark(i, i * 10, json.dumps(mark, separators=separators).encode()) for i, mark in enumerate(marks)]


@given(st.lists(st.tuples(kinds, tables), max_size=8), st.sampled_from([None, (",", ":")]))
def test_plain_marks(given_marks, separators):
    marks = texts(({"rank": 3, kind: table, "z": 1} for kind, table in given_marks), separators)
    reader = MarkReader()
    expected, unreadable = one_by_one(marks)
    assert_same(reader.read("p", marks), expected)
    assert reader.unreadable == unreadable == 0


@given(st.lists(st.tuples(fields, kinds, tables | odd_tables), max_size=6))
def test_any_marks(given_marks):
    marks = texts({**known, kind: table} for known, kind, table in given_marks)
    reader = MarkReader()
    expected, unreadable = one_by_one(marks)
    assert_same(reader.read("p", marks), expected)
    assert reader.unreadable == unreadable


@given(
    st.lists(
        st.binary(max_size=30).map(lambda raw: b'{"rank":0,"expert_hot":[[1,' + raw + b"2]]}"), max_size=4
    )
)
def test_any_bytes_are_no_traceback(given_bytes):
    reader = MarkReader()
    reader.read("p", [Mark(i, i, raw) for i, raw in enumerate(given_bytes)])
    assert 0 <= reader.unreadable <= len(given_bytes)


@pytest.mark.parametrize("order", [(0, 2, 1), (0, 0, 1)])
def test_marks_out_of_order_are_counted(order):
    marks = [Mark(n, n, b'{"rank":0,"expert_hot":[[%d,1]]}' % (n + 1)) for n in order]
    reader = MarkReader()
    assert_same(reader.read("p", marks), one_by_one(marks)[0])
    (found,) = reader.read("p", marks)
    assert found.late == (order == (0, 2, 1))


def test_plain_marks_are_read_many_at_once(monkeypatch):
    """Else this would still pass every test and take minutes."""
    monkeypatch.setattr(expert_marks, "_rows", None)
    marks = texts([{"rank": 0, "expert_hot": np.full((3, 4), n).tolist()} for n in range(5)])
    (found,) = MarkReader().read("p", marks)
    assert found.periods[0].increments.shape == (5, 3, 4)
