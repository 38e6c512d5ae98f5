"""The processes of the tables of scheduling: who each is, by these and by what other files say of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import polars as pl

from lbtui.profile import host_and_pid, instance_names
from lbtui.profile.roles import Work, work_by
from lbtui.sources.steps.phases import phase_by_type
from lbtui.sources.steps.recorded import EXECUTION, executed_rounds
from lbtui.sources.steps.same_batches import Runs, runs_by_process


@dataclass(frozen=True)
class Hints:
    """What other files tell of processes, where the tables of scheduling do not.

    `ranks`: dp_rank by host and pid, of their labels. `requests` reads the ids of requests by scheduler,
    empty where no file tells. `disaggregated`: there are prefill and decode nodes.
    """

    ranks: Mapping[tuple[str, int], int] = field(default_factory=dict)
    requests: Callable[[], Mapping[str, Collection[str]]] = dict
    disaggregated: bool = False


@dataclass(frozen=True)
class Process:
    """A card (it has forward passes) or a scheduler (it has rounds only)."""

    prof_id: str
    host: str
    instance: str
    dp_rank: int | None
    rank_of_batch: int | None  # batch.csv's, which upstream joins on the pid alone
    runs: Runs | None
    is_card: bool


def processes(
    forward: pl.DataFrame | None, batch: pl.DataFrame | None, labels: Mapping[tuple[str, int], int]
) -> tuple[list[Process], list[Process]]:
    """Return the cards and the schedulers, each by host and prof_id."""
    in_forward, in_batch = _described(forward), _described(batch)
    hosts = {
        **{p: host for p, (host, _rank) in in_batch.items()},
        **{p: h for p, (h, _r) in in_forward.items()},
    }
    instances = instance_names(hosts.values())
    passes = runs_by_process(forward) if forward is not None else {}
    rounds = _rounds_by_process(batch)
    only_rank = _only_ranks(in_batch)

    def process(prof_id: str, own: int | None, runs: Runs | None) -> Process:
        host = hosts[prof_id]
        of_batch = in_batch.get(prof_id, ("", None))[1]
        # vLLM's forward passes carry no dp_rank; its batch rows do, or the labels of its processes.
        said = (own, of_batch, labels.get(host_and_pid(prof_id) or ("", -1)), only_rank.get(host))
        rank = next((one for one in said if one is not None), None)
        return Process(prof_id, host, instances[host], rank, of_batch, runs, prof_id in in_forward)

    cards = [process(p, rank, passes.get(p)) for p, (_host, rank) in in_forward.items()]
    schedulers = [process(p, None, rounds.get(p)) for p in in_batch if p not in in_forward]
    order = {p: (hosts[p], p) for p in hosts}
    return (
        sorted(cards, key=lambda p: order[p.prof_id]),
        sorted(schedulers, key=lambda p: order[p.prof_id]),
    )


def _described(raw: pl.DataFrame | None) -> dict[str, tuple[str, int | None]]:
    """Return the host and the usual dp_rank of each prof_id."""
    if raw is None:
        return {}
    rank = pl.col("dp_rank").drop_nulls().mode().min().cast(pl.Int32, strict=False)
    host = pl.col("host").drop_nulls().first() if "host" in raw.columns else pl.lit(None, pl.String)
    found = raw.group_by("prof_id").agg(host.alias("host"), rank.alias("dp_rank"))
    described: dict[str, tuple[str, int | None]] = {}
    for prof_id, written, dp_rank in found.select("prof_id", "host", "dp_rank").iter_rows():
        named = host_and_pid(prof_id)
        described[prof_id] = (written or (named[0] if named else "unknown host"), dp_rank)
    return described


def _rounds_by_process(batch: pl.DataFrame | None) -> dict[str, Runs]:
    if batch is None:
        return {}
    executed = runs_by_process(batch.filter(pl.col("name").is_in(EXECUTION)))
    others = batch.filter(~pl.col("prof_id").is_in(list(executed)))
    return {**runs_by_process(others), **executed}


def _only_ranks(described: dict[str, tuple[str, int | None]]) -> dict[str, int]:
    """Return the dp_rank of hosts that have one only: it is that of their cards, too."""
    ranks: dict[str, set[int]] = {}
    for host, rank in described.values():
        if rank is not None:
            ranks.setdefault(host, set()).add(rank)
    return {host: min(of_host) for host, of_host in ranks.items() if len(of_host) == 1}


def pid_of(prof_id: str) -> str:
    """Return the pid in a prof_id, as text."""
    return prof_id.rpartition("-")[2]


def work_of(passes: pl.DataFrame | None, rounds: pl.DataFrame | None) -> dict[str, Work]:
    """Return what each process did, by its rounds, or its forward passes where it has no rounds."""
    of_rounds = {} if rounds is None else work_by("prof_id", executed_rounds(rounds))
    if passes is None:
        return of_rounds
    unknown = (pl.lit(None, pl.Int64).alias(n) for n in ("prefill_batch_size", "decode_batch_size", "tokens"))
    sized = passes.select("prof_id", "batch_size", *unknown, phase=phase_by_type())
    return {**work_by("prof_id", sized), **of_rounds}
