"""What the panes have in common: load in a worker, draw purely, share the selection."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.worker import Worker, get_current_worker

from lbtui.profile import Cancelled, FrameName, Profile, Progress
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.palette import dim, severity, strong
from lbtui.render.text import blank, fit
from lbtui.text import _
from lbtui.thresholds import Thresholds
from lbtui.ui.kit.background import in_background
from lbtui.ui.kit.host import Host
from lbtui.ui.kit.keys import End
from lbtui.ui.kit.parts import Taken
from lbtui.ui.kit.picture import Picture
from lbtui.ui.kit.places import Subject
from lbtui.ui.kit.progress_words import Rate, progress_words
from lbtui.ui.kit.selection import SIDES, Selection, Side, side_word
from lbtui.ui.kit.selection import Aim as Aim
from lbtui.ui.kit.window import Window

if TYPE_CHECKING:
    import polars as pl

_PROGRESS_SECONDS = 0.1


class Stage(Enum):
    """How far a pane's data is."""

    WAITING = auto()
    LOADING = auto()
    READY = auto()
    CANCELLED = auto()
    FAILED = auto()


@dataclass(frozen=True)
class HelpEntry:
    """One quantity on screen: its name, and its formula, unit, source and threshold in words."""

    name: str
    text: str


# More rows than any pane has.
_ALL = 1 << 40


