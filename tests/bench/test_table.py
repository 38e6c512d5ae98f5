"""What the bench writes into the manual."""

import pytest

from lbtui.render.text import cell_len
from tests.bench.table import Facts, between, in_chinese, in_english, line

FACTS = Facts(
    "2026-11-30 06:10–06:30 UTC",
    "x86_64, 2 cores, 24 GiB",
    "Python 3.11.7, polars 2.1.0, numpy 2.4.6, textual 8.2.8, SQLite 3.40.1, duckdb 2.0.1, pandas 3.1.1",
    "10,000,000 forward passes, 3 pairs",
    "1–4",
)
ROWS = [
    ("DP lanes beside polars, wall", "<= 1.15 x", "2.20 / 2.00 s", "1.10 x", "yes"),
    ("key, Overview, p95, wall", "<= 30 ms, idle", "9.1 / 7.2 ms", "1.27 x", "no"),
    ("a table of 1,000,000 rows beside VisiData, page down, median", "<= 1 x", "1 / 2 s", "0.5 x", "yes"),
    ("trace of 1,021 MB, on one core", ">= 40 MB/s", "77 MB/s", "1.93", ""),
    ("beside duckdb", "", "duckdb is not installed", "", ""),
]


def test_rows_and_what_they_were_measured_on_stand_in_both_languages():
    english, chinese = (text(FACTS, ROWS).splitlines() for text in (in_english, in_chinese))
    assert [each for each in english if each[:1] == "|"][2:] == [line(row) for row in ROWS]
    told = [each.strip("| ").split(" | ")[0] for each in chinese if each[:1] == "|"][2:]
    assert told == [
        "DP泳道，与polars对照，墙钟时间",
        "按键，总览，p95，墙钟时间",
        "1,000,000行的表，与VisiData对照，下翻一页，中位数",
        "1,021 MB的trace，单核",
        "beside duckdb",
    ]
    assert [each.split(" | ")[1] for each in chinese if "总览" in each] == ["<= 30 ms，空闲时"]
    assert [each.rpartition(" | ")[2] for each in chinese if each[:1] == "|"][-3:] == ["是 |", " |", " |"]
    for text in (english, chinese):
        assert "polars 2.1.0" in " ".join(text)
        assert "1–4 %" in " ".join(text)
        assert max(map(cell_len, text)) <= 130


def test_only_what_stands_between_two_headings_is_written_anew():
    page = "# Page\n\nBefore.\n\n## Measured\n\nold\n\n| old |\n\n## Next\n\nbehind\n\n## Last\n"
    assert (
        between(page, "Measured", "new")
        == "# Page\n\nBefore.\n\n## Measured\n\nnew\n\n## Next\n\nbehind\n\n## Last\n"
    )
    assert between(between(page, "Measured", "new"), "Measured", "new") == between(page, "Measured", "new")


@pytest.mark.parametrize(
    "page", ["# Page\n", "# Page\n\n## Measured\n\nold\n", "# Page\n\n## Other\n\n## Next\n"]
)
def test_a_page_without_that_part_is_not_touched(page):
    with pytest.raises(ValueError, match="Measured"):
        between(page, "Measured", "new")
