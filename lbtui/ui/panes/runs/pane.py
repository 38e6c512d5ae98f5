"""The Runs pane: stands where a folder holds several runs; keys and mouse over its three views."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import polars as pl
from rich.text import Text
from textual import events
from textual.binding import BindingType
from textual.message import Message

from lbtui.profile import Profile
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities, Row
from lbtui.runs.model import Run
from lbtui.runs.together import Sweep, Trends
from lbtui.runs.verdicts import Judged
from lbtui.text import _, visible
from lbtui.ui.kit import keys
from lbtui.ui.kit.filtering import Filtered
from lbtui.ui.kit.keys import key
from lbtui.ui.kit.pages import TextPage
from lbtui.ui.kit.pane import HelpEntry, PaneProgress, Stage
from lbtui.ui.kit.parts import Taken
from lbtui.ui.panes.runs import at as runs_at
from lbtui.ui.panes.runs import help as runs_help
from lbtui.ui.panes.runs import layout, state, sweep, trend, view, words
from lbtui.ui.panes.runs.columns import NAME
from lbtui.ui.panes.runs.data import RunsData, data_of, filter_error
from lbtui.ui.panes.runs.page import ColumnsPage
from lbtui.ui.panes.runs.state import Kept, View


@dataclass
class OpenRun(Message):
    """The user wants to see a run."""

    run: Run


@dataclass
class CompareRuns(Message):
    """The user wants to see two runs compared; `before` began earlier."""

    before: Run
    after: Run


@dataclass
class BaselineChosen(Message):
    """All runs are to be judged against this one; None: against none any more."""

    run: Run | None


@dataclass
class NoteChanged(Message):
    """What the user says of a run; an empty text takes it off."""

    run: Run
    text: str


# What only some of the views have.
_ONLY: Mapping[str, tuple[View, ...]] = {
    "filter": ("table",),
    "choose": ("table",),
    "sort": ("table", "sweep"),
    "reverse": ("table", "sweep"),
    "latency": ("sweep",),
}


class RunsPane(Filtered):
    """Shows what it is handed in by `take`; opens nothing by itself, but tells the app what is wanted."""

    KEY: ClassVar[str] = "runs"
    TITLE: ClassVar[str] = _("Runs")
    WHEEL: ClassVar[int] = 3
    TAKES_PARTS: ClassVar[bool] = False
    BINDINGS: ClassVar[list[BindingType]] = [
        *keys.rows(_("row"), _("rows")),
        *keys.columns(_("column")),
        *keys.hot(
            _("next worse"), _("to the next run that is worse or critical; change; point of the front")
        ),
        keys.entered(_("open"), _("open the run under the cursor; Escape leads back")),
        keys.filtered(_("only runs whose words, parameters or figures match")),
        keys.details(_("every figure of the run under the cursor, on a page")),
        key("runs.mark", "mark", _("mark"), _("mark the run for Compare, which takes two"), shown=True),
        key("runs.compare", "compare", _("compare"), _("compare the two runs marked")),
        key(
            "runs.baseline",
            "baseline",
            _("baseline"),
            _("judge all runs against the one under the cursor; again: against none"),
            shown=True,
        ),
        key("runs.note", "note", _("note"), _("write a note on the run")),
        key("runs.table", "table", _("table"), _("the runs as a table")),
        key("runs.chart", "chart", _("trend"), _("what changed over the runs"), shown=True),
        key("runs.sweep", "sweep", _("sweep"), _("what was tuned: by parameters, and the best"), shown=True),
        key(
            "runs.sort",
            "sort",
            _("sort"),
            _("sort by the column under the cursor; again: the other way"),
            shown=True,
        ),
        key("runs.reverse", "reverse", _("reverse"), _("reverse the order")),
        key("runs.columns", "choose", _("columns"), _("choose the columns"), shown=True),
        key("runs.latency", "latency", _("latency"), _("another latency in the sweep")),
        key("runs.save", "save", _("save"), _("save all rows as CSV, in this order")),
    ]

    def __init__(
        self,
        profile: Profile,
        caps: Capabilities,
        folder: Path,
        runs: Sequence[Run],
        kept: Kept | None = None,
    ) -> None:
        super().__init__(profile, caps)
        self.data = data_of(folder, runs)
        self.state = kept or Kept()
        self._stage = Stage.READY

    @property
    def kept(self) -> Kept:
        """What is chosen and seen, to show it again later."""
        return self.state

    def take(
        self,
        runs: Sequence[Run],
        judged: Mapping[str, Judged] | None = None,
        trends: Trends | None = None,
        sweep: Sweep | None = None,
    ) -> None:
        """Show what is known of the runs now; of what is not handed in what was shown stays.

        `judged` is what `verdicts.against` returns for the baseline (`kept.baseline`), {} for none. Places in
        `trends` and `sweep` are those in `runs`: they are dropped where the same runs do not stand there.
        """
        before = self.data
        self.data = data_of(before.folder, runs, before, judged, trends, sweep)
        self.state = _same_tried(before, self.data, self.state)
        self.repaint()

    # Nothing is loaded

    def prepare(self, profile: Profile, progress: PaneProgress) -> None:
        """Return nothing: the app reads the runs."""

    def ready(self, result: object) -> None:
        """Take nothing."""

    def load(self) -> None:
        """Load nothing."""

    def activate(self) -> None:
        """Show what is known."""
        self.repaint()

    def renew(self, profile: Profile) -> None:
        """Take no profile: none is open."""

    def judge_anew(self) -> None:
        """Judge nothing: the app does."""

    # Drawing

    def draw(self, width: int, height: int) -> list[Row]:
        """Return the rows of the view that is shown."""
        data, canvas = self.data, Canvas(width, height, self.caps)
        if self.state.view == "table":
            self.state = layout.in_view(data, self.state, width, height)
            return view.draw(data, self.state, canvas)
        if self.state.view == "trend":
            first = trend.in_view(data, self.state, (width, height))
            self.state = replace(self.state, series_first=first)
            return trend.draw(data, self.state, canvas)
        self.state = sweep.in_view(data, self.state, width, height)
        return sweep.draw(data, self.state, canvas)

    def copied(self) -> str:
        """Return the run under the cursor in words."""
        if self.state.view == "sweep":
            return sweep.tried_words(self.data, self.state)
        if self.state.view == "trend" and self.data.series:
            return trend.copied(self.data, self.state)
        return view.copied(self.data, self.state)

    def table_rows(self) -> Callable[[], pl.DataFrame] | None:
        """Return what makes the rows of the table, or of the sweep where that is shown."""
        data, now = self.data, self.state
        if now.view == "sweep" and data.sweep is not None:
            return lambda: sweep.saved_rows(data, now)
        return lambda: view.saved_rows(data, now)

    def keys_now(self) -> list[tuple[str, str]]:
        """Return the keys that do something in the view that is shown."""
        now, order = self.state.view, ["Esc", keys.MOVE[0]]
        found = {**dict(super().keys_now()), keys.MOVE[0]: keys.MOVE[1]}
        if now != "table":
            found["Esc"] = _("table")
        elif self.state.text:
            found["Esc"] = _("no filter")
        if state.pair(self.data, self.state) is not None:
            found["v"] = _("compare")
        if now == "table":
            order += ["⏎", "v", "Space", "c", "e", "/", "s", "n", "B", "C", "i"]
        elif now == "trend":
            found |= {"n": _("next change"), "t": _("table")}
            order += ["⏎", "n", "t", "v", "Space", "B", "e", "i"]
        else:
            found |= {"n": _("next of the front"), "t": _("table"), "m": _("latency")}
            order += ["⏎", "m", "n", "t", "s", "v", "Space", "c", "i"]
        return [(each, found[each]) for each in order if each in found]

    def help_entries(self) -> list[HelpEntry]:
        """Return the methods, and every metric with its formula."""
        return runs_help.entries(self.data)

    # In words

    def parts(self) -> dict[str, str]:
        """Return what is chosen."""
        return runs_at.parts_of(self.data, self.state)

    def take_parts(self, taken: Taken) -> None:
        """Take it."""
        before = self.state.baseline
        self.state = runs_at.with_parts(self.data, self.state, taken)
        if self.state.baseline != before:
            self._tell_baseline()
        self.repaint()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool:
        """Tell whether a key does something in the view that is shown."""
        return self.state.view in _ONLY.get(action, state.VIEWS)

    def why_not(self, action: str) -> str:
        """Return why an action can do nothing now."""
        if action == "compare" and state.pair(self.data, self.state) is None:
            return _("no two runs are marked")
        return "" if self.check_action(action, ()) else _("not in this view of the runs")

    # Moving

    @property
    def _now(self) -> Kept:
        """The state, its cursor on a run: once a key is pressed it stays there whatever comes."""
        return state.settled(self.data, self.state)

    def _show(self, now: Kept) -> None:
        if now != self.state:
            self.state = now
            self.repaint()

    def action_row(self, step: int) -> None:
        """Move over the rows, or over the metrics of the trend."""
        if self.state.view == "trend":
            self._show(state.moved_series(self.data, self._now, step))
        elif self.state.view == "sweep":
            self._show(sweep.moved(self.data, self._now, step, 0))
        else:
            self._show(state.moved(self.data, self._now, step, 0))

    def action_column(self, step: int) -> None:
        """Move over the columns, or over the runs of the trend."""
        if self.state.view == "trend":
            self._show(state.moved_point(self.data, self._now, step))
        elif self.state.view == "sweep":
            self._show(sweep.moved(self.data, self._now, 0, step))
        else:
            self._show(state.moved(self.data, self._now, 0, step))

    def page_rows(self) -> int:
        """Return how many rows are in view, but one."""
        width, height = self.size
        if self.state.view == "table":
            return max(1, layout.lines(width, height).count - 1)
        return max(1, trend.sizes(width, height)[1] - 1)

    def action_hot(self, step: int) -> None:
        """Go to the next run that is worse or critical, change, or point of the front."""
        move = {"table": state.next_hot, "trend": state.next_change, "sweep": sweep.next_front}
        self._show(move[self.state.view](self.data, self._now, step))

    def action_sort(self) -> None:
        """Sort by the column under the cursor."""
        if self.state.view == "sweep":
            self._show(sweep.sorted_by(self.data, self._now, self.state.tried_column))
        else:
            shown = state.columns(self.data, self._now)
            name = shown[state.column_of(self.data, self._now)].name
            self._show(state.sorted_by(self.data, self._now, name))

    def action_reverse(self) -> None:
        """Reverse the order."""
        turn = sweep.reversed_ if self.state.view == "sweep" else state.reversed_
        self._show(turn(self._now))

    # Views

    def action_table(self) -> None:
        """Show the table."""
        self._show(replace(self._now, view="table"))

    def action_chart(self) -> None:
        """Show what changed over the runs."""
        self._show(replace(self._now, view="trend"))

    def action_sweep(self) -> None:
        """Show what was tuned."""
        self._show(replace(self._now, view="sweep"))

    def action_latency(self) -> None:
        """Show another latency."""
        self._show(sweep.next_latency(self.data, self._now))

    def action_choose(self) -> None:
        """Let the user choose columns."""
        data = self.data
        choices = [
            (name, words.named_column(data, column)) for name, column in data.columns.items() if name != NAME
        ]
        shown = [column.name for column in state.columns(data, self.state)]

        def follow(names: Sequence[str]) -> None:
            self._show(state.chosen_columns(self.data, self._now, names))

        self.lbtui.push_screen(ColumnsPage(choices, shown, follow))

    def go_out(self) -> bool:
        """Take off the filter, or go back to the table."""
        if self.state.view != "table":
            self.action_table()
        elif self.state.text:
            self.filter_by("")
        else:
            return False
        return True

    # Filter

    def filter_text(self) -> str:
        """Return the filter that is on."""
        return self.state.text

    def filter_grammar(self) -> str:
        """Return how a filter is written."""
        return runs_help.filter_grammar()

    def filter_problem(self, text: str) -> str | None:
        """Return what is wrong with a filter."""
        return filter_error(self.data, text)

    def filter_by(self, text: str) -> None:
        """Show the runs that match."""
        self._show(state.filtered(self.data, self._now, " ".join(text.split())))

    def filter_undo(self) -> Callable[[], None]:
        """Return what shows the runs shown now."""
        before = self.state
        return lambda: self._show(before)

    # One run

    def _place(self) -> int | None:
        """Return the place of the run under the cursor."""
        data, now = self.data, self.state
        if now.view == "trend" and data.series:
            points = data.series[state.series_of(data, now)].points
            return points[state.point_of(data, now)].run if points else None
        if now.view == "sweep":
            at = sweep.place_of(data, now)
            return None if data.sweep is None or at is None else data.sweep.tried[at].run
        return state.place_of(data, now)

    def _run(self) -> Run | None:
        place = self._place()
        return None if place is None else self.data.known[place].run

    def action_enter(self) -> None:
        """Open the run under the cursor; of one that cannot be read say why."""
        if (run := self._run()) is None:
            return
        if run.problem and run.summary is None:
            self.action_details()
        else:
            self.post_message(OpenRun(run))

    def action_mark(self) -> None:
        """Mark the run under the cursor, or no more."""
        if (place := self._place()) is not None:
            self._show(state.marked(self._now, self.data.known[place].key))

    def action_compare(self) -> None:
        """Compare the two runs that are marked."""
        pair = state.pair(self.data, self.state)
        if pair is None:
            self.lbtui.tell(_("mark two runs with Space; v compares them"))
            return
        before, after = (self.data.known[place].run for place in pair)
        self.post_message(CompareRuns(before, after))

    def action_baseline(self) -> None:
        """Judge all runs against the one under the cursor, or against none any more."""
        if (place := self._place()) is None:
            return
        run = self.data.known[place].run
        if run.problem and run.summary is None:
            self.lbtui.tell(_("what cannot be read is no baseline"))
            return
        own = self.data.known[place].key
        # What was judged against another is no verdict any more.
        self.data = replace(self.data, judged={})
        self._show(replace(self._now, baseline=None if own == self.state.baseline else own))
        self._tell_baseline()

    def _tell_baseline(self) -> None:
        place = self.data.places.get(self.state.baseline or "")
        self.post_message(BaselineChosen(None if place is None else self.data.known[place].run))

    def action_note(self) -> None:
        """Ask for a note on the run under the cursor."""
        if (run := self._run()) is None:
            return

        def noted(text: str) -> None:
            self.post_message(NoteChanged(run, text.strip()))

        self.lbtui.ask(_("Note"), run.note, lambda _text: None, noted)

    def action_details(self) -> None:
        """Show every figure of the run on a page."""
        if (place := self._place()) is not None:
            text = words.page_words(self.data, self.state, place)
            self.lbtui.push_screen(TextPage(visible(self.data.known[place].run.name), Text(text)))

    def action_save(self) -> None:
        """Ask for a name, and save all rows there."""

        def check(name: str) -> str | None:
            return None if name.lower().endswith(".csv") else _("the name ends in .csv")

        self.lbtui.ask(_("Save as?"), "runs.csv", check, self.lbtui.write)

    # Mouse

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to what was clicked; sort by the column whose header was."""
        clicks = {"table": self._clicked_table, "trend": self._clicked_trend, "sweep": self._clicked_sweep}
        clicks[self.state.view](event.x, event.y)

    def _clicked_table(self, x: int, y: int) -> None:
        data, (width, height) = self.data, self.size
        row = layout.row_at(data, self.state, (width, height), y)
        column = layout.layout(data, self.state, width).column_at(x)
        if row is None:
            return
        if column is not None:
            self._show(replace(self.state, column=state.columns(data, self.state)[column].name))
        if row >= 0:
            self._show(state.moved(data, self.state, row - state.row_of(data, self.state), 0))
        elif column is not None:
            self.action_sort()

    def _clicked_trend(self, x: int, y: int) -> None:
        size = (self.size.width, self.size.height)
        if not self.data.series:
            return
        if (at := trend.series_at(self.data, self.state, size, x, y)) is not None:
            self.action_row(at - state.series_of(self.data, self.state))
        elif (point := trend.point_at(self.data, self.state, size, x, y)) is not None:
            self.action_column(point - state.point_of(self.data, self.state))

    def _clicked_sweep(self, x: int, y: int) -> None:
        data, size = self.data, (self.size.width, self.size.height)
        found = sweep.place_at(data, self.state, size, (x, y))
        if found is None:
            return
        row, column = found
        if column is not None:
            self._show(replace(self.state, tried_column=column))
        if row >= 0:
            self.action_row(row - sweep.row_of(data, self.state))
        elif column is not None:
            self.action_sort()


def _same_tried(before: RunsData, after: RunsData, now: Kept) -> Kept:
    """Return the state with what was under the cursor of the sweep still under it, by its name."""
    if before.sweep is after.sweep or before.sweep is None or after.sweep is None:
        return now
    if now.tried is None or now.tried >= len(before.sweep.tried):
        return replace(now, tried=None)
    name = before.sweep.tried[now.tried].name
    places = (place for place, tried in enumerate(after.sweep.tried) if tried.name == name)
    return replace(now, tried=next(places, None))
