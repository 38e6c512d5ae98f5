"""Files that are written, cut, replaced or gone while a profile is open: told, never mixed, never a crash."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from lbtui.profile import SCHEMAS, Silent, Unreadable
from lbtui.sources import open_profile
from lbtui.sources.snapshot import Snapshot
from lbtui.sources.steps import large_forward
from lbtui.sources.tables import csv_lines
from tests.sources.recorded import CSV_ONLY, lay_out

TOLD = "(changed|was removed) while it was open"


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def grown(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"x,y\n")


def replaced(path: Path) -> None:
    """Put another file of the same size and time there, as `mv` does."""
    other, was = path.with_name("other"), path.stat()
    shutil.copyfile(path, other)
    os.utime(other, ns=(was.st_atime_ns, was.st_mtime_ns))
    other.replace(path)


def rewritten(path: Path) -> None:
    """Write other bytes of the same number into the same file."""
    was = path.stat()
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns + 1))


def gone(path: Path) -> None:
    path.unlink()


def _sentence(change: Callable[[Path], None]) -> str:
    if change is gone:
        return "forward.csv was removed while it was open; R looks for it again."
    return "forward.csv changed while it was open; R reads it again."


WAYS = [truncated, grown, replaced, rewritten, gone]


@pytest.mark.parametrize("change", WAYS)
def test_what_changed_is_refused_and_what_is_there_of_it_stays(tmp_path, change):
    folder = lay_out(tmp_path, *CSV_ONLY)
    opened = open_profile(folder)
    steps = opened.load("steps").frame
    assert steps.height
    change(folder / "forward.csv")
    # KV readings are placed by steps and rounds: those of another forward.csv would be.
    loaded = opened.load("kv")
    assert loaded.frame.is_empty()
    (note,) = loaded.notes
    assert note.text == _sentence(change)
    assert opened.load("steps").frame is steps
    with pytest.raises(Unreadable, match=TOLD):
        opened.requests_of_round("p", 0)


@pytest.mark.parametrize("change", WAYS)
def test_a_zoom_into_a_large_file_never_shows_another(tmp_path, monkeypatch, change):
    monkeypatch.setattr(large_forward, "LARGE_FORWARD", 0)
    folder = lay_out(tmp_path, "mindie_tp4/forward.csv")
    opened = open_profile(folder)
    first = opened.load_domain_steps().frame["start"].min().timestamp() * 1e6
    assert opened.steps_around(int(first), int(first) + 1_000_000).height
    change(folder / "forward.csv")
    for read in (
        lambda: opened.steps_around(int(first), int(first) + 1_000_000),
        opened.read_passes,
        lambda: opened.each_part_of_steps(list),
    ):
        with pytest.raises(Unreadable, match=TOLD):
            read()


@pytest.mark.parametrize("change", WAYS)
def test_a_file_that_changes_while_it_is_read(tmp_path, monkeypatch, change):
    monkeypatch.setattr(csv_lines, "_READ", 8_000)
    folder = lay_out(tmp_path, *CSV_ONLY)

    class Meddling(Silent):
        left = 2

        def wants_more(self, what, done, total):
            if what == "forward.csv":
                self.left -= 1
                if not self.left:
                    change(folder / "forward.csv")
            return True

    loaded = open_profile(folder).load("steps", Meddling())
    assert loaded.frame.is_empty()
    (note,) = loaded.notes
    assert note.text == _sentence(change)


def test_reading_and_links_change_nothing(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a\n1\n")
    link = tmp_path / "link.csv"
    link.symlink_to(path)
    snapshot = Snapshot([path, link, tmp_path / "none"])
    with snapshot.unchanged([path, link, tmp_path / "none", tmp_path / "never looked at"]):
        path.read_text()
    other = tmp_path / "b.csv"
    other.write_text("a\n1\n")
    link.unlink()
    link.symlink_to(other)
    with pytest.raises(Unreadable, match=r"link\.csv changed"), snapshot.unchanged([link]):
        pass


def test_no_file_is_given_to_polars_by_its_path(tmp_path, monkeypatch):
    """Polars maps such a file to count its rows and to stream them: cut short meanwhile, that is SIGBUS."""
    sources = []
    for name in ("scan_csv", "read_csv"):
        real = getattr(pl, name)

        def watched(source, *args, real=real, **kwargs):
            sources.append(source)
            return real(source, *args, **kwargs)

        monkeypatch.setattr(pl, name, watched)
    folder = lay_out(tmp_path, *CSV_ONLY)
    forward = folder / "forward.csv"
    forward.write_bytes(forward.read_bytes().rstrip())  # breaks off
    for large in (1 << 40, 0):
        monkeypatch.setattr(large_forward, "LARGE_FORWARD", large)
        opened = open_profile(folder)
        for name in SCHEMAS:
            opened.load(name)
        opened.load_domain_steps()
        begin = opened.load("steps").frame["start"].min().timestamp() * 1e6
        assert opened.steps_around(int(begin), int(begin) + 1_000_000).height
        round_ = opened.load("batches").frame.row(0, named=True)
        assert opened.requests_of_round(round_["prof_id"], round_["row"])
    assert len(sources) > 20
    assert not [source for source in sources if isinstance(source, str | Path)]
