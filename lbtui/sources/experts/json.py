"""JSON on experts as engines write it, read within limits; and files of torch, which are not read."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lbtui.sources.experts.bytes import BadContent, read_bytes
from lbtui.text import _, visible

MOST_BYTES = 64 << 20
# Each takes some 100 bytes of memory, however few of the file: many more than a placement or counts have.
_MOST_LISTS = 2_000_000
_MOST_DEPTH = 4
_HEAD = 1 << 20
TORCH = (".pt", ".pth")
# SGLang's `--init-expert-location` and recorder, and vLLM's maps of several models in one file.
COUNTS, SLOTS = "logical_count", ("physical_to_logical_map", "last_physical_to_logical_map")


@dataclass(frozen=True)
class Member:
    """A value found under one of several keys, with the object it stands in and those around, inner first."""

    value: Any
    around: tuple[Mapping[str, Any], ...]

    def number(self, *keys: str) -> int | None:
        """Return the first whole number ≥ 1 under any of the keys, in the object or one around."""
        for fields in self.around:
            for key in keys:
                value = fields.get(key)
                if type(value) is int and value > 0:
                    return value
        return None


def read_json(path: Path) -> Any:
    """Return the JSON in a regular file. Raises `BadContent` with the reason where there is none."""
    return parsed(read_bytes(path, MOST_BYTES))


def parsed(content: bytes) -> Any:
    """Return the JSON in `content`. Raises `BadContent` where it is none, or of too many parts."""
    if content.count(b"[") + content.count(b"{") > _MOST_LISTS:
        raise BadContent(_("it has more than {most} lists and objects").format(most=f"{_MOST_LISTS:,}"))
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BadContent(_("it is no JSON")) from error


def members(fields: Any, *keys: str) -> Iterator[Member]:
    """Yield the lists under any of `keys` in an object and in the objects within it, outer ones first."""
    level: list[tuple[Mapping[str, Any], ...]] = [(fields,)] if isinstance(fields, dict) else []
    for _depth in range(_MOST_DEPTH):
        below: list[tuple[Mapping[str, Any], ...]] = []
        for around in level:
            for key in keys:
                if isinstance(around[0].get(key), list):
                    yield Member(around[0][key], around)
            below += [(value, *around) for value in around[0].values() if isinstance(value, dict)]
        level = below


def holds_counts(path: Path) -> bool:
    """Tell whether a JSON file names token counts, without reading what they are."""
    try:
        return f'"{COUNTS}"'.encode() in read_bytes(path, MOST_BYTES)
    except BadContent:
        return False


def torch_sentence(path: Path) -> str:
    """Return what to do with a file of torch, which is never unpickled here: the command that converts it."""
    kept = _kept(path)
    target = path.with_suffix(".npy")
    command = (
        'python3 -c "import sys, numpy, torch; '
        "d = torch.load(sys.argv[1], map_location='cpu', weights_only=True); "
        f"numpy.save(sys.argv[2], d['{kept}'] if isinstance(d, dict) else d)\" "
        f"{shlex.quote(str(path))} {shlex.quote(str(target))}"
    )
    text = _(
        "{file} is pickled by torch and never opened here, since unpickling may run code; where torch is "
        "installed, convert it with `{command}` and open {target}."
    )
    if kept in SLOTS:
        text = _(
            "{file} is pickled by torch and never opened here, since unpickling may run code; where torch is "
            "installed, convert it with `{command}` and give {target} with --placement."
        )
    return text.format(file=visible(path.name), target=visible(target.name), command=visible(command, 4000))


def _kept(path: Path) -> str:
    """Return the key of a torch file's tensor that tells of experts, by the names that stand in its head."""
    head = b""
    with suppress(OSError):
        if path.is_file():
            with path.open("rb") as file:
                head = file.read(_HEAD)
    return next((key for key in (COUNTS, *SLOTS) if key.encode() in head), COUNTS)
