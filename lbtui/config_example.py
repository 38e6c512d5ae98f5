"""Everything that the config file knows, as a file to begin with: with its comments it changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator

from lbtui.keymap import FIXED, KEYS, typed
from lbtui.lines import broken
from lbtui.text import _
from lbtui.thresholds import MOST_TARGET, described

_WIDTH = 100


def config_example() -> str:
    """Return a config file in which every setting is a comment with its default or an example.

    A line that begins with `#` and a blank is prose; of any other `#` the rest is a setting.
    """
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield from _prose(
        _(
            "Settings of lbtui, for $XDG_CONFIG_HOME/lbtui/config.toml (default: ~/.config) or --config "
            "FILE. Take the # from the line of a setting to set it."
        )
    )
    yield ""
    yield from _prose(
        _("Thresholds of the findings, with their defaults; lbtui --manual findings says what uses each.")
    )
    yield "[thresholds]"
    for name, default, meaning in described():
        yield from _prose(meaning)
        yield f"#{name} = {default!r}"
    yield ""
    yield from _prose(
        _(
            "Shares of the load that DP domains and nodes are meant to carry, where they are not the same; 1 "
            "is a peer without an entry. A domain is named as its lane is, or with its instance or host "
            "before it."
        )
    )
    yield "[expected]"
    yield '#domain."dp3".share = 0.5'
    yield '#domain."node-a/dp4".share = 0.5'
    yield '#node."10.20.0.12:1025".weight = 2'
    yield ""
    yield from _prose(
        _(
            "What a request is to take at most, in ms, up to {most:,.0f}; --slo goes over it. Of one of them "
            "or more only these count; without any, p95 of the run is the target."
        ).format(most=MOST_TARGET)
    )
    yield "[slo]"
    yield from _prose(_("To the first token, per output token after that, and from arrival to end."))
    yield from ("#ttft = 500", "#tpot = 50", "#e2e = 20000")
    yield ""
    yield "[screen]"
    yield from _prose(
        _("The terminal's background: auto (it is asked), dark or light; --background goes over it.")
    )
    yield '#background = "auto"'
    yield from _prose(
        _("Its language: zh (Chinese) or en; --lang goes over it. Without either the locale (LANG) says.")
    )
    yield '#language = "zh"'
    yield ""
    yield from _prose(
        _(
            "The keys of the screen, by the id of what they do, here with their defaults; several stand with "
            "blanks between them. Letters and signs as they are typed, else up, enter, f5, ctrl+g or alt+x. "
            "Those of common and app are the same in all panes; none may be another's in the same pane."
        )
    )
    yield "[keys]"
    yield from (f"#{name} = {_keys_of(name)}" for name in KEYS if name not in FIXED)


def _keys_of(name: str) -> str:
    """Return the keys of an action as a text of TOML, quotes escaped."""
    return json.dumps(" ".join(map(typed, KEYS[name].split(","))))


def _prose(text: str) -> list[str]:
    return [f"# {line}" for line in broken(text, _WIDTH - 2)]
