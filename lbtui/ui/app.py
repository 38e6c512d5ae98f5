"""The Textual app: shows its frame at once, opens the profile in a worker, then the panes.

Nothing heavy is imported before the first frame: polars and numpy cost a quarter of a second.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.widget import Widget
from textual.widgets import Static
from textual.worker import get_current_worker

from lbtui.codes import OPENED, UNREADABLE
from lbtui.render.capabilities import Capabilities
from lbtui.render.text import plain, printable
from lbtui.text import _, plural, visible
from lbtui.ui.bars import LEAST_COLUMNS, LEAST_ROWS, BottomBar, RoomAsked, TopBar
from lbtui.ui.choosing import Chooser, Start, Welcome
from lbtui.ui.kit.at import PANE_KEYS, View
from lbtui.ui.kit.background import in_background
from lbtui.ui.kit.host import NO_RUN, OpenFailed
from lbtui.ui.kit.keys import PANES_ROUND, first, key, shown_keys
from lbtui.ui.kit.line import Question
from lbtui.ui.kit.outlets import Outlets
from lbtui.ui.kit.pages import TextPage
from lbtui.ui.kit.selection import SIDES, Aim, Selection
from lbtui.ui.many import ManyApp
from lbtui.ui.opening import (
    Asked,
    Begun,
    NoneFound,
    Opened,
    around,
    opened,
    reading_of,
    told_apart,
    with_option,
)
from lbtui.ui.remembering import Remembering
from lbtui.ui.terminal import memory
from lbtui.ui.viewed import DEMO, Views, command

if TYPE_CHECKING:
    from lbtui.analysis.eplb.policies import Ints
    from lbtui.findings import Finding
    from lbtui.findings.latency.told import Told
    from lbtui.profile import Note, Profile, Reading
    from lbtui.remembered import FindingNote
    from lbtui.thresholds import Thresholds
    from lbtui.ui.commands.doing import Commands
    from lbtui.ui.kit.pane import Pane
    from lbtui.ui.terminal.enquiry import Enquiry

TABS = (
    ("1", _("Overview")),
    ("2", _("DP")),
    ("3", _("P/D")),
    ("4", _("EP")),
    ("5", _("Requests")),
    ("7", _("Timeline")),
)
COMPARE = ("6", _("Compare"))
_TAB_NAMES = dict(
    zip(
        ("app.overview", "app.dp", "app.pd", "app.ep", "app.requests", "app.timeline", "app.compare"),
        (*TABS, COMPARE),
        strict=True,
    )
)


class LbtuiApp(ManyApp):
    """The viewer."""

    CSS_PATH = "lbtui.tcss"
    TITLE = "lbtui"
    BINDINGS: ClassVar[list[BindingType]] = [
        *(key(name, f"pane('{tab}')", title) for name, (tab, title) in _TAB_NAMES.items()),
        *PANES_ROUND,
        key("app.help", "help", _("help"), shown=True),
        key("app.actions", "actions", _("actions"), _("every action of every pane")),
        key(
            "app.command",
            "command",
            _("command"),
            _("a line for commands: go to, find, report, export, sql …; Tab completes"),
        ),
        key("app.out", "out", _("out; stops reading, and shows what is read so far")),
        key("app.notes", "notes", _("notes on the data, whole")),
        key("app.outputs", "outputs", _("choose another of several outputs, or the raw profile")),
        key("app.reload", "reload", _("read again, or what was left out")),
        key("app.watch", "watch", _("watch the files and show what comes, at the end; or stop")),
        key("app.copy", "copy", _("copy"), _("copy what is under the cursor, in a few words")),
        key("app.copy-pane", "copy_pane", _("copy all"), _("copy the whole pane as text")),
        key(
            "app.link",
            "link",
            _("link"),
            _("show and copy a line that opens this view (a click on line 1, too)"),
        ),
        key("app.mouse", "mouse", _("mouse"), _("leave the mouse to the terminal, to mark; or take it")),
        key(
            "app.fresh",
            "fresh",
            _("begin fresh"),
            _("begin fresh: forget where you were, filters and marks; notes on findings stay"),
        ),
        key("app.quit", "quit", _("quit"), shown=True),
        first(key("app.interrupt", "interrupt", _("quit"))),
        first(key("app.suspend", "suspend_process", _("to the shell; `fg` returns"))),
        first(key("app.redraw", "redraw", _("draw everything again"))),
    ]

    def __init__(
        self,
        asked: Asked,
        caps: Capabilities,
        outlets: Outlets | None = None,
        enquiry: Enquiry | None = None,
    ) -> None:
        super().__init__(asked, caps, enquiry)
        self.set_keymap(dict(asked.keys))
        self.outlets = outlets
        self.thresholds: Thresholds | None = asked.thresholds
        self.baseline: Profile | None = None
        self._commands: Commands | None = None
        self.findings: tuple[Finding, ...] = ()
        self.told: Told | None = None
        self._tidied = False
        self._current = self._home
        self._views = Views(self)
        self.remembering = Remembering(self)
        self._first = asked.at  # what is shown once the panes are there
        self._over: Pane | None = None  # what stands in the place of the current pane
        self._said = ""  # in the last line, in place of the keys
        self._before = ""  # the baseline's name
        self._choice: tuple[Path, list[Reading]] | None = None  # below which folder, and which of a run
        self._notes: tuple[Note, ...] = ()

    @property
    def tabs(self) -> Sequence[tuple[str, str]]:
        """The panes with their keys and titles: of two profiles Compare too."""
        return TABS if self.asked.baseline is None else (*TABS[:-1], COMPARE, TABS[-1])

    @property
    def _home(self) -> str:
        """The pane that is shown first."""
        return TABS[0][0] if self.asked.baseline is None else COMPARE[0]

    @property
    def folder(self) -> Path | None:
        """The folder of what is shown, a profile or many runs: nothing is written into it."""
        if self.profile is not None:
            return self.profile.path
        return self.many.together.folder if self.many is not None and self.among_runs else None

    def compose(self) -> ComposeResult:
        """Lay out the frame; the panes come when they are imported."""
        yield TopBar(self.caps, self.tabs, self.asked.keys)
        with Container(id="panes"):
            opening = _("Opening {path} …").format(path=str(self.asked.path))
            yield Static(printable(opening, self.caps), classes="opening", markup=False)
        yield BottomBar(self.caps, self.tabs[-1][0], self.asked.keys)
        yield RoomAsked(self.caps)

    def on_mount(self) -> None:
        """Open the profile once the first frame is on its way."""
        self.animation_level = "none"
        self.app_resume_signal.subscribe(self, lambda _app: self.action_redraw())
        self.call_after_refresh(self._open)
        if self.asked.watch:
            self.action_watch()

    def _open(self) -> None:
        memory.begin()

        def work() -> None:
            found = opened(self.asked, lambda profile: self.post_message(Begun(profile)))
            if not get_current_worker().is_cancelled:
                self.post_message(found)

        in_background(self, work, self._unforeseen, group="open")

    def _unforeseen(self, why: str) -> None:
        sentence = _("{path} could not be opened: {why}").format(path=visible(str(self.asked.path)), why=why)
        self.post_message(OpenFailed(sentence))

    def on_begun(self, event: Begun) -> None:
        """Begin to read what nearly every pane asks for."""
        from lbtui.profile.early import read_early

        # A pane that asks for it tells why it failed.
        in_background(self, lambda: read_early(event.profile, "batches"), lambda _why: None, group="early")

    async def on_opened(self, event: Opened) -> None:
        """Put up the panes."""
        self.profile, self.baseline = event.profile, event.baseline
        self.watching.kept = event.kept
        self._before = "" if event.baseline is None else told_apart(event.baseline.path, event.profile.path)
        if self._choice is None and event.profile.near:
            self._choice = around(event.profile)
        self.show_identity(visible(event.profile.name), ())
        area = self.screen_stack[0].query_one("#panes", Container)
        await area.remove_children()
        self.panes = {pane.KEY: pane(event.profile, self.caps, event.baseline) for pane in event.panes}
        await area.mount(*self.panes.values())
        recalled = self.remembering.recall(event)
        first, self._first = self._first or recalled, None
        wanted = self._current if first is None else PANE_KEYS[first.pane]
        self.action_pane(wanted if wanted in self.panes else self._current)
        if first is not None:
            self.show_view(first)
        if self.is_headless:
            return
        if self._tidied:
            memory.settle_again()
            # By then what still read for the panes before has ended, too.
            self.set_timer(memory.TIDY_SECONDS, memory.settle_again)
            return
        self._tidied = True
        memory.settle()
        self.set_interval(memory.TIDY_SECONDS, memory.tidy)

    def _choose(self) -> None:
        assert self._choice is not None

        def chosen(reading: Reading | None) -> None:
            if reading is not None:
                self._open_reading(reading)

        shown = None if self.profile is None else reading_of(self.profile)
        self.push_screen(Chooser(*self._choice, shown, self.caps), chosen)

    def _open_reading(self, reading: Reading) -> None:
        """Open another output or the raw profile; what is open is forgotten unless it is the same."""
        if self.profile is None or reading != reading_of(self.profile):
            self.open_other(replace(self.asked, path=reading.path, raw=reading.raw, named=True))

    def open_other(self, asked: Asked) -> None:
        """Open another profile in the place of what is open."""
        self.leave_runs()
        self.remembering.leave()
        self.asked = asked
        self.selection, self._current = Selection(), self._home
        self._offer(self.tabs)
        self.action_reload()

    def forget_profile(self) -> None:
        """Let what is open go, if anything is."""
        if self.profile is not None:
            self.remembering.leave()
        panes = tuple(self.panes.values())
        self._let_go()
        for pane in panes:
            pane.remove()
        self.selection, self._choice, self._before = Selection(), None, ""
        self._offer(())

    def _offer(self, tabs: Sequence[tuple[str, str]]) -> None:
        """Show which panes there are."""
        self.screen_stack[0].query_one(TopBar).offer(tabs)
        self.screen_stack[0].query_one(BottomBar).offer(tabs[-1][0] if tabs else "")

    def action_outputs(self) -> None:
        """Choose another of several outputs."""
        if self._choice is not None:
            self._choose()
            return
        if self.many is not None:
            self.show_runs()
            return
        sentence = _(
            "{path} holds one output. Started with a folder that holds several, or the raw profile too, "
            "lbtui lets you choose: O leads to the choice."
        ).format(path=visible(str(self.asked.path)))
        self.push_screen(TextPage(_("One output"), Text(sentence)))

    def on_none_found(self, _event: NoneFound) -> None:
        """Say what to do, and offer the demo."""

        def started(answer: Start | None) -> None:
            if answer == "demo":
                from lbtui.profile import Reading

                self._open_reading(Reading(DEMO))
            else:
                self.exit(OPENED)

        self.push_screen(Welcome(self.asked.path, self.caps), started)

    def on_open_failed(self, event: OpenFailed) -> None:
        """Leave; the command line prints the sentence. Where there are other runs, say it among them."""
        if self.many is not None:
            self.show_runs()
            self.tell(event.sentence)
            return
        self.failure = event.sentence
        self.exit(UNREADABLE)

    def on_resize(self, event: events.Resize) -> None:
        """Ask for more room where there is too little."""
        too_small = event.size.width < LEAST_COLUMNS or event.size.height < LEAST_ROWS
        self.screen_stack[0].set_class(too_small, "-too-small")

    # Panes

    @property
    def current(self) -> Pane | None:
        """The pane that is shown."""
        return self._over or self.panes.get(self._current)

    @property
    def under(self) -> Pane | None:
        """The pane of the tab that is lit, whatever stands in its place."""
        return self.panes.get(self._current)

    def action_pane(self, key: str) -> None:
        """Show a pane, or say what it takes."""
        if self.among_runs:
            self.tell(NO_RUN)
            return
        if key not in dict(self.tabs):
            self._explain_baseline()
            return
        self._current = key
        self._leave_over()
        self._show_only(self.current)
        if current := self.current:
            current.focus()
            self._show_side()
            self.call_after_refresh(current.activate)
            self.keys_changed(current)

    def _show_only(self, shown: Pane | None) -> None:
        over = "" if self._over is None else self._over.TITLE
        self.screen_stack[0].query_one(TopBar).show(current=self._current, over=over)
        for pane in self.panes.values():
            pane.set_class(pane is shown, "-shown")

    def show_over(self, pane: Pane) -> None:
        """Show a pane in the place of the current one, until Escape or until another is shown.

        The next key waits until it can take keys.
        """

        def stands() -> None:
            if self._over is pane:
                self.screen_stack[0].set_focus(pane)
                pane.activate()
                self.keys_changed(pane)

        self._leave_over()
        self._views.covered()
        self._over = self._awaited = pane
        self._show_only(pane)
        pane.add_class("-shown")
        self.screen_stack[0].query_one("#panes", Container).mount(pane)
        self._show_side()
        self._views.over_stands(pane)
        pane.call_later(stands)

    def _leave_over(self) -> None:
        pane, self._over = self._over, None
        if pane is not None:
            pane.discard()
            pane.remove()

    def action_next_pane(self, by: int) -> None:
        """Show the next pane, or the one before."""
        keys = [key for key, _title in self.tabs]
        self.action_pane(keys[(keys.index(self._current) + by) % len(keys)])

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Tell whether a key may do anything: under a page the panes stay, and Tab is the page's."""
        if action == "next_pane" and len(self.screen_stack) > 1:
            return False
        return super().check_action(action, parameters)

    def show_at(self, key: str, aim: Aim) -> None:
        """Show a pane with what is aimed at; not while the profile is opened anew, when there is none."""
        self.action_pane(key)
        if pane := self.current:
            pane.point_at(aim)

    def action_side(self) -> None:
        """Show the next of after, before and difference; say how to compare without a baseline."""
        if self.asked.baseline is None:
            self._explain_baseline()
            return
        self.select(side=SIDES[(SIDES.index(self.selection.side) + 1) % len(SIDES)])

    def _explain_baseline(self) -> None:
        sentence = _(
            "To compare with another profile, start lbtui with it: lbtui PATH --baseline BEFORE. Pane 6 then "
            "tells what changed beyond chance, and b switches DP, P/D and EP between after, before and "
            "difference."
        )
        self.push_screen(TextPage(_("Compare: no baseline given"), Text(sentence)))

    def on_top_bar_chosen(self, event: TopBar.Chosen) -> None:
        """Show the pane whose tab was clicked."""
        self.action_pane(event.key)

    def select(self, **changes: Any) -> None:
        """Change the shared selection and tell all panes."""
        selection = replace(self.selection, **changes)
        if selection == self.selection:
            return
        if {"time", "window"} & changes.keys():
            self.watch_moved(selection)
        self.selection = selection
        self._show_side()
        for pane in self.panes.values():
            pane.selection_changed(selection)

    def _show_side(self) -> None:
        """Keep line 2 true about which of the two profiles is shown."""
        current = self.current
        sided = current is not None and current.SIDED and self.asked.baseline is not None
        self.screen_stack[0].query_one(TopBar).show(side=self.selection.side if sided else "")

    def show_identity(self, identity: str, notes: Sequence[Note]) -> None:
        """Change line 1; of two profiles compared it names the one before first."""
        if self._before:
            identity = _("before {before} → after {after}").format(before=self._before, after=identity)
        self._notes = tuple(notes)
        words = plural("1 note", "{count} notes", len(notes)) if notes else ""
        self.screen_stack[0].query_one(TopBar).show(identity=identity, notes=words)

    def action_notes(self) -> None:
        """Show all notes on the data."""
        from lbtui.profile import Note
        from lbtui.ui.help import notes_text

        if len(self.screen_stack) == 1:
            live = [Note(_("live"), self.watching.why, lost=True)] if self.watching.why else []
            self.push_screen(TextPage(_("Notes on the data"), notes_text((*live, *self._notes))))

    def on_top_bar_notes_asked(self) -> None:
        """Show the notes that were clicked."""
        self.action_notes()

    def on_top_bar_link_asked(self) -> None:
        """Show the line that opens this view: line 1 was clicked."""
        self.action_link()

    def stage_changed(self) -> None:
        """Keep line 1 true about which panes are incomplete."""
        stopped = [pane.incomplete for pane in self.panes.values() if pane.incomplete]
        self.screen_stack[0].query_one(TopBar).show(incomplete=" · ".join([*self._cuts(), *stopped]))

    def _cuts(self) -> list[str]:
        """Return which files were read in part, for line 1: nothing that is shown is of all of them."""
        profiles = [profile for profile in (self.profile, self.baseline) if profile is not None]
        cuts = dict.fromkeys(note.cut for profile in profiles for note in profile.cuts if note.cut)
        words = [
            _("{file}: first {percent} % only").format(file=cut.file, percent=100 * cut.done // cut.total)
            for cut in cuts
        ]
        return [*words, _("R reads all")] if words else []

    def pane_ready(self, pane: Widget) -> None:
        """Keep line 1 true when a pane has learnt more; stay at the end of what comes."""
        if (ready := self.panes.get(getattr(pane, "KEY", ""))) is pane:
            self.remembering.pane_ready(ready)
        self.follow_end()
        for other in self.panes.values():
            if other is not pane:
                other.profile_grew()

    def look_for_findings(self) -> None:
        """Have the findings looked for, unless they are: by the Overview, which lists them, shown or not."""
        if (overview := self.panes.get(TABS[0][0])) is not None:
            overview.activate()

    def keys_changed(self, pane: Widget) -> None:
        """Show the keys that matter in the pane, if it is shown."""
        if (current := self.current) is not None and pane is current:
            keys = shown_keys(current.keys_now(), [*current.BINDINGS, *self.BINDINGS], self.asked.keys)
            self.screen_stack[0].query_one(BottomBar).show(keys)

    def tell(self, words: str) -> None:
        """Say something in the last line, of a page of text in its own; nothing shows the keys again."""
        if words == self._said or not self.screen_stack:
            return
        self._said = words
        for bar in self.screen_stack[0].query(BottomBar):
            bar.tell(words)
        if isinstance(self.screen, TextPage):
            self.screen.tell(words)

    # The view in words

    def view(self) -> View | None:
        """Return what is shown, in words; None as long as the pane has nothing to show."""
        return self._views.now()

    def show_view(self, view: View) -> None:
        """Show a view as soon as its pane has its data; what of it does not fit is said in the last line.

        Parts that it does not have stay as they are.
        """
        self._views.show(view)

    def link(self) -> str:
        """Return the line for a shell that opens this view; empty as long as there is nothing to show."""
        view, asked = self.view(), self.asked
        if view is None or self.profile is None:
            return ""
        path, raw = (asked.path, asked.raw) if asked.named else (self.profile.path, self.profile.raw)
        return command(path, asked.given, raw=raw, at=view)

    def action_link(self) -> None:
        """Show the line that opens this view, and copy it."""
        if len(self.screen_stack) > 1:
            return
        # What it opens knows all that line 1 tells, and nothing of the keys pressed before.
        self.look_for_findings()
        if self.current is not None:
            self.current.forget_said()
        if not (line := self.link()):
            self.tell(_("nothing is shown yet that a line could open"))
            return
        self.push_screen(TextPage(_("This line opens what is shown here"), Text(line)))
        self.call_after_refresh(self.copy, line)

    # Copying

    def copy(self, text: str) -> None:
        """Copy a text; the last line says then where it is."""
        self.copy_beside(text, self.folder)

    def action_copy(self) -> None:
        """Copy what is under the cursor."""
        if (pane := self.current) is None:
            return
        if text := pane.to_copy():
            self.copy(text)
        else:
            self.tell(_("nothing under the cursor; Y copies the whole pane"))

    def action_copy_pane(self) -> None:
        """Copy all that the pane shows, as text."""
        if (pane := self.current) is not None:
            self.copy(plain(pane.picture(*pane.size)).rstrip("\n"))

    # Commands

    @property
    def commands(self) -> Commands:
        """The commands, with what was entered before; nothing of them is imported before that."""
        if self._commands is None:
            from lbtui.ui.commands.doing import Commands

            self._commands = Commands(self, self)
        return self._commands

    def action_command(self) -> None:
        """Ask for a command."""
        if len(self.screen_stack) == 1:
            self.commands.ask()

    def write(self, name: str) -> None:
        """Write what is shown into a new file of the user's; say where it is, or why not."""
        self.commands.do(f"w {name}")

    def judge_by(self, thresholds: Thresholds, targets: str) -> None:
        """Have all panes judge what they show by other thresholds, which differ by the targets (`--slo`)."""
        self.thresholds = thresholds
        given = with_option(self.asked.given, "--slo", targets)
        self.asked = replace(self.asked, thresholds=thresholds, given=given)
        for pane in dict.fromkeys([*self.panes.values(), *([self._over] if self._over else [])]):
            pane.judge_anew()

    def ask_query(self, text: str) -> None:
        """Show the answer to a query that was checked, in the place of the pane."""
        from lbtui.sql import Asked as Question
        from lbtui.sql import checked
        from lbtui.ui.panes.sql.pane import SqlPane

        if self.profile is not None:
            asked = self.asked
            inputs = asked.path, asked.experts, asked.placement, asked.capture, asked.raw
            self.show_over(SqlPane(self.profile, self.caps, Question(checked(text), *inputs)))

    # What is remembered

    def exit(self, result: int | None = None, return_code: int = 0, message: object = None) -> None:
        """Leave, and take down what is shown for the next time."""
        self.end_reading()
        self.remembering.take_down()
        super().exit(result, return_code, message)

    @property
    def notes(self) -> tuple[FindingNote, ...]:
        """The user's notes on findings."""
        return self.remembering.notes

    def keep_note(self, finding: Finding, text: str) -> None:
        """Keep what the user says of a finding, for the next time too; an empty text takes it off."""
        self.remembering.keep_note(finding, text)

    def marks_changed(self, pane: Widget) -> None:
        """Keep the marks of a pane."""
        if (own := self.panes.get(getattr(pane, "KEY", ""))) is pane:
            self.remembering.keep_marks(own)

    def action_fresh(self) -> None:
        """Forget where the user was, filters and marks, and show the profile as it was first shown."""
        if self.profile is None or len(self.screen_stack) > 1:
            return
        self.remembering.forget()
        self._begin_fresh()
        self.tell(_("begun fresh: view, filters and marks are forgotten; notes on findings stay"))

    def _begin_fresh(self) -> None:
        """Show the profile as it was first shown, in panes made anew of what was read."""
        if self.profile is None or not self.panes:
            return
        kinds = [type(pane) for pane in self.panes.values()]
        again = Opened(self.profile, self.baseline, kinds, self.watching.kept)
        again.identity, again.which = self.remembering.identity, self.remembering.which
        for shown in self.panes.values():
            shown.discard()
        self._leave_over()
        self.panes = {}
        self.selection, self._current = Selection(), self._home
        self.findings, self.told = (), None
        self.stage_changed()
        self.post_message(again)

    # Actions

    def action_help(self) -> None:
        """Show the keys and formulas of this pane."""
        if pane := self.current:
            from lbtui.ui.help import help_text

            self.push_screen(
                TextPage(
                    _("{pane}: keys and quantities").format(pane=pane.TITLE),
                    help_text(pane, self.BINDINGS, self.asked.keys),
                )
            )

    def action_out(self) -> None:
        """Cancel what runs, else go one level out, to the pane opened first, to the choice of outputs."""
        pane = self.current
        if pane is None or pane.out():
            return
        if self.among_runs:
            self.tell(_("q leaves"))
        elif self._over is not None:
            self.action_pane(self._current)
        elif self._current != self._home:
            self.action_pane(self._home)
        elif self.many is not None and len(self.screen_stack) == 1:
            self.show_runs()

    def action_reload(self) -> None:
        """Open the profile anew: what was cancelled, failed, left out or changed since is read again."""
        self.leave_runs()
        self._let_go()
        self._open()

    def _let_go(self) -> None:
        for shown in self.panes.values():
            shown.discard()
        self._leave_over()
        self.profile = self.baseline = None
        self.panes = {}
        self.findings, self.told = (), None
        self.watching.forget()
        self.stage_changed()

    def ask(
        self,
        prompt: str,
        value: str,
        check: Callable[[str], str | None],
        answer: Callable[[str], None],
    ) -> None:
        """Ask for a line of text; `check` returns a sentence if it is wrong, `answer` takes it."""
        self.push_screen(
            Question(prompt, value, check), lambda text: answer(text) if text is not None else None
        )

    def save_placement(self, name: str, placement: Ints, ranks: int) -> str | None:
        """Write a placement [layer, slot] to a new file of the user's; return why not, None when done."""
        if self.outlets is None or self.profile is None:
            return _("Saving is not possible here.")
        return self.outlets.placement(name, placement, ranks, self.profile.path)

    def action_actions(self) -> None:
        """Let the user find an action of any pane, this one's first, and do it."""
        from lbtui.ui.actions.offers import Offer, general_offers, pane_offers
        from lbtui.ui.actions.page import ActionsPage

        current, changes = self.current, self.asked.keys
        before = [] if current is None else [current]
        panes = [*before, *(pane for pane in self.panes.values() if pane is not current)]
        offers = [offer for pane in panes for offer in pane_offers(pane, self._do_in, changes)]
        compared = self.asked.baseline is not None
        general = general_offers(
            self.BINDINGS,
            lambda action: self.call_later(self.run_action, action),
            {} if compared else {"app.compare": _("no baseline (--baseline BEFORE)")},
            changes,
        )

        def chosen(offer: Offer | None) -> None:
            if offer is not None:
                offer.run()

        self.push_screen(ActionsPage([*offers, *self.commands.offers(), *general]), chosen)

    def _do_in(self, pane: Pane, action: str) -> None:
        """Do an action of a pane in it, as soon as it has its data."""
        if pane is not self.current:
            self.action_pane(pane.KEY)
        pane.once_ready(lambda: self.call_later(self.run_action, action, pane))
