"""What a replay says in words: its answer, its self-test, what it assumes. Panes and reports print these."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from lbtui.analysis.replay.asked import (
    MOST_OFF,
    MOST_OFF_PAR,
    Answer,
    Difference,
    Tested,
    ranked,
)
from lbtui.analysis.replay.figures import FIGURE_LABELS, FIGURES, UNITS, FigureName
from lbtui.analysis.replay.model import Pace, Work
from lbtui.analysis.replay.ratio import (
    KNEE_LOADS,
    MOST_REQUESTS,
    Ratio,
    Shape,
    ShapeRow,
)
from lbtui.analysis.replay.routing import POLICY_LABELS
from lbtui.findings.replay.what_if import PolicyRow, Prepared, RatioAnswer, Routing
from lbtui.render.text import behind, minus, number, quantity
from lbtui.text import _, in_list, in_percent, in_series, plural, with_stop

# By which figure policies are ranked first: with targets of one's own by what meets them.
_FIRST: FigureName = "ttft_p95"
_GIVEN: FigureName = "goodput"
# By which it is looked for a better policy where there is none by that one.
_OTHERS: tuple[FigureName, ...] = ("goodput", "ttft_p95", "tpot_p95")
_WORKS: dict[Work, str] = {"both": _("all domains"), "prefill": _("prefill"), "decode": _("decode")}


# Figures


def figure_words(name: FigureName, value: float) -> str:
    """Return a figure with its unit, a dash where it has none."""
    return figure(name, value) if math.isnan(value) or not UNITS[name] else quantity(value, UNITS[name])


def figure(name: FigureName, value: float, *, signed: bool = False) -> str:
    """Return a figure without its unit; PAR has two decimals, all others three significant digits."""
    if math.isnan(value):
        return "–"
    if name == "par":
        return _no_zero(f"{value:+.2f}" if signed else f"{value:.2f}")
    return f"+{number(value)}" if signed and value > 0 else number(value)


def interval_words(name: FigureName, found: Difference) -> str:
    """Return the ends of a difference's 90 % interval, without a unit."""
    low, high = (figure(name, end, signed=True) for end in (found.low, found.high))
    return _("{low} to {high}").format(low=low, high=high)


def change_words(name: FigureName, before: float, after: float, found: Difference | None) -> str:
    """Return a figure before and after, with the interval of the difference where that is known."""
    unit = behind(UNITS[name]) if UNITS[name] else ""
    words = _("{figure} {before} → {after}{unit}").format(
        figure=FIGURE_LABELS[name], before=figure(name, before), after=figure(name, after), unit=unit
    )
    if found is None:
        return words
    return _("{words} ({interval}{unit}, 90 %)").format(
        words=words, interval=interval_words(name, found), unit=unit
    )


def verdict_words(answer: Answer, name: FigureName) -> str:
    """Return how a figure is beside the recorded assignment's."""
    if name not in answer.differences:
        return ""
    better = answer.better(name)
    if better is None:
        return _("no difference beyond chance")
    return _("better") if better else _("worse")


def first_figure(made: Prepared) -> FigureName:
    """Return the figure that is ranked by first."""
    return _GIVEN if made.asked is not None and made.asked.targets.given else _FIRST


# The self-test


def tested_cells(row: Tested) -> tuple[str, ...]:
    """Return a row of the self-test: as recorded, as replayed, off by, with other steps, and its verdict."""
    return (
        FIGURE_LABELS[row.name],
        figure_words(row.name, row.recorded),
        figure(row.name, row.replayed),
        off_words(row),
        figure(row.name, row.low),
        figure(row.name, row.high),
        tested_words(row),
    )


def tested_words(row: Tested) -> str:
    """Return whether a figure of the self-test holds, and by what."""
    if math.isnan(row.recorded):
        return _("not recorded")
    if not row.holds:
        return _("fails")
    if row.name == "par":
        near = abs(row.replayed - row.recorded) <= MOST_OFF_PAR
    else:
        near = abs(row.replayed - row.recorded) <= MOST_OFF * abs(row.recorded)
    return _("holds") if near else _("holds within ± 2 %")


def off_words(row: Tested) -> str:
    """Return how far the replayed figure is off the recorded one: percent of it, of PAR the difference."""
    if math.isnan(row.recorded) or math.isnan(row.replayed):
        return "–"
    if row.name == "par":
        return figure("par", row.replayed - row.recorded, signed=True)
    if not row.recorded:
        return "–"
    return _no_zero(f"{100 * (row.replayed / row.recorded - 1):+.0f} %")


