"""Reads the numbers back out of upstream's expert heat maps `*_summed_hot_map_by_*.png`."""

from __future__ import annotations

from pathlib import Path

from lbtui.sources.heat_png.heat_map import HeatMap
from lbtui.sources.heat_png.names import HeatName, View, parse_heat_name

__all__ = ["HeatMap", "HeatName", "View", "parse_heat_name", "read_heat_map"]


def read_heat_map(path: Path) -> HeatMap:
    """Return the numbers that the heat map at `path` was drawn from.

    Raises `lbtui.profile.Unreadable` for anything that is not such an image.
    """
    # Names are parsed when a folder is opened; numpy and Pillow (100 ms) are for reading only.
    from lbtui.sources.heat_png.reader import read

    return read(path)
