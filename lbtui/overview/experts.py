"""The Overview's lines over EP ranks: expert heat and GroupedMatmul time."""

from __future__ import annotations

import math

import numpy as np
import polars as pl

from lbtui.analysis import expert_parallel
from lbtui.analysis.imbalance import Floats, known_mean, par
from lbtui.overview.model import Figure, Line, Place, absent_line
from lbtui.overview.placements import placement_lines
from lbtui.overview.text import par_text
from lbtui.text import _, plural, visible


def expert_lines(heat: pl.DataFrame, placements: pl.DataFrame) -> list[Line]:
    """Return a line per instance of the ranks' expert heat; without any, one of each placement."""
    if heat.is_empty():
        alone = placement_lines(placements)
        why = (
            _("a placement tells where experts lie, not their load")
            if alone
            else _("no expert heat is recorded")
        )
        return [absent_line("ep.rank_load", "ep", _("Experts"), why), *alone]
    heat = expert_parallel.phases_apart(heat)
    maps = expert_parallel.heat_maps(heat)
    instances = dict.fromkeys(instance for instance, _view, _period in maps)
    return [_expert_line(heat, instance, len(instances) > 1) for instance in instances]


def _expert_line(heat: pl.DataFrame, instance: str, several: bool) -> Line:
    name = _("Experts {instance}").format(instance=visible(instance)) if several else _("Experts")
    loads = expert_parallel.loads_by_period(heat, instance)
    if not loads:
        why = expert_parallel.why_no_loads(heat, instance)
        return absent_line("ep.rank_load", "ep", name, why)
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
        _("hottest rank {rank}: {ratio:.2f}× the mean over all layers and periods").format(
            rank=hottest, ratio=float(ranks[hottest])
        ),
        _("worst layer {layer} in period {period}: PAR {par:.2f}, rank {rank}").format(
            layer=layer, period=period, par=peak, rank=rank
        ),
        *(
            _("period {period}: PAR {mean:.2f} on average over {layers}, at worst {worst:.2f}").format(
                period=p, mean=float(known_mean(v)), layers=_layers(v), worst=float(np.nanmax(v))
            )
            for p, v in sorted(pars.items())
        ),
    ]
    return Line(
        "ep.rank_load",
        "ep",
        name,
        headline=par_text(mean),
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
            *(_period_figure(instance, p, v) for p, v in sorted(pars.items())),
            Figure("ep", "rank_load", "max_layer_par", "max/mean", peak, place),
        ),
    )


def _period_figure(instance: str, period: int, pars: Floats) -> Figure:
    place = Place(instance=instance, period=period)
    return Figure("ep", "rank_load", "mean_layer_par", "max/mean", float(known_mean(pars)), place)


def _layers(pars: Floats) -> str:
    """Return how many layers have a PAR, and of how many where some have none."""
    loaded = int(np.isfinite(pars).sum())
    if loaded == len(pars):
        return plural("1 layer", "{count} layers", loaded)
    return expert_parallel.layers_words(loaded, len(pars))


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
            headline=par_text(value),
            beside=plural("1 process", "{count} processes", len(pids)),
            values=tuple((totals / mean).tolist() if mean > 0 else totals.tolist()),
            column=_("a process' GroupedMatmul time × the mean, all layers, in pid order"),
            unit=_("× mean"),
            names=tuple(_("pid {pid}").format(pid=pid) for pid in pids),
            worst=_("pid {pid}: {ratio:.2f}×").format(pid=pids[column], ratio=ratio),
            place=place,
            details=(
                _("pid {pid}, place {column} in pid order: {ratio:.2f}× the mean").format(
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
