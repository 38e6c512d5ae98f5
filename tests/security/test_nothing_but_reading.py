"""Files are read and nothing else happens: no write, no network, no process, no code from the data.

But for `--sql`: it starts one child, of lbtui itself. And on the screen, inside tmux, `y` starts tmux's own
client (`tests/terminal/test_clipboard.py`).
"""

import ast
import gzip
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest

import lbtui
from tests.bench.fuzz import state_of
from tests.sources.raw_samples import lay_out_raw
from tests.tools.expert_format import dump_config, placement_of, write_dump

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
DEMO = ROOT / "lbtui" / "demo" / "output"
# Modules that reach the network, run programs, or make code or objects of bytes.
FORBIDDEN = {
    "socket", "ssl", "http", "urllib.request", "urllib3", "requests", "ftplib", "smtplib", "socketserver",
    "subprocess", "multiprocessing", "pty", "pickle", "cPickle", "marshal", "shelve", "dill", "ctypes",
    "code", "runpy",
}  # fmt: skip
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_METHODS = {("os", name) for name in ("system", "popen", "fork", "execv", "execve", "posix_spawn")}

# Runs the command or the screen with a hook that tells of what must not happen, as Python itself sees it.
WATCHED = """
import json, os, sys
allowed, told = sys.argv[1], []
# An export writes by its folder, not by a path: what is named without one must lie there.
there = ("os.rename", "os.remove", "os.rmdir")

def inside(folders):
    return all(fd >= 0 and os.readlink(f"/proc/self/fd/{fd}").startswith(allowed) for fd in folders)

for name in ("lbtui.cli", "lbtui.ui.app", "lbtui.report", "lbtui.sources", "lbtui.ui.panes", "lbtui.findings",
             "PIL.PngImagePlugin", "sqlite3", "tests.terminal.driven", "asyncio"):
    __import__(name)

def hook(event, arguments):
    if event == "open":
        path, mode, flags = arguments
        writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
        path = os.fsdecode(path) if isinstance(path, (str, bytes)) else ""
        # Seen here without its folder; the folder it would lie in without one is looked at in the end.
        exported = os.sep not in path and path.endswith(".csv")
        # An open file by its number was seen as it was opened.
        known = isinstance(arguments[0], int) or path == os.devnull or "__pycache__" in path
        fine = known or exported or path.startswith(allowed)
        if writes and not fine:
            told.append([event, path])
    elif event in there and inside([one for one in arguments if isinstance(one, int)]):
        pass
    elif event.split(".")[0] in ("subprocess", "pickle", "ftplib", "smtplib", "urllib", "http") or event in (
        "socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto", "os.system", "os.exec",
        "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.remove", "os.rename", "os.rmdir",
        "os.truncate", "os.chmod", "os.utime", "os.link", "os.symlink", "shutil.rmtree",
        "sqlite3.enable_load_extension", "sqlite3.load_extension",
    ):
        told.append([event, repr(arguments)[:200]])

sys.addaudithook(hook)
if sys.argv[2] == "screen":
    from pathlib import Path
    from lbtui.render.capabilities import Capabilities
    from tests.terminal.driven import drive, press
    async def scenario(app, pilot):
        for pane in "12345":
            await press(app, pilot, pane, "enter", "escape", "escape", "question_mark", "escape")
    drive(Capabilities("256"), scenario, path=Path(sys.argv[3]))
else:
    from lbtui.cli import main
    assert main(sys.argv[2:]) == 0
json.dump(told, sys.stderr)
"""


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """Return an output with every kind of file; beside it lies its raw profile, as the profiler leaves it."""
    folder = tmp_path_factory.mktemp("all") / "output"
    for database in lay_out_raw(folder.parent / "raw").rglob("*.db"):
        connection = sqlite3.connect(database)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.close()
    ranks = {rank: [[[5, rank], [1, 2]], [[9, 9], [4, 2]]] for rank in range(2)}
    write_dump(folder.parent / "dump", "decode", ranks, dump_config(2, 4))
    placement = json.dumps(placement_of([[[0, 1], [2, 3]], [[3, 2], [1, 0]]]))
    (folder.parent / "expert_map.json").write_text(placement)
    shutil.copytree(DEMO, folder)
    for picture in (DATA / "pd_ep_png").glob("*_0_*.png"):
        shutil.copy(picture, folder)
    trace = gzip.decompress((DATA / "chrome_pd_ep_cut.json.gz").read_bytes())
    (folder / "chrome_tracing.json").write_bytes(trace)
    return folder


