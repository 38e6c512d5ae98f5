"""Watching a profile's files: what comes is read beside the event loop, and the panes are told."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from lbtui.text import _, plural, visible, with_comma

if TYPE_CHECKING:
    from lbtui.profile import Profile
    from lbtui.profile.captures import Choice
    from lbtui.sources.raw.meanings import Kept
    from lbtui.sources.watch import Seen

# What a profile is opened of: path, experts, placement, capture, and whether it is to be the raw one.
Given: TypeAlias = "tuple[Path, Path | None, Path | None, Choice, bool]"
PERIOD = 1.5  # seconds between two looks, and
_REST = 4.0  # so many times the processor time that all took since the last: about a fifth of a core
_SOON = 2e6  # µs ahead of this machine's clock
# A cursor in the last of so many parts of what is in view stands at its end.
_PARTS = 50
_LONGEST = 44  # characters of what is wrong, in line 1; the notes have all of it


@dataclass(frozen=True)
class Look:
    """What a look has found: which files, and where these are others than before the profile read anew.

    `window` is what its panes show of time, `last` when its last event ends, µs since 1970; `why` tells what
    is wrong, `refused` whether nothing can be read of these files as they are.
    """

    seen: Seen | None
    profile: Profile | None = None
    window: tuple[int, int] | None = None
    last: int | None = None
    why: str = ""
    refused: bool = False


def look(given: Given, shown: Seen | None, before: Look | None, kept: Kept) -> Look:
    """Return what is there now of what was `given`: `shown` is what the panes show, `before` the last look,
    `kept` what earlier ones read.

    While files are cut, replaced or removed, what is shown stands until two looks find the same. Runs in a
    worker thread.
    """
    from lbtui.profile import Unreadable
    from lbtui.sources import SeveralOutputs, open_profile
    from lbtui.sources.watch import lost, seen_now

    seen: Seen | None = None
    try:
        seen = seen_now(*given[:2], raw=given[-1])
        if seen == shown:
            return Look(seen)
        again = before is not None and seen == before.seen
        if before is not None and again and before.refused:
            return before
        if not again and shown is not None and (missed := lost(shown, seen)):
            return Look(seen, why=_lost_words(missed))
        profile = open_profile(*given, kept)
        profile.require_rows()
        return Look(seen, profile, *_times_of(profile), why=_gone_words(shown, seen))
    except (Unreadable, SeveralOutputs) as error:
        return Look(seen, why=str(error), refused=seen is not None)


def _gone_words(shown: Seen | None, now: Seen) -> str:
    """Return which files that were shown are in what is shown now no more."""
    gone = [file for file in shown or () if file not in now and not file.name.endswith("-wal")]
    return _lost_words(tuple(gone))


def _lost_words(files: tuple[Path, ...]) -> str:
    if not files:
        return ""
    if len(files) == 1:
        return _("{file} is gone or written anew").format(file=visible(files[0].name))
    return plural("1 file is gone or written anew", "{count} files are gone or written anew", len(files))


def _times_of(profile: Profile) -> tuple[tuple[int, int] | None, int | None]:
    """Return the window that DP shows, and when the last event that is read by now ends."""
    from lbtui.profile.place import SPANS, window_of

    window = window_of({"steps": profile.load_domain_steps().frame})
    profile.load("batches")
    for name in SPANS:
        if window is None and profile.has(name):
            window = window_of({name: profile.load(name).frame})
    whole = window_of({name: loaded.frame for name, loaded in profile.loaded().items()})
    return window, None if whole is None else whole[1]


def age_words(last: int, now: int) -> str:
    """Return how old the last event is; both in µs since 1970."""
    age = (now - last) / 1e6
    if now < last - _SOON:
        return _("last event {age} ahead of this clock").format(age=_short(-age))
    return _("last event {age} ago").format(age=_short(max(age, 0.0)))


def _short(seconds: float) -> str:
    for unit, name in ((86_400, _("d")), (3_600, _("h")), (60, _("min"))):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} " + _("s")


class Watch:
    """What is known of the files that are watched; frozen into words for line 1."""

    def __init__(self) -> None:
        self.on = False
        self.follows = False
        self.window: tuple[int, int] | None = None
        self.last: int | None = None
        self.shown: Seen | None = None
        self.kept: Kept | None = None
        self.before: Look | None = None
        self._begun = 0.0
        self._gone = ""

    def toggle(self) -> None:
        """Begin to watch, at the end; or end it."""
        self.on = self.follows = not self.on
        self.forget()

    def forget(self) -> None:
        """Forget what the panes show: they are opened anew."""
        self.shown = self.kept = self.before = self.window = self.last = None
        self._gone = ""

    def begin(self) -> Kept:
        """Take note that a look begins; return what earlier ones read."""
        from lbtui.sources.raw.meanings import Kept

        self._begun = time.process_time()
        self.kept = self.kept or Kept()
        return self.kept

    def pause(self) -> float:
        """Return how long to wait for the next look once all that came of the last is done."""
        return max(PERIOD, _REST * (time.process_time() - self._begun))

    def take(self, found: Look) -> None:
        """Take what a look has found."""
        # What is gone for good is told for as long as nothing else comes.
        if found.profile is None and found.seen == self.shown and self.before is not None:
            found = replace(found, why=self._gone)
        elif found.profile is not None:
            self._gone = found.why
        self.before = found
        if found.profile is not None:
            self.shown = found.seen
            self.window, self.last = found.window, found.last

    def words(self) -> str:
        """Return how the watching stands, for line 1."""
        if not self.on:
            return ""
        said = [_("live")]
        if self.last is not None:
            said.append(age_words(self.last, int(time.time() * 1e6)))
        return reduce(with_comma, [*said, visible(self.why, _LONGEST)] if self.why else said)

    @property
    def why(self) -> str:
        """What is wrong with the files now, as a sentence or part of one."""
        return "" if self.before is None else self.before.why

    def moved(self, window: tuple[int, int] | None, at: int | None) -> None:
        """Take note that the cursor or the window were moved: at the end they go on with it."""
        if not self.on or self.window is None:
            return
        begin, end = window or self.window
        last = (self.window[1] - max(begin, self.window[0])) // _PARTS
        self.follows = end >= self.window[1] - last and at is not None and at >= self.window[1] - last

    def at_end(self, window: tuple[int, int] | None) -> dict[str, object] | None:
        """Return what to select so that the end is shown, None where it is not followed."""
        if not self.on or not self.follows or self.window is None:
            return None
        end = self.window[1]
        slid = None if window is None else (end - (window[1] - window[0]), end)
        return {"time": end - 1, "window": slid}
