"""How often equal runs are said to have changed, and a step or a drift is found: the table of issue 22.

    python -m tests.bench.runs_trend --pool FOLDER [--make SIMULATOR] [--sequences N] [--seed N]

FOLDER holds pools of equal runs, a folder each of raw profiles (`FOLDER/plain/17`); `--make` has the lab's
simulator (`make_raw.py`) make what is missing. Each run is summarised once (`FOLDER/POOL.json`). Sequences
are drawn from a pool without putting back, so that no run is in one twice. What was tuned was tuned on the
runs of even number; the others were looked at when it stood. Both are told.

`plain` has 4 DP domains for 30 s, `short` the same for 8 s (a wider spread), `slow` a domain that is 1.3 ×
as slow, `nodes` two P and two D nodes (steps and drifts are put into PAR of P, which spreads most), `uneven`
the same with one P node that gets three times as much.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
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
LIMITS = Thresholds(targets=(("ttft", 90.0), ("tpot", 50.0)))
LENGTH, AT = 20, 12
PARS = ("dp.batch_size.par", "dp.step_time.par")
# By `Measure.key`.
METRICS: dict[str, Metric] = {}


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
    summary = summarised(open_profile(run), LIMITS)
    return {f"{m.key} {m.subject}".strip(): (m.value, m.low, m.high) for m in summary.measures}


def read(folder: Path, pool: str) -> list[dict[str, tuple[float, float, float]]]:
    """Return the values of each run of a pool, summarised anew if they never were."""
    kept = folder / f"{pool}.json"
    if not kept.exists():
        runs = sorted((folder / pool).iterdir(), key=lambda run: int(run.name))
        with ProcessPoolExecutor(2) as workers:
            kept.write_text(json.dumps(list(workers.map(values_of, runs, chunksize=4))))
    return json.loads(kept.read_text())


Run = Mapping[str, Sequence[float]]
Rng = np.random.Generator


@dataclass
class Tally:
    """What was called of sequences made one way; `at` is where their step lies."""

    name: str
    at: int | None = None
    series: int = 0
    called: int = 0
    steps: int = 0  # the first change is one
    near: int = 0  # a step within one run of `at`
    several: int = 0
    worst: Counter[str] = field(default_factory=Counter)

    def add(self, key: str, found: Sequence[Found]) -> None:
        """Count one series."""
        self.series += 1
        self.called += bool(found)
        self.several += len(found) > 1
        self.steps += bool(found) and found[0].kind == "step"
        self.near += any(one.kind == "step" and abs(one.at - (self.at or 0)) <= 1 for one in found)
        self.worst.update([key] if found else [])

    def line(self) -> str:
        """Return the table's line."""
        shares = (self.called, self.steps, self.called - self.steps, self.near, self.several)
        told = [f"{share / max(self.series, 1):>9.2%}" for share in shares]
        if self.at is None:
            told[3] = f"{'–':>9}"
        return f"{self.name:<52} {self.series:>7} {' '.join(told)}"


HEAD = f"{'sequences':<52} {'series':>7}" + "".join(
    f" {name:>9}" for name in ("called", "as step", "as drift", "± 1 run", "several")
)


def series_of(runs: Sequence[Run], key: str) -> Values | None:
    """Return a metric over runs that all tell it; None where it does not vary."""
    rows = np.array([run.get(key, [math.nan] * 3) for run in runs], dtype=np.float64)
    rows = rows[np.isfinite(rows[:, 0])]
    if len(rows) < trend.FEWEST or np.ptp(rows[:, 0]) == 0:
        return None
    metric = METRICS[key.split(" ")[0]]
    errors = (rows[:, 2] - rows[:, 1]) / (2 * 1.959964)
    return Values(rows[:, 0], errors, metric.smallest, metric.relative)


def scaled(given: Values, factors: np.ndarray) -> Values:
    """Return values that have become so many times as large, with their errors."""
    return Values(given.values * factors, given.errors * factors, given.smallest, given.relative)


def drawn(runs: Sequence[Run], rng: Rng, length: int = LENGTH) -> list[Run]:
    """Return so many of the runs in any order."""
    return [runs[at] for at in rng.permutation(len(runs))[:length]]


def autocorrelated(runs: Sequence[Run], key: str, phi: float, rng: Rng) -> list[Run]:
    """Return runs in an order in which a metric is an AR(1), by its quantiles among them."""
    noise = rng.standard_normal(LENGTH + 50)
    for at in range(1, len(noise)):
        noise[at] = phi * noise[at - 1] + math.sqrt(1 - phi**2) * noise[at]
    shares = [0.5 * (1 + math.erf(one / math.sqrt(2))) for one in noise[50:]]
    known = sorted((run for run in runs if key in run), key=lambda run: run[key][0])
    return [known[min(int(share * len(known)), len(known) - 1)] for share in shares]


def equal(name: str, runs: Sequence[Run], count: int, rng: Rng) -> Tally:
    """Return how many series of equal runs are called, of every metric."""
    tally = Tally(name)
    for _ in range(count):
        sequence = drawn(runs, rng)
        for key in runs[0]:
            if (given := series_of(sequence, key)) is not None:
                tally.add(key, trend.changes(given))
    return tally


def resembling(name: str, runs: Sequence[Run], phi: float, count: int, rng: Rng) -> Tally:
    """Return the same of runs that resemble the one before."""
    tally = Tally(name)
    for _ in range(count):
        for key in runs[0]:
            if (given := series_of(autocorrelated(runs, key, phi, rng), key)) is not None:
                tally.add(key, trend.changes(given))
    return tally


