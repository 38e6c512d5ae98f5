"""Every threshold of the findings with its source, and the expected shares of the load: what the config sets.

Polars and numpy are not imported here: a config is read before the first frame.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from lbtui.text import _, visible

if TYPE_CHECKING:
    from lbtui.profile import Domain

# A share of the load of each lane, in any unit; empty where all are to carry the same.
Shares: TypeAlias = tuple[float, ...]
Entry: TypeAlias = tuple[str, float]  # what the config names, and its number

# What a request is to take at most (`--slo`, `[slo]`): to its first token, per output token, to its end; ms.
TARGET_NAMES = ("ttft", "tpot", "e2e")
# Longer than a request takes is a slip of the pen: 28 hours.
MOST_TARGET = 1e8

_NUMBER = re.compile(r"[0-9]{1,12}(?:\.[0-9]{0,12})?|\.[0-9]{1,12}")


def targets_of(text: str) -> tuple[Entry, ...]:
    """Return the targets of `ttft=500,tpot=50`, ms, in the order in which they are always told.

    Raises `ValueError` with a sentence where it is not written so.
    """
    found: dict[str, float] = {}
    for part in text.split(","):
        name, _sign, number = part.partition("=")
        if name not in TARGET_NAMES:
            wanted = _("{part} is no target; ttft=500,tpot=50,e2e=20000 are, in ms, one of them or more")
            raise ValueError(wanted.format(part=visible(part, 40) or "“”"))
        if name in found:
            raise ValueError(_("{name} is given twice").format(name=name))
        # Not what `float` takes beside: nan, 1_000, blanks.
        if not _NUMBER.fullmatch(number) or not 0 < float(number) <= MOST_TARGET:
            wanted = _("{name} wants a number of ms above 0 and up to {most:,.0f}, as {name}=500")
            raise ValueError(wanted.format(name=name, most=MOST_TARGET))
        found[name] = float(number)
    return tuple((name, found[name]) for name in TARGET_NAMES if name in found)


@dataclass(frozen=True)
class Offer:
    """What a user says of moving experts (`--expert-mib`, `--link-gbps`); None: not said."""

    expert_mib: float | None = None  # weights of one expert in one layer
    link_gbps: float | None = None  # gigabits a second at which a rank gets them


@dataclass(frozen=True)
class Expected:
    """The shares that the config names: 1 is what a domain or node without an entry is to carry.

    A DP domain is named as its lane is (`dp3`), which means all domains of that name, or with its instance or
    host before it (`node-a/dp3`), which goes before the name alone; a node by its address.
    """

    domains: tuple[Entry, ...] = ()
    nodes: tuple[Entry, ...] = ()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All names with their shares."""
        return (*self.domains, *self.nodes)

    def of_domains(self, domains: Sequence[Domain]) -> Shares:
        """Return the share of each of the domains, empty where all are the same."""
        return _told_apart([self.of_domain(domain) or 1.0 for domain in domains])

    def of_domain(self, domain: Domain) -> float | None:
        """Return the share that an entry gives a domain, None without one."""
        shares = dict(self.domains)
        return next((shares[name] for name in _names(domain) if name in shares), None)

    def of_nodes(self, addresses: Sequence[str]) -> Shares:
        """Return the share of each of the nodes of a role, empty where all are the same."""
        shares = dict(self.nodes)
        return _told_apart([shares.get(address, 1.0) for address in addresses])

    def unknown(self, domains: Sequence[Domain], addresses: Sequence[str]) -> tuple[Entry, ...]:
        """Return the entries that name none of the domains or nodes."""
        known = {name for domain in domains for name in _names(domain)}
        return (
            *(entry for entry in self.domains if entry[0] not in known),
            *(entry for entry in self.nodes if entry[0] not in addresses),
        )


def _names(domain: Domain) -> tuple[str, ...]:
    """Return the names of a domain in a config, the most precise first."""
    return (f"{domain.host}/{domain.name}", f"{domain.instance}/{domain.name}", domain.name)


def _told_apart(shares: list[float]) -> Shares:
    return tuple(shares) if len(set(shares)) > 1 else ()


def _threshold(default: float, text: str) -> Any:
    return field(default=default, metadata={"text": text})


