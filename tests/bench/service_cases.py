"""Make recordings of the lab's service, and what the same arrivals truly get, routed or split otherwise.

    python -m tests.bench.service_cases FOLDER --lab LAB [--only NAME …]

FOLDER gets `raw/NAME` (a raw profile), `raw/NAME.jsonl` (what became of each request, by `service_lab`) and
`runs.json`, first for all recordings; then `truth/NAME.npz`. What is there of the same case is kept.

A case says how its requests are routed, its shape and its load: low, medium or high, that is how many times
the p95 of TTFT (of a P/D service TTFT or TPOT) is that of a service at a fifth of its rate; the rate is
searched. Names begin with `set_` (to set things by), `unseen_` (to tell from) or `blind_` (looked at once,
when all was set): of the same kinds, but of other shapes, costs of a step and seeds.

In an npz, arrays begin with what was run: of one instance a policy, `recorded` (its assignment, held) among
them; of P and D nodes `3p2d@1.5`, the nodes and the load, routed as recorded. Then `/ttft`, `/tpot`, `/e2e`
(ms), `/domain`, all [noise seed, request], and `/run` [noise seed, figure] with the figures of `FIGURES`.
Policies that draw do so anew with every noise seed, only `recorded` and the recorded split do not.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from tests.bench.request_truth import load_lab
from tests.bench.service_lab import Outcome, simulate

POLICIES = ("rr", "least_requests", "least_tokens", "least_kv", "two_choices", "sticky", "share")
FIGURES = ("throughput", "par", "par_of_sizes", "seconds")
_SEEDS = range(101, 111)
_PD_SEEDS = range(101, 106)
_LOADS = ("0.5", "1.5", "2")
_LEVELS = {"low": 1.15, "medium": 1.8, "high": 5.0}
_PD_LEVELS = {"low": 1.15, "medium": 1.5, "high": 3.0}
_MET = (0.55, 0.88)


@dataclass(frozen=True)
class Case:
    """A recording: `options` are all but the rate and the seeds; `nodes` of P and D; `loads` beside 1."""

    name: str
    level: str
    policy: str
    options: str
    seed: int
    requests: int
    nodes: tuple[int, int] | None = None
    per_node: int = 1
    loads: tuple[str, ...] = ()

    def given(self, rate: float, nodes: tuple[int, int] | None = None) -> list[str]:
        """Return the simulator's options at a rate, of P and D nodes as recorded unless others are given."""
        text = f"--seed {self.seed} --rate {rate} --duration {self.requests / rate:.2f} {self.options}"
        if self.nodes:
            p, d = nodes or self.nodes
            text += f" --p-nodes {p} --d-nodes {d} --dp {d * self.per_node}"
        return text.split()


def _costs(random: np.random.Generator) -> str:
    """Return how long a step takes in a case."""
    base, per, first, token = (float(random.uniform(*of)) for of in ((15, 35), (150, 900), (8, 20), (20, 70)))
    return (
        f"--decode-base-ms {base:.1f} --decode-us-per-req {per:.0f}"
        f" --prefill-base-ms {first:.1f} --prefill-us-per-token {token:.0f}"
    )


