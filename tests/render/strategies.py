"""What every drawing must survive, and what every picture must be."""

import io
import re
from itertools import pairwise

from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.segment import Segment, Segments

from lbtui.render.capabilities import Capabilities

ALL_CAPS = [
    Capabilities(colors, unicode)
    for colors in ("truecolor", "256", "16", "none")
    for unicode in (True, False)
]
caps = st.sampled_from(ALL_CAPS)
values = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True))
limits = st.one_of(st.floats(-1e6, 1e6), st.floats(allow_nan=False, allow_infinity=False))
words = st.text(
    st.one_of(st.characters(), st.sampled_from("节点负载均衡é🙂👩‍💻\u200d\ufe0f\u0301\x1b\u202e")),
    max_size=30,
)


def ansi(rows, colors="truecolor"):
    """Return what a terminal would be sent."""
    system = {"truecolor": "truecolor", "256": "256", "16": "standard", "none": "truecolor"}[colors]
    console = Console(file=io.StringIO(), color_system=system, force_terminal=True, width=1000, _environ={})
    for row in rows:
        console.print(Segments([*row, Segment.line()]), end="")
    return console.file.getvalue()


def check(rows, width, caps, height=None):
    """Hold a picture to its promises: exact size, harmless text, ASCII and no colour where asked for."""
    if height is not None:
        assert len(rows) == height
    for row in rows:
        text = "".join(segment.text for segment in row)
        assert sum(cell_len(segment.text) for segment in row) == width
        assert cell_len(text) == width
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e]", text)
        assert caps.unicode or text.isascii()
        for left, right in pairwise(row):
            assert (left.style or None) != (right.style or None), "equal neighbours must be one segment"
        if caps.colors == "none":
            for segment in row:
                assert segment.style is None or (segment.style.color is segment.style.bgcolor is None)


def lightness(color):
    """Return CIE L* of a rich colour."""
    parts = [part / 255 for part in color.get_truecolor()]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    y = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return 903.3 * y if y <= 0.008856 else 116 * y ** (1 / 3) - 16
