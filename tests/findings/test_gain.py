"""Findings on experts tell what re-balancing would bring, held out, and whether to believe it."""

import re
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from lbtui.findings import evidence_of, find_all
from lbtui.findings.ep_gain import gain_words, gains, layer_gain_words
from lbtui.findings.ep_heat import expert_heats
from lbtui.profile import LoadedSeries
from lbtui.sources import open_profile
from tests.analysis.eplb import reference
from tests.analysis.eplb.made import series

DEMO = Path(__file__).parents[2] / "lbtui" / "demo" / "output"
DOUBT = "Expect no such gain"


@lru_cache
def found():
    findings = find_all(open_profile(DEMO))
    return [each for finding in findings for each in (finding, *finding.consequences)]


@lru_cache
def demo():
    (only,) = open_profile(DEMO).load_expert_series().series
    return only


def expected(layer, redundant):
    """Return the PAR of a layer before and after in the second half, by the reference in plain Python."""
    halves = []
    for iterations in (range(5), range(5, 10)):
        weights = [0] * 128
        shared, ranks = [0] * 8, [0] * 8
        for i in iterations:
            held = demo().placements[demo().period[i]][layer].tolist()
            for slot, tokens in enumerate(demo().tokens[i, layer].tolist()):
                ranks[slot // 17] += tokens
                if held[slot] < 128:
                    weights[held[slot]] += tokens
                else:
                    shared[slot // 17] += tokens
        halves.append((weights, shared, ranks))
    (first, _shared, _ranks), (second, shared, ranks) = halves
    placed = reference.place(first, redundant, 8)
    copies = [sum(held.count(e) for held in placed) for e in range(128)]
    loads = [sum(second[e] / copies[e] for e in held) + own for held, own in zip(placed, shared, strict=True)]
    return max(ranks) / np.mean(ranks), max(loads) / np.mean(loads)


def told(finding):
    numbers = re.search(
        r"with (\d+) redundant experts, fitted on (\d+) iterations, gives PAR ([\d.]+) over ranks "
        r"on the next (\d+), where it was ([\d.]+) \(",
        finding.what_if,
    ).groups()
    return tuple(float(number) for number in numbers)


@pytest.mark.parametrize("id", ["ep.rank.hot", "ep.eplb.ineffective"])
def test_hot_ranks_and_ineffective_eplb_tell_the_mean_over_layers(id):
    finding = next(f for f in found() if f.id == id)
    pars = np.mean([expected(layer, 0) for layer in range(58)], axis=0)
    redundant, fitted, after, judged, before = told(finding)
    assert (redundant, fitted, judged) == (0, 5, 5)
    assert (before, after) == pytest.approx(tuple(pars), abs=0.006)
    # Rank 3 is hot whichever experts it holds.
    assert DOUBT in finding.what_if


def test_an_expert_hot_in_one_layer_tells_that_layer_with_one_more_slot_a_rank():
    finding = next(f for f in found() if f.id == "ep.expert.hot" and f.subject.get("layer") == 10)
    redundant, _fitted, after, _judged, before = told(finding)
    assert redundant == 8
    assert (before, after) == pytest.approx(expected(10, 8), abs=0.006)
    assert "(layer 10). Load here stays on its ranks" in finding.what_if


def test_without_iterations_nothing_is_promised():
    evidence = evidence_of(open_profile(DEMO))
    heat = next(iter(expert_heats(evidence)))
    assert gains(replace(evidence, read_series=LoadedSeries), heat) == []
    one = series(np.ones((1, 58, 16)), 8, instance=heat.instance)
    assert gains(replace(evidence, read_series=lambda: LoadedSeries((one,))), heat) == []
    assert gain_words([]) == layer_gain_words([], 0) == ""
    other = series(np.ones((4, 58, 16)), 8, instance="another")
    assert gains(replace(evidence, read_series=lambda: LoadedSeries((other,))), heat) == []
    own = series(np.ones((4, 58, 16)), 8, instance=heat.instance, phase="decode")
    of_phase = replace(heat, instance=f"{heat.instance} decode")
    gained = gains(replace(evidence, read_series=lambda: LoadedSeries((own,))), of_phase)
    assert "fitted on 2 iterations of decode" in gain_words(gained)
    assert layer_gain_words(gained, 99) == ""
    assert (
        gains(replace(evidence, read_series=lambda: LoadedSeries((own,))), replace(of_phase, by_time=True))
        == []
    )


def test_series_that_break_leave_the_findings_whole():
    profile = open_profile(DEMO)

    def broken(_progress):
        raise OSError("gone")

    profile.source.load_series = broken
    again = [each for finding in find_all(profile) for each in (finding, *finding.consequences)]
    assert [f.id for f in again if f.id != "data.iterations.unread"] == [f.id for f in found()]
    assert not any(f.what_if for f in again)
