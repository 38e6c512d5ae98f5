"""`dp.straggler`: a DP domain or card that takes longer than its peers for the same work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from lbtui.analysis.counts import binomial_tail
from lbtui.analysis.exact import exact_sum
from lbtui.analysis.lockstep import Wait, wait_for
from lbtui.findings.evidence import Evidence
from lbtui.findings.model import Cost, Finding, SubjectValue
from lbtui.findings.subject import name_of, subject_of
from lbtui.findings.thresholds import Thresholds
from lbtui.profile import Domain
from lbtui.text import _, visible

_ENOUGH_STEPS = 30
_BLOCKS = 12  # the least of which all 12 or 11 being slow is no chance at p = 0.01
_CRITICAL_RATIO = 1.5
_LOAD = ("phase", "batch_size", "size")


def find_stragglers(evidence: Evidence, limits: Thresholds, domains: list[Domain]) -> Iterator[Finding]:
    """Yield slow domains of one instance, and slow cards within a domain.

    A domain that ends last because it carries more is `dp.batch_size.skew`; here the load is the same. The
    others' wait comes from steps aligned by time (`steps_together`).
    """
    yield from _slow_domains(evidence, limits, domains)
    yield from _slow_cards(evidence, limits, domains)


def _slow_domains(evidence: Evidence, limits: Thresholds, domains: list[Domain]) -> Iterator[Finding]:
    """Yield domains slower than their peers in steps of equal phase, batch size and tokens (within 1.25×)."""
    names = {d.key: d for d in domains}
    size = (pl.col("tokens").fill_null(0).cast(pl.Float64) + 1).log(1.25).round()
    steps = evidence.steps.filter(
        pl.col("domain").is_in(list(names)), pl.col("duration") > 0, pl.col("batch_size") > 0
    ).with_columns(size=size)
    cells = steps.group_by(*_LOAD, "domain").agg(own=exact_sum(pl.col("duration")), n=pl.len())
    total, count = exact_sum(pl.col("own")).over(_LOAD), pl.col("n").sum().over(_LOAD)
    expected = (
        cells.with_columns(others=total - pl.col("own"), other_n=count - pl.col("n"))
        .filter(pl.col("other_n") > 0)
        .with_columns(step=pl.col("others") / pl.col("other_n"))
        .select(*_LOAD, "domain", "step")
    )
    compared = steps.join(expected, on=[*_LOAD, "domain"], nulls_equal=True).sort("start", "domain")
    for key, ratio, extra, p in _steadily_slow(compared, "domain", limits):
        domain = names[key]
        wait = evidence.wait_for(domain, None)
        yield _straggler(
            evidence,
            limits,
            subject_of(evidence, domain),
            _("{domain} takes {ratio:.2f}× the time of its peers for steps of the same size").format(
                domain=name_of(domain), ratio=ratio
            ),
            (ratio, extra, p),
            wait,
        )


def _slow_cards(evidence: Evidence, limits: Thresholds, domains: list[Domain]) -> Iterator[Finding]:
    """Yield cards slower than the mean of their domain's other cards, step by step."""
    if not (evidence.steps["cards"] > 1).any():
        return
    total, members = exact_sum(pl.col("duration")).over("step"), pl.len().over("step")
    for domain in domains:
        if not evidence.may_have_slow_card(domain.key, limits.dp_straggler_ratio):
            continue
        cards = (
            evidence.passes_of(domain.key)
            .with_columns(total=total, members=members)
            .filter(pl.col("members") > 1)
            .with_columns(group="step", step=(pl.col("total") - pl.col("duration")) / (pl.col("members") - 1))
            .filter(pl.col("step") > 0)
        )
        for card, ratio, extra, p in _steadily_slow(cards, "prof_id", limits):
            yield _straggler(
                evidence,
                limits,
                {**subject_of(evidence, domain), "prof_id": card},
                _("Card {card} takes {ratio:.2f}× the time of the other cards of {domain}").format(
                    card=visible(card), ratio=ratio, domain=name_of(domain)
                ),
                (ratio, extra, p),
                wait_for(_waits(cards), card, "prof_id"),
            )


