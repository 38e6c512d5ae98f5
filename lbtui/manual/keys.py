"""The page on keys after what the config changes of them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from lbtui.keymap import KEYS, printed_names, shown_key

_KEY = re.compile(r" ?`([^`]+)`")
# | `m` | the next metric that has data | `dp.metric` |
_OWN = re.compile(r"\| `[^`]+` (?P<tells>\|(?:.*\|)? `(?P<name>[a-z-]+\.[a-z0-9-]+)` \|)")


def with_keys(text: str, changes: Mapping[str, str]) -> str:
    """Return the page with the keys of actions that have others, in its tables alone."""
    return "".join(_line(line, changes) for line in text.splitlines(keepends=True)) if changes else text


def _line(line: str, changes: Mapping[str, str]) -> str:
    if match := _OWN.match(line):
        if match["name"] not in changes:
            return line
        return f"| `{shown_key(match['name'], changes)}` {match['tells']}\n"
    if not line.startswith("| `"):
        return line
    cell, bar, rest = line.removeprefix("|").partition(" |")
    every = printed_names(name for name in KEYS if name.startswith(("common.", "app.")))
    told: set[str] = set()

    def now(match: re.Match[str]) -> str:
        name = every.get(match[1])
        if name is None or name not in changes:
            return match[0]
        if name in told:
            return ""
        told.add(name)
        return "".join(f" `{key}`" for key in shown_key(name, changes).split(" "))

    return f"|{_KEY.sub(now, cell)}{bar}{rest}"