@dataclass(frozen=True)
class Thresholds:
    """Effects below these are no findings, however certain; `p_value` bounds chance for all of them.

    `expected` is what evenness is judged against: the shares of the load that the config expects. `targets`
    are what requests are to take at most (`TARGET_NAMES`, ms); without any, p95 of the run is. `offer` is
    what moving experts takes.
    """

    p_value: float = _threshold(0.01, _("probability of chance below which an effect counts as real"))
    dp_batch_ratio: float = _threshold(1.4, _("requests in flight of a DP domain / mean of its peers"))
    dp_batch_excess: float = _threshold(
        0.5, _("requests a step that it must carry beyond its peers at least")
    )
    dp_queue_ratio: float = _threshold(2.0, _("waiting requests of a DP domain / mean of its peers"))
    dp_queue_waiting: float = _threshold(0.5, _("waiting requests of the domain, mean over the window"))
    dp_straggler_ratio: float = _threshold(
        1.08, _("step time of a domain or card / its peers at the same load")
    )
    dp_bubble_share: float = _threshold(
        0.05, _("share of a step by which a domain starts its forward after its peers")
    )
    dp_tokens_ratio: float = _threshold(1.5, _("prompt tokens of a DP domain / mean of its peers"))
    dp_stalled_seconds: float = _threshold(3.0, _("time without a step while requests wait or run"))
    dp_idle_share: float = _threshold(0.1, _("share of the run in which a DP domain gets and does nothing"))
    cost_share: float = _threshold(0.005, _("share of time that a finding on waiting costs at least"))
    critical_share: float = _threshold(0.02, _("share of time that a critical finding costs at least"))
    kv_free_share: float = _threshold(0.05, _("free share of a domain's KV blocks that counts as exhausted"))
    kv_exhausted_share: float = _threshold(
        0.02, _("share of the run at the last blocks with requests waiting")
    )
    kv_pool_ratio: float = _threshold(0.6, _("KV pool of a domain / median of its instance"))
    kv_peak_ratio: float = _threshold(1.5, _("peak KV usage of a domain / median of its peers"))
    kv_peak_usage: float = _threshold(0.5, _("peak KV usage from which an uneven peak matters"))
    pd_node_ratio: float = _threshold(1.25, _("requests of a P/D node / mean of its role"))
    pd_stalled_share: float = _threshold(
        0.15, _("share of the run (at least 3 time bins) in which a P/D node ends or gets nothing")
    )
    pd_waiting: float = _threshold(
        1.0, _("requests waiting at the median domain (rank, P node) of a P/D role")
    )
    pd_idle_share: float = _threshold(
        0.25, _("waiting of the other role, as a share of the bottleneck's, up to which it keeps up")
    )
    pd_busy_share: float = _threshold(
        0.7, _("share of time that P nodes compute, from which requests waiting there tell of the ratio")
    )
    pd_transfer_ratio: float = _threshold(
        1.5, _("median KV pull time of a rank, source, pair or time / the others'")
    )
    ep_rank_ratio: float = _threshold(
        1.15, _("mean load of an EP rank over layers and periods / mean of the ranks")
    )
    ep_par: float = _threshold(1.3, _("PAR over ranks that asks for re-balancing (MindIE flash_lb)"))
    ep_par_mild: float = _threshold(1.18, _("PAR over ranks, mean/max < 0.85 (vllm-ascend FlashLB)"))
    ep_expert_ratio: float = _threshold(4.5, _("load of an expert / mean expert of its layer"))
    ep_heat_moved: float = _threshold(
        0.05, _("share of routed tokens that go to other experts than in the EPLB period before")
    )
    ep_cost_listed: float = _threshold(
        0.0005, _("share of expert compute below which a hot expert is no finding of its own")
    )
    ep_slow_ratio: float = _threshold(1.08, _("time of a rank per load / median of the ranks"))
    eplb_gain: float = _threshold(0.05, _("fall of mean PAR between periods below which EPLB does nothing"))
    eplb_step_gain: float = _threshold(
        0.01, _("share of a step's time that a placement must save to be worth a trial")
    )
    short_capture_seconds: float = _threshold(120.0, _("capture length below which figures are uncertain"))
    clock_skew_ms: float = _threshold(5.0, _("difference of two hosts' clocks"))
    expected: Expected = field(default_factory=Expected)
    targets: tuple[Entry, ...] = ()
    offer: Offer = Offer()


def described() -> list[tuple[str, float, str]]:
    """Return name, default and meaning of every threshold, for the help."""
    defaults = Thresholds()
    return [
        (f.name, getattr(defaults, f.name), f.metadata["text"])
        for f in dataclasses.fields(Thresholds)
        if "text" in f.metadata
    ]
