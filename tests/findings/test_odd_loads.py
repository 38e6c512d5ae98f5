"""Expert loads of which nothing, some layers or one expert only was counted: sentences and costs."""

from pathlib import Path

import numpy as np
import pytest

from lbtui.findings.diagnosis import diagnose
from lbtui.overview.run import overview
from lbtui.sources import open_profile
from tests.sources.recorded import sentences
from tests.tools.expert_format import RawMark, dump_config, write_dump, write_raw

CASES = Path(__file__).parents[1] / "data" / "expert_files"


def counted(folder):
    """Return the tokens [layer, rank, local expert] of a dump's last block, by its files alone."""
    files = sorted((folder / "decode").glob("decode_*.csv"))
    layers = 8 if "zero_layers" in folder.name else 4
    tables = [np.loadtxt(path, delimiter=",", dtype=int)[-layers:] for path in files]
    return np.stack(tables, axis=1)


def ep_line(opened):
    (line,) = [line for line in overview(opened).lines if line.key == "ep.rank_load"]
    return line


def told(opened):
    return sentences(opened.load("expert_heat").notes)


def dumped(folder, tokens):
    """Write a dump of one block of tokens [layer, rank, local expert]."""
    layers, ranks, local = tokens.shape
    blocks = {rank: [tokens[:, rank].tolist()] * 2 for rank in range(ranks)}
    write_dump(folder, "decode", blocks, dump_config(layers, ranks * local))
    return open_profile(folder)


def recorded(folder, tokens):
    """Write the same as a raw profile, without routing tables."""
    for rank in range(tokens.shape[1]):
        fields = {"rank": rank, "expert_hot": tokens[:, rank].tolist()}
        write_raw(folder, "server-d0-worker-0", 100 + rank, [RawMark(10**18, fields)])
    return open_profile(folder)


def test_nothing_counted_is_said_and_nothing_else(tmp_path):
    opened = open_profile(CASES / "dump_all_zero")
    assert not counted(CASES / "dump_all_zero").any()
    assert ep_line(opened).absent == "no token was counted, all counters are 0"
    assert "No token was counted: every counter of dump_all_zero decode is 0." in told(opened)
    assert not [f for f in diagnose(opened, None).findings if f.dimension == "ep"]


@pytest.mark.parametrize("write", [dumped, recorded])
def test_nothing_counted_in_any_source(tmp_path, write):
    opened = write(tmp_path, np.zeros((3, 2, 4), dtype=int))
    assert ep_line(opened).absent == "no token was counted, all counters are 0"
    assert "No token was counted" in told(opened)


def test_empty_layers_are_named_and_left_out_of_the_mean():
    opened = open_profile(CASES / "dump_zero_layers")
    loads = counted(CASES / "dump_zero_layers").sum(axis=2)
    empty = [layer for layer, row in enumerate(loads) if not row.any()]
    pars = [row.max() / row.mean() for row in loads if row.any()]
    assert (empty, len(pars)) == ([0, 1, 2], 5)
    assert "3 of 8 layers of dump_zero_layers decode carry no token (layers: 0, 1, 2)" in told(opened)
    line = ep_line(opened)
    assert line.figures[0].value == pytest.approx(np.mean(pars))
    assert any("over the 5 of 8 layers that carry tokens" in detail for detail in line.details)
    (figure,) = [f for f in diagnose(opened, None).support if f.dimension == "ep"]
    assert figure.value == pytest.approx(np.mean(pars))
    assert "on average of the 5 of 8 layers that carry tokens" in figure.text


def hot_in(found):
    return [f for finding in found for f in (finding, *finding.consequences)]


@pytest.mark.parametrize("write", [dumped, recorded])
def test_an_expert_hot_in_every_layer_with_tokens_is_one_finding(tmp_path, write):
    tokens = np.random.default_rng(2).integers(900, 1100, (8, 4, 4))
    tokens[:, 2, 1] *= 12
    tokens[:5] = 0
    findings = hot_in(diagnose(write(tmp_path, tokens), None).findings)
    (expert,) = [f for f in findings if f.id == "ep.expert.hot"]
    assert "layer" not in expert.subject
    assert "in 3 of 3 layers" in expert.message
    (skew,) = [f for f in findings if f.id == "ep.skew"]
    loads = tokens[5:].sum(axis=2)
    assert skew.value == pytest.approx(np.mean(loads.max(axis=1) / loads.mean(axis=1)))
    assert "the 3 of 8 layers that carry tokens" in skew.message


def ends(loads, eased):
    """Return the share of rank time, as it is, by which all ranks wait less with `eased` [layer, rank]."""
    waits, less = (x.max(axis=1) - x.mean(axis=1) for x in (loads, eased))
    return np.mean((waits - less) / loads.max(axis=1))


def test_one_expert_alone_costs_what_the_ranks_wait():
    opened = open_profile(CASES / "dump_one_expert")
    tokens = counted(CASES / "dump_one_expert").astype(float)
    assert np.flatnonzero(tokens.sum(axis=0)).tolist() == [5]
    assert ep_line(opened).figures[0].value == 8
    assert "In 4 of 4 layers of dump_one_expert decode all tokens went to one expert" in told(opened)
    eased = tokens.sum(axis=2)
    eased[:, 0] = tokens.mean(axis=(1, 2))
    (expert,) = [f for f in diagnose(opened, None).findings if f.id == "ep.expert.hot"]
    assert expert.severity == "critical"
    assert expert.cost.value == pytest.approx(ends(tokens.sum(axis=2), eased))
    # Seven of eight ranks wait all the time; the rank still works on what a mean expert gets.
    assert 0.8 < expert.cost.value < 7 / 8


def test_a_rank_that_alone_has_tokens_costs_what_the_others_wait(tmp_path):
    tokens = np.zeros((16, 4, 4), dtype=int)
    tokens[:, 1] = np.random.default_rng(3).integers(900, 1100, (16, 4))
    findings = hot_in(diagnose(dumped(tmp_path, tokens), None).findings)
    (rank,) = [f for f in findings if f.id == "ep.rank.hot"]
    assert rank.value == pytest.approx(4)
    assert rank.cost.value == pytest.approx(3 / 4)
