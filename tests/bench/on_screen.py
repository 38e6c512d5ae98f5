"""What `big` measures on a pty: how soon the screen answers, with how many bytes, in how much memory."""

from __future__ import annotations

import re
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bench.key_latency import KEYS, Answer, answer, at_rest, processor
from tests.bench.table import tell, tell_peak
from tests.tools.line_bytes import KB, changes, moves, started
from tests.tools.person import Person
from tests.tools.terminal import Terminal

_LANE = re.compile(r"dp\d.*[▁▂▃▄▅▆▇█]")


def first_frame(folder: Path, pairs: int) -> None:
    """Print how long lbtui takes to its first paint, beside a minimal Textual app, and that of the demo."""
    minimal = "from textual.app import App\nfrom textual.widgets import Static\n" + (
        "class A(App):\n    def compose(self):\n        yield Static('ready')\nA().run()"
    )
    # What the installed command does.
    ours = [sys.executable, "-c", "import sys\nfrom lbtui.start import main\nsys.exit(main())"]
    both = [
        (
            _painted([*ours, str(folder)], b"Overview"),
            _painted([sys.executable, "-c", minimal], b"ready"),
        )
        for _pair in range(pairs)
    ]
    for i, what in enumerate(("wall", "cpu")):
        ratio = statistics.median(a[i] / b[i] for a, b in both)
        own, other = (statistics.median(p[of][i] for p in both) for of in (0, 1))
        row = f"first frame beside a minimal Textual app, {what}"
        tell(row, "<= 1.2 x", f"{own:.2f} / {other:.2f} s", f"{ratio:.2f} x", ratio <= 1.2)
    demo = [*ours, "--demo"]
    frame, lines = (
        statistics.median(_painted(demo, word)[1] for _time in range(pairs))
        for word in (b"Overview", b"FINDINGS")
    )
    tell("first frame of the demo, cpu", "<= 0.6 s", f"{frame:.2f} s", f"{frame / 0.6:.2f}", frame <= 0.6)
    tell("first lines of the demo, cpu", "", f"{lines:.2f} s", "", None)


def first_lanes(folder: Path, times: int) -> None:
    """Print after how many seconds lanes stand in the pane of DP, of a sample or of all rows."""
    each = []
    for _time in range(times):
        start = time.perf_counter()
        with Terminal([sys.executable, "-m", "lbtui", "--at", "dp", str(folder)], 200, 50) as terminal:
            Person(terminal, 200, 50).awaits(
                lambda text: bool(_LANE.search(text)), "a lane of a DP domain", 600
            )
            each.append((time.perf_counter() - start, processor(terminal.pid)))
    wall, cpu = (statistics.median(column) for column in zip(*each, strict=True))
    row = f"first lanes, forward.csv of {(folder / 'forward.csv').stat().st_size / 1e9:.1f} GB"
    tell(row, "<= 1 s", f"{wall:.2f} s, cpu {cpu:.2f} s", f"{wall:.2f}", wall <= 1, idle=True)


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
    """Print p95 over the keys of every pane, of a large profile and a small: processor and wall time.

    Before each key what was left for the background, as sorts for keys that may come, is done: it is in the
    mean of all keys with it.
    """
    found: dict[str, list[tuple[float, float, float]]] = {}
    for folder in (small, large):
        with Terminal([sys.executable, "-m", "lbtui", str(folder)], 200, 50) as terminal:
            _loaded(terminal)
            for pane, pressed in KEYS.items():
                answer(terminal, pane[0])
                terminal.settle(2.0)
                terminal.rest(600)
                begin, each = processor(terminal.pid), []
                for name, key in (pair for pair in pressed for _turn in range(repeat)):
                    each.append((name, answer(terminal, key)))
                    at_rest(terminal)
                every = (processor(terminal.pid) - begin) / len(each)
                times = ([one.seconds for _name, one in each], [one.processor for _name, one in each])
                wall, cpu = (1000 * sorted(column)[int(0.95 * len(each))] for column in times)
                found.setdefault(pane, []).append((wall, cpu, 1000 * every))
                _tell_each(pane, each)
    for pane, ((few, few_cpu, little), (many, many_cpu, every)) in found.items():
        row = f"key, {pane.partition(' ')[2]}, p95"
        measured, ratio = f"{many_cpu:.1f} / {few_cpu:.1f} ms", f"{many_cpu / few_cpu:.2f} x"
        tell(f"{row}, cpu", "<= 20 ms", measured, ratio, many_cpu <= 20)
        measured, ratio = f"{many:.1f} / {few:.1f} ms", f"{many / few:.2f} x"
        tell(f"{row}, wall", "<= 30 ms", measured, ratio, many <= 30, idle=True)
        row, measured = row.replace("p95", "mean with background"), f"{every:.1f} / {little:.1f} ms"
        tell(f"{row}, cpu", "", measured, f"{every / little:.2f} x", None)


def _tell_each(pane: str, each: Sequence[tuple[str, Answer]]) -> None:
    """Print to stderr the median wall and processor time of each key, in ms, and the most."""
    for name in dict.fromkeys(name for name, _one in each):
        own = [one for of, one in each if of == name]
        columns = ([1000 * one.seconds for one in own], [1000 * one.processor for one in own])
        times = " ".join(f"{statistics.median(a):7.1f} {max(a):7.1f}" for a in columns)
        print(f"{pane:<12} {name:<10} wall, cpu: median, most {times}", file=sys.stderr, flush=True)


def tables(folder: Path, rows: int) -> None:
    """Print the most memory that opening a table and scrolling it takes, with all that goes on meanwhile."""
    with Terminal([sys.executable, "-m", "lbtui", str(folder)], 200, 50) as terminal:
        person = _loaded(terminal)
        person.press("5")
        person.misses("Escape cancels", 600)
        terminal.rest(600)
        for key in ("\x1b[6~", "\x1b[F", "\x1b[5~", "s", "\x1b[6~", "\x1b[H") * 5:
            answer(terminal, key)
        terminal.rest(600)
        peak = resident_peak(terminal.pid)
    tell_peak(f"a table of {rows:,} rows", peak, 1536)


def beside_visidata(folder: Path, rows: int, command: Path) -> None:
    """Print how a table opens and scrolls beside VisiData."""
    ours = [sys.executable, "-m", "lbtui", str(folder)]
    with tempfile.TemporaryDirectory() as home:  # it writes there
        theirs = [str(command), str(folder / "request.csv")]
        both = [
            _opened(ours, "Overview", "5", f"{rows:,} requests"),
            _opened(theirs, "rows", "", f" {rows} rows", {"HOME": home, "XDG_DATA_HOME": home}),
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
        pages = [answer(terminal, "\x1b[6~").seconds for _page in range(20)]
        return opened, statistics.median(pages), resident_peak(terminal.pid)


def resident_peak(pid: int) -> float:
    """Return the most memory that a process had, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


def line_bytes(folder: Path, domains: int) -> None:
    """Print how many bytes a line carries, of a profile with so many DP domains and all there is else."""
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
