"""A finding in a few words, the same on screen, in text and in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from lbtui.findings.kinds import kind_of
from lbtui.findings.model import Cost, Dimension, Finding, Severity, ShareOf
from lbtui.findings.subject import ranges
from lbtui.profile import ZONE_NAME, format_window, micros, short_names
from lbtui.render.text import fixed, number
from lbtui.text import _, visible

MARKS: Mapping[Severity, str] = {"critical": "!!", "warning": "!", "info": "·"}
DIMENSIONS: Mapping[Dimension, str] = {"dp": "DP", "kv": "KV", "pd": "P/D", "ep": "EP", "data": "data"}

# Costs as shares, by whose time they are a share of.
_SHARES: Mapping[ShareOf, str] = {
    "steps": _("{percent} of steps' time"),
    "domains": _("{percent} of domains' time"),
    "experts": _("{percent} of expert time"),
    "requests": _("{percent} of requests' time"),
}
_ENDS_LAST = _("ends {percent} of a step late")
_EXPECTED_POOL = _("{percent} of the pool expected")
_POOL = _("{percent} of its peers' pool")


def is_imbalance(finding: Finding) -> bool:
    """Tell whether a finding is of the load and not of the data."""
    return finding.dimension != "data"


def is_said_elsewhere(finding: Finding) -> bool:
    """Tell whether the profile's own list of what is missing, or its notes, hold the same sentence."""
    return finding.id in ("data.missing", "data.running.rebuilt")


def is_even(findings: Iterable[Finding]) -> bool:
    """Tell whether nothing is unbalanced: no warning of any dimension but the data's."""
    return not any(is_imbalance(f) and f.severity != "info" for f in findings)


def even_title(judged: bool) -> str:
    """Return what stands where nothing is unbalanced; without any figure nothing was judged."""
    return _("no imbalance found") if judged else _("nothing here that imbalance could be judged by")


def short_hosts(hosts: Sequence[str]) -> dict[str, str]:
    """Return a short name of each host: of what tells it apart, but at least its last two `-` parts."""
    return {
        host: max(short, _last_two(host), key=len) if host.endswith(short) else short
        for host, short in short_names(hosts).items()
    }


def _last_two(host: str) -> str:
    return host[host.rfind("-", 0, max(host.rfind("-"), 0)) + 1 :]


def subject_words(finding: Finding, hosts: Mapping[str, str], *, brief: bool = False) -> str:
    """Return who it is, the most telling first; `hosts` are the hosts' short names.

    `brief` leaves out the role of whom a host or an address tells.
    """
    subject = finding.subject
    parts = []
    for key, words in (
        ("address", "{}"),
        ("dp_rank", "dp{}"),
        ("pid", _("pid {}")),
        ("prof_id", _("card {}")),
        ("expert", _("expert {}")),
        ("layer", _("layer {}")),
        ("rank", _("rank {}")),
        ("source", _("from {}")),
        ("period", _("period {}")),
    ):
        if key in subject:
            parts.append(words.format(subject[key]))
    for key, name in (("dp_ranks", "dp{}"), ("pids", _("pid {}"))):
        several = subject.get(key)
        if isinstance(several, tuple):
            parts.append(ranges([name.format(each) for each in several]))
    if "host" in subject:
        host = str(subject["host"])
        parts.append(hosts.get(host, host))
    if "role" in subject and not (brief and parts):
        parts.append(str(subject["role"]))
    if not parts and "instance" in subject:
        parts.append(str(subject["instance"]))
    return visible(" ".join(parts))


def figure_words(finding: Finding) -> str:
    """Return the finding's value in a few words."""
    kind, against = kind_of(finding), finding.over_expected
    words = (kind.over_expected if against else "") or kind.figure
    if finding.id == "kv.skew" and finding.window is None and finding.value < 1:
        words = _EXPECTED_POOL if against else _POOL
    if finding.id == "dp.straggler" and finding.value < 1:
        words = _ENDS_LAST
    if not words:
        return f"{number(finding.value)} {finding.metric}"
    value = finding.value
    return words.format(
        value=_value(value),
        percent=percent(value),
        count=number(value),
        expected=_value(finding.expected or 1.0),
    )


def _value(value: float) -> str:
    return f"{value:.2f}" if 0.1 <= abs(value) < 10 else number(value)


