"""Findings on expert parallelism: hot ranks, hot experts, slow ranks, EPLB without effect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import polars as pl

from lbtui.analysis.counts import binomial_tail
from lbtui.analysis.expert_parallel import HeatMatrix, heat_maps, heat_matrix, layer_time_matrix, rank_loads
from lbtui.analysis.imbalance import Floats, par, wasted_share
from lbtui.findings.evidence import Evidence
from lbtui.findings.model import Cost, Finding
from lbtui.findings.thresholds import Thresholds
from lbtui.text import _, visible


@dataclass(frozen=True)
class _Heat:
    """The maps of one instance by period; loads are [layer, rank] relative to the layer's mean."""

    instance: str
    periods: tuple[int, ...]
    loads: tuple[Floats, ...]
    experts: tuple[HeatMatrix, ...]  # one per period, or empty

    @property
    def mean_load(self) -> Floats:
        """Load of each rank [layer, rank] × the layer's mean, over all periods."""
        mean: Floats = np.nanmean(np.stack(self.loads), axis=0)
        return mean


def find_ep(evidence: Evidence, limits: Thresholds) -> Iterator[Finding]:
    """Yield the findings on the experts of every instance whose shares are known."""
    frame = evidence.frame("expert_heat")
    for instance in frame["instance"].unique().sort().to_list():
        heat = _heat_of(frame, instance)
        if heat is None:
            continue
        yield from _hot_ranks(evidence, limits, heat)
        yield from _skew(evidence, limits, heat)
        yield from _hot_experts(evidence, limits, heat)
        yield from _ineffective(evidence, limits, heat)
        yield from _slow_ranks(evidence, limits, heat)


def _heat_of(frame: pl.DataFrame, instance: str) -> _Heat | None:
    maps = [(view, period) for name, view, period in heat_maps(frame) if name == instance]
    periods = sorted({period for _view, period in maps})
    loads: list[Floats] = []
    kept: list[int] = []
    experts: list[HeatMatrix] = []
    for period in periods:
        by_rank = heat_matrix(frame, instance, "rank", period) or heat_matrix(
            frame, instance, "expert", period
        )
        shares = rank_loads(by_rank) if by_rank is not None else None
        if shares is None or shares.shape[1] < 2:
            continue
        with np.errstate(invalid="ignore", divide="ignore"):
            loads.append(shares / np.nanmean(shares, axis=1, keepdims=True))
        kept.append(period)
        by_expert = heat_matrix(frame, instance, "expert", period)
        if by_expert is not None and by_expert.shares is not None and by_expert.ranks:
            experts.append(by_expert)
    if not loads or len({load.shape for load in loads}) > 1:
        return None
    return _Heat(instance, tuple(kept), tuple(loads), tuple(experts) if len(experts) == len(kept) else ())


def _hot_ranks(evidence: Evidence, limits: Thresholds, heat: _Heat) -> Iterator[Finding]:
    """A rank above the others in layer after layer.

    Layers place their experts independently, so by chance a rank is above the mean in some layers and below
    in others. The mean over layers is judged by its standard error over the layers (normal, Bonferroni over
    ranks) and by a sign test.
    """
    load = heat.mean_load
    layers, ranks = load.shape
    for rank in range(ranks):
        column = load[:, rank]
        column = column[~np.isnan(column)]
        ratio = float(column.mean()) if len(column) else 0.0
        if ratio < limits.ep_rank_ratio:
            continue
        error = float(column.std(ddof=1) / np.sqrt(len(column))) if len(column) > 1 else np.inf
        above = int((column > 1).sum())
        p_mean = 1 - NormalDist().cdf((ratio - 1) / error) if error > 0 else 0.0
        p = min(1.0, ranks * max(p_mean, binomial_tail(above, len(column), 0.5)))
        if p > limits.p_value:
            continue
        over = int((column >= limits.ep_rank_ratio).sum())
        waste = float(np.mean(_waste_by_rank(heat, rank)))
        yield Finding(
            id="ep.rank.hot",
            dimension="ep",
            severity="critical" if ratio >= limits.ep_par else "warning",
            subject={"instance": heat.instance, "rank": rank},
            window=None,
            metric="mean over layers and periods of rank load / mean over ranks",
            value=ratio,
            threshold=limits.ep_rank_ratio,
            cost=Cost(
                waste,
                "share of expert compute",
                _(
                    "{waste:.1%} of the ranks' expert time is waiting for it (mean over layers of the PAR "
                    "with "
                    "it and without it, 1 − mean/max)"
                ).format(waste=waste),
            ),
            message=_(
                "EP rank {rank} of {instance} carries {ratio:.2f}× the mean load; above {limit:.2f}× in "
                "{over} of "
                "{layers} layers, over {periods} EPLB period(s)."
            ).format(
                rank=rank,
                instance=visible(heat.instance),
                ratio=ratio,
                limit=limits.ep_rank_ratio,
                over=over,
                layers=layers,
                periods=len(heat.periods),
            )
            + _in_time(evidence, rank, ranks),
            advice=_(
                "A rank hot in every layer is not a matter of single experts: look for padding or dummy "
                "tokens, "
                "shared experts, or a fixed routing to this rank; EPLB cannot move load that it does not see."
            ),
            evidence=_("{file}: rank {rank}, all layers and periods").format(
                file=evidence.file("expert_heat"), rank=rank
            ),
            excess=ratio / limits.ep_rank_ratio,
            p_value=p,
        )


