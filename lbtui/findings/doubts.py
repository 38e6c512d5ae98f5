"""Latencies from one host's clock to another's, where these clocks differ: told as doubtful where shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lbtui.analysis.slo import COLUMNS
from lbtui.comparison import Comparison, Row
from lbtui.findings.clock_skew import find_clocks
from lbtui.findings.model import Finding
from lbtui.findings.run import clock_evidence
from lbtui.overview.hand_offs import HAND_OFF_LINES
from lbtui.overview.model import Figure, Line, Overview
from lbtui.profile import Profile, Progress
from lbtui.text import _, in_clauses, in_list, in_sentences, visible, with_label
from lbtui.thresholds import Thresholds

# What begins on a prefill host and ends on a decode host. A first token is answered, and a KV pull begins and
# ends, on one host.
_FIGURES = {
    ("pd", "hand_off_wait"): _("wait for the KV pull"),
    ("requests", "queue_wait"): _("queue wait"),
    ("requests", "duration"): _("duration"),
}
DOUBTFUL_COLUMNS = ("queue_wait", "time_per_output_token", "duration")  # of the requests
_ROWS = (
    *("handoff.arrival_to_kv", "handoff.received_to_end", "handoff.arrival_to_end"),
    *DOUBTFUL_COLUMNS,
    *("attainment", "goodput"),
)


def clock_doubt(findings: Sequence[Finding]) -> str:
    """Return how far clocks of hosts are apart, as a sentence on latencies across them; "" if none are."""
    apart = [_apart(finding) for finding in findings if finding.id == "data.clock.skew"]
    if not apart:
        return ""
    return _(
        "Doubtful: {apart}; what goes from a prefill to a decode host is off by as much for requests there."
    ).format(apart=in_clauses(dict.fromkeys(apart)))


def _apart(finding: Finding) -> str:
    amount = f"{finding.value / 1000:.1f} s" if finding.value >= 1000 else f"{finding.value:.0f} ms"
    who = finding.subject.get("host")
    if who is None:
        return _("clocks of prefill and decode hosts differ by {amount}").format(amount=amount)
    return _("the clock of {host} and those of the others differ by {amount}").format(
        host=visible(str(who)), amount=amount
    )


def doubt_of(
    profile: Profile,
    limits: Thresholds,
    progress: Progress | None = None,
    findings: Sequence[Finding] | None = None,
) -> str:
    """Return `clock_doubt` of a profile with hand-offs; "" of one without: nothing crosses hosts there.

    Clocks are looked at unless the profile's `findings` are there already.
    """
    if not any(profile.load(name, progress).frame.height for name in ("handoffs", "transfers")):
        return ""
    if findings is not None:
        return clock_doubt(findings)
    evidence = clock_evidence(profile, progress)
    return clock_doubt(list(find_clocks(evidence, limits)))


def with_doubt(known: Overview, findings: Sequence[Finding]) -> Overview:
    """Return the overview with the reason at each figure that the clocks found apart make doubtful."""
    disaggregated = bool(known.nodes) or any(line.key in HAND_OFF_LINES for line in known.lines)
    doubt = clock_doubt(findings) if disaggregated else ""
    if not doubt:
        return known
    slo = known.slo
    if slo is not None and any(COLUMNS[name] in DOUBTFUL_COLUMNS for name in slo.targets.limits):
        slo = replace(slo, doubt=doubt)
    return replace(known, lines=tuple(_line(line, doubt) for line in known.lines), slo=slo)


def _line(line: Line, doubt: str) -> Line:
    figures = tuple(_figure(figure, doubt) for figure in line.figures)
    doubtful = list(dict.fromkeys(_FIGURES[f.dimension, f.metric] for f in figures if f.doubt))
    if not doubtful:
        return line
    said = with_label(in_list(doubtful), doubt)
    # The headline is that of the first figure.
    marked = _("{value} ?").format(value=line.headline) if figures[0].doubt else line.headline
    return replace(line, figures=figures, details=(*line.details, said), headline=marked)


def _figure(figure: Figure, doubt: str) -> Figure:
    crosses = (figure.dimension, figure.metric) in _FIGURES
    return replace(figure, doubt=doubt) if crosses else figure


def comparable(comparison: Comparison, before: str, after: str) -> Comparison:
    """Return the comparison without verdicts on rows that clocks apart make doubtful, on either side."""
    if not before and not after:
        return comparison
    sides = ((_("before"), before), (_("after"), after))
    reason = in_sentences(*(with_label(side, doubt) for side, doubt in sides if doubt))
    return replace(comparison, rows=tuple(_row(row, reason) for row in comparison.rows))


def is_doubtful(key: str) -> bool:
    """Tell whether a compared metric goes from one host to another, by its key."""
    # Of what has one figure alone the key ends with its name.
    return any(name in _ROWS for name in (key, key.rpartition(".")[0]))


def _row(row: Row, reason: str) -> Row:
    if not is_doubtful(row.metric.key) or row.verdict == "not_comparable":
        return row
    return replace(row, verdict="not_comparable", reason=reason)
