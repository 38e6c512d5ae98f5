"""Requests of P/D nodes in bins of any width: the same totals in each, and those of the 5 s frame."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtui.analysis.node_events import LEAST_BIN, binned, node_events
from lbtui.analysis.prefill_decode import COUNTS, node_table, role_par
from lbtui.sources.trace.nodes import DISPATCHES, node_changes, node_frame

START = 1_767_225_600_000_000  # µs: a multiple of every width below
P, D = ("10.0.0.1:1", "10.0.0.2:1"), ("10.0.1.1:1", "10.0.1.2:1", "10.0.1.3:1")


def at(us):
    return None if us is None else datetime(1970, 1, 1) + timedelta(microseconds=START + us)


def dispatches(rows):
    """Return `DISPATCHES` of rows of time, places of P and D, length of prefill and decode (µs, or None)."""
    return pl.DataFrame(
        [
            (
                at(time),
                f"r{n}",
                P[p],
                D[d],
                at(None if prefill is None else time + prefill),
                at(None if prefill is None or decode is None else time + prefill + decode),
            )
            for n, (time, p, d, prefill, decode) in enumerate(sorted(rows, key=lambda row: row[0]))
        ],
        schema=DISPATCHES,
        orient="row",
    )


LENGTHS = st.none() | st.integers(0, 20_000_000)
ROWS = st.lists(
    st.tuples(st.integers(0, 60_000_000), st.integers(0, 1), st.integers(0, 2), LENGTHS, LENGTHS),
    min_size=1,
    max_size=30,
)
WIDTHS = st.sampled_from([LEAST_BIN, 20_000, 50_000, 100_000, 1_000_000, 2_000_000, 10_000_000, 60_000_000])


def of(rows):
    given_to = dispatches(rows)
    table = node_table(node_frame(given_to))
    return table, node_events(node_changes(given_to), table)


def totals(table):
    return {
        "added": table.counts["added"].sum(axis=0).tolist(),
        "ended": table.counts["ended"].sum(axis=0).tolist(),
        "running": table.counts["running"][-1].tolist(),
    }


@given(ROWS, WIDTHS)
def test_totals_are_the_same_at_every_width(rows, width):
    table, events = of(rows)
    found = binned(table, events, events.whole, width)
    assert totals(found) == totals(table)
    assert found.nodes == table.nodes
    for role in table.roles:
        if table.counts["added"][:, table.of_role(role)].sum():
            assert role_par(found, role) == role_par(table, role)


@given(ROWS)
def test_bins_of_five_seconds_are_those_of_the_frame(rows):
    table, events = of(rows)
    found = binned(table, events, events.whole, 5_000_000)
    assert found.starts.tolist() == table.starts.tolist()
    assert found.times == table.times
    for count in COUNTS:
        assert np.array_equal(found.counts[count], table.counts[count])


@given(ROWS, WIDTHS, st.integers(0, 60_000_000), st.integers(1, 30_000_000))
def test_a_window_has_the_bins_that_it_touches_and_what_ran_before(rows, width, begin, length):
    length = min(length, 3000 * width)
    table, events = of(rows)
    window = (START + begin, START + begin + length)
    found = binned(table, events, window, width)
    assert found.starts[0] <= window[0] < found.starts[0] + width
    assert found.starts[-1] < window[1] <= found.starts[-1] + width
    assert (np.diff(found.starts) == width).all()
    first, end = int(found.starts[0]), int(found.starts[-1]) + width
    for place, node in enumerate(found.nodes):
        own = [
            ((time - datetime(1970, 1, 1)) // timedelta(microseconds=1), added)
            for time, address, role, added, _ended in node_changes(dispatches(rows)).iter_rows()
            if (role, address) == node
        ]
        inside = [added for time, added in own if first <= time < end]
        assert found.counts["added"][:, place].sum() == sum(inside)
        assert found.counts["ended"][:, place].sum() == len(inside) - sum(inside)
        until = [added for time, added in own if time < end]
        assert found.counts["running"][-1, place] == 2 * sum(until) - len(until)
        # What is known before the window is no lower bound in it.
        if any(time < first for time, _added in own):
            assert found.first_event(place) == 0


def test_one_request_by_hand():
    table, events = of([(1_230_000, 0, 1, 40_000, 2_000_000)])
    found = binned(table, events, (START + 1_200_000, START + 1_300_000), 20_000)
    prefill, decode = (
        next(i for i, n in enumerate(found.nodes) if n.role == role) for role in ("prefill", "decode")
    )
    assert found.bin_seconds == 0.02
    # Dispatched in the second bin (1.22 to 1.24 s), first token in the fourth (1.26 to 1.28 s).
    assert found.counts["added"][:, prefill].tolist() == [0, 1, 0, 0, 0]
    assert found.counts["ended"][:, prefill].tolist() == [0, 0, 0, 1, 0]
    assert found.counts["running"][:, prefill].tolist() == [0, 1, 1, 0, 0]
    assert found.counts["added"][:, decode].tolist() == [0, 0, 0, 1, 0]
    assert found.counts["running"][:, decode].tolist() == [0, 0, 0, 1, 1]
    later = binned(table, events, (START + 2_000_000, START + 2_100_000), 50_000)
    assert later.counts["running"][:, decode].tolist() == [1, 1]


def test_events_of_nodes_that_the_table_lacks_are_left_out():
    given_to = dispatches([(0, 0, 0, 1, 1), (10, 1, 1, 1, 1)])
    frame = node_frame(given_to).filter(pl.col("address") != P[1])
    table = node_table(frame)
    events = node_events(node_changes(given_to), table)
    assert binned(table, events, events.whole, 5_000_000).counts["added"].sum() == 3


@pytest.mark.parametrize("width", [LEAST_BIN, 5_000_000])
def test_an_empty_window_is_one_bin(width):
    table, events = of([(0, 0, 0, 1, 1)])
    assert len(binned(table, events, (START, START), width).times) == 1
