"""Reads runs among many, the newest first: what is kept at once, all else in children."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from lbtui.children import Child, Listening, StillRuns, last_line
from lbtui.endings import before_force, hold_if_leaving
from lbtui.profile import Cancelled, Progress, Reading, Silent, Unreadable
from lbtui.runs.ahead import is_waiting, let_go, summariser
from lbtui.runs.found import runs_of
from lbtui.runs.kept import Kept, Outcome, key_of
from lbtui.runs.model import Parameter, Run, RunSummary, Shape
from lbtui.runs.task import Answer, Task, answer_from
from lbtui.sources.discover import SeveralOutputs
from lbtui.sources.runs_below import MOST_SUMMARY, Found, FoundRun
from lbtui.text import _, error_words, visible
from lbtui.thresholds import Thresholds

CHILDREN = 2
# A child that has more bytes of memory than this after a run is replaced: what was freed is not always given
# back.
_MOST_KEPT = 350 << 20
_TICK = 0.1  # s
_PATIENCE = 2.0  # s for a process to end that has closed what it writes to, and for a look at a run


@dataclass(frozen=True)
class Begun:
    """What the first look at a run tells; `place` is that among all runs found."""

    place: int
    start: int | None
    shape: Shape
    identity = ""

    def told_of(self, run: Run) -> Run:
        """Return the run with what is told of it."""
        return run if run.is_read else replace(run, start=self.start, shape=self.shape)


@dataclass(frozen=True)
class Read:
    """A run's summary; of one that was made elsewhere, where the run lies, and what was set for it."""

    place: int
    summary: RunSummary
    reading: Reading | None = None
    parameters: Mapping[str, Parameter] = field(default_factory=dict)

    @property
    def identity(self) -> str:
        """What the run is remembered by."""
        return self.summary.identity

    def told_of(self, run: Run) -> Run:
        """Return the run with what is told of it; what names of folders here say goes before the rest."""
        return replace(
            run,
            summary=self.summary,
            reading=self.reading or run.reading,
            parameters={**self.parameters, **run.parameters},
        )


@dataclass(frozen=True)
class Failed:
    """Why a run cannot be read, in one sentence."""

    place: int
    why: str
    identity = ""

    def told_of(self, run: Run) -> Run:
        """Return the run with what is told of it."""
        return replace(run, problem=self.why)


Event: TypeAlias = "Begun | Read | Failed"


@dataclass(frozen=True)
class Asked:
    """How runs are to be read: by which thresholds, by how many children, with or without what is kept.

    `look` has the newest run that is not kept be looked at in this process, until a child does: a child takes
    a while to start.
    """

    thresholds: Thresholds = field(default_factory=Thresholds)
    children: int = CHILDREN
    cached: bool = True
    look: bool = True


