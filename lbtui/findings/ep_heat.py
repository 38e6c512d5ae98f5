"""What findings on experts look at: loads of the ranks of one instance, by period, layer and rank."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from lbtui.analysis.expert_parallel import (
    HeatMatrix,
    heat_matrix,
    layer_time_matrix,
    layers_words,
    loads_by_period,
    phases_apart,
)
from lbtui.analysis.imbalance import Floats, known_mean, par
from lbtui.findings.evidence import Evidence
from lbtui.profile.identity import UNNAMED_EXPERTS
from lbtui.text import _, in_list, visible


@dataclass(frozen=True)
class ExpertHeat:
    """The maps of one instance by period; loads are [layer, rank], 1 is the layer's mean.

    Without heat maps GroupedMatmul times stand for loads (`by_time`): a rank may be long because it has
    more to do or because it is slow.
    """

    instance: str
    periods: tuple[int, ...]
    loads: tuple[Floats, ...]
    slots: tuple[HeatMatrix, ...] = ()  # the expert map of each period, or none
    models: tuple[HeatMatrix | None, ...] = ()  # the model-expert map of each period
    by_time: bool = False

    @property
    def of_instance(self) -> str:
        """` of` its name, harmless; nothing where no file tells whose experts they are."""
        if self.instance in ("", UNNAMED_EXPERTS):
            return ""
        return _(" of {instance}").format(instance=visible(self.instance))

    @cached_property
    def mean_load(self) -> Floats:
        """Load of each rank [layer, rank], mean over all periods."""
        return known_mean(np.stack(self.loads), axis=0)

    @property
    def loaded(self) -> int:
        """In how many layers there is any load."""
        return int(np.isfinite(self.mean_load).any(axis=1).sum())

    @property
    def layers(self) -> str:
        """The layers that means are over, in words."""
        return layers_words(self.loaded, len(self.mean_load))

    @cached_property
    def pars(self) -> Floats:
        """PAR over ranks, [period, layer]."""
        return np.stack([par(load, axis=1) for load in self.loads])

    @property
    def pars_by_period(self) -> str:
        """PAR over ranks, mean over layers, of each period (in brackets), in words."""
        means = known_mean(self.pars, axis=1)
        return in_list(f"{m:.2f} ({p})" for p, m in zip(self.periods, means, strict=True))


def expert_heats(evidence: Evidence) -> Iterator[ExpertHeat]:
    """Yield the heat of every instance whose shares are known; without any, the GroupedMatmul times."""
    frame = phases_apart(evidence.frame("expert_heat"))
    heats = [_heat(frame, i) for i in frame["instance"].unique().sort().to_list()]
    known = [heat for heat in heats if heat is not None]
    yield from known or _times(evidence)


def _heat(frame: pl.DataFrame, instance: str) -> ExpertHeat | None:
    loads = {
        period: _relative(load)
        for period, load in loads_by_period(frame, instance).items()
        if load.shape[1] > 1
    }
    slots: list[HeatMatrix] = []
    for period in loads:
        by_expert = heat_matrix(frame, instance, "expert", period)
        if by_expert is not None and by_expert.shares is not None and by_expert.ranks:
            slots.append(by_expert)
    if not loads or len({load.shape for load in loads.values()}) > 1:
        return None
    complete = len(slots) == len(loads) and len({s.shape for s in slots}) == 1
    return ExpertHeat(
        instance,
        tuple(loads),
        tuple(loads.values()),
        tuple(slots) if complete else (),
        tuple(heat_matrix(frame, instance, "model_expert", period) for period in loads),
    )


def _times(evidence: Evidence) -> Iterator[ExpertHeat]:
    times = evidence.frame("layer_times")
    if times.is_empty():
        return
    matrix, _pids = layer_time_matrix(times)
    relative = _relative(matrix)
    if matrix.shape[1] > 1 and not np.isnan(relative).all():
        # The file does not say whose ranks these are; with one instance of domains it can only be that.
        instances = list(evidence.instances)
        name = instances[0] if len(instances) == 1 else ""
        yield ExpertHeat(name, (0,), (relative,), by_time=True)


def _relative(loads: Floats) -> Floats:
    known = np.isfinite(loads)
    mean = np.where(known, loads, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(mean[:, None] > 0, loads / mean[:, None], np.nan)


def waiting_for(load: Floats, rank: int, excess: Floats) -> float:
    """Return which share of the ranks' expert time ends if `rank` had `excess` [layer] less to do.

    The fullest rank sets a layer's time, so that each rank waits max − mean of it on average; the figure is
    the mean over layers of what that falls by without the excess, as a share of max as it is now.
    """
    without = load.copy()
    without[:, rank] -= excess
    return waiting_less(load, without)


def waiting_less(load: Floats, without: Floats) -> float:
    """Return which share of the ranks' expert time ends if their loads [layer, rank] are `without`.

    The mean over layers of what max − mean falls by, as a share of max as it is now. Where that would rise,
    because another rank is the fullest, nobody waits for what is left out: such a layer counts 0.
    """
    peak, peak_then = (np.where(np.isfinite(each), each, -np.inf).max(axis=1) for each in (load, without))
    with np.errstate(invalid="ignore"):
        gain = (peak - known_mean(load, axis=1) - peak_then + known_mean(without, axis=1)) / peak
    return float(known_mean(np.maximum(gain, 0.0)))
