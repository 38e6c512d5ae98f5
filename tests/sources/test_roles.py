"""Prefill and decode domains are told apart by what they do, and compared each for themselves."""

import csv
import io
import json

import polars as pl
import pytest

from lbtui.findings import find_all
from lbtui.overview.run import overview
from lbtui.profile.roles import Work, roles_of, work_by
from lbtui.sources import open_profile
from tests.findings.service import Group, service
from tests.sources.recorded import content, lay_out, sentences

MINDIE = [f"cases/mindie_pd_plain_hosts/{n}.csv" for n in ("batch", "forward", "coordinator", "request")]
VLLM = [f"cases/vllm_pd_two_hosts/{n}.csv" for n in ("batch", "forward", "request")]
LABELS = ["cases/hist_vllm_labels/batch.csv", "cases/hist_vllm_labels/forward.csv"]


def of_instances(profile):
    domains = overview(profile).domains
    return {i: sorted(d.name for d in domains if d.instance == i) for i in {d.instance for d in domains}}


def skews(profile):
    return [f for f in find_all(profile) if f.id == "dp.batch_size.skew"]


@pytest.mark.parametrize(
    ("files", "instances"),
    [
        (MINDIE, {"node-0": ["dp0", "dp1"], "node-1": ["dp0", "dp1"]}),
        (VLLM, {"vllm-node-0": ["dp0", "dp1"], "vllm-node-1": ["dp0", "dp1"]}),
    ],
    ids=["mindie", "vllm"],
)
def test_even_prefill_and_decode_nodes_on_plain_hosts_have_no_finding(tmp_path, files, instances):
    profile = open_profile(lay_out(tmp_path, *files))
    assert of_instances(profile) == instances
    assert skews(profile) == []
    assert "each compared for itself" in sentences(profile.load("steps").notes)


def test_the_even_decode_domains_of_the_case_by_hand(tmp_path):
    """D 10.6 : 9.5, as the case says: what the finding called 3.16 times its peers."""
    sizes = {}
    for row in csv.DictReader(io.StringIO(content(MINDIE[1]).decode())):
        sizes.setdefault((row["hostname"], row["dp_rank"]), []).append(int(row["batch_size"]))
    decode = [sum(of) / len(of) for key, of in sorted(sizes.items()) if key[0] == "node-1"]
    prefill = [sum(of) / len(of) for key, of in sorted(sizes.items()) if key[0] == "node-0"]
    assert max(decode) / min(decode) < 1.3
    assert min(decode) > 3 * max(prefill)


def test_a_skew_in_the_decode_role_is_measured_against_decode_domains_alone(tmp_path):
    """Beside prefill domains with tiny batches the same skew would read more than twice as much."""
    decode = Group(
        host="node-1",
        domains=2,
        decode_only=True,
        rate=lambda dp, _s: 13.6 if dp == 0 else 4.0,
        first_pid=200,
    )
    prefill = Group(host="node-0", domains=2, prefill_only=True, rate=lambda _dp, _s: 4.0, first_pid=100)
    profile = service(tmp_path, prefill, decode)
    [found] = skews(profile)
    steps = profile.load("steps").frame.filter(host="node-1")
    busy = steps.with_columns(end=pl.col("start").shift(-1).over("prof_id").fill_null(pl.col("end")))
    length = (busy["end"] - busy["start"]).dt.total_microseconds()
    weighted = busy.with_columns(load=pl.col("batch_size") * length, length=length)
    means = {rank: own["load"].sum() / own["length"].sum() for (rank,), own in weighted.group_by("dp_rank")}
    assert found.subject["host"] == "node-1"
    assert found.subject["dp_rank"] == 0
    assert found.subject["role"] == "decode"
    assert found.value == pytest.approx(means[0] / means[1], rel=0.1)
    # Prefill domains are next to idle: among its peers they would nearly triple the figure.
    assert means[0] / (means[1] / 3) > 2 * found.value


