"""Placement files: which expert lies in which slot, as serving engines write and read it.

msit, MindIE and vllm-ascend: `{"moe_layer_count": L, "layer_list": [{"layer_id": l, "device_count": D,
"device_list": [{"device_id": d, "device_expert": [expert, …]}]}]}`; an expert named several times in a layer
has replicas. vllm-ascend's loader takes layers and devices in order and needs neither ids nor counts.

SGLang and vLLM: `{"physical_to_logical_map": [[expert of slot 0, expert of slot 1, …] of layer 0, …]}`, which
tells no ranks; bare lists of the same, or [layer][device][slot]; and arrays of numpy of both shapes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from lbtui.profile import UNPLACED, Note, PlacementFile, Unreadable
from lbtui.sources.experts.array import NPY, read_array
from lbtui.sources.experts.bytes import BadContent, read_bytes
from lbtui.sources.experts.json import COUNTS, MOST_BYTES, SLOTS, Member, members, parsed
from lbtui.text import _, visible

# Upstream's own reader takes up to 1024 layers and experts and 65,536 devices.
_MOST_LAYERS = 1024
_MOST_DEVICES = 65_536
_MOST_EXPERT = 65_535
_MOST_CELLS = 2_000_000
# What tells the ranks of a map of slots, in its own object or in one around it.
_RANKS = ("ep_size", "ep_num", "num_ranks", "ep_world_size", "num_ep_ranks", "num_gpus", "num_devices")
_EXPERTS = ("num_logical_experts", "num_routed_experts", "num_experts", "num_of_experts", "n_routed_experts")

_Layers: TypeAlias = "list[list[list[int]]]"  # [layer][device][slot] -> expert


def read_placement(path: Path) -> PlacementFile:
    """Return the placement in the file at `path`. Raises `Unreadable` with a sentence when there is none."""
    try:
        content = read_bytes(path, MOST_BYTES)
        if content.startswith(NPY):
            return _of_lists(path, read_array(path).tolist())
        fields = parsed(content)
    except BadContent as error:
        raise _bad(path, str(error)) from error
    if isinstance(fields, list) and fields:
        return _of_lists(path, fields)
    found = [] if isinstance(fields, dict) and "layer_list" in fields else list(members(fields, *SLOTS))
    if found:
        return _of_map(path, found)
    if next(members(fields, COUNTS), None) is not None:
        raise _bad(path, _("it holds token counts, which lbtui takes as its PATH or with --experts"))
    layers = _layers(path, fields)
    return _file(path, layers, named=Member(None, (fields,)).number(*_EXPERTS) or 0)


def placed_layers(path: Path, found: Member) -> PlacementFile:
    """Return the placement that stands beside something else in a file. Raises `Unreadable`."""
    return _of_map(path, [found])


def _of_lists(path: Path, lists: list[Any]) -> PlacementFile:
    return _of_map(path, [Member(lists, ())])


def _of_map(path: Path, found: Sequence[Member]) -> PlacementFile:
    """Return a map of slots [layer][slot] or [layer][device][slot], the first of those in the file."""
    notes = []
    if len(found) > 1:
        text = _("It holds maps of {count} models: the first is taken.")
        notes.append(Note(visible(path.name), text.format(count=len(found))))
    first = found[0]
    if not 0 < len(first.value) <= _MOST_LAYERS:
        raise _bad(path, _("it has no layers, or more than {most}").format(most=_MOST_LAYERS))
    deep = [_deep(layer) for layer in first.value]
    if None in deep or len(set(deep)) > 1:
        raise _bad(path, _("its layers are no lists of the experts of slots"))
    devices = [layer if deep[0] == 2 else [layer] for layer in first.value]
    layers = [
        [_numbers(path, slots, _("layer {layer}").format(layer=number), UNPLACED) for slots in each]
        for number, each in enumerate(devices)
    ]
    _must_be_experts(path, layers)
    named = first.number(*_EXPERTS) or 0
    if deep[0] == 2:
        return _file(path, layers, named=named, notes=tuple(notes))
    ranks = first.number(*_RANKS)
    slots = len(layers[0][0])
    if ranks and slots % ranks == 0 and all(len(layer[0]) == slots for layer in layers):
        split = [
            [layer[0][at : at + slots // ranks] for at in range(0, slots, slots // ranks)] for layer in layers
        ]
        return _file(path, split, named=named, notes=tuple(notes))
    if ranks:
        text = _("Its {slots} slots do not divide among the {ranks} ranks it names: ranks are unknown.")
        notes.append(Note(visible(path.name), text.format(slots=slots, ranks=ranks)))
    return _file(path, layers, has_ranks=False, named=named, notes=tuple(notes))


def _deep(layer: Any) -> int | None:
    """Return 1 for a list of numbers, 2 for a list of such lists, None for all else."""
    if not isinstance(layer, list) or not layer:
        return None
    kinds = {isinstance(each, list) for each in layer}
    return None if len(kinds) > 1 else 2 if kinds.pop() else 1


def _must_be_experts(path: Path, layers: _Layers) -> None:
    """Raise `Unreadable` where numbers are no ids of experts: each of these lies in some slot."""
    slots = max(sum(map(len, layer)) for layer in layers)
    if max(chain.from_iterable(chain.from_iterable(layers)), default=UNPLACED) >= slots:
        raise _bad(
            path,
            _(
                'it names experts beyond its {slots} slots of a layer; token counts stand under "{key}"'
            ).format(slots=slots, key=COUNTS),
        )


def _file(
    path: Path,
    layers: _Layers,
    *,
    has_ranks: bool = True,
    named: int = 0,
    notes: tuple[Note, ...] = (),
) -> PlacementFile:
    if len({len(devices) for devices in layers}) > 1:
        raise _bad(path, _("its layers have different numbers of devices"))
    if not any(expert != UNPLACED for devices in layers for experts in devices for expert in experts):
        raise _bad(path, _("it places no expert"))
    slots = max(len(experts) for devices in layers for experts in devices)
    shape = (len(layers), len(layers[0]), slots)
    if len(layers[0]) > _MOST_DEVICES or int(np.prod(shape)) > _MOST_CELLS:
        raise _bad(path, _("it has more slots than any cluster"))
    table = np.full(shape, UNPLACED, dtype=np.int32)
    for layer, devices in enumerate(layers):
        for device, experts in enumerate(devices):
            table[layer, device, : len(experts)] = experts
    named = named if named <= _MOST_EXPERT + 1 else 0
    return PlacementFile(visible(path.name), table, has_ranks, named, notes)


def _layers(path: Path, fields: Any) -> _Layers:
    """Return [layer][device][slot] -> expert, layers and devices by their ids, else in their order."""
    layers = _member(path, fields, "layer_list", _("the file"), list)
    count = fields.get("moe_layer_count", len(layers))
    if count != len(layers):
        raise _bad(
            path,
            _("moe_layer_count is {count}, and there are {found} layers").format(
                count=visible(str(count), 20), found=len(layers)
            ),
        )
    if not 0 < len(layers) <= _MOST_LAYERS:
        raise _bad(path, _("it has no layers, or more than {most}").format(most=_MOST_LAYERS))
    found = _by_id(path, layers, "layer_id", _("the file"))
    return [_devices(path, found[number], number) for number in sorted(found)]


def _devices(path: Path, layer: Mapping[str, Any], number: int) -> list[list[int]]:
    where = _("layer {layer}").format(layer=number)
    devices = _member(path, layer, "device_list", where, list)
    count = layer.get("device_count", len(devices))
    if count != len(devices) or not 0 < len(devices) <= _MOST_DEVICES:
        raise _bad(
            path,
            _("device_count of {where} is {count}, and it has {found} devices").format(
                where=where, count=visible(str(count), 20), found=len(devices)
            ),
        )
    found = _by_id(path, devices, "device_id", where)
    result = []
    for device in range(len(devices)):
        place = _("device {device} of {where}").format(device=device, where=where)
        result.append(_numbers(path, _member(path, found[device], "device_expert", place, list), place, 0))
    return result


def _numbers(path: Path, experts: Any, where: str, least: int) -> list[int]:
    if not isinstance(experts, list) or not all(
        type(expert) is int and least <= expert <= _MOST_EXPERT for expert in experts
    ):
        raise _bad(
            path,
            _("{where} has an expert that is no whole number from {least} to {most}").format(
                where=where, least=least, most=_MOST_EXPERT
            ),
        )
    return list(experts)


def _by_id(path: Path, items: Sequence[Any], key: str, where: str) -> dict[int, Mapping[str, Any]]:
    """Return the items by their id; ids must rise by 1, in any order, those of devices from 0.

    Where none of them has an id they count in their order.
    """
    if items and all(isinstance(item, dict) and key not in item for item in items):
        return dict(enumerate(items))
    found: dict[int, Mapping[str, Any]] = {}
    for item in items:
        number = item.get(key) if isinstance(item, dict) else None
        if type(number) is int:
            found[number] = item
    # Layers may be counted from the model's first dense one.
    first = min(found, default=0) if key == "layer_id" else 0
    if first < 0 or found.keys() != set(range(first, first + len(items))):
        raise _bad(
            path, _("the {key}s of {where} do not count up without a gap").format(key=key, where=where)
        )
    return found


def _member(path: Path, fields: Any, key: str, where: str, kind: type) -> Any:
    value = fields.get(key) if isinstance(fields, dict) else None
    if not isinstance(value, kind):
        raise _bad(path, _("{where} has no list {key}").format(where=where, key=key))
    return value


def _bad(path: Path, why: str) -> Unreadable:
    return Unreadable(
        _(
            "{file} is no placement of experts ({why}); give one that msit, MindIE, vllm-ascend or SGLang "
            "wrote."
        ).format(file=visible(path.name), why=why)
    )
