"""How soon a raw profile is on screen, and in how much memory, beside upstream's parser in the same run.

`python -m tests.bench.raw_speed RAW [--larger RAW] [--parser "python -m ms_service_profiler.parse"]`
prints the median of some turns (`--turns`). The parser is run once, with CSV as its format, into a folder
of its own.
"""

from __future__ import annotations

import argparse
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.key_latency import processor
from tests.bench.on_screen import resident_peak
from tests.bench.table import tell, tell_peak
from tests.tools.person import Person
from tests.tools.terminal import Terminal

_LANES, _FINDINGS = "at cursor", "most severe first"
_EVEN = "no imbalance found"


def tell_all(raw: Path, larger: Path | None, parser: list[str] | None, turns: int) -> None:
    """Print the rows of a raw profile, of a larger one, and of upstream's parser."""
    name = f"raw profile of {_megabytes(raw):,.0f} MB"
    lanes = _median(raw, "2", [_LANES], turns)
    tell(f"{name}, DP lanes", "<= 2 s", _told(lanes), f"{lanes[0] / 2:.2f}", lanes[0] <= 2, idle=True)
    found = _median(raw, "", [_FINDINGS, _EVEN], turns)
    ratio = f"{found[0] / 8:.2f}"
    tell(f"{name}, Overview with findings", "<= 8 s", _told(found), ratio, found[0] <= 8, idle=True)
    if larger is not None:
        size = f"raw profile of {_megabytes(larger):,.0f} MB"
        more = _median(larger, "2", [_LANES], turns)
        times = more[0] / lanes[0]
        tell(f"{size}, DP lanes", "<= 10 x", _told(more), f"{times:.1f} x", times <= 10)
        tell_peak(f"{size}, DP lanes", more[2], 1536)
    name += ", upstream's parser alone"
    if parser is None:
        tell(name, "", "the parser is not here", "", None)
        return
    parsed = _parsed(parser, raw)
    times = parsed[0] / lanes[0]
    tell(name, ">= 80 x", f"{_told(lanes)} / {_told(parsed)}", f"{times:.0f} x", times >= 80)


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def _told(found: tuple[float, ...]) -> str:
    return f"{found[0]:.1f} s, cpu {found[1]:.1f} s"


def _median(raw: Path, key: str, words: list[str], turns: int) -> tuple[float, float, float]:
    """Return after how many seconds one of the words stood on screen, the processor time, the peak in MiB."""
    each = [_on_screen(raw, key, words) for _turn in range(turns)]
    seconds, used, peak = (statistics.median(column) for column in zip(*each, strict=True))
    return seconds, used, peak


def _on_screen(raw: Path, key: str, words: list[str]) -> tuple[float, float, float]:
    start = time.perf_counter()
    with Terminal([sys.executable, "-m", "lbtui", str(raw)], 140, 40) as terminal:
        person = Person(terminal, 140, 40)
        person.sees("Overview", 600)
        if key:
            person.press(key)
        person.awaits(lambda text: any(word in text for word in words), repr(words), 600)
        return time.perf_counter() - start, processor(terminal.pid), resident_peak(terminal.pid)


def _parsed(command: list[str], raw: Path) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        given = ["--input-path", str(raw), "--output-path", folder, "--format", "csv"]
        start = time.perf_counter()
        whole = subprocess.run(
            ["bash", "-c", 'TIMEFORMAT="%U %S"; time "$0" "$@" >/dev/null 2>&1', *command, *given],
            capture_output=True,
            text=True,
            check=True,
        )
        return time.perf_counter() - start, sum(map(float, whole.stderr.split()[-2:]))


def main() -> None:
    """Print what the module says."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("raw", type=Path)
    options.add_argument("--larger", type=Path)
    options.add_argument("--parser", type=shlex.split)
    options.add_argument("--turns", type=int, default=3)
    asked = options.parse_args()
    tell_all(asked.raw, asked.larger, asked.parser, asked.turns)


if __name__ == "__main__":
    main()
