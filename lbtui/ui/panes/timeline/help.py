"""The Timeline pane's quantities."""

from __future__ import annotations

from lbtui.text import _, plural, visible
from lbtui.ui.kit.pane import HelpEntry
from lbtui.ui.panes.timeline.data import TimelineData


def entries(data: TimelineData | None) -> list[HelpEntry]:
    """Return every quantity on the pane; first what these files cannot tell."""
    notes = [] if data is None else [*data.slices.lacks, *(note.text for note in data.slices.notes)]
    return [*(HelpEntry(_("Note"), visible(note)) for note in notes), *_ENTRIES]


_ENTRIES = (
    HelpEntry(
        _("track"),
        _(
            "What one thread of one process did: front end (requests come and go), hand-off (from P to D), "
            "schedule (batches are formed, queues), round (a batch is executed, as its scheduler sees it), "
            "card (forward passes with what is around them), KV pull. Source: profiler.db (tables slice, "
            "thread, process), else chrome_tracing.json, a raw profile, or the tables alone."
        ),
    ),
    HelpEntry(
        _("slice, event"),
        _(
            "One thing that a thread did, from its start to its end; an event has no length. A slice of "
            "three columns and more stands as a block with its name. What is denser is summed up: the height "
            "of a bar is the busy share of its column, and a column in which anything begins is never blank."
        ),
    ),
    HelpEntry(
        _("busy"),
        _(
            "Part of the window, or of a column, in which at least one slice of the track runs: union of the "
            "slices ÷ length. Events add nothing."
        ),
    ),
    HelpEntry(
        _("slices, longest"),
        _("How many slices of the track begin in the window, and the longest of these."),
    ),
    HelpEntry(
        _("bubble"),
        _(
            "From the end of a forward pass of a card to the start of its next: the card computes nothing. n "
            "and N go to the longest of all tracks shown."
        ),
    ),
    HelpEntry(
        plural("1 column", "{count} columns", 1),
        _("Length of the time that one column of the plot stands for."),
    ),
    HelpEntry(
        _("a sample, ~"),
        _(
            "Until all slices of a large file are indexed some from every part of it stand for all: numbers "
            "with ~ are estimates, counts and shares times all ÷ sample. The index is held in memory (some "
            "20 bytes a slice), never written."
        ),
    ),
    HelpEntry(
        _("following, step"),
        _(
            "The slices that name a request, by their start: of profiler.db where table flow says that they "
            "are. The arrow at a slice tells from where its step came: a track above, below, the same."
        ),
    ),
    HelpEntry(
        _("queue"),
        _("How long a followed request waits: from its event Enqueue to its event Dequeue on a track."),
    ),
    HelpEntry(
        _("shifted"),
        _("By how much a track is drawn later (+) or earlier (−) after it was aligned with another."),
    ),
    HelpEntry(
        _("statistics: count, total, mean, p95, longest"),
        _(
            "Of the slices of a name that begin in the range (without one: the window) on the tracks shown, "
            "each with its whole length: their number, the sum, mean, 95th percentile (linear between "
            "ranks) and greatest of the lengths."
        ),
    ),
    HelpEntry(
        _("share"),
        _(
            "What of the range slices of a name take: length within the range, summed ÷ (length of the range "
            "× tracks that have any there)."
        ),
    ),
)
