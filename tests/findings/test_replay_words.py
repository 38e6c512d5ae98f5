"""What a replay says: the answer, its self-test and what it assumes, in every case that there is."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest

from lbtui.analysis.replay import asked as replayed
from lbtui.analysis.replay.asked import Answer, Difference
from lbtui.analysis.replay.figures import FIGURES
from lbtui.analysis.replay.model import Pace, Scheduling
from lbtui.analysis.replay.ratio import Ratio, Shape, ShapeRow
from lbtui.findings.replay import words
from lbtui.findings.replay.what_if import PolicyRow, Prepared, RatioAnswer, Routing

BASE = dict(zip(FIGURES, (60.0, 1380.0, 38.0, 57.0, 950.0, 2140.0, 1.82, 15.7, 12.8), strict=True))


def answer(changes=None):
    """Return an answer whose figures differ by `changes`: (value, half an interval) by figure."""
    found = {name: Difference(0.0, -1.0, 1.0) for name in FIGURES}
    for name, (value, half) in (changes or {}).items():
        found[name] = Difference(value, value - half, value + half)
    return Answer({name: BASE[name] + found[name].value for name in FIGURES}, found)


def routing(**policies):
    rows = [PolicyRow("recorded", answer())]
    rows += [PolicyRow(name, answer(changes)) for name, changes in policies.items()]
    return Routing(Prepared(), tuple(rows))


def test_the_best_policy_is_told_with_its_interval_the_others_and_what_gets_worse():
    found = routing(
        round_robin={"ttft_p95": (807, 600)},
        least_kv={"ttft_p95": (-1200, 300), "tpot_p95": (9, 4)},
        least_requests={"ttft_p95": (-900, 300), "goodput": (4, 1)},
        sticky={"ttft_p95": (-100, 4000)},
    )
    assert words.routing_sentences(found, "ttft_p95") == (
        "Least KV use would be better: TTFT p95 1,380 → 180 ms (−1,500 to −900 ms, 90 %), goodput no "
        "different beyond chance; but worse beyond chance: TPOT p95.",
        "Better than recorded, too: least requests.",
        "Worse beyond chance: round robin.",
    )
    assert words.routing_sentences(found, "goodput") == (
        "Least requests would be better: goodput 12.8 → 16.8 req/s (+3 to +5 req/s, 90 %), "
        "TTFT p95 1,380 → 480 ms.",
        "No other is, beyond chance.",
    )


def test_a_policy_that_runs_more_at_once_than_was_recorded_is_not_advised():
    rows = routing(least_kv={"ttft_p95": (-1200, 300)}, least_requests={"ttft_p95": (-900, 300)}).rows
    fuller = (rows[0], replace(rows[1], running=31.2), replace(rows[2], running=20.0))
    found = Routing(Prepared(), fuller, seen=24.0)
    assert words.routing_sentences(found, "ttft_p95") == (
        "Least requests would be better: TTFT p95 1,380 → 480 ms (−1,200 to −600 ms, 90 %), goodput no "
        "different beyond chance.",
        "No other is, beyond chance.",
        "Least KV use would run up to 31 requests at once on a domain, where at most 24 were recorded: "
        "whether that can be is not known, and it may be far worse than this says.",
    )
    # Where the limit is known, the replay has it.
    assert len(words.routing_sentences(replace(found, seen=None), "ttft_p95")) == 2


def test_without_a_difference_beyond_chance_nothing_is_advised():
    found = routing(sticky={"ttft_p95": (-100, 4000)}, round_robin={"par": (-0.4, 0.1)})
    assert words.routing_sentences(found, "ttft_p95") == (
        "No policy is better than the recorded routing beyond chance: TTFT p95 1,380 ms.",
    )
    assert words.routing_sentences(found, "par")[0] == (
        "Round robin would be better: PAR of running requests 1.82 → 1.42 (−0.50 to −0.30, 90 %), "
        "goodput no different beyond chance."
    )


def test_a_policy_that_is_better_by_another_figure_is_named():
    found = routing(round_robin={"tpot_p95": (-12, 4)}, least_kv={"tpot_p95": (-9, 4)})
    assert words.routing_sentences(found, "ttft_p95") == (
        "No policy is better than the recorded routing beyond chance: TTFT p95 1,380 ms.",
        "But round robin would be, by another figure (m): TPOT p95 57 → 45 ms (−16 to −8 ms, 90 %).",
    )


def test_policies_stand_by_the_figure_with_what_is_unknown_last():
    found = routing(least_kv={"ttft_p95": (-9, 1)}, sticky={"ttft_p95": (math.nan, 1), "goodput": (1, 9)})
    assert [row.policy for row in words.ranked_policies(found, "ttft_p95")] == [
        "least_kv",
        "recorded",
        "sticky",
    ]
    assert words.ranked_policies(found, "goodput")[0].policy == "sticky"


def shaped(per_node, *, knee=1.5, uneven=(), seen=None):
    """Return a ratio of shapes with their goodput per node at × 1: value, then its difference's half."""
    own = per_node[2, 2][0]
    rows = []
    for (prefill, decode), (value, half) in per_node.items():
        shape = Shape(prefill, decode)
        figures = {**BASE, "goodput": value * shape.nodes}
        off = value - own
        rows.append(ShapeRow(shape, 1.0, figures, 60 / decode, Difference(off, off - half, off + half)))
    return RatioAnswer(Prepared(), Ratio(Shape(2, 2), tuple(rows), knee, 3.0, seen, uneven))


