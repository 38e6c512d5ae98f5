"""Attainment, goodput and distributions, held against request.csv read by the csv module alone."""

import csv
import math
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lbtui.analysis.latency import Arrangement, arrange, filter_error, request_table
from lbtui.analysis.request_places import THEN
from lbtui.analysis.slo import (
    Attained,
    Targets,
    attained,
    cdf,
    class_end,
    domains_of,
    ends,
    input_classes,
    met,
    missed,
    names_in,
    of_groups,
    over_time,
    seconds_of,
    steps,
    stretch_of,
    targets_of,
    wilson,
)
from lbtui.profile.schema import SCHEMAS, empty
from lbtui.sources import open_profile

DATA = Path(__file__).parent.parent / "data"
SAMPLES = ["csv_only", "pd_ep", "vllm_small"]
GIVEN = [{}, {"ttft": 100.0}, {"ttft": 200.0, "tpot": 40.0}, {"e2e": 3000.0}, {"tpot": 30.0, "e2e": 5e3}]


def loaded(folder):
    profile = open_profile(folder)
    return request_table(profile.load("requests").frame, profile.load("speculation").frame)


def table(**columns):
    rows = len(next(iter(columns.values())))
    frame = {name: columns.get(name, [None] * rows) for name in SCHEMAS["requests"]}
    return request_table(pl.DataFrame(frame, schema=SCHEMAS["requests"]), empty("speculation"))


# By hand


def raw(folder):
    """Return the requests of a file as dicts of arrival (s), TTFT, TPOT, end to end (ms) and tokens."""
    found = []
    with (folder / "request.csv").open() as file:
        for row in csv.DictReader(file):
            one = {
                "arrival": row["start_datetime"],
                "ttft": float(row["first_token_latency(ms)"] or 0) or None,
                "e2e": float(row["execution_time(ms)"]) if row["execution_time(ms)"] else None,
                "input": int(float(row["recv_token_size"])) if row["recv_token_size"] else None,
                "output": int(float(row["reply_token_size"])) if row["reply_token_size"] else None,
            }
            known = None not in (one["ttft"], one["e2e"], one["output"])
            one["tpot"] = None
            if known and one["output"] > 1 and one["e2e"] >= one["ttft"]:
                one["tpot"] = (one["e2e"] - one["ttft"]) / (one["output"] - 1)
            found.append(one)
    return found


def p95(values):
    values = sorted(value for value in values if value is not None)
    place, part = divmod(0.95 * (len(values) - 1), 1)
    low, high = values[int(place)], values[min(int(place) + 1, len(values) - 1)]
    return low + (high - low) * part


def judge(request, limits):
    if any(request[name] is not None and request[name] > limit for name, limit in limits.items()):
        return False
    for name in limits:
        if request[name] is None and not (name == "tpot" and (request["output"] or 9) <= 1):
            return None
    return True


def moment(text):
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S:%f")


@pytest.mark.parametrize("folder", SAMPLES)
@pytest.mark.parametrize("wanted", GIVEN, ids=lambda wanted: "+".join(wanted) or "p95")
def test_attainment_and_goodput_are_those_of_the_file(folder, wanted):
    frame, by_hand = loaded(DATA / folder), raw(DATA / folder)
    targets = targets_of(frame, wanted)
    limits = wanted or {name: p95(r[name] for r in by_hand) for name in ("ttft", "tpot")}
    assert targets.given == bool(wanted)
    assert targets.limits == pytest.approx(limits, rel=1e-12)
    # The very limits, so that a value beside one by the last bit is judged the same.
    answers = [judge(request, targets.limits) for request in by_hand]
    told = met(frame, targets)
    assert told.to_list() == answers
    begin = min(moment(r["arrival"]) for r in by_hand)
    last = max(moment(r["arrival"]) + timedelta(milliseconds=r["e2e"]) for r in by_hand)
    found = attained(told, seconds_of(frame))
    assert (found.met, found.missed, found.unknown) == tuple(map(answers.count, (True, False, None)))
    assert found.seconds == pytest.approx((last - begin).total_seconds(), rel=1e-9)
    assert found.goodput == pytest.approx(answers.count(True) / (last - begin).total_seconds())
    assert found.share == answers.count(True) / (len(answers) - answers.count(None))


@pytest.mark.parametrize("folder", SAMPLES)
def test_input_classes_are_those_of_the_file(folder):
    frame, by_hand = loaded(DATA / folder), raw(DATA / folder)
    targets = targets_of(frame, {})
    wanted = defaultdict(list)
    for request in by_hand:
        if request["input"] is not None:
            floor = 0 if request["input"] < 128 else 1 << (request["input"].bit_length() - 1)
            wanted[floor].append(judge(request, targets.limits))
    found = of_groups(met(frame, targets), input_classes(frame["input_tokens"]), None)
    assert {floor: (one.met, one.missed, one.unknown) for floor, one in found.items()} == {
        floor: tuple(map(answers.count, (True, False, None))) for floor, answers in sorted(wanted.items())
    }
    assert list(found) == sorted(found)


