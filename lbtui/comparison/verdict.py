"""From intervals to verdicts: the correction over rows, too little data, differences too small to matter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from lbtui.analysis.interval import Estimate, difference
from lbtui.comparison.model import Metric, Row, Verdict
from lbtui.overview.model import Place
from lbtui.text import _, in_percent

LEVEL = 0.05
# Headlines decide what is said first and what fails a run: they are called less easily.
HEADLINE_LEVEL = 0.02
# Below, the long-run variance of a series is a guess: too little for "no evidence of a change". An interval
# that excludes 0 may do so with fewer: of 89 headlines of equal pairs that have fewer, 1 was called.
FEWEST = 10
FEWEST_OF_A_SIDE = 5


def measured_row(metric: Metric, subject: Place, before: Estimate, after: Estimate) -> Row:
    """Return the row with its interval; the verdict is open (`no_evidence`) unless data are too few."""
    found = difference(before, after)
    row = Row(metric, subject, "no_evidence", before.value, after.value, found.low, found.high, found.p_value)
    least = FEWEST if found.low <= 0 <= found.high else FEWEST_OF_A_SIDE
    if (count := _independent(before, after)) < least:
        why = _("it says as much as {count:.1f} independent observations would; {least} are needed")
        # Rounded down: 9.97 is not 10.
        told = math.floor(10 * count) / 10
        return replace(row, verdict="too_little_data", reason=why.format(count=told, least=least))
    if found.low <= 0 <= found.high and not (math.isfinite(found.low) and math.isfinite(found.high)):
        why = _("too few observations beyond it to bound it")
        return replace(row, verdict="too_little_data", reason=why)
    if not (before.varies or after.varies) and row.difference != 0:
        why = _("it varies in neither profile, so nothing tells what chance would do")
        unknown = math.nan
        return replace(row, verdict="too_little_data", low=unknown, high=unknown, p_value=unknown, reason=why)
    return row


def _independent(before: Estimate, after: Estimate) -> float:
    """Return how many independent observations a side has: the mean over both, by what each adds in variance.

    (s² + s²) / (s²/n + s²/n): a side that hardly varies need not be long. But with fewer than
    `FEWEST_OF_A_SIDE` how much it varies is not known.
    """
    least = min(before.independent, after.independent)
    shares = [(before.spread**2, before.independent), (after.spread**2, after.independent)]
    below = sum(variance / count for variance, count in shares if count > 0)
    if least < FEWEST_OF_A_SIDE or below == 0:
        return least
    return sum(variance for variance, _count in shares) / below


def judged(rows: Sequence[Row]) -> list[Row]:
    """Return the rows with their adjusted p-values and final verdicts.

    Rows are judged in a hierarchy. The load is a family of its own, corrected by Holm's step-down method
    (1979), which holds the chance of even one wrong call at 5 % as far as noise about the runs' courses goes.
    Each headline stands by itself at `HEADLINE_LEVEL`. Details ask where a change arose: where a headline of
    their dimension is called each stands by itself, else those of a dimension are corrected for each other.
    What lasts longer than noise may be chance too: each called row's own interval, which counts it, must
    exclude 0.
    """
    found = list(rows)
    places = [i for i, row in enumerate(rows) if row.verdict == "no_evidence"]
    _judge(found, [i for i in places if rows[i].is_load])
    for dimension in dict.fromkeys(row.metric.dimension for row in rows):
        own = [i for i in places if rows[i].metric.dimension == dimension]
        headlines = [i for i in own if rows[i].is_headline]
        for i in headlines:
            _judge(found, [i])
        details = [i for i in own if rows[i].is_detail]
        called = any(found[i].verdict in ("better", "worse") for i in headlines)
        for family in [[i] for i in details] if called else [details]:
            _judge(found, family)
    return found


def _judge(rows: list[Row], family: Sequence[int]) -> None:
    """Put adjusted p-values and verdicts into the rows at these places, corrected for each other."""
    for i, adjusted in zip(family, holm([rows[i].p_value for i in family]), strict=True):
        rows[i] = _decided(replace(rows[i], adjusted=adjusted), len(family))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted by Holm (1979): the k-th least of m times m − k + 1, not falling, ≤ 1."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for place, i in enumerate(order):
        highest = max(highest, min(1.0, p_values[i] * (len(p_values) - place)))
        adjusted[i] = highest
    return adjusted


def level_of(row: Row) -> float:
    """Return the level that the adjusted p-value of a row is held to."""
    return HEADLINE_LEVEL if row.is_headline else LEVEL


def _decided(row: Row, family: int) -> Row:
    if row.low <= 0 <= row.high:
        why = _("beyond noise, but the runs swing for so long that the interval holds 0")
        return replace(row, reason=why) if row.p_value <= LEVEL else row
    if row.adjusted > level_of(row):
        return replace(row, reason=_why_not(row, family))
    if abs(row.difference) < smallest(row):
        return replace(row, reason=_("beyond chance, but too small a difference to matter"))
    if row.is_load:
        why = _("the load itself differs: this may explain the rows below")
        return replace(row, verdict="not_comparable", reason=why)
    verdict: Verdict = "better" if (row.difference > 0) == (row.metric.better == "higher") else "worse"
    return replace(row, verdict=verdict)


def _why_not(row: Row, family: int) -> str:
    if row.p_value > LEVEL:
        return _("the interval excludes 0, but noise about the runs as they went may make such a difference")
    if row.is_headline:
        why = _("the interval excludes 0, but a headline is called at p ≤ {level} only")
        return why.format(level=in_percent(HEADLINE_LEVEL))
    why = _("the interval excludes 0, but among {count} such rows chance alone gives one like it")
    return why.format(count=family)


def smallest(row: Row) -> float:
    """Return the smallest difference worth calling, in the metric's unit."""
    if not row.metric.relative:
        return row.metric.smallest
    known = [abs(value) for value in (row.before, row.after) if math.isfinite(value)]
    return row.metric.smallest * max(known, default=0.0)
