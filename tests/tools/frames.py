"""A source of frames that a test makes."""

from __future__ import annotations

from collections.abc import Mapping

from lbtui.profile import FrameName, Loaded, Progress, Source
from lbtui.profile.source import Loader


class Frames(Source):
    """Loads each frame with a function of its own."""

    def __init__(self, loaders: Mapping[FrameName, Loader]) -> None:
        self.names = tuple(loaders)
        self._loaders = loaders

    def load(self, name: FrameName, progress: Progress) -> Loaded:
        """Return what the frame's function does."""
        return self._loaders[name](progress)
