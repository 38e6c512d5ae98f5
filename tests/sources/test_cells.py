from datetime import datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtui.sources.tables import cells
from lbtui.sources.tables.tables import TABLES

EPOCH = datetime(1970, 1, 1)
KINDS = [
    cells.text,
    cells.identity,
    cells.number,
    cells.integer,
    cells.epoch,
    cells.local_datetime,
    cells.time,
]
NULLS = ["", "None", "<NA>", "nan", "NaN", "N/A", " None "]


def column(*values, dtype=pl.String):
    return pl.Series("c", values, dtype=dtype)


@pytest.mark.parametrize("word", NULLS)
@pytest.mark.parametrize("read", KINDS)
def test_trap_null_words_are_null_in_every_kind(read, word):
    assert read(column(word, "1767225600057009.0"))[0] is None


def test_text_keeps_what_is_no_null_word():
    assert cells.text(column(" a b ", "nano", "Nonesuch")).to_list() == ["a b", "nano", "Nonesuch"]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("3", 3),
        ("3.0", 3),
        ("10046.0", 10046),
        ("-1", -1),
        ("2.5", None),
        ("x", None),
        ("1e300", None),
        ("inf", None),
    ],
)
def test_integers_also_as_floats_and_nothing_else(written, value):
    assert cells.integer(column(written)).to_list() == [value]


def test_numbers_of_sqlite_are_read_as_those_of_csv():
    assert cells.integer(column(3.0, None, 2.5, dtype=pl.Float64)).to_list() == [3, None, None]
    assert cells.number(column(3, None, dtype=pl.Int64)).to_list() == [3.0, None]
    assert cells.number(column(float("nan"), float("inf"), dtype=pl.Float64)).to_list() == [None, None]
    assert cells.text(column(7, None, dtype=pl.Int64)).to_list() == ["7", None]
    assert cells.text(pl.Series("c", [None, None])).to_list() == [None, None]


@given(st.integers(0, 2**50))
def test_trap_06_times_in_ms_and_us_read_to_the_same_microsecond(quarters):
    """Raw times are float µs in steps of 0.25; forward.csv divides them by 1000, batch.csv does not."""
    us = 1_767_225_600_000_000 + quarters % 10**12 * 0.25
    exact = EPOCH + timedelta(microseconds=int(us))
    assert cells.epoch(column(repr(us))).to_list() == [exact]
    assert cells.epoch(column(repr(us / 1000))).to_list() == [exact]
    assert cells.epoch(column(us / 1000, dtype=pl.Float64)).to_list() == [exact]


@pytest.mark.parametrize(
    ("written", "per_second"),
    [("1767225600", 1), ("1767225600000", 1e3), ("1767225600000000", 1e6), ("1767225600000000000", 1e9)],
)
def test_the_unit_of_an_epoch_shows_in_its_size(written, per_second):
    assert cells.epoch(column(written)).to_list() == [datetime(2026, 1, 1)], per_second


def test_an_impossible_time_among_good_ones_is_null():
    times = cells.epoch(column("1767225600057009.0", "1e300", "-5", "1767225600057009.0"))
    assert [t is None for t in times] == [False, True, True, False]
    assert cells.epoch(column("0", "-3")).to_list() == [None, None]


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("2026-01-01 08:00:00:147", datetime(2026, 1, 1, 0, 0, 0, 147_000)),
        ("2026-01-01 08:00:00:000012", datetime(2026, 1, 1, 0, 0, 0, 12)),
        ("2026-01-01 08:00:00.5", datetime(2026, 1, 1, 0, 0, 0, 500_000)),
        ("2026-01-01 07:59:59", datetime(2025, 12, 31, 23, 59, 59)),
        ("0", None),
        ("yesterday", None),
        ("2026-13-01 08:00:00", None),
    ],
)
def test_datetimes_are_shanghai_wall_clock_with_a_colon_before_the_fraction(written, utc):
    assert cells.local_datetime(column(written)).to_list() == [utc]


def test_trap_07_no_table_in_local_time_is_read_and_the_machines_zone_changes_nothing(monkeypatch):
    latency = {"first_token_latency", "req_latency", "prefill_gen_speed", "decode_gen_speed"}
    assert not latency & set(TABLES)
    import time

    for zone in ("UTC", "America/New_York", "Asia/Shanghai"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        assert cells.local_datetime(column("2026-01-01 08:00:00:5"))[0] == datetime(
            2026, 1, 1, 0, 0, 0, 500_000
        )
    monkeypatch.undo()
    time.tzset()


@given(st.lists(st.one_of(st.text(max_size=20), st.floats().map(repr), st.integers().map(str)), min_size=1))
def test_no_cell_whatever_raises(values):
    for read in KINDS:
        assert len(read(column(*values))) == len(values)


OF_FEW = ["x", " x", "None", " None ", "", "7", "07", "7.0", "-1", "1e3", "inf", "nan", "2.5", "9" * 20]


@given(st.lists(st.sampled_from([*OF_FEW, None]), min_size=1, max_size=6))
def test_many_cells_of_a_few_kinds_are_what_each_is(few):
    many = column(*few * (2000 // len(few)))
    for read in (cells.text, cells.identity, cells.number, cells.integer, cells.count):
        assert read(many).to_list() == read(column(*few)).to_list() * (2000 // len(few))


def test_many_cells_of_many_kinds_are_what_each_is():
    assert cells.text(column(*(f" {n}" for n in range(3000)))).to_list() == [str(n) for n in range(3000)]
    words = ["x"] * 1500 + [f" {n}" for n in range(1500)]
    assert cells.text(column(*words)).to_list() == [word.strip() for word in words]
