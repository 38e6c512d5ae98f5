"""Where Enter on a finding leads: a pane, what is selected there, and what it is to show."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from lbtui.findings import Finding
from lbtui.findings.kinds import kind_of
from lbtui.findings.latency.told import hurt_filter
from lbtui.findings.pd_ratio_waits import PREFILL_WAITS, PULL_WAITS
from lbtui.findings.pictures import Drawn, Picture
from lbtui.findings.subject import is_of
from lbtui.findings.words import middle
from lbtui.overview.model import Overview
from lbtui.profile import micros
from lbtui.ui.kit.places import PANES, Target
from lbtui.ui.kit.selection import Aim


def target_of(found: Drawn, known: Overview) -> Target | None:
    """Return where a finding is to be seen, with its lane, time, node, layer and rank under the cursor.

    None for one on the data, which no pane shows.
    """
    finding, subject = found.finding, found.finding.subject
    if finding.dimension == "data":
        return _target_of_clocks(finding, known) if finding.id == "data.clock.skew" else None
    if finding.dimension in ("dp", "kv"):
        time = None if finding.window is None else _peak_time(found)
        chosen = {"domain": _domain_key(finding, known), "time": time, "window": None}
        return Target(PANES[finding.dimension], _known(chosen), Aim(metric=kind_of(finding).metric))
    if kind_of(finding).drawing == "pulls" or finding.metric in (PULL_WAITS, PREFILL_WAITS):
        rank = _number(finding, "rank")
        return Target(PANES[finding.dimension], {}, Aim(pull=rank, handoffs=rank is None))
    if finding.dimension == "pd":
        node = subject.get("address") or _first_node(known, subject.get("role"))
        time = _peak_time(found) if "address" in subject else None
        return Target(PANES[finding.dimension], _known({"node": node, "time": time, "window": None}), Aim())
    place: dict[str, Any] = {key: subject.get(key) for key in ("instance", "rank", "layer", "period")}
    expert = _number(finding, "expert")
    if finding.id == "ep.expert.hot" and place["layer"] is None:
        place["layer"] = _peak(found.picture)
    aim = Aim(metric=kind_of(finding).view, expert=expert)
    return Target(PANES[finding.dimension], _known(place), aim)


def requests_of(finding: Finding, known: Overview) -> Target | None:
    """Return the requests that a finding hurts: those of its domains or node, in service in its window.

    None for a finding that names neither.
    """
    filter = hurt_filter(finding, known.domains)
    if filter is None:
        return None
    begin_end = finding.window and (micros(finding.window[0]), micros(finding.window[1]))
    return Target(PANES["requests"], {"window": begin_end}, Aim(filter=filter))


def _target_of_clocks(finding: Finding, known: Overview) -> Target:
    """Return the steps of the host whose clock is apart, or the hand-offs that tell it."""
    if "instance" not in finding.subject:
        return Target(PANES["pd"], {}, Aim(handoffs=True))
    host = finding.subject.get("host")
    own = next((domain.key for domain in known.domains if domain.host == host), None)
    return Target(PANES["dp"], _known({"domain": own}), Aim())


def _known(chosen: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in chosen.items() if value is not None or name == "window"}


def _number(finding: Finding, key: str) -> int | None:
    value = finding.subject.get(key)
    return value if isinstance(value, int) else None


def _domain_key(finding: Finding, known: Overview) -> str | None:
    return next((domain.key for domain in known.domains if is_of(domain, finding.subject)), None)


def _first_node(known: Overview, role: object) -> str | None:
    return next((node.address for node in known.nodes if node.role == role), None)


def _peak(picture: Picture | None) -> int | None:
    """Return the column in which the subject's lane is highest."""
    values = [-math.inf if v != v else v for v in picture.own.values] if picture else []
    return values.index(max(values)) if values else None


def _peak_time(found: Drawn) -> int | None:
    """Return when the subject's lane is highest within the finding's window, its middle without a lane."""
    picture, window = found.picture, found.finding.window
    if picture is None or picture.span is None:
        return middle(found.finding)
    begin, end = picture.span
    count = len(picture.own.values)
    centres = [begin + (end - begin) * (2 * column + 1) // (2 * count) for column in range(count)]
    first, last = map(micros, window) if window is not None else picture.span
    inside = [
        (value, time)
        for value, time in zip(picture.own.values, centres, strict=True)
        if value == value and first <= time < last
    ]
    # The first of equals.
    return max(inside, key=lambda place: place[0])[1] if inside else middle(found.finding)
