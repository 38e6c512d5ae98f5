"""The recorded traces under tests/data, unpacked for a test."""

import gzip
import json
from pathlib import Path

DATA = Path(__file__).parent.parent / "data"


def unpack(name: str, folder: Path) -> Path:
    """Write tests/data/chrome_<name>.json.gz to `folder` as chrome_tracing.json; return its path."""
    path = folder / "chrome_tracing.json"
    path.write_bytes(gzip.decompress((DATA / f"chrome_{name}.json.gz").read_bytes()))
    return path


def write(events: object, folder: Path) -> Path:
    path = folder / "chrome_tracing.json"
    path.write_text(json.dumps(events))
    return path
