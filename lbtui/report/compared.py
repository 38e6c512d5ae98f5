"""A comparison as rows of text, for the text report and the Markdown page alike."""

from __future__ import annotations

from collections.abc import Iterator

from lbtui.analysis.comparison import Comparison, Metric
from lbtui.analysis.comparison.words import (
    effect_words,
    figure,
    interval_words,
    smallest_words,
    subject_words,
    verdict_words,
    with_unit,
)
from lbtui.text import _

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


def cells(comparison: Comparison) -> list[tuple[str, ...]]:
    """Return the rows below `HEADS`, in order; `of` as the files have it."""
    return [
        (
            row.metric.label,
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
    named: dict[str, list[str]] = {}
    for row in comparison.rows:
        if row.reason:
            label = " ".join(part for part in (row.metric.label, subject_words(row)) if part)
            named.setdefault(f"{verdict_words(row)}, {row.reason}", []).append(label)
    for reason, labels in named.items():
        yield _("{rows}: {reason}.").format(rows="; ".join(labels), reason=reason)


def formulas(comparison: Comparison) -> Iterator[str]:
    """Yield each metric with its formula and the smallest difference worth calling."""
    metrics: dict[Metric, None] = dict.fromkeys(row.metric for row in comparison.rows)
    for metric in metrics:
        yield _("{metric}: {formula} Smallest difference worth calling: {smallest}.").format(
            metric=metric.label, formula=metric.formula, smallest=smallest_words(metric)
        )
