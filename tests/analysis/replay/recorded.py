"""A recording of a service whose every part is known, made by the plain simulation."""

from __future__ import annotations

from itertools import groupby

import polars as pl

from lbtui.analysis.replay.model import Load, Service
from lbtui.analysis.replay.recording import REQUESTS, ROUNDS, RecordedDomain, Recording
from tests.analysis.replay.round_by_round import Plain, RoundByRound, arrays


def recorded(own: Service, load: Load, *, coupled: bool = False) -> Recording:
    """Return what lbtui would have read of the service while it served these requests.

    With `coupled`, domains that step together wait for each other inside of the forward pass.
    """
    told = RoundByRound(load, own).run()
    _taken, first, end = arrays(told, len(load), own.answer)
    requests = pl.DataFrame(
        {
            "request": list(range(len(load))),
            "arrival": load.arrival,
            "lead": [0.0] * len(load),
            "first": first,
            "end": end,
            "input": load.context,
            "output": load.output,
            "hit": [None] * len(load),
        }
    ).cast(REQUESTS)
    steps = frozenset(domain.step for domain in own.domains if domain.step)
    return Recording(
        tuple(
            RecordedDomain(domain.key, domain.node, domain.work, domain.step, _blocks(own, k))
            for k, domain in enumerate(own.domains)
        ),
        requests,
        _rounds(told, load, coupled=coupled),
        pl.DataFrame(
            [(request, number) for number, one in enumerate(told.rounds) for request in one.who],
            schema={"request": pl.Int64, "round": pl.Int64},
            orient="row",
        ),
        pl.DataFrame(
            [(request, *pull) for request, pull in sorted(told.pulls.items())],
            schema={"request": pl.Int64, "start": pl.Float64, "end": pl.Float64},
            orient="row",
        ),
        _kv(own, told, load),
        steps if coupled else frozenset(),
    )


def _blocks(own: Service, k: int) -> int | None:
    block, domain = own.scheduling[own.domains[k].work].block, own.domains[k]
    return int(domain.kv_tokens) // block if block and domain.kv_tokens < float("inf") else None


def _rounds(told: Plain, load: Load, *, coupled: bool) -> pl.DataFrame:
    rows = []
    longest = {
        group: max(one.end - one.rest / 2 for one in own)
        for group, own in groupby(sorted(told.rounds, key=lambda one: one.group), lambda one: one.group)
    }
    for number, one in enumerate(told.rounds):
        forward_end = longest[one.group] if coupled else one.end - one.rest / 2
        tokens = sum(int(load.prompt[r]) for r in one.who) if one.prefills else len(one.who)
        rows.append(
            {
                "round": number,
                "domain": one.domain,
                "group": one.group,
                "start": one.start,
                "end": forward_end + one.rest / 2,
                "forward_start": one.start + one.rest / 2,
                "forward_end": forward_end,
                "phase": "prefill" if one.prefills else "decode",
                "prefills": len(one.who) * one.prefills,
                "decodes": len(one.who) * (not one.prefills),
                "tokens": tokens,
            }
        )
    return pl.DataFrame(rows).select(ROUNDS.names()).cast(ROUNDS).sort("domain", "start")


def _kv(own: Service, told: Plain, load: Load) -> pl.DataFrame:
    """Return the blocks in use at the end of each decode round."""
    rows, done = [], dict.fromkeys(range(len(load)), 0)
    for one in told.rounds:
        block = own.scheduling[own.domains[one.domain].work].block
        if one.prefills or not block:
            continue
        for request in one.who:
            done[request] += 1
        used = sum(-(-(int(load.context[r]) + done[r] + 1) // block) for r in one.who)
        rows.append((one.end, one.domain, used))
    return pl.DataFrame(
        rows, schema={"time": pl.Float64, "domain": pl.Int64, "used": pl.Int64}, orient="row"
    ).sort("time")
