"""The Overview pane: what is unbalanced, then the load per dimension, what was read and what is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import polars as pl
from rich.text import Text
from textual import events
from textual.binding import BindingType
from textual.message import Message

from lbtui.findings.diagnosis import Diagnosis, diagnose, with_latency
from lbtui.findings.doubts import with_doubt
from lbtui.findings.latency.words import HURT_FORMULA, MISSED_FORMULA
from lbtui.findings.pictures import Drawn
from lbtui.findings.replay.mend import MEND_FORMULA
from lbtui.overview.beside import read_beside
from lbtui.overview.hand_offs import HAND_OFF_LINES
from lbtui.overview.model import FORMULAS, Overview
from lbtui.overview.readings import Beside
from lbtui.overview.run import identity, overviews
from lbtui.overview.sampled import SAMPLE_BINS, with_sample
from lbtui.profile import Cancelled, Profile, Reading, Unreadable
from lbtui.remembered import MOST_NOTE
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Row
from lbtui.text import _, in_list, in_sentences, visible, with_brackets, with_label
from lbtui.thresholds import Thresholds, described
from lbtui.ui.kit import keys
from lbtui.ui.kit.background import in_background
from lbtui.ui.kit.host import OpenFailed
from lbtui.ui.kit.keys import key
from lbtui.ui.kit.pages import TextPage
from lbtui.ui.kit.pane import HelpEntry, Pane, PaneProgress, Stage
from lbtui.ui.kit.parts import Taken
from lbtui.ui.kit.places import PANES, Subject, Target
from lbtui.ui.kit.selection import Aim, Selection
from lbtui.ui.kit.window import Window
from lbtui.ui.panes.overview import at as overview_at
from lbtui.ui.panes.overview.beside import beside_text
from lbtui.ui.panes.overview.data import FOUND, Contents, Entry, Shown, State
from lbtui.ui.panes.overview.found import line_rows, names, subjects
from lbtui.ui.panes.overview.lines import lane_columns
from lbtui.ui.panes.overview.target import requests_of, target_of
from lbtui.ui.panes.overview.view import draw, entry_at
from lbtui.ui.panes.overview.words import copied_text, detail_text


class OverviewPane(Pane):
    """The Overview pane: grows while the profile's frames are read, one after the other."""

    KEY: ClassVar[str] = "1"
    TITLE: ClassVar[str] = _("Overview")
    BINDINGS: ClassVar[list[BindingType]] = [
        *keys.rows(_("line"), _("lines")),
        *keys.columns(_("value")),
        keys.entered(
            _("go there"),
            _("to the pane of this finding or line, at the place under the cursor; of others, all there is"),
        ),
        keys.details(_("everything known of this line, on a page")),
        key(
            "overview.requests",
            "requests",
            _("its requests"),
            _("the requests that this finding hurts: of its domain or node, in service in its window"),
        ),
        key(
            "overview.note",
            "note",
            _("note"),
            _("a note of yours on this finding, which reports have, too; an empty line takes it off"),
        ),
    ]

    @dataclass
    class Grown(Message):
        """A worker of the pane has read more."""

        generation: int
        known: Overview
        diagnosis: Diagnosis | None = None

    @dataclass
    class BesideRead(Message):
        """A worker has read another reading of the run, for a page."""

        page: TextPage
        found: Beside

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._contents: Contents | None = None
        self._state = State()
        self._moved = False
        self._subjects: tuple[Contents, list[Subject]] | None = None

    # Loading

    def prepare(self, profile: Profile, progress: PaneProgress) -> Contents:
        """Return overview and findings, telling the screen of every part on the way."""
        generation, new = self._generation, self._contents is None
        for known in overviews(profile, progress, self.limits.expected):
            # Small frames report no progress: this is where a cancel takes hold.
            if generation != self._generation:
                raise Cancelled
            self.post_message(self.Grown(generation, known))
            if new and (sample := profile.sample_steps()) is not None:
                self.post_message(self.Grown(generation, with_sample(known, sample)))
            new = False
        try:
            profile.require_rows(progress)
        except Unreadable as error:
            self.post_message(OpenFailed(str(error)))
        diagnosis = diagnose(profile, known.window, self.limits, progress)
        known = with_doubt(known, diagnosis.findings)
        self.post_message(self.Grown(generation, known, diagnosis))
        return Contents(known, with_latency(diagnosis, profile, self.limits, progress))

    def on_overview_pane_grown(self, event: Grown) -> None:
        """Show what is known so far."""
        event.stop()
        if event.generation == self._generation and self.stage is Stage.LOADING:
            reading = _("reading {frames} …").format(frames=event.known.reading)
            doing = reading if event.known.reading else _("looking for imbalances …")
            if event.diagnosis is not None:
                doing = _("looking where the time of requests went …")
            self._progress_text = doing + "   " + _("Escape cancels")
            self._take(Contents(event.known, event.diagnosis))
            if event.diagnosis is not None:
                # Others mark the findings; where the time went may take long.
                self.lbtui.pane_ready(self)

    def ready(self, result: Contents) -> None:
        """Keep the complete overview."""
        self._take(result)

    def _take(self, contents: Contents) -> None:
        known = contents.known
        if contents.diagnosis is not None:
            noted = contents.diagnosis.with_notes(self.lbtui.notes)
            contents = replace(contents, diagnosis=noted)
        if contents.diagnosis is not None:
            self.lbtui.findings = contents.diagnosis.findings
            self.lbtui.told = contents.diagnosis.told
        before, shown = self._found_entries(), self._shown
        self._contents = contents
        if not self._moved:
            first = next((i for i, line in enumerate(known.lines) if line.values), 0)
            self._state = State(entry=0 if self._found_entries() else first)
        else:
            # Findings come in above: the cursor stays on its entry.
            by = self._found_entries() - before
            self._state = replace(self._state, entry=_place_of(shown, contents, self._state.entry + by))
        self.lbtui.show_identity(identity(known), known.notes)
        # A file may have been cut meanwhile.
        self.lbtui.stage_changed()
        self.repaint()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool:
        """Tell whether a key may do anything: its lines stand while imbalances are still looked for."""
        return self._contents is not None or super().check_action(action, parameters)

    def _found_entries(self) -> int:
        return sum(entry.kind in FOUND for entry in self._contents.entries) if self._contents else 0

    def aimed(self, aim: Aim) -> None:
        """Put the cursor on a line."""
        found = [] if self._contents is None else overview_at.names_of(self._contents.entries)
        if aim.row in found:
            self._move_to(found.index(aim.row))

    def table_rows(self) -> Callable[[], pl.DataFrame] | None:
        """Return what makes a row of each line."""
        contents = self._contents
        return None if contents is None else lambda: line_rows(contents)

    def names(self) -> Mapping[str, Sequence[str]]:
        """Return what of the profile has a name."""
        return {} if self._contents is None else names(self._contents.known)

    def subjects(self) -> Sequence[Subject]:
        """Return what of the profile can be found by its name, but for requests."""
        if self._contents is None:
            return ()
        if self._subjects is None or self._subjects[0] is not self._contents:
            self._subjects = self._contents, subjects(self._contents)
        return self._subjects[1]

    # Drawing

    def picture(self, width: int, height: int) -> list[Row]:
        """Return what is known so far even while the rest is being read, was cancelled or failed."""
        if self._contents is None:
            return super().picture(width, height)
        shown = Shown(self._contents, self._state, self.selection)
        return draw(shown, Canvas(width, height, self.caps), self._progress())

    def _progress(self) -> str:
        if self.stage is Stage.LOADING:
            return self._progress_text
        if self.stage is Stage.CANCELLED:
            return _("Reading was cancelled; what is here is incomplete. R reads the rest.")
        if self.stage is Stage.FAILED:
            return _("The rest could not be made: {why}. R tries again.").format(why=self._failure)
        return ""

    def draw(self, width: int, height: int) -> list[Row]:
        """Return the rows."""
        return self.picture(width, height)

    def selection_changed(self, selection: Selection) -> None:
        """Show the instant or the window chosen in another pane."""
        self.repaint()

    def copied(self) -> str:
        """Return the finding as a sentence, or the line with its value."""
        shown = self._shown
        return "" if shown is None else copied_text(shown)

    def to_copy(self) -> str:
        """Return it while the rest is being read, too."""
        return self.copied()

    # In words

    @property
    def tells_view(self) -> bool:
        """Whether there is something to tell: its lines stand while imbalances are still looked for."""
        return self._contents is not None

    def whole_time(self) -> Window | None:
        """Return the time of the profile."""
        return None if self._contents is None else self._contents.known.window

    def parts(self) -> dict[str, str]:
        """Return what is under the cursor."""
        return {} if self._contents is None else overview_at.parts_of(self._contents.entries, self._state)

    def take_parts(self, taken: Taken) -> None:
        """Take it."""
        if self._contents is not None and {"row", "col"} & taken.parts.keys():
            self._moved = True
            self._state = overview_at.with_parts(self._contents.entries, self._state, taken)

    # Keys

    @property
    def _shown(self) -> Shown | None:
        return None if self._contents is None else Shown(self._contents, self._state, self.selection)

    def keys_now(self) -> list[tuple[str, str]]:
        """Return the keys that matter."""
        found = [keys.MOVE, *super().keys_now()]
        return found if self._hurt() is None else [*found, ("r", _("its requests"))]

    def _hurt(self) -> Target | None:
        shown = self._shown
        if shown is None or shown.entry.found is None:
            return None
        return requests_of(shown.entry.found.finding, shown.known)

    def action_row(self, step: int) -> None:
        """Move the cursor over lines and entries."""
        if self._contents is not None:
            self._move_to(self._state.entry + step)

    def _move_to(self, place: int) -> None:
        assert self._contents is not None
        self._moved = True
        last = len(self._contents.entries) - 1
        self._state = replace(self._state, entry=min(max(place, 0), last), column=None)
        self.repaint()

    def action_column(self, step: int) -> None:
        """Move over the values of a line: time is shared with all panes, ranks are not."""
        shown = self._shown
        if shown is None or (line := shown.entry.line) is None or not line.values:
            return
        known = shown.known
        if not line.over_time:
            at = -1 if self._state.column is None and step > 0 else self._state.column or 0
            self._state = replace(self._state, column=min(max(at + step, 0), len(line.values) - 1))
            self.repaint()
        elif known.window:
            begin, end = known.window
            column = (end - begin) / max(lane_columns(self.size.width), 1)
            # The first key shows where the line is worst.
            time = self.selection.time
            worst = begin if line.time is None else line.time
            moved = worst if time is None else time + step * column
            self.lbtui.select(time=int(min(max(moved, begin), end)))

    def action_enter(self) -> None:
        """Go to the pane of the finding or the line, with the place under the cursor there."""
        shown = self._shown
        if shown is None:
            return
        if shown.entry.found is not None:
            self._go_to(shown.entry.found, shown.known)
            return
        if shown.entry.kind == "missed":
            self.lbtui.show_at(PANES["requests"], Aim(filter="slo=missed"))
            return
        line = shown.entry.line
        if line is None or not line.values:  # of another reading, where it differs
            self.action_details()
            return
        if (place := line.place) is not None:
            chosen = {
                "domain": place.domain,
                "node": place.address,
                "instance": place.instance,
                "rank": place.rank,
                "layer": place.layer,
                "period": place.period,
                "time": line.time,
            }
            if not line.over_time and self._state.column is not None:
                chosen["rank"] = self._state.column
            known = {name: value for name, value in chosen.items() if value is not None}
            self.lbtui.select(**known, side="after")
        pane = PANES[line.dimension]
        if line.key in HAND_OFF_LINES:
            self.lbtui.show_at(pane, Aim(handoffs=True))
        else:
            self.lbtui.action_pane(pane)

    def _go_to(self, found: Drawn, known: Overview) -> None:
        target = target_of(found, known)
        if target is None:
            self.action_details()
            return
        # Findings are of the profile opened, not of a baseline.
        self.lbtui.select(**target.selection, side="after")
        self.lbtui.show_at(target.pane, target.aim)

    def action_requests(self) -> None:
        """Go to the requests that the finding under the cursor hurts."""
        if (target := self._hurt()) is not None:
            self.lbtui.select(**target.selection, side="after")
            self.lbtui.show_at(target.pane, target.aim)

    def action_note(self) -> None:
        """Ask for a note on the finding under the cursor."""
        found = None if self._shown is None else self._shown.entry.found
        if found is None:
            self.lbtui.tell(_("a note is of a finding: none is under the cursor"))
            return
        finding = found.finding

        def wrong(text: str) -> str | None:
            most = _("A note has {most} characters at most.").format(most=MOST_NOTE)
            return most if len(text) > MOST_NOTE else None

        def answered(text: str) -> None:
            self.lbtui.keep_note(finding, text)
            if self._contents is not None:
                self._take(self._contents)

        self.lbtui.ask(_("note"), finding.note, wrong, answered)

    def action_details(self) -> None:
        """Show everything known of the entry on a page."""
        if (shown := self._shown) is None:
            return
        if shown.entry.near is not None:
            self._open_beside(shown.entry.near)
            return
        self.lbtui.push_screen(TextPage(shown.entry.title, Text(detail_text(shown))))

    def _open_beside(self, other: Reading) -> None:
        """Show on a page how another reading of the run differs; it is read only now."""
        page = TextPage(_("The output and the raw profile"), Text(_("reading …")))
        profile = self.profile

        def work() -> None:
            progress = PaneProgress(self)
            self.post_message(self.BesideRead(page, read_beside(profile, other, progress)))

        def failed(why: str) -> None:
            page.show(Text(_("It could not be read: {why}").format(why=why)))

        worker = in_background(self, work, failed, group="beside")
        self.lbtui.push_screen(page, lambda _nothing: worker.cancel())

    def on_overview_pane_beside_read(self, event: BesideRead) -> None:
        """Show where the two differ."""
        event.stop()
        event.page.show(beside_text(event.found, self.caps))

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to what was clicked."""
        shown = self._shown
        if shown is not None and (found := entry_at(shown, *self.size, event.y)) is not None:
            self._move_to(found)

    def help_entries(self) -> list[HelpEntry]:
        """Return the findings' thresholds and the quantities. Long: one entry a quantity."""
        return [
            HelpEntry(
                _("order of the findings"),
                _(
                    "!! critical, ! warning, · for information; within a severity the most costly first, by "
                    "share of time; unknown costs last, by value / threshold. `so also` is what follows "
                    "from a finding. The list ends with how many more there are."
                ),
            ),
            HelpEntry(
                _("cost"),
                _(
                    "What it costs as a share of time, and a bar of it, the highest of the list being full. "
                    "Of steps' time: what the common steps would be shorter without it. Of domains' time: "
                    "the stretch in which one stands still, of all domains' run. Of expert time: what the "
                    "other ranks wait for it, of the slowest rank's time, mean over layers. Of requests' "
                    "time: what requests wait or take longer, of the time that all spend in the service. "
                    "Where no share can be known the amount stands there; `cost from` is the formula."
                ),
            ),
            HelpEntry(
                _("metric, chance, evidence"),
                _(
                    "The value with its threshold (below; the config changes it), how often chance alone "
                    "does as much (p), and the rows that tell it."
                ),
            ),
            HelpEntry(_("what-if"), MEND_FORMULA),
            HelpEntry(
                _("note"),
                _(
                    "What you have written of a finding (A): it stands first in what is told of it, and a * "
                    "before its subject in the list. It is kept by the finding's id, subject and window, "
                    "and comes back with it, in reports too."
                ),
            ),
            HelpEntry(
                _("no imbalance found"),
                _(
                    "No test found a warning. Beside it the first figure that evenness allows: PAR at most "
                    "that of chance, a node's share whose 95 % interval holds what is expected of it, PAR "
                    "over ranks at most `ep_par_mild`; else PAR over DP domains with the p of its test. "
                    "Lines without data are not judged."
                ),
            ),
            HelpEntry(_("why missed"), in_sentences(MISSED_FORMULA, HURT_FORMULA)),
            HelpEntry(
                _("notes (!)"),
                _("What was left out of the files, taken for something else or is to be minded, whole."),
            ),
            HelpEntry(
                _("lane of a finding"),
                _(
                    "The subject's own values from 0 to the highest of it and its peers; its window, or its "
                    "rank, layer or expert, in colour. The explanation names the quantity and the column."
                ),
            ),
            *_threshold_entries(self.limits),
            _expected_entry(self.limits),
            HelpEntry(
                _("window, captures"),
                _(
                    "From the first begin to the last end of what lies together. Nothing recorded for more "
                    "than 10 minutes and more than 10 times as long as the longer side lasts parts two "
                    "captures (of more than 8, more than 10 usual gaps or 6 hours). The one with most steps "
                    "and rounds is shown, --capture another; fewer than 20 rows by themselves are "
                    "strays. What lies outside enters no line, finding or percentile; the notes tell of it."
                ),
            ),
            HelpEntry(_("DP batch, DP tokens, KV used, Waiting"), FORMULAS["time_weighted_par"]),
            HelpEntry(
                _("DP wait"),
                in_sentences(
                    FORMULAS["wasted_share"],
                    _("Only where domains step together; the lane is that of the steps that begin in a bin."),
                ),
            ),
            HelpEntry(
                _("where a DP line is worst (underlined)"),
                _(
                    "The stretch of one domain that maximises Σ (its value − mean of its instance's domains) "
                    "/ √columns: the scan for a shifted mean. Then its mean there, and that of its peers."
                ),
            ),
            HelpEntry(
                _("the lane of a DP line"),
                _(
                    "The highest domain of the instance in each of 200 equal bins of the window, weighted by "
                    "time; the instance is the one whose PAR is furthest above chance."
                ),
            ),
            HelpEntry(
                _("A sample, until all is read"),
                _(
                    "DP batch of a forward table of some hundred MB and more, told at once (DP's help says "
                    "how): the highest domain of the instance with most domains in each of {bins} bins, "
                    "each half way from its mean to the low end of its band, as chance lifts the highest of "
                    "several."
                ).format(bins=SAMPLE_BINS),
            ),
            HelpEntry(
                _("P added, D added"),
                in_sentences(
                    FORMULAS["par"],
                    _(
                        "The lane is the node with most requests, per bin of coordinator.csv; chance is "
                        "the PAR that random dispatch to equal nodes would give."
                    ),
                ),
            ),
            HelpEntry(
                _("Hand-off, KV pull"),
                _(
                    "Hand-off: start of a KV pull (pd_split_kvcache.csv) − end of its prefill "
                    "(pd_split_communication.csv), ms, each by its own host's clock. KV pull: its duration. "
                    "p50 and p95: that share of the pulls lies at or below it (linear interpolation). The "
                    "lane is the longest, by the start of the pull."
                ),
            ),
            HelpEntry(
                _("TTFT"),
                in_sentences(
                    _("Time to first token in ms (request.csv); the lane is the slowest request by arrival."),
                    FORMULAS["p95"],
                ),
            ),
            HelpEntry(_("Experts"), in_sentences(FORMULAS["mean_layer_par"], FORMULAS["max_layer_par"])),
            HelpEntry(
                _("Expert time"),
                in_sentences(
                    _("GroupedMatmul time per process over all layers (ep_balance.csv), in pid order."),
                    FORMULAS["par"],
                ),
            ),
            HelpEntry(
                _("files"),
                _(
                    "read: every row that lbtui needs · partly read: rows were left out, and why · not "
                    "needed: another file holds the same more precisely · unreadable: the sentence says "
                    "why · of another run: its hosts, ids or times are not those of the rounds"
                ),
            ),
        ]


