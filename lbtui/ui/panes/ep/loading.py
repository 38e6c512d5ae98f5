"""The EP pane along the iterations: reads them behind the maps, steps and runs along them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from textual.message import Message
from textual.timer import Timer
from textual.worker import Worker

from lbtui.analysis.expert_parallel import Phase
from lbtui.profile import Profile
from lbtui.render.capabilities import Capabilities
from lbtui.text import _
from lbtui.ui.kit.background import in_background
from lbtui.ui.kit.pane import Pane, PaneProgress
from lbtui.ui.kit.selection import Side
from lbtui.ui.panes.ep import layout as ep_layout
from lbtui.ui.panes.ep import moment as ep_moment
from lbtui.ui.panes.ep import phases as ep_phases
from lbtui.ui.panes.ep.data import EpData
from lbtui.ui.panes.ep.shown import EpState, over_of

# A map of many hot cells is some 30 KB: what 1 Mbit/s carries four times a second.
_FRAME_SECONDS = 0.25


class AlongIterations(Pane):
    """Holds the data of each phase and side, and where the cursor is, in time too."""

    @dataclass
    class IterationsRead(Message):
        """A worker has read the iterations of each side, for each phase by instance."""

        generation: int
        found: dict[Side, ep_phases.Iterations]

    def __init__(self, profile: Profile, caps: Capabilities, baseline: Profile | None = None) -> None:
        super().__init__(profile, caps, baseline)
        self._phases: dict[Phase, dict[Side, EpData]] = {}
        self._phase: Phase = "both"
        self._state: EpState | None = None
        self._playing: Timer | None = None
        self._over_worker: Worker[None] | None = None

    @property
    def _data(self) -> EpData | None:
        """What is shown of the two profiles."""
        return self._phases.get(self._phase, {}).get(self.side)

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

    def _read_iterations(self) -> None:
        """Read heat by iteration behind what is already shown: it may take seconds where maps do not."""
        generation, profile = self._generation, self.profile

        def work() -> None:
            found = self._iterations(profile, PaneProgress(self))
            self.post_message(self.IterationsRead(generation, found))

        self._tell(_("reading iterations …, Escape cancels"))
        self._over_worker = in_background(self, work, self._not_read, group="ep-iterations")

    def _iterations(self, profile: Profile, progress: PaneProgress) -> dict[Side, ep_phases.Iterations]:
        """Return the iterations of a profile, and of the baseline, read now."""
        limits = self.limits
        profiles: dict[Side, Profile | None] = {"after": profile, "before": self.baseline}
        return {
            side: ep_phases.iterations(each, limits.ep_par, limits.ep_expert_ratio, progress)
            for side, each in profiles.items()
            if each is not None
        }

    def _tell(self, behind: str) -> None:
        """Say in the state line how the reading of iterations stands."""
        if self._state is not None:
            self._state = replace(self._state, behind=behind)
            self.repaint()

    def on_along_iterations_iterations_read(self, event: IterationsRead) -> None:
        """Show the figures over iterations."""
        event.stop()
        self._over_worker = None
        if event.generation != self._generation:
            return
        self._phases = ep_phases.with_iterations(self._phases, event.found)
        self._tell("")
        if self.display:
            self._do_then()
        self._then = None

    def _not_read(self, why: str) -> None:
        """Say why iterations could not be read, and go on without."""
        self._over_worker = None
        self._tell(_("iterations could not be read: {why}; R tries again").format(why=why))

    def cancel(self) -> bool:
        """Cancel loading, of the maps or of what is read behind them."""
        if super().cancel():
            return True
        if self._over_worker is None:
            return False
        self._over_worker.cancel()
        self._over_worker = self._then = None
        self._tell(_("iterations not read, R reads them"))
        return True

    def discard(self) -> None:
        """Let nothing come of what runs, here and behind."""
        super().discard()
        if self._over_worker is not None:
            self._over_worker.cancel()

    def action_step(self, by: int) -> None:
        """Show the map of the next iterations."""
        self._stop()
        self._step(by)

    def _step(self, by: int, *, to_the_last: bool = False) -> None:
        """Go on by columns; `to_the_last`: not beyond the last that has tokens."""

        def moved(data: EpData, state: EpState) -> EpState:
            width = ep_layout.layout(data, state, *self.size).map_width
            if to_the_last and not ep_moment.goes_on(data, state, width):
                return state
            return ep_moment.step(data, state, width, by)

        self._go(moved)

    def action_play(self) -> None:
        """Run along the iterations, or stop."""
        if self._stop() or self._data is None or self._state is None:
            return
        if over_of(self._data, self._state) is not None:
            self._playing = self.set_interval(_FRAME_SECONDS, self._play)
            self._play()

    def _play(self) -> None:
        before = self._state
        if self.display:
            self._step(1, to_the_last=True)
        if self._state == before:
            self._stop()

    def _stop(self) -> bool:
        """Stop running; return whether it ran."""
        if self._playing is None:
            return False
        self._playing.stop()
        self._playing = None
        self.repaint()
        return True
