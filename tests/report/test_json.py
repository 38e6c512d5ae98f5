import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from lbtui.findings import Cost, find_all
from lbtui.overview.model import Figure, Line, Overview, Source
from lbtui.overview.run import overview
from lbtui.profile import Domain, Missing, Note, SourceFile
from lbtui.report import as_json
from lbtui.report.as_json import document
from lbtui.sources import open_profile
from tests.report.made import BATCH, FINDINGS, KNOWN

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "lbtui" / "demo" / "output"
DATA = ROOT / "tests" / "data"


@pytest.fixture(scope="module")
def demo():
    profile = open_profile(DEMO)
    return json.loads(as_json(overview(profile), find_all(profile), ascii_only=False))


def test_holds_the_contract_of_design(demo):
    assert list(demo) == ["schema", "profile", "metrics", "findings"]
    assert demo["schema"] == 1
    profile = demo["profile"]
    assert profile["path"] == str(DEMO)
    assert len(profile["hosts"]) == 6
    assert {"instance": "mindie-server-p0", "host": "mindie-server-p0-master-0", "dp_rank": 0} in profile[
        "dp_domains"
    ]
    assert {"address": "10.20.0.12:1025", "role": "prefill"} in profile["nodes"]
    (experts,) = profile["experts"]
    assert {k: experts[k] for k in ("periods", "layers", "ranks", "slots_per_rank")} == {
        "periods": 3,
        "layers": 58,
        "ranks": 8,
        "slots_per_rank": 17,
    }
    forward = next(s for s in profile["sources"] if s["file"] == "forward.csv")
    lines = (DEMO / "forward.csv").read_text(encoding="utf-8").splitlines()
    assert (forward["reader"], forward["rows"], forward["status"]) == ("csv", len(lines) - 1, "read")
    (missing,) = profile["missing"]
    assert set(missing) == {"what", "reason", "how_to_collect", "status"}


def test_times_are_iso_8601_with_the_offset(demo):
    iso = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+08:00")
    window = demo["profile"]["window"]
    assert iso.fullmatch(window["start"])
    assert iso.fullmatch(window["end"])
    assert window["start"] < window["end"]
    assert window["zone"] == "Asia/Shanghai"
    places = [m["worst"] for metrics in demo["metrics"].values() for m in metrics if m["worst"]]
    times = [place[key] for place in places for key in ("start", "end") if key in place]
    assert times
    assert all(iso.fullmatch(time) for time in times)


def test_each_metric_names_its_formula(demo):
    for dimension in ("dp", "kv", "pd", "ep", "requests"):
        assert demo["metrics"][dimension]
        for metric in demo["metrics"][dimension]:
            assert {"metric", "formula", "unit", "subject", "value", "worst"} <= set(metric)


def test_subjects_hold_integers_and_addresses(demo):
    worst = next(m for m in demo["metrics"]["dp"] if m["metric"] == "batch_size")["worst"]
    assert worst["dp_rank"] == 5
    assert type(worst["dp_rank"]) is int
    worst_layer = next(m for m in demo["metrics"]["ep"] if m["formula"] == "max_layer_par")["worst"]
    assert worst_layer is None or type(worst_layer["layer"]) is int


GOLDEN = Path(__file__).parent / "golden"
ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+08:00")
KEYS = [
    "id", "dimension", "severity", "subject", "window", "metric", "value", "threshold", "p_value", "cost",
    "message", "advice", "evidence", "consequences",
]  # fmt: skip
TEXTS = {"instance", "host", "prof_id", "address", "role"}
NUMBERS = {"dp_rank", "period", "layer", "rank", "expert"}


def test_the_agreed_findings():
    agreed = json.loads((GOLDEN / "findings.json").read_text(encoding="utf-8"))
    assert document(KNOWN, FINDINGS)["findings"] == agreed


