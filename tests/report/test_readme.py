"""The README's tables against the code that they describe."""

import json
import re
from pathlib import Path

from lbtui.comparison import compare
from lbtui.findings import described, find_all
from lbtui.findings.diagnosis import Diagnosis
from lbtui.overview.run import overview
from lbtui.report import as_text
from lbtui.report.as_json import document
from lbtui.sources import open_profile
from tests.sources.recorded import CSV_ONLY, profile

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DEMO = ROOT / "lbtui" / "demo" / "output"


def test_every_threshold_stands_beside_its_findings():
    rows = re.findall(r"^\| `(?:dp|kv|pd|ep|data)\.[^|]*\|[^|]*\|([^|]*)\|$", README, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named
    assert named | {"p_value"} == {name for name, _default, _meaning in described()}


def test_every_id_of_the_code_is_described():
    text = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "lbtui" / "findings").glob("*.py"))
    ids = set(re.findall(r'"((?:dp|kv|pd|ep|data)\.[a-z_]+(?:\.[a-z_]+)*)"', text))
    assert len(ids) > 15
    assert {id for id in ids if f"`{id}`" not in README} == set()


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
    made = document(overview(demo), find_all(demo), compare(demo, demo))
    section = README[README.index("## JSON") :]
    assert {key for key in keys(json.loads(json.dumps(made))) if f"`{key}`" not in section} == set()


def test_the_worked_example_is_what_the_report_says(tmp_path):
    before = profile(tmp_path / "before", *(f"even_small/{Path(name).name}" for name in CSV_ONLY))
    after = profile(tmp_path / "after", *CSV_ONLY)
    written = as_text(overview(after), Diagnosis(), compare(before, after), ascii_only=False).splitlines()
    example = README[README.index("## Measure a change") :].split("```text\n")[1].split("```")[0].splitlines()
    assert len(example) > 5
    assert [line for line in example if line not in written] == []
