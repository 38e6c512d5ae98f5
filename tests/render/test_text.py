import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.segment import Segment

from lbtui.render.capabilities import Capabilities
from lbtui.render.text import fit, fixed, number, plain, printable, quantity, row
from tests.render.strategies import caps, check, values, words

UNICODE, ASCII = Capabilities("256"), Capabilities("none", unicode=False)


@given(words, st.integers(0, 40), caps, st.sampled_from(["left", "right", "center"]))
def test_fit_is_exact(text, width, caps, align):
    check([fit(text, width, caps=caps, align=align)], width, caps)


@given(st.lists(words, max_size=4), st.integers(0, 60), caps)
def test_row_is_exact(texts, width, caps):
    check([row(*texts, [Segment("x")], width=width, caps=caps)], width, caps)


@given(words, words, caps)
def test_printable_text_can_be_joined_and_printed_twice(one, other, caps):
    one, other = printable(one, caps), printable(other, caps)
    assert cell_len(one + other) == cell_len(one) + cell_len(other)
    assert printable(one, caps) == one


@pytest.mark.parametrize(
    ("text", "width", "align", "shown"),
    [
        ("d0-worker-1", 8, "left", "d0-work…"),
        ("节点一二", 6, "left", "节点 …"),
        ("dp5", 6, "right", "   dp5"),
        ("dp5", 7, "center", "  dp5"),
        ("dp5", 1, "left", "…"),
    ],
)
def test_fit_reads_well(text, width, align, shown):
    assert plain([fit(text, width, align=align, caps=UNICODE)]) == shown


def test_ascii_spells_what_it_can():
    assert printable("2.4 × – … 节", ASCII) == "2.4 x - .. \\u8282"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"), (math.nan, "–"), (math.inf, "∞"), (-math.inf, "−∞"),
        (0, "0"), (7, "7"), (5.0, "5"), (2.461, "2.46"), (9.999, "10.0"), (99.96, "100"), (0.0779, "0.0779"),
        (1494, "1,494"), (1234567.8, "1,234,568"), (-61.23, "−61.2"), (999_999_999, "999,999,999"),
    ],
)  # fmt: skip
def test_number_reads_well(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "width", "text"),
    [
        (1234567, 6, " 1.23M"),
        (1234567, 4, "1.2M"),
        (999_600, 5, "1.00M"),
        (0.0779, 4, "0.08"),
        (123456, 2, "##"),
        (0.00003, 6, " 3e-05"),
        (0.00003, 4, "0.00"),
    ],
)
def test_number_shortens_to_its_width(value, width, text):
    assert number(value, width) == text


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [(0.0, 1, "0.0"), (0.028, 1, "<0.1"), (0.05, 1, "0.1"), (0.2, 0, "<1"), (1234.56, 1, "1,234.6")],
)
def test_fixed_makes_no_0_of_what_is_not_nothing(value, decimals, text):
    assert fixed(value, decimals) == text


@given(values, st.integers(0, 12))
def test_number_never_exceeds_its_width(value, width):
    assert len(number(value, width)) == width


@given(st.floats(1e-4, 1e9))
def test_number_is_near_and_never_scientific(value):
    text = number(value)
    assert "e" not in text
    assert float(text.replace(",", "")) == pytest.approx(value, rel=0.006)


def test_quantity_has_no_unit_without_a_number():
    assert quantity(61.2, "ms") == "61.2 ms"
    assert quantity(None, "ms") == "–"
    assert quantity(61.2, "ms", 8) == " 61.2 ms"
