"""The frame `nodes`: running rebuilt, duplicates, and totals that do not add up."""

import csv
import shutil
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbtui.profile import SCHEMAS
from lbtui.sources import open_profile
from lbtui.sources.canonical.nodes import merge_duplicates, rebuild_running, totals_notes

DATA = Path(__file__).parent.parent / "data" / "pd_ep"
START = datetime(2026, 1, 1)
RAW = {
    name: SCHEMAS["nodes"][name] for name in ("time", "address", "role", "added", "ended", "running_written")
}


def raw(*rows):
    """Return raw rows of (bin, address, added, ended, running_written), all prefill."""
    return pl.DataFrame(
        [(START + timedelta(seconds=5 * bin), address, "prefill", *rest) for bin, address, *rest in rows],
        schema=RAW,
        orient="row",
    )


def written_rows():
    with (DATA / "coordinator.csv").open() as file:
        return list(csv.DictReader(file))


def test_running_of_every_cell_of_pd_ep_is_what_was_added_less_what_ended():
    running, expected, wrong = defaultdict(int), {}, set()
    for line in sorted(written_rows(), key=lambda line: line["time"]):
        running[line["address"]] += int(line["add_count"]) - int(line["end_count"])
        cell = (line["time"], line["address"])
        expected[cell] = running[line["address"]]
        if int(line["running_count"]) != expected[cell]:
            wrong.add(cell)
    loaded = open_profile(DATA).load("nodes")
    ours = loaded.frame.with_columns(
        local=(pl.col("time") + pl.duration(hours=8)).dt.strftime("%Y-%m-%d %H:%M:%S")
    )
    rows = ours.select("local", "address", "running", "running_written").rows()
    assert {(time, address): value for time, address, value, _written in rows} == expected
    assert {(time, address) for time, address, value, written in rows if value != written} == wrong
    assert wrong
    assert [f"{len(wrong)} of {len(expected)} cells" in note.text for note in loaded.notes] == [True]


counts = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=20)


def as_upstream_writes(events):
    """Return the rows of one node: running_count 0 where nothing happened (FORMATS.md §6 no. 1)."""
    running, rows = 0, []
    for bin, (added, ended) in enumerate(events):
        running += added - ended
        rows.append((bin, "n:1", added, ended, running if added or ended else 0))
    return rows


@settings(deadline=None)
@given(counts)
def test_whatever_happened_running_is_rebuilt_and_nothing_is_missed(events):
    rows = as_upstream_writes(events)
    nodes = rebuild_running(raw(*rows))
    total, expected = 0, []
    for added, ended in events:
        total += added - ended
        expected.append(total)
    assert nodes["running"].to_list() == expected
    notes = totals_notes(nodes, "f", None)
    assert len(notes) == (1 if expected[-1] < 0 else 0)


@settings(deadline=None)
@given(counts, st.data())
def test_a_row_that_vanished_shows(events, data):
    rows = as_upstream_writes(events)
    lost = data.draw(st.integers(0, len(rows) - 1))
    change = rows[lost][2] - rows[lost][3]
    later = any(added or ended for added, ended in events[lost + 1 :])
    nodes = rebuild_running(raw(*(rows[:lost] + rows[lost + 1 :])))
    notes = [note for note in totals_notes(nodes, "f", None) if "rows are missing" in note.text]
    assert len(notes) == (1 if change and later else 0)


def test_the_name_of_the_node_where_rows_are_missing_is_harmless():
    nodes = rebuild_running(raw((0, "\x1b[2J", 3, 0, 3), (1, "\x1b[2J", 2, 0, 9)))
    assert [note.text for note in totals_notes(nodes, "f", None) if "first at \\x1b[2J)" in note.text]


def test_counts_that_are_unknown_leave_the_file_its_word():
    nodes = rebuild_running(raw((0, "n:1", 3, 0, 3), (1, "n:1", None, None, 2), (2, "n:1", 0, 0, 0)))
    assert nodes["running"].to_list() == [3, 2, 2]


def test_equal_rows_count_once_and_others_are_summed():
    rows = raw((0, "a:1", 3, 1, 2), (0, "a:1", 3, 1, 2), (0, "b:1", 1, 0, 1), (0, "b:1", 2, 1, 2))
    merged, notes = merge_duplicates(rows, "coordinator.csv")
    assert merged.select("address", "added", "ended", "running_written").rows() == [
        ("a:1", 3, 1, 2),
        ("b:1", 3, 1, 2),
    ]
    assert [note.text.split(":")[0] for note in notes] == ["2 rows repeat a time and address"]
    assert merge_duplicates(merged, "coordinator.csv")[1] == []


def test_an_unknown_count_of_a_duplicate_does_not_become_zero():
    merged, _notes = merge_duplicates(raw((0, "a:1", None, 1, 2), (0, "a:1", None, 2, 1)), "f")
    assert merged["added"].to_list() == [None]
    assert merged["ended"].to_list() == [3]


def test_requests_that_no_prefill_node_was_given_are_told():
    nodes = rebuild_running(raw((0, "n:1", 3, 0, 3), (1, "n:1", 4, 0, 7)))
    assert totals_notes(nodes, "f", 7) == []
    assert [note.text for note in totals_notes(nodes, "f", 9) if "9 requests, but only 7" in note.text]


@pytest.mark.parametrize("lost", ["08:00:05", "08:00:25"])
def test_a_bin_missing_from_the_file_is_told(tmp_path, lost):
    shutil.copy(DATA / "request.csv", tmp_path)
    lines = (DATA / "coordinator.csv").read_text().splitlines(keepends=True)
    kept = [line for line in lines if lost not in line]
    assert len(kept) == len(lines) - 6
    (tmp_path / "coordinator.csv").write_text("".join(kept))
    texts = [note.text for note in open_profile(tmp_path).load("nodes").notes]
    given = sum(
        int(line["add_count"])
        for line in written_rows()
        if line["node_type"] == "prefill" and lost not in line["time"]
    )
    assert sum(f"only {given} were given to prefill nodes" in text for text in texts) == 1
    assert sum("rows are missing" in text for text in texts) == 1
