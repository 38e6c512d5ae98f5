"""The whole comparison of two profiles: every metric of every subject that either has, judged together."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lbtui.analysis.interval import Estimate
from lbtui.comparison import metrics
from lbtui.comparison.domains import Domains
from lbtui.comparison.experts import LayerPars, layer_pars, why_unknown_loads
from lbtui.comparison.measured import Measured, Source, source_of
from lbtui.comparison.model import Comparison, Metric, Row
from lbtui.comparison.nodes import Pulls, handoff_times, roles_of
from lbtui.comparison.requests import attained_of, load_of, targets_for, times_of
from lbtui.comparison.series import Paired
from lbtui.comparison.verdict import judged, measured_row
from lbtui.overview.model import Dimension, Place
from lbtui.overview.targets import target_words
from lbtui.profile import Profile, Progress, Silent
from lbtui.profile.pairing import matched
from lbtui.text import _, in_clauses, in_list, visible
from lbtui.thresholds import Entry

_FEWEST_LAYERS = 8


@dataclass(frozen=True)
class _Question:
    """One row to be: how to estimate both sides, or why that cannot be."""

    metric: Metric
    subject: Place
    estimates: Callable[[], tuple[Estimate, Estimate]] | None
    absent: str = ""
    before: float = math.nan
    after: float = math.nan


def compare(
    before: Profile, after: Profile, progress: Progress | None = None, targets: Sequence[Entry] = ()
) -> Comparison:
    """Return every metric of both profiles with the interval of its difference and a verdict.

    `targets` are what requests are to take at most, ms (`Thresholds.targets`). Loads the frames it needs; the
    same profiles give the same numbers. Raises `Cancelled` when `progress` does. A frame that cannot be made
    counts as missing.
    """
    told = progress or Silent()
    sources = source_of(before, told), source_of(after, told)
    notes: list[str] = []
    rows: list[Row] = []
    # Made one by one, so that the series of millions of steps are not held together.
    for number, question in enumerate(_questions(*sources, targets, notes)):
        told.advance(_("comparison"), number, number + 1)
        rows.append(_row(question))
    return Comparison(str(before.path), str(after.path), tuple(judged(_headlines_first(rows))), tuple(notes))


def _headlines_first(rows: Iterable[Row]) -> list[Row]:
    """Return the rows with the headlines of each dimension and subject before its details."""
    groups: dict[tuple[bool, Dimension, Place], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.is_load, row.metric.dimension, row.subject), []).append(row)
    return [row for group in groups.values() for row in sorted(group, key=lambda row: row.is_detail)]


def _row(question: _Question) -> Row:
    if question.estimates is None:
        return Row(
            question.metric,
            question.subject,
            "not_comparable",
            question.before,
            question.after,
            reason=question.absent,
        )
    return measured_row(question.metric, question.subject, *question.estimates())


def _questions(
    before: Source, after: Source, given: Sequence[Entry], notes: list[str]
) -> Iterator[_Question]:
    """Yield the questions in the order of the rows; what else is to be said goes into `notes`."""
    yield from _joined(load_of(before), load_of(after), Place())
    yield from _of_domains(before, after, notes)
    yield from _of_nodes(before, after, notes)
    yield from _of_experts(before, after, notes)
    yield from _joined(times_of(before), times_of(after), Place())
    # Those of the baseline for both: p95 of each by itself would call them alike whatever changed.
    targets = targets_for(before, given)
    if targets.limits:
        notes.append(_("Targets of both: {targets}.").format(targets=target_words(targets, baseline=True)))
        yield from _joined(attained_of(before, targets), attained_of(after, targets), Place())


def _of_domains(before: Source, after: Source, notes: list[str]) -> Iterator[_Question]:
    sides = Domains(before), Domains(after)
    matches = matched(*(side.instances for side in sides))
    if not matches:
        notes.append(_("Neither profile shows a DP domain."))
    found = []
    for names in matches:
        notes += _idle(sides, names)
        sizes = [0 if n is None else len(side.instances[n]) for side, n in zip(sides, names, strict=True)]
        if 0 < min(sizes) < max(sizes):
            notes.append(
                _(
                    "{instance}: {before} DP domains before, {after} after. PAR over more domains is higher "
                    "by chance alone."
                ).format(instance=visible(_shown(names)), before=sizes[0], after=sizes[1])
            )
        first, second = (
            None if name is None else side.measured(name) for side, name in zip(sides, names, strict=True)
        )
        subject = Place(instance=_shown(names))
        found += list(_joined(first, second, subject, _missing(_("instance"))))
    # All of DP before all of KV.
    yield from (question for question in found if question.metric.dimension == "dp")
    yield from (question for question in found if question.metric.dimension == "kv")


def _idle(sides: tuple[Domains, Domains], names: tuple[str | None, str | None]) -> Iterator[str]:
    """Count a rank that one side lacks amid its ranks as an idle domain there; yield a note of each side."""
    first, second = names
    if first is None or second is None:
        return
    ranks = sides[0].ranks(first), sides[1].ranks(second)
    for side, name, own, others in (
        (sides[0], first, ranks[0], ranks[1]),
        (sides[1], second, ranks[1], ranks[0]),
    ):
        # Beyond its last rank an instance may have been smaller.
        lacking = {rank for rank in others - own if rank < max(own, default=0)}
        if lacking:
            side.add_idle(name, lacking)
            yield _("{instance}: {ranks} without a trace {when}, counted as idle there.").format(
                instance=visible(_shown(names)),
                ranks=in_list(f"dp{rank}" for rank in sorted(lacking)),
                when=_("before") if side is sides[0] else _("after"),
            )


def _of_nodes(before: Source, after: Source, notes: list[str]) -> Iterator[_Question]:
    sides = before, after
    roles = [roles_of(side) for side in sides]
    for role in dict.fromkeys(role for side in roles for role in side):
        first, second = ([side[role]] if role in side else None for side in roles)
        nodes = [_nodes(side, role) for side in sides]
        if 0 < min(nodes) < max(nodes):
            notes.append(
                _(
                    "{role}: {before} nodes before, {after} after. PAR over more nodes is higher by "
                    "chance alone."
                ).format(role=visible(role), before=nodes[0], after=nodes[1])
            )
        yield from _joined(first, second, Place(role=role), _missing(_("role")))
    pulled, handed = (any(side.frames[name].height for side in sides) for name in ("transfers", "handoffs"))
    if handed:
        times = [handoff_times(side, pulled=pulled) for side in sides]
        yield from _joined(times[0], times[1], Place())
    if pulled:
        pulls = Pulls(before), Pulls(after)
        yield from _joined(pulls[0].measured(), pulls[1].measured(), Place())
        slowest = [side.slowest_words() for side in pulls]
        if all(slowest):
            notes.append(
                _("Slowest KV pulls: before {before}; after {after}.").format(
                    before=visible(slowest[0]), after=visible(slowest[1])
                )
            )
    if not (pulled or handed or any(side.frames["nodes"].height for side in sides)):
        notes.append(_("Neither profile shows P/D nodes, hand-offs or KV pulls."))


def _nodes(side: Source, role: str) -> int:
    frame = side.frames["nodes"]
    return int(frame.filter(frame["role"] == role)["address"].n_unique())


def _of_experts(before: Source, after: Source, notes: list[str]) -> Iterator[_Question]:
    sides = layer_pars(before), layer_pars(after)
    matches = matched(*sides)
    if not matches:
        notes.append(_("Neither profile shows expert heat."))
    for names in matches:
        subject = Place(instance=_shown(names))
        first, second = (
            None if name is None else side[name] for side, name in zip(sides, names, strict=True)
        )
        if first is None or second is None:
            why = (
                _missing(_("instance"))[0 if names[0] is None else 1]
                if None in names
                else why_unknown_loads(*((before, names[0]) if first is None else (after, names[1])))
            )
            for metric in (metrics.MEAN_LAYER_PAR, metrics.WORST_LAYER_PAR):
                yield _Question(metric, subject, None, why)
            continue
        if first.ranks != second.ranks:
            notes.append(
                _("{instance}: {before} EP ranks before, {after} after.").format(
                    instance=visible(_shown(names)), before=first.ranks, after=second.ranks
                )
            )
        yield _mean_layer(first, second, subject, notes)
        yield _worst_layer(first, second, subject)


def _mean_layer(first: LayerPars, second: LayerPars, subject: Place, notes: list[str]) -> _Question:
    shared = min(first.pars.shape[1], second.pars.shape[1])
    pair = first.by_layer[:shared], second.by_layer[:shared]
    known = ~np.isnan(pair[0]) & ~np.isnan(pair[1])
    if max(first.pars.shape[1], second.pars.shape[1]) > shared:
        notes.append(
            _("{before} expert layers before, {after} after: the first {shared} are compared.").format(
                before=first.pars.shape[1], after=second.pars.shape[1], shared=shared
            )
        )
    if not known.any():
        return _Question(metrics.MEAN_LAYER_PAR, subject, None, _("no layer has load before and after"))
    paired = Paired(pair[0][known], pair[1][known])
    return _Question(metrics.MEAN_LAYER_PAR, subject, paired.estimates)


def _worst_layer(first: LayerPars, second: LayerPars, subject: Place) -> _Question:
    """Compare the worst layer over EPLB periods: a maximum over layers has no interval within one period."""
    series = first.worst_layer(), second.worst_layer()
    return _Question(metrics.WORST_LAYER_PAR, subject, lambda: (series[0].estimate(0), series[1].estimate(1)))


def _joined(
    before: Iterable[Measured] | None,
    after: Iterable[Measured] | None,
    subject: Place,
    missing: tuple[str, str] = ("", ""),
) -> Iterator[_Question]:
    """Yield a question per metric of either side; a side that is None has no such subject, and says so."""
    sides = [None if side is None else {found.metric: found for found in side} for side in (before, after)]
    for metric in dict.fromkeys(metric for side in sides if side is not None for metric in side):
        pair = [
            Measured(metric, absent=why) if side is None else side.get(metric, Measured(metric))
            for side, why in zip(sides, missing, strict=True)
        ]
        yield _asked(metric, subject, *pair)


def _asked(metric: Metric, subject: Place, before: Measured, after: Measured) -> _Question:
    first, second = before.series, after.series
    if first is not None and second is not None:
        return _Question(metric, subject, lambda: (first.estimate(0), second.estimate(1)))
    if before.absent == after.absent:
        why = _("before and after: {why}").format(why=before.absent)
    else:
        whys = ((_("before: {why}"), before.absent), (_("after: {why}"), after.absent))
        why = in_clauses(text.format(why=absent) for text, absent in whys if absent)
    return _Question(
        metric,
        subject,
        None,
        why,
        math.nan if first is None else first.value,
        math.nan if second is None else second.value,
    )


def _shown(names: tuple[str | None, str | None]) -> str:
    return names[1] or names[0] or ""


def _missing(what: str) -> tuple[str, str]:
    why = _("there is no such {what}").format(what=what)
    return why, why