def test_a_better_ratio_is_told_with_its_interval_and_where_queueing_begins():
    found = shaped({(2, 2): (2.8, 0.0), (3, 1): (3.9, 0.7), (1, 3): (0.2, 0.8)})
    assert words.ratio_sentences(found) == (
        "3:1 instead of 2:2 prefill to decode nodes would be better: goodput per node 2.80 → 3.90 req/s "
        "(+0.400 to +1.80, 90 %).",
        "At 2:2 queueing begins at × 1.5 of the recorded load.",
    )


@pytest.mark.parametrize(
    ("per_node", "wanted"),
    [
        (
            {(2, 2): (2.8, 0.0), (3, 1): (2.7, 0.5)},
            "2:2 prefill to decode nodes is the best ratio of these 4, as far as can be told: goodput "
            "per node 2.80 req/s.",
        ),
        (
            {(2, 2): (2.8, 0.0), (3, 1): (3.2, 0.5)},
            "Too little data: 3:1 may be better than 2:2 or not, goodput per node 2.80 → 3.20 req/s "
            "(−0.100 to +0.900, 90 %).",
        ),
        (
            {(2, 2): (0.0, 0.0), (3, 1): (0.0, 0.0)},
            "No request would meet the targets at any ratio: there is nothing to choose by.",
        ),
    ],
)
def test_where_no_ratio_is_better(per_node, wanted):
    assert words.ratio_sentences(shaped(per_node))[0] == wanted


def test_fewer_nodes_are_told_of_where_each_gives_more():
    found = shaped({(2, 2): (2.8, 0.0), (2, 1): (3.7, 0.2)}, knee=None, uneven=("prefill",))
    assert words.ratio_sentences(found)[1:] == (
        "With 3 nodes 2:1 would give most per node: goodput per node 2.80 → 3.70 req/s (+0.700 to "
        "+1.10, 90 %).",
        "At 2:2 no queue builds up to × 3 of the recorded load.",
        "The recording dispatched unevenly to prefill: all ratios are replayed with an even dispatch, the "
        "recorded one too.",
    )


@pytest.mark.parametrize(
    ("knee", "wanted"),
    [
        (0.25, "At 2:2 requests queue at × 0.25 of the recorded load already, or below."),
        (1.0, "At 2:2 queueing begins at × 1 of the recorded load: it is beyond the knee."),
        (2.0, "At 2:2 queueing begins at × 2 of the recorded load."),
    ],
)
def test_the_knee(knee, wanted):
    assert words.ratio_sentences(shaped({(2, 2): (2.8, 0.0)}, knee=knee))[1] == wanted


def test_a_ratio_beyond_what_was_recorded_is_not_advised():
    found = shaped({(2, 2): (2.8, 0.0), (3, 1): (3.9, 0.7)}, seen=18.0)
    assert words.ratio_sentences(found)[:2] == (
        "2:2 prefill to decode nodes is the best ratio of these 4, as far as can be told: goodput per "
        "node 2.80 req/s.",
        "3:1 would give most per node, but run 60 requests at once on a decode domain, where at most 18 were "
        "recorded: whether it can is not known.",
    )
    found = shaped({(2, 2): (2.8, 0.0), (3, 1): (3.9, 0.7)}, seen=20.0)
    assert words.ratio_sentences(found)[0].startswith("3:1 instead of 2:2 ")


