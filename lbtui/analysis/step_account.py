"""One account of the steps of an instance's DP domains: what each should have taken, who waits for whom.

Where domains step together, each instant of a common step is somebody's: it ends when the last domain does.
What a domain's excess costs is what the common steps would have been shorter without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from lbtui.analysis.exact import exact_sum
from lbtui.analysis.imbalance import Flags, Floats
from lbtui.analysis.lanes import Micros
from lbtui.analysis.lockstep import common_steps

Ints = npt.NDArray[np.int64]

# What of the steps is asked for; `domain` first.
IN_ACCOUNT = ("domain", "start", "end", "duration", "batch_size", "tokens", "phase")
_LOAD = ("phase", "batch_size", "size")
BLOCKS = 12
_MOST_BINS = 96
_STEPS_A_BIN = 6
_ENOUGH_FOR_SLOPE = 20  # steps
_COUPLED = 0.3  # of a longer step of others that a domain's own pass lasts longer
_ROUNDS_WAIT = 0.3  # of what others end later, a round goes on longer: it waits for them
_ROUNDS_KNOWN = 0.9  # of the steps


@dataclass(frozen=True)
class Saving:
    """What the common steps would be shorter: ms a step, and as a share of their time."""

    per_step: float
    share: float


@dataclass(frozen=True)
class StepAccount:
    """The steps of an instance in order of start, one entry a step of a domain.

    `expected` (ms) is the mean over the domains of what they take at the same load: phase, batch size and
    tokens within 1.25×; NaN where only one domain had such a load. `cell` numbers these loads, -1 for one
    that only one domain had. `group` is the common step, counted from
    0; None where the domains do not step together. `round_end` is when the scheduling round of a step is over
    (the end of the pass where no round is found); None where rounds do not tell (`round_ends`).
    """

    domains: tuple[str, ...]
    lane: Ints
    start: Micros
    end: Micros
    duration: Floats
    expected: Floats
    cell: Ints
    batch_size: Floats
    tokens: Floats
    prefill: Flags
    group: Ints | None
    round_end: Micros | None = None

    @cached_property
    def edges(self) -> Micros:
        """The edges of equal time bins, a multiple of 12, that hold some steps of a domain each."""
        steps = len(self.lane) / max(len(self.domains), 1)
        bins = BLOCKS * int(np.clip(steps / _STEPS_A_BIN / BLOCKS, 1, _MOST_BINS / BLOCKS))
        begin, end = (int(self.start.min()), int(self.start.max()) + 1) if len(self.start) else (0, bins)
        edges: Micros = np.linspace(begin, max(end, begin + bins), bins + 1).astype(np.int64)
        return edges

    @cached_property
    def bin(self) -> Ints:
        """The time bin in which each step starts."""
        places: Ints = np.searchsorted(self.edges, self.start, side="right") - 1
        return np.clip(places, 0, len(self.edges) - 2)

    def only(self, chosen: Flags) -> StepAccount:
        """Return the account of the `chosen` steps; a common step is what is left of it."""
        own = {
            f.name: getattr(self, f.name)[chosen]
            for f in fields(self)
            if f.name != "domains" and getattr(self, f.name) is not None
        }
        if self.group is not None and len(own["group"]):
            own["group"] = np.append(0, np.cumsum(np.diff(own["group"]) > 0))
        return replace(self, **own)

    def binned(self, values: Floats, chosen: Flags) -> tuple[Floats, Floats]:
        """Return Σ values and the number of the `chosen` steps, both [domain, bin]."""
        bins = len(self.edges) - 1
        shape = (len(self.domains), bins)
        place = (self.lane * bins + self.bin)[chosen]
        size = shape[0] * bins
        sums = np.bincount(place, weights=values[chosen], minlength=size)
        counts = np.bincount(place, minlength=size)
        return np.reshape(sums, shape), np.reshape(counts, shape).astype(np.float64)

    def blocks(self, values: Floats, chosen: Flags) -> tuple[Floats, Floats]:
        """Return what `binned` does in twelve blocks of time, [domain, block]."""
        sums, counts = self.binned(values, chosen)
        shape = (len(self.domains), BLOCKS, -1)
        return sums.reshape(shape).sum(axis=2), counts.reshape(shape).sum(axis=2)

    def ratios(self) -> tuple[Floats, Floats]:
        """Return the log of Σ duration / Σ expected and the steps compared, both [domain, bin]."""
        chosen = np.isfinite(self.expected) & (self.duration > 0)
        own, n = self.binned(self.duration, chosen)
        expected, _n = self.binned(self.expected, chosen)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(n > 0, np.log(own / expected), np.nan), n

    def ratio_to_others(self, lanes: Sequence[int], chosen: Flags) -> float:
        """Return Σ duration of the `chosen` steps (of `lanes`) / Σ of what the others took at their loads.

        That is the mean of all steps of the other domains in the same cell; a step without any is left out.
        """
        theirs = (self.cell >= 0) & ~np.isin(self.lane, list(lanes))
        cells = int(self.cell.max(initial=-1)) + 1
        sums = np.bincount(self.cell[theirs], weights=self.duration[theirs], minlength=cells)
        counts = np.bincount(self.cell[theirs], minlength=cells)
        own = np.flatnonzero(chosen & (self.cell >= 0))
        own = own[counts[self.cell[own]] > 0]
        at = self.cell[own]
        expected = float((sums[at] / counts[at]).sum())
        return float(self.duration[own].sum()) / expected if expected > 0 else float("nan")

    def after_others(self, times: Micros, lanes: Sequence[int], chosen: Flags) -> float:
        """Return the mean over `chosen` steps of `times` less their mean of the members not of `lanes`, ms.

        Common steps without such members are left out; NaN if none has any.
        """
        others = (~np.isin(self.lane, list(lanes))).astype(np.int64)
        rest = times - np.asarray(self.over_group(np.minimum, times), dtype=np.int64)
        total = np.asarray(self.over_group(np.add, rest * others), dtype=float)
        members = np.asarray(self.over_group(np.add, others), dtype=float)
        own = chosen & (members > 0)
        return float((rest[own] - total[own] / members[own]).mean()) / 1000 if own.any() else float("nan")

    @cached_property
    def first_of_group(self) -> Ints:
        """The place of the first step of each common step."""
        assert self.group is not None
        found: Ints = np.flatnonzero(np.append(True, self.group[1:] != self.group[:-1])[: len(self.group)])
        return found

    def over_group(self, ufunc: np.ufunc, values: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """Return `ufunc` over the members of each common step, for each step."""
        assert self.group is not None
        reduced: npt.NDArray[np.generic] = ufunc.reduceat(values, self.first_of_group)[self.group]
        return reduced

    @cached_property
    def members(self) -> Ints:
        """The number of domains in each step's common step."""
        return np.asarray(self.over_group(np.add, np.ones(len(self.lane), dtype=np.int64)), dtype=np.int64)

    @cached_property
    def ends_last(self) -> Flags:
        """Whether each step ends its common step."""
        return np.asarray(self.end == self.over_group(np.maximum, self.end), dtype=bool)

    def lateness(self, times: Micros) -> Floats:
        """Return by how much (ms) `times` (µs) are after the mean of all members of the common step.

        NaN for steps of one member. Less the mean of the others it is members / (members − 1) times that.
        """
        rest = times - np.asarray(self.over_group(np.minimum, times), dtype=np.int64)
        mean = np.asarray(self.over_group(np.add, rest), dtype=float) / self.members
        return np.where(self.members > 1, (rest - mean) / 1000, np.nan)

    def late_ends(self) -> Floats:
        """Return by how much (ms) each step ends after the mean of its common step's members.

        The lesser of that as it is and of that beyond what the loads add (`slopes`), 0 where these differ in
        sign: where waits lie inside the forward passes loads show less than they weigh.
        """
        token, request = self.slopes
        load = np.nan_to_num(np.where(self.prefill, token * self.tokens, request * self.batch_size))
        seen = self.lateness(self.end)
        beyond = self.lateness(self.end - np.rint(1000 * load).astype(np.int64))
        lesser = np.where(np.abs(seen) < np.abs(beyond), seen, beyond)
        return np.where(seen * beyond > 0, lesser, np.where(np.isnan(seen), np.nan, 0.0))

    @property
    def coupled(self) -> bool:
        """Whether waits for others lie inside the forward pass (`coupling`), not to be told from it."""
        return self.coupling > _COUPLED

    @cached_property
    def coupling(self) -> float:
        """How much of a longer step of others a domain's own forward pass lasts longer, 0 to about 1.

        The slope of the own duration beyond `expected` over the longest other one of the common step, for
        steps that are not its longest: near 1 where the domains wait for each other inside the forward pass.
        0 where they do not step together.
        """
        if self.group is None:
            return 0.0
        longest = np.asarray(self.over_group(np.maximum, self.duration), dtype=float)
        chosen = ~self.prefill & (self.duration < longest) & np.isfinite(self.expected)
        return _slope(longest, self.duration - self.expected, chosen)

    @cached_property
    def tails(self) -> Micros | None:
        """How long (µs) the round of each step goes on after its forward pass; None where nothing tells.

        Nothing does where rounds wait for the last forward pass of their common step: then who ends first has
        the longest.
        """
        if self.round_end is None or self.group is None:
            return None
        tails: Micros = self.round_end - self.end
        last = np.asarray(self.over_group(np.maximum, self.end), dtype=float)
        return tails if _slope(last - self.end, tails.astype(float), ~self.ends_last) < _ROUNDS_WAIT else None

    @property
    def begun(self) -> Micros:
        """The start of each step, later by what its round goes on after it where that is known (`tails`)."""
        return self.start if self.tails is None else self.start + self.tails

    def gaps(self) -> Floats:
        """Return how late (ms) each step begins; NaN where nothing tells.

        Where domains step together, after the mean start of the common step's members, and by how much the
        rest of its round (`tails`) is longer than theirs; else after the end of the domain's own step before,
        if that is no longer ago than it lasted: then the domain had work.
        """
        if self.group is not None:
            return self.lateness(self.begun)
        order = np.argsort(self.lane, kind="stable")
        lane, start, end = self.lane[order], self.start[order], self.end[order]
        gap = np.full(len(order), np.nan)
        between = (start[1:] - end[:-1]) / 1000
        busy = (lane[1:] == lane[:-1]) & (between >= 0) & (between <= self.duration[order][:-1])
        gap[1:][busy] = between[busy]
        found = np.empty_like(gap)
        found[order] = gap
        return found

    def saving(self, cut: Floats, *, of_gap: bool = False) -> Saving | None:
        """Return what ends that come `cut` ms earlier save; None where domains do not step together.

        A common step is shorter by its last end less the last of the ends so moved, over all steps of the
        capture; its length is from the first start to the last end. A forward pass cannot be shorter than
        nothing; what comes before or after it (`of_gap`) is no part of it: there a step ends with its round,
        where rounds tell (`tails`).
        """
        if self.group is None or not len(self.group):
            return None
        first = self.first_of_group
        end = self.end + self.tails if of_gap and self.tails is not None else self.end
        moved = end - (cut if of_gap else np.minimum(cut, self.duration)) * 1000
        last = np.maximum.reduceat(end, first)
        saved = float((last - np.maximum.reduceat(moved, first)).sum()) / 1000
        length = float((last - np.minimum.reduceat(self.start, first)).sum()) / 1000
        return Saving(saved / len(first), saved / length) if length > 0 else None

    @cached_property
    def slopes(self) -> tuple[float, float]:
        """What a prompt token and a decoding request add to a step, ms: least squares over all steps.

        Both 0 where steps of one kind are too few or do not grow.
        """
        return _slope(self.tokens, self.duration, self.prefill), _slope(
            self.batch_size, self.duration, ~self.prefill
        )

    def load_cut(self, chosen: Flags, ratio: float) -> Floats:
        """Return by how much (ms) the `chosen` steps would be shorter with 1 / `ratio` of their load."""
        token, request = self.slopes
        load = np.where(self.prefill, token * self.tokens, request * self.batch_size)
        return np.where(chosen, np.nan_to_num(load) * (1 - 1 / ratio), 0.0)

    def evened_cut(self, lanes: Sequence[int], chosen: Flags, ratio: float) -> Floats:
        """Return by how much (ms) the `chosen` steps would be shorter if all domains had the mean batch.

        `lanes` have `ratio` times the batch of the others, whose steps would be longer (below 0) with what
        these give away. Prefills stay as they are: as many prompts are to be prefilled, only elsewhere.
        """
        count, own = len(self.domains), len(lanes)
        mean = (own * ratio + count - own) / count
        less = np.where(np.isin(self.lane, list(lanes)), 1 - mean / ratio, 1 - mean)
        load = np.nan_to_num(self.slopes[1] * self.batch_size)
        return np.where(chosen & ~self.prefill, load * less, 0.0)

    def request_seconds(self, cut: Floats) -> float:
        """Return Σ `cut` (ms) × batch size, in s."""
        return float((cut * np.nan_to_num(self.batch_size)).sum()) / 1000

    def in_bins(self, lanes: Sequence[int], bins: Flags) -> Flags:
        """Return which steps are of these domains and in these bins."""
        chosen: Flags = np.isin(self.lane, list(lanes)) & bins[self.bin]
        return chosen


