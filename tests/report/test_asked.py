"""What the screen asks to be written: where, in which form, never over anything, never after a cancel."""

import os
import stat

import polars as pl
import pytest

from lbtui.output import CannotWrite
from lbtui.profile import Cancelled, Silent
from lbtui.report import asked
from lbtui.report.asked import write_export, write_report, write_rows, write_text
from lbtui.sources import open_profile
from tests.tools.screens import QUEUEING as CSV_ONLY

ROWS = pl.DataFrame({"name": ["=1+1", "泳道", None], "n": [1.5, 2.0, None]})


class Cancelling(Silent):
    """Progress of something that the user has cancelled."""

    def advance(self, what, done, total):
        raise Cancelled


def test_a_text_is_written_once_and_it_is_said_where(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert write_text(" a.txt ", "泳道\n", CSV_ONLY) == f"written: {tmp_path}/a.txt"
    assert (tmp_path / "a.txt").read_text("utf-8") == "泳道\n"
    with pytest.raises(CannotWrite, match="exists already"):
        write_text("a.txt", "other", CSV_ONLY)
    assert (tmp_path / "a.txt").read_text("utf-8") == "泳道\n"


def test_nothing_is_written_into_the_profile_s_folder_by_any_way(tmp_path):
    profile = tmp_path / "profile"
    profile.mkdir()
    (tmp_path / "link").symlink_to(profile)
    for name in ("profile/a.txt", "link/a.txt", "profile/../link/a.txt"):
        with pytest.raises(CannotWrite, match="stays as it is"):
            write_text(str(tmp_path / name), "x", profile)
    assert list(profile.iterdir()) == []


def test_rows_are_csv_in_which_nothing_is_executed(tmp_path):
    name = tmp_path / "a.csv"
    said = write_rows(str(name), ROWS, CSV_ONLY, Silent())
    assert said.startswith(f"written: {name}, 3 rows; 1 cells that a spreadsheet")
    assert name.read_text("utf-8") == "name,n\n'=1+1,1.5\n泳道,2.0\n,\n"


def test_what_was_cancelled_is_not_written(tmp_path):
    profile = open_profile(CSV_ONLY)
    for write in (
        lambda name: write_rows(name, ROWS, CSV_ONLY, Cancelling()),
        lambda name: write_report(f"{name}.md", profile, None, None, (), Cancelling()),
        lambda name: write_export(name, "csv", profile, Cancelling()),
    ):
        with pytest.raises(Cancelled):
            write(str(tmp_path / "x"))
    assert list(tmp_path.iterdir()) == []


def test_a_report_needs_a_suffix_that_tells_its_form_before_anything_is_worked_out(tmp_path, monkeypatch):
    monkeypatch.setattr(asked, "worked_out", None)
    profile = open_profile(CSV_ONLY)
    with pytest.raises(CannotWrite, match=r"ends in \.txt, \.md, \.json"):
        write_report(str(tmp_path / "x.html"), profile, None, None, (), Silent())
    (tmp_path / "x.md").touch()
    with pytest.raises(CannotWrite, match="exists already"):
        write_report(str(tmp_path / "x.md"), profile, None, None, (), Silent())
    with pytest.raises(CannotWrite, match="stays as it is"):
        write_report(str(profile.path / "x.md"), profile, None, None, (), Silent())
    monkeypatch.setattr(asked, "refused", lambda form: f"no {form}")
    with pytest.raises(CannotWrite, match="no json"):
        write_report(str(tmp_path / "x.json"), profile, None, None, (), Silent())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_said(tmp_path):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(CannotWrite, match="cannot be written"):
        write_text(str(tmp_path / "a.txt"), "x", CSV_ONLY)


@pytest.mark.parametrize("name", ["", "   ", "\0", "no/such/folder/a.txt"])
def test_a_name_that_cannot_be_is_said(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CannotWrite):
        write_text(name, "x", CSV_ONLY)
