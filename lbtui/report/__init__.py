"""Findings and overview as text, Markdown and JSON, and the frames as files, without a screen."""

from lbtui.report.as_json import as_json
from lbtui.report.as_markdown import as_markdown
from lbtui.report.as_text import as_text
from lbtui.report.export import CannotExport, Written, export
from lbtui.report.placement import placement_json

__all__ = ["CannotExport", "Written", "as_json", "as_markdown", "as_text", "export", "placement_json"]
