"""All findings of a profile: the one function behind screen, report and JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import polars as pl

from lbtui.findings.causes import explained
from lbtui.findings.data import find_data
from lbtui.findings.dp import find_dp
from lbtui.findings.ep import find_ep
from lbtui.findings.evidence import Evidence
from lbtui.findings.expected import as_expected
from lbtui.findings.kv import find_kv
from lbtui.findings.model import Finding, ranked
from lbtui.findings.pd import find_pd
from lbtui.profile import SCHEMAS, FrameName, Loaded, Profile, Progress, attempted, empty
from lbtui.thresholds import Expected, Thresholds

_OF_CLOCKS: tuple[FrameName, ...] = ("steps", "kv", "queues", "nodes", "transfers", "handoffs")


def find_all(
    profile: Profile, thresholds: Thresholds | None = None, progress: Progress | None = None
) -> tuple[Finding, ...]:
    """Return what is wrong with a profile, most severe first, each with what follows from it.

    Loads every frame. Raises `Cancelled` when `progress` does.
    """
    return find_in(evidence_of(profile, progress), thresholds or Thresholds())


def find_in(evidence: Evidence, limits: Thresholds) -> tuple[Finding, ...]:
    """Return what `find_all` does, from evidence that is used for more."""
    judged = _judged_by_shares(evidence, limits)
    remarks: list[Finding] = []
    if limits.expected != Expected():
        unexpecting = _judged_by_shares(evidence, replace(limits, expected=Expected()))
        remarks = list(as_expected(evidence, limits, judged, unexpecting))
    imbalances = [*judged, *find_ep(evidence, limits)]
    domains = {instance: len(own) for instance, own in evidence.instances.items()}
    addresses = evidence.frame("nodes").select("role", "address").unique()
    nodes = Counter(addresses["role"].cast(pl.String).to_list())
    return (
        *ranked([*explained(imbalances, domains, nodes), *remarks]),
        *find_data(evidence, limits),
    )


def _judged_by_shares(evidence: Evidence, limits: Thresholds) -> list[Finding]:
    """Return the findings on DP domains, KV caches and P/D nodes: what the expected shares may change."""
    kv = list(find_kv(evidence, limits))
    return [*find_dp(evidence, limits, kv), *kv, *find_pd(evidence, limits)]


def evidence_of(profile: Profile, progress: Progress | None = None) -> Evidence:
    """Return what the detectors look at; loads every frame. Raises `Cancelled` when `progress` does."""
    return _evidence_of(profile, tuple(SCHEMAS), progress)


def clock_evidence(profile: Profile, progress: Progress | None = None) -> Evidence:
    """Return the frames that tell of hosts' clocks, the others empty. Raises `Cancelled` as above."""
    return _evidence_of(profile, _OF_CLOCKS, progress)


def _evidence_of(profile: Profile, names: tuple[FrameName, ...], progress: Progress | None) -> Evidence:
    profile.captures(progress)
    loads: dict[FrameName, Callable[[], Loaded]] = {
        name: partial(profile.load, name, progress) if name in names else partial(_nothing, name)
        for name in SCHEMAS
    }
    # Of a large forward.csv the passes themselves are read again where they are looked at.
    loads["steps"] = partial(profile.load_domain_steps, progress)
    # The overview says which frame could not be made.
    frames = {name: attempted(name, load, Loaded(empty(name)))[0] for name, load in loads.items()}
    return Evidence(
        frames,
        profile.missing(),
        partial(profile.load_expert_series, progress),
        partial(profile.read_passes, progress),
        lambda ids: profile.read_request_rounds(ids, progress),
        tuple(profile.cuts),
        profile.capture == "all",
    )


def _nothing(name: FrameName) -> Loaded:
    return Loaded(empty(name))
