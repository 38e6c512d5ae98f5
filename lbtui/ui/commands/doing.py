"""What comes of a line: each command done by the app around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from lbtui.own_folder import in_profile
from lbtui.render.text import plain
from lbtui.text import _, visible
from lbtui.thresholds import Thresholds, targets_of
from lbtui.ui.actions.offers import Offer
from lbtui.ui.actions.page import ActionsPage, Asking
from lbtui.ui.commands.finding import found_among, found_requests, grouped
from lbtui.ui.commands.grammar import COMMANDS, Command, Known, Mistake, Parsed, command_of, parsed
from lbtui.ui.commands.help import commands_text
from lbtui.ui.commands.history import History
from lbtui.ui.commands.line import CommandLine
from lbtui.ui.commands.picture import as_svg
from lbtui.ui.kit.at import PANE_KEYS, View
from lbtui.ui.kit.host import NO_RUN
from lbtui.ui.kit.outlets import Outlets
from lbtui.ui.kit.pages import TextPage
from lbtui.ui.kit.parts import ALL, time_of, window_words
from lbtui.ui.kit.places import Target
from lbtui.ui.kit.selection import Aim
from lbtui.ui.kit.working import LineProgress, worked

if TYPE_CHECKING:
    from textual.app import App

    from lbtui.profile import Profile
    from lbtui.remembered import FindingNote
    from lbtui.ui.kit.pane import Pane

SUFFIXES = (".txt", ".svg", ".csv")
_MOST_FOUND = 100  # of one kind


class CommandHost(Protocol):
    """The app, as its commands see it."""

    thresholds: Thresholds | None
    profile: Profile | None
    baseline: Profile | None
    panes: dict[str, Pane]
    outlets: Outlets | None

    @property
    def folder(self) -> Path | None:
        """The folder of what is shown, a profile or many runs: nothing is written into it."""

    @property
    def among_runs(self) -> bool:
        """Whether runs are shown and none of them is open."""

    @property
    def tabs(self) -> Sequence[tuple[str, str]]:
        """The panes with their keys and titles."""

    @property
    def notes(self) -> tuple[FindingNote, ...]:
        """The user's notes on findings."""

    @property
    def current(self) -> Pane | None:
        """The pane that is shown."""

    @property
    def under(self) -> Pane | None:
        """The pane of the tab that is lit, whatever stands in its place."""

    def tell(self, words: str) -> None:
        """Say something in the last line."""

    def action_pane(self, key: str) -> None:
        """Show a pane."""

    def select(self, **changes: Any) -> None:
        """Change the shared selection and tell all panes."""

    def show_at(self, key: str, aim: Aim) -> None:
        """Show a pane with what is aimed at."""

    def show_view(self, view: View) -> None:
        """Show a view; what of it does not fit is said in the last line."""

    def judge_by(self, thresholds: Thresholds, targets: str) -> None:
        """Have all panes judge what they show by other thresholds, which differ by the targets."""

    def ask_query(self, text: str) -> None:
        """Show the answer to a query that was checked."""


