"""Feed broken and hostile outputs to every reader and count what must not happen.

Run: `python -m tests.bench.fuzz [--count N] [--first SEED] [--workers N]`. Prints one line a count; exits
with 1 if any is not 0. `--seed N` runs one input here and shows its traceback.

Each worker is a process of its own with a limit on memory; the parent watches its time, so that a hang or a
crash is seen, told and does not end the run.
"""

import argparse
import hashlib
import json
import os
import queue
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import unicodedata
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

SLOW = 10.0  # s
LARGE = 1 << 30  # bytes
_HANG = 60.0  # s without a word from a worker: it is killed
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


def state_of(folder: Path) -> dict[str, tuple[object, ...]]:
    """Return what must not change: type, mode, size, time and content of everything below `folder`."""
    found: dict[str, tuple[object, ...]] = {}
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files, ""):
            path = os.path.join(parent, name)
            info = os.lstat(path)
            content = ""
            if name in files and os.path.isfile(path) and not os.path.islink(path):
                with suppress(PermissionError), open(path, "rb") as file:
                    content = hashlib.sha1(file.read()).hexdigest()
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
    from lbtui.profile import Unreadable
    from lbtui.sources import SeveralOutputs, open_profile

    def shown(where: str, text: str, allowed: str = "") -> None:
        found = raw_controls(text, allowed)
        if found:
            outcome.fault("control", f"{where}: {ascii(found)} in {ascii(text[:200])}")

    @contextmanager
    def step(name: str) -> Iterator[None]:
        try:
            yield
        except Exception:
            outcome.fault("traceback", f"{name}\n{traceback.format_exc()}")

    profile = None
    with step("open"):
        try:
            profile = open_profile(case.path)
        except Unreadable as error:
            shown("Unreadable", str(error))
        except SeveralOutputs as error:
            shown("SeveralOutputs", str(error))
            profile = None
            with suppress(Unreadable):
                profile = open_profile(rng.choice(error.folders))
    if case.after_open:
        case.after_open()
    if profile is None:
        return
    outcome.opened = True
    _load(profile, outcome, step, shown)
    thorough = outcome.seed < 0
    if thorough or rng.random() < 0.6:
        _report(profile, step, shown)
    _rounds(profile, step, shown)
    if thorough or rng.random() < 0.15:
        with step("panes"):
            _draw(profile, rng, shown)
    if thorough or rng.random() < 0.1:
        with step("export"):
            _export(profile, rng)


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


def _report(profile, step, shown) -> None:
    from lbtui.analysis.overview import overview
    from lbtui.findings import find_all
    from lbtui.findings.pictures import drawn
    from lbtui.report import as_json, as_markdown, as_text

    with step("overview"):
        known = overview(profile)
        found = ()
        with step("findings"):
            found = find_all(profile)
        with step("pictures"):
            pictures = drawn(profile, known.window, found)
        for ascii_only in (True, False):
            for write in (as_text, as_markdown):
                with step(write.__name__):
                    text = write(known, pictures, ascii_only=ascii_only)
                    shown(write.__name__, text, "\n")
                    if ascii_only and not text.isascii():
                        shown(write.__name__, "\x1b not ASCII: " + ascii(text))
            with step("json"):
                text = as_json(known, found, ascii_only=ascii_only)
                shown("json", text, "\n")
                for string in _strings(json.loads(text)):
                    shown("json", string)


def _rounds(profile, step, shown) -> None:
    from lbtui.profile import Unreadable

    with step("round"):
        batches = profile.load("batches").frame
        for row in batches.head(2).iter_rows(named=True):
            try:
                profile.requests_of_round(row["prof_id"], row["row"])
            except Unreadable as error:
                shown("round", str(error))