def account_of_cards(passes: pl.DataFrame) -> StepAccount:
    """Return the account of the forward passes of a domain's cards: a card is a lane, a step a common step.

    `passes` have prof_id, start, end, duration and `step`, several of each step. The load of a step is the
    same for all its cards: what each should take is the mean of its passes.
    """
    own = (
        passes.with_columns(pl.col("prof_id").cast(pl.String))
        .sort("step", "prof_id")
        .with_columns(mean=pl.col("duration").mean().over("step"))
    )
    cards = own["prof_id"].unique().sort().to_list()
    places = {card: place for place, card in enumerate(cards)}
    unknown = np.full(own.height, np.nan)
    group = np.append(0, np.cumsum(np.diff(own["step"].to_numpy()) > 0))[: own.height]
    return StepAccount(
        tuple(cards),
        own["prof_id"].replace_strict(places, return_dtype=pl.Int64).to_numpy(),
        own["start"].cast(pl.Int64).to_numpy(),
        own["end"].cast(pl.Int64).to_numpy(),
        own["duration"].to_numpy(),
        own["mean"].to_numpy(),
        group,
        unknown,
        unknown,
        np.zeros(own.height, dtype=bool),
        group,
    )


def _slope(load: Floats, duration: Floats, chosen: Flags) -> float:
    known = chosen & np.isfinite(load)
    if known.sum() < _ENOUGH_FOR_SLOPE:
        return 0.0
    x, y = load[known] - load[known].mean(), duration[known] - duration[known].mean()
    spread = float((x * x).sum())
    return max(0.0, float((x * y).sum()) / spread) if spread > 0 else 0.0


