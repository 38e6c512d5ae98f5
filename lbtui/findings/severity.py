"""When a finding is critical: by what it costs."""

from __future__ import annotations

from lbtui.findings.model import Severity
from lbtui.thresholds import Thresholds


def severity_of(
    share: float | None, limits: Thresholds, *, least: Severity = "warning", sliver: bool = False
) -> Severity:
    """Return `critical` for a cost as a share of time from `critical_share` on, else `warning`.

    An unknown cost is no reason for more. With `least` at info what costs less than `cost_share` is a remark;
    a `sliver` of the run is at most a warning.
    """
    if share is None:
        return "warning"
    if least == "info" and share < limits.cost_share:
        return "info"
    return "critical" if share >= limits.critical_share and not sliver else "warning"
