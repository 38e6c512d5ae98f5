"""The catalogue is whole, and what lbtui writes in Chinese is Chinese: no English, none of its marks."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from string import Formatter

import pytest

from tests.tools.catalogue import FILE, ROOT, is_translated, said, translated

DATA = ROOT / "tests" / "data"
HAN = "\u4e00-\u9fff"
# Marks as wide as a Chinese character bring their own blank.
_WIDE = ("（", "，", "；", "：")

# ---- the catalogue ----------------------------------------------------------------------------------------


def pairs():
    """Yield each message beside its translation, each of the two forms of what is counted."""
    for message in translated():
        if not message.id:
            continue
        if isinstance(message.id, str):
            yield message.id, message.string
        else:
            yield from ((form, message.string[0]) for form in message.id)


def test_every_sentence_has_a_translation_and_none_is_left_over():
    spoken = {message.id for message in said() if message.id}
    known = {message.id for message in translated() if message.id}
    assert spoken - known == set()
    assert known - spoken == set()
    assert [message.id for message in translated() if message.id and not is_translated(message)] == []


def test_the_catalogue_has_no_doubts():
    assert [message.id for message in translated() if message.fuzzy and message.id] == []
    assert "#~" not in FILE.read_text(encoding="utf-8")


def fields(text):
    """Return what is filled into a text, with how it is written, counted."""
    # Of what argparse says the fields are those of `%`.
    percent = re.findall(r"%(?:\(\w+\))?[srd]", text) if "{" not in text else []
    return Counter(percent) + Counter(
        (name, spec, conversion)
        for _literal, name, spec, conversion in Formatter().parse(text)
        if name is not None
    )


def test_fields_are_those_of_the_english_written_alike():
    for english, chinese in pairs():
        found, wanted = fields(chinese), fields(english)
        # Of one thing English may leave the number out.
        found.pop(("count", "", None), None)
        wanted.pop(("count", "", None), None)
        assert found == wanted, english
        assert ("{count}" in english) <= ("{count}" in chinese), english


def test_code_is_that_of_the_english():
    for english, chinese in pairs():
        spans = [Counter(re.findall("`[^`]+`", text)) for text in (english, chinese)]
        assert spans[0] == spans[1], english
        assert english.count("`") == chinese.count("`"), english


def blanks(text):
    """Return the blanks and line breaks that a text begins with, and those that it ends with."""
    return re.match(r"\s*", text)[0], re.search(r"\s*$", text)[0]


def test_blanks_at_the_ends_are_those_of_the_english():
    for english, chinese in pairs():
        (before, after), (first, last) = blanks(english), blanks(chinese)
        assert first == before or (before == " " and chinese.startswith(_WIDE)), english
        assert last == after or (after == " " and chinese.endswith(_WIDE)), english


def test_a_sentence_ends_as_one():
    for english, chinese in pairs():
        ends = english.endswith("."), chinese.endswith("。")
        assert ends[0] == ends[1], english


def test_marks_behind_chinese_are_chinese():
    assert {english: marks for english, chinese in pairs() if (marks := _narrow_marks(chinese))} == {}


def _narrow_marks(text):
    return re.findall(f"[{HAN}][,.;:!](?=\\s|$)", text)


# ---- what is written --------------------------------------------------------------------------------------

# Runs each of its standard input's lists of arguments, and prints what each wrote.
CHILD = """
import contextlib, io, json, sys
from lbtui.start import main
for arguments in json.load(sys.stdin):
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2)]
    with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
        try:
            code = main(arguments)
        except SystemExit as ended:
            code = ended.code
    for stream in streams:
        stream.flush()
    print(json.dumps([code, *(stream.buffer.getvalue().decode() for stream in streams)]))
