"""Notes on findings: they return with their finding, and with no other."""

from dataclasses import replace
from datetime import datetime, timedelta

from lbtui.findings.model import Cost, Finding
from lbtui.findings.notes import note_of, note_on, noted

T0 = datetime(2026, 3, 2, 2)


def finding(first=0, last=10, rank=5, kind="dp.batch.skew", **more):
    window = None if first is None else (T0 + timedelta(seconds=first), T0 + timedelta(seconds=last))
    return Finding(
        id=kind,
        severity="warning",
        subject={"instance": "svc", "dp_rank": rank},
        window=window,
        metric="batch",
        value=2.0,
        threshold=1.4,
        cost=Cost(None, "", "unknown"),
        message="m",
        advice="a",
        evidence="e",
        **more,
    )


def notes_of(findings, *notes):
    return [each.note for each in noted(findings, notes)]


def test_a_note_is_of_the_same_id_subject_and_window():
    findings = [finding(), finding(rank=6), finding(kind="dp.queue.skew"), finding(20, 30)]
    assert notes_of(findings, note_on(findings[0], "  look\there ")) == ["look here", "", "", ""]
    assert notes_of(findings) == [""] * 4
    assert note_on(findings[0], "x").subject == '{"dp_rank": 5, "instance": "svc"}'


def test_where_a_threshold_moved_the_window_the_note_follows():
    note = note_on(finding(0, 10), "x")
    assert notes_of([finding(2, 12)], note) == ["x"]
    assert notes_of([finding(None)], note) == ["x"]
    assert notes_of([finding(10, 12)], note) == [""]
    # Not where its own finding is there, too.
    assert notes_of([finding(2, 12), finding(0, 10)], note) == ["", "x"]
    # Of several the newest.
    other = note_on(finding(3, 9), "y")
    assert notes_of([finding(2, 12)], note, other) == ["y"]


def test_what_follows_from_a_finding_has_its_own():
    follows = finding(kind="dp.bubble")
    whole = replace(finding(), consequences=(follows,))
    (found,) = noted([whole], [note_on(follows, "why")])
    assert (found.note, found.consequences[0].note) == ("", "why")


def test_text_of_a_file_is_made_visible():
    findings = [finding()]
    note = replace(note_on(findings[0], "x"), text="\x1b[31mred")
    assert notes_of(findings, note) == ["\\x1b[31mred"]


def test_the_note_of_a_finding_is_found():
    findings = [finding(), finding(rank=6)]
    note = note_on(findings[1], "x")
    assert note_of(findings[0], [note], findings) is None
    assert note_of(findings[1], [note], findings) is note
