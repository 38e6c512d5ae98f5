"""What holds for every test."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.tools.catalogue import compile_catalogue

# A busy machine is no failure: times are measured by the benches, never asserted. The inputs are the same in
# every run, so that a commit is green or red for its own sake; HYPOTHESIS_PROFILE=explore looks further.
UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", UNTIMED, derandomize=True)
settings.register_profile("explore", UNTIMED, max_examples=500)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


def pytest_configure() -> None:
    """Have the catalogue be of this checkout, wherever lbtui was built, and all tests speak English."""
    for name in ("LC_ALL", "LC_MESSAGES"):
        os.environ.pop(name, None)
    os.environ["LANG"] = "C.UTF-8"
    compile_catalogue()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return two workers a core: a test that drives a screen waits half of its time for it to rest."""
    return 2 * len(os.sched_getaffinity(0))


@pytest.fixture(scope="session")
def _states(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("states")


@pytest.fixture(autouse=True)
def state_home(_states, request, monkeypatch) -> Path:
    """Give each test a state folder of its own, which is not made, and a cache: never the developer's."""
    folder = _states / f"{abs(hash(request.node.nodeid)):x}"
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", f"{folder}-cache")
    return folder


@pytest.fixture(scope="module")
def read_once() -> Iterator[None]:
    """Read each profile once for all apps of a module: its tests look at what is read, not at the reading."""
    from tests.tools.reading_once import reading_once

    with reading_once():
        yield
