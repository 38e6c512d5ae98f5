"""A small part of `python -m tests.bench.fuzz`, the same inputs in every run."""

from collections import Counter

import pytest

from tests.bench.fuzz import run_many
from tests.tools.mutate import EXPERT_SEEDS, RAW_SEEDS, READERS, SCALED

COUNT = 28
CHEAP = ("endless views", "deep folders")


def faults(outcomes):
    # How long a run takes is for the bench to say: here others use the machine. A hang is told as such.
    return [(o.seed, o.done, fault) for o in outcomes for fault in o.faults if fault[0] != "slow"]


@pytest.mark.parametrize("first", [900_000, 900_100])
def test_broken_outputs_break_nothing(first):
    outcomes = list(run_many(first, COUNT, workers=1))
    assert faults(outcomes) == []
    assert len(outcomes) == COUNT
    # Most can still be read in part: else this would test the refusals alone.
    assert sum(outcome.opened for outcome in outcomes) > COUNT / 2
    words = Counter(word for outcome in outcomes for done in outcome.done for word in done.split(": ")[:1])
    assert len(words) > len(READERS)


def test_broken_raw_profiles_dumps_counts_and_placements_break_nothing():
    outcomes = list(run_many(EXPERT_SEEDS, COUNT, workers=1))
    assert faults(outcomes) == []
    assert sum(outcome.opened for outcome in outcomes) > COUNT / 2
    kinds = {done.split(":")[0] for outcome in outcomes for done in outcome.done}
    assert {"raw profile", "dump", "placement", "counts"} <= kinds


def test_broken_recordings_of_all_engines_break_nothing():
    outcomes = list(run_many(RAW_SEEDS, COUNT, workers=1))
    assert faults(outcomes) == []
    assert sum(outcome.opened for outcome in outcomes) > COUNT / 2
    assert len({outcome.done[0] for outcome in outcomes}) > 3, "engines"


@pytest.mark.parametrize("name", CHEAP)
def test_absurd_outputs_break_nothing(name):
    seed = -1 - list(SCALED).index(name)
    (outcome,) = run_many(seed, 1, workers=1)
    assert outcome.done == [name]
    assert faults([outcome]) == []


# Heat maps and times without any load (138, 1539, 100460), a key of a million digits (9400).
@pytest.mark.parametrize("seed", [138, 1539, 9400, 100_460])
def test_inputs_that_once_broke_something_break_nothing(seed):
    assert faults(run_many(seed, 1, workers=1)) == []
