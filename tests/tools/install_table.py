"""Try every line of the README's table of installations, and print the table with what was measured.

    python -m tests.tools.install_table DIST [--work DIR] [--only WORD …]

DIST is what `.packaging/build.py` built. Each line is tried on a machine of its own kind (`bare_root`),
without network where the table says so: it is set up, the first frame is awaited in a pseudo-terminal, a
key is pressed, it is left by `q`, and the demo's report is compared with the one of this checkout, but
for the path. Exits with 1 where a line fails; a line that cannot be tried here is told, with the reason.

Seconds are those from the command to the first frame on this machine, as busy as it is. Emulated ones tell
nothing of a server and are not printed.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from lbtui import __version__
from tests.tools.bare_root import Host, Unavailable, enter, made
from tests.tools.person import Person
from tests.tools.terminal import Terminal

ROOT = Path(__file__).parents[2]
# Emulation takes some ten times as long, on a machine that others use.
SECONDS = 3600.0
# A process by its path, and one by multiprocessing.
CHILDREN = """
import multiprocessing, os, subprocess, sys
subprocess.run([sys.executable, "-c", "import numpy, polars"], check=True)
with multiprocessing.get_context("spawn").Pool(1) as pool:
    assert pool.apply(os.getppid) == os.getpid()
"""


class Line(NamedTuple):
    """A line of the table: where, by which command, and how that is tried."""

    host: str
    python: str
    network: str
    command: str
    # Sets up and returns the words that start lbtui there, MB to carry and the folder that it takes.
    tried: Callable[[Path, Path], Measured]


class Measured(NamedTuple):
    """What a line took; `carried` and `taken` in MB."""

    carried: float
    taken: float
    seconds: float | None


class Failure(Exception):
    """Says what a line of the table does not do."""


def report(command: Sequence[str]) -> list[str]:
    """Return the lines of a report without the path."""
    return [line for line in output(command).splitlines() if not line.startswith("path ")]


def output(command: Sequence[str]) -> str:
    """Return what a command prints; raise `Failure` where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode:
        raise Failure(f"exit code {done.returncode}: {(done.stderr or done.stdout).strip()[-500:]}")
    return done.stdout


def first_frame(command: Sequence[str]) -> float:
    """Return the seconds to the first frame with findings; press a key, and leave by `q`."""
    began = time.monotonic()
    with Terminal(list(command), 120, 40) as terminal:
        person = Person(terminal, 120, 40)
        person.sees("EP rank 3", SECONDS)
        seconds = time.monotonic() - began
        person.press("2")
        person.sees("batch size", SECONDS)
        person.press("q")
        if (code := terminal.wait(SECONDS)) != 0:
            raise Failure(f"q ended it with exit code {code}")
    return seconds


def size(path: Path) -> float:
    """Return the MB (10⁶ bytes) of a file, or of the files in a folder."""
    files = [path] if path.is_file() else [each for each in path.rglob("*") if not each.is_symlink()]
    return sum(each.stat().st_size for each in files if each.is_file()) / 1e6


def checked(setup: Sequence[str] | None, start: Callable[[Sequence[str]], list[str]]) -> float:
    """Set up, compare the report, look at the first frame; return the seconds of set-up and first frame.

    Without a set-up, the first start is the one that shows the frame.
    """
    began = time.monotonic()
    if setup:
        output(setup)
    seconds = time.monotonic() - began + first_frame(start(["--demo"]))
    found = report(start(["--demo", "--report"]))
    expected = report([sys.executable, "-m", "lbtui", "--demo", "--report"])
    if found != expected:
        first = next((line for line in found if line not in expected), "it is shorter")
        raise Failure(f"the demo's report is another than this checkout's: {first}")
    return seconds


def run_file(host: Host) -> Callable[[Path, Path], Measured]:
    """Return how the .run file is tried on a host."""

    def tried(dist: Path, work: Path) -> Measured:
        file = dist / f"lbtui-{__version__}-linux-{host.architecture}.run"
        root = made(host, work / "roots")
        with tempfile.TemporaryDirectory(dir=root / "tmp", ignore_cleanup_errors=True) as home:
            # CANN and serving images set such; it must not matter.
            odd = {"HOME": f"/tmp/{Path(home).name}", "PYTHONPATH": "/media", "LD_LIBRARY_PATH": "/media"}

            def start(arguments: Sequence[str]) -> list[str]:
                return enter(host, root, dist, ["/bin/sh", f"/media/{file.name}", *arguments], odd)

            seconds = checked(None, start)
            (own,) = Path(home).glob(".cache/lbtui/lbtui-*")
            python = f"/tmp/{Path(home).name}/{own.relative_to(home)}/bin/python3"
            output(enter(host, root, dist, ["/bin/sh", python, "-c", CHILDREN], odd))
            return Measured(size(file), size(own), None if host.foreign else seconds)

    return tried


