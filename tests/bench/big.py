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

from tests.bench.inputs import write_batch, write_forward
from tests.tools.terminal import Terminal

PICTURES = Path(__file__).parent.parent / "data" / "pd_ep_png"


@dataclass(frozen=True)
class Run:
    """One finished process: wall and processor seconds, and the most memory it held in MiB."""

    wall: float
    cpu: float
    peak: float


# What the processes do


def lanes(folder: Path) -> None:
    """DP lanes of the batch size, from opening the profile."""
    from lbtui.analysis.data_parallel import metric
    from lbtui.sources import open_profile
    from lbtui.ui.panes.dp_data import dp_data, measure, scene

    profile = open_profile(folder)
    steps = profile.load_domain_steps().frame
    data = dp_data(steps, profile.load("batches").frame, None, None)
    scene(measure(metric("batch_size"), data, steps), (data.begin, data.end), 170)


def polars_lanes(folder: Path) -> None:
    """The same grouping by polars alone: cards of a step to one step, then min, mean, max by time bin."""
    import polars as pl

    start = pl.col("start_time(ms)")
    steps = (
        pl.scan_csv(folder / "forward.csv")
        .group_by("hostname", "dp_rank", "forward_iter")
        .agg(start.min(), pl.col("end_time(ms)").max(), pl.col("batch_size").max())
    )
    size = pl.col("batch_size")
    (
        steps.group_by("hostname", "dp_rank", bin=(start / 600).floor().cast(pl.Int64))
        .agg(low=size.min(), mean=size.mean(), high=size.max())
        .collect(engine="streaming")
    )


def rounds(folder: Path) -> None:
    """The frame `batches`, without its request lists."""
    from lbtui.sources import open_profile

    open_profile(folder).load("batches")


def polars_rounds(folder: Path) -> None:
    """The same columns by polars alone."""
    import polars as pl

    columns = (
        "name,prof_id,dp_rank,batch_type,batch_size,prefill_batch_size,decode_batch_size,"
        "total_scheduled_tokens,start_time(ms),end_time(ms)"
    )
    pl.scan_csv(folder / "batch.csv").select(columns.split(",")).collect(engine="streaming")


def pictures(folder: Path) -> None:
    """Nine heat maps to numbers."""
    from lbtui.sources import open_profile

    assert open_profile(folder).load("expert_heat").frame.height


WORK: dict[str, Callable[[Path], None]] = {
    f.__name__: f for f in (lanes, polars_lanes, rounds, polars_rounds, pictures)
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


def paired(name: str, ours: str, theirs: str, folder: Path, pairs: int, *, memory: float | None) -> None:
    """Print the ratios of two works that take turns."""
    both = [(run(ours, folder), run(theirs, folder)) for _pair in range(pairs)]
    for what, target, of in (
        ("wall", 1.3, lambda r: r.wall),
        ("cpu", 1.3, lambda r: r.cpu),
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


def first_frame(folder: Path, pairs: int) -> None:
    """Print how long lbtui takes to its first paint, beside a minimal Textual app."""
    minimal = "from textual.app import App\nfrom textual.widgets import Static\n" + (
        "class A(App):\n    def compose(self):\n        yield Static('ready')\nA().run()"
    )

    def painted(command: list[str], word: bytes) -> float:
        start = time.perf_counter()
        with Terminal(command, 200, 50) as terminal:
            while word not in terminal.output and time.perf_counter() - start < 60:
                terminal.read(0.05)
            return time.perf_counter() - start

    both = [
        (
            painted([sys.executable, "-m", "lbtui", str(folder)], b"Overview"),
            painted([sys.executable, "-c", minimal], b"ready"),
        )
        for _pair in range(pairs)
    ]
    ratio = statistics.median(a / b for a, b in both)
    own, other = (statistics.median(p[i] for p in both) for i in (0, 1))
    tell("first frame", "<= 1.3 x", f"{own:.2f} / {other:.2f} s", f"{ratio:.2f} x", ratio <= 1.3)


def nine_pictures(pairs: int) -> None:
    """Print how long nine heat maps take."""
    runs = [run("pictures", PICTURES) for _n in range(pairs)]
    wall = statistics.median(r.wall for r in runs)
    tell(
        "nine PNGs to numbers (whole process)", "<= 1.5 s", f"{wall:.2f} s", f"{wall / 1.5:.2f}", wall <= 1.5
    )


def tell(row: str, target: str, measured: str, ratio: str, ok: bool) -> None:
    """Print one row."""
    print(f"| {row} | {target} | {measured} | {ratio} | {'yes' if ok else 'no'} |", flush=True)


def main() -> None:
    """Make, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    every = ["lanes", "batch", "first", "pictures"]
    parser.add_argument("row", nargs="*", help=" ".join(every))
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--work", choices=sorted(WORK), help=argparse.SUPPRESS)
    options = parser.parse_args()
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
        big, lists = (place / name for name in ("big", "lists"))
        for folder in (big, lists):
            folder.mkdir()
        if {"lanes", "first"} & set(chosen):
            write_forward(big, options.rows)
        if "lanes" in chosen:
            paired("DP lanes", "lanes", "polars_lanes", big, options.pairs, memory=1.5)
        if "batch" in chosen:
            write_batch(lists, options.rows // 100)
            paired(
                "batch.csv, 64 requests a row", "rounds", "polars_rounds", lists, options.pairs, memory=None
            )
        if "first" in chosen:
            first_frame(big, options.pairs)
        if "pictures" in chosen:
            nine_pictures(options.pairs)
    finally:
        shutil.rmtree(place)


if __name__ == "__main__":
    main()
