"""Feed broken and hostile outputs to every reader and count what must not happen.

Run: `python -m tests.bench.fuzz [--count N] [--first SEED] [--workers N]`. Prints one line a count; exits
with 1 if any is not 0. `--seed N` runs one input here and shows its traceback.

Each worker is a process of its own with a limit on memory; the parent watches its time, so that a hang or a
crash is seen, told and does not end the run.
"""

import argparse
import hashlib
import io
import json
import os
import queue
import resource
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import unicodedata
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from random import Random
from typing import TYPE_CHECKING

import lbtui

if TYPE_CHECKING:
    from lbtui.render.capabilities import Capabilities

SLOW = 10.0  # s
LARGE = 1 << 30  # bytes
_HANG = 600.0  # s without a word from a worker: it is killed; the machine may be busy with others
_ADDRESS_SPACE = 12 << 30  # bytes; most of what polars maps it never touches
_HARMFUL = {"Cc", "Cf", "Cs", "Zl", "Zp", "Co"}
ROOT = Path(__file__).parents[2]

KINDS = ("traceback", "crash", "hang", "slow", "large", "changed", "control", "schema", "stderr")


@dataclass
class Outcome:
    """What one input did that it must not: (kind, detail) each."""

    seed: int
    done: list[str] = field(default_factory=list)
    faults: list[tuple[str, str]] = field(default_factory=list)
    seconds: float = 0.0
    opened: bool = False

    def fault(self, kind: str, detail: str) -> None:
        self.faults.append((kind, detail[-1500:]))


def state_of(folder: Path) -> dict[Path, tuple[object, ...]]:
    """Return what must not change: type, mode, size, time and content of everything below `folder`."""
    found: dict[Path, tuple[object, ...]] = {}
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files, ""):
            path = Path(parent, name)
            info = path.lstat()
            content = ""
            if stat.S_ISREG(info.st_mode) and info.st_size:
                with suppress(PermissionError):
                    content = hashlib.sha1(path.read_bytes()).hexdigest()
            found[path] = (info.st_mode, info.st_size, info.st_mtime_ns, info.st_ino, content)
    return found


def raw_controls(text: str, allowed: str = "") -> str:
    """Return the characters of `text` that would reach a terminal raw and must not."""
    if text.isascii() and text.isprintable():
        return ""
    return "".join({c for c in text if c not in allowed and unicodedata.category(c) in _HARMFUL})


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from _strings(inner)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for inner in value:
            yield from _strings(inner)


def examine(case, outcome: Outcome, rng: Random) -> None:
    """Open, load, report, find, export and draw one output; note what must not happen."""
    from tests.tools.mutate import RAW_SEEDS

    def shown(where: str, text: str, allowed: str = "") -> None:
        found = raw_controls(text, allowed)
        if found:
            outcome.fault("control", f"{where}: {found!a} in {text[:200]!a}")

    @contextmanager
    def step(name: str) -> Iterator[None]:
        try:
            yield
        except Exception:
            outcome.fault("traceback", f"{name}\n{traceback.format_exc()}")

    @contextmanager
    def timed() -> Iterator[None]:
        """Count what one call of the command does as one run.

        The lesser of time passed and CPU time: others use the machine, and threads run side by side.
        """
        passed, used = time.monotonic(), time.process_time()
        try:
            yield
        finally:
            outcome.seconds = max(outcome.seconds, min(time.monotonic() - passed, time.process_time() - used))

    thorough = outcome.seed < 0
    reported = 0.25 if outcome.seed < RAW_SEEDS else 0.1  # of raw profiles the reading is what differs
    with timed():
        profile = _open(case, rng, step, shown)
        if profile is None:
            return
        outcome.opened = True
        _load(profile, outcome, step, shown)
        _load_series(profile, outcome, step, shown)
        _rounds(profile, step, shown)
    for kind in _REPORTS if thorough else [rng.choice(_REPORTS)] if rng.random() < reported else []:
        with step(" ".join(kind)), timed():
            _report(case, kind, rng, shown)
    if thorough or rng.random() < 0.015:
        with step("screen"), timed():
            _screen(case.path, rng, outcome)
    if thorough or rng.random() < 0.05:
        with step("export"), timed():
            _export(case, rng, shown)


def _open(case, rng: Random, step, shown):
    from lbtui.profile import Unreadable
    from lbtui.sources import SeveralOutputs, open_profile

    profile = None
    with step("open"):
        try:
            profile = open_profile(case.path, case.experts, case.placement)
        except Unreadable as error:
            shown("Unreadable", str(error))
        except SeveralOutputs as error:
            shown("SeveralOutputs", str(error))
            with suppress(Unreadable):
                profile = open_profile(rng.choice(error.folders))
    if case.after_open:
        case.after_open()
    return profile


