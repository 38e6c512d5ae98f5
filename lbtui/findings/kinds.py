"""The kinds of findings on the load: of each what its value says, its picture and its place, in one row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from lbtui.analysis.data_parallel import MetricKey
from lbtui.findings.model import Finding
from lbtui.text import _

# What is drawn of a finding that is of no DP domain.
Drawing: TypeAlias = Literal[
    "nodes", "waiting", "pulls", "processes", "ranks", "layers", "experts", "periods"
]
EpView: TypeAlias = Literal["rank", "expert", "model_expert", "times"]


@dataclass(frozen=True)
class Kind:
    """What holds for all findings of an id.

    `figure` has places for the value (`{value}`, `{percent}`, `{count}`) and what was `{expected}`.
    """

    figure: str = ""  # empty: the metric's own name
    over_expected: str = ""  # the same where it is over what the config expects
    judged: bool = False  # by the shares that the config expects
    metric: MetricKey | None = None  # of a DP domain: its lanes here and in the DP pane
    drawing: Drawing | None = None
    view: EpView = "rank"  # of the EP pane


# A pool and a use of blocks share `kv.skew`, ends and steps `dp.straggler` (`words.figure_words`).
KINDS: Mapping[str, Kind] = {
    "dp.batch_size.skew": Kind(
        _("{value}× its peers' batch"), _("{value}× its expected batch"), judged=True, metric="batch_size"
    ),
    "dp.queue.skew": Kind(
        _("{value} more waiting than peers"),
        _("{value} more waiting than expected"),
        judged=True,
        metric="waiting",
    ),
    "dp.straggler": Kind(_("{value}× its peers' step time"), metric="duration"),
    "dp.bubble.long": Kind(_("late by {percent} of a step"), metric="bubble"),
    "dp.tokens.skew": Kind(
        _("{value}× its peers' prompt tokens"),
        _("{value}× its expected prompt tokens"),
        judged=True,
        metric="tokens",
    ),
    "dp.stalled": Kind(_("no step for {value} s"), metric="batch_size"),
    "dp.idle": Kind(_("idle {percent} of the run"), judged=True, metric="batch_size"),
    "dp.expected": Kind(_("{value}× its peers' batch, {expected} expected")),
    # Usage and not free blocks: pools of different sizes on one scale.
    "kv.exhausted": Kind(_("{percent} of time at last blocks"), metric="kv_usage"),
    "kv.skew": Kind(
        _("{value}× its peers' blocks used"),
        _("{value}× its expected use of blocks"),
        judged=True,
        metric="kv_usage",
    ),
    "pd.node.skew": Kind(
        _("{value}× an equal share"), _("{value}× its expected share"), judged=True, drawing="nodes"
    ),
    "pd.expected": Kind(_("{value}× its expected share")),
    "pd.node.stalled": Kind(_("stands still for {value} s"), drawing="nodes"),
    "pd.ratio": Kind(_("{value} waiting at each domain"), drawing="waiting"),
    "pd.transfer.slow": Kind(_("{value}× the others' KV pull"), drawing="pulls"),
    "ep.rank.hot": Kind(_("{value}× the mean rank"), drawing="ranks"),
    "ep.skew": Kind(_("PAR {value} on average"), drawing="layers"),
    "ep.expert.hot": Kind(_("{value}× its layer's mean"), drawing="experts", view="expert"),
    "ep.expert.more": Kind(_("+ {count} more hot"), view="expert"),
    "ep.eplb.worse": Kind(_("PAR {value} since EPLB"), drawing="periods"),
    "ep.heat.moves": Kind(
        _("{percent} of tokens elsewhere each period"), drawing="periods", view="model_expert"
    ),
    "ep.rank.slow": Kind(_("{value}× the median time"), drawing="processes", view="times"),
    "ep.eplb.ineffective": Kind(_("PAR still {value}"), drawing="periods"),
}


def kind_of(finding: Finding) -> Kind:
    """Return the row of a finding's id; one on the data has none, and says nothing more than its metric."""
    return KINDS.get(finding.id, Kind())
