"""How fast each pane answers a key, and with how many bytes, measured on a pty as a user's line carries them.

    python -m tests.bench.key_latency PATH [--size 200x50] [--repeat 10]

A key's time runs from writing it to the last byte of its frame: the read that is followed by 60 ms of
silence. Printed per pane and key: median and p95 in ms, median bytes.
"""

from __future__ import annotations

import argparse
import os
import platform
import select
import statistics
import sys
import time

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


def answer(terminal: Terminal, key: str) -> tuple[float, int]:
    """Return the time in seconds from writing a key to its frame's last byte, and the bytes of the frame."""
    start = time.perf_counter()
    os.write(terminal.fd, key.encode())
    last, size = start, 0
    limit = 1.0
    while select.select([terminal.fd], [], [], limit)[0]:
        size += len(os.read(terminal.fd, 1 << 16))
        last = time.perf_counter()
        limit = _SILENCE
    return last - start, size


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path")
    parser.add_argument("--size", default="200x50")
    parser.add_argument("--repeat", type=int, default=10)
    options = parser.parse_args()
    columns, rows = (int(n) for n in options.size.split("x"))
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {options.size}")
    print(f"{'pane':<12} {'key':<10} {'median ms':>10} {'p95 ms':>8} {'bytes':>8}")
    with Terminal([sys.executable, "-m", "lbtui", options.path], columns, rows) as terminal:
        terminal.settle(2.0)
        for pane, keys in KEYS.items():
            time_to_pane, size = answer(terminal, pane[0])
            print(f"{pane:<12} {'shown':<10} {1000 * time_to_pane:>10.1f} {'':>8} {size:>8}")
            terminal.settle(1.0)
            for name, key in keys:
                measured = [answer(terminal, key) for _turn in range(options.repeat)]
                times = sorted(1000 * t for t, _size in measured)
                p95 = times[min(len(times) - 1, int(0.95 * len(times)))]
                size = int(statistics.median(s for _t, s in measured))
                print(f"{pane:<12} {name:<10} {statistics.median(times):>10.1f} {p95:>8.1f} {size:>8}")


if __name__ == "__main__":
    main()