def test_roles_on_one_host_are_told_by_name(tmp_path):
    decode = Group(domains=2, decode_only=True, rate=lambda _dp, _s: 6.0, first_pid=200)
    prefill = Group(domains=2, prefill_only=True, rate=lambda _dp, _s: 4.0, first_pid=100)
    profile = service(tmp_path, prefill, decode)
    assert of_instances(profile) == {"node-a prefill": ["dp0", "dp1"], "node-a decode": ["dp0", "dp1"]}
    assert skews(profile) == []


def test_two_engines_on_one_host_are_two_instances(tmp_path):
    busy = Group(domains=2, rate=lambda _dp, _s: 12.0, first_pid=100)
    idle = Group(domains=2, rate=lambda _dp, _s: 2.0, first_pid=200, seed=8)
    profile = service(tmp_path, busy, idle)
    assert of_instances(profile) == {"node-a:101": ["dp0", "dp1"], "node-a:201": ["dp0", "dp1"]}
    assert skews(profile) == [], "a busy engine is not compared with an idle one"


def test_a_service_that_does_both_stays_one(tmp_path):
    profile = service(tmp_path, Group(domains=4))
    assert of_instances(profile) == {"node-a": ["dp0", "dp1", "dp2", "dp3"]}


def of_work(**done):
    return {name: Work(*numbers) for name, numbers in done.items()}


@pytest.mark.parametrize(
    ("work", "roles"),
    [
        ({"p": (50, 0, 9000, 9000), "d": (0, 900, 0, 900)}, {"p": "prefill", "d": "decode"}),
        # A vLLM decode node computes the last prompt token of every request.
        ({"p": (50, 0, 9000, 9000), "d": (50, 900, 50, 950)}, {"p": "prefill", "d": "decode"}),
        # Tokens not recorded.
        ({"p": (50, 2, None, None), "d": (50, 900, None, None)}, {"p": "prefill", "d": "decode"}),
        # One that does all by itself has no role beside them.
        (
            {"p": (50, 0, 9000, 9000), "d": (0, 900, 0, 900), "both": (50, 900, 9000, 9900)},
            {"p": "prefill", "d": "decode"},
        ),
        ({"a": (50, 900, 9000, 9900), "b": (45, 800, 8000, 8800)}, {}),
        ({"a": (50, 0, 9000, 9000), "b": (40, 0, 8000, 8000)}, {}),
        # A domain that began as the capture ended.
        ({"a": (50, 900, 9000, 9900), "late": (2, 0, 400, 400)}, {}),
    ],
)
def test_roles_by_work(work, roles):
    assert roles_of(of_work(**work)) == roles


def test_where_other_files_know_of_nodes_one_request_is_enough():
    work = of_work(p=(1, 0, 300, 300), d=(0, 20, 0, 20))
    assert roles_of(work) == {}
    assert roles_of(work, disaggregated=True) == {"p": "prefill", "d": "decode"}


def test_tokens_of_mixed_rounds_are_told_apart_under_speculation():
    rounds = pl.DataFrame(
        {
            "domain": ["d"] * 3,
            "phase": ["decode", "decode", "mixed"],
            "batch_size": [4, 4, 5],
            "prefill_batch_size": [0, 0, 1],
            "decode_batch_size": [4, 4, 4],
            "tokens": [8, 8, 9],  # two a decode, one of a prompt
        }
    )
    assert work_by("domain", rounds) == {"d": Work(1, 12, 1.0, 25)}


def test_ranks_come_from_the_labels_of_processes(tmp_path):
    unnamed = open_profile(lay_out(tmp_path / "unnamed", *LABELS))
    assert of_instances(unnamed) == {"vllm": ["pid 30011", "pid 30021"]}
    with_trace = lay_out(tmp_path / "named", *LABELS, "cases/hist_vllm_labels/chrome_tracing.json")
    labels = [
        e for e in json.loads((with_trace / "chrome_tracing.json").read_text()) if "labels" in e["args"]
    ]
    assert {e["args"]["labels"] for e in labels} == {"vllm-node-0", "vllm-node-0,dp0", "vllm-node-0,dp1"}
    named = open_profile(with_trace)
    assert of_instances(named) == {"vllm": ["dp0", "dp1"]}
    sizes = [p.load("steps").frame["batch_size"].to_list() for p in (unnamed, named)]
    assert sizes[0] == sizes[1]
