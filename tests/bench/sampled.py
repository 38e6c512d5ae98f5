"""Holds lanes told from a sample of blocks against those of all steps, over simulated services.

    python -m tests.bench.sampled [--seeds 20]

Services of several kinds serve for as long as a sample has blocks worth it; the sample has 1,024 blocks of
about eleven passes a process, as of a file of any size. Seeds that are even were looked at while the method
was made, odd ones not: both are told. A line a kind: how many columns of 160 have a mean, how many lie within
10 % of the exact one (or within 0.5 requests, where that is more), how many exact means the 90 % band holds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lbtui.analysis.data_parallel import step_intervals
from lbtui.analysis.lanes import bin_edges, bin_lanes, held_lanes, idle_as_zero
from lbtui.analysis.sampled import SampledBins, sampled_bins, sampled_lanes
from lbtui.profile.sample import StepSample

_BLOCKS, _PASSES = 1354, 6
_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Service:
    """How domains serve: the mean batch over time (0..1), how it varies, and what interrupts it."""

    level: Callable[[_Floats, int], _Floats]
    phi: float = 0.95  # of the batch size from step to step
    spread: float = 0.25
    prefills: float = 0.0  # share of steps that are ten times as long and of few requests
    idle: float = 0.0  # share of time without a step, in stretches


def _even(time: _Floats, _domain: int) -> _Floats:
    return np.full_like(time, 20.0)


KINDS: dict[str, Service] = {
    "even": Service(_even),
    "one hot for a fifth": Service(lambda t, d: np.where((d == 3) & (t > 0.4) & (t < 0.6), 40.0, 20.0)),
    "day and night": Service(lambda t, d: 20 + 15 * np.sin(6 * np.pi * t + 0.1 * d)),
    "few requests": Service(lambda t, d: np.full_like(t, 2.0), spread=0.6),
    "long waves": Service(_even, phi=0.9995, spread=0.5),
    "no memory": Service(_even, phi=0.0, spread=0.5),
    "with prefills": Service(_even, prefills=0.05),
    "often idle": Service(lambda t, d: np.full_like(t, 4.0), idle=0.4),
    "one idle for a half": Service(lambda t, d: np.where((d == 1) & (t > 0.5), 0.0, 20.0)),
}


def served(service: Service, steps: int, seed: int, domains: int = 8) -> pl.DataFrame:
    """Return the steps of domains that serve about so many steps each, as `joined_steps`, by start."""
    random = np.random.default_rng(seed)
    parts = []
    for domain in range(domains):
        shocks = pl.Series(random.normal(0, service.spread * np.sqrt(1 - service.phi**2), steps))
        part = 1 - service.phi  # the AR(1), as polars has it
        shocks[0] *= part
        noise = shocks.ewm_mean(alpha=part, adjust=False).to_numpy() / part
        size = np.round(service.level(np.linspace(0, 1, steps), domain) * np.exp(noise))
        prefill = random.random(steps) < service.prefills
        size = np.where(prefill, np.minimum(size, random.integers(1, 5, steps)), size)
        length = np.where(prefill, 250.0, 20 + 0.25 * size) + random.uniform(0, 2, steps)
        pause = random.uniform(0.5, 6, steps)
        if service.idle:
            # Some hundred steps are served, then nothing for as long as makes up the share.
            resting = np.flatnonzero(random.random(steps) < 1 / 100)
            rest = service.idle / (1 - service.idle) * 100 * float((length + pause).mean())
            pause[resting] += random.exponential(rest, len(resting))
        start = np.cumsum(length + pause) - length - pause
        known = size > 0
        parts.append(
            pl.DataFrame(
                {
                    "domain": f"dp{domain}",
                    "start": (1000 * start[known]).astype(np.int64),
                    "end": (1000 * (start + length)[known]).astype(np.int64),
                    "batch_size": size[known],
                    "bubble": pause[known],
                }
            )
        )
    end = max(int(part["end"][-1]) for part in parts)
    frame = pl.concat(parts).filter(pl.col("end") <= end)
    return frame.with_columns(pl.col("start", "end").cast(pl.Datetime("us"))).sort("start", "domain")


def sample_of(steps: pl.DataFrame, blocks: int = _BLOCKS, rows: int = 8 * _PASSES) -> StepSample:
    """Return rows at even distances of steps in the order of their start."""
    firsts = np.linspace(0, steps.height - rows, blocks).astype(int)
    start = steps["start"].cast(pl.Int64).to_numpy()
    begins, ends = start[firsts], start[firsts + rows - 1]
    block = np.repeat(np.arange(blocks), rows).astype(np.uint32)
    taken = steps[(firsts[:, None] + np.arange(rows)).ravel()].with_columns(pl.Series("block", block))
    taken = taken.filter(pl.Series(taken["start"].cast(pl.Int64).to_numpy() < ends[block]))
    window = int(start[0]), int(steps["end"].cast(pl.Int64).max())
    return StepSample(taken.sort("domain", "start"), begins, ends, window, "", len(block) / len(start))


def both(steps: pl.DataFrame, columns: int, sample: StepSample) -> tuple[_Floats, SampledBins]:
    """Return the exact means of batch sizes [lane, column], and those of a sample."""
    keys = steps["domain"].unique().sort().to_list()
    intervals = step_intervals(steps.sort("domain", "start"))
    held = held_lanes(intervals, key="domain", value="batch_size", keys=keys)
    edges = bin_edges(*sample.window, columns)
    exact = bin_lanes(idle_as_zero(held, held, *sample.window), edges).mean
    return exact, sampled_bins(sample, sampled_lanes(sample, keys), edges)


def figures(exact: _Floats, bins: SampledBins) -> tuple[float, float, float, float]:
    """Return the shares of columns with a mean, of those near the exact one, of bands that hold; the bias."""
    known = ~np.isnan(bins.mean)
    near = np.abs(bins.mean - exact) <= np.maximum(0.1 * exact, 0.5)
    holds = (bins.low <= exact + 1e-9) & (exact - 1e-9 <= bins.high)
    bias = np.nansum(bins.mean[known]) / np.nansum(exact[known]) - 1
    return known.mean(), near[known].mean(), holds[known].mean(), bias


def main() -> None:
    """Simulate, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--steps", type=int, default=400_000)
    options = parser.parse_args()
    print("| service | columns known | within 10 % | held by the band | bias |\n|---|---|---|---|---|")
    for kind, service in KINDS.items():
        halves: tuple[list[tuple[float, ...]], list[tuple[float, ...]]] = ([], [])
        for seed in range(options.seeds):
            steps = served(service, options.steps, seed)
            halves[seed % 2].append(figures(*both(steps, 160, sample_of(steps))))
        told = [np.mean(half, axis=0) for half in halves if half]
        cells = [" / ".join(f"{100 * half[i]:.1f}" for half in told) + " %" for i in range(4)]
        print(f"| {kind} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
