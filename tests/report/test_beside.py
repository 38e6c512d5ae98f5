"""An output beside the raw profile of its run: every quantity by plain loops, and why they differ."""

import json
from datetime import datetime
from pathlib import Path
from statistics import median

import polars as pl
import pytest

from lbtui.cli import main
from lbtui.overview.beside import headline, read_beside, reasons, table
from lbtui.overview.parser_faults import Where, fault_of
from lbtui.overview.readings import QUANTITIES, Beside, Pair, pairs_of, values_of
from lbtui.profile import Reading, empty
from lbtui.sources import open_profile
from tests.sources.engines import output_of, raw_of
from tests.sources.recorded import CSV_ONLY, lay_out

SCHEDULED, OF_REQUESTS = "batch.csv has vLLM's KV blocks", "An event of several requests is not split"
FOUND = {
    ("mindie_pd_even", "csv"): {},
    ("mindie_pd_even", "json"): {
        "The trace has 0 in all of MindIE's KV counters.": {
            "kv_readings", "kv_domains", "kv_used", "kv_total", "kv_usage"
        }
    },
    ("vllm_v1_dp2", "csv"): {SCHEDULED: {"kv_readings"}, OF_REQUESTS: {"ttft", "ttft_max"}},
    ("vllm_pd_even", "csv"): {
        SCHEDULED: {"kv_readings"},
        OF_REQUESTS: {"ttft", "ttft_max"},
        "Of P and D apart": {"output_tokens"},
    },
    ("vllm_v1_dp2", "json"): {
        "The trace has vLLM's free blocks": {"kv_readings", "kv_used", "kv_total", "kv_usage"},
        "The trace counts vLLM's cache hits": {"cache_hits"},
    },
    ("sglang_dp2", "csv"): {
        "kvcache.csv names no process of SGLang's": {"kv_readings"},
        "The parser has rows of SGLang's Enqueue": {"queue_samples"},
        OF_REQUESTS: {"ttft", "ttft_max"},
        "The parser looks for SGLang's cache hits": {"cache_hits"},
    },
    ("sglang_dp2", "json"): {},
}  # fmt: skip


@pytest.mark.parametrize(("run", "formats"), FOUND)
def test_each_difference_of_an_engines_output_is_told_with_the_fault_that_makes_it(run, formats, tmp_path):
    raw = open_profile(raw_of(run, tmp_path / "a" / "raw"))
    (tmp_path / "a" / "output").mkdir()
    output = output_of(run, formats, tmp_path / "a" / "output")
    found = read_beside(raw, Reading(output))
    assert (found.raw, found.output) == (str(raw.path), str(output.resolve()))
    assert found.meet
    told = {}
    for pair in found.differing:
        told.setdefault(pair.why, set()).add(pair.quantity.key)
    expected = FOUND[run, formats]
    assert len(told) == len(expected)
    for why, keys in told.items():
        assert next(expected[begin] for begin in expected if why.startswith(begin)) == keys
    # It is the same from the other side.
    assert read_beside(open_profile(output), Reading(raw.path, raw=True)) == found
    assert "requests" in {pair.quantity.key for pair in found.pairs if not pair.differs}


def test_another_recording_is_called_so_and_no_fault_is_told(tmp_path):
    raw = open_profile(raw_of("vllm_v1_dp2", tmp_path / "a" / "raw"))
    output = lay_out(tmp_path / "a" / "raw" / "output", *CSV_ONLY)
    found = read_beside(raw, Reading(output))
    assert not found.meet
    assert "different recordings" in headline(found)
    assert reasons(found) == []


def frame(name, **columns):
    rows = pl.DataFrame({**columns})
    others = [pl.lit(None, kind).alias(n) for n, kind in empty(name).schema.items() if n not in columns]
    return rows.with_columns(others).select(pl.col(n).cast(kind) for n, kind in empty(name).schema.items())


