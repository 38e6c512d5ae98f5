"""When a finding is critical: by what it costs."""

from __future__ import annotations

from lbtui.findings.model import Severity

CRITICAL_SHARE = 0.02  # of the requests' time, or the NPU time


def severity_of(share: float | None) -> Severity:
    """Return `critical` for a cost of 2 % or more, else `warning`; an unknown cost is no reason for more."""
    return "critical" if share is not None and share >= CRITICAL_SHARE else "warning"
