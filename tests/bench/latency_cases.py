"""Make runs of the lab whose truth says where each request's time went, some with one injected delay.

    python -m tests.bench.latency_cases FOLDER --lab LAB [--parser CHECKOUT] [--python PYTHON] [--only NAME …]

FOLDER gets `runs/NAME` (raw) and `runs/NAME.truth.jsonl` (by `request_truth`), for each run with a delay its
twin `NAME_twin` too: of the same seed and options, but without it; then `runs.json`, and a table on stdout of
the part and the domain that grew most by the truth. With the parser, `outs/NAME/db` and `outs/NAME/csv` are
written, all tasks but `statistic`, which only prints. What is there is kept.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from tests.bench.request_truth import grown, read_truth, simulate, summed


class Injected(NamedTuple):
    """A delay: what is put in, and the parts and domains that are rightly said to have grown most."""

    kind: str
    options: str
    parts: tuple[str, ...]
    domains: tuple[str, ...]


class Case(NamedTuple):
    """A run; one with a delay has a twin without it."""

    name: str
    kind: str
    options: str
    injected: Injected | None = None


_MINDIE = "--dp 4 --duration 16 --rate 12 --dispatch rr"
_HOSTS = "--hosts node-a node-b node-c node-d"
_VLLM = f"--flavour vllm {_MINDIE}"
_PD = "--p-nodes 2 --d-nodes 4 --dp 8 --duration 16 --rate 16"
_D = [f"mindie-server-d0-{'master-0' if i == 0 else f'worker-{i - 1}'}" for i in range(4)]
_P = ["mindie-server-p0-master-0", "mindie-server-p0-worker-0"]


def _decode(*ranks: int) -> tuple[str, ...]:
    """Return the decode domains of 8 ranks on 4 hosts."""
    return tuple(f"{_D[rank // 2]}/dp{rank}" for rank in ranks)


_BASE = {
    "base_mi4": "--dp 4 --duration 18 --rate 12",
    "base_mi_tp2": "--dp 2 --tp 2 --duration 16 --rate 6 --hosts tq-0 tq-1",
    "base_vl4_mstx": "--flavour vllm --raw-format mstx --dp 4 --duration 18 --rate 12",
    "base_vl_slice": "--flavour vllm --dp 4 --hosts vn-a vn-b --duration 16 --rate 10 --spec-tokens 2",
    "base_pd": "--p-nodes 2 --d-nodes 4 --dp 8 --duration 18 --rate 16",
    "base_pd_prefill": "--p-nodes 2 --d-nodes 2 --dp 4 --duration 15 --rate 18 "
    "--prompt-len 1800 --output-len 24",
    "base_kv": "--dp 4 --duration 15 --rate 9 --kv-blocks 60 --output-len 110",
    "base_nolock": "--dp 4 --lockstep 0 --duration 16 --rate 12",
    "base_couple": "--dp 4 --couple 1 --duration 16 --rate 11 --fault slow:rank=1,f=1.4",
    "base_couple_half": "--dp 3 --tp 2 --couple 0.5 --duration 15 --rate 8",
    "base_pd_clock": "--p-nodes 2 --d-nodes 4 --dp 8 --duration 15 --rate 14 "
    f"--fault clock:host={_D[1]},ms=300 --fault clock:host={_P[1]},ms=-120",
    "base_couple_even": "--dp 4 --couple 1 --duration 15 --rate 10",
    "base_couple_low": "--dp 4 --couple 0.2 --duration 15 --rate 10",
    "base_couple_pd": "--p-nodes 2 --d-nodes 2 --dp 4 --couple 0.9 --duration 15 --rate 12 "
    "--fault slow:rank=2,f=1.3",
    "base_vl_pd": "--flavour vllm --p-nodes 1 --d-nodes 2 --dp 4 --tp 2 --duration 15 --rate 10",
    "base_mi_clock": "--dp 4 --hosts node-a node-b --duration 16 --rate 11 --fault clock:host=node-b,ms=400",
    "base_mi_clock_less": "--dp 4 --hosts node-a node-b --duration 16 --rate 11 "
    "--fault clock:host=node-a,ms=18",
    "base_pd_clock_less": "--p-nodes 1 --d-nodes 2 --dp 4 --duration 15 --rate 10 "
    f"--fault clock:host={_D[1]},ms=-35",
    "base_prefix": "--dp 4 --prefix-all 0.5 --prompt-len 1500 --duration 15 --rate 10 --queue-ms 30",
    "base_late": "--dp 4 --dispatch rr --duration 15 --rate 10 --fault late:rank=3,b=6",
}
_SLOWER = ("decode", "prefill", "lockstep", "held_by_prefills")


def _delays() -> Iterator[tuple[str, str, Injected]]:
    """Yield name, base and what is injected, four of each kind."""
    queue = ("prefill_wait",)
    few = "--max-batch 6 --output-len 30"  # what waits, waits for a slot
    yield (
        "queue_mi",
        f"{_MINDIE} {few}",
        Injected("queue", "--fault send:rank=2,f=2.5", queue, ("node-0/dp2",)),
    )
    yield (
        "queue_vl",
        f"{_VLLM} {few}",
        Injected("queue", "--fault send:rank=1,f=3,a=3,b=11", queue, ("node-0/dp1",)),
    )
    heavy = f"{_PD} --prompt-len 1500 --rate 18"
    yield "queue_pd0", heavy, Injected("queue", "--fault pnode:p=0,f=1.6", queue, (f"{_P[0]}/dp0",))
    yield (
        "queue_pd1",
        heavy,
        Injected("queue", "--fault-p-node 1 --fault-p-factor 1.8", queue, (f"{_P[1]}/dp1",)),
    )
    yield "slow_mi", _MINDIE, Injected("straggler", "--fault slow:rank=3,f=1.6", _SLOWER, ("node-0/dp3",))
    yield "slow_vl", _VLLM, Injected("straggler", "--fault slow:rank=1,f=1.8", _SLOWER, ("node-0/dp1",))
    yield "slow_pd", _PD, Injected("straggler", "--fault slow:rank=5,f=1.7", _SLOWER, _decode(5))
    tp = f"{_PD} --tp 2"
    yield "slow_card", tp, Injected("straggler", "--fault slow:rank=2,card=1,f=1.9", _SLOWER, _decode(2))
    pull = ("pull",)
    yield "pull_rank", _PD, Injected("pull", "--fault pull:rank=3,f=30", pull, _decode(3))
    yield "pull_part", _PD, Injected("pull", "--fault pull:rank=6,f=80,a=5,b=13", pull, _decode(6))
    yield "pull_pair", _PD, Injected("pull", "--fault pair:p=0,rank=1,f=60", pull, _decode(1))
    yield "pull_node", _PD, Injected("pull", "--fault pair:p=1,d=3,f=50", pull, _decode(6, 7))
    starved = ("preempted", "prefill_wait", "first_decode_wait")
    out = "--kv-blocks 800 --output-len 120"
    yield (
        "kv_mi",
        f"{_MINDIE} {out}",
        Injected("kv", "--fault-kv-rank 1 --kv-out-factor 0.05", starved, ("node-0/dp1",)),
    )
    # Short prompts come in all at once, and grow.
    grow = "--prompt-len 64 --output-len 250 --block-size 16 --kv-blocks 800 --lull 4:16"
    yield (
        "kv_vl",
        f"{_VLLM} {grow}",
        Injected("kv", "--kv-share 1 1 0.17 1", starved, ("node-0/dp2",)),
    )
    yield (
        "kv_pd",
        f"{_PD} {out}",
        Injected("kv", "--fault-kv-rank 4 --kv-out-factor 0.05", starved, _decode(4)),
    )
    yield (
        "kv_pd_share",
        f"{_PD} {out}",
        Injected("kv", "--kv-share 1 1 1 1 1 1 1 0.05", starved, _decode(7)),
    )
    gap = ("gaps", "lockstep")
    yield (
        "gap_mi",
        f"{_MINDIE} {_HOSTS}",
        Injected("gap", "--fault gap:host=node-b,ms=12", gap, ("node-b/dp1",)),
    )
    yield (
        "gap_alone",
        f"{_MINDIE} {_HOSTS} --lockstep 0",
        Injected("gap", "--fault gap:host=node-d,ms=10", gap, ("node-d/dp3",)),
    )
    two = f"{_VLLM} --hosts node-a node-b"
    yield "gap_vl", two, Injected("gap", "--fault gap:host=node-b,ms=14", gap, ("node-b/dp2", "node-b/dp3"))
    yield "gap_pd", _PD, Injected("gap", f"--fault gap:host={_D[2]},ms=12", gap, _decode(4, 5))


def cases() -> Iterator[Case]:
    """Yield every case, each of a seed of its own."""
    for number, (name, options) in enumerate(_BASE.items()):
        yield Case(name, "base", f"--seed {1900 + number} {options}")
    for number, (name, options, injected) in enumerate(_delays()):
        yield Case(name, injected.kind, f"--seed {1950 + number} {options}", injected)


def make(case: Case, folder: Path, lab: Path) -> dict[str, Any]:
    """Simulate a case, where needed its twin, and return what runs.json has of it."""
    runs = folder / "runs"
    told: dict[str, Any] = {"name": case.name, "kind": case.kind, "options": case.options}
    delay = f" {case.injected.options}" if case.injected else ""
    told |= _simulated(runs, case.name, case.options + delay, lab)
    told |= {kind: str(folder / "outs" / case.name / kind) for kind in ("db", "csv")}
    if case.injected is None:
        return told
    twin = _simulated(runs, f"{case.name}_twin", case.options, lab)
    twin |= {kind: str(folder / "outs" / f"{case.name}_twin" / kind) for kind in ("db", "csv")}
    rows = grown(*(summed(read_truth(Path(run["truth"]))) for run in (twin, told)))
    right = rows[0][1] in case.injected.parts and rows[0][2] in case.injected.domains
    return {**told, "twin": twin, "injected": case.injected._asdict(), "grown": rows[:5], "right": right}


def _simulated(runs: Path, name: str, options: str, lab: Path) -> dict[str, Any]:
    """Simulate a run unless it is there, made with these options."""
    raw, truth, made = runs / name, runs / f"{name}.truth.jsonl", runs / f"{name}.options"
    if not made.exists() or made.read_text() != options:
        shutil.rmtree(raw, ignore_errors=True)
        shutil.rmtree(runs.parent / "outs" / name, ignore_errors=True)
        simulate(lab, truth, ["--out", str(raw), *options.split()])
        made.write_text(options)
    return {"raw": str(raw), "truth": str(truth)}


# Upstream's parser, without the task that only prints.
_PARSE = """
from ms_service_profiler.exporters.exporter_statistic import ExporterStatistic
from ms_service_profiler.parse import main
ExporterStatistic.is_provide = lambda *_: False
main()
"""


def parse(run: dict[str, Any], checkout: Path, python: str) -> None:
    """Have upstream's parser write a database and CSVs, in folders of their own, unless they are there."""
    db, csv = Path(run["db"]), Path(run["csv"])
    if db.exists():
        return
    both = db.with_name("both")
    shutil.rmtree(db.parent, ignore_errors=True)
    both.mkdir(parents=True)
    command = [python, "-c", _PARSE, "--format", "csv", "db", "--log-level", "warning"]
    command += ["--input-path", run["raw"], "--output-path", str(both)]
    ended = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise RuntimeError(f"{run['raw']}: {(ended.stderr or ended.stdout)[-2000:]}")
    csv.mkdir()
    for path in both.glob("*.csv"):
        path.rename(csv / path.name)
    with closing(sqlite3.connect(both / "profiler.db")) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")  # what it left in a -wal goes into the file
    both.rename(db)


