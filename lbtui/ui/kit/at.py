"""A view in words: which pane is shown and all that is chosen in it, as text that opens it again.

`dp;t=08:00:24.5;d=svc/dp5;m=batch_size` names a pane, then its parts. What a letter means is told here once
and holds in every pane; `:` commands and what is remembered of a profile use the same words. Each pane tells
its parts and takes them back in a module beside its state (`panes/NAME/at.py`), read with `kit/parts.py`.

Nothing here knows a profile, and nothing heavy is imported: the command line parses with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from lbtui.text import _, in_list, visible

Parts: TypeAlias = Mapping[str, str]

# The name of each pane, as no language and no key changes it, and the key of its tab.
PANE_KEYS: Mapping[str, str] = {
    "overview": "1",
    "dp": "2",
    "pd": "3",
    "ep": "4",
    "requests": "5",
    "compare": "6",
    "timeline": "7",
}
# What may stand in the place of a pane.
OVERS: Mapping[str, tuple[str, ...]] = {
    "dp": ("routing",),
    "pd": ("ratio",),
    "ep": ("what-if",),
    "requests": ("targets",),
}
# What is selected in all panes, by the field of `Selection`.
SELECTED: Mapping[str, str] = {
    "t": "time",
    "w": "window",
    "d": "domain",
    "n": "node",
    "i": "instance",
    "r": "rank",
    "l": "layer",
    "p": "period",
    "q": "request",
    "side": "side",
}
# All that a part may be. A word here never changes its meaning, and none is used for two things.
MEANINGS: Mapping[str, str] = {
    "t": "instant under the cursor, by the clock of the files: 08:00:24.5, or with its date",
    "w": "window of time, from..to; `all` is the whole",
    "d": "DP domain: its key, or its name where only one has it",
    "n": "P/D node, ip:port",
    "i": "instance",
    "r": "rank",
    "l": "layer",
    "p": "EPLB period",
    "q": "request that is followed",
    "side": "of two profiles: after, before or difference",
    "m": "metric: what lanes, cells, charts or rows are of",
    "v": "which picture of the pane: lanes, chart, table, a map, hand-offs …",
    "f": "filter",
    "o": "order: a column, or - and a column for downwards",
    "s": "statistic of a column of lanes: mean or worst",
    "z": "zoom of a map, in steps from the whole of it",
    "scale": "colours over all periods (common) or of this one (own)",
    "only": "what alone is shown: changed, way, or a window from..to",
    "all": "whether queues are of all domains (1) where one is selected",
    "role": "nodes of one role only: prefill or decode, else both",
    "phase": "prefill, decode or both",
    "cells": "counts in a cell of the table: one or three",
    "sum": "the column that is summed up",
    "span": "iterations shown, first-last",
    "row": "row under the cursor: by name where it has one, else by number from 0",
    "id": "request under the cursor, by its id",
    "col": "column under the cursor, from 0",
    "ct": "instant under the pane's own cursor, where another is selected",
    "cd": "domain under the pane's own cursor, where another is selected",
    "cn": "node under the pane's own cursor, where another is selected",
    "cw": "window of the pane, where another is selected",
    "ci": "instance of the pane, where another is selected",
    "cl": "layer under the pane's own cursor, where another is selected",
    "cp": "period of the pane, where another is selected",
    "cr": "rank under the pane's own cursor, where another is selected",
    "slot": "slot under the cursor",
    "e": "expert under the cursor",
    "proc": "process under the cursor, in pid order",
    "inside": "whether a rank's experts were entered (1)",
    "hot": "which of the hottest cells n has reached",
    "skip": "views passed by because they are not there",
    "top": "first row in view",
    "left": "first column in view",
    "under": "what of the picture below is scrolled to",
    "about": "instant about which passes are listed, where they are too many",
    "track": "track under the cursor",
    "pins": "tracks that are pinned",
    "shift": "tracks that are drawn later, by ns",
    "anchor": "track and instant (ns) that another is to be aligned with",
    "range": "selected range, from..to, or from.. while it is selected",
    "marks": "marks: names with their instants",
    "step": "step of the followed request",
    "slice": "slice under the cursor, by its number",
    "policy": "policy of What-if",
    "redundant": "redundant experts",
    "ranks": "number of ranks",
    "nodes": "number of nodes",
    "groups": "groups of experts",
    "mib": "MiB of one expert in one layer",
    "gbps": "Gbit/s at which a rank gets weights",
    "shares": "shares of the domains, parted by colons",
    "columns": "columns of the table of runs, parted by commas; `all` is as it opens",
    "marked": "runs marked for Compare, parted by commas",
    "base": "run that the others are judged against, or none",
    "tried": "row of the sweep under the cursor, from 0",
    "field": "column of the sweep under the cursor, from 0",
    "by": "order of the sweep: number of a column, or - and it for downwards",
    "over": "what stands in the place of the pane: what-if, routing, ratio or targets; `over.` its parts",
}
_INNER = "over."
_NAME = re.compile(r"[a-z]+")
_ESCAPED = re.compile(r"%([0-9A-Fa-f]{2})")
_BYTE = re.compile(rb"%([0-9A-Fa-f]{2})")
_RAW = re.compile(r"[ -~]")


class NoView(ValueError):
    """A text is no view; the sentence says why."""


@dataclass(frozen=True)
class View:
    """What is shown: a pane with its parts, and what stands in its place (`over`) with the parts of that.

    A part that is not named is as the pane opens; applied to a pane that stands, it stays as it is.
    """

    pane: str  # of `PANE_KEYS`
    parts: Parts = field(default_factory=dict)
    over: str = ""
    inner: Parts = field(default_factory=dict)


def format_view(view: View) -> str:
    """Return the view as ASCII text in which no value can be taken for anything else."""
    words = [view.pane, *(f"{name}={escaped(value)}" for name, value in view.parts.items())]
    if view.over:
        words += [f"over={escaped(view.over)}"]
        words += [f"{_INNER}{name}={escaped(value)}" for name, value in view.inner.items()]
    return ";".join(words)


def parse_view(text: str) -> View:
    """Return the view that a text tells; raises `NoView`. What a pane does not know it says itself."""
    pane, *words = [word.strip() for word in text.split(";")]
    if pane not in PANE_KEYS:
        wanted = _("a view begins with its pane, one of {known}, not {name}")
        raise NoView(wanted.format(known=in_list(PANE_KEYS), name=visible(pane, 40) or "“”"))
    parts: dict[str, str] = {}
    inner: dict[str, str] = {}
    for word in filter(None, words):
        name, sign, value = word.partition("=")
        into, known = (inner, name.removeprefix(_INNER)) if name.startswith(_INNER) else (parts, name)
        if not sign or not _NAME.fullmatch(known):
            raise NoView(_("{word} is no part of a view, as t=08:00:24.5 is").format(word=visible(word, 40)))
        if known in into:
            raise NoView(_("{name} is given twice").format(name=name))
        into[known] = unescaped(value)
    return View(pane, parts, parts.pop("over", ""), inner)


def escaped(value: str) -> str:
    """Return a value in printable ASCII without `;` and `=`: others as `%` and two digits a byte of UTF-8."""
    edged = value[:1] + value[-1:]
    if value.isascii() and value.isprintable() and not any(c in ";=%" for c in value) and " " not in edged:
        return value
    last = len(value) - 1
    return "".join(
        c
        if _RAW.match(c) and c not in ";=%" and not (c == " " and place in (0, last))
        else "".join(f"%{byte:02X}" for byte in c.encode("utf-8", "surrogatepass"))
        for place, c in enumerate(value)
    )


def unescaped(text: str) -> str:
    """Return the value of an escaped text; raises `NoView` where an escape is none."""
    if "%" in _ESCAPED.sub("", text):
        raise _bad_escape(text)
    raw = text.encode("utf-8", "surrogatepass")
    try:
        return _BYTE.sub(_byte, raw).decode("utf-8", "surrogatepass")
    except UnicodeError:
        raise _bad_escape(text) from None


def _byte(found: re.Match[bytes]) -> bytes:
    return bytes([int(found[1], 16)])


def _bad_escape(text: str) -> NoView:
    wrong = _("{text}: a % wants two digits of a byte behind it, as %3B")
    return NoView(wrong.format(text=visible(text, 40)))


def listed(values: Iterable[str]) -> str:
    """Return several values as one, parted by commas; `parted` takes them apart."""
    return ",".join(map(_within, values))


def parted(text: str) -> list[str]:
    """Return the values that `listed` made one of."""
    return [unescaped(part) for part in text.split(",")] if text else []


def listed_pairs(values: Iterable[tuple[str, str]]) -> str:
    """Return several names with a value each as one; `pairs` takes them apart."""
    return ",".join(f"{_within(name)}~{_within(value)}" for name, value in values)


def pairs(text: str) -> list[tuple[str, str]]:
    """Return the names and values that `listed_pairs` made one of."""
    found = [part.partition("~") for part in text.split(",")] if text else []
    return [(unescaped(name), unescaped(value)) for name, _sign, value in found]


def _within(text: str) -> str:
    return "".join(f"%{ord(c):02X}" if c in "%,~" else c for c in text)
