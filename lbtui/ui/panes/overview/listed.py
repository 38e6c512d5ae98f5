"""What the list of findings says of each in so many cells: texts, and the widths of their columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from lbtui.findings import Finding
from lbtui.findings.words import amount_words, figure_words, percent, share_words, subject_words
from lbtui.overview.text import span
from lbtui.profile import micros
from lbtui.text import _
from lbtui.ui.panes.overview.data import Contents

# Cursor, mark and dimension.
BEFORE = 2 + 3 + 4
_SUBJECT, _FIGURE = 30, 40  # the most
_LEAST_SUBJECT, _LEAST_LANE = 16, 13  # `dp12 d0-worker-1` has room
_BAR, _SHORT_BAR = 9, 6
# From these widths there is room for when it was, for lanes, and for what a share is a share of.
_DATED, _LANES, _WIDE = 76, 110, 150


@dataclass(frozen=True)
class Listed:
    """A finding's texts; of its cost `share` (0..1), where known, is drawn as a bar before `cost`."""

    subject: str
    figure: str
    window: str
    cost: str
    share: float | None


@dataclass(frozen=True)
class Columns:
    """The widths of the columns, a blank at the end of each but the last counted in; 0 is left out."""

    subject: int
    figure: int
    window: int
    lane: int
    bar: int
    cost: int


def listed(contents: Contents, width: int) -> list[Listed]:
    """Return the texts of all imbalances, in their order."""
    return [_texts(entry.found.finding, contents, width) for entry in contents.entries if entry.found]


def _texts(finding: Finding, contents: Contents, width: int) -> Listed:
    cost = finding.cost
    if cost.share is None:
        words = amount_words(cost) or _("unknown")
    else:
        words = share_words(cost) if width >= _WIDE else percent(cost.share)
    window = _("whole run")
    if finding.window is not None:
        window = span(*map(micros, finding.window), date=contents.known.dated)
    subject = subject_words(finding, contents.hosts, brief=width < _LANES)
    if finding.note:
        subject = f"* {subject}"
    return Listed(subject, figure_words(finding), window, words, cost.share)


def columns(found: Sequence[Listed], width: int) -> Columns:
    """Return the widths: costs and windows are never cut, figures only where subjects have their least."""
    bars = 0
    if any(each.share is not None for each in found):
        bars = _BAR if width >= _LANES else _SHORT_BAR
    # Beside bars stand shares; an amount has the room of both.
    cost = max((cell_len(each.cost) - (bars if each.share is None else 0) for each in found), default=0)
    window = _widest([each.window for each in found]) if width >= _DATED else 0
    rest = max(width - BEFORE - window - bars - cost, 0)
    subject = min(_widest([each.subject for each in found]), _SUBJECT)
    figure = min(_widest([each.figure for each in found]), _FIGURE)
    figure = max(min(figure, rest - min(subject, _LEAST_SUBJECT)), 0)
    subject = min(subject, rest - figure)
    lane = rest - subject - figure
    if width < _LANES or lane < _LEAST_LANE:
        figure, lane = rest - subject, 0
    return Columns(subject, figure, window, lane, bars, cost)


def _widest(texts: Sequence[str]) -> int:
    return max(map(cell_len, texts), default=0) + 1