def percent(share: float) -> str:
    """Return a share in percent, a decimal below ten."""
    return f"{fixed(100 * share, 1 if share < 0.1 else 0)} %"


def formula_words(finding: Finding) -> str:
    """Return the metric with its number, its threshold, and what chance has to do with it."""
    said = _("{metric} = {value}, threshold {threshold}").format(
        metric=finding.metric, value=_value(finding.value), threshold=f"{finding.threshold:.4g}"
    )
    return " · ".join(part for part in (said, chance_words(finding.p_value)) if part)


def chance_words(p_value: float | None) -> str:
    """Return the p-value in words, empty where chance plays no part."""
    if p_value is None:
        return ""
    if p_value < 1e-6:
        return _("chance alone does this less than once in a million such runs")
    return _("chance alone does this at most once in {runs} such runs (p = {p})").format(
        runs=number(max(1, int(1 / p_value))), p=f"{p_value:.2g}"
    )


def cost_words(finding: Finding) -> str:
    """Return the cost in a few words: its share of the time, then the amount with its unit."""
    cost = finding.cost
    if cost.value is None and cost.share is None:
        return _("cost unknown") if is_imbalance(finding) else ""
    return " · ".join(part for part in (share_words(cost), amount_words(cost)) if part)


def share_words(cost: Cost) -> str:
    """Return the cost in the currency that orders findings, with what it is a share of; empty for none."""
    if cost.share is None:
        return ""
    return _SHARES[cost.of].format(percent=percent(cost.share))


def explained(finding: Finding, *, date: bool) -> list[tuple[str, str]]:
    """Return what stands under a finding's message, what to do before how it is known: labels and texts."""
    known = finding.cost.value is not None
    return [
        *([(_("note"), finding.note)] if finding.note else []),
        (_("cost"), cost_words(finding) if known else finding.cost.text),
        (_("try"), finding.advice),
        *([(_("requests hurt"), hurt_words(finding.hurt, finding.hurt_beyond))] if finding.hurt else []),
        *([(_("what-if"), finding.what_if)] if finding.what_if else []),
        (_("metric"), formula_words(finding)),
        *([(_("cost from"), finding.cost.text)] if known else []),
        (_("when"), window_sentence(finding, date=date)),
        (_("evidence"), finding.evidence),
        (_("id"), finding.id),
    ]


def hurt_words(hurt: int, beyond: int) -> str:
    """Return how many requests a finding hurts."""
    return _("{hurt}, {beyond} of them beyond target").format(hurt=f"{hurt:,}", beyond=f"{beyond:,}")


def amount_words(cost: Cost) -> str:
    """Return the amount with its unit; empty for none, and for what is nothing but the share."""
    if cost.value is None or cost.of == "experts":
        return ""
    return f"{number(cost.value)} {cost.unit}"


def window_words(finding: Finding, *, date: bool, decimals: int = 0) -> str:
    """Return when it is, wall clock of the files' zone; `date` where the profile spans several days."""
    if finding.window is None:
        return _("whole run")
    begin, end = finding.window
    # A stretch of a second or two needs the decimal to have a length.
    if (end - begin).total_seconds() < 3:
        decimals = max(decimals, 1)
    return format_window(begin, end, decimals, date=date)


def window_sentence(finding: Finding, *, date: bool) -> str:
    """Return when it is, with its length and the zone's name; `date` where the profile spans several days."""
    if finding.window is None:
        return _("the whole run")
    begin, end = finding.window
    return _("{window} {zone}, {seconds:.3g} s").format(
        window=window_words(finding, date=date, decimals=1),
        zone=ZONE_NAME,
        seconds=(end - begin).total_seconds(),
    )


def middle(finding: Finding) -> int | None:
    """Return the instant in the middle of the finding's window, µs since 1970 (UTC)."""
    if finding.window is None:
        return None
    begin, end = finding.window
    return (micros(begin) + micros(end)) // 2


def consequence_words(finding: Finding, hosts: Mapping[str, str]) -> str:
    """Return a consequence in one line: mark, dimension, what, by how much."""
    return (
        f"{MARKS[finding.severity]} {finding.id} · {subject_words(finding, hosts)} · {figure_words(finding)}"
    )
