import os
from pathlib import Path

import pytest

from lbtui.profile import Unreadable
from lbtui.sources import SeveralOutputs, discover, open_profile
from lbtui.sources.discover import find_output
from tests.sources.recorded import CSV_ONLY, DATA, lay_out, sentences

ROOT = os.geteuid() == 0


@pytest.mark.parametrize("below", ["", "..", "../..", "forward.csv", "request.csv"])
def test_the_folder_a_parent_or_a_file_of_it_name_the_same_output(tmp_path, below):
    folder = lay_out(tmp_path / "run" / "output", *CSV_ONLY)
    output = find_output(folder / below)
    assert output.folder == folder.resolve()
    assert set(output.csv) == {"batch", "forward", "kvcache", "request", "request_status"}
    assert {file.path.name: file.size for file in output.files} == {
        Path(name).name: (DATA / name).stat().st_size for name in CSV_ONLY
    }


def test_a_link_to_the_folder_names_it(tmp_path):
    lay_out(tmp_path / "output", "csv_only/request.csv")
    (tmp_path / "latest").symlink_to("output")
    assert find_output(tmp_path / "latest").folder == (tmp_path / "output").resolve()


def test_several_outputs_below_a_path_are_a_choice(tmp_path):
    folders = [lay_out(tmp_path / name, "csv_only/request.csv") for name in ("b", "a/deep/output")]
    with pytest.raises(SeveralOutputs, match="2 parsed outputs") as raised:
        find_output(tmp_path)
    assert raised.value.folders == sorted(f.resolve() for f in folders)


def test_what_holds_no_output_is_said_in_a_sentence(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "ep_balance.png").write_bytes(b"x")
    with pytest.raises(Unreadable, match="holds no parsed output"):
        find_output(tmp_path)
    with pytest.raises(Unreadable, match="is no file of a parsed output"):
        find_output(tmp_path / "notes.txt")


@pytest.mark.parametrize(
    "path", ["missing", "missing/forward.csv", "file/forward.csv", "x" * 5000, "loop", "loop/x"]
)
def test_no_such_path_is_said_in_a_sentence(tmp_path, path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(Unreadable, match=r"does not exist|cannot be opened"):
        find_output(tmp_path / path)


def test_loops_of_folders_are_not_walked(tmp_path):
    folder = lay_out(tmp_path / "a" / "output", "csv_only/request.csv")
    (tmp_path / "a" / "again").symlink_to("..")
    assert find_output(tmp_path).folder == folder.resolve()


def test_what_only_bears_the_name_of_a_table_is_left_out_and_told(tmp_path):
    folder = lay_out(tmp_path, *CSV_ONLY)
    (folder / "batch.csv").unlink()
    (folder / "batch.csv").mkdir()
    (folder / "forward.csv").unlink()
    os.mkfifo(folder / "forward.csv")
    (folder / "kvcache.csv").unlink()
    (folder / "kvcache.csv").symlink_to("kvcache.csv")
    (folder / "coordinator.csv").symlink_to("gone.csv")
    profile = open_profile(folder)  # must not wait for the pipe
    assert [file.kind for file in profile.files] == ["request.csv", "request_status.csv"]
    told = {note.file for note in profile.notes if "no regular file" in note.text}
    assert told == {"batch.csv", "forward.csv", "kvcache.csv", "coordinator.csv"}
    assert profile.load("requests").frame.height == 133
    with pytest.raises(Unreadable, match="is no file of a parsed output"):
        find_output(folder / "forward.csv")


def test_a_folder_named_like_a_table_is_a_folder(tmp_path):
    folder = lay_out(tmp_path / "batch.csv", "csv_only/request.csv")
    assert find_output(folder).folder == folder.resolve()


@pytest.mark.skipif(ROOT, reason="root may read everything")
def test_what_may_not_be_read_is_told(tmp_path):
    folder = lay_out(tmp_path / "output", "csv_only/request.csv", "csv_only/batch.csv")
    (folder / "batch.csv").chmod(0)
    profile = open_profile(folder)
    assert "batch.csv cannot be read" in sentences(profile.load("batches").notes)
    assert profile.load("requests").frame.height == 133
    folder.chmod(0)
    try:
        with pytest.raises(Unreadable):
            find_output(folder)
    finally:
        folder.chmod(0o755)


def test_the_search_ends_in_a_forest_of_folders(tmp_path, monkeypatch):
    monkeypatch.setattr(discover, "_MAX_ENTRIES", 50)
    for number in range(100):
        (tmp_path / f"{number:03}").mkdir()
    with pytest.raises(Unreadable, match="holds no parsed output"):
        find_output(tmp_path)
