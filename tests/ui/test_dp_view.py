"""The DP picture as plain text: hand-made domains, the demo, every size."""

import csv
import math
from collections import defaultdict
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from lbtui.analysis.data_parallel import METRICS, metric, round_at
from lbtui.findings import Cost, Finding
from lbtui.overview.run import overview
from lbtui.profile import SCHEMAS, Profile
from lbtui.profile.source import ScheduledRequest
from lbtui.render import palette
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities
from lbtui.render.text import plain
from lbtui.sources import open_profile
from lbtui.text import visible
from lbtui.thresholds import Expected
from lbtui.ui.panes.dp import data as dp_data_module
from lbtui.ui.panes.dp.chart import MOST_LINES, chart_key, chart_rows, chart_state_row
from lbtui.ui.panes.dp.data import dp_data, measure, scene
from lbtui.ui.panes.dp.lanes import lane_rows
from lbtui.ui.panes.dp.layout import (
    DpState,
    Shown,
    at_place,
    hit,
    lane_moved,
    lane_order,
    layout,
    moved,
    place_moved,
    reaching,
    scrolled,
    view_window,
    zoomed,
)
from lbtui.ui.panes.dp.marks import marks_of
from lbtui.ui.panes.dp.round import round_text, round_title
from lbtui.ui.panes.dp.view import draw, missing_rows

CAPS = Capabilities("256")
DEMO = Path(__file__).parents[2] / "lbtui" / "demo" / "output"
EPOCH = datetime(1970, 1, 1)
START = datetime(2026, 1, 1)
BEGIN = (START - EPOCH) // timedelta(microseconds=1)


def step(host, rank, begin, end, batch, *, phase="decode", instance="node-d", **more):
    """A step of one card; times in ms."""
    return {
        "instance": instance,
        "host": host,
        "dp_rank": rank,
        "domain": f"{instance}/dp{rank}",
        "prof_id": f"ms_service_{host}-{rank}",
        "forward_iter": begin // 100,
        "phase": phase,
        "batch_size": batch,
        "prefill_batch_size": batch if phase == "prefill" else 0,
        "decode_batch_size": batch if phase == "decode" else 0,
        "tokens": batch * 10,
        "start": START + timedelta(milliseconds=begin),
        "end": START + timedelta(milliseconds=end),
        "duration": float(end - begin),
        "bubble": None,
    } | more


def made(rows, chosen="batch_size", frame=None):
    """Data and lanes of hand-made steps."""
    data = dp_data(
        pl.DataFrame(rows, schema=SCHEMAS["steps"]), pl.DataFrame(schema=SCHEMAS["batches"]), None, None
    )
    return data, measure(metric(chosen), data, data.steps if frame is None else frame)


# Two lanes of 20 seconds: dp0 always at 2; dp1 at 2, at 8 from 10 s to 15 s, then idle.
def two_lanes():
    rows = [step("node-d-0", 0, t, t + 1000, 2) for t in range(0, 20_000, 1000)]
    rows += [
        step("node-d-1", 1, t, t + 1000, 8 if t >= 10_000 else 2, phase="prefill" if t == 3000 else "decode")
        for t in range(0, 15_000, 1000)
    ]
    return rows


@cache
def two_lanes_data():
    return made(two_lanes())[0]


def started(data, measured, **more):
    state = DpState(
        metric=measured.metric.key, domain=measured.domains[0].key if measured.domains else "", **more
    )
    return at_place(replace(state, time=data.begin), data, measured, 0)


def picture(data, measured, state, width, height, caps=CAPS):
    at = layout(measured, width, height)
    view = scene(measured, view_window(state, data), at.columns)
    return draw(Shown.of(data, measured, view, state, at), Canvas(width, height, caps))


