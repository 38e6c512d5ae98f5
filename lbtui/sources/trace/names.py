"""Which process is who, from the end of a trace that was not read that far."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lbtui.profile import Progress

_CHUNK = 4 << 20  # bytes
_LONGEST = 1 << 12  # bytes of one event
# As upstream writes them: after the flows, before the operators.
_NAMING = re.compile(
    rb'\{"name": "process_(?:labels|name)", "ph": "M", "pid": \d+, '
    rb'"args": \{"(?:labels|name)": "(?:[^"\\]|\\.)*"\}\}'
)


def names_behind(path: Path, begin: int, progress: Progress) -> Iterator[dict[str, Any]]:
    """Yield the events that name processes and stand behind byte `begin`, the last ones first.

    They stand together: nothing is read before them. Raises `OSError`, and `Cancelled` when `progress` does.
    """
    size = path.stat().st_size
    found = False
    with path.open("rb") as file:
        end = size
        while end > begin:
            first = max(begin, end - _CHUNK)
            file.seek(first)
            # One that a chunk's end cuts is whole in the chunk before.
            matches = _NAMING.findall(file.read(end - first + _LONGEST))
            if found and not matches:
                return
            found = found or bool(matches)
            yield from map(json.loads, matches)
            end = first
            progress.advance(path.name, size - end, size)
