"""Of a large forward.csv only the blocks of lines that hold a window are read again, and none is missing."""

import gzip
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtui.profile import Cancelled, micros
from lbtui.profile.progress import Silent
from lbtui.sources.steps.forward_csv import ForwardCsv
from lbtui.sources.steps.forward_places import ForwardPlaces
from lbtui.sources.tables import csv_lines
from lbtui.sources.tables.csv_dialect import open_csv
from lbtui.sources.tables.csv_lines import CsvLines

DEMO = Path(__file__).parents[2] / "lbtui" / "demo" / "output" / "forward.csv"


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(csv_lines, "_FIRST", 4000)
    monkeypatch.setattr(csv_lines, "_READ", 10_000)


@given(
    lines=st.lists(st.text(st.sampled_from("ab1,é "), max_size=30), max_size=30),
    end=st.sampled_from(["\n", "\r\n"]),
    whole=st.booleans(),
    read=st.integers(5, 80),
    chosen=st.sets(st.integers(0, 30)),
)
def test_any_blocks_are_read_again_as_they_were(tmp_path_factory, lines, end, whole, read, chosen):
    path = tmp_path_factory.mktemp("lines") / "a.csv"
    text = end.join(["a,b,c", *lines]) + (end if whole else "")
    path.write_bytes(text.encode())
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(csv_lines, "_READ", read)
        blocks, ranges = [], []
        reader, begin = CsvLines(open_csv(path)), len("a,b,c" + end)
        for block, _done in reader.blocks():
            blocks.append(block)
            ranges.append((begin, reader.end))
            begin = reader.end
        picked = [place for place in range(len(blocks)) if place in chosen]
        again = [block for block, _done in CsvLines(open_csv(path), [ranges[p] for p in picked]).blocks()]
    assert b"".join(again) == b"".join(blocks[place] for place in picked)


@given(
    blocks=st.lists(st.lists(st.one_of(st.none(), st.integers(0, 50)), max_size=4), min_size=1, max_size=12),
    bounds=st.tuples(st.integers(-1, 51), st.integers(-1, 51)),
)
def test_ranges_are_the_blocks_with_a_start_between(blocks, bounds):
    places = ForwardPlaces()
    for number, starts in enumerate(blocks):
        places.add(pl.Series(starts, dtype=pl.Float64), 10 * (number + 1))
    covered = {byte for begin, end in places.ranges(bounds) for byte in range(begin, end)}
    for number, starts in enumerate(blocks):
        own = set(range(10 * number, 10 * (number + 1)))
        known = [start for start in starts if start is not None]
        if any(bounds[0] <= start <= bounds[1] for start in known):
            assert own <= covered
        elif not known or max(known) < bounds[0] or min(known) > bounds[1]:
            assert not own & covered


class Counted(Silent):
    def __init__(self):
        self.total = 0

    def advance(self, _what, done, total):
        assert 0 <= done <= total
        self.total = total


def read_once(forward):
    """Read all rows, as the steps are joined; return their starts in µs."""
    return forward.read(
        lambda rows: [t for part in rows.read(Silent()) for t in part.columns["start"].tolist()]
    )


@pytest.mark.parametrize(("first", "last"), [(0.0, 0.05), (0.4, 0.5), (0.97, 1.0), (0.0, 1.0), (2.0, 3.0)])
def test_the_rows_of_a_window_are_those_of_the_whole_file_and_fewer_bytes_are_read(small_blocks, first, last):
    known, unread = ForwardCsv(DEMO), ForwardCsv(DEMO)
    starts = read_once(known)
    begin, length = min(starts), max(starts) - min(starts)
    # The file has quarters of a µs.
    window = begin + round(first * length), begin + round(last * length) + 1
    counted = Counted()
    found = known.between(*window, counted)
    assert found.equals(unread.between(*window, Silent()))
    assert sorted(map(micros, found["start"])) == sorted(t for t in starts if window[0] <= t <= window[1])
    share = counted.total / DEMO.stat().st_size
    assert share <= min(1.0, max(0.0, last - first) + 0.15) if first <= 1 else share == 0


@pytest.mark.parametrize("how", ["packed", "utf-16"])
def test_of_a_file_that_cannot_be_entered_in_the_middle_all_is_read(tmp_path, small_blocks, how):
    packed = how == "packed"
    path = tmp_path / ("forward.csv.gz" if packed else "forward.csv")
    text = DEMO.read_bytes()
    path.write_bytes(gzip.compress(text) if packed else text.decode().encode("utf-16"))
    forward, plain = ForwardCsv(path), ForwardCsv(DEMO)
    starts = read_once(forward)
    window = min(starts) + 10_000_000, min(starts) + 20_000_000
    found = forward.between(*window, Silent())
    assert found.equals(plain.between(*window, Silent()))
    assert found.height > 10


def test_it_can_be_cancelled(small_blocks):
    class Impatient(Silent):
        def advance(self, _what, done, _total):
            if done:
                raise Cancelled

    with pytest.raises(Cancelled):
        ForwardCsv(DEMO).between(0, 1 << 60, Impatient())
