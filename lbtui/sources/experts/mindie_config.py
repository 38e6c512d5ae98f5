"""`model_gen_config.json`, which says what the numbers of a MindIE expert dump are."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from lbtui.profile import Note, Unreadable
from lbtui.text import _, visible

_MOST_BYTES = 1 << 20
_MOST = 65_535
_PASSES = 8  # MindIE's own; it has no setting for it


@dataclass(frozen=True)
class DumpConfig:
    """What MindIE wrote about its dump; `experts` is None where it does not say.

    `shared_files`: so many ranks, the first, hold shared experts only. `passes`: forward passes from one
    block to the next. `map_name`: the name of the placement file in use, without its folder.
    """

    layers: int
    experts: int | None
    shared_files: int
    passes: int
    map_name: str | None


def read_config(path: Path, notes: list[Note]) -> DumpConfig:
    """Return the config at `path`; `notes` get what in it cannot be used and what is taken instead.

    Raises `Unreadable` with a sentence when it does not tell the number of layers.
    """
    try:
        with path.open("rb") as file:
            fields = json.loads(file.read(_MOST_BYTES))
    except OSError as error:
        raise Unreadable(
            _("{file} cannot be read ({why}); without it a dump's layers are unknown.").format(
                file=visible(path.name), why=visible(error.strerror or str(error), 200)
            )
        ) from error
    except (ValueError, RecursionError) as error:
        raise Unreadable(
            _("{file} is no JSON; without it a dump's layers are unknown. Copy it again.").format(
                file=visible(path.name)
            )
        ) from error
    if not isinstance(fields, dict):
        fields = {}
    layers = fields.get("num_moe_layers")
    if type(layers) is not int or not 0 < layers <= _MOST:
        raise Unreadable(
            _(
                "{file} tells no usable num_moe_layers ({value}); without it a dump's layers are unknown. "
                "Copy it again."
            ).format(file=visible(path.name), value=visible(repr(layers), 40))
        )
    shared = fields.get("num_dangling_shared_experts")
    name = fields.get("eplb_expert_map_file")
    return DumpConfig(
        layers,
        _number(path, fields, "num_of_experts", 1, None, notes),
        # MindIE writes null or -1 where nothing is shared so.
        0 if shared == -1 else _number(path, fields, "num_dangling_shared_experts", 0, 0, notes) or 0,
        _number(path, fields, "collection_Interval", 1, _PASSES, notes) or _PASSES,
        PurePosixPath(name.replace("\\", "/")).name or None if isinstance(name, str) else None,
    )


def _number(
    path: Path, fields: dict[str, Any], key: str, least: int, otherwise: int | None, notes: list[Note]
) -> int | None:
    value = fields.get(key)
    if value is None:
        return otherwise
    if type(value) is int and least <= value <= _MOST:
        return value
    text = _("{key} is {value}, which cannot be; {otherwise} is taken.").format(
        key=key, value=visible(repr(value), 40), otherwise=_("unknown") if otherwise is None else otherwise
    )
    notes.append(Note(visible(path.name), text))
    return otherwise
