"""Make the profiles that `findings` judges: runs of the lab's simulators, with a fault or with none.

    python -m tests.bench.finding_cases FOLDER --lab LAB --parser CHECKOUT [--python PYTHON] [--only NAME …]

LAB holds the simulators, CHECKOUT is upstream's parser, PYTHON an interpreter that both run with. Of each
case FOLDER/<name>/ then has `raw/`, `out/` and `truth.json`; what is there is kept. A name ends with its
half: of both the faults are the same and the seeds are others; settings are chosen on half 0 alone.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

_Fault = dict[str, Any]


class Run(NamedTuple):
    """What is simulated, and what should be found: `expected` and `may` as in `findings`."""

    script: str
    options: str
    expected: tuple[_Fault, ...] = ()
    may: tuple[str, ...] = ()


class Case(NamedTuple):
    """A run of a seed."""

    name: str
    run: Run
    seed: int


_MINDIE = "--dp 6 --hosts node-a node-b --duration 15 --rate 20"
_VLLM = "--flavour vllm --dp 4 --duration 15 --rate 16"
_PD = "--p-nodes 2 --d-nodes 2 --dp 4 --duration 15 --rate 14"
# One host for all: profiler.db names none for what experts are counted by.
_EP = (
    "--dp 2 --duration 4 --rate 6 --ep-hosts node-0 --ep-ranks 8 --experts-per-rank 9 --layers 8 "
    "--eplb-iters 6"
)
_FEW = "--dp 3 --n 150"
_EVEN_EP = f"{_EP} --expert-alpha 300"
# Of a domain that has more to do: it holds more, and what is sent to it waits.
_LOAD = ["dp.batch_size.skew", "dp.queue.skew", "dp.tokens.skew", "kv.skew", "kv.exhausted"]
_SLOW = ["dp.straggler", "dp.bubble.long"]


def _of_domain(ids: list[str], rank: int, **more: Any) -> tuple[_Fault, ...]:
    return ({"id": ids, "dp_rank": rank, **more},)


def _domains(base: str) -> dict[str, Run]:
    """Return the faults of DP domains, by name."""
    may = (*_LOAD, *_SLOW)
    return {
        "even": Run("make_raw", base),
        "slow": Run("make_raw", f"{base} --fault slow:rank=2,f=1.5", _of_domain(_SLOW, 2), may),
        "gap": Run("make_raw", f"{base} --fault gap:rank=1,ms=15", _of_domain(_SLOW, 1), may),
        "send": Run("make_raw", f"{base} --fault send:rank=3,f=2.5", _of_domain(_LOAD, 3), may),
        "hog": Run("make_raw", f"{base} --fault hog:rank=0,f=3", _of_domain(_LOAD, 0), may),
        "pool": Run(
            "make_raw",
            f"{base} --fault-kv-rank 1 --kv-out-factor 0.02",
            _of_domain(["kv.exhausted", "kv.skew"], 1),
            may,
        ),
        "dead": Run(
            "make_raw",
            f"{base} --fault dead:rank=2,a=8",
            _of_domain(["dp.stalled", "dp.idle"], 2),
            may,
        ),
    }


def _nodes() -> dict[str, Run]:
    """Return the faults of prefill and decode apart, by name."""
    may = ("pd.ratio", *_LOAD, *_SLOW, "dp.idle")
    sent = ({"id": "pd.node.skew", "role": "prefill", "address": "10.20.0.12:1025"},)
    died = ({"id": ["pd.node.stalled", "pd.node.skew"], "role": "prefill"},)
    pulls = ({"id": "pd.transfer.slow"},)
    return {
        "even": Run("make_raw", _PD, may=("pd.ratio",)),
        "pnode": Run("make_raw", f"{_PD} --fault pnode:p=1,f=2.5", sent, may),
        "deadp": Run("make_raw", f"{_PD} --fault deadp:p=0,a=7", died, may),
        "pull": Run("make_raw", f"{_PD} --fault pull:rank=1,f=8", pulls, may),
        "send": Run(
            "make_raw",
            f"{_PD} --fault send:rank=2,f=2.5",
            _of_domain(_LOAD, 2, role="decode"),
            (*may, "pd.node.skew"),
        ),
    }


def _experts() -> dict[str, Run]:
    """Return the faults of expert parallelism, by name."""
    may = ("ep.skew", "ep.rank.hot", "ep.expert.hot", "ep.expert.more", "ep.rank.slow", "ep.heat.moves")
    may = (*may, "ep.eplb.ineffective")
    return {
        "even": Run("make_raw", _EVEN_EP),
        "expert": Run(
            "make_raw", f"{_EVEN_EP} --hot-expert *:5:8", ({"id": "ep.expert.hot", "expert": 5},), may
        ),
        "rank": Run("make_raw", f"{_EVEN_EP} --hot-rank 3:1.7", ({"id": ["ep.rank.hot", "ep.skew"]},), may),
        "skew": Run("make_raw", _EP, ({"id": ["ep.skew", "ep.rank.hot", "ep.expert.hot"]},), may),
        "worse": Run(
            "make_raw",
            f"{_EP} --eplb-periods 2 --eplb-mode worse",
            ({"id": ["ep.eplb.worse", "ep.eplb.ineffective", "ep.skew"]},),
            (*may, "ep.eplb.worse"),
        ),
        "slow": Run(
            "make_raw",
            f"{_EVEN_EP} --layers 16 --mspti-iters 8 --fault epslow:rank=4,f=1.6",
            ({"id": "ep.rank.slow", "rank": 4},),
            may,
        ),
    }


def _runs() -> dict[str, Run]:
    """Return every run, by the names of its service and its fault."""
    clock = ({"id": "data.clock.skew"},)
    found = {f"mindie_{name}": run for name, run in _domains(_MINDIE).items()}
    found["mindie_clock"] = Run(
        "make_raw", f"{_MINDIE} --fault clock:host=node-b,ms=400", clock, tuple(_SLOW)
    )
    of_vllm = _domains(_VLLM)
    found |= {f"vllm_{name}": of_vllm[name] for name in ("even", "slow", "send", "pool", "dead")}
    found |= {f"pd_{name}": run for name, run in _nodes().items()}
    found |= {f"ep_{name}": run for name, run in _experts().items()}
    # SGLang's schedulers name no rank.
    first: dict[str, _Fault] = {"make_sglang": {"pid": 20010}, "make_vllm_v1": {"dp_rank": 0}}
    for script, subject in first.items():
        engine, may = script.removeprefix("make_"), (*_LOAD, *_SLOW, "dp.idle", "dp.stalled")
        found[f"{engine}_even"] = Run(script, f"{_FEW} --skew 0.333")
        found[f"{engine}_send"] = Run(script, f"{_FEW} --skew 0.6", ({"id": _LOAD, **subject},), may)
    return found


def cases() -> Iterator[Case]:
    """Yield every case, each of a seed of its own."""
    for number, (name, run) in enumerate(_runs().items()):
        for half in (0, 1):
            yield Case(f"{name}_{half}", run, 5000 + 1000 * half + number)


def make(case: Case, folder: Path, asked: argparse.Namespace) -> None:
    """Simulate and parse a case into `folder`; one that was left half made is made anew."""
    if (folder / "truth.json").exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    raw, out = folder / "raw", folder / "out"
    out.mkdir(parents=True)
    simulator = [asked.python, asked.lab / f"{case.run.script}.py", "--out", raw, "--seed", case.seed]
    _run([*simulator, *case.run.options.split()], asked.lab)
    parser = [asked.python, "-m", "ms_service_profiler.parse", "--format", "csv", "db"]
    _run([*parser, "--input-path", raw, "--output-path", out], asked.parser)
    even = not case.run.expected
    truth = {"name": case.name, "expected": case.run.expected, "may": case.run.may, "even": even}
    (folder / "truth.json").write_text(json.dumps(truth, indent=1))


def _run(command: list[Any], where: Path) -> None:
    done = subprocess.run(
        [str(word) for word in command], cwd=where, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{command[1]}: {(done.stderr or done.stdout)[-2000:]}")


def _folder(text: str) -> Path:
    return Path(text).resolve()


def main() -> None:
    """Make the cases that are asked for, all by default."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=_folder)
    parser.add_argument("--lab", type=_folder, required=True)
    parser.add_argument("--parser", type=_folder, required=True)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--only", nargs="*", metavar="NAME")
    asked = parser.parse_args()
    for case in cases():
        if not asked.only or case.name in asked.only:
            make(case, asked.folder / case.name, asked)
            print(case.name, flush=True)


if __name__ == "__main__":
    main()
