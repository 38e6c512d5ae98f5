"""Many runs on the screen: what of our screen reads them, shows them, opens one, compares two."""

from __future__ import annotations

import math
import time
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from textual.containers import Container
from textual.message import Message
from textual.timer import Timer

from lbtui.text import _, plural, visible
from lbtui.ui.kit.background import in_background
from lbtui.ui.opening import Asked, RunsFound, with_option, without_option
from lbtui.ui.watched import WatchedApp

if TYPE_CHECKING:
    from lbtui.profile import Note
    from lbtui.runs.found import Together
    from lbtui.runs.model import Run
    from lbtui.runs.reading import Event, RunsReader
    from lbtui.runs.together import Sweep, Trends
    from lbtui.runs.verdicts import Judged
    from lbtui.ui.kit.pane import Pane
    from lbtui.ui.panes.runs.pane import BaselineChosen, CompareRuns, NoteChanged, OpenRun, RunsPane
    from lbtui.ui.panes.runs.state import Kept

# Seconds between two pictures of what was read, and at least between two workings out of what it tells
# together; and so many times as long as that took.
_PICTURE, _PAUSE, _REST = 0.1, 3.0, 4.0


@dataclass
class RunRead(Message):
    """The reader has told something of a run of `many`, with the user's note on it."""

    many: ManyRuns
    event: Event
    note: str


@dataclass
class RunsTold(Message):
    """A worker has found out what the runs of `many` tell together, as far as they were read then."""

    many: ManyRuns
    number: int
    trends: Trends
    sweep: Sweep | None
    judged: Mapping[str, Judged]
    took: float = 0.0


@dataclass
class ManyRuns:
    """The runs below a folder, as far as they are read, and what the user chose among them."""

    asked: Asked
    together: Together
    runs: tuple[Run, ...]
    kept: Kept | None = None
    baseline: Run | None = None
    trends: Trends | None = None
    sweep: Sweep | None = None
    judged: Mapping[str, Judged] | None = None
    pane: RunsPane | None = None
    reader: RunsReader | None = None
    shown: tuple[Run, ...] | None = None  # what the pane has
    asked_for: int = 0  # how often it was asked for what they tell together
    told: int = 0  # which of these is shown
    next_telling: float = 0.0  # before then it is not asked for again

    @property
    def words(self) -> str:
        """Line 1: how many runs lie where."""
        count = plural("1 run", "{count} runs", len(self.runs))
        return _("{count} below {path}").format(count=count, path=visible(str(self.together.folder)))

    @property
    def all_read(self) -> bool:
        """Whether there is no more to come."""
        return all(run.is_read for run in self.runs)


