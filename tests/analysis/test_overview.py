import csv
import math
import shutil
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from lbtui.analysis.lockstep import common_waits
from lbtui.overview.run import identity, overview, overviews
from lbtui.overview.text import size_text
from lbtui.profile import Cancelled, Loaded, Note, Profile, Provenance, SourceFile, empty
from lbtui.sources import open_profile
from tests.tools.frames import Frames

DATA = Path(__file__).parents[1] / "data"
DEMO = Path(__file__).parents[2] / "lbtui" / "demo" / "output"


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def figure(known, metric, formula, **subject):
    found = [
        f
        for f in known.figures()
        if (f.metric, f.formula) == (metric, formula)
        and all(getattr(f.subject, key) == value for key, value in subject.items())
    ]
    assert found, (metric, formula, subject)
    return found[0]


@pytest.fixture(scope="module")
def csv_only():
    return overview(open_profile(DATA / "csv_only"))


@pytest.fixture(scope="module")
def demo():
    return overview(open_profile(DEMO))


def held_batches():
    """Return per dp_rank its (start, end, size) in ms, a batch holding over a bubble no longer than it."""
    held = {}
    for r in rows(DATA / "csv_only" / "forward.csv"):
        held.setdefault(int(r["dp_rank"]), []).append(
            (float(r["start_time(ms)"]), float(r["end_time(ms)"]), int(float(r["batch_size"])))
        )
    for steps in held.values():
        steps.sort()
        for i, (start, end, size) in enumerate(steps[:-1]):
            gap = steps[i + 1][0] - end
            if 0 < gap <= end - start:
                steps[i] = (start, steps[i + 1][0], size)
    return held


def expected_maximum(mean, count):
    """Return E[max] of Poisson numbers by summing its tail, the plain way."""
    total, cumulative, term, k = 0.0, 0.0, math.exp(-mean), 0
    while cumulative < 1 - 1e-12 and k < 500:
        cumulative += term
        total += 1 - min(cumulative, 1.0) ** count
        k += 1
        term *= mean / k
    return total


def test_batch_par_and_chance_are_those_of_the_raw_file(csv_only):
    held = held_batches()
    begin, end = (t / 1000 for t in csv_only.window)
    instants = sorted({begin, end, *(t for steps in held.values() for s, e, _n in steps for t in (s, e))})
    peak = mean = chance = counted = 0.0
    for at, until in pairwise(instants):
        if until > end:
            break
        middle = (at + until) / 2
        loads = [next((n for s, e, n in steps if s <= middle < e), 0) for steps in held.values()]
        if sum(loads) >= len(loads):
            peak += max(loads) * (until - at)
            mean += sum(loads) / len(loads) * (until - at)
            chance += expected_maximum(sum(loads) / len(loads), len(loads)) * (until - at)
            counted += until - at
    found = figure(csv_only, "batch_size", "time_weighted_par")
    assert found.value == pytest.approx(peak / mean, rel=1e-3)
    assert found.chance == pytest.approx(chance / mean, rel=1e-3)
    assert found.time_counted == pytest.approx(counted / (end - begin), abs=1e-3)


def test_dp_is_worst_where_it_was_doubled(csv_only):
    # samples/README: DP 2 gets twice its share from 2.5 s to 5 s after the start.
    worst = figure(csv_only, "batch_size", "time_weighted_par").worst
    assert worst.dp_rank == 2
    seconds = [(t - csv_only.window[0]) / 1e6 for t in (worst.start, worst.end)]
    assert 2 < seconds[0] < 3.5
    assert 4 < seconds[1] < 7


def test_kv_and_waiting_are_worst_on_the_domain_with_few_blocks(csv_only):
    for metric in ("kv_usage", "waiting"):
        assert figure(csv_only, metric, "time_weighted_par").worst.dp_rank == 3
    assert figure(csv_only, "kv_usage", "max").value == 1.0
    waiting = [float(r["waiting"] or 0) for r in rows(DATA / "csv_only" / "request_status.csv")]
    assert figure(csv_only, "waiting", "max").value == max(waiting)


def test_window_spans_the_first_and_last_event_of_the_raw_files(csv_only):
    statuses = [float(r["timestamp(ms)"]) for r in rows(DATA / "csv_only" / "request_status.csv")]
    batches = [float(r["end_time(ms)"]) for r in rows(DATA / "csv_only" / "batch.csv")]
    begin, end = (t / 1000 for t in csv_only.window)
    assert begin == pytest.approx(min(statuses), abs=0.1)
    # batch.csv counts µs in columns named (ms); a request may end a moment after its last batch.
    assert end == pytest.approx(max(batches) / 1000, abs=5)


