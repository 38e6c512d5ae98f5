"""Compare what a replay of a recording tells of other routing and other P:D ratios with what truly happens.

    python -m tests.bench.replay_truth RUNS.json [--only NAME …] [--truth] [--misses N]

RUNS.json is of `service_cases`. Truth is the mean over its noise seeds, on the same arrivals. Told of each
half (`set`, `unseen`), recordings whose self-test fails apart:

- of pairs of policies that truly differ by over 5 % in p95 TTFT, goodput or p95 TPOT, how many the replay
  ranks right, beside what the one best order of policies for all these recordings does;
- of how many policies p95 TTFT is told within 20 %;
- how many 90 % intervals of the difference to the recorded routing hold the true difference;
- of how many P/D recordings the ratio chosen keeps 95 % of the best one's goodput per node, beside keeping
  the recorded one.

`--truth` prints what can be told without a replay.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.replay_scores import Values, fixed_order, kept, share, unlike
from tests.bench.service_cases import FIGURES

MEASURES = ("ttft", "goodput", "tpot")  # latencies are the p95
_NAMED = {"ttft": "p95 TTFT", "goodput": "goodput", "tpot": "p95 TPOT"}
_DIFFERS = 0.05
_KEPT = 0.95
_FIGURE = {name: k for k, name in enumerate(FIGURES)}


def goodput(ttft: Any, tpot: Any, seconds: Any, targets: Mapping[str, float]) -> Any:
    """Return requests that meet the targets a second, of [seed, request] and [seed]."""
    met = (ttft <= targets["ttft"]) & (tpot <= targets["tpot"])
    return met.sum(axis=1) / seconds


def truth_of(run: dict[str, Any]) -> dict[str, Values]:
    """Return of each measure what each option truly has, the mean over the noise seeds."""
    found: dict[str, dict[str, float]] = {measure: {} for measure in MEASURES}
    with np.load(run["truth"]) as truth:
        for key in truth.files:
            option, _, name = key.partition("/")
            if name != "ttft":
                continue
            ttft, tpot = truth[key], truth[f"{option}/tpot"]
            seconds = truth[f"{option}/run"][:, _FIGURE["seconds"]]
            found["ttft"][option] = float(np.quantile(ttft, 0.95, axis=1).mean())
            found["tpot"][option] = float(np.quantile(tpot, 0.95, axis=1).mean())
            found["goodput"][option] = float(goodput(ttft, tpot, seconds, run["targets"]).mean())
    return found


def per_node(values: Values) -> dict[str, dict[str, float]]:
    """Return values by split as values a node, of each load: {"1": {"3p2d": …}}."""
    found: dict[str, dict[str, float]] = {}
    for key, value in values.items():
        split, _, load = key.partition("@")
        found.setdefault(load, {})[split] = value / sum(nodes_of(split))
    return found


def nodes_of(split: str) -> tuple[int, int]:
    """Return the P and D nodes that "3p2d" says."""
    p, _, d = split.removesuffix("d").partition("p")
    return int(p), int(d)


def of_same_nodes(values: Values, total: int) -> dict[str, float]:
    """Return the splits of so many nodes."""
    return {split: value for split, value in values.items() if sum(nodes_of(split)) == total}


def tell_truth(runs: Iterable[dict[str, Any]]) -> None:
    """Print what any replay is up against."""
    runs = list(runs)
    truths = {run["name"]: truth_of(run) for run in runs if run["kind"] == "mixed"}
    for measure in MEASURES:
        pairs = [pair for truth in truths.values() for pair in unlike(truth[measure], measure, _DIFFERS)]
        order, right = fixed_order(pairs)
        print(
            f"  {_NAMED[measure]:<9} {len(pairs)} pairs differ; the best one order ranks {right:.1%}: {order}"
        )
    keeps = []
    for run in (run for run in runs if run["kind"] == "pd"):
        recorded = "{}p{}d".format(*run["nodes"])
        for load, values in per_node(truth_of(run)["goodput"]).items():
            same = of_same_nodes(values, sum(run["nodes"]))
            keeps.append(kept(same, recorded) >= _KEPT)
            told = ", ".join(f"{split} {value:.2f}" for split, value in values.items())
            print(f"  {run['name']}@{load}: recorded {recorded} keeps {kept(same, recorded):.0%} of {told}")
    print(f"  keeping the recorded ratio is right in {share(keeps):.0%} of {len(keeps)}")


def main() -> None:
    """Print the tables of the recordings that are asked for, all by default."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("runs", type=Path)
    parser.add_argument("--only", nargs="*", metavar="NAME")
    parser.add_argument("--truth", action="store_true")
    asked = parser.parse_args()
    runs = [run for run in json.loads(asked.runs.read_text()) if Path(run["truth"]).exists()]
    if asked.only:
        runs = [run for run in runs if run["name"] in asked.only]
    for half in ("set", "unseen"):
        print(f"== {half}")
        tell_truth(run for run in runs if run["half"] == half)


if __name__ == "__main__":
    sys.exit(main())
