"""Make the demo's service as it would be with its faults mended: `python -m tests.tools.make_tuned FOLDER`.

A day later and with another seed, so that it differs from the demo as two runs of one service do; what the
two are compared in is in pictures and tests, and is not bundled.
"""

from __future__ import annotations

import sys
from pathlib import Path
from unittest import mock

from tests.tools import make_demo

TUNED = {
    "SEED": 107,
    "START": make_demo.START + 86_400 * make_demo.NS,
    "SKEW_FACTOR": 1.0,
    "SMALL_BLOCKS": make_demo.KV_BLOCKS,
    "SHARE_OF_SECOND_P": 0.5,
    "HOT_RANK_LOAD": 1.05,
    "SLOW_PULL_FACTOR": 1.0,
}


def make(folder: Path) -> None:
    """Write the files of the mended service into `folder`."""
    with mock.patch.multiple(make_demo, **TUNED):
        make_demo.make(folder)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
