"""What runs came to, kept from one time to the next."""

import os
import stat
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from lbtui.profile import Unreadable
from lbtui.runs import kept as module
from lbtui.runs.kept import Kept, key_of
from lbtui.runs.model import RunSummary, Shape
from lbtui.sources.runs_below import runs_below
from lbtui.state_folder import cache_folder
from lbtui.thresholds import Thresholds
from tests.sources.test_runs_below import output, raw

KEY, OTHER = "a" * 64, "b" * 64
RUN = Path("/runs/one")
SUMMARY = RunSummary("ab", 5, 6, Shape("vLLM"))


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def opened(tmp_path):
    folder = tmp_path / "opened"
    folder.mkdir()
    return folder


def kept_in(cache, opened, **more):
    return Kept.of({"XDG_CACHE_HOME": str(cache)}, opened, **more)


@pytest.fixture
def kept(cache, opened):
    return kept_in(cache, opened)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_it_lies_where_the_base_directories_say(tmp_path):
    assert cache_folder({"XDG_CACHE_HOME": str(tmp_path), "HOME": "/h"}) == tmp_path / "lbtui"
    assert str(cache_folder({"XDG_CACHE_HOME": "c", "HOME": "/h"})) == "/h/.cache/lbtui"
    assert cache_folder({}) is None


def test_what_is_kept_is_found_again_by_its_key(kept, cache, opened):
    assert kept.recall(KEY, RUN) is None
    kept.keep(KEY, RUN, SUMMARY)
    kept.keep(OTHER, RUN, "holds no profile \udcff\n\x1b")
    for again in (kept, kept_in(cache, opened)):
        assert again.recall(KEY, RUN) == SUMMARY
        assert again.recall(OTHER, RUN) == "holds no profile \\udcff\n\x1b"
        # It names the files of the run at that path: of a copy elsewhere it is not true.
        assert again.recall(OTHER, RUN / "copy") is None
        assert again.recall(KEY, RUN / "copy") == SUMMARY
    folder = cache / "lbtui" / "runs"
    assert sorted(each.name for each in folder.iterdir()) == [KEY, OTHER]
    assert {mode(cache / "lbtui"), mode(folder)} == {0o700}
    assert {mode(each) for each in folder.iterdir()} == {0o600}
    kept.keep(KEY, RUN, replace(SUMMARY, start=1))
    assert kept.recall(KEY, RUN).start == 1


def test_nothing_is_kept_where_it_is_not_wanted_or_cannot_be(tmp_path, cache, opened):
    (tmp_path / "file").write_text("")
    closed = [
        kept_in(cache, opened, enabled=False),
        kept_in(opened, opened),
        kept_in(opened / "below", opened),
        kept_in(tmp_path / "file", opened),
        Kept.of({}, opened),
    ]
    for kept in closed:
        kept.keep(KEY, RUN, SUMMARY)
        assert kept.recall(KEY, RUN) is None
    assert not cache.exists()
    assert list(opened.iterdir()) == []
    (tmp_path / "link").symlink_to(opened, target_is_directory=True)
    assert kept_in(tmp_path / "link" / "x", opened).recall(KEY, RUN) is None
    assert list(opened.iterdir()) == []


def test_a_folder_that_goes_away_is_no_failure(kept, cache):
    kept.keep(KEY, RUN, SUMMARY)
    for file in (cache / "lbtui" / "runs").iterdir():
        file.unlink()
    (cache / "lbtui" / "runs").rmdir()
    (cache / "lbtui" / "runs").write_text("")
    kept.keep(KEY, RUN, SUMMARY)
    assert kept.recall(KEY, RUN) is None


def test_another_users_files_are_not_read(kept, monkeypatch):
    kept.keep(KEY, RUN, SUMMARY)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert kept.recall(KEY, RUN) is None


def test_another_users_folder_and_link_are_not_used(cache, opened, tmp_path, monkeypatch):
    (cache / "lbtui").mkdir(parents=True)
    if os.geteuid() == 0:
        os.chown(cache / "lbtui", 12345, 12345)
        kept_in(cache, opened).keep(KEY, RUN, SUMMARY)
        assert list((cache / "lbtui").iterdir()) == []
        os.chown(cache / "lbtui", 0, 0)
        (tmp_path / "elsewhere").mkdir()
        (cache / "lbtui" / "runs").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
        os.chown(cache / "lbtui" / "runs", 12345, 12345, follow_symlinks=False)
        kept_in(cache, opened).keep(KEY, RUN, SUMMARY)
        assert list((tmp_path / "elsewhere").iterdir()) == []
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
        kept_in(cache, opened).keep(KEY, RUN, SUMMARY)
        assert list((cache / "lbtui").iterdir()) == []


