"""Measures lbtui on big inputs beside the least that the same work can cost; makes the inputs itself.

    python -m tests.bench.big [ROW ...] [--rows 10000000] [--pairs 3] [--folder DIR] [--write]
        [--beside PYTHON] [--more FOLDER] [--raw RAW] [--larger RAW] [--parser COMMAND] [--runs FOLDER]

Each measurement is a process of its own; ours and theirs take turns, and the median of the ratios of the
pairs counts, so that others who use the machine disturb both alike. Inputs and what was measured stay in
DIR, where it is given: another run uses the inputs again, and measures the rows that are named anew.
`--write` puts all rows of DIR into the manual. What fails, or is not here, is told as a row.

PYTHON is of an environment with `pip install duckdb pandas visidata`, which lbtui does not use. Folders of
their own have a larger forward.csv (`--more`), raw profiles, and the runs of `tests.bench.runs`; COMMAND is
upstream's parser: "env PYTHONPATH=CHECKOUT VENV/bin/python -m ms_service_profiler.parse".
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import platform
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import lbtui.manual
from tests.bench import raw_speed, runs, works
from tests.bench.inputs import write_batch, write_forward, write_requests
from tests.bench.on_screen import beside_visidata, first_frame, first_lanes, keys, line_bytes, tables
from tests.bench.table import HEAD, TOLD, Facts, Row, between, in_chinese, in_english, tell, tell_peak
from tests.bench.trace_inputs import write_database, write_trace

_PART = "Measured"
_CHINESE_PART = "实测"


@dataclass(frozen=True)
class Run:
    """One finished process: wall and processor seconds, and the most memory it held in MiB."""

    wall: float
    cpu: float
    peak: float


def run(work: str, folder: Path, python: str = sys.executable) -> Run:
    """Return how a process of its own did a work of `tests.bench.works`."""
    start = time.perf_counter()
    pid = os.spawnv(os.P_NOWAIT, python, [python, "-m", works.__name__, work, str(folder)])
    _pid, status, used = os.wait4(pid, 0)
    wall = time.perf_counter() - start
    if status:
        raise RuntimeError(f"{work} failed")
    return Run(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


@dataclass(frozen=True)
class Bench:
    """What is asked: where the inputs are, how many rows they have, how often, and beside what."""

    options: argparse.Namespace
    place: Path

    @property
    def rows(self) -> int:
        """Return how many forward passes the large inputs have."""
        return self.options.rows

    @property
    def pairs(self) -> int:
        """Return how often both are measured."""
        return self.options.pairs

    def made(self, name: str, *writers: Callable[[Path], object]) -> Path:
        """Return an input's folder, written now unless it is there, whose files are in memory."""
        folder = self.place / name
        if not folder.exists():
            part = folder.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            for write in writers:
                write(part)
            part.rename(folder)
        warm(folder)
        return folder

    def forward(self) -> Path:
        """Return a folder with forward.csv."""
        return self.made("forward", lambda folder: write_forward(folder, self.rows))

    def profile(self, name: str, passes: int, requests: int) -> Path:
        """Return a folder with something for every pane."""
        return self.made(
            name,
            lambda folder: (
                os.link((self.forward() / "forward.csv").resolve(), folder / "forward.csv")
                if passes == self.rows
                else write_forward(folder, passes)
            ),
            lambda folder: write_requests(folder, requests),
            works.add_panes,
        )

    def has(self, package: str) -> bool:
        """Tell whether the other environment has a package; if not, a row says so."""
        if found := bool(_versions(self.options.beside, [package])):
            return found
        tell(f"beside {package}", "", f"{package} is not installed", "", None)
        return False


def warm(folder: Path) -> None:
    """Read all files of a folder, so that the first who measures it does not wait for the disk."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb", buffering=0) as file:
                while file.read(1 << 24):
                    pass


# The rows of the table


def told(name: str, both: Sequence[tuple[Run, Run]], time: float, memory: float | None = None) -> None:
    """Print the ratios of two works that took turns, with their targets."""
    for what, target, of in (
        ("wall", time, lambda r: r.wall),
        ("cpu", time, lambda r: r.cpu),
        ("peak memory", memory, lambda r: r.peak),
    ):
        if target is None:
            continue
        digits, unit = (0, "MiB") if what == "peak memory" else (2, "s")
        ratio = statistics.median(of(a) / of(b) for a, b in both)
        own, other = (statistics.median(of(p[i]) for p in both) for i in (0, 1))
        measured = f"{own:.{digits}f} / {other:.{digits}f} {unit}"
        tell(f"{name}, {what}", f"<= {target:g} x", measured, f"{ratio:.2f} x", ratio <= target)


def paired(bench: Bench, ours: str, theirs: str, folder: Path) -> list[tuple[Run, Run]]:
    """Return two works that took turns."""
    return [(run(ours, folder), run(theirs, folder)) for _pair in range(bench.pairs)]


def lanes(bench: Bench) -> None:
    """DP lanes beside the same grouping by polars, DuckDB and pandas, all of which take turns."""
    folder = bench.forward()
    others = {"polars": sys.executable} | {
        name: bench.options.beside for name in ("duckdb", "pandas") if bench.has(name)
    }
    turns = []
    for _turn in range(bench.pairs):
        own = run("lanes", folder)
        turns.append((own, {name: run(f"{name}_lanes", folder, of) for name, of in others.items()}))
    for name in others:
        spoken = {"duckdb": "DuckDB"}.get(name, name)
        memory = 1.5 if name == "polars" else None
        told(f"DP lanes beside {spoken}", [(own, their[name]) for own, their in turns], 1.15, memory)


def findings(bench: Bench) -> None:
    """The Overview and the findings beside polars' query for the lanes."""
    both = paired(bench, "findings", "polars_lanes", bench.forward())
    told("findings and Overview beside polars", both, 3)
    tell_peak("findings and Overview beside polars", max(own.peak for own, _their in both), 1536)