def _waits(together: pl.DataFrame) -> pl.DataFrame:
    """Return passes with the `wait` (ms) until their group ends and whether they end `last`."""
    end = pl.col("end").max().over("group")
    return together.with_columns(
        wait=(end - pl.col("end")).dt.total_microseconds() / 1000, last=pl.col("end") == end
    )


def _steadily_slow(
    steps: pl.DataFrame, column: str, limits: Thresholds
) -> list[tuple[str, float, float, float]]:
    """Return who is slow as (name, Σ duration / Σ expected, ms a step more, p), slowest first.

    `steps` are for each in order of time and have `duration` and `step`, what the peers take for it. Chance:
    a sign test over 12 blocks of consecutive steps (steps depend on their neighbours, blocks hardly), in
    which a block counts if its ratio is above half the threshold's effect, times those compared (Bonferroni).
    """
    effect = limits.dp_straggler_ratio
    blocks = (
        steps.with_columns(block=pl.int_range(pl.len()).over(column) * _BLOCKS // pl.len().over(column))
        .group_by(column, "block")
        .agg(duration=exact_sum(pl.col("duration")), step=exact_sum(pl.col("step")), n=pl.len())
        .with_columns(slow=pl.col("duration") / pl.col("step") > (1 + effect) / 2)
        .group_by(column)
        .agg(
            pl.col("n").sum(),
            pl.col("slow").sum(),
            b=pl.len(),
            duration=exact_sum(pl.col("duration")),
            step=exact_sum(pl.col("step")),
        )
        .with_columns(ratio=pl.col("duration") / pl.col("step"))
    )
    found = []
    for row in blocks.sort("ratio", column, descending=[True, False]).iter_rows(named=True):
        p = min(1.0, blocks.height * binomial_tail(row["slow"], row["b"], 0.5))
        if row["ratio"] >= effect and row["n"] >= _ENOUGH_STEPS and p <= limits.p_value:
            found.append((str(row[column]), row["ratio"], (row["duration"] - row["step"]) / row["n"], p))
    return found


def _straggler(
    evidence: Evidence,
    limits: Thresholds,
    subject: dict[str, SubjectValue],
    said: str,
    figures: Sequence[float],
    wait: Wait | None,
) -> Finding:
    ratio, extra, p = figures
    if wait is None:
        last = _("Whether others wait for it is unknown: they do not step together.")
        cost = Cost(None, "ms/step", _("unknown: steps are not taken together, so nobody is seen waiting"))
    else:
        last = _("It ends last in {share:.0%} of {steps:,} common steps.").format(
            share=wait.last_share, steps=wait.steps
        )
        cost = Cost(
            wait.per_step,
            "ms/step",
            _(
                "each other one waits {ms:.2f} ms a step for it, {per_second:.0f} ms a second of steps (Σ "
                "wait for its end in the steps it ends last / others / steps)"
            ).format(ms=wait.per_step, per_second=1000 * wait.share),
            wait.share,
        )
    return Finding(
        id="dp.straggler",
        dimension="dp",
        severity="critical" if ratio >= _CRITICAL_RATIO else "warning",
        subject=subject,
        window=None,
        metric="step time / peers at the same load",
        value=ratio,
        threshold=limits.dp_straggler_ratio,
        cost=cost,
        message=_("{said}, {extra:.1f} ms a step more. {last}").format(said=said, extra=extra, last=last),
        advice=_(
            "Check the card and its host: temperature and clock (npu-smi), other jobs, CPU binding, the "
            "link. The load does not explain it."
        ),
        evidence=_("{file}: during_time at equal batch type, size and tokens").format(
            file=evidence.file("steps")
        ),
        excess=ratio / limits.dp_straggler_ratio,
        p_value=p,
    )
