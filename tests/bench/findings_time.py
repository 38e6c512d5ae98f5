"""How long the findings of a large profile take, beside reading it.

    python -m tests.bench.findings_time [ROWS ...] [--keep FOLDER]

Writes ROWS forward passes (default 1 million; 8 domains of 4 cards, one of them doubled for a while) in the
parser's format to a temporary folder, or to FOLDER/ROWS, where a file of an earlier run is used again.
Printed per size: seconds to read the steps, seconds for the findings, their ratio, and the peak of memory
after each.
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
from pathlib import Path

from lbtui.findings import find_all
from lbtui.sources import open_profile
from tests.bench.inputs import write_forward


def measure(folder: Path) -> str:
    """Return the line of one profile; its memory is this process's, so each needs a process of its own."""
    profile = open_profile(folder)
    start = time.perf_counter()
    rows = profile.load("steps").frame.height
    read, read_peak = time.perf_counter() - start, _peak()
    start = time.perf_counter()
    found = find_all(profile)
    took = time.perf_counter() - start
    names = ", ".join(f.id for f in found if f.dimension != "data")
    return (
        f"{rows:>12,} {read:>9.1f} s {took:>9.1f} s {took / read:>6.2f} "
        f"{read_peak:>8,} MiB {_peak():>8,} MiB  {names}"
    )


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    """Write, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int, nargs="*", default=[1_000_000])
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(measure(options.measure))
        return
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"{'rows':>12} {'reading':>11} {'findings':>11} {'ratio':>6} {'peak read':>12} {'peak all':>12}")
    for rows in options.rows:
        with tempfile.TemporaryDirectory() as temporary:
            folder = (options.keep or Path(temporary)) / str(rows)
            if not (folder / "forward.csv").exists():
                folder.mkdir(parents=True, exist_ok=True)
                write_forward(folder, rows)
            command = [sys.executable, "-m", "tests.bench.findings_time", "--measure", str(folder)]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
