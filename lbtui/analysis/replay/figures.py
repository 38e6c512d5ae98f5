"""The figures of a run, recorded or replayed: one definition each, by the times of its requests."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias, get_args

import numpy as np

from lbtui.analysis.imbalance import weighted_par
from lbtui.analysis.replay.model import Floats, Ints, Load, Outcome
from lbtui.analysis.slo import Targets
from lbtui.text import _

FigureName: TypeAlias = Literal[
    "ttft_p50", "ttft_p95", "tpot_p50", "tpot_p95", "e2e_p50", "e2e_p95", "par", "throughput", "goodput"
]
FIGURES: tuple[FigureName, ...] = get_args(FigureName)
FIGURE_LABELS: dict[FigureName, str] = {
    "ttft_p50": _("TTFT p50"),
    "ttft_p95": _("TTFT p95"),
    "tpot_p50": _("TPOT p50"),
    "tpot_p95": _("TPOT p95"),
    "e2e_p50": _("end to end p50"),
    "e2e_p95": _("end to end p95"),
    "par": _("PAR of running requests"),
    "throughput": _("throughput"),
    "goodput": _("goodput"),
}
UNITS: dict[FigureName, str] = {
    "ttft_p50": "ms",
    "ttft_p95": "ms",
    "tpot_p50": "ms",
    "tpot_p95": "ms",
    "e2e_p50": "ms",
    "e2e_p95": "ms",
    "par": "",
    "throughput": "req/s",
    "goodput": "req/s",
}
# Of these more is better.
MORE_IS_BETTER: tuple[FigureName, ...] = ("throughput", "goodput")
_QUANTILES: dict[FigureName, tuple[Literal["ttft", "tpot", "e2e"], float]] = {
    "ttft_p50": ("ttft", 0.5),
    "ttft_p95": ("ttft", 0.95),
    "tpot_p50": ("tpot", 0.5),
    "tpot_p95": ("tpot", 0.95),
    "e2e_p50": ("e2e", 0.5),
    "e2e_p95": ("e2e", 0.95),
}
_INSTANTS = 2000  # at which running requests are counted
_DENSITY = 0.25  # of (1 - level): quantiles so far apart tell the density between them


@dataclass(frozen=True)
class Times:
    """The times of all requests of a run, ms, an entry each; NaN where undefined.

    `began` is when a request was first taken up, `first` its first token; TPOT = (end − first token) /
    (output tokens − 1). `domain` is where it decoded, of `domains`.
    """

    arrival: Floats
    began: Floats
    first: Floats
    end: Floats
    output: Ints
    domain: Ints
    domains: tuple[int, ...]
    lead: Floats  # from `arrival` to where TTFT and end to end count from

    @cached_property
    def ttft(self) -> Floats:
        """Time to first token of each request."""
        return self.first - self.arrival - self.lead

    @cached_property
    def tpot(self) -> Floats:
        """Time per output token of each request; NaN where it has only one."""
        tokens = np.where(self.output > 1, self.output - 1, np.nan)
        return (self.end - self.first) / tokens

    @cached_property
    def e2e(self) -> Floats:
        """How long each request took."""
        return self.end - self.arrival - self.lead

    @cached_property
    def seconds(self) -> float:
        """From the first arrival to the last end."""
        return float(np.nanmax(self.end) - np.nanmin(self.arrival)) / 1000

    def met(self, targets: Targets) -> Floats:
        """Return 1 for each request that met all targets, else 0; one output token cannot miss TPOT."""
        good = np.isfinite(self.end)
        for name, limit in targets.limits.items():
            values = {"ttft": self.ttft, "tpot": self.tpot, "e2e": self.e2e}[name]
            good &= ~(values > limit)
        return good.astype(float)

    def figures(self, targets: Targets) -> Mapping[FigureName, float]:
        """Return every figure, NaN where the run has none; goodput is of `targets`."""
        if targets not in self._known:
            self._known[targets] = self._figures(targets)
        return self._known[targets]

    @cached_property
    def _known(self) -> dict[Targets, Mapping[FigureName, float]]:
        return {}

    def _figures(self, targets: Targets) -> Mapping[FigureName, float]:
        found: dict[FigureName, float] = {}
        for values in ("ttft", "tpot", "e2e"):
            names = [(name, level) for name, (of, level) in _QUANTILES.items() if of == values]
            known = getattr(self, values)
            known = known[np.isfinite(known)]
            levels = [level for _name, level in names]
            quantiles = np.quantile(known, levels).tolist() if len(known) else [math.nan] * len(levels)
            found |= dict(zip((name for name, _level in names), quantiles, strict=True))
        found["par"] = self.par
        found["throughput"] = len(self.end) / self.seconds
        found["goodput"] = float(self.met(targets).sum()) / self.seconds
        return found

    def running(self, share: float) -> float:
        """Return how many requests the fullest domain runs at once, at `share` of the first tokens there."""
        most = 0.0
        for domain in self.domains:
            own = (self.domain == domain) & np.isfinite(self.first) & np.isfinite(self.end)
            if not own.any():
                continue
            first = np.sort(self.first[own])
            ended = np.searchsorted(np.sort(self.end[own]), first, "right")
            most = max(most, float(np.quantile(np.arange(1, len(first) + 1) - ended, share)))
        return most

    @cached_property
    def par(self) -> float:
        """Σ of the most running requests of a domain / Σ of their mean, over equal instants."""
        begin, end = np.nanmin(self.began), np.nanmax(self.end)
        at = np.linspace(begin, end, _INSTANTS)
        loads = np.zeros((len(self.domains), _INSTANTS))
        known = np.isfinite(self.began) & np.isfinite(self.end)
        for row, domain in enumerate(self.domains):
            own = known & (self.domain == domain)
            begun = np.searchsorted(np.sort(self.began[own]), at, "right")
            loads[row] = begun - np.searchsorted(np.sort(self.end[own]), at, "right")
        return weighted_par(loads, np.ones(_INSTANTS), counts=True).value


def replayed_times(load: Load, outcome: Outcome, domains: tuple[int, ...], lead: Floats) -> Times:
    """Return the times of a replay."""
    return Times(
        load.arrival,
        outcome.taken,
        outcome.first,
        outcome.end,
        load.output,
        outcome.domain,
        domains,
        lead,
    )


def influence(times: Times, name: FigureName, targets: Targets) -> Floats | None:
    """Return what each request adds to a figure's error, so that the mean over requests is 0; None of PAR.

    Of a quantile that is (level − [value below it]) / density (Hampel 1974); of the goodput its share of
    those that met the targets.
    """
    if name == "par":
        return None
    if name in ("goodput", "throughput"):
        good = times.met(targets) if name == "goodput" else np.ones(len(times.end))
        return np.asarray((good - good.mean()) * len(good) / times.seconds, dtype=np.float64)
    values, level = _QUANTILES[name]
    own = getattr(times, values)
    known = np.isfinite(own)
    width = _DENSITY * (1 - level)
    low, at, high = np.quantile(own[known], [level - width, level, level + width])
    density = 2 * width / max(float(high - low), 1e-9)
    found = np.where(known, (level - (own <= at)) / density, 0.0)
    scale = len(own) / max(int(known.sum()), 1)
    return np.asarray(found * scale, dtype=np.float64)