# How the requests of a recording were routed: the policy and, for a skewed one, the fault.
_ROUTED = {
    "skew": ("random", "--fault send:rank=1,f={skew}"),
    "sticky": ("sticky", ""),
    "random": ("random", ""),
    "rr": ("rr", ""),
}
# (routed, level, lockstep), each with a shape of each half.
_MIXED = [
    ("skew", "low", 1),
    ("skew", "medium", 1),
    ("skew", "medium", 0),
    ("skew", "high", 1),
    ("skew", "high", 0),
    ("sticky", "low", 0),
    ("sticky", "medium", 1),
    ("sticky", "medium", 0),
    ("sticky", "high", 1),
    ("sticky", "high", 0),
    ("random", "low", 1),
    ("random", "medium", 1),
    ("random", "medium", 0),
    ("random", "high", 1),
    ("random", "high", 0),
    ("rr", "low", 0),
    ("rr", "medium", 1),
    ("rr", "medium", 0),
    ("rr", "high", 1),
    ("rr", "high", 0),
]
_SHAPES = {
    "set": [
        "--dp 4",
        "--dp 8 --hosts a b --prompt-len 300 --output-len 80 --max-batch 16",
        "--dp 2 --prompt-len 1500 --output-len 30 --max-prefill 2",
        "--dp 4 --prompt-len 256 --output-len 140 --max-batch 12",
        "--dp 6 --prompt-len 700 --output-len 90 --kv-blocks 90 --max-prefill 8",
        "--dp 4 --couple 1 --max-batch 32",
        "--dp 3 --burst 8:0.5:0.4 --output-len 60",
        "--dp 4 --fault slow:rank=2,f=1.3 --output-len 60",
        "--dp 4 --hosts a b c d --fault gap:host=c,ms=8 --output-len 50",
        "--dp 4 --flavour vllm --output-len 60",
        "--dp 5 --long-share 0.05 --max-batch 20",
        "--dp 4 --prefix-all 0.5 --prompt-len 1200",
        "--dp 2 --tp 2 --max-batch 16 --output-len 80",
    ],
    "unseen": [
        "--dp 3 --prompt-len 600 --output-len 50",
        "--dp 4 --hosts n1 n2 --fault gap:host=n1,ms=5 --prompt-len 400 --output-len 70",
        "--dp 8 --prompt-len 800 --output-len 40 --max-batch 12",
        "--dp 2 --prompt-len 350 --output-len 120 --max-batch 20",
        "--dp 4 --flavour vllm --prompt-len 900 --output-len 45 --max-prefill 2",
        "--dp 5 --fault slow:rank=0,f=1.2 --prompt-len 450 --output-len 70",
        "--dp 4 --prompt-len 600 --output-len 110 --kv-blocks 80",
        "--dp 6 --couple 1 --output-len 55",
        "--dp 4 --burst 6:0.4:0.5 --prompt-len 1000 --output-len 35 --max-prefill 6",
        "--dp 7 --hosts a b c --prompt-len 512 --output-len 60 --max-batch 14",
        "--dp 4 --couple 0.5 --long-share 0.04 --output-len 45",
        "--dp 2 --flavour vllm --prompt-len 700 --output-len 60 --max-batch 32",
        "--dp 4 --tp 2 --prefix-all 0.4 --prompt-len 900 --output-len 50",
    ],
    "blind": [
        "--dp 5 --prompt-len 420 --output-len 65",
        "--dp 4 --prompt-len 1100 --output-len 32 --max-prefill 3",
        "--dp 6 --hosts u v w --fault gap:host=v,ms=6 --output-len 48",
        "--dp 3 --fault slow:rank=1,f=1.25 --prompt-len 540 --output-len 75",
        "--dp 8 --prompt-len 380 --output-len 95 --max-batch 18",
        "--dp 2 --prompt-len 800 --output-len 70 --max-batch 28",
        "--dp 4 --flavour vllm --prompt-len 640 --output-len 85",
        "--dp 4 --couple 0.8 --prompt-len 500 --output-len 58",
        "--dp 5 --burst 7:0.5:0.3 --prompt-len 450 --output-len 55",
        "--dp 3 --prompt-len 520 --output-len 100 --kv-blocks 70",
        "--dp 6 --flavour vllm --prompt-len 950 --output-len 38 --max-batch 16",
        "--dp 4 --long-share 0.06 --prompt-len 480 --output-len 42 --max-batch 22",
        "--dp 3 --tp 2 --prompt-len 700 --output-len 64",
    ],
}
# (name, level, routed, how far the P nodes are from the best split, nodes, domains a D node, shape).
_SPLIT = {
    "set": [
        ("right", "medium", "random", 0, 6, 2, "--prompt-len 1200 --output-len 40"),
        ("right", "high", "random", 0, 5, 2, "--prompt-len 900 --output-len 60 --max-batch 16"),
        ("right", "high", "rr", 0, 8, 1, "--prompt-len 1500 --output-len 50 --lockstep 0"),
        ("right", "low", "random", 0, 4, 2, "--prompt-len 600 --output-len 60"),
        ("p_heavy", "high", "random", 1, 6, 2, "--prompt-len 1000 --output-len 50 --max-batch 12"),
        ("p_heavy", "medium", "rr", 2, 7, 1, "--prompt-len 1500 --output-len 60 --max-batch 12"),
        (
            "p_heavy",
            "high",
            "sticky",
            1,
            5,
            1,
            "--prompt-len 1300 --output-len 60 --max-batch 16 --lockstep 0",
        ),
        ("d_heavy", "high", "random", -1, 6, 2, "--prompt-len 1800 --output-len 30"),
        ("d_heavy", "medium", "rr", -1, 5, 4, "--prompt-len 2000 --output-len 40 --lockstep 0"),
        ("d_heavy", "high", "random", -2, 8, 1, "--prompt-len 1600 --output-len 40 --max-batch 20"),
    ],
    "unseen": [
        ("right", "medium", "rr", 0, 5, 2, "--prompt-len 1400 --output-len 45 --max-batch 20"),
        ("right", "high", "random", 0, 6, 1, "--prompt-len 1100 --output-len 50 --lockstep 0"),
        ("right", "high", "random", 0, 7, 2, "--prompt-len 1700 --output-len 60 --max-batch 16"),
        ("right", "low", "rr", 0, 6, 2, "--prompt-len 800 --output-len 50"),
        ("p_heavy", "high", "rr", 1, 5, 2, "--prompt-len 1600 --output-len 70 --max-batch 12"),
        ("p_heavy", "medium", "random", 1, 6, 1, "--prompt-len 1200 --output-len 60 --max-batch 14"),
        (
            "p_heavy",
            "high",
            "random",
            2,
            8,
            2,
            "--prompt-len 1800 --output-len 50 --max-batch 10 --lockstep 0",
        ),
        ("d_heavy", "high", "sticky", -1, 7, 1, "--prompt-len 1500 --output-len 40"),
        ("d_heavy", "medium", "random", -1, 6, 2, "--prompt-len 1900 --output-len 35 --lockstep 0"),
        ("d_heavy", "high", "rr", -1, 5, 1, "--prompt-len 1700 --output-len 45 --max-batch 24"),
    ],
    "blind": [
        ("right", "medium", "random", 0, 6, 1, "--prompt-len 1300 --output-len 55 --max-batch 22"),
        ("right", "high", "rr", 0, 5, 2, "--prompt-len 1000 --output-len 48"),
        ("right", "high", "random", 0, 7, 1, "--prompt-len 1600 --output-len 42 --max-batch 16 --lockstep 0"),
        ("right", "low", "random", 0, 5, 2, "--prompt-len 700 --output-len 66"),
        ("p_heavy", "high", "random", 1, 7, 1, "--prompt-len 1500 --output-len 62 --max-batch 14"),
        ("p_heavy", "medium", "rr", 1, 6, 2, "--prompt-len 1250 --output-len 58 --max-batch 13"),
        ("p_heavy", "high", "rr", 1, 5, 1, "--prompt-len 1450 --output-len 52 --max-batch 12 --lockstep 0"),
        ("d_heavy", "high", "random", -1, 5, 2, "--prompt-len 1750 --output-len 36"),
        ("d_heavy", "medium", "random", -1, 7, 1, "--prompt-len 1900 --output-len 44 --lockstep 0"),
        ("d_heavy", "high", "sticky", -1, 6, 2, "--prompt-len 1650 --output-len 38 --max-batch 20"),
    ],
}
_HALVES = tuple(_SHAPES)