class Pane(Picture, can_focus=True):
    """One pane. A subclass tells what it needs, prepares it in a thread and draws it.

    `prepare` runs in a worker thread and must touch nothing of the screen, nor the app, from which the pane
    may be taken meanwhile; `ready` takes its result on the
    event loop; `draw` is called for every repaint and must be pure and fast.
    """

    KEY: ClassVar[str]
    TITLE: ClassVar[str]
    NEEDS: ClassVar[tuple[FrameName, ...]] = ()
    SHOWS: ClassVar[tuple[FrameName, ...]] = ()  # of none of these there is nothing to do here
    SIDED: ClassVar[bool] = False  # shows before and difference too
    WHEEL: ClassVar[int] = 1  # rows that one turn of the wheel goes
    MORE_DOMAINS: ClassVar[bool] = False  # there may be others than `domain_keys`
    TAKES_PARTS: ClassVar[bool] = True  # is of use where a file was read in part
    BINDINGS: ClassVar[list[BindingType]] = []

    @dataclass
    class Prepared(Message):
        """A worker of `pane` has prepared `result`."""

        pane: Pane
        generation: int
        profile: Profile
        result: Any

    @dataclass
    class Sampled(Message):
        """A worker of `pane` has what can be shown until all is read."""

        pane: Pane
        generation: int
        result: Any

    @dataclass
    class Progressed(Message):
        """A worker of `pane` has read `done` of `total` bytes of `what`, `rate` a second where known.

        `stoppable` tells whether they can be shown without the rest.
        """

        pane: Pane
        what: str
        done: int
        total: int
        rate: float | None
        stoppable: bool

        def can_replace(self, message: Message) -> bool:
            """Let a burst of progress fold into the last of it."""
            return isinstance(message, Pane.Progressed) and message.pane is self.pane

    def __init__(self, profile: Profile, caps: Capabilities, baseline: Profile | None = None) -> None:
        super().__init__(classes="pane")
        self.profile = profile  # that of which `ready` has taken something
        self.baseline = baseline
        self.caps = caps
        self._newest = profile
        self._stage = Stage.WAITING
        self._generation = 0
        self._progress_text = ""
        self._failure = ""
        self._worker: Worker[None] | None = None
        self._reader: PaneProgress | None = None
        self._stale = False
        self._aim: Aim | None = None
        self._then: Callable[[], object] | None = None
        self.limits = Thresholds()  # of the findings, for `prepare` too: a worker must not ask the app

    @property
    def lbtui(self) -> Host:
        """The app, as far as panes may know it."""
        return cast(Host, self.app)

    @property
    def selection(self) -> Selection:
        """What is selected now."""
        return self.lbtui.selection

    @property
    def side(self) -> Side:
        """Which of two profiles is shown, or how they differ; always after without a baseline."""
        return self.selection.side if self.SIDED and self.baseline is not None else "after"

    def profile_of(self, side: Side) -> Profile:
        """Return the profile of a side; of a difference after's."""
        return self.baseline if side == "before" and self.baseline is not None else self.profile

    def action_side(self) -> None:
        """Show the next side."""
        self.lbtui.action_side()

    def side_key(self) -> list[tuple[str, str]]:
        """Return the key that shows the next side, for the last line; none without a baseline."""
        if self.baseline is None:
            return []
        return [("b", side_word(SIDES[(SIDES.index(self.side) + 1) % len(SIDES)]))]

    # For subclasses

    @abstractmethod
    def prepare(self, profile: Profile, progress: PaneProgress) -> Any:
        """Return what `draw` needs of a profile, made of the frames in `NEEDS`; runs in a worker thread.

        It is `self.profile`, or that of the same files read anew, of which later `ready` takes the result:
        what the user has chosen and where the cursor is stays, as far as it is there.
        """

    def sample(self, profile: Profile) -> Any:
        """Return what can be shown at once of files that take long to read, else None; runs in a worker."""

    def sampled(self, result: Any) -> None:
        """Take the result of `sample`; runs on the event loop."""

    @abstractmethod
    def ready(self, result: Any) -> None:
        """Take the result of `prepare`; runs on the event loop."""

    @abstractmethod
    def draw(self, width: int, height: int) -> list[Row]:
        """Return the pane's rows, all `width` cells wide, once `ready` was called."""

    @abstractmethod
    def help_entries(self) -> list[HelpEntry]:
        """Return every quantity on this pane with formula, unit, source and threshold."""

    @abstractmethod
    def copied(self) -> str:
        """Return what is under the cursor in words, for the clipboard, once `ready` was called.

        It is no wider for a wider screen. Empty where nothing is under the cursor.
        """

    def to_copy(self) -> str:
        """Return what is under the cursor; empty as long as the pane has nothing."""
        return self.copied() if self.stage is Stage.READY else ""

    def keys_now(self) -> list[tuple[str, str]]:
        """Return the keys that matter now and what they do, for the last line."""
        return [
            (binding.key_display or binding.key, binding.description)
            for binding in self.BINDINGS
            if isinstance(binding, Binding) and binding.show
        ]

    def action_row(self, step: int) -> None:
        """Move the cursor by rows, as far as there are any."""

    def page_rows(self) -> int:
        """Return how many rows a page is: half of the pane, unless it knows better."""
        return max(1, self.size.height // 2)

    def action_page(self, pages: int) -> None:
        """Move the cursor by pages."""
        self.action_row(pages * self.page_rows())

    def action_end(self, which: End) -> None:
        """Move the cursor to the first or the last row."""
        self.action_row(-_ALL if which == "first" else _ALL)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Move down."""
        event.stop()
        self.action_row(self.WHEEL)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Move up."""
        event.stop()
        self.action_row(-self.WHEEL)

    def selection_changed(self, selection: Selection) -> None:
        """Follow a selection made in this or another pane; called on every pane, shown or not."""

    def aimed(self, aim: Aim) -> None:
        """Show what another pane points at; called when loaded, after the selection was changed."""

    def point_at(self, aim: Aim) -> None:
        """Take an aim now, or as soon as the pane is loaded."""
        self._aim = aim
        if self.stage is Stage.READY:
            self._take_aim()

    def _take_aim(self) -> None:
        if (aim := self._aim) is not None:
            self._aim = None
            self.aimed(aim)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool:
        """Tell whether a key may do anything: of a pane without its data only the side can be changed."""
        return self.stage is Stage.READY or action == "side"

    def why_not(self, action: str) -> str:
        """Return why an action can do nothing now, in a few words; empty if it can, once all is read."""
        if action == "side":
            return "" if self.baseline is not None else _("no baseline (--baseline BEFORE)")
        if self.stage in (Stage.CANCELLED, Stage.FAILED):
            return _("not read to the end; R reads again")
        if self.SHOWS and not any(self.profile.has(name) for name in self.SHOWS):
            return _("not here: {what}").format(what=self.profile.missing_of(self.SHOWS[0]).what)
        return ""

    def once_ready(self, do: Callable[[], object]) -> None:
        """Do something as soon as the pane has its data: now, if it has."""
        self._then = do
        if self.stage is Stage.READY:
            self._do_then()

    def _do_then(self) -> None:
        if (do := self._then) is not None:
            self._then = None
            do()

    def out(self) -> bool:
        """Cancel what runs, else leave one level of detail; return whether there was either."""
        return self.cancel() or (self.stage is Stage.READY and self.go_out())

    def go_out(self) -> bool:
        """Leave one level of detail; return whether there was one to leave."""
        return False

    def profile_grew(self) -> None:
        """Take note that another pane has loaded more frames."""

    # Its view in words (`kit/at.py`), once `ready` was called

    @property
    def tells_view(self) -> bool:
        """Whether there is something to tell."""
        return self.stage is Stage.READY

    def whole_time(self) -> Window | None:
        """Return all the time that the pane shows, µs; None where it has none."""
        return None

    def domain_keys(self) -> Collection[str] | None:
        """Return the keys of the DP domains that it shows; None where it knows none."""
        return None

    def not_here(self) -> Collection[str]:
        """Return the parts of the selection that this pane does not know and shows nothing of."""
        return ()

    def parts(self) -> dict[str, str]:
        """Return what is chosen in this pane alone: what is selected in all is told by the app."""
        return {}

    def take_parts(self, taken: Taken) -> None:
        """Take what `parts` told; what was not told stays as it is."""

    def forget_said(self) -> None:
        """Say no more what a key was answered with: no view has that."""

    def open_over(self, name: str) -> None:
        """Show in this pane's place what can stand there."""

    # What of it is found by name, and saved

    def names(self) -> Mapping[str, Sequence[str]]:
        """Return what the pane knows the names of, by the kind of thing, for completion."""
        return {}

    def subjects(self) -> Sequence[Subject]:
        """Return what can be found here by its name."""
        return ()

    def table_rows(self) -> Callable[[], pl.DataFrame] | None:
        """Return what makes the rows of the pane's table or lanes, in a worker; None where it has none.

        Its times are zoned, or text.
        """
        return None

    # Loading

    @property
    def stage(self) -> Stage:
        """How loading stands."""
        return self._stage

    @stage.setter
    def stage(self, stage: Stage) -> None:
        self._stage = stage
        if self.is_mounted:
            self.lbtui.stage_changed()

    @property
    def incomplete(self) -> str:
        """What line 1 says of a pane that was not read to the end."""
        if self._stage is Stage.CANCELLED:
            return _("{pane}: reading cancelled").format(pane=self.TITLE)
        return _("{pane}: reading failed").format(pane=self.TITLE) if self._stage is Stage.FAILED else ""

    def activate(self) -> None:
        """Start loading if nothing is there yet; called whenever the pane is shown."""
        if self.stage is Stage.WAITING:
            self.load()
            return
        stale = self._newest is not self.profile or self.limits != self._limits_wanted
        if stale and self.stage is Stage.READY and not self._is_read_anew:
            self._read()
        if self._stale:
            self._stale = False
            self.repaint()

    def load(self) -> None:
        """Load and prepare in a worker; a result of an earlier start is dropped."""
        self.stage = Stage.LOADING
        self._progress_text = _("reading …") + "   " + _("Escape cancels")
        self._read()
        self.repaint()

    def renew(self, profile: Profile) -> None:
        """Take a profile of the same files opened anew; what is shown stands until this is read."""
        self._newest = profile
        if self.stage is Stage.WAITING:
            self.profile = profile
        elif self.stage is not Stage.READY:
            self.discard()
            self.stage = Stage.WAITING
        if self.display:
            self.activate()

    def judge_anew(self) -> None:
        """Judge by the thresholds as they are now; what is shown stands until that is done."""
        if self.stage is Stage.LOADING:
            self._read()
        elif self.display:
            self.activate()

    @property
    def _limits_wanted(self) -> Thresholds:
        return self.lbtui.thresholds or Thresholds()

    @property
    def _is_read_anew(self) -> bool:
        """Whether what is shown is being read anew."""
        return self.stage is Stage.READY and self._worker is not None and not self._worker.is_finished

    def _read(self) -> None:
        self._generation += 1
        generation, profile = self._generation, self._newest
        self.limits = self._limits_wanted

        def work() -> None:
            progress = self._reader = PaneProgress(self)
            if (sample := self.sample(profile)) is not None:
                self.post_message(self.Sampled(self, generation, sample))
            for name in self.NEEDS:
                profile.load(name, progress)
                if self.SIDED and self.baseline is not None:
                    self.baseline.load(name, progress)
            result = self.prepare(profile, progress)
            self.post_message(self.Prepared(self, generation, profile, result))

        self._worker = in_background(self, work, self.fail, group=f"load-{self.KEY}")

    def cancel(self) -> bool:
        """Cancel loading; return whether there was anything to cancel.

        Where the part of a file that is read is of use, only the reading of that file ends, and loading goes
        on with it; told once more before that, loading is cancelled as ever.
        """
        if self.stage is not Stage.LOADING or self._worker is None:
            return False
        if self._reader is not None and self._reader.stop():
            self._progress_text = _("stopping …")
        else:
            self.discard()
            self.stage = Stage.CANCELLED
        self.repaint()
        return True

    def discard(self) -> None:
        """Let nothing come of what runs."""
        self._generation += 1
        self._then = None
        if self._worker is not None:
            self._worker.cancel()

    def fail(self, why: str) -> None:
        """Say why the pane could not be made, without a traceback."""
        self.stage = Stage.FAILED
        self._failure = why
        self.repaint()

    def on_pane_prepared(self, event: Prepared) -> None:
        """Take a result, unless a later start or a cancel has made it stale."""
        event.stop()
        if event.generation != self._generation:
            return
        self.stage = Stage.READY
        with self.lbtui.moved_by_nobody():
            self.profile = event.profile
            self.ready(event.result)
        self._take_aim()
        self.lbtui.pane_ready(self)
        self.repaint()
        self._do_then()

    def on_pane_sampled(self, event: Sampled) -> None:
        """Show a sample, unless something newer is there."""
        event.stop()
        if event.generation == self._generation and self.stage is Stage.LOADING:
            self.sampled(event.result)
            self.repaint()

    def on_pane_progressed(self, event: Progressed) -> None:
        """Show how far loading is."""
        event.stop()
        if self.stage is Stage.LOADING:
            escape = _("Escape shows what is read") if event.stoppable else _("Escape cancels")
            self._progress_text = f"{self.progress_words(event)}   {escape}"
            self.repaint()

    def progress_words(self, event: Progressed) -> str:
        """Return how far loading is."""
        return progress_words(event.what, event.done, event.total, event.rate)

    # Drawing

    def repaint(self) -> None:
        """Draw again if shown; else remember to when it is."""
        if self.display and self.is_mounted:
            super().repaint()
            self.lbtui.keys_changed(self)
        else:
            self._stale = True

    def picture(self, width: int, height: int) -> list[Row]:
        """Return the pane's rows, or how its loading stands."""
        draw = self.draw if self.stage is Stage.READY else self._loading_rows
        rows = draw(width, height)
        return rows + [blank(width)] * (height - len(rows))

    def _loading_rows(self, width: int, height: int) -> list[Row]:
        if self.stage is Stage.FAILED:
            text, style = (
                _("This pane could not be made: {why}. R tries again.").format(why=self._failure),
                severity(self.caps, "critical"),
            )
        elif self.stage is Stage.CANCELLED:
            text, style = _("Loading was cancelled. R reads again."), severity(self.caps, "warning")
        else:
            text, style = self._progress_text, dim(self.caps)
        title = fit(f" {self.TITLE}", width, caps=self.caps, style=strong(self.caps))
        return [title, blank(width), fit(f" {text}", width, caps=self.caps, style=style)][:height]


class PaneProgress(Progress):
    """Progress of a pane's worker: told to the pane a few times a second; stops when cancelled.

    It may be told by the worker of another pane, which reads for both.
    """

    def __init__(self, pane: Pane) -> None:
        self._pane = pane
        self._worker = get_current_worker()
        self._last = 0.0
        self._rate = Rate()
        self._stoppable = False
        self._stopping = False

    def stop(self) -> bool:
        """Want no more of the file being read; return False where its part is of no use, or was asked for."""
        if not self._stoppable:
            return False
        self._stoppable, self._stopping = False, True
        return True

    def advance(self, what: str, done: int, total: int) -> None:
        """Tell the pane; raise `Cancelled` when the user has cancelled."""
        self._stoppable = self._stopping = False
        self._tell(what, done, total)

    def wants_more(self, what: str, done: int, total: int) -> bool:
        """Tell the pane; return False where the user has stopped the reading of the file."""
        if self._stopping:
            self._stopping = False
            self._tell(what, done, total)
            return False
        self._stoppable = self._pane.TAKES_PARTS and 0 < done < total
        self._tell(what, done, total)
        return True

    def _tell(self, what: str, done: int, total: int) -> None:
        if self._worker.is_cancelled:
            raise Cancelled
        now = time.monotonic()
        # That a file is read whole is always told: what is made of it may take longer.
        if now - self._last >= _PROGRESS_SECONDS or done >= total:
            self._last = now
            rate = self._rate.after(what, done, now)
            self._pane.post_message(Pane.Progressed(self._pane, what, done, total, rate, self._stoppable))
