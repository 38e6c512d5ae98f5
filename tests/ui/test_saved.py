"""Lanes, maps and tables of panes as rows to be saved."""

import numpy as np
import polars as pl

from lbtui.report.sql_result import sql_csv
from lbtui.ui.kit.saved import by_layer, over_time, zoned


def test_lanes_have_a_row_for_each_column_with_its_time_in_the_files_zone():
    second = 1_000_000
    begin = 1_772_416_800 * second  # 2026-03-02 02:00 UTC
    values = np.array([[1.0, np.nan], [3.0, 4.0]])
    frame = over_time([begin, begin + second, begin + 2 * second], ["dp0", "dp0"], values)
    text, _defused = sql_csv(frame)
    assert text.splitlines() == [
        "start,end,dp0,dp0 (2)",
        "2026-03-02T10:00:00.000000+08:00,2026-03-02T10:00:01.000000+08:00,1.0,3.0",
        "2026-03-02T10:00:01.000000+08:00,2026-03-02T10:00:02.000000+08:00,,4.0",
    ]


def test_a_map_has_a_row_for_each_layer():
    frame = by_layer(["rank 0", "rank 1"], np.array([[1.0, 2.0], [np.nan, 4.0]]))
    assert frame.columns == ["layer", "rank 0", "rank 1"]
    assert frame.rows() == [(0, 1.0, 2.0), (1, None, 4.0)]


def test_times_of_the_profile_are_told_to_be_utc():
    frame = pl.DataFrame({"n": [1], "at": [0]}, {"n": pl.Int64, "at": pl.Datetime("us")})
    assert zoned(frame).schema["at"] == pl.Datetime("us", "UTC")
