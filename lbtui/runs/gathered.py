"""The file of a run's summary (`--summary`), which is gathered in the place of the run itself."""

from __future__ import annotations

from dataclasses import replace

from lbtui.profile import Profile, Progress
from lbtui.runs.summarise import summarised
from lbtui.runs.text import Told, to_bytes
from lbtui.sources import identity_of
from lbtui.sources.loaders import log_notes
from lbtui.sources.parameters import parameters_at
from lbtui.thresholds import Thresholds


def summary_bytes(
    profile: Profile, thresholds: Thresholds | None = None, progress: Progress | None = None
) -> bytes:
    """Return a run's summary as a file, in ASCII, with what was set for the run.

    Raises `Cancelled` when `progress` does, `Unreadable` where no file yields a row.
    """
    summary = replace(summarised(profile, thresholds, progress), identity=identity_of(profile))
    parameters, notes = parameters_at(profile.path)
    log_notes(notes)
    return to_bytes(Told(summary, profile.name, str(profile.path), parameters, profile.raw))
