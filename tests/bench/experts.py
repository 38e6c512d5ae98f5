"""How long a large raw profile takes to show its experts.

    python -m tests.bench.experts [ITERATIONS] [--layers N] [--ranks N] [--slots N] [--layout mstx|slice]
                                  [--keep FOLDER]

Writes a raw profile of ITERATIONS readings (default 2,000; 61 layers, 32 ranks × 10 slots, 10 EPLB periods)
to a temporary folder, or to FOLDER, where one of an earlier run is used again. Printed: seconds until the
maps are there, until the series over time is, and the peak of memory, of a process of its own.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lbtui.sources import open_profile
from tests.tools.expert_format import RawMark, write_raw

_PERIODS = 10
_BEGIN_NS = 1_767_225_600_000_000_000


def write_profile(folder: Path, iterations: int, layers: int, ranks: int, slots: int, layout: str) -> int:
    """Write the raw profile; return its bytes."""
    total = 0
    for rank in range(ranks):
        host = f"server-d0-worker-{rank // 8}"
        marks = _marks(rank, iterations, layers, ranks, slots)
        path = write_raw(folder / host / "Trace_Service", host, 1000 + rank, marks, layout=layout)
        total += path.stat().st_size
    return total


def _marks(rank: int, iterations: int, layers: int, ranks: int, slots: int) -> Iterator[RawMark]:
    random = np.random.default_rng(rank)
    popular = random.gamma(3, 60, (layers, slots))
    experts = ranks * slots
    placed = np.random.default_rng(0)  # every rank tells the same table
    counts = np.zeros((layers, slots), dtype=np.int64)
    for iteration in range(iterations):
        time_ns = _BEGIN_NS + iteration * 50_000_000 + rank * 1000
        if iteration % max(iterations // _PERIODS, 1) == 0:
            routing = np.stack([placed.permutation(experts) for _layer in range(layers)])
            yield RawMark(time_ns - 1_000_000, {"rank": rank, "expert_routing": routing.tolist()})
            counts[:] = 0
        counts += random.poisson(popular)
        yield RawMark(time_ns, {"rank": rank, "expert_hot": counts.tolist()})


def measure(folder: Path) -> str:
    """Return the line of one profile; its memory is this process's, so each needs a process of its own."""
    start = time.perf_counter()
    profile = open_profile(folder)
    opened = time.perf_counter() - start
    cells = profile.load("expert_heat").frame.height
    maps = time.perf_counter() - start
    (series,) = profile.load_expert_series().series
    whole = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return (
        f"opened {opened:.3f} s, {cells:,} cells of maps {maps:.2f} s, series {series.tokens.shape} "
        f"{whole:.2f} s after the start (CPU {time.process_time():.2f} s); peak {peak:,} MiB"
    )


def main() -> None:
    """Write, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("iterations", type=int, nargs="?", default=2000)
    parser.add_argument("--layers", type=int, default=61)
    parser.add_argument("--ranks", type=int, default=32)
    parser.add_argument("--slots", type=int, default=10)
    parser.add_argument("--layout", choices=("mstx", "slice"), default="mstx")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(measure(options.measure))
        return
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        if not any(folder.rglob("ms_service_*.db")):
            size = write_profile(
                folder, options.iterations, options.layers, options.ranks, options.slots, options.layout
            )
            print(f"wrote {size / 1e6:,.0f} MB")
        command = [sys.executable, "-m", "tests.bench.experts", "--measure", str(folder)]
        for _run in range(3):
            subprocess.run(command, check=True)
            print(f"  load {' '.join(f'{one:.1f}' for one in os.getloadavg())}")


if __name__ == "__main__":
    main()
