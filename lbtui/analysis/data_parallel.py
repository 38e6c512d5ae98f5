"""DP domains: the steps of a domain made of its cards' forward passes, and every metric as lanes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from lbtui.analysis.lanes import Lane, held_lanes, reading_lanes
from lbtui.profile import Domain
from lbtui.text import _

MetricKey: TypeAlias = Literal[
    "batch_size",
    "prefill_batch_size",
    "decode_batch_size",
    "tokens",
    "duration",
    "bubble",
    "kv_usage",
    "kv_free",
    "waiting",
    "running",
]


@dataclass(frozen=True)
class Metric:
    """One quantity per DP domain over time, with what the help says of it."""

    key: MetricKey
    label: str
    unit: str
    frame: Literal["steps", "kv", "queues"]
    column: str
    formula: str
    idle_is_zero: bool  # an idle domain carries none of it
    counts: bool  # numbers of requests: PAR leaves out near-idle instants and has a chance figure
    more_is_load: bool = True  # free blocks are the reverse of load
    each_alike: bool = False  # a mean over steps, not over time: else long steps would count twice
    share: bool = False  # a share of 1, shown in percent


METRICS: tuple[Metric, ...] = (
    Metric(
        "batch_size",
        _("batch size"),
        _("requests a step"),
        "steps",
        "batch_size",
        _("requests in the forward pass; underlined where prefill is among them"),
        idle_is_zero=True,
        counts=True,
    ),
    Metric(
        "prefill_batch_size",
        _("prefill batch size"),
        _("requests a step"),
        "steps",
        "prefill_batch_size",
        _("requests of the step that are being prefilled (batch.csv prefill_batch_size)"),
        idle_is_zero=True,
        counts=True,
    ),
    Metric(
        "decode_batch_size",
        _("decode batch size"),
        _("requests a step"),
        "steps",
        "decode_batch_size",
        _("requests of the step that are being decoded (batch.csv decode_batch_size)"),
        idle_is_zero=True,
        counts=True,
    ),
    Metric(
        "kv_usage",
        _("KV cache usage"),
        _("share of the domain's blocks"),
        "kv",
        "usage",
        _("used / total blocks of the domain; MindIE and SGLang write no total: 1 − free / most ever free"),
        idle_is_zero=False,
        counts=False,
        share=True,
    ),
    Metric(
        "kv_free",
        _("KV cache free"),
        _("blocks"),
        "kv",
        "free_blocks",
        _("blocks left in the domain's own pool"),
        idle_is_zero=False,
        counts=False,
        more_is_load=False,
    ),
    Metric(
        "duration",
        _("forward time"),
        _("ms a step"),
        "steps",
        "duration",
        _("forward pass of the domain's slowest card"),
        idle_is_zero=False,
        counts=False,
        each_alike=True,
    ),
    Metric(
        "bubble",
        _("bubble time"),
        _("ms after a step"),
        "steps",
        "bubble",
        _("from the end of a forward pass to the next start on the same card, the least over the cards"),
        idle_is_zero=False,
        counts=False,
        each_alike=True,
    ),
    Metric(
        "tokens",
        _("tokens"),
        _("tokens a step"),
        "steps",
        "tokens",
        _("tokens scheduled in the step (batch.csv total_scheduled_tokens)"),
        idle_is_zero=True,
        counts=False,
    ),
    Metric(
        "waiting",
        _("waiting requests"),
        _("requests"),
        "queues",
        "waiting",
        _("length of the domain's waiting queue (request_status)"),
        idle_is_zero=False,
        counts=True,
    ),
    Metric(
        "running",
        _("running requests"),
        _("requests"),
        "queues",
        "running",
        _("length of the domain's running queue (request_status)"),
        idle_is_zero=False,
        counts=True,
    ),
)


def metric(key: MetricKey) -> Metric:
    """Return the metric of that key."""
    return next(m for m in METRICS if m.key == key)


def domains_of(*frames: pl.DataFrame) -> list[Domain]:
    """Return the DP domains named in the frames, by instance, rank and key; host is the first by name."""
    names = ("domain", "instance", "host")
    # Of millions of steps, only where others than those before are named; in a large profile these names
    # are categorical.
    changes = pl.any_horizontal(
        pl.col(name).ne_missing(pl.col(name).shift()) for name in (*names, "dp_rank")
    ) | (pl.int_range(pl.len()) == 0)
    owners = [
        f.select(*names, "dp_rank").filter(changes).unique().with_columns(pl.col(names).cast(pl.String))
        for f in frames
        if not f.is_empty()
    ]
    if not owners:
        return []
    rows = (
        pl.concat(owners)
        .drop_nulls("domain")
        .group_by("domain")
        .agg(pl.col("instance").min(), pl.col("host").min(), pl.col("dp_rank").min())
        .sort("instance", "dp_rank", "domain", nulls_last=True)
    )
    return [Domain(*row) for row in rows.select("domain", "instance", "host", "dp_rank").iter_rows()]


def domain_steps(steps: pl.DataFrame) -> pl.DataFrame:
    """Return one row per step of a DP domain, its cards' forward passes joined by time (`joined_steps`).

    Steps that are already joined (they have `cards`) are returned as they are.
    """
    if "cards" in steps.columns:
        return steps
    return joined_steps(numbered_steps(steps))


def joined_steps(numbered: pl.DataFrame) -> pl.DataFrame:
    """Return one row per step of a DP domain from its `numbered_steps`, by start.

    Columns: domain, instance, dp_rank, start (first card), end (last card), duration (ms, slowest card),
    bubble (ms, least over the cards), batch_size, prefill_batch_size, decode_batch_size, tokens, phase,
    forward_iter (least), cards (number).
    """
    return (
        numbered.group_by("step", maintain_order=True)
        .agg(
            pl.col("domain").first(),
            pl.col("instance").first(),
            pl.col("dp_rank").first(),
            pl.col("start").min(),
            pl.col("end").max(),
            pl.col("duration").max(),
            pl.col("bubble").min(),
            pl.col("batch_size").max(),
            pl.col("prefill_batch_size").max(),
            pl.col("decode_batch_size").max(),
            pl.col("tokens").max(),
            pl.col("phase").drop_nulls().first(),
            pl.col("forward_iter").min(),
            cards=pl.len(),  # a card takes part once
        )
        .sort("start", maintain_order=True)
        .drop("step")
    )


def numbered_steps(steps: pl.DataFrame) -> pl.DataFrame:
    """Return the forward passes of DP domains with the number of the `step` that each belongs to.

    Numbers count through all domains. Forward passes of one domain that overlap in time are one step, but a
    card takes part once: `forward_iter` is no common clock, cards count each for themselves.
    """
    owned = by_domain(steps.filter(pl.col("domain").is_not_null()))
    changes = pl.col("domain") != pl.col("domain").shift(1)
    latest = pl.col("end").cum_max().over("domain").shift(1)
    chained = owned.with_columns(chain=(changes | (pl.col("start") >= latest)).fill_null(True).cum_sum())
    # A fast card may begin its next pass before the slowest has ended this one: its second in the chain.
    place = pl.int_range(pl.len())
    entered = pl.when(pl.col("chain") == pl.col("chain").shift(1)).then(None).otherwise(place)
    repeated = chained.with_columns(repeat=(place - entered.forward_fill()).over("domain", "prof_id"))
    # A card's second pass comes after its first, so the steps of a chain appear in order.
    order = pl.col("chain") * (pl.col("repeat").max() + 1) + pl.col("repeat")
    seen = (order > order.cum_max().shift(1)).fill_null(True).cum_sum()
    begins = (pl.col("chain") != pl.col("chain").shift(1)).fill_null(True)
    first = pl.when(begins).then(seen).forward_fill()
    return repeated.with_columns(step=first + pl.col("repeat")).drop("chain", "repeat")


def by_domain(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows domain by domain (in order of the keys), those of each in order of start.

    Sorting by one number and parting is several times as fast as sorting by both.
    """
    parts = rows.sort("start", maintain_order=True).partition_by("domain", as_dict=True)
    return pl.concat([rows.clear(), *(parts[key] for key in sorted(parts))])


