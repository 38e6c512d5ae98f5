from pathlib import Path

import pytest

from lbtui.analysis.overview import overview
from lbtui.analysis.overview_model import Overview
from lbtui.profile import Note
from lbtui.report import as_text
from lbtui.sources import open_profile

DEMO = Path(__file__).parents[2] / "lbtui" / "demo" / "output"


@pytest.fixture(scope="module")
def demo():
    return overview(open_profile(DEMO))


@pytest.mark.parametrize("ascii_only", [False, True])
def test_says_all_that_the_overview_holds(demo, ascii_only):
    text = as_text(demo, ascii_only=ascii_only)
    assert "\x1b" not in text
    assert text.isascii() == ascii_only
    for line in demo.lines:
        assert line.label in text
        assert line.headline in text
    for source in demo.sources:
        assert source.file.path.name in text
    for missing in demo.missing:
        assert missing.how_to_collect in text
    assert "10.20.0.12:1025: 70 % of 241" in text


def test_names_the_formula_of_every_figure(demo):
    text = as_text(demo, ascii_only=False)
    for formula in {figure.formula for figure in demo.figures()}:
        assert f"  {formula}: " in text


def test_text_from_files_cannot_reach_the_terminal():
    known = Overview("a\x1b[2J", "/p\x9b", hosts=("h\x07",), notes=(Note("f\x1b]0;", "t\x1b[1m\n"),))
    text = as_text(known, ascii_only=False)
    assert all(c.isprintable() for line in text.splitlines() for c in line)
