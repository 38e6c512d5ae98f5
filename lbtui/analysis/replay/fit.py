"""The service as its recording shows it: how long rounds take, what limits batches, how requests go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from lbtui.analysis.replay.model import (
    NO_LIMIT,
    Floats,
    Handoff,
    Load,
    Pace,
    ReplayDomain,
    Scheduling,
    Service,
    Work,
)
from lbtui.analysis.replay.paces import Passes, fit_pace
from lbtui.analysis.replay.recording import Recording
from lbtui.text import _

_MIXED = 0.05  # of the rounds of a role do both: it schedules mixed
_BOUND = 0.5  # of the rounds that leave requests waiting have a size: it is the limit
_FEWEST = 5  # rounds that show a limit of prefills
_FEWEST_BLOCKED = 2  # decode rounds beside which requests wait: only a full domain makes them
_FEWEST_ROUNDS = 40  # of a role, for a fit
_FEWEST_REQUESTS = 40
_MOST_CUT = 0.1  # of the requests lack their begin or end
_BLOCKS = [1 << power for power in range(3, 12)]  # tokens
_EARLY = 0.01
_FULL = 0.8  # of a KV pool: from there on it may be what requests wait for


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
    load_rows = _load_rows(recording, served)
    if recording.cut > _MOST_CUT * (recording.cut + recording.requests.height):
        raise Unfit(_("{count} requests lack their begin or end").format(count=f"{recording.cut:,}"))
    if load_rows.height < _FEWEST_REQUESTS:
        text = _("only {count} requests are recorded whole, fewer than {least}")
        raise Unfit(text.format(count=load_rows.height, least=_FEWEST_REQUESTS))
    if load_rows.height < (1 - _MOST_CUT) * recording.requests.height:
        missing = recording.requests.height - load_rows.height
        raise Unfit(_("of {count} requests no rounds are recorded").format(count=f"{missing:,}"))
    load = _load(load_rows)
    rounds = _with_loads(recording, served, load_rows)
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
    queued = _queued(recording, rounds, load_rows)
    scheduling, most_running, unseen = _limits(recording, rounds, queued, works)
    block = _block_tokens(recording, rounds)
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
        handoff=_handoff(recording, load_rows),
        delay=_delay(load_rows),
        answer=_answer(load_rows),
    )
    return Fitted(load, service, load_rows, unseen)


def _load_rows(recording: Recording, served: pl.DataFrame) -> pl.DataFrame:
    """Return a row a request with rounds, by arrival: what it asked for, where it ran, when what began."""
    prefills = served.filter("is_prefill")
    decodes = served.filter(~pl.col("is_prefill"))
    hits, scale = _hits_count(recording, served)
    rest = pl.col("input") * (1 - pl.col("hit").fill_null(0.0)) if hits else pl.col("input")
    begun = prefills.group_by("request").agg(
        first_domain=pl.col("domain").first(),
        taken=pl.col("start").min(),
        prefill_end=pl.col("end").max(),
    )
    after = decodes.group_by("request").agg(
        then_domain=pl.col("domain").last(),
        decode_start=pl.col("start").min(),
        decode_end=pl.col("end").max(),
        rounds=pl.len().cast(pl.Int64),
    )
    return (
        recording.requests.join(begun, on="request")
        .join(after, on="request", how="left")
        .drop_nulls(["input", "first", "end"])
        .with_columns(
            rounds=pl.col("rounds").fill_null(0),
            then_domain=pl.coalesce("then_domain", "first_domain"),
            prompt=(rest * scale).round().cast(pl.Int64),
            output=pl.col("output").fill_null(pl.col("rounds").fill_null(0) + 1),
        )
        .sort("arrival", "request")
    )


def _hits_count(recording: Recording, served: pl.DataFrame) -> tuple[bool, float]:
    """Tell whether rounds schedule only what the prefix cache lacks, and their tokens / what that makes.

    Caches hold whole blocks: what is written of their hits is a little more than what they save.
    """
    known = (
        served.filter(pl.col("phase") == "prefill")
        .join(recording.requests.select("request", "input", "hit"), on="request")
        .group_by("round")
        .agg(
            pl.col("tokens").first(),
            whole=pl.col("input").sum(),
            rest=(pl.col("input") * (1 - pl.col("hit").fill_null(0.0))).sum(),
        )
        .drop_nulls()
        .sum()
    )
    whole, rest, tokens = (known[name].item() for name in ("whole", "rest", "tokens"))
    if not tokens or not rest:
        return False, 1.0
    hits = abs(rest - tokens) < abs(whole - tokens)
    return hits, tokens / (rest if hits else whole)


def _load(rows: pl.DataFrame) -> Load:
    def ints(name: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        found: np.ndarray[tuple[int], np.dtype[np.int64]] = rows[name].cast(pl.Int64).to_numpy()
        return found

    return Load(
        arrival=rows["arrival"].to_numpy(),
        prompt=ints("prompt"),
        context=ints("input"),
        rounds=ints("rounds"),
        output=ints("output"),
        first_domain=ints("first_domain"),
        then_domain=ints("then_domain"),
    )


def _with_loads(recording: Recording, served: pl.DataFrame, load_rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rounds with what they compute: `prompt` tokens, `sequences`, `decoding`, `context`."""
    own = served.join(load_rows.select("request", "input", "prompt"), on="request", how="left")
    place = pl.int_range(pl.len()).over("request", "is_prefill")
    own = own.with_columns(cached=pl.col("input") + 1 + place)
    loads = own.group_by("round").agg(
        sequences=pl.col("is_prefill").sum().cast(pl.Int64),
        decoding=(~pl.col("is_prefill")).sum().cast(pl.Int64),
        context=pl.col("cached").filter(~pl.col("is_prefill")).sum(),
        prompts=pl.col("prompt").filter(pl.col("is_prefill")).sum(),
    )
    known = recording.rounds.join(loads, on="round", how="left")
    # Speculation schedules several tokens for each decoding request.
    decode = known.filter(pl.col("phase") == "decode", pl.col("decoding") > 0)
    each = (decode["tokens"] / decode["decoding"]).median()
    each = float(each) if isinstance(each, float) else 1.0
    decoded = pl.when(pl.col("phase") == "mixed").then(each * pl.col("decoding")).otherwise(0)
    tokens = pl.coalesce((pl.col("tokens") - decoded).clip(0), "prompts").cast(pl.Float64)
    return known.with_columns(
        sequences=pl.coalesce("sequences", "prefills").fill_null(0),
        decoding=pl.coalesce("decoding", "decodes").fill_null(0),
        context=pl.col("context").fill_null(0).cast(pl.Float64),
        prompt=pl.when(pl.col("phase") == "decode").then(0.0).otherwise(tokens).fill_null(0.0),
    )


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


