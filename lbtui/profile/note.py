"""What is said about data: where it comes from, and what to mind about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Note:
    """One thing about the data's quality that the user should know, as one sentence."""

    file: str
    text: str
    lost: bool = False  # a part of the file could not be read


@dataclass(frozen=True)
class Provenance:
    """Where a frame's rows come from."""

    file: str
    reader: str
    precision: str
    rows: int
    parts: tuple[tuple[str, int], ...] = ()  # the files that `file` stands for, and the rows read of each
