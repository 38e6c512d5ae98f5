"""Random keys, clicks and resizes for a long time: does memory stay flat, does anything break?

    python -m tests.bench.soak PATH [--minutes 30] [--seed 1]

Run it in an empty folder: What-if may come to save a placement there. Printed: resident memory after the
first minute (when all panes were shown) and at the end, their ratio, sentences of failure, the exit code,
and whether the terminal was given back.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import sys
import time
from pathlib import Path

from tests.tools.terminal import Terminal

_ARROWS = ["\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\x1b[5~", "\x1b[6~", "\x1b[H", "\x1b[F", "\r", "\x1b"]
_LETTERS = list("hjklHJKLgGmMnNtTvVcCdDfFaAsSwWiIzrRpPeEb[]<>+-0.,. ")
_PANES = list("12345")
_PAGES = ["?", "\x1b", "/ttft>50\r", "/d0\r", "/\r", "/nonsense((\r\x1b", "\x0c"]
_SIZES = [
    (80, 24),
    (200, 50),
    (120, 32),
    (60, 20),
    (59, 19),
    (20, 5),
    (400, 120),
    (100, 30),
    (1, 1),
    (132, 43),
]
# Sentences with which a pane or the app says that something went wrong inside.
_FAILURES = re.compile(rb"could not be made|could not be read: [A-Z]|Traceback|Error:")

# After so many actions what was typed ahead is waited for.
_AHEAD = 25
# So much CPU time (1/100 s) in 0.2 s is no work.
_IDLE_TICKS = 2
# Bytes, enough for a traceback.
_KEPT = 30_000


def resident(pid: int) -> float:
    """Return the resident memory of a process in MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def catch_up(terminal: Terminal) -> None:
    """Read until the program has nothing left to do: a person does not type ahead for minutes."""
    before = -_IDLE_TICKS - 1
    for _turn in range(200):
        terminal.settle(0.2)
        try:
            state = Path(f"/proc/{terminal.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        except OSError:  # it has ended
            return
        used = int(state[11]) + int(state[12])
        if state[0] == "S" and used - before <= _IDLE_TICKS:
            return
        before = used


def action(rng: random.Random) -> str | tuple[int, int]:
    """Return the next keys to press, or a size."""
    kind = rng.random()
    if kind < 0.04:
        return rng.choice(_SIZES)
    if kind < 0.08:
        x, y = rng.randint(1, 200), rng.randint(1, 50)
        return f"\x1b[<0;{x};{y}M\x1b[<0;{x};{y}m"
    if kind < 0.11:
        return f"\x1b[<{rng.choice((64, 65))};{rng.randint(1, 100)};{rng.randint(1, 40)}M"
    if kind < 0.16:
        return rng.choice(_PAGES)
    if kind < 0.24:
        return rng.choice(_PANES)
    if kind < 0.55:
        return rng.choice(_LETTERS)
    return rng.choice(_ARROWS)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    failures: list[bytes] = []
    recent: list[str | tuple[int, int]] = []
    code: int | None = None
    done = sent = seen = 0
    first = last = peak = 0.0
    with Terminal([sys.executable, "-m", "lbtui", options.path], 200, 50) as terminal:
        terminal.settle(2.0)
        start = time.monotonic()
        told = start
        for pane in "12345":
            terminal.press(pane)
            terminal.settle(0.5)
        while (elapsed := time.monotonic() - start) < 60 * options.minutes:
            what = action(rng)
            recent = [*recent[-20:], what]
            try:
                if isinstance(what, tuple):
                    terminal.resize(*what)
                else:
                    terminal.press(what)
            except OSError:
                break
            done += 1
            # Mostly a person's pace, at times a paste.
            if rng.random() < 0.9:
                terminal.settle(0.02, 0.5)
            if caught_up := done % _AHEAD == 0:
                catch_up(terminal)
            failures += _FAILURES.findall(bytes(terminal.output[seen:]))
            sent += len(terminal.output) - seen
            if (code := terminal.wait(0.0)) is not None:
                break
            del terminal.output[:-_KEPT]
            seen = len(terminal.output)
            peak = max(peak, now := resident(terminal.pid))
            if caught_up:
                last = now
                first = first or last * (elapsed >= 60)
            if time.monotonic() - told > 60:
                told = time.monotonic()
                print(f"{elapsed / 60:5.1f} min  {done} actions  {last:.1f} MiB", flush=True)
        if code is None:
            # Out of whatever is open, then quit.
            terminal.resize(80, 24)
            terminal.settle(1.0, 10.0)
            for _time in range(8):
                terminal.press("\x1b")
                terminal.settle(0.3)
            terminal.press("q")
            code = terminal.wait()
            early = False
        else:
            early = True
            print(f"ended by itself after {recent!r}")
            print(bytes(terminal.output).decode(errors="replace"))
        restored = terminal.attributes() == terminal.found and not (terminal.modes().keys() - {"7", "25"})
    ratio = last / first if first else float("nan")
    print(f"{options.minutes} min, seed {options.seed}: {done} actions, {sent / 1e6:.1f} MB sent")
    print(
        f"RSS {first:.1f} MiB after a minute, {last:.1f} MiB at the end (x {ratio:.2f}), peak {peak:.1f} MiB"
    )
    print(f"failures {len(failures)} {sorted(set(failures))}; exit code {code}, ended by itself: {early}")
    print(f"terminal restored: {restored}")


if __name__ == "__main__":
    main()