@pytest.mark.parametrize(
    "arguments",
    [
        ("screen", "OUTPUT"),
        ("screen", "RAW"),
        ("screen", "DUMP"),
        ("--json", "OUTPUT"),
        ("--json", "OUTPUT", "--experts", "RAW"),
        ("--report", "markdown", "OUTPUT"),
        ("--report", "text", "RAW"),
        ("--export", "DIR", "OUTPUT"),
        ("--export", "DIR", "RAW"),
        ("--export", "DIR", "OUTPUT", "--experts", "DUMP", "--placement", "PLACEMENT"),
        ("--json", "PLACEMENT"),
    ],
    ids=" ".join,
)
def test_opening_reporting_and_exporting_do_nothing_else(everything, tmp_path, arguments):
    assert events_of(arguments, everything, tmp_path) == []


def test_a_query_starts_one_child_which_is_lbtui_itself(everything, tmp_path):
    for place in ("OUTPUT", "RAW"):
        (tmp_path / place).mkdir()
        arguments = ("--sql", "SELECT count(*) FROM steps", place)
        ((event, what),) = events_of(arguments, everything, tmp_path / place)
        assert event == "subprocess.Popen"
        assert what.startswith(f"('{sys.executable}', ['{sys.executable}', '-I', ")


def events_of(arguments, everything, tmp_path):
    """Return what the watch told of the command; the folders are as they were."""
    before = state_of(everything.parent)
    out = str(tmp_path / "out")
    place = {"DIR": out, "OUTPUT": str(everything), "RAW": str(everything.parent / "raw")}
    place |= {
        "DUMP": str(everything.parent / "dump"),
        "PLACEMENT": str(everything.parent / "expert_map.json"),
    }
    command = [place.get(word, word) for word in arguments]
    (tmp_path / "empty").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, out, *command],
        capture_output=True,
        cwd=tmp_path / "empty",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=1200,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    told = done.stderr.decode().splitlines()[-1]
    assert state_of(everything.parent) == before
    assert list((tmp_path / "empty").iterdir()) == []
    # What is exported is told on standard output or standard error, never by more than files in DIR.
    return json.loads(told[told.index("[") :])


def test_the_watch_sees_what_it_is_to_see(tmp_path):
    seen = WATCHED.replace(
        'if sys.argv[2] == "screen":',
        "import subprocess, socket, pickle, pathlib\n"
        "subprocess.run(['true']); pathlib.Path('x').touch(); pathlib.Path('x').unlink()\n"
        "pickle.loads(pickle.dumps(pathlib.Path('x')))\n"
        "if False:",
    ).replace("assert main(sys.argv[2:]) == 0", "pass")
    done = subprocess.run(
        [sys.executable, "-c", seen, "/nowhere", "x"],
        capture_output=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        timeout=1200,
        check=True,
    )
    events = {event for event, _what in json.loads(done.stderr)}
    assert {"subprocess.Popen", "open", "os.remove", "pickle.find_class"} <= events


def modules():
    return sorted(Path(lbtui.__file__).parent.rglob("*.py"))


def test_no_module_imports_what_could():
    found = []
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                named = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                named = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                named = [node.func.id] if node.func.id in FORBIDDEN_CALLS else []
                found += [(path.name, name) for name in named]
                continue
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                found += [(path.name, node.attr)] * ((node.value.id, node.attr) in FORBIDDEN_METHODS)
                continue
            else:
                continue
            found += [
                (path.name, name) for name in named if name in FORBIDDEN or name.split(".")[0] in FORBIDDEN
            ]
    assert len(modules()) > 50
    # Children of lbtui's own, for `--sql` and for many runs, and tmux's own client.
    assert sorted(found) == [("children.py", "subprocess"), ("clipboard.py", "subprocess")]
    assert "subprocess" in (Path(lbtui.__file__).parent / "children.py").read_text(encoding="utf-8")


def test_every_dependency_has_a_lower_and_an_upper_bound():
    required = [line.partition(";")[0] for line in requires("lbtui")]
    assert len(required) > 5
    assert [line for line in required if ">=" not in line or not re.search("<[0-9]", line)] == []
