"""How often equal runs are said to have changed, and a step or a drift is found: the table of issue 22.

    python -m tests.bench.runs_trend [--pool FOLDER] [--make RUNS] [--lab SIMULATOR] [--sequences N] [--seed N]

FOLDER holds pools of equal runs, a folder each of raw profiles (`FOLDER/plain/17`); `--make` has the lab's
simulator (`make_raw.py`) make them first. Each run is summarised once (`FOLDER/POOL.json`). Sequences are
drawn from a pool without putting back, so that no run is in one twice. What was tuned was tuned on the runs
of even number; the others were looked at when it stood. Both are told.

`plain` has 4 DP domains for 30 s, `short` the same for 8 s (a wider spread), `slow` a domain that is 1.3 ×
as slow, `nodes` two P and two D nodes, `uneven` the same with one P node that gets three times as much.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import numpy as np

from lbtui.analysis import trend
from lbtui.analysis.trend import Found, Values
from lbtui.comparison.model import Metric
from lbtui.runs.summarise import summarised
from lbtui.sources import open_profile
from lbtui.thresholds import Thresholds

SERVICE = "--dp 4 --rate 20 --duration"
NODES = "--dp 4 --p-nodes 2 --d-nodes 2 --duration 20 --rate 12"
POOLS = {
    "plain": (9_000, f"{SERVICE} 30", 240),
    "short": (29_000, f"{SERVICE} 8", 240),
    "slow": (19_000, f"{SERVICE} 30 --fault slow:rank=1,f=1.3", 120),
    "nodes": (39_000, NODES, 120),
    "uneven": (49_000, f"{NODES} --fault-p-node 0 --fault-p-factor 3", 120),
}
TARGETS = (("ttft", 90.0), ("tpot", 50.0))
LENGTH, AT = 20, 12
PARS = ("dp.batch_size.par", "dp.step_time.par")


def make(folder: Path, simulator: Path) -> None:
    """Have the simulator make what the pools lack."""
    for pool, (seed, options, count) in POOLS.items():
        for run in range(count):
            out = folder / pool / str(run)
            if not out.exists():
                start = ["--seed", str(seed + run), "--start-epoch", str(1_767_225_600 + 3600 * run)]
                command = [sys.executable, str(simulator), "--out", str(out), *start, *options.split()]
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def values_of(run: Path) -> dict[str, tuple[float, float, float]]:
    """Return value and interval of each metric and subject of a run."""
    summary = summarised(open_profile(run), Thresholds(targets=TARGETS))
    return {f"{m.key} {m.subject}".strip(): (m.value, m.low, m.high) for m in summary.measures}


def read(folder: Path, pool: str) -> list[dict[str, tuple[float, float, float]]]:
    """Return the values of each run of a pool, summarised anew if they never were."""
    kept = folder / f"{pool}.json"
    if not kept.exists():
        runs = sorted((folder / pool).iterdir(), key=lambda run: int(run.name))
        with ProcessPoolExecutor(2) as workers:
            kept.write_text(json.dumps(list(workers.map(values_of, runs, chunksize=4))))
    return json.loads(kept.read_text())


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for pool in sys.argv[2:]:
        print(pool, len(read(folder, pool)), flush=True)
