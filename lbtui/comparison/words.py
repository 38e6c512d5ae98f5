"""A comparison in words: figures in units that users know, effects, verdicts, and how they come about."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from lbtui.analysis.interval import FIXED_BLOCKS, MOST_BINS, RESAMPLES, SEED, STRETCHES
from lbtui.comparison.model import Comparison, Metric, Row, Verdict
from lbtui.comparison.requests import MEAN_PIECES, PERCENTILES
from lbtui.comparison.verdict import FEWEST, FEWEST_OF_A_SIDE, HEADLINE_LEVEL, LEVEL
from lbtui.overview.text import short
from lbtui.text import _, in_clauses, in_list, with_label

VERDICTS: Mapping[Verdict, str] = {
    "worse": _("worse"),
    "better": _("better"),
    "no_evidence": _("no evidence of a change"),
    "too_little_data": _("too little data"),
    "not_comparable": _("not comparable"),
}

# How a comparison comes about: what each paragraph is about, and the paragraph.
METHOD: tuple[tuple[str, str], ...] = (
    (
        _("difference"),
        _(
            "after − before. Effect: × before for times, rates and lengths, percentage points (pp) of a "
            "share, how many × the mean the most loaded carries more (PAR)."
        ),
    ),
    (
        _("95 % interval"),
        _(
            "would another pair of runs differ so? A series is cut into at most {bins} pieces of time (or of "
            "arrivals; {few} for p50, {fewer} for p95 and {mean} for the mean of a time per request). What "
            "it varies by is pre-whitened by an AR(1) corrected for its bias (Andrews and Monahan 1992, "
            "Kendall 1954), the rest resampled {resamples} times in circular moving blocks (Politis and "
            "Romano 1992) as long as its own autocorrelation asks for (Politis and White 2004, corrected "
            "2009) and no shorter than 1/{blocks} of it (fixed-b: Kiefer and Vogelsang 2005), the difference "
            "divided by its standard error in each resample (Götze and Künsch 1996). Percentiles are carried "
            "over from shares (Woodruff 1952), to half a step beyond as values are written in steps, both "
            "sides joined as in MOVER (Zou and Donner 2008). Seed {seed}: the same files give the same "
            "numbers."
        ).format(
            bins=MOST_BINS,
            few=PERCENTILES[0.5],
            fewer=PERCENTILES[0.95],
            mean=MEAN_PIECES,
            resamples=f"{RESAMPLES:,}",
            blocks=FIXED_BLOCKS,
            seed=SEED,
        ),
    ),
    (
        _("p-value"),
        _(
            "does noise about the runs as they went explain the difference? The same, but each series is "
            "taken about its running median over 1/{stretches} of the run (as Juhl and Xiao 2009 about a "
            "nonparametric mean), where it has pieces enough: a level that lasts would otherwise look like "
            "noise and hide itself (Crainiceanu and Vogelsang 2007)."
        ).format(stretches=STRETCHES),
    ),
    (
        _("verdict"),
        _(
            "better or worse where the p-value is small enough, the row's own interval excludes 0 and the "
            "difference is not below the metric's smallest worth calling. A few headlines stand for each "
            "dimension, each called by itself at p ≤ {headline}; the others are details under them, at p ≤ "
            "{level}: each by itself where a headline of the dimension is called, else corrected over the "
            "details of the dimension, as the load is over its rows (Holm 1979). No evidence of a change is "
            "no proof that there is none; too little data below {least} independent observations ({fewer} "
            "where the interval excludes 0), or where a percentile's interval has no end."
        ).format(level=LEVEL, headline=HEADLINE_LEVEL, least=FEWEST, fewer=FEWEST_OF_A_SIDE),
    ),
)


def verdict_words(row: Row) -> str:
    """Return the verdict; a load that differs has words of its own."""
    return _("load differs") if row.load_differs else VERDICTS[row.verdict]


def subject_words(row: Row) -> str:
    """Return whom the row speaks of: instance or role, as the files have it; empty for the whole profile."""
    return row.subject.instance or row.subject.role or ""


def load_sentence(comparison: Comparison) -> str:
    """Return what to know of the load before reading on."""
    if differ := comparison.loads_differ:
        named = in_list(
            _("{metric} {before} → {after}").format(
                metric=row.metric.label,
                before=with_unit(row.metric, row.before),
                after=with_unit(row.metric, row.after),
            )
            for row in differ
        )
        return _("The loads differ, which may explain everything below: {named}.").format(named=named)
    told = [row.metric.label for row in comparison.rows if row.is_load and row.verdict == "no_evidence"]
    if not told:
        return _("Whether both runs had the same load cannot be told.")
    return _("No evidence that the loads differ: {named}.").format(named=in_list(told))


def outcome_sentences(comparison: Comparison) -> list[str]:
    """Return which headlines are worse and which better, then how many details are."""
    headlines = comparison.headlines
    if not headlines:
        return []
    parts = [
        with_label(VERDICTS[verdict], in_clauses(map(named, rows)))
        for verdict in ("worse", "better")
        if (rows := [row for row in headlines if row.verdict == verdict])
    ]
    others = sum(row.verdict not in ("worse", "better") for row in headlines)
    if others:
        parts.append((_("{count} not called") if parts else _("none of {count} called")).format(count=others))
    details = [row.verdict for row in comparison.rows if row.is_detail]
    return [
        _("Headlines: {parts}.").format(parts=" · ".join(parts)),
        _("Details: {worse} worse, {better} better of {count}.").format(
            worse=details.count("worse"), better=details.count("better"), count=len(details)
        ),
    ]


def named(row: Row) -> str:
    """Return the metric's name with its subject."""
    return " ".join(part for part in (row.metric.label, subject_words(row)) if part)


