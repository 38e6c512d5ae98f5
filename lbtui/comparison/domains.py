"""DP and KV: how even the domains of an instance are, what they wait for, how full their KV pools are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from lbtui.analysis.data_parallel import (
    MetricKey,
    domain_steps,
    domains_of,
    metric,
    metric_lanes,
    step_intervals,
)
from lbtui.analysis.imbalance import Floats, peaks_and_means
from lbtui.analysis.lanes import Lane, Micros, sampled
from lbtui.analysis.lockstep import common_waits
from lbtui.analysis.queue_states import state_lanes
from lbtui.comparison import metrics
from lbtui.comparison.measured import Measured, Source
from lbtui.comparison.model import Metric
from lbtui.comparison.series import Quantile, Ratio, by_time, pieces, summed
from lbtui.profile import Domain
from lbtui.text import _


@dataclass(frozen=True)
class Domains:
    """The DP domains of one profile."""

    source: Source

    @cached_property
    def instances(self) -> dict[str, list[Domain]]:
        """The domains of each instance, by name."""
        frames = self.source.frames
        grouped: dict[str, list[Domain]] = {}
        for domain in domains_of(frames["steps"], frames["kv"], frames["queues"]):
            grouped.setdefault(domain.instance, []).append(domain)
        return grouped

    def ranks(self, instance: str) -> set[int]:
        """Return the DP ranks that an instance's domains have."""
        return {d.dp_rank for d in self.instances.get(instance, []) if d.dp_rank is not None}

    def add_idle(self, instance: str, ranks: Iterable[int]) -> None:
        """Count domains of these ranks as idle throughout: no file names them, but there is room for them."""
        own = self.instances[instance]
        own += [Domain(f"{instance} idle {rank}", instance, own[0].host, rank) for rank in sorted(ranks)]

    @cached_property
    def steps(self) -> pl.DataFrame:
        """One row per step of a domain."""
        return domain_steps(self.source.frames["steps"])

    @cached_property
    def intervals(self) -> pl.DataFrame:
        """The steps, each held to the next."""
        return step_intervals(self.steps)

    def measured(self, instance: str) -> Iterator[Measured]:
        """Yield every metric of one instance."""
        yield self._wasted(instance)
        yield self._par(metrics.STEP_TIME_PAR, "duration", instance)
        yield self._par(metrics.BATCH_SIZE_PAR, "batch_size", instance)
        yield self._par(metrics.TOKENS_PAR, "tokens", instance)
        yield from self._waiting(instance)
        yield from self._kv(instance)

    def kv_par(self, instance: str) -> Measured:
        """Return how even the KV caches in use are, which a comparison tells by their fullest instead."""
        return self._par(metrics.KV_PAR, "kv_usage", instance, idle_is_zero=False)

    def lanes(self, key: MetricKey, instance: str) -> list[Lane]:
        """Return a metric's lanes, one per domain of the instance."""
        frames = self.source.frames
        own = self.instances.get(instance, [])
        until = self.source.window[1]
        return metric_lanes(metric(key), self.intervals, frames["kv"], frames["queues"], own, until)

    def _par(self, compared: Metric, key: MetricKey, instance: str, *, idle_is_zero: bool = True) -> Measured:
        lanes = self.lanes(key, instance)
        if not any(len(lane.values) for lane in lanes):
            return Measured(compared, absent=_("not recorded for any DP domain"))
        if len(lanes) < 2:
            return Measured(compared, absent=_("one domain, nothing to compare it with"))
        chosen = metric(key)
        loads, weights, times = sampled(lanes, *self.source.window, idle_is_zero=idle_is_zero)
        peaks, means = peaks_and_means(loads, counts=chosen.counts)
        series = self._ratio(lanes, times, weights * peaks, weights * means)
        if not series.bottom.sum() > 0:
            return Measured(compared, absent=_("too little load for a PAR"))
        return Measured(compared, series)

    def _ratio(self, lanes: Sequence[Lane], times: Micros, top: Floats, bottom: Floats) -> Ratio:
        count = _pieces_of(lanes)
        piece = by_time(times, *self.source.window, count)
        return Ratio(summed(piece, top, count), summed(piece, bottom, count))

    def _wasted(self, instance: str) -> Measured:
        compared = metrics.WASTED_SHARE
        if len(self.instances.get(instance, [])) < 2:
            return Measured(compared, absent=_("one domain, nothing to compare it with"))
        own = self.steps.filter(pl.col("instance") == instance).select("domain", "start", "end")
        if own.is_empty():
            return Measured(compared, absent=_("not recorded for any DP domain"))
        groups = common_waits(own)
        if groups is None:
            return Measured(compared, absent=_("the domains do not step together, so none waits for another"))
        times = groups["begin"].cast(pl.Int64).to_numpy()
        count = pieces(groups.height)
        piece = by_time(times, *self.source.window, count)
        top, bottom = groups["wait"].to_numpy(), groups["length"].cast(pl.Float64).to_numpy()
        return Measured(compared, Ratio(summed(piece, top, count), summed(piece, bottom, count)))

    def _waiting(self, instance: str) -> Iterator[Measured]:
        own = self.source.frames["queues"].filter(pl.col("instance") == instance).drop_nulls("waiting")
        if own.is_empty():
            for compared in (metrics.WAITING, metrics.WAITING_P95):
                yield Measured(compared, absent=_("no queue length is recorded"))
            return
        # Without domains only the sum over all processes is made.
        unowned = own.with_columns(domain=pl.lit(None, dtype=pl.String))
        waiting = state_lanes(unowned)[None][:1]
        loads, weights, times = sampled(waiting, *self.source.window, idle_is_zero=False)
        yield from self._level(metrics.WAITING, metrics.WAITING_P95, waiting, loads[0], weights, times)

    def _kv(self, instance: str) -> Iterator[Measured]:
        lanes = [lane for lane in self.lanes("kv_usage", instance) if len(lane.values)]
        if not lanes:
            for compared in (metrics.KV_FULLEST, metrics.KV_PEAK, metrics.KV_SPREAD):
                yield Measured(compared, absent=_("no KV reading is recorded for any DP domain"))
            return
        usage, weights, times = sampled(lanes, *self.source.window, idle_is_zero=False)
        known = ~np.isnan(usage)
        highest = np.where(known.any(axis=0), np.where(known, usage, -np.inf).max(axis=0), np.nan)
        lowest = np.where(known.any(axis=0), np.where(known, usage, np.inf).min(axis=0), np.nan)
        yield from self._level(metrics.KV_FULLEST, metrics.KV_PEAK, lanes, highest, weights, times)
        if len(lanes) < 2:
            yield Measured(metrics.KV_SPREAD, absent=_("one domain, nothing to compare it with"))
            return
        several = np.where(known.sum(axis=0) > 1, weights, 0.0)
        top = several * np.nan_to_num(highest - lowest)
        yield Measured(metrics.KV_SPREAD, self._ratio(lanes, times, top, several))

    def _level(
        self, mean: Metric, p95: Metric, lanes: Sequence[Lane], level: Floats, weights: Floats, times: Micros
    ) -> Iterator[Measured]:
        """Yield mean and p95 over time of a level that is known some of the time."""
        known = ~np.isnan(level)
        held = np.where(known, weights, 0.0)
        yield Measured(mean, self._ratio(lanes, times, held * np.nan_to_num(level), held))
        piece = by_time(times, *self.source.window, _pieces_of(lanes))
        yield Measured(p95, Quantile(level[known], weights[known], piece[known], 0.95))


def _pieces_of(lanes: Sequence[Lane]) -> int:
    return pieces(int(np.median([len(lane.values) for lane in lanes if len(lane.values)])))