GOLDEN = """\
 batch size · 08:00:00–08:00:20 · column 351 ms, mean · 0–8
                                              ▼08:00:12.4            at cursor    mean     p95     max  × mean
                                              │
                                              │
d-0 dp0    ▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆         2       2       2       2    0.80
                                              │
                                        █████████████▂
                                       ▇██████████████
d-1 dp1    ▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆███████████████▁▁▁▁▁▁▁▁▁▁▁▁▁▁         8       3       8       8    1.20
                                              │
PAR        ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▃▅▅▅▅▅▅▅▅▅▅▅▅▅▄██████████████      1.60    1.40  by chance 1.33
           08:00:00      :05           :10           :15                   by chance ▄▄▄▄▄▄▄▄▄ far above peers
 08:00:12.480 · dp1 · 8 requests (0 prefill, 8 decode) · 80 tokens · step 1,000 ms · forward_iter 120
 batch size in this column: mean 8, max 8 · lanes' mean 5, 1.0× chance
 hot spot 1 of 2: 3.00 over the lanes' mean for 5 s
 PAR 1.60 in this column, 1.40 in the window (chance 1.33; 100 % of time counts) · node-d-1"""


def test_two_lanes_as_they_stand_on_the_screen():
    # By hand: dp1 holds 2 for 10 s, 8 for 5 s, 0 for 5 s: mean 60 / 20; the lanes' mean is 2.5;
    # PAR is (2 × 10 + 8 × 5 + 2 × 5) / (2 × 10 + 5 × 5 + 1 × 5).
    data, measured = made(two_lanes())
    assert plain(picture(data, measured, started(data, measured), 110, 16)) == GOLDEN


def test_a_small_terminal_shows_the_cursors_lane_first():
    data, measured = made(two_lanes())
    assert plain(picture(data, measured, started(data, measured), 20, 2)) == (
        " batch size\ndp1    ▂▂▂▂▂▂▅██▆▁▁▁"
    )


def test_columns_with_prefill_are_underlined_in_the_batch_size_only():
    data, measured = made(two_lanes())
    rows = picture(data, measured, started(data, measured), 110, 16)
    line = next(r for r in rows if plain([r]).startswith("d-1 dp1"))
    under = [
        bool(segment.style and segment.style.underline) for segment in line for _character in segment.text
    ]
    # The step from 3 s to 4 s in columns of 20 / 57 s, eleven cells of label before them.
    assert [x - 11 for x, marked in enumerate(under) if marked] == [8, 9, 10, 11]
    data, measured = made(two_lanes(), "tokens")
    rows = picture(data, measured, started(data, measured), 110, 16)
    assert not any(segment.style and segment.style.underline for r in rows for segment in r)


@cache
def demo(chosen="batch_size"):
    profile = open_profile(DEMO)
    data = dp_data(profile.load("steps").frame, profile.load("batches").frame, None, None)
    return data, measure(metric(chosen), data, profile.load(metric(chosen).frame).frame)


def test_chance_is_that_of_the_expected_shares_as_in_the_overview():
    profile = open_profile(DEMO)
    instance = demo()[0].domains[0].instance
    for expected in (Expected(), Expected(domains=((f"{instance}/dp0", 3.0),))):
        data = dp_data(
            profile.load("steps").frame, profile.load("batches").frame, None, None, expected=expected
        )
        measured = measure(metric("batch_size"), data, data.steps)
        even = scene(measured, (data.begin, data.end), 80).evenness[instance]
        told = overview(profile, expected=expected)
        figures = [f for line in told.lines for f in line.figures]
        (known,) = [
            f
            for f in figures
            if (f.metric, f.formula, f.subject.instance) == ("batch_size", "time_weighted_par", instance)
        ]
        assert (even.value, even.chance) == pytest.approx((known.value, known.chance))
    assert even.chance > 1.3 * scene(demo()[1], (data.begin, data.end), 80).evenness[instance].chance


def raw_steps():
    """The demo's steps from its file: (instance, rank) -> iteration-wise lists, without lbtui's reader."""
    found = defaultdict(list)
    with (DEMO / "forward.csv").open() as file:
        for r in csv.DictReader(file):
            instance = r["hostname"].rsplit("-", 2)[0]
            found[instance, int(r["dp_rank"])].append(
                (float(r["start_time(ms)"]), float(r["end_time(ms)"]), int(r["batch_size"]))
            )
    return found