def test_node_shares_are_those_of_coordinator_csv(demo):
    added = {}
    for r in rows(DEMO / "coordinator.csv"):
        added.setdefault(r["node_type"], {}).setdefault(r["address"], []).append(int(float(r["add_count"])))
    assert sorted(added) == ["decode", "prefill"]
    for role, nodes in added.items():
        totals = {address: sum(counts) for address, counts in nodes.items()}
        most = max(totals, key=totals.get)
        par = figure(demo, "added", "par", role=role)
        assert par.value == pytest.approx(max(totals.values()) * len(totals) / sum(totals.values()))
        assert par.worst.address == most
        share = figure(demo, "added", "share", address=most)
        assert share.value == pytest.approx(totals[most] / sum(totals.values()))


def test_expert_par_is_that_of_the_true_matrices():
    known = overview(open_profile(DATA / "pd_ep_png"))
    truth = [np.load(DATA / "truth" / f"pd_ep_p{period}_by_rank.npy") for period in range(3)]
    pars = [t.max(axis=1) / t.mean(axis=1) for t in truth]
    # From pictures: each share within 1.3/256 of the map's range.
    error = max(1.3 / 256 * float(np.ptp(t)) * t.shape[1] for t in truth)
    mean = figure(known, "rank_load", "mean_layer_par", period=None)
    assert mean.value == pytest.approx(float(np.concatenate(pars).mean()), abs=error)
    worst = figure(known, "rank_load", "max_layer_par")
    period = int(np.argmax([p.max() for p in pars]))
    assert worst.value == pytest.approx(float(pars[period].max()), abs=error)
    layer = int(pars[period].argmax())
    place = worst.subject
    assert (place.period, place.layer, place.rank) == (period, layer, int(truth[period][layer].argmax()))
    line = next(line for line in known.lines if line.key == "ep.rank_load")
    assert int(np.argmax(line.values)) == 3
    assert known.window is None
    (shape,) = known.experts
    assert (shape.periods, shape.layers, shape.ranks, shape.slots_per_rank) == (3, 58, 16, 17)


def test_hand_offs_and_pulls_are_told_by_percentiles_and_their_course(demo):
    def instant(text):
        return pl.Series([text[:19]]).str.to_datetime().dt.timestamp("ms")[0] + int(text[20:])

    done = {r["rid"]: r["prefill_res_time(ms)"] for r in rows(DEMO / "pd_split_communication.csv")}
    pulls = rows(DEMO / "pd_split_kvcache.csv")
    waits = [
        instant(r["start_time"]) - instant(done[r["rid"]]) for r in pulls if len(done.get(r["rid"], "0")) > 1
    ]
    times = [float(r["during_time(ms)"]) for r in pulls]
    for metric, values in (("hand_off_wait", waits), ("pull", times)):
        for formula, q in (("p50", 0.5), ("p95", 0.95)):
            assert figure(demo, metric, formula).value == pytest.approx(float(np.quantile(values, q)))
        (line,) = (each for each in demo.lines if each.key == f"pd.{metric}")
        assert np.nanmax(line.values) == max(values)
        assert line.place.rank is None


def test_step_time_wasted_is_what_domains_wait_for_the_last_of_each_step(csv_only):
    found = csv_only
    (line,) = [line for line in found.lines if line.key == "dp.step_time.wasted"]
    # One by one: a step is what overlaps in time.
    passes = sorted(
        open_profile(DATA / "csv_only").load("steps").frame.select("start", "end", "domain").iter_rows()
    )
    groups, until = [], None
    for start, end, domain in passes:
        if until is None or start >= until:
            groups.append([])
        groups[-1].append((start, end, domain))
        until = end if until is None else max(until, end)
    wait = length = 0.0
    for group in (g for g in groups if len(g) > 1):
        last, first = max(end for _start, end, _domain in group), min(start for start, _end, _domain in group)
        wait += sum((last - end).total_seconds() for _start, end, _domain in group)
        length += len(group) * (last - first).total_seconds()
    (figure,) = line.figures
    assert (figure.metric, figure.formula, figure.unit) == ("step_time.wasted", "wasted_share", "share")
    assert figure.value == pytest.approx(wait / length, rel=1e-6)
    course = [value for value in line.values if not math.isnan(value)]
    assert min(course) <= figure.value <= max(course)
    assert min(course) >= 0
    assert line.headline == f"{100 * figure.value:.2g} % wasted"
    begin, end = found.window
    assert begin <= line.time <= end


def test_domains_that_do_not_step_together_have_no_line_of_waiting():
    start = [datetime(2026, 1, 1) + timedelta(milliseconds=20 * i) for i in range(400)]
    apart = pl.DataFrame(
        {
            "instance": ["svc"] * 800,
            "domain": ["a"] * 400 + ["b"] * 400,
            "start": start + [s + timedelta(milliseconds=9) for s in start],
        }
    ).with_columns(end=pl.col("start") + timedelta(milliseconds=19))
    assert common_waits(apart) is None
    together = apart.filter(pl.col("domain") == "a")
    assert common_waits(together) is None


