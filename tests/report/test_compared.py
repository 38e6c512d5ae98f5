"""A comparison in text, Markdown and JSON: made rows of every verdict, hostile names, no number lost."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from lbtui.comparison import Comparison, Metric, Row, compare
from lbtui.comparison.words import effect_words, figure, interval_words, with_unit
from lbtui.findings.diagnosis import Diagnosis
from lbtui.manual import text_of
from lbtui.overview.model import Place
from lbtui.report import as_json, as_markdown, as_text
from tests.report.made import KNOWN
from tests.sources.recorded import CSV_ONLY, profile

HOSTILE = "a|b\x1b[31m*x*"
RATE = Metric(
    "request_rate", "requests", "request rate", "requests/s", "neither", "N / T.", 0.05, relative=True
)
PAR = Metric(
    "batch_size.par", "dp", "batch size, PAR", "max/mean", "lower", "Σ max / Σ mean.", 0.03, headline=True
)
USE = Metric("usage.spread", "kv", "KV use, spread", "share", "lower", "max − min.", 0.02)
TTFT = Metric("ttft.p95", "requests", "TTFT, p95", "ms", "lower", "95 %.", 0.05, relative=True)
MADE = Comparison(
    "/runs/before\x1b[1m",
    "/runs/after",
    (
        Row(RATE, Place(), "not_comparable", 10.0, 20.0, 8.0, 12.0, 0.001, 0.003, "the load itself differs"),
        Row(PAR, Place(instance=HOSTILE), "worse", 1.5, 1.9, 0.21, 0.59, 0.001, 0.004),
        Row(USE, Place(instance="svc"), "better", 0.7, 0.013, -0.9, -0.5, 0.0002, 0.001),
        Row(TTFT, Place(), "too_little_data", 100.0, 150.0, -math.inf, math.inf, 0.3, reason="too few"),
        Row(TTFT, Place(role="decode"), "not_comparable", 100.0, reason="after: no data"),
    ),
    ("note | one",),
)


@pytest.mark.parametrize("ascii_only", [False, True])
def test_text_has_a_line_per_row_and_no_control_character(ascii_only):
    text = as_text(KNOWN, Diagnosis(), MADE, ascii_only=ascii_only)
    lines = text.splitlines()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)
    assert text.isascii() == ascii_only or "–" in text
    heading = next(i for i, line in enumerate(lines) if line.startswith("Compared with /runs/before"))
    assert "request rate 10 requests/s" in lines[heading + 1]
    assert "Headlines: worse: batch size, PAR a|b" in lines[heading + 2]
    assert lines[heading + 3] == "  Details: 0 worse, 1 better of 3."
    rows = lines[heading + 5 : heading + 10]
    # Details stand further in.
    assert [row[2] == " " for row in rows] == [False, False, True, True, True]
    verdicts = ("load differs", "worse", "better", "too little data", "not comparable")
    assert [row.endswith(verdict) for row, verdict in zip(rows, verdicts, strict=True)] == [True] * 5
    assert any("after: no data." in line for line in lines)
    assert any("note | one" in line for line in lines)
    assert (
        any("Σ max / Σ mean. Smallest difference worth calling: 0.03." in line for line in lines)
        or ascii_only
    )


def test_the_markdown_table_has_the_same_cells_in_every_row():
    page = as_markdown(KNOWN, Diagnosis(), MADE, ascii_only=False)
    section = page[page.index("## Compared with") : page.index("## Findings")]
    table = [line for line in section.splitlines() if line.startswith("|")]
    assert len(table) == 2 + len(MADE.rows)
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {9}
    assert "\x1b" not in page
    assert [line[2] == "\N{EM SPACE}" for line in table[2:]] == [False, False, True, True, True]


def test_json_adds_the_comparison_only_with_a_baseline():
    bare = json.loads(as_json(KNOWN, (), ascii_only=False))
    assert not {"comparison", "baseline"} & set(bare)
    made = json.loads(as_json(KNOWN, (), MADE, ascii_only=False))
    assert made["baseline"] == {"path": "/runs/before\\x1b[1m", "notes": ["note | one"]}
    load, par, use, thin, lacking = made["comparison"]
    assert [row["headline"] for row in made["comparison"]] == [False, True, False, False, False]
    contract = ["dimension", "metric", "before", "after", "difference", "low", "high", "unit", "verdict"]
    assert set(contract) <= set(par)
    assert (load["better"], load["verdict"]) == ("neither", "not_comparable")
    assert (par["dimension"], par["metric"], par["verdict"]) == ("dp", "batch_size.par", "worse")
    assert (par["before"], par["after"], par["low"], par["high"]) == (1.5, 1.9, 0.21, 0.59)
    assert par["difference"] == pytest.approx(0.4)
    assert use["verdict"] == "better"
    assert (thin["low"], thin["high"], thin["adjusted_p_value"]) == (None, None, None)
    assert (lacking["after"], lacking["difference"], lacking["reason"]) == (None, None, "after: no data")


def test_figures_are_in_units_that_users_know():
    assert with_unit(USE, 0.125) == "12.5 %"
    assert figure(USE, -0.687, signed=True) == "−68.7 pp"
    assert figure(PAR, math.nan) == "–"
    assert with_unit(TTFT, 1347.2) == "1,347 ms"
    load, par, use, thin, lacking = MADE.rows
    assert effect_words(load) == "2.00× before"
    assert effect_words(replace(load, before=1000.0, after=3.6)) == "0.0036× before"
    assert effect_words(par) == "+0.40× mean"
    assert effect_words(use) == "−68.7 pp"
    assert interval_words(use) == "−90 to −50 pp"
    assert interval_words(thin) == "−∞ to +∞"
    assert (effect_words(lacking), interval_words(lacking)) == ("", "")


def test_the_worked_example_of_the_manual_is_what_the_report_says(tmp_path):
    (example,) = re.findall(
        r"```text\n(  No evidence that the loads differ.*?)```", text_of("statistics"), re.DOTALL
    )
    even = [f"even_small/{Path(name).name}" for name in CSV_ONLY]
    both = compare(profile(tmp_path / "before", *even), profile(tmp_path / "after", *CSV_ONLY))
    said = {
        " ".join(line.split()) for line in as_text(KNOWN, Diagnosis(), both, ascii_only=False).splitlines()
    }
    lines = [" ".join(line.split()) for line in example.splitlines()]
    assert len(lines) > 5
    assert set(lines) <= said
