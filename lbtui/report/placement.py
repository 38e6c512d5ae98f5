"""A placement of experts as the JSON that serving engines read."""

from __future__ import annotations

import json

import numpy as np
import numpy.typing as npt


def placement_json(placement: npt.NDArray[np.integer], ranks: int) -> str:
    """Return the placement [layer, rank × slots + slot] -> model expert as msit, MindIE and vllm-ascend do.

    Layers and devices count from 0; an expert named several times in a layer has replicas. Raises
    `ValueError` when the slots are not the same number on each of the ranks, or one holds no expert (< 0).
    """
    layers, columns = placement.shape
    if not layers or ranks < 1 or not columns or columns % ranks:
        raise ValueError(f"{layers} layers of {columns} slots cannot be spread evenly over {ranks} ranks")
    if (placement < 0).any():
        raise ValueError("a slot holds no expert")
    devices = placement.reshape(layers, ranks, -1).tolist()
    content = {
        "moe_layer_count": layers,
        "layer_list": [
            {
                "layer_id": layer,
                "device_count": ranks,
                "device_list": [
                    {"device_id": device, "device_expert": experts} for device, experts in enumerate(row)
                ],
            }
            for layer, row in enumerate(devices)
        ],
    }
    return json.dumps(content, indent=4) + "\n"
