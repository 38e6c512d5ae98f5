"""A profile as a whole: what is broken is told, nothing is read twice, and nothing is written."""

import json
import shutil
import sqlite3
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lbtui
from lbtui.profile import SCHEMAS, Cancelled, Silent, Unreadable
from lbtui.sources import open_profile, store
from lbtui.sources.canonical import nodes
from lbtui.sources.res_list import parse_res_list
from lbtui.sources.tables import csv_file, database
from lbtui.sources.trace import read as trace
from tests.sources.made import Service, write
from tests.sources.recorded import CSV_ONLY, DATA, content, lay_out, profile, sentences, state_of

DEMO = Path(lbtui.__file__).parent / "demo" / "output"
SAMPLES = {
    "csv_only": CSV_ONLY,
    "db_only": ["db_only/profiler.db"],
    "json_only": ["chrome_mindie_small.json"],
    "mindie_small": [
        *CSV_ONLY,
        "mindie_small/kvcache.csv",
        "db_only/profiler.db",
        "chrome_mindie_small.json",
    ],
    "mindie_tp4": [f"mindie_tp4/{name}.csv" for name in ("forward", "batch", "request_status")],
    "vllm_small": [
        f"vllm_small/{n}.csv" for n in ("forward", "batch", "kvcache", "request", "request_status")
    ],
    "pd_ep": [
        *(f"pd_ep/{n}.csv" for n in ("batch", "kvcache", "coordinator", "request")),
        "chrome_pd_ep_cut.json",
        "pd_ep/pd_split_kvcache.csv",
        "pd_ep/pd_split_communication.csv",
        *(f"pd_ep_png/{path.name}" for path in sorted((DATA / "pd_ep_png").glob("*_0_*.png"))),
    ],
}


def load_all(opened):
    return {name: opened.load(name) for name in SCHEMAS}


def all_notes(opened):
    loaded = load_all(opened)
    return sentences([*opened.notes, *(note for kept in loaded.values() for note in kept.notes)])


@pytest.mark.parametrize("sample", [*SAMPLES, "demo"])
def test_every_frame_has_its_schema_and_no_byte_beside_it_changes(tmp_path, sample):
    folder = tmp_path / "output"
    if sample == "demo":
        shutil.copytree(DEMO, folder)
    else:
        lay_out(folder, *SAMPLES[sample])
    before = state_of(folder)
    opened = open_profile(folder)
    for name, loaded in load_all(opened).items():
        assert loaded.frame.schema == SCHEMAS[name]
        assert all(p.rows > 0 and p.precision for p in loaded.provenance)
        if loaded.frame.height:
            assert loaded.provenance
    first = opened.load("batches").frame.row(0, named=True)
    assert len(opened.requests_of_round(first["prof_id"], first["row"])) == first["batch_size"]
    assert state_of(folder) == before


@pytest.mark.parametrize("sample", ["csv_only", "db_only", "json_only", "vllm_small"])
def test_the_requests_of_every_round_are_those_of_its_res_list(tmp_path, sample):
    opened = profile(tmp_path, *SAMPLES[sample])
    for batch in opened.load("batches").frame.gather_every(41).iter_rows(named=True):
        requests = opened.requests_of_round(batch["prof_id"], batch["row"])
        assert len(requests) == batch["batch_size"]
        if batch["tokens"] is not None:
            assert sum(request.tokens or 0 for request in requests) == batch["tokens"]


def test_rounds_name_the_same_requests_in_all_formats(tmp_path):
    def rounds(sample):
        opened = profile(tmp_path / sample, *SAMPLES[sample])
        frame = opened.load("batches").frame.sort("start", "prof_id").gather_every(50)
        return [opened.requests_of_round(row["prof_id"], row["row"]) for row in frame.iter_rows(named=True)]

    by_csv = rounds("csv_only")
    assert by_csv == rounds("db_only") == rounds("json_only")
    raw = content("csv_only/batch.csv").decode().splitlines()[2].split('"')[1]
    assert by_csv[0] == parse_res_list(raw).requests


def shift_csv(folder):
    path = folder / "batch.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], *lines[3:]]))


def shift_db(folder):
    connection = sqlite3.connect(folder / "profiler.db")
    connection.execute('UPDATE batch SET "start_time(ms)" = "start_time(ms)" + 5')
    connection.commit()
    connection.close()


def shift_trace(folder):
    path = folder / "chrome_tracing.json"
    path.write_text(path.read_text().replace('"ts": 17672256', '"ts": 17672257'))