def _in_time(evidence: Evidence, rank: int, ranks: int) -> str:
    """Say what GroupedMatmul time shows of the rank, where it is there."""
    times = evidence.frame("layer_times")
    if times.is_empty():
        return ""
    matrix, pids = layer_time_matrix(times)
    if matrix.shape[1] != ranks:
        return ""
    total = np.nansum(matrix, axis=0)
    return " " + _("Its GroupedMatmul time (pid {pid}, rank guessed) is {ratio:.2f}× the mean.").format(
        pid=pids[rank], ratio=float(total[rank] / total.mean())
    )


def _waste_by_rank(heat: _Heat, rank: int) -> Floats:
    """Return how much of each layer's waiting ends without the rank's excess: [layer]."""
    load = heat.mean_load
    without = load.copy()
    without[:, rank] = np.minimum(without[:, rank], np.delete(load, rank, axis=1).mean(axis=1))
    with_it, rest = par(load, axis=1), par(without, axis=1)
    return np.array([wasted_share(a) - wasted_share(b) for a, b in zip(with_it, rest, strict=True)])


def _skew(evidence: Evidence, limits: Thresholds, heat: _Heat) -> Iterator[Finding]:
    """The ranks are unevenly loaded in most layers, whoever it is: a case for EPLB."""
    pars = np.stack([par(load, axis=1) for load in heat.loads])
    mean, worst = float(np.nanmean(pars)), float(np.nanmax(pars))
    if mean < limits.ep_par_mild or worst < limits.ep_par:
        return
    layer = int(np.nanargmax(np.nanmax(pars, axis=0)))
    yield Finding(
        id="ep.skew",
        dimension="ep",
        severity="critical" if mean >= 1.5 else "warning",
        subject={"instance": heat.instance, "layer": layer},
        window=None,
        metric="mean over layers of PAR over ranks",
        value=mean,
        threshold=limits.ep_par_mild,
        cost=Cost(
            float(np.nanmean(1 - 1 / pars)),
            "share of expert compute",
            _(
                "{waste:.1%} of the ranks' expert time is waiting for the fullest (mean of 1 − mean/max)"
            ).format(waste=float(np.nanmean(1 - 1 / pars))),
        ),
        message=_(
            "Experts of {instance} load the ranks unevenly: PAR {mean:.2f} over ranks on average of all "
            "layers, "
            "{worst:.2f} in layer {layer}."
        ).format(instance=visible(heat.instance), mean=mean, worst=worst, layer=layer),
        advice=_(
            "Try EPLB with redundant experts. It is not recommended for prefill inputs below 1024 tokens, "
            "nor for "
            "decode with at most 8 experts or fewer than 128 tokens a die (vllm-ascend)."
        ),
        evidence=_("{file}: all layers, ranks and periods").format(file=evidence.file("expert_heat")),
        excess=mean / limits.ep_par_mild,
    )


