"""What changed a latency: terms that sum to the difference, once more by plain loops, and the part named."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path
from statistics import fmean

import polars as pl
import pytest

from lbtui.comparison import Comparison, Row, compare
from lbtui.findings.diagnosis import told_of
from lbtui.findings.latency.change import explained
from lbtui.findings.latency.told import Told
from lbtui.findings.latency.words import change_sentence, term_rows
from lbtui.sources import open_profile
from lbtui.thresholds import Thresholds
from tests.findings.service import Group, write_service
from tests.findings.test_latency import SAMPLES
from tests.sources.recorded import CSV_ONLY, lay_out, rows, write

_ROWS = {
    "ttft.mean": ("ttft", "first"),
    "ttft.p95": ("ttft", "first"),
    "time_per_output_token.mean": ("time_per_output_token", "rest"),
    "time_per_output_token.p95": ("time_per_output_token", "rest"),
    "duration.mean": ("duration", "all"),
    "duration.p95": ("duration", "all"),
}


def compared(before: Path, after: Path) -> tuple[Comparison, Told, Told]:
    """Return the comparison of two folders with its terms, and both sides."""
    profiles = open_profile(before), open_profile(after)
    told = [told_of(profile, Thresholds()) for profile in profiles]
    return explained(compare(*profiles), *told), told[0], told[1]


def rows_of(comparison: Comparison) -> dict[str, Row]:
    """Return the rows that have terms, by key."""
    return {row.metric.key: row for row in comparison.rows if row.terms}


def plain_means(told: Told, key: str) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Return the mean of each part that makes a metric, and of each of its places."""
    column, scope = _ROWS[key]
    table = list(told.table.iter_rows(named=True))
    chosen = {}
    for request, row, lead in told.latency.lives.select("request", "row", "lead").iter_rows():
        one = table[row]
        if one[column] is not None and (scope != "rest" or one["output_tokens"] > 1):
            chosen[request] = (one[column], one["output_tokens"], lead)
    if key.endswith("p95"):
        values = pl.Series([value for value, *_ in chosen.values()])
        low, high = (values.quantile(share, "linear") for share in (0.925, 0.975))
        chosen = {of: one for of, one in chosen.items() if low <= one[0] <= high}
    per_token = scope == "rest"
    total = sum(tokens - 1 for _, tokens, _ in chosen.values()) if per_token else len(chosen)
    if per_token and key.endswith("p95"):
        total = len(chosen)
    sums: dict[str, float] = defaultdict(float)
    places: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    led = set()
    for request, part, place, before, whole in told.latency.parts.sort("request", "part").iter_rows():
        if request not in chosen:
            continue
        _, tokens, lead = chosen[request]
        ms = {"first": before, "rest": whole - before, "all": whole}[scope] / 1000
        if part == "prefill_wait" and scope != "rest" and request not in led and lead:
            led.add(request)
            ms -= lead / 1000
        ms /= tokens - 1 if per_token and key.endswith("p95") else 1
        sums[part] += ms / total
        if place is not None:
            places[part][place] += ms / total
    return sums, places


PAIRS = (("even_small", "csv_only"), ("vllm_v1_dp2 raw", "vllm_v1_dp2 csv"), ("demo", "pd_ep"))


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_terms_are_plain_means_and_sum_to_the_difference(first: str, second: str, tmp_path: Path) -> None:
    folders = []
    for number, sample in enumerate((first, second)):
        (tmp_path / str(number)).mkdir()
        folders.append(SAMPLES[sample](tmp_path / str(number)))
    comparison, before, after = compared(*folders)
    found = rows_of(comparison)
    assert found.keys() == _ROWS.keys()
    for key, row in found.items():
        assert sum(term.difference for term in row.terms) == pytest.approx(row.difference, abs=1e-9)
        assert sum(term.before for term in row.terms) == pytest.approx(row.before, abs=1e-9)
        assert sum(term.after for term in row.terms) == pytest.approx(row.after, abs=1e-9)
        *parts, left = row.terms
        assert left.part is None
        sizes = [abs(term.difference) for term in parts]
        assert sizes == sorted(sizes, reverse=True)
        means = [plain_means(told, key) for told in (before, after)]
        for term in parts:
            own = [sums.get(str(term.part), 0.0) for sums, _ in means]
            assert [term.before, term.after] == pytest.approx(own, abs=1e-9), (key, term.part)
            assert not term.low > term.difference
            assert not term.high < term.difference
            changes = {
                place: means[1][1][term.part].get(place, 0.0) - means[0][1][term.part].get(place, 0.0)
                for place in {*means[0][1][term.part], *means[1][1][term.part]}
            }
            if changes:
                sign = 1 if sum(changes.values()) >= -1e-12 else -1
                assert changes[term.place] * sign == pytest.approx(max(c * sign for c in changes.values()))
                assert term.where == after.where(term.place)
        # Of a mean nothing is left: every request has its parts.
        if key.endswith("mean"):
            assert left.difference == pytest.approx(0, abs=0.001)


