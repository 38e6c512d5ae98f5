"""Files that appear together or not at all, whatever lies in their folder or happens to it meanwhile."""

import os
import subprocess
import sys

import pytest

from lbtui.report.together import together
from tests.tools.terminal import PATIENCE


def state(folder):
    return {path.name: (path.is_symlink(), path.is_file() and path.read_text()) for path in folder.iterdir()}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def put(files, *wanted):
    for name in wanted:
        files.write(name, lambda file: file.write(b"new"))


def write_two(folder, *, replace, between=lambda: None):
    with together(folder, replace=replace) as files:
        put(files, "a")
        between()
        put(files, "b")


def test_they_come_when_all_are_written(tmp_path):
    folder = tmp_path / "deep" / "out"
    with together(folder, replace=False) as files:
        put(files, "a", "b")
        assert not (folder / "a").exists()
    assert state(folder) == {"a": (False, "new"), "b": (False, "new")}


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("error", [OSError(28, "full"), KeyboardInterrupt(), ZeroDivisionError()])
def test_an_error_leaves_everything_as_it_was(tmp_path, replace, error):
    (tmp_path / "b").write_text("mine")
    before = state(tmp_path)

    def fail():
        raise error

    with pytest.raises(type(error)):
        write_two(tmp_path, replace=replace, between=fail)
    assert state(tmp_path) == before
    with pytest.raises(type(error)):
        write_two(tmp_path / "x" / "y", replace=replace, between=fail)
    assert state(tmp_path) == before


def test_what_comes_meanwhile_is_not_replaced_and_the_others_go(tmp_path):
    with pytest.raises(FileExistsError):
        write_two(tmp_path, replace=False, between=(tmp_path / "b").mkdir)
    assert names(tmp_path) == ["b"]
    assert (tmp_path / "b").is_dir()


def test_what_cannot_be_put_in_place_brings_back_all_that_was_there(tmp_path, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / name).write_text("mine")
    before, rename = state(tmp_path), os.rename

    def refuse(source, target, **folders):
        if source == target == "b":
            raise OSError(5, "Input/output error")
        rename(source, target, **folders)

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(OSError, match="Input/output"):
        write_two(tmp_path, replace=True)
    assert state(tmp_path) == before


@pytest.mark.parametrize("kind", ["symlink", "dangling", "hard link", "fifo"])
def test_with_replace_a_link_is_replaced_and_what_it_leads_to_stays(tmp_path, kind):
    folder, other = tmp_path / "out", tmp_path / "other"
    folder.mkdir()
    other.write_text("mine")
    place = folder / "a"
    {
        "symlink": lambda: place.symlink_to(other),
        "dangling": lambda: place.symlink_to(tmp_path / "nowhere"),
        "hard link": lambda: place.hardlink_to(other),
        "fifo": lambda: os.mkfifo(place),
    }[kind]()
    with pytest.raises(FileExistsError):
        write_two(folder, replace=False)
    write_two(folder, replace=True)
    assert state(folder) == {"a": (False, "new"), "b": (False, "new")}
    assert other.read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_in_a_files_place_is_never_replaced(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "inner").write_text("mine")
    with pytest.raises(IsADirectoryError):
        write_two(tmp_path, replace=True)
    assert names(tmp_path) == ["b"]
    assert (tmp_path / "b" / "inner").read_text() == "mine"


def test_a_path_that_leads_elsewhere_meanwhile_leads_nothing_there(tmp_path):
    folder, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()

    def swap():
        folder.rename(tmp_path / "moved")
        folder.symlink_to(elsewhere)

    write_two(folder, replace=False, between=swap)
    assert names(elsewhere) == []
    assert names(tmp_path / "moved") == ["a", "b"]


KILLED = """
import sys, time
from pathlib import Path
from lbtui import endings
endings.watch()
from lbtui.report.together import together
with together(Path(sys.argv[1]), replace=True) as files:
    files.write("a", lambda file: file.write(b"new"))
    print("written", flush=True)
    time.sleep(3600)
"""


@pytest.mark.parametrize("number", [1, 2, 15])
def test_a_signal_leaves_everything_as_it_was(tmp_path, number):
    (tmp_path / "a").write_text("mine")
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"written\n"
        assert len(names(tmp_path)) == 2
        os.kill(process.pid, number)
        assert process.wait(PATIENCE) == 128 + number
    assert state(tmp_path) == {"a": (False, "mine")}
