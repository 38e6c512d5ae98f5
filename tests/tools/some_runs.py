"""A few small runs of one service."""

from __future__ import annotations

import json
from pathlib import Path

from tests.findings.service import Group, write_service


def write_week(folder: Path) -> Path:
    """Write three runs of one service, the last with a slow domain, and one that cannot be read."""
    write_service(folder / "a,p_nodes=1" / "output", Group(seed=1, cards=2))
    write_service(folder / "b" / "output", Group(seed=2, cards=2))
    (folder / "b" / "run.json").write_text(json.dumps({"p_nodes": 2}))
    write_service(folder / "c" / "output", Group(seed=3, cards=2, slow={(1, 0): 1.8, (1, 1): 1.8}))
    (folder / "broken").mkdir()
    (folder / "broken" / "batch.csv").write_text("a,b\n1,2\n")
    return folder