def test_percentiles_are_those_of_request_csv(demo):
    ttft = pl.read_csv(DEMO / "request.csv", infer_schema_length=None)["first_token_latency(ms)"]
    for formula, q in (("p50", 0.5), ("p95", 0.95)):
        expected = ttft.quantile(q, interpolation="linear")
        assert figure(demo, "ttft", formula).value == pytest.approx(expected)


def test_identity_says_what_the_profile_is(demo):
    text = identity(demo)
    for part in ("6 hosts", "+08:00", "DP 2+8", "P 2", "D 4", "EP 8 ranks × 17 × 58 layers, 3 periods"):
        assert part in text


def test_missing_says_why_and_how(csv_only):
    nodes = next(m for m in csv_only.missing if "coordinator.csv" in m.what)
    assert "Coordinator" in nodes.how_to_collect
    line = next(line for line in csv_only.lines if line.key == "pd.added")
    assert line.values == ()
    assert line.absent


def test_grows_from_names_alone_to_the_whole():
    profile = open_profile(DATA / "csv_only")
    growing = overviews(profile)
    first = next(growing)
    assert not profile.loaded()
    assert {s.status for s in first.sources} == {"waiting"}
    assert all(line.values == () and not line.absent for line in first.lines)
    assert "steps" in first.reading
    *_between, last = growing
    assert last.reading == ""
    assert {s.status for s in last.sources} == {"read"}
    # By their texts: NaN equals nothing. Frames that another pane has loaded change nothing.
    assert repr(last) == repr(overview(profile))


def hand_made(tmp_path, loaders):
    file = SourceFile(tmp_path / "forward.csv", "forward.csv", "csv", 10)
    return Profile(tmp_path, (file,), source=Frames(loaders))


def test_a_frame_that_fails_says_so_and_the_rest_goes_on(tmp_path):
    def fails(progress):
        raise ZeroDivisionError("no such luck\x1b[31m")

    known = overview(hand_made(tmp_path, {"nodes": fails, "steps": lambda _p: Loaded(empty("steps"))}))
    assert any("no such luck" in note.text for note in known.notes)
    assert not any("\x1b" in note.text for note in known.notes)
    assert "no such luck" in next(line for line in known.lines if line.dimension == "pd").absent


def test_cancel_passes_through(tmp_path):
    def cancelled(progress):
        raise Cancelled

    with pytest.raises(Cancelled):
        overview(hand_made(tmp_path, {"nodes": cancelled}))


@pytest.mark.parametrize(
    ("count", "lost", "status"), [(3, False, "read"), (3, True, "partly"), (0, True, "unreadable")]
)
def test_status_of_a_file_follows_its_rows_and_notes(tmp_path, count, lost, status):
    provenance = (Provenance("forward.csv", "csv", "1 µs", count),) if count else ()
    note = Note("forward.csv", "Something is to be minded.", lost)
    profile = hand_made(tmp_path, {"steps": lambda _p: Loaded(empty("steps"), provenance, (note,))})
    (source,) = overview(profile).sources
    assert (source.status, source.rows) == (status, count or None)
    assert source.why == ("" if status == "read" else note.text)


def test_a_file_that_is_no_table_is_unreadable_with_its_sentence(tmp_path):
    for name in ("batch.csv", "request.csv"):
        shutil.copy(DATA / "csv_only" / name, tmp_path)
    (tmp_path / "forward.csv").write_bytes(b"")
    known = overview(open_profile(tmp_path))
    source = next(s for s in known.sources if s.file.path.name == "forward.csv")
    assert source.status == "unreadable"
    assert "forward.csv" in source.why
    assert figure(known, "ttft", "p50").value > 0


@pytest.mark.parametrize(
    ("size", "said"),
    [(0, "0.0 kB"), (4300, "4.3 kB"), (99_900, "99.9 kB"), (100_000, "0.10 MB"), (14_440_000, "14.44 MB")],
)
def test_a_small_file_has_its_size_in_kb(size, said):
    assert size_text(size) == said


def test_a_queue_that_was_always_empty_is_worst_nowhere(tmp_path):
    shutil.copytree(DATA / "csv_only", tmp_path / "output")
    path = tmp_path / "output" / "request_status.csv"
    table = rows(path)
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.DictWriter(file, list(table[0]))
        out.writeheader()
        out.writerows({**row, "waiting": "0"} for row in table)
    waiting = next(
        line for line in overview(open_profile(tmp_path / "output")).lines if line.key == "dp.waiting"
    )
    assert waiting.worst == "0 throughout"
