"""A program in a real pseudo-terminal, driven like by a person; runs anywhere Python's pty does."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

_MODES = re.compile(rb"\x1b\[\?([0-9;]+)([hl])|\x1b\[([<>])[0-9]*u")
# What tells of the terminal that tests were started in; xdist sets the size for its workers.
_NOT_A_TERMINALS = ("NO_COLOR", "COLORTERM", "COLUMNS", "LINES")
_TESTED = "PYTEST_CURRENT_TEST"
# Line wrap and the cursor.
_USUALLY_ON = ("7", "25")
# So long (s) a test waits for what must come at once: others use the machine.
PATIENCE = 120.0
# A program that uses so little (1/100 s) for so long (s), and would not, is at rest.
_TICKS, _REST = 2, 0.3


class Terminal:
    """Runs a command in a pty of a given size; everything it wrote is kept in `output`."""

    def __init__(
        self, command: Sequence[str], columns: int, rows: int, environment: Mapping[str, str] | None = None
    ) -> None:
        self.output = bytearray()
        self.pid, self.fd = pty.fork()
        size = struct.pack("HHHH", rows, columns, 0, 0)
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, size)
            # Tests started by nohup ignore it, and so would what they start.
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
            env = {k: v for k, v in os.environ.items() if k not in _NOT_A_TERMINALS}
            env |= {"TERM": "xterm-256color", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
            # A test has a state folder (conftest.py); whoever runs a bench keeps what is remembered for them.
            env |= {} if _TESTED in env else {"XDG_STATE_HOME": os.devnull}
            os.execvpe(command[0], list(command), {**env, **(environment or {})})
        self.found: list[object] = termios.tcgetattr(self.fd)

    def resize(self, columns: int, rows: int) -> None:
        """Change the window's size."""
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.kill(self.pid, signal.SIGWINCH)

    def read(self, seconds: float) -> bytes:
        """Return what arrives within so many seconds, waiting for the first byte only."""
        if self.fd < 0:
            time.sleep(seconds)
            return b""
        if not select.select([self.fd], [], [], seconds)[0]:
            return b""
        try:
            data = os.read(self.fd, 1 << 16)
        except OSError:  # the program has ended
            return b""
        self.output += data
        return data

    def settle(self, silence: float, longest: float = 30.0) -> None:
        """Read until nothing has come for `silence` seconds."""
        deadline = time.monotonic() + longest
        while time.monotonic() < deadline and self.read(silence):
            pass

    def rest(self, longest: float = PATIENCE) -> None:
        """Read until the program has nothing left to do, however busy the machine is.

        Silence alone does not tell: a program that waits for a processor is silent, too.
        """
        deadline = time.monotonic() + longest
        since, used = time.monotonic(), self.used()
        while (now := time.monotonic()) < deadline:
            if self.read(0.02) or self.busy() or self.used() > used + _TICKS:
                since, used = now, self.used()
            elif now - since > _REST:
                return

    def busy(self) -> bool:
        """Tell whether the program's event loop, or more than the thread that looks for keys, would run."""
        states = {}
        for path in Path(f"/proc/{self.pid}/task").glob("*/stat"):
            with suppress(OSError):  # a thread may end meanwhile
                states[path.parent.name] = path.read_text().rpartition(")")[2].split()[0]
        running = [thread for thread, state in states.items() if state != "S"]
        return str(self.pid) in running or len(running) > 1

    def used(self) -> int:
        """Return the processor time used so far in 1/100 s."""
        try:
            state = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            return 0
        return int(state[11]) + int(state[12])

    def press(self, keys: str) -> None:
        """Write keys."""
        os.write(self.fd, keys.encode())

    def stopped(self, seconds: float = PATIENCE) -> bool:
        """Return whether the program is stopped (Ctrl-Z) within so many seconds."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.read(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG | os.WUNTRACED)
            if pid:
                return os.WIFSTOPPED(status)
        return False

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program."""
        os.kill(self.pid, number)

    def attributes(self) -> list[object]:
        """Return the line's settings now; `found` holds those from before the program ran."""
        return termios.tcgetattr(self.fd)

    def modes(self) -> dict[str, bool]:
        """Return the private modes and the keyboard protocol that stand otherwise than usual."""
        modes: dict[str, bool] = {}
        for numbers, switch, keyboard in _MODES.findall(bytes(self.output)):
            if keyboard:
                modes["keyboard"] = keyboard == b">"
            for number in numbers.decode().split(";") if numbers else ():
                modes[number] = switch == b"h"
        return {mode: on for mode, on in modes.items() if on != (mode in _USUALLY_ON)}

    def wait(self, seconds: float = PATIENCE) -> int | None:
        """Return the exit code if the program ends in time, else None."""
        deadline = time.monotonic() + seconds
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                while self.read(0.02):
                    pass
                return os.waitstatus_to_exitcode(status)
            if time.monotonic() >= deadline:
                return None
            self.read(0.02)

    def __enter__(self) -> Terminal:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the program and close the pty."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        self.close()

    def close(self) -> None:
        """Close the pty, as a dropped line does."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
