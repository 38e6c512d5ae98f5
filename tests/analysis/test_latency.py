"""Percentiles, orders and filters, held against request.csv read by the csv module alone."""

import csv
import math
import statistics
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtui.analysis.latency import (
    FILTER_NAMES,
    Arrangement,
    arrange,
    ascending,
    distribution,
    filter_error,
    percentiles,
    request_table,
)
from lbtui.profile.schema import SCHEMAS, empty
from lbtui.sources import open_profile

DATA = Path(__file__).parent.parent / "data"
HEADERS = {
    "ttft": "first_token_latency(ms)",
    "queue_wait": "queue_wait_time(ms)",
    "duration": "execution_time(ms)",
    "input_tokens": "recv_token_size",
    "output_tokens": "reply_token_size",
}


def loaded(folder):
    profile = open_profile(folder)
    return request_table(profile.load("requests").frame, profile.load("speculation").frame)


def raw(folder):
    with (folder / "request.csv").open() as file:
        return list(csv.DictReader(file))


def requests(**columns):
    rows = len(next(iter(columns.values())))
    frame = {name: columns.get(name, [None] * rows) for name in SCHEMAS["requests"]}
    return pl.DataFrame(frame, schema=SCHEMAS["requests"])


def table(**columns):
    return request_table(requests(**columns), empty("speculation"))


@pytest.mark.parametrize("folder", ["csv_only", "pd_ep", "vllm_small"])
@pytest.mark.parametrize("column", HEADERS)
def test_percentiles_are_those_of_the_file(folder, column):
    values = [float(line[HEADERS[column]]) for line in raw(DATA / folder)]
    if column in ("ttft", "queue_wait"):
        values = [value for value in values if value > 0]  # 0 is how upstream writes unknown
    found = arrange(loaded(DATA / folder), Arrangement(column, True, column), 30).percentiles
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    assert found.count == len(values)
    assert found.mean == pytest.approx(statistics.fmean(values))
    assert [found.p50, found.p90, found.p95, found.p99] == pytest.approx([cuts[i] for i in (49, 89, 94, 98)])
    assert found.max == max(values)


@pytest.mark.parametrize("descending", [True, False])
def test_the_order_is_that_of_the_file_sorted_by_hand(descending):
    lines = raw(DATA / "pd_ep")
    at = HEADERS["queue_wait"]
    expected = [
        line["http_rid"]
        for line in sorted(lines, key=lambda line: float(line[at]) * (-1 if descending else 1))
    ]
    whole = loaded(DATA / "pd_ep")
    rows = arrange(whole, Arrangement("queue_wait", descending, "queue_wait"), 30).rows
    assert whole["request_id"].gather(rows).to_list() == expected


def test_time_per_output_token_leaves_the_first_token_to_ttft():
    found = table(
        ttft=[100.0, 100.0, 100.0, None, 500.0],
        duration=[1100.0, 1100.0, 1100.0, 1100.0, 400.0],
        output_tokens=[11, 1, None, 11, 11],
    )
    assert found["time_per_output_token"].to_list() == [100.0, None, None, None, None]


@given(
    st.lists(
        st.none() | st.floats(-1e12, 1e12) | st.just(math.nan) | st.just(math.inf), min_size=1, max_size=30
    ),
    st.booleans(),
)
def test_unknown_values_come_last_in_both_directions_and_equal_ones_by_arrival(values, descending):
    arrivals = pl.Series(range(len(values), 0, -1)).cast(pl.Datetime("us")).to_list()
    rows = arrange(
        table(ttft=values, arrival=arrivals), Arrangement("ttft", descending, "ttft"), 5
    ).rows.tolist()
    assert sorted(rows) == list(range(len(values)))
    known = [row for row in rows if values[row] is not None and math.isfinite(values[row])]
    assert rows[: len(known)] == known
    keys = [(-values[row] if descending else values[row], arrivals[row]) for row in known]
    assert keys == sorted(keys)
    unknown = rows[len(known) :]
    assert unknown == sorted(unknown, key=lambda row: arrivals[row])


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (
            "ttft>50 duration<=2000",
            lambda r: float(r[HEADERS["ttft"]]) > 50 and float(r[HEADERS["duration"]]) <= 2000,
        ),
        ("_1", lambda r: "_1" in r["http_rid"]),
        (
            "WAIT>=100 common_2",
            lambda r: float(r[HEADERS["queue_wait"]]) >= 100 and "common_2" in r["http_rid"],
        ),
        ("output=16", lambda r: float(r[HEADERS["output_tokens"]]) == 16),
        ("input<300", lambda r: float(r[HEADERS["input_tokens"]]) < 300),
    ],
)
def test_filters_keep_what_the_file_says(text, kept):
    expected = {line["http_rid"] for line in raw(DATA / "pd_ep") if kept(line)}
    whole = loaded(DATA / "pd_ep")
    found = arrange(whole, Arrangement("ttft", True, "ttft", filter=text), 30)
    assert 0 < len(expected) < whole.height
    assert set(whole["request_id"].gather(found.rows)) == expected
    assert found.percentiles.count == len(expected)


def test_the_window_keeps_what_is_in_service_from_its_begin_to_before_its_end():
    arrivals = pl.Series([10, 20, 30, None, 2, 5], dtype=pl.Int64).cast(pl.Datetime("us")).to_list()
    # ms: the fifth ends at 12 µs, the last at 8; of the others no end is known.
    whole = table(arrival=arrivals, duration=[None, None, None, 0.02, 0.01, 0.003])
    found = arrange(whole, Arrangement("arrival", False, "ttft", window=(10, 30)), 5)
    assert found.rows.tolist() == [4, 0, 1]


