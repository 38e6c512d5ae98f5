"""How often equal processes are called different, and a mended fault is found: the table of issue 13.

    python -m tests.bench.comparison [--pairs N] [--faults N] [--seed N] [--lab FOLDER] [--large]

Synthetic equal pairs are whole profiles held in memory: 8 DP domains with Poisson batch sizes of mean 16, KV
usage, queue lengths and requests, all either independent from step to step or AR(1) with φ = 0.9
(integer-valued, by binomial thinning, for counts); and services of a minute of every dimension (`services`).
`--faults` compares such services with a fault to others without. FOLDER holds profiles of the simulator:
`<shape>_m<n>/out` without a fault, `<shape>_<kind>_<half>/out` with one; settings were chosen on half 0.

Of equal pairs: `p ≤ 5 %` is the share of rows whose own p-value is so small and whose interval excludes 0,
`called` of those whose difference is also large enough to matter: what would be called without a correction.
`headlines` and `details` are the shares of those whose verdict is better or worse, `load` of load rows that
differ, `worse` the share of pairs that `--fail-on worse` fails. Rows without a verdict for lack of data are
counted apart. Of faulty pairs: in how many a headline of the fault's dimension is better.
`--large` times the comparison of two profiles of a million forward passes.
"""

from __future__ import annotations

import argparse
import itertools
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl

from lbtui.comparison import Comparison, Row, compare
from lbtui.profile import SCHEMAS, FrameName, Loaded, Profile
from lbtui.sources import open_profile
from tests.bench.inputs import write_forward
from tests.bench.services import FAULTS, NONE, Service
from tests.tools.frames import Frames

STEP = 25_000  # µs
BEGIN = 1_767_225_600_000_000
DOMAINS, MEAN = 8, 16.0


def thinned(steps: int, means: np.ndarray, phi: float, rng: np.random.Generator) -> np.ndarray:
    """Return Poisson numbers [step, domain] of autocorrelation φ^lag: INAR(1) (McKenzie 1985)."""
    if phi == 0:
        return rng.poisson(means, size=(steps, len(means)))
    values = np.empty((steps, len(means)), dtype=np.int64)
    values[0] = rng.poisson(means)
    arriving = rng.poisson(means * (1 - phi), size=(steps, len(means)))
    for step in range(1, steps):
        values[step] = rng.binomial(values[step - 1], phi) + arriving[step]
    return values


def autoregressive(length: int, series: int, phi: float, rng: np.random.Generator) -> np.ndarray:
    """Return Gaussian AR(1) series of variance 1: [step, series]."""
    values = rng.standard_normal((length, series))
    values[1:] *= np.sqrt(1 - phi**2)
    for i in range(1, length if phi else 1):
        values[i] += phi * values[i - 1]
    return values


def made(steps: int, phi: float, rng: np.random.Generator, means: np.ndarray | None = None) -> Profile:
    """Return a profile of so many steps a domain."""
    means = np.full(DOMAINS, MEAN) if means is None else means
    batch = thinned(steps, means, phi, rng)
    domains = [f"d{i}" for i in range(DOMAINS)]
    start = BEGIN + np.arange(steps, dtype=np.int64) * STEP
    owner = {
        "instance": ["svc"] * steps * DOMAINS,
        "host": ["svc"] * steps * DOMAINS,
        "dp_rank": np.tile(np.arange(DOMAINS), steps),
        "domain": domains * steps,
    }
    begins = np.repeat(start, DOMAINS)
    took = (20_000 + 200 * batch.ravel()).astype(np.int64)
    forward = pl.DataFrame(
        {
            **owner,
            "prof_id": domains * steps,
            "batch_size": batch.ravel(),
            "tokens": batch.ravel() * rng.integers(1, 3, size=batch.size),
            "duration": took / 1000,
            "start": begins,
            "end": begins + took,
        }
    )
    noise = autoregressive(steps, DOMAINS + 2, phi, rng)
    usage = np.clip(0.4 + 0.1 * noise[:, :DOMAINS], 0, 1)
    kv = pl.DataFrame({"time": begins, **owner, "usage": usage.ravel()})
    waiting = thinned(steps, np.full(DOMAINS, 2.0), phi, rng)
    queues = pl.DataFrame({"time": begins, **owner, "pid": owner["dp_rank"], "waiting": waiting.ravel()})
    arrivals = BEGIN + np.sort(rng.integers(steps * STEP, size=steps))
    slow = np.exp(0.5 * noise[:, -2])
    requests = pl.DataFrame(
        {
            "request_id": [str(i) for i in range(steps)],
            "arrival": arrivals,
            "input_tokens": rng.lognormal(6, 0.5, steps).astype(np.int64) + 1,
            "output_tokens": rng.lognormal(3.7, 0.4, steps).astype(np.int64) + 2,
            "ttft": 50 * slow,
            "queue_wait": 10 * slow,
            "duration": 50 * slow + 1000 * np.exp(0.2 * noise[:, -1]),
        }
    )
    return in_memory({"steps": forward, "kv": kv, "queues": queues, "requests": requests})