def first(bench: Bench) -> None:
    """The first lanes of a large forward.csv, and of one that is larger still."""
    first_lanes(bench.forward(), bench.pairs)
    if bench.options.more is not None:
        first_lanes(bench.options.more, bench.pairs)


def frame(bench: Bench) -> None:
    """The first frame."""
    first_frame(bench.forward(), 3 * bench.pairs)


def key(bench: Bench) -> None:
    """A key in every pane, beside that of a small profile."""
    large = bench.profile("keys", bench.rows, bench.rows // 10)
    keys(bench.profile("small", 10_000, 1_000), large, 10)


def table(bench: Bench) -> None:
    """A table of as many requests as there are forward passes."""
    tables(bench.made("requests", lambda folder: write_requests(folder, bench.rows)), bench.rows)


def visidata(bench: Bench) -> None:
    """A table of a tenth of them beside VisiData."""
    if bench.has("visidata"):
        few = bench.rows // 10
        folder = bench.made("million", lambda folder: write_requests(folder, few))
        beside_visidata(folder, few, Path(bench.options.beside).with_name("vd"))


def line(bench: Bench) -> None:
    """The bytes that a line carries."""
    for domains in (16, 128):
        line_bytes(bench.made(f"bytes{domains}", lambda folder, n=domains: works.service(folder, n)), domains)


def batch(bench: Bench) -> None:
    """The rounds of batch.csv beside polars."""
    folder = bench.made("lists", lambda folder: write_batch(folder, bench.rows // 100))
    told("batch.csv, 64 requests a row", paired(bench, "rounds", "polars_rounds", folder), 1.3)


def trace(bench: Bench) -> None:
    """How fast a trace that is all there is becomes lanes, on one core, and in how much memory."""
    folder = bench.made("trace", lambda folder: write_trace(folder, bench.rows * 100))
    every = [run("lanes", folder) for _n in range(bench.pairs)]
    size = (folder / "chrome_tracing.json").stat().st_size / 1e6
    speed, peak = (statistics.median(of) for of in ([size / r.cpu for r in every], [r.peak for r in every]))
    name = f"trace of {size:,.0f} MB"
    tell(f"{name}, on one core", ">= 40 MB/s", f"{speed:.0f} MB/s", f"{speed / 40:.2f}", speed >= 40)
    tell_peak(name, peak, 1024)


def database(bench: Bench) -> None:
    """DP lanes of profiler.db beside SQLite."""
    folder = bench.made("database", lambda folder: write_database(folder, bench.rows * 200))
    both = paired(bench, "lanes", "imported_sqlite_lanes", folder)
    told("profiler.db beside SQLite, both with polars imported", both, 1.5)
    told("profiler.db beside SQLite alone", paired(bench, "lanes", "sqlite_lanes", folder), 1.5)


def pictures(bench: Bench) -> None:
    """Nine heat maps."""
    wall = statistics.median(run("pictures", works.PICTURES).wall for _n in range(bench.pairs))
    name = "nine PNGs to numbers, whole process"
    tell(name, "<= 1.5 s", f"{wall:.2f} s", f"{wall / 1.5:.2f}", wall <= 1.5, idle=True)


def raw(bench: Bench) -> None:
    """Raw profiles beside upstream's parser."""
    asked = bench.options
    if asked.raw is None:
        tell("raw profile", "", "no raw profile was given", "", None)
        return
    warm(asked.raw)
    raw_speed.tell_all(asked.raw, asked.larger, asked.parser, bench.pairs)


def many(bench: Bench) -> None:
    """A folder of many runs."""
    if bench.options.runs is None:
        tell("runs", "", "no folder of runs was given", "", None)
        return
    runs.tell_all(bench.options.runs)


ROWS: dict[str, Callable[[Bench], None]] = {
    "lanes": lanes,
    "findings": findings,
    "first": first,
    "frame": frame,
    "keys": key,
    "tables": table,
    "visidata": visidata,
    "bytes": line,
    "batch": batch,
    "trace": trace,
    "database": database,
    "pictures": pictures,
    "raw": raw,
    "runs": many,
}


# What was measured


def _processors() -> tuple[float, float]:
    """Return the processor seconds that all have used, and those that this process and its children used."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    user, nice, system, _idle, _waiting, interrupts, soft, stolen = (int(field) for field in fields)
    every = (user + nice + system + interrupts + soft + stolen) / os.sysconf("SC_CLK_TCK")
    return every, sum(os.times()[:4])


def measured(bench: Bench, name: str) -> dict[str, object]:
    """Print some rows; return them with when they were measured and the others' share of the processors."""
    TOLD.clear()
    begin, (every, own) = time.time(), _processors()
    try:
        ROWS[name](bench)
    except (Exception, SystemExit) as error:
        tell(name, "", f"failed: {' '.join(str(error).split())[:80]}", "", False)
    seconds = time.time() - begin
    all_now, own_now = _processors()
    share = max((all_now - every) - (own_now - own), 0) / seconds / (os.cpu_count() or 1)
    print(f"{name}: {seconds:.0f} s, others {share:.0%}", file=sys.stderr)
    return {"rows": list(TOLD), "when": time.strftime("%Y-%m-%d %H:%M", time.gmtime(begin)), "others": share}


def _versions(python: str, packages: Sequence[str]) -> str:
    """Return which versions of packages an environment has."""
    code = (
        "import sys\nfrom importlib.metadata import distributions\n"
        "found = {d.metadata['Name'].lower(): d.version for d in distributions()}\n"
        "for name in sys.argv[1:]:\n    if name in found: print(name, found[name])"
    )
    found = subprocess.run([python, "-c", code, *packages], capture_output=True, text=True, check=True)
    return ", ".join(found.stdout.splitlines())


def facts(bench: Bench, kept: dict[str, dict[str, object]]) -> Facts:
    """Return on what, when and beside what all rows were measured."""
    import sqlite3

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    when = sorted(str(each["when"]) for each in kept.values())
    shares = [100 * float(str(each["others"])) for each in kept.values()]
    own = ", ".join(f"{name} {version(name)}" for name in ("polars", "numpy", "textual"))
    beside = _versions(bench.options.beside, ["duckdb", "pandas", "visidata"])
    low, high = f"{min(shares):.0f}", f"{max(shares):.0f}"
    return Facts(
        f"{when[0]}–{when[-1][-5:]} UTC" if when[0] != when[-1] else f"{when[0]} UTC",
        f"{platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB",
        f"Python {platform.python_version()}, {own}, SQLite {sqlite3.sqlite_version}, {beside}".rstrip(", "),
        f"{bench.rows:,} forward passes, pairs: {bench.pairs}",
        low if low == high else f"{low}–{high}",
    )


def write(bench: Bench, kept: dict[str, dict[str, object]]) -> None:
    """Put all rows that are kept into both manuals."""
    rows: list[Row] = [tuple(row) for name in ROWS if name in kept for row in kept[name]["rows"]]  # type: ignore
    folder = Path(lbtui.manual.__file__).parent
    for page, part, made in (
        (folder / "performance.md", _PART, in_english),
        (folder / "zh_CN" / "performance.md", _CHINESE_PART, in_chinese),
    ):
        page.write_text(between(page.read_text("utf-8"), part, made(facts(bench, kept), rows)), "utf-8")


def main() -> None:
    """Make, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("row", nargs="*", choices=[*ROWS, []], help=" ".join(ROWS))
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--beside", default=sys.executable)
    parser.add_argument("--more", type=Path)
    parser.add_argument("--raw", type=Path)
    parser.add_argument("--larger", type=Path)
    parser.add_argument("--parser", type=shlex.split)
    parser.add_argument("--runs", type=Path)
    options = parser.parse_args()
    # As for a user: modules are compiled once.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    compileall.compile_dir(lbtui.__path__[0], quiet=1)
    place = options.folder or Path(tempfile.mkdtemp())
    bench = Bench(options, place)
    known = place / "measured.json"
    kept: dict[str, dict[str, object]] = json.loads(known.read_text()) if known.exists() else {}
    print(HEAD)
    try:
        for name in options.row or ROWS:
            kept[name] = measured(bench, name)
            known.write_text(json.dumps(kept, indent=1))
    finally:
        if options.write and kept:
            write(bench, kept)
        if options.folder is None:
            shutil.rmtree(place)


if __name__ == "__main__":
    main()
