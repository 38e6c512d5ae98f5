"""Opening a profile, and what it is compared with, beside the event loop."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from textual.message import Message

from lbtui.text import _, in_list, visible
from lbtui.ui.kit.at import View
from lbtui.ui.kit.host import OpenFailed

if TYPE_CHECKING:
    from lbtui.profile import Profile, Reading
    from lbtui.profile.captures import Choice
    from lbtui.remembered import Memory, Recalled
    from lbtui.runs.found import Together
    from lbtui.runs.model import Run
    from lbtui.runs.reading import RunsReader
    from lbtui.sources.raw.meanings import Kept
    from lbtui.thresholds import Thresholds
    from lbtui.ui.kit.pane import Pane


@dataclass(frozen=True)
class Asked:
    """What the command line asks for."""

    path: Path
    baseline: Path | None = None  # what `path` is compared with
    experts: Path | None = None  # where expert heat is taken from, if not from `path`
    placement: Path | None = None  # a placement file
    capture: Choice = None  # which is shown of several
    thresholds: Thresholds | None = None  # of the findings; None is the defaults
    named: bool = True  # whether the user named `path`; else it is where an output is looked for
    raw: bool = False  # whether the raw profile is meant where the parser's output lies there, too
    watch: bool = False  # whether its files are watched from the start
    keys: Mapping[str, str] = field(default_factory=dict)  # those of the actions that have other keys
    at: View | None = None  # what is shown first
    memory: Memory | None = None  # what is remembered of profiles
    cached: bool = True  # whether summaries of many runs are kept, and taken
    given: tuple[str, ...] = ()  # the options that shape what is shown, as words of a command line


def with_option(given: Sequence[str], name: str, value: str) -> tuple[str, ...]:
    """Return the words of a command line with an option of that value, in the place of one of that name."""
    return (*without_option(given, name), name, value)


def without_option(given: Sequence[str], name: str) -> tuple[str, ...]:
    """Return the words of a command line without an option and its value."""
    words = list(given)
    if name in words:
        at = words.index(name)
        del words[at : at + 2]
    return tuple(words)


@dataclass
class Begun(Message):
    """The profile is open; the panes are still to come."""

    profile: Profile


@dataclass
class Opened(Message):
    """The profile is open and the panes are imported."""

    profile: Profile
    baseline: Profile | None
    panes: list[type[Pane]]
    kept: Kept | None = None  # of what is watched, for those who read it again
    identity: str = ""  # of the profile; empty where nothing is remembered
    which: str = ""  # of the baseline and the capture, by which its view is remembered
    recalled: Recalled | None = None


@dataclass
class NoneFound(Message):
    """No output was named, and none was found."""


@dataclass
class RunsFound(Message):
    """There are several runs, of which nothing is read; `baseline` is the one that was named as such."""

    together: Together
    runs: tuple[Run, ...]
    reader: RunsReader  # which has begun
    baseline: Run | None = None


Opening: TypeAlias = Opened | RunsFound | NoneFound | OpenFailed


def opened(asked: Asked, begun: Callable[[Profile], object]) -> Opening:
    """Return what came of opening the profile asked for; runs in a worker thread.

    `begun` is told the profile before the panes are imported, which takes a while.
    """
    from lbtui.profile import Unreadable
    from lbtui.sources import SeveralOutputs, open_profile

    if (runs := _runs(asked)) is not None:
        return runs
    try:
        before = None if asked.baseline is None else open_profile(asked.baseline)
    except SeveralOutputs as several:
        # One choice is asked for; of the other profile the command line must say which.
        folders = in_list(map(str, several.folders))
        sentence = _("several outputs lie below the baseline {path}, name one of {folders}")
        return OpenFailed(sentence.format(path=visible(str(asked.baseline)), folders=visible(folders)))
    except Unreadable as error:
        return OpenFailed(_("baseline: {why}").format(why=error))
    kept = None
    if asked.watch:
        from lbtui.sources.raw.meanings import Kept

        kept = Kept()
    try:
        inputs = asked.path, asked.experts, asked.placement, asked.capture, asked.raw
        profile = open_profile(*inputs, kept)
    except (Unreadable, SeveralOutputs) as error:
        return OpenFailed(str(error)) if asked.named else NoneFound()
    begun(profile)
    from lbtui.ui.panes.order import PANES, with_comparison

    found = Opened(profile, before, list(PANES if before is None else with_comparison()), kept)
    return found if asked.memory is None else _recalled(found, asked, asked.memory)


def _runs(asked: Asked) -> RunsFound | None:
    """Return the runs at or below the path, None where it opens as one profile, or not at all."""
    from lbtui.runs.ahead import let_go
    from lbtui.runs.found import baseline_among, runs_of, together_at
    from lbtui.runs.reading import Asked as Question
    from lbtui.runs.reading import RunsReader
    from lbtui.thresholds import Thresholds

    together = together_at(asked.path, raw=asked.raw)
    if together is None:
        let_go()
        return None
    reader = RunsReader(together.found, Question(asked.thresholds or Thresholds(), cached=asked.cached))
    # The pane is yet to be imported.
    reader.start()
    runs = runs_of(together.found)
    baseline = None if asked.baseline is None else baseline_among(runs, asked.baseline)
    return RunsFound(together, runs, reader, baseline)


def _recalled(found: Opened, asked: Asked, memory: Memory) -> Opened:
    """Return it with what is remembered of the profile."""
    from lbtui.sources import identity_of

    baseline = "" if found.baseline is None else identity_of(found.baseline)
    found.identity = identity_of(found.profile)
    found.which = baseline if asked.capture is None else f"{baseline}#{asked.capture}"
    found.recalled = memory.recall(found.identity)
    return found


def told_apart(path: Path, other: Path) -> str:
    """Return as much of the end of a path as tells it from the other: folders are often called `output`."""
    parts, others = path.resolve().parts, other.resolve().parts
    count = next((n for n in range(1, len(parts) + 1) if parts[-n:] != others[-n:]), 1)
    return visible("/".join(parts[-count:]))


def reading_of(profile: Profile) -> Reading:
    """Return which of the readings of a run a profile is."""
    from lbtui.profile import Reading

    return Reading(profile.path, profile.raw)


def around(profile: Profile) -> tuple[Path, list[Reading]]:
    """Return the readings of a profile's run, outputs first, and the folder that all lie in."""
    found = sorted({reading_of(profile), *profile.near}, key=lambda reading: (reading.raw, reading.path))
    return Path(os.path.commonpath([reading.path for reading in found])), found
