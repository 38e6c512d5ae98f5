"""Time the replay of many requests under every policy, on an idle machine.

    python -m tests.bench.replay_speed [--requests N] [--domains N]

A service with lockstep and one without, as busy as a simulated one at three quarters of its capacity; the
self-test and all policies with their further replays and intervals, as `--what-if routing` asks them.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import polars as pl

from lbtui.analysis.replay.asked import Asked
from lbtui.analysis.replay.engine import Replay
from lbtui.analysis.replay.fit import Fitted
from lbtui.analysis.replay.model import Load, Pace, ReplayDomain, Scheduling, Service
from lbtui.analysis.replay.routing import router
from lbtui.analysis.slo import Targets
from lbtui.findings.replay.what_if import Prepared, routing_of


def service(domains: int, *, lockstep: bool) -> Service:
    """Return a service of equal domains."""
    own = ReplayDomain("", "", most_running=24, rests=(1.2, 1.2), kv_tokens=192_000)
    return Service(
        tuple(
            ReplayDomain(
                f"dp{place}",
                "node",
                most_running=own.most_running,
                rests=own.rests,
                kv_tokens=own.kv_tokens,
                step="all" if lockstep else "",
            )
            for place in range(domains)
        ),
        {"both": Pace(12, 0.045, 0, 22, 0.35, 0, 0.03, 0.001)},
        {"both": Scheduling(most_prefills=4, block=128)},
        {"all": 0.1},
        delay=0.5,
    )


def load(requests: int, rate: float, domains: int) -> Load:
    """Return requests of a Poisson process, each to a domain by chance."""
    generator = np.random.default_rng(1)
    arrival = np.cumsum(generator.exponential(1000 / rate, requests))
    output = generator.lognormal(np.log(100), 0.4, requests).astype(int) + 2
    prompt = generator.lognormal(np.log(500), 0.5, requests).astype(int) + 16
    domain = generator.integers(0, domains, requests)
    return Load(arrival, prompt, prompt, output - 1, output, domain, domain)


def recorded(own: Service, asked: Load) -> Fitted:
    """Return the service as if its own replay had been recorded."""
    outcome = Replay(asked, own, seed=99).run(router("recorded", own, asked))
    rows = pl.DataFrame(
        {"lead": np.zeros(len(asked)), "taken": outcome.taken, "first": outcome.first, "end": outcome.end}
    )
    return Fitted(asked, own, rows)


def main() -> None:
    """Print the seconds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--domains", type=int, default=8)
    asked = parser.parse_args()
    for lockstep in (True, False):
        own = service(asked.domains, lockstep=lockstep)
        fitted = recorded(own, load(asked.requests, 3.2 * asked.domains, asked.domains))
        begun, worked = time.perf_counter(), time.process_time()
        made = Prepared(Asked(fitted, Targets(500, 60, given=True)))
        holds = made.holds
        tested = time.perf_counter()
        rows = routing_of(made).rows
        seconds, worked = time.perf_counter() - tested, time.process_time() - worked
        print(
            f"{asked.requests:,} requests, {asked.domains} domains, {'lockstep' if lockstep else 'alone'}: "
            f"self-test {tested - begun:.1f} s ({'holds' if holds else 'fails'}), "
            f"{len(rows)} policies {seconds:.1f} s more; {worked:.1f} s of processor time"
        )


if __name__ == "__main__":
    main()
