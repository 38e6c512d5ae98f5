"""What the detectors look at: a profile's frames, and what several of them derive from these once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
import polars as pl

from lbtui.analysis.data_parallel import (
    METRICS,
    Metric,
    MetricKey,
    domains_of,
    joined_steps,
    metric_lanes,
    numbered_steps,
    step_intervals,
)
from lbtui.analysis.exact import exact_sum
from lbtui.analysis.imbalance import Floats
from lbtui.analysis.lanes import Lane, Micros, bin_edges, bin_lanes, held_share
from lbtui.analysis.lockstep import common_steps
from lbtui.analysis.lockstep_clocks import are_steps_apart, clock_offsets
from lbtui.analysis.step_account import IN_ACCOUNT, StepAccount, account_of
from lbtui.profile import (
    Domain,
    ExpertSeries,
    FrameName,
    JoinedSteps,
    Loaded,
    LoadedSeries,
    Missing,
    Note,
    attempted,
    instant,
    micros,
    several_days,
)
from lbtui.profile.place import window_of
from lbtui.profile.roles import Role, roles_of, work_by
from lbtui.profile.source import RequestRounds
from lbtui.text import _

_FEWEST_BINS, _MOST_BINS = 24, 160
# ms; only bounds the number of bins where no step is recorded.
_USUAL_STEP = 50.0
_STEPS_A_BIN = 4
LONGEST_LIFE = 1e12  # ms: what takes longer has no known end
_ARRIVING = 0.5  # of the time in which there is load
_PASS = ("domain", "prof_id", "start", "end", "duration", "step")


def _shifted(spans: pl.DataFrame, domains: list[Domain], offsets: Mapping[str, int]) -> pl.DataFrame:
    """Return the spans by start, with the offset (µs) of each domain's host taken off their times."""
    ahead = {domain.key: offsets[domain.host] for domain in domains}
    offset = pl.col("domain").cast(pl.String).replace_strict(ahead, default=0, return_dtype=pl.Int64)
    shifted = spans.with_columns(pl.col("start", "end") - pl.duration(microseconds=offset))
    return shifted.sort("start", maintain_order=True)


@dataclass(frozen=True)
class Binned:
    """Loads of one instance's domains in equal time bins: [domain, bin], idle time counted as 0."""

    domains: tuple[Domain, ...]
    edges: Micros
    loads: Floats

    @property
    def seconds(self) -> float:
        """The width of a bin."""
        return float(self.edges[-1] - self.edges[0]) / 1e6 / int(self.loads.shape[1])

    def window(self, first: int, last: int) -> tuple[datetime, datetime]:
        """Return the times of bins [first, last)."""
        return instant(int(self.edges[first])), instant(int(self.edges[last]))


