"""What a what-if answers, whichever form it is printed in."""

from __future__ import annotations

from dataclasses import dataclass

from lbtui.report.values import Json
from lbtui.thresholds import Thresholds


@dataclass(frozen=True)
class Asked:
    """What the command line and the config say beside the name."""

    limits: Thresholds  # with targets, and what moving experts takes


@dataclass(frozen=True)
class Section:
    """One part of an answer: its first sentence is the conclusion; then details, a table, formulas."""

    title: str
    sentence: str
    details: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    formulas: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """The answer to one what-if; `json` is what stands under its key in the document."""

    title: str
    sections: tuple[Section, ...]
    key: str
    json: Json
