"""What JSON, text and Markdown say of the targets, held against the raw files read by plain loops."""

import ast
import csv
import json
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from lbtui.overview.run import overview
from lbtui.overview.targets import FORMULAS, placed_requests, with_targets
from lbtui.profile import Domain
from lbtui.report import as_json, as_markdown, as_text
from lbtui.report.as_json import document
from lbtui.sources import open_profile
from lbtui.thresholds import Thresholds
from tests.report.made import KNOWN, UNEVEN

DATA = Path(__file__).parents[1] / "data"
CSV_ONLY = DATA / "csv_only"
TARGETS = (("ttft", 100.0), ("tpot", 45.0))


def slo(folder, targets=()):
    profile = open_profile(folder)
    known = with_targets(overview(profile), placed_requests(profile, Thresholds(targets=targets)))
    return json.loads(json.dumps(document(known, [])))["slo"]


def moment(text):
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S:%f")


def judged(limits, folder=CSV_ONLY):
    """Return whether each request of a file in which all is known met, its end and its input length."""
    found = {}
    with (folder / "request.csv").open() as file:
        for row in csv.DictReader(file):
            ttft, whole = float(row["first_token_latency(ms)"]), float(row["execution_time(ms)"])
            tokens = float(row["reply_token_size"])
            met = ttft <= limits["ttft"] and (tokens <= 1 or (whole - ttft) / (tokens - 1) <= limits["tpot"])
            arrival = moment(row["start_datetime"])
            end = arrival + timedelta(milliseconds=whole)
            found[row["http_rid"]] = (met, arrival, end, float(row["recv_token_size"]))
    return found


def ranks_of_requests():
    found = defaultdict(set)
    with (CSV_ONLY / "batch.csv").open() as file:
        for row in csv.DictReader(file):
            if row["name"] in ("Execute", "modelExec"):
                for one in ast.literal_eval(row["res_list"]):
                    found[one["rid"]].add(int(float(row["dp_rank"])))
    return found


def counts(one):
    return one["met"], one["judged"], one["unknown"]


def test_the_run_is_that_of_the_files():
    found, by_hand = slo(CSV_ONLY, TARGETS), judged(dict(TARGETS))
    good = sum(met for met, *_rest in by_hand.values())
    seconds = (max(r[2] for r in by_hand.values()) - min(r[1] for r in by_hand.values())).total_seconds()
    assert 10 < good < len(by_hand) - 10
    assert counts(found) == (good, len(by_hand), 0)
    assert found["attainment"] == good / len(by_hand)
    assert found["goodput"] == pytest.approx(good / seconds)
    assert found["seconds"] == pytest.approx(seconds)
    assert found["targets"] == {"ttft": 100, "tpot": 45, "e2e": None, "unit": "ms"}
    assert found["targets_are"] == "given"
    assert found["low"] < found["attainment"] < found["high"]


def test_each_domain_is_that_of_the_files():
    found, by_hand = slo(CSV_ONLY, TARGETS), judged(dict(TARGETS))
    wanted = defaultdict(list)
    for rid, ranks in ranks_of_requests().items():
        for rank in ranks:
            wanted[rank].append(by_hand[rid][0])
    assert {one["dp_rank"]: counts(one) for one in found["domains"]} == {
        rank: (sum(answers), len(answers), 0) for rank, answers in wanted.items()
    }
    assert [one["dp_rank"] for one in found["domains"]] == [0, 1, 2, 3]
    assert found["domains"][0]["host"] == "node-a"
    assert sum(one["goodput"] for one in found["domains"]) == pytest.approx(found["goodput"])
    assert found["nodes"] == []


def test_each_length_and_each_stretch_is_that_of_the_files():
    found, by_hand = slo(CSV_ONLY, TARGETS), judged(dict(TARGETS))
    for one in found["input_classes"]:
        here = [r[0] for r in by_hand.values() if one["least"] <= r[3] <= one["most"]]
        assert counts(one) == (sum(here), len(here), 0)
    assert sum(one["judged"] for one in found["input_classes"]) == len(by_hand)
    for one in found["over_time"]:
        begin, end = (datetime.fromisoformat(one[key]).replace(tzinfo=None) for key in ("start", "end"))
        here = [r[0] for r in by_hand.values() if begin <= r[2] < end]
        assert counts(one) == (sum(here), len(here), 0)
        if here:
            assert one["goodput"] == pytest.approx(sum(here) / (end - begin).total_seconds())
    assert sum(one["judged"] for one in found["over_time"]) == len(by_hand)


