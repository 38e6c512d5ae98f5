"""The EP pane: heat maps over layer × rank or expert, GroupedMatmul times, fast and slow ranks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import polars as pl
from textual import events
from textual.binding import BindingType

from lbtui.analysis.expert_parallel import Phase
from lbtui.profile import FrameName, Profile
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.heatmap_view import View
from lbtui.text import _
from lbtui.ui.kit.filtering import Filtered
from lbtui.ui.kit.pane import Aim, HelpEntry, PaneProgress
from lbtui.ui.kit.parts import Taken
from lbtui.ui.kit.saved import by_layer
from lbtui.ui.kit.selection import Selection, Side
from lbtui.ui.kit.sides import SIDE_HELP
from lbtui.ui.panes.ep import at as ep_at
from lbtui.ui.panes.ep import going
from lbtui.ui.panes.ep import help as ep_help
from lbtui.ui.panes.ep import keys as ep_keys
from lbtui.ui.panes.ep import layout as ep_layout
from lbtui.ui.panes.ep import moment as ep_moment
from lbtui.ui.panes.ep import phases as ep_phases
from lbtui.ui.panes.ep import state as ep_state
from lbtui.ui.panes.ep import view as ep_view
from lbtui.ui.panes.ep.data import VIEWS, EpData, ViewName
from lbtui.ui.panes.ep.loading import AlongIterations
from lbtui.ui.panes.ep.shown import EpState, current_map


class EpPane(AlongIterations, Filtered):
    """Holds the cursor; everything it shows is computed elsewhere."""

    KEY: ClassVar[str] = "4"
    TITLE: ClassVar[str] = _("EP")
    NEEDS: ClassVar[tuple[FrameName, ...]] = ("expert_heat", "placements", "layer_times", "rank_intervals")
    SHOWS: ClassVar[tuple[FrameName, ...]] = ("expert_heat", "layer_times", "rank_intervals")
    WHEEL: ClassVar[int] = 3
    SIDED: ClassVar[bool] = True
    ASKS_FOR: ClassVar[str] = _("go to")
    BINDINGS: ClassVar[list[BindingType]] = ep_keys.BINDINGS

    def __init__(self, profile: Profile, caps: Capabilities, baseline: Profile | None = None) -> None:
        super().__init__(profile, caps, baseline)
        self._drawn: Side = "after"
        self._view: View | None = None
        self._scrolled: tuple[int, int] | None = None  # layer and column that a view told is scrolled to
        self._from: EpState | None = None  # where the cursor was when a place was asked for

    def prepare(self, profile: Profile, progress: PaneProgress) -> dict[Phase, dict[Side, EpData]]:
        """Return maps, scales, loads and intervals of each side, for each phase that can be chosen.

        Where iterations were shown, they are read with them.
        """
        after = ep_phases.by_phase(profile, progress)
        before = None if self.baseline is None else ep_phases.by_phase(self.baseline, progress)
        found = ep_phases.sided(after, before)
        if not self._phases:
            return found
        return ep_phases.with_iterations(found, self._iterations(profile, progress))

    def ready(self, result: dict[Phase, dict[Side, EpData]]) -> None:
        """Put the cursor where the load stands out, or where another pane has pointed; leave it there."""
        known = self._state if self._phases and self._phase in result else None
        self._phases = result
        if known is not None and self._data is not None and ep_state.is_there(self._data, known):
            self._state = ep_state.in_bounds(self._data, replace(known, behind=""))
            return
        self._phase = next(iter(result))
        self._state = ep_state.start(result[self._phase]["after"])
        self.selection_changed(self.selection)
        self._read_iterations()

    def draw(self, width: int, height: int) -> list[Row]:
        """Return the rows."""
        data, state = self._data, self._state
        self._drawn = self.side
        if data is None or state is None:
            return ep_view.nothing_rows(self.profile, width, height, self.caps)
        canvas = Canvas(width, height, self.caps)
        if self._scrolled is not None:
            whole = ep_layout.viewport(data, state, None, canvas)
            self._view = replace(whole, top=self._scrolled[0], left=self._scrolled[1])
            if self._over_worker is None:
                # Until iterations are read the map has the room of theirs, too.
                self._scrolled = None
        self._view = ep_layout.viewport(data, state, self._view, canvas)
        return ep_view.draw(data, state, self._view, canvas)

    def copied(self) -> str:
        """Return the cell under the cursor: instance, period, layer, rank or expert, and its values."""
        data, state = self._data, self._state
        return "" if data is None or state is None else ep_view.copied_text(data, state)

    def names(self) -> Mapping[str, Sequence[str]]:
        """Return what the map may be of."""
        return {"metric": ("share", "tokens")}

    def table_rows(self) -> Callable[[], pl.DataFrame] | None:
        """Return what makes a row of each layer of the map shown."""
        data, state = self._data, self._state
        found = None if data is None or state is None else current_map(data, state)
        if found is None:
            return None
        assert state is not None
        names = [f"{state.view} {column}" for column in range(found.shape[1])]
        return lambda: by_layer(names, found.values)

    def help_entries(self) -> list[HelpEntry]:
        """Return every quantity, and which views this profile lacks."""
        data = self._phases.get(self._phase, {}).get("after" if self.side == "difference" else self.side)
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
        playing, phases = self._playing is not None, len(self._phases) > 1
        return ep_keys.keys_now(data, state, self.side_key(), playing=playing, phases=phases)

    def why_not(self, action: str) -> str:
        """Return why an action can do nothing now."""
        why = super().why_not(action)
        if why or self._data is None or self._state is None:
            return why
        return ep_keys.why_not(self._data, self._state, action, phases=len(self._phases) > 1)

    def selection_changed(self, selection: Selection) -> None:
        """Go where another pane points."""
        if self._state is None:
            return
        phase, instance = ep_phases.pointed_at(self._phases, self._phase, selection.instance)
        moved, self._phase = phase != self._phase, phase
        if self._data is None:
            return
        state = ep_state.follow_selection(
            self._data,
            self._state,
            instance=instance,
            rank=selection.rank,
            layer=selection.layer,
            period=selection.period,
        )
        if moved or self.side != self._drawn:
            state = ep_state.in_bounds(self._data, ep_moment.leave(state))
        if moved or state != self._state or self.side != self._drawn:
            self._state = state
            self.repaint()

    def aimed(self, aim: Aim) -> None:
        """Show the view and the expert that a finding is about."""
        self._go(lambda data, state: ep_state.aimed_at(data, state, aim.metric, aim.expert))

    def go_out(self) -> bool:
        """Stop, go back to the whole period, leave a rank's experts: one of these."""
        if self._stop():
            return True
        if self._state is not None and self._state.span is not None:
            self._go(lambda _data, state: ep_moment.leave(state))
            return True
        if self._state is None or not self._state.inside:
            return False
        self._go(lambda _data, state: ep_state.leave_rank(state))
        return True

    # In words

    def parts(self) -> dict[str, str]:
        """Return what is chosen, and which part of the map is in view."""
        data, state, view = self._data, self._state, self._view
        if data is None or state is None:
            return {}
        found = ep_at.parts_of(state, self.selection)
        if len(self._phases) > 1:
            found["phase"] = self._phase
        if self._scrolled is not None:
            found |= {"top": str(self._scrolled[0]), "left": str(self._scrolled[1])}
        elif view is not None and view != ep_layout.viewport(data, state, None, self._canvas):
            found |= {"top": str(view.top), "left": str(view.left)}
        return found

    def take_parts(self, taken: Taken) -> None:
        """Take it."""
        if self._state is None:
            return
        self._stop()
        self._phase = ep_at.phase_of(taken, self._phase, self._phases)
        data = self._data
        if data is None:
            return
        ep_at.refuse_selected(self._state, taken)
        self._state = ep_at.with_parts(data, self._state, taken)
        top, left = taken.number("top"), taken.number("left")
        if top is not None or left is not None:
            self._scrolled = top or 0, left or 0

    def open_over(self, name: str) -> None:
        """Show What-if, once iterations are read."""
        self.action_what_if()

    # Actions

    def action_row(self, down: int) -> None:
        """Move the cursor down by cells as drawn."""
        self._move(down, 0)

    def action_column(self, right: int) -> None:
        """Move the cursor to the right by cells as drawn."""
        self._move(0, right)

    def _move(self, down: int, right: int) -> None:
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

    def action_hot(self, step: int) -> None:
        """Go to the next hottest cell."""
        self._go(lambda data, state: ep_state.next_hottest(data, state, step))

    def action_rank(self, step: int) -> None:
        """Jump rank by rank."""
        self._go(lambda data, state: ep_state.jump_rank(data, state, step))

    def action_zoom(self, factor: float) -> None:
        """Zoom in or out."""
        self._go(lambda data, state: self._zoomed(data, state, 1 if factor < 1 else -1))

    def action_whole(self) -> None:
        """Show the whole map."""
        self._go(lambda data, state: self._zoomed(data, state, 0))

    @property
    def _canvas(self) -> Canvas:
        return Canvas(*self.size, self.caps)

    def _zoomed(self, data: EpData, state: EpState, step: int) -> EpState:
        return ep_layout.zoomed(data, state, step, self._canvas)

    def action_enter(self) -> None:
        """Show the experts of the rank under the cursor."""
        self._go(
            lambda data, state: ep_state.enter_rank(
                data, state, ep_layout.zoom_for_rank(data, state, self._canvas)
            )
        )

    def action_instance(self) -> None:
        """Show the next instance."""
        self._go(ep_state.next_instance)

    def action_metric(self) -> None:
        """Show shares or tokens."""
        self._go(lambda _data, state: ep_moment.next_metric(state))

    def action_phase(self) -> None:
        """Show prefill, decode or both."""
        if len(self._phases) < 2:
            return
        self._stop()
        self._phase = ep_phases.after(self._phase, self._phases)
        if self._data is not None and self._state is not None:
            self._state = ep_state.in_bounds(self._data, ep_moment.leave(self._state))
            # What pointed at another phase does so no longer.
            self.lbtui.select(instance=self._state.instance)
        self.repaint()

    def action_what_if(self) -> None:
        """Show what another placement would bring, in this pane's place."""
        data, state = self._data, self._state
        if data is None or state is None:
            return
        self._stop()
        if self._over_worker is not None:
            self._tell(_("reading iterations …, What-if needs them"))
            self._then = self.action_what_if
            return
        side: Side = "after" if self.side == "difference" else self.side
        series = ep_phases.series_of(self._phases, self._phase, side, state.instance)
        from lbtui.ui.panes.what_if.pane import WhatIfPane

        title = ep_phases.what_if_title(data, state, series)
        self.lbtui.show_over(WhatIfPane(self.profile, self.caps, title, series))

    # Going to what is named

    def action_filter(self) -> None:
        """Ask where to go."""
        if self._state is not None:
            self._stop()
            self._from = self._state
            super().action_filter()

    def filter_text(self) -> str:
        """Return nothing: once the cursor is there, nothing is on."""
        return ""

    def filter_grammar(self) -> str:
        """Return how a place is written."""
        return going.grammar()

    def filter_problem(self, text: str) -> str | None:
        """Return why the cursor cannot go there."""
        return (
            None if self._data is None or self._from is None else going.problem(self._data, self._from, text)
        )

    def filter_by(self, text: str) -> None:
        """Go there from where the cursor was, so that an earlier text leaves nothing behind."""
        if (begun := self._from) is not None:
            self._go(lambda data, now: going.gone_to(data, replace(begun, behind=now.behind), text))

    def filter_undo(self) -> Callable[[], None]:
        """Return what puts the cursor back."""
        before, selection = self._state, self.selection

        def undo() -> None:
            if before is not None:
                self._go(lambda _data, now: replace(before, behind=now.behind))
                chosen = {name: getattr(selection, name) for name in ("instance", "rank", "layer", "period")}
                self.lbtui.select(**chosen)

        return undo

    # Mouse

    def on_click(self, event: events.Click) -> None:
        """Put the cursor where the click was."""
        view = self._view or View()
        self._go(lambda data, state: ep_layout.clicked(data, state, view, event.x, event.y, self._canvas))
