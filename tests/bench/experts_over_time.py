"""How fast expert heat over time is worked out, played and re-balanced: 61 layers, 320 slots, 2,000 turns.

    python -m tests.bench.experts_over_time [ITERATIONS]

Reading is not part of it: the tokens are made here, seeded. Wall time and processor time are printed with the
machine's load.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import numpy as np
import polars as pl
from textual.strip import Strip

from lbtui.analysis.eplb.moments import tokens_between
from lbtui.analysis.eplb.recorded import recorded
from lbtui.analysis.eplb.what_if import curve, start_settings, what_if
from lbtui.profile import ExpertSeries, empty
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities
from lbtui.ui.panes.ep import layout as ep_layout
from lbtui.ui.panes.ep import moment as ep_moment
from lbtui.ui.panes.ep import state as ep_state
from lbtui.ui.panes.ep import view as ep_view
from lbtui.ui.panes.ep.data import EpData, ep_data
from lbtui.ui.panes.ep.iterations import ep_over
from lbtui.ui.terminal.changed import changed_runs
from tests.ep_frames import cells

LAYERS, RANKS, SLOTS, EXPERTS = 61, 16, 20, 256
SIZE = (200, 47)
_T = TypeVar("_T")


def made(iterations: int) -> ExpertSeries:
    """Return skewed loads that drift, of three EPLB periods."""
    rng = np.random.default_rng(11)
    weights = rng.pareto(1.5, (LAYERS, EXPERTS)).clip(0, 20)
    tables = [
        np.array([rng.permutation(np.arange(RANKS * SLOTS) % EXPERTS) for _layer in range(LAYERS)])
        for _period in range(3)
    ]
    period = np.arange(iterations) * 3 // max(1, iterations)
    tokens = np.empty((iterations, LAYERS, RANKS * SLOTS), dtype=np.int32)
    for i in range(iterations):
        tokens[i] = rng.poisson(20 * np.take_along_axis(weights, tables[period[i]], axis=1))
    return ExpertSeries(
        "d0", None, tuple(range(RANKS)), SLOTS, tokens, period.astype(np.int32), None,
        tuple(table.astype(np.int32) for table in tables), EXPERTS,
    )  # fmt: skip


def maps(series: ExpertSeries) -> EpData:
    """Return the periods' maps of the series."""
    parts = []
    for period, table in enumerate(series.placements):
        first, last = np.searchsorted(series.period, [period, period + 1]).tolist()
        for view, more in (
            ("rank", {}), ("expert", {"slots": SLOTS, "experts": table}), ("model_expert", {}),
        ):  # fmt: skip
            tokens = tokens_between(series, view, first, last)  # type: ignore[arg-type]
            assert tokens is not None
            shares = tokens / tokens.sum(axis=1, keepdims=True)
            parts.append(cells(shares, view=view, period=period, tokens=tokens.astype(int), **more))
    return ep_data(pl.concat(parts), empty("layer_times"), empty("rank_intervals"))


def timed(name: str, work: Callable[[], _T], times: int = 1) -> _T:
    """Print how long `work` takes, wall and processor, each of `times`."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    wall, cpu = (time.perf_counter() - wall) / times, (time.process_time() - cpu) / times
    rate = f"   {1 / wall:6.1f} a second, {1 / cpu:6.1f} of processor time" if times > 1 else ""
    print(f"{name:<44} {1000 * wall:9.1f} ms wall {1000 * cpu:9.1f} ms processor{rate}")
    return result


def main() -> None:
    """Measure and print."""
    iterations = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    series = made(iterations)
    print(f"{iterations} iterations × {LAYERS} layers × {RANKS * SLOTS} slots, load {os.getloadavg()[0]:.1f}")
    data = maps(series)
    over = timed("figures and what stays hot", lambda: ep_over(series, 1.3, 4.5))
    data = replace(data, over={"d0": over})
    for view in ("rank", "expert", "model_expert"):
        state = replace(ep_state.start(data), view=view)
        play(data, state, 100)
    halves = timed("halves for What-if", lambda: recorded([series]))
    settings = start_settings(halves)
    timed("one What-if", lambda: what_if(halves, settings))
    for ranks in (16, 8, 2):
        chosen = replace(settings, ranks=ranks)
        points = timed(f"the curve, {ranks} ranks", lambda chosen=chosen: curve(halves, chosen))
        print(f"{'':<44} {len(points)} points")


def play(data: EpData, state: ep_state.EpState, frames: int) -> None:
    """Step and draw, and find the cells that changed, as running does."""
    caps = Capabilities("256")
    shown: list[Strip] = []
    view = None
    width = ep_layout.layout(data, state, *SIZE).map_width

    def run() -> None:
        nonlocal state, shown, view
        for _frame in range(frames):
            state = ep_moment.step(data, state, width, 1)
            view = ep_layout.viewport(data, state, view, Canvas(*SIZE, caps))
            strips = [Strip(row, SIZE[0]) for row in ep_view.draw(data, state, view, Canvas(*SIZE, caps))]
            for before, after in zip(shown, strips, strict=False):
                list(changed_runs(before, after))
            shown = strips

    timed(f"a frame of {state.view}, {SIZE[0]} × {SIZE[1]}", run, frames)


if __name__ == "__main__":
    main()
