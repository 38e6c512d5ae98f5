"""Which process belongs to which DP domain.

A process is a card (it has forward passes) or a scheduler (it has scheduling rounds only). Cards with one
dp_rank of one instance are one domain, as tensor parallelism has it, unless they run different batches: hosts
of two services may repeat a dp_rank. A scheduler belongs to the domain of its dp_rank, and where that is not
one domain, to the one whose forward passes its rounds enclose.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import polars as pl

from lbtui.profile import Note, host_and_pid, instance_names
from lbtui.sources.canonical.frame import MOST_DOMAINS
from lbtui.sources.canonical.same_batches import Runs, runs_by_process, same_batches, share_enclosed
from lbtui.sources.store import Raw
from lbtui.text import _, visible

# Of a scheduling round, the rows that enclose its forward passes.
_ROUNDS = ("Execute", "modelExec")
_MOST_COMPARED = 50_000  # pairs of processes: some seconds
_MOST_NOTES = 8  # of one kind
_ENCLOSED = 0.5  # share of a card's forward passes that a scheduler's rounds must enclose
_OWNER = pl.Schema(
    [
        ("prof_id", pl.String()),
        ("instance", pl.String()),
        ("host", pl.String()),
        ("dp_rank", pl.Int32()),
        ("domain", pl.String()),
    ]
)


@dataclass(frozen=True)
class Owners:
    """The DP domain of every process: one row per `prof_id` with `instance`, `host`, `dp_rank`, `domain`."""

    frame: pl.DataFrame
    notes: tuple[Note, ...]

    def of_processes(self) -> pl.DataFrame:
        """Return the same by `host` and `pid`, for tables that have no prof_id."""
        pid = pl.col("prof_id").str.extract(r"-(\d+)$").cast(pl.Int64, strict=False)
        return self.frame.with_columns(pid=pid).drop("prof_id").unique(["host", "pid"], keep="none")

    def of_pids(self) -> pl.DataFrame:
        """Return the domain by `pid` alone, for the trace; a pid of two hosts has none."""
        return self.of_processes().select("pid", "domain").unique("pid", keep="none")


@dataclass(frozen=True)
class _Process:
    prof_id: str
    host: str
    instance: str
    dp_rank: int | None
    rank_of_batch: int | None  # batch.csv's, which upstream joins on the pid alone
    runs: Runs | None


@dataclass
class _Domain:
    """Processes that run the same batches; the first stands for all."""

    members: list[_Process]
    dp_rank: int | None
    hosts: set[str]
    key: str = ""

    @property
    def leader(self) -> _Process:
        return self.members[0]


def find_owners(forward: Raw | None, batch: Raw | None) -> Owners:
    """Return the owner of every process in the raw forward and batch tables (either may be absent)."""
    cards, schedulers = _processes(forward.frame if forward else None, batch.frame if batch else None)
    forward_file, batch_file = (raw.provenance.file if raw else "" for raw in (forward, batch))
    finder = _Finder(forward_file or batch_file, batch_file)
    finder.place_cards(cards)
    finder.place_schedulers(schedulers)
    return finder.owners()


class _Directory:
    """The domains that have cards, by instance, host and rank."""

    def __init__(self, domains: list[_Domain]) -> None:
        self._groups: dict[tuple[str, str | None], dict[int | None, dict[int, _Domain]]] = {}
        self._numbers = {id(domain): number for number, domain in enumerate(domains)}
        for domain in domains:
            for host in (None, *domain.hosts):
                self._enter(domain, host)

    def near(self, process: _Process) -> dict[int | None, dict[int, _Domain]]:
        """Return the domains of the process's instance by rank: those on its host, else all."""
        instance = process.instance
        return self._groups.get((instance, process.host)) or self._groups.get((instance, None), {})

    def add(self, domain: _Domain, scheduler: _Process) -> None:
        """Make a scheduler a member; a domain without a rank takes the scheduler's."""
        if domain.dp_rank is None and scheduler.dp_rank is not None:
            for host in (None, *domain.hosts):
                del self._groups[domain.leader.instance, host][None][self._numbers[id(domain)]]
            domain.dp_rank = scheduler.dp_rank
            for host in (None, *domain.hosts):
                self._enter(domain, host)
        domain.members.append(scheduler)
        domain.hosts.add(scheduler.host)
        self._enter(domain, scheduler.host)

    def _enter(self, domain: _Domain, host: str | None) -> None:
        by_rank = self._groups.setdefault((domain.leader.instance, host), {})
        by_rank.setdefault(domain.dp_rank, {})[self._numbers[id(domain)]] = domain