def mixed_cases(half: str) -> Iterator[Case]:
    """Yield the recordings of one instance."""
    shapes = _SHAPES[half]
    for k, (routed, level, lockstep) in enumerate(_MIXED):
        seed = 3000 + 500 * _HALVES.index(half) + k
        random = np.random.default_rng([seed, 77])
        policy, fault = _ROUTED[routed]
        # Coprime to the number of shapes: no way of routing has all its recordings of one shape.
        shape = shapes[(5 * k + _HALVES.index(half)) % len(shapes)]
        options = f"{_costs(random)} {shape} --lockstep {lockstep} --policy {policy}"
        options += f" {fault.format(skew=round(float(random.uniform(1.4, 2.0)), 2))}" if fault else ""
        name = f"{half}_{routed}_{level}_{'lock' if lockstep else 'alone'}"
        yield Case(name, level, policy, options.strip(), seed, int(random.integers(450, 1400)))


def split_cases(half: str, module: ModuleType) -> Iterator[Case]:
    """Yield the recordings of P and D nodes."""
    for k, (name, level, policy, off, total, per_node, shape) in enumerate(_SPLIT[half]):
        seed = 4000 + 500 * _HALVES.index(half) + k
        random = np.random.default_rng([seed, 77])
        options = f"{_costs(random)} {shape} --policy {policy}"
        count = int(random.integers(450, 1100))
        loads = _LOADS if k % 3 == 1 else ()
        case = Case(f"{half}_pd_{name}_{k}", level, policy, options, seed, count, (1, 1), per_node, loads)
        p = min(max(1, _best_split(case, total, module) + off), total - 1)
        yield Case(**{**_fields(case), "nodes": (p, total - p)})