def test_the_demos_figures_against_its_file():
    """Mean, max and now of each lane from forward.csv by a sum over 1 ms samples."""
    data, measured = demo()
    state = started(data, measured)
    view = scene(measured, view_window(state, data), layout(measured, 200, 47).columns)
    steps = raw_steps()
    assert {(d.instance, d.dp_rank) for d in measured.domains} == set(steps)
    begin = min(s for passes in steps.values() for s, _e, _b in passes)
    end = max(e for passes in steps.values() for _s, e, _b in passes)
    samples = np.arange(begin, end, 1.0)
    means = {}
    for i, domain in enumerate(measured.domains):
        passes = sorted(steps[domain.instance, domain.dp_rank])
        # Two cards of a domain make the same pass: one step, its batch once.
        merged = []
        for s, e, b in passes:
            if merged and s < merged[-1][1]:
                merged[-1][1] = max(merged[-1][1], e)
            else:
                merged.append([s, e, b])
        for step_now, following in pairwise(merged):
            if following[0] - step_now[1] <= step_now[1] - step_now[0]:
                step_now[1] = following[0]
        held = np.zeros(len(samples))
        for s, e, b in merged:
            held[int(np.ceil(s - begin)) : int(np.ceil(e - begin))] = b
        means[domain.key] = held.mean()
        statistics = view.statistics[i]
        assert statistics.mean == pytest.approx(held.mean(), rel=2e-3, abs=2e-4)
        assert statistics.max == max(b for _s, _e, b in merged)
        assert statistics.p95 == np.quantile(held, 0.95, method="inverted_cdf")
        assert measured.lanes[i].at(state.time) == held[int(state.time / 1000 - begin)]
    for i, domain in enumerate(measured.domains):
        peers = [means[d.key] for d in measured.domains if d.instance == domain.instance]
        assert view.statistics[i].ratio == pytest.approx(means[domain.key] / np.mean(peers), rel=5e-3)


def test_the_cursor_starts_at_the_demos_fault():
    """The fullest domain of the decode instance over any 10 s, from forward.csv alone."""
    data, measured = demo()
    state = started(data, measured)
    heaviest = None
    steps = {key: passes for key, passes in raw_steps().items() if key[0].endswith("-d0")}
    begin = min(s for passes in steps.values() for s, _e, _b in passes)
    for key, passes in steps.items():
        for second in range(0, 110, 5):
            low, high = begin + 1000 * second, begin + 1000 * (second + 10)
            load = sum(b * max(0, min(e, high) - max(s, low)) for s, e, b in passes)
            heaviest = max(heaviest or (0,), (load, key, low, high))
    domain = measured.domains[measured.index(state.domain)]
    assert (domain.instance, domain.dp_rank) == heaviest[1]
    place = measured.places[0]
    assert place.begin / 1000 < heaviest[3]
    assert heaviest[2] < place.end / 1000
    assert place.begin <= state.time < place.end


@pytest.mark.parametrize("chosen", [m.key for m in METRICS])
def test_every_metric_of_the_demo_is_drawn_exactly_in_every_size(chosen):
    data, measured = demo(chosen)
    assert measured.has_values
    for caps in (Capabilities("truecolor"), Capabilities("none", unicode=False)):
        for width, height in ((20, 2), (40, 9), (79, 20), (80, 21), (120, 29), (200, 47), (400, 117)):
            for state in (started(data, measured), started(data, measured, by_score=True, statistic="worst")):
                rows = picture(data, measured, state, width, height, caps)
                assert len(rows) <= height
                assert all(sum(s.cell_length for s in r) == width for r in rows)
                text = plain(rows)
                assert caps.unicode or text.isascii()
                assert measured.metric.label[:10] in text


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 220), st.integers(1, 60), st.data())
def test_any_size_any_number_of_domains_any_host(width, height, draws):
    hosts = draws.draw(st.lists(st.text(min_size=1, max_size=30), min_size=1, max_size=3))
    count = draws.draw(st.sampled_from([1, 2, 3, 11, 40]))
    rows = [
        step(hosts[rank % len(hosts)], rank, 0, 100 * (1 + rank % 3), rank, instance=hosts[0])
        for rank in range(count)
    ]
    data, measured = made(rows)
    state = started(data, measured, by_score=draws.draw(st.booleans()))
    state = lane_moved(state, measured, draws.draw(st.integers(0, 80)))
    state = zoomed(state, data, draws.draw(st.sampled_from([0.25, 1.0])))
    caps = draws.draw(st.sampled_from([CAPS, Capabilities("16", unicode=False)]))
    shown = picture(data, measured, state, width, height, caps)
    assert len(shown) <= height
    for r in shown:
        text = "".join(s.text for s in r)
        assert cell_len(text) == width
        assert visible(text) == text
        assert caps.unicode or text.isascii()