def _hot_experts(evidence: Evidence, limits: Thresholds, heat: _Heat) -> Iterator[Finding]:
    """An expert far above its layer's others that lifts its rank by as much as re-balancing asks for.

    The same expert in most layers is one finding, a single layer another.
    """
    if not heat.experts or not all(m.experts for m in heat.experts):
        tables = [_by_slot(m) for m in heat.experts]
    else:
        tables = [_by_model_expert(m) for m in heat.experts]
    if not tables:
        return
    known = bool(heat.experts and heat.experts[0].experts)
    ratios = np.nanmean(np.stack([t[0] for t in tables]), axis=0)  # [layer, expert] × the layer's mean
    lifts = np.nanmean(np.stack([t[1] for t in tables]), axis=0)  # excess as a share of a rank's mean load
    hot = (ratios >= limits.ep_expert_ratio) & (lifts >= limits.ep_par_mild - 1)
    layers = ratios.shape[0]
    for expert in np.flatnonzero(hot.any(axis=0)):
        where = np.flatnonzero(hot[:, expert])
        everywhere = len(where) > layers / 2
        spots: Sequence[int | None] = [None] if everywhere else [int(layer) for layer in where]
        for layer in spots:
            chosen = where if layer is None else np.array([layer])
            ratio = float(ratios[:, expert].mean() if layer is None else ratios[layer, expert])
            lift = float(lifts[chosen, expert].mean())
            subject: dict[str, str | int] = {"instance": heat.instance, "expert": int(expert)}
            ranks = {r for m in heat.experts for r in _ranks_of(m, int(chosen[0]), int(expert), known)}
            if layer is not None:
                subject["layer"] = layer
            if len(ranks) == 1:
                subject["rank"] = ranks.pop()
            place = _("in {n} of {all} layers").format(n=len(where), all=layers)
            if layer is not None:
                place = _("in layer {layer}").format(layer=layer)
            yield Finding(
                id="ep.expert.hot",
                dimension="ep",
                severity="critical" if lift >= limits.ep_par - 1 else "warning",
                subject=subject,
                window=None,
                metric="expert load / mean expert of its layer",
                value=ratio,
                threshold=limits.ep_expert_ratio,
                cost=Cost(
                    lift * len(chosen) / layers,
                    "share of a rank's load",
                    _("adds {lift:.0%} to its rank's load there").format(lift=lift),
                ),
                message=_("Expert {expert} of {instance} gets {ratio:.1f}× its layer's mean {place}.").format(
                    expert=expert if known else _("in slot {slot}").format(slot=expert),
                    instance=visible(heat.instance),
                    ratio=ratio,
                    place=place,
                ),
                advice=_(
                    "Replicate this expert (redundant experts, EPLB): one copy halves what it adds to its "
                    "rank."
                ),
                evidence=_("{file}: expert {expert}").format(
                    file=evidence.file("expert_heat"), expert=expert
                ),
                excess=ratio / limits.ep_expert_ratio * (1.0 + lift),
            )


def _by_slot(matrix: HeatMatrix) -> tuple[Floats, Floats]:
    assert matrix.shares is not None
    return _ratio_and_lift(matrix.shares, len(set(matrix.ranks)))


def _by_model_expert(matrix: HeatMatrix) -> tuple[Floats, Floats]:
    """Return ratio and lift [layer, model expert], the copies of an expert apart: each loads its own rank."""
    assert matrix.shares is not None
    ratio, lift = _ratio_and_lift(matrix.shares, len(set(matrix.ranks)))
    ids = np.array([[-1 if e is None else e for e in row] for row in matrix.experts])
    count = int(ids.max()) + 1
    best = np.zeros((2, ids.shape[0], count))
    rows = np.broadcast_to(np.arange(ids.shape[0])[:, None], ids.shape)
    for target, source in zip(best, (ratio, lift), strict=True):
        np.maximum.at(target, (rows[ids >= 0], ids[ids >= 0]), source[ids >= 0])
    return best[0], best[1]