def test_the_nodes_are_those_that_the_transfers_name():
    found = slo(DATA / "pd_ep", (("ttft", 100.0),))
    pulls = defaultdict(set)
    with (DATA / "pd_ep" / "request.csv").open() as file:
        ttft = {row["http_rid"]: float(row["first_token_latency(ms)"]) for row in csv.DictReader(file)}
    frame = open_profile(DATA / "pd_ep").load("transfers").frame
    for rid, source in frame.select("request_id", "source").drop_nulls().unique().iter_rows():
        pulls[rid].add(source)
    wanted = defaultdict(list)
    for rid, sources in pulls.items():
        if len(sources) == 1 and rid in ttft:
            wanted[next(iter(sources))].append(ttft[rid] <= 100)
    assert len(wanted) == 2
    assert {(one["address"], one["role"]): counts(one) for one in found["nodes"]} == {
        (source, "prefill"): (sum(answers), len(answers), 0) for source, answers in wanted.items()
    }


def test_without_targets_they_are_p95_of_this_run():
    found = slo(CSV_ONLY)
    assert found["targets_are"] == "p95 of this run"
    assert found["targets"]["e2e"] is None
    values = []
    with (CSV_ONLY / "request.csv").open() as file:
        values = sorted(float(row["first_token_latency(ms)"]) for row in csv.DictReader(file))
    place, part = divmod(0.95 * (len(values) - 1), 1)
    low, high = values[int(place) : int(place) + 2]
    assert found["targets"]["ttft"] == pytest.approx(low + (high - low) * part)


def test_what_no_file_tells_is_said():
    profile = open_profile(DATA / "csv_only" / "request.csv")
    known = overview(profile)
    assert document(with_targets(known, placed_requests(profile, Thresholds())), [])["slo"][
        "places_unknown_because"
    ] in (
        None,
        "no file tells where requests ran",
    )
    # Without requests there is nothing to attain.
    expert = open_profile(DATA / "slice_png")
    assert "slo" not in document(with_targets(overview(expert), placed_requests(expert, Thresholds())), [])


def test_text_and_markdown_say_the_same():
    profile = open_profile(CSV_ONLY)
    known = with_targets(overview(profile), placed_requests(profile, Thresholds(targets=TARGETS)))
    found = slo(CSV_ONLY, TARGETS)
    text = as_text(known, UNEVEN, ascii_only=False)
    page = as_markdown(known, UNEVEN, ascii_only=False)
    share = f"{100 * found['attainment']:.0f} %"
    line = f"{share} met ({found['met']} of {found['judged']}) · goodput {found['goodput']:.3g} req/s"
    assert f"Targets (SLO): TTFT ≤ 100 ms, TPOT ≤ 45 ms\n  {line}\n" in text
    assert f"## Targets (SLO)\n\nTTFT ≤ 100 ms, TPOT ≤ 45 ms\n\n**{line}**" in page
    for one in found["domains"]:
        row = f"{one['met']} / {one['judged']}"
        name = f"DP domain dp{one['dp_rank']}"
        assert any(name in each and row in each for each in text.splitlines())
        assert any(f"| {name} |" in each and row in each for each in page.splitlines())
    for formula in FORMULAS:
        assert formula in text
    own = with_targets(overview(profile), placed_requests(profile, Thresholds()))
    assert "(p95 of this run)" in as_text(own, UNEVEN, ascii_only=False)
    assert as_text(own, UNEVEN, ascii_only=True).isascii()


def test_the_same_gives_the_same_bytes_and_text_from_files_is_harmless():
    profile = open_profile(CSV_ONLY)
    known = with_targets(overview(profile), placed_requests(profile, Thresholds()))
    assert as_json(known, [], ascii_only=True) == as_json(known, [], ascii_only=True)
    assert "slo" not in document(KNOWN, [])


def test_domains_of_the_same_name_are_told_apart():
    from lbtui.overview.attained import domain_names

    def domain(instance, host, rank):
        return Domain(f"{instance}/{host}/dp{rank}", instance, host, rank)

    assert set(domain_names([domain("i", "a", 0), domain("i", "a", 1)]).values()) == {"dp0", "dp1"}
    assert set(domain_names([domain("svc-p0", "a", 0), domain("svc-d0", "a", 0)]).values()) == {
        "p0/dp0",
        "d0/dp0",
    }
    assert set(domain_names([domain("i", "node-a", 0), domain("i", "node-b", 0)]).values()) == {
        "a/dp0",
        "b/dp0",
    }


def test_rounds_that_cannot_be_read_leave_the_rest(monkeypatch):
    profile = open_profile(CSV_ONLY)
    known = overview(profile)

    def broken(_progress):
        raise ValueError("no such thing")

    monkeypatch.setattr(profile, "read_request_places", broken)
    found = document(with_targets(known, placed_requests(profile, Thresholds())), [])["slo"]
    assert found["domains"] == []
    assert "no such thing" in found["places_unknown_because"]
    assert found["judged"] == 133
