"""Placement files: which expert lies in which slot, as msit, MindIE and vllm-ascend write and read it.

`{"moe_layer_count": L, "layer_list": [{"layer_id": l, "device_count": D, "device_list": [{"device_id": d,
"device_expert": [expert, …]}]}]}`; an expert named several times in a layer has replicas.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lbtui.profile import UNPLACED, PlacementFile, Unreadable
from lbtui.text import _, visible

_MOST_BYTES = 64 << 20
# Upstream's own reader takes up to 1024 layers and experts and 65,536 devices.
_MOST_LAYERS = 1024
_MOST_DEVICES = 65_536
_MOST_EXPERT = 65_535
_MOST_CELLS = 2_000_000


def read_placement(path: Path) -> PlacementFile:
    """Return the placement in the file at `path`. Raises `Unreadable` with a sentence when there is none."""
    try:
        # A pipe would hang its reader.
        if path.exists() and not path.is_file():
            raise _bad(path, _("it is no regular file"))
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise _bad(path, visible(error.strerror or str(error), 200)) from error
    if len(content) > _MOST_BYTES:
        raise _bad(path, _("it has more than {size} MB").format(size=_MOST_BYTES >> 20))
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _bad(path, _("it is no JSON")) from error
    layers = _layers(path, fields)
    slots = max(len(experts) for devices in layers for experts in devices)
    shape = (len(layers), len(layers[0]), slots)
    if int(np.prod(shape)) > _MOST_CELLS:
        raise _bad(path, _("it has more slots than any cluster"))
    table = np.full(shape, UNPLACED, dtype=np.int32)
    for layer, devices in enumerate(layers):
        for device, experts in enumerate(devices):
            table[layer, device, : len(experts)] = experts
    return PlacementFile(visible(path.name), table)


def _layers(path: Path, fields: Any) -> list[list[list[int]]]:
    """Return [layer][device][slot] -> expert, layers and devices by their ids."""
    layers = _member(path, fields, "layer_list", _("the file"), list)
    count = fields.get("moe_layer_count")
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
    result = [_devices(path, found[number], number) for number in sorted(found)]
    if len({len(devices) for devices in result}) > 1:
        raise _bad(path, _("its layers have different numbers of devices"))
    if not any(experts for devices in result for experts in devices):
        raise _bad(path, _("it places no expert"))
    return result


def _devices(path: Path, layer: Mapping[str, Any], number: int) -> list[list[int]]:
    where = _("layer {layer}").format(layer=number)
    devices = _member(path, layer, "device_list", where, list)
    count = layer.get("device_count")
    if count != len(devices) or not 0 < len(devices) <= _MOST_DEVICES:
        raise _bad(
            path,
            _("device_count of {where} is {count}, and it has {found} devices").format(
                where=where, count=visible(str(count), 20), found=len(devices)
            ),
        )
    found = _by_id(path, devices, "device_id", where)
    return [
        _experts(path, found[device], _("device {device} of {where}").format(device=device, where=where))
        for device in range(len(devices))
    ]


def _experts(path: Path, device: Mapping[str, Any], where: str) -> list[int]:
    experts = _member(path, device, "device_expert", where, list)
    if not all(type(expert) is int and 0 <= expert <= _MOST_EXPERT for expert in experts):
        raise _bad(
            path,
            _("{where} has an expert that is no whole number from 0 to {most}").format(
                where=where, most=_MOST_EXPERT
            ),
        )
    return list(experts)


def _by_id(path: Path, items: Sequence[Any], key: str, where: str) -> dict[int, Mapping[str, Any]]:
    """Return the items by their id; ids must rise by 1, in any order, those of devices from 0."""
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
            "{file} is no placement of experts ({why}); give one that msit, MindIE or vllm-ascend wrote."
        ).format(file=visible(path.name), why=why)
    )
