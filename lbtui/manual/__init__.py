"""The manual, which travels with the command: a server without a network has it, too."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from lbtui.lines import unbroken
from lbtui.text import _, language

# What each topic is about, in the order in which it is read; the text of one is NAME.md beside this file.
TOPICS: Mapping[str, str] = {
    "panes": _("what each pane shows"),
    "keys": _("the keys that all panes share"),
    "commands": _("the line behind `:`: go to, set, find, write, ask"),
    "glossary": _("the words and numbers of the panes"),
    "findings": _("every id with its thresholds; order and cost; [expected]"),
    "runs": _("many runs side by side: what changed, since when, what was tuned; --summary"),
    "statistics": _("two profiles compared: headlines, intervals, p-values, verdicts"),
    "targets": _("SLO: --slo, attainment and goodput, who missed; distributions"),
    "latency": _("where the time of requests went: its parts, why they missed, what changed it"),
    "what-if": _("what another placement of experts would bring"),
    "replay": _("what other routing, and other numbers of P and D nodes, would bring"),
    "formats": _("files that are read, engines, versions, what is missing and why"),
    "watch": _("files that are still being written: --watch and W"),
    "remember": _("what is remembered of a profile: view, filters, marks, notes; --no-state"),
    "config": _("options, the config file, exit codes, the log"),
    "exports": _("what --export writes"),
    "json": _("every field of --json"),
    "sql": _("--sql: tables, columns, units, examples; what is run and what is not"),
    "links": _("--at: a line that opens what is shown, and how a view is written"),
    "scripts": _("one value with --get, the JSON Schema, completion in the shell, the man page"),
    "safety": _("what is read, what is written, what is never done"),
    "performance": _("how long it takes, and how much memory"),
}


def topics() -> str:
    """Return the topics, a line each, and how to read one."""
    width = max(map(len, TOPICS))
    lines = [f"  {name:<{width}}  {about}" for name, about in TOPICS.items()]
    how = _("lbtui --manual TOPIC prints one of these as Markdown:")
    return "\n".join([how, *lines, ""])


def text_of(topic: str) -> str:
    """Return the text of a topic; raises `KeyError` for one that there is not, `OSError` without its file."""
    if topic not in TOPICS:
        raise KeyError(topic)
    folder = Path(__file__).parent
    return (folder if language() == "en" else folder / language()).joinpath(f"{topic}.md").read_text("utf-8")


def json_schema() -> str:
    """Return the JSON Schema of `--json`, also with `--what-if`; raises `OSError` without its file."""
    return (Path(__file__).parent / "schema.json").read_text(encoding="utf-8")


def introduction(pane: str) -> str:
    """Return how to read the pane of a title: its first paragraph in `panes`, empty where it has none."""
    found = re.search(rf"^## (?:\d )?{re.escape(pane)}\n\n(.+?)\n\n", text_of("panes") + "\n", re.M | re.S)
    return _flowing(found[1]) if found else ""


def glossary() -> list[tuple[str, str]]:
    """Return the words of the glossary (of one meaning separated by commas), each with what it means."""
    found = re.findall(r"^- \*\*(.+?)\*\*(?:: |：)(.+?)$(?!\n  )", text_of("glossary"), re.M | re.S)
    return [(word, _flowing(text)) for word, text in found]


def _flowing(text: str) -> str:
    """Return a paragraph of Markdown as plain text in one line."""
    return unbroken(text.replace("`", "").splitlines())