def remove_all(folder):
    for path in folder.iterdir():
        path.unlink()


@pytest.mark.parametrize(
    ("sample", "change"),
    [
        ("csv_only", shift_csv),
        ("db_only", shift_db),
        ("json_only", shift_trace),
        *((sample, remove_all) for sample in ("csv_only", "db_only", "json_only")),
    ],
)
def test_a_round_whose_file_was_written_anew_is_refused_with_a_sentence(tmp_path, sample, change):
    opened = profile(tmp_path, *SAMPLES[sample])
    batch = opened.load("batches").frame.row(100, named=True)
    assert opened.requests_of_round(batch["prof_id"], batch["row"])
    change(tmp_path)
    with pytest.raises(Unreadable, match=r"changed|removed|no event at"):
        opened.requests_of_round(batch["prof_id"], batch["row"])


def test_a_round_that_never_was_is_refused(tmp_path):
    opened = profile(tmp_path, *SAMPLES["csv_only"])
    batch = opened.load("batches").frame.row(0, named=True)
    for prof_id, row in [("ms_service_x-1", batch["row"]), (batch["prof_id"], 10**6), (batch["prof_id"], -1)]:
        with pytest.raises(Unreadable):
            opened.requests_of_round(prof_id, row)


BROKEN = {
    "zero bytes": b"",
    "header only": b"a,b,c\n",
    "zeros": b"\0" * 5000,
    "binary": bytes(range(256)) * 50,
    "words": b"this is no table\n" * 10,
    "open quote": b'name,prof_id,start_time(ms),end_time(ms)\n"x,y\n',
}


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize(
    "name", ["batch.csv", "forward.csv", "kvcache.csv", "request.csv", "request_status.csv"]
)
def test_one_broken_file_is_told_and_the_others_are_shown(tmp_path, name, broken):
    folder = lay_out(tmp_path, *CSV_ONLY)
    (folder / name).write_bytes(BROKEN[broken])
    opened = open_profile(folder)
    loaded = load_all(opened)
    assert f"{name}: " in all_notes(opened)
    assert any(note.lost for kept in loaded.values() for note in kept.notes)
    shown = {frame for frame, kept in loaded.items() if kept.frame.height}
    alone = {
        "batch.csv": {"steps", "queues", "requests"},
        "forward.csv": {"batches", "steps", "kv", "queues", "requests"},
        "kvcache.csv": {"batches", "steps", "queues", "requests"},
        "request.csv": {"batches", "steps", "kv", "queues"},
        "request_status.csv": {"batches", "steps", "kv", "requests"},
    }
    assert shown == alone[name]


@pytest.mark.parametrize("name", ["profiler.db", "chrome_tracing.json", "coordinator.csv", "ep_balance.csv"])
@pytest.mark.parametrize("broken", BROKEN)
def test_broken_files_of_other_kinds_are_told_and_the_tables_are_shown(tmp_path, name, broken):
    folder = lay_out(tmp_path, *CSV_ONLY)
    (folder / name).write_bytes(BROKEN[broken])
    opened = open_profile(folder)
    assert opened.load("steps").frame.height == 853
    # An empty file is a database without tables to SQLite.
    if (name, broken) != ("profiler.db", "zero bytes"):
        assert f"{name}: " in all_notes(opened)


