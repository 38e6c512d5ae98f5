"""Other numbers of prefill and decode nodes, at other loads: goodput per node, and where queueing begins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from lbtui.analysis.replay.asked import USUAL, Asked, Difference, Run
from lbtui.analysis.replay.dispatch import Kind, dispatch_kind, held_by
from lbtui.analysis.replay.engine import Replay, Router
from lbtui.analysis.replay.figures import FigureName, Times
from lbtui.analysis.replay.fit import Fitted
from lbtui.analysis.replay.model import Handoff, Ints, Load, ReplayDomain, Service, Work
from lbtui.analysis.replay.routing import Pick, Policy, picker

LOADS = (0.5, 1.0, 1.5, 2.0)
KNEE_LOADS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0)
KNEE = 1.5  # times p95 of an idle service's TTFT or TPOT: there queueing has begun
_IDLE = 0.1  # of the recorded load
NOTABLE = 0.05  # of a figure: a smaller difference that is not beyond chance is none worth a word
MOST_BEYOND = 3.0  # × the requests at once that were seen
# What a service of other nodes may be off, of the goodput per node; set as the intervals of policies are.
MODEL_ERROR = 0.04
_NEW = -1  # a domain that was not recorded
MOST_BESIDE = 2  # nodes more or fewer of one role
MOST_REQUESTS = 20_000  # of a recording, replayed for each shape
_POLICY: dict[Kind, Policy] = {
    "round_robin": "round_robin",
    "least_requests": "least_requests",
    "random": "share",
    "uneven": "share",
}


@dataclass(frozen=True, order=True)
class Shape:
    """So many prefill and decode nodes."""

    prefill: int
    decode: int

    @property
    def nodes(self) -> int:
        """All of them."""
        return self.prefill + self.decode


@dataclass(frozen=True)
class ShapeRow:
    """What a shape gives at a load; `difference` of goodput per node from the recorded shape's."""

    shape: Shape
    load: float
    figures: Mapping[FigureName, float]
    running: float  # requests at once on the fullest decode domain, for nine in ten first tokens
    difference: Difference | None = None

    @property
    def per_node(self) -> float:
        """Goodput per node, req/s."""
        return self.figures["goodput"] / self.shape.nodes


@dataclass(frozen=True)
class Ratio:
    """What other shapes would give. `knee` is the least load at which queueing begins, None up to the most.

    `uneven` roles were dispatched to unevenly: the shapes are asked with an even dispatch. Where it does not
    show how many requests a decode domain may run at once, `seen` is the most that the recording has.
    """

    present: Shape
    rows: tuple[ShapeRow, ...]
    knee: float | None
    most_load: float
    seen: float | None = None
    uneven: tuple[Work, ...] = ()

    def at(self, load: float) -> tuple[ShapeRow, ...]:
        """Return the rows of a load, the best first; of equals the one nearest to the recorded."""
        own = [row for row in self.rows if row.load == load]
        far = self.present
        return tuple(
            sorted(
                own,
                key=lambda row: (
                    -row.per_node,
                    abs(row.shape.prefill - far.prefill) + abs(row.shape.decode - far.decode),
                    row.shape,
                ),
            )
        )

    def beyond(self, row: ShapeRow) -> bool:
        """Tell whether a shape would run far more requests at once than is known to be possible."""
        return self.seen is not None and row.running > MOST_BEYOND * self.seen

    def leading(self, load: float = 1.0) -> ShapeRow | None:
        """Return the best shape of as many nodes, by chance or not; the recorded one unless it is notably so.

        None is taken that is `beyond` what was recorded.
        """
        rows = self._alike(load)
        own = next((row for row in rows if row.shape == self.present), None)
        if own is None or rows[0].per_node > (1 + NOTABLE) * own.per_node:
            return rows[0] if rows else None
        return own

    def _alike(self, load: float) -> list[ShapeRow]:
        return [
            row
            for row in self.at(load)
            if row.shape.nodes == self.present.nodes and (row.shape == self.present or not self.beyond(row))
        ]

    def best(self, load: float = 1.0) -> ShapeRow | None:
        """Return the best shape of as many nodes, the recorded one where no other is better beyond chance.

        None is taken that is `beyond` what was recorded.
        """
        rows = self._alike(load)
        if not rows:
            return None
        own = next((row for row in rows if row.shape == self.present), None)
        first = rows[0]
        known = first.difference
        return own if own is not None and known is not None and not known.beyond_chance else first