def asked(rows=(), **fitted):
    """Return a service that is replayed, of which only what is told counts."""
    return Prepared(
        SimpleNamespace(self_test=replayed.SelfTest(tuple(rows)), fitted=SimpleNamespace(**fitted))
    )


def test_where_the_self_test_fails_it_says_at_which_figures_and_advises_nothing():
    rows = [
        replayed.Tested("ttft_p95", 100.0, 110.0, 108.0, 112.0),
        replayed.Tested("tpot_p95", 2699.0, 3667.0, 3282.0, 4455.0),
        replayed.Tested("par", 1.98, 2.12, 2.1, 2.19),
    ]
    told = "Self-test fails: the replay of the recording gives TPOT p95 3,667 instead of 2,699 ms and PAR of "
    told += "running requests 2.12 instead of 1.98."
    service = SimpleNamespace(disaggregated=True, of=lambda _work: (0, 1))
    made = asked(rows, service=service)
    wanted = ("No advice: a replay does not give what was recorded here.", told)
    assert words.routing_sentences(Routing(made, absent="x"), "par") == wanted
    assert words.ratio_sentences(RatioAnswer(made, absent="x")) == wanted
    assert [words.tested_words(row) for row in rows] == ["holds", "fails", "fails"]
    assert [words.off_words(row) for row in rows] == ["+10 %", "+36 %", "+0.14"]
    assert words.figure("par", -0.001, signed=True) == words.figure("par", 0.0, signed=True) == "0.00"


def test_a_figure_may_hold_by_what_two_percent_of_step_time_span():
    near = replayed.Tested("e2e_p95", 100.0, 130.0, 95.0, 180.0)
    unknown = replayed.Tested("e2e_p50", math.nan, 130.0, 95.0, 180.0)
    assert [words.tested_words(row) for row in (near, unknown)] == ["holds within ± 2 %", "not recorded"]
    assert [words.off_words(row) for row in (near, unknown)] == ["+30 %", "–"]
    assert words.test_sentence(asked([near, unknown])).startswith("Self-test holds: replayed as recorded, 1 ")


def test_what_cannot_be_replayed_says_why():
    made = Prepared(absent="only 3 requests are recorded whole, fewer than 40")
    wanted = ("No answer: only 3 requests are recorded whole, fewer than 40.",)
    assert words.routing_sentences(Routing(made, absent=made.absent), "par") == wanted
    assert words.assumed(made, words.ROUTING_ASSUMED) == ()
    assert words.test_sentence(made) == ""


def test_the_step_times_and_the_limits_that_were_never_reached_are_told():
    paces = {
        "prefill": Pace(prefill=12.4, token=0.045, spread=0.034),
        "decode": Pace(decode=22.0, request=0.35, context=0.0001, spread=0.029),
        "both": Pace(decode=20.0, token=0.05, request=0.3, spread=0.02),
    }
    plans = {"prefill": Scheduling(), "decode": Scheduling(), "both": Scheduling(mixed=True)}
    service = SimpleNamespace(paces=paces, scheduling=plans)
    made = asked(service=service, unseen=("prompts in a prefill round",), load=range(30_000))
    said = words.assumed(made, words.RATIO_ASSUMED)
    assert said[-5:] == (
        "Limits that the recording never reached, so that a replay has none of them: prompts in a prefill "
        "round. What gathers more than was recorded may be worse than it says.",
        "Of 30,000 requests the first 20,000 are replayed.",
        "Fitted on all domains: a round 20 ms + 0.0500 ms a prompt token + 0.300 ms a request; single passes "
        "± 2.0 %.",
        "Fitted on decode: a decode pass 22 ms + 0.350 ms a request + 0.100 ms per 1,000 tokens of context; "
        "single passes ± 2.9 %.",
        "Fitted on prefill: a prefill pass 12.4 ms + 0.0450 ms a prompt token; single passes ± 3.4 %.",
    )
