"""When something is, in words and as a finding's window."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from lbtui.analysis.apart import Bins
from lbtui.analysis.lanes import Micros
from lbtui.profile import instant
from lbtui.text import _, in_percent


def window_in(windows: Sequence[Bins], edges: Micros) -> tuple[datetime, datetime] | None:
    """Return from the first window's begin to the last one's end, None where that is the whole run."""
    if list(windows) == [(0, len(edges) - 1)]:
        return None
    return instant(int(edges[windows[0][0]])), instant(int(edges[windows[-1][1]]))


def when(windows: Sequence[Bins], edges: Micros) -> str:
    """Return in words how the windows lie in the run."""
    bins = len(edges) - 1
    covered = sum(last - first for first, last in windows)
    if covered == bins:
        return _("all along")
    if len(windows) > 1:
        return _("in {count} stretches, {share} of the time").format(
            count=len(windows), share=in_percent(covered / bins)
        )
    (first, last) = windows[0]
    if last >= bins - 1:
        return _("from then to the end of the capture")
    if first <= 1:
        return _("in the beginning")
    return _("for a while")
