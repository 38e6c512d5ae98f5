"""Compare the parts of each request's latency with what the simulator tells of them.

    python -m tests.bench.latency_truth RUNS.json [--only NAME …] [--from raw db csv] [--worst N]

RUNS.json is of `latency_cases`. Of each run, read from each of the sources:

- whether the parts of a request sum to its life, to its time up to the first token;
- per part: over how many requests, of those where it truly takes a ms or more, its median relative error,
  the same up to the first token, the share of its time that is said of the right domain, and what is said
  of requests that have less than a ms of it;
- with `--worst`, the requests whose parts are furthest off, with both accounts.

Then of each run with a delay: the part and domain that grew most against its twin, by lbtui and in truth, and
how far each term of the change of TTFT, TPOT and latency (mean, p95) is off, as a share of the change.

What a file cannot tell apart is compared as a sum: the hand-off, and with waits inside the forward pass all
that happens in one.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from lbtui.findings.latency.run import latency_of
from lbtui.findings.run import evidence_of
from lbtui.sources import open_profile
from lbtui.thresholds import Thresholds
from tests.bench.request_truth import grown, read_truth

_SOURCES = ("raw", "db", "csv")
_HAND_OFF = ("handoff_wait", "pull", "first_decode_wait")
_IN_FORWARD = ("prefill", "decode", "lockstep", "held_by_prefills")
_LEAST = 1000.0  # µs
_NOT_FAR = 0.05

Parts = dict[tuple[str, str], tuple[float, float]]  # (part, domain): µs up to the first token, µs


class Told(NamedTuple):
    """One request: its parts, µs to the first token and to its end, and its tokens where they are known."""

    parts: Parts
    first: float
    end: float
    tokens: int = 0


def parts_of(path: Path) -> pl.DataFrame:
    """Return lbtui's account: request_id, part, place (host/dp of the domain, or null), before, total; µs."""
    profile = open_profile(path)
    evidence = evidence_of(profile)
    told = latency_of(evidence, Thresholds())
    if told.absent:
        print(f"  {path}: {told.absent}")
    ids = evidence.frame("requests").with_row_index("row").select("row", "request_id")
    of = told.lives.select("request", "row").join(ids, on="row").select("request", "request_id")
    places = {domain.key: f"{domain.host}/dp{domain.dp_rank}" for domain in evidence.domains}
    return told.parts.join(of, on="request").select(
        "request_id",
        pl.col("part").cast(pl.String),
        pl.col("place").replace(places),
        "before",
        "total",
    )


def told_by_lbtui(path: Path) -> dict[str, Told]:
    """Return lbtui's account, by request id."""
    found: dict[str, Parts] = defaultdict(dict)
    for rid, part, place, before, total in parts_of(path).iter_rows():
        found[rid][part, place or ""] = (before, total)
    return {
        rid: Told(parts, sum(v[0] for v in parts.values()), sum(v[1] for v in parts.values()))
        for rid, parts in found.items()
    }


def told_in_truth(path: Path) -> dict[str, Told]:
    """Return the simulator's account, by request id."""
    found = {}
    for one in read_truth(path):
        parts = {
            (part, f"{host}/dp{rank}" if host else ""): (before, before + after)
            for part, host, rank, _role, before, after in one["parts"]
        }
        first, end = ((one[name] - one["begin"]) / 1000 for name in ("first", "end"))
        found[one["rid"]] = Told(parts, first, end, int(one["tokens"]))
    return found


def folded(own: Parts, other: Parts) -> tuple[Parts, Parts]:
    """Return both with the parts joined that one of them does not tell apart."""
    names = {part for part, _ in (*own, *other)}
    joined: dict[str, str] = {}
    if "handoff" in names:
        joined |= dict.fromkeys(_HAND_OFF, "handoff")
    if "compute_or_lockstep" in names:
        joined |= dict.fromkeys(_IN_FORWARD, "compute_or_lockstep")
    return _joined(own, joined), _joined(other, joined)


def _joined(parts: Parts, joined: dict[str, str]) -> Parts:
    sums: Parts = {}
    for (part, place), (before, total) in parts.items():
        key = (joined.get(part, part), place)
        kept = sums.get(key, (0.0, 0.0))
        sums[key] = (kept[0] + before, kept[1] + total)
    return sums


def by_part(parts: Parts, column: int = 1) -> dict[str, float]:
    """Return the µs of each part: all of it, or (column 0) up to the first token."""
    sums: dict[str, float] = defaultdict(float)
    for (part, _place), values in parts.items():
        sums[part] += values[column]
    return sums


class Error(NamedTuple):
    """One part of one request."""

    run: str
    source: str
    rid: str
    part: str
    true: float
    own: float
    true_before: float
    own_before: float
    placed: float  # µs that are said of the right domain

    @property
    def relative(self) -> float:
        return abs(self.own - self.true) / max(self.true, 1e-9)