def _load(profile, outcome: Outcome, step, shown) -> None:
    import polars as pl

    from lbtui.profile import SCHEMAS

    for note in profile.notes:
        shown("note", note.file)
        shown("note", note.text)
    for name, schema in SCHEMAS.items():
        with step(f"load {name}"):
            loaded = profile.load(name)
            if loaded.frame.schema != schema:
                outcome.fault("schema", f"{name}: {loaded.frame.schema}")
            floats = [c for c, kind in schema.items() if kind == pl.Float64]
            odd = loaded.frame.select(
                [(~pl.col(c).is_finite()).any().alias(c) for c in floats] or pl.lit(False)
            )
            if any(odd.row(0)) if odd.height else False:
                outcome.fault("schema", f"{name}: NaN or infinite in {odd.to_dicts()}")
            for note in loaded.notes:
                shown("note", note.file)
                shown("note", note.text)
            for provenance in loaded.provenance:
                shown("provenance", provenance.file)


def _load_series(profile, outcome: Outcome, step, shown) -> None:
    import numpy as np

    from lbtui.profile import Unreadable

    with step("load iterations"):
        try:
            loaded = profile.load_expert_series()
        except Unreadable as error:  # a file changed since the profile was opened
            shown("Unreadable", str(error))
            return
        for one in loaded.series:
            shown("instance", one.instance)
            columns = len(one.ranks) * one.slots_per_rank
            if one.tokens.shape != (len(one.period), one.tokens.shape[1], columns) or (one.tokens < 0).any():
                outcome.fault("schema", f"tokens {one.tokens.shape}, least {one.tokens.min()}")
            for placement in one.placements:
                if placement is not None and not (
                    placement.shape == one.tokens.shape[1:] and np.all(placement < max(one.experts, 1))
                ):
                    outcome.fault("schema", f"placement {placement.shape}, {one.experts} experts")


_REPORTS = (
    ["--report", "text"],
    ["--report", "markdown"],
    ["--json"],
    ["--what-if", "routing", "--json"],
    ["--what-if", "ratio"],
    ["--what-if", "EPLB", "--report", "markdown"],
)


def command(arguments: list[str], encoding: str) -> tuple[int, str, str]:
    """Run the command here with these streams; return its exit code, its output and its complaints."""
    from lbtui.cli import main

    out, err = (
        io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors=errors, newline="")
        for errors in ("strict", "backslashreplace")
    )
    with redirect_stdout(out), redirect_stderr(err), warnings.catch_warnings():
        warnings.simplefilter("error")
        code = main(arguments)
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode(encoding))
    return code, *texts


def _given(case) -> list[str]:
    """Return the arguments that name the input."""
    experts = ["--experts", str(case.experts)] if case.experts else []
    placement = ["--placement", str(case.placement)] if case.placement else []
    return [*experts, *placement, "--", str(case.path)]


def _report(case, kind: list[str], rng: Random, shown) -> None:
    name = " ".join(kind)
    code, out, err = command([*kind, *_given(case)], rng.choice(("utf-8", "ascii")))
    if code not in (0, 1, 2, 3):
        raise AssertionError(f"exit code {code}")
    shown(name, out, "\n")
    shown(f"{name} on stderr", err, "\n")
    if "--json" in kind and code == 0:
        for string in _strings(json.loads(out)):
            shown("a JSON string", string)


def _rounds(profile, step, shown) -> None:
    from lbtui.profile import Unreadable

    with step("round"):
        batches = profile.load("batches").frame
        for row in batches.head(2).iter_rows(named=True):
            try:
                profile.requests_of_round(row["prof_id"], row["row"])
            except Unreadable as error:
                shown("round", str(error))


_KEYS = (
    "1",
    "j",
    "2",
    "m",
    "k",
    "l",
    "3",
    "t",
    "j",
    "7",
    "n",
    "t",
    "4",
    "v",
    "v",
    "v",
    "v",
    "5",
    "s",
    "j",
    "?",
    "escape",
)


def drive(
    path: Path, caps: "Capabilities", size: tuple[int, int], keys: Iterable[str], outcome: Outcome
) -> None:
    """Open `path` on a screen, press keys, and look at what is drawn after each."""
    import asyncio

    from lbtui.ui.app import LbtuiApp
    from lbtui.ui.kit.pane import Stage
    from lbtui.ui.opening import Asked
    from tests.tools.driving import settled

    async def run() -> None:
        app = LbtuiApp(Asked(path), caps)
        async with app.run_test(size=size) as pilot:
            for key in ("", *keys):
                if key:
                    await pilot.press(key)
                await settled(app, pilot)
                for strip in app.screen._compositor.render_strips():
                    for segment in strip:
                        if found := raw_controls(segment.text):
                            outcome.fault("control", f"screen: {found!a} in {segment.text!a}")
                        if not caps.unicode and not segment.text.isascii():
                            outcome.fault("control", f"screen: not ASCII: {segment.text!a}")
            for pane in getattr(app, "panes", {}).values():
                if pane.stage is Stage.FAILED:
                    outcome.fault("traceback", f"pane {pane.KEY}\n{pane._failure}")

    asyncio.run(run())


