"""EP: how even the ranks' expert load is, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from lbtui.analysis.expert_parallel import heat_maps, loads_by_period, phases_apart, why_no_loads
from lbtui.analysis.imbalance import Floats, known_mean, par
from lbtui.comparison.measured import Source
from lbtui.comparison.series import Ratio


@dataclass(frozen=True)
class LayerPars:
    """PAR over the ranks of one instance: [period, layer], NaN where unknown."""

    pars: Floats
    ranks: int

    @property
    def by_layer(self) -> Floats:
        """Each layer's PAR averaged over periods."""
        return known_mean(self.pars, axis=0)

    def worst_layer(self) -> Ratio:
        """Return the course over periods of the layer that is worst by its mean."""
        worst = np.nan_to_num(self.pars[:, int(np.argmax(np.nan_to_num(self.by_layer)))])
        return Ratio(worst, np.ones(len(worst)))


def layer_pars(source: Source) -> dict[str, LayerPars | None]:
    """Return the PARs of each instance, None where only relative heat is known."""
    heat = phases_apart(source.frames["expert_heat"])
    instances = dict.fromkeys(instance for instance, _view, _period in heat_maps(heat))
    return {instance: _of_instance(heat, instance) for instance in instances}


def _of_instance(heat: pl.DataFrame, instance: str) -> LayerPars | None:
    loads = loads_by_period(heat, instance)
    if not loads:
        return None
    layers = max(load.shape[0] for load in loads.values())
    pars = np.full((len(loads), layers), np.nan)
    for row, load in enumerate(loads.values()):
        pars[row, : load.shape[0]] = par(load, axis=1)
    return LayerPars(pars, max(load.shape[1] for load in loads.values()))


def why_unknown_loads(source: Source, instance: str | None) -> str:
    """Return why no PAR of an instance's experts is known."""
    return why_no_loads(phases_apart(source.frames["expert_heat"]), instance or "")