def _no_zero(text: str) -> str:
    """Return a written number, of nothing without a sign."""
    return minus(text if text.strip("+-0. %") else text[1:])


def test_sentence(made: Prepared) -> str:
    """Return whether the replay of the recording gives what was recorded; "" where nothing is replayed."""
    test = made.test
    if test is None:
        return ""
    known = [row for row in test.rows if not math.isnan(row.recorded)]
    if test.holds:
        return plural(
            "Self-test holds: replayed as recorded, 1 figure is as recorded.",
            "Self-test holds: replayed as recorded, all {count} figures are within 15 % of the recorded "
            "ones, or within what ± 2 % of step time spans.",
            len(known),
        )
    failing = [
        _("{figure} {replayed} instead of {recorded}").format(
            figure=FIGURE_LABELS[row.name],
            replayed=figure(row.name, row.replayed),
            recorded=figure_words(row.name, row.recorded),
        )
        for row in test.failing
    ]
    text = _("Self-test fails: the replay of the recording gives {figures}.")
    return text.format(figures=in_series(failing))


def _no_answer(made: Prepared, why: str, *, possible: bool) -> tuple[str, ...]:
    """Return why nothing is advised: the self-test fails where there is something to ask at all."""
    if possible and not made.holds:
        return _("No advice: a replay does not give what was recorded here."), test_sentence(made)
    return (_("No answer: {why}.").format(why=why),)


# Routing


def ranked_policies(found: Routing, name: FigureName) -> tuple[PolicyRow, ...]:
    """Return the policies, the best by a figure first."""
    rows = {row.policy: row for row in found.rows}
    order = ranked([(row.policy, row.answer) for row in found.rows], name)
    return tuple(rows[policy] for policy, _answer in order)  # type: ignore[index]


def recorded_row(found: Routing) -> PolicyRow | None:
    """Return the recorded assignment's row, None without an answer."""
    return next((row for row in found.rows if row.policy == "recorded"), None)


def routing_sentences(found: Routing, name: FigureName) -> tuple[str, ...]:
    """Return the answer by a figure: the first sentence is the conclusion, the others qualify it."""
    base = recorded_row(found)
    if base is None:
        asked = found.prepared.asked
        several = asked is not None and len(asked.fitted.service.of("decode")) > 1
        return _no_answer(found.prepared, found.absent, possible=several)
    rows = [row for row in ranked_policies(found, name) if row is not base]
    better = [row for row in rows if row.answer.better(name) and not found.beyond(row)]
    worse = [POLICY_LABELS[row.policy] for row in rows if row.answer.better(name) is False]
    label = FIGURE_LABELS[name]
    if not better:
        now = figure_words(name, base.answer.figures[name])
        text = _("No policy is better than the recorded routing beyond chance: {figure} {now}.")
        said = [text.format(figure=label, now=now), *_by_another(found, base, name)]
    else:
        said = [_best_words(base, better[0], name)]
        others = [POLICY_LABELS[row.policy] for row in better[1:]]
        text = _("Better than recorded, too: {policies}.") if others else _("No other is, beyond chance.")
        said.append(text.format(policies=in_series(others)))
    if worse:
        said.append(_("Worse beyond chance: {policies}.").format(policies=in_series(worse)))
    if beyond := [row for row in rows if found.beyond(row)]:
        text = _(
            "{policies} would run up to {running} requests at once on a domain, where at most {seen} were "
            "recorded: whether that can be is not known, and it may be far worse than this says."
        )
        running = number(round(max(row.running for row in beyond)))
        policies = _begun(in_series([POLICY_LABELS[row.policy] for row in beyond]))
        said.append(text.format(policies=policies, running=running, seen=number(round(found.seen or 0))))
    return tuple(said)


def _by_another(found: Routing, base: PolicyRow, name: FigureName) -> Iterator[str]:
    """Yield the first other figure by which a policy is better, and that policy, if there is one."""
    for other in _OTHERS:
        rows = ranked_policies(found, other)
        best = next((row for row in rows if row.answer.better(other) and not found.beyond(row)), None)
        if other != name and best is not None:
            change = change_words(
                other, base.answer.figures[other], best.answer.figures[other], best.answer.differences[other]
            )
            text = _("But {policy} would be, by another figure (m): {change}.")
            yield text.format(policy=POLICY_LABELS[best.policy], change=change)
            return


