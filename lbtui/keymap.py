"""Which key does what: every action of the screen by its id, its keys, and what the config makes of them.

The ids are for ever, as those of findings are: a config names them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping

from lbtui.text import _, in_list, visible

# The keys of each action, separated by commas, as Textual names them. Before the dot stands where it is one:
# `common` is of every pane that has the thing, `app` of all, the others of one pane.
KEYS: Mapping[str, str] = {
    "common.up": "up,k",
    "common.down": "down,j",
    "common.left": "left,h",
    "common.right": "right,l",
    "common.page-up": "pageup,ctrl+u",
    "common.page-down": "pagedown,ctrl+d",
    "common.first": "home,g",
    "common.last": "end,G",
    "common.zoom-in": "plus,equals_sign",
    "common.zoom-out": "minus",
    "common.whole": "0",
    "common.next": "n",
    "common.previous": "N",
    "common.filter": "slash",
    "common.enter": "enter",
    "common.details": "i",
    "common.side": "b",
    "app.overview": "1",
    "app.dp": "2",
    "app.pd": "3",
    "app.ep": "4",
    "app.requests": "5",
    "app.compare": "6",
    "app.timeline": "7",
    "app.next-pane": "tab",
    "app.previous-pane": "shift+tab",
    "app.help": "question_mark",
    "app.actions": "ctrl+p",
    "app.command": "colon",
    "app.out": "escape",
    "app.notes": "exclamation_mark",
    "app.outputs": "O",
    "app.reload": "R",
    "app.watch": "W",
    "app.copy": "y",
    "app.copy-pane": "Y",
    "app.link": "ctrl+y",
    "app.mouse": "P",
    "app.fresh": "F",
    "app.quit": "q",
    "app.interrupt": "ctrl+c",
    "app.suspend": "ctrl+z",
    "app.redraw": "ctrl+l",
    "overview.requests": "r",
    "overview.note": "A",
    "dp.metric": "m",
    "dp.metrics": "M",
    "dp.back": "H",
    "dp.on": "L",
    "dp.statistic": "a",
    "dp.sort": "s",
    "dp.sort-back": "S",
    "dp.reverse": "r",
    "dp.table": "t",
    "dp.chart": "c",
    "dp.what-if": "w",
    "pd.metric": "m",
    "pd.table": "t",
    "pd.chart": "c",
    "pd.role": "p",
    "pd.density": "d",
    "pd.what-if": "w",
    "ep.view": "v",
    "ep.previous-period": "left_square_bracket",
    "ep.next-period": "right_square_bracket",
    "ep.scale": "C",
    "ep.previous-rank": "H,less_than_sign",
    "ep.next-rank": "L,greater_than_sign",
    "ep.instance": "I",
    "ep.metric": "m",
    "ep.phase": "p",
    "ep.next-iterations": "full_stop",
    "ep.previous-iterations": "comma",
    "ep.run": "space",
    "ep.what-if": "w",
    "requests.sort": "s",
    "requests.sort-back": "S",
    "requests.reverse": "r",
    "requests.targets": "t",
    "requests.chart": "c",
    "requests.window": "o",
    "requests.domain": "d",
    "requests.life": "z",
    "requests.follow": "f",
    "compare.changed": "o",
    "timeline.follow": "f",
    "timeline.only": "o",
    "timeline.slice": "z",
    "timeline.statistics": "t",
    "timeline.range": "v",
    "timeline.mark": "x",
    "timeline.marks": "apostrophe",
    "timeline.pin": "p",
    "timeline.align": "a",
    "timeline.back": "H",
    "timeline.on": "L",
    "what-if.policy": "p",
    "what-if.ranks": "r",
    "what-if.nodes": "D",
    "what-if.groups": "u",
    "what-if.size": "e",
    "what-if.link": "T",
    "what-if.save": "E",
    "routing.metric": "m",
    "routing.shares": "e",
    "ratio.metric": "m",
    "sql.sort": "s",
    "sql.reverse": "r",
    "sql.save": "E",
    "targets.metric": "m",
    "targets.table": "t",
    "targets.chart": "c",
    "targets.kind": "v",
    "runs.mark": "space",
    "runs.compare": "v",
    "runs.baseline": "B",
    "runs.note": "A",
    "runs.table": "t",
    "runs.chart": "c",
    "runs.sweep": "e",
    "runs.sort": "s",
    "runs.reverse": "r",
    "runs.columns": "C",
    "runs.latency": "m",
    "runs.save": "E",
}
# They end or leave lbtui whatever the config says.
FIXED = ("app.interrupt", "app.suspend")
_EVERYWHERE = ("common", "app")

_PRINTED: Mapping[str, str] = {
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "enter": "⏎",
    "escape": "Esc",
    "space": "Space",
    "tab": "Tab",
    "backspace": "Backspace",
    "delete": "Del",
    "insert": "Ins",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "home": "Home",
    "end": "End",
    **{f"f{number}": f"F{number}" for number in range(1, 13)},
}
# Textual's names of what Unicode calls otherwise.
_RENAMED: Mapping[str, str] = {
    "solidus": "slash",
    "reverse_solidus": "backslash",
    "commercial_at": "at",
    "hyphen_minus": "minus",
    "plus_sign": "plus",
    "low_line": "underscore",
}
_PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
_MODIFIED = re.compile(r"(?P<with>(?:(?:ctrl|alt|shift)\+)+)(?P<key>.+)")
# A terminal sends the same bytes for these as for Tab, Enter and Backspace.
_OTHERS = frozenset({"ctrl+i", "ctrl+m", "ctrl+j", "ctrl+h"})
_UNSAID = frozenset({"equals_sign"})  # + without Shift


class BadKey(Exception):
    """A key is none, or of no use; the text says why, without the place."""


def key_name(character: str) -> str:
    """Return what Textual calls the key of one character."""
    if character.isalnum():
        return character
    name = unicodedata.name(character, "").lower().replace("-", "_").replace(" ", "_")
    return _RENAMED.get(name, name)


_CHARACTERS: Mapping[str, str] = {key_name(character): character for character in _PUNCTUATION}


def typed(key: str) -> str:
    """Return how a config writes a key: a sign as it is typed, any other by its name."""
    return _CHARACTERS.get(key, key)


def printed(keys: str) -> str:
    """Return how the keys of an action, separated by commas, are printed."""
    return " ".join(map(_printed, _said(keys)))


def printed_first(keys: str) -> str:
    """Return how the first of the keys of an action is printed, where there is room for one."""
    return _printed(_said(keys)[0])


def _said(keys: str) -> list[str]:
    every = keys.split(",")
    return [key for key in every if key not in _UNSAID] or every


def _printed(key: str) -> str:
    if key.startswith("ctrl+") and len(key) == len("ctrl+?"):
        return f"^{key[-1].upper()}"
    if match := _MODIFIED.fullmatch(key):
        before = "".join(f"{each.title()}-" for each in match["with"].split("+") if each)
        return before + _printed(match["key"])
    return _CHARACTERS.get(key, _PRINTED.get(key, key))


def parsed(text: str) -> str:
    """Return the keys of a config's entry as Textual names them: `m`, `?`, `ctrl+g`, `f5`, several by blanks.

    Raises `BadKey`.
    """
    keys = [_parsed(part) for part in text.split()]
    if not keys:
        raise BadKey(_("it names no key"))
    return ",".join(dict.fromkeys(keys))


def _parsed(text: str) -> str:
    if len(text) == 1 and text.isprintable() and not text.isspace():
        if text.isascii():
            return key_name(text)
        raise BadKey(_("{key} is no key that every keyboard has").format(key=text))
    name = text.lower()
    if name in _OTHERS:
        raise BadKey(_("a terminal cannot tell {key} from Tab, Enter or Backspace").format(key=name))
    match = _MODIFIED.fullmatch(name)
    own = match["key"] if match else name
    named = own in _PRINTED or own in _CHARACTERS
    if named or (match and len(own) == 1 and own.isascii() and own.isalnum()):
        return name
    raise BadKey(
        _("{key} is no key: a letter or sign, {known}, f1 to f12, or one after ctrl+, alt+ or shift+").format(
            key=visible(text, 40), known=in_list(each for each in _PRINTED if not each[1:].isdigit())
        )
    )


def clash(changes: Mapping[str, str]) -> tuple[str, str, str] | None:
    """Return the first key that two actions would have in one pane, with their ids; None if no key has."""
    keys = {**KEYS, **changes}
    for pane in _panes():
        taken: dict[str, str] = {}
        for name, own in keys.items():
            if name.partition(".")[0] not in (*_EVERYWHERE, pane):
                continue
            for key in own.split(","):
                if (other := taken.setdefault(key, name)) != name:
                    return key, other, name
    return None


def _panes() -> Iterator[str]:
    yield from dict.fromkeys(name.partition(".")[0] for name in KEYS if not name.startswith(_EVERYWHERE))


def shown_key(name: str, changes: Mapping[str, str]) -> str:
    """Return the keys of an action as they are printed, after what the config changes."""
    return printed(changes.get(name, KEYS[name]))


def shown_first(name: str, changes: Mapping[str, str]) -> str:
    """Return the first key of an action as it is printed, after what the config changes."""
    return printed_first(changes.get(name, KEYS[name]))


def shown_for(text: str, names: Mapping[str, str], changes: Mapping[str, str]) -> str:
    """Return the keys that a last line or list names, as `+ - 0` or `↑↓`, after what the config changes.

    `names` has the id of each key there, as it is printed.
    """
    if not changes:
        return text
    parts = list(text) if set(text) <= set("↑↓←→") else text.split(" ")
    now = [printed_first(changes[names[part]]) if names.get(part) in changes else part for part in parts]
    return text if now == parts else " ".join(dict.fromkeys(now))


def printed_names(names: Iterator[str]) -> dict[str, str]:
    """Return the id of each key, as it is printed by default, of these actions."""
    return {_printed(key): name for name in names for key in KEYS[name].split(",")}
