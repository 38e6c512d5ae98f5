"""Where the time of requests went, in words: the same on screen and in the reports."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce

from lbtui.analysis.latency_parts import PART_LABELS, PartName
from lbtui.comparison.model import Row
from lbtui.findings.latency.told import Missed, Share, Told
from lbtui.findings.words import percent
from lbtui.overview.targets import target_words
from lbtui.overview.text import short
from lbtui.render.text import aligned
from lbtui.text import _, in_clauses, in_list, plural, visible, with_comma, with_stop

TITLE = _("Where the time went")
WHY_MISSED = _("Why requests missed their targets")
HEADS = (_("part"), _("share"), _("time"), _("up to the first token"), _("requests"), _("most at"))
MISSED_HEADS = (_("part"), _("where"), _("share"), _("beyond target"), _("requests"))
TERM_HEADS = (_("part"), _("difference"), _("95 % interval"), _("where"))
_MOST_NAMED, _LEAST_NAMED = 3, 0.05
_MOSTLY = 0.5  # of a part, at the place that is named
_MOST_ROWS = 12
_WAITED_FOR: tuple[PartName, ...] = ("lockstep",)

# Where there is little room.
PART_SHORT: Mapping[PartName, str] = {
    "prefill_wait": _("prefill wait"),
    "prefill": _("prefill"),
    "handoff_wait": _("hand-off wait"),
    "pull": _("KV pull"),
    "first_decode_wait": _("first decode wait"),
    "handoff": _("hand-off"),
    "decode": _("decode"),
    "compute_or_lockstep": _("compute or lockstep"),
    "held_by_prefills": _("held by prefills"),
    "lockstep": _("lockstep wait"),
    "preempted": _("preempted"),
    "gaps": _("between passes"),
    "not_recorded": _("not recorded"),
}

# How the parts come about; help, reports and manual print these sentences.
FORMULAS = (
    _(
        "A request's life is from the coordinator's dispatch (else its first httpReq) to its last httpRes. "
        "Each instant of it is given to one part and one place, so that the parts sum to it exactly."
    ),
    _(
        "waiting for prefill: until its scheduler takes it up (Dequeue, or the scheduling of its first "
        "round; else the begin of that round)."
    ),
    _(
        "prefill and decode compute: the forward passes of its own rounds, from the first card's start to "
        "the last card's end; where none is recorded, the rounds. In a round that prefills and decodes it is "
        "prefilled until its first token is there."
    ),
    _(
        "waiting for hand-off: from the end of its last prefill round to the start of its KV pull; KV pull; "
        "waiting for the first decode step: from there to the begin of its first decode round. Where the "
        "clocks of the two hosts differ, or no pull is recorded, these are joined: hand-off, not told apart."
    ),
    _(
        "held up by prefills: forward passes of its own domain that prefill others, between two of its "
        "rounds. swapped or preempted: from the end of a round to its next, where its domain decoded "
        "without it."
    ),
    _(
        "waiting for other domains: from the end of its domain's round to the end of the last round of the "
        "domains that step together; the place is the domain waited for. Where domains wait for each other "
        "inside the forward pass (a pass grows by more than 0.3 of the others'), compute and this wait "
        "cannot be told apart: compute or lockstep."
    ),
    _(
        "between forward passes: all else from its first to its last round: scheduling, preprocessing, "
        "sampling. not recorded: what comes after its last round (detokenising, sending), or before its "
        "first where that is no prefill; all, where no round names it."
    ),
)
MISSED_FORMULA = _(
    "time beyond target: TTFT − target, (time per output token − target) × (tokens − 1), and end to end − "
    "target of requests that missed no other. It is given to the parts of that stretch of the request's life "
    "in proportion to how much longer each is than the mean of the same part over the requests that met all "
    "targets; where none did, in proportion to the parts."
)
HURT_FORMULA = _(
    "requests hurt: those of the finding's domains or node that were in service in its window; beyond "
    "target: those of them that missed a target."
)


def part_words(part: PartName, where: str | None) -> str:
    """Return a part with its place."""
    if where is None:
        return PART_LABELS[part]
    if part in _WAITED_FOR:
        return _("waiting for {where} in lockstep").format(where=visible(where))
    return _("{part} at {where}").format(part=PART_LABELS[part], where=visible(where))


def share_words(told: Told, share: Share) -> str:
    """Return a part with its place as this profile calls it."""
    return part_words(share.part, None if share.place is None else told.where(share.place))


def missed_sentence(told: Told) -> str:
    """Return why requests missed their targets, the largest parts first; "" where no request is judged."""
    missed = told.missed
    if missed is None or not missed.judged:
        return ""
    targets = target_words(missed.targets)
    judged = f"{missed.judged:,}"
    if not missed.missed:
        return _("all {judged} requests met {targets}").format(judged=judged, targets=targets)
    who = _("{missed} of {judged} requests missed {targets}").format(
        missed=f"{missed.missed:,}", judged=judged, targets=targets
    )
    if not missed.shares:
        return _("{who}; where their time went is not recorded").format(who=who)
    first, *others = _largest(told, missed.shares)
    said = _("{percent} of the time beyond target is {part}").format(percent=first[0], part=first[1])
    said = reduce(with_comma, (f"{percent} {part}" for percent, part in others), said)
    return _("{why} · {who}").format(why=said, who=who)


def _largest(told: Told, shares: Sequence[Share]) -> list[tuple[str, str]]:
    """Return the largest parts, at least one: their share and words, of one place if most is there."""
    of_parts: dict[PartName, list[Share]] = {}
    for share in shares:
        of_parts.setdefault(share.part, []).append(share)
    found = []
    for part, places in of_parts.items():
        whole = sum(share.share for share in places)
        most = max(places, key=lambda share: share.share)
        at_one = most.share >= _MOSTLY * whole
        words = share_words(told, most) if at_one else PART_LABELS[part]
        found.append((most.share if at_one else whole, words))
    found.sort(key=lambda one: -one[0])
    named = [one for one in found[:_MOST_NAMED] if one[0] >= _LEAST_NAMED] or found[:1]
    return [(percent(share), words) for share, words in named]


def scope_sentence(told: Told) -> str:
    """Return of how many requests the parts are, and of which they are not."""
    latency = told.latency
    if latency.absent:
        return _("Where the time went is not known: {why}.").format(why=latency.absent)
    said = [
        plural(
            "1 request, from its dispatch or arrival to its end",
            "{count} requests, each from its dispatch or arrival to its end",
            latency.lives.height,
        )
    ]
    if latency.cut:
        said.append(
            plural(
                "1 more is cut by the capture's ends",
                "{count} more are cut by the capture's ends",
                latency.cut,
            )
        )
    if latency.unplaced:
        said.append(plural("no round names 1", "no round names {count}", latency.unplaced))
    if latency.skewed:
        hosts = visible(in_list(latency.skewed))
        said.append(_("clocks differ: hand-offs with {hosts} are not told apart").format(hosts=hosts))
    if latency.corrected:
        text = _("clocks of hosts that step together differ by up to {ms} ms, which is taken out")
        said.append(text.format(ms=short(latency.corrected)))
    return with_stop(in_clauses(said))


def part_rows(told: Told) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each part under `HEADS`, the most time first, with the place that has most of it."""
    for part in told.parts:
        most = max(part.places, key=lambda share: share.ms)
        where = "" if most.place is None else visible(told.where(most.place))
        yield (
            PART_LABELS[part.part],
            percent(part.share),
            time_words(part.ms),
            time_words(part.before),
            f"{part.requests:,}",
            _("{where} ({percent})").format(where=where, percent=percent(most.ms / part.ms)) if where else "",
        )


