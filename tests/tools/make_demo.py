"""Make the demo profile that `lbtui --demo` opens: `python -m tests.tools.make_demo [FOLDER]`.

A simulated MindIE service with prefill and decode apart: 2 P nodes, 4 D nodes with 8 decode domains of two
cards, a mixture of experts over 8 expert ranks of 17 slots (16 + 1 shared), 58 layers, 3 EPLB periods. It is
seeded and needs the standard library alone, so the bytes depend on no version of numpy. Steps are longer
than a real server's (about a second) because the folder travels in the package.

The folder looks as if the parser had been run twice into it, `--format csv` and then `--format db`: the CSVs
have times to the microsecond (kvcache.csv too), profiler.db has the trace of the experts, the coordinator's
events, the KV counters, and a few tables. What it lacks of a real profiler.db: the other slices, `flow`, the
views, and the tables that repeat the large CSVs.

Eight expert ranks, one for two cards, because each rank writes the whole routing table in each period: with
sixteen ranks of 17 slots the tables alone would take 2.6 MB. EP_RANKS is all there is to change.

The faults, all for the viewer to find:

1. DP 5 on mindie-server-d0-worker-1 gets 2.5 times its share of requests for a third of the run.
2. DP 2's KV pool is small (16 blocks, the others have 1000): requests wait there.
3. P node 10.20.0.12 gets 70 % of the prefills.
4. EP rank 3 carries 1.4 times the mean load in every layer and period; expert 37 is hot everywhere, expert
   120 in layer 10 so much that no placement without a copy of it can be even.
5. Decode rank 6 pulls its KV cache slowly.
"""

from __future__ import annotations

import math
import random
import sys
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from tests.tools import parser_format as fmt

NS = 1_000_000_000
MS = 1_000_000
START = 1_772_416_800 * NS  # 2026-03-02 10:00:00 in Shanghai
DEMO = Path(__file__).parents[2] / "lbtui" / "demo" / "output"

# The service
SEED = 106  # of 160 tried, one whose drawn shares come near the nominal ones
RUN_SECONDS = 96  # during which requests arrive; the last ones end some seconds later
LULL_SECONDS = (70, 80)  # no request arrives: the coordinator's bins without events say 0 running
REQUESTS_PER_SECOND = 2.6
PROMPT_TOKENS, OUTPUT_TOKENS = 560, 8
LONG_SHARE, LONG_FACTOR = 0.03, 4  # some answers are long
BLOCK_TOKENS = 128
KV_BLOCKS = 1000
MAX_BATCH, MAX_PREFILL = 24, 4
PREFILL_MS, PREFILL_MS_PER_TOKEN = 60.0, 0.5
DECODE_MS, DECODE_MS_PER_REQUEST = 850.0, 75.0
QUEUE_SECONDS = 2.5
P_HOSTS = ("mindie-server-p0-master-0", "mindie-server-p0-worker-0")
D_HOSTS = tuple(f"mindie-server-d0-{part}" for part in ("master-0", "worker-0", "worker-1", "worker-2"))
P_ADDRESSES = ("10.20.0.11:1025", "10.20.0.12:1025")
D_ADDRESSES = tuple(f"10.20.1.{11 + i}:1025" for i in range(len(D_HOSTS)))
DECODE_DOMAINS = 8

# The experts
EP_RANKS, SLOTS, LAYERS, PERIODS = 8, 17, 58, 3
HOT_ROWS = 3  # per period and rank
TOP_K = 8
TOKENS_PER_HOT_ROW = 1400  # with the padding of fixed batch shapes, so more than the requests' own
MSPTI_STEPS = 3

# The faults
SKEWED_DP, SKEW_FACTOR, SKEW_SECONDS = 5, 2.5, (32, 66)
SMALL_DP, SMALL_BLOCKS = 2, 16
SHARE_OF_SECOND_P = 0.7
HOT_RANK, HOT_RANK_LOAD = 3, 1.4
HOT_EXPERT, HOT_EXPERT_FACTOR = 37, 4.0
LAYER_EXPERT, HOT_LAYER, LAYER_EXPERT_FACTOR = 120, 10, 45.0
SLOW_PULL_DP, SLOW_PULL_FACTOR = 6, 8.0


