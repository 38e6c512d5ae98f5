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

from tests.bench.on_screen import processor, resident_peak
from tests.bench.table import tell, tell_peak
from tests.tools.person import Person
from tests.tools.terminal import Terminal

_LANES, _FINDINGS = "at cursor", "most severe first"
_EVEN = "no imbalance found"


def main() -> None:
    """Print what the module says."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("raw", type=Path)
    options.add_argument("--larger", type=Path)
    options.add_argument("--parser")
    options.add_argument("--turns", type=int, default=3)
    asked = options.parse_args()
    lanes = _median(asked.raw, "2", [_LANES], asked.turns)
    tell("raw profile, DP lanes", "<= 2 s", _told(lanes), "", lanes[0] <= 2)
    found = _median(asked.raw, "", [_FINDINGS, _EVEN], asked.turns)
    tell("raw profile, Overview with findings", "<= 8 s", _told(found), "", found[0] <= 8)
    if asked.larger is not None:
        more = _median(asked.larger, "2", [_LANES], asked.turns)
        ratio = more[0] / lanes[0]
        tell("larger raw profile, DP lanes", "<= 10 x", _told(more), f"{ratio:.1f} x", ratio <= 10)
        tell_peak("larger raw profile, DP lanes", more[2], 1536)
    if asked.parser is not None:
        parsed = _parsed(shlex.split(asked.parser), asked.raw)
        ratio = parsed[0] / lanes[0]
        tell("upstream's parser, to DP lanes", ">= 80 x", _told(parsed), f"{ratio:.0f} x", ratio >= 80)


def _told(found: tuple[float, ...]) -> str:
    return f"{found[0]:.1f} s, {found[1]:.1f} s of processor"


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


if __name__ == "__main__":
    main()
