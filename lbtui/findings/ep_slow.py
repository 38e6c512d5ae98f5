"""`ep.rank.slow`: a rank whose expert computation takes longer than its load explains."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtui.analysis.counts import binomial_tail
from lbtui.analysis.expert_parallel import layer_time_matrix
from lbtui.analysis.imbalance import known_mean
from lbtui.findings.ep_heat import ExpertHeat
from lbtui.findings.ep_ranks import subject_of
from lbtui.findings.evidence import Evidence
from lbtui.findings.model import Cost, Finding
from lbtui.text import _, in_percent
from lbtui.thresholds import Thresholds

_FEWEST_LAYERS = 4
_NO_MORE_LOAD = 1.03
_CRITICAL_RATIO = 1.3


def find_slow_ranks(evidence: Evidence, limits: Thresholds, heat: ExpertHeat) -> Iterator[Finding]:
    """Yield the ranks with a longer GroupedMatmul than the median rank though their load is not higher.

    Which process is which rank is a guess from pid order, so a rank with more than the mean load never
    counts. Chance: a sign test over layers, in which a layer counts if it is above half the threshold's
    effect, times the ranks looked at (Bonferroni).
    """
    times = evidence.frame("layer_times")
    if times.is_empty() or heat.by_time:
        return
    matrix, pids = layer_time_matrix(times)
    load = heat.mean_load
    layers, ranks = min(len(matrix), len(load)), load.shape[1]
    if len(pids) != ranks or layers < _FEWEST_LAYERS:
        return
    relative = np.full((layers, ranks), np.nan)
    for layer, row in enumerate(matrix[:layers]):
        middle = float(np.median(row[~np.isnan(row)])) if not np.isnan(row).all() else 0.0
        if middle > 0:
            relative[layer] = row / middle
    for rank in range(ranks):
        ratio = float(known_mean(relative[:, rank]))
        own_load = float(known_mean(load[:layers, rank]))
        slow = int((relative[:, rank] > (1 + limits.ep_slow_ratio) / 2).sum())
        p = min(1.0, ranks * binomial_tail(slow, layers, 0.5))
        if ratio < limits.ep_slow_ratio or own_load > _NO_MORE_LOAD or p > limits.p_value:
            continue
        yield Finding(
            id="ep.rank.slow",
            severity="critical" if ratio >= _CRITICAL_RATIO else "warning",
            subject=subject_of(heat, rank=rank),
            metric=_("GroupedMatmul time / median of the ranks, mean over layers"),
            value=ratio,
            threshold=limits.ep_slow_ratio,
            cost=Cost(
                1 - 1 / ratio,
                _("share of expert compute"),
                _("the other ranks wait {share} of its GroupedMatmul time (1 − 1 / ratio)").format(
                    share=in_percent(1 - 1 / ratio, 1)
                ),
                1 - 1 / ratio,
                of="experts",
            ),
            message=_(
                "Rank {rank} (pid {pid}, rank guessed from pid order) takes {ratio:.2f}× the median "
                "GroupedMatmul time at {load:.2f}× the mean load: the card or its host is slow, not the "
                "load."
            ).format(rank=rank, pid=pids[rank], ratio=ratio, load=own_load),
            advice=_(
                "Check this card's clock, temperature and memory (npu-smi) and other jobs on its host; "
                "moving experts will not help."
            ),
            evidence=_("{file}: column {pid}").format(file=evidence.file("layer_times"), pid=pids[rank]),
            p_value=p,
        )
