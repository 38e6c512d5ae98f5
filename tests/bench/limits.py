"""Open what is far larger than any service writes: is it shown or refused, how soon, in how much memory?

    python -m tests.bench.limits [NAME ...] [--keep FOLDER]

Each input of `limit_inputs` is made in a temporary folder and opened by `--report` and `--json`, some on a
screen whose panes are all visited. Printed is a line each: name and way, seconds of processor time, peak MiB,
exit code (of a screen how long a key took at most), and the first words. Exits with 1 if one takes more than
10 s or 1 GiB, has a traceback or a fault, or a refusal that names no file.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.bench.limit_inputs import MAKERS, ON_SCREEN
from tests.tools.person import Person
from tests.tools.terminal import Terminal

_MOST_SECONDS, _MOST_MIB = 10.0, 1024.0
_STOPPED_AFTER = 60  # s of processor time
_FAULTS = ("Traceback", "fault of lbtui", "could not be made", "memory that this process may use")
# What opened, refused, and asks to choose one of several outputs.
_FINE = (0, 2, 3)


@dataclass(frozen=True)
class Opened:
    """How one opening went: processor seconds, the most memory in MiB, the exit code and what was printed."""

    seconds: float
    peak: float
    code: int
    told: str

    @property
    def fine(self) -> bool:
        """Whether it kept to the limits, and told what it could not show in one sentence."""
        return (
            self.seconds <= _MOST_SECONDS
            and self.peak <= _MOST_MIB
            and self.code in _FINE
            and not any(word in self.told for word in _FAULTS)
        )


def reported(arguments: list[str]) -> Opened:
    """Return how the command does without a screen."""
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "lbtui", *arguments],
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
        resource.prlimit(process.pid, resource.RLIMIT_CPU, (_STOPPED_AFTER, _STOPPED_AFTER))
        _pid, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        told = out.read().decode("utf-8", "replace")
    return Opened(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, process.returncode, told)


def on_screen(arguments: list[str]) -> tuple[Opened, float]:
    """Return how the screen does until all panes are there, and how long a key took at most."""
    with Terminal([sys.executable, "-m", "lbtui", *arguments], 120, 40) as terminal:
        person = Person(terminal, 120, 40)
        person.sees("Overview")
        slowest = 0.0
        for key in "123451":
            terminal.press(key)
            terminal.rest()
            for move in "jjkkll?\x1b":
                slowest = max(slowest, _answered(terminal, move))
        person.misses("Escape cancels")
        told = person.text()
        stat = Path(f"/proc/{terminal.pid}/stat").read_text().rpartition(")")[2].split()
        status = Path(f"/proc/{terminal.pid}/status").read_text()
        terminal.press("q")
        code = terminal.wait(60.0)
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    ticks = os.sysconf("SC_CLK_TCK")
    seconds = (int(stat[11]) + int(stat[12])) / ticks
    return Opened(seconds, peak / 1024, -1 if code is None else code, told), slowest


def _answered(terminal: Terminal, key: str) -> float:
    """Return the processor seconds that a key took."""
    before = terminal.used()
    terminal.press(key)
    terminal.rest()
    return (terminal.used() - before) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", choices=[*MAKERS, []])
    parser.add_argument("--keep", type=Path, help="make the inputs in this folder, and leave them there")
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make:
        print("\n".join(MAKERS[options.names[0]](options.make)))
        return 0
    fine = True
    for name in options.names or MAKERS:
        kept = options.keep or Path(tempfile.mkdtemp(prefix="limits"))
        try:
            fine &= _tried(name, kept / name / "input")
        finally:
            if not options.keep:
                shutil.rmtree(kept)
    return 0 if fine else 1


def _tried(name: str, folder: Path) -> bool:
    """Print how an input does in every way it is opened; return whether all of them are fine."""
    arguments = _made(name, folder)
    fine = True
    for way in ("--report", "--json"):
        fine &= _told(f"{name} {way}", reported([*arguments, way]))
    if name in ON_SCREEN:
        started = time.monotonic()
        opened, slowest = on_screen(arguments)
        fine &= _told(
            f"{name} screen", opened, f"key {slowest:.2f} s, {time.monotonic() - started:.0f} s in all"
        )
    return fine


def _made(name: str, folder: Path) -> list[str]:
    """Return the arguments of an input; one process makes it, so that its memory is not that of the next."""
    known = folder.with_name("arguments")
    if not known.exists():
        folder.mkdir(parents=True)
        command = [sys.executable, "-m", "tests.bench.limits", name, "--make", str(folder)]
        known.write_text(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return known.read_text().splitlines()


def _told(what: str, opened: Opened, more: str = "") -> bool:
    lines = [line.strip() for line in opened.told.splitlines() if line.strip()]
    last = lines[-1][:150] if lines and "Traceback" in opened.told else ""
    first = lines[0][:150] if lines else ""
    mark = "  " if opened.fine else "! "
    measured = f"{opened.seconds:6.1f} s {opened.peak:6.0f} MiB  exit {opened.code:>3}"
    print(f"{mark}{what:<30} {measured}  {more}{first}{last}", flush=True)
    return opened.fine


if __name__ == "__main__":
    raise SystemExit(main())