def in_memory(frames: dict[FrameName, pl.DataFrame]) -> Profile:
    """Return a profile of frames that lack columns, filled with nulls."""

    def loader(name: FrameName, frame: pl.DataFrame) -> Loaded:
        missing = [pl.lit(None).alias(c) for c in SCHEMAS[name] if c not in frame.columns]
        return Loaded(frame.with_columns(missing).select(list(SCHEMAS[name])).cast(dict(SCHEMAS[name])))

    return Profile(
        Path("made"), (), source=Frames({n: lambda _p, n=n, f=f: loader(n, f) for n, f in frames.items()})
    )


@dataclass
class Tally:
    """Counts over equal pairs; `kinds`: rows by dimension, kind, and whether they are called."""

    name: str
    pairs: int = 0
    rows: int = 0
    small_p: int = 0
    before: int = 0
    worse: int = 0  # pairs that fail a run
    thin: int = 0
    kinds: Counter[tuple[str, str, bool]] = field(default_factory=Counter)
    worst: Counter[str] = field(default_factory=Counter)

    def add(self, comparison: Comparison) -> None:
        """Count one pair."""
        self.pairs += 1
        self.worse += comparison.is_worse
        for row in comparison.rows:
            if row.verdict == "too_little_data":
                self.thin += 1
            if np.isnan(row.adjusted):
                continue
            self.rows += 1
            kind = "load" if row.is_load else "headlines" if row.is_headline else "details"
            self.kinds[row.metric.dimension, kind, is_called(row)] += 1
            if is_called(row):
                self.worst[f"{row.metric.key} ({kind})"] += 1
            beyond = row.p_value <= 0.05 and not row.low <= 0 <= row.high
            self.small_p += beyond
            self.before += beyond and matters(row)

    def share(self, kind: str, dimension: str = "") -> str:
        """Return the share of the rows of a kind that are called, of all dimensions or one."""
        counts = [0, 0]
        for (of, which, called), count in self.kinds.items():
            if which == kind and dimension in ("", of):
                counts[called] += count
        return f"{counts[1] / sum(counts):.2%}" if sum(counts) else "–"

    def line(self) -> str:
        """Return the table's line."""
        if not self.rows:
            return f"{self.name:<34} {self.pairs:>6}  no rows"
        kinds = " ".join(f"{self.share(kind):>9}" for kind in ("headlines", "details", "load"))
        return (
            f"{self.name:<34} {self.pairs:>6} {self.rows:>7} {self.small_p / self.rows:>9.2%} "
            f"{self.before / self.rows:>9.2%} {kinds} {self.worse / self.pairs:>9.1%} "
            f"{self.thin / (self.rows + self.thin):>9.1%}"
        )

    def by_dimension(self) -> Iterator[str]:
        """Yield a line per dimension: the share of headlines and of details called."""
        for dimension in ("dp", "kv", "pd", "ep", "requests"):
            called = [self.share(kind, dimension) for kind in ("headlines", "details")]
            yield f"  {dimension:<10} headlines {called[0]:>7}  details {called[1]:>7}"


def matters(row: Row) -> bool:
    """Tell whether the difference is one that may be called."""
    from lbtui.comparison.verdict import smallest

    return abs(row.difference) >= smallest(row)