def missed_rows(told: Told, missed: Missed) -> Iterator[tuple[str, ...]]:
    """Yield the cells of the largest parts and places of the time beyond target under `MISSED_HEADS`."""
    for share in missed.shares[:_MOST_ROWS]:
        yield (
            PART_LABELS[share.part],
            "" if share.place is None else visible(told.where(share.place)),
            percent(share.share),
            time_words(share.ms),
            f"{share.requests:,}",
        )
    if rest := missed.shares[_MOST_ROWS:]:
        ms = sum(share.ms for share in rest)
        label = plural("1 more", "{count} more", len(rest))
        yield label, "", percent(ms / missed.beyond), time_words(ms), ""


CHANGE_FORMULA = _(
    "what changed it: the mean of each part over the requests before and after; p95 is that of the requests "
    "between p92.5 and p97.5, and the rest is what these leave of it. TTFT has the parts up to the first "
    "token, time per output token those after it / (tokens − 1), end to end all; what is before the arrival "
    "is left out. The terms sum to the difference; intervals as of every mean."
)


def change_title(row: Row) -> str:
    """Return of which difference the terms are."""
    return _("What changed {metric}: {before} → {after} {unit}, {difference} {unit}").format(
        metric=row.metric.label,
        before=short(row.before),
        after=short(row.after),
        difference=signed(row.difference),
        unit=row.metric.unit,
    )


def term_rows(row: Row) -> list[tuple[str, ...]]:
    """Return what the difference of a latency is the sum of: part, difference, interval, where most of it is.

    Terms that are nothing are left out.
    """
    unit = row.metric.unit
    told = [term for term in row.terms if term.shown]
    return [
        (
            _("what these leave") if term.part is None else PART_LABELS[term.part],
            f"{signed(term.difference)} {unit}",
            "" if math.isnan(term.low) else f"[{signed(term.low)} … {signed(term.high)}]",
            visible(_("most for {where}") if term.part in _WAITED_FOR else _("most at {where}")).format(
                where=visible(term.where)
            )
            if term.where
            else "",
        )
        for term in told
    ]


def change_sentence(row: Row) -> str:
    """Return what the difference of a latency is mostly made of; "" where that is not told."""
    told = [one for one in row.terms if one.part is not None and one.shown]
    parts = [
        _("{part} {difference} {unit}").format(
            part=part_words(one.part, one.where or None),
            difference=signed(one.difference),
            unit=row.metric.unit,
        )
        for one in told[:_MOST_NAMED]
        if one.part is not None
    ]
    return _("Of which {parts}.").format(parts=in_list(parts)) if parts else ""


def signed(value: float) -> str:
    """Return a number with its sign."""
    return f"{'−' if value < 0 else '+'}{short(abs(value))}"


def page(told: Told) -> list[str]:
    """Return all that is told, as lines of a page of 80 columns."""
    lines = [scope_sentence(told)]
    if told.shares:
        lines += ["", *aligned([_of_page(row) for row in (HEADS, *part_rows(told))])]
    if told.missed is not None and told.missed.shares:
        lines += ["", WHY_MISSED, *aligned([MISSED_HEADS, *missed_rows(told, told.missed)])]
    return [*lines, "", *FORMULAS, MISSED_FORMULA, HURT_FORMULA]


def _of_page(row: Sequence[str]) -> Sequence[str]:
    """Return the cells that a page has room for: not what is up to the first token, nor the requests."""
    return (*row[:3], row[5])


def time_words(ms: float) -> str:
    """Return a time in ms, or in s from 10 s on."""
    return (
        _("{value} s").format(value=short(ms / 1000))
        if ms >= 10_000
        else _("{value} ms").format(value=short(ms))
    )
