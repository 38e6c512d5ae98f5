"""Where the time of each request went: every instant of its life has one part and one place.

A life is cut at moments in their order: when a scheduler took the request up, when each of its rounds and the
forward pass in it began and ended, when the last domain of a common step was done, when its KV cache was
pulled. A moment that comes before the one ahead of it (clocks of several hosts, rounds that overlap) is moved
there, and none lies outside of the life: so the parts always sum to it exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
import polars as pl

from lbtui.analysis.imbalance import Flags
from lbtui.text import _

PartName: TypeAlias = Literal[
    "prefill_wait",
    "prefill",
    "handoff_wait",
    "pull",
    "first_decode_wait",
    "handoff",
    "decode",
    "compute_or_lockstep",
    "held_by_prefills",
    "lockstep",
    "preempted",
    "gaps",
    "not_recorded",
]
PARTS: tuple[PartName, ...] = get_args(PartName)
PART_LABELS: dict[PartName, str] = {
    "prefill_wait": _("waiting for prefill"),
    "prefill": _("prefill compute"),
    "handoff_wait": _("waiting for hand-off"),
    "pull": _("KV pull"),
    "first_decode_wait": _("waiting for the first decode step"),
    "handoff": _("hand-off, not told apart"),
    "decode": _("decode compute"),
    "compute_or_lockstep": _("compute or lockstep"),
    "held_by_prefills": _("held up by prefills"),
    "lockstep": _("waiting for other domains"),
    "preempted": _("swapped or preempted"),
    "gaps": _("between forward passes"),
    "not_recorded": _("not recorded"),
}
PARTS_SCHEMA = pl.Schema(
    {
        "request": pl.UInt32(),  # place in the frame of requests
        "part": pl.Enum(PARTS),
        "place": pl.String(),  # domain key: of `lockstep` the one waited for; null where none is known
        "before": pl.Int64(),  # µs of it up to the first token; 0 where that is unknown
        "total": pl.Int64(),  # µs
    }
)
Ints: TypeAlias = npt.NDArray[np.int64]
_CODE: dict[PartName, int] = {name: code for code, name in enumerate(PARTS)}
_NONE = -1  # no place, no time
_AT_ONCE = 2_000_000  # rounds of requests: some 500 MB of moments
_PULL_SLACK = 1000  # µs: tables cut the times of pulls to ms
_OVERLAPPING = 0.05  # of the rounds of a domain that begin before the one ahead has ended
# A moment's place in the order of a life: of its round, of the round in between, of its kind.
_KINDS, _MOST_BETWEEN = 16, 1 << 16


@dataclass(frozen=True)
class Rounds:
    """Scheduling rounds of DP domains, those of a domain together and by start; times in µs.

    Times are by the requests' clock, which that of a domain's host is `ahead` of (as its other events are).
    `lock_end` is when the last domain of the common step was done, by this domain's clock, and `waited_for`
    which that was (place in `places`); -1 where the domain did not wait. `waits_inside` tells that the wait
    for others lies inside the round (`StepAccount.tails`), `coupled` that it lies inside the forward pass.
    """

    places: tuple[str, ...]  # domain keys
    hosts: tuple[str, ...]  # of these
    ahead: Ints  # of these
    domain: Ints
    start: Ints
    end: Ints
    forward_start: Ints
    forward_end: Ints
    prefills: Ints  # 1: prefills only, 0: decodes only, -1: both, or unknown
    lock_end: Ints
    waited_for: Ints
    waits_inside: Flags
    coupled: Flags
    decoders: Flags  # domains that take requests over from others

    @cached_property
    def others_before(self) -> Ints:
        """How many of all rounds before each do not only prefill."""
        return np.append(0, np.cumsum(self.prefills != 1))

    @cached_property
    def overlapping(self) -> Flags:
        """Of each domain, whether its rounds overlap (pipelines): missing in one then means nothing."""
        found = np.zeros(len(self.places), dtype=bool)
        same = self.domain[1:] == self.domain[:-1]
        early = same & (self.start[1:] < self.end[:-1])
        counts = np.bincount(self.domain[1:][same], minlength=len(self.places))
        over = np.bincount(self.domain[1:][early], minlength=len(self.places))
        found[:] = over > _OVERLAPPING * np.maximum(counts, 1)
        return found


@dataclass(frozen=True)
class Lives:
    """Requests from `begin` to `end`, µs; `first` (token) is -1 where unknown. Of each by its place:

    `members` has request, round (place in `Rounds`), `taken` request, time (a scheduler took it up), `pulls`
    request, start, end.
    """

    begin: Ints
    first: Ints
    end: Ints
    members: pl.DataFrame
    taken: pl.DataFrame
    pulls: pl.DataFrame


def latency_parts(lives: Lives, rounds: Rounds, skewed: Sequence[str] = ()) -> pl.DataFrame:
    """Return `PARTS_SCHEMA`: the parts of each request's life, which sum to it exactly, in µs.

    `skewed` are hosts whose clocks differ from those they hand requests over with: there the parts of the
    hand-off are joined. Only parts that take time have a row.
    """
    members = lives.members.join(
        pl.DataFrame(
            {"round": np.arange(len(rounds.start)), "begins": rounds.start, "domain": rounds.domain}
        ),
        on="round",
    )
    late = pl.Series(rounds.decoders, dtype=pl.Boolean)
    # A request decodes after its prefill, whatever the clocks say.
    ordered = members.with_columns(decodes=late.gather(members["domain"])).sort(
        "request", "decodes", "begins", "round"
    )
    pulls = lives.pulls.group_by("request").agg(pl.col("start").min(), pl.col("end").max())
    found = [pl.DataFrame(schema=PARTS_SCHEMA)]
    for low, high in _chunks(ordered, rounds, len(lives.begin)):
        part = ordered.filter(pl.col("request").is_between(low, high - 1))
        moments = _Moments(lives, rounds, part, pulls, (low, high))
        found.append(moments.parts(skewed))
    return pl.concat(found)


def _chunks(members: pl.DataFrame, rounds: Rounds, count: int) -> list[tuple[int, int]]:
    """Return ranges of requests that have, and are held up by, so many rounds that these fit into memory."""
    if not count or members.is_empty():
        return [(0, count)] if count else []
    requests, domain, own = (
        members[name].cast(pl.Int64).to_numpy() for name in ("request", "domain", "round")
    )
    same = (requests[1:] == requests[:-1]) & (domain[1:] == domain[:-1])
    after = np.minimum(own[:-1] + 1, own[1:])
    held = same & (rounds.others_before[own[1:]] == rounds.others_before[after])
    absent = np.where(held, np.clip(own[1:] - after, 0, _MOST_BETWEEN), 0)
    weights = np.cumsum(np.append(1, 1 + absent))
    edges = [0]
    for place in np.searchsorted(weights, np.arange(_AT_ONCE, weights[-1], _AT_ONCE), "right"):
        if (edge := int(requests[place])) > edges[-1]:
            edges.append(edge)
    return list(zip(edges, [*edges[1:], count], strict=True))


class _Moments:
    """The moments at which the lives of some requests are cut, each with the part that ends there."""

    def __init__(
        self,
        lives: Lives,
        rounds: Rounds,
        members: pl.DataFrame,
        pulls: pl.DataFrame,
        chosen: tuple[int, int],
    ) -> None:
        self._lives, self._rounds, self._chosen = lives, rounds, chosen
        self._request = members["request"].cast(pl.Int64).to_numpy()
        self._round = members["round"].cast(pl.Int64).to_numpy()
        self._domain = rounds.domain[self._round]
        self._taken = self._last_before_start(lives.taken)
        own = members.select("request").join(pulls, on="request", how="left", maintain_order="left")
        self._pull = tuple(own[name].fill_null(_NONE).to_numpy() for name in ("start", "end"))
        self._rows: list[tuple[Ints, Ints, Ints, Ints]] = []  # order, time, part, place

    def parts(self, skewed: Sequence[str]) -> pl.DataFrame:
        """Return the parts of these requests."""
        first = self._starts(self._request)
        last = np.append(first[1:], True)[: len(first)]
        prefills = self._prefilled(first)
        apart = ~first & np.append(True, self._domain[1:] != self._domain[:-1])[: len(first)]
        decoder = self._rounds.decoders[self._domain]
        begins = (first | apart) & prefills & ~(apart & decoder)
        taken_over = apart & ~begins
        self._add(begins & (self._taken != _NONE), 0, self._taken, "prefill_wait")
        self._add(begins & (self._taken == _NONE), 0, self._start, "prefill_wait")
        self._add(first & ~begins, 0, self._start, "not_recorded", np.full(len(first), _NONE))
        self._hand_over(taken_over, skewed)
        self._between(~first & ~apart)
        self._inside(prefills, ~last & ~np.append(apart[1:], True)[: len(first)])
        return self._summed()

    @property
    def _start(self) -> Ints:
        begins: Ints = self._rounds.start[self._round]
        return begins

    @staticmethod
    def _starts(groups: Ints) -> Flags:
        return np.append(True, groups[1:] != groups[:-1])[: len(groups)]

    def _last_before_start(self, taken: pl.DataFrame) -> Ints:
        """Return when the request of each row was last taken up before its round began."""
        ahead = self._rounds.ahead[self._domain]
        rows = pl.DataFrame({"request": self._request, "time": self._start + ahead}).with_row_index()
        told = taken.select(pl.col("request").cast(pl.Int64), "time", taken="time").sort("time")
        found = rows.sort("time").join_asof(told, on="time", by="request", check_sortedness=False)
        last = found.sort("index")["taken"].fill_null(_NONE).to_numpy()
        return np.where(last == _NONE, last, last - ahead)

    def _prefilled(self, first: Flags) -> Flags:
        """Return whether the request is prefilled in each of its rounds.

        In one that prefills and decodes it is until its first token is there: the round that makes it ends
        about then, as some files have it to the ms, and none after it is half done.
        """
        middle = (self._rounds.start[self._round] + self._rounds.end[self._round]) // 2
        kind = self._rounds.prefills[self._round]
        token = self._lives.first[self._request]
        until = (token != _NONE) & (middle <= token)
        found: Flags = (kind == 1) | ((kind == -1) & (first | until))
        return found

    def _add(
        self, chosen: Flags, kind: int, times: Ints, part: PartName | Ints, places: Ints | None = None
    ) -> None:
        """Cut the lives at `times` of the `chosen` rows: what ends there is the part, at the places."""
        at = np.flatnonzero(chosen)
        order = (at * _MOST_BETWEEN + _MOST_BETWEEN - 1) * _KINDS + kind
        codes = np.full(len(at), _CODE[part]) if isinstance(part, str) else part[at]
        self._rows.append((order, times[at], codes, (self._domain if places is None else places)[at]))

    def _hand_over(self, chosen: Flags, skewed: Sequence[str]) -> None:
        """Cut the hand-off of a request from one domain to another, by its KV pull where that fits."""
        rounds, (begin, end) = self._rounds, self._pull
        off = np.isin(np.array(rounds.hosts, dtype=object), list(skewed))[self._domain]
        before = np.append(_NONE, rounds.end[self._round[:-1]])[: len(chosen)]
        off |= np.append(False, off[:-1])[: len(off)]
        fits = chosen & ~off & (begin >= before - _PULL_SLACK) & (end <= self._start + _PULL_SLACK)
        self._add(fits, 0, begin, "handoff_wait")
        self._add(fits, 1, end, "pull")
        self._add(fits, 2, self._start, "first_decode_wait")
        self._add(chosen & ~fits, 2, self._start, "handoff")

    def _between(self, chosen: Flags) -> None:
        """Cut what lies between two rounds of a request on one domain, by the rounds that it was not in."""
        rounds, own = self._rounds, self._round
        previous = np.append(0, own[:-1])[: len(own)]
        others = rounds.others_before[own] - rounds.others_before[np.minimum(previous + 1, own)]
        absent = np.where(chosen, own - previous - 1, 0)
        missed = chosen & (absent > 0) & (others > 0) & ~rounds.overlapping[self._domain]
        self._add(missed, 2, self._start, "preempted")
        held = chosen & (absent > 0) & (others == 0)
        self._hold(np.flatnonzero(held), previous, absent)

    def _hold(self, at: Ints, previous: Ints, absent: Ints) -> None:
        """Cut by the prefills of other requests, which a request waits for."""
        counts = np.minimum(absent[at], _MOST_BETWEEN - 2)
        row = np.repeat(at, counts)
        place = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
        rounds, of = self._rounds, previous[row] + 1 + place
        order = (row * _MOST_BETWEEN + place) * _KINDS
        domain = self._domain[row]
        gaps = np.full(len(row), _CODE["gaps"])
        held = np.full(len(row), _CODE["held_by_prefills"])
        self._rows.append((order, rounds.forward_start[of], gaps, domain))
        self._rows.append((order + 1, rounds.forward_end[of], held, domain))
        self._wait(order, of, rounds.lock_end[of] != _NONE, rounds.forward_start[of + 1])

    def _inside(self, prefills: Flags, waits: Flags) -> None:
        """Cut by the rounds of a request themselves, and by the wait for other domains inside or after each.

        That after a round counts where the request `waits` there for its next.
        """
        rounds, own = self._rounds, self._round
        everywhere = np.ones(len(own), dtype=bool)
        self._add(everywhere, 4, rounds.forward_start[own], "gaps")
        compute = np.where(prefills, _CODE["prefill"], _CODE["decode"])
        compute = np.where(rounds.coupled[own], _CODE["compute_or_lockstep"], compute)
        self._add(everywhere, 5, rounds.forward_end[own], compute)
        order = (np.arange(len(own)) * _MOST_BETWEEN + _MOST_BETWEEN - 1) * _KINDS + 4
        waits = (waits | rounds.waits_inside[own]) & (rounds.lock_end[own] != _NONE)
        self._wait(order, own, waits, self._next_passes())

    def _next_passes(self) -> Ints:
        """Return when the forward pass begins that follows each round of a request on the same domain."""
        rounds, own, none = self._rounds, self._round, np.iinfo(np.int64).max
        after = np.append(own[1:], 0)[: len(own)]
        same = (self._request[1:] == self._request[:-1]) & (self._domain[1:] == self._domain[:-1])
        between = rounds.others_before[after] - rounds.others_before[np.minimum(own + 1, after)]
        # Where it is held up, that of the round which holds it up.
        next_ = np.where(between == 0, np.minimum(own + 1, after), after)
        return np.where(np.append(same, False)[: len(own)], rounds.forward_start[next_], none)

    def _wait(self, order: Ints, of: Ints, waits: Flags, until: Ints) -> None:
        """Cut by the end of the rounds `of` and of the wait for others, if that lies after it or inside.

        Where rounds overlap, neither is longer than `until` the next forward pass.
        """
        rounds = self._rounds
        gaps = np.full(len(of), _CODE["gaps"])
        self._rows.append((order + 3, np.minimum(rounds.end[of], until), gaps, rounds.domain[of]))
        at = np.flatnonzero(waits)
        kind = np.where(rounds.waits_inside[of[at]], 2, 4)
        lockstep = np.full(len(at), _CODE["lockstep"])
        over = rounds.overlapping[rounds.domain[of[at]]]
        lock = rounds.lock_end[of[at]]
        lock = np.where(over, np.minimum(lock, until[at]), lock)
        self._rows.append((order[at] + kind, lock, lockstep, rounds.waited_for[of[at]]))

    def _summed(self) -> pl.DataFrame:
        order, time, part, place = (np.concatenate(column) for column in zip(*self._rows, strict=True))
        request = self._request[order // (_MOST_BETWEEN * _KINDS)]
        low, high = self._chosen
        ends = np.arange(low, high)
        lives = self._lives
        rows = pl.DataFrame(
            {
                "request": np.concatenate([request, ends]),
                "order": np.concatenate([order, np.full(len(ends), np.iinfo(np.int64).max)]),
                "time": np.concatenate([time, lives.end[ends]]),
                "part": np.concatenate([part, np.full(len(ends), _CODE["not_recorded"])]),
                "place": np.concatenate([place, np.full(len(ends), _NONE)]),
            }
        ).sort("request", "order")
        of = rows["request"].to_numpy()
        begin, end, first = lives.begin[of], lives.end[of], lives.first[of]
        clipped = pl.Series("time", np.clip(rows["time"].to_numpy(), begin, end))
        until = rows.with_columns(clipped).select(pl.col("time").cum_max().over("request"))["time"].to_numpy()
        since = np.where(self._starts(of), begin, np.append(0, until[:-1])[: len(until)])
        before = np.where(first == _NONE, 0, np.clip(np.minimum(until, first) - since, 0, None))
        timed = rows.select("request", "part", "place").with_columns(
            before=pl.Series(before), total=pl.Series(until - since)
        )
        sums = timed.filter(pl.col("total") > 0).group_by("request", "part", "place").sum()
        names = pl.Series(["", *self._rounds.places], dtype=pl.String)
        where = names.gather(sums["place"] + 1)
        parts = pl.Series(PARTS, dtype=pl.Enum(PARTS))
        return (
            sums.with_columns(
                pl.col("request").cast(pl.UInt32),
                part=parts.gather(sums["part"]),
                place=pl.select(pl.when(where != "").then(where)).to_series(),
            )
            .select(PARTS_SCHEMA.names())
            .sort("request", "part", "place")
        )
