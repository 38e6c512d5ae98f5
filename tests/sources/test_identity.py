"""What tells profiles apart: what is in them, not where they lie."""

import shutil
from pathlib import Path

import pytest

from lbtui.sources import identity_of, open_profile

DATA = Path(__file__).parents[1] / "data"


def identity(path, **options):
    return identity_of(open_profile(path, **options))


@pytest.mark.parametrize("name", ["pd_ep", "csv_only", "vllm_small"])
def test_a_copy_elsewhere_is_the_same_profile(tmp_path, name):
    copy = tmp_path / "moved" / "under another name"
    shutil.copytree(DATA / name, copy)
    assert identity(copy) == identity(DATA / name)


def test_each_sample_is_another():
    names = ["pd_ep", "csv_only", "vllm_small", "even_small", "mindie_tp4", "linked_ids"]
    found = {identity(DATA / name) for name in names}
    assert len(found) == len(names)
    assert all(len(each) == 32 for each in found)


@pytest.mark.parametrize("place", [100, -20])
def test_another_run_in_the_same_place_is_another(tmp_path, place):
    shutil.copytree(DATA / "csv_only", tmp_path / "run")
    before = identity(tmp_path / "run")
    file = next(iter(sorted((tmp_path / "run").rglob("batch.csv"))))
    data = bytearray(file.read_bytes())
    # Of the same size: a digit of a first or last row.
    at = next(i for i in range(place % len(data), len(data)) if chr(data[i]).isdigit())
    data[at] = ord("1") if data[at] != ord("1") else ord("2")
    file.write_bytes(bytes(data))
    assert identity(tmp_path / "run") != before


def test_pictures_and_what_lies_elsewhere_make_no_other_profile(tmp_path):
    shutil.copytree(DATA / "csv_only", tmp_path / "run")
    before = identity(tmp_path / "run")
    assert identity(tmp_path / "run", experts=DATA / "expert_files") == before


def test_times_of_files_do_not_count(tmp_path):
    shutil.copytree(DATA / "csv_only", tmp_path / "run")
    before = identity(tmp_path / "run")
    for file in (tmp_path / "run").rglob("*"):
        file.touch()
    assert identity(tmp_path / "run") == before
