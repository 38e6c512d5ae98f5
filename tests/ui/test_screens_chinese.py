"""Every screen in Chinese, as text. `python -m tests.tools.in_chinese redraw_goldens` writes what changed."""

import subprocess
import sys

import pytest

from tests.tools.redraw_goldens import CHINESE, CHINESE_SIZES, GOLDENS
from tests.tools.screens import SCENES

# A process speaks one language: others draw the screens, as many at a time as tests are run at a time.
_PARTS = 2


@pytest.mark.parametrize("part", range(_PARTS))
def test_the_screens_are_as_agreed(part):
    names = list(SCENES)[part::_PARTS]
    tool = [sys.executable, "-m", "tests.tools.in_chinese", "redraw_goldens", "--check", *names]
    done = subprocess.run(tool, capture_output=True, timeout=3600, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().splitlines() == []


def files():
    return {f"{name}_{width}x{height}.txt" for name in SCENES for width, height in CHINESE_SIZES}


def test_every_golden_is_of_a_screen():
    assert {file.name for file in CHINESE.iterdir()} == files()


def cuts(folder, name):
    """Return how often something is cut, but names within slices: labels beside them leave more room."""
    lines = (folder / name).read_text(encoding="utf-8").splitlines()
    return sum(line.count("…") for line in lines if "▏" not in line)


# A page of help has the mark in its own words.
@pytest.mark.parametrize("name", sorted(name for name in files() if not name.startswith("help")))
def test_nothing_is_cut_that_is_whole_in_english(name):
    assert cuts(CHINESE, name) <= cuts(GOLDENS, name)