def errors(run: str, source: str, own: dict[str, Told], truth: dict[str, Told]) -> list[Error]:
    """Return every part of every request that both tell of."""
    found = []
    for rid in sorted(own.keys() & truth.keys()):
        mine, true = folded(own[rid].parts, truth[rid].parts)
        sums = [by_part(parts, column) for parts in (true, mine) for column in (1, 0)]
        for part in sorted({part for part, _ in (*mine, *true)}):
            values = [found_in.get(part, 0.0) for found_in in sums]
            placed = sum(
                min(value[1], mine.get(key, (0.0, 0.0))[1]) for key, value in true.items() if key[0] == part
            )
            found.append(Error(run, source, rid, part, values[0], values[2], values[1], values[3], placed))
    return found


def table(found: Iterable[Error]) -> str:
    """Return the errors of each part as rows of text."""
    lines = [
        f"{'part':<20} {'n':>6} {'median':>7} {'p95':>7} {'bias':>7} {'n(1st)':>7} {'median':>7} {'place':>6}"
        f" {'none, yet said':>20}"
    ]
    of: dict[str, list[Error]] = defaultdict(list)
    for error in found:
        of[error.part].append(error)
    for part, all_of in of.items():
        long = [error for error in all_of if error.true >= _LEAST]
        first = [error for error in all_of if error.true_before >= _LEAST]
        none = [
            error.own / 1000 for error in all_of if error.true < _LEAST and error.own > error.true + _LEAST
        ]
        early = [abs(error.own_before - error.true_before) / error.true_before for error in first]
        true = sum(error.true for error in long)
        bias = (sum(error.own for error in long) - true) / true if true else 0.0
        placed = sum(error.placed for error in long) / true if true else 0.0
        median = _quantile([error.relative for error in long], 0.5)
        bad = "  <-- over 5 %" if long and median > _NOT_FAR else ""
        lines.append(
            f"{part:<20} {len(long):>6} {median:>7.1%} {_quantile([e.relative for e in long], 0.95):>7.1%}"
            f" {bias:>+7.1%} {len(first):>7} {_quantile(early, 0.5):>7.1%} {placed:>6.1%}"
            f" {f'{len(none)}, {sum(none):.0f} ms' if none else '':>20}{bad}"
        )
    return "\n".join(lines)


def _quantile(values: list[float], share: float) -> float:
    return float(pl.Series(values, dtype=pl.Float64).quantile(share, "linear") or 0.0)


def sums_off(own: dict[str, Told], truth: dict[str, Told]) -> str:
    """Return how exact sums are: requests whose end or first token is more than 1 µs off, and the most."""
    both = own.keys() & truth.keys()
    end = [abs(own[rid].end - truth[rid].end) for rid in both]
    first = [abs(own[rid].first - truth[rid].first) for rid in both]
    told = f"{len(both)} requests"
    if len(both) < len(truth) or len(own) > len(both):
        told += f" ({len(truth) - len(both)} missing, {len(own) - len(both)} unknown)"
    for name, off in (("end", end), ("first", first)):
        over = sum(value > 1.001 for value in off)
        told += f", {name} off by over 1 µs: {over}, at most {max(off, default=0.0):.1f} µs"
    return told


_Sums = dict[tuple[str, str], float]


def _summed(all_of: dict[str, Told]) -> _Sums:
    sums: _Sums = defaultdict(float)
    for told in all_of.values():
        for key, (_before, total) in told.parts.items():
            sums[key] += total / 1000
    return sums


_MEASURES = ("ttft", "tpot", "latency")


def _value(told: Told, measure: str, tokens: int) -> float:
    if measure == "ttft":
        return told.first
    return told.end if measure == "latency" else (told.end - told.first) / max(tokens - 1, 1)


def _terms(all_of: dict[str, Told], tokens: dict[str, int], measure: str, p95: bool) -> dict[str, float]:
    """Return the mean µs of each part in a measure, over all requests or those around its p95."""
    values = {rid: _value(told, measure, tokens[rid]) for rid, told in all_of.items() if rid in tokens}
    if p95:
        low, high = (_quantile(list(values.values()), share) for share in (0.925, 0.975))
        values = {rid: value for rid, value in values.items() if low <= value <= high}
    sums: dict[str, float] = defaultdict(float)
    for rid in values:
        for part, ms in _measured(all_of[rid], measure, tokens[rid]).items():
            sums[part] += ms / len(values)
    return sums


def _measured(told: Told, measure: str, tokens: int) -> dict[str, float]:
    early, whole = by_part(told.parts, 0), by_part(told.parts)
    if measure == "ttft":
        return early
    if measure == "latency":
        return whole
    return {part: (whole[part] - early.get(part, 0.0)) / max(tokens - 1, 1) for part in whole}


