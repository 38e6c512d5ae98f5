"""`--get`: one value of the document, by a path."""

import json
from pathlib import Path

import pytest

from lbtui.cli import main
from lbtui.codes import FOUND, OPENED, UNKNOWN, USAGE
from lbtui.manual import text_of

ROOT = Path(__file__).parents[2]
DEMO = str(ROOT / "lbtui" / "demo" / "output")


@pytest.fixture(scope="module")
def demo():
    from contextlib import redirect_stdout
    from io import StringIO

    with redirect_stdout(StringIO()) as out:
        main([DEMO, "--json"])
    return json.loads(out.getvalue())


def got(capsys, *names, more=()):
    code = main([DEMO, *(word for name in names for word in ("--get", name)), *more])
    said, complaint = capsys.readouterr()
    return code, said, complaint


def of(demo, dimension, metric, formula):
    return [m for m in demo["metrics"][dimension] if (m["metric"], m["formula"]) == (metric, formula)]


def test_of_several_subjects_it_is_the_highest_and_brackets_choose(demo, capsys):
    entries = of(demo, "dp", "batch_size", "time_weighted_par")
    assert len(entries) == 2
    own = {one["subject"]["instance"]: one["value"] for one in entries}
    names = ["dp.batch_size.par", *(f"dp.batch_size.time_weighted_par[instance={name}]" for name in own)]
    wanted = "".join(f"{json.dumps(value)}\n" for value in (max(own.values()), *own.values()))
    assert got(capsys, *names) == (OPENED, wanted, "")


def test_the_whole_goes_before_its_parts(demo, capsys):
    entries = of(demo, "ep", "rank_load", "mean_layer_par")
    whole = next(one["value"] for one in entries if "period" not in one["subject"])
    assert max(one["value"] for one in entries) > whole
    second = next(one["value"] for one in entries if one["subject"].get("period") == 1)
    assert got(capsys, "ep.rank_load.par", "ep.rank_load.par[period=1]")[1] == f"{whole!r}\n{second!r}\n"


def test_members_lists_objects_texts_and_places(demo, capsys):
    names = [
        "dp.batch_size.par.worst.dp_rank", "metrics.dp.step_time.wasted.wasted_share", "profile.window",
        "profile.dp_domains.0.host", "profile.sources.forward.csv.rows", "profile.nodes.10.20.0.12:1025.role",
        "schema",
    ]  # fmt: skip
    code, said, _ = got(capsys, *names)
    assert code == OPENED
    (wasted,) = of(demo, "dp", "step_time.wasted", "wasted_share")
    lines = said.splitlines()
    assert lines[:2] == ["5", repr(wasted["value"])]
    assert json.loads(lines[2]) == demo["profile"]["window"]
    rows = next(s["rows"] for s in demo["profile"]["sources"] if s["file"] == "forward.csv")
    assert lines[3:] == [demo["profile"]["dp_domains"][0]["host"], str(rows), "prefill", "1"]
    assert json.loads(got(capsys, "dp.batch_size")[1]) == [
        one for one in demo["metrics"]["dp"] if one["metric"] == "batch_size"
    ]


def test_findings_are_found_by_id_those_that_follow_too(demo, capsys):
    hot = demo["findings"][0]
    skew = next(one for one in hot["consequences"] if one["id"] == "ep.skew")
    names = f"findings.{hot['id']}.value", "findings.ep.skew.value", "findings.0.id", "slo.attainment"
    wanted = f"{hot['value']!r}\n{skew['value']!r}\n{hot['id']}\n{demo['slo']['attainment']!r}\n"
    assert got(capsys, *names) == (OPENED, wanted, "")
    longest = next(one for one in demo["latency_parts"]["parts"] if one["part"] == "decode")
    assert got(capsys, "latency_parts.parts.decode.share")[1] == f"{longest['share']!r}\n"
    (domain,) = (
        one for one in demo["slo"]["domains"]
        if (one["instance"], one["dp_rank"]) == ("mindie-server-d0", 5)
    )  # fmt: skip
    chosen = "slo.domains[instance=mindie-server-d0,dp_rank=5].attainment"
    assert got(capsys, chosen)[1] == f"{domain['attainment']!r}\n"


@pytest.mark.parametrize(
    "name",
    [
        "dp.waiting.par[instance=mindie-server-d0]", "findings.dp.stalled.cost.share", "summaries",
        "requests.time_per_output_token.p95", "findings.data.file.cut", "comparison.0.verdict",
    ],
)  # fmt: skip
def test_what_is_not_known_here_is_an_empty_line_and_a_code_of_its_own(name, capsys):
    assert got(capsys, name, "schema") == (UNKNOWN, "\n1\n", "")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("dp.batch_siz.par", ["metrics.dp has no batch_siz.par", "Did you mean batch_size?", "waiting"]),
        ("dp.batch_size.pra", ["time_weighted_par", "max"]),
        ("findings.ep.skw", ["Did you mean ep.skew", "kv.exhausted"]),
        ("findings.dp.stalled.valu", ["findings.dp.stalled has no valu", "value"]),
        ("slo.attainmnt", ["Did you mean attainment?", "goodput"]),
        ("summary", ["--json has no summary", "summaries"]),
        ("schema.x", ["schema has no x"]),
        ("dp.batch_size.par[instance=x]", ["instance=mindie-server-d0"]),
        ("dp.batch_size.par[x]", ["in brackets"]),
        ("profile.dp_domains.99", ["profile.dp_domains has no 99"]),
        ("a..b", ["is no path"]), ("a.", ["is no path"]), ("", ["is no path"]), ("\x1b[31m", ["\\x1b"]),
    ],
)  # fmt: skip
def test_what_there_is_not_gets_a_sentence_with_the_nearest_names(name, words, capsys):
    code, said, complaint = got(capsys, name)
    assert (code, said) == (USAGE, "")
    assert complaint.count("\n") == 1
    assert "\x1b" not in complaint
    assert [word for word in words if word not in complaint] == []


def test_of_metrics_alone_findings_are_not_looked_for(capsys, monkeypatch):
    from lbtui.findings import diagnosis

    def never(*_given):
        raise AssertionError("diagnosed")

    monkeypatch.setattr(diagnosis, "diagnose", never)
    assert got(capsys, "dp.batch_size.par", "kv.kv_usage.max")[0] == OPENED


def test_fail_on_goes_before_and_a_what_if_has_values_too(capsys):
    assert got(capsys, "schema", more=["--fail-on", "critical"])[:2] == (FOUND, "1\n")
    code, said, _ = got(capsys, "what_if.ratio.best.decode", more=["--what-if", "ratio"])
    assert (code, said.strip().isdigit()) == (OPENED, True)
    with pytest.raises(SystemExit) as ended:
        main([DEMO, "--json", "--get", "schema"])
    assert ended.value.code == USAGE


def test_the_example_of_the_manual_is_what_is_said(capsys):
    (example,) = (part.split("```")[0] for part in text_of("scripts").split("```text\n")[1:])
    assert got(capsys, "dp.batch_siz.par")[2] == example
