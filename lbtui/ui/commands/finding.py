"""What of a profile a text means: subjects by their names, requests by their ids. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import polars as pl

from lbtui.text import _, visible
from lbtui.ui.kit.places import PANES, Subject, Target
from lbtui.ui.kit.selection import Aim

if TYPE_CHECKING:
    from lbtui.profile import Profile

# Of a kind of things: its title, those found (the best first), and how many there are of them.
Group: TypeAlias = tuple[str, Sequence[Subject], int]


def found_among(subjects: Sequence[Subject], text: str) -> list[Subject]:
    """Return the subjects that hold every word of a text, those with the text as their name first.

    A word of digits alone means a whole number: 3 is not in 31.
    """
    words = text.lower().split()
    patterns = [_pattern(word) for word in words]
    found = [
        subject
        for subject in subjects
        if all(
            pattern.search(f"{subject.group} {subject.name} {subject.tells}".lower()) for pattern in patterns
        )
    ]
    wanted = text.lower().strip()

    def rank(subject: Subject) -> tuple[bool, bool]:
        name = subject.name.lower()
        own = [bool(pattern.search(name)) for pattern in patterns]
        return not (name == wanted or name.endswith(f"/{wanted}")), not all(own)

    return sorted(found, key=rank)


def _pattern(word: str) -> re.Pattern[str]:
    plain = re.escape(word)
    return re.compile(rf"(?<![0-9]){plain}(?![0-9])" if word.isdigit() else plain)


def grouped(found: Sequence[Subject]) -> list[Group]:
    """Return the subjects by their kind, the kinds in the order of the best of each."""
    groups: dict[str, list[Subject]] = {}
    for subject in found:
        groups.setdefault(subject.group, []).append(subject)
    return [(group, own, len(own)) for group, own in groups.items()]


def found_requests(profile: Profile, text: str, most: int) -> Group:
    """Return the requests whose id holds a text, as far as they are read: `most` of them at most."""
    title = _("requests")
    known = profile.loaded().get("requests")
    wanted = text.strip()
    if known is None or not wanted or " " in wanted:
        return title, (), 0
    ids = known.frame["request_id"].drop_nulls()
    held = ids.filter(ids.str.to_lowercase().str.contains(wanted.lower(), literal=True))
    # The one that is called so before those that hold it.
    own = held.filter(held == wanted)
    shown = pl.concat([own, held.filter(held != wanted)]).head(most)
    return title, [_request(request) for request in shown], len(held)


def _request(request: str) -> Subject:
    target = Target(PANES["requests"], {}, Aim(request=request))
    return Subject(_("requests"), request, visible(_("the request in the table")), target)