def test_many_domains_scroll_while_axis_and_par_stay():
    rows = [step(f"node-d-{rank // 8}", rank, 0, 10_000, 1 + rank % 7) for rank in range(128)]
    data, measured = made(rows)
    state = replace(started(data, measured), domain="node-d/dp0")
    seen = set()
    for _key in range(128):
        shown = layout(measured, 120, 29).shown
        state = scrolled(state, measured, shown)
        lines = plain(picture(data, measured, state, 120, 29)).split("\n")
        at = next(i for i, line in enumerate(lines) if line.startswith("PAR"))
        assert at == shown + 2
        assert "08:00:00" in lines[at + 1]
        name = state.domain.split("/")[1]
        assert any(f" {name} " in line for line in lines[2:at])
        seen.add(name)
        state = lane_moved(state, measured, 1)
    assert len(seen) == 128


def test_lanes_by_how_far_they_stand_out_stay_within_their_instance():
    rows = two_lanes()
    rows += [step("node-p-0", 0, t, t + 1000, 50, instance="node-p") for t in range(0, 20_000, 1000)]
    rows += [step("node-p-1", 1, t, t + 1000, 60, instance="node-p") for t in range(0, 20_000, 1000)]
    _data, measured = made(rows)
    names = [d.key for d in measured.domains]
    assert names == ["node-d/dp0", "node-d/dp1", "node-p/dp0", "node-p/dp1"]
    assert [names[i] for i in lane_order(measured, True)] == [
        "node-p/dp1",
        "node-p/dp0",
        "node-d/dp1",
        "node-d/dp0",
    ]


def test_few_free_blocks_are_hot_and_named_as_the_bad_side():
    data, measured = demo("kv_free")
    state = started(data, measured)
    lowest = min(range(len(measured.lanes)), key=lambda i: measured.lanes[i].values.min())
    assert measured.index(state.domain) == lowest
    rows = picture(data, measured, state, 200, 47)
    lines = plain(rows).split("\n")
    assert "min  × mean" in lines[1]
    assert any(line.startswith("min/mean d0") for line in lines)
    assert "under the lanes' mean" in "\n".join(lines)
    scarce = next(r for r in rows if measured.domains[lowest].name in "".join(s.text for s in r[:4]))
    hottest = palette.heat_style(CAPS, 1.0)
    assert any(s.style == hottest for s in scarce)


def test_what_load_comes_in_is_found_once_an_instance(monkeypatch):
    rows = [
        step("node", rank, 1000 * second, 1000 * second + 900, 4, instance=instance)
        for instance in ("node-p", "node-d")
        for rank in range(9)
        for second in range(20)
    ]
    asked = []
    monkeypatch.setattr(dp_data_module, "lump", lambda loads: asked.append(loads.shape[0]) or 1.0)
    _data, found = made([{**r, "tokens": 9} for r in rows], "tokens")
    assert asked == [9, 9]
    assert set(found.lumps) == {"node-p", "node-d"}


@pytest.mark.parametrize("domains", [4, 64])
def test_even_lanes_are_calm_and_one_that_stands_out_is_not(domains):
    rng = np.random.default_rng(3)
    rows = []
    for rank in range(domains):
        for second in range(60):
            batch = int(rng.poisson(6.0))
            rows.append(step("node-d-0", rank, 1000 * second, 1000 * second + 1000, batch))
    data, measured = made(rows)
    at = layout(measured, 200, 100)
    coldest, hottest = palette.heat_style(CAPS, 0.0), palette.heat_style(CAPS, 1.0)

    def colours(chosen):
        view = scene(chosen, (data.begin, data.end), at.columns)
        state = started(data, chosen)
        drawn = lane_rows(Shown.of(data, chosen, view, state, at), 200, CAPS)
        return [s.style for r in drawn for s in r for _c in s.text if s.style in ramp]

    ramp = [palette.heat_style(CAPS, part / 20) for part in range(21)]
    even = colours(measured)
    assert even.count(coldest) > 0.97 * len(even)
    assert hottest not in even
    hot = [r | ({"batch_size": 30} if r["dp_rank"] == 1 and r["start"].second > 40 else {}) for r in rows]
    standing = colours(made(hot)[1])
    assert standing.count(hottest) > at.columns // 4