def step_intervals(domain_steps: pl.DataFrame) -> pl.DataFrame:
    """Return domain steps with `end` moved to the next start where the gap is no longer than the step.

    A bubble between two steps of a busy domain is no idleness: the batch holds over it.
    """
    ordered = by_domain_and_start(domain_steps)
    start, end = (ordered[name].cast(pl.Int64).to_numpy() for name in ("start", "end"))
    domain = _codes(ordered["domain"])
    # Of the last step of a domain none follows: a gap that nothing bridges.
    following = np.append(np.where(domain[1:] == domain[:-1], start[1:], end[:-1]), end[-1:])
    gap = following - end
    held = np.where((gap > 0) & (gap <= end - start), following, end)
    return ordered.with_columns(pl.Series("end", held).cast(pl.Datetime("us")))


def by_domain_and_start(steps: pl.DataFrame) -> pl.DataFrame:
    """Return the steps sorted; those of a large profile are so already."""
    start, domain = steps["start"].cast(pl.Int64).to_numpy(), _codes(steps["domain"])
    same = domain[1:] == domain[:-1]
    parted = int((~same).sum()) + 1 == steps["domain"].n_unique()
    return steps if parted and (start[1:] >= start[:-1])[same].all() else by_domain(steps)


def _codes(names: pl.Series) -> npt.NDArray[np.uint32]:
    codes: npt.NDArray[np.uint32] = names.cast(pl.Categorical).to_physical().to_numpy()
    return codes


