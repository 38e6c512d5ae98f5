"""What is wrong with a profile: the analyses' results, ranked and priced."""

from lbtui.findings.model import Cost, Finding, ranked
from lbtui.findings.run import find_all
from lbtui.findings.thresholds import BadThresholds, Thresholds, described, from_file

__all__ = [
    "BadThresholds",
    "Cost",
    "Finding",
    "Thresholds",
    "described",
    "find_all",
    "from_file",
    "ranked",
]
