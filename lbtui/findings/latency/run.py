"""The parts of every request's latency, from a profile's rounds, forward passes, hand-offs and clocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from lbtui.analysis.latency_parts import PARTS_SCHEMA, Ints, Lives, Rounds, latency_parts
from lbtui.analysis.lockstep import common_steps
from lbtui.analysis.pull_clocks import clock_shifts
from lbtui.findings.evidence import Evidence
from lbtui.findings.hosts import waits_by_host
from lbtui.overview.placed import MOST_ENTRIES
from lbtui.profile import Profile, Progress, Unreadable, attempted
from lbtui.profile.source import RequestRounds
from lbtui.text import _
from lbtui.thresholds import Thresholds

_LONGEST = 1e12  # ms: what takes longer than a life has no known end
_LONGEST_LEAD = 50_000  # µs: a dispatch that no request follows sooner is by another clock
_LIVES = pl.Schema(
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
class Latency:
    """The parts of the requests whose life is recorded from its begin to its end.

    `lives` has request, row (in the frame `requests`), begin, first (token; null where unknown) and end (µs
    since 1970), and `lead` (µs from `begin` to its arrival); `parts` has the columns of `PARTS_SCHEMA`. `cut`
    requests lack their begin or end, of `unplaced` no round is known; `skewed` are hosts whose clocks differ;
    clocks of hosts that step together differ by `corrected` ms, which is taken out; `absent` says why there
    are no parts.
    """

    lives: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_LIVES))
    parts: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=PARTS_SCHEMA))
    cut: int = 0
    unplaced: int = 0
    skewed: tuple[str, ...] = ()
    corrected: float = 0.0
    absent: str = ""


def latency_of(
    profile: Profile, evidence: Evidence, limits: Thresholds, progress: Progress | None = None
) -> Latency:
    """Return where the time of each request of a profile went. Raises `Cancelled` when `progress` does.

    Where rounds cannot be read, the rest is still worth seeing: it is told why there are no parts.
    """

    def look() -> Latency:
        try:
            return latency_in(evidence, limits, lambda ids: profile.read_request_rounds(ids, progress))
        except Unreadable as error:
            return Latency(absent=str(error).rstrip("."))

    latency, failure = attempted(_("where the time went"), look, Latency())
    return latency if failure is None else Latency(absent=failure.text)


def latency_in(evidence: Evidence, limits: Thresholds, read: Callable[[pl.Series], RequestRounds]) -> Latency:
    """Return what `latency_of` does; `read` gives the rounds of requests."""
    requests = evidence.frame("requests").with_row_index("row")
    whole = requests.filter(pl.col("arrival").is_not_null(), pl.col("duration").is_between(0, _LONGEST))
    cut = requests.height - whole.height
    if whole.is_empty():
        return Latency(cut=cut, absent=_("no request is recorded from its arrival to its end"))
    entries = int(evidence.frame("batches")["batch_size"].sum())
    if entries > MOST_ENTRIES:
        text = _("requests are in {entries} rounds, more than the {most} that are taken apart here")
        return Latency(cut=cut, absent=text.format(entries=f"{entries:,}", most=f"{MOST_ENTRIES:,}"))
    told = read(whole["request_id"])
    frame = _round_frame(evidence)
    members = told.members.with_columns(pl.col("prof_id").cast(pl.String)).join(
        frame.select("prof_id", "row", "round"), on=["prof_id", "row"]
    )
    if members.is_empty():
        return Latency(cut=cut, absent=_("no scheduling round names a request whose begin and end are known"))
    lives = _lives(whole, told)
    skewed = _skewed(evidence, limits)
    cuts = Lives(
        lives["begin"].to_numpy(),
        lives["first"].fill_null(-1).to_numpy(),
        lives["end"].to_numpy(),
        members.select("request", "round"),
        told.taken.with_columns(pl.col("time").cast(pl.Int64)),
        told.pulls.with_columns(pl.col("start", "end").cast(pl.Int64)),
    )
    ahead = _ahead(evidence, frame, members, lives)
    parts = latency_parts(cuts, _rounds(evidence, frame, ahead), skewed)
    unplaced = whole.height - members["request"].n_unique()
    corrected = (max(ahead.values()) - min(ahead.values())) / 1000 if ahead else 0.0
    return Latency(lives, parts, cut, unplaced, tuple(skewed), corrected)


def _lives(whole: pl.DataFrame, told: RequestRounds) -> pl.DataFrame:
    """Return `_LIVES`: a request begins where the coordinator dispatches it, else at its first httpReq."""
    dispatched = told.dispatched.group_by("request").agg(dispatched=pl.col("time").cast(pl.Int64).max())
    known = (
        whole.with_row_index("request")
        .select(
            "request",
            "row",
            arrival=pl.col("arrival").cast(pl.Int64),
            ttft=pl.when(pl.col("ttft").abs() <= _LONGEST).then((pl.col("ttft") * 1000).round()),
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


def _skewed(evidence: Evidence, limits: Thresholds) -> list[str]:
    """Return the hosts whose clocks differ from those of the hosts they hand requests over with."""
    shifts = clock_shifts(waits_by_host(evidence), limits.clock_skew_ms)
    return sorted({shift.host for shift in shifts})


def _round_frame(evidence: Evidence) -> pl.DataFrame:
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


def _rounds(evidence: Evidence, frame: pl.DataFrame, ahead: Mapping[str, int]) -> Rounds:
    places = sorted({*frame["domain"].unique(), *(domain.key for domain in evidence.domains)})
    code = {key: number for number, key in enumerate(places)}
    by = pl.col("domain").replace_strict(ahead, default=0, return_dtype=pl.Int64)
    hosts = {domain.key: domain.host for domain in evidence.domains}
    passes = _passes_in(evidence, frame)
    known = (
        frame.join(passes, on="round", how="left", maintain_order="left")
        .with_columns(
            pl.col("forward_start", "forward_end") - by,
            domain=pl.col("domain").replace_strict(code, return_dtype=pl.Int64),
            start=pl.col("start").cast(pl.Int64) - by,
            end=pl.max_horizontal(pl.col("start"), pl.col("end")).cast(pl.Int64) - by,
            prefills=pl.col("phase").cast(pl.String).replace_strict({"prefill": 1, "decode": 0}, default=-1),
        )
        .with_columns(
            forward_start=pl.coalesce("forward_start", "start"), forward_end=pl.coalesce("forward_end", "end")
        )
    )
    lock = _locks(evidence, known, code, ahead)

    def of(frame: pl.DataFrame, name: str) -> Ints:
        found: Ints = frame[name].cast(pl.Int64).to_numpy()
        return found

    return Rounds(
        places=tuple(places),
        hosts=tuple(hosts.get(key, "") for key in places),
        ahead=np.array([ahead.get(key, 0) for key in places], dtype=np.int64),
        domain=of(known, "domain"),
        start=of(known, "start"),
        end=of(known, "end"),
        forward_start=of(known, "forward_start"),
        forward_end=of(known, "forward_end"),
        prefills=of(known, "prefills"),
        lock_end=of(lock, "lock_end"),
        waited_for=of(lock, "waited_for"),
        waits_inside=lock["inside"].to_numpy(),
        coupled=lock["coupled"].to_numpy(),
        decoders=np.array([evidence.roles.get(key) == "decode" for key in places], dtype=bool),
    )


def _passes_in(evidence: Evidence, frame: pl.DataFrame) -> pl.DataFrame:
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


def _locks(
    evidence: Evidence, known: pl.DataFrame, code: Mapping[str, int], ahead: Mapping[str, int]
) -> pl.DataFrame:
    """Return `lock_end`, `waited_for`, `inside` and `coupled` of each round, as `Rounds` has them."""
    accounts = evidence.accounts
    inside = {key: own.round_end is not None and own.tails is None for key, own in accounts.items()}
    coupled = {key: own.coupled for key, own in accounts.items()}
    offset = {
        code[domain.key]: evidence.clock_offsets.get(domain.instance, {}).get(domain.host, 0)
        - ahead.get(domain.key, 0)
        for domain in evidence.domains
    }
    instance = pl.col("instance").cast(pl.String)
    done = pl.col("given") - pl.col("domain").replace_strict(offset, default=0, return_dtype=pl.Int64)
    waits = (
        known.with_columns(
            inside=instance.replace_strict(inside, default=False, return_dtype=pl.Boolean),
            coupled=instance.replace_strict(coupled, default=False, return_dtype=pl.Boolean),
        )
        .with_columns(given=pl.when("inside").then("forward_end").otherwise("end"))
        .with_columns(done=done)
        .with_columns(
            last=pl.col("done").max().over("group"),
            waited=pl.col("domain").sort_by("done", "domain").last().over("group"),
            several=pl.col("domain").n_unique().over("group") > 1,
        )
    )
    common = pl.col("group").is_not_null() & pl.col("several")
    late = common & (pl.col("last") > pl.col("done"))
    return waits.select(
        "inside",
        lock_end=pl.when(late).then(pl.col("given") + pl.col("last") - pl.col("done")).otherwise(-1),
        waited_for=pl.when(late).then("waited").otherwise(-1),
        coupled=pl.col("coupled") & common,
    )
