"""What a child is asked of a run, and what it answers: as lines one way, and in frames the other."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from lbtui.profile import Reading, SourceFile
from lbtui.thresholds import Entry, Expected, Offer, Thresholds

# When a run began and its shape; its summary; why nothing of it can be read; why its reading failed.
Kind: TypeAlias = Literal["begun", "read", "unreadable", "failed"]
_KINDS: tuple[Kind, ...] = ("begun", "read", "unreadable", "failed")
_HEAD = struct.Struct(">BQQ")


@dataclass(frozen=True)
class Task:
    """A run to be summarised; see `sources.open_one_of_many`."""

    reading: Reading
    beside: tuple[SourceFile, ...]
    thresholds: Thresholds

    def line(self) -> bytes:
        """Return it as a child gets it."""
        told = {
            "path": str(self.reading.path),
            "raw": self.reading.raw,
            "beside": [[str(file.path), file.kind, file.reader, file.size] for file in self.beside],
            "thresholds": asdict(self.thresholds),
        }
        # As JSON's own reader has it back, single surrogates in names of files too.
        return json.dumps(told).encode("ascii") + b"\n"


def task_of(line: bytes) -> Task:
    """Return what a line of the parent's asks."""
    told = json.loads(line)
    beside = [SourceFile(Path(path), *rest) for path, *rest in told["beside"]]
    return Task(Reading(Path(told["path"]), told["raw"]), tuple(beside), _thresholds(told["thresholds"]))


def _thresholds(told: dict[str, Any]) -> Thresholds:
    expected = Expected(**{name: _entries(own) for name, own in told.pop("expected").items()})
    targets, offer = _entries(told.pop("targets")), Offer(**told.pop("offer"))
    return Thresholds(**told, expected=expected, targets=targets, offer=offer)


def _entries(told: list[list[Any]]) -> tuple[Entry, ...]:
    return tuple((name, number) for name, number in told)


@dataclass(frozen=True)
class Answer:
    """A part of an answer: a summary as `runs.text` writes it, or a sentence; the last is not "begun".

    `memory` is how many bytes the child has.
    """

    kind: Kind
    body: bytes
    memory: int = 0

    def frame(self) -> bytes:
        """Return it as the parent gets it."""
        return _HEAD.pack(_KINDS.index(self.kind), self.memory, len(self.body)) + self.body


def answer_from(read: Callable[[int], bytes]) -> Answer | None:
    """Return the next part of an answer, None where the child has ended; `read` gives so many bytes."""
    head = read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    kind, memory, length = _HEAD.unpack(head)
    body = read(length)
    return Answer(_KINDS[kind], body, memory) if len(body) == length else None
