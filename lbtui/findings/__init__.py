"""What is wrong with a profile: the analyses' results, ranked and priced."""

from lbtui.findings.model import Cost, Finding, ranked, with_consequences
from lbtui.findings.run import evidence_of, find_all
from lbtui.findings.support import Figure, supporting_figures

__all__ = [
    "Cost",
    "Figure",
    "Finding",
    "evidence_of",
    "find_all",
    "ranked",
    "supporting_figures",
    "with_consequences",
]
