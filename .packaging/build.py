"""Build what is installed without a network: `python3.11 .packaging/build.py [run] [wheels] …`.

    lbtui-VERSION-linux-ARCH.run                  one file with its own Python
    lbtui-VERSION-wheels-pyX.Y-linux-ARCH.tar     wheels and install.sh for a Python that is there
    SHA256SUMS                                    of all files in the folder

Debian bookworm has what is needed: apt-get, dpkg-deb, Python 3.11 with pip. The same inputs give the same
bytes.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import archive
import tree
from inputs import ARCHITECTURES, HERE, OWN_PYTHON, PYTHONS, Trouble, own_wheel, sha256, wheels


def build_run(own: Path, architecture: str, target: Path, work: Path) -> None:
    """Build the .run file of an architecture."""
    folder = work / "tree" / architecture
    shutil.rmtree(folder, ignore_errors=True)
    pinned = wheels(f"wheels-{OWN_PYTHON}", architecture, OWN_PYTHON, work)
    tree.assemble(folder, architecture, [*pinned, own], work)
    unpacked = sum(
        path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink()
    )
    archive.run_file(target, archive.tar_gz(folder, "tree"), version_of(own), architecture, unpacked)


def build_wheels(own: Path, python: str, architecture: str, target: Path, work: Path) -> None:
    """Build the archive of wheels for a Python and an architecture."""
    folder = work / "wheelhouse"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "wheels").mkdir(parents=True)
    pinned = [
        *wheels(f"wheels-{python}", architecture, python, work),
        *wheels("pip", architecture, python, work),
    ]
    for wheel in [own, *pinned]:
        shutil.copy2(wheel, folder / "wheels")
    sums = [f"{sha256(wheel)}  wheels/{wheel.name}\n" for wheel in sorted((folder / "wheels").iterdir())]
    (folder / "SHA256SUMS").write_text("".join(sums), "utf-8")
    values = {"VERSION": version_of(own), "PYTHON": python, "ARCH": architecture}
    (folder / "install.sh").write_text(
        archive.filled((HERE / "install.sh").read_text("utf-8"), values), "utf-8"
    )
    (folder / "install.sh").chmod(0o755)
    archive.tar(folder, target.name.removesuffix(".tar"), target)


def version_of(wheel: Path) -> str:
    """Return the version in a wheel's name."""
    return wheel.name.split("-")[1]


def main(arguments: Sequence[str] | None = None) -> int:
    """Build what is named, or all; print the size of each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="*", metavar="run|wheels", help="default: both")
    parser.add_argument("--arch", action="append", choices=ARCHITECTURES, help="default: all")
    parser.add_argument("--python", action="append", choices=PYTHONS, help="of wheels; default: all")
    parser.add_argument("--out", type=Path, default=Path("dist"))
    parser.add_argument("--work", type=Path, default=Path("/tmp/lbtui-packaging"), help="keeps downloads")
    options = parser.parse_args(arguments)
    if unknown := set(options.what) - {"run", "wheels"}:
        parser.error(f"neither run nor wheels: {', '.join(sorted(unknown))}")
    options.out.mkdir(parents=True, exist_ok=True)
    try:
        own = own_wheel(options.work)
        for architecture in options.arch or ARCHITECTURES:
            name = f"lbtui-{version_of(own)}"
            if not options.what or "run" in options.what:
                target = options.out / f"{name}-linux-{architecture}.run"
                build_run(own, architecture, target, options.work)
                print(f"{target.stat().st_size / 1e6:6.1f} MB  {target.name}", flush=True)
            for python in options.python or PYTHONS if not options.what or "wheels" in options.what else ():
                target = options.out / f"{name}-wheels-py{python}-linux-{architecture}.tar"
                build_wheels(own, python, architecture, target, options.work)
                print(f"{target.stat().st_size / 1e6:6.1f} MB  {target.name}", flush=True)
    except Trouble as trouble:
        print(f"build.py: {trouble}", file=sys.stderr)
        return 1
    built = sorted(path for path in options.out.iterdir() if path.name != "SHA256SUMS")
    (options.out / "SHA256SUMS").write_text(
        "".join(f"{sha256(path)}  {path.name}\n" for path in built), "utf-8"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
