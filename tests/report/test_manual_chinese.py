"""The manual in Chinese says what the English one says, as far as that can be counted."""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from rich.cells import cell_len

import lbtui.manual
from lbtui.manual import TOPICS

ENGLISH = Path(lbtui.manual.__file__).parent
CHINESE = ENGLISH / "zh_CN"
BLOCK = re.compile(r"^```.*?^```$", re.M | re.S)
SPAN = re.compile(r"`+[^`]+`+")
_COMMENT = re.compile(r"\s*#.*$", re.M)
WIDEST = 130


def parted(page):
    """Return a page without its blocks, and the blocks."""
    text = page.read_text(encoding="utf-8")
    return BLOCK.sub("", text), BLOCK.findall(text)


def test_every_page_is_there_and_no_other():
    assert {page.stem for page in CHINESE.iterdir()} == set(TOPICS)


@pytest.mark.parametrize("topic", TOPICS)
def test_a_page_has_the_same_parts(topic):
    (english, blocks), (chinese, own) = (parted(folder / f"{topic}.md") for folder in (ENGLISH, CHINESE))
    for pattern in (r"^#+ ", r"^ *- ", r"^\|", r"^\d\. "):
        found, wanted = (Counter(re.findall(pattern, text, re.M)) for text in (chinese, english))
        assert found == wanted, pattern
    assert len(own) == len(blocks)
    for one, other in zip(own, blocks, strict=True):
        # What is to be typed is the same; what lbtui prints may be in its language.
        if not other.startswith(("```\n", "```text")):
            assert _COMMENT.sub("", one) == _COMMENT.sub("", other)


@pytest.mark.parametrize("topic", TOPICS)
def test_a_page_names_the_same_options_columns_and_ids(topic):
    english, chinese = (parted(folder / f"{topic}.md")[0] for folder in (ENGLISH, CHINESE))
    found, wanted = (Counter(" ".join(span.split()) for span in SPAN.findall(t)) for t in (chinese, english))
    assert found == wanted


@pytest.mark.parametrize("topic", TOPICS)
def test_no_line_is_wider_than_a_terminal_but_rows_of_tables(topic):
    prose, _blocks = parted(CHINESE / f"{topic}.md")
    assert not [line for line in prose.splitlines() if cell_len(line) > WIDEST and line[:1] != "|"]


def test_help_begins_with_the_pages_words_in_chinese():
    code = """
from lbtui.text import speak
speak("zh_CN")
from lbtui.manual import glossary, introduction
from lbtui.ui.panes.order import PANES
for pane in PANES:
    said = introduction(pane.TITLE)
    assert said.count("。") >= 4, (pane.TITLE, said)
words = glossary()
assert all(word and meaning for word, meaning in words)
print(len(words))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=1200, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert int(done.stdout) == len(lbtui.manual.glossary())
