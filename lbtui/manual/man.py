"""The man page, made of the parser: what `--help` says, in the format of `man`."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Iterator

from lbtui.manual import TOPICS, text_of
from lbtui.text import _, in_list


def man_page(known: argparse.ArgumentParser, version: str) -> str:
    """Return the page of a parser's command in ASCII, for `man -l -` or a folder `man1`."""
    return "\n".join(_lines(known, version)) + "\n"


def _lines(known: argparse.ArgumentParser, version: str) -> Iterator[str]:
    name = known.prog
    yield f'.TH {name.upper()} 1 "" "{name} {version}" "{_("User Commands")}"'
    yield f".SH {_('NAME')}"
    yield f"{name} \\- {_escaped(_('show where the load of an LLM serving cluster is unbalanced'))}"
    yield f".SH {_('SYNOPSIS')}"
    yield f".B {name}"
    yield f"[{_italic('path')}] [{_italic(_('options'))}]"
    yield f".SH {_('DESCRIPTION')}"
    yield _escaped(known.description or "")
    for title, actions in _groups(known):
        if actions:
            yield f".SH {_escaped(title.upper())}"
            for action in actions:
                yield ".TP"
                yield _head(action)
                yield _escaped(action.help or "")
    yield f".SH {_('EXIT STATUS')}"
    for code, meaning in _codes():
        yield ".TP"
        yield f".B {code}"
        yield _escaped(meaning)
    yield f".SH {_('SEE ALSO')}"
    topics = in_list(TOPICS)
    yield _escaped(_("{name} --manual TOPIC, for one of {topics}").format(name=name, topics=topics))


def _groups(known: argparse.ArgumentParser) -> list[tuple[str, list[argparse.Action]]]:
    """Return the groups of a parser, each with its arguments, as it gives them to what formats its help."""
    found: list[tuple[str, list[argparse.Action]]] = []

    class Listing(argparse.HelpFormatter):
        def start_section(self, heading: str | None) -> None:
            found.append((heading or "", []))
            super().start_section(heading)

        def add_arguments(self, actions: Iterable[argparse.Action]) -> None:
            found[-1][1].extend(actions)
            super().add_arguments(actions)

    usual, known.formatter_class = known.formatter_class, Listing
    try:
        known.format_help()
    finally:
        known.formatter_class = usual
    return found


def _codes() -> list[tuple[str, str]]:
    """Return the exit codes, each with its meaning, as the manual lists them."""
    section = text_of("config").partition("\n## Exit codes\n")[2].partition("\n## ")[0]
    found = re.findall(r"^- (\d+): (.+?)$(?!\n  )", section, re.MULTILINE | re.DOTALL)
    return [(code, " ".join(meaning.replace("`", "").split())) for code, meaning in found]


def _head(action: argparse.Action) -> str:
    """Return an option with what it takes, as the help's left column has it."""
    if not action.option_strings:
        return _italic(action.dest)
    value = action.metavar or (action.choices and f"{{{','.join(map(str, action.choices))}}}") or ""
    if not value and action.nargs != 0:
        value = action.dest.upper()
    taken = f"[{_italic(str(value))}]" if action.nargs == "?" else _italic(str(value)) if value else ""
    options = in_list(f"\\fB{_escaped(option)}\\fR" for option in action.option_strings)
    return f"{options} {taken}".rstrip()


def _italic(text: str) -> str:
    return f"\\fI{_escaped(text)}\\fR"


def _escaped(text: str) -> str:
    """Return text that groff takes as it is: in ASCII, and no line of it is a command."""
    plain = text.replace("%%", "%").replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    plain = re.sub(r"[^\x00-\x7f]", lambda found: f"\\[u{ord(found[0]):04X}]", plain)
    return f"\\&{plain}" if plain.startswith(".") else plain
