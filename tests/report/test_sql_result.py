import json
from datetime import date, datetime, timedelta

import polars as pl
import pytest

from lbtui.report.sql_result import sql_csv, sql_json, sql_table

HOSTILE = "a\x1b[31m\x9b2J\u202eb\n=1"


@pytest.fixture
def frame():
    times = pl.Series([datetime(2026, 1, 1), None]).dt.replace_time_zone("UTC")
    return pl.DataFrame(
        {
            "name": [HOSTILE, None],
            "n": [1, None],
            "x": [0.5, float("nan")],
            "time": times.dt.convert_time_zone("Asia/Shanghai"),
            "bare": [datetime(2026, 1, 1, 8), None],
            "took": [timedelta(milliseconds=1.5), None],
            "day": [date(2026, 1, 1), None],
            "all": [[HOSTILE], None],
            "ok": [True, None],
        }
    ).with_columns(times=pl.concat_list("time"), bares=pl.concat_list("bare"), both=pl.struct("name", "time"))


def test_no_form_lets_a_control_character_through(frame):
    renamed = frame.rename({"name": "\x1b]0;x\x07"})
    for said in (sql_table(renamed, ascii_only=False), sql_csv(renamed)[0], sql_json(renamed)):
        assert all(line.isprintable() for line in said.splitlines())
        assert "\\x1b" in said or "\\\\x1b" in said
        assert "\u202e" not in said


def test_times_have_their_zone_and_durations_are_ms(frame):
    first, second = json.loads(sql_json(frame))
    assert first["time"] == "2026-01-01T08:00:00.000000+08:00"
    # Made so in the query: of which zone it is nobody knows.
    assert first["bare"] == first["bares"][0] == "2026-01-01T08:00:00.000000"
    assert first["times"] == [first["time"]]
    assert first["both"]["time"] == first["time"]
    assert (first["took"], first["day"], first["x"], first["ok"]) == (1.5, "2026-01-01", 0.5, True)
    assert {second[name] for name in ("name", "n", "x", "time", "took", "day", "all", "ok")} == {None}
    assert "2026-01-01T08:00:00.000000+08:00" in sql_csv(frame)[0]
    assert "2026-01-01T08:00:00.000000+08:00" in sql_table(frame, ascii_only=True)


def test_a_table_has_numbers_to_the_right_and_says_how_many_rows():
    frame = pl.DataFrame({"name": ["a", "多节点"], "n": [1.5, 10.25]})
    assert sql_table(frame, ascii_only=False).splitlines() == [
        "name        n",
        "──────  ─────",
        "a         1.5",
        "多节点  10.25",
        "(2 rows)",
    ]
    assert sql_table(frame.clear(), ascii_only=True).splitlines()[-1] == "(0 rows)"
    assert sql_table(frame.head(1), ascii_only=True).endswith("(1 row)\n")


def test_csv_is_harmless_in_a_spreadsheet_and_says_so():
    text, cells = sql_csv(pl.DataFrame({"name": ["=1+1", "a"], "n": [-1, 2]}))
    assert (text, cells) == ("name,n\n'=1+1,-1\na,2\n", 1)


def test_nothing_is_an_empty_answer():
    nothing = pl.DataFrame(schema={"a": pl.Int64})
    assert sql_json(nothing) == "[]\n"
    assert sql_csv(nothing) == ("a\n", 0)
    assert sql_table(pl.DataFrame(), ascii_only=True) == "(0 rows)\n"
