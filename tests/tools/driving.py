"""Wait for an app that is driven by Textual's Pilot, without sleeping."""

from __future__ import annotations

import asyncio
from typing import Any

from textual.app import App
from textual.pilot import Pilot

from lbtui.ui.kit.picture import Picture

_QUIET = 3  # turns of the loop with nothing running: a worker's last message may start the next worker


async def handled(pilot: Pilot[Any]) -> None:
    """Return once all widgets have done with what was sent to them, and the screen is drawn.

    Pilot's own pause waits until the process rests, at least 20 ms and never more than a second: slow where
    nothing is under way, and too soon on a busy machine.
    """
    await pilot.pause(0)


async def resized(app: App[Any], pilot: Pilot[Any], columns: int, rows: int) -> None:
    """Return once the terminal has that size, and all is drawn for it."""
    await pilot.resize_terminal(columns, rows)
    await settled(app, pilot)


async def settled(app: App[Any], pilot: Pilot[Any]) -> None:
    """Return once no worker runs, all their messages are handled and all is drawn in the terminal's size."""
    quiet = 0
    while quiet < _QUIET:
        await pilot.pause()
        running = [worker for worker in app.workers if not worker.is_finished]
        if running:
            await asyncio.gather(*(worker.wait() for worker in running), return_exceptions=True)
            quiet = 0
        elif not app.size == app.screen.size == app.screen._compositor.size or _to_draw(app):
            # Textual hands a new size on by a timer.
            quiet = 0
        else:
            quiet += 1


def _to_draw(app: App[Any]) -> bool:
    """Return whether a picture in view still shows what it drew in another size."""
    return any(
        picture._strips[0].cell_length != picture.size.width
        for picture in app.screen_stack[0].query(Picture)
        if picture.display and picture.size and picture._strips
    )
