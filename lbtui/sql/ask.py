"""A query given to a child of lbtui's own, and what comes of it."""

from __future__ import annotations

import contextlib
import io
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal, TypeAlias

import polars as pl

from lbtui.endings import before_force
from lbtui.sql.grammar import Query
from lbtui.text import _, language, visible

# What the child may take (bytes) beyond what it has once the frames are loaded.
MOST_MEMORY = 2 << 30

Kind: TypeAlias = Literal["mistake", "unreadable", "memory", "fault", "cancelled"]
# The modules are found where the parent finds them; a folder that is only stood in must not give any.
_CODE = (
    "import sys; sys.path[:] = {path!r}; from lbtui.text import speak; speak({language!r}); "
    "from lbtui.sql.child import main; main()"
)
_MOST_SAID = 1 << 16


class SqlError(Exception):
    """A query without an answer; the text is one sentence that says why."""

    def __init__(self, kind: Kind, text: str) -> None:
        super().__init__(text)
        self.kind = kind


@dataclass(frozen=True)
class Asked:
    """A query with the profile that it is asked of, as `sources.open_profile` opens that."""

    query: Query
    path: Path
    experts: Path | None = None
    placement: Path | None = None
    capture: int | Literal["all"] | None = None
    raw: bool = False
    memory: int = MOST_MEMORY

    def line(self) -> bytes:
        """Return it as the child gets it."""
        told = {
            "query": self.query.text,
            "path": str(self.path),
            "experts": None if self.experts is None else str(self.experts),
            "placement": None if self.placement is None else str(self.placement),
            "capture": self.capture,
            "raw": self.raw,
            "memory": self.memory,
        }
        return json.dumps(told).encode("ascii") + b"\n"


@dataclass(frozen=True)
class Answered:
    """The rows, times in the files' zone, and what to mind about the frames."""

    frame: pl.DataFrame
    notes: Sequence[str] = ()


@dataclass
class Cancelling:
    """A way to end a query from another thread."""

    _child: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _wanted: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        """End the query, the one under way or the one that comes."""
        self._wanted.set()
        for child in self._child:
            child.kill()

    def takes(self, child: subprocess.Popen[bytes]) -> None:
        """Have `cancel` end this child."""
        self._child.append(child)
        if self._wanted.is_set():
            child.kill()

    @property
    def cancelled(self) -> bool:
        """Tell whether the end was asked for."""
        return self._wanted.is_set()


def ask(asked: Asked, cancelling: Cancelling | None = None) -> Answered:
    """Return the answer to a query, which a child works out; raises `SqlError` where there is none.

    The child is killed when this process ends, and by `cancelling`.
    """
    cancelling = cancelling or Cancelling()
    child = subprocess.Popen(
        [sys.executable, *_flags(), "-c", _CODE.format(path=sys.path, language=language())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with child, before_force(child.kill):
        cancelling.takes(child)
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        said: list[bytes] = []
        listening = threading.Thread(target=_listen, args=(child.stderr, said), daemon=True)
        listening.start()
        try:
            child.stdin.write(asked.line())
            child.stdin.flush()
            head, rows = child.stdout.readline(), child.stdout.read()
        except BrokenPipeError:
            head, rows = b"", b""
        except BaseException:
            child.kill()
            raise
        finally:  # what a child that died left in the buffer is written again where it is closed
            with contextlib.suppress(BrokenPipeError):
                child.stdin.close()
        code = child.wait()
        listening.join()
    if cancelling.cancelled:
        raise SqlError("cancelled", _("the query was cancelled."))
    if code != 0 or not head:
        raise _died(code, b"".join(said), asked.memory)
    told = json.loads(head)
    if "error" in told:
        raise _error(told["error"], told.get("text", ""), asked.memory)
    return Answered(pl.read_ipc_stream(io.BytesIO(rows)), told["notes"])


def _flags() -> list[str]:
    """Return what Python is to be told for a child that reads paths as this process does, and no more."""
    bytecode = ["-B"] if sys.flags.dont_write_bytecode else []
    return ["-I", *bytecode, "-X", f"utf8={sys.flags.utf8_mode}"]


def _listen(stream: IO[bytes], said: list[bytes]) -> None:
    """Take what is said, so that nobody waits, and keep the beginning."""
    kept = 0
    while piece := stream.read1(1 << 12):  # type: ignore[attr-defined]
        if kept < _MOST_SAID:
            said.append(piece)
            kept += len(piece)


def _died(code: int, said: bytes, memory: int) -> SqlError:
    if b"memory allocation of" in said or b"MemoryError" in said:
        return _error("memory", "", memory)
    if b"overflowed its stack" in said or code == -signal.SIGSEGV:
        return SqlError("mistake", _("the query is nested too deeply, or has too many parts."))
    if code == -signal.SIGKILL:
        return SqlError("memory", _("the system ended the query (signal 9), as where memory is short."))
    if code == -signal.SIGABRT:
        return _error("memory", "", memory)
    lines = said.decode(errors="replace").strip().splitlines()
    why = visible(lines[-1], 300) if lines else _("code {code}").format(code=code)
    return SqlError("fault", _("the process of the query failed: {why}").format(why=why))


def _error(kind: Kind, text: str, memory: int) -> SqlError:
    if kind == "memory":
        sentence = _(
            "the query needs more memory than the {mib:,} MiB that it may take beyond the frames: ask for "
            "fewer columns or rows, or join on more."
        )
        return SqlError(kind, sentence.format(mib=memory >> 20))
    if kind == "fault" and ("memory" in text.lower() or "alloc" in text.lower()):
        return _error("memory", "", memory)
    return SqlError(kind, text)
