"""What was replayed last, kept by the pane below: another look at it costs nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lbtui.profile import Profile
from lbtui.text import _
from lbtui.thresholds import Thresholds


@dataclass
class Kept:
    """An answer, of which profile and under which limits."""

    profile: Profile | None = None
    limits: Thresholds | None = None
    found: Any = None
    question: Any = None  # what else the user had said

    def of(self, profile: Profile, limits: Thresholds) -> Any:
        """Return what is kept of a profile under these limits, None without it."""
        return self.found if profile is self.profile and limits == self.limits else None

    def keep(self, profile: Profile, limits: Thresholds, found: Any, question: Any = None) -> None:
        """Keep an answer in the place of the last."""
        self.profile, self.limits, self.found, self.question = profile, limits, found, question


def why_not_replayed(profile: Profile) -> str:
    """Return why nothing can be replayed, as far as that is known without reading; empty if it may."""
    if profile.has("requests"):
        return ""
    return _("not here: {what}").format(what=profile.missing_of("requests").what)
