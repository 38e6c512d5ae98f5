"""A comparison in words: subjects, figures in units that users know, effects, verdicts and sentences."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Literal, TypeAlias

from lbtui.analysis.comparison import Comparison, Metric, Row, Verdict
from lbtui.render.text import number
from lbtui.text import _

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
# Above, a ratio says more than percent.
_TIMES = 2.0


def called(row: Row) -> Called:
    """Return the row's verdict; a load that differs has one of its own."""
    return "load_differs" if row.load_differs else row.verdict


def changed(row: Row) -> bool:
    """Tell whether the row differs beyond chance."""
    return called(row) in ("worse", "better", "load_differs")


def subject_words(row: Row) -> str:
    """Return whom the row speaks of: instance or role; empty where it is the whole profile."""
    place = row.subject
    parts = [part for part in (place.instance, place.role, place.address) if part]
    if place.rank is not None:
        parts.append(_("rank {rank}").format(rank=place.rank))
    return " ".join(parts)


def group_of(row: Row) -> tuple[str, str]:
    """Return the dimension, the load being one of its own, and the subject."""
    return ("load" if row.is_load else row.metric.dimension), subject_words(row)


def group_words(group: tuple[str, str]) -> str:
    """Return the heading of a group."""
    return " · ".join(part for part in (DIMENSIONS[group[0]], group[1]) if part)


def totals_words(comparison: Comparison, *, short: bool = False) -> list[tuple[Called, str]]:
    """Return how many rows have which verdict, worse first."""
    counts = Counter(called(row) for row in comparison.rows)
    texts: dict[Called, str] = {
        "worse": _("{count} worse"),
        "better": _("{count} better"),
        "no_evidence": _("{count} no evidence") if short else _("{count} no evidence of a change"),
        "too_little_data": _("{count} too little data"),
        "not_comparable": _("{count} not comparable"),
    }
    always = ("worse", "better", "no_evidence")
    return [
        (verdict, text.format(count=counts[verdict]))
        for verdict, text in texts.items()
        if counts[verdict] or verdict in always
    ]


def load_sentence(comparison: Comparison) -> str:
    """Return what to know of the load before reading on."""
    differ = comparison.loads_differ
    if differ:
        named = ", ".join(
            _("{metric} {before} → {after} ({effect})").format(
                metric=row.metric.label,
                before=with_unit(row.metric, row.before),
                after=with_unit(row.metric, row.after),
                effect=effect_words(row),
            )
            for row in differ
        )
        return _("The loads differ, which may explain everything below: {named}.").format(named=named)
    told = [row for row in comparison.rows if row.is_load and row.verdict == "no_evidence"]
    if not told:
        return _("Whether both runs had the same load cannot be told.")
    return _("No evidence that the loads differ: {named}.").format(
        named=", ".join(row.metric.label for row in told)
    )


# Figures


def _scaled(metric: Metric, value: float) -> float:
    return 100 * value if metric.unit == _("share") else value


def figure(metric: Metric, value: float, *, signed: bool = False) -> str:
    """Return a value without its unit; shares in percent, their differences (signed) in points."""
    value = _scaled(metric, value)
    if math.isnan(value):
        return "–"
    size = abs(value)
    if math.isinf(size):
        return "−∞" if value < 0 else "+∞"
    text = f"{size:.2f}" if metric.unit == _("max/mean") and size < 10 else number(size)
    if metric.unit == _("share"):
        decimals = 0 if size >= 10 or not size else 1 if size >= 1 else 2
        text = f"{size:.{decimals}f}" + (_(" pp") if signed else " %")
    minus = "−" if value < 0 else "+" if signed and value > 0 else ""
    return minus + text


def unit_words(metric: Metric) -> str:
    """Return the unit as it stands behind a figure; empty where the figure holds it."""
    return "" if metric.unit in (_("share"), _("max/mean")) else metric.unit


def with_unit(metric: Metric, value: float, *, signed: bool = False) -> str:
    """Return a value with its unit."""
    text, unit = figure(metric, value, signed=signed), unit_words(metric)
    return f"{text} {unit}" if unit and not math.isnan(value) else text


