"""Runs side by side without a screen: JSON, text, Markdown, what fails a pipeline, summaries."""

import json
import re
import shutil
from pathlib import Path

import polars as pl
import pytest

from lbtui.cli import main
from lbtui.codes import FOUND, OPENED, UNKNOWN, UNREADABLE, USAGE
from lbtui.comparison import compare
from lbtui.report.runs.rows import COLUMNS
from lbtui.runs.found import together_at
from lbtui.runs.many import told_of
from lbtui.runs.model import Run
from lbtui.runs.reading import Asked, read_all
from lbtui.sources import open_profile
from tests.report.test_schema import faults
from tests.sources.test_optimizer_store import MEASURED, row, store
from tests.tools.some_runs import write_week

DATA = Path(__file__).parents[1] / "data"
A, B, C = "a,p_nodes=1/output", "b/output", "c/output"


@pytest.fixture(scope="module")
def week(tmp_path_factory):
    return write_week(tmp_path_factory.mktemp("week"))


def printed(capsys, *arguments):
    code = main(list(map(str, arguments)))
    told = capsys.readouterr()
    return code, told.out, told.err


def test_json_holds_the_schema_and_the_figures_of_each_run(week, capsys):
    code, text, _said = printed(capsys, week, "--json", "--baseline", week / A, "--slo", "ttft=500")
    document = json.loads(text)
    assert (code, faults(document)) == (OPENED, [])
    runs = {run["name"]: run for run in document["runs"]}
    assert set(runs) == {A, B, C, "broken"}
    assert document["baseline"] == A
    assert document["runs"][-1]["name"] == "broken"
    for name in (A, B, C):
        assert code == printed(capsys, week / name, "--json")[0]
        requests = pl.read_csv(week / name / "request.csv", infer_schema_length=None)
        found = {each["metric"]: each for each in runs[name]["metrics"]}
        lengths = requests["reply_token_size"].cast(pl.Float64, strict=False).drop_nulls()
        assert found["requests.output_tokens"]["value"] == pytest.approx(lengths.mean())
        first = requests["first_token_latency(ms)"].cast(pl.Float64, strict=False).drop_nulls().sort()
        assert found["requests.ttft.p50"]["value"] == first[(len(first) + 1) // 2 - 1]
        assert found["requests.attainment"]["value"] == pytest.approx((first <= 500).mean())
        assert runs[name]["shape"]["dp_domains"] == [4]
        assert runs[name]["targets"] == {"ttft": 500.0}
    assert runs[B]["parameters"] == {"p_nodes": 2}
    assert runs[C]["worst_finding"]["id"] == "dp.straggler"
    verdicts = {each["metric"]: each["verdict"] for each in runs[C]["verdicts"]}
    assert verdicts["dp.step_time.wasted"] == "worse"
    assert "verdicts" not in runs[A]
    assert "batch.csv has no column" in runs["broken"]["problem"]
    assert document["changes"] == []
    assert document["sweep"]["parameters"] == ["p_nodes"]


def test_single_values_of_runs(week, capsys):
    # What is not known is an empty line, and an exit code of its own.
    assert printed(capsys, week, "--get", "baseline") == (UNKNOWN, "\n", "")
    code, text, _said = printed(capsys, week, "--baseline", B, "--get", "baseline")
    assert (code, text) == (OPENED, f"{B}\n")


def test_text_and_markdown_tell_the_same_numbers(week, capsys):
    text = printed(capsys, week, "--report", "--baseline", A)[1]
    page = printed(capsys, week, "--report", "markdown", "--baseline", A)[1]
    assert text.startswith(f"4 runs below {week}, 1 cannot be read\n")
    row = next(line for line in text.splitlines() if f"  {C}  " in line)
    cells = re.split(r"\s{2,}", row.strip())
    lines = [line.replace("`", "") for line in page.splitlines() if line.startswith("|")]
    cell = next(line for line in lines if f"| {C} |" in line)
    assert [each.strip() for each in cell.strip("| ").split(" | ")] == cells
    assert cells[-1].startswith("worse: ")
    assert "step time wasted" in text
    # Each column is explained.
    heads = next(line for line in text.splitlines() if line.startswith("start "))
    explained = [line.partition(":")[0] for line in text.splitlines() if ": " in line]
    metrics = re.split(r"\s{2,}", heads)[4:-2]
    assert len(metrics) >= 8
    assert len(metrics) <= len(COLUMNS)
    for head in metrics:
        # Behind a comma stands the unit.
        assert any(head == name or head.startswith(f"{name}, ") for name in explained), head


def test_the_newest_run_fails_a_pipeline_where_it_is_worse(week, capsys, tmp_path):
    runs = read_all(together_at(week).found, Asked())
    begun = {run.name: run.begun for run in runs if run.begun is not None}
    last = max(begun, key=begun.get)
    for name in (A, B, C):
        if name == last:
            continue
        worse = last == C
        code, _text, _said = printed(capsys, week, "--baseline", name, "--fail-on", "worse")
        assert (code == FOUND) == worse, (name, last)
    findings = next(run.summary.findings for run in runs if run.name == last)
    code = printed(capsys, week, "--fail-on", "warning")[0]
    assert (code == FOUND) == bool(findings.get("critical", 0) + findings.get("warning", 0))


def test_a_baseline_elsewhere_is_a_run_or_a_summary(week, capsys, tmp_path):
    elsewhere = write_week(tmp_path / "other") / "b"
    text = printed(capsys, week, "--json", "--baseline", elsewhere)[1]
    document = json.loads(text)
    assert document["baseline"] == str(elsewhere)
    assert all("verdicts" in run for run in document["runs"] if not run["problem"])
    file = tmp_path / "b.json"
    assert printed(capsys, elsewhere, "--summary", file)[0] == OPENED
    summed = json.loads(printed(capsys, week, "--json", "--baseline", file)[1])
    for one, other in zip(document["runs"], summed["runs"], strict=True):
        if not one["problem"]:
            # Courses are kept in single precision.
            for row, same in zip(one["verdicts"], other["verdicts"], strict=True):
                assert row["verdict"] == same["verdict"]
                assert row["p_value"] == pytest.approx(same["p_value"], abs=2e-3, nan_ok=True)
    code, _text, said = printed(capsys, week, "--json", "--baseline", tmp_path / "nothing")
    assert code == UNREADABLE
    assert (
        said
        == f"lbtui: baseline: {tmp_path}/nothing is none of the runs, and no single other run lies there\n"
    )


def test_a_summary_is_of_one_run_in_a_new_file(week, capsys, tmp_path):
    file = tmp_path / "sum.json"
    code, text, _said = printed(capsys, week / "c", "--summary", file)
    assert (code, text) == (OPENED, f"written: {file}\n")
    code, _text, said = printed(capsys, week / "c", "--summary", file)
    assert code != OPENED
    assert str(file) in said
    code, _text, said = printed(capsys, week, "--summary", tmp_path / "more.json")
    assert (code, said) == (USAGE, f"lbtui: {week} holds 4 runs; a summary is of one of them.\n")
    inside = week / "c" / "output" / "own.json"
    assert printed(capsys, week / "c" / "output", "--summary", inside)[0] != OPENED
    assert not inside.exists()


def test_nothing_that_can_be_read_is_no_report(tmp_path, capsys):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "batch.csv").write_text("a,b\n1,2\n")
    code, text, said = printed(capsys, tmp_path, "--json")
    assert (code, text) == (UNREADABLE, "")
    assert said.count("lbtui: ") == 2
    assert "one: " in said


