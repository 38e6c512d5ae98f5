"""What `big` measures on a pty: how soon the screen answers, with how many bytes, in how much memory."""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import time
from pathlib import Path

from tests.bench import works
from tests.bench.key_latency import KEYS, answer
from tests.bench.table import tell, tell_peak
from tests.findings.service import Group, write_service
from tests.tools.line_bytes import KB, changes, moves, started
from tests.tools.person import Person
from tests.tools.terminal import Terminal


def first_frame(folder: Path, pairs: int) -> None:
    """Print how long lbtui takes to its first paint, beside a minimal Textual app, and that of the demo."""
    minimal = "from textual.app import App\nfrom textual.widgets import Static\n" + (
        "class A(App):\n    def compose(self):\n        yield Static('ready')\nA().run()"
    )
    both = [
        (
            _painted([sys.executable, "-m", "lbtui", str(folder)], b"Overview")[0],
            _painted([sys.executable, "-c", minimal], b"ready")[0],
        )
        for _pair in range(pairs)
    ]
    ratio = statistics.median(a / b for a, b in both)
    own, other = (statistics.median(p[i] for p in both) for i in (0, 1))
    tell("first frame", "<= 1.3 x", f"{own:.2f} / {other:.2f} s", f"{ratio:.2f} x", ratio <= 1.3)
    demo = [sys.executable, "-m", "lbtui", "--demo"]
    frame, lines = (
        statistics.median(_painted(demo, word)[1] for _time in range(pairs))
        for word in (b"Overview", b"FINDINGS")
    )
    tell("first frame of the demo, processor", "<= 0.6 s", f"{frame:.2f} s", "", frame <= 0.6)
    print(f"| its first lines, processor | | {lines:.2f} s | | |", flush=True)


def _painted(command: list[str], word: bytes) -> tuple[float, float]:
    """Return after how many seconds a program has written a word, and how much processor time it took."""
    start = time.perf_counter()
    with Terminal(command, 200, 50) as terminal:
        while word not in terminal.output and time.perf_counter() - start < 60:
            terminal.read(0.05)
        return time.perf_counter() - start, processor(terminal.pid)


def _loaded(terminal: Terminal) -> Person:
    """Return someone before a screen on which everything is read."""
    person = Person(terminal, 200, 50)
    person.sees("FINDINGS", 600)
    person.misses("Escape cancels", 600)
    terminal.settle(1.0)
    return person


def keys(small: Path, large: Path, repeat: int) -> None:
    """Print p95 from a key to the last byte of its frame, in every pane, of a large profile and a small.

    And the processor time of a key, which others who use the machine disturb less.
    """
    found: dict[str, list[tuple[float, float]]] = {}
    for folder in (small, large):
        with Terminal([sys.executable, "-m", "lbtui", str(folder)], 200, 50) as terminal:
            _loaded(terminal)
            for pane, pressed in KEYS.items():
                answer(terminal, pane[0])
                terminal.settle(2.0)
                before = processor(terminal.pid)
                times = sorted(answer(terminal, key)[0] for _turn in range(repeat) for _name, key in pressed)
                cpu = (processor(terminal.pid) - before) / len(times)
                found.setdefault(pane, []).append((1000 * times[int(0.95 * len(times))], 1000 * cpu))
    for pane, ((few, few_cpu), (many, many_cpu)) in found.items():
        measured = f"{many:.0f} / {few:.0f} ms; processor {many_cpu:.0f} / {few_cpu:.0f} ms a key"
        ok = many <= 30 and many <= 1.2 * few
        tell(f"key to last byte, p95, {pane}", "<= 30 ms, <= 1.2 x", measured, f"{many / few:.2f} x", ok)


def processor(pid: int) -> float:
    """Return the processor seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def tables(folder: Path, rows: int) -> None:
    """Print the most memory that opening a table and scrolling it takes."""
    with Terminal([sys.executable, "-m", "lbtui", str(folder)], 200, 50) as terminal:
        person = _loaded(terminal)
        person.press("5")
        person.misses("Escape cancels", 600)
        for key in ("\x1b[6~", "\x1b[F", "\x1b[5~", "s", "\x1b[6~", "\x1b[H") * 5:
            answer(terminal, key)
        peak = resident_peak(terminal.pid)
    tell_peak(f"a table of {rows:,} rows", peak, 1536)


def beside_visidata(folder: Path, rows: int) -> None:
    """Print how a table opens and scrolls beside VisiData, where that is on the PATH."""
    if shutil.which("vd") is None:
        print(f"| a table of {rows:,} rows beside VisiData | | `vd` is not on the PATH | | |", flush=True)
        return
    ours = [sys.executable, "-m", "lbtui", str(folder)]
    # It writes below its home.
    home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    both = [
        _opened(ours, "Overview", "5", f"{rows:,} requests"),
        _opened(["vd", str(folder / "request.csv")], "rows", "", f" {rows} rows", home),
    ]
    for what, unit, (own, other) in zip(
        ("opened", "page down, median", "peak memory"),
        ("s", "s", "MiB"),
        zip(*both, strict=True),
        strict=True,
    ):
        ratio = own / other
        row = f"a table of {rows:,} rows beside VisiData, {what}"
        tell(row, "<= 1 x", f"{own:.3g} / {other:.3g} {unit}", f"{ratio:.2f} x", ratio <= 1)


def _opened(
    command: list[str], first: str, key: str, whole: str, environment: dict[str, str] | None = None
) -> tuple[float, float, float]:
    """Return the seconds until a table is whole, those of a page down, and the most memory (MiB)."""
    start = time.perf_counter()
    with Terminal(command, 200, 50, environment) as terminal:
        person = Person(terminal, 200, 50)
        person.sees(first, 600)
        if key:
            person.press(key)
        person.sees(whole, 600)
        opened = time.perf_counter() - start
        terminal.settle(1.0)
        pages = [answer(terminal, "\x1b[6~")[0] for _page in range(20)]
        return opened, statistics.median(pages), resident_peak(terminal.pid)


def resident_peak(pid: int) -> float:
    """Return the most memory that a process had, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


def line_bytes(folder: Path, domains: int) -> None:
    """Print how many bytes a line carries, of a profile with so many DP domains and all there is else."""
    write_service(folder, Group(domains=domains, seconds=20))
    for picture in works.PICTURES.iterdir():
        shutil.copy(picture, folder)
    shutil.copy(works.PICTURES.parent / "pd_ep" / "coordinator.csv", folder)
    lanes = 2 * KB + 100 * max(domains - 16, 0)
    words = {"1": "FINDINGS", "2": "forward_iter", "3": "added requests", "4": "layer", "5": "requests ·"}
    with Terminal([sys.executable, "-m", "lbtui", str(folder), "--color", "256"], 200, 50) as terminal:
        person = Person(terminal, 200, 50)
        rows = [("whole start", 100 * KB, started(person, "FINDINGS"))]
        rows.append(("change of pane", 40 * KB, max(changes(person, words).values())))
        for what, pane, most in (
            ("lanes", "2", lanes),
            ("lanes of P/D nodes", "3", 2 * KB),
            ("heat map", "4", 4 * KB),
            ("table", "5", 2 * KB),
        ):
            rows.append((f"move of the cursor, {what}", most, max(moves(person, pane, words[pane]))))
    for what, most, size in rows:
        row = f"bytes, {domains} DP domains: {what}"
        tell(row, f"<= {most / KB:g} KB", f"{size / KB:.1f} KB", f"{size / most:.2f}", size <= most)
