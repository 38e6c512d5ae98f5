"""Steps that DP domains take together: who ends last, and how long the others wait."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
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
    group = common_steps(ordered)
    if group is None:
        return None
    grouped = ordered.with_columns(pl.Series("group", group))
    end = pl.col("end").max().over("group")
    return grouped.with_columns(
        members=pl.len().over("group"),
        wait=(end - pl.col("end")).dt.total_microseconds() / 1000,
        last=pl.col("end") == end,
    ).filter(pl.col("members") > 1)


def common_waits(domain_steps: pl.DataFrame) -> pl.DataFrame | None:
    """Return what the common steps of one instance's domains waste, by begin; None if they drift apart.

    Columns: `begin`, `wait` (ms, Σ over its domains from own end to the last end) and `length` (ms, from the
    first start to the last end, × domains).
    """
    together = steps_together(domain_steps)
    if together is None or together.is_empty():
        return None
    length = (pl.col("end").max() - pl.col("start").min()).dt.total_microseconds() / 1000 * pl.len()
    return (
        together.group_by("group")
        .agg(begin=pl.col("start").min(), wait=exact_sum(pl.col("wait")), length=length)
        .select("begin", "wait", "length")
        .sort("begin", "wait", "length")
    )


def common_steps(ordered: pl.DataFrame) -> npt.NDArray[np.int64] | None:
    """Return the number of the common step of each row (`domain`, `start`, `end`; by start), from 0.

    Steps that overlap in time are one; None for one domain alone, and if domains often take part twice.
    """
    domains = ordered["domain"].n_unique()
    if domains < 2:
        return None
    begins = (pl.col("start") >= pl.col("end").cum_max().shift(1)).fill_null(False)
    grouped = ordered.select(
        group=begins.cum_sum().cast(pl.Int64),
        place=pl.col("domain").cast(pl.Categorical).to_physical().cast(pl.Int64),
    )
    most = _MOST_REPEATS * grouped.height
    # Those that drift often have so few groups that nothing needs to be counted.
    if grouped.height - domains * (int(grouped["group"][-1]) + 1) > most:
        return None
    member = pl.col("group") * (pl.col("place").max() + 1) + pl.col("place")
    if grouped.height - grouped.select(member.n_unique()).item() > most:
        return None
    return grouped["group"].to_numpy()