def effect_words(row: Row) -> str:
    """Return the difference as its readers think of it: %, × for much, points (pp) of a share, × mean."""
    metric, difference, ratio = row.metric, row.difference, row.ratio
    if math.isnan(difference):
        return ""
    if not difference:
        return _("none")
    if metric.unit == _("share"):
        return figure(metric, difference, signed=True)
    if metric.unit == _("max/mean"):
        return _("{difference} × mean").format(difference=figure(metric, difference, signed=True))
    if math.isnan(ratio):
        return with_unit(metric, difference, signed=True)
    if ratio >= _TIMES or 0 < ratio <= 1 / _TIMES:
        return _("{ratio} × before").format(ratio=number(ratio))
    percent = 100 * (ratio - 1)
    return f"{percent:+.{0 if abs(percent) >= 10 else 1}f} %".replace("-", "−")


def interval_words(row: Row) -> str:
    """Return the 95 % interval in figures."""
    if math.isnan(row.low) or math.isnan(row.high):
        return ""
    low, high = (figure(row.metric, bound, signed=True) for bound in (row.low, row.high))
    return _("{low} to {high}").format(low=low.removesuffix(_(" pp")), high=high)


def split_label(label: str) -> tuple[str, str]:
    """Return a label without and with its last part (`, p95`), which tells neighbours apart."""
    head, comma, tail = label.rpartition(", ")
    return (head, comma + tail) if head else (label, "")


def relative(row: Row, value: float) -> float:
    """Return a difference as a share of before (of after where before is 0), on which bars are drawn."""
    base = abs(row.before) or abs(row.after)
    return value / base if base > 0 else math.nan


# Sentences


def row_sentences(row: Row) -> list[str]:
    """Return what is to know of a row: what changed, why this verdict, the formula."""
    metric = row.metric
    name = " · ".join(part for part in (metric.label, subject_words(row)) if part)
    figures = _("{name}: {before} before, {after} after").format(
        name=name, before=with_unit(metric, row.before), after=with_unit(metric, row.after)
    )
    if effect := effect_words(row):
        figures += f", {effect}"
        if metric.unit == _("ms"):
            figures += f" ({with_unit(metric, row.difference, signed=True)})"
    interval = ""
    if words := interval_words(row):
        unit = unit_words(metric)
        interval = _("95 % interval {interval}").format(interval=f"{words} {unit}".rstrip())
    told = [figures, interval] if interval else [figures]
    return ["; ".join(told) + ".", _verdict_sentence(row), metric.formula]


def _verdict_sentence(row: Row) -> str:
    verdict = called(row)
    chance = "" if math.isnan(row.adjusted) else _("adjusted p {p}").format(p=p_words(row.adjusted))
    sentences: dict[Called, str] = {
        "worse": _("Worse: {direction} of it, beyond chance ({chance}); {good} is better."),
        "better": _("Better: {direction} of it, beyond chance ({chance}); {good} is better."),
        "no_evidence": _("No evidence of a change ({chance}): {why}."),
        "load_differs": _(
            "The load differs ({chance}): neither better nor worse, but it may explain the rest."
        ),
    }
    if (text := sentences.get(verdict)) is None:
        return f"{_capital(VERDICTS[verdict])}: {row.reason or _('no reason is known')}."
    return text.format(
        direction=_("more") if row.difference > 0 else _("less"),
        chance=chance or _("not tested"),
        good=_("more") if row.metric.better == "higher" else _("less"),
        why=_why_no_evidence(row),
    )


def _why_no_evidence(row: Row) -> str:
    if row.reason:
        return row.reason
    if row.low <= 0 <= row.high:
        return _("the interval holds 0, equal runs may differ by that much")
    return _("among so many rows chance alone gives one like it")


def smallest_words(metric: Metric) -> str:
    """Return the smallest difference worth calling."""
    if metric.relative:
        return _("{percent} % of the greater value").format(percent=number(100 * metric.smallest))
    if metric.unit == _("share"):
        return _("{points} percentage points").format(points=number(100 * metric.smallest))
    return " ".join(part for part in (number(metric.smallest), unit_words(metric)) if part)


def p_words(value: float) -> str:
    """Return a p-value, never as 0."""
    return _("< 0.001") if value < 0.001 else f"{value:.3f}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def metrics_of(rows: Sequence[Row]) -> list[Metric]:
    """Return every metric once, in the order of the rows."""
    return list({(row.metric.dimension, row.metric.key): row.metric for row in rows}.values())
