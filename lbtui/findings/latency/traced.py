"""The lives of a profile's requests, and in which scheduling rounds of DP domains each of them was."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from lbtui.analysis.lockstep import common_steps
from lbtui.analysis.pull_clocks import clock_shifts
from lbtui.findings.evidence import LONGEST_LIFE, Evidence
from lbtui.findings.hosts import waits_by_host
from lbtui.overview.placed import MOST_ENTRIES
from lbtui.profile import Unreadable
from lbtui.profile.source import RequestRounds
from lbtui.text import _, without_stop
from lbtui.thresholds import Thresholds

_LONGEST_LEAD = 50_000  # µs: a dispatch that no request follows sooner is by another clock
LIVES_SCHEMA = pl.Schema(
    {
        "request": pl.UInt32(),
        "row": pl.UInt32(),  # in the frame `requests`
        "begin": pl.Int64(),
        "first": pl.Int64(),
        "end": pl.Int64(),
        "lead": pl.Int64(),  # µs from `begin` to the arrival
    }
)


@dataclass(frozen=True)
class Traced:
    """The requests whose life is recorded from its begin to its end (`whole`), and their rounds.

    `lives` has `LIVES_SCHEMA`; `told` is what files say of them. `rounds` are those of DP domains, with a
    `round` each; `members` has request and round, a row for each of its rounds. `ahead` is by how much (µs)
    the clock of each domain's host is ahead of the requests'.
    """

    whole: pl.DataFrame
    lives: pl.DataFrame
    told: RequestRounds
    rounds: pl.DataFrame
    members: pl.DataFrame
    ahead: dict[str, int]


class Untraced(Exception):
    """Why no request can be traced; `cut` requests lack their begin or end."""

    def __init__(self, why: str, cut: int) -> None:
        super().__init__(why)
        self.cut = cut


def traced(evidence: Evidence) -> Traced:
    """Return the lives of requests, and their rounds. Raises `Untraced`."""
    whole = evidence.whole_requests
    cut = evidence.frame("requests").height - whole.height
    if whole.is_empty():
        raise Untraced(_("no request is recorded from its arrival to its end"), cut)
    entries = int(evidence.frame("batches")["batch_size"].sum())
    if entries > MOST_ENTRIES:
        text = _("requests are in {entries} rounds, more than the {most} that are taken apart here")
        raise Untraced(text.format(entries=f"{entries:,}", most=f"{MOST_ENTRIES:,}"), cut)
    try:
        told = evidence.request_rounds
    except Unreadable as error:
        raise Untraced(without_stop(str(error)), cut) from error
    rounds = round_frame(evidence)
    members = told.members.with_columns(pl.col("prof_id").cast(pl.String)).join(
        rounds.select("prof_id", "row", "round"), on=["prof_id", "row"]
    )
    if members.is_empty():
        raise Untraced(_("no scheduling round names a request whose begin and end are known"), cut)
    lives = _lives(whole, told)
    return Traced(whole, lives, told, rounds, members, _ahead(evidence, rounds, members, lives))


def _lives(whole: pl.DataFrame, told: RequestRounds) -> pl.DataFrame:
    """Return `LIVES_SCHEMA`: a request begins where it is dispatched, else at its first httpReq."""
    dispatched = told.dispatched.group_by("request").agg(dispatched=pl.col("time").cast(pl.Int64).max())
    known = (
        whole.with_row_index("request")
        .select(
            "request",
            "row",
            arrival=pl.col("arrival").cast(pl.Int64),
            ttft=pl.when(pl.col("ttft").abs() <= LONGEST_LIFE).then((pl.col("ttft") * 1000).round()),
            end=pl.col("arrival").cast(pl.Int64) + (pl.col("duration") * 1000).round().cast(pl.Int64),
        )
        .join(dispatched, on="request", how="left", maintain_order="left")
    )
    lead = known.select(pl.col("arrival") - pl.col("dispatched")).to_series()
    least = lead.filter(lead >= 0).min()
    by_one_clock = isinstance(least, int) and least <= _LONGEST_LEAD
    begin = pl.min_horizontal("arrival", "dispatched") if by_one_clock else pl.col("arrival")
    first = pl.col("arrival") + pl.col("ttft").cast(pl.Int64, strict=False)
    return known.select(
        "request",
        "row",
        begin=begin,
        first=pl.when(first.is_not_null()).then(pl.min_horizontal(first, "end")),
        end="end",
        lead=pl.col("arrival") - begin,
    )


def skewed_hosts(evidence: Evidence, limits: Thresholds) -> list[str]:
    """Return the hosts whose clocks differ from those of the hosts they hand requests over with."""
    shifts = clock_shifts(waits_by_host(evidence), limits.clock_skew_ms)
    return sorted({shift.host for shift in shifts})


def round_frame(evidence: Evidence) -> pl.DataFrame:
    """Return the rounds of DP domains as `Rounds` has them: a `round` each, its process and row.

    Of schedulers that run the same rounds of one domain (tensor parallel ranks) one stands for all.
    """
    rounds = evidence.frame("batches").drop_nulls(["domain", "start", "end", "prof_id"])
    leaders = (
        rounds.group_by("domain", "prof_id")
        .len()
        .sort("domain", "len", "prof_id", descending=[False, True, False])
        .unique("domain", keep="first", maintain_order=True)
    )
    return (
        rounds.join(leaders.select("domain", "prof_id"), on=["domain", "prof_id"], how="semi")
        .with_columns(pl.col("domain", "prof_id").cast(pl.String))
        .sort("domain", "start", "end", "row", maintain_order=True)
        .with_row_index("round")
    )


def _ahead(
    evidence: Evidence, frame: pl.DataFrame, members: pl.DataFrame, lives: pl.DataFrame
) -> dict[str, int]:
    """Return by how much (µs) the clock of each domain's host is ahead of the one that requests are timed by.

    That is the clock of one of the hosts: the one by which fewest rounds begin before the life of their
    request or end after it. Only where the hosts of one instance differ, and none hands its requests over.
    """
    if evidence.roles or len(evidence.clock_offsets) != 1:
        return {}
    offsets = {
        domain.key: evidence.clock_offsets.get(domain.instance, {}).get(domain.host, 0)
        for domain in evidence.domains
    }
    rounds = frame.select(
        "round",
        start=pl.col("start").cast(pl.Int64),
        end=pl.col("end").cast(pl.Int64),
        offset=pl.col("domain").replace_strict(offsets, default=0, return_dtype=pl.Int64),
    )
    placed = members.join(rounds, on="round").join(lives, on="request", suffix="_of_life")

    def outside(clock: int) -> int:
        by = pl.col("offset") - clock
        wrong = (pl.col("start") - by < pl.col("begin")) | (pl.col("end") - by > pl.col("end_of_life"))
        return int(placed.select(wrong.sum()).item())

    clock = min(sorted({*offsets.values()}), key=outside)
    return {key: offset - clock for key, offset in offsets.items()}


def passes_in(evidence: Evidence, frame: pl.DataFrame) -> pl.DataFrame:
    """Return of each `round` with a forward pass: forward_start, forward_end (µs), `group` (common step).

    Groups count through all instances; null where the domains do not step together.
    """
    found = []
    count = 0
    for instance in evidence.instances:
        steps = evidence.steps.filter(pl.col("instance") == instance).with_columns(given=pl.col("start"))
        own = evidence.corrected(steps, instance).sort("start", maintain_order=True)
        group = common_steps(own) if own.height else None
        numbers = pl.Series("group", [None] * own.height if group is None else group + count, dtype=pl.Int64)
        count += 0 if group is None else int(group.max(initial=-1)) + 1
        length = pl.col("end") - pl.col("start")
        found.append(
            own.select(
                pl.col("domain").cast(pl.String), "given", until=pl.col("given") + length
            ).with_columns(numbers)
        )
    if not found:
        return pl.DataFrame(
            schema=dict.fromkeys(("round", "forward_start", "forward_end", "group"), pl.Int64)
        ).cast({"round": pl.UInt32})
    rounds = frame.select("domain", "round", given="start", over="end").sort("given", maintain_order=True)
    inside = (
        pl.concat(found)
        .sort("given", maintain_order=True)
        .join_asof(rounds, on="given", by="domain", check_sortedness=False)
        .filter(pl.col("given") < pl.col("over"))
    )
    return (
        inside.group_by("round")
        .agg(
            forward_start=pl.col("given").min().cast(pl.Int64),
            forward_end=pl.col("until").max().cast(pl.Int64),
            group=pl.col("group").max(),
        )
        .sort("round")
    )