@pytest.mark.parametrize("folder", SAMPLES)
@pytest.mark.parametrize("column", ["ttft", "queue_wait", "duration", "time_per_output_token"])
def test_distributions_are_those_of_plain_loops(folder, column):
    frame = loaded(DATA / folder)
    values = sorted(frame[column].drop_nulls().to_list())
    xs, ys = cdf(frame[column])
    assert xs.tolist() == sorted(set(values))
    if values:
        shares = [sum(value <= x for value in values) / len(values) for x in xs]
        assert ys.tolist() == pytest.approx(shares, rel=1e-12)
        assert ys[-1] == 1


@pytest.mark.parametrize("folder", SAMPLES)
def test_stretches_hold_each_request_once_by_its_end(folder):
    frame = loaded(DATA / folder)
    told = met(frame, targets_of(frame, {}))
    found = over_time(frame, told)
    run = attained(told, seconds_of(frame))
    assert sum(one.attained.met for one in found) == run.met
    assert sum(one.attained.missed for one in found) == run.missed
    assert sum(one.attained.unknown for one in found) == run.unknown
    assert 12 <= len(found) <= 60
    for one in found:
        here = [answer for answer, end in zip(told, ends(frame), strict=True) if one.begin <= end < one.end]
        assert (one.attained.met, one.attained.missed) == (here.count(True), here.count(False))
        assert one.attained.seconds == (one.end - one.begin) / 1e6
    assert [one.begin for one in found[1:]] == [one.end for one in found[:-1]]
    assert found[-1].end == ends(frame).max() + 1


# One rule each


def test_a_known_miss_outweighs_what_is_unknown():
    frame = table(
        ttft=[600.0, None, 400.0, None], duration=[None, 9000.0, 800.0, None], output_tokens=[3] * 4
    )
    told = met(frame, Targets(ttft=500.0, e2e=1000.0, given=True))
    assert told.to_list() == [False, False, True, None]


def test_which_targets_were_missed_is_told():
    frame = table(
        ttft=[600.0, 400.0, 400.0, None, 600.0], duration=[9000.0] * 3 + [None] * 2, output_tokens=[3] * 5
    )
    targets = Targets(500.0, 100.0, 9000.0, given=True)
    bits = missed(frame, targets).to_list()
    assert [None if one is None else names_in(one) for one in bits] == [
        ["ttft", "tpot"],
        ["tpot"],
        ["tpot"],
        None,
        ["ttft"],
    ]
    assert names_in(7) == ["ttft", "tpot", "e2e"]


def test_one_token_cannot_miss_the_time_per_token():
    frame = table(
        ttft=[100.0] * 5, duration=[100.0, 100.0, 100.0, 50.0, 400.0], output_tokens=[1, 0, None, 3, 4]
    )
    told = met(frame, Targets(ttft=500.0, tpot=50.0, given=True))
    # Of unknown length, or ended before its first token: that is no time per token of 0.
    assert told.to_list() == [True, True, None, None, False]


def test_a_target_is_met_at_its_very_value():
    assert met(table(ttft=[500.0, 500.001]), Targets(ttft=500.0)).to_list() == [True, False]


def test_without_a_target_nothing_is_judged():
    frame = table(queue_wait=[1.0, 2.0])
    targets = targets_of(frame, {})
    assert targets == Targets()
    assert met(frame, targets).to_list() == [None, None]
    assert met(frame, targets).dtype == pl.Boolean
    nothing = attained(met(frame, targets), seconds_of(frame))
    assert nothing == Attained(unknown=2)
    assert math.isnan(nothing.share)
    assert math.isnan(nothing.goodput)
    assert over_time(frame, met(frame, targets)) == []


def test_a_request_counts_in_each_of_its_domains_once():
    frame = pl.DataFrame({"domain": [f"a{THEN}b", f"b{THEN}a{THEN}b", "b", None]})
    told = pl.Series([True, False, None, True])
    found = of_groups(told, domains_of(frame), 2.0)
    assert found == {"a": Attained(1, 1, 0, 2.0), "b": Attained(1, 1, 1, 2.0)}
    assert found["a"].goodput == 0.5


