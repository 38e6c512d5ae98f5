"""Send random bytes as keys to the screen: is it alive, does it end on `q`, is the terminal given back?

    python -m tests.bench.random_input [PATH] [--bytes 1000000] [--runs 10] [--seed 1]

Prints a line of counts: runs that ended by themselves, that did not end on `q`, with a traceback or a fault
of lbtui's own (also in its log, which is kept then), and that left the terminal changed; exits with 1
if any is not 0. Run it in an empty folder:
what is typed at random may come to save a placement there.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.tools.person import Person
from tests.tools.terminal import Terminal

# Those that are meant to end or to stop it: q, Ctrl-C, Ctrl-Q, Ctrl-Z, Ctrl-P (the palette has `Quit`).
_LEFT_OUT = b"q\x03\x11\x1a\x10"
# What a terminal sends, whole and torn, so that random bytes lead further than to single keys.
PARTS = [
    b"\x1b[1114112u",
    b"\x1b[55296u",
    b"\x1b[99999999999u",
    b"\x1b[200~",
    b"\x1b[201~",
    b"\x1b[48;99999;99999;1;1t",
    b"\x1b[48;0;0;0;0t",
    b"\x1b[<0;5;5M",
    b"\x1b[<0;5;5m",
    b"\x1b[<65;40;12M",
    b"\x1b[<32;999999;1M",
    b"\x1b[M   ",
    b"\x1b[<",
    b"\x1b[?2026;1$y",
    b"\x1b[1;1R",
    b"\x1b[I",
    b"\x1b[O",
    b"\x1bP",
    b"\x1b]52;",
    b"\x1b",
    b"\r",
    b"R",
    b"R\r",
    b"/",
    b"?",
    "你".encode("gbk"),
    "你".encode(),
    b"\xe9",
    b"\xf4\x90\x80\x80",
    b"\x1b[A",
    b"\x1b[B",
    b"1",
    b"2",
    b"3",
    b"4",
    b"5",
]
_FAULTS = re.compile(rb"Traceback|fault of lbtui|could not be made")
_KEPT = 50_000


@dataclass
class Run:
    """What became of one run."""

    ended_early: bool
    code: int | None
    faults: list[bytes]
    restored: bool

    @property
    def fine(self) -> bool:
        return not self.ended_early and self.code == 0 and not self.faults and self.restored


def noise(rng: Random, length: int) -> bytes:
    """Return so many random bytes, a fifth of them in parts of sequences; none that end the screen."""
    pieces = bytearray()
    while len(pieces) < length:
        pieces += rng.choice(PARTS) if rng.random() < 0.05 else rng.randbytes(16)
    return bytes(pieces[:length]).translate(None, _LEFT_OUT)


def send(terminal: Terminal, data: bytes) -> bool:
    """Write all of it while reading what comes; return whether the program took it."""
    os.set_blocking(terminal.fd, False)
    try:
        while data:
            try:
                data = data[os.write(terminal.fd, data[:4096]) :]
            except BlockingIOError:
                terminal.read(0.05)
                if terminal.wait(0.0) is not None:
                    return False
            terminal.read(0.0)
    except OSError:
        return False
    finally:
        os.set_blocking(terminal.fd, True)
    return True


def run(path: list[str], data: bytes) -> Run:
    """Show the profile, send the bytes, go out of whatever is open, and press q."""
    log = Path("log")
    log.unlink(missing_ok=True)
    command = [sys.executable, "-m", "lbtui", *path]
    with Terminal(command, 100, 30, {"LBTUI_LOG": str(log.resolve())}) as terminal:
        Person(terminal, 100, 30).sees("FINDINGS")
        faults: list[bytes] = []
        alive = True
        for start in range(0, len(data), 65536):
            alive = send(terminal, data[start : start + 65536])
            faults += _FAULTS.findall(bytes(terminal.output))
            if not alive:
                break
        code = terminal.wait(0.0) if terminal.pid else None
        deadline = time.monotonic() + 600
        while alive and terminal.pid and time.monotonic() < deadline:
            # Longer than a paste without an end is waited for; then out of all pages.
            time.sleep(1.2)
            for _time in range(6):
                terminal.press("\x1b")
                terminal.settle(0.2, 1.0)
            terminal.press("q")
            code = terminal.wait(5.0)
        faults += _FAULTS.findall(bytes(terminal.output))
        faults += _FAULTS.findall(log.read_bytes())
        if faults:
            log.replace(f"log-of-{time.time_ns()}")
        restored = terminal.attributes() == terminal.found and terminal.modes() == {}
    return Run(not alive, code, faults, restored)


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", nargs="?", default="--demo")
    parser.add_argument("--bytes", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    runs = []
    for number in range(options.runs):
        rng = Random(f"{options.seed}/{number}")
        runs.append(done := run([options.path], noise(rng, options.bytes // options.runs)))
        print(f"run {number}: {done}", flush=True)
    counts = {
        "ended by themselves": sum(one.ended_early for one in runs),
        "did not end on q": sum(one.code != 0 for one in runs),
        "with faults": sum(bool(one.faults) for one in runs),
        "left the terminal changed": sum(not one.restored for one in runs),
    }
    told = ", ".join(f"{count} {what}" for what, count in counts.items())
    print(f"{options.bytes} bytes in {len(runs)} runs: {told}")
    return 0 if all(one.fine for one in runs) else 1


if __name__ == "__main__":
    raise SystemExit(main())
