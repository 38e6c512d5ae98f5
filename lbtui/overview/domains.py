"""The Overview's lines over DP domains: each metric's PAR, where it is worst, and a lane to draw."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from lbtui.analysis.data_parallel import (
    Metric,
    MetricKey,
    domain_steps,
    metric,
    metric_lanes,
    step_intervals,
)
from lbtui.analysis.imbalance import Floats, known_mean
from lbtui.analysis.lanes import Lane, bin_edges, bin_lanes, idle_as_zero, lanes_par
from lbtui.analysis.standout import Standout, excess_over_peers, standouts
from lbtui.overview.model import BINS, Dimension, Figure, Frames, Line, Place, absent_line
from lbtui.overview.text import clock, par_text, percent, short, span
from lbtui.profile import Domain, FrameName, dated, empty
from lbtui.profile.place import Window
from lbtui.text import _, visible
from lbtui.thresholds import Expected


class Scope(NamedTuple):
    """Of whom and of when a line speaks, and the shares that are expected."""

    domains: Sequence[Domain]
    window: Window
    expected: Expected = Expected()

    def of(self, instance: str) -> Scope:
        """Return the same of one instance's domains."""
        return self._replace(domains=[d for d in self.domains if d.instance == instance])


# The lines over DP domains: metric, line's name, dimension.
_STEP_LINES: tuple[tuple[MetricKey, str, Dimension], ...] = (
    ("batch_size", _("DP batch"), "dp"),
    ("tokens", _("DP tokens"), "dp"),
)
_READING_LINES: Mapping[str, tuple[MetricKey, str, Dimension]] = {
    "kv": ("kv_usage", _("KV used"), "kv"),
    "queues": ("waiting", _("Waiting"), "dp"),
}


def step_lines(frames: Frames, scope: Scope) -> list[Line]:
    """Return the lines of batch size and tokens over DP domains."""
    steps = frames["steps"]
    if steps.is_empty():
        return [absent_line("dp.batch_size", "dp", _("DP batch"), _("no forward pass is recorded"))]
    intervals = step_intervals(domain_steps(steps))
    return [
        _domain_line(chosen, name, dimension, intervals, empty("kv"), scope)
        for chosen, name, dimension in ((metric(key), n, d) for key, n, d in _STEP_LINES)
    ]


def reading_lines(frame: FrameName, frames: Frames, scope: Scope) -> list[Line]:
    """Return the line of KV usage (frame `kv`) or of waiting requests (`queues`) over DP domains."""
    key, name, dimension = _READING_LINES[frame]
    if frames[frame].is_empty():
        why = _("no KV reading is recorded") if frame == "kv" else _("no queue length is recorded")
        return [absent_line(f"{dimension}.{key}", dimension, name, why)]
    no_steps = step_intervals(domain_steps(empty("steps")))
    return [_domain_line(metric(key), name, dimension, no_steps, frames[frame], scope)]


def _domain_line(
    chosen: Metric,
    name: str,
    dimension: Dimension,
    intervals: pl.DataFrame,
    readings: pl.DataFrame,
    scope: Scope,
) -> Line:
    key = f"{dimension}.{chosen.key}"
    parts: list[_InstancePart] = []
    until = scope.window[1]
    for instance in dict.fromkeys(d.instance for d in scope.domains):
        own = scope.of(instance)
        lanes = metric_lanes(chosen, intervals, readings, readings, own.domains, until)
        if any(len(lane.values) for lane in lanes):
            busy = metric_lanes(metric("batch_size"), intervals, readings, readings, own.domains, until)
            parts.append(_InstancePart(chosen, dimension, lanes, busy, own))
    if not parts:
        return absent_line(key, dimension, name, _("not recorded for any DP domain"))
    shown = max(parts, key=lambda part: part.rank)
    return Line(
        key,
        dimension,
        name,
        headline=par_text(shown.figure.value),
        beside="" if shown.figure.chance is None else _("chance {par:.2f}").format(par=shown.figure.chance),
        values=tuple(shown.highest.tolist()),
        column=_("highest of {instance}'s domains").format(instance=visible(shown.instance)),
        unit=chosen.unit,
        over_time=True,
        worst=shown.worst_text(),
        place=shown.worst,
        time=shown.instant,
        details=tuple(part.sentence() for part in sorted(parts, key=lambda p: p.rank, reverse=True)),
        figures=tuple(figure for part in parts for figure in part.figures),
    )


def _highest(loads: Floats) -> Floats:
    """Return the highest of each column, NaN where nothing is known."""
    known = ~np.isnan(loads)
    highest: Floats = np.where(known.any(axis=0), np.where(known, loads, -np.inf).max(axis=0), np.nan)
    return highest


