"""Values as JSON has them."""

from __future__ import annotations

import math
from datetime import timezone
from typing import Any, TypeAlias

from lbtui.profile import ZONE, Domain, instant
from lbtui.text import visible

Json: TypeAlias = dict[str, Any]


def iso(time: int | None) -> str | None:
    """Return an instant (µs since 1970, UTC) in ISO 8601 with the offset of the files' zone."""
    if time is None:
        return None
    return instant(time).replace(tzinfo=timezone.utc).astimezone(ZONE).isoformat(timespec="microseconds")


def finite(value: float) -> float | None:
    """Return a number, None for what JSON has none for."""
    return value if math.isfinite(value) else None


def domain_json(domain: Domain) -> Json:
    """Return the keys that name a DP domain."""
    found: Json = {
        "instance": visible(domain.instance),
        "host": visible(domain.host),
        "dp_rank": domain.dp_rank,
    }
    return found if domain.pid is None else {**found, "pid": domain.pid}
