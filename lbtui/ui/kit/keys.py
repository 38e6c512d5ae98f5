"""Keys that mean the same in every pane, and how each key is printed.

A pane takes the families it has the thing for and adds what is its own; a letter of a family, or one of
`RESERVED`, has no other meaning in any pane.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Literal, TypeAlias

from textual.binding import Binding, BindingType

from lbtui.keymap import KEYS, printed, printed_names, shown_for, shown_key
from lbtui.text import _

MOVE, MOVE_ROWS = ("↑↓←→", _("move")), ("↑↓", _("move"))
ZOOM = ("+ - 0", _("zoom"))
End: TypeAlias = Literal["first", "last"]

# What these letters mean, or will mean, in every pane.
RESERVED = {
    "colon": "command",
    "y": "copy",
    "Y": "copy all",
    "W": "watch",
    "w": "What-if",
    "t": "table",
    "c": "chart",
    "b": "side",
    "B": "baseline row",
    "f": "follow a request",
    "x": "set a mark",
    "apostrophe": "go to a mark",
    "A": "note",
    "F": "begin fresh",
    "7": "Timeline",
}


def key(name: str, action: str, label: str, tells: str = "", *, shown: bool = False) -> Binding:
    """Return the binding of an action by its id, printed as everywhere.

    It is `shown` in the last line as `label`, and told by `tells` on the help page.
    """
    keys = KEYS[name]
    return Binding(keys, action, label, show=shown, key_display=printed(keys), tooltip=tells, id=name)


def rows(one: str, many: str) -> list[BindingType]:
    """Return the keys that go up and down: by one, by a page, to the first and the last."""
    return [
        key("common.up", "row(-1)", one, _("{one} above").format(one=one)),
        key("common.down", "row(1)", one, _("{one} below").format(one=one)),
        key("common.page-up", "page(-1)", many, _("a page of {many} up").format(many=many)),
        key("common.page-down", "page(1)", many, _("a page of {many} down").format(many=many)),
        key("common.first", "end('first')", many, _("first {one}").format(one=one)),
        key("common.last", "end('last')", many, _("last {one}").format(one=one)),
    ]


def columns(one: str) -> list[BindingType]:
    """Return the keys that go left and right."""
    return [
        key("common.left", "column(-1)", one, _("{one} before").format(one=one)),
        key("common.right", "column(1)", one, _("{one} after").format(one=one)),
    ]


def zoom(what: str) -> list[BindingType]:
    """Return the keys that zoom: + never widens, - never narrows, 0 shows all."""
    return [
        key("common.zoom-in", "zoom(0.5)", _("zoom in"), _("zoom {what} in").format(what=what)),
        key("common.zoom-out", "zoom(2.0)", _("zoom out"), _("zoom {what} out").format(what=what)),
        key("common.whole", "whole", _("whole"), _("all of {what}").format(what=what)),
    ]


def hot(name: str, tells: str) -> list[BindingType]:
    """Return the keys that go to the next hot spot and the one before."""
    return [
        key("common.next", "hot(1)", name, tells, shown=True),
        key("common.previous", "hot(-1)", name, _("and back")),
    ]


def filtered(tells: str, name: str = "") -> Binding:
    """Return the key that asks for a filter, or under another name for a place to go to."""
    return key("common.filter", "filter", name or _("filter"), tells, shown=True)


def entered(name: str, tells: str) -> Binding:
    """Return the key that goes into what is under the cursor."""
    return key("common.enter", "enter", name, tells, shown=True)


def details(tells: str) -> Binding:
    """Return the key that shows everything known on a page."""
    return key("common.details", "details", _("details"), tells, shown=True)


SIDE = key("common.side", "side", _("before"), _("after, before, difference (with --baseline)"))


def first(binding: Binding) -> Binding:
    """Return a binding that goes before what has the focus."""
    return replace(binding, priority=True)


# From one pane to the next, and back.
PANES_ROUND = [
    first(key("app.next-pane", "next_pane(1)", _("next pane"))),
    first(key("app.previous-pane", "next_pane(-1)", _("previous pane"))),
]
# In the order in which the help page tells them; before a pane's own.
FAMILIES = tuple(name for name in KEYS if name.startswith("common."))


def families_first(bindings: Iterable[BindingType]) -> list[Binding]:
    """Return the bindings, those of the families first and in their order."""
    own = [binding for binding in bindings if isinstance(binding, Binding)]
    place: dict[str | None, int] = {name: number for number, name in enumerate(FAMILIES)}
    return sorted(own, key=lambda binding: place.get(binding.id, len(place)))


def shown_keys(
    keys: Iterable[tuple[str, str]], bindings: Iterable[BindingType], changes: Mapping[str, str]
) -> list[tuple[str, str]]:
    """Return the keys of a last line as they are after the changes; `bindings` are those that they are of."""
    if not changes:
        return list(keys)
    every = (binding.id for binding in bindings if isinstance(binding, Binding))
    names = printed_names(name for name in every if name is not None)
    return [(shown_for(key, names, changes), label) for key, label in keys]


def key_of(binding: Binding, changes: Mapping[str, str]) -> str:
    """Return the keys of a binding as they are printed, after the changes."""
    if binding.id in KEYS:
        return shown_key(binding.id or "", changes)
    return binding.key_display or printed(binding.key)
