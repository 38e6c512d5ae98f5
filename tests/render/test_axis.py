import re
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtui.profile.time import format_time
from lbtui.render.axis import nice_step, nice_ticks, time_axis, time_pointer
from lbtui.render.capabilities import Capabilities
from lbtui.render.text import plain
from tests.render.strategies import caps, check

UNICODE = Capabilities("256")
START = datetime(2026, 1, 1)
times = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1))
spans = st.timedeltas(timedelta(0), timedelta(days=4000)) | st.timedeltas(timedelta(0), timedelta(minutes=9))


@given(times, spans, st.integers(0, 200), caps)
def test_axis_is_exact(start, length, width, caps):
    check([time_axis(start, start + length, width, caps)], width, caps, 1)


@given(times, st.integers(0, 200), st.integers(-2, 210), caps)
def test_pointer_is_exact(time, width, column, caps):
    rows = [time_pointer(time, column, width, caps)]
    check(rows, width, caps, 1)
    if 0 <= column < width:
        assert plain(rows)[column] == ("▼" if caps.unicode else "v")


@given(times, st.integers(30, 3600), st.integers(20, 200))
def test_a_label_stands_in_the_column_of_its_time(start, seconds, width):
    start = start.replace(microsecond=0)
    text = plain([time_axis(start, start + timedelta(seconds=seconds), width, UNICODE)])
    at = {
        format_time(start + timedelta(seconds=second), 0): second * width // seconds
        for second in range(seconds)
    }
    for label in re.finditer(r"\d\d:\d\d:\d\d", text):
        assert at[label.group()] == label.start()


@pytest.mark.parametrize(
    ("seconds", "width", "shown"),
    [
        (52, 60, "08:00:00   :10         :20        :30         :40        :50"),
        (300, 60, "08:00:00    08:01       08:02       08:03       08:04"),
        (0.5, 50, "08:00:00.0          :00.2     :00.3     :00.4"),
        (52, 9, "08:00:00"),
        (0, 20, "08:00:00"),
    ],
)
def test_axis_reads_well(seconds, width, shown):
    assert plain([time_axis(START, START + timedelta(seconds=seconds), width, UNICODE)]) == shown


def test_axis_names_the_minute_when_it_changes():
    start = START + timedelta(seconds=45)
    text = plain([time_axis(start, start + timedelta(seconds=40), 60, UNICODE)])
    assert text.split() == ["08:00:50", "08:01:00", ":10", ":20"]


@given(st.timedeltas(timedelta(microseconds=1), timedelta(days=9000)))
def test_a_nice_step_is_enough_and_not_far_too_much(least):
    assert least <= nice_step(least) <= max(least * 3.5, timedelta(microseconds=1))


@given(st.floats(-1e9, 1e9), st.floats(1e-2, 1e9), st.integers(1, 20))
def test_ticks_lie_within(low, length, count):
    high = low + length
    ticks = nice_ticks(low, high, count)
    assert len(ticks) <= count + 1
    slack = (high - low) * 1e-6 + abs(high) * 1e-12
    assert all(low - slack <= tick <= high + slack for tick in ticks)


def test_ticks_are_round():
    assert nice_ticks(0, 8.3, 4) == [0, 5]
    assert nice_ticks(0, 9, 5) == [0, 2, 4, 6, 8]


def test_an_axis_over_midnight_names_the_day_where_it_changes():
    """23:00 to 03:00 in the files' zone, eight hours ahead of UTC."""
    begin = datetime(2026, 1, 1, 15)
    axis = plain([time_axis(begin, begin + timedelta(hours=4), 80, UNICODE)])
    assert axis.startswith("01-01 23:00:00")
    assert "01-02 00:00" in axis
    assert axis.count("-") == 2  # once a day
    # Of one day no label has a date.
    assert "-" not in plain([time_axis(begin - timedelta(hours=9), begin - timedelta(hours=5), 80, UNICODE)])


def test_the_pointer_names_the_day_where_asked_for():
    time = datetime(2026, 1, 1, 16, 0, 1)
    assert "2026-01-02 00:00:01.0" in plain([time_pointer(time, 3, 60, UNICODE, date=True)])
