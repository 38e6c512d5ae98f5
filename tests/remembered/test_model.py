"""What is remembered as a value, as a file, and what of a file is never believed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtui.remembered import FindingNote, Remembered
from lbtui.remembered.model import MOST_NOTES, MOST_VIEWS
from lbtui.remembered.text import MOST_BYTES, BadFile, NewerFile, from_bytes, to_bytes


def note(text="look here", finding="dp.batch.skew", window=(1, 2)):
    return FindingNote(finding, '{"dp_rank": 5}', window, text)


FULL = Remembered(
    {"": "dp;t=08:00:24.5", "ab#2": "compare;f=x"},
    {"requests": {"f": "ttft>50"}, "timeline": {"marks": "a:08:00"}},
    (note(), note("other", "ep.rank.hot", None)),
)


def test_a_file_gives_back_what_was_written():
    assert from_bytes(to_bytes(FULL)) == FULL
    assert from_bytes(to_bytes(Remembered())) == Remembered()
    assert json.loads(to_bytes(FULL))["lbtui"] == 1


# With what stands for a byte that is no text in the name of a file.
words = st.text(max_size=40) | st.just("x\udcff")


@given(
    st.dictionaries(words, words, max_size=5),
    st.dictionaries(words, st.dictionaries(words, words, max_size=3), max_size=5),
    st.lists(st.tuples(words, st.none() | st.tuples(st.integers(0, 1 << 60), st.integers(0, 1 << 60)))),
)
def test_any_words_are_given_back(views, parts, notes):
    held = Remembered(views, parts, tuple(FindingNote(w, w, t, " ".join(w.split())) for w, t in notes))
    assert from_bytes(to_bytes(held)) == held


@given(st.binary(max_size=300))
def test_no_bytes_do_more_than_be_refused(data):
    with pytest.raises(BadFile):
        from_bytes(data)


@pytest.mark.parametrize(
    "change",
    [
        {"lbtui": 0},
        {"lbtui": "1"},
        {"lbtui": None},
        {"views": []},
        {"views": {"": 3}},
        {"views": {str(n): "dp" for n in range(MOST_VIEWS + 1)}},
        {"parts": {"dp": "x"}},
        {"parts": {"dp": {"f": ["x"]}}},
        {"notes": {}},
        {"notes": [3]},
        {"notes": [{"finding": "x", "subject": "{}", "window": [1], "text": "x"}]},
        {"notes": [{"finding": "x", "subject": "{}", "window": ["1", 2], "text": "x"}]},
        {"notes": [{"finding": "x", "subject": "{}", "window": [1, 1 << 70], "text": "x"}]},
        {"notes": [{"finding": "x", "subject": "{}", "window": None, "text": "x" * 501}]},
        {"notes": [{"finding": "x", "subject": "{}", "window": None}]},
        {"views": {"": "x" * 9000}},
    ],
)
def test_what_is_not_as_it_was_written_is_refused_whole(change):
    document = {**json.loads(to_bytes(FULL)), **change}
    with pytest.raises(BadFile):
        from_bytes(json.dumps(document).encode())


def test_nesting_size_and_later_versions_are_refused():
    with pytest.raises(BadFile, match="no JSON"):
        from_bytes(b"[" * 50_000)
    with pytest.raises(BadFile, match="larger than 64 KiB"):
        from_bytes(b" " * (MOST_BYTES + 1))
    with pytest.raises(NewerFile, match="later version"):
        from_bytes(b'{"lbtui": 2}')


def test_of_too_much_the_oldest_notes_go_first():
    many = Remembered(notes=tuple(note("x" * 500, f"dp.n{n}") for n in range(300)))
    data = to_bytes(many)
    assert len(data) <= MOST_BYTES
    left = from_bytes(data).notes
    assert 50 < len(left) < 300
    assert left == many.notes[-len(left) :]
    held = Remembered()
    for n in range(MOST_NOTES + 3):
        held = held.with_note(note("x", f"dp.n{n}"))
    assert [each.finding for each in held.notes] == [f"dp.n{n}" for n in range(3, MOST_NOTES + 3)]
    # A text that could not be read back is not written.
    assert from_bytes(to_bytes(Remembered({"": "x" * 9000, "a": "dp"}))).views == {"a": "dp"}


def test_changes():
    held = Remembered()
    for n in range(MOST_VIEWS + 2):
        held = held.with_view(str(n), "dp")
    held = held.with_view("5", "ep")
    assert len(held.views) == MOST_VIEWS
    assert list(held.views)[-1] == "5"
    # An empty text takes a note off; one of another window takes its place.
    assert FULL.with_note(note("")).notes == FULL.notes[1:]
    moved = note("again", window=(3, 4))
    assert FULL.with_note(moved, note().key).notes == (FULL.notes[1], moved)
    # Panes that are not named keep theirs; no parts are none.
    assert FULL.with_parts({"requests": {}, "pd": {"f": "a"}}).parts == {
        "timeline": {"marks": "a:08:00"},
        "pd": {"f": "a"},
    }
    assert FULL.fresh() == Remembered(notes=FULL.notes)
