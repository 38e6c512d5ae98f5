"""Where requests ran, held against the raw files read by the csv and json modules alone."""

import ast
import csv
import gzip
import json
from pathlib import Path

import pytest

from lbtui.analysis.latency import Arrangement, arrange, asks_for_places, filter_error, request_table
from lbtui.analysis.request_places import request_places
from lbtui.profile.schema import empty
from lbtui.sources import open_profile

DATA = Path(__file__).parent.parent / "data"


def lines(folder, name):
    path = folder / name
    content = path.read_bytes() if path.exists() else gzip.decompress(Path(f"{path}.gz").read_bytes())
    return list(csv.DictReader(content.decode().splitlines()))


def key(prof_id, rank):
    """Return a domain's key: `ms_service_mindie-server-p0-worker-0-10169` is one of mindie-server-p0."""
    host = prof_id.removeprefix("ms_service_").rpartition("-")[0]
    return f"{host.rsplit('-', 2)[0] if host.count('-') > 1 else host}/dp{rank}"


def ways(folder):
    """Return the domains of each request in the order of its first round on each, with that round's start."""
    first = {}
    for line in lines(folder, "batch.csv"):
        if line["name"] == "BatchSchedule":
            for request in ast.literal_eval(line["res_list"]):
                where = key(line["prof_id"], line["dp_rank"])
                begins = first.setdefault(str(request["rid"]), {})
                begins[where] = min(line["start_datetime"], begins.get(where, "9"))
    return {rid: sorted(begins.items(), key=lambda item: item[1]) for rid, begins in first.items()}


def placed(folder):
    profile = open_profile(folder)
    requests = profile.load("requests").frame
    told = profile.read_request_places()
    places = request_places(
        requests["request_id"], told.service, told.dispatches, profile.load("transfers").frame
    )
    return request_table(requests, empty("speculation")).with_columns(places.get_columns())


@pytest.mark.parametrize("folder", ["csv_only", "pd_ep"])
def test_domains_are_those_whose_rounds_list_the_request(folder):
    known = ways(DATA / folder)
    table = placed(DATA / folder)
    assert table.height > 100
    for rid, domain, begin in table.select("request_id", "domain", "first_round").iter_rows():
        assert domain == " → ".join(where for where, _begin in known[rid])
        # In the file's own zone, microseconds after a third colon.
        assert known[rid][0][1][11:19] == f"{(begin.hour + 8) % 24:02}:{begin:%M:%S}"
        assert int(known[rid][0][1][20:]) == begin.microsecond


def test_the_prefill_node_without_a_dispatch_is_the_source_of_the_pulls():
    sources = {}
    for line in lines(DATA / "pd_ep", "pd_split_kvcache.csv"):
        number = ast.literal_eval(line["block_tables"])[0][0]
        sources.setdefault(line["rid"], set()).add(".".join(str(byte) for byte in number.to_bytes(4, "big")))
    table = placed(DATA / "pd_ep")
    assert len(set.union(*sources.values())) > 1
    for rid, node in table.select("request_id", "prefill_node").iter_rows():
        assert {node} == sources[rid]
    # No CSV says where a request was decoded.
    assert table["decode_node"].null_count() == table.height


def test_nodes_are_those_that_the_coordinator_dispatched_to(tmp_path):
    with gzip.open(DATA / "chrome_pd_ep_cut.json.gz", "rt") as file:
        events = json.load(file)
    told = {
        event["args"]["res_list"]: (event["args"]["PrefillAddress"], event["args"]["DecodeAddress"])
        for event in events
        if event["name"] == "RequestDispatch"
    }
    (tmp_path / "chrome_tracing.json").write_text(json.dumps(events))
    table = placed(tmp_path)
    found = {
        rid: nodes for rid, *nodes in table.select("request_id", "prefill_node", "decode_node").iter_rows()
    }
    assert len(told) > 10
    for rid in found.keys() & told.keys():
        assert tuple(found[rid]) == told[rid]
    assert found.keys() & told.keys()


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("dp=3", lambda way, _node: any(where.endswith("/dp3") for where in way)),
        ("dp=0,5", lambda way, _node: any(where.endswith(("/dp0", "/dp5")) for where in way)),
        ("domain=mindie-server-d0/dp1", lambda way, _node: "mindie-server-d0/dp1" in way),
        ("domain=mindie-server-p0/dp1", lambda way, _node: "mindie-server-p0/dp1" in way),
        ("domain=mindie-server-p0/dp0,mindie-server-d0/dp2", lambda way, _node: bool(
            {"mindie-server-p0/dp0", "mindie-server-d0/dp2"} & set(way)
        )),
        ("node=172.17.0.17", lambda _way, node: node == "172.17.0.17"),
        ("node=172.17.0.18:1025", lambda _way, _node: False),
        ("NODE=172.17.0.1,172.17.0.18 dp=1", lambda way, node: node == "172.17.0.18"
         and any(where.endswith("/dp1") for where in way)),
    ],
)  # fmt: skip
def test_filters_keep_the_requests_that_ran_there(text, kept):
    table = placed(DATA / "pd_ep")
    known = {rid: [where for where, _begin in way] for rid, way in ways(DATA / "pd_ep").items()}
    nodes = dict(table.select("request_id", "prefill_node").iter_rows())
    expected = {rid for rid in nodes if kept(known[rid], nodes[rid])}
    found = arrange(table, Arrangement("duration", True, "duration", filter=text), 30)
    assert set(table["request_id"].gather(found.rows)) == expected
    assert len(expected) < table.height


def test_names_are_taken_literally_and_whole():
    table = placed(DATA / "csv_only")
    for text, some in (
        ("domain=node-a", True),
        ("domain=node", False),
        ("domain=node.a", False),
        ("domain=dp", False),
    ):
        found = arrange(table, Arrangement("duration", True, "duration", filter=text), 30)
        assert (len(found.rows) > 0) == some, text


def test_a_wrong_place_gets_a_sentence():
    assert filter_error("dp=1 ttft>2 node=10.0.0.1") is None
    assert "no rank" in filter_error("dp=first")
    assert "node=" in filter_error("node=")
    assert "dp=" in filter_error("speed=1")
    assert asks_for_places("x DP=1")
    assert not asks_for_places("dp ttft=1")