def _screen(path: Path, rng: Random, outcome: Outcome) -> None:
    from lbtui.render.capabilities import Capabilities

    caps = Capabilities(rng.choice(("none", "256", "truecolor")), unicode=rng.random() < 0.7)
    drive(path, caps, rng.choice(((60, 20), (80, 24), (200, 50))), _KEYS, outcome)


def _export(case, rng: Random, shown) -> None:
    with tempfile.TemporaryDirectory(dir=_memory()) as folder:
        options = ["--export", folder, "--format", rng.choice(("csv", "parquet"))]
        if rng.random() < 0.5:
            options.append("--per-iteration")
        for text in command([*options, *_given(case)], "utf-8")[1:]:
            shown("export", text, "\n")


def _memory() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def run(seed: int) -> Outcome:
    """Make the output of `seed`, examine it and remove it; below 0 are those of `SCALED`."""
    from tests.tools.mutate import SCALED, make_case, make_scaled

    outcome = Outcome(seed)
    folder = Path(tempfile.mkdtemp(dir=_memory(), prefix="fuzz"))
    folder.chmod(0o755)
    case = None
    try:
        case = make_scaled(list(SCALED)[-1 - seed], folder) if seed < 0 else make_case(seed, folder)
        outcome.done = case.done
        _examine_watched(case, outcome)
    finally:
        if case and case.close:
            case.close()
        shutil.rmtree(folder, ignore_errors=True)
    return outcome


def _examine_watched(case, outcome: Outcome) -> None:
    before = state_of(case.path)
    if act := case.after_open:

        def act_and_look() -> None:
            nonlocal before
            act()
            before = state_of(case.path)

        case.after_open = act_and_look
    with _privileges(case.unprivileged):
        examine(case, outcome, Random(outcome.seed))
    after = state_of(case.path)
    changed = [path for path in before.keys() | after.keys() if before.get(path) != after.get(path)]
    if changed:
        outcome.fault("changed", ascii(sorted(map(str, changed))))


@contextmanager
def _privileges(dropped: bool) -> Iterator[None]:
    """Be nobody for a while, where root would be let in everywhere."""
    drop = dropped and os.geteuid() == 0
    if drop:
        os.seteuid(65534)
    try:
        yield
    finally:
        if drop:
            os.seteuid(0)


# Workers


def _work(first: int, last: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))
    _load_everything()
    told = os.fdopen(os.dup(1), "w")
    size_before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    for seed in range(first, last):
        told.write(json.dumps({"starts": seed}) + "\n")
        told.flush()
        sys.stderr.flush()
        at = _position(2)
        outcome = run(seed)
        _check_stderr(at, outcome)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
        if peak > max(size_before, LARGE):
            outcome.fault("large", f"peak {peak >> 20} MiB")
        told.write(json.dumps(vars(outcome)) + "\n")
        told.flush()
        if peak > LARGE:  # what is to come could not be told from this peak
            return


def _position(descriptor: int) -> int:
    return os.lseek(descriptor, 0, os.SEEK_END)


def _check_stderr(at: int, outcome: Outcome) -> None:
    """Tell what was written on stderr meanwhile: it would stand across the screen."""
    end = _position(2)
    if end > at:
        outcome.fault("stderr", os.pread(2, end - at, at).decode("utf-8", "replace"))