class ManyApp(WatchedApp):
    """An app that shows a profile, or the many runs of which it is one."""

    many: ManyRuns | None = None
    _pictures: Timer | None = None

    @abstractmethod
    def show_over(self, pane: Pane) -> None:
        """Show a pane in the place of the current one."""

    @abstractmethod
    def show_identity(self, identity: str, notes: tuple[Note, ...]) -> None:
        """Change line 1."""

    @abstractmethod
    def open_other(self, asked: Asked) -> None:
        """Open another profile in the place of what is open."""

    @abstractmethod
    def forget_profile(self) -> None:
        """Let what is open go, if anything is."""

    @abstractmethod
    def tell(self, words: str) -> None:
        """Say something in the last line."""

    @property
    def among_runs(self) -> bool:
        """Whether the runs are shown and none of them is open."""
        return self.many is not None and self.many.pane is not None

    async def on_runs_found(self, event: RunsFound) -> None:
        """Show the runs, and have them read."""
        if self.many is not None and self.many.reader is not None:
            self.many.reader.cancel()
        kept = None if self.many is None else self.many.kept
        self.many = ManyRuns(self.asked, event.together, event.runs, kept, event.baseline)
        await self.screen_stack[0].query_one("#panes", Container).remove_children()
        self.show_runs()
        self._read_runs(self.many, event.reader)
        if self.asked.baseline is not None and event.baseline is None:
            said = _("{path} is none of these runs: B makes one of them the baseline")
            self.tell(said.format(path=visible(str(self.asked.baseline))))

    def show_runs(self) -> None:
        """Show the runs in the place of the one that is open."""
        from lbtui.profile import Profile
        from lbtui.ui.panes.runs.data import key_of
        from lbtui.ui.panes.runs.pane import RunsPane
        from lbtui.ui.panes.runs.state import Kept

        assert self.many is not None
        self.leave_runs()
        many = self.many
        baseline = None if many.baseline is None else key_of(many.baseline)
        # Where only the optimizer's tables are, they are what there is to see.
        kept = replace(many.kept or Kept(view="table" if many.runs else "sweep"), baseline=baseline)
        self.forget_profile()
        self.asked = many.asked
        folder = many.together.folder
        many.pane = RunsPane(Profile(folder, ()), self.caps, folder, many.runs, kept)
        self.show_identity(many.words, many.together.notes)
        self.show_over(many.pane)
        self._picture()

    def leave_runs(self) -> None:
        """Keep what was chosen among the runs, which are no longer shown."""
        if self.many is not None and self.many.pane is not None:
            self.many.kept, self.many.pane = self.many.pane.kept, None

    def end_reading(self) -> None:
        """Read no more runs."""
        if self.many is not None and self.many.reader is not None:
            self.many.reader.cancel()

    # Reading

    def _read_runs(self, many: ManyRuns, reader: RunsReader) -> None:
        """Take what is read of the runs, by processes of their own."""
        memory = many.asked.memory

        def tell(event: Event) -> None:
            note = ""
            if memory is not None and (identity := event.identity):
                note = memory.recall(identity).remembered.note
            self.post_message(RunRead(many, event, note))

        many.reader = reader
        in_background(self, partial(reader.listen, tell), self.tell, group="runs")
        if self._pictures is None:
            self._pictures = self.set_interval(_PICTURE, self._picture)
        self._pictures.resume()

    def on_run_read(self, event: RunRead) -> None:
        """Take what was told of a run; it is drawn with the next picture."""
        many = event.many
        if many is not self.many:
            return
        run = event.event.told_of(many.runs[event.event.place])
        run = replace(run, note=event.note or run.note)
        many.runs = (*many.runs[: event.event.place], run, *many.runs[event.event.place + 1 :])
        if many.baseline is not None and many.baseline.name == run.name:
            many.baseline = run

    def _picture(self) -> None:
        """Draw what is known by now, and have found out what it tells together once in a while."""
        many = self.many
        if many is None:
            return
        done = many.all_read
        if many.pane is not None and many.shown is not many.runs:
            many.shown = many.runs
            many.pane.take(many.runs)
        if done and self._pictures is not None:
            self._pictures.pause()
        if done or time.monotonic() > many.next_telling:
            self._work_out(many)

    def _work_out(self, many: ManyRuns) -> None:
        """Find out what the runs read by now tell together."""
        many.asked_for += 1
        number, runs, baseline, began = many.asked_for, many.runs, many.baseline, time.monotonic()
        many.next_telling = math.inf

        def work() -> None:
            from lbtui.runs.sweep import sweep_of
            from lbtui.runs.trends import trends
            from lbtui.runs.verdicts import against

            judged = {} if baseline is None else against(baseline, runs)
            told = RunsTold(many, number, trends(runs), sweep_of(runs, many.together.stores), judged)
            told.took = time.monotonic() - began
            self.post_message(told)

        in_background(self, work, self.tell, group="runs-told")

    def on_runs_told(self, event: RunsTold) -> None:
        """Show it, unless more was asked for since."""
        many = event.many
        if many is not self.many or event.number != many.asked_for:
            return
        many.told = event.number
        many.next_telling = time.monotonic() + max(_PAUSE, _REST * event.took)
        many.trends, many.sweep, many.judged = event.trends, event.sweep, event.judged
        if many.pane is not None:
            many.pane.take(many.runs, many.judged, many.trends, many.sweep)

    # What the user wants of them

    def on_open_run(self, event: OpenRun) -> None:
        """Open a run."""
        self._open_run(event.run, None)

    def on_compare_runs(self, event: CompareRuns) -> None:
        """Open two runs, compared."""
        self._open_run(event.after, event.before)

    def _open_run(self, run: Run, before: Run | None) -> None:
        assert self.many is not None
        for one in (run, before):
            if one is not None and one.file is not None and not one.reading.path.exists():
                sentence = _("{run}: only its summary is here, the run itself is not at {path}")
                self.tell(sentence.format(run=visible(one.name), path=visible(str(one.reading.path))))
                return
        asked = replace(self.many.asked, path=run.reading.path, raw=run.reading.raw, named=True)
        # A link has the options that shape what is shown: of the baseline those of what is opened.
        baseline, given = None, without_option(asked.given, "--baseline")
        if before is not None:
            baseline = before.reading.path
            given = with_option(given, "--baseline", str(baseline.absolute()))
        self.open_other(replace(asked, baseline=baseline, given=given))

    def on_baseline_chosen(self, event: BaselineChosen) -> None:
        """Judge all runs against it."""
        assert self.many is not None
        self.many.baseline = event.run
        self._work_out(self.many)

    def on_note_changed(self, event: NoteChanged) -> None:
        """Keep what the user says of a run."""
        many, run = self.many, event.run
        assert many is not None
        many.runs = tuple(replace(one, note=event.text) if one.name == run.name else one for one in many.runs)
        self._picture()
        memory = many.asked.memory
        if memory is None or run.summary is None or not run.summary.identity:
            self.tell(_("the note holds until you leave: nothing is written (--no-state)"))
            return
        identity = run.summary.identity

        def work() -> None:
            from lbtui.remembered import Remembered

            def with_note(known: Remembered) -> Remembered:
                return replace(known, note=event.text)

            if why := memory.change(identity, run.reading.path, with_note):
                self.call_later(self.tell, _("it could not be remembered: {why}").format(why=why))

        in_background(self, work, self.tell, group="remember", exclusive=False)
