"""Blocks of whole lines of a large CSV file, at even distances: a sample of what is in the order of time."""

from __future__ import annotations

import os

import numpy as np

from lbtui.profile import Progress
from lbtui.sources.tables.csv_dialect import MIXED, CsvFile

# Bytes in which lines end; those of a table of passes have some hundred.
_LINE, _PROBE = 1 << 12, 1 << 16


def row_bytes(file: CsvFile) -> float:
    """Return how long a line is, by the first ones. Raises `OSError`."""
    with file.path.open("rb") as opened:
        probe = opened.read(_PROBE)
    return len(probe) / max(probe.count(b"\n"), 1)


def spread_ranges(
    file: CsvFile, blocks: int, size: int, least: int, progress: Progress
) -> list[tuple[int, int]]:
    """Return where so many blocks of `size` bytes begin and end in the file, at line ends.

    The first stands at its begin, the last at its end. Empty where the bytes at these places do not tell: the
    file is packed, smaller than `least` times the blocks, or has lines longer than any of a table. Raises
    `OSError`, and what `progress` does.
    """
    if file.compressed or file.encoding not in ("utf-8", MIXED):
        return []
    with file.path.open("rb") as opened:
        number = opened.fileno()
        total = os.fstat(number).st_size
        first = _after_lines(number, 0, file.lines_before)
        if first is None or total - first < least * blocks * size:
            return []
        found: list[tuple[int, int]] = []
        last = total - size
        for at in np.linspace(first, last, blocks).astype(int).tolist():
            progress.advance(file.path.name, at, total)
            begin = _after_lines(number, at, 1) if found else first
            end = _after_lines(number, at + size, 1) if at != last else total
            if begin is None or end is None:
                return []
            found.append((begin, end))
        return found


def _after_lines(number: int, at: int, lines: int) -> int | None:
    """Return the place behind the next `lines` line ends, None where these are too far."""
    probe = os.pread(number, _PROBE, at) if lines > 1 else os.pread(number, _LINE, at)
    place = 0
    for _line in range(lines):
        place = probe.find(b"\n", place) + 1
        if not place:
            return None
    return at + place
