"""A log for people whom nobody can reach: what ran where on what, how long it took, and what went wrong.

Of the profile it holds names and counts, and what the notes say of it. Without a file nothing is kept.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from lbtui.text import visible

if TYPE_CHECKING:
    from types import TracebackType

log = logging.getLogger("lbtui")
# Else Python would write errors, also those of its event loop, to standard error, over the screen.
logging.getLogger().addHandler(logging.NullHandler())
_LIBRARIES = ("textual", "rich", "polars", "numpy", "plotext", "pillow")
_ENVIRONMENT = (
    "TERM",
    "COLORTERM",
    "NO_COLOR",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "COLUMNS",
    "LINES",
    "TMUX",
    "STY",
)
# A log is looked at with `cat`: lines of more are no sentences.
_LONGEST_LINE = 2000


class _Harmless(logging.Formatter):
    """Text in which control characters are shown, line by line."""

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(visible(line, _LONGEST_LINE) for line in super().format(record).split("\n"))


def log_into(file: Path) -> None:
    """Add what is logged from now on to a file, new or not; raises `OSError` where it cannot be written."""
    if file.exists() and not file.is_file():
        # A pipe would be waited for.
        raise OSError("it is no regular file")
    handler = logging.FileHandler(file, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(_Harmless("%(asctime)s.%(msecs)03d %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    logging.getLogger().addHandler(handler)
    log.setLevel(logging.INFO)
    # What a full disk does to the log is no reason to disturb the screen.
    logging.raiseExceptions = False
    threading.excepthook = _of_thread
    _machine()


def log_fault(error: BaseException | None, where: str) -> None:
    """Log a fault of lbtui's own with its traceback, which holds lines of code but no values."""
    if error is not None:
        log.error("fault: %s", where, exc_info=(type(error), error, error.__traceback__))


def _of_thread(given: threading.ExceptHookArgs) -> None:
    where = "" if given.thread is None else given.thread.name
    trace: TracebackType | None = given.exc_traceback
    if given.exc_value is not None:
        log.error("fault: thread %s", where, exc_info=(given.exc_type, given.exc_value, trace))


def _machine() -> None:
    import platform
    from importlib.metadata import PackageNotFoundError, version

    from lbtui import __version__

    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    log.info("lbtui %s, Python %s", __version__, sys.version.replace("\n", " "))
    log.info("libraries %s", ", ".join(f"{name} {number}" for name, number in found.items()))
    log.info(
        "machine %s, %s %s, libc %s, page %d bytes, %s processors",
        platform.machine(),
        platform.system(),
        platform.release(),
        " ".join(platform.libc_ver()),
        os.sysconf("SC_PAGE_SIZE"),
        os.cpu_count(),
    )
    log.info("environment %s", {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ})
    streams = {"in": sys.stdin, "out": sys.stdout, "err": sys.stderr}
    for name, stream in streams.items():
        if stream is None:
            log.info("std%s is closed", name)
        else:
            log.info("std%s terminal %s, encoding %s", name, stream.isatty(), stream.encoding)
