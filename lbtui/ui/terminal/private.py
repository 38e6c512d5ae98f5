"""Every name that is private to Textual or Rich, which may go with any version of theirs.

Where one is missing lbtui still runs: Textual does by itself, in its own way, what was to be done with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeAlias

from rich.console import RenderableType
from rich.segment import Segment
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from textual.strip import Strip

if TYPE_CHECKING:
    from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
    from textual._styles_cache import StylesCache
    from textual._xterm_parser import BRACKETED_PASTE_END, BRACKETED_PASTE_START, XTermParser
else:
    try:
        from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
    except ImportError:
        ChopsUpdate = LayoutUpdate = None
        CompositorUpdate = object
    try:
        from textual._styles_cache import StylesCache
    except ImportError:
        StylesCache = None
    try:
        from textual._xterm_parser import BRACKETED_PASTE_END, BRACKETED_PASTE_START, XTermParser
    except ImportError:
        BRACKETED_PASTE_END = BRACKETED_PASTE_START = ""
        XTermParser = None

__all__ = ["BRACKETED_PASTE_END", "BRACKETED_PASTE_START", "CompositorUpdate", "XTermParser"]

# A strip from a cell (x, y) on.
Piece: TypeAlias = tuple[int, int, Strip]

# What `TerminalDriver` changes of Textual's driver, or finds there.
DRIVER_NAMES = (
    "_app",
    "_auto_restart",
    "_disable_mouse_support",
    "_enable_mouse_support",
    "_file",
    "_get_terminal_size",
    "_mouse",
    "_mouse_pixels",
    "_must_signal_resume",
    "_sigcont_application",
)
_BINDINGS, _CLOSE, _EXCEPTION, _SPLIT = (
    "_check_bindings",
    "_close_messages_no_wait",
    "_exception",
    "_split_cells",
)


def driver_stands() -> bool:
    """Tell whether Textual's driver has all that lbtui's is built on."""
    known: set[str] = set()
    for kind in LinuxDriver.__mro__:
        for name, member in vars(kind).items():
            known.add(name)
            if isinstance(member, FunctionType):
                # What a method sets or uses of its object, too.
                known.update(member.__code__.co_names)
    return known.issuperset(DRIVER_NAMES)


def parser_stands() -> bool:
    """Tell whether there is a parser of what the terminal sends."""
    return XTermParser is not None


def pieces(update: RenderableType | None) -> list[Piece] | None:
    """Return what an update of a screen draws; None of anything else, or where that cannot be told."""
    try:
        if type(update) is ChopsUpdate:
            return list(_cropped(update))
        if type(update) is LayoutUpdate:
            return list(_rows(update))
    except (AttributeError, TypeError, ValueError):
        return None
    return None


def _cropped(update: ChopsUpdate) -> Iterator[Piece]:
    for y, x1, x2 in update.spans:
        for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            left, right = max(x, x1), min(end, x2)
            if strip is not None and left < right:
                yield left, y, strip.crop(left - x, right - x)


def _rows(update: LayoutUpdate) -> Iterator[Piece]:
    for y, strips in enumerate(update.strips, update.region.y):
        yield update.region.x, y, Strip.join(list(strips))


def forget_split_cells() -> None:
    """Empty Rich's memory of every text that was ever cut."""
    _empty(getattr(Segment, _SPLIT, None))


def forget_drawn_lines() -> None:
    """Empty Textual's memory of the drawn lines of the last 1,024 widgets."""
    _empty(getattr(StylesCache, "get_inner_outer", None))


def _empty(cached: object) -> None:
    clear = getattr(cached, "cache_clear", None)
    if clear is not None:
        clear()


async def run_bindings(app: App[Any], key: str) -> bool:
    """Run what a key is bound to, here and now; return whether that can be done at all."""
    check = getattr(app, _BINDINGS, None)
    if check is None:
        return False
    for priority in (True, False):
        if await check(key, priority=priority):
            break
    return True


def failure_of(app: App[Any]) -> BaseException | None:
    """Return what has ended the app, None if that is unknown."""
    found = getattr(app, _EXCEPTION, None)
    return found if isinstance(found, BaseException) else None


def end_now(app: App[Any], code: int) -> None:
    """End the app with this code, whatever it is doing."""
    close = getattr(app, _CLOSE, None)
    if close is None:
        App.exit(app, return_code=code)
        return
    app._return_code = code
    close()