def wheels_in_root(host: Host, python: str) -> Callable[[Path, Path], Measured]:
    """Return how the archive of wheels is tried on a host that has a Python, and no pip."""

    def tried(dist: Path, work: Path) -> Measured:
        file = dist / f"lbtui-{__version__}-wheels-py{python}-linux-{host.architecture}.tar"
        root = made(host, work / "roots")
        with tempfile.TemporaryDirectory(dir=root / "tmp", ignore_cleanup_errors=True) as home:
            inside = f"/tmp/{Path(home).name}"
            setup = f"cd {inside} && tar xf /media/{file.name} && sh {file.stem}/install.sh lbtui"

            def start(arguments: Sequence[str]) -> list[str]:
                return enter(host, root, dist, [f"{inside}/lbtui/bin/lbtui", *arguments])

            seconds = checked(enter(host, root, dist, ["/bin/sh", "-c", setup]), start)
            return Measured(size(file), size(Path(home, "lbtui")), None if host.foreign else seconds)

    return tried


def wheels_here(python: str) -> Callable[[Path, Path], Measured]:
    """Return how the archive of wheels is tried with a Python of this machine, without a network."""

    def tried(dist: Path, work: Path) -> Measured:
        found = interpreter(python)
        file = dist / f"lbtui-{__version__}-wheels-py{python}-linux-{platform.machine()}.tar"
        with tempfile.TemporaryDirectory(dir=work) as home:
            setup = f"cd {home} && tar xf {file.resolve()} && sh {file.stem}/install.sh lbtui {found}"
            alone = ["unshare", "--net", "--map-root-user"]
            seconds = checked(
                [*alone, "sh", "-c", setup], lambda words: [*alone, f"{home}/lbtui/bin/lbtui", *words]
            )
            return Measured(size(file), size(Path(home, "lbtui")), seconds)

    return tried


