"""The service as its recording shows it: how long rounds take, what limits batches, how requests go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from lbtui.analysis.replay.hand_overs import answer_of, delay_of, handoff_of
from lbtui.analysis.replay.limits import block_tokens, limits_of, queued
from lbtui.analysis.replay.model import Load, Pace, ReplayDomain, Service, Work
from lbtui.analysis.replay.paces import Passes, fit_pace
from lbtui.analysis.replay.recorded_load import load_of, load_rows_of, rounds_with_loads
from lbtui.analysis.replay.recording import Recording
from lbtui.text import _

_FEWEST = 5  # rounds that end a step, to tell what follows their passes
_FEWEST_ROUNDS = 40  # of a role, for a fit
_FEWEST_REQUESTS = 40
_MOST_CUT = 0.1  # of the requests lack their begin or end


class Unfit(Exception):
    """Why a recording cannot be replayed, as a sentence."""


@dataclass(frozen=True)
class Fitted:
    """A recorded service with its load; `requests` has a row each with what was recorded of it.

    `unseen` are the limits that the recording never reached, in words.
    """

    load: Load
    service: Service
    requests: pl.DataFrame
    unseen: tuple[str, ...] = ()

    def part(self, most: int | None) -> Fitted:
        """Return it with the first `most` requests only; None with all."""
        if most is None or len(self.load) <= most:
            return self
        return replace(self, load=self.load.part(slice(most)), requests=self.requests.head(most))


def fitted(recording: Recording) -> Fitted:
    """Return the service and its load. Raises `Unfit`."""
    served = recording.served
    load_rows = load_rows_of(recording, served)
    if recording.cut > _MOST_CUT * (recording.cut + recording.requests.height):
        raise Unfit(_("{count} requests lack their begin or end").format(count=f"{recording.cut:,}"))
    if load_rows.height < _FEWEST_REQUESTS:
        text = _("only {count} requests are recorded whole, fewer than {least}")
        raise Unfit(text.format(count=load_rows.height, least=_FEWEST_REQUESTS))
    if load_rows.height < (1 - _MOST_CUT) * recording.requests.height:
        missing = recording.requests.height - load_rows.height
        raise Unfit(_("of {count} requests no rounds are recorded").format(count=f"{missing:,}"))
    load = load_of(load_rows)
    rounds = rounds_with_loads(recording, served, load_rows)
    works = sorted({domain.work for domain in recording.domains})
    paces: dict[Work, Pace] = {}
    factors: dict[int, float] = {}
    rests: dict[int, tuple[float, float]] = {}
    for work in works:
        passes = _passes(recording, rounds, work)
        if len(passes) < _FEWEST_ROUNDS:
            text = _("too few rounds to fit how long they take ({count})")
            raise Unfit(text.format(count=len(passes)))
        paces[work], own = fit_pace(passes)
        factors |= own
        rests |= _rests(recording, passes)
    own_queues = queued(recording, rounds, load_rows)
    scheduling, most_running, unseen = limits_of(recording, rounds, own_queues, works)
    block = block_tokens(recording, rounds)
    between, alone = _between(recording, rounds, load_rows)
    domains = tuple(
        ReplayDomain(
            domain.key,
            domain.node,
            domain.work,
            factors.get(place, 1.0),
            tuple(rest + alone.get(place, 0.0) for rest in rests.get(place, (0.0, 0.0))),  # type: ignore[arg-type]
            domain.step,
            most_running[domain.work],
            domain.blocks * block if domain.blocks and block else float("inf"),
        )
        for place, domain in enumerate(recording.domains)
    )
    if block:
        scheduling = {work: replace(plan, block=block) for work, plan in scheduling.items()}
    service = Service(
        domains,
        paces,
        scheduling,
        between,
        own_ends=not (recording.coupled or recording.waits_inside),
        handoff=handoff_of(recording, load_rows),
        delay=delay_of(load_rows),
        answer=answer_of(load_rows),
    )
    return Fitted(load, service, load_rows, unseen)


def _passes(recording: Recording, rounds: pl.DataFrame, work: Work) -> Passes:
    """Return the forward passes of a role, with the step each is of."""
    places = [place for place, domain in enumerate(recording.domains) if domain.work == work]
    own = rounds.filter(
        pl.col("domain").is_in(places),
        pl.col("forward_end") > pl.col("forward_start"),
        pl.col("sequences") + pl.col("decoding") > 0,
    )
    names = [domain.step for domain in recording.domains]
    inside = np.array([name in recording.coupled for name in names])[own["domain"].to_numpy()]
    return Passes(
        domain=own["domain"].to_numpy(),
        group=own["group"].to_numpy(),
        prefills=(own["phase"] == "prefill").to_numpy(),
        prompt=own["prompt"].to_numpy(),
        sequences=own["sequences"].cast(pl.Float64).to_numpy(),
        decoding=own["decoding"].cast(pl.Float64).to_numpy(),
        context=own["context"].to_numpy(),
        start=own["start"].to_numpy(),
        end=own["end"].to_numpy(),
        forward_start=own["forward_start"].to_numpy(),
        forward_end=own["forward_end"].to_numpy(),
        coupled=inside,
    )


def _rests(recording: Recording, passes: Passes) -> dict[int, tuple[float, float]]:
    """Return what rounds of each domain take outside of their forward passes, of prefills and of decodes.

    From the begin of the common step. Where rounds wait for others after their forward pass, only those
    whose pass ended last tell what follows it.
    """
    begin = passes.over_group(np.minimum, passes.start)
    last = passes.forward_end >= passes.over_group(np.maximum, passes.forward_end)
    found = {}
    for domain in np.unique(passes.domain).tolist():
        own = passes.domain == domain
        waits = recording.domains[domain].step in (recording.waits_inside | recording.coupled)
        ahead = passes.forward_start - begin
        after = passes.end - passes.forward_end
        both = []
        for prefill in (True, False):
            chosen = own & (passes.prefills == prefill)
            if not chosen.any():
                chosen = own
            ending = chosen & last if waits and (chosen & last).sum() >= _FEWEST else chosen
            both.append(float(np.median(ahead[chosen]) + np.median(after[ending])))
        found[domain] = (both[0], both[1])
    return found


def _available(load_rows: pl.DataFrame, served: pl.DataFrame) -> pl.DataFrame:
    """Return of each round when the first of its requests could have been in it: `round`, `ready`."""
    ready = load_rows.select("request", "arrival", "prefill_end")
    first = pl.int_range(pl.len()).over("request") == 0
    before = pl.col("end").shift(1).over("request")
    rows = served.join(ready, on="request").with_columns(
        ready=pl.when(first).then("arrival").otherwise(before)
    )
    return rows.group_by("round").agg(pl.col("ready").min())


def _between(
    recording: Recording, rounds: pl.DataFrame, load_rows: pl.DataFrame
) -> tuple[dict[str, float], dict[int, float]]:
    """Return what lies between common steps, by name, and between rounds of domains that step alone, ms.

    The median over those that follow a step while a request waits for them.
    """
    ready = _available(load_rows, recording.served)
    names = dict(enumerate(domain.step for domain in recording.domains))
    rows = rounds.join(ready, on="round", how="left").with_columns(
        step=pl.col("domain").replace_strict(names, return_dtype=pl.String)
    )
    common = (
        rows.filter(pl.col("step") != "")
        .group_by("step", "group")
        .agg(pl.col("start").min(), pl.col("end").max(), pl.col("ready").min())
        .sort("step", "start")
    )
    alone = rows.filter(pl.col("step") == "").sort("domain", "start")

    def gaps(frame: pl.DataFrame, by: str) -> Mapping[str | int, float]:
        before = pl.col("end").cum_max().shift(1).over(by)
        found = frame.with_columns(gap=pl.col("start") - before, before=before)
        medians = found.filter(pl.col("ready") <= pl.col("before")).group_by(by).agg(pl.col("gap").median())
        return {key: max(0.0, gap) for key, gap in medians.iter_rows()}

    steps = {str(key): gap for key, gap in gaps(common, "step").items()}
    return steps, {int(key): gap for key, gap in gaps(alone, "domain").items()}
