"""Which files a profile would be made of now: whether there is anything new, without reading any."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from lbtui.sources.discover import find_output, with_experts
from lbtui.sources.snapshot import Identity, identity_of, is_longer
from lbtui.sources.tables.beside_writer import beside

Seen: TypeAlias = "Mapping[Path, Identity]"


def seen_now(path: Path, experts: Path | None = None, *, raw: bool = False) -> Seen:
    """Return which files lie where a profile is opened, the journals of databases among them.

    Raises `Unreadable` and `SeveralOutputs` as opening does.
    """
    output = find_output(path, raw=raw)
    if experts is not None:
        output = with_experts(output, experts)
    files = [file.path for file in (*output.files, *output.beside.files)]
    journals = [beside(file)[0] for file in files if file.suffix == ".db"]
    return {file: identity_of(file) for file in (*files, *journals)}


def lost(before: Seen, now: Seen) -> tuple[Path, ...]:
    """Return the files of before that are gone now, are others, or shorter; a journal comes and goes."""
    return tuple(
        file
        for file, old in before.items()
        if old is not None and not file.name.endswith("-wal") and not is_longer(old, now.get(file))
    )