def _load_everything() -> None:
    """Import what a run imports late: a user without rights could not."""
    for module in walk_packages(lbtui.__path__, "lbtui."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    "\x1b".encode("unicode_escape")
    with tempfile.TemporaryDirectory() as folder, suppress(Exception):
        for seed in range(3):
            inner = Path(folder) / str(seed)
            inner.mkdir()
            examine_sample(inner)


def examine_sample(folder: Path) -> None:
    from tests.tools import mutate

    for name in mutate.CSV_LAYOUTS[2]:
        (folder / f"{Path(name).name}.csv").write_bytes(mutate.csv_sample(name))
    examine(mutate.Case(folder), Outcome(0), Random(1))


class _Worker:
    """One process at a time that runs the seeds of `chunks`; a new one where it ended."""

    def __init__(self, chunks: "queue.Queue[range]", results: "queue.Queue[Outcome]") -> None:
        self.chunks = chunks
        self.results = results

    def run(self) -> None:
        while True:
            try:
                chunk = self.chunks.get_nowait()
            except queue.Empty:
                return
            first = chunk.start
            while first < chunk.stop:
                first = self._run_from(first, chunk.stop)

    def _run_from(self, first: int, last: int) -> int:
        """Return the first seed that is left to run."""
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.bench.fuzz", "--work", str(first), str(last)],
                stdout=subprocess.PIPE,
                stderr=errors,
                stdin=subprocess.DEVNULL,
                cwd=ROOT,
                env={
                    **os.environ,
                    "POLARS_MAX_THREADS": "2",
                    "OMP_NUM_THREADS": "1",
                    "OPENBLAS_NUM_THREADS": "1",
                },
            )
            lines: queue.Queue[str | None] = queue.Queue()
            reader = threading.Thread(target=_forward, args=(process.stdout, lines), daemon=True)
            reader.start()
            started, next_seed = None, first
            hung = False
            while True:
                try:
                    line = lines.get(timeout=_HANG)
                except queue.Empty:
                    hung = True
                    process.kill()
                    continue
                if line is None:
                    break
                told = json.loads(line)
                if "starts" in told:
                    started = told["starts"]
                else:
                    self.results.put(_outcome(told))
                    started, next_seed = None, told["seed"] + 1
            code = process.wait()
            if started is not None:
                errors.seek(0)
                text = errors.read().decode("utf-8", "replace")
                outcome = Outcome(started)
                outcome.fault("hang" if hung else "crash", f"exit {code}\n{text}")
                self.results.put(outcome)
                return started + 1
            if next_seed == first:
                raise RuntimeError(f"worker ended at once with {code}")
            return next_seed


def _outcome(told: dict) -> Outcome:
    outcome = Outcome(**told)
    if outcome.seconds > SLOW:
        outcome.fault("slow", f"{outcome.seconds:.1f} s")
    return outcome


def _forward(stream, lines: "queue.Queue[str | None]") -> None:
    with stream:
        for line in stream:
            lines.put(line.decode())
    lines.put(None)


def run_many(first: int, count: int, workers: int, chunk: int = 500) -> Iterator[Outcome]:
    """Yield the outcome of every seed from `first`, in the order they end."""
    chunks: queue.Queue[range] = queue.Queue()
    for start in range(first, first + count, chunk):
        chunks.put(range(start, min(start + chunk, first + count)))
    results: queue.Queue[Outcome] = queue.Queue()
    threads = [threading.Thread(target=_Worker(chunks, results).run, daemon=True) for _n in range(workers)]
    for thread in threads:
        thread.start()
    for _number in range(count):
        while True:
            try:
                yield results.get(timeout=5)
                break
            except queue.Empty:
                if not any(thread.is_alive() for thread in threads):
                    raise RuntimeError("the workers ended early") from None


def main() -> int:
    """Run and print the counts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--work", type=int, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        _work(*options.work)
        return 0
    if options.seed is not None:
        _load_everything()
        outcome = run(options.seed)
        print(outcome.done, f"{outcome.seconds:.2f} s")
        for kind, detail in outcome.faults:
            print(f"--- {kind}\n{detail}")
        return bool(outcome.faults)
    started = time.monotonic()
    counts: Counter[str] = Counter()
    total = opened = 0
    slowest = Outcome(-1)
    log = options.log.open("w") if options.log else None
    for outcome in run_many(options.first, options.count, options.workers):
        total += 1
        opened += outcome.opened
        slowest = max(slowest, outcome, key=lambda o: o.seconds)
        counts.update({kind for kind, _detail in outcome.faults})
        if outcome.faults and log:
            log.write(json.dumps(vars(outcome)) + "\n")
            log.flush()
        if total % 1000 == 0:
            print(f"{total} after {time.monotonic() - started:.0f} s: {dict(counts)}", file=sys.stderr)
    print(f"inputs              {total} (seeds {options.first}–{options.first + total - 1}), {opened} opened")
    spent = time.monotonic() - started
    print(f"time                {spent:.0f} s, slowest {slowest.seconds:.2f} s (seed {slowest.seed})")
    for kind in KINDS:
        print(f"{_WORDS[kind]:<36}{counts[kind]}")
    return int(sum(counts.values()) > 0)


_WORDS = {
    "traceback": "tracebacks",
    "crash": "crashes",
    "hang": f"hangs (> {_HANG:.0f} s)",
    "slow": f"runs over {SLOW:.0f} s",
    "large": "runs over 1 GiB",
    "changed": "changes in the source folder",
    "control": "raw control characters in what is shown",
    "schema": "frames of another schema, NaN or ∞",
    "stderr": "words on stderr",
}

if __name__ == "__main__":
    sys.exit(main())
