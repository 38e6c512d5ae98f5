"""The account of steps against plain loops: what common steps save, who is late, what a load lets expect."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtui.analysis.step_account import StepAccount, account_of

_T0 = datetime(2026, 1, 1)
_ROW = {"phase": "decode", "batch_size": 4, "tokens": 4}


def _account(
    rows: list[dict[str, object]], domains: str = "abc", rounds: list[tuple[str, float, float]] | None = None
) -> StepAccount:
    """Return the account of steps given by domain, start and end (ms), and what differs from `_ROW`.

    `rounds` are (domain, start, end).
    """
    full = []
    for row in rows:
        start, end = float(str(row["start"])), float(str(row["end"]))
        times = {"start": _T0 + timedelta(milliseconds=start), "end": _T0 + timedelta(milliseconds=end)}
        full.append({**_ROW, **row, **times, "duration": end - start})
    schema = {
        "domain": pl.String,
        "start": pl.Datetime("us"),
        "end": pl.Datetime("us"),
        "duration": pl.Float64,
        "phase": pl.String,
        "batch_size": pl.Int32,
        "tokens": pl.Int64,
    }
    spans = pl.DataFrame(rounds or [], schema=["domain", "start", "end"], orient="row")
    times = [
        (pl.lit(_T0) + pl.duration(microseconds=(pl.col(n) * 1000).cast(pl.Int64))).alias(n)
        for n in spans.columns[1:]
    ]
    return account_of(
        pl.DataFrame(full, schema=schema), list(domains), spans.with_columns(times) if rounds else None
    )


def _lengths(lengths: list[list[int]]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    time = 0.0
    for step in lengths:
        rows += [{"domain": d, "start": time, "end": time + n} for d, n in zip("abc", step, strict=True)]
        time += max(step) + 1
    return rows


@given(st.lists(st.lists(st.integers(2, 50), min_size=3, max_size=3), min_size=2, max_size=12))
def test_what_an_earlier_end_saves(lengths: list[list[int]]) -> None:
    account = _account(_lengths(lengths))
    cut = np.where(account.lane == 0, account.duration / 2, 0.0)
    saving = account.saving(cut)
    assert saving is not None
    saved = [max(step) - max(step[0] / 2, *step[1:]) for step in lengths]
    assert saving.per_step == pytest.approx(sum(saved) / len(lengths))
    assert saving.share == pytest.approx(sum(saved) / sum(max(step) for step in lengths))


@given(st.lists(st.lists(st.integers(2, 50), min_size=3, max_size=3), min_size=2, max_size=12))
def test_who_ends_late_and_who_last(lengths: list[list[int]]) -> None:
    account = _account(_lengths(lengths))
    late = account.lateness(account.end)
    assert account.group is not None
    for i, (group, lane) in enumerate(zip(account.group.tolist(), account.lane.tolist(), strict=True)):
        step = lengths[group]
        assert late[i] == pytest.approx(step[lane] - sum(step) / 3)
        assert account.ends_last[i] == (step[lane] == max(step))


def test_expected_is_the_mean_over_domains_of_what_they_take_at_the_same_load() -> None:
    rows = [
        {"domain": "a", "start": 0, "end": 10},
        {"domain": "a", "start": 20, "end": 32},
        {"domain": "b", "start": 0, "end": 20},
        {"domain": "c", "start": 0, "end": 50, "batch_size": 9},  # no other had such a batch
    ]
    account = _account(rows)
    assert [account.expected[account.lane == lane].tolist() for lane in (0, 1)] == [[15.5, 15.5], [15.5]]
    assert np.isnan(account.expected[account.lane == 2]).all()


def test_domains_that_drift_save_nobody_time() -> None:
    rows = [{"domain": "a", "start": 10 * i, "end": 10 * i + 9} for i in range(50)]
    rows += [{"domain": "b", "start": 7 * i, "end": 7 * i + 6.9} for i in range(70)]
    account = _account(rows, "ab")
    assert account.group is None
    assert account.saving(account.duration) is None
    gaps = account.gaps()
    # The gap of a domain's own steps, unknown before its first.
    assert np.nanmedian(gaps[account.lane == 0]) == pytest.approx(1.0)
    assert np.nanmedian(gaps[account.lane == 1]) == pytest.approx(0.1)
    assert int(np.isnan(gaps).sum()) == 2


@pytest.mark.parametrize("couple", [0.0, 0.5, 0.9])
def test_coupling_is_what_passes_wait_inside(couple: float) -> None:
    """Domains of which one at a time has a longer pass; the others end `couple` of the wait later."""
    rng = np.random.default_rng(5)
    rows, time = [], 0.0
    for _step in range(400):
        own = 20 + rng.normal(0, 0.2, 4)
        own[rng.integers(4)] += rng.uniform(0, 30)
        own += couple * (own.max() - own)
        rows += [{"domain": d, "start": time, "end": time + x} for d, x in zip("abcd", own, strict=True)]
        time += float(own.max()) + 1
    assert _account(rows, "abcd").coupling == pytest.approx(couple, abs=0.1)


def test_a_part_has_the_common_steps_that_are_left() -> None:
    account = _account(_lengths([[3, 4, 5], [9, 2, 4], [5, 5, 7]]))
    assert account.group is not None
    part = account.only(account.group != 1)
    assert part.group is not None
    assert part.group.tolist() == [0, 0, 0, 1, 1, 1]
    assert part.ends_last.sum() == 2


def test_load_adds_what_the_least_squares_say() -> None:
    rows = [
        {"domain": d, "start": 100 * i, "end": 100 * i + 20 + 0.5 * (i % 9), "batch_size": i % 9}
        for i in range(90)
        for d in "abc"
    ]
    account = _account([row for row in rows if row["batch_size"]])
    assert account.slopes[1] == pytest.approx(0.5)
    cut = account.load_cut(account.lane == 0, 2.0)
    own = account.lane == 0
    assert cut[own] == pytest.approx(0.25 * account.batch_size[own])
    assert not cut[~own].any()


@given(st.lists(st.lists(st.integers(2, 50), min_size=3, max_size=3), min_size=2, max_size=12))
def test_a_host_is_compared_with_the_others_alone(lengths: list[list[int]]) -> None:
    account = _account(_lengths(lengths))
    chosen = account.lane < 2
    expected = [own - step[2] for step in lengths for own in step[:2]]
    assert account.after_others(account.end, [0, 1], chosen) == pytest.approx(sum(expected) / len(expected))


def _in_rounds(lengths: list[list[int]], tails: list[int], *, wait: bool) -> StepAccount:
    """Return steps as `_lengths`, each in a round that ends its domain's tail later (or the last one's)."""
    rows = _lengths(lengths)
    for row in rows:
        place = rows.index(row) // 3
        row["start"] = float(str(row["start"])) + 20 * place
        row["end"] = float(str(row["end"])) + 20 * place
    rounds = []
    for i, row in enumerate(rows):
        group = rows[i // 3 * 3 : i // 3 * 3 + 3]
        end = max(float(str(r["end"])) for r in group) if wait else float(str(row["end"]))
        rounds.append(
            (str(row["domain"]), float(str(row["start"])) - 0.5, end + tails["abc".index(str(row["domain"]))])
        )
    return _account(rows, rounds=rounds)


def test_a_long_rest_of_a_round_is_late_and_saves_what_the_last_round_ends_earlier() -> None:
    rng = np.random.default_rng(8)
    lengths = rng.integers(5, 30, (60, 3)).tolist()
    account = _in_rounds(lengths, [1, 9, 2], wait=False)
    assert account.tails is not None
    assert account.tails.tolist() == [1000 * (1, 9, 2)[lane] for lane in account.lane]
    gaps = account.gaps()
    # All begin at once: what is left is the tail less the mean of the three.
    assert gaps[account.lane == 1] == pytest.approx(9 - 4)
    assert account.after_others(account.begun, [1], account.lane == 1) == pytest.approx(9 - 1.5)
    saving = account.saving(np.where(account.lane == 1, 7.0, 0.0), of_gap=True)
    assert saving is not None
    saved = [max(a + 1, b + 9, c + 2) - max(a + 1, b + 2, c + 2) for a, b, c in lengths]
    assert saving.per_step == pytest.approx(sum(saved) / len(lengths))


def test_rounds_that_wait_for_the_last_pass_tell_nothing_of_who_is_late() -> None:
    lengths = np.random.default_rng(8).integers(5, 30, (60, 3)).tolist()
    account = _in_rounds(lengths, [1, 1, 1], wait=True)
    assert account.round_end is not None
    assert account.tails is None
    assert account.begun is account.start


def test_rounds_of_few_steps_tell_nothing() -> None:
    lengths = [[5, 6, 7]] * 20
    rows = _lengths(lengths)
    rounds = [(str(r["domain"]), float(str(r["start"])), float(str(r["end"])) + 1) for r in rows]
    assert _account(rows, rounds=rounds[:54]).round_end is not None
    assert _account(rows, rounds=rounds[:53]).round_end is None


def test_an_even_batch_saves_what_the_longest_step_gives_away_less_what_the_others_take() -> None:
    rows = []
    for i, batch in enumerate([*range(1, 13)] * 8):
        for domain, own in zip("abc", (4 * batch, batch, batch), strict=True):
            rows.append({"domain": domain, "start": 100 * i, "end": 100 * i + 10 + own, "batch_size": own})
    account = _account(rows)
    assert account.slopes[1] == pytest.approx(1.0)
    cut = account.evened_cut([0], np.ones(len(rows), dtype=bool), 4.0)
    # Of 4 + 1 + 1 each gets 2: the first is 2 batches shorter, the others one longer.
    assert cut[account.lane == 0] == pytest.approx(account.batch_size[account.lane == 0] / 2)
    assert cut[account.lane > 0] == pytest.approx(-account.batch_size[account.lane > 0])
    saving = account.saving(cut)
    assert saving is not None
    assert saving.per_step == pytest.approx(2 * 6.5)  # 2 × the mean batch
    prefills = _account([{**row, "phase": "prefill"} for row in rows])
    assert not prefills.evened_cut([0], np.ones(len(rows), dtype=bool), 4.0).any()
