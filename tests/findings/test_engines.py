"""DP findings of small runs of engines (tests/data/engines), in every format."""

import pytest

from lbtui.findings import find_all
from lbtui.sources import open_profile
from tests.sources.engines import FORMATS, output_of, truth_of


def warned(run, formats, folder):
    found = find_all(open_profile(output_of(run, formats, folder)))
    return [finding for finding in found if finding.dimension == "dp" and finding.severity != "info"]


@pytest.mark.parametrize("formats", FORMATS)
@pytest.mark.parametrize("run", ["mindie_pd_even", "vllm_pd_even"])
def test_decode_domains_are_not_held_against_prefill_domains(run, formats, tmp_path):
    assert warned(run, formats, tmp_path) == []


@pytest.mark.parametrize("formats", FORMATS)
def test_a_skew_within_the_decode_role_reads_as_large_as_it_is(formats, tmp_path):
    (finding,) = warned("mindie_pd_skew", formats, tmp_path)
    sums = {(d.host, d.dp_rank): sum(d.batch_sizes) for d in truth_of("mindie_pd_skew").domains}
    true = sums["node-1", 0] / sums["node-1", 1]  # both step together: of their rounds, and of their time
    assert finding.id == "dp.batch_size.skew"
    assert (finding.subject["host"], finding.subject["dp_rank"]) == ("node-1", 0)
    # Its window leaves out the ends, at which nothing runs.
    assert finding.value == pytest.approx(true, rel=0.1)
