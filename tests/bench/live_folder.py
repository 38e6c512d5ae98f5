"""Cut, replace, grow and remove files at random moments while they are read, and count what must not happen.

    python -m tests.bench.live_folder [--count N] [--rows N] [--seed N]

Each turn opens a profile of ROWS forward passes and rounds, and reads and judges all of it while one of its
files changes after a random time. Turns run in processes of their own, 20 in each, and after each process a
line tells the counts so far. Printed: how many changes were told, how many came after the reading was over,
tracebacks, signals, turns over 60 s. Exits with 1 if any of the last three is not 0.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import traceback
from collections import Counter
from pathlib import Path
from random import Random

from lbtui.findings import find_all
from lbtui.profile import SCHEMAS, Unreadable
from lbtui.sources import open_profile
from tests.bench.inputs import write_batch, write_forward, write_requests

_TURNS = 20  # in one process
_HANG = 60.0  # s a turn


def changed(path: Path, rng: Random) -> None:
    """Change one file in one of the ways in which parsers, log rotation and people do."""
    size = path.stat().st_size
    way = rng.randrange(5)
    if way == 0:
        os.truncate(path, rng.randrange(size))
    elif way == 1:
        other = path.with_name("other")
        other.write_bytes(path.read_bytes()[: rng.randrange(size)])
        other.replace(path)
    elif way == 2:
        with path.open("ab") as file:
            file.write(b"1,2,3\n" * rng.randrange(1, 1000))
    elif way == 3:
        path.unlink()
    else:
        with path.open("r+b") as file:
            file.seek(rng.randrange(size))
            file.write(rng.randbytes(4096))


def turn(source: Path, folder: Path, rng: Random) -> str:
    """Return how one turn went: `told`, `after` (the change came too late to be seen) or a traceback."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder)
    path = rng.choice(sorted(folder.iterdir()))
    timer = threading.Timer(rng.uniform(0, 0.6), changed, (path, rng))
    timer.start()
    told = False
    try:
        profile = open_profile(folder)
        for name in SCHEMAS:
            told |= any("while it was open" in note.text for note in profile.load(name).notes)
        find_all(profile)
    except Unreadable:
        told = True
    except Exception:
        return traceback.format_exc()
    finally:
        timer.join()
    return "told" if told else "after"


def main() -> int:
    """Run and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        source, folder, seed = options.work
        rng = Random(int(seed))
        for _turn in range(_TURNS):
            print(json.dumps(turn(Path(source), Path(folder), rng)), flush=True)
        return 0
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as kept:
        source = Path(kept, "whole")
        source.mkdir()
        write_forward(source, options.rows)
        write_batch(source, options.rows // 10)
        write_requests(source, options.rows // 30)
        for first in range(0, options.count, _TURNS):
            command = [sys.executable, "-m", "tests.bench.live_folder", "--work"]
            command += [str(source), str(Path(kept, "live")), str(options.seed + first)]
            try:
                done = subprocess.run(
                    command, capture_output=True, text=True, check=False, timeout=_HANG * _TURNS
                )
            except subprocess.TimeoutExpired:
                counts["hang"] += 1
                continue
            for line in done.stdout.splitlines():
                how = json.loads(line)
                counts[how if how in ("told", "after") else "traceback"] += 1
                if how not in ("told", "after"):
                    print(how)
            if done.returncode:
                counts["signal"] += 1
                print(f"seed {options.seed + first}: exit {done.returncode}\n{done.stderr[-1000:]}")
            print(f"after {first + _TURNS}: {dict(counts)}", flush=True)
    for what in ("told", "after", "traceback", "signal", "hang"):
        print(f"{what:<12}{counts[what]}")
    return int(bool(counts["traceback"] + counts["signal"] + counts["hang"]))


if __name__ == "__main__":
    sys.exit(main())
