"""`--what-if routing` and `--what-if ratio`: what a replay of the recorded service answers."""

from __future__ import annotations

from dataclasses import replace

from lbtui.analysis.replay.asked import Answer as Replayed
from lbtui.analysis.replay.asked import Difference
from lbtui.analysis.replay.figures import FIGURE_LABELS, FIGURES, UNITS, FigureName
from lbtui.analysis.replay.ratio import LOADS, Ratio, Shape, ShapeRow
from lbtui.analysis.replay.routing import POLICY_LABELS
from lbtui.findings.replay.formulas import (
    RATIO_FORMULAS,
    ROUTING_FORMULAS,
)
from lbtui.findings.replay.what_if import (
    PolicyRow,
    Prepared,
    RatioAnswer,
    Routing,
    prepared,
    ratio_answer_of,
    routing_of,
)
from lbtui.findings.replay.words import (
    RATIO_ASSUMED,
    ROUTING_ASSUMED,
    assumed,
    figure,
    figure_words,
    first_figure,
    interval_words,
    ranked_policies,
    ratio_sentences,
    recorded_row,
    routing_sentences,
    row_at,
    shape_better,
    shape_words,
    tested_cells,
    verdict_words,
)
from lbtui.findings.replay.words import test_sentence as self_test_sentence
from lbtui.overview.targets import target_words
from lbtui.profile import Profile
from lbtui.report.values import Json, finite
from lbtui.report.what_if.answer import Answer, Asked, Section
from lbtui.text import _, in_clauses, in_list, visible

_SHOWN: tuple[FigureName, ...] = ("par", "ttft_p50", "ttft_p95", "tpot_p50", "tpot_p95", "goodput")
_HEADS: dict[FigureName, str] = {
    "par": _("PAR"),
    "ttft_p50": _("TTFT p50, ms"),
    "ttft_p95": _("TTFT p95, ms"),
    "tpot_p50": _("TPOT p50, ms"),
    "tpot_p95": _("TPOT p95, ms"),
    "goodput": _("goodput, req/s"),
}


def routing(profile: Profile, asked: Asked) -> Answer:
    """Return what other policies of routing would give."""
    found = routing_of(prepared(profile, asked.limits))
    name = first_figure(found.prepared)
    rows = ranked_policies(found, name)
    sentence, *others = routing_sentences(found, name)
    details = _details(found.prepared, others, ROUTING_ASSUMED, advises=bool(rows))
    sections = [_policies(Section(_("routing"), sentence, details, formulas=ROUTING_FORMULAS), rows, name)]
    base = recorded_row(found)
    if base is not None:
        sections += [_every_figure(base, row) for row in rows if row is not base]
    sections += _self_test(found.prepared)
    title = _("What if requests were routed otherwise?")
    return Answer(title, tuple(sections), "routing", _routing_json(found))


def ratio(profile: Profile, asked: Asked) -> Answer:
    """Return what other numbers of prefill and decode nodes would give."""
    found = ratio_answer_of(prepared(profile, asked.limits))
    sentence, *others = ratio_sentences(found)
    details = _details(found.prepared, others, RATIO_ASSUMED, advises=found.ratio is not None)
    section = Section(_("P:D ratio"), sentence, details, formulas=RATIO_FORMULAS)
    sections = [section if found.ratio is None else _shapes(section, found.ratio)]
    sections += _self_test(found.prepared)
    title = _("What if other numbers of nodes did prefill and decode?")
    return Answer(title, tuple(sections), "ratio", _ratio_json(found))


def _details(made: Prepared, others: list[str], own: str, *, advises: bool) -> tuple[str, ...]:
    """Return what stands under the conclusion: what qualifies it, of what it is, and what is assumed."""
    if made.asked is None:
        return tuple(others)
    load = len(made.asked.fitted.load)
    of = _("{count} requests, targets {targets}").format(
        count=f"{load:,}", targets=target_words(made.asked.targets)
    )
    return (*others, of, *([self_test_sentence(made)] if advises else []), *assumed(made, own))


def _policies(section: Section, rows: tuple[PolicyRow, ...], name: FigureName) -> Section:
    """Return the section with a row a policy, ranked by a figure."""
    heads = [_("policy"), *(_HEADS[each] for each in _SHOWN)]
    heads.append(_("difference of {figure}").format(figure=FIGURE_LABELS[name]))
    heads += [_("90 % interval"), _("verdict")]
    cells = []
    for row in rows:
        own = [POLICY_LABELS[row.policy], *(figure(each, row.answer.figures[each]) for each in _SHOWN)]
        found = row.answer.differences.get(name)
        if found is None or row.policy == "recorded":
            cells.append((*own, "", "", ""))
            continue
        verdict = verdict_words(row.answer, name)
        difference = figure(name, found.value, signed=True)
        cells.append((*own, difference, interval_words(name, found), verdict))
    return replace(section, heads=tuple(heads), rows=tuple(cells)) if cells else section


def _every_figure(base: PolicyRow, row: PolicyRow) -> Section:
    better = [FIGURE_LABELS[name] for name in FIGURES if row.answer.better(name)]
    worse = [FIGURE_LABELS[name] for name in FIGURES if row.answer.better(name) is False]
    said = [_("better: {figures}").format(figures=in_list(better))] if better else []
    said += [_("worse: {figures}").format(figures=in_list(worse))] if worse else []
    sentence = in_clauses(said) or _("no difference beyond chance")
    heads = (_("figure"), _("recorded"), _("then"), _("difference"), _("90 % interval"), _("verdict"))
    cells = []
    for name, found in row.answer.differences.items():
        own = figure_words(name, base.answer.figures[name]), figure_words(name, row.answer.figures[name])
        difference = figure(name, found.value, signed=True)
        verdict = verdict_words(row.answer, name)
        cells.append((FIGURE_LABELS[name], *own, difference, interval_words(name, found), verdict))
    return Section(POLICY_LABELS[row.policy], sentence, heads=heads, rows=tuple(cells))


