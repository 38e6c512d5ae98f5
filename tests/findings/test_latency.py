"""Where the time of requests went, over the recorded samples; and what findings hurt."""

from __future__ import annotations

from ast import literal_eval
from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from lbtui.analysis.latency import Arrangement, arrange
from lbtui.analysis.latency_parts import Lives, Rounds
from lbtui.findings import diagnosis, evidence_of
from lbtui.findings.diagnosis import Diagnosis, diagnose, with_latency
from lbtui.findings.latency import run as module
from lbtui.findings.latency import traced
from lbtui.findings.latency.run import Latency, latency_of
from lbtui.findings.latency.told import Told, hurt_filter
from lbtui.findings.latency.words import missed_sentence, scope_sentence
from lbtui.profile import Loaded, Profile, Unreadable, micros
from lbtui.sources import open_profile
from lbtui.sources.steps import large_forward, streamed
from lbtui.thresholds import Thresholds
from tests.analysis.life_labels import Life
from tests.findings.samples import DEMO, ENGINES, SAMPLES, engine, unpacked
from tests.sources.engines import FORMATS
from tests.sources.recorded import CSV_ONLY, lay_out, rows, write

_OVERLAP = ("old_versions/cann83",)  # times cut to ms: passes end after the next round has begun
_AT_MOST = 12  # requests of each sample that the slow account is made of


