"""Memory that Textual and Python keep longer than a viewer that runs for days can afford."""

from __future__ import annotations

import gc

from rich.cells import cached_cell_len
from textual.geometry import Region

from lbtui.ui.terminal import private
from lbtui.ui.terminal.pen import change

# So often, in seconds, closed pages are given back; it takes some 10 ms.
TIDY_SECONDS = 20.0


def begin() -> None:
    """Look for what is not needed any more, from the first frame on."""
    gc.enable()


def settle() -> None:
    """Take what is loaded by now as here to stay: it need not be looked at again."""
    gc.freeze()


def settle_again() -> None:
    """Give back a profile that was left for another, panes and all, and settle."""
    gc.unfreeze()
    tidy()
    gc.freeze()


def tidy() -> None:
    """Give back closed pages, and what is remembered of every text and place that was ever drawn.

    Pages refer to themselves in circles, and Python seeks these the less often the more there is: memory
    would grow for minutes. The caches fill for half an hour with what is rarely drawn again; what is on the
    screen is back in them after one frame.
    """
    for cache in (cached_cell_len, Region.intersection, change):
        cache.cache_clear()
    private.forget_split_cells()
    gc.collect()


def forget_drawn_lines() -> None:
    """Let go of the drawn lines of the last 1,024 widgets, which Textual keeps long after they are gone."""
    private.forget_drawn_lines()