def _own_and_peers(loads: Floats, place: Standout) -> tuple[float, float]:
    """Return the mean where a lane stands out, and that of the others then."""
    own = loads[place.lane, place.first : place.last]
    peers = np.delete(loads, place.lane, axis=0)[:, place.first : place.last]
    return float(known_mean(own)), float(known_mean(peers)) if (~np.isnan(peers)).any() else math.nan


class _InstancePart:
    """One metric over the DP domains of one instance: domains of different instances are never compared."""

    def __init__(
        self,
        chosen: Metric,
        dimension: Dimension,
        lanes: Sequence[Lane],
        busy: Sequence[Lane],
        scope: Scope,
    ) -> None:
        domains = scope.domains
        instance = domains[0].instance
        self.chosen, self.instance, self.domains = chosen, instance, domains
        self.dated = dated(scope.window)
        begin, end = scope.window
        edges = bin_edges(begin, end, BINS)
        filled = idle_as_zero(lanes, busy, begin, end) if chosen.idle_is_zero else lanes
        loads = bin_lanes(filled, edges).mean
        self.highest = _highest(loads)
        overall = lanes_par(
            lanes,
            scope.window,
            idle_is_zero=chosen.idle_is_zero,
            counts=chosen.counts,
            shares=scope.expected.of_domains(domains),
        )
        peaks = [float(lane.values.max()) if len(lane.values) else math.nan for lane in lanes]
        fullest = int(np.nanargmax(peaks))
        top = lanes[fullest]
        peak_at = int(top.starts[int(np.argmax(top.values))])
        peak_place = _domain_place(domains[fullest], peak_at, None)
        excess = excess_over_peers(loads, [instance] * len(lanes))
        self.standout = next(iter(standouts(excess, 1)), None)
        self.worst, self.instant = peak_place, peak_at
        if (place := self.standout) is not None:
            self.worst = _domain_place(domains[place.lane], int(edges[place.first]), int(edges[place.last]))
            peak = place.first + int(np.argmax(excess[place.lane, place.first : place.last]))
            self.instant = int(edges[peak] + edges[peak + 1]) // 2
            self.own, self.peers = _own_and_peers(loads, place)
        self.figure = Figure(
            dimension,
            chosen.key,
            "time_weighted_par",
            "max/mean",
            overall.value,
            Place(instance=instance),
            self.worst,
            overall.chance,
            overall.share_counted,
        )
        self.peak = Figure(
            dimension,
            chosen.key,
            "max",
            chosen.unit,
            peaks[fullest],
            Place(instance=instance),
            peak_place,
        )
        self.figures = (self.figure, self.peak)

    @property
    def rank(self) -> tuple[float, float]:
        """The order of instances: how far PAR is beyond chance, then the peak."""
        value = self.figure.value / (self.figure.chance or 1.0)
        return (-1.0 if math.isnan(value) else value, self.peak.value)

    def worst_text(self) -> str:
        """Return which domain exceeds its peers by most, when, and by how much."""
        if self.peak.value == 0:
            return _("0 throughout")
        name = next(d.name for d in self.domains if d.key == self.worst.domain)
        start, end = self.worst.start or 0, self.worst.end
        if self.standout is None or end is None:
            return _("most on {domain} at {time}").format(domain=name, time=clock(start, date=self.dated))
        return _("{domain} {when}: {own} · peers {peers}").format(
            domain=name,
            when=span(start, end, date=self.dated),
            own=amount(self.own, self.chosen),
            peers=amount(self.peers, self.chosen),
        )

    def sentence(self) -> str:
        """Return what there is to say of this instance, in one line."""
        value, chance = self.figure.value, self.figure.chance
        peak_place = self.peak.worst or Place()
        name = next(d.name for d in self.domains if d.key == peak_place.domain)
        parts = [visible(self.instance)]
        if len(self.domains) < 2:
            parts.append(_("one domain, nothing to compare"))
        elif math.isnan(value):
            parts.append(_("too little load for a PAR"))
        else:
            parts.append(par_text(value))
            if chance is not None:
                parts.append(_("chance {par:.2f}").format(par=chance))
            parts.append(_("{share} of time counts").format(share=percent(self.figure.time_counted or 0.0)))
        parts.append(
            _("peak {value} on {domain} at {time}").format(
                value=amount(self.peak.value, self.chosen),
                domain=name,
                time=clock(peak_place.start or 0, date=self.dated),
            )
        )
        return " · ".join(parts)


def _domain_place(domain: Domain, start: int, end: int | None) -> Place:
    return Place(
        instance=domain.instance,
        host=domain.host,
        dp_rank=domain.dp_rank,
        domain=domain.key,
        start=start,
        end=end,
    )


def amount(value: float, chosen: Metric) -> str:
    """Return a value of a DP metric as people say it: usage in percent."""
    if chosen.key == "kv_usage":
        return percent(value)
    return short(value)
