"""The pinned inputs: Debian's packages by apt-get, wheels by pip, both with their sha256."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
PINS = HERE / "pins"
ARCHITECTURES = ("x86_64", "aarch64")
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
# The Python of the .run file: Debian bookworm's.
OWN_PYTHON = "3.11"
DEBIAN = {"x86_64": "amd64", "aarch64": "arm64"}
# All that a glibc of 2.28 takes, the oldest on servers with Ascend cards.
_GLIBC = (28, 27, 26, 24, 17)


class Trouble(Exception):
    """Says in a sentence why nothing was built."""


class Package(NamedTuple):
    """A pinned package of Debian."""

    architecture: str
    name: str
    version: str
    sha256: str


def run(command: Sequence[str | Path], cwd: Path | None = None) -> str:
    """Return what a command printed; its words, where it fails, are a `Trouble`."""
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Trouble(f"{Path(str(command[0])).name} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def sha256(path: Path) -> str:
    """Return a file's sha256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def debian_pins() -> Iterator[Package]:
    """Yield the rows of `pins/debian.txt`."""
    for line in (PINS / "debian.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            yield Package(*line.split())


def apt(tool: str, architecture: str, work: Path) -> list[str]:
    """Return the beginning of an apt command for an architecture, with a state of its own below `work`.

    The machine's sources are asked, which must be those of Debian bookworm; its packages stay as they are.
    """
    state = work / "apt" / architecture
    for folder in ("lists/partial", "cache/archives/partial"):
        (state / folder).mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    debian = DEBIAN[architecture]
    options = {
        "Dir::State": state,
        "Dir::State::Lists": state / "lists",
        "Dir::State::status": state / "status",
        "Dir::Cache": state / "cache",
        "APT::Architecture": debian,
        "APT::Architectures": debian,
        "APT::Sandbox::User": "root",
    }
    return [tool, "-q", *(word for key, value in options.items() for word in ("-o", f"{key}={value}"))]


def debian_packages(architecture: str, work: Path) -> list[Path]:
    """Return the pinned packages of an architecture as files, fetched where they are not yet below `work`.

    Raises `Trouble` where the archive has other versions by now, or a file is not the pinned one.
    """
    folder = work / "debian" / architecture
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for pin in debian_pins():
        if pin.architecture != architecture:
            continue
        file = folder / f"{pin.name}_{pin.version.replace(':', '%3a')}_{DEBIAN[architecture]}.deb"
        if not file.exists():
            _fetch(pin, folder, work)
        if sha256(file) != pin.sha256:
            file.unlink()
            raise Trouble(f"{file.name} is not the pinned file: its sha256 is another.")
        files.append(file)
    return files


def _fetch(pin: Package, folder: Path, work: Path) -> None:
    if not any((work / "apt" / pin.architecture / "lists").glob("*Packages*")):
        run([*apt("apt-get", pin.architecture, work), "update"])
    try:
        run([*apt("apt-get", pin.architecture, work), "download", f"{pin.name}={pin.version}"], cwd=folder)
    except Trouble as trouble:
        raise Trouble(
            f"{pin.name} {pin.version} is not to be had from this machine's sources. They must be Debian "
            f"bookworm's, and the pins may be stale: python3 .packaging/pin.py debian\n{trouble}"
        ) from None


def pip(*arguments: str | Path) -> str:
    """Return what pip printed, whatever the settings of this machine say of indexes and constraints."""
    os.environ["PIP_CONFIG_FILE"] = os.devnull
    return run([sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", *arguments])


def platform_options(architecture: str, python: str) -> list[str]:
    """Return the options that let pip choose wheels for another machine and Python."""
    digits = python.replace(".", "")
    tags = [f"manylinux_2_{minor}_{architecture}" for minor in _GLIBC] + [f"manylinux2014_{architecture}"]
    return [
        *("--only-binary=:all:", "--implementation=cp", f"--python-version={python}"),
        *(f"--abi={abi}" for abi in (f"cp{digits}", "abi3", "none")),
        *(f"--platform={tag}" for tag in tags),
    ]


def wheels(pins: str, architecture: str, python: str, work: Path) -> list[Path]:
    """Return the wheels that `pins/NAME.txt` lists, for an architecture and a Python."""
    folder = work / "wheels" / f"{pins}-{architecture}"
    file = PINS / f"{pins}.txt"
    pip(
        *("download", "--quiet", "--no-deps", "--require-hashes", "-r", file, "-d", folder),
        *platform_options(architecture, python),
    )
    names = {
        line.split("==")[0].replace("-", "_") for line in file.read_text("utf-8").splitlines() if "==" in line
    }
    found = sorted(wheel for wheel in folder.glob("*.whl") if wheel.name.split("-")[0] in names)
    if len(found) != len(names):
        raise Trouble(f"{folder} holds other wheels than {file.name} lists. Remove it.")
    return found


def own_wheel(work: Path) -> Path:
    """Return lbtui's own wheel, built anew."""
    folder = work / "own"
    for old in folder.glob("*.whl"):
        old.unlink()
    os.environ.setdefault("SOURCE_DATE_EPOCH", "315532800")  # 1980: the least that a zip holds
    pip("wheel", "--quiet", "--no-deps", "-w", folder, HERE.parent)
    (wheel,) = folder.glob("*.whl")
    return wheel
