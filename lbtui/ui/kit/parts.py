"""The parts of a view (`kit/at.py`) as panes tell and take them: times by the files' clock, numbers, names.

What does not fit the profile is left as it is, and kept to be said.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final, Literal, TypeVar

from lbtui.profile.identity import UNNAMED_EXPERTS
from lbtui.profile.time import ZONE_OFFSET_US, instant, micros
from lbtui.text import _, in_list, visible
from lbtui.ui.kit.at import SELECTED, Parts, escaped
from lbtui.ui.kit.selection import SIDES, Selection
from lbtui.ui.kit.window import Window

_Name = TypeVar("_Name", bound=str)
ALL: Final = "all"  # the whole time
_CLOCK = re.compile(
    r"(?:(?P<date>\d{4}-\d\d-\d\d)[T ])?(?P<hour>\d\d?):(?P<minute>\d\d)"
    r"(?::(?P<second>\d\d)(?:\.(?P<part>\d{1,6}))?)?",
    re.ASCII,
)
_DAY = timedelta(days=1)
_MOST_DAYS = 40  # that are tried for a clock without a date
_BETWEEN = ".."
_UNNAMED = "experts"


def time_words(time: int, whole: Window | None) -> str:
    """Return an instant (µs since 1970) by the files' clock, as short as `time_of` reads it back."""
    local = instant(time + ZONE_OFFSET_US)
    clock = local.strftime("%H:%M:%S")
    if local.microsecond:
        clock += f".{local.microsecond:06d}".rstrip("0")
    if time_of(clock, whole) == time:
        return clock
    return f"{local.date().isoformat()}T{clock}"


def time_of(text: str, whole: Window | None) -> int | None:
    """Return the instant that a text tells, None where it tells none.

    Without a date it is of the first day on which it lies in the whole time, else of that on which this
    begins; where no time is known a date is needed.
    """
    found = _CLOCK.fullmatch(text.strip())
    if found is None:
        return None
    try:
        clock = timedelta(
            hours=_below(found["hour"], 24),
            minutes=_below(found["minute"], 60),
            seconds=_below(found["second"] or "0", 60),
            microseconds=int((found["part"] or "0").ljust(6, "0")),
        )
        if found["date"]:
            return _on(date.fromisoformat(found["date"]), clock)
    except ValueError:
        return None
    if whole is None:
        return None
    first = instant(whole[0] + ZONE_OFFSET_US).date()
    tried = [_on(first + day * _DAY, clock) for day in range(_MOST_DAYS)]
    return next((time for time in tried if whole[0] <= time < whole[1]), tried[0])


def _below(text: str, most: int) -> int:
    if (number := int(text)) >= most:
        raise ValueError(text)
    return number


def _on(day: date, clock: timedelta) -> int:
    return micros(datetime(day.year, day.month, day.day) + clock) - ZONE_OFFSET_US


def window_words(window: Window | None, whole: Window | None) -> str:
    """Return a window from..to, None as `all`."""
    return ALL if window is None else _BETWEEN.join(time_words(time, whole) for time in window)


def window_of(text: str, whole: Window | None) -> Window | None:
    """Return the window that a text tells; None where it tells none, or no time."""
    begin, between, end = text.partition(_BETWEEN)
    times = time_of(begin, whole), time_of(end, whole)
    if not between or times[0] is None or times[1] is None or times[1] <= times[0]:
        return None
    return times[0], times[1]


def instance_words(instance: str) -> str:
    """Return an instance as a view tells it: experts of no named one are called so in every language."""
    return _UNNAMED if instance == UNNAMED_EXPERTS else instance


def instance_of(text: str) -> str:
    """Return the instance that a view tells."""
    return UNNAMED_EXPERTS if text == _UNNAMED else text


def key_named(text: str, keys: Collection[str]) -> str | None:
    """Return the key that a text is, or the only one of that name, as dp5 of svc/dp5; None without one."""
    if text in keys:
        return text
    named = [key for key in keys if key.rpartition("/")[2] == text]
    return named[0] if len(named) == 1 else None


