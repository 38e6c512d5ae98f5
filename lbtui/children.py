"""Children of lbtui's own: a process that runs one of its modules, as this one does, and ends with it.

The parent writes lines to the child's standard input and reads its standard output; as soon as that input
ends, so does the child: a parent that was killed leaves nothing running.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import IO, TypeAlias

from lbtui.text import language, visible

# The modules are found where the parent finds them; a folder that is only stood in must not give any.
_CODE = (
    "import sys; sys.path[:] = {path!r}; from lbtui.text import speak; speak({language!r}); "
    "from {module} import main; main()"
)
_MOST_SAID = 1 << 16

# Those who start children know no more of processes than this.
Child: TypeAlias = "subprocess.Popen[bytes]"
StillRuns = subprocess.TimeoutExpired


def started(module: str, environment: Mapping[str, str] | None = None) -> Child:
    """Return a child that runs `main` of a module; `environment` is what it has beyond this process's."""
    return subprocess.Popen(
        [sys.executable, *_flags(), "-c", _CODE.format(path=sys.path, language=language(), module=module)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **environment} if environment else None,
    )


def _flags() -> list[str]:
    """Return what Python is to be told for a child that reads paths as this process does, and no more."""
    bytecode = ["-B"] if sys.flags.dont_write_bytecode else []
    return ["-I", *bytecode, "-X", f"utf8={sys.flags.utf8_mode}"]


class Listening:
    """Takes what a child says on a stream, so that it never waits, and keeps the beginning."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._said: list[bytes] = []
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        kept = 0
        # Of a child that was ended the stream may be closed meanwhile.
        with suppress(ValueError, OSError):
            while piece := self._stream.read1(1 << 12):  # type: ignore[attr-defined]
                if kept < _MOST_SAID:
                    self._said.append(piece)
                    kept += len(piece)

    def said(self) -> bytes:
        """Return the beginning of what was said, once the child has ended."""
        self._thread.join()
        return b"".join(self._said)


def last_line(said: bytes) -> str:
    """Return the last line of what was said, harmless; empty without one."""
    lines = said.decode(errors="replace").strip().splitlines()
    return visible(lines[-1], 300) if lines else ""


class Parent:
    """The parent, as a child knows it; made first of all in the child, and once."""

    def __init__(self) -> None:
        # What anything else prints must not come between.
        self._out = os.dup(1)
        os.dup2(2, 1)
        # The parent keeps all signals to one of its threads, and a child gets that with it. Ctrl-C comes to
        # both; the parent sees to it.
        signal.pthread_sigmask(signal.SIG_SETMASK, {signal.SIGINT})
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        rest = b""
        with suppress(OSError):
            while piece := os.read(0, 1 << 16):
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    self._lines.put(line)
        # Whatever the child is busy with.
        os._exit(1)

    def line(self) -> bytes:
        """Return the next line of the parent's, without its end; the process ends where there is none."""
        return self._lines.get()

    def tell(self, data: bytes) -> None:
        """Write all of it to the parent."""
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._out, rest) :]
