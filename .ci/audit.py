"""Look the installed dependencies up in PyPI's advisories with pip-audit; run by its own Python.

Exits with 1 where an advisory has a fix that was not taken. Where the advisories or pip-audit cannot be had,
says so in one line and exits with 0: a machine without a network must be able to run the checks.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.request import urlopen

# Where pip-audit looks; a mirror of packages alone answers with something else.
INDEX = "https://pypi.org/pypi/pillow/11.0.0/json"
SECONDS = 90


def skipped(why: str) -> int:
    """Say why nothing was looked up."""
    print(f"pip-audit: not run, {why}")
    return 0


def output(*command: str) -> str:
    """Return what a module of this Python prints on standard output, whatever its exit code."""
    done = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    return done.stdout


def main() -> int:
    """Audit and return the exit code."""
    try:
        with urlopen(INDEX, timeout=5) as answer:
            if "vulnerabilities" not in json.load(answer):
                return skipped("pypi.org has no advisories here")
    except (OSError, ValueError) as error:
        return skipped(f"no index of advisories can be reached ({type(error).__name__})")
    with tempfile.TemporaryDirectory() as folder:
        installed = Path(folder) / "requirements.txt"
        try:
            installed.write_text(output("pip", "freeze", "--exclude-editable", "--exclude", "lbtui"))
            output("pip", "install", "--quiet", "pip-audit>=2.7,<3")
            options = ("--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off")
            found = json.loads(output("pip_audit", "--requirement", str(installed), *options))
        except subprocess.TimeoutExpired:
            return skipped(f"it took more than {SECONDS} s")
        except ValueError:
            return skipped("it could not be installed or gave no answer")
    fixable = 0
    # Those that the index does not know have `skip_reason` instead.
    packages = [package for package in found["dependencies"] if "vulns" in package]
    for package in packages:
        for advisory in package["vulns"]:
            fixable += bool(advisory["fix_versions"])
            fixed = ", ".join(advisory["fix_versions"]) or "nowhere yet"
            print(f"pip-audit: {package['name']} {package['version']}: {advisory['id']}, fixed in {fixed}")
    print(f"pip-audit: {len(packages)} packages looked up, {fixable} to update")
    return int(fixable > 0)


if __name__ == "__main__":
    raise SystemExit(main())
