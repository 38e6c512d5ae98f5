"""The manual against the code that it describes, and the command that prints it."""

import json
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from lbtui import codes
from lbtui.analysis.latency_parts import PART_LABELS
from lbtui.cli import main
from lbtui.codes import OPENED, USAGE
from lbtui.comparison import compare
from lbtui.findings.diagnosis import Diagnosis, diagnose, told_of, with_latency
from lbtui.findings.latency import words as latency
from lbtui.findings.latency.change import explained
from lbtui.findings.replay import formulas
from lbtui.findings.replay import words as replay
from lbtui.manual import TOPICS, text_of, topics
from lbtui.options import parser
from lbtui.overview.run import overview
from lbtui.overview.targets import placed_requests, with_targets
from lbtui.render.capabilities import Capabilities
from lbtui.report import as_text
from lbtui.report.as_json import document
from lbtui.sources import frame, inflate, open_profile
from lbtui.sources.experts import placement
from lbtui.sources.tables import csv_lines, database
from lbtui.sources.trace import json_stream
from lbtui.thresholds import Thresholds, described
from lbtui.ui.help import help_text
from tests.sources.recorded import CSV_ONLY, profile
from tests.tools.redraw_goldens import golden

ROOT = Path(__file__).parents[2]
MANUAL = ROOT / "lbtui" / "manual"
FINDINGS, JSON, STATISTICS = (text_of(topic) for topic in ("findings", "json", "statistics"))
DEMO = ROOT / "lbtui" / "demo" / "output"


def test_every_threshold_stands_beside_its_findings():
    rows = re.findall(
        r"^- `(?:dp|kv|pd|ep|data)\.(?:(?!^- |\n\n).)*?Thresholds:((?:(?!^- |\n\n).)*)", FINDINGS, re.M | re.S
    )
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named
    # Of What-if, which is no finding.
    assert "`eplb_step_gain`" in text_of("what-if")
    assert named | {"p_value", "eplb_step_gain"} == {name for name, _default, _meaning in described()}


def test_every_id_of_the_code_is_described():
    text = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "lbtui" / "findings").glob("*.py"))
    ids = set(re.findall(r'"((?:dp|kv|pd|ep|data)\.[a-z_]+(?:\.[a-z_]+)*)"', text))
    assert len(ids) > 15
    assert {id for id in ids if f"`{id}`" not in FINDINGS} == set()


def test_every_limit_of_what_is_read_is_the_code_s():
    text = " ".join(text_of("formats").partition("## How much is read")[2].partition("\n## ")[0].split())
    for words in (
        f"{frame.MOST_PROCESSES:,} processes, {frame.MOST_DOMAINS:,} DP domains",
        f"{frame.MOST_LANES:,} P/D nodes, ranks, layers",
        f"CSV is left out beyond {csv_lines._LONGEST_LINE >> 20} MiB",
        f"an event beyond {json_stream.LARGEST >> 20} MiB",
        f"a cell beyond {database._LARGEST >> 20} MiB",
        f"up to {inflate._MOST_RATIO} times its size, from {inflate._ALWAYS >> 20} MiB on",
        f"{placement._MOST_LAYERS:,} layers",
    ):
        assert words in text


def keys(value):
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from keys(item)
    elif isinstance(value, list):
        for item in value:
            yield from keys(item)


def test_every_field_of_the_json_is_described():
    demo = open_profile(DEMO)
    limits = Thresholds()
    known = with_targets(overview(demo), placed_requests(demo, limits))
    diagnosis = with_latency(diagnose(demo, known.window, limits), demo, limits)
    assert diagnosis.told is not None
    comparison = explained(compare(demo, demo), told_of(demo, limits), diagnosis.told)
    made = document(known, diagnosis.findings, comparison, diagnosis.told)
    named = set(keys(made))
    assert {"slo", "latency_parts", "requests_hurt", "requests_hurt_beyond_target", "terms"} <= named
    assert {key for key in keys(json.loads(json.dumps(made))) if f"`{key}`" not in JSON} == set()


def test_the_parts_of_latency_are_those_of_the_code_with_the_formulas_that_reports_print():
    text = text_of("latency")
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| .+? \| .+? \|$", text, re.MULTILINE)
    assert dict(rows) == PART_LABELS
    flowing = " ".join(text.replace("\n- ", "\n").split())
    said = (*latency.FORMULAS, latency.MISSED_FORMULA, latency.HURT_FORMULA, latency.CHANGE_FORMULA)
    assert [sentence for sentence in said if sentence not in flowing] == []


