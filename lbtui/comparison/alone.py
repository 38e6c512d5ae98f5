"""Every metric of one profile by itself, with what a comparison with another one is made of."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lbtui.comparison import metrics
from lbtui.comparison.domains import Domains
from lbtui.comparison.experts import LayerPars, layer_pars, why_unknown_loads
from lbtui.comparison.measured import Measured, Source
from lbtui.comparison.nodes import Pulls, handoff_times, roles_of
from lbtui.comparison.requests import attained_of, load_of, targets_for, times_of
from lbtui.overview.model import Place
from lbtui.thresholds import Entry


@dataclass(frozen=True)
class Alone:
    """One metric of one subject. Of one that is compared layer by layer `layers` has each layer's value."""

    subject: Place
    measured: Measured
    layers: tuple[float, ...] = ()

    @property
    def value(self) -> float:
        """The value, NaN where there is none."""
        if self.measured.series is not None:
            return self.measured.series.value
        known = [value for value in self.layers if math.isfinite(value)]
        return sum(known) / len(known) if known else math.nan


def each_alone(source: Source, targets: Sequence[Entry] = ()) -> Iterator[Alone]:
    """Yield every metric of every subject of a profile, in the order of a comparison's.

    `targets` are what requests are to take at most, ms: without them none is met or missed.
    """
    whole = Place()
    yield from (Alone(whole, found) for found in load_of(source))
    domains = Domains(source)
    for instance in domains.instances:
        subject = Place(instance=instance)
        yield from (Alone(subject, found) for found in domains.measured(instance))
        yield Alone(subject, domains.kv_par(instance))
    for role, found in roles_of(source).items():
        yield Alone(Place(role=role), found)
    pulled, handed = (bool(source.frames[name].height) for name in ("transfers", "handoffs"))
    if handed:
        yield from (Alone(whole, found) for found in handoff_times(source, pulled=pulled))
    if pulled:
        yield from (Alone(whole, found) for found in Pulls(source).measured())
    for instance, pars in layer_pars(source).items():
        yield from _of_layers(source, instance, pars)
    yield from (Alone(whole, found) for found in times_of(source))
    if targets:
        yield from (Alone(whole, found) for found in attained_of(source, targets_for(source, targets)))


def _of_layers(source: Source, instance: str, pars: LayerPars | None) -> Iterator[Alone]:
    subject = Place(instance=instance)
    if pars is None:
        why = why_unknown_loads(source, instance)
        for metric in (metrics.MEAN_LAYER_PAR, metrics.WORST_LAYER_PAR):
            yield Alone(subject, Measured(metric, absent=why))
        return
    layers = tuple(map(float, pars.by_layer))
    yield Alone(subject, Measured(metrics.MEAN_LAYER_PAR), layers)
    if not np.isnan(pars.by_layer).all():
        yield Alone(subject, Measured(metrics.WORST_LAYER_PAR, pars.worst_layer()))