def _ratio_and_lift(shares: Floats, ranks: int) -> tuple[Floats, Floats]:
    # The median expert stands for the others: a hot one must not raise its own yardstick.
    mean = np.nanmean(shares, axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return shares / mean, (shares - mean) * ranks


def _ranks_of(matrix: HeatMatrix, layer: int, expert: int, known: bool) -> set[int]:
    if not known:
        return {matrix.ranks[expert]}
    return {matrix.ranks[c] for c, e in enumerate(matrix.experts[layer]) if e == expert}


def _ineffective(evidence: Evidence, limits: Thresholds, heat: _Heat) -> Iterator[Finding]:
    """EPLB re-placed the experts but the ranks are as uneven as before."""
    if len(heat.periods) < 2:
        return
    means = [float(np.nanmean(par(load, axis=1))) for load in heat.loads]
    later = float(np.mean(means[1:]))
    gain = (means[0] - later) / (means[0] - 1) if means[0] > 1 else 1.0
    if means[0] < limits.ep_par_mild or later < limits.ep_par_mild or gain > 0.5:
        return
    yield Finding(
        id="ep.eplb.ineffective",
        dimension="ep",
        severity="warning",
        subject={"instance": heat.instance, "period": heat.periods[-1]},
        window=None,
        metric="mean PAR of later periods",
        value=later,
        threshold=limits.ep_par_mild,
        cost=Cost(
            wasted_share(later),
            "share of expert compute",
            _("{waste:.1%} of the ranks' expert time is still waiting").format(waste=wasted_share(later)),
        ),
        message=_(
            "EPLB changed the placement {times} time(s), yet PAR over ranks went from {before:.2f} to "
            "{after:.2f}."
        ).format(times=len(heat.periods) - 1, before=means[0], after=later),
        advice=_(
            "See whether the load that EPLB counts is the load that ranks carry, whether redundant experts "
            "are too "
            "few, or the heat moves faster than the period."
        ),
        evidence=_("{file}: PAR per period {pars}").format(
            file=evidence.file("expert_heat"), pars=", ".join(f"{m:.2f}" for m in means)
        ),
        excess=later / limits.ep_par_mild,
    )


def _slow_ranks(evidence: Evidence, limits: Thresholds, heat: _Heat) -> Iterator[Finding]:
    """A rank whose GroupedMatmul takes longer than its load explains.

    Time over load is compared with the median of the ranks, layer by layer (sign test over layers). Which
    process is which rank is a guess, so only a rank whose load is not above the mean counts.
    """
    times = evidence.frame("layer_times")
    if times.is_empty():
        return
    matrix, pids = layer_time_matrix(times)
    load = heat.mean_load
    layers = min(len(matrix), len(load))
    if matrix.shape[1] != load.shape[1] or layers < 4:
        return
    matrix, load = matrix[:layers], load[:layers]
    relative = matrix / np.nanmedian(matrix, axis=1, keepdims=True)
    for rank in range(load.shape[1]):
        ratio = float(np.nanmean(relative[:, rank]))
        own_load = float(np.nanmean(load[:, rank]))
        slow = int((relative[:, rank] > 1 + (limits.ep_slow_ratio - 1) / 2).sum())
        p = min(1.0, load.shape[1] * binomial_tail(slow, layers, 0.5))
        if ratio < limits.ep_slow_ratio or own_load > 1.03 or p > limits.p_value:
            continue
        yield Finding(
            id="ep.rank.slow",
            dimension="ep",
            severity="critical" if ratio >= 1.3 else "warning",
            subject={"instance": heat.instance, "rank": rank},
            window=None,
            metric="GroupedMatmul time / median of the ranks",
            value=ratio,
            threshold=limits.ep_slow_ratio,
            cost=Cost(
                1 - 1 / ratio,
                "share of expert compute",
                _("the other ranks wait {share:.1%} of its GroupedMatmul time").format(share=1 - 1 / ratio),
            ),
            message=_(
                "Rank {rank} (pid {pid}, rank guessed from pid order) takes {ratio:.2f}× the median "
                "GroupedMatmul "
                "time at {load:.2f}× the mean load: the card or its host is slow, not the load."
            ).format(rank=rank, pid=pids[rank], ratio=ratio, load=own_load),
            advice=_(
                "Check this card's clock, temperature and memory (npu-smi) and other jobs on its host; "
                "moving "
                "experts will not help."
            ),
            evidence=_("{file}: column {pid}").format(file=evidence.file("layer_times"), pid=pids[rank]),
            excess=ratio / limits.ep_slow_ratio,
            p_value=p,
        )
