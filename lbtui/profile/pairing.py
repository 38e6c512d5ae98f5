"""Which instance before is which after."""

from __future__ import annotations

from collections.abc import Mapping


def matched(before: Mapping[str, object], after: Mapping[str, object]) -> list[tuple[str | None, str | None]]:
    """Return which name before goes with which after: equal ones, and the only one left on each side."""
    pairs: list[tuple[str | None, str | None]] = [(name, name) for name in before if name in after]
    rest = [n for n in before if n not in after], [n for n in after if n not in before]
    if len(rest[0]) == len(rest[1]) == 1:
        return [*pairs, (rest[0][0], rest[1][0])]
    return [*pairs, *((name, None) for name in rest[0]), *((None, name) for name in rest[1])]
