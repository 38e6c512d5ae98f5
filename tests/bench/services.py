"""Services of a minute held in memory, with a fault or without: those of every dimension that Compare judges.

Not the lab's simulator: some lines of arithmetic, so that hundreds of pairs can be made. DP domains take
steps of 25 ms and more together (or each on its own), batch sizes last for about two seconds, a prefill
lengthens its step, KV usage follows the batch. A P/D service has two P nodes and four decode ranks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from lbtui.profile import FrameName

BEGIN = 1_767_225_600_000_000
SECONDS = 60.0
BATCH = 10.0  # mean of requests in a domain's step
Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Fault:
    """What is wrong with one domain (or rank, node): factors and amounts, 1 or 0 for none."""

    dimension: str = ""
    slow: float = 1.0  # of the forward pass
    window: tuple[float, float] = (0.0, 10 * SECONDS)
    duty: float = 1.0  # share of every 3 s in which it is slow
    ramp: bool = False  # grows from nothing to `slow`
    gap: float = 0.0  # ms before each step
    batch: float = 1.0
    tokens: float = 1.0  # of a prefill
    kv: float = 1.0  # of KV usage
    pull: float = 1.0  # of the KV pulls of one rank
    pair: float = 1.0  # of the KV pulls of one rank from one source
    node: float = 1.0  # share of P node 0
    waits: float = 0.0  # ms in the prefill queue, mean
    hot: float = 1.0  # expert load of one rank, in every layer
    moves: bool = False  # another rank is hot in each period
    apart: bool = False  # also where domains step each on its own


NONE = Fault()
FAULTS: Mapping[str, Fault] = {
    "slow domain": Fault("dp", slow=1.5, apart=True),
    "throttled": Fault("dp", slow=1.6, duty=0.3, apart=True),
    "slow from an instant on": Fault("dp", slow=1.5, window=(25, 10 * SECONDS), apart=True),
    "drift": Fault("dp", slow=1.7, ramp=True, apart=True),
    "token hog": Fault("dp", tokens=4.0, apart=True),
    "batch skew": Fault("dp", batch=2.5, window=(15, 40), apart=True),
    "gap before steps": Fault("dp", gap=12.0),
    "domain dies": Fault("dp", batch=0.0, window=(25, 10 * SECONDS), apart=True),
    "domain joins late": Fault("dp", batch=0.0, window=(0, 25), apart=True),
    "domain idles": Fault("dp", batch=0.0, apart=True),
    "KV skew": Fault("kv", kv=3.0),
    "KV exhausted": Fault("kv", kv=20.0),
    "KV skew for a while": Fault("kv", kv=3.0, window=(20, 45)),
    "slow pulls, rank": Fault("pd", pull=3.0),
    "slow pulls, pair": Fault("pd", pair=4.0),
    "unequal P nodes": Fault("pd", node=2.2),
    "P node dies": Fault("pd", node=0.0, window=(25, 10 * SECONDS)),
    "P:D ratio": Fault("pd", waits=300.0),
    "hot rank": Fault("ep", hot=1.6),
    "heat moves": Fault("ep", hot=1.6, moves=True),
}


@dataclass
class Service:
    """One run; `rng` tells runs apart."""

    rng: np.random.Generator
    fault: Fault = NONE
    domains: int = 4
    together: bool = True
    frames: dict[FrameName, pl.DataFrame] = field(default_factory=dict)

    def made(self, dimension: str = "") -> dict[FrameName, pl.DataFrame]:
        """Return the frames of the run, all or those that tell a dimension."""
        if dimension in ("", "dp", "kv"):
            self._steps()
        if dimension in ("", "pd"):
            self._requests()
            self._nodes()
            self._pulls()
        if dimension in ("", "ep"):
            self._heat()
        return self.frames

    def _within(self, seconds: Floats) -> npt.NDArray[np.bool_]:
        begin, end = self.fault.window
        inside: npt.NDArray[np.bool_] = (seconds >= begin) & (seconds < end)
        return inside & (seconds % 3.0 < 3.0 * self.fault.duty)

    def _steps(self) -> None:
        rng, fault, count = self.rng, self.fault, self.domains
        # About what a step takes: more are made than fit into the run.
        each = 0.033 if self.together else 0.027
        steps = int(1.3 * SECONDS / each)
        seconds = np.arange(steps) * each
        within = self._within(seconds)
        of_it = np.zeros((steps, count), dtype=bool)
        of_it[:, 1] = within
        batch = lasting(steps, np.where(of_it, BATCH * fault.batch, BATCH), rng)
        prompt = rng.lognormal(6, 0.4, (steps, count)) * (rng.random((steps, count)) < 0.08)
        prompt *= np.where(of_it, fault.tokens, 1.0)
        rise = seconds[:, None] / SECONDS if fault.ramp else 1.0
        factor = np.where(of_it, 1 + (fault.slow - 1) * rise, 1.0)
        took = (22 + 0.3 * batch + 0.02 * prompt) * factor * rng.lognormal(0, 0.02, (steps, count))
        gap = 1 + rng.exponential(0.3, (steps, count)) + np.where(of_it, fault.gap, 0.0)
        running = batch > 0
        if self.together:
            longest = np.where(running, gap + took, 0.0).max(axis=1, keepdims=True)
            begins = np.concatenate([[0.0], np.cumsum(longest[:-1, 0])])[:, None] + gap
        else:
            begins = np.cumsum(gap + took, axis=0) - took
        kept = running & (begins < 1000 * SECONDS)
        at, lane = np.nonzero(kept)
        start = (BEGIN + 1000 * begins[kept]).astype(np.int64)
        owner = {
            "instance": ["svc"] * len(at),
            "host": ["svc"] * len(at),
            "dp_rank": lane,
            "domain": [f"d{i}" for i in lane],
        }
        self.frames["steps"] = pl.DataFrame(
            {
                **owner,
                "prof_id": owner["domain"],
                "batch_size": batch[kept].astype(np.int64),
                "tokens": (batch + prompt)[kept].astype(np.int64),
                "duration": took[kept],
                "start": start,
                "end": start + (1000 * took[kept]).astype(np.int64),
            }
        ).sort("start")
        usage = 0.02 * batch * np.where(of_it, fault.kv, 1.0)
        kv = pl.DataFrame({"time": start, **owner, "usage": np.minimum(usage, 1.0)[kept]})
        self.frames["kv"] = kv.sort("time")

    def _requests(self) -> None:
        rng = self.rng
        count = rng.poisson(6 * SECONDS)
        arrival = np.sort(rng.uniform(0, SECONDS, count))
        level = np.exp(0.2 * swinging(count, rng))
        ttft = 80 * level * rng.lognormal(0, 0.3, count)
        ttft += rng.exponential(self.fault.waits, count) if self.fault.waits else 0.0
        length = rng.lognormal(3.7, 0.4, count).astype(np.int64) + 2
        self.frames["requests"] = pl.DataFrame(
            {
                "request_id": [str(i) for i in range(count)],
                "arrival": (BEGIN + 1e6 * arrival).astype(np.int64),
                "input_tokens": rng.lognormal(6, 0.4, count).astype(np.int64) + 1,
                "output_tokens": length,
                "ttft": ttft,
                "duration": ttft + 28 * level * length * rng.lognormal(0, 0.05, count),
            }
        )

    def _nodes(self) -> None:
        bins = np.arange(12) * 5.0
        share = np.where(self._within(bins), self.fault.node, 1.0)
        first = share / (1 + share)
        whole = self.rng.poisson(30, len(bins))
        own = self.rng.binomial(whole, first)
        self.frames["nodes"] = pl.DataFrame(
            {
                "time": np.repeat((BEGIN + 1e6 * bins).astype(np.int64), 2),
                "address": ["10.0.0.1:1", "10.0.0.2:1"] * len(bins),
                "role": ["prefill"] * 2 * len(bins),
                "added": np.stack([own, whole - own], axis=1).ravel(),
            }
        )

    def _pulls(self) -> None:
        rng, fault = self.rng, self.fault
        requests = self.frames["requests"]
        count = requests.height
        rank = rng.integers(4, size=count)
        arrival = requests["arrival"].to_numpy()
        share = np.where(self._within((arrival - BEGIN) / 1e6), fault.node, 1.0)
        source = (rng.random(count) >= share / (1 + share)).astype(np.int64)
        took = 8 * rng.lognormal(0, 0.4, count)
        took *= np.where(rank == 1, fault.pull, 1.0) * np.where((rank == 2) & (source == 1), fault.pair, 1.0)
        done = arrival + (1000 * requests["ttft"].to_numpy()).astype(np.int64)
        self.frames["handoffs"] = pl.DataFrame(
            {"request_id": requests["request_id"], "arrival": arrival, "prefill_done": done}
        )
        self.frames["transfers"] = pl.DataFrame(
            {
                "request_id": requests["request_id"],
                "rank": rank,
                "source": [f"10.0.0.{1 + s}" for s in source],
                "start": done + 1000,
                "end": done + 1000 + (1000 * took).astype(np.int64),
                "duration": took,
            }
        )

    def _heat(self) -> None:
        layers, ranks, periods = 20, 8, 4
        load = self.rng.normal(1, 0.05, (periods, layers, ranks)).clip(0.5)
        for period in range(periods):
            load[period, :, (3 + self.fault.moves * period) % ranks] *= self.fault.hot
        share = load / load.sum(axis=2, keepdims=True)
        period, layer, rank = (index.ravel() for index in np.indices(load.shape))
        self.frames["expert_heat"] = pl.DataFrame(
            {
                "instance": ["experts"] * load.size,
                "view": ["rank"] * load.size,
                "period": period,
                "layer": layer,
                "column": rank,
                "rank": rank,
                "slot": np.zeros(load.size, dtype=np.int64),
                "share": share.ravel(),
                "relative": share.ravel(),
            }
        )


def lasting(steps: int, means: Floats, rng: np.random.Generator) -> Floats:
    """Return numbers of requests [step, domain] about `means`; each stays for 50 steps on average."""
    stay = 1 - 1 / 50
    values = np.empty(means.shape)
    values[0] = rng.poisson(means[0])
    arriving = rng.poisson(means * (1 - stay))
    for step in range(1, steps):
        values[step] = rng.binomial(values[step - 1].astype(np.int64), stay) + arriving[step]
        # What has no share any more has no requests at once.
        values[step][means[step] == 0] = 0
    return values


def swinging(count: int, rng: np.random.Generator) -> Floats:
    """Return a Gaussian AR(1) of variance 1 whose memory is 20."""
    phi = 1 - 1 / 20
    noise = rng.standard_normal(count) * np.sqrt(1 - phi**2)
    values = np.empty(count)
    level = rng.standard_normal()
    for i in range(count):
        values[i] = level = phi * level + noise[i]
    return values