def round_ends(steps: pl.DataFrame, rounds: pl.DataFrame | None) -> Micros | None:
    """Return when the round of each step (`domain`, `start`, `end`; by start) is over, µs since 1970.

    That is the last round of its domain that begins before it, if it ends no sooner: else the step's own end.
    None where fewer than nine in ten steps have one.
    """
    if rounds is None or rounds.is_empty() or steps.is_empty():
        return None
    known = rounds.drop_nulls(["domain", "start", "end"]).select(
        pl.col("domain").cast(pl.String), "start", over=pl.col("end")
    )
    joined = steps.select(pl.col("domain").cast(pl.String), "start", "end").join_asof(
        known.sort("start", "over"), on="start", by="domain", check_sortedness=False
    )
    covered = int((joined["over"] >= joined["end"]).fill_null(False).sum())
    if covered < _ROUNDS_KNOWN * joined.height:
        return None
    ends: Micros = joined.select(pl.max_horizontal("over", "end"))["over"].cast(pl.Int64).to_numpy()
    return ends


def account_of(
    steps: pl.DataFrame, domains: Sequence[str], rounds: pl.DataFrame | None = None
) -> StepAccount:
    """Return the account of the joined steps of an instance's `domains` (keys), ended by their `rounds`."""
    size = (pl.col("tokens").fill_null(0).cast(pl.Float64) + 1).log(1.25).round()
    places = {key: place for place, key in enumerate(domains)}
    # By a number, not a text: rows are sorted and grouped by it.
    named = pl.col("domain").cast(pl.Enum(sorted(places)), strict=False)
    own = (
        steps.filter(pl.col("duration") > 0)
        .select(named, *IN_ACCOUNT[1:], size=size)
        .drop_nulls("domain")
        .sort("start", "domain", maintain_order=True)
    )
    cells = (
        own.filter(pl.col("batch_size") > 0)
        .group_by(*_LOAD, "domain")
        .agg(mean=exact_sum(pl.col("duration")) / pl.len())
        .group_by(*_LOAD)
        .agg(expected=exact_sum(pl.col("mean")) / pl.len(), several=pl.len() > 1)
        .filter("several")
        .select(*_LOAD, "expected")
        .sort(_LOAD)
        .with_row_index("cell")
    )
    joined = own.join(cells, on=[*_LOAD], how="left", nulls_equal=True, maintain_order="left")
    group = common_steps(joined)
    return StepAccount(
        tuple(domains),
        np.array([places[key] for key in sorted(places)], dtype=np.int64)[joined["domain"].to_physical()],
        joined["start"].cast(pl.Int64).to_numpy(),
        joined["end"].cast(pl.Int64).to_numpy(),
        joined["duration"].to_numpy(),
        joined["expected"].fill_null(float("nan")).to_numpy(),
        joined["cell"].cast(pl.Int64).fill_null(-1).to_numpy(),
        joined["batch_size"].cast(pl.Float64).fill_null(float("nan")).to_numpy(),
        joined["tokens"].cast(pl.Float64).fill_null(float("nan")).to_numpy(),
        (joined["phase"] == "prefill").fill_null(False).to_numpy(),
        group,
        None if group is None else round_ends(joined, rounds),
    )