def _in_order(domains: dict[int, _Domain]) -> list[_Domain]:
    return [domains[number] for number in sorted(domains)]


@dataclass
class _Finder:
    file: str  # that tells what runs when
    batch_file: str
    domains: list[_Domain] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    wrong_ranks: list[Note] = field(default_factory=list)
    compared: int = 0  # pairs of processes

    def place_cards(self, cards: list[_Process]) -> None:
        repeated: dict[tuple[str, int | None], list[_Domain]] = {}
        for card in cards:
            self._join(card, repeated.setdefault((card.instance, card.dp_rank), []))
            if card.rank_of_batch is not None and card.dp_rank != card.rank_of_batch:
                self._tell_wrong_rank(card, card.dp_rank)

    def place_schedulers(self, schedulers: list[_Process]) -> None:
        """Place those without forward passes of their own, once the cards are placed."""
        directory = _Directory(self.domains)
        repeated: dict[tuple[str, int | None], list[_Domain]] = {}
        pids = Counter(_pid(scheduler.prof_id) for scheduler in schedulers)
        for scheduler in schedulers:
            by_rank = directory.near(scheduler)
            named = _in_order(by_rank.get(scheduler.dp_rank, {}))
            if scheduler.dp_rank is not None and pids[_pid(scheduler.prof_id)] == 1:
                # Its rank is sure; cards that do not tell theirs take it from the scheduler they work for.
                near = named or _in_order(by_rank.get(None, {}))
            else:
                near = _in_order({n: d for group in by_rank.values() for n, d in group.items()})
            domain = named[0] if len(near) == len(named) == 1 else self._enclosed(scheduler, near)
            if domain is None and len(named) == 1:
                domain = named[0]
            if domain is None:
                key = (scheduler.instance, scheduler.dp_rank)
                self._join(scheduler, repeated.setdefault(key, []))
                continue
            directory.add(domain, scheduler)
            if scheduler.rank_of_batch not in (None, domain.dp_rank):
                self._tell_wrong_rank(scheduler, domain.dp_rank)

    def owners(self) -> Owners:
        self._name_domains()
        if len(self.domains) > MOST_DOMAINS:
            text = _(
                "Its processes make {count} DP domains, more than any cluster has; only the first {most} are "
                "shown."
            ).format(count=len(self.domains), most=MOST_DOMAINS)
            self.notes.append(Note(self.file, text, lost=True))
        rows = [
            (m.prof_id, m.instance, m.host, d.dp_rank, d.key if number < MOST_DOMAINS else None)
            for number, d in enumerate(self.domains)
            for m in d.members
        ]
        frame = pl.DataFrame(rows, schema=_OWNER, orient="row").sort("prof_id")
        nameless = frame.filter(pl.col("dp_rank").is_null())["host"].unique().sort().to_list()
        if nameless:
            text = _("No dp_rank is recorded for processes of {hosts}; they are shown as dp?.").format(
                hosts=visible(", ".join(nameless), 300)
            )
            self.notes.append(Note(self.file, text))
        if self.compared > _MOST_COMPARED:
            text = _(
                "More processes than can be compared share a rank or tell none; some of one domain are shown "
                "as domains of their own."
            )
            self.notes.append(Note(self.file, text))
        return Owners(frame, tuple(self.notes))

    def _join(self, process: _Process, candidates: list[_Domain]) -> None:
        """Make the process a member of the first candidate that runs the same, or a new candidate."""
        for domain in candidates:
            if domain.leader.runs is None or process.runs is None:
                continue
            if not self._may_compare():
                break
            if same_batches(domain.leader.runs, process.runs):
                domain.members.append(process)
                domain.hosts.add(process.host)
                return
        domain = _Domain([process], process.dp_rank, {process.host})
        candidates.append(domain)
        self.domains.append(domain)

    def _may_compare(self) -> bool:
        self.compared += 1
        return self.compared <= _MOST_COMPARED

    def _enclosed(self, scheduler: _Process, domains: list[_Domain]) -> _Domain | None:
        """Return the domain most of whose forward passes lie in the scheduler's rounds."""
        best, most = None, _ENCLOSED
        for domain in domains:
            if scheduler.runs is None or domain.leader.runs is None:
                continue
            if not self._may_compare():
                break
            share = share_enclosed(domain.leader.runs, scheduler.runs)
            if share > most:
                best, most = domain, share
        return best

    def _name_domains(self) -> None:
        """Name each domain by instance and rank, and by host or process too where that is not enough."""
        groups: dict[tuple[str, int | None], list[_Domain]] = {}
        for domain in self.domains:
            groups.setdefault((domain.leader.instance, domain.dp_rank), []).append(domain)
        different: list[Note] = []
        for (instance, rank), domains in groups.items():
            name = "dp?" if rank is None else f"dp{rank}"
            hosts = Counter(domain.leader.host for domain in domains)
            for domain in domains:
                leader = domain.leader
                if len(domains) == 1:
                    domain.key = f"{instance}/{name}"
                elif hosts[leader.host] == 1:
                    domain.key = f"{leader.host}/{name}"
                else:
                    domain.key = f"{leader.host}:{_pid(leader.prof_id)}/{name}"
            if len(domains) > 1 and rank is not None:
                text = _(
                    "dp_rank {rank} of {instance} runs different batches on {places}; each is shown as a "
                    "domain of its own."
                ).format(
                    rank=rank,
                    instance=visible(instance),
                    places=visible(", ".join(d.key.rpartition("/")[0] for d in domains), 300),
                )
                different.append(Note(self.file, text))
        self.notes += _few(different)
        self.notes += _few(self.wrong_ranks)

    def _tell_wrong_rank(self, process: _Process, rank: int | None) -> None:
        text = _(
            "dp_rank {written} of {prof_id} is joined by its pid alone, which may occur on several hosts; by "
            "its forward passes it is {rank}."
        ).format(written=process.rank_of_batch, prof_id=visible(process.prof_id), rank=rank)
        self.wrong_ranks.append(Note(self.batch_file, text))


