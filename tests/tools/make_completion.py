"""Make the shells' completion files of the parser: `python -m tests.tools.make_completion`.

shtab makes them here and not in the command: nothing is then needed when lbtui runs, and starting stays fast.
"""

from __future__ import annotations

from pathlib import Path

import shtab

from lbtui.completion import SHELLS, file_of
from lbtui.manual import TOPICS
from lbtui.options import WHAT_IFS, parser

# What completes a value that is neither one of `choices` nor a path.
CHOICES = {"--what-if": WHAT_IFS, "--manual": tuple(TOPICS), "--capture": ("all",)}


def made(shell: str) -> str:
    """Return the file of a shell."""
    known = parser()
    for action in known._actions:
        if action.type is Path:
            folder = action.option_strings == ["--export"]
            action.complete = shtab.DIR if folder else shtab.FILE  # type: ignore[attr-defined]
        for option in action.option_strings:
            action.choices = CHOICES.get(option, action.choices)
    return shtab.complete(known, shell).rstrip() + "\n"


if __name__ == "__main__":
    for shell in SHELLS:
        file_of(shell).write_text(made(shell), encoding="utf-8")