def _best_words(base: PolicyRow, best: PolicyRow, name: FigureName) -> str:
    """Return what the best policy would change: the figure asked for, one beside it, and what gets worse."""
    beside: FigureName = "ttft_p95" if name == "goodput" else "goodput"
    own, other = base.answer.figures, best.answer.figures
    if best.answer.better(beside) is None:
        also = _("{figure} no different beyond chance").format(figure=FIGURE_LABELS[beside])
    else:
        also = change_words(beside, own[beside], other[beside], None)
    words = _("{policy} would be better: {change}, {beside}").format(
        policy=_begun(POLICY_LABELS[best.policy]),
        change=change_words(name, own[name], other[name], best.answer.differences[name]),
        beside=also,
    )
    worse = [FIGURE_LABELS[each] for each in FIGURES if each != name and best.answer.better(each) is False]
    if worse:
        return _("{words}; but worse beyond chance: {figures}.").format(words=words, figures=in_series(worse))
    return with_stop(words)


# The P:D ratio


def shape_words(shape: Shape) -> str:
    """Return a shape as prefill:decode nodes."""
    return f"{shape.prefill}:{shape.decode}"


def per_node_words(value: float) -> str:
    """Return a goodput per node, its unit left out."""
    return figure("goodput", value)


def row_at(ratio: Ratio, shape: Shape, load: float) -> ShapeRow | None:
    """Return what a shape gives at a load."""
    return next((row for row in ratio.rows if (row.shape, row.load) == (shape, load)), None)


def ratio_sentences(found: RatioAnswer) -> tuple[str, ...]:
    """Return the answer: the first sentence is the conclusion, the others qualify it."""
    ratio = found.ratio
    own = None if ratio is None else row_at(ratio, ratio.present, 1.0)
    if ratio is None or own is None:
        asked = found.prepared.asked
        parted = asked is not None and asked.fitted.service.disaggregated
        return _no_answer(found.prepared, found.absent, possible=parted)
    said = [_conclusion(ratio, own)]
    most = ratio.at(1.0)[0]
    if ratio.beyond(most) and shape_better(most):
        text = _(
            "{shape} would give most per node, but run {running} requests at once on a decode domain, where "
            "at most {seen} were recorded: whether it can is not known."
        )
        running, seen = number(round(most.running)), number(round(ratio.seen or 0))
        said.append(text.format(shape=shape_words(most.shape), running=running, seen=seen))
    elif most.shape.nodes != ratio.present.nodes and shape_better(most):
        text = _("With {nodes} nodes {shape} would give most per node: {change}.")
        shape = shape_words(most.shape)
        said.append(text.format(nodes=most.shape.nodes, shape=shape, change=_per_node(own, most)))
    said.append(knee_sentence(ratio))
    if ratio.uneven:
        said.append(uneven_sentence(ratio))
    return tuple(said)


def _conclusion(ratio: Ratio, own: ShapeRow) -> str:
    best, rows = ratio.best(), ratio.at(1.0)
    present = shape_words(ratio.present)
    if max((row.per_node for row in rows), default=0.0) <= 0:
        return _("No request would meet the targets at any ratio: there is nothing to choose by.")
    if best is not None and best.shape != ratio.present:
        return _("{shape} instead of {present} prefill to decode nodes would be better: {change}.").format(
            shape=shape_words(best.shape), present=present, change=_per_node(own, best)
        )
    leading = ratio.leading()
    if leading is not None and leading.shape != ratio.present:
        return _("Too little data: {shape} may be better than {present} or not, {change}.").format(
            shape=shape_words(leading.shape), present=present, change=_per_node(own, leading)
        )
    return _(
        "{present} prefill to decode nodes is the best ratio of these {nodes}, as far as can be told: "
        "goodput per node {value} req/s."
    ).format(present=present, nodes=ratio.present.nodes, value=per_node_words(own.per_node))


def _per_node(own: ShapeRow, row: ShapeRow) -> str:
    words = _("goodput per node {before} → {after} req/s").format(
        before=per_node_words(own.per_node), after=per_node_words(row.per_node)
    )
    if row.difference is None:
        return words
    return _("{words} ({interval}, 90 %)").format(
        words=words, interval=interval_words("goodput", row.difference)
    )


def shape_better(row: ShapeRow) -> bool | None:
    """Tell whether a shape gives more per node than the recorded one; None where chance explains it."""
    if row.difference is None or not row.difference.beyond_chance:
        return None
    return row.difference.value > 0