def test_a_value_has_one_colour_at_every_width():
    data, measured = made(two_lanes())
    seen = defaultdict(set)
    for columns in (20, 40, 100):
        view = scene(measured, (data.begin, data.end), columns)
        for own, peer, apart in zip(view.mean[1], view.mean[0], view.mean_apart[1], strict=True):
            seen[own, peer].add(round(float(apart), 12))
    assert all(len(found) == 1 for found in seen.values())


def found_at(measured, metric="dp.batch_size.skew", window=(10, 15), severity="critical", **subject):
    begin, end = (START + timedelta(seconds=s) for s in window)
    return Finding(
        id=metric,
        severity=severity,
        subject=subject,
        window=(begin, end),
        metric="m",
        value=2.5,
        threshold=1.4,
        cost=Cost(None, "", ""),
        message="",
        advice="",
        evidence="",
        excess=1.8,
    )


def test_findings_stand_at_their_lanes_and_over_their_time():
    data, measured = made(two_lanes())
    at = layout(measured, 110, 16)
    view = scene(measured, (data.begin, data.end), at.columns)
    state = replace(started(data, measured), time=data.begin)
    other = found_at(measured, "kv.exhausted", dp_rank=0)
    remark = found_at(measured, severity="info", dp_rank=0)
    marks = marks_of([other, remark, found_at(measured, dp_rank=1)], measured)
    shown = replace(Shown.of(data, measured, view, state, at), marks=marks)
    rows = draw(shown, Canvas(110, 16, CAPS))
    lines = plain(rows).split("\n")
    assert [line[8:10] for line in lines if line.startswith(("d-0 dp0", "d-1 dp1"))] == ["  ", "!!"]
    # From 10 s to 15 s of 20 in 59 columns: 29.5 to 44.25.
    assert lines[1][11:68] == "▼08:00:00.0" + " " * 17 + "┌" + "─" * 13 + "┐" + " " * 14
    inside = replace(shown, state=replace(state, domain="node-d/dp1"))
    assert "dp1 · !! 2.50× its peers' batch, 08:00:10–08:00:15" in plain(draw(inside, Canvas(110, 16, CAPS)))
    ascii_rows = plain(draw(shown, Canvas(110, 16, Capabilities("none", unicode=False))))
    assert "[" + "-" * 13 + "]" in ascii_rows


def test_kv_usage_is_in_percent_everywhere():
    data, measured = demo("kv_usage")
    text = plain(picture(data, measured, started(data, measured), 200, 30))
    assert "% of the domain's blocks" in text
    assert "scale 0–100 %" in text
    domain = next(line for line in text.split("\n") if " dp2 " in line)
    assert domain.split()[-9::2][:4] == [t.split()[0] for t in ("100 %", "72.5 %", "100 %", "100 %")]
    assert "0.725" not in text


def test_where_there_is_room_both_metrics_of_a_domain_stand_together():
    data, measured = demo()
    kv = demo("kv_usage")[1]
    state = started(data, measured)
    at = layout(measured, 200, 47, "paired")
    views = [scene(m, (data.begin, data.end), at.columns) for m in (measured, kv)]
    shown = Shown.of(data, measured, views[0], state, at)
    lines = plain(
        draw(replace(shown, partner=replace(shown, measured=kv, view=views[1])), Canvas(200, 47, CAPS))
    ).split("\n")
    names = [line[: at.label].split() for line in lines[2:]]
    pairs = [(a[-1], b) for a, b in pairwise(names) if a and b == ["KV"]]
    assert [name for name, _kv in pairs] == [d.name for d in measured.domains]
    # While the other metric is not there, its lanes are blank: nothing moves when it comes.
    waiting = plain(draw(shown, Canvas(200, 47, CAPS))).split("\n")
    assert [y for y, line in enumerate(waiting) if " dp" in line[: at.label]] == [
        y for y, line in enumerate(lines) if " dp" in line[: at.label]
    ]
    assert layout(measured, 200, 30, "paired").partner_height == 0


