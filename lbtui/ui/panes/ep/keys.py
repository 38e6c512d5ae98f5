"""The EP pane's keys, and which of them matter now."""

from __future__ import annotations

from textual.binding import Binding, BindingType

from lbtui.text import _
from lbtui.ui.panes.ep.data import EpData
from lbtui.ui.panes.ep.shown import EpState, over_of

_PAGE = 10

BINDINGS: list[BindingType] = [
    Binding("v", "view", _("view"), tooltip=_("next view: rank, expert, model expert, times, fast/slow")),
    Binding(
        "left_square_bracket", "period(-1)", _("previous period"), key_display="[", show=False,
        tooltip=_("previous EPLB period"),
    ),
    Binding(
        "right_square_bracket", "period(1)", _("next period"), key_display="]", show=False,
        tooltip=_("next EPLB period"),
    ),
    Binding(
        "enter", "enter", _("rank's experts"), key_display="Enter",
        tooltip=_("show the experts of the rank under the cursor; Escape returns"),
    ),
    Binding("g", "scale", _("scale"), tooltip=_("colour scale: one over all periods, or this period's")),
    Binding("n", "hottest(1)", _("next hottest"), tooltip=_("go to the next hottest cell")),
    Binding("N", "hottest(-1)", _("previous hottest"), show=False, tooltip=_("and back")),
    Binding(
        "H,less_than_sign", "rank(-1)", _("previous rank"), key_display="H <", show=False,
        tooltip=_("previous rank (ten columns where there are no ranks)"),
    ),
    Binding(
        "L,greater_than_sign", "rank(1)", _("next rank"), key_display="L >", show=False,
        tooltip=_("next rank (ten columns where there are no ranks)"),
    ),
    Binding("left,h", "move(0,-1)", _("left"), show=False, tooltip=_("cursor left")),
    Binding("right,l", "move(0,1)", _("right"), show=False, tooltip=_("cursor right")),
    Binding("up,k", "move(-1,0)", _("up"), show=False, tooltip=_("cursor up")),
    Binding("down,j", "move(1,0)", _("down"), show=False, tooltip=_("cursor down")),
    Binding("pageup", f"move(-{_PAGE},0)", _("ten up"), show=False),
    Binding("pagedown", f"move({_PAGE},0)", _("ten down"), show=False),
    Binding("plus,equals_sign", "zoom(1)", _("zoom in"), key_display="+", show=False),
    Binding("minus", "zoom(-1)", _("zoom out"), key_display="-", show=False),
    Binding("0", "zoom(0)", _("whole map"), show=False),
    Binding(
        "b", "side", _("before"), show=False, tooltip=_("after, before, difference (with --baseline)")
    ),
    Binding("i", "instance", _("instance"), show=False, tooltip=_("next instance with expert heat")),
    Binding("m", "metric", _("metric"), show=False, tooltip=_("metric: × mean (share), or tokens")),
    Binding("p", "phase", _("phase"), show=False, tooltip=_("prefill, decode or both, if told apart")),
    Binding(
        "full_stop", "step(1)", _("next iterations"), key_display=".", show=False,
        tooltip=_("the map of the next iterations (one column under it); Escape returns to the period"),
    ),
    Binding(
        "comma", "step(-1)", _("previous iterations"), key_display=",", show=False, tooltip=_("and back")
    ),
    Binding(
        "space", "play", _("run"), key_display="Space", show=False,
        tooltip=_("run along the iterations, or stop"),
    ),
    Binding("w", "what_if", _("What-if"), tooltip=_("what another placement of experts would bring")),
]  # fmt: skip


def keys_now(
    data: EpData, state: EpState, side_key: list[tuple[str, str]], *, playing: bool, phases: bool
) -> list[tuple[str, str]]:
    """Return the keys that do something in this view."""
    if state.view == "intervals":
        return [("v", _("view")), *side_key, ("↑↓", _("process"))]
    keys = [("v", _("view")), *side_key]
    if state.span is not None:
        keys.insert(0, ("Esc", _("stop") if playing else _("whole period")))
    elif state.inside:
        keys.insert(0, ("Esc", _("ranks")))
    if state.view == "rank":
        keys.append(("Enter", _("its experts")))
    if over_of(data, state) is not None and state.view != "times":
        keys += [(", .", _("iterations")), ("Space", _("stop") if playing else _("run"))]
    if state.view != "times" and (phases or over_of(data, state) is not None):
        keys.append(("w", _("What-if")))
    if phases:
        keys.append(("p", _("phase")))
    if state.view != "times" and len(data.periods.get(state.instance or "", ())) > 1:
        keys += [("[ ]", _("period")), ("g", _("scale"))]
    keys += [("n", _("hottest")), ("+ - 0", _("zoom"))]
    if state.view != "times":
        keys.append(("m", _("shares") if state.metric == "tokens" else _("tokens")))
    if state.view == "expert":
        keys.append(("< >", _("rank")))
    if len(data.instances) > 1:
        keys.append(("i", _("instance")))
    return keys