class Commands:
    """The commands of an app, with what was entered before."""

    def __init__(self, app: App[int], host: CommandHost) -> None:
        self._app = app
        self._host = host
        self.history = History()
        self._does: Mapping[str, Callable[[str], None]] = {
            "pane": host.action_pane,
            "find": self._find,
            "sql": self._sql,
            "slo": self._slo,
            "report": self._report,
            "export": self._export,
            "w": self._write,
            "help": self._help,
            "link": partial(self._act, "link"),
            "q": partial(self._act, "quit"),
        }

    def known(self) -> Known:
        """Return what a line may name now."""
        panes = {key: key for key, _title in self._host.tabs}
        for key, title in self._host.tabs:
            panes[title.lower()] = key
        under = self._host.under
        pane = next((name for name, key in PANE_KEYS.items() if under and key == under.KEY), "overview")
        panes.update({name: key for name, key in PANE_KEYS.items() if key in panes})
        measured = pane if under and "metric" in under.names() else "dp"
        return Known(panes, self._names(), pane, measured)

    def _names(self) -> dict[str, Sequence[str]]:
        """Return what of the profile a line may name: what the pane shown says goes before others."""
        found: dict[str, Sequence[str]] = {}
        under = [] if self._host.under is None else [self._host.under]
        for pane in (*under, *self._host.panes.values()):
            for kind, names in pane.names().items():
                found.setdefault(kind, names)
        return found

    def offers(self) -> list[Offer]:
        """Return the commands as actions that are found by their words: each opens the line with its name."""
        return [
            Offer(
                _("commands"),
                f":{command.name}",
                command.name,
                command.tells,
                "",
                partial(self._app.call_later, self._begun, command),
            )
            for command in COMMANDS
            if not command.does
        ]

    def _begun(self, command: Command) -> None:
        if command.alone:
            self.do(command.name)
        else:
            self.ask(f"{command.name} ")

    def ask(self, begun: str = "") -> None:
        """Ask for a line, and do what it says; `begun` stands in it already."""
        known = self.known()

        def wrong(line: str) -> str | None:
            if not line.strip(" :"):
                return None
            found = parsed(line, known)
            return found.text if isinstance(found, Mistake) else self._wrong(found)

        def entered(line: str | None) -> None:
            if line is not None and line.strip(" :"):
                self.history.add(line.strip(" :"))
                self.do(line, known)

        self._app.push_screen(CommandLine(known, self.history, wrong, begun), entered)

    def do(self, line: str, known: Known | None = None) -> None:
        """Do what a line says; tell what is wrong with it."""
        found = parsed(line, known or self.known())
        why = found.text if isinstance(found, Mistake) else self._wrong(found)
        if why is not None:
            self._host.tell(why)
        elif isinstance(found, Parsed):
            if found.view is not None:
                self._host.show_view(found.view)
            else:
                self._does[found.does](found.argument)

    def _wrong(self, found: Parsed) -> str | None:
        """Return what is wrong with a command's argument, as far as that is told before it is done."""
        if found.view is not None:
            if self._host.among_runs:
                return NO_RUN
            return self._no_side(found.view) or self._no_request(found.view) or self._no_time(found.view)
        if found.does == "slo":
            try:
                targets_of(found.argument)
            except ValueError as error:
                return str(error)
        if found.does == "sql":
            from lbtui.sql.grammar import Refused, checked

            try:
                checked(found.argument)
            except Refused as refused:
                return str(refused)
        if found.does == "w" and Path(found.argument).suffix.lower() not in SUFFIXES:
            return self._forms()
        if found.does in ("report", "export", "sql", "find", "slo") and self._host.among_runs:
            return NO_RUN
        if found.does in ("w", "report", "export"):
            if self._host.outlets is None or self._host.folder is None:
                return _("nothing can be written here")
            return self._not_there(found)
        return None

    def _not_there(self, found: Parsed) -> str | None:
        """Return why nothing is written there, as far as that is known before; what writes looks again."""
        name = _into(found.argument)[1] if found.does == "export" else found.argument
        baseline = self._host.baseline
        folders = [self._host.folder, None if baseline is None else baseline.path]
        try:
            path = Path(name).expanduser()
            if any(in_profile(path, each) for each in folders if each is not None):
                words = _("{file} lies in the profile's folder, which stays as it is: name another.")
                return words.format(file=visible(name))
            if found.does != "export" and path.exists():
                return _("{file} exists already: name another.").format(file=visible(name))
        except (OSError, ValueError, RuntimeError):
            return None
        return None

    def _no_side(self, view: View) -> str | None:
        """Return that there is no other profile, where one is asked for."""
        compares = "side" in view.parts or view.pane == "compare"
        return _("no baseline (--baseline BEFORE)") if compares and self._host.baseline is None else None

    def _no_request(self, view: View) -> str | None:
        """Return that a request is not there, where that is known."""
        request, profile = view.parts.get("id"), self._host.profile
        known = None if profile is None else profile.loaded().get("requests")
        if request is None or known is None or (known.frame["request_id"] == request).any():
            return None
        return _("there is no request {id}; find lists those that hold a text").format(
            id=visible(request, 40)
        )

    def _no_time(self, view: View) -> str | None:
        """Return why an instant or window cannot be shown; None where it can, or nothing is known."""
        pane = self._host.panes.get(PANE_KEYS[view.pane])
        panes = [pane, *self._host.panes.values()] if pane is not None else []
        whole = next((known for each in panes if (known := each.whole_time()) is not None), None)
        if whole is None:
            return None
        for text in (view.parts.get("t"), *view.parts.get("w", "").partition("..")[::2]):
            if not text or text == ALL:
                continue
            time = time_of(text, whole)
            if time is None:
                return _("{text} is no instant, as 08:00:24.5 is").format(text=visible(text, 40))
            if not whole[0] <= time <= whole[1]:
                words = _("{text} lies outside the run: {window}")
                return words.format(text=visible(text, 40), window=window_words(whole, whole))
        return None

    # What each does

    def _find(self, text: str) -> None:
        asking = Asking(
            _("find"),
            _("a domain, node, rank, expert, request, host, finding, note or file"),
            _("⏎ goes there · ↑↓ move · Escape closes"),
            _("Nothing is called so."),
            wide=True,
        )

        def chosen(offer: Offer | None) -> None:
            if offer is not None:
                offer.run()

        self._app.push_screen(ActionsPage((), self._found, asking, text), chosen)

    def _found(self, text: str) -> list[Offer]:
        """Return what of the profile holds every word of a text, and where each leads: so many of a kind."""
        subjects = [subject for pane in self._host.panes.values() for subject in pane.subjects()]
        groups = grouped(found_among(subjects, text))
        if self._host.profile is not None:
            groups.append(found_requests(self._host.profile, text, _MOST_FOUND))
        offers: list[Offer] = []
        titles = dict(self._host.tabs)
        for group, found, count in groups:
            shown, title = found[:_MOST_FOUND], group
            if len(shown) < count:
                title = _("{group}: {shown} of {count}")
                title = title.format(group=group, shown=len(shown), count=f"{count:,}")
            for subject in shown:
                where = titles.get(subject.target.pane, "")
                run = partial(self._go_to, subject.target)
                offers.append(Offer(title, where, subject.name, subject.tells, "", run))
        return offers

    def _go_to(self, target: Target) -> None:
        self._host.select(**target.selection, side="after")
        self._host.show_at(target.pane, target.aim)

    def _sql(self, query: str) -> None:
        self._host.ask_query(query)

    def _slo(self, text: str) -> None:
        self._host.judge_by(replace(self._host.thresholds or Thresholds(), targets=targets_of(text)), text)
        self._host.tell(_("targets now: {targets}").format(targets=text))

    def _report(self, name: str) -> None:
        profile, outlets = self._host.profile, self._host.outlets
        assert profile is not None
        assert outlets is not None
        baseline, thresholds, notes = self._host.baseline, self._host.thresholds, self._host.notes

        def work(progress: LineProgress) -> str:
            return outlets.report(name, profile, baseline, thresholds, notes, progress)

        worked(self._app, _("report into {file}").format(file=visible(name)), work, self._host.tell)

    def _export(self, folder: str) -> None:
        profile, outlets = self._host.profile, self._host.outlets
        assert profile is not None
        assert outlets is not None
        (form, into), export = _into(folder), outlets.export

        def work(progress: LineProgress) -> str:
            return export(into, form, profile, progress)

        worked(self._app, _("export into {folder}").format(folder=visible(into)), work, self._host.tell)

    def _write(self, name: str) -> None:
        pane, folder, outlets = self._host.current, self._host.folder, self._host.outlets
        assert folder is not None
        assert outlets is not None
        if pane is None:
            return
        work = self._writing(name, pane, folder, outlets)
        if work is None:
            self._host.tell(self._forms())
        else:
            worked(self._app, _("writing {file}").format(file=visible(name)), work, self._host.tell)

    def _writing(
        self, name: str, pane: Pane, profile: Path, outlets: Outlets
    ) -> Callable[[LineProgress], str] | None:
        """Return what writes what is shown as its name asks; None where the pane has nothing of that form."""
        suffix = Path(name).suffix.lower()
        if suffix == ".csv":
            rows = pane.table_rows()
            return None if rows is None else lambda progress: outlets.rows(name, rows(), profile, progress)
        content = plain(pane.picture(*pane.size)) + "\n" if suffix == ".txt" else as_svg(self._app)
        return lambda _progress: outlets.text(name, content, profile)

    def _forms(self) -> str:
        pane = self._host.current
        if pane is not None and pane.table_rows() is not None:
            return _("as .txt (pane), .svg (screen) or .csv (rows)")
        return _("no rows here: as .txt (pane) or .svg (screen)")

    def _act(self, action: str, _nothing: str) -> None:
        self._app.call_later(self._app.run_action, action)

    def _help(self, name: str) -> None:
        command = command_of(name) if name else None
        if name and command is None:
            self._host.tell(_("there is no command {word}").format(word=visible(name, 40)))
            return
        self._app.push_screen(TextPage(_("Commands"), commands_text(command)))


def _into(argument: str) -> tuple[str, str]:
    """Return the format of an export and its folder, of `parquet FOLDER` or the folder alone."""
    first, _blank, rest = argument.partition(" ")
    return (first, rest.strip()) if first in ("csv", "parquet") and rest.strip() else ("csv", argument)
