"""Which host a KV pull's decode rank and its source are on, told by what ran there."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from lbtui.analysis.hand_off_waits import hand_off_waits
from lbtui.findings.evidence import Evidence

# A prefill that ends with a step of a host ran there; so many of a source's must, and others' must not.
_ENDS_WITHIN_US = 2_000
_MOST, _OTHERS = 0.5, 0.5


def waits_by_host(evidence: Evidence) -> pl.DataFrame:
    """Return `hand_off_waits` with the columns `decode_side` and `prefill_side`: which host.

    Where that cannot be told, the rank (`rank 3`) or the source as the file has it, "" without one.
    `decode_host` and `prefill_host` are null where it is not a host.
    """
    waits = hand_off_waits(evidence.frame("transfers"), evidence.frame("handoffs"))
    ranks, sources = _hosts_of_ranks(evidence), _hosts_of_sources(evidence, waits)
    known = waits.with_columns(
        decode_host=pl.col("rank").cast(pl.Int64).replace_strict(ranks, default=None, return_dtype=pl.String),
        prefill_host=pl.col("source")
        .fill_null("")
        .replace_strict(sources, default=None, return_dtype=pl.String),
    )
    return known.with_columns(
        decode_side=pl.coalesce("decode_host", pl.format("rank {}", pl.col("rank").fill_null(-1))),
        prefill_side=pl.coalesce("prefill_host", pl.col("source").fill_null("")),
    )


def _hosts_of_ranks(evidence: Evidence) -> dict[int, str]:
    """Return the host of each decode rank that one decode domain alone has."""
    found: dict[int, set[str]] = {}
    for domain in evidence.domains:
        if evidence.roles.get(domain.key) == "decode" and domain.dp_rank is not None:
            found.setdefault(domain.dp_rank, set()).add(domain.host)
    return {rank: hosts.pop() for rank, hosts in found.items() if len(hosts) == 1}


def _hosts_of_sources(evidence: Evidence, waits: pl.DataFrame) -> dict[str, str]:
    """Return the host of each source whose prefills end when steps of that prefill host end.

    Both times are by the clock of that host, so that no skew hides it.
    """
    prefilling = [d for d in evidence.domains if evidence.roles.get(d.key) == "prefill"]
    hosts = sorted({d.host for d in prefilling})
    ends = {
        host: evidence.steps.filter(pl.col("domain").is_in([d.key for d in prefilling if d.host == host]))[
            "end"
        ]
        .drop_nulls()
        .sort()
        .cast(pl.Int64)
        .to_numpy()
        for host in hosts
    }
    found: dict[str, str] = {}
    for (source,), part in waits.with_columns(pl.col("source").fill_null("")).group_by("source"):
        done = part["prefill_done"].cast(pl.Int64).to_numpy()
        shares = sorted(((_share_at(done, ends[host]), host) for host in hosts), reverse=True)
        if shares and shares[0][0] >= _MOST and (len(shares) < 2 or shares[1][0] <= _OTHERS * shares[0][0]):
            found[str(source)] = shares[0][1]
    return found


def _share_at(times: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> float:
    """Return the share of times within 2 ms of the nearest of `ends`, which are sorted."""
    if not len(ends) or not len(times):
        return 0.0
    after = (
        np.searchsorted(ends, times).clip(1, len(ends) - 1) if len(ends) > 1 else np.zeros(len(times), int)
    )
    nearest = np.minimum(np.abs(times - ends[after]), np.abs(times - ends[after - 1]))
    return float((nearest <= _ENDS_WITHIN_US).mean())
