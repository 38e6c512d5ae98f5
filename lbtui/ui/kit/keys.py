"""Keys that mean the same in every pane, and how each key is printed.

A pane takes the families it has the thing for and adds what is its own; a letter of a family, or one of
`RESERVED`, has no other meaning in any pane.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal, TypeAlias

from textual.binding import Binding, BindingType

from lbtui.text import _

_PRINTED = {
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "enter": "⏎",
    "escape": "Esc",
    "space": "Space",
    "apostrophe": "'",
    "tab": "Tab",
    "shift+tab": "Shift-Tab",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "home": "Home",
    "end": "End",
    "plus": "+",
    "minus": "-",
    "slash": "/",
    "comma": ",",
    "full_stop": ".",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
}
_UNSAID = frozenset({"equals_sign"})  # + without Shift
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
    "7": "Timeline",
}


def printed(keys: str) -> str:
    """Return how the keys of a binding, separated by commas, are printed."""
    return " ".join(_printed(key) for key in keys.split(",") if key not in _UNSAID)


def _printed(key: str) -> str:
    return f"^{key[-1].upper()}" if key.startswith("ctrl+") else _PRINTED.get(key, key)


def key(keys: str, action: str, name: str, tells: str = "", *, shown: bool = False) -> Binding:
    """Return a binding printed as everywhere; `shown` in the last line, told by `tells` on the help page."""
    return Binding(keys, action, name, show=shown, key_display=printed(keys), tooltip=tells)


def rows(one: str, many: str) -> list[BindingType]:
    """Return the keys that go up and down: by one, by a page, to the first and the last."""
    return [
        key("up,k", "row(-1)", one, _("{one} above").format(one=one)),
        key("down,j", "row(1)", one, _("{one} below").format(one=one)),
        key("pageup,ctrl+u", "page(-1)", many, _("a page of {many} up").format(many=many)),
        key("pagedown,ctrl+d", "page(1)", many, _("a page of {many} down").format(many=many)),
        key("home,g", "end('first')", many, _("first {one}").format(one=one)),
        key("end,G", "end('last')", many, _("last {one}").format(one=one)),
    ]


def columns(one: str) -> list[BindingType]:
    """Return the keys that go left and right."""
    return [
        key("left,h", "column(-1)", one, _("{one} before").format(one=one)),
        key("right,l", "column(1)", one, _("{one} after").format(one=one)),
    ]


def zoom(what: str) -> list[BindingType]:
    """Return the keys that zoom: + never widens, - never narrows, 0 shows all."""
    return [
        key("plus,equals_sign", "zoom(0.5)", _("zoom in"), _("zoom {what} in").format(what=what)),
        key("minus", "zoom(2.0)", _("zoom out"), _("zoom {what} out").format(what=what)),
        key("0", "whole", _("whole"), _("all of {what}").format(what=what)),
    ]


def hot(name: str, tells: str) -> list[BindingType]:
    """Return the keys that go to the next hot spot and the one before."""
    return [key("n", "hot(1)", name, tells, shown=True), key("N", "hot(-1)", name, _("and back"))]


def filtered(tells: str, name: str = "") -> Binding:
    """Return the key that asks for a filter, or under another name for a place to go to."""
    return key("slash", "filter", name or _("filter"), tells, shown=True)


def entered(name: str, tells: str) -> Binding:
    """Return the key that goes into what is under the cursor."""
    return key("enter", "enter", name, tells, shown=True)


def details(tells: str) -> Binding:
    """Return the key that shows everything known on a page."""
    return key("i", "details", _("details"), tells, shown=True)


SIDE = key("b", "side", _("before"), _("after, before, difference (with --baseline)"))
# From one pane to the next, and back.
PANES_ROUND = [
    replace(key(keys, f"next_pane({by})", name), priority=True)
    for keys, by, name in (("tab", 1, _("next pane")), ("shift+tab", -1, _("previous pane")))
]
# In the order in which the help page tells them; before a pane's own.
FAMILIES = (
    "up,k",
    "down,j",
    "left,h",
    "right,l",
    "pageup,ctrl+u",
    "pagedown,ctrl+d",
    "home,g",
    "end,G",
    "plus,equals_sign",
    "minus",
    "0",
    "n",
    "N",
    "slash",
    "enter",
    "i",
    "b",
)


def families_first(bindings: Iterable[BindingType]) -> list[Binding]:
    """Return the bindings, those of the families first and in their order."""
    own = [binding for binding in bindings if isinstance(binding, Binding)]
    place = {keys: number for number, keys in enumerate(FAMILIES)}
    return sorted(own, key=lambda binding: place.get(binding.key, len(place)))
