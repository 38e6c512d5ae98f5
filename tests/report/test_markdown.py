import re
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtui.analysis.overview import overview
from lbtui.findings.diagnosis import Diagnosis, diagnose
from lbtui.findings.pictures import Drawn, Picture, Strip
from lbtui.findings.words import is_imbalance
from lbtui.profile import Note
from lbtui.report import as_markdown
from lbtui.report.as_markdown import escaped
from lbtui.sources import open_profile
from tests.report.made import BATCH, EVEN, KNOWN, UNEVEN

DEMO = Path(__file__).parents[2] / "lbtui" / "demo" / "output"
GOLDEN = Path(__file__).parent / "golden"


def page(findings=UNEVEN, known=KNOWN, *, ascii_only=False):
    return as_markdown(known, findings, ascii_only=ascii_only)


def blocks(text):
    """Return the code blocks as CommonMark sees them, and the lines outside."""
    inside, outside, fence, found = [], [], "", []
    for line in text.splitlines():
        if fence:
            if re.fullmatch(f"{fence}`*", line):
                found.append(inside)
                inside, fence = [], ""
            else:
                inside.append(line)
        elif opened := re.match(r"(`{3,})text$", line):
            fence = opened[1]
        else:
            outside.append(line)
    assert not fence
    return found, outside


def test_the_agreed_page():
    assert page() == (GOLDEN / "report.md").read_text(encoding="utf-8")


def test_the_demo_has_a_section_and_a_picture_for_each_finding():
    profile = open_profile(DEMO)
    known = overview(profile)
    findings = diagnose(profile, known.window)
    text = page(findings, known)
    imbalances = [d for d in findings.found if is_imbalance(d.finding)]
    assert len(re.findall(r"^### \d+\. ", text, re.MULTILINE)) == len(imbalances)
    found, outside = blocks(text)
    assert len(found) == sum(d.picture is not None for d in imbalances) + 1
    for d in imbalances:
        assert any(escaped(d.finding.message) in line for line in outside)
        for consequence in d.finding.consequences:
            assert any(escaped(consequence.message) in line for line in outside)


def test_the_window_is_underlined_where_the_lane_is_high():
    (first, *_rest), _outside = blocks(page())
    lane = next(line for line in first if line.startswith("> dp1"))
    mark = next(line for line in first if line.strip().startswith("^"))
    columns = range(mark.index("^"), len(mark))
    assert "".join(lane[i] for i in columns) == "█" * len(columns)
    assert lane.count("█") == len(columns)


def test_the_subject_of_ranks_is_marked():
    _first, second, *_rest = blocks(page())[0]
    lane = next(line for line in second if line.startswith("  load "))
    mark = next(line for line in second if line.strip() == "^")
    assert lane[mark.index("^")] == "█"


HOSTILE = "<script>|*x*_[l](u)`~&\x1b[2J\u202e\n# h"


@pytest.mark.parametrize("ascii_only", [False, True])
def test_nothing_from_a_file_acts_as_markdown(ascii_only):
    finding = replace(
        BATCH,
        message=HOSTILE,
        advice=HOSTILE,
        evidence=HOSTILE,
        subject={"host": HOSTILE, "dp_rank": 1, "role": HOSTILE},
        consequences=(replace(BATCH, message=HOSTILE, consequences=()),),
    )
    lane = Picture("q", "c", (Strip("```\n```", (1.0, 2.0), True), Strip("````x", (1.0, 2.0), False)))
    known = replace(KNOWN, name=HOSTILE, path=HOSTILE, hosts=(HOSTILE,), notes=(Note(HOSTILE, HOSTILE),))
    text = page(Diagnosis((Drawn(finding, lane),)), known, ascii_only=ascii_only)
    _found, outside = blocks(text)
    free = re.compile(r"(?<!\\)(?:\\\\)*[<|\[`_]")
    for line in outside:
        if line.startswith("|"):  # the table's own bars
            assert len(re.findall(r"(?<!\\)\|", line)) == 7
            line = line.replace("|", "")
        assert not free.search(line), line
    assert all(c.isprintable() for line in text.splitlines() for c in line)
    assert text.isascii() or not ascii_only


def test_an_even_profile_says_so():
    text = page(EVEN)
    assert "**no imbalance found**\n\n- svc-d0: PAR 1.22; chance gives 1.25.\n" in text
    assert "###" not in text


@given(st.text(max_size=80))
def test_escaped_text_is_one_line_and_holds_no_special(text):
    shown = escaped(text)
    assert not {"Cc", "Cf", "Zl", "Zp"} & {unicodedata.category(c) for c in shown}
    assert not re.search(r"(?<!\\)(?:\\\\)*[<|*_`\[\]~&#]", shown)
