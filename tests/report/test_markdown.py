import re
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from lbtui.findings.diagnosis import Diagnosis, diagnose
from lbtui.findings.pictures import Drawn, Picture, Strip
from lbtui.findings.words import is_imbalance
from lbtui.overview.run import overview
from lbtui.profile import Note
from lbtui.report import as_markdown
from lbtui.report.inert import inert
from lbtui.sources import open_profile
from lbtui.text import visible
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
        assert any(inert(d.finding.message) in line for line in outside)
        for consequence in d.finding.consequences:
            assert any(inert(consequence.message) in line for line in outside)


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
    for line in outside:
        if line.startswith("|"):  # the table's own bars
            assert len(re.findall(r"(?<!\\)\|", line)) == 7
    # The marks of severity are ours.
    words = [words for words in outside_code(text) if words not in ("!", "!!")]
    assert not [one for one in words if ACTING.search(one)]
    assert all(c.isprintable() for line in text.splitlines() for c in line)
    assert text.isascii() or not ascii_only


def test_an_even_profile_says_so():
    text = page(EVEN)
    assert "**no imbalance found**\n\n- `svc-d0`: PAR 1.22; chance gives 1.25.\n" in text
    assert "###" not in text


# What GitHub, GitLab or Jira act on outside of code spans, however it is escaped.
ACTING = re.compile(
    r"[@#$&~{}\[\]<>|*_`\\^]|!\S|//|www\.|:[a-zA-Z+-][\w+-]*:|^/|\b[0-9a-f]{7,}\b|[A-Z]+-\d|[a-zA-Z]\.\w"
)
ACTED_ON = [
    "@someone", "see @org/team now", "http://x.y/z", "www.x.y", "a@b.example", "$x^2$", "$$x$$", "!12", "#34",
    "org/repo#1", "gitlab-org/x!1", "&5", "~label", '~"two words"', "%1", "{{x}}", "{code}", "{color:red}x",
    ":smile:", ":+1:", "/close", "/assign @me", "PROJ-123", "deadbeefcafe", "1a13737", "![a](b)", "[a]: b",
    "<img src=x onerror=y>", "<!--", "&lt;b&gt;", "- x", "+ x", "1. x", "1) x", "# x", "===", "---", "> x",
    "| a |", "a | b", "`x` @y", "`` ` @y", "```", "~~~", "**x**", "_x_", "\\@x", "x\n/close", "x\r\n# y",
    "^[1]", "*x*: y", "    /close", "\t@x", "[[x]]", "!img.png!", "h1. x", "bq. x", "||a||", "-x-",
    "??x??", "[~user]", "\u202e@x",
]  # fmt: skip


def outside_code(text):
    """Return the texts outside of code of each line, as a CommonMark reader with tables sees them."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    lines = [token.children or [] for token in tokens if token.type == "inline"]
    assert not [token for token in tokens if token.type.startswith("html")]
    assert {t.type for line in lines for t in line} <= {
        "text", "code_inline", "softbreak", "strong_open", "strong_close"
    }  # fmt: skip
    return [child.content for line in lines for child in line if child.type == "text"]


@pytest.mark.parametrize("text", ACTED_ON)
@pytest.mark.parametrize(
    "around",
    [
        "{}",
        "so it is: {} and more",
        "x {}",
        "{}, 3 of 16",
        "这是{}的",
        "{}、3个",
        "共{}，",
        "（{}）",
        "见 {} 的",
    ],
)
def test_what_ticket_systems_act_on_is_inert(text, around):
    shown = inert(around.format(text))
    assert not [words for words in outside_code(shown) if ACTING.search(words)], shown
    cells = inert(around.format(text), in_table=True)
    table = f"| a | b |\n|---|---|\n| {cells} | x |\n"
    tokens = MarkdownIt("commonmark").enable("table").parse(table)
    assert sum(token.type == "td_open" for token in tokens) == 2
    assert not [words for words in outside_code(table) if ACTING.search(words)], cells


@given(st.text(max_size=80) | st.text("的，。（）“”… a1-./:@#!`*|", max_size=40))
def test_inert_text_is_one_line_and_holds_what_it_held(text):
    shown = inert(text)
    assert not {"Cc", "Cf", "Zl", "Zp"} & {unicodedata.category(c) for c in shown}
    assert not [words for words in outside_code(shown) if ACTING.search(words)]
    tokens = MarkdownIt("commonmark").parse(shown)
    read = "".join(child.content for token in tokens for child in token.children or [])
    assert "".join(read.split()) == "".join(visible(text).split())


def test_plain_words_and_numbers_stay_as_they_are():
    for text in (
        "rank 3 (of 16) carries 1.40× the mean, 27 % of it; 08:00:21–08:00:29",
        "no imbalance found",
        "DP域dp2（主机）的batch为同组的3.09×：51 %的时间；p95由1.20变为1.40 ms/请求，“值得一试”……",
    ):
        assert inert(text) == text


def test_in_chinese_only_what_is_acted_on_is_code():
    assert inert("依据：profiler.db:slice，rank 3") == "依据：`profiler.db:slice`，rank 3"
    assert inert("dp2 (d0-worker-0)的batch_size@x。") == "dp2 `(d0-worker-0)`的`batch_size@x`。"
    assert inert("/close的") == "`/close`的"