def test_links_pipes_and_folders_are_not_read(kept, cache, tmp_path):
    kept.keep(KEY, RUN, SUMMARY)
    path = cache / "lbtui" / "runs" / KEY
    path.rename(tmp_path / "moved")
    path.symlink_to(tmp_path / "moved")
    assert kept.recall(KEY, RUN) is None
    path.unlink()
    os.mkfifo(path)
    assert kept.recall(KEY, RUN) is None
    path.unlink()
    path.mkdir()
    assert kept.recall(KEY, RUN) is None
    kept.keep(KEY, RUN, SUMMARY)
    assert kept.recall(KEY, RUN) is None


def test_a_file_of_another_key_or_of_anything_counts_for_none(kept, cache):
    kept.keep(KEY, RUN, SUMMARY)
    folder = cache / "lbtui" / "runs"
    whole = (folder / KEY).read_bytes()
    (folder / OTHER).write_bytes(whole)
    assert kept.recall(OTHER, RUN) is None
    for data in (
        *(whole[:length] for length in (0, 5, 70, 73, 74, 100, len(whole) - 2)),
        whole.replace(b"summary", b"summery", 1),
        whole + b"x",
        b"problem " + KEY.encode() + b"\n\xff",
        b"problem " + KEY.encode() + b"\n" + b"x" * 5000,
        b"x" * (9 << 20),
    ):
        (folder / KEY).write_bytes(data)
        assert kept.recall(KEY, RUN) is None
    (folder / KEY).write_bytes(whole)
    assert kept.recall(KEY, RUN) == SUMMARY


def test_what_was_used_least_recently_goes_first(cache, opened, monkeypatch):
    kept = kept_in(cache, opened)
    folder = cache / "lbtui" / "runs"
    keys = [f"{number:064x}" for number in range(6)]
    kept.keep(keys[0], RUN, SUMMARY)
    monkeypatch.setattr(module, "MOST_BYTES", 4 * (folder / keys[0]).stat().st_size)
    for age, key in enumerate(keys[1:4]):
        kept.keep(key, RUN, SUMMARY)
        os.utime(folder / key, (1000 + age, 1000 + age))
    os.utime(folder / keys[0], (1, 1))
    assert kept.recall(keys[0], RUN) == SUMMARY
    kept.keep(keys[4], RUN, SUMMARY)
    assert sorted(each.name for each in folder.iterdir()) == [keys[0], keys[2], keys[3], keys[4]]
    # Another lbtui, which knows nothing of these.
    kept_in(cache, opened).keep(keys[5], RUN, SUMMARY)
    assert sorted(each.name for each in folder.iterdir()) == [keys[0], keys[3], keys[4], keys[5]]


def test_several_write_and_read_at_once(cache, opened):
    wrong = []

    def work(kept):
        for number in range(50):
            key = f"{number % 5:064x}"
            kept.keep(key, RUN, SUMMARY)
            if kept.recall(key, RUN) not in (SUMMARY, None):
                wrong.append(key)

    shared = kept_in(cache, opened)
    threads = [threading.Thread(target=work, args=(kept,)) for kept in (shared, shared)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert [shared.recall(f"{number:064x}", RUN) for number in range(5)] == [SUMMARY] * 5
    assert len(list((cache / "lbtui" / "runs").iterdir())) == 5


def key(base, thresholds=None):
    (found,) = (run for run in runs_below(base).runs if run.name.startswith("a"))
    return key_of(found, thresholds or Thresholds())


def test_the_key_is_of_all_that_the_summary_depends_on(opened, monkeypatch):
    output(opened / "a", "x")
    output(opened / "b", "y")
    keys = [key(opened), key(opened, Thresholds(targets=(("ttft", 5.0),)))]
    (opened / "a" / "kvcache.csv").write_text("domain,rid\n1,2\n")
    keys.append(key(opened))
    (opened / "a" / "batch.csv").write_text((opened / "a" / "batch.csv").read_text().replace("1,", "2,"))
    keys.append(key(opened))
    raw(opened / "a" / "host", "x")
    keys.append(key(opened))
    raw(opened / "a" / "host", "x", pid=8)
    keys.append(key(opened))
    monkeypatch.setattr(module, "__version__", "9")
    keys.append(key(opened))
    monkeypatch.setattr(module, "language", lambda: "zh_CN")
    keys.append(key(opened))
    assert len(set(keys)) == len(keys)
    assert key(opened) == keys[-1]
    # Wherever it lies.
    (opened / "a").rename(opened / "a-moved")
    assert key(opened) == keys[-1]


def test_of_a_run_that_went_away_there_is_no_key(opened):
    output(opened / "a", "x")
    output(opened / "b", "y")
    found = runs_below(opened).runs[0]
    (found.reading.path / "batch.csv").unlink()
    with pytest.raises(Unreadable):
        key_of(found, Thresholds())
