"""Where the time of requests went: each part by hand, all of them against a slow account, and any input."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtui.analysis import latency_parts as module
from lbtui.analysis.latency_parts import PART_LABELS, PARTS, PARTS_SCHEMA, Lives, Rounds, latency_parts
from tests.analysis.life_labels import Life, Sums

T = 1_767_225_600_000_000  # µs since 1970
_MEMBERS = {"request": pl.UInt32, "round": pl.UInt32}
_TAKEN = {"request": pl.UInt32, "time": pl.Int64}
_PULLS = {"request": pl.UInt32, "start": pl.Int64, "end": pl.Int64}


def one(domain: int, start: int, end: int, **other: Any) -> dict[str, Any]:
    """Return a round: its forward pass is all of it, it decodes, and its domain waits for none."""
    found = {"domain": domain, "start": T + start, "end": T + end, "prefills": 0, "lock_end": -1}
    found |= {"waited_for": -1, "waits_inside": False, "coupled": False}
    forward = other.pop("forward", (start, end))
    found |= {"forward_start": T + forward[0], "forward_end": T + forward[1]}
    if "lock" in other:
        lock, found["waited_for"] = other.pop("lock")
        found["lock_end"] = T + lock
    return found | other


def rounds_of(
    rows: list[dict[str, Any]],
    places: tuple[str, ...] = ("a", "b", "c"),
    decoders: tuple[int, ...] = (),
    hosts: tuple[str, ...] | None = None,
    ahead: tuple[int, ...] | None = None,
) -> Rounds:
    """Return rounds, those of a domain together and by start, with `number` of each row as given."""
    names = ("domain", "start", "end", "forward_start", "forward_end", "prefills", "lock_end", "waited_for")
    columns = {name: np.array([row[name] for row in rows], dtype=np.int64) for name in names}
    flags = {name: np.array([row[name] for row in rows], bool) for name in ("waits_inside", "coupled")}
    return Rounds(
        places,
        places if hosts is None else hosts,
        np.array(ahead or (0,) * len(places), dtype=np.int64),
        **columns,
        **flags,
        decoders=np.array([place in decoders for place in range(len(places))]),
    )


def lives_of(
    spans: list[tuple[int, int | None, int]],
    members: list[tuple[int, int]],
    taken: Sequence[tuple[int, int]] = (),
    pulls: Sequence[tuple[int, int, int]] = (),
) -> Lives:
    """Return requests with begin, first token (or None) and end in µs after `T`."""
    begin, first, end = zip(*spans, strict=True) if spans else ((), (), ())
    return Lives(
        np.array([T + time for time in begin], dtype=np.int64),
        np.array([-1 if time is None else T + time for time in first], dtype=np.int64),
        np.array([T + time for time in end], dtype=np.int64),
        pl.DataFrame(members, schema=_MEMBERS, orient="row"),
        pl.DataFrame([(of, T + time) for of, time in taken], schema=_TAKEN, orient="row"),
        pl.DataFrame([(of, T + low, T + high) for of, low, high in pulls], schema=_PULLS, orient="row"),
    )


def told(parts: pl.DataFrame, request: int = 0) -> Sums:
    """Return the parts of one request."""
    own = parts.filter(request=request).with_columns(pl.col("part").cast(pl.String))
    return {(part, place): (before, total) for _of, part, place, before, total in own.iter_rows()}


def totals(parts: pl.DataFrame, request: int = 0) -> dict[tuple[str, str | None], int]:
    """Return the time of each part of one request, µs."""
    return {key: total for key, (_before, total) in told(parts, request).items()}


def life(
    rows: list[dict[str, Any]],
    members: list[int],
    end: int,
    first: int | None = None,
    begin: int = 0,
    taken: Sequence[int] = (),
    pulls: Sequence[tuple[int, int]] = (),
    skewed: tuple[str, ...] = (),
    **service: Any,
) -> Sums:
    """Return the parts of the only request."""
    lives = lives_of(
        [(begin, first, end)],
        [(0, member) for member in members],
        [(0, time) for time in taken],
        [(0, *pull) for pull in pulls],
    )
    found = latency_parts(lives, rounds_of(rows, **service), skewed)
    assert found.schema == PARTS_SCHEMA
    return told(found)


def test_every_part_has_a_label() -> None:
    assert set(PART_LABELS) == set(PARTS)
    assert len(PARTS) == len(set(PART_LABELS.values())) == 13


def test_wait_prefill_gaps_decode_and_what_is_not_recorded() -> None:
    rows = [one(0, 300, 900, prefills=1, forward=(350, 800)), one(0, 1000, 1500, forward=(1100, 1450))]
    assert life(rows, [0, 1], end=1600, first=950, taken=[200]) == {
        ("prefill_wait", "a"): (200, 200),
        ("prefill", "a"): (450, 450),
        # Taken up to forward, to the end of the round, to the next forward pass, to its end.
        ("gaps", "a"): (150 + 100 + 50, 150 + 100 + 200 + 50),
        ("decode", "a"): (0, 350),
        ("not_recorded", None): (0, 100),
    }


def test_without_a_dequeue_the_wait_is_until_the_first_round() -> None:
    found = life([one(0, 300, 900, prefills=1)], [0], end=900, first=900)
    assert found == {("prefill_wait", "a"): (300, 300), ("prefill", "a"): (600, 600)}


def test_of_several_dequeues_the_last_before_the_first_round_counts() -> None:
    rows = [one(0, 300, 400, prefills=1), one(0, 700, 800, prefills=1)]
    found = life(rows, [0, 1], end=800, taken=[100, 250, 650])
    assert found["prefill_wait", "a"] == (0, 250)


def test_a_first_round_that_decodes_has_nothing_recorded_before_it() -> None:
    found = life([one(0, 300, 400)], [0], end=400, first=200, taken=[100])
    assert found == {("not_recorded", None): (200, 300), ("decode", "a"): (0, 100)}


def test_a_request_that_no_round_names_is_not_recorded() -> None:
    found = latency_parts(lives_of([(0, 50, 80)], []), rounds_of([one(0, 0, 10)]))
    assert told(found) == {("not_recorded", None): (50, 80)}


def test_no_request_has_no_part_and_a_life_of_nothing_none() -> None:
    rounds = rounds_of([one(0, 0, 10)])
    assert latency_parts(lives_of([], []), rounds).is_empty()
    assert latency_parts(lives_of([(5, 5, 5)], [(0, 0)]), rounds).is_empty()
    assert latency_parts(lives_of([(0, 50, 80)], []), rounds_of([])).height == 1


PD: dict[str, Any] = {"places": ("p", "d", "c"), "decoders": (1,)}


def test_a_hand_over_with_its_pull() -> None:
    rows = [one(0, 100, 300, prefills=1, forward=(100, 280)), one(1, 5000, 6000), one(1, 6000, 7000)]
    assert life(rows, [0, 1, 2], end=7000, first=310, pulls=[(1000, 3500)], **PD) == {
        ("prefill_wait", "p"): (100, 100),
        ("prefill", "p"): (180, 180),
        ("gaps", "p"): (20, 20),
        ("handoff_wait", "d"): (10, 700),
        ("pull", "d"): (0, 2500),
        ("first_decode_wait", "d"): (0, 1500),
        ("decode", "d"): (0, 2000),
    }


@pytest.mark.parametrize(
    ("pulls", "skewed"),
    [
        ([], ()),
        ([(1000, 3500)], ("p",)),  # either host's clock differs
        ([(1000, 3500)], ("d",)),
        ([(-801, 3500)], ()),  # begins more than 1 ms before the prefill has ended
        ([(1000, 6001)], ()),  # ends more than 1 ms after decoding has begun
    ],
)
def test_a_hand_over_that_cannot_be_told_apart(pulls: list[tuple[int, int]], skewed: tuple[str, ...]) -> None:
    rows = [one(0, 100, 200, prefills=1), one(1, 5000, 6000)]
    found = life(rows, [0, 1], end=6000, pulls=pulls, skewed=skewed, **PD)
    assert {key: total for key, (_, total) in found.items()} == {
        ("prefill_wait", "p"): 100,
        ("prefill", "p"): 100,
        ("handoff", "d"): 4800,
        ("decode", "d"): 1000,
    }


def test_a_clock_that_differs_elsewhere_joins_nothing() -> None:
    rows = [one(0, 100, 200, prefills=1), one(1, 5000, 6000)]
    found = life(rows, [0, 1], end=6000, pulls=[(1000, 3000)], skewed=("c",), **PD)
    assert ("handoff", "d") not in found


def test_a_pull_cut_to_ms_still_fits() -> None:
    rows = [one(0, 1100, 2700, prefills=1), one(1, 5300, 6000)]
    found = life(rows, [0, 1], end=6000, pulls=[(2000, 5000)], **PD)
    # It cannot begin before the prefill has ended.
    assert found["pull", "d"] == (0, 2300)
    assert ("handoff_wait", "d") not in found
    assert found["first_decode_wait", "d"] == (0, 300)


def test_two_pulls_are_one_from_the_first_to_the_last() -> None:
    rows = [one(0, 100, 200, prefills=1), one(1, 5000, 6000)]
    found = life(rows, [0, 1], end=6000, pulls=[(2500, 4000), (1000, 2000)], **PD)
    assert [found[name, "d"][1] for name in ("handoff_wait", "pull", "first_decode_wait")] == [
        800,
        3000,
        1000,
    ]


def test_a_decode_node_that_computes_the_last_token_once_more_prefills_nobody_twice() -> None:
    """vLLM's decode node schedules the request's last prompt token itself: a round of a prefill."""
    rows = [one(0, 100, 200, prefills=1), one(1, 500, 600, prefills=1), one(1, 600, 700)]
    found = life(rows, [0, 1, 2], end=700, taken=[50, 450], **PD)
    assert {key: total for key, (_, total) in found.items()} == {
        ("prefill_wait", "p"): 50,
        ("gaps", "p"): 50,
        ("prefill", "p"): 100,
        ("handoff", "d"): 300,
        ("prefill", "d"): 100,
        ("decode", "d"): 100,
    }


def test_held_up_by_prefills_and_the_waits_after_them() -> None:
    rows = [
        one(0, 0, 100, prefills=1),
        one(0, 200, 500, prefills=1, forward=(220, 450), lock=(560, 1)),
        one(0, 600, 700),
    ]
    assert life(rows, [0, 2], end=700, first=110) == {
        ("prefill", "a"): (100, 100),
        # Before the pass, after it to the round's end, from the wait's end to the next round.
        ("gaps", "a"): (10, 120 + 50 + 40),
        ("held_by_prefills", "a"): (0, 230),
        ("lockstep", "b"): (0, 60),
        ("decode", "a"): (0, 100),
    }


def test_lockstep_is_at_the_domain_that_is_waited_for() -> None:
    rows = [one(0, 0, 100, prefills=1, lock=(140, 1)), one(0, 150, 250, lock=(300, 2)), one(0, 320, 400)]
    found = life(rows, [0, 1, 2], end=400)
    assert found["lockstep", "b"] == (0, 40)
    assert found["lockstep", "c"] == (0, 50)
    assert found["gaps", "a"] == (0, 10 + 20)


def test_what_is_waited_for_after_the_last_round_concerns_nobody() -> None:
    found = life([one(0, 0, 100, prefills=1, lock=(140, 1))], [0], end=200, first=150)
    assert found == {("prefill", "a"): (100, 100), ("not_recorded", None): (50, 100)}


def test_what_is_waited_for_before_a_hand_over_is_the_hand_over() -> None:
    rows = [one(0, 0, 100, prefills=1, lock=(140, 2)), one(1, 200, 300)]
    found = life(rows, [0, 1], end=300, **PD)
    assert {key: total for key, (_, total) in found.items()} == {
        ("prefill", "p"): 100,
        ("handoff", "d"): 100,
        ("decode", "d"): 100,
    }


def test_a_wait_inside_the_round_is_after_the_forward_pass() -> None:
    rows = [one(0, 0, 100, forward=(10, 60), lock=(85, 1), waits_inside=True, prefills=1), one(0, 100, 200)]
    assert life(rows, [0, 1], end=200, first=120) == {
        ("prefill", "a"): (50, 50),
        ("lockstep", "b"): (25, 25),
        ("gaps", "a"): (25, 25),
        ("decode", "a"): (20, 100),
    }


def test_a_wait_inside_the_last_round_holds_up_its_token() -> None:
    found = life([one(0, 0, 100, forward=(0, 60), lock=(85, 1), waits_inside=True)], [0], end=120, first=0)
    assert {key: total for key, (_, total) in found.items()} == {
        ("decode", "a"): 60,
        ("lockstep", "b"): 25,
        ("gaps", "a"): 15,
        ("not_recorded", None): 20,
    }


def test_passes_in_which_domains_wait_are_not_told_apart() -> None:
    rows = [one(0, 0, 100, prefills=1, coupled=True), one(0, 100, 200, coupled=True), one(0, 200, 300)]
    found = life(rows, [0, 1, 2], end=300)
    assert found == {("compute_or_lockstep", "a"): (0, 200), ("decode", "a"): (0, 100)}


def test_preempted_is_from_the_wait_after_a_round_to_the_next() -> None:
    rows = [
        one(0, 0, 100, prefills=1),
        one(0, 100, 200, lock=(230, 1)),
        one(0, 300, 400, prefills=1),
        one(0, 400, 500),  # decodes without it
        one(0, 600, 700),
    ]
    found = life(rows, [0, 1, 4], end=700)
    assert found["preempted", "a"] == (0, 600 - 230)
    assert found["lockstep", "b"] == (0, 30)
    assert ("held_by_prefills", "a") not in found


def test_a_prefill_after_a_preemption_is_prefill_compute() -> None:
    rows = [one(0, 0, 100, prefills=1), one(0, 100, 200), one(0, 200, 300), one(0, 300, 450, prefills=1)]
    rows += [one(0, 450, 500)]
    found = life(rows, [0, 1, 3, 4], end=500, first=105)
    assert {key: total for key, (_, total) in found.items()} == {
        ("prefill", "a"): 100 + 150,
        ("decode", "a"): 100 + 50,
        ("preempted", "a"): 100,
    }


def test_in_mixed_rounds_it_is_prefilled_until_its_first_token_is_there() -> None:
    rows = [one(0, at * 100, at * 100 + 100, prefills=-1) for at in range(4)]
    found = life(rows, [0, 1, 2, 3], end=400, first=205)
    assert found == {("prefill", "a"): (200, 200), ("decode", "a"): (5, 200)}
    # The file may have it to 1 ms; and the next round may have begun by then.
    assert life(rows, [0, 1, 2, 3], end=400, first=160)["prefill", "a"] == (160, 200)
    assert life(rows, [0, 1, 2, 3], end=400, first=240)["prefill", "a"] == (200, 200)
    # Without a first token only the first one is known to be of its prefill.
    assert life(rows, [0, 1, 2, 3], end=400) == {("prefill", "a"): (0, 100), ("decode", "a"): (0, 300)}


def test_a_request_that_begins_anew_on_a_domain_that_takes_none_over_waits_again() -> None:
    rows = [one(0, 100, 200, prefills=1), one(1, 500, 600, prefills=1)]
    found = life(rows, [0, 1], end=600, taken=[50, 400])
    assert {key: total for key, (_, total) in found.items()} == {
        ("prefill_wait", "a"): 50,
        ("prefill_wait", "b"): 200,
        ("gaps", "a"): 50,
        ("gaps", "b"): 100,
        ("prefill", "a"): 100,
        ("prefill", "b"): 100,
    }


def test_rounds_that_overlap_leave_each_forward_pass_whole() -> None:
    """As with asynchronous scheduling: a round begins while the one ahead is still executed."""
    rows = [
        one(0, at * 100, at * 100 + 150, forward=(at * 100 + 20, at * 100 + 110), prefills=int(at == 0))
        for at in range(4)
    ]
    rows[1] |= {"lock_end": T + 270, "waited_for": 1}
    assert life(rows, [0, 1, 2, 3], end=470, first=130) == {
        ("prefill", "a"): (90, 90),
        ("gaps", "a"): (20 + 10, 20 + 10 + 10 + 10 + 40),
        ("decode", "a"): (10, 270),
        ("not_recorded", None): (0, 20),
    }
    # Where it is left out of one that decodes, nothing tells that it was swapped out.
    held = life([*rows[:2], rows[2] | {"prefills": 1}, rows[3]], [0, 1, 3], end=470, first=130)
    assert held["held_by_prefills", "a"] == (0, 90)
    missed = life(rows, [0, 1, 3], end=470, first=130)
    assert missed["gaps", "a"] == (30, 30 + 40 + 50 + 40)
    assert missed["lockstep", "b"] == (0, 20)


def test_a_life_shorter_than_its_rounds_is_cut() -> None:
    rows = [one(0, 0, 100, prefills=1), one(0, 100, 200), one(0, 200, 300)]
    assert life(rows, [0, 1, 2], begin=50, first=120, end=150) == {
        ("prefill", "a"): (50, 50),
        ("decode", "a"): (20, 50),
    }


def test_a_clock_that_is_ahead_does_not_shift_when_it_was_taken_up() -> None:
    """Rounds are told by the requests' clock, and what took it up by the host's."""
    rows = [one(0, 300, 400, prefills=1)]
    lives = lives_of([(0, None, 400)], [(0, 0)], [(0, 5000 + 200)])
    found = latency_parts(lives, rounds_of(rows, ahead=(5000, 0, 0)))
    assert totals(found) == {("prefill_wait", "a"): 200, ("gaps", "a"): 100, ("prefill", "a"): 100}


def test_requests_in_pieces_have_the_same_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        one(0, at * 100, at * 100 + 90, prefills=int(at == 0), lock=(at * 100 + 95, 1)) for at in range(9)
    ]
    members = [(of, at) for of in range(7) for at in range(of, 9)]
    lives = lives_of([(0, 250, 900 + of) for of in range(8)], members)
    whole = latency_parts(lives, rounds_of(rows))
    for pieces in (1, 2, 5, 9, 100):
        monkeypatch.setattr(module, "_AT_ONCE", pieces)
        assert latency_parts(lives, rounds_of(rows)).equals(whole)


def test_requests_that_many_rounds_hold_up_are_taken_fewer_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each waits for 50 prefills of others: these are moments of its life, too."""
    rows = [one(0, at * 10, at * 10 + 9, prefills=int(0 < at < 51)) for at in range(52)]
    lives = lives_of([(0, None, 520)] * 20, [(of, at) for of in range(20) for at in (0, 51)])
    whole = latency_parts(lives, rounds_of(rows))
    assert totals(whole, 19)["held_by_prefills", "a"] == 50 * 9
    seen = []
    made = module._Moments

    def noted(*arguments: Any) -> Any:
        seen.append(arguments[4])
        return made(*arguments)

    monkeypatch.setattr(module, "_Moments", noted)
    monkeypatch.setattr(module, "_AT_ONCE", 210)
    assert latency_parts(lives, rounds_of(rows)).equals(whole)
    assert [low for low, _ in seen] == [0, 4, 8, 12, 16]


