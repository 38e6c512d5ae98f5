import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbtui.profile import Cancelled, Silent, Unreadable
from lbtui.sources.trace.json_stream import ElementReader, read_element

EVENTS = [
    {"name": "flow_a", "ph": "s", "ts": 1.5, "args": {}},
    {"name": "räume 😀 \u2028", "ph": "X", "table": [[1, -2.5e3], [True, None]]},
    {"name": 'quote " and \\ and ]}, {', "ph": "I"},
    12345,
    "text",
    {},
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("json") / "chrome_tracing.json"


def read(path, **options):
    reader = ElementReader(path, Silent(), **options)
    return list(reader), reader.broken


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" ,\n\t", " :\r\n")])
def test_elements_come_with_the_byte_they_begin_at(path, separators, ascii_only):
    path.write_bytes(json.dumps(EVENTS, separators=separators, ensure_ascii=ascii_only).encode())
    for chunk in (1, 7, 1 << 20):
        found, broken = read(path, chunk=chunk)
        assert [value for _, value in found] == EVENTS
        assert broken is None
        assert [read_element(path, offset) for offset, _ in found] == EVENTS


@settings(deadline=None, max_examples=150)
@given(
    values=st.lists(JSON, max_size=6),
    chunk=st.integers(1, 40),
    indent=st.sampled_from([None, 1]),
    wrapped=st.booleans(),
)
def test_any_list_in_any_chunks_reads_as_json_does(path, values, chunk, indent, wrapped):
    whole = {"unit": {"a": [1]}, "traceEvents": values, "more": []} if wrapped else values
    path.write_text(json.dumps(whole, indent=indent, ensure_ascii=False), "utf-8")
    found, broken = read(path, chunk=chunk)
    assert json.dumps([value for _, value in found]) == json.dumps(values)
    assert broken is None


@settings(deadline=None, max_examples=200)
@given(cut=st.integers(1, 10_000), chunk=st.integers(1, 64))
def test_a_cut_file_yields_what_is_whole(path, cut, chunk):
    data = json.dumps(EVENTS, ensure_ascii=False).encode()
    cut = 1 + cut % (len(data) - 1)
    path.write_bytes(data[:cut])
    found, broken = read(path, chunk=chunk)
    values = [value for _, value in found]
    # Only the number may be cut and still look whole.
    if values and values[-1] in (1, 12, 123, 1234):
        values.pop()
    assert values == EVENTS[: len(values)]
    assert broken is not None
    assert broken.reason == "the file ends there"
    assert broken.byte <= cut
    ends = [len(json.dumps(EVENTS[: n + 1], ensure_ascii=False).encode()) - 1 for n in range(len(EVENTS))]
    assert len(values) == sum(end <= cut for end in ends)


@settings(deadline=None, max_examples=200)
@given(
    place=st.integers(0, 10_000), junk=st.binary(min_size=1, max_size=6), chunk=st.sampled_from([5, 1 << 20])
)
def test_junk_anywhere_never_raises_anything_but_unreadable(path, place, junk, chunk):
    data = json.dumps(EVENTS).encode()
    place %= len(data)
    path.write_bytes(data[:place] + junk + data[place:])
    try:
        found, broken = read(path, chunk=chunk)
    except Unreadable:
        assert place <= 1  # only the beginning decides whether it is a list
    else:
        before = [v for offset, v in found if offset + len(json.dumps(v)) < place]
        assert before == EVENTS[: len(before)]
        assert broken is None or broken.byte <= path.stat().st_size


def test_bytes_that_are_no_utf8_stop_nothing_and_shift_no_offset(path):
    path.write_bytes(b'["\xff\xfe\xe4", {"a": 1}]')
    found, broken = read(path, chunk=3)
    assert broken is None
    assert found[1] == (8, {"a": 1})
    assert read_element(path, 8) == {"a": 1}


@pytest.mark.parametrize(
    "text", ["", "   ", "12", '"x"', "{}", '{"a": 1}', '{"traceEvents": 3}', "\x89PNG", '{"a']
)
def test_what_is_no_list_is_unreadable(path, text):
    path.write_text(text)
    with pytest.raises(Unreadable, match=r"chrome_tracing\.json is not a trace"):
        read(path)


