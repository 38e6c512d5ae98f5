"""Try the README's ways to install lbtui with a network, beside a Python that must stay as it is.

    python -m tests.tools.try_installs [--python PYTHON]

The Python that stands for a serving image's has numpy 1.26. In a home of its own each way installs this
checkout, runs the report of the demo, and is gone again. Printed is a row each: the way, seconds until the
report, MB on the disk, exit code of the report, and whether the serving Python has the packages that it had.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
NUMPY = "numpy==1.26.4"
# What runs in a shell in which `python3` is the serving image's, and where lbtui then is.
WAYS: Mapping[str, tuple[str, str]] = {
    "venv and pip": ("python3 -m venv lbtui && lbtui/bin/pip install --quiet {root}", "lbtui/bin/lbtui"),
    "pipx": ("pipx install --quiet {root}", ".local/bin/lbtui"),
    "uv tool": ("uv tool install --quiet {root}", ".local/bin/lbtui"),
}


def frozen(python: Path) -> str:
    """Return which packages a Python has."""
    done = subprocess.run([python, "-m", "pip", "freeze"], capture_output=True, text=True, check=True)
    return done.stdout


def size(folder: Path) -> int:
    """Return the bytes of all files below, of several names of one file once, as `du` does."""
    found = (path.lstat() for path in folder.rglob("*") if path.is_symlink() or path.is_file())
    return sum({(one.st_dev, one.st_ino): one.st_blocks * 512 for one in found}.values())


def tried(way: str, serving: Path, tools: Path, home: Path) -> tuple[float, float, int]:
    """Install in one way; return the seconds, the MB and the exit code of the demo's report."""
    command, place = WAYS[way]
    path = os.pathsep.join(map(str, (serving, tools, os.environ["PATH"])))
    environment = {**os.environ, "HOME": str(home), "PATH": path, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    # Where pipx and uv put what is installed, unless told otherwise; what they download is not part of it.
    environment |= {"PIPX_HOME": str(home / "own"), "PIPX_BIN_DIR": str(home / ".local" / "bin")}
    environment |= {"UV_TOOL_DIR": str(home / "own"), "UV_TOOL_BIN_DIR": str(home / ".local" / "bin")}
    environment |= {"UV_CACHE_DIR": str(tools / "cache"), "UV_LINK_MODE": "copy"}
    start = time.monotonic()
    subprocess.run(command.format(root=ROOT), shell=True, cwd=home, env=environment, check=True)
    report = [home / place, "--demo", "--report"]
    done = subprocess.run(report, cwd=home, env=environment, stdout=subprocess.PIPE, check=False)
    assert b"FINDINGS" in done.stdout.upper()
    return time.monotonic() - start, size(home) / 1e6, done.returncode


def main() -> int:
    """Try all; return 1 where one fails or changes the serving Python."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", default=sys.executable, help="of the serving image")
    options = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        serving, tools = Path(folder, "serving"), Path(folder, "tools")
        for environment, packages in ((serving, [NUMPY]), (tools, ["pipx", "uv"])):
            subprocess.run([options.python, "-m", "venv", environment], check=True)
            install = [environment / "bin" / "python", "-m", "pip", "install", "--quiet"]
            subprocess.run([*install, *packages], check=True)
        before = frozen(serving / "bin" / "python")
        print("| way | s | MB | exit code of the report | serving Python |\n|---|---|---|---|---|")
        for number, way in enumerate(WAYS):
            home = Path(folder, f"home{number}")
            home.mkdir()
            seconds, megabytes, code = tried(way, serving / "bin", tools / "bin", home)
            same = frozen(serving / "bin" / "python") == before
            failed |= code != 0 or not same
            kept = "as it was" if same else "CHANGED"
            print(f"| {way} | {seconds:.0f} | {megabytes:.0f} | {code} | {kept} |", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
