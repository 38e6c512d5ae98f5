"""Standard output and standard error, which may be full, closed, or read by nobody any more."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import TextIO

from lbtui.text import _, visible


class CannotWrite(Exception):
    """Something asked for could not be written; the text is one sentence that says what and why."""


def prepare() -> None:
    """Make the standard streams such that nothing written to them does harm or fails for its characters."""
    # A file opened in the place of a stream that is closed would get what goes there.
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free, this one
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as standard error has it


def has_screen() -> bool:
    """Tell whether both ends are a terminal that a screen can be drawn on."""
    # A dumb terminal would show the screen's escape sequences as text.
    dumb = os.environ.get("TERM", "dumb") in ("", "dumb")
    return not dumb and all(one is not None and one.isatty() for one in (sys.stdout, sys.stdin))


def write_out(text: str) -> None:
    """Write text to standard output; raises `CannotWrite` where that cannot take it.

    A reader that has had enough (`lbtui PATH | head`) is no error: it gets nothing more.
    """
    if sys.stdout is None:
        raise CannotWrite(_("standard output is closed."))
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        _silence(sys.stdout)
    except OSError as error:
        _silence(sys.stdout)
        raise CannotWrite(
            _("standard output cannot be written ({why}).").format(
                why=visible(error.strerror or str(error), 200)
            )
        ) from error


def complain(text: str) -> None:
    """Write text to standard error, if that can take it: where it cannot, the exit code must do."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        _silence(sys.stderr)


def _silence(stream: TextIO) -> None:
    # What is left in the stream would be tried again as Python ends, which then has a code of its own for it.
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
