"""Findings and overview as plain text, for pipes, logs and poor terminals: no escape sequences."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import starmap

from lbtui.comparison import Comparison
from lbtui.comparison.words import METHOD, load_sentence, outcome_sentences
from lbtui.findings.diagnosis import Diagnosis
from lbtui.findings.latency import words as latency
from lbtui.findings.latency.told import Told
from lbtui.findings.pictures import Drawn, Picture
from lbtui.findings.words import (
    DIMENSIONS,
    MARKS,
    consequence_words,
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
from lbtui.overview.model import FORMULAS, Formula, Line, Overview
from lbtui.overview.readings import Beside
from lbtui.overview.run import expert_shape, identity, unjudged, when
from lbtui.overview.text import size_text, summary_texts
from lbtui.profile import ZONE_NAME
from lbtui.render.capabilities import Capabilities
from lbtui.render.lanes import sparkline
from lbtui.render.text import aligned, fit, padded, plain, printable
from lbtui.report import compared
from lbtui.text import _, in_list, in_sentences, plural, visible, with_label, with_stop

_STATUS = {
    "waiting": _("not read yet"),
    "read": _("read"),
    "partly": _("partly"),
    "not needed": _("not needed"),
    "unreadable": _("unreadable"),
    "other run": _("other run"),
}
_LANE = 40


def as_text(
    known: Overview, diagnosis: Diagnosis, comparison: Comparison | None = None, *, ascii_only: bool
) -> str:
    """Return the report, a fact a line, ending in a line break."""
    caps = Capabilities("none", unicode=not ascii_only)
    return "".join(f"{printable(line, caps)}\n" for line in _report(known, diagnosis, comparison, caps))


def _report(
    known: Overview, diagnosis: Diagnosis, comparison: Comparison | None, caps: Capabilities
) -> Iterator[str]:
    if known.unparsed:
        yield _("Not parsed: {why}").format(why=known.unparsed)
    yield identity(known)
    yield ""
    if comparison is not None:
        yield from _comparison(comparison)
        yield ""
    yield from _findings(known, diagnosis, caps)
    yield ""
    yield from _facts(known)
    yield ""
    yield _("Load")
    for line in known.lines:
        yield f"  {_line(line, caps)}"
        yield from (f"      {detail}" for detail in line.details)
    yield ""
    if known.slo is not None:
        yield from _slo(known.slo, known, caps)
        yield ""
        if diagnosis.told is not None:
            yield from _latency(diagnosis.told)
            yield ""
    if known.summaries:
        yield _("Figures of `analyze` (in brackets those of the tables here; ! where they differ)")
        yield from (f"  {with_label(*told)}" for told in summary_texts(known.summaries))
        yield ""
    yield _("Formulas")
    used = dict.fromkeys(figure.formula for figure in known.figures())
    yield from (f"  {_formula(name)}" for name in used)
    yield ""
    yield _("Read")
    yield from (f"  {entry}" for entry in _sources(known))
    for beside in known.beside:
        yield ""
        yield from _beside(beside)
    if known.missing:
        yield ""
        yield _("Missing")
        for missing in known.missing:
            yield f"  {missing.what}"
            yield "      " + _("why: {reason}").format(reason=missing.reason)
            yield "      " + _("how: {how}").format(how=missing.how_to_collect)
    if known.notes:
        yield ""
        yield _("Notes on the data")
        yield from ("  " + with_label(visible(note.file), note.text) for note in known.notes)


def _slo(slo: Slo, known: Overview, caps: Capabilities) -> Iterator[str]:
    """Yield the targets, and what all requests and each group attained of them."""
    yield with_label(targets.TITLE, targets.target_words(slo.targets))
    yield f"  {targets.attained_words(slo.run)}"
    if worst := targets.worst_stretch_words(slo, date=known.dated):
        lane = plain([sparkline(targets.shares_over_time(slo), caps=caps, width=_LANE, low=0.0, high=1.0)])
        yield f"  {lane.rstrip()}  {worst}"
    yield from (f"  {line}" for line in aligned([targets.HEADS, *targets.table_rows(slo)]))
    yield from (f"  {visible(text)}" for text in (slo.unplaced, slo.doubt) if text)
    yield from (f"  {sentence}" for sentence in targets.FORMULAS)


def _latency(told: Told) -> Iterator[str]:
    """Yield where the time of requests went, and why they missed their targets."""
    yield with_label(latency.TITLE, latency.scope_sentence(told))
    if told.shares:
        yield from (f"  {line}" for line in aligned([latency.HEADS, *latency.part_rows(told)]))
    if told.missed is not None and told.missed.shares:
        yield f"{latency.WHY_MISSED}"
        rows = [latency.MISSED_HEADS, *latency.missed_rows(told, told.missed)]
        yield from (f"  {line}" for line in aligned(rows))
    if told.shares:
        yield from (f"  {sentence}" for sentence in (*latency.FORMULAS, latency.MISSED_FORMULA))
    yield f"  {latency.HURT_FORMULA}"


def _beside(beside: Beside) -> Iterator[str]:
    """Yield how an output differs from the raw profile."""
    yield _("Beside the output {path}").format(path=beside.output)
    yield f"  {headline(beside)}"
    if beside.meet and beside.differing:
        yield from (f"  {line}" for line in table(beside.differing))
    yield from ("  " + with_label(in_list(names), why) for why, names in reasons(beside))


def _comparison(comparison: Comparison) -> Iterator[str]:
    yield _("Compared with {path}").format(path=visible(comparison.before))
    yield f"  {load_sentence(comparison)}"
    yield from (f"  {visible(sentence)}" for sentence in outcome_sentences(comparison))
    yield from (f"  {line}" for line in aligned([compared.HEADS, *compared.cells(comparison, "  ")]))
    yield from (f"  {visible(sentence)}" for sentence in compared.reasons(comparison))
    yield from (f"  {visible(note)}" for note in comparison.notes)
    for row in comparison.rows:
        if rows := latency.term_rows(row):
            yield ""
            yield f"  {latency.change_title(row)}"
            yield from (f"    {line}" for line in aligned(rows))
    yield ""
    yield _("Formulas of the comparison")
    method = starmap(with_label, METHOD)
    yield from (f"  {sentence}" for sentence in (*method, *compared.formulas(comparison)))
    if any(row.terms for row in comparison.rows):
        yield f"  {latency.CHANGE_FORMULA}"


def _findings(known: Overview, diagnosis: Diagnosis, caps: Capabilities) -> Iterator[str]:
    hosts = short_hosts(known.hosts)
    yield _("Findings, most severe first and within that most costly first")
    if diagnosis.even:
        yield "  " + even_title(bool(diagnosis.support))
        yield from (f"      {figure.text}" for figure in diagnosis.support)
        yield from (f"      {words}" for words in unjudged(known))
    imbalances = [d for d in diagnosis.found if is_imbalance(d.finding)]
    for found in imbalances:
        yield from _finding(found, hosts, known.dated, caps)
    for finding in diagnosis.findings:
        if not is_imbalance(finding) and not is_said_elsewhere(finding):
            yield f"   {MARKS['info']}  {in_sentences(finding.message, finding.advice)}"
    if diagnosis.told is not None and (why := latency.missed_sentence(diagnosis.told)):
        yield f"  {with_stop(why)}"


def _finding(found: Drawn, hosts: dict[str, str], date: bool, caps: Capabilities) -> Iterator[str]:
    finding = found.finding
    parts = [
        subject_words(finding, hosts),
        figure_words(finding),
        window_words(finding, date=date),
        cost_words(finding),
    ]
    yield f"  {MARKS[finding.severity]:>2}  {DIMENSIONS[finding.dimension]:<4} " + " · ".join(parts)
    yield f"      {finding.message}"
    if found.picture is not None:
        yield f"      {_lane(found.picture, caps)}"
    yield from (f"      {padded(label, 10)} {text}" for label, text in explained(finding, date=date))
    for consequence in finding.consequences:
        yield "      " + _("so also    {finding}").format(finding=consequence_words(consequence, hosts))
        yield f"                 {consequence.message}"
        if consequence.note:
            yield "                 " + with_label(_("note"), consequence.note)


def _lane(picture: Picture, caps: Capabilities) -> str:
    lane = plain([sparkline(picture.own.values, caps=caps, width=_LANE, low=0.0, high=picture.high)])
    return f"{lane:<{_LANE}}  " + _("{quantity} · one value: {column}").format(
        quantity=picture.quantity, column=picture.column
    )


def _formula(name: Formula) -> str:
    return with_label(name, FORMULAS[name])


def _facts(known: Overview) -> Iterator[str]:
    yield _("path      {path}").format(path=known.path)
    if known.hosts:
        yield _("hosts     {hosts}").format(hosts=in_list(map(visible, known.hosts)))
    if known.window:
        yield _("window    {window} {zone}").format(window=when(known.window), zone=ZONE_NAME)
    for instance in dict.fromkeys(domain.instance for domain in known.domains):
        own = [domain.name for domain in known.domains if domain.instance == instance]
        yield _("DP        {instance}: {domains}").format(instance=visible(instance), domains=in_list(own))
    for role in dict.fromkeys(node.role for node in known.nodes):
        own = [node.address for node in known.nodes if node.role == role]
        yield _("nodes     {role}: {nodes}").format(role=visible(role), nodes=in_list(map(visible, own)))
    for experts in known.experts:
        yield _("experts   {instance}: {shape}").format(
            instance=visible(experts.instance), shape=expert_shape(experts)
        )


def _line(line: Line, caps: Capabilities) -> str:
    label = plain([fit(line.label, 12, caps=caps)])
    if not line.values:
        return f"{padded(label, 12)} " + _("no data: {why}").format(why=line.absent)
    lane = plain([sparkline(line.values, caps=caps, width=_LANE)]).ljust(_LANE)
    return f"{padded(label, 12)} {padded(line.headline, 13)} {padded(line.beside, 13)} {lane}  {line.worst}"


def _sources(known: Overview) -> Iterator[str]:
    for source in known.sources:
        rows = plural("1 row", "{count} rows", source.rows) if source.rows is not None else ""
        parts = [
            size_text(source.file.size),
            rows,
            source.file.reader if source.rows else "",
            source.precision,
            _STATUS[source.status],
            source.why,
        ]
        yield with_label(visible(source.file.path.name), " · ".join(part for part in parts if part))