def _queued(recording: Recording, rounds: pl.DataFrame, load_rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rounds with what each left behind: requests that `waiting` are, and those `held` in it.

    Who came before the round ahead was over, and is not in this one either, was seen and had to wait.
    """
    delay, over = _delay(load_rows), _handoff_ready(recording, load_rows)
    parts = []
    for place, domain in enumerate(recording.domains):
        own = rounds.filter(pl.col("domain") == place)
        if domain.work == "decode":
            mine = over.filter(pl.col("then_domain") == place)
            came, began = mine["ready"], mine["decode_start"]
        else:
            mine = load_rows.filter(pl.col("first_domain") == place)
            came, began = mine["arrival"] + delay, mine["taken"]
        left = mine.select(
            pl.when(pl.col("then_domain") == place)
            .then(pl.coalesce("decode_end", "prefill_end"))
            .otherwise("prefill_end")
        ).to_series()
        start = own["start"].to_numpy()
        seen = own["end"].shift(1).fill_null(-np.inf).to_numpy()
        taken = np.searchsorted(began.sort().to_numpy(), start + 1e-6, "right")
        used = own.select("start").join_asof(
            recording.kv.filter(pl.col("domain") == place).sort("time"), left_on="start", right_on="time"
        )
        parts.append(
            own.with_columns(
                kv_use=(used["used"] / (domain.blocks or 1)).fill_null(0.0) if domain.blocks else pl.lit(0.0),
                waiting=pl.Series(np.searchsorted(came.sort().to_numpy(), seen, "right") - taken),
                held=pl.Series(taken - np.searchsorted(left.sort().to_numpy(), start, "right")),
            )
        )
    return pl.concat(parts)


def _handoff_ready(recording: Recording, load_rows: pl.DataFrame) -> pl.DataFrame:
    pulled = recording.pulls.select("request", pulled="end")
    return (
        load_rows.filter(pl.col("first_domain") != pl.col("then_domain"), pl.col("rounds") > 0)
        .join(pulled, on="request", how="left")
        .with_columns(ready=pl.coalesce("pulled", "prefill_end"))
    )


def _limits(
    recording: Recording, rounds: pl.DataFrame, queued: pl.DataFrame, works: list[Work]
) -> tuple[dict[Work, Scheduling], dict[Work, int], tuple[str, ...]]:
    """Return how batches are made and limited by role: a limit shows where requests wait beside full ones."""
    scheduling: dict[Work, Scheduling] = {}
    most_running: dict[Work, int] = {}
    unseen = []
    for work in works:
        places = [place for place, domain in enumerate(recording.domains) if domain.work == work]
        own = queued.filter(pl.col("domain").is_in(places))
        mixed = bool((own["phase"] == "mixed").mean() > _MIXED)  # type: ignore[operator]
        left = own.filter(pl.col("waiting") > 0, pl.col("kv_use") < _FULL)
        decodes = left.filter(pl.col("sequences") == 0)
        running, share = _usual_most(decodes["decoding"].to_numpy())
        bound = len(decodes) >= _FEWEST_BLOCKED and share >= _BOUND and running == own["decoding"].max()
        most_running[work] = running if bound else NO_LIMIT
        if not bound and work != "prefill":
            unseen.append(_("requests that a domain runs at once"))
        # Where all that a domain runs at once are there, that is what limits a prefill round.
        prefills = left.filter(pl.col("sequences") > 0, pl.col("held") < most_running[work])
        count, share = _usual_most(prefills["sequences"].to_numpy())
        tokens = int(prefills["prompt"].max() or 0)  # type: ignore[arg-type]
        if work == "decode":
            scheduling[work] = Scheduling()
        elif mixed:
            budget = rounds.filter(pl.col("domain").is_in(places))["tokens"].max()
            scheduling[work] = Scheduling(mixed=True, most_tokens=int(budget or NO_LIMIT))  # type: ignore[arg-type]
        elif len(prefills) >= _FEWEST and share >= _BOUND and count == own["sequences"].max():
            scheduling[work] = Scheduling(most_prefills=count)
        elif len(prefills) >= _FEWEST:
            scheduling[work] = Scheduling(most_tokens=tokens)
        else:
            scheduling[work] = Scheduling()
            unseen.append(_("prompts in a prefill round"))
    return scheduling, most_running, tuple(dict.fromkeys(unseen))


def _usual_most(sizes: np.ndarray[tuple[int], np.dtype[np.int64]]) -> tuple[int, float]:
    """Return the largest size and the share of all that have it."""
    if not len(sizes):
        return 0, 0.0
    most = int(sizes.max())
    return most, float((sizes == most).mean())


def _block_tokens(recording: Recording, rounds: pl.DataFrame) -> int:
    """Return the tokens of a KV block, by what requests hold and the pool has given; 0: nothing tells."""
    if recording.kv.is_empty():
        return 0
    # A pool of prefills alone holds for a moment what has left since.
    decode = rounds.filter(pl.col("phase") == "decode", pl.col("context") > 0).sort("end")
    read = recording.kv.sort("time")
    known = decode.join_asof(
        read, left_on="end", right_on="time", by="domain", strategy="backward", check_sortedness=False
    ).drop_nulls("used")
    known = known.filter(pl.col("used") > 2 * pl.col("decoding"))
    if known.is_empty():
        return 0
    size = known.select((pl.col("context") / (pl.col("used") - pl.col("decoding") / 2)).median()).item()
    nearest = min(_BLOCKS, key=lambda block: abs(np.log(block / size)))
    return nearest if abs(np.log(nearest / size)) < 0.25 else 0


def _handoff(recording: Recording, load_rows: pl.DataFrame) -> Handoff:
    """Return how requests go from prefill to decode; what lies in between where no pull is recorded."""
    over = _handoff_ready(recording, load_rows)
    if over.is_empty():
        return Handoff()
    pulls = over.join(recording.pulls, on="request", suffix="_of_pull").with_columns(
        wait=pl.col("start") - pl.col("prefill_end"), pull=pl.col("end_of_pull") - pl.col("start")
    )
    if pulls.height < _FEWEST:
        waits = (over["decode_start"] - over["prefill_end"]).drop_nulls()
        return Handoff(wait=max(0.0, float(waits.quantile(0.1) or 0.0)))
    x, y = pulls["input"].cast(pl.Float64).to_numpy(), pulls["pull"].to_numpy()
    base, slope = robust_line(x, y)
    ratios = pulls.with_columns(ratio=pl.Series(y / np.maximum(base + slope * x, 1e-3)))
    by = ratios.group_by("then_domain").agg(pl.col("ratio").median(), pl.len())
    factors = {int(place): float(ratio) for place, ratio, count in by.iter_rows() if count >= _FEWEST}
    wait = max(0.0, float(pulls["wait"].median()))  # type: ignore[arg-type]
    return Handoff(wait, base, slope, factors)


def robust_line(x: Floats, y: Floats) -> tuple[float, float]:
    """Return base and slope (none below 0) of the least absolute deviations of `y` about a line of `x`."""
    weights = np.ones(len(x))
    base, slope = float(np.median(y)), 0.0
    for _turn in range(20):
        mean_x, mean_y = np.average(x, weights=weights), np.average(y, weights=weights)
        spread = np.average((x - mean_x) ** 2, weights=weights)
        slope = max(0.0, float(np.average((x - mean_x) * (y - mean_y), weights=weights) / max(spread, 1e-12)))
        base = float(mean_y - slope * mean_x)
        weights = 1 / np.maximum(np.abs(y - base - slope * x), 1e-3)
    return max(0.0, base), slope


def _delay(load_rows: pl.DataFrame) -> float:
    """Return the least time from an arrival to a prefill round, ms: that of a service that is idle."""
    return max(0.0, float((load_rows["taken"] - load_rows["arrival"]).quantile(_EARLY) or 0.0))


def _answer(load_rows: pl.DataFrame) -> float:
    """Return how long after its round a token is answered, ms."""
    return float((load_rows["first"] - load_rows["prefill_end"]).median() or 0.0)