def _expected_entry(current: Thresholds) -> HelpEntry:
    """Return what the config expects to be unequal, and how it would say so."""
    entries = [with_label(visible(name), f"{share:g}") for name, share in current.expected.entries]
    return HelpEntry(
        _("[expected] in the config"),
        _(
            'What a DP domain (domain."dp3".share = 0.5; host/dp3 where several have the name) or a P/D node '
            '(node."IP:PORT".weight = 2) is meant to carry; 1 is a peer without an entry. Batch size, '
            "tokens, queues, KV use, requests of nodes and the PAR of chance are judged against it; a "
            "finding that it silences stays as a remark. Now: {entries}."
        ).format(entries=in_list(entries) or _("equal shares")),
    )


def _place_of(shown: Shown | None, contents: Contents, otherwise: int) -> int:
    """Return where the entry that was shown stands now."""
    if shown is not None:
        for place, entry in enumerate(contents.entries):
            if _identity(entry) == _identity(shown.entry):
                return place
    return max(0, min(otherwise, len(contents.entries) - 1))


def _identity(entry: Entry) -> tuple[str, ...]:
    subject = () if entry.found is None else (entry.found.finding.subject,)
    return entry.kind, entry.title, *map(str, subject)


def _threshold_entries(current: Thresholds) -> list[HelpEntry]:
    """Return every threshold of the findings with its value now."""
    entries = []
    for name, default, meaning in described():
        value = getattr(current, name)
        text = _("threshold {value:g}: {meaning}").format(value=value, meaning=meaning)
        if value != default:
            text = with_brackets(text, _("default {default:g}").format(default=default))
        entries.append(HelpEntry(name, text))
    return entries
