"""Opening a profile, and what it is compared with, beside the event loop."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from textual.message import Message

from lbtui.text import _, visible
from lbtui.ui.kit.host import OpenFailed

if TYPE_CHECKING:
    from lbtui.profile import Profile
    from lbtui.profile.captures import Choice
    from lbtui.ui.kit.pane import Pane


@dataclass
class Opened(Message):
    """The profile is open and the panes are imported."""

    profile: Profile
    baseline: Profile | None
    panes: list[type[Pane]]


@dataclass
class SeveralFound(Message):
    """There is a choice of outputs."""

    folders: list[Path]


Opening: TypeAlias = Opened | SeveralFound | OpenFailed


def opened(
    path: Path,
    baseline: Path | None = None,
    experts: Path | None = None,
    placement: Path | None = None,
    capture: Choice = None,
) -> Opening:
    """Return what came of opening the profile at `path`; runs in a worker thread.

    `experts` is where expert heat is taken from, if not from `path`; `placement` is a placement file,
    `capture` which of several captures is shown.
    """
    from lbtui.profile import Unreadable
    from lbtui.sources import SeveralOutputs, open_profile
    from lbtui.ui.panes.order import COMPARED, PANES

    try:
        before = None if baseline is None else open_profile(baseline)
    except SeveralOutputs as several:
        # One choice is asked for; of the other profile the command line must say which.
        folders = ", ".join(map(str, several.folders))
        sentence = _("several outputs lie below the baseline {path}, name one of {folders}")
        return OpenFailed(sentence.format(path=visible(str(baseline)), folders=visible(folders)))
    except Unreadable as error:
        return OpenFailed(_("baseline: {why}").format(why=error))
    try:
        profile = open_profile(path, experts, placement, capture)
    except SeveralOutputs as several:
        return SeveralFound(several.folders)
    except Unreadable as error:
        return OpenFailed(str(error))
    return Opened(profile, before, list(PANES if before is None else COMPARED))


def told_apart(path: Path, other: Path) -> str:
    """Return as much of the end of a path as tells it from the other: folders are often called `output`."""
    parts, others = path.resolve().parts, other.resolve().parts
    count = next((n for n in range(1, len(parts) + 1) if parts[-n:] != others[-n:]), 1)
    return visible("/".join(parts[-count:]))
