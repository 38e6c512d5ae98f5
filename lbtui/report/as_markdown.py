"""Findings and overview as a Markdown page for a ticket, with the lanes in characters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import starmap

from rich.cells import cell_len

from lbtui.comparison import Comparison
from lbtui.comparison.words import METHOD, load_sentence, outcome_sentences
from lbtui.findings import Finding
from lbtui.findings.diagnosis import Diagnosis
from lbtui.findings.latency import words as latency
from lbtui.findings.latency.told import Told
from lbtui.findings.pictures import Drawn, Picture
from lbtui.findings.words import (
    DIMENSIONS,
    MARKS,
    cost_words,
    even_title,
    explained,
    figure_words,
    is_imbalance,
    is_said_elsewhere,
    short_hosts,
    subject_words,
    window_words,
)
from lbtui.overview import targets
from lbtui.overview.attained import Slo
from lbtui.overview.beside import headline, reasons, table
from lbtui.overview.model import FORMULAS, Overview
from lbtui.overview.readings import Beside
from lbtui.overview.run import shapes, unjudged, when
from lbtui.overview.text import clock
from lbtui.profile import ZONE_NAME, micros
from lbtui.render.capabilities import Capabilities
from lbtui.render.lanes import sparkline
from lbtui.render.text import fit, number, plain, printable
from lbtui.report import compared
from lbtui.report.inert import fence, inert, table_of
from lbtui.text import _, in_list, in_sentences, visible, with_label, with_stop

_LANE, _NAME = 60, 20

_INDENT = "\N{EM SPACE}"  # a cell keeps no blanks at its beginning


def as_markdown(
    known: Overview, diagnosis: Diagnosis, comparison: Comparison | None = None, *, ascii_only: bool
) -> str:
    """Return the page, ending in a line break; nothing from a file can act as Markdown or HTML."""
    caps = Capabilities("none", unicode=not ascii_only)
    page = _page(known, diagnosis, comparison, caps)
    return "".join(f"{printable(line, caps).rstrip()}\n" for line in page)


def _page(
    known: Overview, diagnosis: Diagnosis, comparison: Comparison | None, caps: Capabilities
) -> Iterator[str]:
    imbalances = [d for d in diagnosis.found if is_imbalance(d.finding)]
    hosts = short_hosts(known.hosts)
    yield "# " + _("Load imbalance of {name}").format(name=inert(known.name))
    yield ""
    if known.unparsed:
        yield inert(_("Not parsed: {why}").format(why=known.unparsed))
        yield ""
    yield from _profile(known)
    yield ""
    if comparison is not None:
        yield from _comparison(comparison)
        yield ""
    yield "## " + _("Findings")
    yield ""
    if diagnosis.even:
        yield f"**{even_title(bool(diagnosis.support))}**"
        yield ""
        yield from (f"- {inert(figure.text)}" for figure in diagnosis.support)
        yield from (f"- {inert(words)}" for words in unjudged(known))
        yield ""
    if imbalances:
        yield from _table([d.finding for d in imbalances], hosts, known.dated)
    for place, found in enumerate(imbalances, 1):
        yield ""
        yield from _finding(place, found, hosts, known.dated, caps)
    if diagnosis.told is not None and (why := latency.missed_sentence(diagnosis.told)):
        yield ""
        yield inert(with_stop(why))
    yield ""
    yield "## " + _("Load")
    yield ""
    yield from _fenced(_loads(known, caps))
    if used := dict.fromkeys(figure.formula for figure in known.figures()):
        yield ""
        yield from (f"- {inert(FORMULAS[name])}" for name in used)
    if known.slo is not None:
        yield ""
        yield from _slo(known.slo, known, caps)
        if diagnosis.told is not None:
            yield ""
            yield from _latency(diagnosis.told)
    yield from _data(known, diagnosis.findings)


def _slo(slo: Slo, known: Overview, caps: Capabilities) -> Iterator[str]:
    """Yield the targets, and what all requests and each group attained of them."""
    yield "## " + targets.TITLE
    yield ""
    yield inert(targets.target_words(slo.targets))
    yield ""
    yield f"**{inert(targets.attained_words(slo.run))}**"
    yield ""
    if worst := targets.worst_stretch_words(slo, date=known.dated):
        lane = plain([sparkline(targets.shares_over_time(slo), caps=caps, width=_LANE, low=0.0, high=1.0)])
        yield from _fenced(iter((lane.rstrip(), worst)))
        yield ""
    yield from table_of(targets.HEADS, targets.table_rows(slo))
    yield ""
    yield from (f"- {inert(text)}" for text in (slo.unplaced, slo.doubt, *targets.FORMULAS) if text)


def _latency(told: Told) -> Iterator[str]:
    """Yield where the time of requests went, and why they missed their targets."""
    yield "## " + latency.TITLE
    yield ""
    yield inert(latency.scope_sentence(told))
    if told.shares:
        yield ""
        yield from table_of(latency.HEADS, latency.part_rows(told))
    if told.missed is not None and told.missed.shares:
        yield ""
        yield "### " + latency.WHY_MISSED
        yield ""
        yield from table_of(latency.MISSED_HEADS, latency.missed_rows(told, told.missed))
    yield ""
    if told.shares:
        yield from (f"- {inert(text)}" for text in (*latency.FORMULAS, latency.MISSED_FORMULA))
    yield f"- {inert(latency.HURT_FORMULA)}"


def _comparison(comparison: Comparison) -> Iterator[str]:
    yield "## " + _("Compared with {path}").format(path=inert(comparison.before))
    yield ""
    yield inert(in_sentences(load_sentence(comparison), *outcome_sentences(comparison)))
    yield ""
    yield f"| {' | '.join(compared.HEADS)} |"
    yield "|---" * len(compared.HEADS) + "|"
    for row in compared.cells(comparison, _INDENT):
        indent = _INDENT if row[0].startswith(_INDENT) else ""
        yield f"| {indent}{' | '.join(inert(cell, in_table=True) for cell in row)} |"
    yield ""
    yield from (f"- {inert(text)}" for text in (*compared.reasons(comparison), *comparison.notes))
    yield from (f"- {inert(text)}" for text in (*starmap(with_label, METHOD), *compared.formulas(comparison)))
    for compared_row in comparison.rows:
        if terms := latency.term_rows(compared_row):
            yield ""
            yield "### " + inert(latency.change_title(compared_row))
            yield ""
            yield from table_of(latency.TERM_HEADS, terms)
    if any(one.terms for one in comparison.rows):
        yield ""
        yield f"- {inert(latency.CHANGE_FORMULA)}"


def _profile(known: Overview) -> Iterator[str]:
    yield "- " + _("path: {path}").format(path=inert(known.path))
    if known.hosts:
        yield "- " + _("hosts: {hosts}").format(hosts=inert(in_list(known.hosts)))
    if known.window:
        yield "- " + _("window: {window} {zone}").format(window=when(known.window), zone=ZONE_NAME)
    if found := shapes(known):
        yield "- " + inert(" · ".join(found))


def _table(findings: Sequence[Finding], hosts: dict[str, str], date: bool) -> Iterator[str]:
    heads = ("", _("load"), _("where"), _("what"), _("when"), _("cost"))
    yield f"| {' | '.join(heads)} |"
    yield "|---" * len(heads) + "|"
    for finding in findings:
        cells = (
            DIMENSIONS[finding.dimension],
            subject_words(finding, hosts),
            figure_words(finding),
            window_words(finding, date=date),
            cost_words(finding),
        )
        data = " | ".join(inert(cell, in_table=True) for cell in cells)
        yield f"| {MARKS[finding.severity]} | {data} |"


def _finding(
    place: int, found: Drawn, hosts: dict[str, str], date: bool, caps: Capabilities
) -> Iterator[str]:
    finding = found.finding
    title = with_label(subject_words(finding, hosts), figure_words(finding))
    yield f"### {place}. {inert(title)}"
    yield ""
    yield f"**{_severity(finding)}** {inert(finding.message)}"
    yield ""
    if found.picture is not None:
        yield from _fenced(_lanes(found.picture, finding, caps))
        yield ""
    yield from ("- " + with_label(label, inert(text)) for label, text in explained(finding, date=date))
    if finding.consequences:
        yield "- " + _("so also:")
    for consequence in finding.consequences:
        told = with_label(inert(consequence.id), inert(consequence.message))
        yield f"  - **{_severity(consequence)}** {told}"
        if consequence.note:
            yield "    - " + with_label(_("note"), inert(consequence.note))


def _severity(finding: Finding) -> str:
    names = {"critical": _("Critical."), "warning": _("Warning."), "info": _("Remark.")}
    return names[finding.severity]


def _lanes(picture: Picture, finding: Finding, caps: Capabilities) -> Iterator[str]:
    """Yield a line per lane, the finding's own marked, then the axis and where the finding's window lies."""
    yield _("{quantity} · 0 to {high}").format(quantity=picture.quantity, high=number(picture.high))
    for strip in picture.strips:
        mark = ">" if strip.own and len(picture.strips) > 1 else " "
        lane = plain([sparkline(strip.values, caps=caps, width=_LANE, low=0.0, high=picture.high)])
        yield f"{mark} {_named(strip.name, caps)} {lane}"
    before = " " * (_NAME + 3)
    count = len(picture.own.values)
    columns = min(_LANE, count)
    first, last = "0", str(count - 1)
    if picture.at is not None:
        yield before + " " * (picture.at * columns // count) + "^"
    if picture.span is not None:
        first, last = map(clock, picture.span)
        if finding.window is not None:
            yield before + _underlined(picture.span, finding, columns)
    gap = columns - len(first) - len(last)
    yield before + (f"{first}{' ' * gap}{last}" if gap > 0 else f"{first}–{last}")
    yield before + _("one value: {column}").format(column=picture.column)


def _named(name: str, caps: Capabilities) -> str:
    # By cells: a lane begins in the same column whatever the script.
    text = plain([fit(name, _NAME, caps=caps)])
    return text + " " * (_NAME - cell_len(text))


def _underlined(span: tuple[int, int], finding: Finding, columns: int) -> str:
    assert finding.window is not None
    begin, end = (min(max(micros(t), span[0]), span[1]) - span[0] for t in finding.window)
    first = begin * columns // (span[1] - span[0])
    last = -(-end * columns // (span[1] - span[0]))
    return " " * first + "^" * max(last - first, 1)


def _loads(known: Overview, caps: Capabilities) -> Iterator[str]:
    for line in known.lines:
        name = _named(line.label, caps)
        if not line.values:
            yield f"{name} " + _("no data: {why}").format(why=line.absent)
            continue
        lane = plain([sparkline(line.values, caps=caps, width=_LANE)])
        yield f"{name} {lane:<{_LANE}} {line.headline} {line.beside}".rstrip()


def _fenced(lines: Iterator[str]) -> Iterator[str]:
    """Yield lines as a code block whose fence is longer than any run of backticks in them."""
    kept = [visible(line) for line in lines]
    around = fence("\n".join(kept), 3)
    yield around + "text"
    yield from kept
    yield around


def _beside(beside: Beside) -> Iterator[str]:
    """Yield how an output differs from the raw profile."""
    yield ""
    yield "## " + _("Beside the output {path}").format(path=inert(beside.output))
    yield ""
    yield inert(headline(beside))
    if beside.meet and beside.differing:
        yield ""
        yield from _fenced(iter(table(beside.differing)))
        yield ""
        yield from ("- " + with_label(inert(in_list(names)), inert(why)) for why, names in reasons(beside))


def _data(known: Overview, findings: Sequence[Finding]) -> Iterator[str]:
    remarks = [f for f in findings if not is_imbalance(f) and not is_said_elsewhere(f)]
    if remarks or known.notes:
        yield ""
        yield "## " + _("Notes on the data")
        yield ""
        yield from (f"- {inert(in_sentences(f.message, f.advice))}" for f in remarks)
        yield from (f"- {inert(with_label(note.file, note.text))}" for note in known.notes)
    for beside in known.beside:
        yield from _beside(beside)
    if known.missing:
        yield ""
        yield "## " + _("Missing")
        yield ""
        for missing in known.missing:
            text = in_sentences(with_label(missing.what, with_stop(missing.reason)), missing.how_to_collect)
            yield f"- {inert(text)}"
