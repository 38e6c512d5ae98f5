"""The user's notes on findings in every kind of report, and in none where nothing is to be remembered."""

import json
from pathlib import Path

import pytest

from lbtui.cli import main
from lbtui.codes import OPENED
from lbtui.findings.diagnosis import diagnose
from lbtui.findings.notes import note_on
from lbtui.remembered import Memory
from lbtui.report.as_json import document
from lbtui.report.as_markdown import as_markdown
from lbtui.report.as_text import as_text
from lbtui.report.inert import inert
from lbtui.sources import identity_of, open_profile
from tests.report.made import BATCH, KNOWN, UNEVEN
from tests.report.test_schema import faults

RUN = Path(__file__).parents[1] / "data" / "cases" / "dead_domain"
SAID = "drained | at *10:01* <b>"


def test_text_markdown_and_json_have_it_first():
    notes = [note_on(BATCH, SAID), note_on(BATCH.consequences[0], "its own")]
    noted = UNEVEN.with_notes(notes)
    text = as_text(KNOWN, noted, None, ascii_only=False).splitlines()
    (at,) = (i for i, line in enumerate(text) if line == f"      note       {SAID}")
    assert text[at + 1].startswith("      cost ")
    assert "                 note: its own" in text
    page = as_markdown(KNOWN, noted, None, ascii_only=False)
    # Markup in a note is words.
    assert f"- note: {inert(SAID)}" in page
    assert "drained | " not in page
    assert "    - note: its own" in page
    first = document(KNOWN, noted.findings)["findings"][0]
    assert first["note"] == SAID
    assert first["consequences"][0]["note"] == "its own"
    # Without notes they are as ever.
    assert UNEVEN.with_notes([]) == UNEVEN
    assert "note" not in document(KNOWN, UNEVEN.findings)["findings"][0]


@pytest.fixture
def noted(state_home):
    """A profile with a note in the user's own state folder."""
    profile = open_profile(RUN)
    (finding, *_others) = diagnose(profile, None).findings
    memory = Memory(state_home / "lbtui")
    note = note_on(finding, "drained at 10:01")
    assert memory.change(identity_of(profile), profile.path, lambda known: known.with_note(note)) == ""
    return state_home / "lbtui" / "profiles" / f"{identity_of(profile)}.json"


def test_reports_of_the_command_have_it_unless_nothing_is_to_be_remembered(noted, capsys):
    assert main([str(RUN), "--report"]) == OPENED
    assert "note       drained at 10:01" in capsys.readouterr().out
    assert main([str(RUN), "--report", "markdown"]) == OPENED
    assert f"- note: {inert('drained at 10:01')}" in capsys.readouterr().out
    assert main([str(RUN), "--json"]) == OPENED
    found = json.loads(capsys.readouterr().out)
    assert found["findings"][0]["note"] == "drained at 10:01"
    assert faults(found) == []
    assert main([str(RUN), "--get", "findings.dp.stalled.note"]) == OPENED
    assert capsys.readouterr().out == "drained at 10:01\n"
    before = noted.read_bytes(), noted.stat().st_mtime_ns
    assert main([str(RUN), "--json", "--no-state"]) == OPENED
    assert "note" not in json.loads(capsys.readouterr().out)["findings"][0]
    # A report writes nothing.
    assert (noted.read_bytes(), noted.stat().st_mtime_ns) == before


def test_a_damaged_file_is_a_sentence_beside_the_report(noted, capsys):
    noted.write_bytes(b"{")
    assert main([str(RUN), "--report"]) == OPENED
    said, complaint = capsys.readouterr()
    assert "drained" not in said
    assert complaint.startswith("lbtui: what was remembered of this profile is ignored: ")
    assert complaint.count("\n") == 1
