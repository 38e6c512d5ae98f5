"""How a line goes on: the names that fit where the cursor is. Pure but for the names of files."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lbtui.profile.schema import SCHEMAS
from lbtui.sql.grammar import FRAMES
from lbtui.text import visible
from lbtui.thresholds import TARGET_NAMES
from lbtui.ui.commands.grammar import (
    COMMANDS,
    SETTINGS,
    Command,
    Known,
    Setting,
    command_of,
    setting_of,
)

# So many names of a folder are looked at.
_MOST_FILES = 2000


@dataclass(frozen=True)
class Completion:
    """What may stand from `start` on to the cursor: each candidate whole."""

    start: int
    candidates: tuple[str, ...]

    def common(self) -> str:
        """Return what all candidates begin with."""
        first, last = min(self.candidates), max(self.candidates)
        for at, (one, other) in enumerate(zip(first, last, strict=False)):
            if one != other:
                return first[:at]
        return min(first, last, key=len)


Lister = Callable[[str, bool], Sequence[str]]


def completed(line: str, known: Known, files: Lister | None = None) -> Completion:
    """Return how a line, as it stands before the cursor, may go on.

    `files` lists the names that begin with a text; only folders, where it is so told.
    """
    begin = len(line) - len(line.lstrip(" :"))
    word, blank, rest = line[begin:].partition(" ")
    if not blank:
        return Completion(begin, _starting(word, _first_words(known)))
    command = command_of(word) or setting_of(word)
    if command is None:
        return Completion(len(line), ())
    if command.kind == "sql":
        start = begin + len(word) + 1
        found = completed_query(rest, known)
        return Completion(start + found.start, found.candidates)
    start = begin + len(word) + 1 + len(rest) - len(rest.lstrip())
    return _argument(command, line[start:], start, known, files)


def _first_words(known: Known) -> list[str]:
    commands = [f"{each.name} " if each.argument else each.name for each in COMMANDS if not each.does]
    panes = [name for name in known.panes if not name.isdigit()]
    return [*commands, *(f"{setting.name} " for setting in SETTINGS), *panes, *known.of("domain")]


def _argument(
    command: Command | Setting, text: str, start: int, known: Known, files: Lister | None
) -> Completion:
    kind = command.kind
    if kind in ("file", "folder"):
        wanted = text
        if command.name == "export" and text.startswith("parquet "):
            wanted = text[len("parquet ") :]
            start += len("parquet ")
        found = (files or listed)(wanted, kind == "folder")
        return Completion(start, tuple(found))
    if kind == "target":
        last = text.rfind(",") + 1
        return Completion(start + last, _starting(text[last:], [f"{name}=" for name in TARGET_NAMES]))
    return Completion(start, _starting(text, known.of(kind)))


def _starting(text: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return the names that begin with a text, in upper or lower case; else those that hold it."""
    low = text.lower()
    found = tuple(name for name in names if name.lower().startswith(low))
    return found or (tuple(name for name in names if low in name.lower()) if len(low) > 1 else ())


def listed(text: str, only_folders: bool) -> list[str]:
    """Return the paths that begin with a text as typed; folders end in `/`, hidden ones are asked for."""
    head, slash, tail = text.rpartition("/")
    base = head + slash
    found: list[str] = []
    with suppress(OSError, ValueError, RuntimeError):
        folder = Path(base or ".").expanduser()
        with os.scandir(folder) as entries:
            for _number, entry in zip(range(_MOST_FILES), entries, strict=False):
                if not entry.name.startswith(tail) or (
                    entry.name.startswith(".") and not tail.startswith(".")
                ):
                    continue
                # What cannot be shown as it is cannot be typed.
                if visible(entry.name) != entry.name:
                    continue
                if entry.is_dir():
                    found.append(f"{base}{entry.name}/")
                elif not only_folders:
                    found.append(base + entry.name)
    return sorted(found)


# Queries

_KEYWORDS = (
    *("SELECT ", "FROM ", "WHERE ", "GROUP BY ", "ORDER BY ", "HAVING ", "LIMIT ", "JOIN ", "LEFT JOIN "),
    *(
        "ON ",
        "AS ",
        "AND ",
        "OR ",
        "NOT ",
        "IN ",
        "IS NULL ",
        "IS NOT NULL ",
        "BETWEEN ",
        "LIKE ",
        "DISTINCT ",
    ),
    *("CASE WHEN ", "THEN ", "ELSE ", "END ", "DESC ", "ASC ", "WITH ", "UNION ", "SHOW TABLES", "EXPLAIN "),
    *("avg(", "count(", "count(*)", "max(", "min(", "sum(", "median(", "stddev(", "date_trunc("),
)
_LAST_NAME = re.compile(r"[\w.]*\Z")
_AFTER_TABLE = re.compile(r"\b(?:FROM|JOIN)\s+\Z", re.IGNORECASE)


def completed_query(query: str, known: Known) -> Completion:
    """Return how a query, as it stands before the cursor, may go on: tables behind FROM and JOIN, else
    the columns of the tables that it names (of all where it names none), and what else SQL has.
    """
    found = _LAST_NAME.search(query)
    assert found is not None  # at least the empty name at the end
    word, start = found[0], found.start()
    if query.count("'") % 2:
        return Completion(len(query), ())
    if _AFTER_TABLE.search(query[:start]):
        return Completion(start, _starting(word, FRAMES))
    # Of r.ttft the name is ttft.
    prefix, dot, name = word.rpartition(".")
    named = [frame for frame in FRAMES if re.search(rf"\b{frame}\b", query, re.IGNORECASE)]
    columns = list(dict.fromkeys(column for frame in named or FRAMES for column in SCHEMAS[frame]))
    if dot:
        return Completion(start + len(prefix) + 1, _starting(name, columns))
    if not word:
        return Completion(
            start, (*columns, "FROM ") if query.strip() else ("SELECT ", "WITH ", "SHOW TABLES")
        )
    # A column is meant sooner than what only holds the letters.
    low = word.lower()
    begins = [each for each in (*columns, *FRAMES, *_KEYWORDS) if each.lower().startswith(low)]
    return Completion(start, tuple(begins) or _starting(word, columns))