# ---- any input ----------------------------------------------------------------------------------------

_TIMES = st.integers(-50, 1200)
_SMALL = st.integers(0, 60)


@st.composite
def any_service(draw: st.DrawFn) -> tuple[Lives, Rounds, tuple[str, ...]]:
    """Rounds, requests and moments without any order, as a broken file may have them."""
    rows = []
    for domain in range(3):
        starts = sorted(draw(st.lists(_TIMES, max_size=8)))
        for start in starts:
            end = start + draw(_SMALL)
            forward = sorted((start + draw(_SMALL), start + draw(_SMALL)))
            row = one(domain, start, end, forward=tuple(forward), prefills=draw(st.sampled_from((1, 0, -1))))
            if draw(st.booleans()):
                row |= {"lock_end": T + end + draw(_SMALL), "waited_for": draw(st.integers(0, 2))}
            row |= {"waits_inside": draw(st.booleans()), "coupled": draw(st.booleans())}
            rows.append(row)
    decoders = tuple(draw(st.sets(st.integers(0, 2), max_size=2)))
    ahead = tuple(draw(st.tuples(_SMALL, _SMALL, _SMALL)))
    spans = []
    for _ in range(draw(st.integers(0, 4))):
        begin, end = sorted((draw(_TIMES), draw(_TIMES)))
        spans.append((begin, draw(st.one_of(st.none(), st.integers(begin, end))), end))
    request = st.integers(0, max(len(spans) - 1, 0))
    members = (
        draw(st.lists(st.tuples(request, st.integers(0, len(rows) - 1)), max_size=20, unique=True))
        if rows and spans
        else []
    )
    taken = draw(st.lists(st.tuples(request, _TIMES), max_size=6)) if spans else []
    pulls = draw(st.lists(st.tuples(request, _TIMES, _TIMES), max_size=6)) if spans else []
    pulls = [(of, min(low, high), max(low, high)) for of, low, high in pulls]
    hosts = ("h", "h", "g") if draw(st.booleans()) else ("h", "g", "f")
    skewed = tuple(draw(st.sets(st.sampled_from(sorted(set(hosts))), max_size=2)))
    rounds = rounds_of(rows, decoders=decoders, hosts=hosts, ahead=ahead)
    return lives_of(spans, members, taken, pulls), rounds, skewed


