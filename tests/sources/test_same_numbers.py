"""One run parsed with --format csv, db, json and all of them shows the same numbers, frame by frame."""

from dataclasses import dataclass

import polars as pl
import pytest

from tests.sources.recorded import CSV_ONLY, DATA, profile, sentences

FRAMES = {
    "batches": ["prof_id", "start"],
    "steps": ["prof_id", "start"],
    "kv": ["domain", "time", "free_blocks"],
    "queues": ["host", "pid", "time"],
    "requests": ["request_id"],
}
ROWS = {"batches": 853, "steps": 853, "kv": 291, "queues": 340, "requests": 133}
OTHERS = {
    "db_only": ["db_only/profiler.db"],
    "json_only": ["chrome_mindie_small.json"],
    "csv_beside_json": [*CSV_ONLY, "mindie_small/kvcache.csv", "chrome_mindie_small.json"],
    "csv_beside_db": [*CSV_ONLY, "mindie_small/kvcache.csv", "db_only/profiler.db"],
}


@dataclass(frozen=True)
class Within:
    """How far a column may be off, for the reason given, and why."""

    most: float
    why: str


ALLOWED = {
    ("json_only", "steps", "bubble"): Within(0.005 + 1e-9, "forward.csv rounds it to 0.01 ms"),
    ("json_only", "requests", "duration"): Within(1.0, "request.csv cuts start and end to 1 ms each"),
}
# Where a round stands in its file is no number of the run.
NOT_COMPARED = {("json_only", "batches", "row")}


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    folder = tmp_path_factory.mktemp("same")
    runs = {name: profile(folder / name, *files) for name, files in {"csv_only": CSV_ONLY, **OTHERS}.items()}
    return lambda run, frame: runs[run].load(frame)


# A MindIE trace holds no KV values: the test after this one.
COMPARED = [(other, frame) for other in OTHERS for frame in FRAMES if (other, frame) != ("json_only", "kv")]


@pytest.mark.parametrize(("other", "frame"), COMPARED)
def test_other_formats_hold_the_lanes_and_numbers_of_csv(opened, other, frame):
    ours = opened("csv_only", frame).frame.sort(FRAMES[frame])
    theirs = opened(other, frame).frame.sort(FRAMES[frame])
    assert ours.height == theirs.height == ROWS[frame]
    for column in ours.columns:
        if (other, frame, column) in NOT_COMPARED:
            continue
        one, two = ours[column], theirs[column]
        assert one.is_null().to_list() == two.is_null().to_list(), column
        allowed = ALLOWED.get((other, frame, column))
        if allowed:
            assert 0 < (one - two).abs().max() <= allowed.most, (column, allowed.why)
        else:
            # Times too: to the microsecond, which is all that upstream writes.
            assert one.to_list() == two.to_list(), column


def test_a_mindie_trace_alone_says_that_it_holds_no_kv_blocks(opened):
    kv = opened("json_only", "kv")
    assert kv.frame.is_empty()
    assert "KV counters in the trace are all 0" in sentences(kv.notes)


@pytest.mark.parametrize("other", ["db_only", "csv_beside_json", "csv_beside_db"])
def test_trap_08_times_cut_to_seconds_are_recovered_from_the_counters(opened, other):
    times = opened(other, "kv").frame["time"]
    assert (times.dt.microsecond() != 0).sum() > 280
    assert "counters" in opened(other, "kv").provenance[0].precision


def test_trap_08_without_counters_the_precision_is_a_second_and_told(tmp_path):
    kv = profile(tmp_path, *CSV_ONLY, "mindie_small/kvcache.csv").load("kv")
    assert kv.provenance[0].precision == "1 s"
    assert "cut to whole seconds" in sentences(kv.notes)
    assert kv.frame.height == 291
    assert kv.frame["domain"].null_count() == 0


def test_each_format_names_its_own_files(opened):
    def files(run, frame):
        return [(p.file, p.reader, p.rows) for p in opened(run, frame).provenance]

    assert files("csv_only", "steps") == [("forward.csv", "csv", 853), ("batch.csv", "csv", 853)]
    assert files("db_only", "kv") == [("profiler.db:kvcache", "sqlite", 291)]
    assert files("db_only", "queues") == [("profiler.db:slice", "sqlite", 1020)]
    assert files("json_only", "queues") == [("chrome_tracing.json", "trace", 1020)]
    assert files("json_only", "requests") == [("chrome_tracing.json", "trace", 133)]
    assert files("json_only", "nodes") == files("json_only", "transfers") == []


def test_the_run_is_the_recorded_one(opened):
    """The figures of the raw file, by another path, so that equal nonsense would not pass."""
    steps = opened("csv_only", "steps").frame
    assert sorted(steps["domain"].unique()) == [f"node-a/dp{rank}" for rank in range(4)]
    raw = pl.read_csv(DATA / "csv_only/forward.csv")
    assert steps["duration"].sum() == pytest.approx(raw["during_time(ms)"].sum())
    assert steps["batch_size"].sum() == raw["batch_size"].sum()
    assert steps["phase"].value_counts(sort=True).rows() == [("decode", 732), ("prefill", 121)]
    first = steps.sort("start", "prof_id")["start"][0]
    assert str(first) == "2026-01-01 00:00:00.057811"
