"""Ids of one request that the parts of a service link: its life is one, whatever it is called where."""

from pathlib import Path

import polars as pl
import pytest

from lbtui.profile import SourceFile
from lbtui.sources import open_profile
from lbtui.sources.raw.links import links_of
from lbtui.sources.raw.processes import Process
from tests.sources.linked import lay_out_linked
from tests.sources.recorded import lay_out

KINDS = {"old": {"old": True}, "new": {"old": False}, "slice": {"old": False, "layout": "slice"}}
# Arrival (ms), input and output tokens, TTFT, queue wait, duration (ms): as `linked.py` has them.
LIVES = {
    "http-a": (1, 111, 11, 30.0, 3.0, 90.0),
    "http-b": (6, 112, 12, 30.0, 3.0, 90.0),
    "http-c": (2, 113, 13, 30.0, 3.0, 90.0),
    "http-d": (10, 114, 14, 30.0, 4.0, 89.0),
}
SERVED = {
    "ms_service_node-a-100": ["http-a", "http-b"],
    "ms_service_node-b-200": ["http-c"],
    "ms_service_node-a-300": ["http-d"],
}


def lives(profile):
    frame = profile.load("requests").frame
    start = frame["arrival"].dt.truncate("1d")
    told = frame.select(
        "request_id",
        (pl.col("arrival") - start).dt.total_milliseconds(),
        "input_tokens",
        "output_tokens",
        "ttft",
        "queue_wait",
        "duration",
    )
    return {rid: tuple(values) for rid, *values in told.iter_rows()}


def served(profile):
    batches = profile.load("batches").frame
    return {
        prof_id: [one.request_id for one in profile.requests_of_round(prof_id, row)]
        for prof_id, row in batches.select("prof_id", "row").iter_rows()
    }


@pytest.mark.parametrize("kind", KINDS)
def test_the_life_of_a_request_is_one(kind, tmp_path):
    profile = open_profile(lay_out_linked(tmp_path / "raw", **KINDS[kind]))
    assert lives(profile) == LIVES
    assert served(profile) == SERVED
    places = profile.read_request_places().service
    assert dict(places.select("request_id", "domain").iter_rows()) == {
        "http-a": "node-a/dp0",
        "http-b": "node-a/dp0",
        "http-c": "node-a/dp1",
        "http-d": "node-a/dp2",
    }
    assert profile.load("requests").notes == ()


def test_it_is_as_the_parser_joins_it_but_where_it_does_not(tmp_path):
    """`linked_ids` is what upstream's parser (9582f43) made of the old kind: it lost the link of `m-d`."""
    ours = open_profile(lay_out_linked(tmp_path / "raw", old=True))
    theirs = open_profile(
        lay_out(tmp_path / "output", *(f"linked_ids/{n}.csv" for n in ("request", "batch")))
    )
    of_parser, own = lives(theirs), lives(ours)
    for rid in ("http-a", "http-b", "http-c"):
        # It cuts arrival and duration to ms, and these before they are subtracted.
        assert of_parser[rid] == pytest.approx(own[rid], abs=1.01)
    assert of_parser["http-d"][4] != own["http-d"][4]
    assert served(theirs) == {**SERVED, "ms_service_node-a-300": ["m-d"]}


def process(pid, ppid=None, host="h"):
    file = SourceFile(Path(f"ms_service_{host}-{pid}.db"), "raw_profile", "raw", 1)
    return Process(file, f"ms_service_{host}-{pid}", host, pid, ppid, None, "Mstx", 1, 0, 0)


def links(processes, *told):
    records = pl.DataFrame(
        [(f"ms_service_h-{pid}", source, to) for pid, source, to in told],
        schema={"prof_id": pl.String, "from": pl.String, "to": pl.String},
        orient="row",
    )
    return links_of(records, processes)


def named(known, *rows):
    frame = pl.DataFrame(
        [(f"ms_service_h-{pid}", rid) for pid, rid in rows],
        schema={"prof_id": pl.String, "request_id": pl.String},
        orient="row",
    )
    return known.named(frame)["request_id"].to_list()


def test_chains_are_followed_and_circles_end():
    known = links([process(1)], (1, "a", "b"), (1, "b", "c"), (1, "y", "x"), (1, "x", "y"), (1, "z", "z"))
    assert named(known, (1, "c"), (1, "b"), (1, "a"), (1, "other")) == ["a", "a", "a", "other"]
    assert set(named(known, (1, "x"), (1, "y"), (1, "z"))) <= {"x", "y", "z"}


def test_numbers_hold_in_their_process_and_those_it_started():
    known = links(
        [process(1), process(2, 1), process(3, 2), process(7), process(8)], (1, "a", "5"), (7, "b", "5.0")
    )
    assert named(known, (1, "5"), (2, "5"), (3, "5"), (7, "5"), (8, "5")) == ["a", "a", "a", "b", "5"]


def test_another_process_knows_an_id_that_is_no_number_unless_two_disagree():
    known = links([process(1), process(2)], (1, "a", "m"), (1, "p", "q"), (2, "r", "q"))
    assert named(known, (1, "m"), (2, "m"), (9, "m")) == ["a", "a", "a"]
    assert named(known, (1, "q"), (2, "q"), (9, "q")) == ["p", "r", "q"]


def test_a_chain_goes_over_processes():
    known = links([process(1), process(2)], (1, "http", "middle"), (2, "middle", "3"))
    assert named(known, (2, "3"), (2, "middle"), (1, "middle")) == ["http", "http", "http"]


def test_the_last_of_two_links_of_one_id_holds():
    known = links([process(1)], (1, "first", "5"), (1, "second", "5"))
    assert named(known, (1, "5")) == ["second"]


def test_parents_in_a_circle_end():
    known = links([process(1, 2), process(2, 1)], (1, "a", "5"))
    assert named(known, (2, "5")) == ["a"]


def test_lists_keep_their_order_and_what_is_empty():
    known = links([process(1)], (1, "a", "1"), (1, "b", "2"))
    rows = pl.DataFrame(
        {
            "prof_id": ["ms_service_h-1"] * 4,
            "request_id": [["2", "9", "1"], [], None, ["1"]],
            "n": [1, 2, 3, 4],
        },
        schema_overrides={"request_id": pl.List(pl.String)},
    )
    found = known.named(rows)
    assert found["request_id"].to_list() == [["b", "9", "a"], [], None, ["a"]]
    assert found.columns == rows.columns
    assert found["n"].to_list() == [1, 2, 3, 4]


def test_without_links_rows_are_as_they_were():
    rows = pl.DataFrame({"prof_id": ["x"], "request_id": ["1"]})
    assert links([process(1)]).named(rows) is rows
