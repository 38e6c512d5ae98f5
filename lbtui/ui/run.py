"""Run the screen until it ends, and leave nothing behind."""

from __future__ import annotations

import asyncio
import io
import shutil
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from lbtui import endings
from lbtui.log import log
from lbtui.output import complain
from lbtui.render.capabilities import Capabilities
from lbtui.ui.app import LbtuiApp
from lbtui.ui.kit.outlets import Outlets
from lbtui.ui.opening import Asked
from lbtui.ui.terminal.clipboard import Clipboard
from lbtui.ui.terminal.enquiry import Enquiry

# So long a thread that still reads is waited for.
_PATIENCE = 0.3
# So many threads load for the panes; each holds memory of its own.
_THREADS = 6
_TURN = 0.001  # s that a thread runs Python before another may


def run(
    asked: Asked,
    caps: Capabilities,
    *,
    mouse: bool,
    outlets: Outlets | None = None,
    enquiry: Enquiry | None = None,
) -> int:
    """Show what is asked for; return the exit code once the user has left.

    `outlets` write what the user asks to be saved. `enquiry` is what the terminal was asked before.
    """
    if isinstance(sys.__stdout__, io.TextIOWrapper):
        # A character that the stream cannot carry must not end the thread that writes.
        sys.__stdout__.reconfigure(errors="replace")
    # What reads in threads gives way often: it waits as long for each turn while another one computes.
    sys.setswitchinterval(_TURN)
    log.info("capabilities %s, mouse %s, %s", caps, mouse, shutil.get_terminal_size())
    app = LbtuiApp(asked, caps, outlets, enquiry)
    app.copies_to = Clipboard(keeps=asked.memory is not None)
    return asyncio.run(_run(app, mouse))


async def _run(app: LbtuiApp, mouse: bool) -> int:
    executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="work")
    asyncio.get_running_loop().set_default_executor(executor)
    loop = asyncio.get_running_loop()

    def ask(code: int) -> None:
        loop.call_soon_threadsafe(partial(app.exit, code, return_code=code))

    with endings.asking(ask):
        await app.run_async(mouse=mouse)
    if why := app.remembering.write():
        log.info("not remembered: %s", why)
    if app.failure:
        complain(f"lbtui: {app.failure}\n")
    code = app.return_code or app.return_value or 0
    # Not the loop's own way: once it has begun to wait for a thread it does not stop after a time.
    finished = threading.Event()

    def finish() -> None:
        executor.shutdown(cancel_futures=True)
        finished.set()

    threading.Thread(target=finish, daemon=True).start()
    if not finished.wait(_PATIENCE):
        # A thread in the midst of a large file cannot be stopped, and what it reads is not wanted any more.
        endings.leave(code)
    return code
