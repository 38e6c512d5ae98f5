"""The command line: options, exit codes, and the choice between screen and report."""

from __future__ import annotations

import sys


def main() -> int:
    """Run lbtui; return the exit code."""
    sys.stderr.write("lbtui: nothing to open yet\n")
    return 2
