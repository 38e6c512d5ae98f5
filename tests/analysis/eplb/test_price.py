"""Gain, price and the three sentences, of loads whose truth is known."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbtui.analysis.eplb.later import gain_of
from lbtui.analysis.eplb.price import Service, Worth, evidence_for, known_of, verdict
from lbtui.analysis.eplb.price_words import detail_words, verdict_words
from lbtui.analysis.eplb.recorded import recorded
from lbtui.analysis.eplb.what_if import Settings, what_if
from tests.analysis.eplb.made import series, skewed
from tests.bench.eplb_loads import MAKERS, cases

WORTH = Worth(0.01, 0.05)
LAYERS, EXPERTS, RANKS = 6, 32, 4
IN_ORDER = np.tile(np.arange(EXPERTS), (LAYERS, 1))
SERVICE = Service(0.4, 0.5)
SIZES = {"expert_mib": 40.0, "link_gbps": 200.0}


def heat(seed=0, spread=0.7):
    found = np.random.default_rng(seed).lognormal(0, spread, (LAYERS, EXPERTS))
    return found / found.mean(axis=1, keepdims=True)


def counted(heats, seed=3, *, tokens=400, seconds=0.1, **changes):
    """Return counts of heats [iteration][layer, expert], an iteration every so many seconds."""
    tables, period = changes.get("placements", [IN_ORDER]), changes.get("period", np.zeros(len(heats), int))
    by_slot = [np.take_along_axis(each, tables[own], axis=1) for each, own in zip(heats, period, strict=True)]
    counts = np.random.default_rng(seed).poisson(np.stack(by_slot) * tokens * RANKS / EXPERTS)
    time = np.datetime64("2026-03-01", "us") + np.arange(len(counts)) * np.timedelta64(
        int(1e6 * seconds), "us"
    )
    return series(counts, RANKS, time=time, **{"placements": [IN_ORDER], **changes})


def known(one, service=SERVICE, worth=WORTH, **settings):
    data = recorded([one])
    found = what_if(data, replace(Settings("global", RANKS, RANKS), **settings))
    return evidence_for(known_of([one], data, service, worth), found)


def sentence(evidence):
    said = verdict(evidence)
    return said.sentence, said.reason


def test_gain_price_and_break_even_by_plain_arithmetic():
    one = counted([heat()] * 80)
    evidence = known(one, **SIZES)
    before = one.tokens[40:].astype(int).reshape(40, LAYERS, RANKS, 8).sum(axis=3)
    par = before.max(axis=2).sum() / before.mean(axis=2).sum()
    assert evidence.gain.par[0] == pytest.approx(par)
    saved = evidence.gain.par[0] - evidence.gain.par[1]
    assert evidence.gain.saved.value == pytest.approx(saved)
    assert evidence.gain.time.value == pytest.approx(1 - evidence.gain.par[1] / par)
    assert evidence.step.value == pytest.approx(0.4 * saved)
    assert evidence.gain.saved.low < saved < evidence.gain.saved.high
    most = evidence.moved.sum(axis=0).max()
    assert evidence.most == most
    assert evidence.standstill == pytest.approx(most * 40 * 1024**2 * 8 / 200e9)
    # Passes run half of the time: it takes twice as long to earn it.
    assert evidence.break_even == pytest.approx(evidence.standstill / (0.4 * saved) / 0.5)
    assert evidence.iteration_seconds == pytest.approx(0.1)
    assert evidence.lasting.kept is None
    assert evidence.looked_at == pytest.approx(7.0)


def test_the_interval_holds_the_gain_of_another_recording():
    inside = 0
    for seed in range(40):
        evidence = known(counted([heat()] * 80, seed=seed), redundant=0)
        long = known(counted([heat()] * 400, seed=1000 + seed), redundant=0)
        inside += evidence.gain.time.low <= long.gain.time.value <= evidence.gain.time.high
    # The table is another each time, too.
    assert inside >= 30


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(1, 9), st.floats(1, 9)), min_size=1, max_size=60))
def test_a_gain_lies_in_its_interval_and_par_is_at_least_one(pairs):
    before, after = np.array(pairs).T
    mean = np.minimum(before, after) / 2
    gain = gain_of(before, after, mean)
    for one in (gain.saved, gain.time):
        assert one.low <= one.value <= one.high
    assert min(gain.par) >= 1
    assert gain.saved.value == pytest.approx(gain.par[0] - gain.par[1])
    if len(pairs) < 16:
        assert np.isinf(gain.time.high)


def test_a_skew_that_stays_is_worth_a_trial_and_says_so():
    evidence = known(counted([heat()] * 80), **{**SIZES, "link_gbps": 2000.0})
    assert sentence(evidence) == ("worth a trial", "once")
    words = verdict_words(evidence, verdict(evidence))
    assert words.startswith("Worth a trial: R = 4 (DeepSeek's EPLB, global) saves ")
    assert "earned back after" in words
    details = dict(detail_words(evidence))
    assert list(details) == ["placement", "gain", "share", "price", "break-even", "lasts"]
    assert details["lasts"].startswith("as long as is recorded (7.0 s)")
    assert details["placement"].startswith("R = 4 (DeepSeek's EPLB, global), where 0 are in use")


def test_without_sizes_the_price_is_unknown_and_without_share_the_step():
    unpriced = known(counted([heat()] * 80), expert_mib=40.0)
    assert sentence(unpriced) == ("worth a trial", "once")
    assert verdict_words(unpriced, verdict(unpriced)).endswith(
        "its price is unknown without the link of a rank (--link-gbps)."
    )
    no_share = known(counted([heat()] * 80), Service(told="nothing tells"), **SIZES)
    assert sentence(no_share) == ("worth a trial", "once")
    assert "of expert time on later iterations" in verdict_words(no_share, verdict(no_share))
    details = dict(detail_words(no_share))
    assert details["share"] == "unknown: nothing tells"
    assert details["break-even"] == "unknown without the share of a step"


def test_without_times_an_iteration_takes_as_long_as_its_passes():
    one = replace(counted([heat()] * 80, tokens=4000), time=None, passes=8)
    evidence = known(one, Service(0.4, 0.5, 50.0), **SIZES)
    # Passes run half of the time.
    assert evidence.iteration_seconds == pytest.approx(8 * 0.05 / 0.5)
    assert evidence.looked_at == pytest.approx(70 * 0.8)
    unknown = known(replace(one, passes=None), Service(0.4, 0.5, 50.0), **SIZES)
    assert unknown.iteration_seconds is None
    # What cannot be told does not hold up what can.
    assert sentence(unknown) == ("worth a trial", "once")
    assert "as long as is recorded:" in dict(detail_words(unknown))["lasts"]


def test_even_experts_are_not_worth_it():
    evidence = known(counted([heat(spread=0.01)] * 80), redundant=0, **SIZES)
    assert sentence(evidence) == ("not now", "no gain")
    assert "a trial is worth it from 1.0 % on" in verdict_words(evidence, verdict(evidence))
    # What is worth it is the user's to say.
    high = known(counted([heat()] * 80), worth=Worth(0.9, 0.9), **SIZES)
    assert verdict(high).sentence == "not now"


def test_a_price_earned_back_after_all_that_is_recorded_leaves_it_open():
    evidence = known(counted([heat()] * 80), **{**SIZES, "link_gbps": 0.5})
    assert sentence(evidence) == ("not enough evidence", "too short")
    assert "only 7.0 s after a table are recorded" in verdict_words(evidence, verdict(evidence))


def test_hot_experts_that_move_want_tables_made_anew_or_are_left_alone():
    heats = [heat(seed=place // 64, spread=0.9) for place in range(256)]
    cheap = known(counted(heats), **{**SIZES, "link_gbps": 50000.0})
    assert sentence(cheap) == ("worth a trial", "anew")
    assert verdict(cheap).anew.window == 16
    assert "made anew every 16 iterations (1.6 s)" in verdict_words(cheap, verdict(cheap))
    dear = known(counted(heats), **{**SIZES, "link_gbps": 10.0})
    assert verdict(dear).sentence == "not now"
    unpriced = known(counted(heats))
    assert sentence(unpriced) == ("not enough evidence", "anew unpriced")
    assert "unknown without the size of an expert" in verdict_words(unpriced, verdict(unpriced))


def test_few_iterations_few_tokens_other_ranks_and_both_phases_are_no_evidence():
    assert sentence(known(counted([heat()] * 30), **SIZES)) == ("not enough evidence", "few iterations")
    assert sentence(known(counted([heat()] * 80, tokens=50))) == ("not enough evidence", "few tokens")
    # Of an iteration that stands for eight passes each has an eighth.
    eighth = replace(counted([heat()] * 80, tokens=800), passes=8)
    assert sentence(known(eighth)) == ("not enough evidence", "few tokens")
    one = counted([heat()] * 80)
    assert sentence(known(one, ranks=8, redundant=0)) == ("not enough evidence", "ranks")
    both = [replace(one, phase="prefill"), replace(one, phase="decode")]
    data = recorded(both)
    found = what_if(data, Settings("global", RANKS, RANKS))
    evidence = evidence_for(known_of(both, data, Service(0.4, 1.0), WORTH), found)
    assert sentence(evidence) == ("not enough evidence", "phases")
    assert "choose one of them" in verdict_words(evidence, verdict(evidence))
    assert detail_words(evidence) == ()


def test_real_loads_of_a_few_tokens_keep_their_figures():
    evidence = known(skewed(), Service(), redundant=0, ranks=8)
    before = skewed().tokens[63:].astype(int).reshape(64, 26, 8, 8).sum(axis=3)
    assert evidence.gain.par[0] == pytest.approx(before.max(axis=2).sum() / before.mean(axis=2).sum())
    assert sentence(evidence) == ("not enough evidence", "few tokens")


def made_of(heats, count):
    """Return tables for four periods of 40 iterations, but the first each of its first so many."""
    tables = [IN_ORDER]
    for begin in range(40, 160, 40):
        own = recorded([counted(heats[begin : begin + count])])
        tables.append(what_if(own, Settings("global", 0, RANKS)).placement)
    return tables


def test_what_the_last_tables_gained_over_those_before():
    hot = [heat(seed=place // 40, spread=0.9) for place in range(160)]
    period = np.arange(160) // 40
    # Tables made of the period itself gain, and do to its end.
    fitting = known(counted(hot, period=period, placements=made_of(hot, 40)), redundant=0)
    assert fitting.last.tables == 3
    assert fitting.last.first > 0.1
    assert fitting.last.last == pytest.approx(fitting.last.first, rel=0.1)
    assert not fitting.last.fade
    # Tables for the heat of the first half of a period fade in its second.
    turned = [heat(seed=place // 20, spread=0.9) for place in range(160)]
    faded = known(counted(turned, period=period, placements=made_of(turned, 20)), redundant=0)
    assert faded.last.first > 0.1
    assert faded.last.fade
    assert faded.period == 40
    details = dict(detail_words(faded))
    assert details["last tables"].endswith("the heat moves faster than the period")


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_one_load_of_each_kind_gets_the_right_sentence(make):
    case = next(cases(1, make.__name__))
    settings = Settings("global", case.redundant, len(case.series.ranks))
    settings = replace(settings, expert_mib=case.offer.expert_mib, link_gbps=case.offer.link_gbps)
    data = recorded([case.series])
    about = known_of([case.series], data, case.service, WORTH)
    evidence = evidence_for(about, what_if(data, settings))
    said = verdict(evidence)
    assert said.sentence == case.truth, verdict_words(evidence, said)
    assert "{" not in " ".join(text for pair in detail_words(evidence) for text in pair)
