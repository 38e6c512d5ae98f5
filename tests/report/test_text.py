from dataclasses import replace
from pathlib import Path

import pytest

from lbtui.findings.diagnosis import Diagnosis, diagnose
from lbtui.findings.pictures import Drawn
from lbtui.findings.words import figure_words, is_imbalance
from lbtui.overview.model import Overview
from lbtui.overview.run import overview
from lbtui.profile import Note
from lbtui.report import as_text
from lbtui.sources import open_profile
from tests.report.made import BATCH, DRAWN, EVEN, KNOWN, SHORT, UNEVEN

DEMO = Path(__file__).parents[2] / "lbtui" / "demo" / "output"
GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def demo():
    profile = open_profile(DEMO)
    known = overview(profile)
    return known, diagnose(profile, known.window)


def test_the_agreed_text():
    assert as_text(KNOWN, UNEVEN, ascii_only=False) == (GOLDEN / "report.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("ascii_only", [False, True])
def test_says_all_that_overview_and_findings_hold(demo, ascii_only):
    known, findings = demo
    text = as_text(known, findings, ascii_only=ascii_only)
    assert "\x1b" not in text
    assert text.isascii() == ascii_only
    for line in known.lines:
        assert line.label in text
        assert line.headline in text
    for source in known.sources:
        assert source.file.path.name in text
    for missing in known.missing:
        assert missing.how_to_collect in text
    assert "10.20.0.12:1025: 70 % of 241" in text
    if not ascii_only:
        for found in findings.found:
            if is_imbalance(found.finding):
                for finding in (found.finding, *found.finding.consequences):
                    assert finding.message in text
                    assert figure_words(finding) in text
                assert found.finding.advice in text
                assert found.finding.evidence in text


def test_findings_stand_first_in_their_order(demo):
    known, findings = demo
    lines = as_text(known, findings, ascii_only=False).splitlines()
    assert lines[2].startswith("Findings")
    messages = [d.finding.message for d in findings.found if is_imbalance(d.finding)]
    places = [next(i for i, line in enumerate(lines) if message in line) for message in messages]
    assert places == sorted(places)
    assert places[-1] < lines.index("Load")


def test_what_is_missing_is_said_once(demo):
    known, findings = demo
    text = as_text(known, findings, ascii_only=False)
    (missing,) = known.missing
    assert text.count(missing.reason) == 1


def test_an_even_profile_says_so_with_its_figures():
    text = as_text(KNOWN, EVEN, ascii_only=False)
    assert "  no imbalance found\n      svc-d0: PAR 1.22; chance gives 1.25.\n" in text
    assert "      P/D added: not judged, no P/D node is recorded\n" in text
    assert SHORT.message in text


def test_an_unbalanced_profile_does_not():
    assert "no imbalance" not in as_text(KNOWN, UNEVEN, ascii_only=False)
    mild = Drawn(replace(BATCH, severity="info"), None)
    assert "no imbalance" in as_text(KNOWN, replace(EVEN, found=(mild,)), ascii_only=False)


def test_without_any_figure_nothing_is_called_even():
    text = as_text(KNOWN, Diagnosis(DRAWN[2:]), ascii_only=False)
    assert "no imbalance found" not in text
    assert "nothing here that imbalance could be judged by" in text


def test_names_the_formula_of_every_figure(demo):
    known, findings = demo
    text = as_text(known, findings, ascii_only=False)
    for formula in {figure.formula for figure in known.figures()}:
        assert f"  {formula}: " in text


def test_text_from_files_cannot_reach_the_terminal():
    known = Overview("a\x1b[2J", "/p\x9b", hosts=("h\x07",), notes=(Note("f\x1b]0;", "t\x1b[1m\n"),))
    hostile = replace(BATCH, message="m\x1b[2J\n", subject={"host": "\x9bh", "dp_rank": 1}, evidence="\u202e")
    text = as_text(known, Diagnosis((Drawn(hostile, DRAWN[0].picture),)), ascii_only=False)
    assert all(c.isprintable() for line in text.splitlines() for c in line)
    assert "\u202e" not in text


def test_a_frame_that_cannot_be_made_leaves_the_other_findings():
    profile = open_profile(DEMO)

    load = profile.source.load

    def broken(name, progress):
        if name == "kv":
            raise ValueError("no such column")
        return load(name, progress)

    profile.source.load = broken
    known = overview(profile)
    ids = {finding.id for finding in diagnose(profile, known.window).findings}
    assert "pd.node.skew" in ids
    assert not {id for id in ids if id.startswith("kv.")}
    assert any("no such column" in note.text for note in known.notes)