def _few(notes: list[Note]) -> list[Note]:
    """Return the first notes of a kind and how many more there are."""
    more = len(notes) - _MOST_NOTES
    if more <= 0:
        return notes
    text = _("The same holds for {count} more.").format(count=more)
    *kept, last = notes[:_MOST_NOTES]
    return [*kept, Note(last.file, f"{last.text} {text}")]


def _pid(prof_id: str) -> str:
    return prof_id.rpartition("-")[2]


def _processes(
    forward: pl.DataFrame | None, batch: pl.DataFrame | None
) -> tuple[list[_Process], list[_Process]]:
    """Return the cards and the schedulers, each by host and prof_id."""
    in_forward, in_batch = _described(forward), _described(batch)
    hosts = {
        **{p: host for p, (host, _rank) in in_batch.items()},
        **{p: h for p, (h, _r) in in_forward.items()},
    }
    instances = instance_names(hosts.values())
    passes = runs_by_process(forward) if forward is not None else {}
    # Compared with passes only.
    rounds = _rounds_by_process(batch) if passes else {}
    only_rank = _only_ranks(in_batch)

    def process(prof_id: str, own: int | None, runs: Runs | None) -> _Process:
        host = hosts[prof_id]
        of_batch = in_batch.get(prof_id, ("", None))[1]
        # vLLM's forward passes carry no dp_rank; its batch rows do.
        rank = own if own is not None else of_batch if of_batch is not None else only_rank.get(host)
        return _Process(prof_id, host, instances[host], rank, of_batch, runs)

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
    executed = runs_by_process(batch.filter(pl.col("name").is_in(_ROUNDS)))
    others = batch.filter(~pl.col("prof_id").is_in(list(executed)))
    return {**runs_by_process(others), **executed}


def _only_ranks(described: dict[str, tuple[str, int | None]]) -> dict[str, int]:
    """Return the dp_rank of hosts that have one only: it is that of their cards, too."""
    ranks: dict[str, set[int]] = {}
    for host, rank in described.values():
        if rank is not None:
            ranks.setdefault(host, set()).add(rank)
    return {host: min(of_host) for host, of_host in ranks.items() if len(of_host) == 1}
