"""The DP pane's keys."""

from __future__ import annotations

from textual.binding import Binding, BindingType

from lbtui.text import _

BINDINGS: list[BindingType] = [
    Binding("left,h", "move(-1)", _("time"), show=False, key_display="← h", tooltip=_("one column back")),
    Binding("right,l", "move(1)", _("time"), show=False, key_display="→ l", tooltip=_("one column on")),
    Binding("H", "move(-10)", _("time"), show=False, tooltip=_("ten columns back")),
    Binding("L", "move(10)", _("time"), show=False, tooltip=_("ten columns on")),
    Binding("up,k", "lane(-1)", _("lane"), show=False, key_display="↑ k", tooltip=_("the lane above")),
    Binding("down,j", "lane(1)", _("lane"), show=False, key_display="↓ j", tooltip=_("the lane below")),
    Binding("pageup", "lane(-10)", _("lane"), show=False, tooltip=_("ten lanes up")),
    Binding("pagedown", "lane(10)", _("lane"), show=False, tooltip=_("ten lanes down")),
    Binding("m", "metric(1)", _("metric"), tooltip=_("the next metric")),
    Binding("M", "metric(-1)", _("metric"), show=False, tooltip=_("the metric before")),
    Binding("n", "place(1)", _("next outstanding"), tooltip=_("the next place that stands out, most first")),
    Binding("N", "place(-1)", _("outstanding"), show=False, tooltip=_("the place before in that order")),
    Binding(
        "enter", "round", _("round"), key_display="⏎", tooltip=_("this scheduling round: cards, requests")
    ),
    Binding("plus,equals_sign", "zoom(0.5)", _("zoom"), key_display="+ -", tooltip=_("zoom in; - out")),
    Binding("minus", "zoom(2)", _("zoom out"), show=False, key_display="-", tooltip=_("zoom out")),
    Binding("0", "whole", _("whole"), tooltip=_("the whole time")),
    Binding("a", "statistic", _("mean/max"), tooltip=_("mean or worst value of each column")),
    Binding("s", "sort", _("sort"), tooltip=_("order by host, or by how far lanes stand out")),
    Binding("c", "chart", _("chart"), tooltip=_("line chart of the metric against forward_iter")),
    Binding("b", "side", _("before"), show=False, tooltip=_("after, before, difference (with --baseline)")),
]
