"""Before and after: every metric of two profiles with an interval of its difference and a verdict."""

from lbtui.comparison.model import Better, Comparison, Metric, Row, Verdict
from lbtui.comparison.run import compare

__all__ = ["Better", "Comparison", "Metric", "Row", "Verdict", "compare"]
