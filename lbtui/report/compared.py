"""A comparison as rows of text, for the text report and the Markdown page alike."""

from __future__ import annotations

from collections.abc import Iterator

from lbtui.comparison import Comparison
from lbtui.comparison.words import (
    definition,
    effect_words,
    figure,
    interval_words,
    metrics_of,
    named,
    subject_words,
    verdict_words,
    with_unit,
)
from lbtui.text import _, in_clauses, with_comma, with_label

HEADS = (
    _("metric"),
    _("of"),
    _("before"),
    _("after"),
    _("difference"),
    _("95 % interval"),
    _("effect"),
    _("verdict"),
)


def cells(comparison: Comparison, indent: str) -> list[tuple[str, ...]]:
    """Return the rows below `HEADS`, in order; `of` as the files have it, details behind `indent`."""
    return [
        (
            (indent if row.is_detail else "") + row.metric.label,
            subject_words(row),
            with_unit(row.metric, row.before),
            with_unit(row.metric, row.after),
            figure(row.metric, row.difference, signed=True),
            interval_words(row),
            effect_words(row),
            verdict_words(row),
        )
        for row in comparison.rows
    ]


def reasons(comparison: Comparison) -> Iterator[str]:
    """Yield a sentence for every reason, naming the rows that it holds for."""
    told: dict[str, list[str]] = {}
    for row in comparison.rows:
        if row.reason:
            told.setdefault(with_comma(verdict_words(row), row.reason), []).append(named(row))
    for reason, labels in told.items():
        yield _("{rows}: {reason}.").format(rows=in_clauses(labels), reason=reason)


def formulas(comparison: Comparison) -> Iterator[str]:
    """Yield each metric with its formula and the smallest difference worth calling."""
    for metric in metrics_of(comparison.rows):
        yield with_label(metric.label, definition(metric))
