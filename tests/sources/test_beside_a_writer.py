"""Databases that are written to, or were left in the middle: all commits are read, and nothing disturbed."""

import hashlib
import multiprocessing
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import polars as pl
import pytest

from lbtui.profile import Silent, Unreadable
from lbtui.sources import open_profile
from lbtui.sources.tables import beside_writer, database
from tests.sources.engines import raw_of
from tests.sources.recorded import lay_out, state_of
from tests.tools.replay import Replay

# A row is right if its text is that of its number: half a row, or one of two commits, is not.
_ROWS = "SELECT rowid, told FROM t WHERE rowid > ? ORDER BY rowid"
_SPAWN = multiprocessing.get_context("spawn")


def told(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest() * 4


def write_until_told(path: Path, committed, go_on) -> None:
    """Write rows as fast as that goes, one to nine a commit; tell the last of each commit, and faults."""
    connection = sqlite3.connect(path, timeout=0)
    for pragma in ("journal_mode = WAL", "synchronous = OFF"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("CREATE TABLE t (told TEXT)")
    connection.commit()
    number, busy = 0, 0
    while go_on.value:
        rows = number % 9 + 1
        try:
            connection.executemany("INSERT INTO t VALUES (?)", [(told(number + k),) for k in range(rows)])
            connection.commit()
        except sqlite3.OperationalError:
            busy += 1
            continue
        number += rows
        committed[0] = number
    committed[1] = busy
    connection.close()


@pytest.fixture
def writer(tmp_path):
    """Yield the file that a process writes to, its last committed row, and what stops it and tells faults."""
    path = tmp_path / "ms_service_a-1.db"
    committed, go_on = _SPAWN.Array("q", 2), _SPAWN.Value("b", 1)
    process = _SPAWN.Process(target=write_until_told, args=(path, committed, go_on))
    process.start()

    def stop() -> int:
        go_on.value = 0
        process.join()
        return committed[1]

    while not committed[0]:
        process.join(0.01)
        assert process.is_alive()
    yield path, committed, stop
    stop()


def rows_of(path: Path, after: int = 0) -> list[tuple[int, str]]:
    with database.connect(path) as opened:
        return opened.query(_ROWS, pl.Schema([("row", pl.Int64()), ("told", pl.String())]), [after]).rows()


def test_every_commit_is_read_beside_a_writer_that_never_waits(writer):
    path, committed, stop = writer
    names = {f"{path.name}{end}" for end in ("", "-wal", "-shm")}
    seen = 0

    def read(least: int) -> int:
        rows = rows_of(path, seen)
        assert rows == [(number + 1, told(number)) for number in range(seen, seen + len(rows))]
        assert seen + len(rows) >= least, "a commit was missed"
        return seen + len(rows)

    for _reading in range(30):
        seen = read(committed[0])
        assert {file.name for file in path.parent.iterdir()} == names
    assert stop() == 0, "the writer was kept waiting"
    assert [file.name for file in path.parent.iterdir()] == [path.name], "the writer could not tidy up"
    assert read(committed[0]) == committed[0]


HOLD = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("PRAGMA journal_mode = WAL")
db.execute("CREATE TABLE t (told TEXT)")
db.execute("INSERT INTO t VALUES ('the last')")
db.commit()
print("committed", flush=True)
sys.stdin.read()
"""


def test_what_readers_share_with_a_writer_that_rests_is_not_written_to(tmp_path):
    path = tmp_path / "ms_service_a-1.db"
    # In this process SQLite would share its own access to these files.
    resting = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(resting, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        before = state_of(tmp_path)
        assert len(before) == 4
        assert rows_of(path) == [(1, "the last")]
        assert state_of(tmp_path) == before
        process.communicate()


CRASH = """
import os, sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("PRAGMA journal_mode = WAL")
for number in range(3):
    db.execute("CREATE TABLE IF NOT EXISTS t (told INTEGER)")
    db.execute("INSERT INTO t VALUES (?)", (number,))
    db.commit()
    if number == 0:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
os._exit(0)
"""


def killed(folder: Path, *without: str) -> Path:
    """Leave what a writer leaves that is killed after a checkpoint of the first of three commits."""
    path = folder / "ms_service_a-1.db"
    subprocess.run([sys.executable, "-c", CRASH, str(path)], check=True)
    for end in without:
        path.with_name(path.name + end).unlink()
    return path


def numbers(path: Path) -> list[str]:
    return [cell for _row, cell in rows_of(path)]


@pytest.mark.parametrize(
    ("without", "expected"), [((), "012"), (("-shm",), "012"), (("-shm", "-wal"), "0"), (("-wal",), "0")]
)
def test_what_a_killed_writer_left_is_read_as_it_lies(tmp_path, without, expected):
    path = killed(tmp_path, *without)
    before = state_of(tmp_path)
    assert "".join(numbers(path)) == expected
    assert "".join(numbers(path)) == expected
    assert state_of(tmp_path) == before


def test_a_journal_that_is_none_or_of_another_database_adds_nothing(tmp_path):
    path = killed(tmp_path, "-shm", "-wal")
    journal, _shared = beside_writer.beside(path)
    journal.write_bytes(os.urandom(600))
    assert numbers(path) == ["0"]
    assert journal.stat().st_size == 600
    journal.write_bytes(b"")
    assert numbers(path) == ["0"]


def test_an_empty_database_with_a_journal_loses_neither(tmp_path):
    path = killed(tmp_path)
    path.write_bytes(b"")
    before = state_of(tmp_path)
    with database.connect(path) as opened:
        assert opened.tables() == set()
    assert state_of(tmp_path) == before


def test_copies_are_private_renewed_and_bounded(tmp_path, monkeypatch):
    path = killed(tmp_path, "-shm")
    journal, _shared = beside_writer.beside(path)
    place = beside_writer.place_of(path)
    assert place.file != path
    assert place.file.parent.stat().st_mode & 0o077 == 0
    assert beside_writer.place_of(path) == place
    rest = journal.read_bytes()
    journal.write_bytes(rest[: len(rest) // 2])
    assert numbers(path) != ["0", "1", "2"]
    assert not place.file.exists()
    journal.write_bytes(rest)
    monkeypatch.setattr(beside_writer, "_MOST_COPIED", 1000)
    with pytest.raises(Unreadable, match=r"-wal can only be read from a copy, .* wal_checkpoint"):
        rows_of(path)


def test_copies_are_gone_once_lbtui_has_ended(tmp_path):
    path = killed(tmp_path, "-shm")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    profile = tmp_path / "profile"
    profile.mkdir()
    for end in ("", "-wal"):
        shutil.move(f"{path}{end}", profile)
    script = (
        "import sys; from pathlib import Path; from lbtui.sources.tables.beside_writer import place_of;"
        "print(place_of(Path(sys.argv[1])).file); from lbtui import endings; eval(sys.argv[2])"
    )
    for ending in ("None", "endings.leave(0)"):
        done = subprocess.run(
            [sys.executable, "-c", script, str(profile / path.name), ending],
            env={**os.environ, "TMPDIR": str(temporary)},
            check=True,
            capture_output=True,
            text=True,
        )
        assert done.stdout.startswith(str(temporary))
        assert list(temporary.iterdir()) == []


def test_no_copy_is_made_in_the_profiles_folder(tmp_path, monkeypatch):
    path = killed(tmp_path, "-shm")
    before = state_of(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(beside_writer, "_copies", beside_writer._Copies())
    with pytest.raises(Unreadable, match="set TMPDIR"):
        rows_of(path)
    assert state_of(tmp_path) == before


def test_what_is_written_to_while_it_is_read_is_refused(tmp_path):
    path = killed(tmp_path, "-shm", "-wal")
    torn = pytest.raises(Unreadable, match="written to while it was read")
    with torn, database.connect(path) as opened:
        opened.tables()
        path.write_bytes(path.read_bytes() + b"x" * 4096)


def test_rows_in_the_journal_of_an_interrupted_parser_are_read(tmp_path):
    path = lay_out(tmp_path, "db_only/profiler.db") / "profiler.db"
    known = open_profile(tmp_path).load("batches", Silent()).frame.height
    aside = tmp_path / "aside.db"
    shutil.copy(path, aside)
    held = sqlite3.connect(aside)
    held.execute("DELETE FROM batch WHERE rowid IN (SELECT rowid FROM batch ORDER BY rowid DESC LIMIT 5)")
    held.commit()
    shutil.copy(f"{aside}-wal", f"{path}-wal")
    held.close()
    aside.unlink()
    profile = open_profile(tmp_path)
    assert profile.load("batches", Silent()).frame.height < known
    assert profile.notes == ()


def test_a_profile_that_is_being_recorded_is_that_of_its_opening(tmp_path):
    recorded = raw_of("vllm_v1_dp2", tmp_path / "recorded")
    replay = Replay(recorded, tmp_path / "live")
    replay.to(0.5)
    first, alone = (open_profile(tmp_path / "live") for _reading in range(2))
    read = {name: first.load(name).frame for name in ("batches", "steps")}
    known = {name: alone.load(name).frame for name in ("batches", "kv")}
    replay.to(1.0)
    # What is read first tells how far: the other frames go no further.
    assert known["kv"].equals(first.load("kv").frame)
    assert known["batches"].equals(read["batches"])
    assert first.load("kv").notes == ()
    whole, expected = open_profile(tmp_path / "live"), open_profile(recorded)
    for name in ("batches", "steps", "kv", "requests", "queues"):
        assert whole.load(name).frame.equals(expected.load(name).frame)
    assert whole.load("kv").frame.height > known["kv"].height
    replay.close()
