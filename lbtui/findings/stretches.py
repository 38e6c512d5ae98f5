"""When something is, in words and as a finding's window, and what severity its cost allows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from lbtui.analysis.apart import Bins
from lbtui.analysis.lanes import Micros
from lbtui.findings.model import Severity
from lbtui.findings.thresholds import Thresholds
from lbtui.profile import instant
from lbtui.text import _

_SLIVER_SHARE, _SLIVER_SECONDS = 0.02, 5.0


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
        return _("in {count} stretches, {share:.0%} of the time").format(
            count=len(windows), share=covered / bins
        )
    (first, last) = windows[0]
    if last >= bins - 1:
        return _("from then to the end of the capture")
    if first <= 1:
        return _("in the beginning")
    return _("for a while")


def severity_of(
    share: float | None, limits: Thresholds, window: tuple[float, float] | None = None
) -> Severity:
    """Return what a cost as a share of time allows: info below `cost_share`, critical from `critical_share`.

    A window (s, and its share of the run) under 2 % of the run and under 5 s is at most a warning; so is an
    unknown cost.
    """
    if share is None:
        return "warning"
    if share < limits.cost_share:
        return "info"
    sliver = window is not None and window[0] < _SLIVER_SECONDS and window[1] < _SLIVER_SHARE
    return "critical" if share >= limits.critical_share and not sliver else "warning"