def latency(profile: Profile, limits: Thresholds | None = None) -> Latency:
    """Return where the time of a profile's requests went."""
    return latency_of(evidence_of(profile), limits or Thresholds())


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Lives, Rounds, tuple[str, ...]]]:
    """What the lives of requests are cut by, each time that they are."""
    seen: list[tuple[Lives, Rounds, tuple[str, ...]]] = []
    made = module.latency_parts

    def noted(lives: Lives, rounds: Rounds, skewed: Any = ()) -> pl.DataFrame:
        seen.append((lives, rounds, tuple(skewed)))
        return made(lives, rounds, skewed)

    monkeypatch.setattr(module, "latency_parts", noted)
    return seen


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_sample_sums_exactly_and_agrees_with_the_slow_account(
    sample: str, tmp_path: Path, cut: list[tuple[Lives, Rounds, tuple[str, ...]]]
) -> None:
    profile = open_profile(SAMPLES[sample](tmp_path))
    told = latency(profile)
    requests = profile.load("requests").frame
    assert told.absent == ""
    assert told.lives.height + told.cut == requests.height > 0
    sums = told.parts.group_by("request").agg(pl.col("before", "total").sum())
    joined = told.lives.join(sums, on="request", how="left").with_columns(
        pl.col("before", "total").fill_null(0)
    )
    assert (joined["total"] == joined["end"] - joined["begin"]).all()
    first = joined.drop_nulls("first")
    assert (first["before"] == first["first"] - first["begin"]).all()
    assert joined.filter(pl.col("first").is_null())["before"].sum() == 0
    # As exactly as the file has them, the parts are its TTFT and duration.
    own = joined.join(requests.with_row_index("row"), on="row")
    assert ((own["total"] - own["lead"]) / 1000 - own["duration"]).abs().max() <= 0.000_5001
    late = own.drop_nulls("first").filter(pl.col("ttft") <= pl.col("duration"))
    if late.height:
        assert ((late["before"] - late["lead"]) / 1000 - late["ttft"]).abs().max() <= 0.000_5001
    if sample in _OVERLAP:
        return
    ((lives, rounds, skewed),) = cut
    for request in range(0, told.lives.height, -(-told.lives.height // _AT_MOST)):
        rows_of = told.parts.filter(request=request).with_columns(pl.col("part").cast(pl.String))
        parts = {(part, place): (a, b) for _, part, place, a, b in rows_of.iter_rows()}
        assert parts == Life(lives, rounds, request, skewed).sums(), request


def by_id(path: Path) -> dict[str, dict[tuple[str, str | None], int]]:
    """Return the parts of each request, µs."""
    profile = open_profile(path)
    told = latency(profile)
    ids = profile.load("requests").frame.with_row_index("row").select("row", "request_id")
    of = dict(told.lives.join(ids, on="row").select("request", "request_id").iter_rows())
    found: dict[str, dict[tuple[str, str | None], int]] = {}
    for request, part, place, _before, total in told.parts.iter_rows():
        found.setdefault(of[request], {})[part, place] = total
    return found


@pytest.mark.parametrize("run", ENGINES)
def test_raw_and_parsed_tell_the_same_parts(run: str, tmp_path: Path) -> None:
    found = {}
    for source in (*FORMATS, "raw"):
        (tmp_path / source).mkdir()
        found[source] = by_id(engine(run, source)(tmp_path / source))
    for source in FORMATS:
        assert found[source].keys() == found["raw"].keys()
        for rid, parts in found[source].items():
            raw = found["raw"][rid]
            for key in parts.keys() | raw.keys():
                # Tables tell ends, and pulls, to 1 ms, and CSV no dispatch, which is 1 ms ahead.
                assert abs(parts.get(key, 0) - raw.get(key, 0)) <= 1005, (source, rid, key)


def test_csv_database_and_trace_of_one_run_tell_the_same(tmp_path: Path) -> None:
    found = []
    for sample in ("csv_only", "db_only", "trace of mindie_small"):
        (tmp_path / sample).mkdir()
        found.append(by_id(SAMPLES[sample](tmp_path / sample)))
    csv_, db, trace = found
    assert csv_ == db
    assert csv_.keys() == trace.keys()
    for rid, parts in csv_.items():
        for key in parts.keys() | trace[rid].keys():
            assert abs(parts.get(key, 0) - trace[rid].get(key, 0)) <= 1005, (rid, key)


def test_csv_only_by_plain_loops_over_its_files(tmp_path: Path) -> None:
    """Waits, prefills, decodes and hold-ups of each request, straight from batch, forward and request.csv."""
    told = by_id(lay_out(tmp_path, *CSV_ONLY))
    passes = defaultdict(list)
    for row in rows("csv_only/forward.csv"):
        own = (float(row["start_time(ms)"]) * 1000, float(row["end_time(ms)"]) * 1000)
        passes[row["dp_rank"]].append(own)
    # These columns of batch.csv are µs, whatever their names say.
    rounds = defaultdict(list)
    grouped: dict[str, float] = {}
    for row in rows("csv_only/batch.csv"):
        start, end = float(row["start_time(ms)"]), float(row["end_time(ms)"])
        ids = [one["rid"] for one in literal_eval(row["res_list"])]
        if row["name"] == "BatchSchedule":
            for rid in ids:
                grouped[rid] = min(grouped.get(rid, start), start)
        else:
            own = [span for span in passes[row["dp_rank"]] if start <= span[0] < end]
            span = (min(low for low, _ in own), max(high for _, high in own))
            rounds[row["dp_rank"]].append((start, int(row["prefill_batch_size"]) > 0, span, ids))
    assert len(told) == 133
    for row in rows("csv_only/request.csv"):
        rid = row["http_rid"]
        begin = float(row["start_time(ms)"]) * 1000 + int(row["start_datetime"][-3:])
        end = begin + float(row["execution_time(ms)"]) * 1000  # cut to ms, so that a pass may end after it
        (rank,) = [rank for rank, all_ in rounds.items() if any(rid in ids for *_, ids in all_)]
        all_ = sorted(rounds[rank])
        own = [place for place, (*_, ids) in enumerate(all_) if rid in ids]
        expected: dict[str, float] = defaultdict(float)
        expected["prefill_wait"] = max(0.0, grouped[rid] - begin)
        for place in own:
            _start, prefills, (low, high), _ids = all_[place]
            expected["prefill" if prefills else "decode"] += max(0.0, min(high, end) - low)
        for before, after in pairwise(own):
            between = all_[before + 1 : after]
            if all(prefills for _, prefills, _, _ in between):
                expected["held_by_prefills"] += sum(high - low for _, _, (low, high), _ in between)
        for part in ("prefill_wait", "prefill", "decode", "held_by_prefills"):
            mine = sum(total for (name, _place), total in told[rid].items() if name == part)
            assert mine == pytest.approx(expected[part], abs=2 * len(own) + 2), (rid, part)


def told_of(sample: str, folder: Path, **targets: float) -> tuple[Told, Diagnosis]:
    profile = open_profile(SAMPLES[sample](folder))
    limits = Thresholds(targets=targets)
    diagnosis = with_latency(diagnose(profile, None, limits), profile, limits)
    assert diagnosis.told is not None
    return diagnosis.told, diagnosis


def test_mindie_small_waits_for_the_prefill_of_its_full_domain(tmp_path: Path) -> None:
    told, _ = told_of("csv_only", tmp_path)
    assert told.missed is not None
    first = told.missed.shares[0]
    assert (first.part, told.where(str(first.place))) == ("prefill_wait", "dp3")
    assert first.share > 0.5
    assert "waiting for prefill at dp3" in missed_sentence(told)
    waits = next(part for part in told.parts if part.part == "prefill_wait")
    assert str(waits.places[0].place).endswith("dp3")


def test_pd_ep_waits_for_the_first_decode_step(tmp_path: Path) -> None:
    told, _ = told_of("pd_ep", tmp_path)
    waits = next(part for part in told.parts if part.part == "first_decode_wait")
    assert told.where(str(waits.places[0].place)) == "d0/dp2"
    assert waits.places[0].ms > 0.5 * waits.ms


@pytest.mark.parametrize("sample", ["csv_only", "pd_ep", "demo", "vllm_v1_dp2 csv", "mindie_pd_even raw"])
def test_sums_are_those_of_the_requests(sample: str, tmp_path: Path) -> None:
    told, _ = told_of(sample, tmp_path, ttft=50, tpot=30)
    latency = told.latency
    plain: dict[tuple[str, str | None], list[float]] = defaultdict(lambda: [0, 0, 0])
    for _, part, place, before, total in latency.parts.iter_rows():
        for slot, value in enumerate((total / 1000, before / 1000, 1)):
            plain[part, place][slot] += value
    whole = sum(ms for ms, *_ in plain.values())
    assert {(s.part, s.place) for s in told.shares} == plain.keys()
    for share in told.shares:
        ms, before, count = plain[share.part, share.place]
        assert (share.ms, share.before, share.requests) == (pytest.approx(ms), pytest.approx(before), count)
        assert share.share == pytest.approx(ms / whole)
    assert [share.ms for share in told.shares] == sorted((s.ms for s in told.shares), reverse=True)
    for part in told.parts:
        own = [share for share in told.shares if share.part == part.part]
        assert part.places == tuple(own)
        assert part.ms == pytest.approx(sum(share.ms for share in own))
        assert part.share == pytest.approx(sum(share.share for share in own))
        requests = latency.parts.filter(part=part.part)["request"].n_unique()
        assert part.requests == requests <= sum(share.requests for share in own)
    assert told.missed is not None
    missed = told.missed
    answers = told.table["met"].to_list()
    assert (missed.missed, missed.judged) == (answers.count(False), len(answers) - answers.count(None))
    assert sum(share.ms for share in missed.shares) == pytest.approx(missed.beyond)
    # Σ of what is beyond each target, over the requests whose parts are known.
    beyond = 0.0
    known = set(latency.lives["row"])
    for row, one in enumerate(told.table.iter_rows(named=True)):
        if row in known and one["ttft"] is not None:
            beyond += max(0.0, one["ttft"] - 50)
            tpot = one["time_per_output_token"]
            beyond += 0 if tpot is None else max(0.0, tpot - 30) * (one["output_tokens"] - 1)
    assert missed.beyond == pytest.approx(beyond)
    assert missed.explained <= missed.missed


@pytest.mark.parametrize("sample", ["csv_only", "pd_ep", "demo", "vllm_small"])
def test_hurt_are_the_requests_that_the_requests_pane_shows(sample: str, tmp_path: Path) -> None:
    told, diagnosis = told_of(sample, tmp_path, ttft=100, tpot=30)
    domains = evidence_of(open_profile(tmp_path if sample != "demo" else DEMO)).domains
    counted = 0
    for finding in diagnosis.findings:
        words = hurt_filter(finding, domains)
        named = words is not None and (
            not words.startswith("node=")
            or words[5:] in [*told.table["prefill_node"], *told.table["decode_node"]]
        )
        if words is None or not named:
            assert finding.hurt is None
            continue
        window = None if finding.window is None else (micros(finding.window[0]), micros(finding.window[1]))
        shown = arrange(told.table, Arrangement("arrival", False, "ttft", words, window), 4).rows
        answers = told.table["met"].gather(list(shown)).to_list()
        assert (finding.hurt, finding.hurt_beyond) == (len(answers), answers.count(False))
        assert finding.hurt
        counted += 1
    assert counted


@pytest.mark.parametrize(("host", "told"), [("a=b", True), ("x<5", True), ("a dp=x", False), ("a,b", False)])
def test_hosts_whose_name_is_no_word_of_a_filter_hurt_nobody_that_is_told(
    host: str, told: bool, tmp_path: Path
) -> None:
    for name in CSV_ONLY:
        changed = rows(name)
        for row in changed:
            for key in {"prof_id", "hostname", "hostuid"} & row.keys():
                row[key] = row[key].replace("node-a", host)
        write(tmp_path, Path(name).name, changed)
    profile = open_profile(tmp_path)
    diagnosis = with_latency(diagnose(profile, None), profile, Thresholds())
    found = [finding for finding in diagnosis.findings if finding.dimension in ("dp", "kv")]
    assert len(found) == 2
    assert [finding.hurt is not None for finding in found] == [told, told]


def test_requests_that_are_cut_or_in_no_round_are_counted_apart(tmp_path: Path) -> None:
    changed = rows("csv_only/request.csv")
    for row in changed[:3]:
        row["execution_time(ms)"] = ""
    for row in changed[3:5]:
        row["http_rid"] = f"nobody {row['http_rid']}"
    lay_out(tmp_path, *(name for name in CSV_ONLY if "request.csv" not in name))
    write(tmp_path, "request.csv", changed)
    told = latency(open_profile(tmp_path))
    assert (told.cut, told.lives.height, told.unplaced) == (3, 130, 2)
    lost = told.parts.filter(part="not_recorded").join(told.lives, on="request")
    assert lost.filter(pl.col("total") == pl.col("end") - pl.col("begin")).height == 2
    said = scope_sentence(Told(told, pl.DataFrame()))
    assert "130 requests" in said
    assert "3 more are cut by the capture's ends" in said
    assert "no round names 2" in said


@pytest.mark.parametrize(
    ("sample", "why"),
    [
        ("mindie_tp4", "no request is recorded from its arrival to its end"),
        ("old_versions/cann81", "no scheduling round names a request whose begin and end are known"),
    ],
)
def test_what_is_not_known_is_said(sample: str, why: str, tmp_path: Path) -> None:
    profile = open_profile(unpacked(sample, tmp_path))
    told = diagnosis.told_of(profile, Thresholds())
    assert told.latency.absent == why
    assert (told.parts, told.shares, told.missed) == ((), (), None)
    assert scope_sentence(told) == f"Where the time went is not known: {why}."
    assert missed_sentence(told) == ""


def test_the_dispatch_begins_a_life_where_it_is_by_the_same_clock(tmp_path: Path) -> None:
    told, _ = told_of("mindie_pd_even raw", tmp_path)
    assert set(told.latency.lives["lead"]) == {1000}
    ids = told.table["request_id"]

    def by(minutes: int) -> Latency:
        profile = open_profile(tmp_path)
        read = profile.read_request_rounds(ids)
        moved = read.dispatched.with_columns(pl.col("time") + pl.duration(minutes=minutes))
        changed = read.__class__(read.members, read.taken, moved, read.pulls)
        evidence = replace(evidence_of(profile), read_rounds=lambda _ids: changed)
        return module.latency_in(evidence, Thresholds())

    assert set(by(-1).lives["lead"]) == {0}  # a minute ahead of all arrivals: another clock
    assert set(by(1).lives["lead"]) == {0}


@pytest.mark.parametrize("sample", ["csv_only", "vllm_small"])
def test_a_forward_csv_too_large_to_hold_tells_the_same(
    sample: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SAMPLES[sample](tmp_path)
    held = latency(open_profile(tmp_path))
    monkeypatch.setattr(large_forward, "LARGE_FORWARD", 0)
    monkeypatch.setattr(streamed, "MOST_COMPARED", 50)
    profile = open_profile(tmp_path)
    assert evidence_of(profile).are_joined
    found = latency(profile)
    assert found.lives.equals(held.lives)
    assert found.parts.equals(held.parts)


@pytest.mark.parametrize("reading", ["read_request_rounds", "read_request_places"])
def test_what_cannot_be_read_leaves_the_rest(
    reading: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = open_profile(SAMPLES["csv_only"](tmp_path))
    diagnosis = diagnose(profile, None)

    def broken(*_arguments: object) -> None:
        raise Unreadable("batch.csv has changed.")

    monkeypatch.setattr(profile, reading, broken)
    told = with_latency(diagnosis, profile, Thresholds()).told
    assert told is not None
    if reading == "read_request_rounds":
        assert told.latency.absent == "batch.csv has changed"
        assert told.parts == ()
    else:
        assert told.latency.absent == ""
        assert "domain" not in told.table.columns


def test_times_longer_than_any_life_are_unknown(tmp_path: Path) -> None:
    profile = open_profile(SAMPLES["csv_only"](tmp_path))
    evidence = evidence_of(profile)
    number = pl.int_range(pl.len())

    def odd(column: str, *values: float) -> pl.Expr:
        found = pl.col(column)
        for place, value in enumerate(values):
            found = pl.when(number == place).then(value).otherwise(found)
        return found.alias(column)

    lengths = (1e300, float("inf"), float("nan"), -1.0, 9.2e15)
    changed = evidence.frame("requests").with_columns(odd("duration", *lengths))
    changed = changed.with_columns(odd("ttft", *[1.0] * 5, *lengths))
    frames = {**evidence.frames, "requests": Loaded(changed)}
    told = module.latency_in(replace(evidence, frames=frames), Thresholds())
    assert (told.cut, told.lives.height) == (5, 128)
    assert told.lives["first"].null_count() == 4
    sums = told.parts.group_by("request").agg(pl.col("total").sum()).join(told.lives, on="request")
    assert (sums["total"] == sums["end"] - sums["begin"]).all()


def test_more_rounds_than_can_be_held_are_not_taken_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = open_profile(SAMPLES["csv_only"](tmp_path))
    entries = int(profile.load("batches").frame["batch_size"].sum())
    for most, absent in ((entries, False), (entries - 1, True)):
        monkeypatch.setattr(traced, "MOST_ENTRIES", most)
        said = latency(profile).absent
        assert said.startswith(f"requests are in {entries:,} rounds") == absent