@dataclass(frozen=True)
class Evidence:
    """The loaded frames of a profile."""

    frames: Mapping[FrameName, Loaded]
    missing: tuple[Missing, ...]
    read_series: Callable[[], LoadedSeries]
    read_passes: Callable[[], pl.DataFrame]  # the forward passes, where the frame `steps` holds joined steps
    read_rounds: Callable[[pl.Series], RequestRounds]  # in which rounds requests (ids) were
    cuts: tuple[Note, ...] = ()  # files of which only a part is in the frames
    whole: bool = False  # all captures on one axis

    @cached_property
    def _series(self) -> tuple[LoadedSeries, Note | None]:
        return attempted(_("expert heat by iteration"), self.read_series, LoadedSeries())

    @property
    def series(self) -> tuple[ExpertSeries, ...]:
        """Expert heat by iteration, read when first asked for: it is large, and seldom needed."""
        return self._series[0].series

    @property
    def unread_series(self) -> Note | None:
        """Why `series` is empty where it was asked for and could not be read."""
        return self._series[1] if "_series" in vars(self) else None

    def frame(self, name: FrameName) -> pl.DataFrame:
        """Return a frame's rows."""
        return self.frames[name].frame

    def file(self, name: FrameName) -> str:
        """Return the file a frame came from, for a finding's evidence."""
        provenance = self.frames[name].provenance
        return provenance[0].file if provenance else name

    @cached_property
    def whole_requests(self) -> pl.DataFrame:
        """The requests that are recorded from their arrival to their end, with their `row`."""
        requests = self.frame("requests").with_row_index("row")
        whole = pl.col("arrival").is_not_null() & pl.col("duration").is_between(0, LONGEST_LIFE)
        # Usually that is all of them, of which no copy is made.
        return requests if requests.select(whole.all(ignore_nulls=False)).item() else requests.filter(whole)

    @cached_property
    def request_rounds(self) -> RequestRounds:
        """In which rounds each of `whole_requests` was, read when first asked for; raises `Unreadable`."""
        return self.read_rounds(self.whole_requests["request_id"])

    @cached_property
    def _numbered(self) -> pl.DataFrame:
        return numbered_steps(self.frame("steps"))

    @cached_property
    def steps(self) -> pl.DataFrame:
        """One row per step of a DP domain, by start."""
        if self.are_joined:
            return self.frame("steps").sort("start", maintain_order=True)
        return joined_steps(self._numbered)

    @property
    def own_steps(self) -> pl.DataFrame:
        """The same in the order that costs least: joined steps lie domain by domain."""
        return self.frame("steps") if self.are_joined else self.steps

    @property
    def are_joined(self) -> bool:
        """Whether the frame `steps` holds steps of DP domains, the passes being too many to be held."""
        return "cards" in self.frame("steps").columns

    @cached_property
    def _passes(self) -> pl.DataFrame:
        return self.read_passes() if self.are_joined else self._numbered.select(_PASS)

    def may_have_slow_card(self, domain: str, ratio: float) -> bool:
        """Tell whether Σ duration / Σ mean duration of the domain's other cards can reach `ratio` for a card.

        It may unless the cards' times in all exclude it, which saves reading the passes. In a step of all
        cards each card's others are the same; in one of fewer no pass is longer than the step.
        """
        steps = self.frames["steps"]
        if not isinstance(steps, JoinedSteps):
            return True
        own = steps.card_times.filter(pl.col("domain") == domain)["duration"].to_numpy()
        incomplete = self._times_by_cards.filter(pl.col("domain") == domain, pl.col("cards") != len(own))
        if len(own) < 2 or incomplete["unknown"].sum():
            return True
        least = (own.sum() - own) / (len(own) - 1) - float(incomplete["duration"].sum())
        # Sums in another order are another number.
        return not bool((own < ratio * least * (1 - 1e-6)).all())

    @cached_property
    def _times_by_cards(self) -> pl.DataFrame:
        duration = pl.col("duration")
        return (
            self.frame("steps")
            .group_by("domain", "cards")
            .agg(exact_sum(duration), unknown=duration.is_null().sum())
            .with_columns(pl.col("domain").cast(pl.String))
        )

    def passes_of(self, domain: str) -> pl.DataFrame:
        """Return one row per forward pass of a card of a DP domain, with its `step`, by start."""
        own = self._passes.filter(pl.col("domain") == domain)
        if "step" in own.columns:
            return own
        texts = pl.col("domain", "prof_id").cast(pl.String)
        return numbered_steps(own.with_columns(texts).sort("start", "prof_id")).select(_PASS)

    @cached_property
    def domains(self) -> list[Domain]:
        """All DP domains."""
        return domains_of(self.frame("steps"), self.frame("kv"), self.frame("queues"))

    @cached_property
    def instances(self) -> dict[str, list[Domain]]:
        """The DP domains of each instance."""
        grouped: dict[str, list[Domain]] = {}
        for domain in self.domains:
            grouped.setdefault(domain.instance, []).append(domain)
        return grouped

    @cached_property
    def accounts(self) -> dict[str, StepAccount]:
        """What the steps of each instance's domains should have taken, and who waits for whom."""
        return {
            instance: account_of(
                self.corrected(self.own_steps.select("instance", *IN_ACCOUNT), instance),
                [domain.key for domain in domains],
                self.corrected(self.frame("batches"), instance),
            )
            for instance, domains in self.instances.items()
        }

    @cached_property
    def clock_offsets(self) -> dict[str, dict[str, int]]:
        """By how much (µs) the clock of each host of an instance is ahead of its first host's.

        Only where its domains step together once that is taken out, and not before, or only one with the
        next step of another.
        """
        found = {}
        for instance, domains in self.instances.items():
            if len({domain.host for domain in domains}) < 2:
                continue
            own = self.steps.filter(pl.col("instance") == instance)
            starts: dict[str, Micros] = {}
            for domain in domains:
                times = own.filter(pl.col("domain") == domain.key)["start"].cast(pl.Int64).to_numpy()
                # Who has most to do was seldom idle when the others stepped.
                if domain.host not in starts or len(times) > len(starts[domain.host]):
                    starts[domain.host] = times
            offsets = clock_offsets(starts)
            if len(offsets) < len(starts) or common_steps(_shifted(own, domains, offsets)) is None:
                continue
            if common_steps(own) is None or are_steps_apart(offsets, starts):
                found[instance] = offsets
        return found

    def corrected(self, spans: pl.DataFrame, instance: str) -> pl.DataFrame:
        """Return an instance's steps or rounds on the clock of its first host."""
        own = spans.filter(pl.col("instance") == instance)
        offsets = self.clock_offsets.get(instance)
        return own if offsets is None else _shifted(own, self.instances[instance], offsets)

    @cached_property
    def arrivals(self) -> tuple[datetime, datetime] | None:
        """The first and last time at which a request came in, None where no file tells."""
        times = self.frame("requests")["arrival"].drop_nulls()
        if times.is_empty():
            times = self.own_steps.filter(pl.col("phase") == "prefill")["start"]
        first, last = times.min(), times.max()
        if len(times) < 2 or not isinstance(first, datetime) or not isinstance(last, datetime):
            return None
        return first, last

    @cached_property
    def request_seconds(self) -> float | None:
        """The time that all requests together spend in the service, s; None where no file tells.

        Σ of their durations; where these are not recorded, Σ of the batch sizes × the time that each holds.
        """
        known = self.frame("requests")["duration"].drop_nulls()
        total = float(known.filter(known.is_finite()).sum()) / 1000
        if total <= 0:
            times = self.frame("handoffs").select(span=pl.col("end") - pl.col("arrival")).to_series()
            total = float(times.drop_nulls().dt.total_microseconds().clip(0).sum()) / 1e6
        if total <= 0:
            held = pl.col("batch_size") * (pl.col("end") - pl.col("start")).dt.total_microseconds()
            total = float(self._intervals.select(exact_sum(held.cast(pl.Float64))).item() or 0.0) / 1e6
        return total if total > 0 else None

    def share_of_requests(self, seconds: float) -> float | None:
        """Return request-seconds as a share of `request_seconds`, at most 1."""
        return min(1.0, seconds / self.request_seconds) if self.request_seconds else None

    @cached_property
    def roles(self) -> dict[str, Role]:
        """The role of each domain that has one (`roles_of`), by key; empty unless both exist."""
        disaggregated = any(self.frame(name).height for name in ("nodes", "handoffs", "transfers"))
        return roles_of(work_by("domain", self.frame("steps")), disaggregated=disaggregated)

    @cached_property
    def _intervals(self) -> pl.DataFrame:
        return step_intervals(self.own_steps)

    @cached_property
    def window(self) -> tuple[datetime, datetime] | None:
        """The profile's window (`window_of`), None without times."""
        found = window_of({name: loaded.frame for name, loaded in self.frames.items()}, whole=self.whole)
        return (instant(found[0]), instant(found[1])) if found else None

    @property
    def dated(self) -> bool:
        """Whether instants need their date: the window spans several days."""
        return self.window is not None and several_days(*self.window)

    def lanes(self, key: MetricKey, domains: list[Domain]) -> list[Lane]:
        """Return the lanes of a metric."""
        chosen: Metric = next(m for m in METRICS if m.key == key)
        window = self.window
        until = micros(window[1]) if window else 0
        return metric_lanes(chosen, self._intervals, self.frame("kv"), self.frame("queues"), domains, until)

    def binned(self, key: MetricKey, domains: list[Domain]) -> Binned | None:
        """Return a metric of one instance's domains in bins while requests come in, None without values.

        Bins hold some steps each. After the last arrival only leftovers remain, and which domain has them
        is chance; unless requests come in for less than half of the time.
        """
        lanes = self.lanes(key, domains)
        spans = [(int(lane.starts[0]), int(lane.ends[-1])) for lane in lanes if len(lane.starts)]
        if len(spans) < 1:
            return None
        begin, end = min(s[0] for s in spans), max(s[1] for s in spans)
        if self.arrivals is not None and begin < micros(self.arrivals[1]):
            first, last = max(begin, micros(self.arrivals[0])), min(end, micros(self.arrivals[1]))
            # Where all come in a short while, what they hold afterwards is the run.
            if last - first >= _ARRIVING * (end - begin):
                begin, end = first, last
        of_domains = pl.col("domain").is_in([d.key for d in domains])
        median = self.own_steps.select(pl.col("duration").filter(of_domains)).to_series().median()
        step = 1000 * (median if isinstance(median, float) and median > 0 else _USUAL_STEP)
        bins = int(np.clip((end - begin) / (_STEPS_A_BIN * step), _FEWEST_BINS, _MOST_BINS))
        edges = bin_edges(begin, end, bins)
        loads = np.nan_to_num(bin_lanes(lanes, edges).mean) * held_share(lanes, edges)
        return Binned(tuple(domains), edges, loads)
