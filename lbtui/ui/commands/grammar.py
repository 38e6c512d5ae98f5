"""What can be written behind the colon: the commands, and which one a line is. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from lbtui.text import _, in_clauses, in_list, visible, with_brackets
from lbtui.ui.kit.at import PANE_KEYS, NoView, View, parse_view

# What an argument is made of, for completion.
Kind: TypeAlias = str


@dataclass(frozen=True)
class Command:
    """One command: its name, how its argument is written, what it does, which names the argument holds.

    `does` is another command's name where this one is only another way to write it.
    """

    name: str
    argument: str
    tells: str
    kind: Kind = ""
    alone: bool = False  # whether it is of use without an argument
    does: str = ""

    @property
    def usage(self) -> str:
        """How it is written."""
        return f"{self.name} {self.argument}".rstrip()


COMMANDS: tuple[Command, ...] = (
    Command("find", _("TEXT"), _("what is called so, in all panes"), "subject"),
    Command("sql", "SELECT …", _("a query of the profile's tables"), "sql"),
    Command("slo", "ttft=500,tpot=50", _("set the targets of requests, ms"), "target"),
    Command("report", _("FILE"), _("the report: FILE.txt, FILE.md or FILE.json"), "file"),
    Command("export", _("FOLDER"), _("the tables as CSV; parquet FOLDER: Parquet"), "folder"),
    Command("w", _("FILE"), _("what is shown: FILE.txt, .svg; rows: .csv"), "file"),
    Command("link", "", _("show and copy a line that opens this view"), alone=True),
    Command("help", _("[COMMAND]"), _("all commands, or one"), "command", alone=True),
    Command("q", "", _("quit"), alone=True),
    Command("write", _("FILE"), _("as w"), "file", does="w"),
    Command("quit", "", _("as q"), alone=True, does="q"),
)


@dataclass(frozen=True)
class Setting:
    """A word before a value: the part of a view (`kit/at.py`) that it sets, and the pane that shows it.

    Without a pane it is the one that is shown.
    """

    name: str
    part: str
    argument: str
    tells: str
    pane: str = ""
    kind: Kind = ""

    @property
    def usage(self) -> str:
        """How it is written."""
        return f"{self.name} {self.argument}"


SETTINGS: tuple[Setting, ...] = (
    Setting("t", "t", "08:00:24.5", _("the cursor on an instant, by the files' clock")),
    Setting("window", "w", "08:00:20..08:00:30", _("zoom all panes to a window; all: the whole")),
    Setting("domain", "d", _("NAME"), _("to a DP domain"), "dp", "domain"),
    Setting("node", "n", _("ADDRESS"), _("to a P/D node"), "pd", "node"),
    Setting("layer", "l", _("NUMBER"), _("to a layer"), "ep", "layer"),
    Setting("rank", "r", _("NUMBER"), _("to an EP rank"), "ep", "rank"),
    Setting("period", "p", _("NUMBER"), _("to an EPLB period"), "ep", "period"),
    Setting("request", "id", _("ID"), _("to a request"), "requests"),
    Setting("metric", "m", _("NAME"), _("what is shown; the name's beginning does"), "", "metric"),
    Setting("filter", "f", _("TEXT"), _("show only what matches, as / does")),
    Setting("side", "side", _("SIDE"), _("of two profiles: after, before or difference"), "", "side"),
)
SIDES = ("after", "before", "difference")
_NAMED: Mapping[str, Command] = {command.name: command for command in COMMANDS}
_SETTING: Mapping[str, Setting] = {setting.name: setting for setting in SETTINGS}
_PART = re.compile(r"[a-z]+(?:\.[a-z]+)?=")
# What a name of a command, pane or domain is taken for, when it is a little wrong.
_LEAST_ALIKE = 0.5
_TOLD = 12  # names that are told of those there are


@dataclass(frozen=True)
class Known:
    """What a line may hold: the panes by what is typed for them, the names of each kind as they are offered.

    `pane` is the name of the one that is shown, `measured` of that in which a metric is chosen.
    """

    panes: Mapping[str, str] = field(default_factory=dict)  # with the key of each
    names: Mapping[Kind, Sequence[str]] = field(default_factory=dict)
    pane: str = "overview"
    measured: str = "dp"

    def of(self, kind: Kind) -> Sequence[str]:
        """Return the names of a kind."""
        if kind == "command":
            return [command.name for command in COMMANDS if not command.does]
        return SIDES if kind == "side" else self.names.get(kind, ())


@dataclass(frozen=True)
class Parsed:
    """What a line asks for: `does` is a command's name, `pane` or `view`, with its argument."""

    does: str
    argument: str = ""
    view: View | None = None


