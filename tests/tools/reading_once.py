"""Read a profile once for many apps: what is read and derived of it is the same for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest

import lbtui.sources
from lbtui.findings import diagnosis
from lbtui.ui.panes.overview import pane as overview_pane


@contextmanager
def reading_once() -> Iterator[None]:
    """Let every app of the same paths have the same profile, and look for its findings once."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(lbtui.sources, "open_profile", cache(lbtui.sources.open_profile))
        patched.setattr(overview_pane, "diagnose", _once(diagnosis.diagnose))
        patched.setattr(overview_pane, "with_latency", _once(diagnosis.with_latency))
        yield


def _once(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that does the same once for each profile, its first or second argument."""
    found: dict[int, tuple[Any, Any]] = {}

    def same(*arguments: Any) -> Any:
        profile = next(each for each in arguments[:2] if hasattr(each, "load"))
        if id(profile) not in found:
            # Kept with it: of one that is gone another could have the number.
            found[id(profile)] = profile, function(*arguments)
        return found[id(profile)][1]

    return same
