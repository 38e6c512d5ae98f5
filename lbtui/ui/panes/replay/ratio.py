"""What-if of the P:D ratio: a row a shape by load, and all figures of the one under the cursor."""

from __future__ import annotations

import math

from rich.segment import Segment

from lbtui.analysis.replay.figures import FIGURE_LABELS, FIGURES, MORE_IS_BETTER, FigureName
from lbtui.analysis.replay.ratio import LOADS, Ratio, Shape, ShapeRow
from lbtui.findings.replay.what_if import RatioAnswer
from lbtui.findings.replay.words import (
    RATIO_ASSUMED,
    assumed,
    figure,
    figure_words,
    interval_words,
    ratio_sentences,
    row_at,
    shape_better,
    shape_words,
)
from lbtui.findings.replay.words import test_sentence as self_test_sentence
from lbtui.render.capabilities import Capabilities
from lbtui.render.palette import fraction, heat_style, strong
from lbtui.render.table import Cell, Column
from lbtui.text import _
from lbtui.ui.panes.replay.sheet import FIGURE_WIDTH, Bar, Block, Sheet, bar_of, test_block, verdict_style
from lbtui.ui.panes.replay.state import Measure, ReplayState, measure_words, place

_LOAD_WIDTH = 8


def ratio_sheet(found: RatioAnswer, title: str, state: ReplayState, caps: Capabilities) -> Sheet:
    """Return what is shown of a ratio's answer."""
    ratio = found.ratio
    sentences = ratio_sentences(found)
    test, tested = test_block(found.prepared.test, caps), self_test_sentence(found.prepared)
    if ratio is None:
        return Sheet(title, sentences, test=test, tested=tested)
    rows = ordered(ratio, state.measure)
    names = tuple(shape_words(row.shape) for row in rows)
    at = place(state, names)
    return Sheet(
        title,
        sentences,
        True,
        _table(ratio, rows, state.measure, caps),
        names,
        tuple(_bar(ratio, row, caps) for row in rows),
        at,
        _chosen(ratio, rows[at].shape),
        _reading(rows[at]),
        test,
        tested,
        assumed(found.prepared, RATIO_ASSUMED),
    )


def ordered(ratio: Ratio, measure: Measure) -> tuple[ShapeRow, ...]:
    """Return the shapes at the recorded load, the best by a measure first."""
    rows = ratio.at(1.0)
    if measure == "per_node":
        return rows
    sign = -1 if measure in MORE_IS_BETTER else 1
    # Sorting is stable: of equals the most goodput per node comes first.
    return tuple(
        sorted(rows, key=lambda row: (math.isnan(_value(row, measure)), sign * _value(row, measure)))
    )


def _value(row: ShapeRow | None, measure: Measure) -> float:
    if row is None:
        return math.nan
    return row.per_node if measure == "per_node" else row.figures[measure]


def _bar(ratio: Ratio, row: ShapeRow, caps: Capabilities) -> Bar | None:
    if row.shape == ratio.present:
        return None
    return bar_of(row.difference, shape_better(row), caps)


def _table(ratio: Ratio, rows: tuple[ShapeRow, ...], measure: Measure, caps: Capabilities) -> Block:
    """Return the shapes; the cells of a load are in the colours of load, over all cells of the table."""
    known = [value for row in ratio.rows if math.isfinite(value := _value(row, measure))]
    low, high = min(known, default=0.0), max(known, default=0.0)
    columns = [
        Column(_("P:D"), 7, "left"),
        Column(_("nodes"), 5, priority=3),
        *(Column(f"× {load:g}", _LOAD_WIDTH, priority=0 if load == 1 else 1) for load in LOADS),
        Column(_("per node"), 9, priority=1),
        Column(_("90 % interval"), 18, priority=2),
        Column("", 23, "left"),
    ]
    cells = []
    for row in rows:
        own = row.shape == ratio.present
        better = None if own else shape_better(row)
        style = verdict_style(caps, better)
        line: list[Cell] = [
            Segment(shape_words(row.shape), strong(caps) if own else None),
            str(row.shape.nodes),
        ]
        for load in LOADS:
            value = _value(row_at(ratio, row.shape, load), measure)
            part = fraction(value, low, high)
            heat = None if part is None else heat_style(caps, part, background=True)
            line.append(Segment(f"{figure(_named(measure), value)} ", heat))
        found = None if own else row.difference
        line += (
            ["", ""]
            if found is None
            else [
                Segment(figure("goodput", found.value, signed=True), style),
                Segment(interval_words("goodput", found), style),
            ]
        )
        line.append(Segment(_mark(ratio, row), strong(caps) if own else style))
        cells.append(tuple(line))
    title = _("{measure}, by load as recorded × (m: next); difference per node at × 1, req/s")
    by = 2 + LOADS.index(1.0)
    more = measure == "per_node" or measure in MORE_IS_BETTER
    return Block(
        title.format(measure=measure_words(measure)), tuple(columns), tuple(cells), (by,), (by, more)
    )


def _named(measure: Measure) -> FigureName:
    return "goodput" if measure == "per_node" else measure


def _mark(ratio: Ratio, row: ShapeRow) -> str:
    """Return what a shape is: the recorded, the best of as many nodes, better or worse."""
    best = ratio.best()
    is_best = best is not None and best.shape == row.shape
    if row.shape == ratio.present:
        return _("as recorded, the best") if is_best else _("as recorded")
    if ratio.beyond(row):
        return _("beyond what was seen")
    better = shape_better(row)
    if better is None:
        return _("no difference")
    if not better:
        return _("worse")
    return _("better, the best of {nodes}").format(nodes=row.shape.nodes) if is_best else _("better")


def _chosen(ratio: Ratio, shape: Shape) -> Block:
    """Return every figure of a shape at every load."""
    rows: list[tuple[Cell, ...]] = []
    found = [row_at(ratio, shape, load) for load in LOADS]
    rows.append(
        (_("goodput per node"), *(figure("goodput", _value(row, "per_node")) for row in found), "req/s")
    )
    for name in FIGURES:
        texts = [figure(name, _value(row, name)) for row in found]
        unit = figure_words(name, 1.0).removeprefix(figure(name, 1.0)).strip()
        rows.append((FIGURE_LABELS[name], *texts, unit))
    columns = (
        Column(_("figure"), FIGURE_WIDTH, "left"),
        *(Column(f"× {load:g}", _LOAD_WIDTH) for load in LOADS),
        Column("", 5, "left"),
    )
    title = _("{shape}: every figure by load").format(shape=shape_words(shape))
    return Block(title, columns, tuple(rows))


def _reading(row: ShapeRow) -> tuple[str, ...]:
    """Return a shape and its figures at the recorded load."""
    figures = [f"{FIGURE_LABELS[name]} {figure_words(name, row.figures[name])}" for name in FIGURES]
    per_node = _("goodput per node {value} req/s").format(value=figure("goodput", row.per_node))
    return _("{shape} at × 1").format(shape=shape_words(row.shape)), per_node, *figures