def test_an_earlier_arrival_at_one_domain_is_its_wait_for_prefill(tmp_path: Path) -> None:
    """The requests of dp3 come 200 ms earlier: the mean TTFT grows by their share of it, and nothing else."""
    before = lay_out(tmp_path / "before", *CSV_ONLY)
    after = lay_out(tmp_path / "after", *CSV_ONLY)
    batches = csv.DictReader(io.StringIO((after / "batch.csv").read_text(encoding="utf-8-sig")))
    lists = " ".join(row["res_list"] for row in batches if row["dp_rank"] == "3")
    changed = rows("csv_only/request.csv")
    moved = 0
    for row in changed:
        if f"'{row['http_rid']}'" in lists:
            moved += 1
            text = row["start_datetime"]
            time = datetime.strptime(text[:-7], "%Y-%m-%d %H:%M:%S") - timedelta(milliseconds=200)
            time += timedelta(microseconds=int(text[-6:]))
            row["start_datetime"] = time.strftime("%Y-%m-%d %H:%M:%S:%f")
            for name in ("execution_time(ms)", "queue_wait_time(ms)", "first_token_latency(ms)"):
                row[name] = str(float(row[name]) + 200)
            row["start_time(ms)"] = str(float(row["start_time(ms)"]) - 200)
    write(after, "request.csv", changed)
    comparison, *_ = compared(before, after)
    found = rows_of(comparison)
    for key in ("ttft.mean", "duration.mean"):
        first, *others = found[key].terms
        assert (first.part, first.where) == ("prefill_wait", "dp3")
        assert first.difference == pytest.approx(200 * moved / len(changed), abs=0.002)
        assert found[key].difference == pytest.approx(first.difference, abs=0.002)
        assert max(abs(term.difference) for term in others) < 0.002
        assert "waiting for prefill at dp3" in change_sentence(found[key])
        assert term_rows(found[key])[0][0] == "waiting for prefill"
    assert max(abs(term.difference) for term in found["time_per_output_token.mean"].terms) < 0.002


def test_a_slow_domain_is_what_the_others_wait_for(tmp_path: Path) -> None:
    group = Group(seconds=20)
    before = write_service(tmp_path / "before", group)
    slow = Group(seconds=20, slow={(1, 0): 1.6})
    comparison, told, _ = compared(before, write_service(tmp_path / "after", slow))
    assert told.latency.absent == ""
    terms = {term.part: term for term in rows_of(comparison)["time_per_output_token.mean"].terms}
    assert terms["lockstep"].where == "dp1"
    assert terms["decode"].where == "dp1"
    grown = sorted(terms.values(), key=lambda term: -term.difference)
    assert {grown[0].part, grown[1].part} == {"lockstep", "decode"}
    assert terms["lockstep"].low > 0


def test_a_metric_known_only_where_parts_are_not_has_no_terms(tmp_path: Path) -> None:
    before = lay_out(tmp_path / "before", *CSV_ONLY)
    after = lay_out(tmp_path / "after", *(name for name in CSV_ONLY if "request.csv" not in name))
    changed = rows("csv_only/request.csv")
    for number, row in enumerate(changed):
        row["first_token_latency(ms)" if number % 2 else "execution_time(ms)"] = ""
    write(after, "request.csv", changed)
    for pair in ((before, after), (after, before)):
        comparison, *_ = compared(*pair)
        assert rows_of(comparison).keys() == {"duration.mean", "duration.p95"}
        assert {"ttft.mean"} <= {row.metric.key for row in comparison.rows}


def test_a_side_without_parts_leaves_the_comparison_as_it_is(tmp_path: Path) -> None:
    before = lay_out(tmp_path / "before", *(name for name in CSV_ONLY if "batch" not in name))
    after = lay_out(tmp_path / "after", *CSV_ONLY)
    comparison, told, _ = compared(before, after)
    assert told.latency.absent
    assert rows_of(comparison) == {}
    assert fmean([row.before for row in comparison.rows if row.metric.key == "ttft.mean"]) > 0