def _draw(profile, rng: Random, shown) -> None:
    from lbtui.analysis.overview import overview
    from lbtui.analysis.prefill_decode import node_table, stage_spreads, transfer_spreads
    from lbtui.profile import Silent
    from lbtui.render.capabilities import Capabilities
    from lbtui.ui.panes import ep_layout, ep_state, ep_view, overview_view, pd_state, pd_view, requests_view
    from lbtui.ui.panes.ep_data import ep_data
    from lbtui.ui.panes.pd_state import PdData
    from lbtui.ui.panes.requests_data import BINS, RequestsState, first_arrangement, load_requests
    from lbtui.analysis.latency import arrange
    from lbtui.ui.selection import Selection

    width, height = rng.choice(((20, 5), (80, 22), (200, 48)))
    caps = Capabilities(rng.choice(("none", "256", "truecolor")), unicode=rng.random() < 0.7)

    def drawn(pane: str, rows) -> None:
        for row in rows:
            for segment in row:
                shown(pane, segment.text)

    def frame(name: str):
        return profile.load(name).frame

    drawn(
        "overview",
        overview_view.draw(overview(profile), overview_view.State(), Selection(), width, height, caps),
    )
    _draw_dp(frame, drawn, rng, width, height, caps)
    experts = ep_data(frame("expert_heat"), frame("layer_times"), frame("rank_intervals"))
    if (state := ep_state.start(experts)) is not None:
        view = ep_layout.viewport(experts, state, ep_layout.View(), width, height, caps)
        drawn("ep", ep_view.draw(experts, state, view, width, height, caps))
    nodes, handoffs = frame("nodes"), frame("handoffs")
    pd = PdData(
        None if nodes.is_empty() else node_table(nodes),
        tuple(transfer_spreads(frame("transfers"))),
        () if handoffs.is_empty() else tuple(stage_spreads(handoffs)),
        handoffs.sort("arrival", nulls_last=True),
        (),
    )
    drawn("pd", pd_view.draw(pd, pd_state.starting(pd, Selection()), Selection(), None, width, height, caps))
    requests = load_requests(profile, Silent())
    state = RequestsState(arrange(requests.table, first_arrangement(requests.table), BINS))
    drawn("requests", requests_view.draw(requests, state, Selection(), width, height, caps))


def _draw_dp(frame, drawn, rng: Random, width: int, height: int, caps) -> None:
    from lbtui.ui.panes.dp_data import dp_data, measure, scene
    from lbtui.analysis.data_parallel import METRICS
    from lbtui.ui.panes.dp_layout import DpState, layout
    from lbtui.ui.panes.dp_view import draw

    data = dp_data(frame("steps"), frame("batches"), frame("kv"), frame("queues"))
    for chosen in rng.sample(METRICS, 2):
        measured = measure(chosen, data, frame(chosen.frame))
        if not measured.has_values:
            continue
        view = scene(measured, (data.begin, data.end), layout(measured, width, height).columns)
        state = DpState(metric=chosen.key, domain=data.domains[0].key, time=data.begin)
        drawn("dp", draw(data, measured, view, state, width, height, caps))


def _export(profile, rng: Random) -> None:
    from lbtui.report import CannotExport, export

    with tempfile.TemporaryDirectory(dir=_memory()) as folder, suppress(CannotExport):
        for _written in export(profile, Path(folder), rng.choice(("csv", "parquet"))):
            pass


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
    start = time.monotonic()
    with _privileges(case.unprivileged):
        examine(case, outcome, Random(outcome.seed))
    outcome.seconds = time.monotonic() - start
    after = state_of(case.path)
    changed = [path for path in before.keys() | after.keys() if before.get(path) != after.get(path)]
    if changed:
        outcome.fault("changed", ascii(sorted(changed)))


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
    import lbtui.sources.expert_tables
    import lbtui.sources.heat_png
    import lbtui.sources.trace
    import lbtui.ui.app

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
    print(
        f"time                {time.monotonic() - started:.0f} s, slowest {slowest.seconds:.2f} s (seed {slowest.seed})"
    )
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
