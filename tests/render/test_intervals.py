import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.style import Style

from lbtui.render.capabilities import Capabilities
from lbtui.render.intervals import Interval, interval_bar
from lbtui.render.text import plain
from tests.render.strategies import caps, check, limits

UNICODE = Capabilities("256")
ends = st.one_of(limits, st.just(math.nan), st.just(math.inf), st.just(-math.inf))


def bar(low, value, high, width=11, reach=1.0, caps=UNICODE):
    return interval_bar(
        Interval(low, value, high), reach=reach, width=width, caps=caps, style=Style(bold=True)
    )


@given(ends, ends, ends, st.floats(0, 1e6), st.integers(1, 40), caps)
def test_bars_are_exact(low, value, high, reach, width, caps):
    check([bar(low, value, high, width, reach, caps)], width, caps, 1)


@given(
    st.lists(st.floats(-3, 3), min_size=3, max_size=3).map(sorted),
    st.integers(3, 41),
    st.floats(0.01, 10),
)
def test_a_bar_covers_zero_exactly_if_its_interval_holds_it(numbers, width, reach):
    low, value, high = numbers
    text = plain([bar(low, value, high, width, reach)]).ljust(width)
    covered = text[(width - 1) // 2] != "│"
    assert covered == (low <= 0 <= high)


@pytest.mark.parametrize(
    ("numbers", "drawn"),
    [
        ((-0.4, 0.2, 0.8), "   ━━━●━━━"),
        ((0.4, 0.6, 0.8), "     │ ━●━"),
        ((-0.8, -0.6, -0.01), " ━●━━│"),
        ((0.01, 0.02, 0.03), "     │●"),
        ((-9, 0.2, 9), "<━━━━━●━━━>"),
        ((2, 3, 4), "     │    >"),
        ((math.nan, 0.2, 0.3), "     │"),
    ],
)
def test_as_they_stand_on_the_screen(numbers, drawn):
    assert plain([bar(*numbers)]) == drawn
