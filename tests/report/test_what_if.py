"""`--what-if`: its names, its forms, and what it goes with."""

import json
from pathlib import Path

import pytest

from lbtui.cli import main
from lbtui.options import WHAT_IFS
from lbtui.report.what_if.answer import Answer, Section
from lbtui.report.what_if.forms import what_if_json, what_if_markdown, what_if_text
from lbtui.report.what_if.registry import ANSWERS

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


def test_eplb_of_the_demo_in_every_form(capsys):
    assert main(["--demo", "--what-if", "eplb"]) == 0
    text = capsys.readouterr().out
    assert main(["--demo", "--what-if", "EPLB", "--report", "markdown"]) == 0
    page = capsys.readouterr().out
    assert main(["--demo", "--what-if", "EPLB", "--json"]) == 0
    (load,) = json.loads(capsys.readouterr().out)["what_if"]["eplb"]["loads"]
    assert load["redundant"] == 24
    assert "R = 24" in text
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
