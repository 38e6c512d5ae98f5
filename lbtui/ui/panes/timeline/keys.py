"""The Timeline pane's keys."""

from __future__ import annotations

from textual.binding import BindingType

from lbtui.text import _
from lbtui.ui.kit import keys
from lbtui.ui.kit.keys import key

BINDINGS: list[BindingType] = [
    *keys.columns(_("column")),
    *keys.rows(_("track"), _("tracks")),
    *keys.zoom(_("the time")),
    keys.entered(_("slice"), _("this slice: its fields, its requests, what belongs to it")),
    key(
        "timeline.follow",
        "follow",
        _("follow"),
        _("follow a request of this slice on all tracks, or no longer"),
        shown=True,
    ),
    *keys.hot(_("next bubble"), _("the next longest bubble; of a followed request its next step")),
    keys.filtered(_("only tracks that match: card, pull, part of a host, dp=2, host=NAME …")),
    key("timeline.only", "only", _("only its"), _("only the tracks of the followed request, or all")),
    key(
        "timeline.slice",
        "slice",
        _("its time"),
        _("zoom all panes to the slice or bubble under the cursor"),
        shown=True,
    ),
    key(
        "timeline.statistics",
        "table",
        _("statistics"),
        _("statistics of the range, or of the window, or the tracks"),
        shown=True,
    ),
    key(
        "timeline.range",
        "range",
        _("range"),
        _("begin a range at the cursor, end it there, take it off"),
        shown=True,
    ),
    key("timeline.mark", "mark", _("mark"), _("set a mark at the cursor, with a name"), shown=True),
    key("timeline.marks", "marks", _("marks"), _("go to a mark")),
    key("timeline.pin", "pin", _("pin"), _("keep this track on top, or no longer"), shown=True),
    key(
        "timeline.align",
        "align",
        _("align"),
        _("align two tracks: press it on each, and the second is shifted; twice on one: undo"),
        shown=True,
    ),
    key("timeline.back", "column(-10)", _("time"), _("ten columns back")),
    key("timeline.on", "column(10)", _("time"), _("ten columns on")),
]
