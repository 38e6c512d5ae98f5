"""Compare what a replay of a recording tells of other routing and other P:D ratios with what truly happens.

    python -m tests.bench.replay_truth RUNS.json [--only NAME …] [--truth] [--misses N]

RUNS.json is of `service_cases`. Truth is the mean over its noise seeds, on the same arrivals. Told of each
half (`set`, `unseen`), of recordings whose self-test holds; the others are named:

- of pairs of policies that truly differ by over 5 % in p95 TTFT, goodput or p95 TPOT, how many the replay
  ranks right, beside what the one best order of policies for all these recordings does; then without
  session-sticky routing, whose clients no recording names;
- of how many policies p95 TTFT is told within 20 %;
- how many 90 % intervals of the difference to the recorded routing hold the true difference;
- of how many P/D recordings the ratio chosen keeps 95 % of the best one's goodput per node, beside keeping
  the recorded one.

Then what was missed, the worst first. `--truth` prints what can be told without a replay.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lbtui.analysis.replay.asked import Difference
from lbtui.analysis.replay.figures import FigureName
from lbtui.findings.replay.what_if import Prepared, prepared, ratio_answer_of, routing_of
from lbtui.sources import open_profile
from lbtui.thresholds import Thresholds
from tests.bench.replay_scores import (
    Pair,
    Told,
    Values,
    covered,
    fixed_order,
    kept,
    off,
    ranked,
    share,
    unlike,
)
from tests.bench.service_cases import FIGURES
from tests.bench.table import tell

MEASURES = ("ttft", "goodput", "tpot")  # latencies are the p95
_NAMED = {"ttft": "p95 TTFT", "goodput": "goodput", "tpot": "p95 TPOT"}
_FIGURES: dict[str, FigureName] = {"ttft": "ttft_p95", "goodput": "goodput", "tpot": "tpot_p95"}
_OPTIONS = {"round_robin": "rr"}  # as the lab names them, where lbtui does otherwise
_RIGHT = {"ttft": 0.95, "goodput": 0.9, "tpot": 0.9}
_NEAR, _NEAR_SHARE = 0.2, 0.8
_HELD = (0.85, 0.95)
_CHOSEN_SHARE = 0.9
_MOST_FAILING = 0.2
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


def pairs_of(truths: Iterable[dict[str, Values]], measure: str, without: str = "") -> list[tuple[str, str]]:
    """Return the pairs of policies that truly differ, of all recordings."""
    return [
        pair
        for truth in truths
        for pair in unlike({o: v for o, v in truth[measure].items() if o != without}, measure, _DIFFERS)
    ]


def tell_truth(runs: Iterable[dict[str, Any]]) -> None:
    """Print what any replay is up against."""
    runs = list(runs)
    truths = [truth_of(run) for run in runs if run["kind"] == "mixed"]
    for measure in MEASURES:
        pairs = pairs_of(truths, measure)
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


@dataclass
class Half:
    """What is scored of a half, and what was missed, each with its weight for the order."""

    truths: list[dict[str, Values]] = field(default_factory=list)
    pairs: dict[str, list[Pair]] = field(default_factory=lambda: {measure: [] for measure in MEASURES})
    near: list[bool] = field(default_factory=list)
    offs: dict[str, dict[str, list[float]]] = field(default_factory=lambda: {m: {} for m in MEASURES})
    held: dict[str, list[bool]] = field(default_factory=lambda: {measure: [] for measure in MEASURES})
    held_within: list[bool] = field(default_factory=list)  # of policies that are not warned of
    held_per_node: list[bool] = field(default_factory=list)
    chosen: dict[str, list[bool]] = field(default_factory=dict)  # by load
    stayed: dict[str, list[bool]] = field(default_factory=dict)  # had the recorded ratio been kept
    beside: list[bool] = field(default_factory=list)  # of all shapes, those with a node more or fewer too
    tried: int = 0
    failing: list[str] = field(default_factory=list)
    misses: list[tuple[float, str]] = field(default_factory=list)

    def missed(self, weight: float, told: str) -> None:
        self.misses.append((abs(weight), told))

    def routing(
        self,
        run: dict[str, Any],
        truth: dict[str, Values],
        told: Mapping[str, Told],
        beyond: frozenset[str] = frozenset(),
    ) -> None:
        """Score what a replay tells of the policies; those `beyond` what was recorded it warns of."""
        self.truths.append(truth)
        for measure in MEASURES:
            true, own = truth[measure], told[measure]
            for option, far in off(true, own.values).items():
                self.offs[measure].setdefault(option, []).append(far)
            for pair in ranked(true, own.values, measure, _DIFFERS):
                self.pairs[measure].append(pair)
                if not pair.right:
                    both = " against ".join(
                        f"{option} {own.values[option]:.4g} (truly {true[option]:.4g})"
                        for option in (pair.better, pair.worse)
                    )
                    apart = true[pair.better] / true[pair.worse] - 1
                    self.missed(apart, f"{run['name']} ranks by {_NAMED[measure]} {both}")
            for option, holds in covered(true, own).items():
                self.held[measure].append(holds)
                if option not in beyond:
                    self.held_within.append(holds)
                if not holds:
                    low, high = own.differences[option]
                    really = true[option] - true["recorded"]
                    far = max(low - really, really - high) / true["recorded"]
                    text = f"{low:+.4g} to {high:+.4g}, truly {really:+.4g} of {true['recorded']:.4g}"
                    self.missed(far, f"{run['name']} {option} {_NAMED[measure]} interval {text}")
        for option, far in off(truth["ttft"], told["ttft"].values).items():
            self.near.append(abs(far) <= _NEAR)
            if abs(far) > _NEAR:
                self.missed(far, f"{run['name']} {option} p95 TTFT {far:+.0%} of {truth['ttft'][option]:.4g}")

    def ratio(self, run: dict[str, Any], truth: dict[str, Values], made: Prepared) -> None:
        """Score what a replay tells of the splits."""
        found = ratio_answer_of(made).ratio
        if found is None:
            return
        recorded, total = "{}p{}d".format(*run["nodes"]), sum(run["nodes"])
        for load, values in per_node(truth["goodput"]).items():
            same = of_same_nodes(values, total)
            best = found.leading(float(load))
            chosen = recorded if best is None else f"{best.shape.prefill}p{best.shape.decode}d"
            own = {f"{row.shape.prefill}p{row.shape.decode}d": row for row in found.at(float(load))}
            self.chosen.setdefault(load, []).append(kept(same, chosen) >= _KEPT)
            self.stayed.setdefault(load, []).append(kept(same, recorded) >= _KEPT)
            if not self.chosen[load][-1]:
                true = ", ".join(
                    f"{split} {own[split].per_node if split in own else float('nan'):.2f} ({value:.2f})"
                    for split, value in same.items()
                )
                self.missed(
                    1 - kept(same, chosen), f"{run['name']}@{load} recorded {recorded} chose {chosen}: {true}"
                )
            if load != "1":
                continue
            top = next((split for split in own if split in values), recorded)
            self.beside.append(kept(values, top) >= _KEPT)
            told = {split: row.difference for split, row in own.items() if row.difference is not None}
            held = covered({**values, "recorded": values[recorded]}, Told({}, _intervals(told)))
            self.held_per_node += [holds for split, holds in held.items() if split != recorded]

    def tell(self, half: str, misses: int) -> None:
        """Print the rows of a half."""
        for measure in MEASURES:
            for without in ("", "sticky"):
                pairs = [pair for pair in self.pairs[measure] if without not in (pair.better, pair.worse)]
                order = f"{fixed_order(pairs_of(self.truths, measure, without))[1]:.1%}"
                name = f"{half}: pairs ranked right by {_NAMED[measure]}{' without sticky' * bool(without)}"
                _tell_share(name, [pair.right for pair in pairs], (_RIGHT[measure], 1), order)
        _tell_share(f"{half}: p95 TTFT within 20 %", self.near, (_NEAR_SHARE, 1))
        every = [flag for flags in self.held.values() for flag in flags]
        within = ("all that are not beyond what was recorded", self.held_within)
        for name, flags in (
            ("all", every),
            within,
            *self.held.items(),
            ("goodput a node", self.held_per_node),
        ):
            _tell_share(f"{half}: intervals hold, {_NAMED.get(name, name)}", flags, _HELD)
        for load, flags in self.chosen.items():
            row = f"{half}: P:D ratio within 5 % of the best, load × {load}"
            _tell_share(row, flags, (_CHOSEN_SHARE, 1), f"{share(self.stayed[load]):.0%}")
        _tell_share(f"{half}: the same with a node more or fewer", self.beside, (0, 1))
        fails = [True] * len(self.failing) + [False] * (self.tried - len(self.failing))
        _tell_share(f"{half}: self-tests that fail", fails, (0, _MOST_FAILING))
        for measure in MEASURES:
            told = (
                f"{option} {np.median(offs):+.1%} ({np.quantile(np.abs(offs), 0.9):.0%})"
                for option, offs in self.offs[measure].items()
            )
            print(f"  {_NAMED[measure]} off by, the median (and 90 % within): {', '.join(told)}")
        for told in self.failing:
            print(f"  fails: {told}")
        for _, told in sorted(self.misses, reverse=True)[:misses]:
            print(f"  missed: {told}")


def _tell_share(row: str, flags: list[bool], asked: tuple[float, float], other: str = "") -> None:
    """Print a row on how many are so, which is to be between what is asked; none without any."""
    if flags:
        low, high = asked
        held = share(flags)
        target = " to ".join(f"{end:.0%}" for end in asked)
        tell(row, target, f"{held:.1%} of {len(flags)}", other, low <= held <= high)


def _intervals(told: Mapping[str, Difference]) -> dict[str, tuple[float, float]]:
    return {option: (found.low, found.high) for option, found in told.items()}


def told_of(made: Prepared) -> tuple[dict[str, Told], frozenset[str]]:
    """Return what a replay tells of the policies, by measure, and which are beyond what was recorded."""
    found = routing_of(made)
    rows = {_OPTIONS.get(row.policy, row.policy): row.answer for row in found.rows}
    beyond = frozenset(_OPTIONS.get(row.policy, row.policy) for row in found.rows if found.beyond(row))
    return {
        measure: Told(
            {option: answer.figures[figure] for option, answer in rows.items()},
            _intervals({option: answer.differences[figure] for option, answer in rows.items()}),
        )
        for measure, figure in _FIGURES.items()
    }, beyond


def failing(made: Prepared) -> str:
    """Return which figures of a self-test fail, or why there is none."""
    if made.test is None:
        return made.absent or "no self-test"
    return ", ".join(
        f"{row.name} {row.replayed:.4g} ({row.low:.4g} to {row.high:.4g}), recorded {row.recorded:.4g}"
        for row in made.test.failing
    )


def judge(runs: Iterable[dict[str, Any]]) -> Half:
    """Replay the recordings of a half and score them."""
    half = Half()
    for run in runs:
        begun = time.perf_counter()
        targets = tuple((name, run["targets"][name]) for name in ("ttft", "tpot"))
        made = prepared(open_profile(Path(run["raw"])), Thresholds(targets=targets))
        half.tried += 1
        if not made.holds:
            half.failing.append(f"{run['name']}: {failing(made)}")
        elif run["kind"] == "pd":
            half.ratio(run, truth_of(run), made)
        else:
            half.routing(run, truth_of(run), *told_of(made))
        lasted = time.perf_counter() - begun
        print(
            f"{run['name']} {'held' if made.holds else 'fails'}, {lasted:.1f} s", file=sys.stderr, flush=True
        )
    return half


def main() -> None:
    """Print the tables of the recordings that are asked for, all by default."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("runs", type=Path)
    parser.add_argument("--only", nargs="*", metavar="NAME", help="names, or what they begin with")
    parser.add_argument("--truth", action="store_true")
    parser.add_argument("--misses", type=int, default=40)
    asked = parser.parse_args()
    runs = [run for run in json.loads(asked.runs.read_text()) if Path(run["truth"]).exists()]
    if asked.only:
        runs = [run for run in runs if run["name"].startswith(tuple(asked.only))]
    for name in dict.fromkeys(run["half"] for run in runs):
        own = [run for run in runs if run["half"] == name]
        if asked.truth:
            print(f"== {name}")
            tell_truth(own)
        elif own:
            half = judge(own)
            print("\n| | target | measured | one order, or as recorded | |\n|---|---|---|---|---|")
            half.tell(name, asked.misses)


if __name__ == "__main__":
    sys.exit(main())