@pytest.mark.parametrize("size", [(200, 47), (250, 67)])
def test_no_large_part_of_a_tall_screen_is_blank(size):
    _data, measured = demo()
    for kind in ("single", "paired"):
        at = layout(measured, *size, kind)
        used = at.shown * at.lane_rows - at.gap + at.evenness_rows + at.reading + 3
        assert size[1] - used <= len(measured.domains)


def test_a_metric_without_data_says_why_and_how_to_get_it():
    data, measured = made(two_lanes(), "waiting", pl.DataFrame(schema=SCHEMAS["queues"]))
    assert not measured.has_values
    text = plain(missing_rows(Profile(Path(), ()), data, measured.metric, [], Canvas(100, 40, CAPS)))
    assert "request_status.csv" in text
    assert 'collect domain "Schedule"' in text
    rows = [r | {"prefill_batch_size": None} for r in two_lanes()]
    data, measured = made(rows, "prefill_batch_size")
    assert not measured.has_values, "unknown is not zero"
    assert "batch.csv" in plain(
        missing_rows(Profile(Path(), ()), data, measured.metric, [], Canvas(100, 40, CAPS))
    )
    for width in (20, 40, 80):
        rows = missing_rows(
            Profile(Path(), ()), data, measured.metric, ["batch.csv: \x1b[31m"], Canvas(width, 40, CAPS)
        )
        assert all(sum(s.cell_length for s in r) == width for r in rows)
        assert "\x1b" not in plain(rows)


# Moves


def test_the_cursor_visits_every_column_and_no_other():
    data, measured = made(two_lanes())
    state = replace(started(data, measured), time=data.begin)
    view = scene(measured, (data.begin, data.end), 50)
    visited = [view.column_of(state.time)]
    for _key in range(60):
        state = moved(state, data, view, 1)
        visited.append(view.column_of(state.time))
        assert data.begin <= state.time < data.end
    assert visited == [*range(50), *[49] * 11]


@given(st.integers(0, 19_999_999), st.lists(st.sampled_from([0.5, 2.0]), max_size=25))
def test_zooming_keeps_the_cursor_in_the_window_and_the_window_in_the_whole(time, factors):
    data = two_lanes_data()
    state = DpState(time=data.begin + time)
    for factor in factors:
        before = view_window(state, data)
        state = zoomed(state, data, factor)
        begin, end = view_window(state, data)
        assert data.begin <= begin <= state.time < end <= data.end
        assert factor > 1 or end - begin <= before[1] - before[0]
        assert end - begin >= 10_000
    assert replace(state, window=None) == DpState(time=data.begin + time)


@given(st.integers(0, 19_999_999), st.integers(0, 15_000_000), st.integers(10_000, 4_999_999))
def test_a_window_follows_the_cursor(time, begin, length):
    data = two_lanes_data()
    window = (data.begin + begin, data.begin + begin + length)
    state = reaching(DpState(time=data.begin + time, window=window), data)
    low, high = state.window
    assert high - low == length
    assert data.begin <= low <= state.time < high <= data.end
    assert not window[0] <= state.time < window[1] or state.window == window


def test_places_go_round():
    data, measured = demo()
    state = started(data, measured)
    seen = [(state.domain, state.time)]
    for _key in measured.places:
        state = place_moved(state, data, measured, 1)
        seen.append((state.domain, state.time))
    assert seen[0] == seen[-1]
    assert len(set(seen)) == len(measured.places)
    assert place_moved(state, data, measured, -1).time == measured.places[-1].centre
    nowhere = replace(state, time=data.end - 1, domain=measured.domains[0].key)
    assert place_moved(nowhere, data, measured, 1).time == measured.places[0].centre
    assert place_moved(nowhere, data, measured, -1).time == measured.places[-1].centre


def test_a_lesser_place_at_the_very_beginning_does_not_hold_the_cursor():
    rows = [step("node-d-0", 0, t, t + 1000, 3 if t < 2000 else 2) for t in range(0, 20_000, 1000)]
    rows += [step("node-d-1", 1, t, t + 1000, 8 if t > 9000 else 2) for t in range(0, 20_000, 1000)]
    data, measured = made(rows)
    assert {p.lane for p in measured.places} == {0, 1}
    assert started(data, measured).domain == "node-d/dp1"


