"""The child that summarises runs, one at a time, for as long as it is asked to."""

from __future__ import annotations

import gc
import os
import resource
import time
from dataclasses import replace
from pathlib import Path

from lbtui.children import Parent
from lbtui.profile import Unreadable
from lbtui.runs.first import first_look
from lbtui.runs.model import RunSummary
from lbtui.runs.summarise import summarised
from lbtui.runs.task import Answer, Kind, Task, task_of
from lbtui.runs.text import Told, to_bytes
from lbtui.sources import SeveralOutputs, identity_of, open_one_of_many
from lbtui.text import _, error_words


def main() -> None:
    """Answer what the parent asks."""
    parent = Parent()
    # What is imported stays: it is not looked through after each run.
    gc.collect()
    gc.freeze()
    while True:
        task = task_of(parent.line())
        kind, body = _answered(task, parent)
        gc.collect()
        parent.tell(Answer(kind, body, _memory()).frame())
        # After a panic of polars, or without memory, nobody knows what state the process is in.
        if kind == "failed":
            os._exit(0)


def _answered(task: Task, parent: Parent) -> tuple[Kind, bytes]:
    try:
        began = time.process_time()
        profile = open_one_of_many(task.reading, task.beside)
        start, shape = first_look(profile)
        begun = to_bytes(Told(RunSummary("", start=start, shape=shape)))
        parent.tell(Answer("begun", begun, _memory()).frame())
        summary = summarised(profile, task.thresholds)
        seconds = time.process_time() - began
        return "read", to_bytes(Told(replace(summary, identity=identity_of(profile), seconds=seconds)))
    except (Unreadable, SeveralOutputs) as error:
        return "unreadable", str(error).encode("utf-8", "backslashreplace")
    except MemoryError:
        return "failed", _("it needs more memory than there is.").encode()
    # Also what polars raises when it panics, which is no Exception.
    except BaseException as error:
        return "failed", error_words(error).encode("utf-8", "backslashreplace")


def _memory() -> int:
    """Return how many bytes of memory the process has."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):  # not Linux
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return pages * resource.getpagesize()