def metric_lanes(
    chosen: Metric,
    intervals: pl.DataFrame,
    kv: pl.DataFrame,
    queues: pl.DataFrame,
    domains: Sequence[Domain],
    until: int,
) -> list[Lane]:
    """Return one lane per domain of the chosen metric.

    `intervals` are `step_intervals`; `until` (µs) is the end of the window, where last readings end.
    """
    keys = [d.key for d in domains]
    if chosen.frame == "steps":
        return held_lanes(intervals, key="domain", value=chosen.column, keys=keys)
    readings = kv if chosen.frame == "kv" else queues
    return reading_lanes(readings, key="domain", value=chosen.column, keys=keys, until=until)


@dataclass(frozen=True)
class Round:
    """One scheduling round of one domain: the step, its cards, and where its request ids lie."""

    step: dict[str, Any]  # a row of `domain_steps`
    cards: pl.DataFrame  # rows of `steps`
    scheduler: str | None  # prof_id
    row: int | None  # `batches.row`


def first_step(steps: pl.DataFrame, domain_key: str, time: datetime) -> datetime | None:
    """Return when the first step of a domain begins that does so at or after an instant, None without any."""
    own = steps.filter(pl.col("domain") == domain_key, pl.col("start") >= time)["start"]
    found = own.min()
    return found if isinstance(found, datetime) else None


def round_at(steps: pl.DataFrame, batches: pl.DataFrame, domain_key: str, time: datetime) -> Round | None:
    """Return the round of a domain that runs at an instant or is the last before it, or None."""
    own = numbered_steps(steps.filter(pl.col("domain") == domain_key))
    before = own.filter(pl.col("start") <= time)
    if before.is_empty():
        return None
    number = before.sort("start")["step"][-1]
    cards = own.filter(pl.col("step") == number).drop("step").sort("prof_id")
    step = domain_steps(cards).row(0, named=True)
    round_rows = (
        batches.filter(
            pl.col("domain") == domain_key, pl.col("start") <= step["end"], pl.col("end") >= step["start"]
        )
        .filter(pl.col("batch_size") == step["batch_size"])
        .sort((pl.col("start") - step["start"]).abs())
    )
    if round_rows.is_empty():
        return Round(step, cards, None, None)
    return Round(step, cards, round_rows["prof_id"][0], round_rows["row"][0])