def test_quantities_are_those_of_plain_loops():
    ttft, tokens = [31.5, None, 12.25, 70.0], [None, None, None, None]
    found = values_of(
        "requests", frame("requests", ttft=ttft, output_tokens=tokens, input_tokens=[1, 2, 3, None])
    )
    known = [value for value in ttft if value is not None]
    assert found["requests"] == 4
    assert found["ttft"] == median(known)
    assert found["ttft_max"] == max(known)
    assert found["input_tokens"] == 6
    assert found["output_tokens"] is None  # not told is not 0
    assert found["cache_hits"] == 0
    begins = [datetime(2026, 1, 1, 0, 0, second) for second in (3, 1, 2)]
    ends = [datetime(2026, 1, 1, 0, 0, second) for second in (4, 9, 3)]
    steps = frame("steps", start=begins, end=ends, domain=["a", "b", "a"])
    found = values_of("steps", steps)
    epoch = datetime(1970, 1, 1)
    assert found["passes"] == 3
    assert found["domains"] == 2
    assert found["first"] == (min(begins) - epoch).total_seconds() * 1e6
    assert found["last"] == (max(ends) - epoch).total_seconds() * 1e6
    # Of steps that are joined of their cards' passes these count.
    assert values_of("steps", steps.with_columns(cards=pl.Series([2, 3, 4])))["passes"] == 9
    heat = frame("expert_heat", view=["rank", "rank", "expert"], tokens=[5, 6, 100], period=[0, 1, 1])
    assert values_of("expert_heat", heat) == {"periods": 2, "expert_tokens": 11}


def test_an_empty_frame_tells_nothing_and_what_nobody_tells_is_left_out():
    nothing = {one.key: values_of(one.frame, empty(one.frame))[one.key] for one in QUANTITIES}
    assert set(nothing.values()) == {None}
    assert pairs_of(nothing, nothing) == ()
    (pair,) = pairs_of(nothing, {**nothing, "rounds": 3.0})
    assert pair.differs
    assert (pair.output, pair.raw) == (None, 3.0)


@pytest.mark.parametrize(
    ("key", "apart", "differs"),
    [("rounds", 0, False), ("rounds", 1, True), ("ttft", 0.002, False), ("ttft", 0.003, True),
     ("duration", 1.0, False), ("duration", 1.1, True), ("first", 2, False), ("first", 3, True)],
)  # fmt: skip
def test_what_tables_cut_is_no_difference(key, apart, differs):
    quantity = next(one for one in QUANTITIES if one.key == key)
    assert Pair(quantity, 100.0, 100.0 + apart).differs == differs


def test_a_fault_explains_only_where_it_acts():
    assert fault_of(Where("mindie", "kv_readings", "kv", "trace", False))
    assert not fault_of(Where("mindie", "rounds", "batches", "csv", False))
    assert not fault_of(Where(None, "kv_readings", "kv", "csv", False))
    assert fault_of(Where(None, "added", "nodes", "csv", True))
    assert not fault_of(Where(None, "added", "nodes", "csv", False))


def test_a_difference_that_nothing_explains_says_so():
    rounds = next(one for one in QUANTITIES if one.key == "rounds")
    found = Beside("out", "raw", (Pair(rounds, 3.0, 4.0), Pair(rounds, 4.0, 4.0)))
    assert reasons(found) == [("No fault of the parser that is known explains it.", ["scheduling rounds"])]
    assert headline(found) == "1 quantity differs of 2."
    assert headline(Beside("out", "raw", found.pairs[1:])) == "All 1 quantities are the same."
    assert table(found.differing) == [
        "quantity           output  raw profile",
        "scheduling rounds       3            4",
    ]


def test_reports_and_json_of_a_raw_profile_have_it(tmp_path, capsys):
    base = raw_of("vllm_v1_dp2", tmp_path / "a" / "prof").resolve()
    (base / "output").mkdir()
    output_of("vllm_v1_dp2", "csv", base / "output")
    assert main([str(base), "--raw", "--report"]) == 0
    text = capsys.readouterr().out
    assert f"Beside the output {base}/output\n  3 quantities differ of " in text
    assert f"  KV readings: {SCHEDULED}" in text
    assert main([str(base), "--raw", "--report", "markdown"]) == 0
    assert f"## Beside the output `{base}/output`" in capsys.readouterr().out
    assert main([str(base), "--raw", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["outputs"]
    assert Path(found["path"]) == base / "output"
    assert found["same_recording"] is True
    told = {one["quantity"]: one for one in found["quantities"]}
    assert told["kv_readings"]["differs"]
    assert told["kv_readings"]["reason"].startswith(SCHEDULED)
    assert told["kv_readings"]["raw"] == open_profile(base, raw=True).load("kv").frame.height
    assert told["first"]["raw"] == told["first"]["output"] == "2026-01-01T08:00:00.091965+08:00"
    assert told["ttft"]["unit"] == "ms"
    # Of the output nothing is said of itself, and it is what opens without --raw.
    for asked in ([str(base)], [str(base / "output")]):
        assert main([*asked, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert "outputs" not in found
        assert Path(found["profile"]["path"]) == base / "output"
