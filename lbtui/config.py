"""The user's settings, read from a TOML file."""

from __future__ import annotations

import dataclasses
import difflib
import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from lbtui.config_file import content_of
from lbtui.keymap import FIXED, KEYS, BadKey, clash, parsed, printed
from lbtui.language import LANGUAGES
from lbtui.render.capabilities import Background
from lbtui.text import _, in_list, in_series, visible
from lbtui.thresholds import MOST_TARGET, TARGET_NAMES, Entry, Expected, Thresholds, described

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - the same code under its older name
    import tomli as tomllib

_BACKGROUNDS = ("auto", "dark", "light")
_TABLES = ("thresholds", "expected", "slo", "screen", "keys")
# A domain or node that is to carry so many times what its peers carry, or so little, is a slip of the pen.
_MOST_SHARE = 1000.0
# What `[expected]` may hold, and what its entries set.
_DOMAIN, _NODE = ("domain", "share"), ("node", "weight")


@dataclass(frozen=True)
class Config:
    """What the user has set; None is for the terminal to say."""

    thresholds: Thresholds = field(default_factory=Thresholds)
    background: Background | None = None
    language: str | None = None  # by its short name; read by `language.of_config` before all else
    keys: Mapping[str, str] = field(default_factory=dict)  # by id, those of the actions that get others


class BadConfig(Exception):
    """A config cannot be used; the text says which line of it and why."""


