"""The house has few rooms a floor, few arrows between them, and no circle (`python -m tests.tools.rooms`).

Its functions take at most six parameters, keyword-only ones counted, self and cls not: more are a noun that
is missing. They have at most 60 lines; one that is longer for a reason gives it in its docstring, behind
"Long:".
"""

import ast
import re
from pathlib import Path

import pytest

import lbtui
from tests.tools.rooms import Plan, packages, plan

CODE = Path(lbtui.__file__).parent


def modules():
    for file in sorted(CODE.rglob("*.py")):
        yield file.relative_to(CODE.parent), ast.parse(file.read_text("utf-8"))


def functions(tree):
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return [node for node in ast.walk(tree) if isinstance(node, kinds)]


def parameters(function):
    named = function.args
    every = [*named.posonlyargs, *named.args, *named.kwonlyargs]
    return [each.arg for each in every if each.arg not in ("self", "cls")]


def is_long(function):
    lines = function.end_lineno - function.lineno + 1
    return lines > 60 and "Long:" not in (ast.get_docstring(function) or "")


def test_no_function_takes_more_than_six_parameters():
    every = [(file, function) for file, tree in modules() for function in functions(tree)]
    assert len(every) > 2000
    assert [f"{file}: {function.name}" for file, function in every if len(parameters(function)) > 6] == []


def test_no_function_is_long_without_a_reason():
    assert [
        f"{file}: {function.name}"
        for file, tree in modules()
        for function in functions(tree)
        if is_long(function)
    ] == []


def test_long_and_greedy_functions_are_seen():
    body = "    pass\n" * 60
    (greedy, method) = functions(ast.parse("def f(a, b, /, c, *, d, e, f, g): pass\ndef m(self, a): pass"))
    assert (len(parameters(greedy)), len(parameters(method))) == (7, 1)
    (short,) = functions(ast.parse("def f():\n" + body.removesuffix("    pass\n")))
    (long,) = functions(ast.parse("def f():\n" + body))
    (excused,) = functions(ast.parse('def f():\n    """Long: a list."""\n' + body))
    assert [is_long(each) for each in (short, long, excused)] == [False, True, False]


@pytest.mark.parametrize(
    ("package", "rooms", "arrows", "floors"), [("lbtui.ui", 17, 41, 7), ("lbtui.ui.panes", 12, 12, 4)]
)
def test_a_folder_has_few_rooms_and_arrows(package, rooms, arrows, floors):
    found = plan(package)
    assert 0 < len(found.rooms) <= rooms
    assert 0 < len(found.arrows) <= arrows
    assert found.floors <= floors


@pytest.mark.parametrize("package", packages())
def test_no_room_leads_back_to_itself(package):
    assert plan(package).circles == frozenset()


def test_a_circle_is_seen_and_floors_are_counted():
    rooms = frozenset("abcd")
    assert Plan(rooms, frozenset({("a", "b"), ("b", "c"), ("a", "d")})).floors == 3
    found = Plan(rooms, frozenset({("a", "b"), ("b", "c"), ("c", "b")}))
    assert found.circles == frozenset("bc")


def test_no_row_is_measured_in_characters():
    # A Chinese character has two cells: `Segment.get_line_length` and `cell_len` measure these.
    wrong = re.compile(r"\blen\(\"\"\.join\(|sum\(len\((\w+)\.text\) for \1 in")
    places = [path for room in ("ui", "render") for path in (CODE / room).rglob("*.py")]
    assert not [path for path in places if wrong.search(path.read_text(encoding="utf-8"))]
