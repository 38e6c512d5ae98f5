"""Summed queue lengths, held against request_status.csv read by the csv module alone."""

import csv
import math
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

from lbtui.analysis.queue_states import STATES, state_lanes, state_window
from lbtui.profile.schema import SCHEMAS
from lbtui.sources import open_profile

FOLDER = Path(__file__).parent.parent / "data" / "csv_only"


def micros(text):
    local = datetime.strptime(text, "%Y-%m-%d %H:%M:%S:%f") - timedelta(hours=8)
    return (local - datetime(1970, 1, 1)) // timedelta(microseconds=1)


@pytest.fixture(scope="module")
def readings():
    with (FOLDER / "request_status.csv").open() as file:
        return [(micros(line["start_datetime"]), line) for line in csv.DictReader(file)]


@pytest.fixture(scope="module")
def lanes():
    return state_lanes(open_profile(FOLDER).load("queues").frame)


@pytest.mark.parametrize("state", STATES)
def test_the_sum_is_what_each_process_last_wrote(readings, lanes, state):
    lane = lanes[None][STATES.index(state)]
    last = {}
    times = sorted({time for time, _line in readings})
    for now in times:
        for time, line in readings:
            if time == now and line[state] not in ("", None):
                last[line["pid"]] = float(line[state])
        assert lane.at(now) == sum(last.values())
    assert math.isnan(lane.at(times[0] - 1))
    assert math.isnan(lane.at(times[-1] + 1))


def test_the_domains_add_up_to_the_whole(lanes):
    domains = [domain for domain in lanes if domain is not None]
    assert len(domains) == 4
    whole = lanes[None][0]
    for time in whole.starts[:: max(1, len(whole.starts) // 50)].tolist():
        parts = [lanes[domain][0].at(time) for domain in domains]
        assert whole.at(time) == sum(part for part in parts if not math.isnan(part))


def test_a_queue_nobody_wrote_of_has_no_values():
    frame = pl.DataFrame(
        {"time": [1, 2], "domain": ["a", "a"], "pid": [1, 1], "waiting": [0, 3]},
        schema_overrides={"waiting": pl.Int64},
    ).with_columns(pl.col("time").cast(pl.Datetime("us")))
    queues = pl.concat([pl.DataFrame(schema=SCHEMAS["queues"]), frame], how="diagonal")
    found = state_lanes(queues)
    assert found[None][0].values.tolist() == [0.0, 3.0]
    assert found["a"][2].values.tolist() == []


def test_no_queues_give_no_lanes():
    assert state_lanes(pl.DataFrame(schema=SCHEMAS["queues"])) == {}


def test_a_window_holds_the_highest_of_each_column_and_means_weighted_by_time(readings, lanes):
    begin, end = readings[0][0], readings[-1][0]
    window = (begin + (end - begin) // 3, begin + 2 * (end - begin) // 3)
    columns = 20
    found = state_window(lanes[None], *window, columns)
    edges = [window[0] + (window[1] - window[0]) * column // columns for column in range(columns + 1)]
    for state, lane in enumerate(lanes[None]):
        # Every µs at which anything can change, by looking each up alone.
        changes = sorted({window[0], *(t for t, _line in readings if window[0] < t < window[1]), *edges})
        spans = [(a, b, lane.at(a)) for a, b in pairwise(changes)]
        area = sum((b - a) * value for a, b, value in spans)
        assert found.means[state] == pytest.approx(area / (window[1] - window[0]))
        assert found.peaks[state] == max(value for _a, _b, value in spans)
        for column in range(1, columns - 1):
            inside = [v for a, b, v in spans if b > edges[column] + 1 and a < edges[column + 1] - 1]
            assert found.highs[state][column] == max(inside)


def test_without_lanes_a_window_is_unknown():
    found = state_window((), 0, 100, 4)
    assert found.highs.shape == (3, 4)
    assert all(math.isnan(value) for value in [*found.means, *found.peaks, *found.highs.ravel()])
