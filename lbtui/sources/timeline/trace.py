"""The slices of chrome_tracing.json: spans and events; its place in the file finds one's fields again."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lbtui.profile import Cancelled, Note, Progress, Silent, Unreadable
from lbtui.profile.slices import SliceFields, Slices, Track
from lbtui.sources.safe_values import moment, real, request_ids, text, whole
from lbtui.sources.timeline.build import Codes, Columns, FileReader, build
from lbtui.sources.timeline.fields import fields_of
from lbtui.sources.timeline.requests import RequestRows
from lbtui.sources.timeline.tracks import Label, label_of, track
from lbtui.sources.trace.events import FLOW_EVENTS
from lbtui.sources.trace.json_stream import ElementReader
from lbtui.sources.trace.names import names_behind
from lbtui.sources.trace.read import read_event
from lbtui.text import _, visible

LARGE = 24 << 20  # bytes of a file that is read in about a second
MOST = 12_000_000  # slices that are held
_SAMPLE_SECONDS = 0.5
_PIECE, _PIECES = 1 << 15, 512
_EVENT = re.compile(r'\{"name": "')
_PART = 1 << 16  # slices


class TraceSlices(FileReader):
    """Reads the spans and events of a trace; `row` is the byte at which one begins."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.file = visible(path.name)
        self.large = path.stat().st_size > LARGE
        self._requests = RequestRows()

    def sample(self, progress: Progress) -> Slices:
        """Return the events of pieces from all over the file, as many as half a second has."""
        taken, seen = _Taken(None), set[int]()
        size = self._path.stat().st_size
        end = time.monotonic() + _SAMPLE_SECONDS
        with self._path.open("rb") as file:
            pieces = max(1, min(_PIECES, size // (4 * _PIECE)))
            for number in range(pieces):
                at = int((number * 0.6180339887498949 % 1.0) * max(1, size - _PIECE))
                file.seek(at)
                for offset, event in _events_in(file.read(_PIECE).decode("utf-8", "replace")):
                    # Two pieces may overlap.
                    if at + offset not in seen:
                        seen.add(at + offset)
                        taken.take(at + offset, event)
                if time.monotonic() > end:
                    break
        try:
            for event in names_behind(self._path, 0, Silent()):
                taken.take(0, event)
        except (OSError, Cancelled):
            pass
        read = min(size, (number + 1) * _PIECE)
        return taken.slices((), round(taken.count * size / max(1, read)))

    def read(self, progress: Progress) -> Slices:
        """Return all slices, up to the most that are held."""
        self._requests = RequestRows()
        taken = _Taken(self._requests)
        reader = ElementReader(self._path, progress, skip=FLOW_EVENTS)
        for offset, event in reader:
            taken.take(offset, event)
            if taken.count >= MOST:
                break
        notes = []
        if taken.count >= MOST:
            words = _("Only the first {shown} slices are held: the others are too many.")
            notes.append(Note(self.file, words.format(shown=f"{MOST:,}"), lost=True))
        if not taken.count:
            raise Unreadable(_("{file} holds no slices.").format(file=self.file))
        return taken.slices(notes, None)

    def fields(self, slices: Slices, index: int) -> SliceFields:
        """Return the fields of one event."""
        args = read_event(self._path, int(slices.row[index])).get("args")
        return fields_of(args) if isinstance(args, dict) else SliceFields()

    def flow(self, slices: Slices, request: str, progress: Progress) -> Sequence[int]:
        """Return the slices of a request by their start."""
        return self._requests.flow(slices, request)


class _Taken:
    """Columns made of events one by one."""

    def __init__(self, requests: RequestRows | None) -> None:
        self.count = 0
        self._requests = requests
        self._columns, self._names, self._threads = Columns(), Codes(), Codes()
        self._of: dict[int, set[str]] = {}
        self._labels: dict[str, Label] = {}
        self._rows: list[tuple[int, int, int, int, int]] = []

    def take(self, offset: int, event: Any) -> None:
        """Take the event that begins at a byte, if it is a span, an event or says who a process is."""
        if type(event) is not dict:
            return
        phase, pid, args = event.get("ph"), str(event.get("pid")), event.get("args")
        if phase == "M":
            if event.get("name") == "process_labels" and isinstance(args, dict):
                self._labels[pid] = label_of(pid, text(args.get("labels")))
            return
        name, start = text(event.get("name")), moment(event.get("ts"))
        if phase not in ("X", "I", "i") or name is None or start is None:
            return
        duration = real(event.get("dur")) if phase == "X" else 0.0
        thread = str(event.get("tid"))
        place = self._threads.of(f"{pid} {thread}")
        self._of.setdefault(place, set()).add(name)
        self._rows.append(
            (place, self._names.of(name), round(start * 1000), round((duration or 0.0) * 1000), offset)
        )
        self.count += 1
        if self._requests is not None and isinstance(args, dict) and not self._requests.full:
            self._requests.add(offset, request_ids(args.get("res_list", args.get("rid"))))
        if len(self._rows) >= _PART:
            self._put()

    def _put(self) -> None:
        cells = np.array(self._rows, np.int64).reshape(-1, 5)
        self._rows.clear()
        self._columns.add(*(cells[:, place] for place in range(5)))

    def slices(self, notes: Sequence[Note], total: int | None) -> Slices:
        """Return what was taken."""
        self._put()
        tracks: dict[int, Track] = {}
        for place, key in enumerate(self._threads.texts):
            pid, _blank, thread = key.partition(" ")
            label = self._labels.get(pid) or Label(pid, whole(pid))
            tracks[place] = track(thread, label, self._of.get(place, ()))
        return build(self._columns, tracks, self._names.texts, notes, total)


def _events_in(text: str) -> Iterator[tuple[int, Any]]:
    """Yield the events that are whole in a piece of a trace, with their places."""
    decode = json.JSONDecoder(strict=False).raw_decode
    at = 0
    while (found := _EVENT.search(text, at)) is not None:
        try:
            event, at = decode(text, found.start())
        except (ValueError, RecursionError):
            at = found.end()
        else:
            yield found.start(), event
