"""A frame read before a pane asks for it."""

from __future__ import annotations

import time

from lbtui.profile.model import Profile
from lbtui.profile.progress import Cancelled, Progress
from lbtui.profile.schema import FrameName

_LONGEST = 5.0  # s until whoever wants it has asked


class _ForAWhile(Progress):
    """The progress of one who waits until others do; where none comes, the reading ends."""

    def __init__(self) -> None:
        self._end = time.monotonic() + _LONGEST

    def advance(self, what: str, done: int, total: int) -> None:
        if time.monotonic() > self._end:
            raise Cancelled


def read_early(profile: Profile, name: FrameName) -> None:
    """Read a frame; who loads it meanwhile waits for the same. Raises `Cancelled` where nobody does.

    A sample of the steps comes before, where there is one: it is what is seen first.
    """
    profile.sample_steps()
    profile.load(name, _ForAWhile())
