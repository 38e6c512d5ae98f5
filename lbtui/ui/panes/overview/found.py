"""What can be found by its name in a profile, and where each leads: for `:find` and completion. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from lbtui.findings.words import figure_words
from lbtui.overview.model import Overview
from lbtui.text import _, in_list, in_sentences, visible
from lbtui.ui.kit.places import PANES, Subject, Target
from lbtui.ui.kit.selection import Aim
from lbtui.ui.panes.overview.at import names_of
from lbtui.ui.panes.overview.data import Contents, Entry, Kind
from lbtui.ui.panes.overview.target import target_of

# Groups of the Overview's own lines, in the order in which they are listed.
_LINES: Mapping[Kind, str] = {
    "line": _("load"),
    "fact": _("profile"),
    "file": _("files"),
    "missing": _("missing"),
    "note": _("notes on the data"),
    "remarks": _("findings"),
}


def subjects(contents: Contents) -> list[Subject]:
    """Return all that has a name but requests: findings first."""
    known = contents.known
    return [
        *_findings(contents),
        *_domains(known),
        *_hosts(known),
        *_nodes(known),
        *_experts(known),
        *_lines(contents.entries),
    ]


def names(known: Overview) -> dict[str, list[str]]:
    """Return the names of each kind that a line may hold, as they are typed."""
    keys = [domain.key for domain in known.domains]
    short = [key.rpartition("/")[2] for key in keys]
    count = Counter(short)
    return {
        # Where several have a name it says nothing.
        "domain": [name if count[name] == 1 else key for name, key in zip(short, keys, strict=True)],
        "node": [node.address for node in known.nodes],
        "rank": _numbers(max((experts.ranks or 0 for experts in known.experts), default=0)),
        "layer": _numbers(max((experts.layers for experts in known.experts), default=0)),
        "period": _numbers(max((experts.periods for experts in known.experts), default=0)),
    }


def line_rows(contents: Contents) -> pl.DataFrame:
    """Return a row for each line: of what kind, its name, its figure, what is said of it."""
    cells = [(entry.kind, entry.title, *_told(entry)) for entry in contents.entries]
    names = ("kind", "name", "figure", "words")
    return pl.DataFrame(cells, dict.fromkeys(names, pl.String), orient="row")


def _told(entry: Entry) -> tuple[str, str]:
    if entry.found is not None:
        finding = entry.found.finding
        return figure_words(finding), in_sentences(finding.message, finding.advice)
    if (line := entry.line) is not None:
        return line.headline, line.absent or " · ".join(filter(None, [line.worst, *line.details]))
    return "", entry.short or " · ".join(entry.long)


def _numbers(count: int) -> list[str]:
    return [str(number) for number in range(count)]


def _findings(contents: Contents) -> Iterator[Subject]:
    for entry, name in zip(contents.entries, names_of(contents.entries), strict=True):
        if entry.found is None:
            continue
        finding = entry.found.finding
        target = target_of(entry.found, contents.known) or _row(name)
        yield Subject(_("findings"), finding.id, visible(finding.message), target)


def _domains(known: Overview) -> Iterator[Subject]:
    for domain in known.domains:
        target = Target(PANES["dp"], {"domain": domain.key}, Aim())
        yield Subject(_("DP domains"), domain.key, visible(domain.host), target)


def _hosts(known: Overview) -> Iterator[Subject]:
    for host in known.hosts:
        own = [domain for domain in known.domains if domain.host == host]
        told = in_list(domain.name for domain in own)
        chosen = {"domain": own[0].key} if own else {}
        yield Subject(_("hosts"), host, told, Target(PANES["dp"] if own else _OWN, chosen, Aim()))


def _nodes(known: Overview) -> Iterator[Subject]:
    for node in known.nodes:
        role = {"prefill": _("prefill node"), "decode": _("decode node")}.get(node.role, node.role)
        target = Target(PANES["pd"], {"node": node.address}, Aim())
        yield Subject(_("P/D nodes"), node.address, visible(role), target)


def _experts(known: Overview) -> Iterator[Subject]:
    for experts in known.experts:
        own = {"instance": experts.instance}
        told = visible(experts.instance)
        for group, name, key, count, aim in (
            (_("EP ranks"), _("rank {number}"), "rank", experts.ranks or 0, Aim(metric="rank")),
            (_("layers"), _("layer {number}"), "layer", experts.layers, Aim()),
        ):
            for number in range(count):
                target = Target(PANES["ep"], {**own, key: number}, aim)
                yield Subject(group, name.format(number=number), told, target)
        for number in range(experts.experts or 0):
            target = Target(PANES["ep"], own, Aim(metric="expert", expert=number))
            yield Subject(_("experts"), _("expert {number}").format(number=number), told, target)


_OWN = "1"  # the Overview


def _row(name: str) -> Target:
    return Target(_OWN, {}, Aim(row=name))


def _lines(entries: Sequence[Entry]) -> Iterator[Subject]:
    for entry, name in zip(entries, names_of(entries), strict=True):
        if (group := _LINES.get(entry.kind)) is not None:
            told = entry.short or " · ".join(entry.long)
            if entry.line is not None:
                told = entry.line.headline or entry.line.absent
            yield Subject(group, visible(entry.title), visible(told), _row(name))
