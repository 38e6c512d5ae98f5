"""Tables from CSV files: which column is which, and what broken files still give."""

import csv
import os
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lbtui.profile import Cancelled, Silent, Unreadable
from lbtui.sources.tables import csv_file, csv_lines
from lbtui.sources.tables.csv_dialect import open_csv
from lbtui.sources.tables.tables import TABLES
from tests.sources.recorded import content, sentences

MOE = ("process", "mean", "low", "high")
HEADER = "Dataset,Mean,CI_Lower,CI_Upper\n"
STATUS = ("host", "pid", "time", "waiting", "running", "swapped")
STATUS_HEADER = "hostuid,pid,start_datetime,relative_timestamp(ms),waiting,running,swapped,timestamp(ms)\n"


def read(tmp_path, text, table="moe_analysis", wanted=MOE):
    path = tmp_path / f"{table}.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return csv_file.read_csv(path, table, wanted, Silent())


def cells(tmp_path, text, wanted=MOE):
    frame, notes = read(tmp_path, text, wanted=wanted)
    return frame.select(wanted).rows(), sentences(notes)


@pytest.mark.parametrize("wanted", [MOE, ("high", "process", "low", "mean"), ("high", "process")])
def test_columns_are_found_by_name_in_whatever_order_they_are_wanted_or_written(tmp_path, wanted):
    value = {"process": 7, "mean": 1.5, "low": 1.0, "high": 2.0}
    expected = [tuple(value[name] for name in wanted)]
    assert cells(tmp_path, HEADER + "7,1.5,1.0,2.0\n", wanted) == (expected, "")
    assert cells(tmp_path, "CI_Upper,other,Mean,Dataset,CI_Lower\n2.0,x,1.5,7,1.0\n", wanted) == (
        expected,
        "",
    )


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + HEADER + "7,1.5,1.0,2.0\n",
        HEADER.replace("\n", "\r\n") + "7,1.5,1.0,2.0\r\n",
        " Dataset , Mean , CI_Lower , CI_Upper \n 7 , 1.5 , 1.0 , 2.0 \n",
        '"Dataset","Mean","CI_Lower","CI_Upper"\n"7","1.5","1.0","2.0"\n',
        "Dataset,Mean,Mean,CI_Lower,CI_Upper\n7,1.5,9.9,1.0,2.0\n",
        "Dataset,Mean,CI Lower,CI Upper\n7,1.5,1.0,2.0\n",  # as documented
        HEADER + "7,1.5,1.0,2.0,9,9,9\n",
    ],
    ids=["bom", "crlf", "blanks", "quotes", "doubled header", "documented names", "long line"],
)
def test_headers_and_lines_of_other_makes_mean_the_same(tmp_path, text):
    assert cells(tmp_path, text) == ([(7, 1.5, 1.0, 2.0)], "")


def test_lines_that_are_too_short_or_empty_are_left_out_and_counted(tmp_path):
    rows, notes = cells(tmp_path, HEADER + ",1.5\n\n7,1.5,1.0,2.0\n8,2.5\n")
    assert rows == [(7, 1.5, 1.0, 2.0), (8, 2.5, None, None)]
    assert "2 of 4 rows lack a readable Dataset (the first is data row 1)" in notes


@pytest.mark.parametrize("tail", ["8,2.5,1.0,17672", '8,"2.5,1.0', "8"])
def test_the_last_row_of_a_file_that_breaks_off_is_left_out(tmp_path, tail):
    rows, notes = cells(tmp_path, HEADER + "7,1.5,1.0,2.0\n" + tail)
    assert rows == [(7, 1.5, 1.0, 2.0)]
    assert "breaks off" in notes


def test_a_file_that_is_read_line_by_line_tells_of_its_break_too(tmp_path):
    path = tmp_path / "moe_analysis.csv"
    path.write_text(HEADER + '7,1.5,1.0,2.0\n8,"2.5,1.0,2.0\n9,2.5,1.0,2.0\n10,3')
    rows = csv_file.Rows(replace(open_csv(path), header=list(MOE)), list(MOE))
    (batch,) = rows.read(Silent(), "lines")
    assert batch.rows() == [("7", "1.5", "1.0", "2.0"), ("9", "2.5", "1.0", "2.0")]
    assert "breaks off" in sentences(rows.notes)
    assert "1 rows have a quote that is not closed" in sentences(rows.notes)


@given(st.lists(st.text('ab,"', max_size=12), max_size=12))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_line_by_line_every_row_is_what_the_line_alone_says(tmp_path, lines):
    path = tmp_path / "moe_analysis.csv"
    path.write_text(HEADER + "".join(f"{line}\n" for line in lines))
    rows = csv_file.Rows(open_csv(path), HEADER.strip().split(","))
    found = [
        tuple(cell or "" for cell in row) for part in rows.read(Silent(), "lines") for row in part.rows()
    ]
    expected, broken = [], 0
    for line in filter(None, lines):
        try:
            said = next(csv.reader([line], strict=True))
        except csv.Error:
            broken += 1
            continue
        expected.append(tuple((said + [""] * 4)[:4]))
    assert found == expected
    assert (f"{broken} rows have a quote that is not closed" in sentences(rows.notes)) == bool(broken)


