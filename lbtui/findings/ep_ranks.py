"""Findings on EP ranks: hot in every layer, uneven as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from lbtui.analysis.expert_parallel import layer_time_matrix
from lbtui.analysis.imbalance import Floats, known_mean
from lbtui.findings.chance import chance_above
from lbtui.findings.ep_gain import gain_words, gains
from lbtui.findings.ep_heat import ExpertHeat, waiting_for
from lbtui.findings.evidence import Evidence
from lbtui.findings.model import Cost, Finding, Severity, SubjectValue
from lbtui.text import _, in_percent, in_sentences, plural
from lbtui.thresholds import Thresholds

_UNIT = _("share of expert compute")
_CRITICAL_SKEW = 1.5


def subject_of(heat: ExpertHeat, **keys: SubjectValue) -> dict[str, SubjectValue]:
    """Return the keys that name a part of an instance's experts."""
    return {"instance": heat.instance, **keys} if heat.instance else dict(keys)


@dataclass(frozen=True)
class _Hot:
    """A rank above the others in layer after layer: its mean over `load` [layer, rank], and its chance."""

    rank: int
    load: Floats
    ratio: float
    p_value: float
    period: int | None  # where it is hot in one period alone

    @property
    def waste(self) -> float:
        """Which share of the ranks' expert time is waiting for it (`waiting_for`)."""
        peers = np.delete(self.load, self.rank, axis=1).mean(axis=1)
        return waiting_for(self.load, self.rank, np.maximum(self.load[:, self.rank] - peers, 0.0))


def find_hot_ranks(evidence: Evidence, limits: Thresholds, heat: ExpertHeat) -> Iterator[Finding]:
    """Yield the ranks above the others in layer after layer, over all periods or else in one of them.

    Layers place their experts independently, so by chance a rank is above the mean in some layers and below
    in others: its mean over layers is judged by its standard error over the layers (normal) and by a sign
    test, whichever is less certain, times the ranks (and periods) looked at (Bonferroni).
    """
    for rank in range(int(heat.mean_load.shape[1])):
        hot = _hot(heat.mean_load, rank, None)
        if not _is_hot(hot, limits) and len(heat.periods) > 1:
            each = (_hot(load, rank, p) for p, load in zip(heat.periods, heat.loads, strict=True))
            hot = max(each, key=lambda one: one.ratio)
            hot = replace(hot, p_value=min(1.0, hot.p_value * len(heat.periods)))
        if _is_hot(hot, limits):
            yield _finding(evidence, limits, heat, hot)


def _hot(load: Floats, rank: int, period: int | None) -> _Hot:
    column = load[:, rank][np.isfinite(load[:, rank])]
    ratio = float(column.mean()) if len(column) > 1 else 0.0
    p = min(1.0, int(load.shape[1]) * chance_above(column, 1.0)) if ratio > 1 else 1.0
    return _Hot(rank, load, ratio, p, period)


def _is_hot(hot: _Hot, limits: Thresholds) -> bool:
    return hot.ratio >= limits.ep_rank_ratio and hot.p_value <= limits.p_value


def _finding(evidence: Evidence, limits: Thresholds, heat: ExpertHeat, hot: _Hot) -> Finding:
    since = _hot_since(limits, heat, hot.rank) if hot.period is None else hot.period
    share = 1.0 if hot.period is None else 1 / len(heat.periods)
    critical = hot.ratio >= limits.ep_par and hot.waste * share >= limits.critical_share and not heat.by_time
    return Finding(
        id="ep.rank.hot",
        severity="critical" if critical else "warning",
        subject=subject_of(heat, rank=hot.rank, **({} if since is None else {"period": since})),
        metric=(
            _("mean over layers and periods of {load} / mean over ranks")
            if hot.period is None
            else _("mean over layers, in one period, of {load} / mean over ranks")
        ).format(load=_("GroupedMatmul time") if heat.by_time else _("rank load")),
        value=hot.ratio,
        threshold=limits.ep_rank_ratio,
        cost=_cost_of_rank(limits, hot.waste * share),
        message=in_sentences(
            *_about_rank(evidence, limits, heat, hot),
            _since_words(since) if hot.period is None else _period_words(heat, hot),
        ),
        advice=_(
            "A rank hot in every layer is not a matter of single experts: look for padding or dummy "
            "tokens, shared experts, or a fixed routing to this rank; EPLB cannot move load that it "
            "does not see."
        ),
        what_if=gain_words(gains(evidence, heat)),
        evidence=_("{file}: rank {rank}, all layers and periods").format(
            file=evidence.file("layer_times" if heat.by_time else "expert_heat"), rank=hot.rank
        ),
        p_value=hot.p_value,
    )


def _hot_since(limits: Thresholds, heat: ExpertHeat, rank: int) -> int | None:
    """Return the period from which on a rank is hot, None where it was from the first."""
    means = [float(known_mean(load[:, rank])) for load in heat.loads]
    if means[0] >= limits.ep_rank_ratio:
        return None
    return next((p for p, m in zip(heat.periods, means, strict=True) if m >= limits.ep_rank_ratio), None)


def _since_words(since: int | None) -> str:
    if since is None:
        return ""
    return _("It was not before period {period}.").format(period=since)


