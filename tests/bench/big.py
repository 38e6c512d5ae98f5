"""Measures lbtui on big inputs beside the least that the same work can cost; makes the inputs itself.

    python -m tests.bench.big [ROW ...] [--rows 10000000] [--folder DIR] [--pairs 5]

Each measurement is a process of its own; ours and theirs take turns, and the median of the ratios of the
pairs counts, so that others who use the machine disturb both alike. The inputs are removed at the end.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.bench import works
from tests.bench.inputs import write_batch, write_forward, write_requests
from tests.bench.on_screen import beside_visidata, first_frame, keys, line_bytes, tables
from tests.bench.table import tell, tell_peak
from tests.bench.trace_inputs import write_database, write_trace


@dataclass(frozen=True)
class Run:
    """One finished process: wall and processor seconds, and the most memory it held in MiB."""

    wall: float
    cpu: float
    peak: float


WORK: dict[str, Callable[[Path], None]] = {
    f.__name__: f
    for f in (
        works.lanes,
        works.polars_lanes,
        works.pandas_lanes,
        works.sqlite_lanes,
        works.rounds,
        works.polars_rounds,
        works.pictures,
        works.findings,
    )
}


def run(work: str, folder: Path) -> Run:
    """Return how a process of its own did the work."""
    start = time.perf_counter()
    pid = os.spawnv(
        os.P_NOWAIT,
        sys.executable,
        [sys.executable, "-m", "tests.bench.big", "--work", work, "--folder", str(folder)],
    )
    _pid, status, used = os.wait4(pid, 0)
    wall = time.perf_counter() - start
    if status:
        raise SystemExit(f"{work} failed")
    return Run(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


# The rows of the table


def paired(
    name: str,
    ours: str,
    theirs: str,
    folder: Path,
    pairs: int,
    *,
    memory: float | None = None,
    time: float = 1.3,
) -> None:
    """Print the ratios of two works that take turns, with their targets."""
    both = [(run(ours, folder), run(theirs, folder)) for _pair in range(pairs)]
    for what, target, of in (
        ("wall", time, lambda r: r.wall),
        ("cpu", time, lambda r: r.cpu),
        ("peak memory", memory, lambda r: r.peak),
    ):
        if target is None:
            continue
        unit = "MiB" if what == "peak memory" else "s"
        ratio = statistics.median(of(a) / of(b) for a, b in both)
        own, other = (statistics.median(of(p[i]) for p in both) for i in (0, 1))
        tell(
            f"{name}, {what}",
            f"<= {target} x",
            f"{own:.2f} / {other:.2f} {unit}",
            f"{ratio:.2f} x",
            ratio <= target,
        )


def nine_pictures(pairs: int) -> None:
    """Print how long nine heat maps take."""
    runs = [run("pictures", works.PICTURES) for _n in range(pairs)]
    wall = statistics.median(r.wall for r in runs)
    tell(
        "nine PNGs to numbers (whole process)", "<= 1.5 s", f"{wall:.2f} s", f"{wall / 1.5:.2f}", wall <= 1.5
    )


def large_trace(folder: Path, pairs: int) -> None:
    """Print how fast a trace that is all there is becomes lanes, on one core, and in how much memory."""
    runs = [run("lanes", folder) for _n in range(pairs)]
    size = (folder / "chrome_tracing.json").stat().st_size / 1e6
    speed, peak = (statistics.median(of) for of in ([size / r.cpu for r in runs], [r.peak for r in runs]))
    tell(f"trace of {size:,.0f} MB, on one core", ">= 40 MB/s", f"{speed:.0f} MB/s", "", speed >= 40)
    tell_peak("the same", peak, 1024)


def overview_memory(folder: Path) -> None:
    """Print the most memory that the overview and the findings of the large profile take."""
    tell_peak("overview and findings", run("findings", folder).peak, 1536)


def measure(chosen: set[str], place: Path, rows: int, pairs: int) -> None:
    """Make the inputs of the chosen rows in a folder, each when its turn comes, and print the rows."""

    def made(name: str) -> Path:
        (place / name).mkdir()
        return place / name

    if chosen & {"lanes", "pandas", "findings", "first", "keys"}:
        big = made("big")
        write_forward(big, rows)
        if "lanes" in chosen:
            paired("DP lanes", "lanes", "polars_lanes", big, pairs, memory=1.5)
        if "pandas" in chosen:
            paired("DP lanes beside pandas", "lanes", "pandas_lanes", big, 1)
        if "findings" in chosen:
            overview_memory(big)
        if "first" in chosen:
            first_frame(big, pairs)
        if "keys" in chosen:
            small = made("small")
            write_forward(small, 10_000)
            for folder in (small, big):
                write_requests(folder, 1_000 if folder == small else rows // 10)
                for picture in works.PICTURES.iterdir():
                    shutil.copy(picture, folder)
                shutil.copy(works.PICTURES.parent / "pd_ep" / "coordinator.csv", folder)
            keys(small, big, 10)
        shutil.rmtree(big)
    if "tables" in chosen:
        write_requests(made("requests"), rows)
        tables(place / "requests", rows)
        shutil.rmtree(place / "requests")
    if "visidata" in chosen:
        write_requests(made("million"), rows // 10)
        beside_visidata(place / "million", rows // 10)
        shutil.rmtree(place / "million")
    if "bytes" in chosen:
        for domains in (16, 128):
            line_bytes(made(f"bytes{domains}"), domains)
    if "batch" in chosen:
        write_batch(made("lists"), rows // 100)
        paired("batch.csv, 64 requests a row", "rounds", "polars_rounds", place / "lists", pairs)
        shutil.rmtree(place / "lists")
    if "trace" in chosen:
        write_trace(made("trace"), rows * 100)
        large_trace(place / "trace", pairs)
        shutil.rmtree(place / "trace")
    if "database" in chosen:
        write_database(made("database"), rows * 200)
        paired("profiler.db", "lanes", "sqlite_lanes", place / "database", pairs, time=1.5)
    if "pictures" in chosen:
        nine_pictures(pairs)


def main() -> None:
    """Make, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    every = [
        "lanes",
        "pandas",
        "findings",
        "batch",
        "first",
        "keys",
        "tables",
        "visidata",
        "bytes",
        "trace",
        "database",
        "pictures",
    ]
    parser.add_argument("row", nargs="*", help=" ".join(every))
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--work", choices=sorted(WORK), help=argparse.SUPPRESS)
    options = parser.parse_args()
    # As for a user: modules are compiled once.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if options.work:
        WORK[options.work](options.folder)
        return
    chosen = options.row or every
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    import polars as pl

    print(
        f"{platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB, load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}, polars {pl.__version__}; {options.rows:,} forward rows\n"
    )
    print("| what | target | measured: lbtui / beside it | ratio | met |\n|---|---|---|---|---|")
    place = Path(tempfile.mkdtemp(dir=options.folder))
    try:
        measure(set(chosen), place, options.rows, options.pairs)
    finally:
        shutil.rmtree(place)


if __name__ == "__main__":
    main()
