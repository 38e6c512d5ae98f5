"""The panes of what-ifs by replay: they stand in the place of DP or P/D, until Escape."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import ClassVar, Generic, TypeVar

import polars as pl
from rich.text import Text
from textual import events
from textual.binding import BindingType

from lbtui.analysis.replay.routing import recorded_shares
from lbtui.findings.replay.what_if import (
    Prepared,
    RatioAnswer,
    Routing,
    prepared,
    ratio_answer_of,
    routing_of,
)
from lbtui.findings.replay.words import first_figure, shape_words
from lbtui.overview.targets import target_words
from lbtui.profile import Profile
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.text import aligned
from lbtui.text import _, plural, visible
from lbtui.ui.kit import keys
from lbtui.ui.kit.keys import key
from lbtui.ui.kit.pages import TextPage
from lbtui.ui.kit.pane import HelpEntry, Pane, PaneProgress
from lbtui.ui.kit.parts import Taken
from lbtui.ui.kit.selection import Side, side_word
from lbtui.ui.panes.replay import at as replay_at
from lbtui.ui.panes.replay import state as states
from lbtui.ui.panes.replay.help import ratio_entries, routing_entries
from lbtui.ui.panes.replay.kept import Kept
from lbtui.ui.panes.replay.ratio import ratio_sheet
from lbtui.ui.panes.replay.routing import routing_sheet
from lbtui.ui.panes.replay.sheet import Sheet, saved_block
from lbtui.ui.panes.replay.state import (
    RATIO,
    ROUTING,
    Measure,
    ReplayState,
    shares_of,
    shares_problem,
    shares_words,
)
from lbtui.ui.panes.replay.view import draw, page_parts, placed

_Found = TypeVar("_Found", Routing, RatioAnswer)


class ReplayPane(Pane, Generic[_Found]):
    """Holds the answer and the cursor; what each subclass asks and shows is its own."""

    WHEEL: ClassVar[int] = 3
    TAKES_PARTS: ClassVar[bool] = False
    BACK: ClassVar[str]  # where Escape leads
    MEASURES: ClassVar[tuple[Measure, ...]]

    def __init__(self, profile: Profile, caps: Capabilities, kept: Kept, side: Side | None = None) -> None:
        super().__init__(profile, caps)
        self._kept = kept
        self._side: Side | None = "after" if side == "difference" else side  # of two that are compared
        self.state = ReplayState(self.MEASURES[0])
        self.found: _Found | None = None

    # For subclasses

    @property
    def question(self) -> Hashable:
        """What else the user has said of what is asked."""
        return None

    def question_words(self) -> list[str]:
        """Return that in words."""
        return []

    @abstractmethod
    def ask(self, made: Prepared) -> _Found:
        """Return the answer; runs in a worker."""

    def start(self, found: _Found) -> ReplayState:
        """Return what is ranked by first, with the cursor on what is advised."""
        return ReplayState(self.MEASURES[0])

    @abstractmethod
    def sheet_of(self, found: _Found, title: str) -> Sheet:
        """Return what is shown."""

    # Loading

    def prepare(self, profile: Profile, progress: PaneProgress) -> _Found:
        """Return the answer: fitted, tested and replayed, or as it is kept."""
        question = self.question
        known: _Found | None = self._kept.of(profile, self.limits)
        if known is not None and self._kept.question == question:
            return known
        made = prepared(profile, self.limits, progress) if known is None else known.prepared
        if made.ticks is not None:
            made.ticks.progress = progress
        found = self.ask(made)
        # It is computed when asked for first: not while drawing.
        _test = made.test
        self._kept.keep(profile, self.limits, found, question)
        return found

    def ready(self, result: _Found) -> None:
        """Show the answer, ranked by what matters here; what the user has chosen stays."""
        if self.found is None:
            self.state = self.start(result)
        self.found = result

    def progress_words(self, event: Pane.Progressed) -> str:
        """Return how far the replays are: they are counted, what is read comes in bytes."""
        if event.what != _("replay"):
            return super().progress_words(event)
        if event.total <= 1:
            return _("replaying …")
        return _("replaying · {done} of {total} done").format(done=event.done, total=event.total)

    # Drawing

    def _sheet(self) -> Sheet | None:
        found = self.found
        return None if found is None else self.sheet_of(found, self._title(found.prepared))

    def _title(self, made: Prepared) -> str:
        """Return of what it is asked: so many requests, under which targets."""
        parts: list[str] = [side_word(self._side)] if self._side else []
        if made.asked is None:
            return " · ".join([*parts, self.TITLE])
        service, load = made.asked.fitted.service, made.asked.fitted.load
        parts.append(plural("1 request", "{count} requests", len(load)))
        parts.append(_("targets {targets}").format(targets=target_words(made.asked.targets)))
        parts += self.question_words()
        parts.append(plural("1 DP domain", "{count} DP domains", len(service.domains)))
        return visible(" · ".join(parts))

    def draw(self, width: int, height: int) -> list[Row]:
        """Return the rows."""
        sheet = self._sheet()
        assert sheet is not None
        return draw(sheet, Canvas(width, height, self.caps))

    def copied(self) -> str:
        """Return the row under the cursor in words."""
        sheet = self._sheet()
        return "" if sheet is None else " · ".join(sheet.reading)

    def table_rows(self) -> Callable[[], pl.DataFrame] | None:
        """Return what makes the rows of the table, as they are written there."""
        sheet = self._sheet()
        return None if sheet is None or not sheet.table.rows else lambda: saved_block(sheet.table)

    def keys_now(self) -> list[tuple[str, str]]:
        """Return the keys that do something."""
        back: list[tuple[str, str]] = [("Esc", self.BACK)]
        sheet = self._sheet()
        if sheet is None or not sheet.names:
            return back
        return [*back, keys.MOVE_ROWS, ("m", _("metric")), ("⏎", _("all figures"))]

    # In words

    def parts(self) -> dict[str, str]:
        """Return what is chosen."""
        sheet = self._sheet()
        return replay_at.parts_of(self.state, () if sheet is None else sheet.names)

    def take_parts(self, taken: Taken) -> None:
        """Take it."""
        sheet = self._sheet()
        names = () if sheet is None else sheet.names
        self.state = replay_at.with_parts(self.state, taken, self.MEASURES, names)

    # Actions

    def action_row(self, step: int) -> None:
        """Move over the rows."""
        if (sheet := self._sheet()) is not None:
            self.state = states.moved(self.state, sheet.names, step)
            self.repaint()

    def action_metric(self) -> None:
        """Rank by the next figure."""
        self.state = states.next_measure(self.state, self.MEASURES)
        self.repaint()

    def action_enter(self) -> None:
        """Show everything that is known of the row under the cursor as a page."""
        sheet = self._sheet()
        if sheet is None or not page_parts(sheet):
            return
        lines: list[str] = []
        for title, part in page_parts(sheet):
            lines += [title] if title else []
            lines += [part] if isinstance(part, str) else aligned(part)
            lines.append("")
        self.lbtui.push_screen(TextPage(sheet.title, Text("\n".join(lines).rstrip())))

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to the row that was clicked."""
        if (sheet := self._sheet()) is None or not sheet.names:
            return
        at = placed(sheet, Canvas(*self.size, self.caps))
        line = event.y - at.line
        if 0 <= line < at.rows:
            self.state = replace(self.state, chosen=sheet.names[min(at.first + line, len(sheet.names) - 1)])
            self.repaint()


