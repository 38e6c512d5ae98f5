"""A comparison on the screen in words: groups, marks, totals, and the sentences of one row."""

from __future__ import annotations

import math
from collections import Counter
from typing import Literal, TypeAlias

from lbtui.comparison import Comparison, Metric, Row, Verdict
from lbtui.comparison.words import effect_words, interval_words, subject_words, with_unit
from lbtui.text import _, in_clauses, in_sentences, with_brackets, with_comma, with_stop

Called: TypeAlias = Verdict | Literal["load_differs"]

DIMENSIONS: dict[str, str] = {
    "load": _("Load"),
    "dp": _("DP"),
    "kv": _("KV cache"),
    "pd": _("P/D"),
    "ep": _("EP"),
    "requests": _("Requests"),
}
SHORT_VERDICTS: dict[Called, str] = {
    "worse": _("worse"),
    "better": _("better"),
    "no_evidence": _("no evidence"),
    "too_little_data": _("too little"),
    "not_comparable": _("no pair"),
    "load_differs": _("differs"),
}
VERDICTS: dict[Called, str] = {
    "worse": _("worse"),
    "better": _("better"),
    "no_evidence": _("no evidence"),
    "too_little_data": _("too little data"),
    "not_comparable": _("not comparable"),
    "load_differs": _("load differs"),
}
# In ASCII as they are, and told apart without colour.
MARKS: dict[Called, str] = {
    "worse": "!!",
    "better": "++",
    "no_evidence": "=",
    "too_little_data": "?",
    "not_comparable": "/",
    "load_differs": "!",
}


def called(row: Row) -> Called:
    """Return the row's verdict; a load that differs has one of its own."""
    return "load_differs" if row.load_differs else row.verdict


def changed(row: Row) -> bool:
    """Tell whether the row differs beyond chance."""
    return called(row) in ("worse", "better", "load_differs")


def group_of(row: Row) -> tuple[str, str]:
    """Return the dimension, the load being one of its own, and the subject."""
    return ("load" if row.is_load else row.metric.dimension), subject_words(row)


def group_words(group: tuple[str, str]) -> str:
    """Return the heading of a group."""
    return " · ".join(part for part in (DIMENSIONS[group[0]], group[1]) if part)


def totals_words(comparison: Comparison, *, short: bool = False) -> list[tuple[Called | None, str]]:
    """Return how many headlines are worse and better, then how many details, as parts of one line.

    Unless `short`, also how many rows have no verdict. A part has the verdict that it counts, None where
    there are none.
    """
    details = [row for row in comparison.rows if row.is_detail]
    parts: list[tuple[Called | None, str]] = []
    for rows, words in (
        (comparison.headlines, _(" of {count} headlines")),
        (details, _(" of {count} details")),
    ):
        counts = Counter(row.verdict for row in rows)
        parts += [(None, " · ")] if parts else []
        worse, better = counts["worse"], counts["better"]
        parts.append(("worse" if worse else None, _("{count} worse").format(count=worse)))
        parts.append((None, with_comma("", "")))
        parts.append(("better" if better else None, _("{count} better").format(count=better)))
        parts.append((None, words.format(count=len(rows))))
    if short:
        return parts
    counts = Counter(row.verdict for row in comparison.rows if not row.load_differs)
    texts: tuple[tuple[Verdict, str], ...] = (
        ("too_little_data", _(" · {count} too little data")),
        ("not_comparable", _(" · {count} not comparable")),
    )
    return parts + [(None, text.format(count=counts[key])) for key, text in texts if counts[key]]


def unit_words(metric: Metric) -> str:
    """Return the unit as it stands behind a label; empty where the figures hold it."""
    return "" if metric.unit in (_("share"), _("max/mean")) else metric.unit


def split_label(label: str) -> tuple[str, str]:
    """Return a label without and with its last part (`, p95`), which tells neighbours apart."""
    head, comma, tail = label.rpartition(with_comma("", ""))
    return (head, comma + tail) if head else (label, "")


def relative(row: Row, value: float) -> float:
    """Return a difference as a share of before (of after where before is 0), on which bars are drawn."""
    base = abs(row.before) or abs(row.after)
    return value / base if base > 0 else math.nan


# Sentences


def row_sentences(row: Row) -> list[str]:
    """Return what is to know of a row: what changed, why this verdict and of what parts, the formula."""
    metric = row.metric
    name = " · ".join(part for part in (metric.label, subject_words(row)) if part)
    figures = _("{name}: {before} before, {after} after").format(
        name=name, before=with_unit(metric, row.before), after=with_unit(metric, row.after)
    )
    if effect := effect_words(row):
        if unit_words(metric) and row.before > 0 and row.difference:
            amount = with_unit(metric, row.difference, signed=True)
            effect = with_brackets(effect, amount)
        figures = with_comma(figures, effect)
    if words := interval_words(row):
        interval = _("95 % interval {interval}").format(interval=f"{words} {unit_words(metric)}".rstrip())
        figures = in_clauses((figures, interval))
    # All findings, which the pane of many runs does without.
    from lbtui.findings.latency.words import change_sentence

    said = in_sentences(_verdict_sentence(row), change_sentence(row))
    return [with_stop(figures), said, metric.formula]


def _verdict_sentence(row: Row) -> str:
    verdict = called(row)
    chance = ""
    if not math.isnan(row.adjusted):
        words = _("p {p}") if row.adjusted == row.p_value else _("adjusted p {p}")
        chance = words.format(p=p_words(row.adjusted))
    sentences: dict[Called, str] = {
        "worse": _("Worse: {direction} of it, beyond chance ({chance}); {good} is better."),
        "better": _("Better: {direction} of it, beyond chance ({chance}); {good} is better."),
        "no_evidence": _("No evidence of a change ({chance}): {why}."),
        "load_differs": _(
            "The load differs ({chance}): neither better nor worse, but it may explain the rest."
        ),
    }
    if (text := sentences.get(verdict)) is None:
        reason = row.reason or _("no reason is known")
        return _("{verdict}: {reason}.").format(verdict=_capital(VERDICTS[verdict]), reason=reason)
    return text.format(
        direction=_("more") if row.difference > 0 else _("less"),
        chance=chance or _("not tested"),
        good=_("more") if row.metric.better == "higher" else _("less"),
        why=_why_no_evidence(row),
    )


def _why_no_evidence(row: Row) -> str:
    return row.reason or _("the interval holds 0, equal runs may differ by that much")


def p_words(value: float) -> str:
    """Return a p-value, never as 0."""
    return _("< 0.001") if value < 0.001 else f"{value:.3f}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