def is_called(row: Row) -> bool:
    """Tell whether a row is called, the load included."""
    return row.verdict in ("better", "worse") or row.load_differs


HEAD = (
    f"{'equal pairs':<34} {'pairs':>6} {'rows':>7} {'p ≤ 5 %':>9} {'called':>9} "
    f"{'headlines':>9} {'details':>9} {'load':>9} {'worse':>9} {'too thin':>9}"
)


def synthetic(pairs: int, seed: int) -> Iterator[Tally]:
    """Yield the tallies of equal synthetic pairs, `pairs` of each kind and length."""
    for phi in (0.9, 0.0):
        for steps in (500, 1000, 2000, 5000):
            tally = Tally(f"{'AR(1) 0.9' if phi else 'independent'}, {steps} steps")
            rng = np.random.default_rng((seed, int(phi * 10), steps))
            for _ in range(pairs):
                tally.add(compare(made(steps, phi, rng), made(steps, phi, rng)))
            yield tally
    tally = Tally("services of a minute")
    rng = np.random.default_rng((seed, 60))
    for _ in range(pairs):
        tally.add(compare(*(in_memory(Service(rng).made()) for _side in range(2))))
    yield tally


def faults(pairs: int, seed: int) -> Iterator[str]:
    """Yield a line per kind of fault: in how many pairs its mending is better in a headline."""
    found = Counter[str]()
    for number, (kind, fault) in enumerate(FAULTS.items()):
        rng = np.random.default_rng((seed, 61, number))
        for together in (True, False) if fault.apart else (True,):
            name = f"{fault.dimension:<3} {kind}{'' if together else ', each on its own'}"
            better = 0
            for _ in range(pairs):
                made_of = [Service(rng, one, together=together) for one in (fault, NONE)]
                frames = [service.made(fault.dimension) for service in made_of]
                better += is_better(compare(*map(in_memory, frames)), fault.dimension)
            yield f"  {name:<44} {better:>4} of {pairs:>4}"
            found.update({"better": better, "pairs": pairs})
    share = found["better"] / found["pairs"]
    yield f"  {'all':<44} {found['better']:>4} of {found['pairs']:>4} = {share:.1%}"


def is_better(comparison: Comparison, dimension: str) -> bool:
    """Tell whether a headline of the dimension is better."""
    return any(r.verdict == "better" and r.metric.dimension == dimension for r in comparison.headlines)


def power(pairs: int, seed: int) -> str:
    """Return how often a 1.3 × PAR of batch size is called worse."""
    rng = np.random.default_rng(seed + 1)
    # One domain with so much more that Σ max / Σ mean grows 1.3-fold: max is nearly always its own.
    even = np.full(DOMAINS, MEAN)
    uneven = even.copy()
    uneven[0] = 1.3 * 1.36 * MEAN
    uneven[1:] = (DOMAINS * MEAN - uneven[0]) / (DOMAINS - 1)
    found, ratios = 0, []
    for _ in range(pairs):
        rows = compare(made(2000, 0.9, rng, even), made(2000, 0.9, rng, uneven)).rows
        row = next(r for r in rows if r.metric.key == "batch_size.par")
        ratios.append(row.ratio)
        found += row.verdict == "worse"
    return (
        f"power: PAR × {np.mean(ratios):.2f}, AR(1) 0.9, 2000 steps: worse in "
        f"{found} of {pairs} = {found / pairs:.0%}"
    )


# The dimension of each kind of fault that the lab's simulator makes.
LAB = {
    "dp": "slow batch hog gap throttle onset drift dead late longout idle coupled card host",
    "kv": "kv",
    "pd": "pull pair pnode deadp ratio",
    "ep": "hotrank hotexpert moves worse",
}


def lab(folder: Path) -> Iterator[Tally]:
    """Yield the tallies of every two profiles without a fault, by shape."""
    for shape, outputs in _even(folder).items():
        tally = Tally(f"lab, {shape}")
        for first, second in itertools.combinations(map(open_profile, outputs), 2):
            tally.add(compare(first, second))
        yield tally


def _even(folder: Path) -> dict[str, list[Path]]:
    shapes: dict[str, list[Path]] = {}
    for output in sorted(folder.glob("*_m[0-9]/out")):
        shapes.setdefault(output.parent.name.split("_")[0], []).append(output)
    return shapes