def figure(metric: Metric, value: float, *, signed: bool = False) -> str:
    """Return a value without its unit; shares in percent, their differences (`signed`) in points."""
    if math.isnan(value):
        return "–"
    sign = "−" if value < 0 else "+" if signed and value > 0 else ""
    size = abs(value)
    if math.isinf(size):
        return f"{sign}∞"
    if metric.unit == _("share"):
        return sign + f"{100 * size:.3g}" + (_(" pp") if signed else _(" %"))
    return sign + (f"{size:.2f}" if metric.unit == _("max/mean") else short(size))


def with_unit(metric: Metric, value: float, *, signed: bool = False) -> str:
    """Return a value with its unit."""
    text = figure(metric, value, signed=signed)
    holds_it = metric.unit in (_("share"), _("max/mean")) or not math.isfinite(value)
    return text if holds_it else f"{text} {metric.unit}"


def effect_words(row: Row) -> str:
    """Return how large the difference is: × before, points of a share, × the mean; empty where unknown."""
    if math.isnan(row.difference):
        return ""
    if row.difference == 0:
        return _("none")
    if row.metric.unit == _("share"):
        return figure(row.metric, row.difference, signed=True)
    if row.metric.unit == _("max/mean"):
        return _("{difference}× mean").format(difference=figure(row.metric, row.difference, signed=True))
    if math.isnan(row.ratio):
        return with_unit(row.metric, row.difference, signed=True)
    # Two digits that say something, also where little is left: never 0.00× before.
    ratio = f"{row.ratio:.2f}" if row.ratio >= 0.1 else f"{row.ratio:.2g}"
    return _("{ratio}× before").format(ratio=ratio)


def interval_words(row: Row) -> str:
    """Return the interval's two ends; empty where unknown."""
    if math.isnan(row.low) or math.isnan(row.high):
        return ""
    low, high = (figure(row.metric, bound, signed=True) for bound in (row.low, row.high))
    return _("{low} to {high}").format(low=low.removesuffix(_(" pp")), high=high)


def metrics_of(rows: Sequence[Row]) -> list[Metric]:
    """Return every metric once, in the order of the rows."""
    return list({(row.metric.dimension, row.metric.key): row.metric for row in rows}.values())


def definition(metric: Metric) -> str:
    """Return a metric's formula and the smallest difference worth calling."""
    smallest = (
        _("{percent:g} % of the greater value").format(percent=100 * metric.smallest)
        if metric.relative
        else with_unit(metric, metric.smallest).replace(_(" %"), _(" pp"))
    )
    return _("{formula} Smallest difference worth calling: {smallest}.").format(
        formula=metric.formula, smallest=smallest
    )