def test_classes_end_below_the_next_power_of_two():
    tokens = pl.Series([0, 1, 127, 128, 255, 256, 4095, 4096, None], dtype=pl.Int32)
    assert input_classes(tokens).to_list() == [0, 0, 0, 128, 128, 256, 2048, 4096, None]
    assert [class_end(floor) for floor in (0, 128, 2048)] == [127, 255, 4095]


@pytest.mark.parametrize(
    ("good", "total", "low", "high"),
    # From Wilson's formula by a calculator, and as in Newcombe 1998, table I.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_is_wilsons(good, total, low, high):
    assert wilson(good, total) == pytest.approx((low, high), abs=5e-5)


def test_the_interval_of_none_is_unknown():
    assert all(map(math.isnan, wilson(0, 0)))


@given(st.integers(0, 10_000), st.integers(1, 10_000))
def test_the_interval_holds_the_share(good, total):
    assume(good <= total)
    low, high = wilson(good, total)
    assert 0 <= low <= good / total <= high <= 1


@given(st.integers(1, 10**14), st.integers(1, 200))
def test_stretches_are_round_and_few(length, most):
    width = stretch_of(length, most)
    assert int(str(width).rstrip("0")) in (1, 2, 5)
    assert width * most >= length
    # The next shorter one would not do, unless it is the least.
    assert width == 1000 or width / 2.5 * most < length


NUMBERS = st.none() | st.floats(0, 1e7, allow_nan=False)


@given(st.lists(NUMBERS, max_size=60))
def test_a_distribution_rises_to_1(values):
    xs, ys = cdf(pl.Series(values, dtype=pl.Float64))
    known = [value for value in values if value is not None]
    assert xs.tolist() == sorted(set(known))
    for x, y in zip(xs, ys, strict=True):
        assert y == pytest.approx(sum(value <= x for value in known) / len(known))


@given(st.lists(st.floats(0, 1e7), min_size=1, max_size=400), st.integers(1, 40))
def test_its_steps_are_exact_to_a_column(values, columns):
    xs, ys = cdf(pl.Series(values, dtype=pl.Float64))
    across, up = steps(xs, ys, columns)
    assert len(across) == len(up) <= 4 * max(columns, min(len(xs), 2 * columns))
    assert (np.diff(across) >= 0).all()
    assert (np.diff(up) >= 0).all()
    assert (across[0], up[0]) == (xs[0], 0)
    assert (across[-1], up[-1]) == (xs[-1], 1)
    # Each corner lies on the distribution.
    for x, y in zip(across, up, strict=True):
        at = int(np.searchsorted(xs, x))
        assert y in (ys[at], ys[at - 1] if at else 0.0)


@given(
    st.lists(st.tuples(NUMBERS, NUMBERS, st.none() | st.integers(0, 5)), min_size=1, max_size=40),
    st.dictionaries(st.sampled_from(["ttft", "tpot", "e2e"]), st.floats(0.001, 1e7), min_size=1),
)
def test_requests_are_judged_as_by_hand(rows, wanted):
    ttft, duration, tokens = map(list, zip(*rows, strict=True))
    frame = table(ttft=ttft, duration=duration, output_tokens=tokens)
    per_token = frame["time_per_output_token"].to_list()
    by_hand = [
        judge(
            {"ttft": t, "e2e": d, "tpot": p, "output": 1 if n is not None and n <= 1 else n},
            wanted,
        )
        for t, d, p, n in zip(ttft, duration, per_token, tokens, strict=True)
    ]
    assert met(frame, targets_of(frame, wanted)).to_list() == by_hand


def test_a_filter_asks_for_what_was_missed():
    frame = table(ttft=[600.0, 400.0, None, 1.0], duration=[9000.0, 9000.0, None, 2.0], output_tokens=[3] * 4)
    frame = frame.with_columns(missed(frame, Targets(500.0, 100.0, None, given=True)))

    def rows(text):
        return arrange(frame, Arrangement("ttft", False, "ttft", text), 4).rows.tolist()

    assert sorted(rows("slo=missed")) == [0, 1]
    assert rows("slo=met") == [3]
    assert rows("SLO=unknown") == [2]
    assert rows("slo=ttft") == [0]
    assert sorted(rows("slo=tpot,unknown")) == [0, 1, 2]
    assert rows("slo=e2e") == []
    assert "none of met, missed, unknown, ttft, tpot, e2e" in filter_error("slo=late")
    assert "wants a name" in filter_error("slo=")


def test_a_duration_beyond_all_clocks_is_no_known_end():
    frame = table(arrival=[datetime(2026, 1, 1)] * 2, duration=[1e300, 5.0], ttft=[1.0, 2.0])
    assert ends(frame).null_count() == 1
    assert seconds_of(frame) == 0.005
    assert [one.attained.judged for one in over_time(frame, met(frame, Targets(3.0)))][-1] == 1
