"""What completes the command in a shell: files made of the parser by `tests.tools.make_completion`."""

from __future__ import annotations

from pathlib import Path

SHELLS = ("bash", "zsh", "fish")


def file_of(shell: str) -> Path:
    """Return the file of one of `SHELLS`."""
    return Path(__file__).parent / f"lbtui.{shell}"


def completion(shell: str) -> str:
    """Return what one of `SHELLS` is to read; raises `OSError` without its file."""
    return file_of(shell).read_text(encoding="utf-8")