def _bindings(scope: str, one: str, many: str) -> list[BindingType]:
    return [
        *keys.rows(one, many),
        keys.entered(_("all figures"), _("all figures of this row, the self-test, what is assumed")),
        key(f"{scope}.metric", "metric", _("metric"), _("rank by the next figure"), shown=True),
    ]


class RoutingPane(ReplayPane[Routing]):
    """What other routing would bring, in the place of DP."""

    KEY: ClassVar[str] = "routing"
    TITLE: ClassVar[str] = _("What-if: routing")
    BACK: ClassVar[str] = _("DP")
    MEASURES: ClassVar[tuple[Measure, ...]] = ROUTING
    BINDINGS: ClassVar[list[BindingType]] = [
        *_bindings("routing", _("policy"), _("policies")),
        key(
            "routing.shares",
            "shares",
            _("shares"),
            _("which share of the requests each domain gets by a fixed share"),
        ),
    ]

    def __init__(self, profile: Profile, caps: Capabilities, kept: Kept, side: Side | None = None) -> None:
        super().__init__(profile, caps, kept, side)
        # Those that were asked for last, as long as the answer is kept.
        self.shares: tuple[float, ...] | None = kept.question if profile is kept.profile else None

    @property
    def question(self) -> Hashable:
        """The shares that the user has given."""
        return self.shares

    def question_words(self) -> list[str]:
        """Return the shares."""
        if self.shares is None:
            return []
        return [_("fixed share {shares}").format(shares=shares_words(self.shares))]

    def keys_now(self) -> list[tuple[str, str]]:
        """Return the keys that do something."""
        known = super().keys_now()
        return [*known, ("e", _("shares"))] if len(known) > 1 else known

    def action_shares(self) -> None:
        """Ask the user for the shares of the domains, and replay with them."""
        asked = None if self.found is None or not self.found.rows else self.found.prepared.asked
        if asked is None:
            return
        service = asked.fitted.service
        domains = service.of("decode")
        first, last = (visible(service.domains[place].key, 40) for place in (domains[0], domains[-1]))
        now = self.shares or tuple(round(100 * each) for each in recorded_shares(domains, asked.fitted.load))
        self.lbtui.ask(
            _("Shares of {first} to {last}?").format(first=first, last=last),
            shares_words(now),
            lambda text: shares_problem(text, len(domains)),
            self._with_shares,
        )

    def _with_shares(self, text: str) -> None:
        self.shares = shares_of(text)
        self.load()

    def parts(self) -> dict[str, str]:
        """Return what is chosen, and the shares that were asked for."""
        found = super().parts()
        return found if self.shares is None else {**found, "shares": shares_words(self.shares)}

    def take_parts(self, taken: Taken) -> None:
        """Take it; other shares are replayed first."""
        super().take_parts(taken)
        asked = None if self.found is None or not self.found.rows else self.found.prepared.asked
        if (shares := taken.text("shares")) is None:
            return
        if asked is None or shares_problem(shares, len(asked.fitted.service.of("decode"))):
            taken.refuse("shares")
        elif shares_of(shares) != self.shares:
            self._with_shares(shares)

    def ask(self, made: Prepared) -> Routing:
        """Return what each policy gives."""
        return routing_of(made, self.shares)

    def start(self, found: Routing) -> ReplayState:
        """Rank by what the user's targets are of."""
        return ReplayState(first_figure(found.prepared))

    def sheet_of(self, found: Routing, title: str) -> Sheet:
        """Return the policies."""
        return routing_sheet(found, title, self.state, self.caps)

    def help_entries(self) -> list[HelpEntry]:
        """Return every quantity."""
        return routing_entries()


class RatioPane(ReplayPane[RatioAnswer]):
    """What other numbers of prefill and decode nodes would bring, in the place of P/D."""

    KEY: ClassVar[str] = "ratio"
    TITLE: ClassVar[str] = _("What-if: P:D ratio")
    BACK: ClassVar[str] = _("P/D")
    MEASURES: ClassVar[tuple[Measure, ...]] = RATIO
    BINDINGS: ClassVar[list[BindingType]] = _bindings("ratio", _("ratio"), _("ratios"))

    def ask(self, made: Prepared) -> RatioAnswer:
        """Return what each ratio gives."""
        return ratio_answer_of(made)

    def start(self, found: RatioAnswer) -> ReplayState:
        """Put the cursor on the best ratio of as many nodes."""
        best = None if found.ratio is None else found.ratio.best()
        return ReplayState(self.MEASURES[0], "" if best is None else shape_words(best.shape))

    def sheet_of(self, found: RatioAnswer, title: str) -> Sheet:
        """Return the ratios."""
        return ratio_sheet(found, title, self.state, self.caps)

    def help_entries(self) -> list[HelpEntry]:
        """Return every quantity."""
        return ratio_entries()
