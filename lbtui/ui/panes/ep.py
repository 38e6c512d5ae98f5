"""The EP pane: heat maps over layer × rank or expert, GroupedMatmul times, fast and slow ranks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType

from lbtui.profile import FrameName, Profile
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.heatmap import View
from lbtui.text import _
from lbtui.ui.pane import Aim, HelpEntry, Pane, PaneProgress
from lbtui.ui.panes import ep_help, ep_layout, ep_state, ep_view
from lbtui.ui.panes.ep_data import VIEWS, EpData, ViewName, ep_data
from lbtui.ui.panes.ep_sides import sides
from lbtui.ui.panes.ep_state import EpState
from lbtui.ui.panes.sides import SIDE_HELP
from lbtui.ui.selection import Selection, Side

_PAGE = 10
_WHEEL = 3


class EpPane(Pane):
    """Holds the cursor; everything it shows is computed elsewhere."""

    KEY: ClassVar[str] = "4"
    TITLE: ClassVar[str] = _("EP")
    NEEDS: ClassVar[tuple[FrameName, ...]] = ("expert_heat", "layer_times", "rank_intervals")
    SIDED: ClassVar[bool] = True
    BINDINGS: ClassVar[list[BindingType]] = [
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
    ]  # fmt: skip

    def __init__(self, profile: Profile, caps: Capabilities, baseline: Profile | None = None) -> None:
        super().__init__(profile, caps, baseline)
        self._sides: dict[Side, EpData] = {}
        self._drawn: Side = "after"
        self._state: EpState | None = None
        self._view: View | None = None

    def prepare(self, progress: PaneProgress) -> dict[Side, EpData]:
        """Return maps, scales, loads and intervals of each side."""
        before = None if self.baseline is None else self._of_profile(self.baseline, progress)
        return sides(self._of_profile(self.profile, progress), before)

    @staticmethod
    def _of_profile(profile: Profile, progress: PaneProgress) -> EpData:
        return ep_data(
            profile.load("expert_heat", progress).frame,
            profile.load("layer_times", progress).frame,
            profile.load("rank_intervals", progress).frame,
        )

    def ready(self, result: dict[Side, EpData]) -> None:
        """Put the cursor where the load stands out, or where another pane has pointed."""
        self._sides = result
        self._state = ep_state.start(result["after"])
        self.selection_changed(self.selection)

    @property
    def _data(self) -> EpData | None:
        """What is shown of the two profiles."""
        return self._sides.get(self.side)

    def draw(self, width: int, height: int) -> list[Row]:
        """Return the rows."""
        data, state = self._data, self._state
        self._drawn = self.side
        if data is None or state is None:
            return ep_view.nothing_rows(self.profile, width, height, self.caps)
        self._view = ep_layout.viewport(data, state, self._view, width, height, self.caps)
        return ep_view.draw(data, state, self._view, width, height, self.caps)

    def help_entries(self) -> list[HelpEntry]:
        """Return every quantity, and which views this profile lacks."""
        data = self._sides.get("after" if self.side == "difference" else self.side)
        absent = VIEWS if data is None else self._absent(data)
        compared = [] if self.baseline is None else [SIDE_HELP]
        return [*compared, *ep_help.entries(data, absent)]

    def _absent(self, data: EpData) -> tuple[ViewName, ...]:
        there = data.views(self._state.instance if self._state else None)
        return tuple(view for view in VIEWS if view not in there)

    def keys_now(self) -> list[tuple[str, str]]:
        """Return the keys that do something in this view."""
        data, state = self._data, self._state
        if data is None or state is None:
            return []
        if state.view == "intervals":
            return [("v", _("view")), *self.side_key(), ("↑↓", _("process"))]
        keys = [("v", _("view")), *self.side_key()]
        if state.inside:
            keys.insert(0, ("Esc", _("ranks")))
        if state.view == "rank":
            keys.append(("Enter", _("its experts")))
        if state.view != "times" and len(data.periods.get(state.instance or "", ())) > 1:
            keys += [("[ ]", _("period")), ("g", _("scale"))]
        keys += [("n", _("hottest")), ("+ - 0", _("zoom"))]
        if state.view == "expert":
            keys.append(("< >", _("rank")))
        if len(data.instances) > 1:
            keys.append(("i", _("instance")))
        return keys

    def selection_changed(self, selection: Selection) -> None:
        """Go where another pane points."""
        if self._data is None or self._state is None:
            return
        state = ep_state.follow_selection(
            self._data,
            self._state,
            instance=selection.instance,
            rank=selection.rank,
            layer=selection.layer,
            period=selection.period,
        )
        if self.side != self._drawn:
            state = ep_state.in_bounds(self._data, state)
        if state != self._state or self.side != self._drawn:
            self._state = state
            self.repaint()

    def aimed(self, aim: Aim) -> None:
        """Show the view and the expert that a finding is about."""
        self._go(lambda data, state: ep_state.aimed_at(data, state, aim.metric, aim.expert))

    def go_out(self) -> bool:
        """Leave a rank's experts."""
        if self._state is None or not self._state.inside:
            return False
        self._go(lambda _data, state: ep_state.leave_rank(state))
        return True

    def _go(self, change: Callable[[EpData, EpState], EpState]) -> None:
        """Change the state, tell the other panes, draw."""
        data, state = self._data, self._state
        if data is None or state is None:
            return
        new = change(data, state)
        if new == state:
            return
        self._state = new
        if new.instance is not None:
            self.lbtui.select(instance=new.instance, rank=new.rank, layer=new.layer, period=new.period)
        self.repaint()

    # Actions

    def action_move(self, down: int, right: int) -> None:
        """Move the cursor by cells as drawn."""
        view = self._view or View()
        self._go(lambda data, state: ep_state.move(data, state, view, down, right))

    def action_view(self) -> None:
        """Show the next view."""
        self._go(ep_state.next_view)

    def action_period(self, step: int) -> None:
        """Show another EPLB period."""
        self._go(lambda data, state: ep_state.change_period(data, state, step))

    def action_scale(self) -> None:
        """Colour by one scale over all periods, or by this period's own."""
        self._go(lambda _data, state: replace(state, common_scale=not state.common_scale, skipped=()))

    def action_hottest(self, step: int) -> None:
        """Go to the next hottest cell."""
        self._go(lambda data, state: ep_state.next_hottest(data, state, step))

    def action_rank(self, step: int) -> None:
        """Jump rank by rank."""
        self._go(lambda data, state: ep_state.jump_rank(data, state, step))

    def action_zoom(self, step: int) -> None:
        """Zoom in or out; 0 shows the whole map."""
        self._go(lambda data, state: self._zoomed(data, state, step))

    def _zoomed(self, data: EpData, state: EpState, step: int) -> EpState:
        return ep_layout.zoomed(data, state, step, *self.size, self.caps)

    def action_enter(self) -> None:
        """Show the experts of the rank under the cursor."""
        self._go(
            lambda data, state: ep_state.enter_rank(
                data, state, ep_layout.zoom_for_rank(data, state, *self.size, self.caps)
            )
        )

    def action_instance(self) -> None:
        """Show the next instance."""
        self._go(ep_state.next_instance)

    # Mouse

    def on_click(self, event: events.Click) -> None:
        """Put the cursor where the click was."""
        self._go(lambda data, state: ep_layout.clicked(
            data, state, self._view or View(), event.x, event.y, *self.size, self.caps
        ))  # fmt: skip

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Move down."""
        event.stop()
        self.action_move(_WHEEL, 0)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Move up."""
        event.stop()
        self.action_move(-_WHEEL, 0)
