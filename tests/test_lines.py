"""Text broken into lines of so many cells, and put together again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text

from lbtui.lines import broken, unbroken
from lbtui.ui.kit.pages import flowed

CHINESE = st.text(alphabet="域卡在第步的时间，。（）、：“”", min_size=1, max_size=30)
LATIN = st.text(alphabet="abcdp0.5%()-", min_size=1, max_size=12)
MIXED = st.lists(CHINESE | LATIN | st.just(" "), min_size=1, max_size=12).map("".join)


@given(MIXED, st.integers(2, 60))
def test_no_line_is_too_wide_and_nothing_is_lost(text, width):
    lines = broken(text, width)
    assert all(cell_len(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


SENTENCE = st.lists(
    st.sampled_from("域卡在第步") | st.sampled_from(["均值。", "（dp5）", "2，", "“卡”"]), min_size=1
)


@given(SENTENCE.map("".join), st.integers(14, 40))
def test_no_line_begins_with_what_closes_nor_ends_with_what_opens(text, width):
    lines = broken(text, width)
    assert not [line for line in lines[1:] if line[0] in "，。）”"]
    assert not [line for line in lines[:-1] if line[-1] in "（“"]


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("rank 3 carries 1.40× the mean", 12, ["rank 3", "carries", "1.40× the", "mean"]),
        ("卡3的负载为均值的1.40×。", 12, ["卡3的负载为", "均值的", "1.40×。"]),
        ("见Enter键", 6, ["见", "Enter", "键"]),
        ("共（三）个", 6, ["共", "（三）", "个"]),
        ("a/very/long/path", 6, ["a/very", "/long/", "path"]),
        ("", 6, [""]),
    ],
)
def test_lines_read_well(text, width, lines):
    assert broken(text, width) == lines


@pytest.mark.parametrize(
    ("lines", "whole"),
    [
        (["of the", "  mean"], "of the mean"),
        (["每个域的", "  均值"], "每个域的均值"),
        (["域为", "dp5。"], "域为 dp5。"),
        (["", "一"], "一"),
    ],
)
def test_lines_of_a_paragraph_are_put_together(lines, whole):
    assert unbroken(lines) == whole


@given(
    st.lists(MIXED.map(str.strip).filter(bool), min_size=1, max_size=4),
    st.integers(12, 40),
    st.integers(0, 3),
)
def test_a_page_keeps_text_indents_and_styles(lines, width, indent):
    styled = Text("\n".join(" " * indent + line for line in lines))
    styled.stylize("bold", 0, len(styled) // 2)
    shown = flowed(styled, width)
    assert all(cell_len(line) <= width for line in shown.plain.split("\n") if not line.isascii())
    assert "".join(shown.plain.split()) == "".join(styled.plain.split())

    def bold(text):
        return "".join("".join(text.plain[span.start : span.end].split()) for span in text.spans)

    assert bold(shown) == bold(styled)
