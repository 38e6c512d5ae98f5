"""A large forward.csv is joined to steps while it is read: the same steps as from all passes at once."""

from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbtui.analysis.data_parallel import (
    domain_steps,
    domains_of,
    metric,
    metric_lanes,
    round_at,
    step_intervals,
)
from lbtui.analysis.lanes import bin_edges, bin_lanes
from lbtui.overview.run import overview
from lbtui.profile import Cancelled, Silent
from lbtui.sources import open_profile
from lbtui.sources.steps import large_forward, streamed
from lbtui.sources.steps.step_join import NO_PHASE, NotJoinable, Passes, StepJoiner, concatenated
from lbtui.sources.tables import csv_lines
from lbtui.ui.panes.dp.data import dp_data, measure
from tests.sources.made import Service, write
from tests.sources.recorded import CSV_ONLY, lay_out

RECORDED = {
    "mindie_tp4": ["mindie_tp4/forward.csv", "mindie_tp4/batch.csv"],
    "forward alone": ["mindie_tp4/forward.csv"],
    "vllm_small": ["vllm_small/forward.csv", "vllm_small/batch.csv"],
    "csv_only": CSV_ONLY,
}
SIZES = tuple(5 + i * 7 % 11 for i in range(90))
MADE = {
    "pipeline": [Service("a-b-0", 10, (1, 2, 3), 0, 0, SIZES, lag=5.0)],
    "stages never rest": [Service("a-b-0", 10, (1, 2, 3), 0, 0, SIZES, lag=12.0)],
    "a card begins before the slowest ends": [
        Service("a-b-0", 10, (1, 2), 0, 0, SIZES, length=29.0, lag=1.5),
        Service("a-b-1", 20, (3, 4), 1, 1, SIZES[::-1], offset=3.0),
    ],
    "later domain": [
        Service("a-b-0", 10, (1, 2), 0, 0, SIZES),
        Service("a-c-0", 20, (3, 4), 0, 0, SIZES[::-1], offset=1500.0),
    ],
    "later card of a domain": [
        Service("a-b-0", 10, (1, 2), 0, 0, SIZES[:40]),
        Service("a-b-0", 11, (3, 4), 0, 0, SIZES[40:], offset=1300.0),
    ],
    "no dp_rank": [Service("a-b-0", 10, (1, 2), None, None, SIZES)],
}


def both(monkeypatch, folder):
    """Return the steps read part by part (None if they are not) and those from all passes, and the notes."""
    at_once = open_profile(folder)
    expected = domain_steps(at_once.load("steps").frame)
    monkeypatch.setattr(large_forward, "LARGE_FORWARD", 0)
    monkeypatch.setattr(streamed, "MOST_COMPARED", 50)
    monkeypatch.setattr(csv_lines, "_READ", 16_000)  # some hundred rows
    in_parts = open_profile(folder)
    loaded = in_parts.load_domain_steps()
    joined = loaded if "cards" in loaded.frame.columns else None
    return joined, expected, (loaded.notes, at_once.loaded()["steps"].notes)


def plain(steps):
    texts = ("domain", "instance", "phase")
    columns = [c for c in steps.columns if c != "host"]
    return steps.select(pl.col(c).cast(pl.String) if c in texts else pl.col(c) for c in columns).sort(
        "domain", "start", "end"
    )


@pytest.mark.parametrize("name", [*RECORDED, *MADE])
def test_the_same_steps(monkeypatch, tmp_path, name):
    folder = lay_out(tmp_path, *RECORDED[name]) if name in RECORDED else write(tmp_path, *MADE[name])
    joined, expected, notes = both(monkeypatch, folder)
    assert joined is not None
    assert expected.height > 50
    assert plain(joined.frame).select(expected.columns).equals(plain(expected))
    assert {note.text for note in notes[0]} == {note.text for note in notes[1]}


@pytest.mark.parametrize("key", ["batch_size", "duration", "bubble"])
def test_the_same_bins(monkeypatch, tmp_path, key):
    joined, expected, _notes = both(monkeypatch, lay_out(tmp_path, *RECORDED["mindie_tp4"]))
    domains = domains_of(joined.frame)
    begin, end = (int(expected[c].cast(pl.Int64).to_numpy()[i]) for c, i in (("start", 0), ("end", -1)))
    binned = []
    for steps in (joined.frame, expected):
        lanes = metric_lanes(metric(key), step_intervals(steps), steps, steps, domains, end)
        binned.append(bin_lanes(lanes, bin_edges(begin, end, 64), each_alike=key != "batch_size"))
    one, other = binned
    assert one.count.sum() == other.count.sum() > 500
    for name in ("mean", "low", "high", "count"):
        assert np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True)


