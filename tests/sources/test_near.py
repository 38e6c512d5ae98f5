"""What lies near a reading of a run: its outputs, its raw profile; and which of them a path opens."""

import shutil

import pytest

from lbtui.profile import Reading, Unreadable
from lbtui.sources import SeveralOutputs, open_profile
from lbtui.sources.discover import find_output
from tests.sources.engines import output_of, raw_of
from tests.sources.recorded import CSV_ONLY, lay_out

RUN = "vllm_v1_dp2"


@pytest.fixture
def base(tmp_path):
    """A folder of whose neighbours none is of another test."""
    folder = tmp_path / "a" / "profiles"
    folder.mkdir(parents=True)
    return folder.resolve()


def parsed(folder, formats="csv"):
    folder.mkdir(parents=True)
    return output_of(RUN, formats, folder)


def test_of_both_in_one_folder_the_output_is_opened_unless_raw_is_asked_for(base):
    raw_of(RUN, base)
    output = parsed(base / "output")
    assert [open_profile(path).raw for path in (base, output)] == [False, False]
    shown = open_profile(base, raw=True)
    assert shown.raw
    assert shown.path == base
    assert shown.near == (Reading(output),)
    assert open_profile(base).near == (Reading(base, raw=True),)
    assert shown.engine() == open_profile(base).engine() == "vllm"
    assert open_profile(base).load("kv").frame.height < shown.load("kv").frame.height


@pytest.mark.parametrize("formats", ["csv", "db"])
def test_an_output_beside_a_raw_profile_is_known_by_its_processes(formats, base):
    raw = raw_of(RUN, base / "prof")
    own = parsed(base / "output", formats)
    lay_out(base / "other", *CSV_ONLY)
    assert open_profile(raw).near == (Reading(own),)
    assert open_profile(own).near == (Reading(raw, raw=True),)


def test_a_process_is_not_known_by_the_beginning_of_its_name(base):
    raw = raw_of(RUN, base / "prof")
    for file in raw.rglob("*.db"):
        file.rename(file.with_name(f"{file.stem[:-1]}.db"))
    parsed(base / "output")
    assert open_profile(raw).near == ()


def test_an_output_in_and_below_a_raw_profile_is_its_own(base):
    raw_of(RUN, base)
    for name in CSV_ONLY:
        lay_out(base, name)
    below = lay_out(base / "deep" / "output", *CSV_ONLY)
    assert open_profile(base, raw=True).near == (Reading(base), Reading(below))


def test_raw_profiles_of_several_runs_are_several(base):
    for run in ("monday", "tuesday"):
        raw_of(RUN, base / run)
    output = parsed(base / "output")
    found = [Reading(base / run, raw=True) for run in ("monday", "tuesday")]
    assert list(open_profile(output).near) == found
    # Several hosts of one run are not.
    shutil.rmtree(base / "tuesday")
    (file, *_others) = (base / "monday").rglob("*.db")
    (base / "host-b").mkdir()
    shutil.copy(file, base / "host-b" / "ms_service_host-b-1.db")
    assert list(open_profile(output).near) == [Reading(base, raw=True)]


def test_several_outputs_say_that_a_raw_profile_lies_there_too(base):
    for name in ("a", "b"):
        parsed(base / name)
    with pytest.raises(SeveralOutputs, match=r"2 parsed outputs; choose one of them\.$") as raised:
        find_output(base)
    assert not raised.value.raw
    raw_of(RUN, base / "raw")
    with pytest.raises(SeveralOutputs, match="or the raw profile with --raw") as raised:
        find_output(base)
    assert raised.value.raw
    assert open_profile(base, raw=True).raw


def test_where_no_raw_profile_lies_that_is_said(base):
    output = parsed(base / "output")
    for path in (output, output / "batch.csv"):
        with pytest.raises(Unreadable, match="holds no raw profile"):
            open_profile(path, raw=True)


def test_a_raw_file_names_its_profile(base):
    raw_of(RUN, base)
    parsed(base / "output")
    (file, *_others) = sorted(base.rglob("ms_service_*.db"))
    assert open_profile(file, raw=True).raw
