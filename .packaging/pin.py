"""Write the pins anew: `python3 .packaging/pin.py [debian] [wheels] [--work DIR]`; then read what changed.

Debian's newest versions are taken from this machine's apt sources (Debian bookworm with its security
updates), wheels as pip resolves pyproject.toml for each Python and architecture.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from inputs import ARCHITECTURES, PINS, PYTHONS, Trouble, apt, own_wheel, pip, platform_options, run
from pip._vendor.packaging.requirements import Requirement

# Python, and the libraries that it and the wheels load; base-files and gcc-12-base have texts of licences.
DEBIAN_PACKAGES = (
    *(
        "python3.11-minimal",
        "libpython3.11-minimal",
        "libpython3.11-stdlib",
        "libc6",
        "libgcc-s1",
        "libstdc++6",
    ),
    *(
        "libexpat1",
        "zlib1g",
        "libsqlite3-0",
        "libffi8",
        "liblzma5",
        "libbz2-1.0",
        "base-files",
        "gcc-12-base",
    ),
)


def debian(work: Path) -> None:
    """Write `pins/debian.txt`."""
    rows = ["# Debian bookworm: architecture, package, version, sha256. Written by pin.py."]
    for architecture in ARCHITECTURES:
        run([*apt("apt-get", architecture, work), "update"])
        for name in DEBIAN_PACKAGES:
            shown = run([*apt("apt-cache", architecture, work), "show", "--no-all-versions", name])
            fields = dict(
                line.split(": ", 1) for line in shown.splitlines() if ": " in line and line[0] != " "
            )
            rows.append(f"{architecture} {name} {fields['Version']} {fields['SHA256']}")
    (PINS / "debian.txt").write_text("\n".join(rows) + "\n", "utf-8")


def requirements(python: str, work: Path) -> list[str]:
    """Return what lbtui requires on a Python; pip itself judges markers by the Python that it runs on."""
    report = json.loads(pip("install", "--quiet", "--dry-run", "--no-deps", "--report=-", own_wheel(work)))
    every = [Requirement(line) for line in report["install"][0]["metadata"]["requires_dist"]]
    here = {"python_version": python, "python_full_version": f"{python}.0", "extra": ""}
    meant = [each for each in every if each.marker is None or each.marker.evaluate(here)]
    return [f"{each.name}{each.specifier}" for each in meant]


def pinned(wanted: list[str], python: str, work: Path) -> str:
    """Return a requirements file with the newest wheels for all architectures, and their sha256."""
    hashes: dict[str, set[str]] = {}
    for architecture in ARCHITECTURES:
        report = json.loads(
            pip(
                *(
                    "install",
                    "--quiet",
                    "--dry-run",
                    "--ignore-installed",
                    "--report=-",
                    "--target",
                    work / "none",
                ),
                *(*platform_options(architecture, python), *wanted),
            )
        )
        for each in report["install"]:
            name = f"{each['metadata']['name'].lower()}=={each['metadata']['version']}"
            hashes.setdefault(name, set()).add(each["download_info"]["archive_info"]["hashes"]["sha256"])
    names = [name.split("==")[0] for name in hashes]
    if len(set(names)) != len(names):
        raise Trouble(
            f"Python {python} gets other versions on other architectures: {', '.join(sorted(hashes))}"
        )
    rows = [
        " \\\n    ".join([name, *(f"--hash=sha256:{each}" for each in sorted(found))])
        for name, found in sorted(hashes.items())
    ]
    return "\n".join(["# Written by pin.py.", *rows]) + "\n"


def main() -> int:
    """Write what is named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", choices=["debian", "wheels", []])
    parser.add_argument("--work", type=Path, default=Path("/tmp/lbtui-packaging"))
    options = parser.parse_args()
    PINS.mkdir(exist_ok=True)
    try:
        if not options.what or "debian" in options.what:
            debian(options.work)
        if not options.what or "wheels" in options.what:
            (PINS / "pip.txt").write_text(pinned(["pip"], PYTHONS[0], options.work), "utf-8")
            for python in PYTHONS:
                text = pinned(requirements(python, options.work), python, options.work)
                (PINS / f"wheels-{python}.txt").write_text(text, "utf-8")
    except Trouble as trouble:
        print(trouble, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
