"""What-if: asks what another placement of experts would bring, in the place of the EP pane."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from rich.text import Text
from textual.binding import BindingType
from textual.message import Message

from lbtui.findings.ep_service import service_for, worth_of
from lbtui.profile import ExpertSeries, Profile
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities, Row
from lbtui.text import _, visible
from lbtui.ui.kit import keys
from lbtui.ui.kit.background import in_background
from lbtui.ui.kit.keys import key
from lbtui.ui.kit.pages import TextPage
from lbtui.ui.kit.pane import HelpEntry, Pane, PaneProgress
from lbtui.ui.kit.parts import Taken
from lbtui.ui.panes.what_if import at as what_if_at
from lbtui.ui.panes.what_if import help as what_if_help
from lbtui.ui.panes.what_if import state as states
from lbtui.ui.panes.what_if.state import Number, Outcome, WhatIfState
from lbtui.ui.panes.what_if.view import copied_text, what_if_rows
from lbtui.ui.panes.what_if.words import verdict_sentences

_WORK = "what-if"


class WhatIfPane(Pane):
    """Holds the question; the answer is computed in a worker, which a new question replaces."""

    KEY: ClassVar[str] = "what-if"
    TITLE: ClassVar[str] = _("What-if")
    BINDINGS: ClassVar[list[BindingType]] = [
        *keys.rows(_("layer"), _("layers")),
        key("common.zoom-in", "redundant(1)", _("more"), _("more redundant experts")),
        key("common.zoom-out", "redundant(-1)", _("fewer"), _("fewer redundant experts")),
        key(
            "common.whole", "recommended", _("recommended"), _("the recommended number of redundant experts")
        ),
        key(
            "what-if.policy",
            "policy",
            _("policy"),
            _("next policy: global, hierarchical, in use, of the file"),
        ),
        key("what-if.ranks", "number('ranks')", _("ranks"), _("number of ranks")),
        key("what-if.nodes", "number('nodes')", _("nodes"), _("number of nodes, of the hierarchical policy")),
        key(
            "what-if.groups",
            "number('groups')",
            _("groups"),
            _("groups of experts, of the hierarchical policy"),
        ),
        key("what-if.size", "size", _("size"), _("size of an expert in one layer, in MiB")),
        key("what-if.link", "link", _("link rate"), _("link at which a rank gets weights, in Gbit/s")),
        keys.details(_("what the verdict rests on: gain, share of a step, price, how long it lasts")),
        key("what-if.save", "save", _("save"), _("save the placement as JSON")),
    ]

    @dataclass
    class Answered(Message):
        """A worker has the answer to the settings in `outcome`."""

        outcome: Outcome

    def __init__(
        self, profile: Profile, caps: Capabilities, title: str, series: Sequence[ExpertSeries]
    ) -> None:
        super().__init__(profile, caps)
        self._title = title
        self._series = series
        self.state = WhatIfState(None, states.NOTHING)

    def prepare(self, profile: Profile, progress: PaneProgress) -> WhatIfState:
        """Return the first question and its answer; a placement file of the profile is judged first."""
        service = None
        if self._series:
            service = service_for(profile, self._series[0].instance, progress), worth_of(self.limits)
        return states.begin(self._series, profile.placement, service, self.limits.offer)

    def ready(self, result: WhatIfState) -> None:
        """Show the first answer."""
        self.state = result

    def draw(self, width: int, height: int) -> list[Row]:
        """Return the rows."""
        return what_if_rows(self._title, self.state, Canvas(width, height, self.caps))

    def copied(self) -> str:
        """Return what is asked, and the layer under the cursor."""
        return copied_text(self.state, self.caps)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool:
        """Tell whether a key may do anything: not where there is nothing to ask about."""
        return super().check_action(action, parameters) and self.state.data is not None

    def help_entries(self) -> list[HelpEntry]:
        """Return every quantity."""
        return what_if_help.entries()

    def keys_now(self) -> list[tuple[str, str]]:
        """Return the keys that do something with this policy."""
        back = [("Esc", _("EP"))]
        if self.state.data is None:
            return back
        hierarchical = self.state.settings.policy == "hierarchical"
        return [
            *back,
            ("p", _("policy")),
            ("+ - 0", _("redundant")),
            ("i", _("verdict")),
            *([("D", _("nodes")), ("u", _("groups"))] if hierarchical else []),
            ("E", _("save")),
            (keys.MOVE_ROWS[0], _("layer")),
            ("e T", _("size of an expert, link")),
            ("r", _("ranks")),
        ]

    def on_what_if_pane_answered(self, event: Answered) -> None:
        """Show an answer, unless something else is asked by now."""
        event.stop()
        if self.state.settings == event.outcome.settings:
            self.state = replace(self.state, outcome=event.outcome)
            self.repaint()

    def _change(self, change: Callable[[WhatIfState], WhatIfState]) -> None:
        """Show the changed state, and compute where its answer is to another question."""
        self.state = states.changed(self.state, change(self.state))
        self.repaint()
        data, settings, known = self.state.data, self.state.settings, self.state.outcome
        about = self.state.about
        if data is None or not self.state.busy:
            return

        def work() -> None:
            self.post_message(self.Answered(states.answer(data, settings, known, about)))

        def failed(why: str) -> None:
            self.post_message(self.Answered(states.unanswered(settings, why)))

        in_background(self, work, failed, group=_WORK)

    # In words

    def parts(self) -> dict[str, str]:
        """Return what is asked."""
        return what_if_at.parts_of(self.state)

    def forget_said(self) -> None:
        """Say no more what came of saving."""
        if self.state.said:
            self.state = replace(self.state, said="")
            self.repaint()

    def take_parts(self, taken: Taken) -> None:
        """Ask it."""
        self._change(lambda state: what_if_at.with_parts(state, taken))

    # Actions

    def action_policy(self) -> None:
        """Ask for the next policy."""
        self._change(states.next_policy)

    def action_redundant(self, step: int) -> None:
        """Ask for more or fewer redundant experts."""
        self._change(lambda state: states.more_redundant(state, step))

    def action_recommended(self) -> None:
        """Ask for the number of redundant experts that is recommended."""
        self._change(states.at_recommended)

    def action_row(self, by: int) -> None:
        """Move along the layers."""
        self._change(lambda state: states.scrolled(state, by))

    def action_number(self, name: Number) -> None:
        """Ask the user for ranks, nodes or groups."""
        prompts = {"ranks": _("ranks"), "nodes": _("nodes"), "groups": _("groups of experts")}
        self.lbtui.ask(
            _("How many {what}?").format(what=prompts[name]),
            str(states.numbers(self.state.settings)[name]),
            states.number_problem,
            lambda text: self._change(lambda state: states.with_number(state, name, int(text))),
        )

    def action_size(self) -> None:
        """Ask the user for the size of an expert."""
        now = self.state.settings.expert_mib
        self.lbtui.ask(
            _("MiB of one expert's weights in one layer?"),
            "" if now is None else f"{now:g}",
            states.size_problem,
            lambda text: self._change(lambda state: states.with_size(state, text)),
        )

    def action_link(self) -> None:
        """Ask the user for the link of a rank."""
        now = self.state.settings.link_gbps
        self.lbtui.ask(
            _("Gbit/s at which a rank gets weights?"),
            "" if now is None else f"{now:g}",
            states.link_problem,
            lambda text: self._change(lambda state: states.with_link(state, text)),
        )

    def action_details(self) -> None:
        """Show what the verdict rests on, on a page."""
        if self.state.outcome is not None and (sentences := verdict_sentences(self.state.outcome)):
            self.lbtui.push_screen(TextPage(self.TITLE, Text("\n\n".join(map(visible, sentences)))))

    def action_save(self) -> None:
        """Write the placement where the user says, as the JSON that serving engines read."""
        found = states.to_save(self.state)
        if found is None:
            self._change(states.not_saved)
            return
        self.lbtui.ask(
            _("Save this placement (expert map JSON) as?"),
            "expert_map.json",
            lambda name: self.lbtui.save_placement(name, found.placement, found.settings.ranks),
            lambda name: self._change(lambda state: states.saved(state, name)),
        )
