"""Queries in the child, beside plain polars on the same frames, and what hostile ones come to there."""

import contextlib
import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

import lbtui
from lbtui.sources import open_profile
from lbtui.sql import Asked, SqlError, ask, checked
from lbtui.sql.ask import Cancelling
from lbtui.sql.grammar import FRAMES, Query

DEMO = Path(lbtui.__file__).parent / "demo" / "output"
DATA = Path(__file__).parents[1] / "data"


def answer(text, path=DEMO):
    return ask(Asked(checked(text), path)).frame


def error_of(asked, cancelling=None):
    with pytest.raises(SqlError) as failed:
        ask(asked, cancelling)
    assert str(failed.value).isprintable()
    return failed.value.kind, str(failed.value)


@pytest.fixture(scope="module")
def steps():
    return open_profile(DEMO).load("steps").frame


def test_a_group_has_the_mean_that_polars_has(steps):
    found = answer("SELECT dp_rank, avg(batch_size) AS b FROM steps GROUP BY 1 ORDER BY 1")
    wanted = steps.group_by("dp_rank").agg(b=pl.col("batch_size").mean()).sort("dp_rank")
    assert found.equals(wanted)
    assert found.height == 8


def test_a_join_has_the_rows_that_polars_has():
    found = answer(
        "SELECT r.request_id, t.duration AS pull FROM requests r JOIN transfers t "
        "ON r.request_id = t.request_id ORDER BY 1, 2"
    )
    profile = open_profile(DEMO)
    pulls = profile.load("transfers").frame.select("request_id", pull="duration")
    wanted = profile.load("requests").frame.select("request_id").join(pulls, on="request_id")
    assert found.equals(wanted.sort("request_id", "pull"))
    assert found.height > 100


@pytest.mark.parametrize(
    "literal", ["2026-03-02T10:00:50", "2026-03-02 10:00:50", "2026-03-02T10:00:50+08:00"]
)
def test_times_are_of_the_files_zone_with_and_without_it(literal, steps):
    found = answer(f"SELECT count(*) AS n, min(start) AS first FROM steps WHERE start > '{literal}'")
    wanted = steps.filter(pl.col("start") > pl.datetime(2026, 3, 2, 2, 0, 50))
    assert found["n"].item() == wanted.height
    first = found["first"].dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    assert first.item() == wanted["start"].min()


def test_show_tables_lists_all_and_an_empty_result_has_its_columns():
    assert answer("SHOW TABLES")["name"].to_list() == sorted(FRAMES)
    found = answer("SELECT dp_rank, usage FROM kv WHERE usage > 2")
    assert found.schema == {"dp_rank": pl.Int32, "usage": pl.Float64}
    assert found.is_empty()


def test_a_frame_without_rows_is_empty_and_it_is_said_why():
    answered = ask(Asked(checked("SELECT * FROM speculation"), DEMO))
    assert answered.frame.is_empty()
    (note,) = answered.notes
    assert note.startswith("speculation has no rows: ")


def test_a_profile_without_rows_is_unreadable(tmp_path):
    (tmp_path / "batch.csv").write_text("name,res_list,start_datetime,end_datetime,batch_size,batch_type\n")
    kind, _text = error_of(Asked(checked("SELECT * FROM batches"), tmp_path))
    assert kind == "unreadable"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SELECT * FROM stpes", "relation 'stpes' was not found (nearest: steps)"),
        ("SELECT dp_ran FROM steps", 'Did you mean "dp_rank"?'),
        ("SELECT agv(tokens) FROM steps", "unsupported function 'agv' (nearest: avg)"),
        ("SELECT * FROM steps WHERE", "Expected: an expression"),
        ("SELECT " + "(" * 2000 + "1" + ")" * 2000, "recursion limit"),
        ("SELECT * FROM '/etc/*'", "relation '/etc/*' was not found"),
        ('SELECT 1 FROM steps WHERE "\x1b[31m" = 1', "unable to find column"),
    ],
)
def test_a_mistake_gets_what_the_engine_says_and_the_nearest_name(text, said):
    kind, text = error_of(Asked(checked(text), DEMO))
    assert kind == "mistake"
    assert said in text
    assert "Resolved plan" not in text


def test_a_query_of_too_many_parts_ends_the_child_only():
    kind, text = error_of(Asked(checked("SELECT 1" + "+1" * 20_000), DEMO))
    assert kind == "mistake"
    assert "too many parts" in text


