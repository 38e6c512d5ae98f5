"""Steps that DP domains take together: who ends last, and how long the others wait."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from lbtui.analysis.exact import exact_sum

# MoE domains meet in every layer; independent ones drift apart until nearly all steps overlap in one chain.
_MOST_REPEATS = 0.02


def steps_together(domain_steps: pl.DataFrame) -> pl.DataFrame | None:
    """Return the steps of one instance's domains with the common `group` each belongs to, None if they drift.

    Adds `group`, `members` (steps in the group), `wait` (ms from own end to the group's last end) and `last`
    (ends last). Steps that overlap in time are one group; if domains often take part twice, they do not
    step together and no waiting can be told from end times.
    """
    ordered = domain_steps.sort("start", maintain_order=True)
    if ordered["domain"].n_unique() < 2:
        return None
    begins = (pl.col("start") >= pl.col("end").cum_max().shift(1)).fill_null(True)
    grouped = ordered.with_columns(group=begins.cum_sum())
    repeats = grouped.height - grouped.select(pl.struct("group", "domain").n_unique()).item()
    if repeats > _MOST_REPEATS * grouped.height:
        return None
    end = pl.col("end").max().over("group")
    return grouped.with_columns(
        members=pl.len().over("group"),
        wait=(end - pl.col("end")).dt.total_microseconds() / 1000,
        last=pl.col("end") == end,
    ).filter(pl.col("members") > 1)


@dataclass(frozen=True)
class Wait:
    """What the others wait for one domain (or card), over the common steps it takes part in."""

    per_step: float  # ms: Σ waits of the others in the steps it ends last / other members / steps
    share: float  # the same sum / Σ length of the steps
    last_share: float  # of the steps in which it ends last
    steps: int


def wait_for(together: pl.DataFrame, member: str, column: str = "domain") -> Wait | None:
    """Return what the others wait for `member`, None if it takes part in no step of `steps_together`.

    A step's wait is the mean over its other members; it is 0 in steps that another ends last.
    """
    groups = together.group_by("group").agg(
        took_part=(pl.col(column) == member).any(),
        led=((pl.col(column) == member) & pl.col("last")).any(),
        wait=exact_sum(pl.col("wait")) / (pl.col("members").first() - 1),
        length=(pl.col("end").max() - pl.col("start").min()).dt.total_microseconds() / 1000,
    )
    own = groups.filter("took_part")
    length = float(own.select(exact_sum(pl.col("length"))).item())
    if own.is_empty() or length <= 0:
        return None
    led = own.filter("led")
    waited = float(led.select(exact_sum(pl.col("wait"))).item())
    return Wait(waited / own.height, waited / length, led.height / own.height, own.height)
