import csv

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbtui.profile.source import ScheduledRequest
from lbtui.sources import res_list
from lbtui.sources.res_list import parse_res_list, request_ids
from tests.sources.traces import DATA

FIELDS = st.fixed_dictionaries(
    {"rid": st.text()},
    optional={
        "iter": st.integers(0, 10**9),
        "type": st.integers(0, 1) | st.none() | st.booleans(),
        "extra": st.lists(st.integers() | st.floats(allow_nan=False), max_size=3),
        "num_scheduled_tokens": st.integers(0, 10**9),
    },
)


def test_mindie_form_with_its_equals_sign():
    text = "[{'rid': 'endpoint_common_0', 'iter': 0, 'num_scheduled_tokens=': 391}, {'rid': 'b', 'iter': 7}]"
    assert parse_res_list(text) == (
        [ScheduledRequest("endpoint_common_0", 0, 391), ScheduledRequest("b", 7, None)],
        True,
    )


def test_vllm_form_with_and_without_details():
    text = "[{'rid': 'cmpl-1', 'iter': 3, 'type': 1, 'num_scheduled_tokens': 2, 'num_prompt_tokens': 434}]"
    assert parse_res_list(text) == ([ScheduledRequest("cmpl-1", 3, 2)], True)
    assert parse_res_list("[{'rid': 'cmpl-1'}]") == ([ScheduledRequest("cmpl-1", None, None)], True)


@settings(deadline=None)
@given(st.lists(FIELDS, max_size=5))
def test_whatever_python_writes_is_read_back(fields):
    expected = [
        ScheduledRequest(one["rid"], one.get("iter"), one.get("num_scheduled_tokens")) for one in fields
    ]
    assert parse_res_list(repr(fields)) == (expected, True)


@settings(deadline=None)
@given(st.lists(FIELDS, min_size=1, max_size=5), st.integers(0, 10_000))
def test_a_cut_text_yields_the_whole_requests_before_the_cut(fields, cut):
    text = repr(fields)
    cut = 1 + cut % (len(text) - 1)
    requests, complete = parse_res_list(text[:cut])
    whole, _ = parse_res_list(text)
    assert not complete
    assert requests == whole[: len(requests)]
    ends = [len(repr(fields[: n + 1])) - 1 for n in range(len(fields))]
    assert len(requests) == sum(end <= cut for end in ends)


@settings(deadline=None, max_examples=300)
@given(st.text(alphabet="[](){}'\":,rid iter0123.\\xu=-\n") | st.text())
def test_garbage_never_raises(text):
    requests, complete = parse_res_list(text)
    assert isinstance(complete, bool)
    assert all(isinstance(request.request_id, str) for request in requests)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "[{'rid': " + "[" * 1000 + "]" * 1000 + "}]",
        "[{'rid': 'a'}] + exit()",
        "[{'rid': 'a'}] %",
        "__import__('os').system('true')",
        "[{'rid': 'a'}",
        "[{'rid': 'a')]",
        "{'rid': 'a'}",
    ],
)
def test_what_is_no_list_of_dicts_is_incomplete(text):
    assert not parse_res_list(text).complete


def test_text_beyond_the_limit_is_left_out(monkeypatch):
    monkeypatch.setattr(res_list, "LONGEST", 40)
    text = repr([{"rid": f"request-{number}"} for number in range(5)])
    assert parse_res_list(text) == ([ScheduledRequest("request-0", None, None)], False)


def test_numbers_that_no_column_holds_are_null():
    assert parse_res_list("[{'rid': 'a', 'iter': 1e9, 'num_scheduled_tokens': " + "9" * 5000 + "}]") == (
        [ScheduledRequest("a", None, None)],
        True,
    )


@pytest.mark.parametrize("text", [None, "", "[]"])
def test_nothing_scheduled(text):
    assert parse_res_list(text) == ([], True)


def test_ids_of_a_column_equal_those_of_the_parser_on_recorded_rows():
    cells = [row["res_list"] for row in csv.DictReader((DATA / "csv_only/batch.csv").open())]
    ids = pl.DataFrame({"cell": cells}).select(request_ids("cell")).to_series().to_list()
    assert ids == [[request.request_id for request in parse_res_list(cell).requests] for cell in cells]
    assert sum(map(len, ids)) > len(cells)


def test_ids_of_a_column_honour_quotes_and_nulls():
    names = ["it's", 'say "hi"', "a\\b", "both ' and \"", ""]
    cells = [repr([{"rid": name, "iter": 1} for name in names]), None, "", "[{'other': 'x'}]"]
    ids = pl.DataFrame({"cell": cells}).select(request_ids("cell")).to_series().to_list()
    assert ids == [names, None, [], []]


BARE = st.lists(st.text(min_size=1), max_size=6)


@settings(deadline=None)
@given(BARE)
def test_bare_ids_are_requests_of_which_nothing_else_is_known(ids):
    assert parse_res_list(repr(ids)) == ([ScheduledRequest(rid, None, None) for rid in ids], True)


def test_ids_of_a_column_may_be_bare():
    names = ["79a8cb5de0a954330000000000000000", "it's", 'say "hi"']
    cells = [repr(names), repr(names[:1]), repr([{"rid": name} for name in names]), "[]"]
    ids = pl.DataFrame({"cell": cells}).select(request_ids("cell")).to_series().to_list()
    assert ids == [names, names[:1], names, []]
