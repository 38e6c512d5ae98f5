"""How fast a folder of many runs is read: the first row, all of them, and again from what was kept.

    python -m tests.bench.runs FOLDER [--make COUNT --outputs DIR --raw DIR [--maker make_raw.py]]

With `--make` FOLDER is made first: COUNT runs, of each ten five copies of the outputs below `--outputs` (all
engines and formats), four raw profiles, copies of those below `--raw` or made by the lab's `make_raw.py` with
a seed each, and one that is broken. Measured in a process of its own, which imports what the screen does:
seconds from its start to the first row's name, start and shape, to the first summary, to all; beside these
half of what the runs took of the processor. The memory is that of the process and its children together, each
page that they share counted once for each (RSS), the highest of 20 readings a second.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import platform
import queue
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import lbtui
from tests.bench.table import HEAD, tell, tell_peak

_FIRST, _AGAIN, _SHARE, _MEMORY = 1.0, 2.0, 1.2, 1024


def make(folder: Path, count: int, outputs: Path, raw: Path, maker: Path | None) -> None:
    """Write so many runs into a folder; the same each time."""
    from lbtui.sources.discover import outputs_below
    from lbtui.sources.runs_below import runs_below

    parsed = outputs_below(outputs)
    recorded = sorted(run.reading.path for run in runs_below(raw, raw=True).runs)
    draw = random.Random(7)
    for number in range(count):
        own = folder / f"run-{number:03d}"
        of = number % 10
        if of < 6:
            whole = parsed[(number // 10 * 6 + of) * 7 % len(parsed)]
            shutil.copytree(whole, own / "output")
            if of == 5:
                _break(own / "output", draw)
        elif of < 8 and maker is not None:
            _simulate(own, number, maker)
        else:
            shutil.copytree(recorded[(number // 10 * 4 + of) * 5 % len(recorded)], own)


def _break(output: Path, draw: random.Random) -> None:
    """Cut each file anywhere, and put other bytes into it."""
    for path in sorted(output.iterdir()):
        data = bytearray(path.read_bytes())[: draw.randrange(path.stat().st_size + 1)]
        for _time in range(20):
            if data:
                data[draw.randrange(len(data))] = draw.randrange(256)
        path.write_bytes(data)


def _simulate(folder: Path, seed: int, maker: Path) -> None:
    engine = ("--flavour", "vllm", "--dp", "2") if seed % 2 else ("--dp", "4", "--fault-batch-rank", "1")
    command = [sys.executable, str(maker), "--out", str(folder), "--seed", str(seed), "--duration", "20"]
    subprocess.run([*command, *engine], check=True, stdout=subprocess.DEVNULL)


def measure(folder: Path, began: float) -> dict[str, float]:
    """Read all runs; return seconds since `began` (of the system's clock)."""
    # As the screen does.
    from lbtui.runs.ahead import start_ahead

    start_ahead(folder)
    import lbtui.ui.app  # noqa: F401

    started = time.time() - began
    from lbtui.runs.reading import Asked, Begun, Read, RunsReader
    from lbtui.sources.runs_below import runs_below

    found = runs_below(folder)
    told = {"screen": started, "found": time.time() - began, "runs": float(len(found.runs))}
    events: queue.SimpleQueue[object] = queue.SimpleQueue()
    reader = RunsReader(found, Asked(), events.put)
    reader.start()
    left, processor, failed = len(found.runs), 0.0, 0
    while left:
        event = events.get()
        told.setdefault("first", time.time() - began)
        if isinstance(event, Begun):
            told.setdefault("own", time.process_time())
            continue
        left -= 1
        if isinstance(event, Read):
            told.setdefault("summary", time.time() - began)
            processor += event.summary.seconds
        else:
            failed += 1
    told |= {"all": time.time() - began, "processor": processor, "failed": float(failed)}
    reader.cancel()
    reader.wait()
    # With what the children took, which have ended.
    return told | {"together": sum(os.times()[:4])}


def watched(folder: Path, cache: Path) -> tuple[dict[str, float], float]:
    """Return what is measured in a process of its own, and the peak of its and its children's memory, MiB."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    command = [sys.executable, "-m", "tests.bench.runs", str(folder), "--began", str(time.time())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as child:
        peak = 0.0
        while child.poll() is None:
            peak = max(peak, _memory(child.pid))
            time.sleep(0.05)
        assert child.stdout is not None
        return json.loads(child.stdout.read()), peak


def _memory(pid: int) -> float:
    """Return MiB of a process and those that it started."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        below = [
            int(each)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for each in (task / "children").read_text().split()
        ]
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGESIZE") / 2**20 + sum(map(_memory, below))


def tell_all(folder: Path) -> None:
    """Print the rows of a folder of runs."""
    # As of an lbtui that is installed.
    compileall.compile_dir(lbtui.__path__[0], quiet=1)
    with tempfile.TemporaryDirectory() as cache:
        told, peak = watched(folder, Path(cache))
        name = f"{round(told['runs'])} runs"
        imported = f"{told['screen']:.2f} s, {told['found']:.2f} s"
        tell(f"{name}, screen imported and runs found", "", imported, "", None)
        first, half = told["first"], told["processor"] / 2
        ok, ratio = first <= _FIRST, f"{first / _FIRST:.2f}"
        tell(f"{name}, first row", f"<= {_FIRST:g} s", f"{first:.2f} s", ratio, ok, idle=True)
        tell(f"{name}, first summary", "", f"{told['summary']:.2f} s", "", None)
        together, each = told["together"], told["processor"]
        cost = f"{together:.1f} / {each:.1f} s"
        tell(f"{name}, processor of all / of the runs", "", cost, f"{together / each:.2f} x", None)
        most, took = _SHARE * half, told["all"]
        tell(
            f"{name}, all", f"<= {most:.1f} s", f"{took:.1f} s", f"{took / most:.2f}", took <= most, idle=True
        )
        tell_peak(f"{name}, all", peak, _MEMORY)
        told, peak = watched(folder, Path(cache))
        again = told["all"]
        ok, ratio = again <= _AGAIN, f"{again / _AGAIN:.2f}"
        tell(f"{name}, again", f"<= {_AGAIN:g} s", f"{again:.2f} s", ratio, ok, idle=True)
        tell_peak(f"{name}, again", peak, _MEMORY)


def main() -> None:
    """Make, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--make", type=int)
    parser.add_argument("--outputs", type=Path)
    parser.add_argument("--raw", type=Path)
    parser.add_argument("--maker", type=Path)
    parser.add_argument("--began", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.began is not None:
        print(json.dumps(measure(options.folder, options.began)))
        return
    if options.make:
        make(options.folder, options.make, options.outputs, options.raw, options.maker)
    load = os.getloadavg()[0]
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, load {load:.1f}"
    )
    print(HEAD)
    tell_all(options.folder)


if __name__ == "__main__":
    main()
