"""The Runs pane's quantities and methods."""

from __future__ import annotations

from lbtui.comparison.model import Metric
from lbtui.text import _, in_list, in_sentences
from lbtui.ui.kit.pane import HelpEntry
from lbtui.ui.panes.compare.words import DIMENSIONS, VERDICTS
from lbtui.ui.panes.runs.columns import unit_of
from lbtui.ui.panes.runs.data import RunsData


def entries(data: RunsData) -> list[HelpEntry]:
    """Return what is shown, how it comes about, then each metric that any run has with its formula."""
    return [*_METHOD, *(_metric(metric) for metric in data.metrics.values())]


def filter_grammar() -> str:
    """Return how a filter is written, in a few words."""
    return _("words of name, shape, finding or note; p_nodes=2  ttft.p95>500  worse>0")


def _metric(metric: Metric) -> HelpEntry:
    text = metric.formula
    if (unit := unit_of(metric)) and unit != _("max/mean"):
        text = in_sentences(text, _("Unit: {unit}.").format(unit=unit))
    return HelpEntry(f"{DIMENSIONS[metric.dimension]} · {metric.label}", text)


_METHOD = (
    HelpEntry(
        _("the table"),
        _(
            "One row a run, newest first until s sorts. A run of several instances shows the worst of them; "
            "i shows each. – is unknown, … still to be read, ? says that a value may be off. What cannot be "
            "read says why in place of its figures."
        ),
    ),
    HelpEntry(
        _("PAR batch, chance"),
        _("PAR of DP batch size; in brackets what equal domains would show at this load."),
    ),
    HelpEntry(
        _("oldest → newest"),
        _(
            "The bars under a title, or above the table in a narrow window: the column over all runs, oldest "
            "at the left, from 0 (PAR: from 1) to the largest. Where runs outnumber the cells, each shows "
            "the largest of those that it covers."
        ),
    ),
    HelpEntry(
        in_list((_("vs baseline"), *VERDICTS.values())),
        _(
            "The verdicts of Compare on each run against the baseline, their p-values corrected over the "
            "runs (Benjamini and Hochberg 1995). !! worse, ++ better, ! load differs, each with how many "
            "metrics; = no evidence, ? too little data, / not comparable, as where shapes differ."
        ),
    ),
    HelpEntry(
        _("worst finding"),
        _("The most severe finding on a run's load, within that the most costly: !! critical, ! warning."),
    ),
    HelpEntry(
        _("filter"),
        _(
            "Words that a run's name, engine, shape, parameters, note or finding hold; parameters as "
            "p_nodes=2; figures as ttft.p95>500 or dp.batch_size.par>=1.3 in the unit shown; worse>0 and "
            "better>0 count verdicts. All must hold."
        ),
    ),
    HelpEntry(
        _("trend, step, drift, level found"),
        _(
            "Each metric over the runs of one shape, in order of time. A change is called where chance alone "
            "would rarely make it in equal runs in any order, and where it is more than the runs' own 95 % "
            "intervals explain. A step has a level before and one behind it; a drift a slope, told a run. "
            "Changes of the load are told first: they may explain the others."
        ),
    ),
    HelpEntry(
        _("sweep, front"),
        _(
            "What was tried, by parameters. On the front is what no other equals in both figures and beats "
            "in one: the throughput (goodput where targets were given) and the latency, which m changes."
        ),
    ),
)