def test_the_page_on_replays_has_the_formulas_of_the_help_and_an_example_as_it_stands_on_the_screen():
    text = text_of("replay")
    flowing = " ".join(text.replace("\n- ", "\n").split())
    said = (*formulas.ROUTING_FORMULAS, *formulas.RATIO_FORMULAS, *replay.ASSUMED)
    said += (replay.ROUTING_ASSUMED, replay.RATIO_ASSUMED)
    assert [sentence for sentence in said if sentence not in flowing] == []
    screen = golden("what-if-routing", (80, 24)).read_text(encoding="utf-8")
    lines = [line.strip() for line in screen.replace("▼", " ").splitlines()]
    example = text.split("```text\n")[1].split("```")[0].splitlines()
    assert len(example) > 10
    assert [line for line in example if line not in lines] == []


def test_the_worked_example_is_what_the_report_says(tmp_path):
    before = profile(tmp_path / "before", *(f"even_small/{Path(name).name}" for name in CSV_ONLY))
    after = profile(tmp_path / "after", *CSV_ONLY)
    written = as_text(overview(after), Diagnosis(), compare(before, after), ascii_only=False).splitlines()
    example = STATISTICS.split("```text\n")[1].split("```")[0].splitlines()
    assert len(example) > 5
    assert [line for line in example if line not in written] == []


def test_the_manual_has_the_topics_that_it_lists_and_none_is_empty():
    assert {path.stem for path in MANUAL.glob("*.md")} == set(TOPICS)
    for topic in TOPICS:
        lines = text_of(topic).splitlines()
        assert lines[0].lower() == f"# {topic}"
        assert len(lines) > 5
        # A terminal shows it as it is; what the report prints is as wide as the report is.
        prose = re.sub(r"```.*?```", "", text_of(topic), flags=re.DOTALL)
        assert max(map(len, prose.splitlines())) <= 130


@pytest.mark.parametrize("topic", TOPICS)
def test_each_topic_is_printed(topic, capsys):
    assert main(["--manual", topic]) == OPENED
    assert capsys.readouterr() == (text_of(topic), "")


@pytest.mark.parametrize("topic", [*TOPICS, ""])
def test_a_stream_that_is_not_utf8_gets_the_manual_in_ascii(topic, capsys):
    assert main(["--manual", *filter(None, [topic]), "--ascii"]) == OPENED
    said = capsys.readouterr().out
    assert said.isascii()
    assert "\\x" not in said
    assert "\\u" not in said


def test_without_a_topic_the_manual_lists_them(capsys):
    assert main(["--manual"]) == OPENED
    said = capsys.readouterr().out
    assert said == topics()
    for topic, about in TOPICS.items():
        assert re.search(rf"^  {topic} +{re.escape(about)}$", said, re.MULTILINE)


@pytest.mark.parametrize("topic", ["nope", "../findings", "findings.md", "x\x1b[31m", "__init__"])
def test_an_unknown_topic_is_wrong_usage_with_a_sentence_that_names_the_topics(topic, capsys):
    assert main(["--manual", topic]) == USAGE
    said, complaint = capsys.readouterr()
    assert said == ""
    assert complaint.startswith("lbtui: the manual has no topic ")
    assert complaint.count("\n") == 1
    assert "\x1b" not in complaint
    assert all(known in complaint for known in TOPICS)


def test_the_help_of_every_pane_ends_with_the_way_to_the_manual():
    pane = SimpleNamespace(TITLE="DP", BINDINGS=[], caps=Capabilities("none"), help_entries=lambda: [])
    *_, last = help_text(pane, []).plain.splitlines()
    assert "lbtui --manual TOPIC" in last
    assert all(topic in last for topic in TOPICS)


def test_every_topic_that_a_text_names_is_there():
    texts = [*(text_of(topic) for topic in TOPICS), (ROOT / "README.md").read_text(encoding="utf-8")]
    named = {name for text in texts for name in re.findall(r"lbtui --manual ([a-z-]+)", text)}
    assert named
    assert named <= set(TOPICS)


def test_every_exit_code_is_described():
    known = {value for name, value in vars(codes).items() if name.isupper() and isinstance(value, int)}
    described_codes = set(re.findall(r"^- (\d+): ", text_of("config"), re.MULTILINE))
    assert described_codes == {str(code) for code in known}


def test_every_option_that_is_described_is_known():
    known = {option for action in parser()._actions for option in action.option_strings}
    named = {
        name for topic in TOPICS for name in re.findall(r"`(?:lbtui [^`]*?)?(--[a-z-]+)", text_of(topic))
    }
    # Of upstream's parser.
    assert named - {"--span"} <= known
    assert named


def test_the_wheel_holds_the_manual():
    """Hatchling packs whatever lies below `lbtui`, unless it is told otherwise or git ignores it."""
    build = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert '[tool.hatch.build.targets.wheel]\npackages = ["lbtui"]\n\n' in build
    assert not re.search(r"^\[tool\.hatch\.build\]", build, re.MULTILINE)
    ignored = subprocess.run(
        ["git", "-C", ROOT, "check-ignore", *MANUAL.glob("*.md")], capture_output=True, check=False
    )
    assert ignored.stdout == b""