@dataclass
class Request:
    """One request on its way through the service."""

    rid: str
    arrive: int
    prompt: int
    output: int
    node_p: int
    dp: int
    iteration: int = 0
    blocks: int = 0
    queued: int = 0
    waited: int = 0
    first_token: int = 0
    end: int = 0
    sent: int = 0
    sent_ok: int = 0

    def blocks_for(self, more: int) -> int:
        """Return the KV blocks that hold the prompt and `more` tokens after it."""
        return -(-(self.prompt + more) // BLOCK_TOKENS)


@dataclass
class Domain:
    """One DP domain: its scheduler, cards, KV pool and queues."""

    dp: int
    host: str
    scheduler: int
    cards: tuple[int, ...]
    free: int
    waiting: deque[Request] = field(default_factory=deque)
    running: list[Request] = field(default_factory=list)
    swapped: deque[Request] = field(default_factory=deque)
    arriving: deque[Request] = field(default_factory=deque)
    to_free: list[tuple[int, Request, int]] = field(default_factory=list)  # P: at the end of each pull
    sampled: int = -1


class Service:
    """Runs the requests through prefill and decode, and keeps what the parser would have written."""

    def __init__(self) -> None:
        self.random = random.Random(f"lbtui demo service {SEED}")
        self.last_pid = 10_000
        self.batches: list[fmt.BatchRow] = []
        self.forwards: list[fmt.ForwardRow] = []
        self.samples: list[fmt.QueueSample] = []
        self.kv: list[fmt.KvEvent] = []
        self.nodes: list[fmt.NodeEvent] = []
        self.pulls: list[fmt.Pull] = []
        self.coordinator_slices: list[fmt.Slice] = []
        self.processes: list[fmt.Process] = []
        self.coordinator = self.pid()
        self.processes.append(fmt.Process(self.coordinator, str(self.coordinator), "mindie-coordinator-0"))
        self.prefill = [self.domain(i, host, 1, KV_BLOCKS) for i, host in enumerate(P_HOSTS)]
        self.decode = [
            self.domain(i, D_HOSTS[self.node_of(i)], 2, SMALL_BLOCKS if i == SMALL_DP else KV_BLOCKS)
            for i in range(DECODE_DOMAINS)
        ]
        self.requests = self.arrivals()

    def pid(self) -> int:
        """Return the next process id."""
        self.last_pid += self.random.randrange(3, 40)
        return self.last_pid

    @staticmethod
    def node_of(dp: int) -> int:
        """Return the number of the D node that runs a decode domain."""
        return dp * len(D_HOSTS) // DECODE_DOMAINS

    def domain(self, dp: int, host: str, cards: int, blocks: int) -> Domain:
        """Start a domain's processes; the host's front end first, if this is the first on its host."""
        if not any((p.label or "").startswith(host) for p in self.processes):
            self.processes.append(fmt.Process(self.pid(), "schedule", host))
        scheduler = self.pid()
        self.processes.append(fmt.Process(scheduler, "forward", f"{host},dp{dp}"))
        pids = tuple(self.pid() for _ in range(cards))
        self.processes += [fmt.Process(pid, "forward", host) for pid in pids]
        return Domain(dp, host, scheduler, pids, blocks)

    def arrivals(self) -> list[Request]:
        """Draw the requests: Poisson in time, lognormal in length, D nodes in turn, the faults on top."""
        rng = self.random
        requests: list[Request] = []
        time = START
        while True:
            time += int(rng.expovariate(REQUESTS_PER_SECOND) * NS)
            if time >= START + RUN_SECONDS * NS:
                return requests
            if LULL_SECONDS[0] <= (time - START) / NS < LULL_SECONDS[1]:
                continue
            per_node = DECODE_DOMAINS // len(D_HOSTS)
            dp = len(requests) % len(D_HOSTS) * per_node + rng.randrange(per_node)
            skewed = SKEW_SECONDS[0] <= (time - START) / NS < SKEW_SECONDS[1]
            # So much more often that its share becomes SKEW_FACTOR / DECODE_DOMAINS.
            if skewed and rng.random() < (SKEW_FACTOR - 1) / (DECODE_DOMAINS - 1):
                dp = SKEWED_DP
            stretch = LONG_FACTOR if rng.random() < LONG_SHARE else 1
            requests.append(
                Request(
                    rid=f"endpoint_common_{len(requests)}",
                    arrive=time,
                    prompt=min(1500, max(32, int(PROMPT_TOKENS * rng.lognormvariate(0, 0.45)))),
                    output=min(48, max(2, int(stretch * OUTPUT_TOKENS * rng.lognormvariate(0, 0.4)))),
                    node_p=int(rng.random() < SHARE_OF_SECOND_P),
                    dp=dp,
                )
            )

    # ---- what both roles do ---------------------------------------------------------------------------

    def kv_event(self, domain: Domain, time: int, name: str, request: Request, taken: int) -> None:
        """Take blocks from a domain's pool, or give them back where `taken` is negative."""
        domain.free -= taken
        self.kv.append(fmt.KvEvent(request.rid, name, time, domain.free, domain.dp, domain.scheduler))

    def sample(self, domain: Domain, time: int) -> None:
        """Write down the queue lengths, at most once in QUEUE_SECONDS."""
        number = int((time - START) // (QUEUE_SECONDS * NS))
        if number != domain.sampled:
            domain.sampled = number
            lengths = (len(domain.waiting), len(domain.running), len(domain.swapped))
            self.samples.append(fmt.QueueSample(domain.host, domain.scheduler, time + 12_000, *lengths))

    def admit(self, domain: Domain, time: int, limit: int) -> list[Request]:
        """Take requests from the head of the queue while the pool and the batch have room."""
        admitted: list[Request] = []
        room = domain.free
        while domain.waiting and len(admitted) < limit and len(domain.running) + len(admitted) < MAX_BATCH:
            need = domain.waiting[0].blocks_for(domain.waiting[0].iteration + 1)
            if need > room or domain.swapped:
                break
            room -= need
            request = domain.waiting.popleft()
            request.blocks = need
            request.waited += time - request.queued
            admitted.append(request)
        for request in admitted:
            self.kv_event(domain, time + 20_000, "Allocate", request, request.blocks)
        return admitted

    def step(self, domain: Domain, time: int, batch: list[Request], prefill: bool) -> int:
        """Run one scheduling round; return when it ends."""
        rng = self.random
        if prefill:
            length = PREFILL_MS + PREFILL_MS_PER_TOKEN * sum(r.prompt for r in batch)
        else:
            length = DECODE_MS + DECODE_MS_PER_REQUEST * len(batch)
        scheduled = time + int(rng.uniform(0.15, 0.4) * MS)
        start = scheduled + int(rng.uniform(0.3, 0.6) * MS)
        end = start + int(length * rng.gauss(1, 0.03) * MS)
        done = end + int(rng.uniform(0.3, 0.6) * MS)
        listed = tuple(fmt.Scheduled(r.rid, r.iteration, r.prompt if prefill else 1) for r in batch)
        kind, owner = "Prefill" if prefill else "Decode", fmt.prof_id(domain.host, domain.scheduler)
        self.batches.append(fmt.BatchRow("BatchSchedule", listed, time, scheduled, kind, owner, domain.dp))
        self.batches.append(fmt.BatchRow("Execute", listed, scheduled, done, None, owner, domain.dp))
        for number, card in enumerate(domain.cards):
            early, late = (int(rng.uniform(-0.05, 0.05) * MS) if number else 0 for _ in range(2))
            self.forwards.append(
                fmt.ForwardRow(start + early, end + late, len(batch), kind, domain.dp, domain.host, card)
            )
        return done

    def coordinator_event(self, time: int, name: str, request: Request, **args: object) -> None:
        """Write down an event of the coordinator's trace."""
        self.coordinator_slices.append(
            fmt.Slice(time, time, name, "Coordinator", self.coordinator, {**args, "res_list": request.rid})
        )

    # ---- prefill --------------------------------------------------------------------------------------

    def run_prefill(self) -> None:
        """Send each request to its P node, prefill it, and let its decode rank pull the KV cache."""
        for request in self.requests:
            p, d = P_ADDRESSES[request.node_p], D_ADDRESSES[self.node_of(request.dp)]
            self.coordinator_event(
                request.arrive, "RequestDispatch", request, PrefillAddress=p, DecodeAddress=d
            )
            self.nodes.append(fmt.NodeEvent(request.arrive, p, "prefill", True))
            request.queued = request.arrive + 3 * MS // 2
            self.prefill[request.node_p].arriving.append(request)
        for domain in self.prefill:
            time = START
            while domain.arriving or domain.waiting:
                while domain.arriving and domain.arriving[0].queued <= time:
                    domain.waiting.append(domain.arriving.popleft())
                self.free_pulled(domain, time + 20_000)
                self.sample(domain, time)
                if not domain.waiting:
                    next_sample = START + int((domain.sampled + 1) * QUEUE_SECONDS * NS)
                    time = min(domain.arriving[0].queued, next_sample)
                    continue
                batch = self.admit(domain, time, MAX_PREFILL)
                done = self.step(domain, time, batch, prefill=True)
                for request in batch:
                    self.hand_over(domain, request, done)
                time = done + int(self.random.uniform(0.05, 0.15) * MS)
            self.free_pulled(domain, time + NS)

    def free_pulled(self, domain: Domain, time: int) -> None:
        """Free the blocks of the requests whose pulls have ended by `time`."""
        for end, request, blocks in sorted(domain.to_free, key=lambda item: item[0]):
            if end <= time:
                self.kv_event(domain, end, "Free", request, -blocks)
        domain.to_free = [item for item in domain.to_free if item[0] > time]

    def hand_over(self, domain: Domain, request: Request, done: int) -> None:
        """Answer with the first token, tell the D node, pull the blocks there and free them here."""
        rng = self.random
        request.first_token = done + 300_000
        request.sent = done + 200_000
        request.sent_ok = done + int(rng.uniform(0.5, 1.5) * MS)
        answered = done + 500_000
        self.coordinator_event(answered, "GenerateToken", request, Phase="prefill")
        address, d = P_ADDRESSES[request.node_p], D_ADDRESSES[self.node_of(request.dp)]
        self.nodes.append(fmt.NodeEvent(answered, address, "prefill", False))
        self.nodes.append(fmt.NodeEvent(answered, d, "decode", True))
        start = done + int(rng.uniform(2, 4) * MS)
        length = (1.5 + request.prompt / 400) * MS * (1 + 0.2 * abs(rng.gauss(0, 1)))
        end = start + int(length * (SLOW_PULL_FACTOR if request.dp == SLOW_PULL_DP else 1))
        self.pulls.append(
            fmt.Pull(request.rid, request.dp, request.prompt, request.node_p, request.blocks, start, end)
        )
        domain.to_free.append((end, request, request.blocks))
        request.iteration = 1
        request.queued = end
        self.decode[request.dp].arriving.append(request)

    # ---- decode ---------------------------------------------------------------------------------------

    def make_room(self, domain: Domain, time: int) -> None:
        """Swap the youngest requests out until the others can grow, and in again when there is room."""
        while domain.swapped and domain.swapped[0].blocks + 2 <= domain.free:
            request = domain.swapped.popleft()
            self.kv_event(domain, time + 22_000, "Allocate", request, request.blocks)
            domain.running.append(request)
        while len(domain.running) > 1:
            growth = sum(r.blocks_for(r.iteration + 1) - r.blocks for r in domain.running)
            if growth <= domain.free:
                break
            request = domain.running.pop()
            self.kv_event(domain, time + 24_000, "Free", request, -request.blocks)
            domain.swapped.append(request)

    def run_decode(self) -> None:
        """Decode in lock step: the domains meet in every layer's all-to-all, the slowest sets the pace."""
        for domain in self.decode:
            domain.arriving = deque(sorted(domain.arriving, key=lambda r: r.queued))
        left = len(self.requests)
        time = START
        while left:
            ends = []
            for domain in self.decode:
                while domain.arriving and domain.arriving[0].queued <= time:
                    domain.waiting.append(domain.arriving.popleft())
                domain.running += self.admit(domain, time, MAX_BATCH)
                self.make_room(domain, time)
                self.sample(domain, time)
                if not domain.running:
                    continue
                for request in domain.running:
                    growth = request.blocks_for(request.iteration + 1) - request.blocks
                    if growth > 0:
                        request.blocks += growth
                        self.kv_event(domain, time + 26_000, "AppendSlot", request, growth)
                done = self.step(domain, time, domain.running, prefill=False)
                ends.append(done)
                for request in domain.running:
                    request.iteration += 1
                    if request.iteration >= request.output:
                        left -= 1
                        self.finish(domain, request, done)
                domain.running = [r for r in domain.running if not r.end]
            if ends:
                time = max(ends) + int(self.random.uniform(0.05, 0.15) * MS)
            else:
                time = max(time + MS, min(d.arriving[0].queued for d in self.decode if d.arriving))

    def finish(self, domain: Domain, request: Request, done: int) -> None:
        """Free the request's blocks and report its end."""
        self.kv_event(domain, done + 5_000, "Free", request, -request.blocks)
        request.end = done + 400_000
        self.coordinator_event(done + 600_000, "ReqFinish", request)
        address = D_ADDRESSES[self.node_of(request.dp)]
        self.nodes.append(fmt.NodeEvent(done + 600_000, address, "decode", False))

    def run(self) -> None:
        """Run the whole service."""
        self.run_prefill()
        self.run_decode()

    # ---- writing --------------------------------------------------------------------------------------

    def write(self, folder: Path) -> None:
        """Write the CSVs of the service."""
        fmt.write_batch_csv(folder / "batch.csv", self.batches)
        fmt.write_forward_csv(folder / "forward.csv", self.forwards)
        fmt.write_request_csv(
            folder / "request.csv",
            [
                fmt.RequestRow(r.rid, r.arrive + MS, r.end, r.first_token, r.waited, r.prompt, r.output)
                for r in self.requests
            ],
        )
        fmt.write_request_status_csv(folder / "request_status.csv", self.samples)
        fmt.write_kvcache_csv(folder / "kvcache.csv", self.kv)
        fmt.write_coordinator_csv(folder / "coordinator.csv", self.nodes)
        fmt.write_pd_split_communication_csv(
            folder / "pd_split_communication.csv",
            [
                fmt.Handoff(r.rid, r.arrive + MS, r.sent, r.sent_ok, r.sent - 100_000, r.end - 300_000)
                for r in self.requests
            ],
        )
        fmt.write_pd_split_kvcache_csv(folder / "pd_split_kvcache.csv", self.pulls)


class Experts:
    """Draws the experts' popularity, places them anew each period, and counts the tokens they get."""

    routed = EP_RANKS * (SLOTS - 1)

    def __init__(self, service: Service, seconds: float) -> None:
        self.random = random.Random(f"lbtui demo experts {SEED}")
        self.pids = [service.pid() for _ in range(EP_RANKS)]
        self.mspti_pids = [service.pid() for _ in range(EP_RANKS)]
        self.slices: list[fmt.Slice] = []
        self.loads = [[0] * EP_RANKS for _ in range(LAYERS)]  # tokens, summed over the periods
        self.simulate(int(seconds * NS))
        self.matmul, self.calls = self.operators()

    def popularity(self) -> list[list[float]]:
        """Return [layer][expert] weights; those of a layer sum to 1."""
        rng = self.random
        layers = []
        for layer in range(LAYERS):
            weights = [rng.gammavariate(6.0, 1.0) / 6.0 for _ in range(self.routed)]
            weights[HOT_EXPERT] = HOT_EXPERT_FACTOR * rng.uniform(0.9, 1.1)
            if layer == HOT_LAYER:
                weights[LAYER_EXPERT] = LAYER_EXPERT_FACTOR
            total = math.fsum(weights)
            layers.append([w / total for w in weights])
        return layers

    def place(self, weights: list[float]) -> list[int]:
        """Return each expert's slot: the hottest first, onto the lightest rank with a free slot."""
        ranks = list(range(EP_RANKS))
        self.random.shuffle(ranks)
        if ranks[0] == HOT_RANK:  # the hottest expert goes to the first; rank 3's load shall not be due to it
            ranks.reverse()
        load, used, slot = [0.0] * EP_RANKS, [0] * EP_RANKS, [0] * self.routed
        for expert in sorted(range(self.routed), key=lambda e: -weights[e]):
            rank = min((r for r in ranks if used[r] < SLOTS - 1), key=lambda r: load[r])
            slot[expert] = rank * SLOTS + used[rank]
            used[rank] += 1
            load[rank] += weights[expert]
        return slot

    def event(self, rank: int, time: int, name: str, table: list[list[int]]) -> None:
        """Write down one row of the domain eplb_observe."""
        pid = self.pids[rank]
        self.slices.append(fmt.Slice(time, time, name, "eplb_observe", pid, {"rank": rank, name: table}))

    def simulate(self, length: int) -> None:
        """Run the periods over `length` ns: a table each, then counts that grow until the next one."""
        rng = self.random
        believed = popularity = self.popularity()
        every = length // (PERIODS * HOT_ROWS + 1)
        time = START + every // 2
        counts: list[list[int]] = []
        for period in range(PERIODS):
            # The tables follow the popularity of the period before, as measured.
            slots = [self.place([w * rng.lognormvariate(0, 0.1) for w in layer]) for layer in believed]
            for rank in range(EP_RANKS):
                # Each rank routes to its own copy of the shared expert, listed last.
                table = [[*layer, rank * SLOTS + SLOTS - 1] for layer in slots]
                self.event(rank, time + rank * 1000, "expert_routing", table)
            counts = [[0] * (EP_RANKS * SLOTS) for _ in range(LAYERS)]
            for _ in range(HOT_ROWS):
                time += every - (50 * MS if period else 0)
                for layer in range(LAYERS):
                    self.count(counts[layer], slots[layer], popularity[layer])
                self.report(time, counts)
            for layer in range(LAYERS):
                for rank in range(EP_RANKS):
                    self.loads[layer][rank] += sum(counts[layer][rank * SLOTS : (rank + 1) * SLOTS])
            believed = popularity
            popularity = [self.drifted(layer) for layer in popularity]
            time += 50 * MS
        self.report(time, counts)  # the parser drops the last mark: a closing row repeats the last counts

    def drifted(self, weights: list[float]) -> list[float]:
        """Return the weights of the next period, near those of this one."""
        drifted = [w * self.random.lognormvariate(0, 0.06) for w in weights]
        total = math.fsum(drifted)
        return [w / total for w in drifted]

    def count(self, counts: list[int], slots: list[int], weights: list[float]) -> None:
        """Add the tokens of one interval to a layer's counts."""
        added = [0] * len(counts)
        for expert, weight in enumerate(weights):
            mean = TOKENS_PER_HOT_ROW * TOP_K * weight
            added[slots[expert]] = max(0, round(self.random.gauss(mean, mean**0.5)))
        shared = TOKENS_PER_HOT_ROW // EP_RANKS
        for rank in range(EP_RANKS):
            added[rank * SLOTS + SLOTS - 1] = shared
        others = sum(added) - sum(added[HOT_RANK * SLOTS : (HOT_RANK + 1) * SLOTS])
        # Such that HOT_RANK has HOT_RANK_LOAD times the mean of all ranks, itself among them.
        target = HOT_RANK_LOAD * others / (EP_RANKS - HOT_RANK_LOAD) - shared
        own = range(HOT_RANK * SLOTS, HOT_RANK * SLOTS + SLOTS - 1)
        factor = target / sum(added[s] for s in own) * self.random.gauss(1, 0.02)
        for slot in own:
            added[slot] = round(added[slot] * factor)
        for slot, number in enumerate(added):
            counts[slot] += number

    def report(self, time: int, counts: list[list[int]]) -> None:
        """Let every rank write its own columns of the counts."""
        for rank in range(EP_RANKS):
            table = [layer[rank * SLOTS : (rank + 1) * SLOTS] for layer in counts]
            self.event(rank, time + rank * 1000, "expert_hot", table)

    def operators(self) -> tuple[dict[int, list[int]], dict[int, list[float]]]:
        """Return the GroupedMatmul time by layer, and each dispatch or combine call, by process; ns."""
        rng = self.random
        matmul: dict[int, list[int]] = {pid: [] for pid in self.mspti_pids}
        calls: dict[int, list[float]] = {pid: [] for pid in self.mspti_pids}
        for loads in self.loads:
            relative = [load * EP_RANKS / sum(loads) for load in loads]
            for pid, load in zip(self.mspti_pids, relative, strict=True):
                # Matrices are read whole whatever the load, so time grows slower than it.
                each = 38_000 * (0.35 + 0.65 * load)
                matmul[pid].append(
                    sum(int(each * rng.lognormvariate(0, 0.02)) for _ in range(2 * MSPTI_STEPS))
                )
                wait = 80_000 * (max(relative) - load)  # who is done early waits for the slowest
                for _ in range(MSPTI_STEPS):
                    calls[pid].append(float(int(25_000 * rng.lognormvariate(0, 0.2))))
                    calls[pid].append(float(int((30_000 + wait) * rng.lognormvariate(0, 0.2))))
        return matmul, calls

    def write(self, folder: Path) -> None:
        """Write the CSVs of the experts."""
        fmt.write_ep_balance_csv(folder / "ep_balance.csv", self.matmul)
        fmt.write_moe_analysis_csv(folder / "moe_analysis.csv", self.calls)

    def processes(self) -> list[fmt.Process]:
        """Return the processes that wrote eplb_observe rows, as the parser lists them: without a host."""
        return [fmt.Process(pid, str(pid), None) for pid in self.pids]

    def mspti_processes(self) -> list[fmt.Process]:
        """Return the processes whose operators were recorded."""
        return [fmt.Process(pid, str(pid), None, listed=False) for pid in self.mspti_pids]


def make(folder: Path) -> None:
    """Write the demo's files into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    service = Service()
    service.run()
    service.write(folder)
    last = max(r.end for r in service.requests)
    experts = Experts(service, (last - START) / NS)
    experts.write(folder)
    names = sorted(map(str, experts.matmul))
    fmt.write_profiler_db(
        folder / "profiler.db",
        [
            service.processes[0],
            *experts.processes(),
            *service.processes[1:],
            *experts.mspti_processes(),
        ],
        [*service.coordinator_slices, *experts.slices],
        service.kv,
        [
            fmt.Table("coordinator", fmt.COORDINATOR_COLUMNS, fmt.coordinator_rows(service.nodes)),
            fmt.Table(
                "ep_balance",
                tuple(f'"{name}" INTEGER' for name in names),
                list(zip(*(experts.matmul[int(name)] for name in names), strict=True)),
            ),
            fmt.Table("moe_analysis", fmt.MOE_COLUMNS, fmt.moe_analysis_rows(experts.calls)),
        ],
    )


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else DEMO)