def test_overview_and_dp_pane_tell_the_same(monkeypatch, tmp_path):
    folder = lay_out(tmp_path, *RECORDED["mindie_tp4"])
    expected = overview(open_profile(folder))
    lanes = dp_lanes(open_profile(folder))
    monkeypatch.setattr(large_forward, "LARGE_FORWARD", 0)
    in_parts = open_profile(folder)
    known = overview(in_parts)
    # In words, since NaN is not NaN.
    assert repr(known.lines) == repr(expected.lines)
    assert (known.domains, known.window, known.hosts, known.notes) == (
        expected.domains,
        expected.window,
        expected.hosts,
        expected.notes,
    )
    assert [source.rows for source in known.sources] == [source.rows for source in expected.sources]
    assert "cards" in in_parts.loaded()["steps"].frame.columns
    for one, other in zip(lanes, dp_lanes(open_profile(folder)), strict=True):
        assert one.key == other.key
        assert all(np.array_equal(getattr(one, n), getattr(other, n)) for n in ("starts", "ends", "values"))


def dp_lanes(profile):
    steps = profile.load_domain_steps().frame
    data = dp_data(steps, profile.load("batches").frame, None, None)
    return [
        lane
        for key in ("batch_size", "tokens", "duration")
        for lane in measure(metric(key), data, steps).lanes
    ]


@pytest.mark.parametrize("spoilt", ["order", "bubble", "no start"])
def test_what_cannot_be_joined_part_by_part_is_read_whole(monkeypatch, tmp_path, spoilt):
    folder = lay_out(tmp_path, "mindie_tp4/forward.csv")
    header, *lines = (folder / "forward.csv").read_text().splitlines()
    if spoilt == "order":
        lines = lines[::-1]
    else:
        column = header.split(",").index("bubble_time(ms)" if spoilt == "bubble" else "start_time(ms)")
        cells = lines[100].split(",")
        cells[column] = ""
        lines[100] = ",".join(cells)
    (folder / "forward.csv").write_text("\n".join([header, *lines, ""]))
    joined, expected, notes = both(monkeypatch, folder)
    if spoilt == "no start":  # a row that is left out, and told
        assert plain(joined.frame).select(expected.columns).equals(plain(expected))
        assert {note.text for note in notes[0]} == {note.text for note in notes[1]}
    else:
        assert joined is None
        [told] = {note.text for note in notes[0]} - {note.text for note in notes[1]}
        why = {"order": "not in the order of their start", "bubble": "lack their bubble time"}
        assert told.startswith("All its rows are held in memory")
        assert why[spoilt] in told


@pytest.mark.parametrize("spoilt", ["prof_id", "batch_type", "bubble_time(ms)", "start_time(ms)"])
@pytest.mark.parametrize("word", ["None", "nan", "<NA>"])
def test_null_words_are_no_values(monkeypatch, tmp_path, spoilt, word):
    folder = lay_out(tmp_path, "mindie_tp4/forward.csv")
    header, *lines = (folder / "forward.csv").read_text().splitlines()
    column = header.split(",").index(spoilt)
    processes = [line.split(",")[header.split(",").index("prof_id")] for line in lines]
    # A bubble may be unknown of the last pass of a process only.
    row = len(lines) - 1 - processes[::-1].index(processes[0])
    cells = lines[row].split(",")
    cells[column] = word
    lines[row] = ",".join(cells)
    (folder / "forward.csv").write_text("\n".join([header, *lines, ""]))
    joined, expected, notes = both(monkeypatch, folder)
    assert plain(joined.frame).select(expected.columns).equals(plain(expected))
    assert {note.text for note in notes[0]} == {note.text for note in notes[1]}


def test_cells_that_are_no_numbers_are_told_as_ever(monkeypatch, tmp_path):
    folder = lay_out(tmp_path, "mindie_tp4/forward.csv")
    header, *lines = (folder / "forward.csv").read_text().splitlines()
    for row, column, cell in ((100, "batch_size", "twenty"), (2000, "during_time(ms)", "-7")):
        cells = lines[row].split(",")
        cells[header.split(",").index(column)] = cell
        lines[row] = ",".join(cells)
    (folder / "forward.csv").write_text("\n".join([header, *lines, ""]))
    joined, expected, notes = both(monkeypatch, folder)
    assert plain(joined.frame).select(expected.columns).equals(plain(expected))
    assert {note.text for note in notes[0]} == {note.text for note in notes[1]}
    assert sum("no usable value" in note.text for note in notes[0]) == 2