def test_a_database_cut_short_shows_what_the_csvs_hold(tmp_path):
    folder = lay_out(tmp_path, *CSV_ONLY, "db_only/profiler.db")
    whole = (folder / "profiler.db").read_bytes()
    for size in (100, 5000, len(whole) // 2, len(whole) - 4096):
        (folder / "profiler.db").write_bytes(whole[:size])
        assert load_all(open_profile(folder))["steps"].frame.height == 853


def test_a_loader_that_gives_up_is_told_and_the_other_frames_are_shown(tmp_path, monkeypatch):
    def give_up(*_args):
        raise Unreadable("coordinator.csv is no good.")

    monkeypatch.setattr(nodes, "load_nodes", give_up)
    opened = profile(tmp_path, *CSV_ONLY, "pd_ep/coordinator.csv")
    assert opened.load("nodes").frame.is_empty()
    assert sentences(opened.load("nodes").notes) == "nodes: coordinator.csv is no good."
    assert opened.load("steps").frame.height == 853


def test_only_broken_files_are_unreadable_with_their_sentence(tmp_path):
    (tmp_path / "profiler.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(Unreadable, match="cannot be read as an SQLite database"):
        open_profile(tmp_path)


def test_files_that_vanish_after_opening_are_told(tmp_path):
    folder = lay_out(tmp_path, *SAMPLES["pd_ep"])
    opened = open_profile(folder)
    for path in folder.iterdir():
        path.unlink()
    assert not any(kept.frame.height for kept in load_all(opened).values())
    assert "batch.csv was removed while it was open" in all_notes(opened)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_no_damage_to_any_file_raises(tmp_path, data):
    sample = data.draw(st.sampled_from(["small", "vllm_small"]))
    folder = tmp_path / sample
    shutil.rmtree(folder, ignore_errors=True)
    if sample == "small":
        write(
            folder,
            Service("n-a-b", 10, (11, 12), 0, 0, (1, 2, 3)),
            Service("n-a-c", 10, (13,), 0, None, (4, 2, 9)),
        )
        (folder / "profiler.db").write_bytes(b"")
    else:
        lay_out(folder, *SAMPLES[sample])
    for path in sorted(folder.iterdir()):
        body = bytearray(path.read_bytes())
        for _hit in range(data.draw(st.integers(0, 4))):
            at = data.draw(st.integers(0, len(body)))
            body[at : at + data.draw(st.integers(0, 40))] = data.draw(
                st.one_of(
                    st.binary(max_size=8), st.sampled_from([b'"', b"\n", b",", b"9" * 30, b"-1e308", b"nan"])
                )
            )
        path.write_bytes(bytes(body))
    try:
        opened = open_profile(folder)
    except Unreadable:
        return
    for name, loaded in load_all(opened).items():
        assert loaded.frame.schema == SCHEMAS[name]


def count_calls(monkeypatch, module, name, calls):
    original = getattr(module, name)

    def counted(*args, **kwargs):
        calls.append((name, *(str(part) for part in args[:2] if isinstance(part, Path | str))))
        return original(*args, **kwargs)

    monkeypatch.setattr(module, name, counted)


@pytest.mark.parametrize("sample", ["csv_only", "db_only", "json_only", "mindie_small"])
def test_threads_that_load_at_once_read_each_table_once(tmp_path, monkeypatch, sample):
    calls = []
    count_calls(monkeypatch, csv_file, "read_csv", calls)
    count_calls(monkeypatch, database, "read_table", calls)
    count_calls(monkeypatch, trace, "read_trace", calls)
    opened = profile(tmp_path, *SAMPLES[sample])
    ready = threading.Barrier(len(SCHEMAS))
    failed = []

    def load(name):
        ready.wait()
        try:
            opened.load(name)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=load, args=(name,)) for name in SCHEMAS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    # batch is read a second time for its request ids, which are not kept, and request for its count.
    twice = [call for call in set(calls) if calls.count(call) > 1]
    assert {Path(call[1]).name if call[0] == "read_csv" else call[-1] for call in twice} <= {
        "batch.csv",
        "batch",
    }
    reference = profile(tmp_path / "again", *SAMPLES[sample])
    for name in SCHEMAS:
        assert opened.load(name).frame.equals(reference.load(name).frame), name


def test_a_cancelled_load_starts_again_and_leaves_nothing_half_read(tmp_path):
    class After(Silent):
        def __init__(self, calls):
            self.left = calls

        def advance(self, what, done, total):
            self.left -= 1
            if self.left < 0:
                raise Cancelled

    for sample in ("csv_only", "db_only", "json_only"):
        opened = profile(tmp_path / sample, *SAMPLES[sample])
        whole = load_all(profile(tmp_path / f"{sample}2", *SAMPLES[sample]))
        for name in SCHEMAS:
            for calls in range(4):
                try:
                    opened.load(name, After(calls))
                    break
                except Cancelled:
                    continue
            assert opened.load(name, Silent()).frame.equals(whole[name].frame), (sample, name)


def test_the_first_cancel_is_heard(tmp_path):
    class Never(Silent):
        def advance(self, what, done, total):
            raise Cancelled

    for sample, frame in [
        ("csv_only", "steps"),
        ("db_only", "steps"),
        ("json_only", "steps"),
        ("db_only", "queues"),
    ]:
        with pytest.raises(Cancelled):
            profile(tmp_path / sample, *SAMPLES[sample]).load(frame, Never())


@pytest.fixture
def large_trace(tmp_path, monkeypatch):
    """Any trace counts as large; a second reading of it would be noticed."""
    monkeypatch.setattr(store, "LARGE_TRACE", 1000)
    calls = []
    count_calls(monkeypatch, trace, "read_trace", calls)
    return calls


@pytest.mark.parametrize("frame", ["nodes", "handoffs", "transfers", "requests", "queues"])
@pytest.mark.parametrize("tables", ["csv", "db"])
def test_a_large_trace_beside_tables_is_not_read_for_small_frames_and_told(
    tmp_path, large_trace, frame, tables
):
    files = ["csv_only/batch.csv", "csv_only/forward.csv"] if tables == "csv" else ["db_only/profiler.db"]
    opened = profile(tmp_path, *files, "chrome_pd_ep_cut.json")
    loaded = opened.load(frame)
    if (tables, frame) in [("db", "requests"), ("db", "queues")]:
        assert loaded.frame.height > 0
    else:
        assert loaded.frame.is_empty()
        assert "MB and was not searched for what the tables beside it lack" in sentences(loaded.notes)
    assert large_trace == []


def test_a_large_trace_is_read_where_the_scheduling_is_in_no_table(tmp_path, large_trace):
    opened = profile(tmp_path, "csv_only/request.csv", "chrome_mindie_small.json")
    assert opened.load("queues").frame.height == 340
    assert opened.load("steps").frame.height == 853
    assert len(large_trace) == 1


def test_an_unreadable_trace_is_tried_once(tmp_path, monkeypatch):
    calls = []
    count_calls(monkeypatch, trace, "read_trace", calls)
    (tmp_path / "chrome_tracing.json").write_text("no trace")
    opened = open_profile(tmp_path)
    load_all(opened)
    assert len(calls) == 1


def test_trap_11_and_20_batches_and_ranks_do_not_come_from_batch_exec_or_labels(tmp_path):
    """vLLM's batch_exec collapses to one batch, and labels give a dp only to processes that have one."""
    folder = lay_out(tmp_path, "db_only/profiler.db")
    connection = sqlite3.connect(folder / "profiler.db")
    connection.execute(
        "CREATE TABLE batch_exec (batch_id INTEGER, event TEXT, pid INTEGER, start REAL, end REAL)"
    )
    connection.execute("INSERT INTO batch_exec VALUES (1, 'Execute', 1, 1, 2)")
    labels = dict(connection.execute("SELECT pid, label FROM process").fetchall())
    connection.commit()
    connection.close()
    steps = open_profile(folder).load("steps").frame
    assert steps.height == open_profile(folder).load("batches").frame.height == 853
    cards = {prof_id.rpartition("-")[2] for prof_id in steps["prof_id"]}
    assert {labels[card] for card in cards} == {"node-a"}, "the workers' labels tell no rank"
    assert sorted(steps["dp_rank"].unique()) == [0, 1, 2, 3]


def test_trap_20_in_a_trace_the_forward_passes_own_rank_counts_where_the_label_has_none(tmp_path):
    events = json.loads(content("chrome_mindie_small.json"))
    labels = {e["pid"]: e["args"]["labels"] for e in events if e["name"] == "process_labels"}
    passes = [event for event in events if event["name"] == "forward"]
    assert {labels[event["pid"]] for event in passes} == {"node-a"}
    (tmp_path / "chrome_tracing.json").write_text(
        json.dumps([*passes, *(e for e in events if e["ph"] == "M")])
    )
    steps = open_profile(tmp_path).load("steps").frame
    assert sorted(steps["domain"].unique()) == [f"node-a/dp{rank}" for rank in range(4)]


def test_trap_01_running_is_carried_over_bins_without_events(tmp_path):
    """10.20.1.13 at 08:00:35 is written 0 and was 4."""
    nodes = profile(tmp_path, "pd_ep/coordinator.csv").load("nodes")
    wrong = nodes.frame.filter(nodes.frame["running"] != nodes.frame["running_written"])
    assert wrong.height == 7
    at = nodes.frame.filter(
        nodes.frame["address"].str.starts_with("10.20.1.13")
        & (nodes.frame["time"].dt.strftime("%H:%M:%S") == "00:00:35")
    )
    assert at.select("running", "running_written").rows() == [(4, 0)]


def test_what_is_missing_is_said_with_how_to_collect_it(tmp_path):
    opened = profile(tmp_path, *CSV_ONLY)
    load_all(opened)
    missing = {missing.what.partition("(")[2].rstrip(")") for missing in opened.missing()}
    assert {"coordinator.csv", "pd_split_kvcache.csv", "ep_balance.csv"} <= missing
    assert "forward.csv" not in missing
