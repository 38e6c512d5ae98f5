"""Which DP domain runs each scheduling round of a batch table that names no process.

The parser of CANN 8.x left prof_id out. A round encloses a forward pass of its own size on the cards of its
domain (a grouping row comes just before one), and a request stays on one domain, but for a hand-off from P to
D: of the domains that fit a round, the right one also fits the rounds of its requests before or after.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

_NEAR = 8  # rounds of a request, before or after, that bear witness
_CLEAR = 1.25  # the right domain must fit so many times as well as any other
_DOUBT = 0.5  # and its requests must be on it at least so well as on any other
_MOVING = 0.01  # share of the requests on several domains that is no chance
_BASE = 0.05  # what the fit of a round says by itself
_LONGEST_DISPATCH = 50_000  # µs from a grouping row to its forward pass
_SLACK = 50  # µs between two processes' clocks
_COARSE = 1000  # µs: the parser of CANN 8.3 floors the times of rounds to ms

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class _Passes:
    """The forward passes of one domain's first card, by start; µs, size -1 where unknown."""

    start: Integers
    end: Integers
    size: Integers


def owners_of_rounds(rounds: pl.DataFrame, forward: pl.DataFrame, owners: pl.DataFrame) -> pl.DataFrame:
    """Return `row`, `prof_id` and `end` of the rounds whose domain is sure.

    The process is the domain's first card, the end that of the round, and where all are grouping rows that of
    the forward pass it comes before. `rounds` have row, start, end, batch_size, the list `request_id` and
    `executed` (False: a grouping row), `forward` is the raw table and `owners` the frame of the owners of its
    cards.
    """
    leaders = _leaders(forward, owners)
    rounds = rounds.sort("start", "row")
    if not leaders or rounds.is_empty():
        return pl.DataFrame(schema={"row": pl.Int64, "prof_id": pl.String, "end": pl.Datetime("us")})
    executed = rounds.filter("executed")
    told = executed if executed.height else rounds
    domain, ends = _assign(told, list(leaders.values()))
    processes = [*leaders, None]
    names = [processes[place] for place in domain.tolist()]
    found = told.select(
        "row",
        prof_id=pl.Series(names, dtype=pl.String),
        end=pl.col("end") if executed.height else pl.Series(ends).cast(pl.Datetime("us")),
    ).drop_nulls("prof_id")
    return pl.concat([found, _of_grouping(rounds.filter(~pl.col("executed")), executed, found)])


def _leaders(forward: pl.DataFrame, owners: pl.DataFrame) -> dict[str, _Passes]:
    """Return the passes of the first card of each domain, by its prof_id."""
    firsts = owners.drop_nulls("domain").sort("prof_id").unique("domain", keep="first", maintain_order=True)
    cards = forward.join(firsts.select("prof_id"), on="prof_id", how="semi").sort("start")
    return {
        str(key[0]): _Passes(
            part["start"].cast(pl.Int64).to_numpy(),
            part["end"].cast(pl.Int64).to_numpy(),
            part["batch_size"].fill_null(-1).cast(pl.Int64).to_numpy(),
        )
        for key, part in cards.partition_by("prof_id", as_dict=True, maintain_order=True).items()
    }


def _assign(rounds: pl.DataFrame, leaders: list[_Passes]) -> tuple[Integers, Integers]:
    """Return the place among `leaders` of the domain of each round, -1 where none is sure; and when the pass
    of the round ends.
    """
    pairs = [_fit(rounds, passes) for passes in leaders]
    fits, passes_at = (np.column_stack(columns) for columns in zip(*pairs, strict=True))
    domain = np.full(rounds.height, -1, np.int64)
    entries = _Entries(rounds)
    _spread(fits, passes_at, domain, lambda: entries.nearby(fits))
    if not entries.move(domain):
        # No hand-offs: the other rounds of a request tell of each by themselves.
        _spread(fits, passes_at, domain, lambda: entries.nearby(fits, itself=False))
    ends = np.zeros(rounds.height, np.int64)
    for place, passes in enumerate(leaders):
        of = domain == place
        ends[of] = passes.end[passes_at[of, place]]
    return domain, ends


def _spread(fits: Floats, passes_at: Integers, domain: Integers, witness: Callable[[], Floats]) -> None:
    """Enter the domain of each round that is sure; these bear witness for the others, until no more are."""
    places = np.arange(len(domain))
    new = np.ones(len(domain), dtype=bool)
    while new.any():
        near = witness()
        score = fits * (_BASE + near)
        best = score.argmax(axis=1)
        most = score[places, best]
        score[places, best] = 0
        sure = (most > 0) & (most >= _CLEAR * score.max(axis=1))
        new = sure & (near[places, best] >= _DOUBT * near.max(axis=1)) & (domain < 0)
        domain[new] = best[new]
        others = np.ones_like(fits, dtype=bool)
        others[places, best] = False
        fits[others & new[:, None]] = 0
        # A pass is run by one round.
        for column in range(fits.shape[1]):
            taken = passes_at[new & (domain == column), column]
            fits[np.isin(passes_at[:, column], taken) & (domain != column), column] = 0


