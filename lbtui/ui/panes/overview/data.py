"""What the Overview's cursor walks over: findings, lines of load, then profile, files, gaps and notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, TypeAlias

from lbtui.findings import Finding
from lbtui.findings.diagnosis import Diagnosis
from lbtui.findings.kinds import kind_of
from lbtui.findings.latency.words import MISSED_FORMULA, missed_sentence, page, scope_sentence
from lbtui.findings.pictures import Drawn
from lbtui.findings.support import Figure
from lbtui.findings.words import even_title, is_imbalance, is_said_elsewhere, short_hosts
from lbtui.overview.model import Line, Overview, Source
from lbtui.overview.run import expert_shape, unjudged, when
from lbtui.overview.text import short, size_text, summary_texts
from lbtui.overview.waits import WASTED_LINE
from lbtui.profile import ZONE_NAME, MissingStatus, Reading
from lbtui.text import _, in_list, in_sentences, plural, visible, with_label, with_stop
from lbtui.ui.kit.selection import Selection

Kind: TypeAlias = Literal[
    "finding", "even", "remarks", "missed", "line", "fact", "file", "near", "missing", "note"
]
# What stands in the list of findings.
FOUND: tuple[Kind, ...] = ("finding", "even", "remarks")

# Of these there is one for each process.
_DATABASES: Mapping[str, str] = {"raw_profile": _("raw profile"), "mspti": _("raw profile, MSPTI")}
_MISSING: Mapping[MissingStatus, str] = {
    "not_recorded": _("Why it may be missing: {reason}."),
    "unreadable": _("It is here, but of no use: {reason}."),
    "other_run": _("What is here is of another run: {reason}."),
}


def _is_of(finding: Finding, line: Line) -> bool:
    """Tell whether a finding is of a line: of its dimension, in DP of its metric or of what it wastes."""
    if finding.dimension != line.dimension:
        return False
    metric = kind_of(finding).metric
    return metric is None or line.key in (f"{line.dimension}.{metric}", WASTED_LINE)


@dataclass(frozen=True)
class Contents:
    """All that the pane shows; `diagnosis` is None until imbalances have been looked for."""

    known: Overview
    diagnosis: Diagnosis | None = None

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """Everything the cursor walks over: findings first, then the lines, the sections below them."""
        return tuple(_entries(self))

    def is_loud(self, line: Line) -> bool:
        """Tell whether an imbalance found is of a line: others stay calm, however their load rises."""
        return any(_is_of(found, line) for found in self._imbalances)

    @cached_property
    def _imbalances(self) -> tuple[Finding, ...]:
        found = () if self.diagnosis is None else self.diagnosis.findings
        return tuple(finding for finding in found if is_imbalance(finding) and finding.severity != "info")

    @cached_property
    def hosts(self) -> Mapping[str, str]:
        """A short name of each host."""
        return short_hosts(self.known.hosts)


@dataclass(frozen=True)
class State:
    """What the user has moved: the entry under the cursor, and a column of a line without time."""

    entry: int = 0
    column: int | None = None  # of the line's values


@dataclass(frozen=True)
class Entry:
    """One thing the cursor can stand on: `short` and `below` in the list, `long` where there is more room."""

    kind: Kind
    title: str
    short: str = ""
    below: str = ""  # a second row in the list
    long: tuple[str, ...] = ()
    heading: str = ""  # of the section that begins here
    warning: bool = False
    good: bool = False  # nothing is wrong, and all that could be judged was
    line: Line | None = None
    found: Drawn | None = None
    near: Reading | None = None  # another reading of the run
    page: tuple[str, ...] = ()  # what a page of its own tells, where that is more than `long`


@dataclass(frozen=True)
class Shown:
    """What is drawn: all that is known, where its cursor is, what is selected in all panes."""

    contents: Contents
    state: State
    selection: Selection

    @property
    def known(self) -> Overview:
        """The overview."""
        return self.contents.known

    @property
    def at(self) -> int:
        """The place of the entry under the cursor."""
        return min(self.state.entry, len(self.contents.entries) - 1)

    @property
    def entry(self) -> Entry:
        """The entry under the cursor."""
        return self.contents.entries[self.at]


def _entries(contents: Contents) -> list[Entry]:
    known = contents.known
    return [
        *_findings(contents),
        *_missed(contents),
        *(Entry("line", line.label, line=line) for line in known.lines),
        *_section(_("Profile"), _facts(known)),
        *_section(_("Figures of `analyze`"), _summaries(known)),
        *_section(_("Read"), _files(known.sources)),
        *_section(_("The same run"), _near(known)),
        *_section(
            _("Missing ({count})").format(count=len(known.missing)),
            [
                Entry(
                    "missing",
                    missing.what,
                    missing.reason,
                    missing.how_to_collect,
                    (
                        _MISSING[missing.status].format(reason=missing.reason),
                        _("How to get it: {how}.").format(how=missing.how_to_collect),
                    ),
                )
                for missing in known.missing
            ],
        ),
        *_section(
            _("Notes on the data ({count})").format(count=len(known.notes)),
            [
                Entry("note", note.file, note.text, long=(note.text,), warning=note.lost)
                for note in known.notes
            ],
        ),
    ]


def _summaries(known: Overview) -> list[Entry]:
    return [Entry("fact", file, text, long=(text,)) for file, text in summary_texts(known.summaries)]


def _findings(contents: Contents) -> list[Entry]:
    diagnosis = contents.diagnosis
    if diagnosis is None:
        return []
    shown: list[Entry] = []
    if diagnosis.even:
        figures = (*(figure.text for figure in diagnosis.support), *unjudged(contents.known))
        title = even_title(bool(diagnosis.support))
        if any(note.cut for note in contents.known.notes):
            title = _("{title} in what was read").format(title=title)
        telling = Figure.telling(diagnosis.support)
        short = telling.short if telling else " · ".join(figures)
        good = bool(diagnosis.support) and not contents.known.unparsed
        shown.append(Entry("even", title, short, long=figures, good=good))
    shown += [Entry("finding", d.finding.id, found=d) for d in diagnosis.found if is_imbalance(d.finding)]
    findings = diagnosis.findings
    remarks = [f for f in findings if not is_imbalance(f) and not is_said_elsewhere(f)]
    if remarks:
        title = plural("1 remark", "{count} remarks", len(remarks))
        sentences = tuple(in_sentences(f.message, f.advice) for f in remarks)
        shown.append(Entry("remarks", title, in_sentences(*(f.message for f in remarks)), long=sentences))
    return shown


def _missed(contents: Contents) -> list[Entry]:
    """Return why requests missed their targets: the first line under the findings."""
    told = None if contents.diagnosis is None else contents.diagnosis.told
    sentence = "" if told is None else missed_sentence(told)
    if told is None or not sentence:
        return []
    long = (with_stop(sentence), scope_sentence(told), MISSED_FORMULA)
    return [Entry("missed", _("Why missed"), sentence, long=long, page=tuple(page(told)))]


def _section(heading: str, found: Sequence[Entry]) -> list[Entry]:
    return [replace(entry, heading=heading) for entry in found[:1]] + list(found[1:])


def _facts(known: Overview) -> list[Entry]:
    found = [("path", known.path)]
    if known.hosts:
        found.append(
            (
                _("host") if len(known.hosts) == 1 else plural("1 host", "{count} hosts", len(known.hosts)),
                in_list(known.hosts),
            )
        )
    if known.window:
        seconds = (known.window[1] - known.window[0]) / 1e6
        text = f"{when(known.window)} {ZONE_NAME} · " + _("{seconds} s").format(seconds=short(seconds))
        found.append((_("window"), text))
    for instance in dict.fromkeys(domain.instance for domain in known.domains):
        own = [domain for domain in known.domains if domain.instance == instance]
        names = in_list(domain.name for domain in own)
        found.append((_("DP {count}").format(count=len(own)), with_label(instance, names)))
    for role, label in (("prefill", _("P {count}")), ("decode", _("D {count}"))):
        nodes = [node.address for node in known.nodes if node.role == role]
        if nodes:
            found.append((label.format(count=len(nodes)), in_list(nodes)))
    for experts in known.experts:
        found.append((_("experts"), with_label(experts.instance, expert_shape(experts))))
    return [Entry("fact", title, text, long=(text,)) for title, text in found]


def _files(sources: Sequence[Source]) -> list[Entry]:
    """Return an entry a file; pictures and databases of one kind and fate are one entry."""
    groups: dict[tuple[str, ...], list[Source]] = {}
    for source in sources:
        alone = source.file.kind not in ("heat_png", "picture", *_DATABASES)
        name = source.file.path.name if alone else ""
        groups.setdefault((source.file.kind, name, source.status, source.why), []).append(source)
    found = []
    for group in groups.values():
        first = group[0]
        size = size_text(sum(s.file.size for s in group))
        rows = [s.rows for s in group if s.rows is not None]
        said = [
            _counted(group) if first.file.kind in _DATABASES else "",
            size,
            plural("1 row", "{count} rows", sum(rows)) if rows else "",
            first.file.reader if rows and first.file.reader != first.file.kind else "",
            first.precision,
            "" if first.status == "read" and rows else _status(first),
        ]
        names = tuple(map(_named, group)) if len(group) > 1 else ()
        text = " · ".join(part for part in said if part)
        bad = first.status in ("partly", "unreadable", "other run")
        found.append(Entry("file", _title(group), text, long=(text, *names), warning=bad))
    return found


def _title(group: Sequence[Source]) -> str:
    """Return what the files of one kind are called."""
    kind, count = group[0].file.kind, len(group)
    if kind in _DATABASES:
        return _DATABASES[kind]
    if count == 1:
        return group[0].file.path.name
    words = _("{count} heatmaps") if kind == "heat_png" else _("{count} pictures")
    return words.format(count=count)


def _counted(group: Sequence[Source]) -> str:
    if len(group) == 1:
        return group[0].file.path.name
    return _("{count} files").format(count=f"{len(group):,}")


def _named(source: Source) -> str:
    """Return a file's name, and of a database how many of its rows are read."""
    if source.file.kind not in _DATABASES or source.rows is None:
        return source.file.path.name
    return with_label(source.file.path.name, plural("1 row", "{count} rows", source.rows))


def _near(known: Overview) -> list[Entry]:
    """Return an entry for each other reading of the run."""
    return [
        Entry(
            "near",
            _("raw profile") if reading.raw else _("parsed output"),
            visible(str(reading.path)),
            _("Enter: where the two differ · O opens the other"),
            (visible(str(reading.path)), _("Enter shows where the two differ, and O opens the other.")),
            near=reading,
        )
        for reading in known.near
    ]


def _status(source: Source) -> str:
    words = {
        "waiting": _("not read yet"),
        "read": _("read"),
        "partly": _("partly read"),
        "not needed": _("not needed"),
        "unreadable": _("unreadable"),
        "other run": _("of another run"),
    }
    word = words[source.status]
    return with_label(word, source.why) if source.why else word