class RunsReader:
    """Reads all runs found and tells of each, from several threads: `Begun`, then `Read` or `Failed`.

    Without `tell` it keeps what there is to tell until `listen`.
    """

    def __init__(self, found: Found, asked: Asked, tell: Callable[[Event], object] | None = None) -> None:
        self._found = found
        self._asked = asked
        self._tell_it = tell
        self._untold: list[Event] = []
        self._todo: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._guard = threading.Lock()
        self._over = threading.Event()
        self._children: set[Child] = set()
        self._known: set[int] = set()  # runs of which something was told
        self._keys: dict[int, str] = {}
        self._threads: list[threading.Thread] = []
        self._looked = threading.Event()
        self._kept = Kept(None)

    def start(self) -> None:
        """Begin; returns at once."""
        self._run(self._at_hand, "runs")

    def listen(self, tell: Callable[[Event], object]) -> None:
        """Tell what there was to tell by now, and all that comes."""
        with self._guard:
            self._tell_it, untold = tell, self._untold
            self._untold = []
        for event in untold:
            tell(event)

    def cancel(self) -> None:
        """Tell nothing any more, and end the children; returns at once."""
        with self._guard:
            self._over.set()
            children = list(self._children)
        self._looked.set()
        for child in children:
            child.kill()
        for _thread in self._threads:
            self._todo.put(None)

    def wait(self) -> None:
        """Return when nothing more comes."""
        # The first starts the others.
        for thread in self._threads:
            thread.join()

    def _run(self, what: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=what, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _tell(self, event: Event) -> None:
        with self._guard:
            if self._over.is_set() or (isinstance(event, Begun) and event.place in self._known):
                return
            self._known.add(event.place)
            self._looked.set()
            tell = self._tell_it
            if tell is None:
                self._untold.append(event)
                return
        tell(event)

    def _at_hand(self) -> None:
        """Tell what is known of runs without reading them; have the others be read."""
        self._kept = Kept.of(os.environ, self._found.folder, enabled=self._asked.cached)
        workers = 0
        for place, run in enumerate(self._found.runs):
            if self._over.is_set():
                return
            event = _gathered(place, run) if run.file is not None else self._recalled(place, run)
            if event is not None:
                self._tell(event)
                continue
            self._todo.put(place)
            if not workers:
                workers = max(self._asked.children, 1)
                self._begin(workers, place)
        for _number in range(workers):
            self._todo.put(None)
        if not workers:
            let_go()

    def _begin(self, workers: int, newest: int) -> None:
        """Have that many children started, most of them once the newest run was looked at."""
        if not self._asked.look:
            self._looked.set()
        # One that was started ahead is there as soon as this process is.
        elif not is_waiting():
            self._run(lambda: self._look(newest), "first run")
        self._run(self._work, "run")
        for _number in range(workers - 1):
            self._run(self._work_later, "run")

    def _recalled(self, place: int, run: FoundRun) -> Event | None:
        """Return what is kept of a run, or why it cannot be read; None where it is to be read."""
        try:
            key = key_of(run, self._asked.thresholds)
        except Exception as error:
            return Failed(place, _sentence(error))
        self._keys[place] = key
        outcome = self._kept.recall(key, run.reading.path)
        if outcome is None:
            return None
        return Failed(place, outcome) if isinstance(outcome, str) else Read(place, outcome)

    def _look(self, place: int) -> None:
        """Tell when a run began and its shape, unless a child does sooner."""
        run = self._found.runs[place]
        # What goes wrong here goes wrong in a child, too, which tells it.
        with contextlib.suppress(Exception):
            from lbtui.runs.first import first_look
            from lbtui.sources import open_one_of_many

            start, shape = first_look(
                open_one_of_many(run.reading, run.beside), _Until(self._is_known, place)
            )
            self._tell(Begun(place, start, shape))

    def _is_known(self, place: int) -> bool:
        with self._guard:
            return self._over.is_set() or place in self._known

    def _work_later(self) -> None:
        """Do as `_work` once the newest run was looked at: what starts meanwhile would hold that up."""
        self._looked.wait(_PATIENCE)
        self._work()

    def _work(self) -> None:
        """Have runs be read by a child, one after the other."""
        child: _Child | None = None
        place: int | None = None
        while not self._over.is_set():
            try:
                # It starts while the first run is found.
                child = child or self._child()
                place = self._todo.get()
                if place is None or self._over.is_set():
                    break
                child = self._read(place, child)
            # Whatever it is: a run of which nothing is told would be waited for.
            except Exception as error:
                place = self._todo.get() if place is None else place
                self._ended(child)
                child = None
                if place is None:
                    break
                self._tell(Failed(place, _sentence(error)))
            place = None
        self._ended(child)

    def _child(self) -> _Child:
        child = _Child()
        with self._guard:
            self._children.add(child.process)
            over = self._over.is_set()
        if over:
            child.process.kill()
        return child

    def _ended(self, child: _Child | None) -> None:
        if child is not None:
            child.end()
            with self._guard:
                self._children.discard(child.process)

    def _read(self, place: int, child: _Child) -> _Child | None:
        """Read a run and tell of it; return the child, None where another is to take its place."""
        run = self._found.runs[place]
        answer = child.ask(
            Task(run.reading, run.beside, self._asked.thresholds), lambda begun: self._begun(place, begun)
        )
        if answer is None:
            hold_if_leaving()
            self._ended(child)
            self._tell(Failed(place, child.why()))
            return None
        self._answered(place, answer)
        if answer.kind == "failed" or answer.memory > _MOST_KEPT:
            self._ended(child)
            return None
        return child

    def _begun(self, place: int, answer: Answer) -> None:
        told = _summary(answer.body)
        if isinstance(told, RunSummary):
            self._tell(Begun(place, told.start, told.shape))

    def _answered(self, place: int, answer: Answer) -> None:
        outcome = _summary(answer.body) if answer.kind == "read" else answer.body.decode("utf-8", "replace")
        if answer.kind == "unreadable" or isinstance(outcome, RunSummary):
            kept = outcome if isinstance(outcome, str) else answer.body
            self._kept.keep(self._keys.get(place, ""), self._found.runs[place].reading.path, kept)
            self._tell(Read(place, outcome) if isinstance(outcome, RunSummary) else Failed(place, outcome))
        else:
            self._tell(Failed(place, _("its reading failed: {why}").format(why=outcome)))


def _summary(data: bytes) -> Outcome:
    """Return the summary that a child tells, or what is wrong with it."""
    # Numpy and all of comparison, which the first row does without.
    from lbtui.runs.text import BadSummary, from_bytes

    try:
        return from_bytes(data).summary
    except BadSummary as error:
        return str(error)


def read_all(found: Found, asked: Asked, progress: Progress | None = None) -> tuple[Run, ...]:
    """Return all runs found, read, in the order found. Raises `Cancelled` when `progress` does."""
    told = progress or Silent()
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()
    # Nobody waits for the first of them.
    reader = RunsReader(found, replace(asked, look=False), events.put)
    runs = list(runs_of(found))
    left = len(runs)
    reader.start()
    try:
        while left:
            told.advance(_("runs"), len(runs) - left, len(runs))
            with contextlib.suppress(queue.Empty):
                event = events.get(timeout=_TICK)
                before = runs[event.place]
                runs[event.place] = event.told_of(before)
                left -= runs[event.place].is_read and not before.is_read
    finally:
        reader.cancel()
    return tuple(runs)


class _Until(Progress):
    """The progress of a look that is of no use any more as soon as something is known of the run."""

    def __init__(self, known: Callable[[int], bool], place: int) -> None:
        self._known = known
        self._place = place

    def advance(self, what: str, done: int, total: int) -> None:
        if self._known(self._place):
            raise Cancelled


class _Child:
    """A child, and what it says."""

    def __init__(self) -> None:
        self.process = summariser()
        self._ending = contextlib.ExitStack()
        self._ending.enter_context(before_force(self.process.kill))
        assert self.process.stderr is not None
        self._errors = Listening(self.process.stderr)

    def ask(self, task: Task, begun: Callable[[Answer], None]) -> Answer | None:
        """Return what it answers at last, None where it died before; `begun` gets what it tells first."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(task.line())
            self.process.stdin.flush()
        except BrokenPipeError:
            return None
        while (answer := answer_from(self.process.stdout.read)) is not None and answer.kind == "begun":
            begun(answer)
        if answer is None:
            # By itself, as it said nothing: its own code tells why.
            with contextlib.suppress(StillRuns):
                self.process.wait(_PATIENCE)
        return answer

    def end(self) -> None:
        """End it, whatever it does."""
        self.process.kill()
        self.process.wait()
        with contextlib.suppress(BrokenPipeError):
            assert self.process.stdin is not None
            self.process.stdin.close()
        self._errors.said()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        self._ending.close()

    def why(self) -> str:
        """Return why it died, in one sentence; it has ended."""
        said, code = self._errors.said(), self.process.returncode
        if b"memory allocation of" in said or b"MemoryError" in said:
            return _("its reading failed: {why}").format(why=_("it needs more memory than there is."))
        if code == -signal.SIGKILL:
            return _("the system ended its reading (signal 9), as where memory is short.")
        why = last_line(said) or _("code {code}").format(code=code)
        return _("its reading failed: {why}").format(why=why)


def _gathered(place: int, run: FoundRun) -> Event:
    """Return what a summary's file tells."""
    from lbtui.runs.text import BadSummary, from_bytes

    assert run.file is not None
    try:
        with os.fdopen(os.open(run.file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            told = from_bytes(file.read(MOST_SUMMARY + 1))
    except (OSError, BadSummary) as error:
        why = _words(error) if isinstance(error, OSError) else str(error)
        return Failed(place, _("the summary cannot be read: {why}.").format(why=why))
    reading = Reading(Path(told.path), told.raw) if told.path else None
    return Read(place, told.summary, reading, told.parameters)


def _sentence(error: Exception) -> str:
    if isinstance(error, Unreadable | SeveralOutputs):
        return str(error)
    why = _words(error) if isinstance(error, OSError) else error_words(error)
    return _("its reading failed: {why}").format(why=why)


def _words(error: OSError) -> str:
    return visible(error.strerror or str(error), 200)