def changed(
    name: str, pool: tuple[Sequence[Run], Sequence[str]], count: int, rng: Rng, by: np.ndarray
) -> Tally:
    """Return how often a step (or a drift) that is put into metrics of a pool is found."""
    runs, keys = pool
    stepped = np.flatnonzero(np.diff(by))
    tally = Tally(name, int(stepped[0]) + 1 if len(stepped) == 1 else None)
    for _ in range(count):
        sequence = drawn(runs, rng, len(by))
        for key in keys:
            given = series_of(sequence, key)
            assert given is not None
            tally.add(key, trend.changes(scaled(given, by)))
    return tally


def broken(
    name: str, pools: tuple[Sequence[Run], Sequence[Run]], keys: Sequence[str], count: int, rng: Rng
) -> Tally:
    """Return how often a fault of the simulator that begins at `AT` is found in the metrics that show it."""
    tally = Tally(name, AT)
    for _ in range(count):
        sequence = [*drawn(pools[0], rng, AT), *drawn(pools[1], rng, LENGTH - AT)]
        for key in keys:
            given = series_of(sequence, key)
            assert given is not None
            tally.add(key, trend.changes(given))
    return tally


def step(by: float, at: int = AT, length: int = LENGTH) -> np.ndarray:
    """Return factors that become `by` at a run."""
    return np.where(np.arange(length) >= at, by, 1.0)


def drift(a_run: float, length: int = LENGTH) -> np.ndarray:
    """Return factors that grow from run to run."""
    return a_run ** np.arange(length)


def tables(pools: Mapping[str, Sequence[Run]], count: int, seed: int) -> Iterator[Tally]:
    """Yield the lines of one half."""
    for number, pool in enumerate(("plain", "short", "nodes")):
        yield equal(f"{pool}, equal", pools[pool], count, np.random.default_rng((seed, 1, number)))
    wide = ["dp.batch_size.par mindie-server-p0"]
    pars = [key for key in pools["plain"][0] if key.split(" ")[0] in PARS]
    for number, (pool, keys) in enumerate((("plain", pars), ("short", pars), ("nodes", wide))):
        rng, own = np.random.default_rng((seed, 2, number)), (pools[pool], keys)
        yield changed(f"{pool}, PAR × 1.3 from run {AT}", own, count, rng, step(1.3))
        yield changed(f"{pool}, PAR × 1.1 from run {AT}", own, count, rng, step(1.1))
        yield changed(f"{pool}, PAR × 1.3 in the last three", own, count, rng, step(1.3, 17))
        yield changed(f"{pool}, PAR + 2 % a run", own, count, rng, drift(1.02))
        yield changed(f"{pool}, PAR + 0.5 % a run", own, count, rng, drift(1.005))
    rng = np.random.default_rng((seed, 3))
    shown = [key for key in pools["plain"][0] if key.startswith(("dp.step_time", "requests.time_per_output"))]
    slow = pools["plain"], pools["slow"]
    yield broken(f"plain, a domain 1.3 × as slow from run {AT}", slow, shown, count, rng)
    shown = ["pd.added.par prefill", "pd.transfer.source.par"]
    uneven = pools["nodes"], pools["uneven"]
    yield broken(f"nodes, a P node with 3 × as much from run {AT}", uneven, shown, count, rng)
    for number, phi in enumerate((0.3, 0.5, 0.7)):
        rng = np.random.default_rng((seed, 4, number))
        yield resembling(
            f"plain, equal, but AR(1) of {phi} from run to run", pools["plain"], phi, count // 3, rng
        )


def spreads(pools: Mapping[str, Sequence[Run]]) -> Iterator[str]:
    """Yield the spread of the logarithms of PAR in each pool."""
    for pool, runs in pools.items():
        for key in runs[0]:
            if key.split(" ")[0] in (*PARS, "pd.added.par"):
                logs = np.log([run[key][0] for run in runs if key in run])
                yield f"  {pool:<8} {len(runs):>4} runs  {key:<40} log spread {np.std(logs, ddof=1):.3f}"


def speed(runs: Sequence[Run], rng: Rng) -> Iterator[str]:
    """Yield how long 25 metrics of many runs take, unchanged and with a step in each."""
    key = next(key for key in runs[0] if key.startswith(PARS[0]))
    for length in (20, 60, 200, 1000):
        for name, factors in (("equal", np.ones(length)), ("a step in each", step(1.3, length // 2, length))):
            values = np.array([runs[at][key][0] for at in rng.integers(len(runs), size=length)])
            given = [
                Values(rng.permutation(values) * factors, np.full(length, math.nan), 0.03) for _ in range(25)
            ]
            began = perf_counter()
            for one in given:
                trend.changes(one)
            yield f"  25 metrics × {length:>4} runs, {name:<16} {perf_counter() - began:.3f} s"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pool", type=Path, required=True)
    parser.add_argument("--make", type=Path, metavar="SIMULATOR")
    parser.add_argument("--sequences", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def main() -> None:
    """Print the table of both halves."""
    asked = arguments()
    if asked.make is not None:
        make(asked.pool, asked.make)
    pools = {pool: read(asked.pool, pool) for pool in POOLS}
    for pool in POOLS:
        METRICS.update(
            {m.key: m.metric for m in summarised(open_profile(asked.pool / pool / "0"), LIMITS).measures}
        )
    print("\n".join(spreads(pools)))
    for half, name in enumerate(("tuned on", "not tuned on")):
        print(f"\nruns {name}\n{HEAD}")
        for tally in tables(
            {pool: runs[half::2] for pool, runs in pools.items()}, asked.sequences, asked.seed
        ):
            print(tally.line(), flush=True)
            if "equal" in tally.name and tally.worst:
                print("    most: " + ", ".join(f"{key} {count}" for key, count in tally.worst.most_common(4)))
    print()
    print("\n".join(speed(pools["plain"], np.random.default_rng(asked.seed))))


if __name__ == "__main__":
    main()
