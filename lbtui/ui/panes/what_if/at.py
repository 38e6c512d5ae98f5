"""What-if's question in words, and back (`kit/at.py`): pure functions."""

from __future__ import annotations

from dataclasses import replace

from lbtui.analysis.eplb.what_if import policies
from lbtui.ui.kit.parts import Taken, differing
from lbtui.ui.panes.what_if.state import (
    WhatIfState,
    link_problem,
    scrolled,
    size_problem,
    with_link,
    with_size,
)

_MOST = 999_999
_UNKNOWN = "unknown"


def parts_of(state: WhatIfState) -> dict[str, str]:
    """Return the parts of a state; nothing where there is nothing to ask about."""
    if state.data is None:
        return {}
    asked = state.settings
    return differing(
        {
            "policy": asked.policy,
            "redundant": str(asked.redundant),
            "ranks": str(asked.ranks),
            "nodes": str(asked.nodes),
            "groups": str(asked.groups),
            "mib": _UNKNOWN if asked.expert_mib is None else repr(asked.expert_mib),
            "gbps": _UNKNOWN if asked.link_gbps is None else repr(asked.link_gbps),
            "row": str(state.place) if state.place else None,
        }
    )


def with_parts(state: WhatIfState, taken: Taken) -> WhatIfState:
    """Return the state with the parts that are told; the answer may still be to what was asked before."""
    if state.data is None:
        return state
    asked = state.settings
    policy, redundant = taken.one_of("policy", policies(state.data)), taken.number("redundant", -_MOST, _MOST)
    ranks, nodes, groups = (taken.number(name, 1, _MOST) for name in ("ranks", "nodes", "groups"))
    asked = replace(
        asked,
        policy=policy or asked.policy,
        redundant=asked.redundant if redundant is None else redundant,
        ranks=ranks or asked.ranks,
        nodes=nodes or asked.nodes,
        groups=groups or asked.groups,
    )
    state = replace(state, settings=asked)
    if (mib := taken.text("mib")) is not None:
        if mib == _UNKNOWN or size_problem(mib) is None:
            state = with_size(state, "" if mib == _UNKNOWN else mib)
        else:
            taken.refuse("mib")
    if (gbps := taken.text("gbps")) is not None:
        if gbps == _UNKNOWN or link_problem(gbps) is None:
            state = with_link(state, "" if gbps == _UNKNOWN else gbps)
        else:
            taken.refuse("gbps")
    row = taken.number("row")
    return state if row is None else scrolled(replace(state, place=0), row)