@dataclass
class Taken:
    """The parts of a view while a pane takes them. Each is asked for once; what is None was not told.

    `refused` are those that do not fit the profile, `whole` is the time by which a clock has its date.
    """

    parts: Parts
    whole: Window | None = None
    refused: list[str] = field(default_factory=list)
    _asked: set[str] = field(default_factory=set)

    def text(self, name: str) -> str | None:
        """Return a part as it is."""
        self._asked.add(name)
        return self.parts.get(name)

    def refuse(self, name: str) -> None:
        """Keep that a part does not fit."""
        if name not in self.refused:
            self.refused.append(name)

    def one_of(self, name: str, known: Sequence[_Name]) -> _Name | None:
        """Return a part that is one of those known."""
        text = self.text(name)
        found = next((each for each in known if each == text), None)
        if text is not None and found is None:
            self.refuse(name)
        return found

    def key(self, name: str, keys: Collection[str] | None, *, more: bool = False) -> str | None:
        """Return a part that is a key, or a name that one key alone has; any where the keys are unknown.

        With `more` there may be other keys: what is written as one is taken for one.
        """
        text = self.text(name)
        if text is None or keys is None:
            return text
        found = key_named(text, keys) or (text if more and "/" in text else None)
        if found is None:
            self.refuse(name)
        return found

    def number(self, name: str, least: int = 0, most: int | None = None) -> int | None:
        """Return a whole number within bounds."""
        text = self.text(name)
        if text is None:
            return None
        if re.fullmatch(r"-?\d{1,18}", text, re.ASCII):
            number = int(text)
            if number >= least and (most is None or number <= most):
                return number
        self.refuse(name)
        return None

    def flag(self, name: str) -> bool | None:
        """Return whether something is on: 1, or 0."""
        number = self.number(name, 0, 1)
        return None if number is None else bool(number)

    def time(self, name: str) -> int | None:
        """Return an instant, µs."""
        text = self.text(name)
        found = None if text is None else time_of(text, self.whole)
        if text is not None and found is None:
            self.refuse(name)
        return found

    def window(self, name: str) -> Window | Literal["all"] | None:
        """Return a window, µs, or `all`."""
        text = self.text(name)
        if text is None or text == ALL:
            return ALL if text else None
        found = window_of(text, self.whole)
        if found is None:
            self.refuse(name)
        return found

    @property
    def said(self) -> str:
        """What of the view does not fit, as a sentence; empty where all does."""
        wrong = [name for name in self.parts if name in self.refused or name not in self._asked]
        if not wrong:
            return ""
        told = in_list(f"{name}={visible(escaped(self.parts[name]), 40)}" for name in wrong)
        return _("not in this pane of this profile: {parts}; the rest is shown").format(parts=told)


def selected_parts(selection: Selection, whole: Window | None) -> dict[str, str]:
    """Return what is selected in all panes; what is not is left out."""
    found: dict[str, str] = {}
    for name, of in SELECTED.items():
        value = getattr(selection, of)
        if value is None or (of == "side" and value == SIDES[0]):
            continue
        if of == "time":
            value = time_words(value, whole)
        elif of == "window":
            value = window_words(value, whole)
        elif of == "instance":
            value = instance_words(value)
        found[name] = str(value)
    return found


def selected(
    taken: Taken, domains: Collection[str] | None = None, *, more: bool = False
) -> Mapping[str, Any]:
    """Return the changes of the selection that the parts tell; `domains` are the keys that there are, as in
    `Taken.key`.
    """
    window, instance = taken.window("w"), taken.text("i")
    found: dict[str, Any] = {
        "time": taken.time("t"),
        "domain": taken.key("d", domains, more=more),
        "node": taken.text("n"),
        "instance": None if instance is None else instance_of(instance),
        "rank": taken.number("r"),
        "layer": taken.number("l"),
        "period": taken.number("p"),
        "request": taken.text("q"),
        "side": taken.one_of("side", SIDES),
    }
    changes = {name: value for name, value in found.items() if value is not None}
    if window is not None:
        changes["window"] = None if window == ALL else window
    return changes


def differing(parts: Mapping[str, str | None]) -> dict[str, str]:
    """Return the parts that there are: those that are None are left out."""
    return {name: value for name, value in parts.items() if value is not None}
