"""Requests, hand-offs, KV pulls and speculation against the raw files."""

import csv
import json
from datetime import datetime, timedelta
from ipaddress import IPv4Address

import pytest

from lbtui.sources import open_profile
from lbtui.sources.pull_source import source_of
from tests.sources.recorded import content, profile, sentences

PD = ["pd_ep/request.csv", "pd_ep/pd_split_communication.csv", "pd_ep/pd_split_kvcache.csv"]


def rows(name):
    return list(csv.DictReader(content(name).decode().splitlines()))


def utc(text):
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S:%f") - timedelta(hours=8)


def test_requests_are_the_files_rows(tmp_path):
    requests = profile(tmp_path, *PD).load("requests").frame
    expected = [
        (
            row["http_rid"],
            utc(row["start_datetime"]),
            int(float(row["recv_token_size"])),
            int(float(row["reply_token_size"])),
            float(row["first_token_latency(ms)"]),
            float(row["queue_wait_time(ms)"]),
            float(row["execution_time(ms)"]),
        )
        for row in rows("pd_ep/request.csv")
    ]
    assert requests.drop("cache_hit_rate").rows() == expected


def test_trap_09_mindies_cache_hit_rate_is_unknown_and_vllms_is_known(tmp_path):
    assert b"N/A" in content("pd_ep/request.csv")
    assert profile(tmp_path / "m", *PD).load("requests").frame["cache_hit_rate"].null_count() == 168
    vllm = profile(tmp_path / "v", "vllm_small/request.csv").load("requests").frame["cache_hit_rate"]
    assert vllm.to_list() == [float(row["cache_hit_rate"]) for row in rows("vllm_small/request.csv")]
    assert vllm.null_count() == 0


def test_a_latency_written_as_zero_is_unknown(tmp_path):
    lines = content("pd_ep/request.csv").decode().splitlines()[:3]
    header = lines[0].split(",")
    cells = lines[1].split(",")
    for name in ("queue_wait_time(ms)", "first_token_latency(ms)"):
        cells[header.index(name)] = "0"
    (tmp_path / "request.csv").write_text("\n".join([lines[0], ",".join(cells), lines[2], ""]))
    requests = open_profile(tmp_path).load("requests").frame
    assert [requests["ttft"].is_null().to_list(), requests["queue_wait"].is_null().to_list()] == [
        [True, False]
    ] * 2
    assert requests["duration"].null_count() == 0


def test_handoffs_are_the_files_datetimes_in_spite_of_their_headers(tmp_path):
    handoffs = profile(tmp_path, *PD).load("handoffs")
    expected = [
        (row["rid"], *(utc(row[f"{name}_time(ms)"]) for name in names))
        for row in rows("pd_ep/pd_split_communication.csv")
        for names in [("http_req", "send_request", "send_request_succ", "prefill_res", "request_end")]
    ]
    assert handoffs.frame.rows() == expected
    assert handoffs.provenance[0].precision == "1 ms"


def test_a_stage_that_was_not_seen_is_null(tmp_path):
    text = content("pd_ep/pd_split_communication.csv").decode().splitlines()[:2]
    cells = text[1].split(",")
    (tmp_path / "pd_split_communication.csv").write_text(
        "\n".join([text[0], ",".join([*cells[:5], "0"]), ""])
    )
    handoffs = open_profile(tmp_path).load("handoffs").frame
    assert [handoffs[name].null_count() for name in ("prefill_done", "end")] == [0, 1]


def test_transfers_add_up_their_sequence_lengths(tmp_path):
    transfers = profile(tmp_path, *PD).load("transfers").frame
    expected = [
        (
            row["rid"],
            int(float(row["rank"])),
            str(IPv4Address(int(row["block_tables"].strip("[").split(",")[0]))),
            utc(row["start_time"]),
            utc(row["end_time"]),
            float(row["during_time(ms)"]),
            sum(int(n) for n in row["batch_seq_len"].strip("[]").split(",")),
        )
        for row in rows("pd_ep/pd_split_kvcache.csv")
    ]
    assert transfers.rows() == expected


