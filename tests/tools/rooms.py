"""Count the rooms of a folder, the arrows between them and its floors, from the code's own imports.

    python -m tests.tools.rooms [PACKAGE ...]

A room is a direct child of a package, a file or a folder; an arrow is a pair of rooms of which one imports
from the other; floors are the rooms on the longest way along arrows. Imports within functions and those for
types only count, too. Without names all packages are told.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Plan:
    """The rooms of a package and which of them import from which."""

    rooms: frozenset[str]
    arrows: frozenset[tuple[str, str]]

    @property
    def floors(self) -> int:
        """How many rooms the longest way along arrows has; circles are gone round once."""

        def below(room: str, seen: frozenset[str]) -> int:
            further = [to for start, to in self.arrows if start == room and to not in seen]
            return 1 + max((below(to, seen | {to}) for to in further), default=0)

        return max((below(room, frozenset({room})) for room in self.rooms), default=0)

    @property
    def circles(self) -> frozenset[str]:
        """The rooms that lead back to themselves."""

        def reached(room: str) -> set[str]:
            found: set[str] = set()
            ahead = [room]
            while ahead:
                here = ahead.pop()
                new = {to for start, to in self.arrows if start == here} - found
                found |= new
                ahead += new
            return found

        return frozenset(room for room in self.rooms if room in reached(room))


@cache
def modules(root: Path = ROOT / "lbtui") -> dict[str, Path]:
    """Return the file of each module and package below `root`, by dotted name."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports() -> frozenset[tuple[str, str]]:
    """Return all pairs of modules of which the first imports from the second."""
    return frozenset(
        (name, other)
        for name, path in modules().items()
        for node in ast.walk(ast.parse(path.read_text()))
        for other in _named(node)
    )


def _named(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        for alias in node.names:
            inner = f"{node.module}.{alias.name}"
            yield inner if inner in modules() else node.module


def packages() -> list[str]:
    """Return the dotted names of all packages."""
    return [name for name, path in modules().items() if path.name == "__init__.py"]


def plan(package: str) -> Plan:
    """Return the rooms and arrows of a package, given by its dotted name."""

    def room(module: str) -> str | None:
        return module[len(package) + 1 :].split(".")[0] if module.startswith(f"{package}.") else None

    rooms = frozenset(found for name in modules() if (found := room(name)))
    pairs = {(room(start), room(to)) for start, to in imports()}
    arrows = frozenset((start, to) for start, to in pairs if start and to and start != to)
    return Plan(rooms, arrows)


def main() -> None:
    """Print a line per package."""
    print(f"{'package':<32} {'rooms':>6} {'arrows':>7} {'floors':>7}  circles")
    for package in sys.argv[1:] or packages():
        found = plan(package)
        circles = ", ".join(sorted(found.circles)) or "none"
        print(
            f"{package:<32} {len(found.rooms):>6} {len(found.arrows):>7} {found.floors:>7}  {circles}",
        )


if __name__ == "__main__":
    main()
