"""What Textual itself draws (scroll bars, the cursor of an input, the palette's frame) in ASCII.

lbtui's own pictures come in ASCII already; this keeps the cells of everything else where they are.
"""

from __future__ import annotations

from functools import lru_cache

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

_DRAWN = str.maketrans(
    {
        **dict.fromkeys("─━╌▁▂▔", "-"),
        **dict.fromkeys("│┃▎▏▕▌▐▊┆", "|"),
        **dict.fromkeys("┌┐└┘╭╮╰╯├┤┬┴┼", "+"),
        **dict.fromkeys("▃▄▅▆▇█▀", "#"),
        "…": ".", "·": ".", "×": "x", "–": "-", "▶": ">", "●": "*", "❯": ">", "🔎": "> ",
    }
)  # fmt: skip


class AsciiOnly(LineFilter):
    """Replaces every character that is not ASCII by as many ASCII ones as it has cells."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the segments in ASCII, each as wide as it was."""
        return [
            segment
            if segment.text.isascii()
            else Segment(_ascii(segment.text), segment.style, segment.control)
            for segment in segments
        ]


@lru_cache(maxsize=1024)
def _ascii(text: str) -> str:
    return "".join(
        character if character.isascii() else "?" * cell_len(character)
        for character in text.translate(_DRAWN)
    )