def test_what_the_optimizer_tried_is_told_without_any_run(tmp_path, capsys):
    better = row(generate_speed=1600.0, time_to_first_token=0.7, max_batch_size=64)
    store(tmp_path, MEASURED, better)
    document = json.loads(printed(capsys, tmp_path, "--json")[1])
    assert (document["runs"], faults(document)) == ([], [])
    assert [each["front"] for each in document["sweep"]["tried"]] == [False, True]
    assert document["sweep"]["high"] == "requests.throughput.output_tokens"
    text = printed(capsys, tmp_path, "--report")[1]
    assert "throughput, output tokens, tokens/s" in text
    assert "start " not in text


def test_runs_of_different_shapes_are_told_apart(week, capsys, tmp_path):
    shutil.copytree(week / "b", tmp_path / "b")
    shutil.copytree(DATA / "pd_ep", tmp_path / "pd")
    document = json.loads(printed(capsys, tmp_path, "--json", "--baseline", tmp_path / "b" / "output")[1])
    other = next(run for run in document["runs"] if run["name"] == "pd")
    # The newest is the one of another shape: that it passes is told.
    code, _text, said = printed(
        capsys, tmp_path, "--baseline", tmp_path / "b" / "output", "--fail-on", "worse"
    )
    assert code == OPENED
    assert said.startswith("lbtui: pd: not comparable, ")
    assert other["verdicts"] == []
    assert "DP domains" in other["not_compared"]
    assert any("not compared" in note["text"] for note in document["notes"])


def test_the_newest_is_the_last_but_the_baseline(week):
    together = together_at(week)
    runs = read_all(together.found, Asked())
    many = told_of(together, runs)
    timed = sorted((run for run in runs if run.summary), key=lambda run: run.begun)
    assert many.last.name == timed[-1].name
    assert told_of(together, runs, timed[-1]).last.name == timed[-2].name
    assert told_of(together, [runs[0]], None).runs == (runs[0],)
    assert told_of(together, [Run("x", runs[0].reading, problem="gone")]).last is None


def test_the_verdicts_are_those_of_compare(week, capsys):
    told = json.loads(printed(capsys, week, "--json", "--baseline", A)[1])
    judged = next(run["verdicts"] for run in told["runs"] if run["name"] == C)
    rows = compare(open_profile(week / A), open_profile(week / C)).rows
    theirs = {f"{row.metric.dimension}.{row.metric.key}": row for row in rows}
    called = {each["metric"]: each["verdict"] for each in judged}
    assert called["dp.step_time.wasted"] == theirs["dp.step_time.wasted"].verdict == "worse"
    for each in judged:
        own = theirs.get(each["metric"])
        if own is not None and each["difference"] is not None:
            assert each["difference"] == pytest.approx(own.difference)
