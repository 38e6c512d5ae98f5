"""Every symbol drawn, once in Unicode and once in ASCII: whoever needs one takes it from here."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lbtui.render.capabilities import Capabilities
from lbtui.text import language


@dataclass(frozen=True)
class Glyphs:
    """The symbols of one terminal; each is one cell wide except `ellipsis` and the arrows of ASCII."""

    # Ramps start with a blank and rise.
    vertical: str
    shades: str
    # Bars from above.
    hanging: str
    # Zero lines, at the top and in the middle of a cell, and a bar from the middle up.
    zero: str
    middle: str
    upper_half: str
    # Differences where there is no colour, far less to far more.
    signed: str
    # Parts of a horizontal bar, thinnest first; the last is a full cell.
    eighths: str
    missing: str
    separator: str
    rule: str
    column: str
    down: str
    up: str
    right: str
    left: str
    times: str
    dash: str
    ellipsis: str
    rebuilt: str
    critical: str
    warning: str
    good: str
    frame_left: str
    frame_right: str
    span: str
    # The ends of a bracket that opens downwards.
    over_left: str
    over_right: str
    point: str
    # Points of a chart's lines where colour cannot tell them apart.
    points: str


_UNICODE = Glyphs(
    vertical=" ▁▂▃▄▅▆▇█",
    shades=" ░▒▓█",
    # No common font has the eighths between.
    hanging=" ▔▀▀█",
    zero="▔",
    middle="─",
    upper_half="▀",
    signed="=- +#",
    eighths="▏▎▍▌▋▊▉█",
    missing="·",
    separator="▏",
    rule="─",
    column="│",
    down="▼",
    up="▲",
    right="→",
    left="←",
    times="×",
    dash="–",
    ellipsis="…",
    rebuilt="~",
    critical="!!",
    warning="!",
    good="✓",
    frame_left="▕",
    frame_right="▏",
    span="━",
    over_left="┌",
    over_right="┐",
    point="●",
    points="•o+x*#@%",
)
_ASCII = Glyphs(
    # The underscore is the baseline: a zero, unlike the blank of nothing and the tick of no data.
    vertical=" _.:-=+*#%@",
    shades=" .:-=+*#%@",
    hanging=" -=",
    zero=" ",
    middle=" ",
    upper_half="+",
    signed="=- +#",
    eighths="#",
    missing="'",
    separator="|",
    rule="-",
    column="|",
    down="v",
    up="^",
    right="->",
    left="<-",
    times="x",
    dash="-",
    ellipsis="..",
    rebuilt="~",
    critical="!!",
    warning="!",
    good="OK",
    frame_left="[",
    frame_right="]",
    span="=",
    over_left="[",
    over_right="]",
    point="o",
    points="*o+x.#@%",
)

# What people write that ASCII lacks; anything else becomes an escape such as `\u4e2d`.
_SPELLED = str.maketrans(
    {
        "–": "-", "—": "-", "−": "-", "×": "x", "·": ".", "…": "..", "∞": "inf", "Σ": "sum ", "±": "+-",
        "≥": ">=", "≤": "<=", "→": "->", "←": "<-", "µ": "u", "μ": "u", "’": "'", "“": '"', "”": '"',
        "√": "sqrt ", "σ": "sigma ", "Λ": "Lambda ", "§": "section ", "↑": "up", "↓": "down", "⏎": "Enter",
        "Φ": "Phi", "ⁿ": "^n",
    }
)  # fmt: skip
_KEYS = {"↑": "Up", "↓": "Down", "←": "Left", "→": "Right"}


def glyphs(caps: Capabilities) -> Glyphs:
    """Return the symbols this terminal can show."""
    return _UNICODE if caps.unicode else _ASCII


def vertical(caps: Capabilities) -> str:
    """Return the ramp of rising bars, a blank first."""
    return glyphs(caps).vertical


def shades(caps: Capabilities) -> str:
    """Return the ramp of rising ink, a blank first."""
    return glyphs(caps).shades


def spell(text: str) -> str:
    """Return text in pure ASCII, and where Chinese is spoken in that and what of Chinese is in GB2312.

    That is spoken only into streams that carry it: all encodings of Chinese do.
    """
    if text.isascii():
        return text
    spelled = text.translate(_SPELLED)
    if language() == "en":
        return _escaped(spelled)
    return "".join(c if c.isascii() or _is_chinese(c) else _escaped(c) for c in spelled)


def _escaped(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode()


def _is_chinese(character: str) -> bool:
    """Tell whether a character is Chinese, or a mark of it: all that are as wide are, no symbol is."""
    return character >= "\u3000" and len(character.encode("gb2312", "ignore")) == 2


def spell_key(key: str) -> str:
    """Return the name of a key or of several (`↑↓`, `← h`, `⏎`) in pure ASCII."""
    if key.isascii():
        return key

    def names(arrows: re.Match[str]) -> str:
        return "arrows" if len(arrows[0]) > 2 else "/".join(_KEYS[arrow] for arrow in arrows[0])

    return spell(re.sub("[↑↓←→]+", names, key))
