import json

import numpy as np

from lbtui.analysis.eplb.deployment import deployment_json
from lbtui.sources.placement import read_placement


def test_the_engines_format_is_written_and_read_back(tmp_path):
    placement = np.array([[0, 3, 1, 2, 0, -1], [2, 1, 0, 3, 3, 1]])
    written = deployment_json(placement, 3)
    assert json.loads(written) == {
        "moe_layer_count": 2,
        "layer_list": [
            {
                "layer_id": layer,
                "device_count": 3,
                "device_list": [{"device_id": d, "device_expert": held} for d, held in enumerate(devices)],
            }
            for layer, devices in enumerate([[[0, 3], [1, 2], [0]], [[2, 1], [0, 3], [3, 1]]])
        ],
    }
    (tmp_path / "map.json").write_text(written)
    assert read_placement(tmp_path / "map.json").experts.reshape(2, 6).tolist() == placement.tolist()