@dataclass(frozen=True)
class Mistake:
    """A line that asks for nothing; the text is one sentence."""

    text: str


def command_of(name: str) -> Command | None:
    """Return the command of a name, None where there is none."""
    return _NAMED.get(name.lower())


def setting_of(name: str) -> Setting | None:
    """Return the word of a name that sets something, None where there is none."""
    return _SETTING.get(name.lower())


def parsed(line: str, known: Known) -> Parsed | Mistake:
    """Return what a line asks for, else what is wrong with it."""
    line = line.strip().removeprefix(":").strip()
    word, _blank, rest = line.partition(" ")
    rest = rest.strip()
    if not word:
        return Mistake(_("nothing is written; help lists the commands"))
    if (command := command_of(word)) is not None:
        if rest and not command.argument:
            return Mistake(_("{command} takes nothing behind it").format(command=command.name))
        if not rest and not command.alone:
            return Mistake(_("it is written {usage}").format(usage=command.usage))
        return Parsed(command.does or command.name, rest)
    if (setting := setting_of(word)) is not None:
        return _set(setting, rest, known)
    if _PART.match(line) or (";" in line and line.partition(";")[0].strip() in PANE_KEYS):
        return _viewed(line if not _PART.match(line) else f"{known.pane};{line}")
    if rest:
        return Mistake(_unknown(word, known))
    if (key := known.panes.get(word.lower())) is not None:
        return Parsed("pane", key)
    if word.isascii() and word.isdigit():
        panes = " ".join(sorted(name for name in known.panes if name.isdigit()))
        return Mistake(_("there is no pane {key}; there are {known}").format(key=word[:9], known=panes))
    for kind in ("domain", "node"):
        if word in known.of(kind):
            return _set(_SETTING[kind], word, known)
    return Mistake(_unknown(word, known))


def _viewed(text: str) -> Parsed | Mistake:
    try:
        return Parsed("view", view=parse_view(text))
    except NoView as error:
        return Mistake(str(error))


def _set(setting: Setting, value: str, known: Known) -> Parsed | Mistake:
    """Return the view that a word with its value asks for."""
    if not value:
        return Mistake(_("it is written {usage}").format(usage=setting.usage))
    pane = setting.pane or (known.measured if setting.kind == "metric" else known.pane)
    names = known.of(setting.kind)
    if setting.kind and value not in names:
        if not names:
            return Mistake(_("this profile has none: {what}").format(what=setting.name))
        begins = [name for name in names if name.startswith(value.lower())]
        if setting.kind == "metric" and len(begins) > 1:
            words = _("several begin with {name}: {known}")
            return Mistake(words.format(name=visible(value, 40), known=in_list(begins[:_TOLD])))
        if setting.kind != "metric" or not begins:
            return Mistake(_no_name(setting, value, names))
        value = begins[0]
    return Parsed("view", view=View(pane, {setting.part: value}))


def _no_name(setting: Setting, value: str, names: Sequence[str]) -> str:
    said = _("there is no {what} {name}").format(what=setting.name, name=visible(value, 40))
    if all(name.isdigit() for name in names):
        there = _("there are {first} to {last}").format(first=names[0], last=names[-1])
        return in_clauses([said, there])
    near = nearest(value, names)
    if near:
        return with_brackets(said, _("nearest: {name}").format(name=near))
    return in_clauses([said, _("there are {known}").format(known=in_list(names[:_TOLD]))])


def _unknown(word: str, known: Known) -> str:
    names = [*_NAMED, *_SETTING, *known.panes, *known.of("domain")]
    near = nearest(word.lower(), names)
    said = _("there is no command {word}").format(word=visible(word, 40))
    more = _("nearest: {name}").format(name=near) if near else _("help lists all")
    return with_brackets(said, more)


def nearest(word: str, names: Iterable[str]) -> str | None:
    """Return the name that a word most likely means, None where none is like it."""
    found = difflib.get_close_matches(word, list(names), 1, _LEAST_ALIKE)
    return found[0] if found else None