"""

REPORTS = [
    ["--demo", "--report"],
    ["--demo", "--report", "markdown"],
    [DATA / "pd_ep", "--baseline", DATA / "csv_only", "--report"],
    [DATA / "cases" / "vllm014_ttft", "--report"],
    [DATA / "cases" / "dead_domain", "--report", "markdown"],
    [DATA / "cases" / "vllm_pd_two_hosts", "--report"],
    [DATA / "cases" / "mindie_pd_plain_hosts", "--report"],
    [DATA / "expert_files" / "load.npy", "--placement", DATA / "expert_files" / "p_dupe.json", "--report"],
]
WHAT_IFS = [
    ["--demo", "--what-if", "EPLB"],
    ["--demo", "--what-if", "routing", "--report", "markdown"],
    ["--demo", "--what-if", "ratio"],
    [DATA / "linked_ids", "--what-if", "routing"],
    ["--help"],
    ["--config-example"],
    ["--manual"],
]
# With the exit code that is expected.
ERRORS = [
    ([DATA / "nowhere", "--report"], 3),
    ([DATA / "README.md", "--report"], 3),
    ([DATA / "db_only", "--report"], 3),
    ([DATA / "mindie_small", "--report"], 3),
    ([DATA / "engines", "--sql", "SHOW TABLES"], 2),
    ([DATA / "old_versions" / "spreadsheet", "--report"], 3),
    ([DATA / "expert_files" / "expert_map.pth", "--report"], 3),
    (["--demo", "--report", "--capture", "9"], 2),
    (["--demo", "--report", "--at", "nowhere"], 2),
    (["--demo", "--report", "--bogus"], 2),
    (["--demo", "--format", "xml"], 2),
    (["--demo", "--get", "findings.nothing"], 2),
    (["--demo", "--sql", "DROP TABLE steps"], 2),
    (["--demo", "--slo", "ttft=x"], 2),
    (["--demo", "--what-if", "x"], 2),
    (["--manual", "nothing"], 2),
]


@pytest.fixture(scope="module")
def written():
    """What three processes that speak Chinese wrote: code and texts, by the arguments."""
    environment = {**os.environ, "LC_ALL": "zh_CN.UTF-8", "COLUMNS": "100", "PYTHONPATH": str(ROOT)}
    found = {}
    for several in (REPORTS, WHAT_IFS, [arguments for arguments, _code in ERRORS]):
        wanted = [[str(each) for each in arguments] for arguments in several]
        done = subprocess.run(
            [sys.executable, "-c", CHILD],
            input=json.dumps(wanted),
            capture_output=True,
            encoding="utf-8",
            env=environment,
            cwd=ROOT,
            check=True,
        )
        assert done.stderr == ""
        lines = done.stdout.splitlines()
        found.update(zip(map(tuple, wanted), map(json.loads, lines), strict=True))
    return found


def texts_of(written):
    for arguments, (_code, out, err) in written.items():
        for line in (out + err).splitlines():
            yield arguments, line


def test_all_is_written_and_what_is_wrong_is_told(written):
    assert {key: code for key, (code, _out, _err) in written.items() if code} == {
        tuple(map(str, arguments)): code for arguments, code in ERRORS
    }
    for arguments, (code, out, err) in written.items():
        assert re.search(f"[{HAN}]", err if code else out), arguments
        assert bool(err) == bool(code), arguments


# What stays as it is, a line of reasons each.
LITERAL = re.compile(
    "|".join(
        (
            r"`[^`]*`",  # code, and names of functions and files in Markdown
            r"(?:[A-Za-z]+ (?:and|et) )?[A-Z][a-zöü]+ and [A-Z][a-zöü]+ \d{4}",  # who found out a method
            r"usage: .*|^ {2,}\[.*|lbtui: error: argument \S+:",  # argparse's own, with names of options
            r"^[#\[].* = .*|^#?\w+ = .*",  # settings of the config
            r"[A-Z]{2,}(?: [A-Z]{2,})+",  # SQL
            r"\w+\([^)]*\)",  # calls, columns with their units
        )
    )
)
WORDS = re.compile(r"(?<![\w./_=\[-])[A-Za-z][A-Za-z'’]*(?: [A-Za-z][A-Za-z'’]*){2,}(?![\w/_=.\]])")


def test_there_is_no_english(written):
    found = {}
    for arguments, line in texts_of(written):
        for match in WORDS.finditer(LITERAL.sub("¦", line)):
            found.setdefault(match[0], (arguments, line))
    assert found == {}


def test_there_are_no_english_marks_behind_chinese(written):
    found = [(arguments, line) for arguments, line in texts_of(written) if _behind(line)]
    assert found == []


def _behind(line):
    # argparse puts the colon behind the headings of its groups.
    return [marks for marks in _narrow_marks(line) if not line.endswith(marks) or marks[-1] != ":"]


def test_sentences_follow_each_other_without_a_blank(written):
    # Tables and lanes have columns: two blanks or more.
    found = [(key, line) for key, line in texts_of(written) if re.search(f"[。；！？] (?=[{HAN}])", line)]
    assert found == []


def test_the_words_of_both_languages_are_told_apart_by_the_process_alone(written):
    assert Path(FILE).with_suffix(".mo").exists()
    out = written["--demo", "--report"][1]
    assert "发现的问题" in out
    assert "Findings" not in out
