"""Check what would be published, in this Python's environment.

What is installed fits together, wheel and sdist have what they must have, their page renders, and tests of
the sdist pass where it is unpacked.

Exits with 1 where something does not hold. Where the tools cannot be had, says so in one line and exits with
0 after what can be done without them: a machine without a network must be able to run the checks.
"""

import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
TOOLS = ("build>=1.2,<2", "twine>=6,<8")
# Of every room some, and what reads files of tests/data; the whole suite ran before.
TESTS = (
    "tests/render",
    "tests/report/test_manual.py",
    "tests/sources/test_experts.py",
    "tests/test_house.py",
    "tests/test_pages.py",
)


def ran(*command: str, cwd: Path = ROOT) -> bool:
    """Run a module of this Python; return whether it ended well, its output being shown."""
    return subprocess.run([sys.executable, "-m", *command], cwd=cwd, check=False).returncode == 0


def tracked() -> set[str]:
    """Return the files that the sdist must have; none where this is no checkout."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    return set(listed.stdout.splitlines())


def in_sdist(path: Path) -> set[str]:
    """Return the files of an sdist, without its own folder before them."""
    with tarfile.open(path) as archive:
        return {member.name.partition("/")[2] for member in archive if member.isfile()}


def lacking(sdist: Path, wheel: Path) -> list[str]:
    """Return what is tracked and not in the sdist, or of the product and not in the wheel."""
    wanted = tracked()
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    product = {name for name in wanted if name.startswith("lbtui/")}
    return sorted((wanted - in_sdist(sdist)) | (product - packed))


def tests_of(sdist: Path, folder: Path) -> bool:
    """Unpack an sdist and run tests of it there."""
    with tarfile.open(sdist) as archive:
        if sys.version_info >= (3, 12):
            archive.extractall(folder, filter="data")
        else:
            archive.extractall(folder)  # built a moment ago
    (unpacked,) = (entry for entry in folder.iterdir() if entry.is_dir())
    # Beside the installed lbtui the one in the working directory comes first.
    return ran("pytest", "-n", "auto", "-p", "no:cacheprovider", *TESTS, cwd=unpacked)


def main() -> int:
    """Check and return the exit code."""
    if not ran("pip", "check"):
        return 1
    if not ran("pip", "install", "--quiet", *TOOLS):
        print("package: not built, build and twine could not be installed")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder, "built")
        if not ran("build", "--outdir", str(built)):
            print("package: could not be built")
            return 1
        (sdist,), (wheel,) = built.glob("*.tar.gz"), built.glob("*.whl")
        if missing := lacking(sdist, wheel):
            print("package: not in sdist or wheel:", *missing, sep="\n  ")
            return 1
        if not ran("twine", "check", "--strict", str(sdist), str(wheel)):
            return 1
        unpacked = Path(folder, "unpacked")
        unpacked.mkdir()
        if not tests_of(sdist, unpacked):
            print("package: tests of the sdist fail")
            return 1
    for path in (sdist, wheel):
        print(f"package: {path.name} holds what it must, and its page renders")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
