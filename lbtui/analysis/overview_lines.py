"""The lines of the Overview: per dimension its PAR, where it is worst, and a lane to draw."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

import numpy as np
import polars as pl

from lbtui.analysis import expert_parallel, prefill_decode
from lbtui.analysis.data_parallel import (
    Metric,
    MetricKey,
    domain_steps,
    metric,
    metric_lanes,
    step_intervals,
)
from lbtui.analysis.imbalance import Floats, known_mean, par
from lbtui.analysis.lanes import Lane, bin_edges, bin_lanes, idle_as_zero, lanes_par
from lbtui.analysis.latency import percentiles
from lbtui.analysis.overview_model import Dimension, Figure, Line, Place
from lbtui.analysis.standout import excess_over_peers, standouts
from lbtui.profile import Domain, FrameName, empty, format_time
from lbtui.text import _, visible

# A lane's bins: as many as the widest lane is drawn with, whatever the number of rows.
BINS = 200

Frames = Mapping[FrameName, pl.DataFrame]
Window = tuple[int, int]

# The lines over DP domains: metric, line's name, dimension.
_STEP_LINES: tuple[tuple[MetricKey, str, Dimension], ...] = (
    ("batch_size", _("DP batch"), "dp"),
    ("tokens", _("DP tokens"), "dp"),
)
_READING_LINES: Mapping[str, tuple[MetricKey, str, Dimension]] = {
    "kv": ("kv_usage", _("KV used"), "kv"),
    "queues": ("waiting", _("Waiting"), "dp"),
}
_ROLES = (("prefill", _("P added")), ("decode", _("D added")))


def clock(time: int, decimals: int = 0) -> str:
    """Return an instant (µs since 1970, UTC) as wall-clock text of the files' zone."""
    return format_time(instant(time), decimals)


def span(begin: int, end: int) -> str:
    """Return a stretch of time as wall-clock text, its end without what it shares with the beginning."""
    decimals = 0 if end - begin >= 2_000_000 else 1
    first, last = clock(begin, decimals), clock(end, decimals)
    shared = 5 if first[:5] == last[:5] else 3 if first[:2] == last[:2] else 0
    return f"{first}–{last[shared:]}"


def step_lines(frames: Frames, domains: Sequence[Domain], window: Window) -> list[Line]:
    """Return the lines of batch size and tokens over DP domains."""
    steps = frames["steps"]
    if steps.is_empty():
        return [_absent("dp.batch_size", "dp", _("DP batch"), _("no forward pass is recorded"))]
    intervals = step_intervals(domain_steps(steps))
    return [
        _domain_line(chosen, name, dimension, intervals, empty("kv"), domains, window)
        for chosen, name, dimension in ((metric(key), n, d) for key, n, d in _STEP_LINES)
    ]


def reading_lines(frame: FrameName, frames: Frames, domains: Sequence[Domain], window: Window) -> list[Line]:
    """Return the line of KV usage (frame `kv`) or of waiting requests (`queues`) over DP domains."""
    key, name, dimension = _READING_LINES[frame]
    if frames[frame].is_empty():
        why = _("no KV reading is recorded") if frame == "kv" else _("no queue length is recorded")
        return [_absent(f"{dimension}.{key}", dimension, name, why)]
    no_steps = step_intervals(domain_steps(empty("steps")))
    return [_domain_line(metric(key), name, dimension, no_steps, frames[frame], domains, window)]


