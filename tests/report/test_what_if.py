"""`--what-if`: its names, its forms, and what it goes with."""

import json
from pathlib import Path

import numpy as np
import pytest

from lbtui.cli import main
from lbtui.manual import text_of
from lbtui.options import WHAT_IFS
from lbtui.report.what_if.answer import Answer, Section
from lbtui.report.what_if.forms import what_if_json, what_if_markdown, what_if_text
from lbtui.report.what_if.registry import ANSWERS
from tests.tools.expert_format import RawMark, write_raw

HOSTILE = "evil\x1b[31m | <b> `x`"


@pytest.fixture
def answer():
    section = Section(HOSTILE, "It holds.", ("because",), ("a", "b"), (("1", HOSTILE),), ("a = b",))
    return Answer("What if?", (section, section), "key", {"value": 1})


def test_the_command_line_knows_the_names_that_are_answered():
    assert set(WHAT_IFS) == set(ANSWERS)


def test_text_has_the_sentence_then_details_and_each_formula_once(answer):
    lines = what_if_text(answer, "/p", ascii_only=False).splitlines()
    assert lines[:2] == ["What if?", "path      /p"]
    assert lines[3:6] == [r"evil\x1b[31m | <b> `x`", "  It holds.", "  because"]
    assert lines[-2:] == ["Formulas", "  a = b"]
    assert "\x1b" not in "".join(lines)


def test_markdown_of_hostile_names_acts_as_text(answer):
    page = what_if_markdown(answer, "/p", ascii_only=True)
    assert page.startswith("# What if?\n")
    assert "**It holds.**" in page
    assert r"## `` evil\x1b[31m | <b> `x` ``" in page
    assert r"| 1 | `` evil\x1b[31m \| <b> `x` `` |" in page
    assert page.isascii()


def test_json_names_the_profile_and_the_answer(answer):
    found = json.loads(what_if_json(answer, "/p", ascii_only=True))
    assert found == {"schema": 1, "profile": {"path": "/p"}, "what_if": {"key": {"value": 1}}}


LAYERS, RANKS, SLOTS, ITERATIONS = 6, 4, 8, 80


def raw_profile(folder):
    """Write experts of a skew that stays, an iteration every 100 ms."""
    rng = np.random.default_rng(1)
    heat = rng.lognormal(0, 0.8, (LAYERS, RANKS * SLOTS))
    counts = rng.poisson(400 / SLOTS * heat, (ITERATIONS, LAYERS, RANKS * SLOTS)).cumsum(axis=0)
    routing = [list(range(RANKS * SLOTS))] * LAYERS
    for rank in range(RANKS):
        own = slice(rank * SLOTS, (rank + 1) * SLOTS)
        begin = 1_767_225_600_000_000_000
        marks = [RawMark(begin, {"rank": rank, "expert_routing": routing})]
        marks += [
            RawMark(begin + 100_000_000 * (1 + k), {"rank": rank, "expert_hot": counts[k, :, own].tolist()})
            for k in range(ITERATIONS)
        ]
        write_raw(folder / "node-a" / "Trace_Service", "node-a", 100 + rank, marks)
    return folder


def test_eplb_of_experts_alone_is_told_in_expert_time(tmp_path, capsys):
    folder = raw_profile(tmp_path / "PROF")
    arguments = [str(folder), "--what-if", "EPLB", "--expert-mib", "40", "--link-gbps", "200"]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  Worth a trial: R = " in lines[4]
    assert "of expert time on later iterations" in lines[4]
    assert any(line.startswith("  share: unknown: forward passes are not recorded") for line in lines)
    assert any("at 40 MiB an expert and 200 Gbit/s" in line for line in lines)
    assert main([*arguments, "--json"]) == 0
    (load,) = json.loads(capsys.readouterr().out)["what_if"]["eplb"]["loads"]
    assert load["verdict"] == "worth a trial"
    assert load["reason"] == lines[4].strip()
    saved = load["expert_time_saved"]
    assert saved["low"] < saved["value"] == pytest.approx(1 - load["par"]["after"] / load["par"]["before"])
    assert (load["share_of_step"], load["step_time_saved"], load["break_even_seconds"]) == (None, None, None)
    assert load["move_seconds"] == pytest.approx(load["experts_to_one_rank"] * 40 * 1024**2 * 8 / 200e9)
    assert load["lasts"]["iterations"] is None
    assert len(load["lasts"]["saved"]) == 7
    assert load["doubts"] == []


def test_every_field_of_the_json_stands_in_the_manual(tmp_path, capsys):
    described = text_of("json")
    assert main([str(raw_profile(tmp_path / "PROF")), "--what-if", "EPLB", "--json"]) == 0
    (load,) = json.loads(capsys.readouterr().out)["what_if"]["eplb"]["loads"]
    keys = [*load, *load["lasts"]]
    assert [key for key in keys if f"`{key}`" not in described] == []


def test_eplb_of_the_demo_in_every_form(capsys):
    assert main(["--demo", "--what-if", "eplb"]) == 0
    text = capsys.readouterr().out
    assert main(["--demo", "--what-if", "EPLB", "--report", "markdown"]) == 0
    page = capsys.readouterr().out
    assert main(["--demo", "--what-if", "EPLB", "--json"]) == 0
    (load,) = json.loads(capsys.readouterr().out)["what_if"]["eplb"]["loads"]
    assert load["redundant"] == 24
    assert load["verdict"] == "not enough evidence"
    assert load["doubts"] == ["stays"]
    assert "Not enough evidence: load stays on its ranks" in text
    assert "placement: R = 24 (DeepSeek's EPLB, global), where 0 are in use" in text
    assert page.startswith("# ")


def test_eplb_without_experts_says_so(capsys):
    data = Path(__file__).parents[1] / "data" / "vllm_small"
    assert main([str(data), "--what-if", "EPLB"]) == 0
    assert "no expert heat by iteration" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["--fail-on", "warning"], ["--baseline", "x"], ["--watch"], ["--link-gbps", "nan"]]
)
def test_what_it_does_not_go_with_is_wrong_usage(arguments):
    with pytest.raises(SystemExit) as end:
        main(["--demo", "--what-if", "EPLB", *arguments])
    assert end.value.code == 2
