"""A query given to a child of lbtui's own, and what comes of it."""

from __future__ import annotations

import contextlib
import io
import json
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

import polars as pl

from lbtui.children import Child, Listening, last_line, started
from lbtui.endings import before_force, hold_if_leaving
from lbtui.sql.grammar import Query
from lbtui.text import _

# What the child may take (bytes) beyond what it has once the frames are loaded.
MOST_MEMORY = 2 << 30

Kind: TypeAlias = Literal["mistake", "unreadable", "memory", "fault", "cancelled"]


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

    _child: list[Child] = field(default_factory=list)
    _wanted: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        """End the query, the one under way or the one that comes."""
        self._wanted.set()
        for child in self._child:
            child.kill()

    def takes(self, child: Child) -> None:
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
    child = started("lbtui.sql.child")
    with child, before_force(child.kill):
        cancelling.takes(child)
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        listening = Listening(child.stderr)
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
        hold_if_leaving()
        said = listening.said()
    if cancelling.cancelled:
        raise SqlError("cancelled", _("the query was cancelled."))
    if code != 0 or not head:
        raise _died(code, said, asked.memory)
    told = json.loads(head)
    if "error" in told:
        raise _error(told["error"], told.get("text", ""), asked.memory)
    return Answered(pl.read_ipc_stream(io.BytesIO(rows)), told["notes"])


def _died(code: int, said: bytes, memory: int) -> SqlError:
    if b"memory allocation of" in said or b"MemoryError" in said:
        return _error("memory", "", memory)
    if b"overflowed its stack" in said or code == -signal.SIGSEGV:
        return SqlError("mistake", _("the query is nested too deeply, or has too many parts."))
    if code == -signal.SIGKILL:
        return SqlError("memory", _("the system ended the query (signal 9), as where memory is short."))
    if code == -signal.SIGABRT:
        return _error("memory", "", memory)
    why = last_line(said) or _("code {code}").format(code=code)
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