def lab_faults(folder: Path) -> Iterator[str]:
    """Yield a line per faulty profile: against how many of its shape without the fault it is worse."""
    even = _even(folder)
    counts = Counter[tuple[int, str]]()
    for dimension, kinds in LAB.items():
        for output in sorted(o for kind in kinds.split() for o in folder.glob(f"*_{kind}_[01]/out")):
            shape, kind, half = output.parent.name.split("_")
            others = even.get(shape, [])
            # Each half has profiles of its own without the fault, where there are several.
            middle = (len(others) + 1) // 2
            own = (others[:middle], others[middle:] or others)[int(half)]
            better = [is_better(compare(open_profile(output), open_profile(o)), dimension) for o in own]
            yield f"  half {half} {dimension:<3} {kind:<10} {shape} {sum(better)} of {len(better)}"
            counts.update({(int(half), "better"): sum(better), (int(half), "pairs"): len(better)})
    for half in (0, 1):
        if pairs := counts[half, "pairs"]:
            yield f"  half {half}: {counts[half, 'better']} of {pairs} = {counts[half, 'better'] / pairs:.1%}"


def large() -> Iterator[str]:
    """Yield how long profiles of a million forward passes take: from forward.csv, and of every frame."""
    with tempfile.TemporaryDirectory() as kept:
        folders = [Path(kept, side) for side in ("before", "after")]
        for seed, folder in enumerate(folders, 1):
            folder.mkdir()
            write_forward(folder, 1_000_000, seed)
        yield _timed("forward.csv, read and compared", [open_profile(folder) for folder in folders])
    rng = np.random.default_rng(3)
    profiles = [made(1_000_000 // DOMAINS, 0.9, rng) for _ in range(2)]
    yield _timed("steps, KV, queues (1 million rows each), 125,000 requests, compared", profiles)


def _timed(what: str, profiles: list[Profile]) -> str:
    wall, cpu = time.perf_counter(), time.process_time()
    rows = compare(*profiles).rows
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return f"{what}: {wall:.1f} s, {cpu:.1f} s of processor time on {os.cpu_count()} cores, {len(rows)} rows"


def total(name: str, tallies: Iterable[Tally]) -> Tally:
    """Return the sum."""
    whole = Tally(name)
    for tally in tallies:
        for key in ("pairs", "rows", "small_p", "before", "worse", "thin"):
            setattr(whole, key, getattr(whole, key) + getattr(tally, key))
        whole.kinds += tally.kinds
        whole.worst += tally.worst
    return whole


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", type=int, default=125, help="of each kind and length (9 of them)")
    parser.add_argument("--faults", type=int, default=10, help="pairs of each kind of fault")
    parser.add_argument(
        "--seed", type=int, default=1, help="of the synthetic pairs; settings were chosen with 1"
    )
    parser.add_argument("--lab", type=Path, help="folder of lab profiles")
    parser.add_argument("--large", action="store_true", help="time two profiles of a million forward passes")
    options = parser.parse_args()
    if options.large:
        for line in large():
            print(line, flush=True)
        return
    print(f"{datetime.now():%Y-%m-%d %H:%M}")
    began = time.monotonic()
    print(HEAD)
    groups = [("all synthetic", synthetic(options.pairs, options.seed))] if options.pairs else []
    if options.lab:
        groups.append(("all of the lab", lab(options.lab)))
    for name, tallies in groups:
        seen = []
        for tally in tallies:
            seen.append(tally)
            print(tally.line(), flush=True)
        whole = total(name, seen)
        print(whole.line())
        for line in whole.by_dimension():
            print(line)
        most = ", ".join(f"{key} {count}" for key, count in whole.worst.most_common(8))
        print(f"  most often called: {most or 'none'}", flush=True)
    if options.faults:
        print("faults mended, a headline of their dimension is better:")
        for line in faults(options.faults, options.seed):
            print(line, flush=True)
    if options.lab:
        print("faults of the lab mended, a headline of their dimension is better:")
        for line in lab_faults(options.lab):
            print(line, flush=True)
    if options.pairs:
        print(power(min(options.pairs, 100), options.seed))
    print(f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