def _fields(case: Case) -> dict[str, Any]:
    return {name: getattr(case, name) for name in Case.__dataclass_fields__}


def _truth(case: Case, module: ModuleType, rate: float, more: str = "", nodes: Any = None) -> Outcome:
    return simulate(module, ["--out", "/nowhere", "--no-write", *case.given(rate, nodes), *more.split()])


def _best_split(case: Case, total: int, module: ModuleType) -> int:
    """Return how many P nodes of all serve the most when more is asked than any split can serve."""
    served = [_truth(case, module, 500.0, nodes=(p, total - p)).run["throughput"] for p in range(1, total)]
    return 1 + int(np.argmax(served))


def _rate(case: Case, module: ModuleType) -> float:
    """Return the rate, requests/s, at which a service is as far from idle as the case's level says."""
    busy = _truth(case, module, 500.0).run["throughput"]
    levels = _PD_LEVELS if case.nodes else _LEVELS
    idle = _slowness(_truth(case, module, busy / 5), case)
    low, high = busy / 5, busy
    for _ in range(9):
        middle = (low + high) / 2
        now = _slowness(_truth(case, module, middle), case)
        if max(now / idle) < levels[case.level]:
            low = middle
        else:
            high = middle
    return round(low, 2)


def _slowness(outcome: Outcome, case: Case) -> Any:
    measures = (outcome.ttft, outcome.tpot) if case.nodes else (outcome.ttft,)
    return np.array([np.quantile(values, 0.95) for values in measures])


def targets_of(ttft: Any, tpot: Any, share: float) -> dict[str, float]:
    """Return targets, ms, that some 50 to 90 % of a recording's requests meet: near 1.2 times a quantile."""
    at = [float(np.quantile(values, share)) for values in (ttft, tpot)]
    for factor in (1.2, 1.1, 1.3, 1.05, 1.5, 1.02, 2.0, 1.0):
        limits = [round(factor * value, 2) for value in at]
        met = float(((ttft <= limits[0]) & (tpot <= limits[1])).mean())
        if _MET[0] <= met <= _MET[1]:
            break
    return {"ttft": limits[0], "tpot": limits[1], "met": round(met, 3)}


def record(case: Case, folder: Path, module: ModuleType) -> dict[str, Any]:
    """Write a case's recording unless it is there, and return what runs.json has of it."""
    raw, told = folder / "raw" / case.name, folder / "raw" / f"{case.name}.case.json"
    spec = json.loads(json.dumps(asdict(case)))
    if told.exists() and (found := json.loads(told.read_text()))["case"] == spec:
        return dict(found)
    shutil.rmtree(raw, ignore_errors=True)
    truth = folder / "truth" / f"{case.name}.npz"
    truth.unlink(missing_ok=True)
    rate = _rate(case, module)
    lines = folder / "raw" / f"{case.name}.jsonl"
    outcome = simulate(module, ["--out", str(raw), "--requests", str(lines), *case.given(rate)])
    sent = {
        "share": np.bincount(outcome.domain, minlength=len(outcome.sizes)),
        "p_share": np.bincount(outcome.p, minlength=case.nodes[0]) if case.nodes else np.array([]),
    }
    entry = {
        "name": case.name,
        "half": case.name.partition("_")[0],
        "kind": "pd" if case.nodes else "mixed",
        "policy": case.policy,
        "level": case.level,
        "lockstep": "--lockstep 0" not in case.options,
        "nodes": case.nodes,
        "rate": rate,
        "requests": len(outcome.rids),
        "seconds": round(outcome.seconds, 2),
        "options": " ".join(case.given(rate)),
        "raw": str(raw),
        "recorded": str(lines),
        "truth": str(truth),
        "targets": targets_of(outcome.ttft, outcome.tpot, (0.5, 0.6, 0.7)[case.seed % 3]),
        "p95": {
            name: round(float(np.quantile(getattr(outcome, name), 0.95)), 2) for name in ("ttft", "tpot")
        },
        **{name: counts.tolist() for name, counts in sent.items()},
        "case": spec,
    }
    told.write_text(json.dumps(entry))
    return entry