@given(any_service())
def test_parts_sum_to_each_life_whatever_comes(
    service: tuple[Lives, Rounds, tuple[str, ...]],
) -> None:
    lives, rounds, skewed = service
    parts = latency_parts(lives, rounds, skewed)
    assert parts.schema == PARTS_SCHEMA
    assert parts.select("request", "part", "place").is_unique().all()
    assert parts.filter(
        (pl.col("total") <= 0) | (pl.col("before") < 0) | (pl.col("before") > pl.col("total"))
    ).is_empty()
    for request in range(len(lives.begin)):
        sums = told(parts, request).values()
        begin, first, end = lives.begin[request], lives.first[request], lives.end[request]
        assert sum(total for _before, total in sums) == end - begin
        assert sum(before for before, _total in sums) == (0 if first == -1 else first - begin)
    none = parts.filter(pl.col("place").is_null())["part"].unique().to_list()
    assert set(none) <= {"not_recorded"}
    assert parts.filter(part="not_recorded")["place"].is_null().all()


@st.composite
def plain_service(draw: st.DrawFn) -> tuple[Lives, Rounds, tuple[str, ...]]:
    """Rounds that follow each other, on one clock; requests in order, from one domain to another or not."""
    step = st.integers(1, 40)
    some = st.integers(0, 20)
    handing = draw(st.booleans())
    rows: list[dict[str, Any]] = []
    kinds = {0: st.sampled_from((1, 0, -1)), 1: st.just(1) if handing else st.sampled_from((1, 0, -1))}
    for domain in range(2):
        time = draw(some)
        inside, coupled = draw(st.booleans()), draw(st.booleans())
        for _ in range(draw(st.integers(1, 8))):
            start = time + draw(some)
            forward = start + draw(some)
            done = forward + draw(step)
            end = done + draw(some)
            kind = 1 - draw(kinds[1]) if handing and domain == 1 else draw(kinds[int(handing)])
            row = one(domain, start, end, forward=(forward, done), prefills=kind)
            row |= {"waits_inside": inside, "coupled": coupled}
            time = end
            if draw(st.booleans()):
                lock = done + draw(st.integers(0, end - done)) if inside else end + draw(step)
                row |= {"lock_end": T + lock, "waited_for": 2}
                time = max(end, lock)
            rows.append(row)
    count = [sum(row["domain"] == domain for row in rows) for domain in range(2)]
    spans, members, taken, pulls = list[Any](), list[Any](), list[Any](), list[Any]()
    for request in range(draw(st.integers(1, 4))):
        if handing or draw(st.booleans()):
            first = draw(st.sets(st.integers(0, count[0] - 1), max_size=4))
            after = max((rows[at]["end"] for at in first), default=T)
            second = [at for at in range(count[0], len(rows)) if rows[at]["start"] >= after]
            own = sorted(first | (draw(st.sets(st.sampled_from(second))) if second else set()))
        else:
            low, high = draw(st.sampled_from([(0, count[0]), (count[0], len(rows))]))
            own = sorted(draw(st.sets(st.integers(low, high - 1))))
        begin = draw(st.integers(-20, 60))
        end = begin + draw(st.integers(0, 700))
        token = draw(st.one_of(st.none(), st.integers(begin, end)))
        spans.append((begin, token, end))
        members += [(request, at) for at in own]
        taken += [(request, time) for time in draw(st.lists(st.integers(-20, 700), max_size=2))]
        crossing = [at for at, next_ in pairwise(own) if at < count[0] <= next_]
        if crossing and draw(st.booleans()):
            at = crossing[0]
            low, high = rows[at]["end"] - T, rows[own[own.index(at) + 1]]["start"] - T
            edges = sorted((draw(st.integers(low, high)), draw(st.integers(low, high))))
            pulls.append((request, edges[0], edges[1]))
    skewed = draw(st.sampled_from(((), (), ("a",), ("c",))))
    decoders = (1,) if handing else ()
    return lives_of(spans, members, taken, pulls), rounds_of(rows, decoders=decoders), skewed


@given(plain_service())
def test_parts_are_those_of_a_slow_account(service: tuple[Lives, Rounds, tuple[str, ...]]) -> None:
    lives, rounds, skewed = service
    parts = latency_parts(lives, rounds, skewed)
    for request in range(len(lives.begin)):
        assert told(parts, request) == Life(lives, rounds, request, skewed).sums()