@dataclass(frozen=True)
class Shapes:
    """The shapes of a fitted P/D service, replayed as asked for."""

    asked: Asked

    @cached_property
    def _service(self) -> Service:
        return self.asked.fitted.service

    @cached_property
    def _fitted(self) -> Fitted:
        return self.asked.fitted.part(MOST_REQUESTS)

    def _nodes(self, work: Work) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for place, domain in enumerate(self._service.domains):
            if domain.work == work:
                found.setdefault(domain.node, []).append(place)
        return found

    @property
    def present(self) -> Shape:
        """The recorded shape."""
        return Shape(len(self._nodes("prefill")), len(self._nodes("decode")))

    def kinds(self, work: Work) -> tuple[Kind, Kind]:
        """Return how nodes of a role were chosen, and domains of the chosen node."""
        load, rows = self.asked.fitted.load, self.asked.fitted.requests
        nodes = self._nodes(work)
        domains = load.first_domain if work == "prefill" else load.then_domain
        until = rows["prefill_end" if work == "prefill" else "end"].to_numpy()
        of_node = {place: number for number, own in enumerate(nodes.values()) for place in own}
        chosen = np.array([of_node.get(place, 0) for place in domains.tolist()], dtype=np.int64)
        held = held_by(load.arrival, until, chosen, len(nodes))
        inside: Counter[Kind] = Counter()
        for number, own in enumerate(nodes.values()):
            mine = np.flatnonzero(chosen == number)
            place_of = {place: at for at, place in enumerate(own)}
            places: Ints = np.array([place_of[place] for place in domains[mine].tolist()], dtype=np.int64)
            within = held_by(load.arrival[mine], until[mine], places, len(own))
            inside[dispatch_kind(places, len(own), within)] += 1
        return dispatch_kind(chosen, len(nodes), held), inside.most_common(1)[0][0]

    @cached_property
    def _kinds(self) -> dict[Work, tuple[Kind, Kind]]:
        works: tuple[Work, ...] = ("prefill", "decode")
        return {work: self.kinds(work) for work in works}

    def shapes(self) -> tuple[Shape, ...]:
        """Return the shapes that are asked about: as many nodes otherwise parted, and ± some of a role."""
        own = self.present
        parted = [Shape(p, own.nodes - p) for p in range(1, own.nodes)]
        beside = [
            Shape(own.prefill + p, own.decode + d)
            for by in range(-MOST_BESIDE, MOST_BESIDE + 1)
            for p, d in ((by, 0), (0, by))
            if own.prefill + p > 0 and own.decode + d > 0
        ]
        return tuple(dict.fromkeys([*parted, *beside]))

    def run(self, shape: Shape, load: float, further: bool = False) -> Run:
        """Return a shape's replay at `load` times the recorded."""
        service = reshaped(self._service, shape)
        own = self._fitted.load
        scaled = replace(own, arrival=own.arrival / load)
        asked = replace(self.asked, fitted=replace(self._fitted, load=scaled))
        if further:
            return asked.run(service, self._route)
        return Run(asked.times(service, self._route))

    def _route(self, service: Service, load: Load, seed: int) -> Router:
        """Return the recorded way of dispatching, among the nodes that there are."""
        picks = {}
        for work in ("prefill", "decode"):
            nodes: dict[str, list[int]] = {}
            for place, domain in enumerate(service.domains):
                if domain.work == work:
                    nodes.setdefault(domain.node, []).append(place)
            picks[work] = _pick(list(nodes.values()), self._kinds[work], load, seed)

        def route(replay: Replay, request: int, now: float) -> tuple[int, int]:
            return picks["prefill"](replay, request, now), picks["decode"](replay, request, now)

        return route


