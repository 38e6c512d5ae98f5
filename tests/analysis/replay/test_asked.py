"""What is asked of a fitted service: its self-test, its figures and their intervals, and its mending."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from lbtui.analysis.replay import asked as module
from lbtui.analysis.replay.asked import Asked, Difference, as_recorded, block_error
from lbtui.analysis.replay.asked import Tested as Compared
from lbtui.analysis.replay.figures import FIGURES, Times, influence
from lbtui.analysis.replay.fit import Fitted, fitted
from lbtui.analysis.replay.mend import Mend, mended, without
from lbtui.analysis.replay.model import Handoff, Load, Pace, Scheduling, Service
from lbtui.analysis.replay.ratio import Ratio, Shape, ShapeRow, Shapes, ratio_of, reshaped
from lbtui.analysis.replay.routing import router
from lbtui.analysis.slo import Targets
from tests.analysis.replay.recorded import recorded
from tests.analysis.replay.round_by_round import RoundByRound, arrays
from tests.analysis.replay.services import PACE, service, split
from tests.analysis.replay.test_fit import busy

TARGETS = Targets(150.0, 35.0, given=True)


def asked(own: Service, load: Load) -> Asked:
    return Asked(fitted(recorded(own, load)), TARGETS)


def times(own: Service, load: Load) -> Times:
    """Return what the plain simulation gives."""
    taken, first, end = arrays(RoundByRound(load, own).run(), len(load), own.answer)
    return Times(
        load.arrival, taken, first, end, load.output, load.then_domain, own.of("decode"), np.zeros(len(load))
    )


def test_figures_are_those_of_plain_python() -> None:
    found = times(service(2), busy(60, 2, 6))
    values = found.figures(TARGETS)
    ttft = sorted((found.first - found.arrival).tolist())
    assert values["ttft_p50"] == pytest.approx((ttft[29] + ttft[30]) / 2)
    seconds = (max(found.end) - min(found.arrival)) / 1000
    assert values["throughput"] == pytest.approx(60 / seconds)
    met = sum(
        first - begin <= 150 and (tokens < 2 or (end - first) / (tokens - 1) <= 35)
        for begin, first, end, tokens in zip(found.arrival, found.first, found.end, found.output, strict=True)
    )
    assert values["goodput"] == pytest.approx(met / seconds)
    # PAR: how many run on each domain, millisecond by millisecond.
    most = mean = 0
    for at in np.arange(found.began.min(), found.end.max(), 1.0):
        running = [
            int(((found.domain == d) & (found.began <= at) & (found.end > at)).sum()) for d in range(2)
        ]
        if sum(running) >= 2:
            most, mean = most + max(running), mean + sum(running) / 2
    assert values["par"] == pytest.approx(most / mean, rel=0.02)


def test_the_self_test_fails_where_the_service_was_not_the_same_throughout() -> None:
    load = busy(400, 2, 12)
    whole = recorded(service(2), load)
    # From the middle on every first token is there half a second later than any round tells.
    late = whole.requests.with_columns(
        first=whole.requests["first"] + 500.0 * (whole.requests["arrival"] > load.arrival[200])
    )
    made = Asked(fitted(replace(whole, requests=late)), TARGETS)
    assert not made.self_test.holds
    assert "ttft_p95" in [row.name for row in made.self_test.failing]
    assert Asked(fitted(whole), TARGETS).self_test.holds


@pytest.mark.parametrize(
    ("row", "holds"),
    [
        (Compared("ttft_p95", 100, 114, 110, 118), True),
        (Compared("ttft_p95", 100, 116, 112, 118), False),
        (Compared("ttft_p95", 100, 140, 95, 200), True),  # near saturation: within what 2 % of step time span
        (Compared("par", 1.5, 1.59, 1.58, 1.6), True),
        (Compared("par", 1.5, 1.61, 1.6, 1.62), False),
        (Compared("tpot_p95", float("nan"), 20, 20, 20), True),
        (Compared("tpot_p95", 20, float("nan"), 20, 20), False),
    ],
)
def test_a_figure_holds_within_its_tolerance(row: Compared, holds: bool) -> None:
    assert row.holds == holds


def test_an_influence_is_what_leaving_a_request_out_changes() -> None:
    found = times(service(2), busy(800, 2, 14))
    for name in ("ttft_p50", "tpot_p95", "goodput"):
        own = influence(found, name, TARGETS)
        assert own is not None
        # The standard error by influences is that of a bootstrap.
        random = np.random.default_rng(1)
        drawn = []
        for _turn in range(300):
            chosen = random.integers(0, 800, 800)
            part = Times(
                *(
                    getattr(found, each)[chosen]
                    for each in ("arrival", "began", "first", "end", "output", "domain")
                ),
                found.domains,
                found.lead[chosen],
            )
            value = part.figures(TARGETS)[name]
            drawn.append(value * part.seconds / found.seconds if name == "goodput" else value)
        assert np.std(own) / np.sqrt(800) == pytest.approx(np.std(drawn), rel=0.35), name


def test_what_does_not_differ_has_no_error() -> None:
    found = times(service(2), busy(100, 2, 8))
    assert block_error(found, found, "ttft_p95", TARGETS) == 0
    made = asked(service(2), busy(100, 2, 8))
    answer = made.answer(made.baseline)
    for name in FIGURES:
        assert answer.differences[name].value == 0
        assert answer.better(name) is None


def test_a_better_routing_is_better_beyond_chance() -> None:
    random = np.random.default_rng(2)
    load = busy(800, 4, 20)
    crowded = replace(load, first_domain=np.where(random.random(800) < 0.45, 0, load.first_domain))
    crowded = replace(crowded, then_domain=crowded.first_domain)
    made = asked(service(4, scheduling={"both": Scheduling(most_prefills=2)}), crowded)
    assert made.self_test.holds
    even = made.answer(made.run(made.fitted.service, partial(router, "least_requests")))
    for name in ("ttft_p95", "tpot_p95", "goodput", "par"):
        assert even.better(name), name
    plain = times(service(4, scheduling={"both": Scheduling(most_prefills=2)}), evened(load))
    # The plain simulation of the same requests in turn is as far from the recorded one, about.
    assert even.figures["tpot_p95"] == pytest.approx(plain.figures(TARGETS)["tpot_p95"], rel=0.05)


def evened(load: Load) -> Load:
    turns = np.arange(len(load)) % 4
    return replace(load, first_domain=turns, then_domain=turns)


def test_stretches_stand_for_a_long_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    made = asked(service(2), busy(300, 2, 8))
    whole = made.run(made.fitted.service, as_recorded)
    assert whole.whole
    assert len(whole.further) == module.FURTHER_OF_FEW
    monkeypatch.setattr(module, "_MOST_FURTHER", 100)
    monkeypatch.setattr(module, "_STRETCH", 100)
    monkeypatch.setattr(module, "FEW", 200)
    parts = made.run(made.fitted.service, as_recorded)
    assert not parts.whole
    assert [len(one.end) for one in parts.further] == [100] * module.FURTHER
    assert parts.figures(TARGETS) == parts.times.figures(TARGETS)
    slower = made.run(replace(made.fitted.service, paces={"both": replace(PACE, decode=30)}), as_recorded)
    answer = Asked.answer(made, slower, parts)
    assert answer.better("tpot_p50") is False


# Mending


def mend_case(cause: str) -> tuple[Service, Service, Mend]:
    """Return a service with a fault on its last domain, the same without, and the mend."""
    if cause == "pulls":
        sound = split(2, 3, handoff=Handoff(3, 4, 0.01))
        return replace(sound, handoff=Handoff(3, 4, 0.01, {4: 40.0})), sound, Mend("pulls", (4,))
    sound = service(
        4, step="all", rests=(1.0, 1.0), kv_tokens=16.0 * 600, scheduling={"both": Scheduling(block=16)}
    )
    last = sound.domains[3]
    faults = {
        "slow": replace(last, factor=1.6),
        "gap": replace(last, rests=(13.0, 13.0)),
        "pool": replace(last, kv_tokens=16.0 * 90),
    }
    return replace(sound, domains=(*sound.domains[:3], faults[cause])), sound, Mend(cause, (3,))  # type: ignore[arg-type]


@pytest.mark.parametrize("cause", ["slow", "gap", "pool", "pulls"])
def test_a_mended_service_is_as_one_that_never_had_the_fault(cause: str) -> None:
    ill, sound, mend = mend_case(cause)
    load = busy(400, 3, 12, apart=2) if cause == "pulls" else busy(400, 4, 15)
    made = asked(ill, load)
    assert made.self_test.holds
    run = mended(made, mend)
    assert run is not None
    truth, before = (times(own, load).figures(TARGETS) for own in (sound, ill))
    found = run.figures(TARGETS)
    for name in ("ttft_p95", "tpot_p95", "e2e_p95", "goodput"):
        assert found[name] == pytest.approx(truth[name], rel=0.06), name
    assert before["e2e_p95"] > 1.05 * truth["e2e_p95"]
    assert mended(Asked(fitted(recorded(sound, load)), TARGETS), mend) is None


def test_only_what_is_worse_than_its_peers_is_mended() -> None:
    own = service(3, kv_tokens=1000.0)
    fast = replace(own, domains=(replace(own.domains[0], factor=0.7, kv_tokens=5000.0), *own.domains[1:]))
    for cause in ("slow", "gap", "pool"):
        assert without(fast, Mend(cause, (0,))) is None  # type: ignore[arg-type]
    assert without(own, Mend("slow", (0, 1, 2))) is None


# Ratios


def pd_case() -> Asked:
    slow_prefill = Pace(prefill=20.0, token=0.2)
    own = split(2, 4, paces={"prefill": slow_prefill, "decode": PACE})
    return asked(own, busy(500, 4, 11, apart=2))


def test_the_ratio_with_more_of_what_lacks_is_best() -> None:
    made = pd_case()
    assert made.self_test.holds
    found = ratio_of(made)
    assert found.present == Shape(2, 4)
    best = found.best()
    assert best is not None
    assert best.shape.prefill > 2
    assert best.difference is not None
    assert best.difference.low > 0
    recorded_shape = next(row for row in found.at(1.0) if row.shape == found.present)
    for row in found.at(1.0):
        assert row.difference is not None
        assert row.per_node - recorded_shape.per_node == pytest.approx(row.difference.value)
    assert found.knee is not None
    # The plain simulation of the chosen shape, dispatched by chance as recorded, gives as much.
    load = made.fitted.load
    p, d = best.shape.prefill, best.shape.decode
    own = split(p, d, paces={"prefill": Pace(prefill=20.0, token=0.2), "decode": PACE})
    truths = []
    for seed in range(5):
        random = np.random.default_rng(seed)
        first, then = random.integers(0, p, len(load)), p + random.integers(0, d, len(load))
        other = replace(load, first_domain=first, then_domain=then)
        truths.append(times(own, other).figures(TARGETS)["goodput"] / 6)
    truth = float(np.mean(truths))
    assert truth > made.recorded.figures(TARGETS)["goodput"] / 6
    assert best.difference.low < truth - recorded_shape.per_node < best.difference.high
    assert best.per_node == pytest.approx(truth, rel=0.15)


def test_shapes_keep_nodes_and_add_usual_ones() -> None:
    own = split(2, 3, handoff=Handoff(1, 2, 0, {3: 2.0}))
    more = reshaped(own, Shape(1, 5))
    assert [domain.work for domain in more.domains] == ["prefill"] + ["decode"] * 5
    assert len({domain.node for domain in more.domains}) == 6
    assert more.handoff.factors == {2: 2.0}
    assert len({domain.key for domain in more.domains}) == 6


def test_shapes_that_are_asked_about() -> None:
    shapes = Shapes(pd_case()).shapes()
    assert {Shape(p, 6 - p) for p in range(1, 6)} <= set(shapes)
    assert {Shape(1, 4), Shape(3, 4), Shape(2, 3), Shape(2, 5), Shape(2, 2), Shape(2, 6), Shape(4, 4)} <= set(
        shapes
    )
    assert all(shape.prefill > 0 and shape.decode > 0 for shape in shapes)


def test_of_a_long_recording_ratios_are_asked_of_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    from lbtui.analysis.replay import ratio

    monkeypatch.setattr(ratio, "MOST_REQUESTS", 100)
    monkeypatch.setattr(ratio, "LOADS", (1.0,))
    made = pd_case()
    steps: list[tuple[int, int]] = []
    found = ratio_of(made, lambda done, total: steps.append((done, total)))
    assert steps == [(k, len(found.rows)) for k in range(len(found.rows))]
    assert len(Shapes(made).run(found.present, 1.0).times.end) == 100


def row(shape: Shape, goodput: float, running: float = 5, low: float = 0.1) -> ShapeRow:
    figures = dict.fromkeys(FIGURES, 0.0) | {"goodput": goodput}
    return ShapeRow(shape, 1.0, figures, running, Difference(1, low, 2))


def test_no_ratio_is_best_that_is_beyond_what_was_recorded_or_within_chance() -> None:
    present, other, far = Shape(2, 2), Shape(3, 1), Shape(1, 3)
    rows = (row(present, 4), row(other, 8), row(far, 12, running=50))
    known = Ratio(present, rows, None, 3.0, seen=10)
    assert known.best() == rows[1]
    assert replace(known, seen=None).best() == rows[2]
    chance = Ratio(present, (row(present, 4), row(other, 4.1, low=-0.1)), None, 3.0)
    assert chance.best() == chance.rows[0]
    assert Ratio(present, (), None, 3.0).best() is None


def test_a_part_of_a_recording_is_its_first_requests() -> None:
    whole: Fitted = asked(service(2), busy(100, 2, 8)).fitted
    part = whole.part(60)
    assert len(part.load) == part.requests.height == 60
    assert whole.part(100) is whole.part(None) is whole
