"""Common steps and waits against plain loops."""

from datetime import datetime, timedelta

import polars as pl

from lbtui.analysis.lockstep import steps_together

_T0 = datetime(2026, 1, 1)


def _steps(rows: list[tuple[str, float, float]]) -> pl.DataFrame:
    """Return domain steps of (domain, start ms, end ms)."""
    return pl.DataFrame(
        {
            "domain": [r[0] for r in rows],
            "start": [_T0 + timedelta(milliseconds=r[1]) for r in rows],
            "end": [_T0 + timedelta(milliseconds=r[2]) for r in rows],
        },
        schema={"domain": pl.String, "start": pl.Datetime("us"), "end": pl.Datetime("us")},
    )


def test_waits_of_three_domains() -> None:
    steps = _steps(
        [("a", 0, 10), ("b", 0, 14), ("c", 1, 12), ("a", 20, 32), ("b", 20, 30), ("c", 20, 31), ("a", 40, 45)]
    )
    together = steps_together(steps)
    assert together is not None
    assert together.height == 6  # the last one is alone
    assert together.sort("start", "domain")["wait"].to_list() == [4.0, 0.0, 2.0, 0.0, 2.0, 1.0]


def test_domains_that_drift_do_not_step_together() -> None:
    drifting = [("a", 10.0 * i, 10.0 * i + 9) for i in range(50)]
    drifting += [("b", 7.0 * i, 7.0 * i + 6.9) for i in range(70)]
    assert steps_together(_steps(drifting)) is None


def test_one_domain_waits_for_nobody() -> None:
    assert steps_together(_steps([("a", 0, 1), ("a", 2, 3)])) is None