def test_a_missing_file_is_unreadable(tmp_path):
    with pytest.raises(Unreadable, match="cannot be read"):
        read(tmp_path / "none.json")
    with pytest.raises(Unreadable, match="cannot be read"):
        read_element(tmp_path / "none.json", 0)


def test_a_byte_order_mark_is_passed_over(path):
    path.write_bytes(b"\xef\xbb\xbf[{}]")
    assert read(path) == ([(4, {})], None)


def test_nesting_bomb_stops_the_reading_only(path):
    path.write_text('[{"a": 1}, ' + "[" * 200_000)
    found, broken = read(path)
    assert [value for _, value in found] == [{"a": 1}]
    assert broken.byte == 11
    assert "nested too deeply" in broken.reason


@pytest.mark.parametrize("filler", ['"' + "x" * 300_000 + '"', "[" + "1," * 150_000 + "1]"])
def test_memory_for_one_element_is_bounded(path, filler):
    path.write_text(f'[{{"a": 1}}, {filler}]')
    found, broken = read(path, chunk=1000, largest=100_000)
    assert [value for _, value in found] == [{"a": 1}]
    assert "one element is larger" in broken.reason
    found, broken = read(path, chunk=1000, largest=400_000)
    assert len(found) == 2
    assert broken is None


def test_white_space_of_any_length_is_passed_over(path):
    path.write_text('[{"a": 1}' + " " * 300_000 + "," + " " * 300_000 + "1]")
    assert read(path, chunk=1000, largest=100_000) == ([(1, {"a": 1}), (600_010, 1)], None)


def test_huge_number_is_a_break(path):
    path.write_text("[1, " + "9" * 5000 + ", 2]")
    found, broken = read(path)
    assert [value for _, value in found] == [1]
    assert broken.byte == 4


def test_a_missing_comma_is_a_break(path):
    path.write_text("[{} {}]")
    found, broken = read(path)
    assert len(found) == 1
    assert broken.reason == "a comma is missing"


@pytest.mark.parametrize("chunk", [1, 13, 4096])
def test_skipped_elements_are_not_decoded_and_the_rest_keeps_its_offsets(path, chunk):
    text = '[{"f": 1}, {"f": not json}, {"k": 1}, {"f": 2}, {"k": 2}]'
    path.write_text(text)
    skip = re.compile(r'(?:\{"f": [^}]*\}, (?=\{))+')
    found, broken = read(path, skip=skip, chunk=4096)
    assert found == [(text.index('{"k": 1'), {"k": 1}), (text.index('{"k": 2'), {"k": 2})]
    assert broken is None
    # With a window smaller than an element, some are decoded after all: never lost, never misplaced.
    path.write_text(text.replace("not json", "0"))
    found, broken = read(path, skip=skip, chunk=chunk)
    assert [value for _, value in found if "k" in value] == [{"k": 1}, {"k": 2}]
    assert all(read_element(path, offset) == value for offset, value in found)
    assert broken is None


def test_progress_counts_bytes_and_can_cancel(path):
    path.write_text(json.dumps(list(range(5000))))
    size = path.stat().st_size

    class Watcher(Silent):
        calls: list

        def __init__(self, patience):
            self.calls = []
            self.patience = patience

        def advance(self, what, done, total):
            self.calls.append((what, done, total))
            if len(self.calls) > self.patience:
                raise Cancelled

    watcher = Watcher(10**9)
    assert len(list(ElementReader(path, watcher, chunk=100))) == 5000
    assert watcher.calls
    assert all(what == path.name and 0 <= done <= total == size for what, done, total in watcher.calls)
    with pytest.raises(Cancelled):
        list(ElementReader(path, Watcher(0), chunk=100))


def test_reading_an_element_where_none_is_says_so(path):
    path.write_text('[{"a": 1}]')
    with pytest.raises(Unreadable, match="at byte 2000"):
        read_element(path, 2000)
