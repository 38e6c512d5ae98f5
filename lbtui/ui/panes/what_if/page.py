"""The What-if page: asks what another placement of experts would bring, and shows the answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, cast

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message

from lbtui.profile import ExpertSeries, PlacementFile
from lbtui.render.capabilities import Row
from lbtui.text import _
from lbtui.ui.kit.background import in_background
from lbtui.ui.kit.host import Host
from lbtui.ui.kit.keys import End, key
from lbtui.ui.kit.pages import Page
from lbtui.ui.kit.picture import Picture
from lbtui.ui.panes.what_if import state as states
from lbtui.ui.panes.what_if.state import Number, Outcome, WhatIfState
from lbtui.ui.panes.what_if.view import what_if_rows

_WORK = "what-if"
_PAGE, _ALL = 10, 1_000_000


class _Answer(Picture):
    """Draws the page's state."""

    def picture(self, width: int, height: int) -> list[Row]:
        """Return the page's rows."""
        return cast(WhatIfPage, self.screen).rows(width, height)


class WhatIfPage(Page[None]):
    """Holds the question; the answer is computed in a worker, which a new question replaces."""

    DEFAULT_CSS = "WhatIfPage { background: ansi_default; } WhatIfPage _Answer { height: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        key("down,j", "row(1)", _("layer"), _("next layer")),
        key("up,k", "row(-1)", _("layer"), _("previous layer")),
        key("pagedown,ctrl+d", "page(1)", _("layers"), _("ten layers on")),
        key("pageup,ctrl+u", "page(-1)", _("layers"), _("ten layers back")),
        key("home,g", "end('first')", _("layers"), _("first layer")),
        key("end,G", "end('last')", _("layers"), _("last layer")),
        key("escape,q", "dismiss", _("close")),
        key("p", "policy", _("policy")),
        key("plus,equals_sign", "redundant(1)", _("more redundant experts")),
        key("minus", "redundant(-1)", _("fewer")),
        key("r", "number('ranks')", _("ranks")),
        key("D", "number('nodes')", _("nodes")),
        key("u", "number('groups')", _("groups")),
        key("e", "size", _("size of an expert")),
        key("E", "save", _("save the placement")),
    ]

    @dataclass
    class Began(Message):
        """A worker has added up both halves of the iterations."""

        state: WhatIfState

    @dataclass
    class Answered(Message):
        """A worker has the answer to the settings in `outcome`."""

        outcome: Outcome

    def __init__(self, title: str, series: Sequence[ExpertSeries], file: PlacementFile | None = None) -> None:
        super().__init__()
        self._title = title
        self._series = series
        self._file = file  # a placement to judge
        self.state: WhatIfState | None = None

    def compose(self) -> ComposeResult:
        """Lay out the one picture."""
        yield _Answer()

    def on_mount(self) -> None:
        """Add up the halves."""
        series, file = self._series, self._file

        def work() -> None:
            self.post_message(self.Began(states.begin(series, file)))

        in_background(self, work, lambda why: self._show(states.broken(why)), group=_WORK)

    def rows(self, width: int, height: int) -> list[Row]:
        """Return what is shown."""
        state = self.state or WhatIfState(None, states.NOTHING, sentence=_("adding up the iterations …"))
        return what_if_rows(self._title, state, width, height, cast(Host, self.app).caps)

    def on_what_if_page_began(self, event: Began) -> None:
        """Ask the first question."""
        event.stop()
        self._ask(event.state)

    def on_what_if_page_answered(self, event: Answered) -> None:
        """Show an answer, unless something else is asked by now."""
        event.stop()
        if self.state is not None and self.state.settings == event.outcome.settings:
            self._show(replace(self.state, outcome=event.outcome))

    def _ask(self, state: WhatIfState) -> None:
        """Show the state, and compute where its answer is to another question."""
        self._show(state)
        data, settings = state.data, state.settings
        if data is None or not state.busy:
            return

        def work() -> None:
            self.post_message(self.Answered(states.answer(data, settings)))

        def failed(why: str) -> None:
            self.post_message(self.Answered(states.unanswered(settings, why)))

        in_background(self, work, failed, group=_WORK)

    def _show(self, state: WhatIfState) -> None:
        self.state = state
        self.query_one(_Answer).repaint()

    def _change(self, change: Callable[[WhatIfState], WhatIfState]) -> None:
        if self.state is not None and self.state.data is not None:
            self._ask(states.changed(self.state, change(self.state)))

    def action_policy(self) -> None:
        """Ask for the next policy."""
        self._change(states.next_policy)

    def action_redundant(self, step: int) -> None:
        """Ask for more or fewer redundant experts."""
        self._change(lambda state: states.more_redundant(state, step))

    def action_page(self, by: int) -> None:
        """Move along the layers by ten."""
        self.action_row(by * _PAGE)

    def action_end(self, which: End) -> None:
        """Move to the first or the last layer."""
        self.action_row(-_ALL if which == "first" else _ALL)

    def action_row(self, by: int) -> None:
        """Move along the layers."""
        self._change(lambda state: states.scrolled(state, by))

    def action_number(self, name: Number) -> None:
        """Ask the user for ranks, nodes or groups."""
        if self.state is None:
            return
        prompts = {"ranks": _("ranks"), "nodes": _("nodes"), "groups": _("groups of experts")}
        now = str(states.numbers(self.state.settings)[name])
        cast(Host, self.app).ask(
            _("How many {what}?").format(what=prompts[name]),
            now,
            states.number_problem,
            lambda text: self._change(lambda state: states.with_number(state, name, int(text))),
        )

    def action_size(self) -> None:
        """Ask the user for the size of an expert."""
        if self.state is None:
            return
        now = self.state.settings.expert_mib
        cast(Host, self.app).ask(
            _("MiB of one expert's weights in one layer?"),
            "" if now is None else f"{now:g}",
            states.size_problem,
            lambda text: self._change(lambda state: states.with_size(state, text)),
        )

    def action_save(self) -> None:
        """Write the placement where the user says, as the JSON that serving engines read."""
        host, state = cast(Host, self.app), self.state
        found = None if state is None else states.to_save(state)
        if found is None:
            self._change(states.not_saved)
            return
        host.ask(
            _("Save this placement (expert map JSON) as?"),
            "expert_map.json",
            lambda name: host.save_placement(name, found.placement, found.settings.ranks),
            lambda name: self._change(lambda state: states.saved(state, name)),
        )
