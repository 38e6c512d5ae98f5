"""The parts of every request's latency, from a profile's rounds, forward passes, hand-offs and clocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import polars as pl

from lbtui.analysis.latency_parts import PARTS_SCHEMA, Ints, Lives, Rounds, latency_parts
from lbtui.findings.evidence import Evidence
from lbtui.findings.latency.traced import LIVES_SCHEMA, Untraced, passes_in, skewed_hosts, traced
from lbtui.profile import attempted
from lbtui.text import _
from lbtui.thresholds import Thresholds


@dataclass(frozen=True)
class Latency:
    """The parts of the requests whose life is recorded from its begin to its end.

    `lives` has request, row (in the frame `requests`), begin, first (token; null where unknown) and end (µs
    since 1970), and `lead` (µs from `begin` to its arrival); `parts` has the columns of `PARTS_SCHEMA`. `cut`
    requests lack their begin or end, of `unplaced` no round is known; `skewed` are hosts whose clocks differ;
    clocks of hosts that step together differ by `corrected` ms, which is taken out; `absent` says why there
    are no parts.
    """

    lives: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=LIVES_SCHEMA))
    parts: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=PARTS_SCHEMA))
    cut: int = 0
    unplaced: int = 0
    skewed: tuple[str, ...] = ()
    corrected: float = 0.0
    absent: str = ""


def latency_of(evidence: Evidence, limits: Thresholds) -> Latency:
    """Return where the time of each request went. Raises `Cancelled` when the evidence's progress does.

    Where rounds cannot be read, the rest is still worth seeing: it is told why there are no parts.
    """
    look = partial(latency_in, evidence, limits)
    latency, failure = attempted(_("where the time went"), look, Latency())
    return latency if failure is None else Latency(absent=failure.text)


def latency_in(evidence: Evidence, limits: Thresholds) -> Latency:
    """Return what `latency_of` does; a failure is raised."""
    try:
        found = traced(evidence)
    except Untraced as error:
        return Latency(cut=error.cut, absent=str(error))
    lives, members = found.lives, found.members
    skewed = skewed_hosts(evidence, limits)
    cuts = Lives(
        lives["begin"].to_numpy(),
        lives["first"].fill_null(-1).to_numpy(),
        lives["end"].to_numpy(),
        members.select("request", "round"),
        found.told.taken.with_columns(pl.col("time").cast(pl.Int64)),
        found.told.pulls.with_columns(pl.col("start", "end").cast(pl.Int64)),
    )
    parts = latency_parts(cuts, _rounds(evidence, found.rounds, found.ahead), skewed)
    unplaced = found.whole.height - members["request"].n_unique()
    cut = evidence.frame("requests").height - found.whole.height
    ahead = found.ahead.values()
    corrected = (max(ahead) - min(ahead)) / 1000 if ahead else 0.0
    return Latency(lives, parts, cut, unplaced, tuple(skewed), corrected)


def _rounds(evidence: Evidence, frame: pl.DataFrame, ahead: Mapping[str, int]) -> Rounds:
    places = sorted({*frame["domain"].unique(), *(domain.key for domain in evidence.domains)})
    code = {key: number for number, key in enumerate(places)}
    by = pl.col("domain").replace_strict(ahead, default=0, return_dtype=pl.Int64)
    hosts = {domain.key: domain.host for domain in evidence.domains}
    passes = passes_in(evidence, frame)
    known = (
        frame.join(passes, on="round", how="left", maintain_order="left")
        .with_columns(
            pl.col("forward_start", "forward_end") - by,
            domain=pl.col("domain").replace_strict(code, return_dtype=pl.Int64),
            start=pl.col("start").cast(pl.Int64) - by,
            end=pl.max_horizontal(pl.col("start"), pl.col("end")).cast(pl.Int64) - by,
            prefills=pl.col("phase").cast(pl.String).replace_strict({"prefill": 1, "decode": 0}, default=-1),
        )
        .with_columns(
            forward_start=pl.coalesce("forward_start", "start"), forward_end=pl.coalesce("forward_end", "end")
        )
    )
    lock = _locks(evidence, known, code, ahead)

    def of(frame: pl.DataFrame, name: str) -> Ints:
        found: Ints = frame[name].cast(pl.Int64).to_numpy()
        return found

    return Rounds(
        places=tuple(places),
        hosts=tuple(hosts.get(key, "") for key in places),
        ahead=np.array([ahead.get(key, 0) for key in places], dtype=np.int64),
        domain=of(known, "domain"),
        start=of(known, "start"),
        end=of(known, "end"),
        forward_start=of(known, "forward_start"),
        forward_end=of(known, "forward_end"),
        prefills=of(known, "prefills"),
        lock_end=of(lock, "lock_end"),
        waited_for=of(lock, "waited_for"),
        waits_inside=lock["inside"].to_numpy(),
        coupled=lock["coupled"].to_numpy(),
        decoders=np.array([evidence.roles.get(key) == "decode" for key in places], dtype=bool),
    )


def _locks(
    evidence: Evidence, known: pl.DataFrame, code: Mapping[str, int], ahead: Mapping[str, int]
) -> pl.DataFrame:
    """Return `lock_end`, `waited_for`, `inside` and `coupled` of each round, as `Rounds` has them."""
    accounts = evidence.accounts
    inside = {key: own.round_end is not None and own.tails is None for key, own in accounts.items()}
    coupled = {key: own.coupled for key, own in accounts.items()}
    offset = {
        code[domain.key]: evidence.clock_offsets.get(domain.instance, {}).get(domain.host, 0)
        - ahead.get(domain.key, 0)
        for domain in evidence.domains
    }
    instance = pl.col("instance").cast(pl.String)
    done = pl.col("given") - pl.col("domain").replace_strict(offset, default=0, return_dtype=pl.Int64)
    waits = (
        known.with_columns(
            inside=instance.replace_strict(inside, default=False, return_dtype=pl.Boolean),
            coupled=instance.replace_strict(coupled, default=False, return_dtype=pl.Boolean),
        )
        .with_columns(given=pl.when("inside").then("forward_end").otherwise("end"))
        .with_columns(done=done)
        .with_columns(
            last=pl.col("done").max().over("group"),
            waited=pl.col("domain").sort_by("done", "domain").last().over("group"),
            several=pl.col("domain").n_unique().over("group") > 1,
        )
    )
    common = pl.col("group").is_not_null() & pl.col("several")
    late = common & (pl.col("last") > pl.col("done"))
    return waits.select(
        "inside",
        lock_end=pl.when(late).then(pl.col("given") + pl.col("last") - pl.col("done")).otherwise(-1),
        waited_for=pl.when(late).then("waited").otherwise(-1),
        coupled=pl.col("coupled") & common,
    )