def knee_sentence(ratio: Ratio) -> str:
    """Return where queueing begins at the recorded ratio."""
    present = shape_words(ratio.present)
    if ratio.knee is None:
        text = _("At {present} no queue builds up to × {most} of the recorded load.")
        return text.format(present=present, most=f"{ratio.most_load:g}")
    if ratio.knee <= KNEE_LOADS[0]:
        text = _("At {present} requests queue at × {load} of the recorded load already, or below.")
    elif ratio.knee <= 1.0:
        text = _("At {present} queueing begins at × {load} of the recorded load: it is beyond the knee.")
    else:
        text = _("At {present} queueing begins at × {load} of the recorded load.")
    return text.format(present=present, load=f"{ratio.knee:g}")


def uneven_sentence(ratio: Ratio) -> str:
    """Return which roles were dispatched to unevenly: all ratios, the recorded one too, are asked evenly."""
    text = _(
        "The recording dispatched unevenly to {roles}: all ratios are replayed with an even dispatch, the "
        "recorded one too."
    )
    return text.format(roles=in_series([_WORKS[work] for work in ratio.uneven]))


# What is assumed


def pace_sentences(made: Prepared) -> tuple[str, ...]:
    """Return the step times that were fitted, a sentence a role."""
    if made.asked is None:
        return ()
    service = made.asked.fitted.service
    return tuple(
        _pace_words(_WORKS[work], pace, mixed=service.scheduling[work].mixed, work=work)
        for work, pace in sorted(service.paces.items())
    )


def _pace_words(role: str, pace: Pace, *, mixed: bool, work: Work) -> str:
    parts = []
    per_token = [(pace.token, _("a prompt token")), (pace.sequence, _("a prompt"))]
    per_request = [(pace.request, _("a request")), (1000 * pace.context, _("per 1,000 tokens of context"))]
    if mixed:
        parts.append(_sum_words(_("a round"), pace.decode, [*per_token, *per_request]))
    else:
        if work != "decode":
            parts.append(_sum_words(_("a prefill pass"), pace.prefill, per_token))
        if work != "prefill":
            parts.append(_sum_words(_("a decode pass"), pace.decode, per_request))
    return _("Fitted on {role}: {paces}; single passes ± {spread}.").format(
        role=role, paces=in_list(parts), spread=in_percent(pace.spread, 1)
    )


def _sum_words(name: str, base: float, slopes: Sequence[tuple[float, str]]) -> str:
    """Return `name 20.1 ms + 0.09 ms a prompt token`."""
    terms = [quantity(base, "ms")]
    terms += [
        _("{slope} {each}").format(slope=quantity(slope, "ms"), each=each) for slope, each in slopes if slope
    ]
    return f"{name} {' + '.join(terms)}"


ASSUMED = (
    _(
        "Kept as recorded: arrivals, input and output lengths, and which prompt tokens the prefix cache had: "
        "a policy that brings requests of one prefix together gains nothing by that here."
    ),
    _(
        "A round takes what the forward pass was fitted to take for its load, times the factor of its "
        "domain, and the usual time outside of it; a swapped-out request keeps its KV cache and goes on."
    ),
)
ROUTING_ASSUMED = _(
    "Policies look at the state at the moment of arrival; a real dispatcher's is some ms old. Sessions are "
    "not recorded: session-sticky is one draw of them."
)
RATIO_ASSUMED = _(
    "Further nodes are like the usual one of their role, and requests are dispatched in the recorded way; "
    "hand-offs and KV pulls take what they took, whatever the number of nodes. That a node changes its role "
    "costs nothing here."
)


def assumed(made: Prepared, own: str) -> tuple[str, ...]:
    """Return what the replay takes for granted; `own` is what routing or the ratio adds."""
    if made.asked is None:
        return ()
    fitted = made.asked.fitted
    said = [*ASSUMED, own]
    if fitted.unseen:
        text = _(
            "Limits that the recording never reached, so that a replay has none of them: {limits}. What "
            "gathers more than was recorded may be worse than it says."
        )
        said.append(text.format(limits=in_series(fitted.unseen)))
    if own == RATIO_ASSUMED and len(fitted.load) > MOST_REQUESTS:
        text = _("Of {count} requests the first {most} are replayed.")
        said.append(text.format(count=f"{len(fitted.load):,}", most=f"{MOST_REQUESTS:,}"))
    return (*said, *pace_sentences(made))


def _begun(text: str) -> str:
    """Return a text as it begins a sentence."""
    return text[:1].upper() + text[1:]
