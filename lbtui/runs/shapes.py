"""Shapes of runs in words, and what of two of them differs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lbtui.runs.model import Shape
from lbtui.text import _, in_clauses, visible

_ROLES = {"prefill": "P", "decode": "D"}


def shape_words(shape: Shape) -> str:
    """Return a shape in a few letters: `MindIE DP 8+2 P 2 D 4 EP 8`; numbers of several instances by +."""
    return " ".join(_parts(shape))


def _parts(shape: Shape) -> Iterator[str]:
    if shape.engine:
        yield shape.engine
    if shape.domains:
        yield f"DP {_sum(shape.domains)}"
    if shape.nodes:
        yield _nodes(shape)
    if any(shape.ranks):
        yield f"EP {_sum(shape.ranks)}"


def _sum(numbers: Sequence[int | None]) -> str:
    return "+".join("?" if number is None else str(number) for number in numbers)


def shape_difference(before: Shape, after: Shape) -> str:
    """Return why figures of two shapes are not compared; empty where they are equal, as far as both tell.

    An engine that nothing tells is not another one.
    """
    return in_clauses(_differences(before, after))


def _differences(before: Shape, after: Shape) -> Iterator[str]:
    if before.engine and after.engine and before.engine != after.engine:
        yield _("engine {before} before, {after} after").format(before=before.engine, after=after.engine)
    if before.domains != after.domains:
        yield _("DP domains {before} before, {after} after").format(
            before=_or_none(before.domains), after=_or_none(after.domains)
        )
    if before.nodes != after.nodes:
        yield _("P/D nodes {before} before, {after} after").format(before=_nodes(before), after=_nodes(after))
    if before.ranks != after.ranks:
        yield _("EP ranks {before} before, {after} after").format(
            before=_or_none(before.ranks), after=_or_none(after.ranks)
        )


def _or_none(numbers: Sequence[int | None]) -> str:
    return _sum(numbers) or _("none")


def _nodes(shape: Shape) -> str:
    # The requests' way: P before D.
    nodes = sorted(shape.nodes, key=lambda node: (node[0] not in _ROLES, node[0] != "prefill", node[0]))
    return " ".join(f"{_ROLES.get(role, visible(role, 20))} {count}" for role, count in nodes) or _("none")