def _self_test(made: Prepared) -> list[Section]:
    """Return the self-test, where something was replayed."""
    if made.test is None:
        return []
    heads = (
        _("figure"), _("recorded"), _("replayed"), _("off"), _("steps −2 %"), _("steps +2 %"), _("self-test"),
    )  # fmt: skip
    cells = [tested_cells(row) for row in made.test.rows]
    return [Section(_("self-test"), self_test_sentence(made), heads=heads, rows=tuple(cells))]


def _shapes(section: Section, found: Ratio) -> Section:
    """Return the section with a row a shape: goodput per node at each load."""
    heads = [_("P:D"), _("nodes"), *(_("per node at × {load}").format(load=f"{load:g}") for load in LOADS)]
    heads += [_("difference at × 1"), _("90 % interval"), _("verdict")]
    cells = []
    for row in found.at(1.0):
        per_node = []
        for load in LOADS:
            there = row_at(found, row.shape, load)
            per_node.append("–" if there is None else figure("goodput", there.per_node))
        own = [shape_words(row.shape), str(row.shape.nodes), *per_node]
        if row.difference is None or row.shape == found.present:
            cells.append((*own, "", "", _("as recorded")))
            continue
        difference = figure("goodput", row.difference.value, signed=True)
        interval = interval_words("goodput", row.difference)
        cells.append((*own, difference, interval, _shape_verdict(found, row)))
    return replace(section, heads=tuple(heads), rows=tuple(cells))


def _shape_verdict(found: Ratio, row: ShapeRow) -> str:
    if found.beyond(row):
        return _("beyond what was recorded")
    better = shape_better(row)
    if better is None:
        return _("no difference beyond chance")
    return _("better") if better else _("worse")


# JSON


def _routing_json(found: Routing) -> Json:
    name = first_figure(found.prepared)
    return {
        **_common(found.prepared, routing_sentences(found, name), ROUTING_ASSUMED, advises=bool(found.rows)),
        "ranked_by": name if found.rows else None,
        "policies": [
            {
                "policy": row.policy,
                "figures": _figures(row.answer),
                "differences": None
                if row.policy == "recorded"
                else {name: _difference(one) for name, one in row.answer.differences.items()},
                "beyond_recorded": found.beyond(row),
                "better": [name for name in FIGURES if row.answer.better(name)],
                "worse": [name for name in FIGURES if row.answer.better(name) is False],
            }
            for row in ranked_policies(found, name)
        ],
    }


def _ratio_json(found: RatioAnswer) -> Json:
    ratio = found.ratio
    common = _common(found.prepared, ratio_sentences(found), RATIO_ASSUMED, advises=ratio is not None)
    if ratio is None:
        return {**common, "present": None, "best": None, "shapes": []}
    best = ratio.best()
    return {
        **common,
        "present": _shape(ratio.present),
        "best": None if best is None else _shape(best.shape),
        "knee": ratio.knee,
        "knee_looked_for_up_to": ratio.most_load,
        "dispatched_unevenly": list(ratio.uneven),
        "most_running_recorded": None if ratio.seen is None else finite(ratio.seen),
        "shapes": [
            {
                **_shape(row.shape),
                "load": row.load,
                "goodput_per_node": finite(row.per_node),
                "figures": {name: finite(row.figures[name]) for name in FIGURES},
                "running": finite(row.running),
                "beyond_recorded": ratio.beyond(row),
                "difference": None
                if row.difference is None or row.shape == ratio.present
                else _difference(row.difference),
            }
            for row in ratio.rows
        ],
    }


def _common(made: Prepared, sentences: tuple[str, ...], own: str, *, advises: bool) -> Json:
    asked = made.asked
    targets = None if asked is None else asked.targets
    return {
        "answer": visible(sentences[0]),
        "details": [visible(sentence) for sentence in sentences[1:]],
        "advises": advises,
        "requests": None if asked is None else len(asked.fitted.load),
        "targets": None
        if targets is None
        else {"ttft": targets.ttft, "tpot": targets.tpot, "e2e": targets.e2e, "unit": "ms"},
        "targets_are": None if targets is None else "given" if targets.given else "p95 of this run",
        "units": {name: UNITS[name] or None for name in FIGURES},
        "self_test": None
        if made.test is None
        else {
            "holds": made.test.holds,
            "figures": [
                {
                    "figure": row.name,
                    "recorded": finite(row.recorded),
                    "replayed": finite(row.replayed),
                    "steps_shorter": finite(row.low),
                    "steps_longer": finite(row.high),
                    "holds": row.holds,
                }
                for row in made.test.rows
            ],
        },
        "assumed": list(assumed(made, own)),
    }


def _figures(answer: Replayed) -> Json:
    return {name: finite(answer.figures[name]) for name in FIGURES}


def _difference(found: Difference) -> Json:
    return {"value": finite(found.value), "low": finite(found.low), "high": finite(found.high)}


def _shape(shape: Shape) -> Json:
    return {"prefill": shape.prefill, "decode": shape.decode}