@pytest.mark.parametrize(
    ("written", "source"),
    [
        ("[[2886795281, [0], [0, 1, 2]]]", "172.17.0.17"),
        ("[[16777216,[0],[5]],[16777216,[0],[6]]]", "1.0.0.0"),
        ("[[1, [0], [0, 1]]]", "1"),
        ("[[4294967296, [0], [1]]]", "4294967296"),
        ("[[1, [0], [0]], [2, [0], [1]]]", None),
        ("[[0, 1, 2]]", None),
        ("[" + "9" * 30 + ", [0]]", None),
        ("[]", None),
        ("", None),
    ],
)
def test_the_source_is_what_block_tables_begin_with(tmp_path, written, source):
    path = tmp_path / "pd_split_kvcache.csv"
    path.write_text(f'rank,rid,block_tables,start_time\n1.0,r,"{written}",2026-01-01 08:00:00:147\n')
    assert open_profile(tmp_path).load("transfers").frame["source"].to_list() == [source]
    try:
        tables = json.loads(written)
    except ValueError:
        tables = None
    assert source_of(tables) == source


@pytest.mark.parametrize(
    ("written", "tokens"), [("[]", None), ("", None), ('"[3, 4]"', 7), ("[" + "9" * 30 + "]", None)]
)
def test_lengths_that_are_not_there_are_unknown(tmp_path, written, tokens):
    path = tmp_path / "pd_split_kvcache.csv"
    path.write_text(f"rank,rid,batch_seq_len,start_time\n1.0,r,{written},2026-01-01 08:00:00:147\n")
    assert open_profile(tmp_path).load("transfers").frame["tokens"].to_list() == [tokens]


def test_the_documented_headers_of_pd_split_kvcache_are_known_too(tmp_path):
    path = tmp_path / "pd_split_kvcache.csv"
    path.write_text(
        "rank,rid,seq_len,start_datetime(ms),end_datetime(ms)\n"
        "1,r,[5],2026-01-01 08:00:00:147,2026-01-01 08:00:00:150\n"
    )
    frame = open_profile(tmp_path).load("transfers").frame
    assert frame.select("request_id", "rank", "tokens").rows() == [("r", 1, 5)]
    assert frame["start"].to_list() == [datetime(2026, 1, 1, 0, 0, 0, 147_000)]


def test_the_trace_tells_the_same_hand_offs_to_the_millisecond(tmp_path):
    table = profile(tmp_path / "csv", *PD)
    trace = profile(tmp_path / "json", "chrome_pd_ep_cut.json")
    for name, times in [
        ("handoffs", ["arrival", "sent", "received", "prefill_done", "end"]),
        ("transfers", ["start"]),
    ]:
        ours = table.load(name).frame.sort("request_id")
        theirs = trace.load(name).frame.sort("request_id")
        assert ours["request_id"].to_list() == theirs["request_id"].to_list()
        if name == "transfers":
            assert ours["source"].to_list() == theirs["source"].to_list()
        for column in times:
            assert theirs[column].dt.truncate("1ms").to_list() == ours[column].to_list(), column
    assert sentences(trace.load("transfers").notes) == ""


def test_speculation_is_read_from_its_csv_only(tmp_path):
    header = "rid,iter,prof_id,start_datetime,end_datetime,during_time(ms),spec_tokens,accepted_tokens\n"
    (tmp_path / "spec_decode.csv").write_text(
        header + "r,3,ms_service_n-1,2026-01-01 08:00:00:000001,2026-01-01 08:00:00:000002,0.001,5,2\n"
    )
    frame = open_profile(tmp_path).load("speculation").frame
    assert frame.drop("start", "end").rows() == [("r", 3, "ms_service_n-1", 5, 2)]
