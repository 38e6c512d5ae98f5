"""What a what-if by replay shows, before it is known how much room there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import polars as pl
from rich.segment import Segment
from rich.style import Style

from lbtui.analysis.replay.asked import Difference, SelfTest
from lbtui.findings.replay.words import tested_cells
from lbtui.render import palette
from lbtui.render.capabilities import Capabilities
from lbtui.render.intervals import Interval
from lbtui.render.table import Cell, Column
from lbtui.text import _

# An interval around no difference, and how it is drawn.
Bar: TypeAlias = tuple[Interval, Style]

FIGURE_WIDTH = 23  # the longest name of a figure


@dataclass(frozen=True)
class Block:
    """A table under a title. `keep` are columns that are left out last, `sort` one with how it is sorted."""

    title: str = ""
    columns: tuple[Column, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()
    keep: tuple[int, ...] = ()
    sort: tuple[int, bool] | None = None

    @property
    def height(self) -> int:
        """How many lines it takes: title, heads, rows."""
        return len(self.rows) + 2 if self.rows else 0

    @property
    def width(self) -> int:
        """How many cells it takes with the least gaps."""
        return _width(self.columns)

    @property
    def least(self) -> int:
        """How many cells it takes without the columns that may be left out."""
        return _width([column for column in self.columns if not column.priority])


def _width(columns: Sequence[Column]) -> int:
    return sum(column.width for column in columns) + max(0, len(columns) - 1)


def saved_block(block: Block) -> pl.DataFrame:
    """Return a table's rows as they are saved: texts, under their heads."""
    heads = [column.title for column in block.columns]
    # A head may be empty, or be there twice.
    alone = [bool(head) and heads.count(head) == 1 for head in heads]
    names = [
        head if one else f"{head} {at}".strip()
        for at, (head, one) in enumerate(zip(heads, alone, strict=True))
    ]
    rows = [[str(getattr(cell, "text", cell)).strip() for cell in row] for row in block.rows]
    return pl.DataFrame(rows, dict.fromkeys(names, pl.String), orient="row")


@dataclass(frozen=True)
class Sheet:
    """All of a what-if. `sentences` is the answer, conclusion first; `advises` whether there is one.

    `bars` has an interval and its style for each row of the table; `names` those rows by what the cursor is
    on. `chosen` is of the row under the cursor, `reading` the same in words, its name first.
    """

    title: str
    sentences: tuple[str, ...]
    advises: bool = False
    table: Block = field(default_factory=Block)
    names: tuple[str, ...] = ()
    bars: tuple[Bar | None, ...] = ()
    cursor: int = 0
    chosen: Block = field(default_factory=Block)
    reading: tuple[str, ...] = ()
    test: Block = field(default_factory=Block)
    tested: str = ""
    assumed: tuple[str, ...] = ()


def verdict_style(caps: Capabilities, better: bool | None) -> Style:
    """Return how a verdict is drawn."""
    if better is None:
        return palette.dim(caps)
    return palette.better(caps) if better else palette.severity(caps, "warning")


def test_block(test: SelfTest | None, caps: Capabilities) -> Block:
    """Return the self-test, a row a figure: as recorded, as replayed, and with other step times."""
    if test is None:
        return Block()
    rows: list[tuple[Cell, ...]] = []
    for row in test.rows:
        style = None if row.holds else palette.severity(caps, "critical")
        rows.append(tuple(Segment(text, style) for text in tested_cells(row)))
    columns = (
        Column(_("figure"), FIGURE_WIDTH, "left"),
        Column(_("recorded"), 10),
        Column(_("replayed"), 8),
        Column(_("off"), 6, priority=1),
        Column(_("steps −2 %"), 10, priority=2),
        Column(_("+2 %"), 7, priority=2),
        Column("", 18, "left"),
    )
    return Block(_("Self-test: the recording replayed"), columns, tuple(rows))


def bar_of(found: Difference | None, better: bool | None, caps: Capabilities) -> Bar | None:
    """Return a difference as it is drawn, None where there is none."""
    if found is None:
        return None
    return Interval(found.low, found.value, found.high), verdict_style(caps, better)


def reach(bars: Sequence[Bar | None]) -> float:
    """Return how far the bars go to either side: differences lie within, ends of wide intervals may not."""
    values = [abs(one[0].value) for one in bars if one is not None]
    return 1.4 * max(values, default=0.0)
