"""How often EPLB's three sentences are right on loads whose gain and price are known.

    python -m tests.bench.eplb_price [EACH] [--only KIND] [--realdata FOLDER]

Every kind of `tests/bench/eplb_loads.py` EACH times (default 14), half of them to set thresholds by, half
unseen; a row a kind, then every miss with its numbers, and how often intervals hold the truth. `--realdata`
adds what the ESFT loads of that folder give; DeepSeek's worked example is always there.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np

from lbtui.analysis.eplb.peaks import Table, fullest_in_use, loads_of
from lbtui.analysis.eplb.policies import hierarchical_placement
from lbtui.analysis.eplb.price import Evidence, Service, Verdict, Worth, evidence_for, known_of, verdict
from lbtui.analysis.eplb.recommended import recommended
from lbtui.analysis.eplb.recorded import recorded
from lbtui.analysis.eplb.what_if import Settings, curve, start_settings, what_if
from lbtui.profile import ExpertSeries
from lbtui.thresholds import Offer
from tests.analysis.eplb.made import series
from tests.bench.eplb_loads import (
    WORTH,
    WORTH_TIME,
    Shape,
    cases,
    in_order,
    recording,
    skewed,
    wavering,
)


def answered(
    one: ExpertSeries, service: Service, offer: Offer, redundant: int | None = None
) -> tuple[Evidence, Verdict]:
    """Return what the product says of so many redundant experts, or those that it recommends."""
    data = recorded([one])
    settings = start_settings(data)
    if redundant is None:
        point = recommended(curve(data, settings))
        redundant = settings.redundant if point is None else point.redundant
    asked = Settings("global", redundant, settings.ranks)
    asked = replace(asked, expert_mib=offer.expert_mib, link_gbps=offer.link_gbps)
    about = known_of([one], data, service, Worth(WORTH, WORTH_TIME))
    known = evidence_for(about, what_if(data, asked))
    return known, verdict(known)


def told(known: Evidence, said: Verdict) -> str:
    """Return the numbers that a sentence rests on."""
    if known.gain is None:
        return said.reason
    gain = known.judged(known.gain)
    after = known.break_even
    return (
        f"{said.reason}; gain {gain.value:.4f} ({gain.low:.4f} to {gain.high:.4f}), "
        f"break-even {'–' if after is None else f'{after:.1f} s'}, kept {known.kept}, "
        f"looked at {known.looked_at}, R {known.settings.redundant}, {[a.kind for a in known.artificial]}, "
        f"anew {[(a.window, round(n.value, 4), round(n.low, 4)) for a in known.anew if (n := known.net(a))]}"
    )


def by_kind(each: int, only: str) -> bool:
    """Print the table and the misses; return whether enough of the unseen are right."""
    right: dict[str, Counter[str]] = defaultdict(Counter)
    misses, begun = [], time.process_time()
    for case in cases(each, only):
        known, said = answered(case.series, case.service, case.offer, case.redundant)
        half = "set" if case.seed % 2 == 0 else "unseen"
        right[case.kind][f"{half} of"] += 1
        right[case.kind][f"is {case.truth}"] += 1
        if said.sentence == case.truth:
            right[case.kind][half] += 1
        else:
            where = f"{half} {case.kind} {case.seed}"
            misses.append(f"{where}: is {case.truth!r}, said {said.sentence!r}: {told(known, said)}")
    print("| load | to set | unseen | right sentence |\n|---|---|---|---|")
    whole: Counter[str] = Counter()
    for kind, count in right.items():
        whole += count
        truths = ", ".join(name[3:] for name in count if name.startswith("is "))
        halves = [f"{count[half]}/{count[f'{half} of']}" for half in ("set", "unseen")]
        print(f"| {kind} | {halves[0]} | {halves[1]} | {truths} |")
    share = whole["unseen"] / max(1, whole["unseen of"])
    unseen = f"{whole['unseen']}/{whole['unseen of']} ({100 * share:.1f} %)"
    print(f"| all | {whole['set']}/{whole['set of']} | {unseen} | |")
    print(f"\n{len(misses)} misses; {time.process_time() - begun:.0f} s of CPU")
    print("\n".join(misses))
    return share >= 0.95


def intervals(recordings: int = 60) -> None:
    """Print how often the gain's 95 % interval holds the gain of the same table over a long time after."""
    print("\n| iterations | heat's autocorrelation | intervals that hold the truth |\n|---|---|---|")
    for iterations, keep in ((128, 0.0), (128, 0.5), (256, 0.9)):
        held = 0
        for seed in range(recordings):
            rng = np.random.default_rng((seed, iterations, int(10 * keep)))
            one = Shape(8, 32, 8, iterations, 800.0, 0.1, 8)
            base = skewed(one, rng, 0.5)
            recorded_one = recording(one, rng, wavering(base, rng, iterations, 0.5, keep), [in_order(one)])
            data = recorded([recorded_one])
            found = what_if(data, Settings("global", one.redundant, one.ranks))
            known = evidence_for(known_of([recorded_one], data, Service(), Worth(WORTH, WORTH_TIME)), found)
            later = recording(one, rng, wavering(base, rng, 300, 0.5, 0.0), [in_order(one)])
            every = np.arange(300)
            loads = loads_of(later, every, data.experts)
            table = Table(np.searchsorted(data.experts, found.placement), one.ranks)
            before = fullest_in_use(later, every, data.experts, loads).sum()
            truth = 1 - loads.of_fullest(every, table).sum() / before
            held += known.gain is not None and known.gain.time.low <= truth <= known.gain.time.high
        print(f"| {iterations} | {keep} | {held}/{recordings} |")


def worked_example() -> bool:
    """Print whether DeepSeek's README example is placed as published."""
    weights = np.array(
        [
            [90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86],
            [20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27],
        ]
    )
    published = [
        [5, 6, 5, 7, 8, 4, 3, 4, 10, 9, 10, 2, 0, 1, 11, 1],
        [7, 10, 6, 8, 6, 11, 8, 9, 2, 4, 5, 1, 5, 0, 3, 1],
    ]
    placed = hierarchical_placement(weights, slots=16, ranks=8, nodes=2, groups=4)
    same = bool(placed.tolist() == published)
    print(f"DeepSeek's README example: {'as published' if same else placed.tolist()}")
    return same


def esft(folder: Path) -> bool:
    """Print what the ESFT loads give: their published PAR, held-out figures, and the sentence."""
    tokens = np.load(folder / "esft_dsv2lite_intent_counts_seq_layer_expert.npy")
    one = series(tokens, 8, placements=[np.tile(np.arange(64), (26, 1))])
    loads = tokens.sum(axis=0, dtype=np.int64).reshape(26, 8, 8).sum(axis=2)
    pars = loads.max(axis=1) / loads.mean(axis=1)
    print(f"ESFT: PAR {pars.mean():.3f} (mean over layers), {pars.max():.3f} (max)")
    for offer in (Offer(),):
        known, said = answered(one, Service(), offer)
        print(f"ESFT: {said.sentence}: {told(known, said)}")
    return f"{pars.mean():.3f} {pars.max():.3f}" == "1.441 1.731"


def main() -> None:
    """Print all; exit with 1 where something is not right."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("each", type=int, nargs="?", default=14)
    parser.add_argument("--only", default="")
    parser.add_argument("--realdata", type=Path)
    options = parser.parse_args()
    good = by_kind(options.each, options.only)
    if not options.only:
        intervals()
        good &= worked_example()
    if options.realdata is not None:
        good &= esft(options.realdata)
    sys.exit(not good)


if __name__ == "__main__":
    main()
