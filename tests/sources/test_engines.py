"""The same run of each engine in every format, against what the raw profile records (tests/bench/engines)."""

import gzip
from pathlib import Path

import pytest

from tests.bench.engine_cells import compared, format_of, shown_of
from tests.bench.engine_truth import from_json
from tests.sources.recorded import DATA

ENGINES = DATA / "engines"
RUNS = ["vllm_v1_dp2", "vllm_pd_even", "sglang_dp2", "sglang_tp2", "mindie_pd_even", "mindie_pd_skew"]
FORMATS = {"csv": ["csv"], "db": ["db"], "json": ["json"], "all": ["csv", "db", "json"]}


def truth_of(run: str):
    return from_json((ENGINES / run / "truth.json").read_text())


def output_of(run: str, formats: list[str], folder: Path) -> Path:
    """Unpack the files of the formats into `folder`."""
    for packed in (path for name in formats for path in (ENGINES / run / name).glob("*.gz")):
        (folder / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
    return folder


@pytest.mark.parametrize("formats", FORMATS)
@pytest.mark.parametrize("run", RUNS)
def test_every_format_shows_what_was_recorded(run, formats, tmp_path):
    output = output_of(run, FORMATS[formats], tmp_path)
    rows = list(compared(run, truth_of(run), [(format_of(output), shown_of(output))]))
    assert len(rows) == 5 + 13 * len(truth_of(run).domains)
    assert [row for row in rows if row.wrong] == []
