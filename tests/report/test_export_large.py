"""The passes of a forward.csv too large to hold are written part by part: the same file as from all."""

import polars as pl
import pytest

from lbtui.report import export
from lbtui.sources import open_profile
from lbtui.sources.steps import large_forward, steps_in_parts, streamed
from lbtui.sources.tables import csv_lines
from tests.sources.recorded import CSV_ONLY, lay_out

FILES = {
    "mindie_tp4": ["mindie_tp4/forward.csv", "mindie_tp4/batch.csv"],
    "forward alone": ["mindie_tp4/forward.csv"],
    "vllm_small": ["vllm_small/forward.csv", "vllm_small/batch.csv"],
    "csv_only": CSV_ONLY,
}


def written(folder, target, file_format="csv"):
    """Return the profile, and what is written of it by name."""
    opened = open_profile(folder)
    files = {w.path.name: w for w in export(opened, target, file_format)}
    return opened, files


@pytest.fixture
def large(monkeypatch):
    def make():
        monkeypatch.setattr(large_forward, "LARGE_FORWARD", 0)
        monkeypatch.setattr(streamed, "MOST_COMPARED", 50)
        monkeypatch.setattr(csv_lines, "_READ", 16_000)  # some hundred rows
        monkeypatch.setattr(steps_in_parts, "_PART", 211)

    return make


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
@pytest.mark.parametrize("name", FILES)
def test_the_same_file(tmp_path, large, name, file_format):
    (tmp_path / "in").mkdir()
    folder = lay_out(tmp_path / "in", *FILES[name])
    _held, expected = written(folder, tmp_path / "held", file_format)
    large()
    opened, found = written(folder, tmp_path / "parts", file_format)
    assert "steps" not in opened._frames, "no more than a part is held"
    file = f"steps.{file_format}"
    assert {n: (w.rows, w.defused) for n, w in found.items()} == {
        n: (w.rows, w.defused) for n, w in expected.items()
    }
    assert found[file].rows > 300
    if file_format == "csv":
        assert found[file].path.read_bytes() == expected[file].path.read_bytes()
    else:
        ours, theirs = (pl.read_parquet(files[file].path) for files in (found, expected))
        assert ours.schema == theirs.schema
        assert ours.equals(theirs)


@pytest.mark.parametrize(
    ("column", "cell"), [("dp_rank", "two"), ("batch_size", "twenty"), ("hostname", '"a"b'), ("prof_id", "")]
)
def test_a_cell_that_no_number_is_far_into_the_file(tmp_path, large, column, cell):
    (tmp_path / "in").mkdir()
    folder = lay_out(tmp_path / "in", "mindie_tp4/forward.csv")
    header, *lines = (folder / "forward.csv").read_text().splitlines()
    row = len(lines) * 3 // 4
    cells = lines[row].split(",")
    cells[header.split(",").index(column)] = cell
    lines[row] = ",".join(cells)
    (folder / "forward.csv").write_text("\n".join([header, *lines, ""]))
    _held, expected = written(folder, tmp_path / "held")
    large()
    _opened, found = written(folder, tmp_path / "parts")
    assert found["steps.csv"].path.read_bytes() == expected["steps.csv"].path.read_bytes()


def test_what_is_not_in_the_order_of_its_start_is_held(tmp_path, large):
    (tmp_path / "in").mkdir()
    folder = lay_out(tmp_path / "in", "mindie_tp4/forward.csv")
    header, *lines = (folder / "forward.csv").read_text().splitlines()
    (folder / "forward.csv").write_text("\n".join([header, *lines[::-1], ""]))
    _held, expected = written(folder, tmp_path / "held")
    large()
    opened, found = written(folder, tmp_path / "parts")
    assert "steps" in opened._frames
    assert found["steps.csv"].path.read_bytes() == expected["steps.csv"].path.read_bytes()
