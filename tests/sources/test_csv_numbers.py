"""Numbers of a CSV file are parsed as such: the same frame and notes as cell by cell from text."""

import csv
import random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbtui.profile import Silent
from lbtui.sources.tables import csv_file
from lbtui.sources.tables.tables import Conversion, match_headers

HEADER = ["prof_id", "batch_size", "start_time(ms)", "end_time(ms)", "bubble_time(ms)", "dp_rank"]
CELLS = st.sampled_from(
    [
        "1",
        " 2",
        "3 ",
        "4.0",
        "5.5",
        "None",
        "nan",
        "NaN ",
        "",
        "x",
        "1_0",
        "1e3",
        "-1",
        "inf",
        "1767225600057.8115",
    ]
)


def from_text(path, wanted):
    """Return what the cells say, each taken as text by Python's csv."""
    with path.open(newline="") as lines:
        header, *rows = list(csv.reader(lines))
    headers = match_headers("forward", header, wanted, path.name)
    conversion = Conversion("forward", headers, path.name)
    cells = {name: [row[i] or None for row in rows] for i, name in enumerate(header)}
    conversion.take(pl.DataFrame(cells, schema=dict.fromkeys(header, pl.String)))
    return conversion.frame(), conversion.notes()


WANTED = ["prof_id", "batch_size", "start", "end", "bubble", "dp_rank"]


@settings(deadline=None, max_examples=60)
@given(rows=st.lists(st.tuples(*[CELLS] * len(HEADER)), min_size=1, max_size=8))
def test_any_cells_mean_the_same(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("cells") / "forward.csv"
    path.write_text("\n".join([",".join(HEADER), *(",".join(row) for row in rows), ""]))
    frame, notes = csv_file.read_csv(path, "forward", WANTED, Silent())
    expected, expected_notes = from_text(path, WANTED)
    assert frame.equals(expected)
    assert notes == expected_notes


@pytest.mark.parametrize("bad", ["x", '"open'])
def test_what_is_no_number_late_in_the_file_spoils_its_own_row_only(tmp_path, bad):
    draw = random.Random(3)
    rows = [f"ms_service_a-{i % 4},{draw.randrange(30)},{i}.25,{i + 1}.5,0.1,0" for i in range(250_000)]
    rows[230_000] = f"ms_service_a-1,{bad},230000.25,230001.5,0.1,0"
    path = tmp_path / "forward.csv"
    path.write_text("\n".join([",".join(HEADER), *rows, ""]))
    frame, notes = csv_file.read_csv(path, "forward", ["prof_id", "batch_size", "start", "end"], Silent())
    sizes = {230_000: None} if bad == "x" else {}
    left = [i for i in range(250_000) if bad == "x" or i != 230_000]
    assert frame["batch_size"].to_list() == [
        sizes.get(i, int(rows[i].split(",")[1]) if i not in sizes else None) for i in left
    ]
    assert [note.lost for note in notes] == [True]