def _fit(rounds: pl.DataFrame, passes: _Passes) -> tuple[Floats, Integers]:
    """Return how well each round fits a pass of the domain, from 0 to 1, and the place of that pass."""
    start, end = (rounds[name].cast(pl.Int64).to_numpy() for name in ("start", "end"))
    size = rounds["batch_size"].fill_null(-1).cast(pl.Int64).to_numpy()
    coarse = _COARSE if not (start % _COARSE).any() else 0
    executed = bool(rounds["executed"].all())
    at = np.searchsorted(passes.start, start - _SLACK)
    inside = at < len(passes.start)
    at = np.minimum(at, len(passes.start) - 1)
    same = inside & (passes.size[at] == size)
    if executed:
        encloses = passes.end[at] <= end + coarse + _SLACK
        length = (passes.end[at] - passes.start[at]) / np.maximum(end + coarse - start, 1)
        return np.where(same & encloses, length.clip(0.01, 1), 0.0), at
    gap = (passes.start[at] - end).clip(0)
    return np.where(same & (gap < _LONGEST_DISPATCH), 1 - gap / _LONGEST_DISPATCH, 0.0), at


class _Entries:
    """The requests of rounds: one entry per round and request, by request and time."""

    def __init__(self, rounds: pl.DataFrame) -> None:
        listed = rounds.select("request_id", round=pl.int_range(pl.len())).explode("request_id")
        self._entries = listed.drop_nulls("request_id").sort("request_id", "round", maintain_order=True)
        self._rounds = rounds.height

    def nearby(self, fits: Floats, *, itself: bool = True) -> Floats:
        """Return how well the requests of each round fit each domain in their rounds nearby, 0 to 1.

        With the round `itself` among them, or without.
        """
        found = np.zeros_like(fits)
        if self._entries.is_empty():
            return found
        round_of = self._entries["round"].to_numpy()
        counts = np.maximum(np.bincount(round_of, minlength=self._rounds), 1)
        before, after = (
            fit.shift(0 if itself else 1).rolling_mean(_NEAR, min_samples=1)
            for fit in (pl.col("fit"), pl.col("fit").reverse())
        )
        best = pl.max_horizontal(before.over("request_id"), after.reverse().over("request_id"))
        for column in range(fits.shape[1]):
            known = self._entries.with_columns(fit=pl.Series(fits[round_of, column]))
            near = known.select(best.fill_null(0)).to_series().to_numpy()
            found[:, column] = np.bincount(round_of, near, self._rounds) / counts
        return found

    def move(self, domain: Integers) -> bool:
        """Tell whether requests go from one domain to another, as from P to D, by what is sure."""
        of_round = pl.Series("domain", domain[self._entries["round"].to_numpy()])
        domains = (
            self._entries.with_columns(of_round)
            .filter(pl.col("domain") >= 0)
            .group_by("request_id")
            .agg(pl.col("domain").n_unique())["domain"]
        )
        return bool((domains > 1).sum() > _MOVING * len(domains))


def _of_grouping(grouping: pl.DataFrame, executed: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """Return what is found of grouping rows: the owner of the execution of the same requests."""
    if executed.is_empty() or grouping.is_empty():
        return found.clear()
    owned = executed.join(found.drop("end"), on="row").select("start", "prof_id", _requests())
    return (
        grouping.select("row", "start", "end", _requests())
        .join_asof(owned.sort("start"), on="start", by="requests", strategy="forward", check_sortedness=False)
        .drop_nulls("prof_id")
        .select("row", "prof_id", "end")
    )


def _requests() -> pl.Expr:
    return pl.col("request_id").list.join(" ").fill_null("").alias("requests")


def owners_of_queues(queues: pl.DataFrame, service: pl.DataFrame) -> Iterator[tuple[str, int, str]]:
    """Yield host, pid and domain of the processes whose running requests are those of one domain.

    `queues` are raw rows of request_status, `service` has one row per request and domain with `first` and
    `last`, the start of its first and last round there. A process that fits several domains, or a domain
    that fits several, is left out.
    """
    known = queues.drop_nulls("running").sort("time")
    processes = known.partition_by("host", "pid", as_dict=True, maintain_order=True)
    domains = service["domain"].unique().sort().to_list()
    share = np.zeros((len(processes), len(domains)))
    for column, domain in enumerate(domains):
        served = service.filter(pl.col("domain") == domain)
        first, last = (np.sort(served[name].cast(pl.Int64).to_numpy()) for name in ("first", "last"))
        for row, samples in enumerate(processes.values()):
            time = samples["time"].cast(pl.Int64).to_numpy()
            running = samples["running"].to_numpy()
            alive = np.searchsorted(first, time, side="right") - np.searchsorted(last, time, side="left")
            told = (running > 0) | (alive > 0)
            share[row, column] = float((np.abs(alive - running)[told] <= 1).mean()) if told.any() else 0.0
    for row, (host, pid) in enumerate(processes):
        column = int(share[row].argmax()) if len(domains) else -1
        if (
            column >= 0
            and _stands_out(share[row])
            and _stands_out(share[:, column])
            and (int(share[:, column].argmax()) == row)
        ):
            yield str(host), int(pid), domains[column]


def _stands_out(shares: NDArray[Any]) -> bool:
    *others, most = np.sort(shares).tolist()
    return most >= 0.5 and (not others or most >= others[-1] + 0.15)