def interpreter(python: str) -> str:
    """Return the path of a Python of this version, of pyenv's too; raise `Unavailable`."""
    candidates = [
        shutil.which(f"python{python}"),
        *Path.home().glob(f".pyenv/versions/{python}.*/bin/python3"),
    ]
    for candidate in filter(None, candidates):
        words = [str(candidate), "-c", "import sys; print('{}.{}'.format(*sys.version_info))"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.stdout.strip() == python:
            return str(candidate)
    raise Unavailable(f"no Python {python} is here")


def image_numpy(python: str) -> str:
    """Return the bound on numpy in an image with a Python: below 2 where there are such wheels, to 3.12."""
    return "<2" if python in ("3.10", "3.11", "3.12") else "<3"


def with_index(python: str, tool: str, command: str, program: str) -> Callable[[Path, Path], Measured]:
    """Return how a command that asks an index is tried beside a serving image, whose packages must stay.

    The image's numpy is old where there are wheels of it, and its Python the `python3` of the command, which
    is run in an empty home and sets `program` up there. `tool` is what else the command needs, from PyPI.
    """

    def tried(dist: Path, work: Path) -> Measured:
        found = interpreter(python)
        with tempfile.TemporaryDirectory(dir=work) as folder:
            home, image, tools = (Path(folder, name) for name in ("home", "image", "tools"))
            home.mkdir()
            for environment, package in ((image, f"numpy{image_numpy(python)}"), (tools, tool)):
                output([found, "-m", "venv", str(environment)])
                if package:
                    pip = [f"{environment}/bin/python", "-m", "pip", "install", "--quiet"]
                    output([*pip, "--only-binary=:all:", package])
            before = output([f"{image}/bin/python", "-m", "pip", "freeze"])
            path = os.pathsep.join((f"{image}/bin", f"{tools}/bin", os.environ["PATH"]))
            own = {"HOME": str(home), "PATH": path, "UV_LINK_MODE": "copy", "UV_CACHE_DIR": f"{tools}/cache"}
            own |= {"PIPX_HOME": f"{home}/own", "PIPX_BIN_DIR": f"{home}/.local/bin"}
            own |= {"UV_TOOL_DIR": f"{home}/own", "UV_TOOL_BIN_DIR": f"{home}/.local/bin"}
            alone = ["env", *(f"{name}={value}" for name, value in own.items())]
            setup = [*alone, "sh", "-c", f"cd {home} && {command.format(checkout=ROOT)}"]
            seconds = checked(setup, lambda words: [*alone, str(home / program), *words])
            if output([f"{image}/bin/python", "-m", "pip", "freeze"]) != before:
                raise Failure("the image's own packages are others now")
            return Measured(0, size(home), seconds)

    return tried


RUN = "sh lbtui-{version}-linux-{arch}.run"
WHEELS = "tar xf lbtui-{version}-wheels-py{python}-linux-{arch}.tar; sh lbtui-*/install.sh DIR"
# Commands that ask an index, what they need from it, and where lbtui then is.
INDEX = (
    ("", "python3 -m venv lbtui && lbtui/bin/pip install --quiet {checkout}", "lbtui/bin/lbtui"),
    ("pipx", "pipx install --quiet {checkout}", ".local/bin/lbtui"),
    ("uv", "uv tool install --quiet {checkout}", ".local/bin/lbtui"),
)

LINES = [
    *(
        Line(
            f"x86_64, {words}",
            "any or none",
            "no",
            RUN.format(version="VERSION", arch="x86_64"),
            run_file(host),
        )
        for words, host in (
            ("no C library at all (busybox)", Host("busybox")),
            ("glibc 2.31, Python 3.9 (Debian 11)", Host("bullseye", packages=("python3",))),
            ("glibc 2.41 (Debian 13)", Host("trixie", packages=("python3",))),
            ("glibc 2.43 (Debian sid)", Host("sid", packages=("python3",))),
        )
    ),
    *(
        Line(
            f"aarch64, pages of {page // 1024} KiB (emulated)",
            "any or none",
            "no",
            RUN.format(version="VERSION", arch="aarch64"),
            run_file(Host("bullseye", "aarch64", page)),
        )
        for page in (4096, 65536)
    ),
    *(
        Line(
            f"x86_64, {words}, no pip",
            python,
            "no",
            WHEELS.format(version="VERSION", python=python, arch="x86_64"),
            wheels_in_root(Host(suite, packages=("python3",)), python),
        )
        for words, suite, python in (("Debian 13", "trixie", "3.13"), ("Debian sid", "sid", "3.14"))
    ),
    *(
        Line(
            f"aarch64, {words}, pages of {page // 1024} KiB (emulated), no pip",
            python,
            "no",
            WHEELS.format(version="VERSION", python=python, arch="aarch64"),
            wheels_in_root(Host(suite, "aarch64", page, ("python3",)), python),
        )
        for words, suite, python, page in (
            ("Debian 12", "bookworm", "3.11", 65536),
            ("Debian 13", "trixie", "3.13", 4096),
        )
    ),
    *(
        Line(
            f"{platform.machine()}, this machine",
            python,
            "no",
            WHEELS.format(version="VERSION", python=python, arch=platform.machine()),
            wheels_here(python),
        )
        for python in ("3.10", "3.11", "3.12", "3.13", "3.14")
    ),
    *(
        Line(
            f"a serving image with numpy {image_numpy(python)}",
            python,
            "yes",
            command.format(checkout="CHECKOUT"),
            with_index(python, tool, command, program),
        )
        for python, ways in (
            ("3.11", INDEX),
            *((each, INDEX[:1]) for each in ("3.10", "3.12", "3.13", "3.14")),
        )
        for tool, command, program in ways
    ),
]


def row(*cells: object) -> str:
    """Return a row of a Markdown table."""
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def main() -> int:
    """Try the lines and return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dist", type=Path)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "lbtui-install-table")
    parser.add_argument("--only", action="append", default=[], metavar="WORD", help="lines with this word")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    print(row("host", "Python", "network", "command", "MB to carry", "MB on disk", "seconds"))
    print(row(*["---"] * 4, *["---:"] * 3), flush=True)
    failed = False
    for line in LINES:
        words = row(line.host, line.python, line.network, f"`{line.command}`")
        if options.only and not any(word in words for word in options.only):
            continue
        try:
            measured = line.tried(options.dist.resolve(), options.work.resolve())
        except Unavailable as why:
            print(words, f"not tried here: {why} |", flush=True)
        except (Failure, AssertionError, subprocess.SubprocessError) as why:
            failed = True
            print(words, f"FAILED: {why} |", flush=True)
        else:
            carried, taken, seconds = measured
            cells = (
                f"{carried:.0f}" if carried else "–",
                f"{taken:.0f}",
                f"{seconds:.0f}" if seconds else "–",
            )
            print(words[:-2], row(*cells), flush=True)
    return failed


if __name__ == "__main__":
    os.environ.pop("PYTHONPATH", None)
    sys.exit(main())
