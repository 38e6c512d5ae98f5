"""The evidence of a finding as lanes to draw: over time, over ranks, layers, experts or periods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from lbtui.analysis.data_parallel import Metric, MetricKey, metric
from lbtui.analysis.expert_parallel import layer_time_matrix
from lbtui.analysis.imbalance import Floats, known_mean
from lbtui.analysis.lanes import Lane, bin_edges, bin_lanes, held_lanes, held_share
from lbtui.analysis.prefill_decode import NodeTable, node_table
from lbtui.findings.ep_heat import ExpertHeat, expert_heats
from lbtui.findings.evidence import Evidence
from lbtui.findings.kinds import Drawing, kind_of
from lbtui.findings.model import Finding
from lbtui.findings.pd_lanes import PdLanes, node_lanes, pull_lanes, waiting_lanes
from lbtui.findings.pd_ratio_waits import PREFILL_WAITS, PULL_WAITS
from lbtui.findings.subject import is_of
from lbtui.profile import Domain
from lbtui.text import _, with_comma

BINS = 120  # of a lane over time; drawing takes the largest of what a column covers
_MOST_STRIPS = 16


@dataclass(frozen=True)
class Strip:
    """One lane: a value a column, NaN for no data. `own` is the finding's subject, the others its peers."""

    name: str
    values: tuple[float, ...]
    own: bool


@dataclass(frozen=True)
class Picture:
    """Lanes on one scale, 0 to `high`.

    `span` (µs since 1970, UTC) is what the columns cover, if time; `at` is the
    subject's column, if it is one.
    """

    quantity: str
    column: str  # what one column is
    strips: tuple[Strip, ...]
    span: tuple[int, int] | None = None
    at: int | None = None

    @property
    def own(self) -> Strip:
        """The subject's lane; the first where it is all of them."""
        return next((strip for strip in self.strips if strip.own), self.strips[0])

    @cached_property
    def high(self) -> float:
        """The largest value of all lanes."""
        return max((v for s in self.strips for v in s.values if v == v), default=1.0)


@dataclass(frozen=True)
class Drawn:
    """A finding with the lanes that show it; None where there is nothing to draw."""

    finding: Finding
    picture: Picture | None


def drawn(
    evidence: Evidence, window: tuple[int, int] | None, findings: Sequence[Finding]
) -> tuple[Drawn, ...]:
    """Return the findings with their pictures; `window` is the profile's, µs since 1970 (UTC)."""
    pictures = Pictures(evidence, window)
    return tuple(Drawn(finding, pictures.of(finding)) for finding in findings)


class Pictures:
    """Draws one profile's findings from the evidence in which they were found."""

    def __init__(self, evidence: Evidence, window: tuple[int, int] | None) -> None:
        self._evidence = evidence
        self._window = window
        self._rows: dict[tuple[MetricKey, str], list[tuple[Domain, tuple[float, ...]]]] = {}

    @cached_property
    def _heats(self) -> dict[str, ExpertHeat]:
        return {heat.instance: heat for heat in expert_heats(self._evidence)}

    @cached_property
    def _table(self) -> NodeTable:
        return node_table(self._evidence.frame("nodes"))

    def of(self, finding: Finding) -> Picture | None:
        """Return the lanes that show a finding, None where there is nothing to draw."""
        kind = kind_of(finding)
        if (chosen := kind.metric) is not None and self._window is not None:
            strips = self._cards(finding) if "prof_id" in finding.subject else self._domains(finding, chosen)
            return self._over_time(metric(chosen).label, metric(chosen).unit, strips, self._window)
        if kind.drawing == "nodes":
            return _drawn_of(node_lanes(self._table, finding))
        if finding.metric in (PULL_WAITS, PREFILL_WAITS) and self._window is not None:
            edges = bin_edges(*self._window, BINS)
            return _drawn_of(waiting_lanes(self._evidence, str(finding.subject["role"]), edges))
        if kind.drawing == "waiting" and self._window is not None:
            unit = _("requests on all domains of the role")
            return self._over_time(_("waiting"), unit, self._sides(finding), self._window)
        if kind.drawing == "pulls":
            return self._pulls(finding)
        return self._experts(finding, kind.drawing) if finding.dimension == "ep" else None

    @staticmethod
    def _over_time(label: str, unit: str, strips: list[Strip], span: tuple[int, int]) -> Picture | None:
        if not any(v == v for s in strips for v in s.values):
            return None
        seconds = (span[1] - span[0]) / 1e6 / BINS
        return Picture(
            with_comma(label, unit),
            _("{seconds:.3g} s").format(seconds=seconds),
            _fewer(strips),
            span,
        )

    # DP domains

    def _domains(self, finding: Finding, chosen: MetricKey) -> list[Strip]:
        assert self._window is not None
        instance = str(finding.subject.get("instance"))
        if (chosen, instance) not in self._rows:
            domains = self._evidence.instances.get(instance, [])
            values = _binned(metric(chosen), self._evidence.lanes(chosen, domains), self._window)
            self._rows[chosen, instance] = list(zip(domains, map(tuple, values.tolist()), strict=True))
        return [
            Strip(domain.name, row, is_of(domain, finding.subject))
            for domain, row in self._rows[chosen, instance]
        ]

    def _cards(self, finding: Finding) -> list[Strip]:
        assert self._window is not None
        own = [
            self._evidence.passes_of(domain.key)
            for domain in self._evidence.domains
            if domain.instance == finding.subject["instance"] and is_of(domain, finding.subject)
        ]
        steps = pl.concat(own)
        cards = steps["prof_id"].unique().sort().to_list()
        lanes = held_lanes(steps, key="prof_id", value="duration", keys=cards)
        values = _binned(metric("duration"), lanes, self._window)
        return [
            Strip(card, tuple(row), card == finding.subject["prof_id"])
            for card, row in zip(cards, values.tolist(), strict=True)
        ]

    def _sides(self, finding: Finding) -> list[Strip]:
        """Return per role the requests that wait on all its domains."""
        assert self._window is not None
        strips = []
        for role in ("prefill", "decode"):
            domains = [d for d in self._evidence.domains if self._evidence.roles.get(d.key) == role]
            values = _binned(metric("waiting"), self._evidence.lanes("waiting", domains), self._window)
            strips.append(
                Strip(role, tuple(np.nansum(values, axis=0).tolist()), role == finding.subject["role"])
            )
        return strips

    # P/D

    def _pulls(self, finding: Finding) -> Picture | None:
        edges = bin_edges(*self._window, BINS) if self._window else None
        lanes = pull_lanes(self._evidence, finding, edges)
        return _drawn_of(lanes) if lanes else None

    # Experts

    def _experts(self, finding: Finding, drawing: Drawing | None) -> Picture | None:
        heat = self._heats.get(str(finding.subject.get("instance", "")))
        if drawing == "processes":
            times, _pids = layer_time_matrix(self._evidence.frame("layer_times"))
            total = np.nansum(times, axis=0)
            return _one(
                _("GroupedMatmul time, ms"), _("a process, in pid order"), total, _int(finding, "rank")
            )
        if heat is None:
            return None
        load = _("GroupedMatmul time, × mean") if heat.by_time else _("load, × mean")
        if drawing == "experts":
            return _hot_expert(finding, heat)
        if drawing == "ranks":
            return _one(load, _("a rank"), known_mean(heat.mean_load, axis=0), _int(finding, "rank"))
        if drawing == "layers":
            pars = known_mean(heat.pars, axis=0)
            return _one(_("PAR over ranks"), _("a layer"), pars, _int(finding, "layer"))
        if drawing == "periods":
            return _one(_("mean PAR over ranks"), _("an EPLB period"), known_mean(heat.pars, axis=1))
        return None