# The second wall, with the first taken away on both sides.
OPEN = """
import sys
from lbtui.sql import child
from lbtui.sql.grammar import Query
child.checked = lambda text: Query(text, ("kv",))
child.main()
"""


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM read_csv('{file}')",
        "SELECT * FROM read_csv('{folder}/*.csv')",
        "SELECT * FROM read_csv('http://127.0.0.1:9/x.csv')",
        "SELECT * FROM read_parquet('http://127.0.0.1:9/x')",
        "SELECT * FROM read_csv('/dev/stdin')",
        "SELECT * FROM read_csv('/proc/self/fd/0')",
        "COPY kv TO '{folder}/new.csv'",
    ],
)
def test_what_passed_the_grammar_would_still_open_nothing(text, tmp_path):
    (tmp_path / "secret.csv").write_text("a\nsecret\n")
    written = text.format(file=tmp_path / "secret.csv", folder=tmp_path)
    asked = Asked(Query(written, ()), DEMO)
    child = subprocess.Popen(
        [sys.executable, "-c", OPEN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    with child:
        child.stdin.write(asked.line())
        child.stdin.flush()
        said = child.stdout.read()
    assert json.loads(said.split(b"\n")[0])["error"] in ("mistake", "fault")
    assert b"\nsecret" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["secret.csv"]


def test_a_query_that_needs_more_memory_than_it_may_take_is_told_so():
    text = "SELECT a.tokens, b.domain FROM steps a CROSS JOIN steps b CROSS JOIN steps c"
    asked = replace(Asked(checked(text), DEMO), memory=200 << 20)
    kind, said = error_of(asked)
    assert kind == "memory"
    assert "more memory than the 200 MiB" in said


def test_what_is_cancelled_before_it_begins_ends():
    cancelling = Cancelling()
    cancelling.cancel()
    kind, _text = error_of(Asked(checked("SELECT * FROM steps"), DEMO), cancelling)
    assert kind == "cancelled"


def test_a_folder_that_is_stood_in_gives_no_modules(tmp_path, monkeypatch):
    for name in ("polars", "json", "resource", "lbtui"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('ours')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(Path(lbtui.__file__).parents[1]), *filter(None, sys.path)])
    assert answer("SELECT 1 AS one").rows() == [(1,)]


def command(*arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "lbtui", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def child_of(process):
    """Return the pid of the child, once it works on what it was asked."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        # A thread may end while it is looked at.
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{process.pid}/task").glob("*/children"):
                for found in task.read_text().split():
                    # Polars begins its threads with its first query: the parent has asked, and can kill.
                    names = [name.read_text() for name in Path(f"/proc/{found}/task").glob("*/comm")]
                    if "polars-0\n" in names and b"-c" in Path(f"/proc/{found}/cmdline").read_bytes():
                        return int(found)
        time.sleep(0.001)
    raise AssertionError("no child came")


def is_gone(pid):
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_ctrl_c_ends_the_command_and_kills_its_child():
    with command("--demo", "--sql", "SELECT * FROM steps") as process:
        child = child_of(process)
        os.kill(child, signal.SIGSTOP)  # as one that is busy for ever
        process.send_signal(signal.SIGINT)
        said, complaint = process.communicate(timeout=120)
    assert (process.returncode, said, complaint) == (130, b"", b"")
    assert is_gone(child)


def test_a_command_that_is_killed_leaves_no_child():
    with command("--demo", "--sql", "SELECT * FROM steps") as process:
        child = child_of(process)
        process.kill()
    assert is_gone(child)


def run(*arguments):
    with command(*arguments) as process:
        said, complaint = process.communicate(timeout=600)
    return process.returncode, said.decode(), complaint.decode()


def test_the_command_prints_csv_into_a_pipe_json_or_a_table(steps):
    query = ("--sql", "SELECT domain, start, tokens FROM steps ORDER BY start, domain LIMIT 3")
    code, said, complaint = run(DEMO, *query)
    assert (code, complaint) == (0, "")
    rows = list(csv.DictReader(io.StringIO(said)))
    wanted = steps.sort("start", "domain").head(3)
    assert [row["domain"] for row in rows] == wanted["domain"].to_list()
    assert all(row["start"].endswith("+08:00") for row in rows)
    code, said, _complaint = run(DEMO, *query, "--format", "json")
    assert [row["tokens"] for row in json.loads(said)] == wanted["tokens"].to_list()
    code, said, _complaint = run(DEMO, *query, "--format", "table", "--ascii")
    assert said.splitlines()[0].split() == ["domain", "start", "tokens"]
    assert said.isascii()
    assert said.endswith("(3 rows)\n")


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (("--demo", "--sql", "DROP TABLE steps"), 2, "lbtui: only SELECT, WITH, SHOW TABLES"),
        (("--demo", "--sql", ""), 2, "lbtui: the query is empty."),
        (("--demo", "--sql", "SELECT * FROM nope"), 2, "relation 'nope' was not found"),
        (("/nowhere", "--sql", "SELECT 1"), 3, "/nowhere"),
        (("--demo", "--sql", "SELECT 1", "--json"), 2, "--sql prints that alone"),
        (("--demo", "--sql", "SELECT 1", "--export", "x"), 2, "--sql prints that alone"),
        (("--demo", "--sql", "SELECT 1", "--watch"), 2, "--watch is of the screen"),
        (("--demo", "--sql", "SELECT 1", "--format", "parquet"), 2, "table, csv, json, not parquet"),
        (("--demo", "--export", "x", "--format", "json"), 2, "csv, parquet, not json"),
    ],
)
def test_what_is_wrong_has_its_exit_code_and_one_sentence(arguments, code, why):
    found, said, complaint = run(*arguments)
    assert (found, said) == (code, "")
    assert why in complaint
    assert "Traceback" not in complaint
