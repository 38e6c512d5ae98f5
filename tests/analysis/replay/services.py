"""Services and loads for tests, small and exact."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from lbtui.analysis.replay.model import (
    NO_LIMIT,
    Handoff,
    Load,
    Pace,
    ReplayDomain,
    Scheduling,
    Service,
    Work,
)

PACE = Pace(prefill=10.0, token=0.05, decode=20.0, request=0.5)


def load(rows: list[tuple[float, int, int, int, int]]) -> Load:
    """Return requests of (arrival ms, prompt, decode rounds, domain that prefills, domain that decodes)."""
    columns = [np.array(column) for column in zip(*sorted(rows), strict=True)]
    arrival, prompt, rounds, first, then = columns
    return Load(arrival.astype(float), prompt, prompt, rounds, rounds + 1, first, then)


def service(count: int = 1, *, step: str = "", **changes: object) -> Service:
    """Return domains that prefill and decode; `changes` are of the domains or the service."""
    of_domain = {k: v for k, v in changes.items() if k in ReplayDomain.__dataclass_fields__}
    of_service = {k: v for k, v in changes.items() if k in Service.__dataclass_fields__}
    given = {
        "paces": {"both": PACE},
        "scheduling": {"both": Scheduling()},
        "between": {},
        **of_service,
    }
    domains = tuple(ReplayDomain(f"dp{k}", "host", step=step, **of_domain) for k in range(count))  # type: ignore[arg-type]
    return Service(domains, **given)  # type: ignore[arg-type]


def split(prefills: int, decodes: int, *, step: str = "", **changes: object) -> Service:
    """Return domains of P nodes, then of D nodes, each alone on its node."""
    works: list[Work] = ["prefill"] * prefills + ["decode"] * decodes
    domains = tuple(
        ReplayDomain(f"{work}{k}", f"{work} node {k}", work=work, step=step if work == "decode" else "")
        for k, work in enumerate(works)
    )
    given = {
        "paces": {"prefill": PACE, "decode": PACE},
        "scheduling": {"prefill": Scheduling(most_prefills=4), "decode": Scheduling()},
        "handoff": Handoff(wait=3.0, pull=2.0, token=0.01),
        **changes,
    }
    return Service(domains, **given)  # type: ignore[arg-type]


@st.composite
def services(draw: st.DrawFn) -> tuple[Service, Load]:
    """Draw a service of any kind that is not mixed, and requests for it."""
    count = draw(st.integers(1, 4))
    step = draw(st.sampled_from(["", "all"]))
    block = draw(st.sampled_from([0, 16]))
    plan = Scheduling(
        most_prefills=draw(st.sampled_from([1, 2, NO_LIMIT])),
        most_tokens=draw(st.sampled_from([60, NO_LIMIT])),
        block=block,
    )
    pool = draw(st.sampled_from([float("inf"), 16.0 * 9, 16.0 * 30])) if block else float("inf")
    apart = draw(st.booleans()) and count > 1
    works: list[Work] = ["prefill", *(["decode"] * (count - 1))] if apart else ["both"] * count  # type: ignore[list-item]
    domains = tuple(
        ReplayDomain(
            f"dp{k}",
            "host",
            work=work,
            factor=draw(st.sampled_from([1.0, 1.5])),
            rests=(1.25, 0.75),
            step="" if work == "prefill" else step,
            most_running=draw(st.sampled_from([1, 3, NO_LIMIT])),
            kv_tokens=float("inf") if work == "prefill" else pool,
        )
        for k, work in enumerate(works)
    )
    own = Service(
        domains,
        dict.fromkeys(works, PACE),
        dict.fromkeys(works, plan),
        {"all": 0.25} if step else {},
        own_ends=draw(st.booleans()),
        handoff=Handoff(3.0, 2.0, 0.01, {1: 1.5}),
        delay=0.5,
        answer=0.125,
    )
    first = own.of("prefill")
    then = own.of("decode")
    rows = []
    # Arrivals at odd fractions: none falls on the end of a round, which is a tie.
    for k in range(draw(st.integers(1, 14))):
        at = draw(st.integers(0, 400)) + 0.0137 + 0.00071 * k
        lead = draw(st.sampled_from(first))
        rows.append(
            (
                at,
                draw(st.integers(1, 70)),
                draw(st.integers(0, 40)),
                lead,
                draw(st.sampled_from(then)) if apart else lead,
            )
        )
    return own, load(rows)
