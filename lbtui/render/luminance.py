"""How light a colour is, as WCAG 2 defines it."""

from __future__ import annotations

from collections.abc import Sequence

# White and black stand out alike from a colour of this luminance: 1.05 / (y + 0.05) = (y + 0.05) / 0.05.
_MIDDLE = 0.179


def luminance(color: Sequence[float]) -> float:
    """Return the relative luminance (0..1) of red, green and blue, each 0..255, in sRGB."""
    red, green, blue = (_linear(part / 255) for part in color)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def is_light(color: Sequence[float]) -> bool:
    """Return whether black is read better than white on a colour."""
    return luminance(color) > _MIDDLE


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)
