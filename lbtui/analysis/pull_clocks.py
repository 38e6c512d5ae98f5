"""How far the clocks of P and D hosts are apart, told by KV pulls that start before their prefill ended.

A pull starts on the decode host some ms after its prefill ended on the prefill host. Each of the two times
is by its own host's clock, so the wait between them is off by the difference of the clocks: below 0, which
cannot be, or alike for all pulls of a host, where a queue would differ from pull to pull.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import polars as pl

Side: TypeAlias = Literal["decode", "prefill"]

_FEWEST = 5  # pulls of a pair
_ORDER = -1.0  # ms; times are cut to 1 ms, so a pull may start that much before its prefill ended
# A shift is that of a clock where the middle 90 % of the waits differ by no more than this share of it; where
# no pair has a short wait to compare with, it must be long and still more alike.
_ALIKE = 0.25
_ALONE_ALIKE, _ALONE_MS = 0.01, 100.0
_CUT = 2.0  # ms that cutting both times to 1 ms adds to the differences


@dataclass(frozen=True)
class ClockShift:
    """The clock of `host` on a side is `ms` ahead of the others' (below 0: behind).

    `at_least`: no other pair tells what the wait is by itself. `pulls` is how many tell so.
    """

    side: Side
    host: str
    ms: float
    pulls: int
    at_least: bool


@dataclass(frozen=True)
class _Pair:
    decode: str
    prefill: str
    middle: float
    shift: float  # ms; 0 where the pair is in order
    pulls: int


def clock_shifts(waits: pl.DataFrame, least: float) -> list[ClockShift]:
    """Return the hosts whose clocks differ by more than `least` ms, the fewest that explain all.

    `waits` has a row per pull: decode_side, prefill_side (which host), wait (ms). A host differs if it
    does so with all hosts of the other side; if one host a side is all there is, it is the decode host.
    """
    cells = (
        waits.drop_nulls(["decode_side", "prefill_side", "wait"])
        .group_by("decode_side", "prefill_side")
        .agg(
            pulls=pl.len(),
            middle=pl.col("wait").median(),
            spread=pl.col("wait").quantile(0.95) - pl.col("wait").quantile(0.05),
        )
        .filter(pl.col("pulls") >= _FEWEST)
        .sort("decode_side", "prefill_side")
    )
    in_order = cells.filter(pl.col("middle") >= _ORDER)["middle"].to_list()
    usual = max(min(in_order), 0.0) if in_order else 0.0
    # Where all waits are long there is no pair to tell how long a wait is by itself.
    compared = bool(in_order) and (usual <= least or len(in_order) < cells.height)
    pairs = []
    for decode, prefill, pulls, middle, spread in cells.rows():
        shift = middle - usual
        if middle >= -least:
            apart = shift > least and spread <= _ALIKE * shift + _CUT
            alone = not compared and middle >= _ALONE_MS and spread <= _ALONE_ALIKE * middle + _CUT
            shift = shift if apart else middle if alone else 0.0
        pairs.append(_Pair(decode, prefill, middle, shift, pulls))
    return _explained(pairs, at_least=not in_order or not compared)


def _explained(pairs: list[_Pair], *, at_least: bool) -> list[ClockShift]:
    """Cover the pairs that are off by hosts all of whose pairs are, most pairs first."""
    left = [pair for pair in pairs if pair.shift]
    found: list[ClockShift] = []
    while left:
        groups: dict[tuple[Side, str], list[_Pair]] = {}
        for pair in pairs:
            groups.setdefault(("decode", pair.decode), []).append(pair)
            groups.setdefault(("prefill", pair.prefill), []).append(pair)
        whole = {
            k: [p for p in group if p in left] for k, group in groups.items() if all(p.shift for p in group)
        }
        # A pair that is off while neither of its hosts is: its decode host, which is one of fewer pulls.
        whole = {k: own for k, own in whole.items() if own} or {("decode", left[0].decode): [left[0]]}
        (side, host), own = max(whole.items(), key=lambda item: (len(item[1]), item[0][0] == "decode"))
        shifts = sorted(pair.shift for pair in own)
        ms = shifts[len(shifts) // 2]
        found.append(
            ClockShift(side, host, ms if side == "decode" else -ms, sum(p.pulls for p in own), at_least)
        )
        left = [pair for pair in left if pair not in own]
    return found


def without_shifts(waits: pl.DataFrame, shifts: list[ClockShift]) -> pl.DataFrame:
    """Return the pulls with `wait` less what the clocks add to it."""
    for shift in shifts:
        own = pl.col(f"{shift.side}_side") == shift.host
        change = shift.ms if shift.side == "decode" else -shift.ms
        waits = waits.with_columns(
            wait=pl.when(own.fill_null(False)).then(pl.col("wait") - change).otherwise(pl.col("wait"))
        )
    return waits
