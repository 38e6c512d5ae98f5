"""`pd.transfer.slow`: KV pulls of a decode rank, a source or such a pair are slow; or all, suddenly."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from lbtui.analysis.slow_pulls import Slowdown, SlowPulls, judged_pulls, slow_pulls, slowdown
from lbtui.findings.evidence import Evidence
from lbtui.findings.model import Cost, Finding, SubjectValue
from lbtui.findings.severity import severity_of
from lbtui.profile import format_time
from lbtui.text import _, visible
from lbtui.thresholds import Thresholds

_OWN_ADVICE = _(
    "Check the link of this rank's host (RoCE/HCCS errors, hccn_tool, switch port) and which P "
    "node it pulls from; the load of the rank does not slow a pull."
)
_PAIR_ADVICE = _(
    "Check the path between these two alone (routes, switch ports, hccn_tool between both cards): each of "
    "them is as fast as its peers with the others."
)
_SOURCE_ADVICE = _(
    "Check the link of this P node's host (RoCE/HCCS errors, hccn_tool, switch port): all ranks that pull "
    "from it wait."
)
_ALL_ADVICE = _(
    "See what began at that time: other traffic on the same links, a switch or port that fell back, a "
    "transfer engine that retries; one request's pull no longer overlapping with another's."
)


def find_slow_transfers(evidence: Evidence, limits: Thresholds) -> Iterator[Finding]:
    """Yield whose KV pulls are slow, and since when all are.

    Where all pulls become slower, each is judged against its own time: a rank that pulled more of the later
    ones is no slow rank.
    """
    pulls = judged_pulls(evidence.frame("transfers"))
    everyone = slowdown(pulls, limits.pd_transfer_ratio, limits.p_value)
    if everyone is not None:
        timed = pulls.drop_nulls("start")
        yield _all_slow(evidence, limits, everyone, timed)
        late = pl.int_range(pl.len()).is_between(everyone.first, everyone.last - 1)
        usual = pl.when(late).then(everyone.ratio).otherwise(1.0)
        pulls = timed.with_columns(pl.col("duration") / usual, pl.col("each") / usual)
    for slow in slow_pulls(pulls, limits.pd_transfer_ratio, limits.p_value):
        yield _some_slow(evidence, limits, slow)


def _some_slow(evidence: Evidence, limits: Thresholds, slow: SlowPulls) -> Finding:
    """Return the finding on a rank, a source or a pair."""
    source = visible(slow.source or "")
    subject: dict[str, SubjectValue] = {}
    if slow.rank is not None:
        subject["rank"] = slow.rank
    if slow.source is not None:
        subject["source"] = slow.source
    subject["role"] = "decode" if slow.rank is not None else "prefill"
    if slow.source is None:
        who, column, advice = _("of decode rank {rank}"), _("rank {rank}"), _OWN_ADVICE
        metric = _("median KV pull time / median of the other ranks")
    elif slow.rank is None:
        who, column, advice = _("from {source}"), _("pulls from {source}"), _SOURCE_ADVICE
        metric = _("median KV pull time / median of the other sources")
    else:
        who, column = _("of decode rank {rank} from {source}"), _("rank {rank}, from {source}")
        metric, advice = _("median KV pull time / median of the other pairs"), _PAIR_ADVICE
    names = {"rank": slow.rank, "source": source}
    share = evidence.share_of_requests((slow.own - slow.others) / 1000 * slow.count)
    return Finding(
        id="pd.transfer.slow",
        severity=severity_of(share, limits),
        subject=subject,
        metric=metric,
        value=slow.ratio,
        threshold=limits.pd_transfer_ratio,
        cost=_cost(slow.own - slow.others, slow.count, share),
        message=_("KV pulls {who} take {own:.1f} ms on the median, those of the others {others:.1f}.").format(
            who=who.format(**names), own=slow.own, others=slow.others
        ),
        advice=advice,
        evidence=_("{file}: during_time of {column}").format(
            file=evidence.file("transfers"), column=column.format(**names)
        ),
        p_value=slow.p_value,
    )


def _all_slow(evidence: Evidence, limits: Thresholds, slow: Slowdown, pulls: pl.DataFrame) -> Finding:
    """Return the finding on all pulls from some time on; `pulls` are those with a start, in order."""
    own = pulls[slow.first : slow.last]
    begin, end = own["start"][0], own.select(pl.coalesce("end", "start").max()).item()
    count = own.height
    share = evidence.share_of_requests((slow.own - slow.others) / 1000 * count)
    return Finding(
        id="pd.transfer.slow",
        severity=severity_of(share, limits),
        subject={"role": "decode"},
        window=(begin, end),
        metric=_("median KV pull time / median at other times"),
        value=slow.ratio,
        threshold=limits.pd_transfer_ratio,
        cost=_cost(slow.own - slow.others, count, share),
        message=_(
            "KV pulls of all ranks become {ratio:.1f}× slower at {time}: {own:.1f} ms on the median, "
            "{others:.1f} at other times."
        ).format(
            ratio=slow.ratio,
            time=format_time(begin, 1, date=evidence.dated),
            own=slow.own,
            others=slow.others,
        ),
        advice=_ALL_ADVICE,
        evidence=_("{file}: during_time in order of start_time").format(file=evidence.file("transfers")),
        p_value=slow.p_value,
    )


def _cost(ms: float, count: int, share: float | None) -> Cost:
    text = _("{ms:.1f} ms longer for each of its {count} requests").format(ms=ms, count=count)
    return Cost(ms, _("ms/request"), text, share, of="requests")
