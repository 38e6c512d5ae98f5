"""The EP pane's keys, and which of them matter now."""

from __future__ import annotations

from textual.binding import BindingType

from lbtui.text import _
from lbtui.ui.kit import keys
from lbtui.ui.kit.keys import key
from lbtui.ui.panes.ep.data import EpData
from lbtui.ui.panes.ep.shown import EpState, over_of

BINDINGS: list[BindingType] = [
    *keys.rows(_("layer"), _("layers")),
    *keys.columns(_("column")),
    *keys.zoom(_("the map")),
    *keys.hot(_("hottest"), _("go to the next hottest cell")),
    keys.filtered(_("go to a layer, rank, expert or period by its number: layer=31, rank=3 …"), _("go to")),
    keys.entered(_("its experts"), _("show the experts of the rank under the cursor; Escape returns")),
    keys.SIDE,
    key("ep.view", "view", _("view"), _("next view: rank, expert, model expert, times, fast/slow")),
    key("ep.previous-period", "period(-1)", _("previous period"), _("previous EPLB period")),
    key("ep.next-period", "period(1)", _("next period"), _("next EPLB period")),
    key("ep.scale", "scale", _("scale"), _("colour scale: one over all periods, or this period's")),
    key(
        "ep.previous-rank",
        "rank(-1)",
        _("previous rank"),
        _("previous rank (ten columns where there are no ranks)"),
    ),
    key(
        "ep.next-rank",
        "rank(1)",
        _("next rank"),
        _("next rank (ten columns where there are no ranks)"),
    ),
    key("ep.instance", "instance", _("instance"), _("next instance with expert heat")),
    key("ep.metric", "metric", _("metric"), _("metric: × mean (share), or tokens")),
    key("ep.phase", "phase", _("phase"), _("prefill, decode or both, if told apart")),
    key(
        "ep.next-iterations",
        "step(1)",
        _("next iterations"),
        _("the map of the next iterations (one column under it); Escape returns to the period"),
    ),
    key("ep.previous-iterations", "step(-1)", _("previous iterations"), _("and back")),
    key("ep.run", "play", _("run"), _("run along the iterations, or stop")),
    key("ep.what-if", "what_if", _("What-if"), _("what another placement of experts would bring")),
]


def keys_now(
    data: EpData, state: EpState, side_key: list[tuple[str, str]], *, playing: bool, phases: bool
) -> list[tuple[str, str]]:
    """Return the keys that do something in this view."""
    if state.view == "intervals":
        return [("v", _("view")), *side_key, (keys.MOVE_ROWS[0], _("process"))]
    found = [("v", _("view")), *side_key]
    if state.span is not None:
        found.insert(0, ("Esc", _("stop") if playing else _("whole period")))
    elif state.inside:
        found.insert(0, ("Esc", _("ranks")))
    if state.view == "rank":
        found.append(("⏎", _("its experts")))
    if over_of(data, state) is not None and state.view != "times":
        found += [(", .", _("iterations")), ("Space", _("stop") if playing else _("run"))]
    if state.view != "times" and (phases or over_of(data, state) is not None):
        found.append(("w", _("What-if")))
    if phases:
        found.append(("p", _("phase")))
    if state.view != "times" and len(data.periods.get(state.instance or "", ())) > 1:
        found += [("[ ]", _("period")), ("C", _("scale"))]
    found += [("n", _("hottest")), ("/", _("go to")), keys.ZOOM]
    if state.view != "times":
        found.append(("m", _("shares") if state.metric == "tokens" else _("tokens")))
    if state.view == "expert":
        found.append(("< >", _("rank")))
    if len(data.instances) > 1:
        found.append(("I", _("instance")))
    return found


def why_not(data: EpData, state: EpState, action: str, *, phases: bool) -> str:
    """Return why an action can do nothing, whatever the view; empty if it can."""
    name = action.partition("(")[0]
    if name in ("step", "play", "what_if") and over_of(data, state) is None and not phases:
        return _("no token counts of iterations")
    if name == "period" and len(data.periods.get(state.instance or "", ())) < 2:
        return _("one EPLB period only")
    if name == "phase" and not phases:
        return _("prefill and decode are not told apart")
    return _("one instance only") if name == "instance" and len(data.instances) < 2 else ""