def test_a_round_is_read_again_from_the_file(monkeypatch, tmp_path):
    folder = lay_out(tmp_path, *RECORDED["mindie_tp4"])
    whole = open_profile(folder)
    steps, batches = whole.load("steps").frame, whole.load("batches").frame
    joined, _expected, _notes = both(monkeypatch, folder)
    in_parts = open_profile(folder)
    for place in (0, 200, joined.frame.height - 1):
        domain, start, end = joined.frame.select("domain", "start", "end").row(place)
        begin, last = ((t - datetime(1970, 1, 1)) // timedelta(microseconds=1) for t in (start, end))
        around = in_parts.steps_around(begin, last)
        found, expected = (round_at(s, batches, domain, start) for s in (around, steps))
        assert found.cards.height == 4
        assert found.cards.drop("bubble").equals(expected.cards.drop("bubble"))
        assert found.step == expected.step
    assert "steps" not in in_parts.loaded() or "cards" in in_parts.loaded()["steps"].frame.columns


def test_it_can_be_cancelled_and_started_again(monkeypatch, tmp_path):
    class Impatient(Silent):
        def advance(self, what, done, total):
            if done > total / 2:
                raise Cancelled

    monkeypatch.setattr(large_forward, "LARGE_FORWARD", 0)
    monkeypatch.setattr(csv_lines, "_READ", 16_000)  # some hundred rows
    opened = open_profile(lay_out(tmp_path, "mindie_tp4/forward.csv"))
    with pytest.raises(Cancelled):
        opened.load_domain_steps(Impatient())
    assert opened.load_domain_steps().frame.height > 50


@st.composite
def passes(draw):
    count = draw(st.integers(1, 60))
    seed = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    domains, cards, room = draw(st.integers(1, 3)), draw(st.integers(1, 5)), draw(st.integers(2, 30))
    key = np.unique(
        np.stack(
            [
                np.sort(seed.integers(0, count * room, count)),
                seed.integers(0, cards, count),
                seed.integers(0, domains, count),
            ]
        ),
        axis=1,
    )
    start, card, domain = key
    n = len(start)
    return Passes(
        domain.astype(np.uint16),
        card,
        start,
        start + seed.integers(0, 30, n),
        seed.choice(np.array([0, 1, 2, NO_PHASE], np.uint8), n),
        seed.integers(0, 9, n) * 1.0,
        seed.random(n),
        np.where(seed.random(n) < 0.2, np.nan, seed.random(n)),
        seed.integers(0, 9, n) * 1.0,
    )


@settings(deadline=None, max_examples=150)
@given(whole=passes(), cut=st.lists(st.integers(0, 60), max_size=4))
def test_wherever_the_parts_are_cut(whole, cut):
    count = len(whole.start)
    edges = [0, *sorted(min(c, count) for c in cut), count]
    joiner = StepJoiner()
    parts = [joiner.join(whole.take(slice(a, b))) for a, b in pairwise(edges)]
    steps = concatenated([p for p in (*parts, joiner.rest()) if p is not None])
    named = {
        n: getattr(whole, n) for n in ("start", "end", "forward_iter", "duration", "bubble", "batch_size")
    }
    frame = (
        pl.DataFrame(named)
        .with_columns(
            pl.col("start", "end").cast(pl.Datetime("us")),
            pl.col("bubble").fill_nan(None),
            pl.Series("domain", [f"d{d}" for d in whole.domain]),
            pl.Series("prof_id", [f"p{c}" for c in whole.card]),
            pl.Series("phase", [None if p == NO_PHASE else str(p) for p in whole.phase], dtype=pl.String),
            instance=pl.lit("i"),
            dp_rank=0,
            **dict.fromkeys(("prefill_batch_size", "decode_batch_size", "tokens")),
        )
        .sort("start", "prof_id")
    )
    expected = domain_steps(frame).sort("domain", "start", "duration")
    got = pl.DataFrame({n: getattr(steps, n) for n in named}).with_columns(
        pl.col("start", "end").cast(pl.Datetime("us")),
        pl.col("bubble").fill_nan(None),
        pl.Series("domain", [f"d{d}" for d in steps.domain]),
        pl.Series("phase", [None if p == NO_PHASE else str(p) for p in steps.phase], dtype=pl.String),
        pl.Series("cards", steps.card).cast(pl.get_index_type()),
    )
    assert got.sort("domain", "start", "duration").equals(expected.select(got.columns))


def test_a_chain_that_never_ends_is_not_held_part_by_part(monkeypatch):
    monkeypatch.setattr("lbtui.sources.steps.step_join._MOST_OPEN", 50)
    start = np.arange(200)
    nothing = np.zeros(200)
    endless = Passes(
        np.zeros(200, np.uint16), start % 2, start, start + 10, np.zeros(200, np.uint8), *[nothing] * 4
    )
    with pytest.raises(NotJoinable):
        StepJoiner().join(endless)