def main() -> None:
    """Make the cases that are asked for, all by default."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lab", type=Path, required=True)
    parser.add_argument("--parser", type=Path)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--only", nargs="*", metavar="NAME")
    asked = parser.parse_args()
    (asked.folder / "runs").mkdir(parents=True, exist_ok=True)
    told = [make(case, asked.folder, asked.lab) for case in cases()]
    (asked.folder / "runs.json").write_text(json.dumps(told, indent=1))
    for run in told:
        if not asked.only or run["name"] in asked.only:
            print(_line(run))
    if asked.parser:
        for run in told:
            for one in (run, run.get("twin")):
                if one and (not asked.only or run["name"] in asked.only):
                    parse(one, asked.parser, asked.python)


def _line(run: dict[str, Any]) -> str:
    if "twin" not in run:
        sums = summed(read_truth(Path(run["truth"])))
        parts: dict[str, float] = {}
        for (part, _domain), ms in sums.items():
            parts[part] = parts.get(part, 0) + ms
        return f"{run['name']:<17} " + ", ".join(f"{part} {ms / 1000:.1f} s" for part, ms in parts.items())
    rows = "; ".join(f"{part} {domain} {ms / 1000:+.2f} s" for ms, part, domain in run["grown"][:3])
    return f"{run['name']:<17} {'right' if run['right'] else 'WRONG':<6} {rows}"


if __name__ == "__main__":
    main()
