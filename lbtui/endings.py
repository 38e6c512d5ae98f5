"""The way out that depends on nothing else: signals end the process whatever its threads are busy with.

A signal handler of Python's runs in the main thread, between two steps of it: not while that reads in native
code, and one of the event loop's not while the loop is stuck. So the signals are kept from all threads but
one, which waits for nothing else.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

# So long (s) may an orderly end take before the process is ended by force.
PATIENCE = 0.6
# So long (s) may each of the last acts take: the terminal may be stopped, a disk gone.
_ACT_PATIENCE = 0.1
_ENDING = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)

_last_acts: list[Callable[[], object]] = []
_asked: list[Callable[[int], object]] = []
_under_way = threading.Event()
_watching = threading.Event()
_leaving = threading.Event()


def watch() -> None:
    """Let the signals that ask for an end do so from now on; call it in the main thread, before any other.

    What was told to be ignored, as by nohup, stays ignored.
    """
    if _watching.is_set():
        return
    _watching.set()
    numbers = {number for number in _ENDING if signal.getsignal(number) is not signal.SIG_IGN}
    # Every thread that is started later is kept from them, too: those of polars, that of the keys.
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    threading.Thread(target=_wait, args=(numbers,), name="signals", daemon=True).start()


def end(number: int) -> None:
    """End as the signal of that number does: in an orderly way where that is possible, by force if it lasts.

    Told a second time it uses force at once.
    """
    code = 128 + number
    if _under_way.is_set() or not _asked:
        leave(code)
    _under_way.set()
    timer = threading.Timer(PATIENCE, leave, (code,))
    timer.daemon = True
    timer.start()
    with suppress(Exception):
        _asked[-1](code)


def leave(code: int) -> None:
    """End the process at once, after the last acts; does not return."""
    _leaving.set()
    for act in reversed(_last_acts):
        acting = threading.Thread(target=_quietly, args=(act,), daemon=True)
        acting.start()
        acting.join(_ACT_PATIENCE)
    os._exit(code)


def hold_if_leaving() -> None:
    """Return, unless the process is being ended by force: then what the last acts did is no news to tell."""
    if _leaving.is_set():
        threading.Event().wait()


@contextmanager
def before_force(act: Callable[[], object]) -> Iterator[None]:
    """Do `act` before the process is ended by force meanwhile; it may run in any thread."""
    _last_acts.append(act)
    try:
        yield
    finally:
        _last_acts.remove(act)


@contextmanager
def asking(orderly: Callable[[int], object]) -> Iterator[None]:
    """Ask for an end with its exit code meanwhile, instead of ending at once; asked in any thread."""
    _asked.append(orderly)
    try:
        yield
    finally:
        _asked.remove(orderly)


def _wait(numbers: set[signal.Signals]) -> None:
    while True:
        end(signal.sigwait(numbers))


def _quietly(act: Callable[[], object]) -> None:
    with suppress(Exception):
        act()