def from_file(path: Path) -> Config:
    """Return the defaults with the tables of a TOML file over them.

    Raises `BadConfig` with a sentence for a file that cannot be read, unknown names and wrong values.
    """
    try:
        document = tomllib.loads(content_of(path).decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadConfig(
            _("{file} cannot be read as TOML: {why}.").format(
                file=visible(str(path)), why=visible(_why(error), 200)
            )
        ) from error
    file = str(path)
    if other := sorted(document.keys() - set(_TABLES)):
        raise BadConfig(
            _(
                "{file}: there is no setting {name}; all that can be set is in the tables [thresholds], "
                "[expected], [slo], [screen] and [keys]."
            ).format(file=visible(file), name=visible(other[0], 100))
        )
    changed = _changed(_table(document, "thresholds", file), file)
    expected = _expected(_table(document, "expected", file), file)
    targets = _targets(_table(document, "slo", file), file)
    screen = _screen(_table(document, "screen", file), file)
    keys = _keys(_table(document, "keys", file), file)
    thresholds = dataclasses.replace(changed, expected=expected, targets=targets)
    background: Literal["auto"] | Background = screen.get("background", "auto")
    return Config(thresholds, None if background == "auto" else background, screen.get("language"), keys)


def _screen(table: Mapping[str, Any], file: str) -> Mapping[str, Any]:
    known = {"background": _BACKGROUNDS, "language": tuple(LANGUAGES)}
    for name, value in table.items():
        if value not in known.get(name, ()):
            raise BadConfig(
                _(
                    '{file}: [screen] has background = "auto", "dark" or "light", '
                    'and language = "zh" or "en".'
                ).format(file=visible(file))
            )
    return table


def _keys(table: Mapping[str, Any], file: str) -> dict[str, str]:
    """Return the keys of `dp.metric = "x"` of the table, as Textual names them."""
    found: dict[str, str] = {}
    for name, value in _flat(table):
        if name not in KEYS or name in FIXED:
            raise BadConfig(_unknown_action(name, file))
        try:
            if not isinstance(value, str):
                raise BadKey(_("a text is wanted, of one key or several with blanks between them"))
            keys = parsed(value)
        except BadKey as error:
            raise BadConfig(
                _("{file}: [keys] {name}: {why}.").format(file=visible(file), name=name, why=error)
            ) from error
        if keys != KEYS[name]:
            found[name] = keys
    if taken := clash(found):
        key, one, other = taken
        raise BadConfig(
            _(
                "{file}: [keys] {key} would be the key of {one} and of {other}; give one of them another."
            ).format(file=visible(file), key=printed(key), one=one, other=other)
        )
    return found


def _flat(table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the entries of `dp.metric = …` and `"dp.metric" = …` under one name."""
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{own}", each) for own, each in value.items())
        else:
            yield name, value


def _unknown_action(name: str, file: str) -> str:
    if name in FIXED:
        sentence = _("{file}: [keys] {name} keeps its key: it leaves lbtui whatever happens.")
        return sentence.format(file=visible(file), name=name)
    near = difflib.get_close_matches(name, KEYS, n=1)
    sentence = (
        _("{file}: [keys] has no {name}; did you mean {near}? lbtui --manual keys lists all.")
        if near
        else _("{file}: [keys] has no {name}; lbtui --manual keys lists all.")
    )
    return sentence.format(file=visible(file), name=visible(name, 100), near=near[0] if near else "")


def _targets(table: Mapping[str, Any], file: str) -> tuple[Entry, ...]:
    """Return `ttft = 500` of the table, in the order in which targets are always told."""
    for name, value in table.items():
        if name not in TARGET_NAMES or not 0 < _number(value) <= MOST_TARGET:
            raise BadConfig(
                _("{file}: [slo] has {known}, each a number of ms above 0 and up to {most:,.0f}.").format(
                    file=visible(file), known=in_list(TARGET_NAMES), most=MOST_TARGET
                )
            )
    return tuple((name, _number(table[name])) for name in TARGET_NAMES if name in table)


def _why(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, UnicodeDecodeError | tomllib.TOMLDecodeError):
        return str(error)
    # What the parser itself does not foresee.
    return (
        _("it is nested too deep") if isinstance(error, RecursionError) else _("a number has too many digits")
    )


def _changed(table: Mapping[str, Any], file: str) -> Thresholds:
    """Return the defaults changed by `table`; raises `BadConfig` as `from_file` does."""
    known = {name for name, _default, _meaning in described()}
    for name, value in table.items():
        if name not in known:
            raise BadConfig(
                _("{file}: there is no threshold {name}; there are {known}.").format(
                    file=visible(file), name=visible(str(name), 100), known=in_list(sorted(known))
                )
            )
        if not _number(value) > 0:
            raise BadConfig(
                _("{file}: {name} must be a number above 0.").format(file=visible(file), name=name)
            )
    changes: dict[str, Any] = {name: _number(value) for name, value in table.items()}
    return Thresholds(**changes)


def _number(value: object) -> float:
    """Return a number of the file, NaN for what is none or beyond all floats."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.nan


def _table(document: Mapping[str, Any], name: str, file: str) -> Mapping[str, Any]:
    """Return a table of the file, empty where there is none."""
    table = document.get(name, {})
    if not isinstance(table, Mapping):
        raise BadConfig(
            _("{file}: {name} must be a table.").format(file=visible(file), name=visible(name, 200))
        )
    return table


def _expected(table: Mapping[str, Any], file: str) -> Expected:
    """Return `domain."dp3".share = 0.5` and `node."10.20.0.12:1025".weight = 2` of the table."""
    known = dict((_DOMAIN, _NODE))
    for kind in table:
        if kind not in known:
            raise BadConfig(
                _("{file}: [expected] has no {name}; it has {known}.").format(
                    file=visible(file),
                    name=visible(str(kind)),
                    known=in_series(f'{k}."NAME".{setting}' for k, setting in known.items()),
                )
            )
    domains, nodes = (_entries(table, *names, file) for names in (_DOMAIN, _NODE))
    return Expected(domains, nodes)


def _entries(table: Mapping[str, Any], kind: str, setting: str, file: str) -> tuple[Entry, ...]:
    entries = []
    for name, settings in _table(table, kind, file).items():
        number = _number(settings.get(setting)) if isinstance(settings, Mapping) else math.nan
        if not 1 / _MOST_SHARE <= number <= _MOST_SHARE or set(settings) != {setting}:
            raise BadConfig(
                _(
                    '{file}: {kind}."{name}" must have one number, {setting}, from {least:g} to {most:g}.'
                ).format(
                    file=visible(file),
                    kind=kind,
                    name=visible(name),
                    setting=setting,
                    least=1 / _MOST_SHARE,
                    most=_MOST_SHARE,
                )
            )
        entries.append((name, number))
    return tuple(entries)
