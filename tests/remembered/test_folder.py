"""The files of what is remembered: private, whole, so many, and never a reason to fail."""

import fcntl
import os
import threading

import pytest

from lbtui.remembered import FindingNote, Memory, Remembered
from lbtui.remembered import folder as folders
from tests.remembered.test_model import FULL, note

WHO = "0123456789abcdef"


@pytest.fixture
def memory(tmp_path):
    (tmp_path / "p").mkdir()
    return Memory(tmp_path / "state")


def file_of(tmp_path, who=WHO):
    return tmp_path / "state" / "profiles" / f"{who}.json"


def test_it_is_given_back_and_only_the_user_may_read_it(tmp_path, memory):
    assert memory.recall(WHO).remembered == Remembered()
    assert not (tmp_path / "state").exists()
    assert memory.change(WHO, tmp_path / "p", lambda _known: FULL) == ""
    assert memory.recall(WHO).remembered == FULL
    assert memory.recall("other").remembered == Remembered()
    for path in (tmp_path / "state", tmp_path / "state" / "profiles"):
        assert path.stat().st_mode & 0o777 == 0o700
    for path in (tmp_path / "state" / "profiles").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600


def test_it_is_the_users_own_state_folder(tmp_path):
    (tmp_path / "p").mkdir()
    memory = Memory.of({"XDG_STATE_HOME": str(tmp_path)})
    assert memory is not None
    assert memory.change(WHO, tmp_path / "p", lambda known: known.with_note(note())) == ""
    assert (tmp_path / "lbtui" / "profiles" / f"{WHO}.json").is_file()
    assert Memory.of({}) is None


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff\x00", b'{"lbtui": 1}', b"x" * 70_000])
def test_a_damaged_file_is_one_sentence_and_is_written_anew(tmp_path, memory, data):
    memory.change(WHO, tmp_path / "p", lambda _known: FULL)
    file_of(tmp_path).write_bytes(data)
    found = memory.recall(WHO)
    assert found.remembered == Remembered()
    assert found.problem.startswith("what was remembered of this profile is ignored: ")
    assert str(file_of(tmp_path)) in found.problem
    assert "\n" not in found.problem
    assert memory.change(WHO, tmp_path / "p", lambda known: known.with_note(note())) == ""
    assert memory.recall(WHO).remembered.notes == (note(),)


def test_what_is_no_file_of_the_users_is_not_read(tmp_path, memory):
    memory.change(WHO, tmp_path / "p", lambda _known: FULL)
    file = file_of(tmp_path)
    file.unlink()
    os.mkfifo(file)
    assert "no regular file" in memory.recall(WHO).problem
    file.unlink()
    (tmp_path / "elsewhere").write_bytes(b"{}")
    file.symlink_to(tmp_path / "elsewhere")
    assert memory.recall(WHO).problem
    # A link is replaced, what it leads to stays.
    assert memory.change(WHO, tmp_path / "p", lambda _known: FULL) == ""
    assert (tmp_path / "elsewhere").read_bytes() == b"{}"
    assert not file.is_symlink()


def test_a_file_of_a_later_version_stays(tmp_path, memory):
    memory.change(WHO, tmp_path / "p", lambda _known: FULL)
    file_of(tmp_path).write_bytes(b'{"lbtui": 9}')
    assert "later version" in memory.recall(WHO).problem
    assert "later version" in memory.change(WHO, tmp_path / "p", lambda _known: FULL)
    assert file_of(tmp_path).read_bytes() == b'{"lbtui": 9}'


def test_nothing_is_written_into_the_profile(tmp_path):
    profile = tmp_path / "output"
    profile.mkdir()
    memory = Memory(profile / "state")
    assert "lies in the profile's" in memory.change(WHO, profile, lambda _known: FULL)
    assert list(profile.iterdir()) == []


def test_where_it_cannot_be_written_it_says_why(tmp_path):
    (tmp_path / "state").write_text("a file")
    (tmp_path / "p").mkdir()
    assert Memory(tmp_path / "state").change(WHO, tmp_path / "p", lambda _known: FULL)


def test_the_oldest_profiles_go_first(tmp_path, memory, monkeypatch):
    monkeypatch.setattr(folders, "MOST_PROFILES", 3)
    for number in range(5):
        memory.change(f"{number:x}", tmp_path / "p", lambda _known: FULL)
        if number < 4:
            os.utime(file_of(tmp_path, f"{number:x}"), (number, number))
    left = sorted(path.stem for path in (tmp_path / "state" / "profiles").glob("*.json"))
    assert left == ["2", "3", "4"]


def test_two_at_once_lose_nothing_of_each_other(tmp_path, memory):
    def write(number):
        own = FindingNote(f"dp.n{number}", "{}", None, "x")
        assert memory.change(WHO, tmp_path / "p", lambda known: known.with_note(own)) == ""

    threads = [threading.Thread(target=write, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(memory.recall(WHO).remembered.notes) == 12


def test_a_lock_that_another_keeps_is_not_waited_for_for_ever(tmp_path, memory, monkeypatch):
    monkeypatch.setattr(folders, "_PATIENCE", 0.05)
    memory.change(WHO, tmp_path / "p", lambda _known: FULL)
    with (tmp_path / "state" / "profiles" / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert memory.change(WHO, tmp_path / "p", lambda known: known.fresh()) == ""
    assert memory.recall(WHO).remembered == FULL.fresh()
