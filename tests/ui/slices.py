"""Slices made by hand, for tests of what is drawn of them."""

import numpy as np

from lbtui.profile.slices import NoSlices, SliceFields, Slices, Track
from lbtui.sources.timeline.build import Codes, Columns, build

MS = 1_000_000
BEGIN = 1_767_225_600_000 * MS  # ns


def slices_of(tracks, total=None) -> Slices:
    """Return slices: a list of (track, [(name, start ms, length ms), …])."""
    codes, columns, row = Codes(), Columns(), 0
    for place, (_track, given) in enumerate(tracks):
        count = len(given)
        columns.add(
            np.full(count, place),
            np.array([codes.of(name) for name, _start, _length in given], np.int64),
            np.array([BEGIN + round(start * MS) for _name, start, _length in given], np.int64),
            np.array([round(length * MS) for _name, _start, length in given], np.int64),
            np.arange(row, row + count),
        )
        row += count
    return build(
        columns, {place: track for place, (track, _given) in enumerate(tracks)}, codes.texts, (), total
    )


def track(kind, rank=None, host="node-a-0", pid=1):
    """Return a track of a domain."""
    domain = None if rank is None else f"node/dp{rank}"
    return Track(f"{pid} {kind}", kind, kind, str(pid), host, pid, domain, rank)


class Held(NoSlices):
    """A reader of slices that are there."""

    def fields(self, slices, index):
        return SliceFields((("batch_size", "2"),), ("r1",))


def service():
    """Return a front end, a scheduler and its card of one domain, and a card of another."""
    card = [each for k in range(5) for each in (("forward", 20 * k + 1, 10), ("sample", 20 * k + 11, 1))]
    return slices_of(
        [
            (track("front", pid=1), [("httpReq", 0, 0), ("httpRes", 99, 0)]),
            (track("schedule", 0, pid=2), [("BatchSchedule", 20 * k, 0.5) for k in range(5)]),
            (track("round", 0, pid=3), [("Execute", 20 * k + 0.6, 12) for k in range(5)]),
            (track("card", 0, pid=4), card),
            (track("card", 1, pid=5, host="node-b-1"), [("forward", 0, 40), ("forward", 90, 10)]),
        ]
    )
