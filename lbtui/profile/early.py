"""A frame read before a pane asks for it."""

from __future__ import annotations

from lbtui.profile.model import Profile
from lbtui.profile.progress import ForAWhile
from lbtui.profile.schema import FrameName

_LONGEST = 5.0  # s until whoever wants it has asked


def read_early(profile: Profile, name: FrameName) -> None:
    """Read a frame; who loads it meanwhile waits for the same. Raises `Cancelled` where nobody does.

    A sample of the steps comes before, where there is one: it is what is seen first.
    """
    profile.sample_steps()
    profile.load(name, ForAWhile(_LONGEST))