def splits(nodes: tuple[int, int]) -> list[tuple[int, int]]:
    """Return all splits of the same nodes, then one more or fewer of each role."""
    p, d = nodes
    others = [(p + 1, d), (p - 1, d), (p, d + 1), (p, d - 1)]
    return [(i, p + d - i) for i in range(1, p + d)] + [pair for pair in others if min(pair) > 0]


def tell(case: Case, entry: dict[str, Any], module: ModuleType) -> None:
    """Write what truly happens to a recording's arrivals otherwise, unless it is there."""
    path = Path(entry["truth"])
    if path.exists():
        return
    found: dict[str, Any] = {}
    for key, more, nodes, held in _otherwise(case, entry):
        runs = []
        for noise in _PD_SEEDS if case.nodes else _SEEDS:
            drawn = "" if held else f"--dispatch-seed {noise}"
            runs.append(_truth(case, module, entry["rate"], f"{more} --noise-seed {noise} {drawn}", nodes))
        for name in ("ttft", "tpot", "e2e"):
            found[f"{key}/{name}"] = np.array([getattr(run, name) for run in runs], np.float32)
        found[f"{key}/domain"] = np.array([run.domain for run in runs], np.int8)
        found[f"{key}/run"] = np.array([[run.run[name] for name in FIGURES] for run in runs])
    found["arrival"] = runs[0].arrival
    part = path.with_name(f"{path.stem}.part.npz")
    np.savez_compressed(part, **found)
    part.rename(path)


def _otherwise(case: Case, entry: dict[str, Any]) -> Iterator[tuple[str, str, Any, bool]]:
    """Yield key, options, nodes of each run, and whether it draws its dispatch as recorded."""
    if case.nodes:
        for nodes in splits(case.nodes):
            yield f"{nodes[0]}p{nodes[1]}d@1", "", nodes, nodes == case.nodes
        for load in case.loads:
            for nodes in splits(case.nodes):
                yield f"{nodes[0]}p{nodes[1]}d@{load}", f"--load {load}", nodes, nodes == case.nodes
        return
    yield "recorded", "", None, True
    for policy in POLICIES:
        more = f"--policy {policy}"
        if policy == "share":
            more += f" --share {' '.join(str(max(count, 0)) for count in entry['share'])}"
        yield policy, more, None, False


def main() -> None:
    """Make all recordings, then their truths."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lab", type=Path, required=True)
    parser.add_argument("--half", nargs="*", choices=_HALVES, default=_HALVES)
    parser.add_argument("--only", nargs="*", metavar="NAME")
    asked = parser.parse_args()
    module = load_lab(asked.lab)
    for name in ("raw", "truth"):
        (asked.folder / name).mkdir(parents=True, exist_ok=True)
    made = []
    for half in asked.half:
        for case in (*mixed_cases(half), *split_cases(half, module)):
            if not asked.only or case.name in asked.only:
                made.append((case, record(case, asked.folder, module)))
                print(_line(made[-1][1]), flush=True)
                (asked.folder / "runs.json").write_text(json.dumps([entry for _, entry in made], indent=1))
    for case, entry in made:
        tell(case, entry, module)
        print(f"{case.name} told", flush=True)


def _line(entry: dict[str, Any]) -> str:
    nodes = "{}p{}d ".format(*entry["nodes"]) if entry["nodes"] else ""
    return (
        f"{entry['name']:<28} {nodes}{entry['requests']:>5} at {entry['rate']:>6}/s, p95 ttft"
        f" {entry['p95']['ttft']}, tpot {entry['p95']['tpot']}; {entry['targets']}; {entry['share']}"
    )


if __name__ == "__main__":
    main()
