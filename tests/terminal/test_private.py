"""What is private to a library may go with its next version: the screen then opens all the same."""

import ast
import sys
from pathlib import Path

import pytest

import lbtui
from lbtui.codes import BROKEN
from tests.tools.person import Person
from tests.tools.terminal import Terminal

CODE = Path(lbtui.__file__).parent
PRIVATE = CODE / "ui" / "terminal" / "private.py"
# Textual itself is whole; only lbtui finds nothing under the name.
MODULES = ["textual._compositor", "textual._styles_cache", "textual._xterm_parser"]
NAMES = ["_BINDINGS", "_CLOSE", "_EXCEPTION", "_SPLIT"]
WITHOUT_MODULE = """
import sys
import textual.app, textual.widgets, textual.command, textual.drivers.linux_driver
kept = sys.modules[{0!r}]
sys.modules[{0!r}] = None
import lbtui.ui.terminal.private as private
sys.modules[{0!r}] = kept
assert None in (private.ChopsUpdate, private.StylesCache, private.XTermParser)
"""
WITHOUT_NAME = "import lbtui.ui.terminal.private as private\nprivate.{} = '_gone'\n"
WITHOUT_DRIVER = "import lbtui.ui.terminal.private as private\nprivate.DRIVER_NAMES = ('_gone',)\n"
CHANGED = "import lbtui.ui.terminal.private as private\nprivate.{0} = lambda update: update.gone\n"
START = "import lbtui.start\nraise SystemExit(lbtui.start.main(['--demo', '--color', '256']))\n"
CASES = {
    **{module: WITHOUT_MODULE.format(module) for module in MODULES},
    **{name: WITHOUT_NAME.format(name) for name in NAMES},
    **{name: CHANGED.format(name) for name in ("_cropped", "_rows")},
    "driver": WITHOUT_DRIVER,
}


@pytest.mark.parametrize("case", CASES)
def test_the_demo_opens_without(case):
    with Terminal([sys.executable, "-c", CASES[case] + START], 120, 32) as terminal:
        person = Person(terminal, 120, 32)
        person.sees("FINDINGS")
        person.press("2")
        person.sees("forward_iter")
        person.press("q")
        assert terminal.wait() == 0


def test_a_fault_ends_the_screen_without():
    failing = "import lbtui.ui.bars\nlbtui.ui.bars.TopBar.show = lambda self, **_changes: 1 / 0\n"
    code = WITHOUT_NAME.format("_CLOSE") + failing + START
    with Terminal([sys.executable, "-c", code], 120, 32) as terminal:
        assert terminal.wait() == BROKEN
        assert b"a fault of lbtui itself" in terminal.output


def private_modules(file):
    """Return the modules and names of other packages that a file imports though they are private."""
    found = []
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            package, *rest = name.split(".")
            if package not in ("lbtui", "__future__") and any(part.startswith("_") for part in rest):
                found.append(name)
    return found


def test_one_file_imports_what_is_private():
    files = [file for file in CODE.rglob("*.py") if private_modules(file)]
    assert files == [PRIVATE]
    assert {name.rpartition(".")[0] for name in private_modules(PRIVATE)} == set(MODULES)


def own_names():
    """Return the private names that lbtui's own classes, functions and objects have."""
    names = set()
    for file in CODE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                names.add(node.attr)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
    return names


def test_no_other_file_asks_for_a_private_attribute_of_a_library():
    from lbtui.ui.terminal.private import DRIVER_NAMES

    known = own_names()
    asked = {
        (file.name, node.attr)
        for file in CODE.rglob("*.py")
        if file != PRIVATE
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__")
        if node.attr not in known
    }
    # `os._exit` and `namedtuple._replace` are public in all but name.
    others = {(file, name) for file, name in asked if name not in ("_exit", "_replace")}
    assert {file for file, _name in others} <= {"driver.py"}
    assert {name for _file, name in others} <= set(DRIVER_NAMES)
