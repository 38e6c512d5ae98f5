"""The same run of each engine in every format, against what the raw profile records (tests/bench/engines)."""

import pytest

from tests.bench.engine_cells import compared, format_of, shown_of
from tests.sources.engines import FORMATS, output_of, truth_of

RUNS = ["vllm_v1_dp2", "vllm_pd_even", "sglang_dp2", "sglang_tp2", "mindie_pd_even", "mindie_pd_skew"]


@pytest.mark.parametrize("formats", FORMATS)
@pytest.mark.parametrize("run", RUNS)
def test_every_format_shows_what_was_recorded(run, formats, tmp_path):
    output = output_of(run, formats, tmp_path)
    truth = truth_of(run)
    rows = list(compared(run, truth, [(format_of(output), shown_of(output))]))
    assert len(rows) == 5 + 13 * len(truth.domains)
    assert [row for row in rows if row.wrong] == []


def test_a_cell_that_differs_is_told(tmp_path):
    output = output_of("sglang_dp2", "json", tmp_path)
    truth = truth_of("vllm_v1_dp2")
    rows = list(compared("", truth, [(format_of(output), shown_of(output))]))
    # Another run: of its 2 domains none is shown, and no request.
    assert [row.quantity for row in rows if not row.wrong] == ["domains", "KV peak", "KV peak"]
