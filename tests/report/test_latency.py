"""Where the time of requests went, in JSON, text, Markdown and exports."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from types import SimpleNamespace

import polars as pl
import pytest

from lbtui.analysis.latency_parts import PART_LABELS, PARTS
from lbtui.comparison import compare
from lbtui.findings.diagnosis import diagnose, told_of, with_latency
from lbtui.findings.latency import words
from lbtui.findings.latency.change import explained
from lbtui.overview.run import overview
from lbtui.overview.targets import placed_requests, with_targets
from lbtui.profile import Domain
from lbtui.report import as_markdown, as_text, export
from lbtui.report.as_json import document
from lbtui.report.latency_json import latency_json
from lbtui.sources import open_profile
from lbtui.text import visible
from lbtui.thresholds import Thresholds
from tests.findings.test_latency import SAMPLES, unpacked
from tests.security.test_hostile_text import HAZARD

_SAMPLES = ("csv_only", "pd_ep", "vllm_small", "mindie_pd_even raw", "demo")
_LIMITS = Thresholds(targets={"ttft": 100.0, "tpot": 30.0})


def made(path, limits=_LIMITS):
    """Return all that the reports tell of a profile."""
    profile = open_profile(path)
    known = with_targets(overview(profile), placed_requests(profile, limits))
    diagnosis = with_latency(diagnose(profile, known.window, limits), profile, limits)
    comparison = compare(profile, profile)
    comparison = explained(comparison, told_of(profile, limits), diagnosis.told)
    return SimpleNamespace(
        profile=profile, known=known, diagnosis=diagnosis, told=diagnosis.told, comparison=comparison
    )


@pytest.fixture(scope="module", params=_SAMPLES)
def one(request, tmp_path_factory):
    return made(SAMPLES[request.param](tmp_path_factory.mktemp("sample")))


def key_of(place, known):
    """Return the key of the domain that a place of the document is."""
    if place is None:
        return None
    own = {name: value for name, value in place.items() if name != "address"}
    (key,) = [
        domain.key
        for domain in known.domains
        if all(getattr(domain, name, None) == value for name, value in own.items())
    ]
    return key


def test_json_holds_what_is_told(one):
    found = json.loads(
        json.dumps(document(one.known, one.diagnosis.findings, None, one.told), allow_nan=False)
    )
    member, told = found["latency_parts"], one.told
    assert list(found)[-2:] == ["slo", "latency_parts"] or "summaries" in found
    assert (member["requests"], member["cut"]) == (told.latency.lives.height, told.latency.cut)
    assert member["without_rounds"] == told.latency.unplaced
    assert member["skewed_hosts"] == list(told.latency.skewed)
    assert (member["reason"], member["unit"]) == (None, "ms")
    assert len(member["parts"]) == len(told.shares)
    for row, share in zip(member["parts"], told.shares, strict=True):
        assert row["part"] == share.part
        assert key_of(row["place"], one.known) == share.place
        assert row.get("place") is None or row["place"].get("address") == told.addresses.get(share.place)
        numbers = (row["time"], row["share"], row["requests"], row["up_to_first_token"])
        assert numbers == (share.ms, share.share, share.requests, share.before)
    assert sum(row["share"] for row in member["parts"]) == pytest.approx(1)
    lives = told.latency.lives
    assert sum(row["time"] for row in member["parts"]) * 1000 == pytest.approx(
        (lives["end"] - lives["begin"]).sum()
    )
    missed = member["missed"]
    assert (missed["judged"], missed["requests"]) == (told.missed.judged, told.missed.missed)
    assert (missed["explained"], missed["beyond_target"]) == (told.missed.explained, told.missed.beyond)
    assert sum(row["time"] for row in missed["parts"]) == pytest.approx(missed["beyond_target"])
    for row, share in zip(missed["parts"], told.missed.shares, strict=True):
        assert (row["part"], key_of(row["place"], one.known)) == (share.part, share.place)
        assert (row["time"], row["share"], row["requests"]) == (share.ms, share.share, share.requests)
        assert "up_to_first_token" not in row
    told_of_slo = found["slo"]
    assert (missed["judged"], missed["requests"]) == (
        told_of_slo["judged"],
        told_of_slo["judged"] - told_of_slo["met"],
    )


def test_json_says_of_each_finding_whom_it_hurts(one):
    findings = one.diagnosis.findings
    rows = document(one.known, findings, None, one.told)["findings"]
    for row, finding in zip(rows, findings, strict=True):
        assert row.get("requests_hurt") == finding.hurt
        assert ("requests_hurt_beyond_target" in row) == (finding.hurt is not None)
        assert row.get("requests_hurt_beyond_target", 0) == finding.hurt_beyond


def test_json_has_the_terms_of_a_difference(one):
    rows = document(one.known, (), one.comparison, one.told)["comparison"]
    terms = {row["metric"]: row for row in rows if "terms" in row}
    assert {"ttft.mean", "duration.mean"} <= set(terms)
    for row in terms.values():
        assert sum(term["difference"] for term in row["terms"]) == pytest.approx(row["difference"], abs=1e-9)
        assert row["terms"][-1]["part"] is None
        assert {term["part"] for term in row["terms"][:-1]} <= set(PARTS)


def test_the_text_has_all_parts_and_formulas(one):
    text = as_text(one.known, one.diagnosis, ascii_only=False)
    lines = text.splitlines()
    (head,) = [line for line in lines if line.startswith(f"{words.TITLE}: ")]
    assert head.endswith(words.scope_sentence(one.told))
    rows = list(words.part_rows(one.told))
    assert [row[0] for row in rows] == [PART_LABELS[part.part] for part in one.told.parts]
    for row in rows:
        assert any(all(cell in line for cell in row) for line in lines), row
    for sentence in (*words.FORMULAS, words.MISSED_FORMULA, words.HURT_FORMULA):
        assert f"  {sentence}" in lines
    assert any(words.missed_sentence(one.told) in line for line in lines)
    for row in words.missed_rows(one.told, one.told.missed):
        assert any(all(cell in line for cell in row) for line in lines), row
    for finding in one.diagnosis.findings:
        if finding.hurt is not None:
            assert f"{finding.hurt:,}" in text


def test_the_page_has_them_as_tables(one):
    page = as_markdown(one.known, one.diagnosis, ascii_only=False)
    assert f"\n## {words.TITLE}\n" in page
    section = page.partition(f"\n## {words.TITLE}\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    told = list(words.part_rows(one.told)), list(words.missed_rows(one.told, one.told.missed))
    assert len(rows) == sum(2 + len(table) for table in told if table)
    assert sum(line.count(" % ") for line in rows) >= len(told[0])
    for label in (PART_LABELS[part.part] for part in one.told.parts):
        assert any(line.startswith(f"| {label} ") for line in rows)
    assert (f"### {words.WHY_MISSED}" in section) == bool(one.told.missed.shares)


def test_the_comparison_says_what_changed_it(one):
    text = as_text(one.known, one.diagnosis, one.comparison, ascii_only=False)
    assert words.CHANGE_FORMULA in text
    assert words.CHANGE_FORMULA not in as_text(one.known, one.diagnosis, ascii_only=False)


def test_what_is_not_known_is_said_everywhere(tmp_path):
    found = made(unpacked("old_versions/cann81", tmp_path))
    why = found.told.latency.absent
    member = document(found.known, found.diagnosis.findings, None, found.told)["latency_parts"]
    assert (member["reason"], member["parts"], member["missed"]) == (why, [], None)
    assert f"{words.TITLE}: Where the time went is not known: {why}." in as_text(
        found.known, found.diagnosis, ascii_only=False
    )
    page = as_markdown(found.known, found.diagnosis, ascii_only=True)
    assert f"## {words.TITLE}" in page
    assert words.FORMULAS[0] not in page


@pytest.mark.parametrize("ascii_only", [False, True])
def test_names_from_files_are_harmless(tmp_path, ascii_only):
    one = made(SAMPLES["csv_only"](tmp_path))
    told = one.told
    bad = {domain.key: f"{domain.key}{HAZARD}" for domain in one.known.domains}

    def moved(shares):
        return tuple(replace(share, place=share.place and bad[share.place]) for share in shares)

    told = replace(
        told,
        latency=replace(told.latency, skewed=(f"host{HAZARD}",)),
        parts=tuple(replace(part, places=moved(part.places)) for part in told.parts),
        shares=moved(told.shares),
        missed=replace(told.missed, shares=moved(told.missed.shares)),
        names=dict.fromkeys(bad.values(), f"dp{HAZARD}"),
        addresses=dict.fromkeys(list(bad.values())[:2], f"10.0.0.1{HAZARD}"),
    )
    diagnosis = replace(one.diagnosis, told=told)
    text = as_text(one.known, diagnosis, ascii_only=ascii_only)
    page = as_markdown(one.known, diagnosis, ascii_only=ascii_only)
    known = (Domain(f"svc{HAZARD}/dp0", f"svc{HAZARD}", f"host{HAZARD}", 0),)
    dumped = json.dumps(latency_json(told, known), ensure_ascii=ascii_only)
    for said in (text, page, dumped):
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\u2066\u2028\ufeff]", said)
    assert visible("\x1b[31m") in text
    section = page.partition(f"## {words.TITLE}")[2].partition("\n## ")[0]
    # What the names hold begins no row, cell or tag of its own.
    heads = {"parts": len(words.HEADS), "missed": len(words.MISSED_HEADS)}
    cells = {len(re.findall(r"(?<!\\)\|", line)) - 1 for line in section.splitlines() if line.startswith("|")}
    assert cells <= set(heads.values())


def test_the_export_has_the_parts_of_every_request(one, tmp_path):
    written = {file.path.name: file for file in export(one.profile, tmp_path, "csv")}
    frame = pl.read_csv(tmp_path / "latency_parts.csv", infer_schema_length=None)
    assert frame.columns == ["request_id", "part", "place", "before_ms", "total_ms"]
    parts = one.told.latency.parts
    assert written["latency_parts.csv"].rows == frame.height == parts.height
    requests = pl.read_csv(tmp_path / "requests.csv", infer_schema_length=None)
    sums = frame.group_by("request_id").agg(pl.col("total_ms").sum(), pl.col("before_ms").sum())
    joined = requests.join(sums, on="request_id").join(
        one.told.latency.lives.join(requests.with_row_index("row").select("row", "request_id"), on="row"),
        on="request_id",
    )
    assert joined.height == one.told.latency.lives.height
    assert (joined["total_ms"] - joined["lead"] / 1000 - joined["duration"]).abs().max() < 0.001
    export(one.profile, tmp_path / "parquet", "parquet")
    same = pl.read_parquet(tmp_path / "parquet" / "latency_parts.parquet")
    names = ["request_id", "part", "place"]
    assert same.select(names).rows() == frame.select(names).rows()
    for name in ("before_ms", "total_ms"):
        assert (same[name] - frame[name]).abs().max() < 1e-9


def test_without_requests_or_rounds_no_parts_are_exported(tmp_path):
    for sample in ("mindie_tp4", "slice_png"):
        (tmp_path / sample).mkdir()
        profile = open_profile(unpacked(sample, tmp_path / sample))
        names = {file.path.stem for file in export(profile, tmp_path / f"{sample}-out", "csv")}
        assert "latency_parts" not in names


def test_parts_of_an_export_before_are_replaced_by_none(tmp_path):
    folder = tmp_path / "out"
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    export(open_profile(SAMPLES["csv_only"](tmp_path / "a")), folder, "csv")
    export(open_profile(unpacked("old_versions/cann81", tmp_path / "b")), folder, "csv", force=True)
    assert (folder / "latency_parts.csv").read_text() == "request_id,part,place,before_ms,total_ms\n"
