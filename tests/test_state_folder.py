"""The state folder: where it is, and that nobody else reads what is kept there."""

import os
import stat

import pytest

from lbtui.state_folder import keep, state_folder


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_it_is_where_the_base_directories_say(tmp_path):
    assert state_folder({"XDG_STATE_HOME": str(tmp_path), "HOME": "/home/me"}) == tmp_path / "lbtui"
    home = tmp_path / "home"
    assert state_folder({"HOME": str(home)}) == home / ".local/state/lbtui"
    # A path that is not absolute counts for none.
    assert state_folder({"XDG_STATE_HOME": "state", "HOME": str(home)}) == home / ".local/state/lbtui"
    assert state_folder({"XDG_STATE_HOME": "state", "HOME": "."}) is None
    assert state_folder({}) is None


def test_what_is_kept_is_private_whatever_the_umask(tmp_path):
    folder = tmp_path / "a" / "b" / "lbtui"
    before = os.umask(0)
    try:
        path = keep(folder, "copied.txt", b"first")
    finally:
        os.umask(before)
    assert (mode(folder), mode(path)) == (0o700, 0o600)
    assert mode(tmp_path / "a") == mode(tmp_path / "a" / "b") == 0o700
    folder.chmod(0o755)
    path.chmod(0o644)
    assert keep(folder, "copied.txt", b"second").read_bytes() == b"second"
    assert (mode(folder), mode(path)) == (0o700, 0o600)
    assert [each.name for each in folder.iterdir()] == ["copied.txt"]


def test_a_link_is_replaced_and_not_followed(tmp_path):
    folder, other = tmp_path / "lbtui", tmp_path / "other"
    folder.mkdir()
    other.write_text("mine")
    (folder / "copied.txt").symlink_to(other)
    path = keep(folder, "copied.txt", b"new")
    assert (path.is_symlink(), path.read_bytes(), other.read_text()) == (False, b"new", "mine")


def test_where_it_cannot_be_kept_it_says_so_and_leaves_nothing(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError):
        keep(tmp_path / "file" / "lbtui", "copied.txt", b"")
    folder = tmp_path / "lbtui"
    (folder / "copied.txt").mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        keep(folder, "copied.txt", b"")
    assert [each.name for each in folder.iterdir()] == ["copied.txt"]
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(OSError, match="another user's"):
        keep(folder, "other.txt", b"")