def _pick(nodes: Sequence[Sequence[int]], kinds: tuple[Kind, Kind], load: Load, seed: int) -> Pick:
    """Return what picks a node, then one of its domains."""
    outer, inner = (_POLICY[kind] for kind in kinds)
    everything = [place for own in nodes for place in own]
    if outer == "least_requests" or all(len(own) == 1 for own in nodes):
        return picker(outer, everything, load, seed, [1.0] * len(everything))
    lead = picker(outer, list(range(len(nodes))), load, seed, [1.0] * len(nodes))
    within = [picker(inner, own, load, seed + 101, [1.0] * len(own)) for own in nodes]
    turns = [0] * len(nodes)

    def pick(replay: Replay, request: int, now: float) -> int:
        node = lead(replay, request, now)
        if inner == "round_robin":
            turns[node] += 1
            return nodes[node][turns[node] % len(nodes[node])]
        return within[node](replay, request, now)

    return pick


def reshaped(service: Service, shape: Shape) -> Service:
    """Return a service of another shape: nodes that are there first, further ones like the usual one."""
    domains: list[ReplayDomain] = []
    origins: list[int] = []
    for work, count in (("prefill", shape.prefill), ("decode", shape.decode)):
        nodes: dict[str, list[int]] = {}
        for place, domain in enumerate(service.domains):
            if domain.work == work:
                nodes.setdefault(domain.node, []).append(place)
        known = list(nodes.values())
        usual = sorted(known, key=lambda own: sum(service.domains[place].factor for place in own))
        for number in range(count):
            own = known[number] if number < len(known) else usual[len(usual) // 2]
            known_node = number < len(known)
            for place in own:
                domain = service.domains[place]
                name = domain.node if known_node else f"{work} {number + 1}"
                domains.append(replace(domain, node=name, key=f"{name}/{len(domains)}"))
                origins.append(place if known_node else _NEW)
    over = service.handoff
    factors = {at: over.factors[place] for at, place in enumerate(origins) if place in over.factors}
    return replace(
        service, domains=tuple(domains), handoff=Handoff(over.wait, over.pull, over.token, factors)
    )


def ratio_of(asked: Asked, told: Callable[[int, int], None] | None = None) -> Ratio:
    """Return what other numbers of prefill and decode nodes give, at all `LOADS`.

    `told` is called with how many of how many shapes are replayed.
    """
    shapes = Shapes(asked)
    present = shapes.present
    base = shapes.run(present, 1.0, further=True)
    rows = []
    asked_about = shapes.shapes()
    for done, shape in enumerate(asked_about):
        if told is not None:
            told(done, len(asked_about))
        for load in LOADS:
            again = shape == present and load == 1.0
            run = base if again else shapes.run(shape, load, further=load == 1.0)
            found = run.figures(asked.targets)
            scales = (1 / shape.nodes, 1 / present.nodes)
            difference = asked.difference("goodput", run, base, scales, MODEL_ERROR) if load == 1.0 else None
            rows.append(ShapeRow(shape, load, found, run.times.running(USUAL), difference))
    kinds: tuple[Work, ...] = ("prefill", "decode")
    uneven = tuple(work for work in kinds if shapes.kinds(work)[0] == "uneven")
    return Ratio(present, tuple(rows), _knee(shapes), KNEE_LOADS[-1], asked.seen, uneven)


def _knee(shapes: Shapes) -> float | None:
    """Return the least load at which p95 of TTFT or TPOT is `KNEE` times that of an idle service."""

    def waits(times: Times) -> tuple[float, float]:
        return float(np.nanquantile(times.ttft, 0.95)), float(np.nanquantile(times.tpot, 0.95))

    idle = waits(shapes.run(shapes.present, _IDLE).times)
    for load in KNEE_LOADS:
        now = waits(shapes.run(shapes.present, load).times)
        if any(one > KNEE * other for one, other in zip(now, idle, strict=True)):
            return load
    return None
