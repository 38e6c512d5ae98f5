"""How fast each pane answers a key, and with how many bytes, measured on a pty as a user's line carries them.

    python -m tests.bench.key_latency PATH [--size 200x50] [--repeat 10]

A key's time runs from writing it to the last byte of its frame: the read that is followed by 60 ms of
silence. Printed per pane and key: median and p95 in ms, median bytes, median of the processor time in ms.
"""

from __future__ import annotations

import argparse
import os
import platform
import select
import statistics
import sys
import time
from typing import NamedTuple

from tests.tools.terminal import Terminal

_SILENCE = 0.06
# What a user presses most, per pane.
KEYS: dict[str, tuple[tuple[str, str], ...]] = {
    "1 Overview": (("down", "\x1b[B"), ("up", "\x1b[A")),
    "2 DP": (("right", "\x1b[C"), ("left", "\x1b[D"), ("down", "\x1b[B"), ("up", "\x1b[A"), ("m", "m")),
    "3 P/D": (("right", "\x1b[C"), ("left", "\x1b[D"), ("down", "\x1b[B"), ("up", "\x1b[A"), ("m", "m")),
    "4 EP": (
        ("right", "\x1b[C"),
        ("left", "\x1b[D"),
        ("down", "\x1b[B"),
        ("up", "\x1b[A"),
        ("]", "]"),
        ("v", "v"),
    ),
    "5 Requests": (("down", "\x1b[B"), ("up", "\x1b[A"), ("page down", "\x1b[6~"), ("s", "s")),
    "7 Timeline": (
        ("right", "\x1b[C"),
        ("left", "\x1b[D"),
        ("down", "\x1b[B"),
        ("up", "\x1b[A"),
        ("n", "n"),
        ("+", "+"),
        ("-", "-"),
    ),
}


class Answer(NamedTuple):
    """The answer to a key: seconds from writing it to its frame's last byte, bytes, and processor seconds.

    These are of all threads up to that byte; of a key without a frame, of a second.
    """

    seconds: float
    size: int
    processor: float


def answer(terminal: Terminal, key: str) -> Answer:
    """Return how a key is answered."""
    start, before = time.perf_counter(), processor(terminal.pid)
    os.write(terminal.fd, key.encode())
    last, size, used = start, 0, 0.0
    limit = 1.0
    while select.select([terminal.fd], [], [], limit)[0]:
        size += len(os.read(terminal.fd, 1 << 16))
        last, used = time.perf_counter(), processor(terminal.pid)
        limit = _SILENCE
    return Answer(last - start, size, (used or processor(terminal.pid)) - before)


def processor(pid: int) -> float:
    """Return the processor seconds that all threads of a process have used, those that ended too."""
    # Its clock, in ns (clock_getcpuclockid(3), which Python does not have); /proc counts ticks of 10 ms.
    return time.clock_gettime((~pid << 3) | 2)


def at_rest(terminal: Terminal) -> None:
    """Return once a program does next to nothing in 50 ms, and would not: the background is done."""
    used = processor(terminal.pid)
    while terminal.read(0.05) or used + 0.002 < (used := processor(terminal.pid)) or terminal.busy():
        pass


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path")
    parser.add_argument("--size", default="200x50")
    parser.add_argument("--repeat", type=int, default=10)
    options = parser.parse_args()
    columns, rows = (int(n) for n in options.size.split("x"))
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {options.size}")
    print(f"{'pane':<12} {'key':<10} {'median ms':>10} {'p95 ms':>8} {'bytes':>8} {'cpu ms':>8}")
    with Terminal([sys.executable, "-m", "lbtui", options.path], columns, rows) as terminal:
        terminal.settle(2.0)
        for pane, keys in KEYS.items():
            shown = answer(terminal, pane[0])
            times = f"{1000 * shown.seconds:>10.1f} {'':>8} {shown.size:>8} {1000 * shown.processor:>8.1f}"
            print(f"{pane:<12} {'shown':<10} {times}")
            terminal.settle(1.0)
            for name, key in keys:
                measured = [answer(terminal, key) for _turn in range(options.repeat)]
                times = sorted(1000 * each.seconds for each in measured)
                p95 = times[min(len(times) - 1, int(0.95 * len(times)))]
                size = int(statistics.median(each.size for each in measured))
                cpu = 1000 * statistics.median(each.processor for each in measured)
                median = statistics.median(times)
                print(f"{pane:<12} {name:<10} {median:>10.1f} {p95:>8.1f} {size:>8} {cpu:>8.1f}")


if __name__ == "__main__":
    main()