def _cost_of_rank(limits: Thresholds, waste: float) -> Cost:
    if waste < limits.ep_cost_listed:
        text = _("next to nobody waits for it: in most layers another rank is fuller still")
        return Cost(None, _UNIT, text)
    return Cost(
        waste,
        _UNIT,
        _(
            "{waste} of the ranks' expert time is waiting for it (mean over layers of what max − mean "
            "falls by with the rank at its peers' mean, / max)"
        ).format(waste=in_percent(waste, 1)),
        waste,
        of="experts",
    )


def _period_words(heat: ExpertHeat, hot: _Hot) -> str:
    whole = float(known_mean(heat.mean_load[:, hot.rank]))
    return _("That is EPLB period {period}; over all {periods} it carries {ratio:.2f}×.").format(
        period=hot.period, periods=len(heat.periods), ratio=whole
    )


def _about_rank(evidence: Evidence, limits: Thresholds, heat: ExpertHeat, hot: _Hot) -> list[str]:
    """Return what is known of the rank, a sentence each; the last may be empty."""
    layers, ranks = heat.loaded, heat.mean_load.shape[1]
    rank, ratio = hot.rank, hot.ratio
    over = int((hot.load[:, rank] >= limits.ep_rank_ratio).sum())
    if heat.by_time:
        told = _(
            "Rank {rank} (guessed from the order of pids) takes {ratio:.2f}× the mean GroupedMatmul time, "
            "above {limit:.2f}× in {over} of {layers} layers. Expert heat was not recorded: whether it has "
            "more to do or is slow cannot be told."
        ).format(rank=rank, ratio=ratio, limit=limits.ep_rank_ratio, over=over, layers=layers)
        return [told]
    told = _(
        "EP rank {rank}{of_instance} carries {ratio:.2f}× the mean load; above {limit:.2f}× in {over} of "
        "{layers} layers, over {periods}."
    ).format(
        rank=rank,
        of_instance=heat.of_instance,
        ratio=ratio,
        limit=limits.ep_rank_ratio,
        over=over,
        layers=layers,
        periods=plural(
            "1 EPLB period", "{count} EPLB periods", len(heat.periods) if hot.period is None else 1
        ),
    )
    return [told, _in_time(evidence, rank, ranks)]


def _in_time(evidence: Evidence, rank: int, ranks: int) -> str:
    """Return what GroupedMatmul time shows of the rank, empty without."""
    times = evidence.frame("layer_times")
    matrix, pids = layer_time_matrix(times) if times.height else (np.empty((0, 0)), [])
    if len(pids) != ranks:
        return ""
    total = np.nansum(matrix, axis=0)
    return _("Its GroupedMatmul time (pid {pid}, rank guessed) is {ratio:.2f}× the mean.").format(
        pid=pids[rank], ratio=float(total[rank] / total.mean())
    )


def find_skew(evidence: Evidence, limits: Thresholds, heat: ExpertHeat) -> Iterator[Finding]:
    """Yield that ranks are unevenly loaded on average of all layers, in the period where this is worst.

    Chance plays no part: a layer's counts are of thousands of tokens, and the mean is over all layers. Where
    the last period is even, EPLB has done its work, and the finding is a remark.
    """
    pars = heat.pars
    means = known_mean(pars, axis=1)
    place = int(np.nanargmax(means))
    mean = float(means[place])
    if not mean >= limits.ep_par_mild:
        return
    layer = int(np.nanargmax(pars[place]))
    waste = float(known_mean(1 - 1 / pars[place]))
    several = len(heat.periods) > 1
    mended = bool(means[-1] < limits.ep_par_mild)
    severity: Severity = "critical" if mean >= _CRITICAL_SKEW else "warning"
    yield Finding(
        id="ep.skew",
        severity="info" if mended else severity,
        subject=subject_of(heat, layer=layer, **({"period": heat.periods[place]} if several else {})),
        metric=_("mean over layers of PAR over ranks"),
        value=mean,
        threshold=limits.ep_par_mild,
        cost=Cost(
            waste,
            _UNIT,
            _(
                "{waste} of the ranks' expert time is waiting for the fullest (mean over layers of 1 − "
                "mean/max)"
            ).format(waste=in_percent(waste, 1)),
            waste,
            of="experts",
        ),
        message=in_sentences(
            _(
                "Experts{of_instance} load the ranks unevenly: PAR {mean:.2f} over ranks on average of "
                "{layers}{where}, {worst:.2f} in layer {layer}."
            ).format(
                of_instance=heat.of_instance,
                mean=mean,
                layers=heat.layers,
                where=_(" in period {period}").format(period=heat.periods[place]) if several else "",
                worst=float(np.nanmax(pars[place])),
                layer=layer,
            ),
            _("By EPLB period: {pars}.").format(pars=heat.pars_by_period) if several else "",
            _("EPLB has evened it since.") if mended else "",
        ),
        advice=_(
            "Try EPLB with redundant experts. It is not recommended for prefill inputs below 1024 tokens, "
            "nor for decode with at most 8 experts or fewer than 128 tokens a die (vllm-ascend)."
        ),
        evidence=_("{file}: all layers and ranks").format(
            file=evidence.file("layer_times" if heat.by_time else "expert_heat")
        ),
    )
