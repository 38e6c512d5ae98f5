"""Which process belongs to which DP domain.

A process is a card (it has forward passes) or a scheduler (it has scheduling rounds only). Cards with one
dp_rank of one instance are one domain, as tensor parallelism has it, unless they run different batches: hosts
of two services may repeat a dp_rank. A scheduler belongs to the domain of its dp_rank, and where that is not
one domain, to the one whose forward passes its rounds enclose. Where no forward passes are recorded,
schedulers that run the same batches of the same requests are one domain: SGLang's tensor parallel ranks.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import polars as pl

from lbtui.profile import Note, host_and_pid
from lbtui.profile.roles import Role, Work, roles_of
from lbtui.sources.frame import MOST_DOMAINS
from lbtui.sources.steps.engines import engine_names
from lbtui.sources.steps.processes import Hints, Process, pid_of, processes, work_of
from lbtui.sources.steps.same_batches import same_batches, share_enclosed
from lbtui.sources.store import Raw
from lbtui.text import _, in_list, in_sentences, visible

_MOST_COMPARED = 50_000  # pairs of processes: some seconds
_MOST_NOTES = 8  # of one kind
_ENCLOSED = 0.5  # share of a card's forward passes that a scheduler's rounds must enclose
_SHARED = 0.5  # of the requests of the scheduler with fewer, that two of one domain share
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
    """The DP domain of every process: one row per `prof_id` with `instance`, `host`, `dp_rank`, `domain`.

    `rounds` is the process of each `row` of a batch table that names none.
    """

    frame: pl.DataFrame
    notes: tuple[Note, ...]
    rounds: pl.DataFrame | None = None

    def of_processes(self) -> pl.DataFrame:
        """Return the same by `host` and `pid`, for tables that have no prof_id."""
        pid = pl.col("prof_id").str.extract(r"-(\d+)$").cast(pl.Int64, strict=False)
        return self.frame.with_columns(pid=pid).drop("prof_id").unique(["host", "pid"], keep="none")

    def of_pids(self) -> pl.DataFrame:
        """Return the domain by `pid` alone, for the trace; a pid of two hosts has none."""
        return self.of_processes().select("pid", "domain").unique("pid", keep="none")


@dataclass
class _Domain:
    """Processes that run the same batches; the first stands for all."""

    members: list[Process]
    dp_rank: int | None
    hosts: set[str]
    instance: str
    key: str = ""

    @property
    def leader(self) -> Process:
        return self.members[0]

    @property
    def host(self) -> str:
        return self.leader.host

    @property
    def pid(self) -> int:
        named = host_and_pid(self.leader.prof_id)
        return named[1] if named else 0


def find_owners(forward: Raw | None, batch: Raw | None, hints: Hints | None = None) -> Owners:
    """Return the owner of every process in the raw forward and batch tables (either may be absent)."""
    hints = hints or Hints()
    passes, rounds = (raw.frame if raw else None for raw in (forward, batch))
    cards, schedulers = processes(passes, rounds, hints.ranks)
    forward_file, batch_file = (raw.provenance.file if raw else "" for raw in (forward, batch))
    finder = _Finder(forward_file or batch_file, batch_file, hints)
    finder.place_cards(cards)
    finder.place_schedulers(schedulers)
    finder.tell_engines_apart(work_of(passes, rounds))
    return finder.owners()


class _Directory:
    """The domains that have cards, by instance, host and rank."""

    def __init__(self, domains: list[_Domain]) -> None:
        self._groups: dict[tuple[str, str | None], dict[int | None, dict[int, _Domain]]] = {}
        self._numbers = {id(domain): number for number, domain in enumerate(domains)}
        for domain in domains:
            for host in (None, *domain.hosts):
                self._enter(domain, host)

    def near(self, process: Process) -> dict[int | None, dict[int, _Domain]]:
        """Return the domains of the process's instance by rank: those on its host, else all."""
        instance = process.instance
        return self._groups.get((instance, process.host)) or self._groups.get((instance, None), {})

    def add(self, domain: _Domain, scheduler: Process) -> None:
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
    hints: Hints
    domains: list[_Domain] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    wrong_ranks: list[Note] = field(default_factory=list)
    compared: int = 0  # pairs of processes

    def place_cards(self, cards: list[Process]) -> None:
        repeated: dict[tuple[str, int | None], list[_Domain]] = {}
        for card in cards:
            self._join(card, repeated.setdefault((card.instance, card.dp_rank), []))
            if card.rank_of_batch is not None and card.dp_rank != card.rank_of_batch:
                self._tell_wrong_rank(card, card.dp_rank)

    def place_schedulers(self, schedulers: list[Process]) -> None:
        """Place those without forward passes of their own, once the cards are placed."""
        directory = _Directory(self.domains)
        repeated: dict[tuple[str, int | None], list[_Domain]] = {}
        pids = Counter(pid_of(scheduler.prof_id) for scheduler in schedulers)
        for scheduler in schedulers:
            by_rank = directory.near(scheduler)
            named = _in_order(by_rank.get(scheduler.dp_rank, {}))
            if scheduler.dp_rank is not None and pids[pid_of(scheduler.prof_id)] == 1:
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
            (m.prof_id, d.instance, m.host, d.dp_rank, d.key if number < MOST_DOMAINS else None)
            for number, d in enumerate(self.domains)
            for m in d.members
        ]
        frame = pl.DataFrame(rows, schema=_OWNER, orient="row").sort("prof_id")
        nameless = frame.filter(pl.col("dp_rank").is_null())["host"].unique().sort().to_list()
        if nameless:
            text = _(
                "No dp_rank is recorded for processes of {hosts}: domains there are named by pid, or dp? "
                "where a host has one."
            ).format(hosts=visible(in_list(nameless), 300))
            self.notes.append(Note(self.file, text))
        if self.compared > _MOST_COMPARED:
            text = _(
                "More processes than can be compared share a rank or tell none; some of one domain are shown "
                "as domains of their own."
            )
            self.notes.append(Note(self.file, text))
        return Owners(frame, tuple(self.notes))

    def _join(self, process: Process, candidates: list[_Domain]) -> None:
        """Make the process a member of the first candidate that runs the same, or a new candidate."""
        for domain in candidates:
            if domain.leader.runs is None or process.runs is None:
                continue
            if not self._may_compare():
                break
            if same_batches(domain.leader.runs, process.runs) and self._may_be_one(domain.leader, process):
                domain.members.append(process)
                domain.hosts.add(process.host)
                return
        domain = _Domain([process], process.dp_rank, {process.host}, process.instance)
        candidates.append(domain)
        self.domains.append(domain)

    def _may_be_one(self, one: Process, other: Process) -> bool:
        """Tell whether two processes serve the same requests, where both say which: ranks that step together
        with few requests each run batches of equal sizes, too.
        """
        if one.is_card:
            return True
        requests = self._requests
        first, second = (set(requests.get(p.prof_id, ())) for p in (one, other))
        fewer = min(len(first), len(second))
        return not fewer or len(first & second) > _SHARED * fewer

    @cached_property
    def _requests(self) -> Mapping[str, Collection[str]]:
        return self.hints.requests()

    def tell_engines_apart(self, work: Mapping[str, Work]) -> None:
        """Give the domains of an instance the engine that each is of (`engine_names`)."""
        # By its first process of which it is told: all do the same. Only forward.csv says of a pass whether
        # it is a prefill.
        telling = {process: own for process, own in work.items() if own.prefills or own.decodes}
        done = [
            next((telling[m.prof_id] for m in d.members if m.prof_id in telling), None) for d in self.domains
        ]
        known = {number: own for number, own in enumerate(done) if own is not None}
        roles = roles_of(known, disaggregated=self.hints.disaggregated)
        groups: dict[str, list[int]] = {}
        for number, domain in enumerate(self.domains):
            groups.setdefault(domain.instance, []).append(number)
        for instance, numbers in groups.items():
            own = {place: roles[n] for place, n in enumerate(numbers) if n in roles}
            domains = [self.domains[n] for n in numbers]
            names = engine_names(domains, own, instance)
            for domain, name in zip(domains, names, strict=True):
                domain.instance = name
            if len(set(names)) > 1:
                self._tell_engines(instance, names, own)

    def _may_compare(self) -> bool:
        self.compared += 1
        return self.compared <= _MOST_COMPARED

    def _enclosed(self, scheduler: Process, domains: list[_Domain]) -> _Domain | None:
        """Return the domain most of whose forward passes lie in the scheduler's rounds.

        Of several with the same share of them, that with the most: a few lie there by chance.
        """
        best, most = None, (_ENCLOSED, math.inf)
        for domain in domains:
            if scheduler.runs is None or domain.leader.runs is None:
                continue
            if not self._may_compare():
                break
            share = share_enclosed(domain.leader.runs, scheduler.runs)
            if (share, len(domain.leader.runs.start)) > most:
                best, most = domain, (share, len(domain.leader.runs.start))
        return best

    def _name_domains(self) -> None:
        """Name each domain by instance and rank, and by host or process too where that is not enough."""
        groups: dict[tuple[str, int | None], list[_Domain]] = {}
        for domain in self.domains:
            groups.setdefault((domain.instance, domain.dp_rank), []).append(domain)
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
                    domain.key = f"{leader.host}:{pid_of(leader.prof_id)}/{name}"
        self.notes += _few(self.wrong_ranks)

    def _tell_engines(self, instance: str, names: Sequence[str], roles: Mapping[int, Role]) -> None:
        """Say why domains of one instance are not compared."""
        of_engine = {name: roles.get(place) for place, name in enumerate(names)}
        listed = in_list(
            f"{name} ({role})" if role and not name.endswith(f" {role}") else name
            for name, role in sorted(of_engine.items())
        )
        if len(set(of_engine.values())) > 1:
            text = _(
                "By what they do, the domains of {instance} are of several engines, each compared for "
                "itself: {engines}."
            )
        else:
            text = _(
                "Domains of {instance} run different batches under one dp_rank: they are of several engines, "
                "each compared for itself: {engines}."
            )
        said = text.format(instance=visible(instance), engines=visible(listed, 300))
        self.notes.append(Note(self.file, said))

    def _tell_wrong_rank(self, process: Process, rank: int | None) -> None:
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
    return [*kept, Note(last.file, in_sentences(last.text, text))]