def waterfall(sides: list[dict[str, Told]], true: list[dict[str, Told]]) -> list[str]:
    """Return of each measure its change, and the term of it that is furthest off; sides are twin, run."""
    lines = []
    for measure in _MEASURES:
        for p95 in (False, True):
            tokens = [{rid: told.tokens for rid, told in side.items()} for side in true]
            usual = sum(_terms(true[0], tokens[0], measure, p95).values())
            own_terms, true_terms = (
                _change([_terms(side, n, measure, p95) for side, n in zip(both, tokens, strict=True)])
                for both in (sides, true)
            )
            mine, real = folded(
                {(part, ""): (0.0, value) for part, value in own_terms.items()},
                {(part, ""): (0.0, value) for part, value in true_terms.items()},
            )
            total = sum(true_terms.values())
            off = {key[0]: mine.get(key, (0, 0.0))[1] - real.get(key, (0, 0.0))[1] for key in {*mine, *real}}
            worst = max(off, key=lambda part: abs(off[part]))
            share = abs(off[worst]) / abs(total) if total else 0.0
            flag = "" if share <= 0.1 else "  <-- over 10 %" if abs(total) > usual * 0.01 else "  (no change)"
            lines.append(
                f"    {measure + (' p95' if p95 else ' mean'):<13} {total / 1000:>+9.2f} ms; worst term"
                f" {worst} off by {off[worst] / 1000:+.2f} ms = {share:.1%}{flag}"
            )
    return lines


def _change(sides: list[dict[str, float]]) -> dict[str, float]:
    before, after = sides
    return {part: after.get(part, 0.0) - before.get(part, 0.0) for part in sorted({*before, *after})}


def _account(told: Told) -> str:
    rows = sorted(told.parts.items(), key=lambda row: -row[1][1])
    return ", ".join(f"{part}@{place or '-'} {total / 1000:.2f}" for (part, place), (_, total) in rows)


def judge(runs: list[dict[str, Any]], sources: list[str], worst: int) -> None:
    """Print the tables."""
    right = dict.fromkeys(sources, 0)
    agreed = dict.fromkeys(sources, 0)
    of_source: dict[str, list[Error]] = defaultdict(list)
    for run in runs:
        for source in sources:
            sides, true = [], []
            for one in (run.get("twin"), run):
                if one:
                    sides.append(told_by_lbtui(Path(one[source])))
                    true.append(told_in_truth(Path(one["truth"])))
            found = errors(run["name"], source, sides[-1], true[-1])
            of_source[source] += found
            print(f"\n== {run['name']} from {source}: {sums_off(sides[-1], true[-1])}")
            print(table(found))
            for error in sorted(found, key=lambda e: -abs(e.own - e.true))[:worst]:
                print(f"  {error.rid} {error.part}: {error.own / 1000:.2f} ms, truly {error.true / 1000:.2f}")
                print(f"    lbtui {_account(sides[-1][error.rid])}")
                print(f"    truth {_account(true[-1][error.rid])}")
            if "twin" in run:
                own, real = (grown(*map(_summed, both))[:2] for both in (sides, true))
                injected = run["injected"]
                is_right = own[0][1] in injected["parts"] and own[0][2] in injected["domains"]
                right[source] += is_right
                agreed[source] += own[0][1:] == real[0][1:]
                print(
                    f"  grew most: {_grown(own)} | truly {_grown(real)} | {'right' if is_right else 'WRONG'}"
                )
                print("\n".join(waterfall(sides, true)), flush=True)
    if len(runs) < 2:
        return
    delays = sum("twin" in run for run in runs)
    for source in sources:
        print(f"\n==== all runs from {source}; injected grew most: {right[source]}/{delays}, ", end="")
        print(f"the same as in truth: {agreed[source]}/{delays}\n{table(of_source[source])}")


def _grown(rows: list[tuple[Any, ...]]) -> str:
    return ", ".join(f"{part}@{place} {ms / 1000:+.2f} s" for ms, part, place in rows)


def main() -> None:
    """Judge the runs that are asked for, all by default."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("runs", type=Path)
    parser.add_argument("--only", nargs="*", metavar="NAME")
    parser.add_argument("--from", nargs="*", dest="sources", default=list(_SOURCES), choices=_SOURCES)
    parser.add_argument("--worst", type=int, default=0)
    asked = parser.parse_args()
    runs = json.loads(asked.runs.read_text())
    judge(
        [run for run in runs if not asked.only or run["name"] in asked.only or run["kind"] in asked.only],
        asked.sources,
        asked.worst,
    )


if __name__ == "__main__":
    sys.exit(main())