def checked(finding):
    """Hold one finding, and those it explains, to the schema of DESIGN.md."""
    assert [key for key in finding if key != "what_if"] == KEYS
    assert finding.get("what_if") != ""
    assert re.fullmatch(r"[a-z_]+(\.[a-z_]+)+", finding["id"])
    assert finding["dimension"] in {"dp", "kv", "pd", "ep", "data"}
    assert finding["id"].startswith(finding["dimension"] + ".")
    assert finding["severity"] in {"critical", "warning", "info"}
    for key, value in finding["subject"].items():
        assert (key in TEXTS and type(value) is str) or (key in NUMBERS and type(value) is int)
    if "address" in finding["subject"]:
        assert re.fullmatch(r"[\d.]+:\d+", finding["subject"]["address"])
    if (window := finding["window"]) is not None:
        assert list(window) == ["start", "end"]
        assert all(ISO.fullmatch(time) for time in window.values())
        assert window["start"] < window["end"]
    assert type(finding["threshold"]) in (int, float)
    cost = finding["cost"]
    if cost["value"] is None:
        assert cost["reason"]
    else:
        assert cost["unit"]
        assert cost["text"]
        assert ("share" in cost) == ("share_of" in cost)
        assert cost.get("share_of", "steps") in {"steps", "domains", "experts", "requests"}
    assert all(finding[key] for key in ("metric", "message", "advice", "evidence"))
    for consequence in finding["consequences"]:
        checked(consequence)


def test_every_finding_holds_the_schema(demo):
    assert {f["dimension"] for f in demo["findings"]} == {"dp", "kv", "pd", "ep", "data"}
    for finding in demo["findings"]:
        checked(finding)


def test_the_most_severe_come_first_and_the_data_last(demo):
    order = [("critical", "warning", "info").index(f["severity"]) for f in demo["findings"]]
    assert order == sorted(order)
    data = [f["dimension"] == "data" for f in demo["findings"]]
    assert data == sorted(data)


def hostile():
    nan = Figure("dp", "batch_size", "time_weighted_par", "max/mean", float("nan"), chance=float("inf"))
    return Overview(
        "n",
        "/tmp/\x1b[31m",
        hosts=("\u202ehost",),
        domains=(Domain("k", "i\x07", "h\x9b", None),),
        sources=(Source(SourceFile(Path("/p/\x1b]0;x\x07.csv"), "k", "csv", 1), None, "", "waiting"),),
        missing=(Missing("a", "b", "c"),),
        notes=(Note("\x00", "t\nu"),),
        lines=(Line("dp.batch_size", "dp", "DP", figures=(nan,)),),
    )


@pytest.mark.parametrize("ascii_only", [False, True])
def test_no_number_is_nan_and_no_character_is_a_control(ascii_only):
    finding = replace(
        BATCH,
        value=float("inf"),
        p_value=float("nan"),
        cost=Cost(float("inf"), "x", "\x1b[2J"),
        subject={"host": "\u202eh", "dp_rank": 0},
        message="\x07",
    )
    text = as_json(hostile(), (finding,), ascii_only=ascii_only)

    def refuse(constant):
        raise AssertionError(constant)

    document = json.loads(text, parse_constant=refuse)
    (metric,) = document["metrics"]["dp"]
    assert (metric["value"], metric["chance"]) == (None, None)
    (found,) = document["findings"]
    assert (found["value"], found["p_value"], found["cost"]["value"]) == (None, None, None)
    assert document["profile"]["window"] == {"start": None, "end": None, "zone": "Asia/Shanghai"}

    def strings(value):
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            for item in value.values():
                yield from strings(item)
        elif isinstance(value, list):
            for item in value:
                yield from strings(item)

    assert all(s.isprintable() for s in strings(document))
    assert text.isascii() or not ascii_only


def test_pictures_alone_have_experts_and_no_window():
    document = json.loads(as_json(overview(open_profile(DATA / "pd_ep_png")), (), ascii_only=True))
    assert document["profile"]["window"]["start"] is None
    assert document["metrics"]["dp"] == []
    assert [m["metric"] for m in document["metrics"]["ep"]] == ["rank_load"] * 5
    assert len(document["profile"]["missing"]) > 5
