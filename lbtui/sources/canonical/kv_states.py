"""Whose the KV readings of SGLang's kvcache.csv are, which names neither process nor request.

A scheduler reads its pool inside each grouping round (`allocate`), and once after each execution (`free`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lbtui.sources.steps.owners import Owners
from lbtui.sources.steps.recorded import EXECUTION, GROUPING

_INSIDE, _AFTER = "allocate", "free"


def of_rounds(events: pl.DataFrame, rounds: pl.DataFrame, owners: Owners) -> pl.DataFrame:
    """Return the readings among the raw `events` of kvcache, by time, with the `domain` whose each is.

    Null where a reading may be of no domain or of several. `rounds` is the raw table batch.
    """
    of_pools = events.filter(pl.col("name").is_in([_INSIDE, _AFTER]))
    readings = of_pools.sort("time", "name", "free_blocks", "row")
    time = readings["time"].cast(pl.Int64).to_numpy()
    frees = np.flatnonzero((readings["name"] == _AFTER).to_numpy())
    found, several = np.full(len(time), -1), np.zeros(len(time), bool)
    domains: list[str | None] = []
    for domain, groupings, executions in _rounds_of_domains(rounds, owners):
        own = _inside(time, *groupings)
        own[frees] = False
        own[frees[_first_after(time[frees], executions[1], groupings[0])]] = True
        several |= own & (found >= 0)
        found[own] = len(domains)
        domains.append(domain)
    places = np.where((found < 0) | several, len(domains), found)
    names = pl.Series("domain", [*domains, None], dtype=pl.String)
    return readings.with_columns(names.gather(pl.Series(places)))


_Times = tuple[NDArray[Any], NDArray[Any]]  # starts and ends, by start, µs


def _rounds_of_domains(rounds: pl.DataFrame, owners: Owners) -> Iterator[tuple[str, _Times, _Times]]:
    """Yield each domain with its grouping rounds and its executions; ranks of a domain have the same ones."""
    owned = rounds.join(owners.frame.select("prof_id", "domain"), on="prof_id").drop_nulls("domain")
    for (domain,), own in owned.partition_by("domain", as_dict=True).items():
        kinds = (own.filter(pl.col("name").is_in(names)).sort("start") for names in (GROUPING, EXECUTION))
        starts, ends = zip(
            *([kind[name].cast(pl.Int64).to_numpy() for name in ("start", "end")] for kind in kinds),
            strict=True,
        )
        yield str(domain), (starts[0], ends[0]), (starts[1], ends[1])


def _inside(time: NDArray[Any], starts: NDArray[Any], ends: NDArray[Any]) -> NDArray[np.bool_]:
    if not len(starts):
        return np.zeros(len(time), bool)
    at = np.searchsorted(starts, time, side="right") - 1
    return (at >= 0) & (time <= np.maximum.accumulate(ends)[at])


def _first_after(time: NDArray[Any], ends: NDArray[Any], following: NDArray[Any]) -> NDArray[np.int64]:
    """Return the places in `time` of the first after each execution's end and before the next grouping."""
    if not len(time) or not len(ends):
        return np.zeros(0, np.int64)
    first = np.searchsorted(time, ends)
    nexts = np.append(following, np.iinfo(np.int64).max)[np.searchsorted(following, ends)]
    kept = first < len(time)
    kept[kept] &= time[first[kept]] < nexts[kept]
    return np.unique(first[kept])
