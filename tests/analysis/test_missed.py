"""Why requests missed their targets, once more by plain loops over their parts."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtui.analysis.latency_parts import PARTS, PARTS_SCHEMA
from lbtui.analysis.missed import BEYOND_SCHEMA, SCOPES, scoped, time_beyond
from lbtui.analysis.slo import COLUMNS, Targets

Told = dict[tuple[int, str, str | None], float]
_LIVES = {"request": pl.UInt32, "first": pl.Int64, "lead": pl.Int64}
_REQUESTS = {"request": pl.UInt32, "met": pl.Boolean, "output_tokens": pl.Int64} | dict.fromkeys(
    COLUMNS.values(), pl.Float64
)


def parts_of(*rows: tuple[int, str, str | None, int, int]) -> pl.DataFrame:
    """Return parts: request, part, place, µs up to the first token, µs."""
    return pl.DataFrame(rows, schema=PARTS_SCHEMA, orient="row")


def lives_of(*rows: tuple[int, int | None, int]) -> pl.DataFrame:
    """Return lives: request, first token, lead (µs)."""
    return pl.DataFrame(rows, schema=_LIVES, orient="row")


def requests_of(*rows: tuple[Any, ...]) -> pl.DataFrame:
    """Return requests: request, met, output tokens, ttft, tpot and duration in ms."""
    return pl.DataFrame(rows, schema=_REQUESTS, orient="row")


def told(frame: pl.DataFrame) -> Told:
    """Return the ms of each request, part and place."""
    assert frame.select("request", "part", "place").is_unique().all()
    columns = frame.select("request", pl.col("part").cast(pl.String), "place", "ms")
    return {(of, part, place): ms for of, part, place, ms in columns.iter_rows()}


def plain_scoped(parts: pl.DataFrame, lives: pl.DataFrame, scope: str) -> Told:
    """Do what `scoped` does, request by request."""
    found: Told = {}
    for request, first, lead in lives.iter_rows():
        if scope != "all" and first is None:
            continue
        own = [list(row) for row in parts.filter(request=request).iter_rows()]
        for name in ("prefill_wait", "not_recorded"):
            waits = [row for row in own if row[1] == name]
            if waits:
                # Of several places, the one that has most of it before the first token.
                longest = max(waits, key=lambda row: row[3])
                longest[3], longest[4] = max(0, longest[3] - lead), max(0, longest[4] - lead)
                if scope == "rest":
                    longest[3], longest[4] = longest[3] + lead, longest[4] + lead
                break
        for _, part, place, before, total in own:
            ms = {"first": before, "rest": total - before, "all": total}[scope] / 1000
            if ms > 0:
                found[request, part, place] = ms
    return found


def plain_beyond(
    parts: pl.DataFrame, lives: pl.DataFrame, requests: pl.DataFrame, targets: Targets
) -> tuple[Told, float]:
    """Do what `time_beyond` does, request by request; return Σ of what is beyond each target, too."""
    found: Told = defaultdict(float)
    sum_ = 0.0
    known = set(lives["request"])
    rows = {row["request"]: row for row in requests.iter_rows(named=True) if row["request"] in known}
    for name, limit in targets.limits.items():
        times = plain_scoped(parts, lives, SCOPES[name])
        tokens = {of: (row["output_tokens"] or 0) - 1 if name == "tpot" else 1 for of, row in rows.items()}
        met = [of for of, row in rows.items() if row["met"] and tokens[of] > 0]
        usual: dict[str, float] = defaultdict(float)
        for (of, part, _), ms in times.items():
            if of in met:
                usual[part] += ms / tokens[of] / len(met)
        for of, row in rows.items():
            value = row[COLUMNS[name]]
            missed_other = any(
                row[COLUMNS[other]] is not None and row[COLUMNS[other]] > targets.limits[other]
                for other in ("ttft", "tpot")
                if other in targets.limits
            )
            if value is None or value <= limit or (name == "e2e" and missed_other):
                continue
            own = {key: ms for key, ms in times.items() if key[0] == of}
            beyond = (value - limit) * tokens[of]
            if not own:
                continue
            sum_ += beyond
            whole: dict[str, float] = defaultdict(float)
            for (_, part, _place), ms in own.items():
                whole[part] += ms
            longer = {part: max(0.0, ms - usual[part] * tokens[of]) for part, ms in whole.items()}
            for key, ms in own.items():
                all_ = sum(longer.values())
                share = longer[key[1]] / all_ * ms / whole[key[1]] if all_ > 0 else ms / sum(own.values())
                found[key] += beyond * share
    return {key: ms for key, ms in found.items() if ms > 0}, sum_


def test_the_lead_is_taken_from_the_first_wait() -> None:
    parts = parts_of(
        (0, "prefill_wait", "a", 5_000, 5_000),
        (0, "prefill_wait", "b", 0, 9_000),
        (0, "prefill", "a", 20_000, 20_000),
        (0, "not_recorded", None, 0, 7_000),
        (1, "not_recorded", None, 6_000, 8_000),
    )
    lives = lives_of((0, 1, 1_000), (1, 1, 2_000))
    assert told(scoped(parts, lives, "first")) == {
        (0, "prefill_wait", "a"): 4,
        (0, "prefill", "a"): 20,
        (1, "not_recorded", None): 4,
    }
    assert told(scoped(parts, lives, "all")) == {
        (0, "prefill_wait", "a"): 4,
        (0, "prefill_wait", "b"): 9,
        (0, "prefill", "a"): 20,
        (0, "not_recorded", None): 7,
        (1, "not_recorded", None): 6,
    }
    assert told(scoped(parts, lives, "rest")) == {
        (0, "prefill_wait", "b"): 9,
        (0, "not_recorded", None): 7,
        (1, "not_recorded", None): 2,
    }


def test_without_a_first_token_only_the_whole_life_is_told() -> None:
    parts = parts_of((0, "decode", "a", 0, 5_000), (0, "not_recorded", None, 0, 1_000))
    lives = lives_of((0, None, 400))
    assert scoped(parts, lives, "first").is_empty()
    assert scoped(parts, lives, "rest").is_empty()
    assert told(scoped(parts, lives, "all")) == {(0, "decode", "a"): 5, (0, "not_recorded", None): 0.6}


SERVICE = (
    parts_of(
        (0, "prefill_wait", "a", 10_000, 10_000),
        (0, "prefill", "a", 50_000, 50_000),
        (0, "decode", "a", 0, 100_000),
        (1, "prefill_wait", "a", 210_000, 210_000),  # 200 ms longer than usual
        (1, "prefill", "b", 100_000, 100_000),  # 50 ms longer
        (1, "decode", "b", 0, 100_000),
        (2, "prefill", "a", 50_000, 50_000),
        (2, "decode", "a", 0, 100_000),
        (2, "lockstep", "b", 0, 300_000),
        (2, "lockstep", "c", 0, 100_000),
    ),
    lives_of((0, 1, 0), (1, 1, 0), (2, 1, 0)),
    requests_of(
        (0, True, 11, 60.0, 10.0, 160.0),
        (1, False, 11, 310.0, 10.0, 410.0),
        (2, False, 11, 50.0, 50.0, 550.0),
    ),
)


def test_time_beyond_goes_to_what_is_longer_than_usual() -> None:
    parts, lives, requests = SERVICE
    found = told(time_beyond(parts, lives, requests, Targets(ttft=60, tpot=10, e2e=160)))
    assert found == pytest.approx(
        {
            (1, "prefill_wait", "a"): 250 * 200 / 250,
            (1, "prefill", "b"): 250 * 50 / 250,
            # 40 ms a token beyond, over ten tokens; nobody who met waited for others.
            (2, "lockstep", "b"): 400 * 3 / 4,
            (2, "lockstep", "c"): 400 * 1 / 4,
        }
    )


def test_end_to_end_counts_only_where_no_other_target_is_missed() -> None:
    parts, lives, requests = SERVICE
    both = told(time_beyond(parts, lives, requests, Targets(ttft=60, e2e=400)))
    assert sum(ms for (of, _, _), ms in both.items() if of == 1) == pytest.approx(250)
    assert sum(ms for (of, _, _), ms in both.items() if of == 2) == pytest.approx(150)


def test_where_none_met_the_parts_share_the_time_beyond() -> None:
    parts, lives, requests = SERVICE
    none = requests.with_columns(met=pl.lit(False))
    found = told(time_beyond(parts, lives, none, Targets(ttft=10)))
    assert found[0, "prefill_wait", "a"] == pytest.approx(50 * 10 / 60)
    assert found[0, "prefill", "a"] == pytest.approx(50 * 50 / 60)


def test_a_request_that_missed_with_no_part_longer_shares_it_too() -> None:
    parts, lives, requests = SERVICE
    short = parts_of((1, "prefill", "b", 30_000, 30_000), (1, "prefill_wait", "b", 5_000, 5_000))
    parts = pl.concat([parts.filter(pl.col("request") != 1), short])
    found = told(time_beyond(parts, lives, requests, Targets(ttft=60)))
    assert found[1, "prefill", "b"] == pytest.approx(250 * 30 / 35)
    assert found[1, "prefill_wait", "b"] == pytest.approx(250 * 5 / 35)


def test_without_requests_targets_or_misses_there_is_none() -> None:
    parts, lives, requests = SERVICE
    for found in (
        time_beyond(parts, lives, requests, Targets()),
        time_beyond(parts, lives, requests, Targets(ttft=1000)),
        time_beyond(parts.clear(), lives.clear(), requests, Targets(ttft=1)),
        time_beyond(parts.clear(), lives.clear(), requests.clear(), Targets(ttft=1)),
    ):
        assert found.is_empty()
        assert found.schema == BEYOND_SCHEMA


_MS = st.one_of(st.none(), st.floats(0, 500))


@st.composite
def any_requests(draw: st.DrawFn) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, Targets]:
    """Parts, lives, requests and targets."""
    rows, lives, requests = list[Any](), list[Any](), list[Any]()
    for of in range(draw(st.integers(0, 5))):
        first = draw(st.one_of(st.none(), st.just(1)))
        keys = st.tuples(st.sampled_from(PARTS), st.sampled_from(("a", "b")))
        for part, place in draw(st.lists(keys, unique=True, max_size=6)):
            total = draw(st.integers(1, 400_000))
            before = 0 if first is None else draw(st.integers(0, total))
            rows.append((of, part, None if part == "not_recorded" else place, before, total))
        rows = list({row[:3]: row for row in rows}.values())
        waits = [row for row in rows if row[0] == of and row[1] == "prefill_wait"]
        others = [row for row in rows if row[0] == of and row[1] == "not_recorded"]
        several = len(waits) > 1 and len({row[3] for row in waits}) < len(waits)
        lead = 0 if several else draw(st.integers(0, max((row[3] for row in waits or others), default=0)))
        lives.append((of, first, lead))
        told = (draw(st.sampled_from((True, False, None))), draw(st.one_of(st.none(), st.integers(0, 50))))
        ttft, tpot, e2e = draw(_MS), draw(_MS), draw(_MS)
        # Time per output token is known only where there are two.
        requests.append((of, *told, ttft, tpot if (told[1] or 0) > 1 else None, e2e))
    targets = Targets(draw(_MS), draw(_MS), draw(_MS))
    return parts_of(*rows), lives_of(*lives), requests_of(*requests), targets


@given(any_requests())
def test_any_requests_are_told_as_by_plain_loops(
    service: tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, Targets],
) -> None:
    parts, lives, requests, targets = service
    for scope in ("first", "rest", "all"):
        assert told(scoped(parts, lives, scope)) == pytest.approx(plain_scoped(parts, lives, scope))
    found = time_beyond(parts, lives, requests, targets)
    assert found.schema == BEYOND_SCHEMA
    sums: Told = defaultdict(float)
    for request, part, place, ms in found.with_columns(pl.col("part").cast(pl.String)).iter_rows():
        assert ms > 0
        sums[request, part, place] += ms
    expected, beyond = plain_beyond(parts, lives, requests, targets)
    # Sums are added up in whole ns, so that they are the same in any order.
    keys = sums.keys() | expected.keys()
    assert {key: sums.get(key, 0.0) for key in keys} == pytest.approx(
        {key: expected.get(key, 0.0) for key in keys}, abs=1e-3
    )
    assert math.isclose(found["ms"].sum(), beyond, rel_tol=1e-9, abs_tol=1e-3)


def test_a_part_of_a_microsecond_gets_all_that_it_is_given() -> None:
    """A third of 1 µs, in whole ns, would leave a share of 0.9995."""
    lives = lives_of((0, 1, 0), (1, None, 0), (2, None, 0))
    requests = requests_of(*((of, True, None, 3.0 if of == 0 else None, None, None) for of in range(3)))
    found = time_beyond(parts_of((0, "prefill_wait", "a", 1, 1)), lives, requests, Targets(0.0))
    assert found["ms"].to_list() == pytest.approx([3.0], rel=1e-5)
