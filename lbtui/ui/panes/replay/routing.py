"""What-if of routing: a row a policy, and all figures of the one under the cursor."""

from __future__ import annotations

from rich.cells import cell_len
from rich.segment import Segment

from lbtui.analysis.replay.asked import Difference
from lbtui.analysis.replay.figures import FIGURE_LABELS, FIGURES, MORE_IS_BETTER, FigureName
from lbtui.analysis.replay.routing import POLICY_LABELS
from lbtui.findings.replay.what_if import PolicyRow, Routing
from lbtui.findings.replay.words import (
    ROUTING_ASSUMED,
    assumed,
    change_words,
    figure,
    figure_words,
    interval_words,
    ranked_policies,
    recorded_row,
    routing_sentences,
    verdict_words,
)
from lbtui.findings.replay.words import test_sentence as self_test_sentence
from lbtui.render.capabilities import Capabilities
from lbtui.render.palette import strong
from lbtui.render.table import Cell, Column
from lbtui.text import _
from lbtui.ui.panes.replay.sheet import FIGURE_WIDTH, Block, Sheet, bar_of, test_block, verdict_style
from lbtui.ui.panes.replay.state import ReplayState, measure_words, place

_SHOWN: tuple[FigureName, ...] = ("par", "ttft_p50", "ttft_p95", "tpot_p50", "tpot_p95", "goodput")
_HEADS: dict[FigureName, tuple[str, int, int]] = {
    "par": (_("PAR"), 5, 3),
    "ttft_p50": (_("TTFT p50"), 9, 5),
    "ttft_p95": (_("TTFT p95"), 9, 2),
    "tpot_p50": (_("TPOT p50"), 9, 5),
    "tpot_p95": (_("TPOT p95"), 9, 2),
    "goodput": (_("goodput"), max(8, cell_len(_("goodput")) + 1), 2),
}


def routing_sheet(found: Routing, title: str, state: ReplayState, caps: Capabilities) -> Sheet:
    """Return what is shown of a routing's answer."""
    name = ranked_by(state)
    rows = ranked_policies(found, name)
    names = tuple(row.policy for row in rows)
    at = place(state, names)
    base = recorded_row(found)
    known = rows[at] if rows else None
    return Sheet(
        title,
        routing_sentences(found, name),
        bool(rows),
        _table(rows, name, caps),
        names,
        tuple(bar_of(_beside(row, name), row.answer.better(name), caps) for row in rows),
        at,
        Block() if known is None or base is None else _chosen(base, known, caps),
        () if known is None or base is None else _reading(base, known),
        test_block(found.prepared.test, caps),
        self_test_sentence(found.prepared),
        assumed(found.prepared, ROUTING_ASSUMED),
    )


def ranked_by(state: ReplayState) -> FigureName:
    """Return the figure that policies are ranked by."""
    return "goodput" if state.measure == "per_node" else state.measure


def _beside(row: PolicyRow, name: FigureName) -> Difference | None:
    """Return a policy's difference from the recorded routing, None of that itself."""
    return None if row.policy == "recorded" else row.answer.differences.get(name)


def _table(rows: tuple[PolicyRow, ...], name: FigureName, caps: Capabilities) -> Block:
    columns = [Column(_("policy"), 18, "left")]
    columns += [Column(*_HEADS[each][:2], priority=_HEADS[each][2]) for each in _SHOWN]
    columns += [
        Column(_("difference"), 10, priority=1),
        Column(_("90 % interval"), 18, priority=1),
        Column("", 14, "left"),
    ]
    by = 1 + _SHOWN.index(name)
    title = _("Policies by {measure} (m: next)").format(measure=measure_words(name))
    cells = tuple(_cells(row, name, caps) for row in rows)
    return Block(title, tuple(columns), cells, (by,), (by, name in MORE_IS_BETTER))


def _cells(row: PolicyRow, name: FigureName, caps: Capabilities) -> tuple[Cell, ...]:
    answer = row.answer
    found = _beside(row, name)
    better = answer.better(name)
    style = verdict_style(caps, better)
    own = strong(caps) if row.policy == "recorded" else None
    cells: list[Cell] = [Segment(POLICY_LABELS[row.policy], own)]
    for each in _SHOWN:
        told = None if answer.better(each) is None else verdict_style(caps, answer.better(each))
        cells.append(Segment(figure(each, answer.figures[each]), told if own is None else own))
    if found is None:
        return (*cells, "", "", "")
    cells.append(Segment(figure(name, found.value, signed=True), style))
    cells.append(Segment(interval_words(name, found), style))
    verdict = _("no difference") if better is None else verdict_words(answer, name)
    # Where columns stand close it still stands apart.
    cells.append(Segment(f" {verdict}", style))
    return tuple(cells)


def _chosen(base: PolicyRow, row: PolicyRow, caps: Capabilities) -> Block:
    """Return every figure of a policy beside the recorded routing's, both replayed."""
    rows: list[tuple[Cell, ...]] = []
    for name in FIGURES:
        found, better = _beside(row, name), row.answer.better(name)
        style = None if better is None else verdict_style(caps, better)
        texts = [FIGURE_LABELS[name], figure_words(name, base.answer.figures[name])]
        if found is None:
            rows.append((*texts, "", "", "", ""))
            continue
        texts += [
            figure(name, row.answer.figures[name]),
            figure(name, found.value, signed=True),
            interval_words(name, found),
            _("no difference") if better is None else verdict_words(row.answer, name),
        ]
        rows.append(tuple(Segment(text, style) for text in texts))
    columns = (
        Column(_("figure"), FIGURE_WIDTH, "left"),
        Column(_("recorded"), 10),
        Column(_("replayed") if row is base else _("then"), 8),
        Column(_("difference"), 10, priority=2),
        Column(_("90 % interval"), 18, priority=1),
        Column("", 13, "left"),
    )
    title = _("{policy}: every figure, both replayed").format(policy=POLICY_LABELS[row.policy])
    return Block(title, columns, tuple(rows))


def _reading(base: PolicyRow, row: PolicyRow) -> tuple[str, ...]:
    """Return a policy and its figures, those first that differ beyond chance."""
    label, answer = POLICY_LABELS[row.policy], row.answer
    if row is base:
        figures = [f"{FIGURE_LABELS[name]} {figure_words(name, answer.figures[name])}" for name in FIGURES]
        return label, *figures
    order = sorted(FIGURES, key=lambda name: answer.better(name) is None)
    changes = [
        change_words(name, base.answer.figures[name], answer.figures[name], answer.differences.get(name))
        for name in order
    ]
    return label, *changes
