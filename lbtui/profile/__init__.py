"""The data model that everything above speaks: a Profile and its canonical, lazily loaded frames."""

from lbtui.profile.experts import EMPTY, UNPLACED, ExpertPhase, ExpertSeries, LoadedSeries, PlacementFile
from lbtui.profile.identity import Domain, host_and_pid, instance_names, short_names
from lbtui.profile.missing import Missing, MissingStatus
from lbtui.profile.model import (
    Frame,
    Profile,
    Unreadable,
    attempted,
)
from lbtui.profile.note import Cut, Note, Provenance, SourceFile, Verdict
from lbtui.profile.progress import Cancelled, Progress, Silent
from lbtui.profile.reading import Reading
from lbtui.profile.schema import SCHEMAS, FrameName, empty
from lbtui.profile.source import JoinedSteps, Loaded, Source
from lbtui.profile.summary import Summary
from lbtui.profile.time import (
    ZONE,
    ZONE_NAME,
    ZONE_OFFSET,
    dated,
    format_time,
    format_window,
    instant,
    micros,
    several_days,
)

__all__ = [
    "EMPTY",
    "SCHEMAS",
    "UNPLACED",
    "ZONE",
    "ZONE_NAME",
    "ZONE_OFFSET",
    "Cancelled",
    "Cut",
    "Domain",
    "ExpertPhase",
    "ExpertSeries",
    "Frame",
    "FrameName",
    "JoinedSteps",
    "Loaded",
    "LoadedSeries",
    "Missing",
    "MissingStatus",
    "Note",
    "PlacementFile",
    "Profile",
    "Progress",
    "Provenance",
    "Reading",
    "Silent",
    "Source",
    "SourceFile",
    "Summary",
    "Unreadable",
    "Verdict",
    "attempted",
    "dated",
    "empty",
    "format_time",
    "format_window",
    "host_and_pid",
    "instance_names",
    "instant",
    "micros",
    "several_days",
    "short_names",
]
