"""A placement as the JSON that serving engines read."""

from __future__ import annotations

import json

from lbtui.analysis.eplb.policies import Ints


def deployment_json(placement: Ints, ranks: int) -> str:
    """Return a placement [layer, slot] as msit's `*_global_deployment.json`, MindIE's and vllm-ascend's map.

    `{"moe_layer_count", "layer_list": [{"layer_id", "device_count", "device_list": [{"device_id",
    "device_expert": [ids]}]}]}`, layers and devices from 0. Slots without an expert (-1) are left out.
    """
    layers = [
        {
            "layer_id": layer,
            "device_count": ranks,
            "device_list": [
                {"device_id": device, "device_expert": [expert for expert in held if expert >= 0]}
                for device, held in enumerate(row)
            ],
        }
        for layer, row in enumerate(placement.reshape(len(placement), ranks, -1).tolist())
    ]
    return json.dumps({"moe_layer_count": len(layers), "layer_list": layers}) + "\n"