def _domain_line(
    chosen: Metric,
    name: str,
    dimension: Dimension,
    intervals: pl.DataFrame,
    readings: pl.DataFrame,
    domains: Sequence[Domain],
    window: Window,
) -> Line:
    key = f"{dimension}.{chosen.key}"
    parts: list[_InstancePart] = []
    for instance in dict.fromkeys(d.instance for d in domains):
        own = [d for d in domains if d.instance == instance]
        lanes = metric_lanes(chosen, intervals, readings, readings, own, window[1])
        if any(len(lane.values) for lane in lanes):
            busy = metric_lanes(metric("batch_size"), intervals, readings, readings, own, window[1])
            parts.append(_InstancePart(chosen, dimension, instance, own, lanes, busy, window))
    if not parts:
        return _absent(key, dimension, name, _("not recorded for any DP domain"))
    shown = max(parts, key=lambda part: part.rank)
    return Line(
        key,
        dimension,
        name,
        headline=_par_text(shown.figure.value),
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


class _InstancePart:
    """One metric over the DP domains of one instance: domains of different instances are never compared."""

    def __init__(
        self,
        chosen: Metric,
        dimension: Dimension,
        instance: str,
        domains: Sequence[Domain],
        lanes: Sequence[Lane],
        busy: Sequence[Lane],
        window: Window,
    ) -> None:
        self.chosen, self.instance, self.domains = chosen, instance, domains
        begin, end = window
        edges = bin_edges(begin, end, BINS)
        filled = idle_as_zero(lanes, busy, begin, end) if chosen.idle_is_zero else lanes
        loads = bin_lanes(filled, edges).mean
        known = ~np.isnan(loads)
        self.highest: Floats = np.where(
            known.any(axis=0), np.where(known, loads, -np.inf).max(axis=0), np.nan
        )
        overall = lanes_par(lanes, begin, end, idle_is_zero=chosen.idle_is_zero, counts=chosen.counts)
        peaks = [float(lane.values.max()) if len(lane.values) else math.nan for lane in lanes]
        fullest = int(np.nanargmax(peaks))
        top = lanes[fullest]
        peak_at = int(top.starts[int(np.argmax(top.values))])
        peak_place = _domain_place(domains[fullest], peak_at, None)
        excess = excess_over_peers(loads, [instance] * len(lanes))
        self.standout = next(iter(standouts(excess, 1)), None)
        self.worst, self.instant = peak_place, peak_at
        if self.standout is not None:
            place = self.standout
            self.worst = _domain_place(domains[place.lane], int(edges[place.first]), int(edges[place.last]))
            peak = place.first + int(np.argmax(excess[place.lane, place.first : place.last]))
            self.instant = int(edges[peak] + edges[peak + 1]) // 2
            own = loads[place.lane, place.first : place.last]
            peers = np.delete(loads, place.lane, axis=0)[:, place.first : place.last]
            self.own = float(known_mean(own))
            self.peers = float(known_mean(peers)) if (~np.isnan(peers)).any() else math.nan
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
        name = next(d.name for d in self.domains if d.key == self.worst.domain)
        start, end = self.worst.start or 0, self.worst.end
        if self.standout is None or end is None:
            return _("most on {domain} at {time}").format(domain=name, time=clock(start))
        return _("{domain} {when}: {own} · peers {peers}").format(
            domain=name,
            when=span(start, end),
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
            parts.append(_par_text(value))
            if chance is not None:
                parts.append(_("chance {par:.2f}").format(par=chance))
            parts.append(
                _("{share} of the time counts").format(share=percent(self.figure.time_counted or 0.0))
            )
        parts.append(
            _("peak {value} on {domain} at {time}").format(
                value=amount(self.peak.value, self.chosen), domain=name, time=clock(peak_place.start or 0)
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


def node_lines(nodes: pl.DataFrame, window: Window) -> list[Line]:
    """Return a line per role of the requests added to its nodes."""
    if nodes.is_empty():
        return [_absent("pd.added", "pd", _("P/D added"), _("no P/D node is recorded"))]
    table = prefill_decode.node_table(nodes)
    names = dict(_ROLES)
    return [_role_line(table, role, names.get(role, visible(role)), window) for role in table.roles]


def _role_line(table: prefill_decode.NodeTable, role: str, name: str, window: Window) -> Line:
    shares = [s for s in prefill_decode.node_shares(table) if s.node.role == role]
    most = max(shares, key=lambda s: s.added)
    column = table.nodes.index(most.node)
    added = table.counts["added"][:, column]
    fullest = int(np.nanargmax(added)) if not np.isnan(added).all() else 0
    start = int(table.starts[fullest])
    value = prefill_decode.role_par(table, role)
    chance = prefill_decode.role_chance_par(table, role)
    place = Place(address=most.node.address, role=role, start=start, end=start + int(table.bin_seconds * 1e6))
    address = visible(most.node.address)
    total = sum(s.added for s in shares)
    details = [
        _("{address} · {added} of {total} · {share} · {ratio:.2f} × the mean").format(
            address=visible(s.node.address), added=s.added, total=total, share=percent(s.share), ratio=s.ratio
        )
        for s in sorted(shares, key=lambda s: -s.added)
    ]
    return Line(
        f"pd.added.{role}",
        "pd",
        name,
        headline=_par_text(value),
        beside=_("chance {par:.2f}").format(par=chance),
        values=tuple(_at_instants(table, added, window)),
        column=_("requests added to {address} in {seconds:g} s").format(
            address=address, seconds=table.bin_seconds
        ),
        unit=_("requests"),
        over_time=True,
        worst=_("{address}: {share} of {total}").format(
            address=address, share=percent(most.share), total=total
        ),
        place=place,
        time=start + int(table.bin_seconds * 5e5),
        details=tuple(details),
        figures=(
            Figure("pd", "added", "par", "max/mean", value, Place(role=role), place, chance),
            *(
                Figure("pd", "added", "share", "share", s.share, Place(role=role, address=s.node.address))
                for s in shares
            ),
        ),
    )


def _at_instants(table: prefill_decode.NodeTable, values: Floats, window: Window) -> list[float]:
    """Return the value of the node bin that each of the lane's bins has its middle in."""
    edges = bin_edges(*window, BINS)
    bins = [prefill_decode.bin_at(table, int(middle)) for middle in (edges[:-1] + edges[1:]) // 2]
    return [math.nan if i is None else float(values[i]) for i in bins]


def expert_lines(heat: pl.DataFrame) -> list[Line]:
    """Return a line per instance of the ranks' expert heat."""
    if heat.is_empty():
        return [_absent("ep.rank_load", "ep", _("Experts"), _("no expert heat is recorded"))]
    maps = expert_parallel.heat_maps(heat)
    instances = dict.fromkeys(instance for instance, _view, _period in maps)
    return [_expert_line(heat, instance, len(instances) > 1) for instance in instances]


def _expert_line(heat: pl.DataFrame, instance: str, several: bool) -> Line:
    name = _("Experts {instance}").format(instance=visible(instance)) if several else _("Experts")
    loads = expert_parallel.loads_by_period(heat, instance)
    if not loads:
        why = _("only relative heat is known; a PAR over ranks needs each rank's share")
        return _absent("ep.rank_load", "ep", name, why)
    pars = {period: par(by_rank, axis=1) for period, by_rank in loads.items()}
    everything = np.concatenate(list(pars.values()))
    mean = float(known_mean(everything))
    period = max(pars, key=lambda p: float(np.nanmax(pars[p])))
    layer = int(np.nanargmax(pars[period]))
    rank = int(np.nanargmax(loads[period][layer]))
    peak = float(pars[period][layer])
    place = Place(instance=instance, period=period, layer=layer, rank=rank)
    # Over periods of the same shape; a period with other ranks cannot be averaged in.
    shape = next(iter(loads.values())).shape
    relative = [by_rank / known_mean(by_rank, axis=1, keepdims=True) for by_rank in loads.values()]
    ranks = known_mean(np.concatenate([r for r in relative if r.shape[1] == shape[1]]), axis=0)
    hottest = int(np.nanargmax(ranks))
    worst_text = _("layer {layer}: {par:.2f} on rank {rank}").format(layer=layer, par=peak, rank=rank)
    details = [
        _("hottest rank {rank}: {ratio:.2f} × the mean over all layers and periods").format(
            rank=hottest, ratio=float(ranks[hottest])
        ),
        _("worst layer {layer} in period {period}: PAR {par:.2f}, rank {rank}").format(
            layer=layer, period=period, par=peak, rank=rank
        ),
        *(
            _("period {period}: PAR {mean:.2f} on average over {layers} layers, at worst {worst:.2f}").format(
                period=p, mean=float(known_mean(v)), layers=len(v), worst=float(np.nanmax(v))
            )
            for p, v in sorted(pars.items())
        ),
    ]
    return Line(
        "ep.rank_load",
        "ep",
        name,
        headline=_par_text(mean),
        beside=_("rank {rank} {ratio:.2f}×").format(rank=hottest, ratio=float(ranks[hottest])),
        values=tuple(ranks.tolist()),
        column=_("a rank's share × the mean, over all layers and periods"),
        unit=_("× mean"),
        names=tuple(_("rank {rank}").format(rank=number) for number in range(len(ranks))),
        worst=worst_text,
        place=place,
        details=tuple(details),
        figures=(
            Figure("ep", "rank_load", "mean_layer_par", "max/mean", mean, Place(instance=instance), place),
            *(
                Figure(
                    "ep",
                    "rank_load",
                    "mean_layer_par",
                    "max/mean",
                    float(known_mean(v)),
                    Place(instance=instance, period=p),
                )
                for p, v in sorted(pars.items())
            ),
            Figure("ep", "rank_load", "max_layer_par", "max/mean", peak, place),
        ),
    )


def layer_time_lines(layer_times: pl.DataFrame) -> list[Line]:
    """Return the line of GroupedMatmul time over processes (ep_balance.csv); none if not recorded."""
    if layer_times.is_empty():
        return []
    times, pids = expert_parallel.layer_time_matrix(layer_times)
    totals = np.nansum(times, axis=0)
    value = float(par(totals))
    by_layer = par(times, axis=1)
    mean = float(totals.mean())
    column = int(np.argmax(totals))
    ratio = float(totals[column]) / mean if mean > 0 else math.nan
    layer = int(np.nanargmax(by_layer)) if not np.isnan(by_layer).all() else 0
    place = Place(layer=layer, rank=column)
    return [
        Line(
            "ep.grouped_matmul_time",
            "ep",
            _("Expert time"),
            headline=_par_text(value),
            beside=_("{count} processes").format(count=len(pids)),
            values=tuple((totals / mean).tolist() if mean > 0 else totals.tolist()),
            column=_("a process' GroupedMatmul time × the mean, all layers, in pid order"),
            unit=_("× mean"),
            names=tuple(_("pid {pid}").format(pid=pid) for pid in pids),
            worst=_("pid {pid}: {ratio:.2f}×").format(pid=pids[column], ratio=ratio),
            place=place,
            details=(
                _("pid {pid}, place {column} in pid order: {ratio:.2f} × the mean").format(
                    pid=pids[column], column=column, ratio=ratio
                ),
                _("which rank a pid is no file tells; numeric pid order is a guess"),
                _("worst layer {layer}: PAR {par:.2f}").format(layer=layer, par=float(by_layer[layer])),
            ),
            figures=(
                Figure("ep", "grouped_matmul_time", "par", "max/mean", value, worst=place),
                Figure(
                    "ep",
                    "grouped_matmul_time",
                    "max_layer_par",
                    "max/mean",
                    float(by_layer[layer]),
                    Place(layer=layer),
                ),
            ),
        )
    ]


def request_lines(requests: pl.DataFrame, window: Window) -> list[Line]:
    """Return the line of time to first token, with the percentiles of wait and duration as figures."""
    if requests.is_empty():
        return [_absent("requests.ttft", "requests", _("TTFT"), _("no finished request is recorded"))]
    figures: list[Figure] = []
    details: list[str] = []
    for column, label in (
        ("ttft", _("TTFT")),
        ("queue_wait", _("queue wait")),
        ("duration", _("duration")),
    ):
        found = percentiles(requests[column])
        figures += [
            Figure("requests", column, "p50", "ms", found.p50),
            Figure("requests", column, "p95", "ms", found.p95),
        ]
        if found.count:
            details.append(
                _("{label}: p50 {p50} ms, p95 {p95} ms, most {most} ms over {count} requests").format(
                    label=label,
                    p50=short(found.p50),
                    p95=short(found.p95),
                    most=short(found.max),
                    count=found.count,
                )
            )
        else:
            details.append(_("{label}: not recorded").format(label=label))
    known = requests.drop_nulls(["ttft", "arrival"])
    if known.is_empty():
        return [
            Line(
                "requests.ttft",
                "requests",
                _("TTFT"),
                figures=tuple(figures),
                details=tuple(details),
                absent=_("no request has both its arrival and its first token"),
            )
        ]
    ttft = known["ttft"].to_numpy()
    arrivals = known["arrival"].cast(pl.Int64).to_numpy()
    edges = bin_edges(*window, BINS)
    bins = np.clip(np.searchsorted(edges, arrivals, side="right") - 1, 0, BINS - 1)
    highest = np.full(BINS, -np.inf)
    np.maximum.at(highest, bins, ttft)
    slowest = int(np.argmax(ttft))
    at = int(arrivals[slowest])
    return [
        Line(
            "requests.ttft",
            "requests",
            _("TTFT"),
            headline=_("p95 {value} ms").format(value=short(figures[1].value)),
            beside=_("p50 {value} ms").format(value=short(figures[0].value)),
            values=tuple(np.where(np.isinf(highest), np.nan, highest).tolist()),
            column=_("slowest of the requests that arrived"),
            unit=_("ms"),
            over_time=True,
            worst=_("{value} ms, arrived {time}").format(value=short(float(ttft[slowest])), time=clock(at)),
            place=Place(start=at),
            time=at,
            details=tuple(details),
            figures=tuple(figures),
        )
    ]


def amount(value: float, chosen: Metric) -> str:
    """Return a value of a DP metric as people say it: usage in percent."""
    if chosen.key == "kv_usage":
        return percent(value)
    return short(value)


def percent(share: float) -> str:
    """Return a share in percent, `–` for no value."""
    return "–" if math.isnan(share) else f"{100 * share:.0f} %"


def short(value: float) -> str:
    """Return three significant digits, all digits of large numbers, `–` for no value."""
    if math.isnan(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _par_text(value: float) -> str:
    return _("PAR –") if math.isnan(value) else _("PAR {par:.2f}").format(par=value)


def _absent(key: str, dimension: Dimension, label: str, why: str) -> Line:
    return Line(key, dimension, label, absent=why)


def instant(time: int) -> datetime:
    """Return µs since 1970 (UTC) as the naive UTC datetime that the frames hold."""
    # In seconds and µs apart: a float of both would lose the last digit.
    whole, rest = divmod(time, 1_000_000)
    return datetime.fromtimestamp(whole, timezone.utc).replace(microsecond=rest, tzinfo=None)
