"""What is larger than any service writes is shown in part or refused, and told: the kinds, made small."""

import gzip
import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from lbtui.profile import Unreadable
from lbtui.sources import frame as canonical_frame
from lbtui.sources import inflate, open_profile
from lbtui.sources.experts import json as expert_json
from lbtui.sources.experts.placement import read_placement
from lbtui.sources.tables import csv_dialect, csv_file, csv_lines, database

CSV_ONLY = Path(__file__).parent.parent / "data" / "csv_only"


def texts(loaded):
    return " ".join(note.text for note in loaded.notes)


def test_of_too_many_processes_the_first_are_shown_and_it_is_told(monkeypatch):
    possible = canonical_frame.possible_processes
    monkeypatch.setattr(canonical_frame, "MOST_PROCESSES", 3)
    steps = open_profile(CSV_ONLY).load("steps")
    assert steps.frame["prof_id"].n_unique() == 3
    assert "different prof_id, more than any cluster; only the first 3 are shown" in texts(steps)
    assert possible(None) is None


@pytest.mark.parametrize("end", ["\n", ""])
def test_a_line_without_end_is_left_out_and_the_others_are_read(tmp_path, monkeypatch, end):
    monkeypatch.setattr(csv_lines, "_LONGEST_LINE", 2000)
    monkeypatch.setattr(csv_lines, "_READ", 700)
    header, *rows = (CSV_ONLY / "request.csv").read_text().splitlines(keepends=True)
    path = tmp_path / "request.csv"
    path.write_text("".join([header, *rows[:9], "x" * 5000 + "\n", *rows[9:20], "y" * 5000 + end]))
    requests = open_profile(tmp_path).load("requests")
    assert requests.frame.height == 20
    assert "2 rows are longer than" in texts(requests)


@pytest.mark.parametrize("line", ["\n", "\r\n", ",,,,,,\n", ";\t|\n"])
def test_lines_without_a_cell_beyond_counting_are_no_rows(tmp_path, monkeypatch, line):
    monkeypatch.setattr(csv_lines, "_MOST_LINES", 100)
    header, *rows = (CSV_ONLY / "request.csv").read_text().splitlines(keepends=True)
    (tmp_path / "request.csv").write_text(header + line * 2000 + "".join(rows[:20]) + line + rows[20])
    frame, _notes = csv_file.read_text(tmp_path / "request.csv", UpToEnd())
    assert 21 <= frame.height <= 23


class UpToEnd:
    def advance(self, what, done, total):
        pass

    def wants_more(self, what, done, total):
        return True


@pytest.mark.parametrize("content", [bytes(1 << 20), b"\n" * (1 << 20), b",,,,\n" * 200_000])
def test_what_unpacks_to_hundreds_of_times_its_size_is_not_unpacked_to_its_end(
    tmp_path, monkeypatch, content
):
    monkeypatch.setattr(inflate, "_ALWAYS", 1 << 16)
    monkeypatch.setattr(inflate, "_MOST", 1 << 15)
    header = (CSV_ONLY / "request.csv").read_bytes().splitlines(keepends=True)[0]
    (tmp_path / "request.csv.gz").write_bytes(gzip.compress(header + content * 4))
    notes = open_profile(tmp_path).load("requests").notes
    assert any("unpacks to more than 100 times its size" in note.text for note in notes)


def test_more_columns_than_a_field_of_csv_may_be_long(tmp_path):
    names = [f"a{number}" for number in range(40_000)]
    (tmp_path / "many.csv").write_text(",".join(names) + "\n" + "1," * 39_999 + "1\n")
    assert csv_dialect.open_csv(tmp_path / "many.csv").header == names


def test_of_too_many_columns_the_first_are_read_and_it_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_file, "_MOST_COLUMNS", 5)
    rows = [",".join(map(str, range(10, 20))), *(",".join(["7"] * 10) for _layer in range(3))]
    (tmp_path / "ep_balance.csv").write_text("".join(f"{row}\n" for row in rows))
    times = open_profile(tmp_path).load("layer_times")
    assert times.frame["process"].unique().sort().to_list() == [10, 11, 12, 13, 14]
    assert "It has 10 columns" in texts(times)


@pytest.mark.parametrize("part", ["[]", "{}", '{"device_list": []}'])
def test_json_of_too_many_parts_is_refused(tmp_path, monkeypatch, part):
    monkeypatch.setattr(expert_json, "_MOST_LISTS", 1000)
    path = tmp_path / "placement.json"
    path.write_text(f"[{','.join([part] * 1001)}]")
    with pytest.raises(Unreadable, match=r"placement.json .*more than 1,000 lists and objects"):
        read_placement(path)


def test_a_cell_that_is_too_large_is_told_as_that(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "_LARGEST", 50_000)
    path = tmp_path / "ms_service_node-a-7.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE Mstx (message TEXT, markId INTEGER, timestamp INTEGER)")
    mark = json.dumps({"domain": "eplb_observe", "rank": 0, "expert_hot": "x" * 60_000})
    connection.execute("INSERT INTO Mstx VALUES (?, 1, 1767225600000000000)", (mark,))
    connection.commit()
    connection.close()
    with pytest.raises(Unreadable, match=r"ms_service_node-a-7.db has a cell that is larger"):
        open_profile(tmp_path).require_rows()


def test_tables_are_read_whatever_the_limit_of_cells_is(tmp_path, monkeypatch):
    shutil.copytree(CSV_ONLY, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(csv_lines, "_LONGEST_LINE", 100_000)
    assert not any("longer than" in note.text for note in open_profile(tmp_path).load("batches").notes)
