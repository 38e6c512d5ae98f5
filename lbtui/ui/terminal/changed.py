"""Which cells differ between two rows; walked run by run, as a heat map has thousands of them in a frame."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

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
    for text, style, _control in after:
        end = begin + len(text)
        while at < len(runs) and (x := cells[at]) < end:
            last = x + runs[at][1]
            parts[at].append(Segment(text[max(x - begin, 0) : last - begin], style))
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
    old, new = _by_cell(before), _by_cell(after)
    if len(old) != before.cell_length or len(new) != after.cell_length:
        yield 0, after.cell_length
        return
    length = max(len(old), len(new))
    old, new = old.ljust(length, _BEYOND), new.ljust(length, _BEYOND)
    wide = _REST in old or _REST in new
    start = end = -1
    for first, last in _differences(before, after, old, new):
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


def _by_cell(strip: Strip) -> str:
    """Return a row's text, one character for each cell."""
    text = strip.text
    if NARROW.fullmatch(text):
        return text
    return "".join(character + _REST * (get_character_cell_size(character) - 1) for character in text)


def _differences(before: Strip, after: Strip, old: str, new: str) -> Iterator[tuple[int, int]]:
    """Yield where the texts or the styles of two rows differ, from and to, in ascending order."""
    olds, news = list(before), list(after)
    old_ends, new_ends = _ends(before, old), _ends(after, new)
    i = j = x = 0
    while x < len(old):
        while i < len(old_ends) and old_ends[i] <= x:
            i += 1
        while j < len(new_ends) and new_ends[j] <= x:
            j += 1
        was, old_end = (olds[i].style, old_ends[i]) if i < len(olds) else (None, len(old))
        now, new_end = (news[j].style, new_ends[j]) if j < len(news) else (None, len(new))
        end = min(old_end, new_end)
        if was is not now and was != now:
            yield x, end
        elif old[x:end] != new[x:end]:
            yield from ((place, place + 1) for place in range(x, end) if old[place] != new[place])
        x = end


def _ends(strip: Strip, cells: str) -> Sequence[int]:
    """Return behind which cell each segment of a row ends."""
    if _REST in cells:
        return list(accumulate(len(_by_cell(Strip([segment]))) for segment in strip))
    return list(accumulate(len(segment.text) for segment in strip))
