"""A finding in a few words, the same on screen, in text and in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from lbtui.findings.kinds import kind_of
from lbtui.findings.model import EXPECTED_SHARE, Dimension, Finding, Severity
from lbtui.findings.subject import ranges
from lbtui.profile import ZONE_NAME, format_window, micros, short_names
from lbtui.render.text import fixed, number
from lbtui.text import _, visible

MARKS: Mapping[Severity, str] = {"critical": "!!", "warning": "!", "info": "·"}
DIMENSIONS: Mapping[Dimension, str] = {"dp": "DP", "kv": "KV", "pd": "P/D", "ep": "EP", "data": "data"}

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
    """Return a short name of each host: what all begin with is left out, but for the last two `-` parts."""
    short = short_names(hosts)
    two = {host: host.rfind("-", 0, max(host.rfind("-"), 0)) + 1 for host in hosts}
    return {host: host[min(len(host) - len(short[host]), two[host]) :] for host in hosts}


def subject_words(finding: Finding, hosts: Mapping[str, str]) -> str:
    """Return who it is, the most telling first; `hosts` are the hosts' short names."""
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
    if "role" in subject:
        parts.append(str(subject["role"]))
    if not parts and "instance" in subject:
        parts.append(str(subject["instance"]))
    return visible(" ".join(parts))


def figure_words(finding: Finding) -> str:
    """Return the finding's value in a few words."""
    kind, against = kind_of(finding), finding.metric.endswith(EXPECTED_SHARE)
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
    """Return the cost in two or three words."""
    cost = finding.cost
    if cost.value is None:
        return _("cost unknown") if is_imbalance(finding) else ""
    if cost.unit.startswith("share of "):
        return f"{percent(cost.value)} {cost.unit.removeprefix('share ')}"
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
