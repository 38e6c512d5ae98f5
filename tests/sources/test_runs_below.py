"""Which runs lie below a folder."""

import json
import os
import sqlite3
from contextlib import closing

import pytest

from lbtui.profile import Reading
from lbtui.sources import identity_of, open_one_of_many, open_profile
from lbtui.sources.identity import identity_of_files
from lbtui.sources.runs_below import FoundRun, runs_below
from tests.sources.engines import output_of, raw_of

NS = 1_000_000_000
START = 1_767_225_600 * NS


@pytest.fixture
def base(tmp_path):
    folder = tmp_path / "profiles"
    folder.mkdir()
    return folder.resolve()


def output(folder, *hosts, name="batch.csv"):
    """An output whose first rows name a process of each host."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = "".join(f"1,ms_service_{host}-7\n" for host in hosts)
    (folder / name).write_text(f"batch_id,prof_id\n{rows}")
    return folder


def raw(folder, host="node", pid=7, seconds=(0, 10)):
    """A process of a raw profile, recorded from then to then."""
    folder.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(folder / f"ms_service_{host}-{pid}.db")) as connection:
        connection.execute("CREATE TABLE Mstx (message TEXT, timestamp INTEGER)")
        rows = [("{}", START + int(second * NS)) for second in seconds]
        connection.executemany("INSERT INTO Mstx VALUES (?, ?)", rows)
        connection.commit()
    return folder


def summary(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('{"lbtui_run": 1, "summary": {}, "padding": "' + "x" * 100 + '"}')
    return path


def names(base, **more):
    return sorted(run.name for run in runs_below(base, **more).runs)


def test_what_opens_as_one_profile_is_at_most_one_run(base, tmp_path):
    assert names(base) == []
    assert names(base / "missing") == []
    output(base / "a")
    assert runs_below(base).runs == (FoundRun("a", Reading(base / "a")),)
    raw(base / "prof")
    assert names(base) == ["a"]
    own = output(tmp_path / "own")
    output(own / "below")
    output(own / "other")
    assert runs_below(own).runs == (FoundRun("own", Reading(own)),)
    assert names(own / "batch.csv") == []
    hosts = tmp_path / "hosts"
    for host in ("a", "b"):
        raw(hosts / host / "Trace_Service", host)
    assert runs_below(hosts).runs == (FoundRun("hosts", Reading(hosts, raw=True)),)
    (tmp_path / "dump").mkdir()
    for rank in range(2):
        (tmp_path / "dump" / f"decode_{rank}.csv").write_text("1,2\n")
    assert names(tmp_path / "dump") == []


def test_outputs_raw_profiles_and_summaries_are_runs(base):
    output(base / "a" / "output", "x")
    raw(base / "b" / "host" / "Trace_Service", "host")
    summary(base / "c" / "any.name")
    found = runs_below(base)
    assert found.notes == ()
    assert {run.name: run.reading for run in found.runs} == {
        "a/output": Reading(base / "a" / "output"),
        "b": Reading(base / "b", raw=True),
        "c/any.name": Reading(base / "c" / "any.name"),
    }
    assert [run.file for run in found.runs if run.file] == [base / "c" / "any.name"]
    assert names(base, raw=True) == ["b"]
    assert [run.file for run in runs_below(base / "c" / "any.name").runs] == [base / "c" / "any.name"]


def test_what_lies_in_an_output_or_a_raw_profile_is_no_summary(base):
    summary(output(base / "a", "x") / "kept.json")
    summary(raw(base / "b") / "kept.json")
    summary(base / "c.json")
    (base / "d.json").write_text('{"lbtui": 1' + " " * 100 + "}")
    assert names(base) == ["a", "b", "c.json"]


def test_a_raw_profile_belongs_to_the_output_near_it(base):
    for run in ("one", "two"):
        raw(base / run / "host" / "Trace_Service", "host")
        output(base / run / "output", "host")
        raw(base / f"{run}-below" / "prof")
        output(base / f"{run}-below" / "prof" / "result")
    assert names(base) == ["one-below/prof/result", "one/output", "two-below/prof/result", "two/output"]


def test_names_tell_whose_a_raw_profile_is_before_processes_do(base):
    # Containers: all of the same host and process.
    for run in ("monday", "tuesday", "friday"):
        raw(base / "raw" / run / "host" / "Trace_Service", "host")
    for run in ("monday", "tuesday"):
        output(base / "out" / run, "host")
    assert names(base) == ["out/monday", "out/tuesday", "raw/friday"]


def test_processes_tell_where_names_do_not(base):
    raw(base / "p", "x")
    raw(base / "q", "y", seconds=(1000, 1010))
    output(base / "results", "x")
    assert names(base) == ["q", "results"]


def test_a_raw_profile_of_several_outputs_is_of_each(base):
    for service in ("x", "y"):
        raw(base / "raw" / service, service)
        output(base / "out" / f"of-{service}", service)
    assert names(base) == ["out/of-x", "out/of-y"]
    assert {name: len(files) for name, files in files_beside(base).items()} == {"out/of-x": 2, "out/of-y": 2}
    # In containers processes have the same numbers in each run.
    output(base / "out" / "of-z", "x", "y")
    assert names(base) == ["out/of-x", "out/of-y", "out/of-z", "raw"]


@pytest.mark.parametrize("name", ["batch.csv", "forward.csv"])
def test_an_output_of_another_service_has_no_raw_profile(base, name):
    raw(base / "p", "x")
    output(base / "results", "z", name=name)
    assert names(base) == ["p", "results"]


def test_a_folder_of_something_else_is_not_looked_through(base):
    for number in range(200):
        (base / f"a{number:03d}").write_text("x" * 100)
    summary(base / "b.json")
    assert names(base) == []
    (base / "a000").unlink()
    assert names(base) == ["b.json"]


def test_a_summary_of_a_run_that_lies_here_is_left_out(base):
    output(base / "a é", "x")
    output(base / "b", "y")
    told = {"lbtui_run": 1, "name": "a", "path": str(base / "a é"), "padding": "x" * 100}
    (base / "a.sum").write_text(json.dumps(told))
    (base / "c.sum").write_text(json.dumps({**told, "path": "/elsewhere"}))
    found = runs_below(base)
    assert sorted(run.name for run in found.runs) == ["a é", "b", "c.sum"]
    assert [note.file for note in found.notes] == ["a.sum"]


def files_beside(base):
    return {
        run.name: [str(file.path.relative_to(base)) for file in run.beside] for run in runs_below(base).runs
    }


def test_an_output_is_told_the_files_of_its_raw_profile_and_no_other(base):
    for run in ("one", "two"):
        raw(base / run / "host", "host")
        output(base / run / "output", "host")
    assert files_beside(base) == {
        f"{run}/output": [f"{run}/host/ms_service_host-7.db"] for run in ("one", "two")
    }
    for run in ("raw/three", "raw/four"):
        raw(base / run, "host")
    output(base / "out" / "three", "host")
    found = files_beside(base)
    assert found["out/three"] == ["raw/three/ms_service_host-7.db"]
    assert found["raw/four"] == []


def test_a_run_among_others_is_opened_without_a_look_around(base):
    for run in ("one", "two"):
        raw_of("vllm_v1_dp2", base / run)
        (base / run / "output").mkdir()
        output_of("vllm_v1_dp2", "csv", base / run / "output")
    (found, *_others) = runs_below(base).runs
    profile = open_one_of_many(found.reading, found.beside)
    assert identity_of(profile) == identity_of_files(profile.files, profile.path)
    assert profile.near == (Reading(found.reading.path.parent, raw=True),)
    # As it does by itself, where nothing else lies near.
    assert profile.source.names == open_profile(found.reading.path).source.names
    alone = open_one_of_many(found.reading, ())
    assert alone.near == ()
    assert open_one_of_many(Reading(base / "one", raw=True), ()).near == ()


def test_hosts_that_repeat_are_of_several_runs(base):
    for day in ("monday", "tuesday"):
        for host in ("a", "b"):
            raw(base / "week" / day / host / "Trace_Service", host)
    raw(base / "later" / "c", "c")
    assert names(base) == ["later", "week/monday", "week/tuesday"]
    assert names(base / "week") == ["monday", "tuesday"]
    assert names(base / "week" / "monday") == ["monday"]


def test_recordings_at_one_time_are_of_one_run_unless_of_one_process(base):
    raw(base / "together" / "p", pid=1, seconds=(0, 10))
    raw(base / "together" / "d", pid=2, seconds=(5, 20))
    assert names(base / "together") == ["together"]
    raw(base / "after" / "p", pid=1, seconds=(0, 10))
    raw(base / "after" / "d", pid=2, seconds=(15, 20))
    assert names(base / "after") == ["d", "p"]
    raw(base / "copied" / "p", pid=1, seconds=(0, 10))
    raw(base / "copied" / "d", pid=1, seconds=(0, 10))
    assert names(base / "copied") == ["d", "p"]
    assert len(names(base)) == 5


def test_captures_one_after_the_other_are_runs(base):
    for number in range(3):
        raw(base / "host" / f"capture-{number}", "host", 10 + number, (100 * number, 100 * number + 50))
    assert names(base) == ["host/capture-0", "host/capture-1", "host/capture-2"]
    # Of several hosts no folder holds one capture.
    for number in range(3):
        raw(base / "other" / f"capture-{number}", "other", 20 + number, (100 * number, 100 * number + 50))
    assert names(base) == ["profiles"]


def test_other_hosts_at_another_time_are_another_run(base):
    raw(base / "one" / "3f2a", "3f2a", seconds=(0, 10))
    raw(base / "two" / "77be", "77be", seconds=(20, 30))
    assert names(base) == ["profiles"]
    raw(base / "two" / "77be", "77be", 8, seconds=(5_000, 5_030, 5_040))
    assert names(base) == ["one", "two"]
    (base / "two" / "77be" / "ms_service_77be-8.db").write_bytes(b"x" * 9000)
    assert names(base) == ["profiles"]


TABLES = [
    "CREATE TABLE Mstx (message TEXT, timestamp TEXT)",
    "CREATE TABLE Mstx (timestamp INTEGER PRIMARY KEY) WITHOUT ROWID",
    "CREATE VIEW Mstx AS SELECT 1 AS timestamp",
    "CREATE TABLE slice (id INTEGER)",
    "CREATE TABLE other (timestamp INTEGER)",
]


@pytest.mark.parametrize("table", TABLES)
def test_a_recording_of_no_known_time_tells_nothing(base, table):
    for name, pid in (("p", 1), ("d", 2)):
        (base / name).mkdir()
        with closing(sqlite3.connect(base / name / f"ms_service_node-{pid}.db")) as connection:
            connection.execute(table)
            if "TEXT" in table:
                connection.execute("INSERT INTO Mstx VALUES ('x', 'y')")
            connection.commit()
    assert names(base) == ["d", "p"]


def test_one_of_several_forms_is_shown(base):
    for run in ("a", "b"):
        output(base / run / "csv")
        (base / run / "json").mkdir()
        (base / run / "json" / "chrome_tracing.json").write_text("{}")
    found = runs_below(base)
    assert sorted(run.name for run in found.runs) == ["a/csv", "b/csv"]
    assert [note.text for note in found.notes] == [
        "Of runs that were parsed in several forms one is shown; left out: 2, such as a/json."
    ]
    for number in range(2):
        output(base / "c" / f"output{number}")
    assert len(names(base)) == 4


def test_the_newest_is_first_by_name_or_time(base):
    def aged(name, age):
        for file in output(base / name).iterdir():
            os.utime(file, (age, age))

    for name in ("run2", "run10", "run9"):
        aged(name, 1_000_000_000)
    aged("later", 1_100_000_000)
    aged("2026-03-01_120000", 5)
    aged("bench-20260301-1300", 5)
    aged("20269999", 1)
    assert [run.name for run in runs_below(base).runs] == [
        *("bench-20260301-1300", "2026-03-01_120000", "later", "run10", "run9", "run2", "20269999")
    ]


def test_links_are_not_followed_and_pipes_not_waited_for(base):
    output(base / "a")
    raw(base / "b")
    (base / "link").symlink_to(base / "a", target_is_directory=True)
    (base / "circle").symlink_to(base, target_is_directory=True)
    os.mkfifo(base / "pipe.json")
    output(base / "c")
    os.mkfifo(base / "c" / "run.json")
    (base / "dangling").symlink_to(base / "nowhere")
    found = runs_below(base)
    assert sorted(run.name for run in found.runs) == ["a", "b", "c"]
    assert [note.file for note in found.notes] == ["c/run.json"]
    (base / "to-base").symlink_to(base, target_is_directory=True)
    assert len(runs_below(base / "to-base").runs) == 3


def test_a_folder_that_cannot_be_listed_is_passed_by(base):
    output(base / "a")
    output(base / "b")
    closed = output(base / "closed")
    closed.chmod(0)
    try:
        # Root lists it all the same.
        assert set(names(base)) - {"closed"} == {"a", "b"}
    finally:
        closed.chmod(0o700)


def test_parameters_are_of_a_file_and_of_folders_names(base):
    run = output(base / "dp_policy=rr,p_nodes=2__note=a b+ratio=0.5" / "output")
    output(base / "other")
    (base / "run.json").write_text('{"of": "all"}')
    parameters = {run.name: run.parameters for run in runs_below(base).runs}
    assert parameters[f"{run.parent.name}/output"] == {
        "dp_policy": "rr",
        "p_nodes": 2.0,
        "note": "a",
        "ratio": 0.5,
    }
    assert parameters["other"] == {}
    (run.parent / "run.json").write_text('{"p_nodes": 3, "warm": true, "from": "above"}')
    (run / "run.json").write_text('{"from": "own"}')
    parameters = {run.name: run.parameters for run in runs_below(base).runs}
    assert parameters[f"{run.parent.name}/output"] == {
        "p_nodes": 3.0,
        "warm": True,
        "from": "own",
        "dp_policy": "rr",
        "note": "a",
        "ratio": 0.5,
    }


HOSTILE = {
    "list": "[1, 2]",
    "text": '"x"',
    "cut": '{"a": ',
    "nan": '{"a": NaN}',
    "infinite": '{"a": 1e999}',
    "huge": '{"a": ' + "9" * 400 + "}",
    "hugest": '{"a": ' + "9" * 9000 + "}",
    "null": '{"a": null}',
    "within": '{"a": {"b": 1}}',
    "deep": '{"a": ' + "[" * 20_000 + "]" * 20_000 + "}",
    "long": json.dumps({"a": "x" * 201}),
    "no name": '{"": 1}',
    "many": json.dumps({f"a{number}": number for number in range(65)}),
    "large": '{"a": 1' + " " * (64 << 10) + "}",
}


@pytest.mark.parametrize("content", [*HOSTILE.values(), b"\xff\xfe\x00"], ids=[*HOSTILE, "bytes"])
def test_a_run_json_that_is_none_is_told_and_nothing_else(base, content):
    output(base / "b")
    file = output(base / "a\x1b=1") / "run.json"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    found = runs_below(base)
    assert [run.name for run in found.runs if run.name != "b"] == ["a\x1b=1"]
    (note,) = found.notes
    assert note.file == "a\\x1b=1/run.json"
    assert note.text.startswith("It is no JSON object of at most 64 names")


def test_strange_names_are_names(base):
    for name in (b"\xff\xfe", b"a=\xff", "a=１２".encode(), b"a==,=b,=", b"a=1e5"):
        output(base / os.fsdecode(name))
    assert {run.name: dict(run.parameters) for run in runs_below(base).runs} == {
        "\udcff\udcfe": {},
        "a=\udcff": {"a": "\udcff"},
        "a=１２": {"a": "１２"},
        "a==,=b,=": {"a": "="},
        "a=1e5": {"a": 1e5},
    }


def test_of_one_run_alone_each_form_is_there_to_be_chosen(base):
    for form in ("csv", "db", "json"):
        output(base / form, "node")
    found = runs_below(base)
    assert sorted(run.name for run in found.runs) == ["csv", "db", "json"]
    assert found.notes == ()
