"""No id without a case that raises it and a value computed once more: read from the sources themselves."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

FINDINGS = Path(__file__).parents[2] / "lbtui" / "findings"
HERE = Path(__file__).parent


def _ids() -> set[str]:
    """Return the ids with which a finding is made anywhere in the package."""
    ids = set()
    for file in FINDINGS.glob("*.py"):
        for call in (n for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.Call)):
            name = call.func.id if isinstance(call.func, ast.Name) else ""
            first = call.args[:1] if name == "_note" else []
            keyword = [k.value for k in call.keywords if k.arg == "id"] if name == "Finding" else []
            ids |= {n.value for n in (*first, *keyword) if isinstance(n, ast.Constant)}
    return ids


def _words(file: str) -> set[object]:
    return {n.value for n in ast.walk(ast.parse((HERE / file).read_text())) if isinstance(n, ast.Constant)}


def test_the_ids_are_found() -> None:
    assert {"dp.batch_size.skew", "ep.eplb.ineffective", "data.clock.skew"} <= _ids()


@pytest.mark.parametrize("id", sorted(_ids()))
def test_a_case_raises_it(id: str) -> None:
    assert id in _words("test_cases.py")


@pytest.mark.parametrize("id", sorted(i for i in _ids() if not i.startswith("data.")))
def test_its_value_is_computed_once_more(id: str) -> None:
    assert id in _words("test_values.py")
