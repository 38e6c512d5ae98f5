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
from tests.bench.key_latency import KEYS, answer
from tests.bench.trace_inputs import write_database, write_trace
from tests.findings.service import Group, write_service
from tests.tools.line_bytes import KB, changes, moves, started
from tests.tools.person import Person
from tests.tools.terminal import Terminal


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
    _tell_peak("the same", peak, 1024)


def _loaded(terminal: Terminal) -> Person:
    """Return someone before a screen on which everything is read."""
    person = Person(terminal, 200, 50)
    person.sees("FINDINGS", 600)
    person.misses("Escape cancels", 600)
    terminal.settle(1.0)
    return person


def keys(small: Path, large: Path, repeat: int) -> None:
    """Print p95 from a key to the last byte of its frame, in every pane, of a large profile and a small.

    And the processor time of a key, which others who use the machine disturb less.
    """
    found: dict[str, list[tuple[float, float]]] = {}
    for folder in (small, large):
        with Terminal([sys.executable, "-m", "lbtui", str(folder)], 200, 50) as terminal:
            _loaded(terminal)
            for pane, pressed in KEYS.items():
                answer(terminal, pane[0])
                terminal.settle(2.0)
                before = _cpu(terminal.pid)
                times = sorted(answer(terminal, key)[0] for _turn in range(repeat) for _name, key in pressed)
                cpu = (_cpu(terminal.pid) - before) / len(times)
                found.setdefault(pane, []).append((1000 * times[int(0.95 * len(times))], 1000 * cpu))
    for pane, ((few, few_cpu), (many, many_cpu)) in found.items():
        measured = f"{many:.0f} / {few:.0f} ms; processor {many_cpu:.0f} / {few_cpu:.0f} ms a key"
        ok = many <= 30 and many <= 1.2 * few
        tell(f"key to last byte, p95, {pane}", "<= 30 ms, <= 1.2 x", measured, f"{many / few:.2f} x", ok)


def _cpu(pid: int) -> float:
    """Return the processor seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def tables(folder: Path, rows: int) -> None:
    """Print the most memory that opening a table and scrolling it takes."""
    with Terminal([sys.executable, "-m", "lbtui", str(folder)], 200, 50) as terminal:
        person = _loaded(terminal)
        person.press("5")
        person.misses("Escape cancels", 600)
        for key in ("\x1b[6~", "\x1b[F", "\x1b[5~", "s", "\x1b[6~", "\x1b[H") * 5:
            answer(terminal, key)
        status = Path(f"/proc/{terminal.pid}/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    _tell_peak(f"a table of {rows:,} rows", peak / 1024, 1536)


def line_bytes(folder: Path, domains: int) -> None:
    """Print how many bytes a line carries, of a profile with so many DP domains and all there is else."""
    write_service(folder, Group(domains=domains, seconds=20))
    for picture in works.PICTURES.iterdir():
        shutil.copy(picture, folder)
    shutil.copy(works.PICTURES.parent / "pd_ep" / "coordinator.csv", folder)
    lanes = 2 * KB + 100 * max(domains - 16, 0)
    words = {"1": "FINDINGS", "2": "batch size", "3": "added requests", "4": "layer", "5": "requests ·"}
    with Terminal([sys.executable, "-m", "lbtui", str(folder), "--color", "256"], 200, 50) as terminal:
        person = Person(terminal, 200, 50)
        rows = [("whole start", 100 * KB, started(person, "FINDINGS"))]
        rows.append(("change of pane", 40 * KB, max(changes(person, words).values())))
        for what, pane, most in (
            ("lanes", "2", lanes),
            ("lanes of P/D nodes", "3", 2 * KB),
            ("heat map", "4", 4 * KB),
            ("table", "5", 2 * KB),
        ):
            rows.append((f"move of the cursor, {what}", most, max(moves(person, pane, words[pane]))))
    for what, most, size in rows:
        row = f"bytes, {domains} DP domains: {what}"
        tell(row, f"<= {most / KB:g} KB", f"{size / KB:.1f} KB", f"{size / most:.2f}", size <= most)


def overview_memory(folder: Path) -> None:
    """Print the most memory that the overview and the findings of the large profile take."""
    _tell_peak("overview and findings", run("findings", folder).peak, 1536)


def _tell_peak(what: str, peak: float, most: int) -> None:
    tell(f"{what}, peak memory", f"<= {most} MiB", f"{peak:.0f} MiB", f"{peak / most:.2f}", peak <= most)


def tell(row: str, target: str, measured: str, ratio: str, ok: bool) -> None:
    """Print one row."""
    print(f"| {row} | {target} | {measured} | {ratio} | {'yes' if ok else 'no'} |", flush=True)


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