def _fewer(strips: list[Strip]) -> tuple[Strip, ...]:
    """Return the finding's own strips and the first of the others, in order, as many as can be looked at."""
    own = [s for s in strips if s.own]
    kept = set(map(id, own + [s for s in strips if not s.own][: max(_MOST_STRIPS - len(own), 0)]))
    return tuple(s for s in strips if id(s) in kept)


def _drawn_of(lanes: PdLanes) -> Picture:
    strips = [Strip(lane.name, tuple(lane.values.tolist()), lane.own) for lane in lanes.lanes]
    return Picture(lanes.quantity, lanes.column, _fewer(strips), lanes.span, lanes.at)


def _one(quantity: str, column: str, values: Floats, at: int | None = None) -> Picture:
    strip = Strip(quantity.split(",")[0], tuple(values.tolist()), True)
    inside = at is not None and 0 <= at < len(strip.values)
    return Picture(quantity, column, (strip,), at=at if inside else None)


def _int(finding: Finding, key: str) -> int | None:
    value = finding.subject.get(key)
    return value if isinstance(value, int) else None


def _binned(chosen: Metric, lanes: Sequence[Lane], window: tuple[int, int]) -> Floats:
    """Return the mean of each bin [lane, bin]; idle time counts as 0 where the metric says so."""
    edges = bin_edges(*window, BINS)
    means = bin_lanes(lanes, edges, each_alike=chosen.each_alike).mean
    filled: Floats = np.nan_to_num(means) * held_share(lanes, edges) if chosen.idle_is_zero else means
    return filled


def _hot_expert(finding: Finding, heat: ExpertHeat) -> Picture | None:
    """Return the layer's experts where the finding is of one layer, else the expert over the layers.

    In slots where their experts are known; else by model expert; else the rank's most loaded slot.
    """
    layer, expert, rank = (_int(finding, key) for key in ("layer", "expert", "rank"))
    period = _int(finding, "period")
    place = heat.periods.index(period) if period in heat.periods else 0
    slots = heat.slots[place] if heat.slots else None
    model = heat.models[place] if heat.models else None
    if expert is not None and slots is not None and slots.experts:
        shown = slots
        own = np.array([[-1 if e is None else e for e in row] for row in slots.experts]) == expert
    elif expert is not None and model is not None:
        shown = model
        own = np.broadcast_to(np.arange(model.shape[1]) == expert, model.shape)
    elif rank is not None and slots is not None:
        shown = slots
        own = np.broadcast_to(np.array(slots.ranks) == rank, slots.shape)
    else:
        return None
    if shown.shares is None:
        return None
    multiples = shown.shares / known_mean(shown.shares, axis=1, keepdims=True)
    loads = np.where(own, multiples, -np.inf)
    if layer is not None:
        at = int(np.argmax(loads[layer])) if own[layer].any() else None
        column = _("a model expert") if shown is model else _("an expert slot of the layer")
        return _one(_("load, × mean"), column, multiples[layer], at)
    return _one(_("load, × mean"), _("a layer"), np.where(own.any(axis=1), loads.max(axis=1), np.nan))
