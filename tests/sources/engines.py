"""The small runs of engines under tests/data/engines: outputs by format, and what was recorded."""

import gzip
from pathlib import Path

from tests.bench.engine_truth import Truth, from_json
from tests.sources.recorded import DATA

_ENGINES = DATA / "engines"
FORMATS = {"csv": ["csv"], "db": ["db"], "json": ["json"], "all": ["csv", "db", "json"]}


def truth_of(run: str) -> Truth:
    return from_json((_ENGINES / run / "truth.json").read_text())


def output_of(run: str, formats: str, folder: Path) -> Path:
    """Unpack a run's files of `FORMATS[formats]` into `folder`; return it."""
    for packed in (path for name in FORMATS[formats] for path in (_ENGINES / run / name).glob("*.gz")):
        (folder / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
    return folder
