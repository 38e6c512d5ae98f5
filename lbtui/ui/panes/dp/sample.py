"""Batch sizes as a sample of the steps tells them, drawn until all steps are read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from lbtui.analysis.data_parallel import domains_of, metric
from lbtui.analysis.imbalance import known_mean
from lbtui.analysis.lanes import Lane, LaneStatistics, Micros, bin_edges
from lbtui.analysis.sampled import SampledBins, SampledLane, sampled_bins, sampled_lanes
from lbtui.profile.sample import StepSample
from lbtui.render.text import number
from lbtui.text import _
from lbtui.thresholds import Expected
from lbtui.ui.kit.selection import Selection
from lbtui.ui.panes.dp.data import DpData, Measured, Scene, apart
from lbtui.ui.panes.dp.layout import DpState, following

# Blocks in a column, how far its band may reach to a side, and how many columns there are in any case.
_BLOCKS, _SURE, _FEWEST = 5, 0.15, 16
# Columns in which a place to begin is looked for.
_PLACES = 64


@dataclass(frozen=True, eq=False)
class SampledLanes:
    """What stands in the place of data, metric and lanes of all steps."""

    data: DpData
    measured: Measured
    sample: StepSample
    lanes: tuple[SampledLane, ...]


def sampled(sample: StepSample, expected: Expected) -> SampledLanes:
    """Return what is drawn of a sample: nothing that needs all steps, as places and how even lanes are."""
    domains = tuple(sorted(domains_of(sample.steps), key=lambda d: d.instance))
    lanes = tuple(sampled_lanes(sample, [d.key for d in domains]))
    none = sample.steps.clear()
    data = DpData(domains, *sample.window, none, none, none, {}, expected)
    measured = Measured(
        metric("batch_size"),
        domains,
        tuple(Lane(d.key, *(np.zeros(0, np.int64),) * 2, np.zeros(0)) for d in domains),
        (),
        (),
        (0.0,) * len(lanes),
        {d.instance: 1.0 for d in domains},
        data.dated,
        expected,
        sample.window,
    )
    return SampledLanes(data, measured, sample, lanes)


def _bins(of: SampledLanes, edges: Micros) -> SampledBins:
    """Return the means of columns that are wider than a cell where blocks are few, or tell too little."""
    columns = min(len(edges) - 1, max(len(of.sample.begins) // _BLOCKS, 1))
    while True:
        wide = bin_edges(*of.measured.whole, columns)
        bins = sampled_bins(of.sample, of.lanes, wide)
        half = (bins.high - bins.low) / 2
        if columns <= _FEWEST or np.nanmedian(half) <= _SURE * np.nanmedian(bins.mean):
            break
        columns = max(columns // 2, _FEWEST)
    middle = (edges[1:] + edges[:-1]) // 2
    return bins.at(np.clip(np.searchsorted(wide, middle, side="right") - 1, 0, columns - 1))


def starting(of: SampledLanes, state: DpState, selection: Selection) -> DpState:
    """Return the state with the cursor where a domain seems to stand out most, or where one is chosen."""
    view = sampled_scene(of, _PLACES)
    lane, column = divmod(int(np.nan_to_num(view.mean_apart).argmax()), view.columns)
    state = replace(state, domain=of.measured.domains[lane].key, time=view.middle(column))
    return following(state, selection, of.data)


def sample_words(sample: StepSample) -> str:
    """Return what a sample is of."""
    return _("a sample, {share} % of {file}").format(share=number(100 * sample.share), file=sample.file)


@lru_cache(maxsize=4)
def sampled_scene(of: SampledLanes, columns: int) -> Scene:
    """Return what is drawn of a sample over the whole time; its colours are those of the low ends."""
    measured = of.measured
    edges = bin_edges(*measured.whole, columns)
    bins = _bins(of, edges)
    whole = sampled_bins(of.sample, of.lanes, np.array(measured.whole)).mean[:, 0]
    unknown = float("nan")
    levels = [float(known_mean(whole[measured.lanes_of(d.instance)])) for d in measured.domains]
    return Scene(
        measured.whole,
        edges,
        bins.mean,
        np.full_like(bins.mean, unknown),
        apart(measured, bins.low),
        np.zeros_like(bins.mean),
        None,
        tuple(
            LaneStatistics(mean, unknown, unknown, mean / level if level > 0 else unknown, unknown, unknown)
            for mean, level in zip(whole.tolist(), levels, strict=True)
        ),
        {},
        (bins.low, bins.high),
    )
