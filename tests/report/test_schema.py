"""The JSON Schema against every sample, against the manual's page on JSON, and against the code."""

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from lbtui.analysis.latency_parts import PART_LABELS
from lbtui.analysis.replay.figures import FIGURES
from lbtui.analysis.replay.routing import POLICY_LABELS
from lbtui.cli import main
from lbtui.codes import OPENED
from lbtui.manual import json_schema, text_of
from lbtui.options import WHAT_IFS
from lbtui.overview.model import FORMULAS
from tests.findings.test_ids import _ids
from tests.sources.recorded import CSV_ONLY, profile

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
DEMO = ROOT / "lbtui" / "demo" / "output"
# By themselves they are no profile: other tests put their files beside those of another sample.
NO_PROFILES = ("engines/vllm_spec", "engines/vllm_v0", "old_versions/spreadsheet")
SAMPLES = [
    DEMO,
    *(
        DATA / name
        for name in ("csv_only", "even_small", "expert_files", "linked_ids", "mindie_tp4", "pd_ep")
    ),
    *(DATA / name for name in ("pd_ep_operators", "pd_ep_png", "slice_png", "vllm_small")),
    *sorted(p for folder in ("cases", "engines", "old_versions") for p in (DATA / folder).iterdir()),
]
SAMPLES = [path for path in SAMPLES if f"{path.parent.name}/{path.name}" not in NO_PROFILES]
SCHEMA = json.loads(json_schema())
# What others are made of: an object that refers to one of these has keys of its own, too.
PARTS_OF_OTHERS = ("attained", "domain", "replay", "shape")


def closed(schema):
    """Return a schema that admits no key that it does not name."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: closed(each) for key, each in schema.items()}
    if isinstance(schema.get("properties"), dict) and "type" in schema:
        made["unevaluatedProperties"] = False
    for name in PARTS_OF_OTHERS:
        made.get("$defs", {}).get(name, {}).pop("unevaluatedProperties", None)
    return made


STRICT = Draft202012Validator(closed(SCHEMA))


def faults(document):
    return [f"{error.json_path}: {error.message[:200]}" for error in STRICT.iter_errors(document)]


def printed(capsys, *arguments):
    code = main([*map(str, arguments), "--json"])
    return code, capsys.readouterr().out


def test_it_is_a_schema_and_is_printed(capsys):
    Draft202012Validator.check_schema(SCHEMA)
    with pytest.raises(SystemExit) as ended:
        main(["--json-schema"])
    assert ended.value.code == OPENED
    assert capsys.readouterr() == (json_schema(), "")


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_the_report_of_every_sample_holds_it(path, capsys):
    code, text = printed(capsys, path)
    assert code == OPENED
    assert faults(json.loads(text)) == []


@pytest.mark.parametrize("name", WHAT_IFS)
@pytest.mark.parametrize("path", [DEMO, DATA / "csv_only", DATA / "pd_ep_png"], ids=lambda path: path.name)
def test_the_answer_to_every_what_if_holds_it(path, name, capsys):
    code, text = printed(capsys, path, "--what-if", name)
    assert code == OPENED
    assert faults(json.loads(text)) == []


def test_a_comparison_holds_it(tmp_path, capsys):
    before = profile(tmp_path / "before", *(f"even_small/{Path(name).name}" for name in CSV_ONLY))
    code, text = printed(capsys, DEMO, "--baseline", before.path)
    assert code == OPENED
    assert json.loads(text)["comparison"]
    assert faults(json.loads(text)) == []


def test_what_it_does_not_name_and_what_is_missing_are_seen(capsys):
    document = json.loads(printed(capsys, DATA / "csv_only")[1])
    assert faults(document) == []
    finding = document["findings"][0]
    finding["unheard"] = 1
    del finding["message"]
    document["metrics"]["dp"][0]["subject"]["unheard"] = 1
    document["slo"]["unheard"] = 1
    assert len(faults(document)) >= 4
    # Another reader may meet keys of a later version.
    del document["metrics"]["dp"][0]["subject"]["unheard"], document["slo"]["unheard"]
    finding["message"] = ""
    assert list(Draft202012Validator(SCHEMA).iter_errors(document)) == []


def named(schema):
    """Return the keys, and the values of those that have few, that a schema names."""
    if isinstance(schema, list):
        return {name for each in schema for name in named(each)}
    if not isinstance(schema, dict):
        return set()
    own = set(schema.get("properties", {})) if isinstance(schema.get("properties"), dict) else set()
    values = {each for each in [*schema.get("enum", []), schema.get("const")] if isinstance(each, str)}
    return own | values | {name for each in schema.values() for name in named(each)}


def keys(schema):
    if isinstance(schema, list):
        return {name for each in schema for name in keys(each)}
    if not isinstance(schema, dict):
        return set()
    own = schema.get("properties")
    found = set(own) if isinstance(own, dict) else set()
    return found | {name for each in schema.values() for name in keys(each)}


def test_every_key_of_the_manual_is_in_it_and_every_key_of_it_in_the_manual():
    text = text_of("json")
    words = {word for word in re.findall(r"`([^`]+)`", text) if not re.match(r"lbtui |--", word)}
    # `analyze` is a command of upstream's.
    told = {word.removeprefix("profile.") for word in words} - {"analyze"}
    assert told - named(SCHEMA) == set()
    assert keys(SCHEMA["$defs"]) - told == set()


def test_the_names_that_it_lists_are_the_code_s():
    of = SCHEMA["$defs"]
    report = of["report"]["properties"]
    ids = of["finding"]["properties"]["id"]["enum"]
    bullets = re.findall(r"^- (`(?:dp|kv|pd|ep|data)\.[^:]*):", text_of("findings"), re.MULTILINE)
    assert ids == [each for bullet in bullets for each in re.findall(r"`([a-z_.]+)`", bullet)]
    assert _ids() <= set(ids)
    metrics = report["metrics"]["properties"]
    for one in metrics.values():
        assert one["items"]["properties"]["formula"]["enum"] == list(FORMULAS)
    parts = report["latency_parts"]["properties"]["parts"]["items"]["properties"]["part"]["enum"]
    assert parts == list(PART_LABELS)
    answers = of["what_if"]["properties"]["what_if"]["properties"]
    assert list(of["figures"]["properties"]) == list(FIGURES)
    policies = answers["routing"]["properties"]["policies"]["items"]["properties"]["policy"]["enum"]
    assert set(policies) == set(POLICY_LABELS)
