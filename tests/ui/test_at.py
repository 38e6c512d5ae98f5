"""Views in words: what is told is read back as it was, whatever the files hold; a shell takes it whole."""

import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtui.ui.kit import parts as kit_parts
from lbtui.ui.kit.at import (
    MEANINGS,
    OVERS,
    PANE_KEYS,
    SELECTED,
    NoView,
    View,
    escaped,
    format_view,
    listed,
    listed_pairs,
    pairs,
    parse_view,
    parted,
    unescaped,
)
from lbtui.ui.kit.parts import Taken, key_named, selected, selected_parts, time_of, time_words, window_words
from lbtui.ui.kit.selection import Selection
from lbtui.ui.viewed import command, shell_word

ANY = st.text(st.characters(codec=None), max_size=20)
PARTS = st.dictionaries(st.sampled_from(sorted(MEANINGS.keys() - {"over"})), ANY, max_size=6)
DAY = (1_772_416_800_000_000, 1_772_416_920_000_000)  # 2026-03-02 10:00:00 to 10:02:00 of the files' clock


@st.composite
def views(draw):
    pane = draw(st.sampled_from(sorted(PANE_KEYS)))
    over = draw(st.sampled_from(["", *OVERS.get(pane, ())]))
    return View(pane, draw(PARTS), over, draw(PARTS) if over else {})


@given(views())
def test_a_view_is_read_back_as_it_was_told(view):
    text = format_view(view)
    assert text.isascii()
    assert text.isprintable()
    assert parse_view(text) == view


@given(views())
def test_a_shell_takes_the_line_for_its_words(view):
    text = format_view(view)
    line = command(Path("/tmp/a folder/it's"), ("--slo", "ttft=500"), raw=True, at=view)
    assert shlex.split(line) == ["lbtui", "/tmp/a folder/it's", "--slo", "ttft=500", "--raw", "--at", text]


@given(ANY)
def test_any_value_is_escaped_and_back(value):
    assert unescaped(escaped(value)) == value
    assert not set(escaped(value)) & set(";=")


@given(st.lists(ANY.filter(bool), max_size=4), st.lists(st.tuples(ANY, ANY), max_size=4))
def test_several_values_are_one_and_back(values, named):
    assert parted(listed(values)) == values
    assert pairs(listed_pairs(named)) == (named if listed_pairs(named) else [])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "begins with its pane"),
        ("dq;t=1", "not dq"),
        ("dp;t", "t is no part of a view"),
        ("dp;T=1", "T=1 is no part"),
        ("dp;t=1;t=2", "t is given twice"),
        ("dp;f=%zz", "two digits"),
        ("dp;f=%ff", "two digits"),
        ("dp;\x1b[31m=1", "\\x1b[31m=1 is no part"),
    ],
)
def test_what_is_no_view_is_told(text, why):
    with pytest.raises(NoView) as told:
        parse_view(text)
    assert why in str(told.value)
    assert str(told.value).isprintable()


def test_each_letter_means_one_thing_and_goes_on_to():
    # A link lives longer than a version: what is here is never taken for something else.
    assert len(set(MEANINGS.values())) == len(MEANINGS)
    assert list(SELECTED) == ["t", "w", "d", "n", "i", "r", "l", "p", "q", "side"]
    assert SELECTED.keys() <= MEANINGS.keys()
    assert len(set(SELECTED.values())) == len(SELECTED)
    assert dict(PANE_KEYS) == {
        "overview": "1", "dp": "2", "pd": "3", "ep": "4", "requests": "5", "compare": "6", "timeline": "7",
    }  # fmt: skip


@given(st.integers(0, 4_000_000_000_000_000), st.integers(1, 10**12))
def test_an_instant_is_read_back_with_or_without_a_date(time, length):
    for whole in (None, (time - length // 3, time + length), (0, length)):
        assert time_of(time_words(time, whole), whole) == time


def test_a_clock_alone_is_of_the_day_on_which_it_lies_in_the_profile():
    assert time_words(DAY[0] + 24_500_000, DAY) == "10:00:24.5"
    assert time_of("10:00", DAY) == DAY[0]
    assert time_of("09:00:00", DAY) == DAY[0] - 3_600_000_000
    assert time_of("10:00:24.5", None) is None
    night = (DAY[0] + 13 * 3_600_000_000, DAY[0] + 15 * 3_600_000_000)  # 23:00 to 01:00
    assert time_of("00:30:00", night) == night[0] + 5_400_000_000
    assert time_words(night[0] + 5_400_000_000, night) == "00:30:00"
    assert [time_of(bad, DAY) for bad in ("", "25:00:00", "10:61", "10", "2026-13-01T10:00", "1٠:00")] == [
        None
    ] * 6


def test_a_domain_goes_by_its_key_or_by_a_name_that_it_alone_has():
    assert key_named("p/dp0", {"p/dp0", "d/dp0"}) == "p/dp0"
    assert key_named("dp0", {"p/dp0", "d/dp0"}) is None
    assert key_named("dp5", {"p/dp0", "d/dp5"}) == "d/dp5"


def test_what_is_selected_is_told_and_taken():
    chosen = Selection(DAY, DAY[0] + 1, "d/dp5", "10.0.0.1:80", "d", 3, 31, 2, "a;b", "difference")
    parts = selected_parts(chosen, DAY)
    assert parts["w"] == "10:00:00..10:02:00" == window_words(DAY, DAY)
    assert Selection(**selected(Taken(parts, DAY), {"d/dp5"})) == chosen
    assert selected_parts(Selection(), DAY) == {}


def test_experts_of_no_named_instance_are_called_so_in_every_language(monkeypatch):
    monkeypatch.setattr(kit_parts, "UNNAMED_EXPERTS", "专家")
    assert selected_parts(Selection(instance="专家"), DAY) == {"i": "experts"}
    assert selected(Taken({"i": "experts"}, DAY)) == {"instance": "专家"}


def test_what_is_not_of_this_profile_is_said_in_one_sentence():
    taken = Taken({"d": "dp99", "t": "yesterday", "r": "-1", "colour": "red"}, DAY)
    assert selected(taken, {"d/dp5"}) == {}
    assert taken.said == (
        "not in this pane of this profile: d=dp99, t=yesterday, r=-1, colour=red; the rest is shown"
    )


def test_a_path_of_bytes_and_controls_is_one_word():
    assert shell_word("a b") == "'a b'"
    assert shell_word("a\nb'\udcff") == r"$'a\012b\047\377'"
