"""The first look at a run: when it began, and its shape as far as that is known soon."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from lbtui.analysis.data_parallel import domains_of
from lbtui.profile import Domain, Profile, Progress, Silent, empty
from lbtui.profile.place import window_of
from lbtui.runs.model import Shape

_ENGINES = {"mindie": "MindIE", "vllm": "vLLM", "vllm v0": "vLLM", "sglang": "SGLang"}


def first_look(profile: Profile, progress: Progress | None = None) -> tuple[int | None, Shape]:
    """Return when a run began (µs since 1970, UTC; None if no step tells) and its shape as far as steps tell.

    Reads the steps alone. Raises `Cancelled` when `progress` does.
    """
    told = progress or Silent()
    steps = profile.load_domain_steps(told).frame
    window = window_of({"steps": steps}, whole=profile.capture == "all")
    domains = domains_of(steps, empty("kv"), empty("queues"))
    return None if window is None else window[0], Shape(
        engine_of(profile, told), domains_per_instance(domains)
    )


def engine_of(profile: Profile, progress: Progress) -> str:
    """Return the name of the engine that served, empty where nothing tells it."""
    return _ENGINES.get(profile.engine(progress) or "", "")


def domains_per_instance(domains: Iterable[Domain]) -> tuple[int, ...]:
    """Return how many of the domains each instance has, in descending order."""
    return tuple(sorted(Counter(domain.instance for domain in domains).values(), reverse=True))