def test_a_wrong_filter_gets_a_sentence():
    assert filter_error("ttft>50 abc") is None
    assert "speed" in filter_error("speed>1")
    assert "fast" in filter_error("ttft<fast")
    assert all(filter_error(f"{name}>1") is None for name in FILTER_NAMES)


def test_an_unknown_value_satisfies_no_comparison():
    whole = table(ttft=[None, 1.0])
    for text in ("ttft<5", "ttft>=0", "ttft=1"):
        assert arrange(whole, Arrangement("ttft", True, "ttft", filter=text), 5).rows.tolist() == [1]


def test_an_id_is_searched_literally_and_may_be_missing():
    whole = table(request_id=["a.c", "abc", None])
    assert arrange(whole, Arrangement("ttft", True, "ttft", filter="a."), 5).rows.tolist() == [0]
    assert len(arrange(whole, Arrangement("request_id", True, "ttft"), 5).rows) == 3


@given(st.lists(st.none() | st.floats(-1e9, 1e9) | st.floats(1e-3, 1e12), max_size=60), st.integers(1, 40))
def test_every_known_value_lies_in_the_bin_named_for_it(values, bins):
    found = distribution(ascending(pl.Series(values, dtype=pl.Float64)), bins)
    known = [value for value in values if value is not None]
    assert len(found.edges) == bins + 1
    assert found.counts.sum() == len(known)
    counted = [0] * bins
    for value in known:
        counted[found.bin_of(value)] += 1
    assert counted == found.counts.tolist()


def test_bins_grow_by_a_factor_only_where_equal_ones_would_hide_the_half():
    spread = distribution(np.array([1.0, 50.0, 100.0]), 10)
    assert not spread.logarithmic
    assert spread.edges[0] == 0
    crowded = distribution(np.array([1.0, 2.0, 3.0, 1000.0]), 10)
    assert crowded.logarithmic
    assert (crowded.edges[0], crowded.edges[-1]) == (1.0, 1000.0)
    factors = crowded.edges[1:] / crowded.edges[:-1]
    assert factors == pytest.approx([10**0.3] * 10)
    assert not distribution(np.array([0.0, 2.0, 3.0, 1000.0]), 10).logarithmic


def test_no_values_are_unknown_and_not_zero():
    found = percentiles(np.zeros(0), 2)
    assert (found.count, found.unknown) == (0, 2)
    assert math.isnan(found.mean)
    assert math.isnan(found.p99)


def test_speculation_is_summed_over_the_requests_shown():
    steps = empty("speculation").clear()
    steps = pl.concat(
        [
            steps,
            pl.DataFrame(
                {"request_id": ["a", "a", "b"], "proposed": [2, 2, 2], "accepted": [1, 2, 0]},
                schema={
                    name: SCHEMAS["speculation"][name] for name in ("request_id", "proposed", "accepted")
                },
            ),
        ],
        how="diagonal",
    )
    whole = request_table(requests(request_id=["b", "a", "c"]), steps)
    found = arrange(whole, Arrangement("request_id", False, "ttft"), 5)
    assert (found.accepted, found.proposed) == (3, 6)
    found = arrange(whole, Arrangement("request_id", False, "ttft", filter="a"), 5)
    assert (found.accepted, found.proposed) == (3, 4)


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=40),
    st.booleans(),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_equal_values_stay_in_the_order_of_arrival_however_the_file_is_ordered(
    lengths, descending, arrived, random
):
    start = datetime(2026, 1, 1)
    places = list(range(len(lengths)))
    if not arrived:
        random.shuffle(places)
    whole = table(
        request_id=[str(place) for place in places],
        arrival=[start + timedelta(seconds=place) for place in places],
        input_tokens=lengths,
    )
    rows = arrange(whole, Arrangement("input_tokens", descending, "input_tokens"), 5).rows.tolist()
    expected = sorted(
        range(len(lengths)), key=lambda r: (-lengths[r] if descending else lengths[r], places[r])
    )
    assert rows == expected


@given(st.lists(st.none() | st.floats(-1e6, 1e6), min_size=1, max_size=60), st.integers(1, 12), st.booleans())
def test_figures_are_numpys_in_either_order_and_when_sorted_by_another_column(values, bins, descending):
    whole = table(
        request_id=[str(i * 7 % len(values)) for i in range(len(values))],
        ttft=values,
    )
    known = np.array([value for value in values if value is not None])
    for sort in ("ttft", "request_id"):
        found = arrange(whole, Arrangement(sort, descending, "ttft"), bins)
        figures = found.percentiles
        assert (figures.count, figures.unknown) == (len(known), len(values) - len(known))
        if not len(known):
            continue
        wanted = np.percentile(known, [50, 90, 95, 99])
        assert [figures.p50, figures.p90, figures.p95, figures.p99] == pytest.approx(list(wanted), abs=1e-6)
        assert figures.max == known.max()
        assert figures.mean == pytest.approx(known.mean(), abs=1e-6)
        counts, _edges = np.histogram(known, found.distribution.edges)
        assert found.distribution.counts.tolist() == counts.tolist()


def test_what_is_not_finite_is_unknown():
    values = pl.Series([3.0, None, math.nan, math.inf, 1.0])
    assert ascending(values).tolist() == [1.0, 3.0]
