"""Which cells differ between two rows; walked run by run, as a heat map has thousands of them in a frame."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import compress
from operator import ne

from rich.cells import get_character_cell_size
from rich.segment import Segment
from textual.strip import Strip

# Two changed runs closer than this are sent as one: moving the cursor costs about as many bytes.
_JOIN = 8
# Letters, punctuation, arrows, mathematical signs, lines and blocks: one cell each.
NARROW = re.compile("[ -~¡-¬®-˿‐-‧‰-⁞←-⇿∀-⋿─-◼]*")
_REST = "\0"  # stands for the further cells of a wide character
_BEYOND = "\1"  # behind a row's end


def changed_parts(before: Strip, after: Strip) -> Iterable[tuple[int, Iterable[Segment]]]:
    """Return from which cell on a row differs from that before, with what stands there, as `changed_runs`."""
    runs = list(changed_runs(before, after))
    if not runs:
        return ()
    cells = [x for x, _length in runs]
    if not NARROW.fullmatch(after.text):
        edges = [edge for x, length in runs for edge in (x, x + length)]
        return zip(cells, after.divide([*edges, after.cell_length])[1::2], strict=True)
    # Textual cuts a segment again from its begin for each cut: half of a page of a table.
    parts: list[list[Segment]] = [[] for _run in runs]
    begin = at = 0
    for segment in after:
        text = segment.text
        end = begin + len(text)
        while at < len(runs) and (x := cells[at]) < end:
            last = x + runs[at][1]
            whole = x <= begin and end <= last
            part = segment if whole else Segment(text[max(x - begin, 0) : last - begin], segment.style)
            parts[at].append(part)
            if last > end:
                break
            at += 1
        begin = end
    return zip(cells, parts, strict=True)


def changed_runs(before: Strip, after: Strip) -> Iterator[tuple[int, int]]:
    """Yield (x, length) of the cells that differ between two rows, near neighbours joined.

    A run holds whole characters: half of a wide one cannot be sent. Where characters of no width are typed,
    which belong to others' cells, the row is one run.
    """
    if before is after:
        return
    (old, was), (new, now) = _by_cell(before), _by_cell(after)
    if len(old) != before.cell_length or len(new) != after.cell_length:
        yield 0, after.cell_length
        return
    length = max(len(old), len(new))
    if len(old) != len(new):
        old, new = old.ljust(length, _BEYOND), new.ljust(length, _BEYOND)
        was, now = ([*styles, *[0] * (length - len(styles))] for styles in (was, now))
    wide = _REST in old or _REST in new
    start = end = -1
    pairs = zip(old, was, strict=True), zip(new, now, strict=True)
    for first in compress(range(length), map(ne, *pairs)):
        last = first + 1
        while wide and _REST in (old[first], new[first]):
            first -= 1
        while wide and last < length and _REST in (old[last], new[last]):
            last += 1
        if start >= 0 and first - end > _JOIN:
            yield start, end - start
            start = -1
        if start < 0:
            start = first
        end = last
    if start >= 0:
        yield start, end - start


def _by_cell(strip: Strip) -> tuple[str, list[int]]:
    """Return a row's text, a character for each cell, and each one's hash of its style, as styles compare."""
    texts = [segment.text for segment in strip]
    text = "".join(texts)
    if not NARROW.fullmatch(text):
        texts = ["".join(c + _REST * (get_character_cell_size(c) - 1) for c in said) for said in texts]
        text = "".join(texts)
    styles: list[int] = []
    for said, segment in zip(texts, strip, strict=True):
        styles += [hash(segment.style)] * len(said)
    return text, styles