def test_a_click_hits_what_is_drawn_there():
    data, measured = made(two_lanes())
    at = layout(measured, 110, 16)
    state = started(data, measured)
    view = scene(measured, view_window(state, data), at.columns)
    lines = plain(picture(data, measured, state, 110, 16)).split("\n")
    y = next(i for i, line in enumerate(lines) if line.startswith("d-1 dp1"))
    domain, time = hit(at, state, measured, view, 11, y)
    assert (domain, view.column_of(time)) == ("node-d/dp1", 0)
    assert hit(at, state, measured, view, 11, y - 2)[0] == "node-d/dp1"
    assert hit(at, state, measured, view, 11, 3)[0] == "node-d/dp0"
    assert hit(at, state, measured, view, 2, y) == ("node-d/dp1", None)
    assert hit(at, state, measured, view, 11 + at.columns, 0) == (None, None)


# Chart and round


def test_the_chart_has_a_line_a_domain_of_the_cursors_instance():
    data, measured = demo()
    state = started(data, measured)
    key = chart_key(measured, state, view_window(state, data), Canvas(120, 24, CAPS))
    rows = chart_rows(key, data, measured, CAPS).rows
    text = plain(rows)
    assert all(sum(s.cell_length for s in r) == 120 for r in rows)
    assert [f"dp{i}" in text.split("\n")[1] for i in range(9)] == [True] * 8 + [False]
    assert "forward_iter" in text
    state_line = plain([chart_state_row(key, measured, CAPS)])
    assert state_line.startswith(" batch size against forward_iter · mindie-server-d0 · 10:00:00")


def test_a_chart_of_many_domains_says_which_it_shows():
    rows = [step("node-d-0", rank, 0, 10_000, 1 + rank) for rank in range(20)]
    _data, measured = made(rows)
    key = chart_key(measured, DpState(domain="node-d/dp0"), (BEGIN, BEGIN + 10**7), Canvas(120, 24, CAPS))
    assert len(key.lanes) == MOST_LINES
    assert key.lanes == (0, *range(13, 20)), "the cursor's and those far above the others"
    assert "8 of 20 domains" in plain([chart_state_row(key, measured, CAPS)])


def test_a_metric_that_is_not_of_steps_charts_the_batch_size():
    _data, measured = demo("kv_free")
    state = DpState(domain=measured.domains[0].key)
    assert chart_key(measured, state, (0, 1), Canvas(80, 20, CAPS)).metric.key == "batch_size"


def test_the_page_of_a_round():
    data, measured = made(two_lanes())
    at = BEGIN + 12_500_000
    found = round_at(data.steps, data.batches, "node-d/dp1", EPOCH + timedelta(microseconds=at))
    assert round_title(measured.domains[1], at) == "dp1 of node-d-1 at 08:00:12.500"
    reading = round_text(found, at, None, CAPS).plain
    assert "reading …" in reading
    assert "8 requests" in reading
    assert "ms_service_node-d-1-1" in reading
    heading, card = reading.partition("in this step\n")[2].splitlines()[:2]
    assert heading.index("prof_id") == card.index("ms_service_node-d-1-1"), "the long name stands last"
    assert heading.index("prof_id") < 70, "the numbers fit beside each other at 80 columns"
    listed = round_text(found, at, [ScheduledRequest("r\x1b[2J", 3, None)], CAPS).plain
    assert "\x1b" not in listed
    assert r"r\x1b[2J" in listed
    assert "Not known" in round_text(found, at, [], CAPS).plain
    assert "No step" in round_text(None, at, None, CAPS).plain
    idle = BEGIN + 17_000_000
    late = round_at(data.steps, data.batches, "node-d/dp1", EPOCH + timedelta(microseconds=idle))
    assert "ended 2 s earlier" in round_text(late, idle, [], CAPS).plain


def test_an_empty_profile_has_no_lanes_and_says_why():
    data, measured = made([])
    assert not measured.has_values
    assert math.isfinite(data.end)
    assert "forward.csv" in plain(
        missing_rows(Profile(Path(), ()), data, measured.metric, [], Canvas(80, 40, CAPS))
    )