@pytest.mark.parametrize("text", [HEADER, HEADER.strip(), HEADER.replace("\n", "\r\n")])
def test_a_header_alone_is_a_table_without_rows(tmp_path, text):
    assert cells(tmp_path, text) == ([], "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "is empty"),
        (b"\0" * 4096, "is empty"),
        (b"\n\n", "is empty"),
        (b"a,b\n1,2\n", "has no column Dataset"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20, "has no column Dataset"),
    ],
    ids=["no bytes", "zeros", "blank lines", "other table", "binary"],
)
def test_what_is_no_such_table_is_refused_with_a_sentence(tmp_path, text, words):
    with pytest.raises(Unreadable, match=words):
        read(tmp_path, text)


@pytest.mark.parametrize("odd", ['8,"1.5"x,1.0,2.0', '8,"1.5,1.0,2.0', '8,1.5,1.0,"2.0'])
def test_an_odd_quote_costs_its_own_row_only(tmp_path, odd):
    rows = [f"{pid},1.5,1.0,2.0" for pid in range(100, 140)]
    text = HEADER + "\n".join([*rows[:20], odd, *rows[20:]]) + "\n"
    found, told = cells(tmp_path, text)
    assert found == [(pid, 1.5, 1.0, 2.0) for pid in range(100, 140)]
    assert "1 rows have a quote that is not closed" in told


def test_a_table_that_needs_no_column_still_needs_one_of_its_own(tmp_path):
    with pytest.raises(Unreadable, match="has no column http_rid"):
        read(tmp_path, b"a,b\n1,2\n", "request", tuple(TABLES["request"]))


def test_a_file_that_is_gone_is_refused_with_a_sentence(tmp_path):
    with pytest.raises(Unreadable, match="cannot be read"):
        csv_file.read_csv(tmp_path / "request.csv", "request", ("request_id",), Silent())


@pytest.mark.parametrize("name", [b"run[1]*?", b"odd\xff", "中文 folder".encode(), b"%41#?"])
def test_folders_of_any_name_can_be_read(tmp_path, name):
    folder = tmp_path / os.fsdecode(name)
    folder.mkdir()
    assert cells(folder, HEADER + "7,1.5,1.0,2.0\n")[0] == [(7, 1.5, 1.0, 2.0)]


def test_pids_written_as_floats_and_queues_by_row(tmp_path):
    text = STATUS_HEADER + "node-a,10046.0,2026-01-01 08:00:00:000012,0.0,,,0.0,1767225600000.01\n"
    frame, _notes = read(tmp_path, text, "request_status", STATUS)
    assert frame.select(STATUS).rows() == [
        ("node-a", 10046, datetime(2026, 1, 1, 0, 0, 0, 12), None, None, 0)
    ]


def test_rows_are_numbered_over_all_batches_and_found_again(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_lines, "_READ", 1_000)
    lines = "".join(f"{i},{i}.5,0,0\n" if i % 7 else ",,,\n" for i in range(1000))
    frame, notes = read(tmp_path, HEADER + lines)
    assert frame["row"].to_list() == frame["process"].to_list() == [i for i in range(1000) if i % 7]
    assert "143 of 1000 rows" in sentences(notes)
    for row in (1, 499, 999):
        found = csv_file.read_row(tmp_path / "moe_analysis.csv", row, ["Mean", "Dataset"])
        assert found.rows() == [(f"{row}.5", str(row))]
    assert csv_file.read_row(tmp_path / "moe_analysis.csv", 1000, ["Mean"]).is_empty()


def test_reading_stops_when_cancelled_and_tells_how_far_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_lines, "_READ", 1_000)

    class Impatient(Silent):
        def __init__(self):
            self.told = []

        def advance(self, what, done, total):
            self.told.append(done / total)
            if len(self.told) == 4:
                raise Cancelled

    progress = Impatient()
    path = tmp_path / "moe_analysis.csv"
    path.write_text(HEADER + "7,1.5,1.0,2.0\n" * 10_000)
    with pytest.raises(Cancelled):
        csv_file.read_csv(path, "moe_analysis", MOE, progress)
    assert progress.told == sorted(progress.told)
    assert 0 < progress.told[-1] < 0.5


def test_batch_csv_equals_pythons_own_reader(tmp_path):
    text = content("csv_only/batch.csv").decode()
    frame, _notes = read(tmp_path, text, "batch", ("prof_id", "res_list", "tokens", "name", "start", "end"))
    rows = list(csv.DictReader(text.splitlines()))
    assert frame.height == len(rows) > 1000
    for column, header in [("prof_id", "prof_id"), ("res_list", "res_list"), ("name", "name")]:
        assert frame[column].to_list() == [row[header] for row in rows]
    assert frame["tokens"].to_list() == [int(row["total_scheduled_tokens"]) for row in rows]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(sorted(TABLES)),
    st.one_of(
        st.binary(max_size=300),
        st.lists(st.lists(st.sampled_from(['"', ",", "1", "1e99", "nan", "\x00", "é", " "]), max_size=9)).map(
            lambda lines: "\n".join("".join(line) for line in lines).encode()
        ),
    ),
    st.booleans(),
)
def test_no_content_whatever_raises_anything_but_unreadable(tmp_path, table, body, with_header):
    columns = TABLES[table]
    header = ",".join(column.names[0] for column in columns.values()) + "\n" if with_header else ""
    try:
        frame, _notes = read(tmp_path, header.encode() + body, table, tuple(columns))
    except Unreadable:
        return
    assert set(frame.columns) == {*columns, "row"}
