"""All metrics that have data at a glance: how even each is over the run, and what finding is on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from lbtui.analysis.data_parallel import METRICS, Metric, MetricKey, metric
from lbtui.findings import Finding, with_consequences
from lbtui.findings.kinds import kind_of
from lbtui.findings.words import MARKS, figure_words
from lbtui.profile import short_names
from lbtui.render import palette
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.text import padded, printable
from lbtui.text import _
from lbtui.ui.panes.dp.data import Measured

# What a metric is called beside others.
SHORT: Mapping[MetricKey, str] = {
    "batch_size": _("batch"),
    "prefill_batch_size": _("prefill"),
    "decode_batch_size": _("decode"),
    "kv_usage": _("KV"),
    "kv_free": _("KV free"),
    "duration": _("forward"),
    "bubble": _("bubble"),
    "tokens": _("tokens"),
    "waiting": _("waiting"),
    "running": _("running"),
}
_APART = " · "


@dataclass(frozen=True)
class Glanced:
    """One metric; `figure` is None until it is known, `finding` the worst that stands on it.

    `instance` is named where the figure is that of one of several.
    """

    key: MetricKey
    figure: str | None
    instance: str = ""
    finding: Finding | None = None


def glanced(key: MetricKey, measured: Measured | None, finding: Finding | None) -> Glanced:
    """Return a metric with how even its lanes are over the run, a dash where there is nothing to compare."""
    if measured is None or measured.overall is None:
        return Glanced(key, None if measured is None else "–", finding=finding)
    instance, value = measured.overall
    names = short_names(measured.instances, lettered=True)
    return Glanced(key, f"{value:.2f}", names[instance] if len(names) > 1 else "", finding)


def figure_name(each: Glanced, zoomed: bool) -> str:
    """Return what the figure is: that of the run, whatever window is drawn."""
    if metric(each.key).more_is_load:
        name = _("run's PAR") if zoomed else _("PAR")
    else:
        name = _("run's min/mean") if zoomed else _("min/mean")
    return f"{name} {each.instance}".rstrip()


def worst_findings(findings: Iterable[Finding]) -> dict[MetricKey, Finding]:
    """Return the worst warning on each metric of a domain, the worst of all first.

    `findings` come in their order, the worst first; what follows from one comes after those of its severity.
    """
    warnings = [each for each in with_consequences(findings) if each.severity != "info"]
    found: dict[MetricKey, Finding] = {}
    for finding in sorted(warnings, key=lambda each: each.severity != "critical"):
        if (key := kind_of(finding).metric) is not None:
            found.setdefault(key, finding)
    return found


def opening_metric(findings: Iterable[Finding]) -> MetricKey:
    """Return the metric that stands out: that of the worst finding, batch size without one."""
    return next(iter(worst_findings(findings)), METRICS[0].key)


def glance_row(
    glance: Sequence[Glanced], chosen: MetricKey, zoomed: bool, room: int, caps: Capabilities
) -> Row:
    """Return as many metrics as fit in `room` cells in their order, the chosen one lit and always there."""
    pieces = [_piece(each, each.key == chosen, zoomed, caps) for each in glance]
    at = next((place for place, each in enumerate(glance) if each.key == chosen), 0)
    more = printable(f"{_APART}…", caps)

    def width(first: int, last: int) -> int:
        cells = sum(map(Segment.get_line_length, pieces[first:last]))
        cut = (first > 0) + (last < len(pieces))
        return 1 + cells + (last - first - 1) * cell_len(_APART) + cut * cell_len(more)

    first, last = 0, len(pieces)
    while last > at + 1 and width(first, last) > room:
        last -= 1
    while first < at and width(first, last) > room:
        first += 1
    dim = palette.dim(caps)
    row: Row = [Segment(" ")]
    if first:
        row.append(Segment(printable(f"…{_APART}", caps), dim))
    for place in range(first, last):
        row += [*([Segment(printable(_APART, caps), dim)] if place > first else []), *pieces[place]]
    if last < len(pieces):
        row.append(Segment(more, dim))
    return row


def _piece(each: Glanced, chosen: bool, zoomed: bool, caps: Capabilities) -> Row:
    own = metric(each.key)
    if chosen:
        name = _("{metric} {figure}").format(metric=own.label, figure=figure_name(each, zoomed))
        style = palette.selected(caps)
    else:
        # Not the same figure as those of the others.
        name = SHORT[each.key] if own.more_is_load else _("{metric} min/mean").format(metric=SHORT[each.key])
        style = palette.dim(caps)
    figure = each.figure or "…"
    row: Row = [
        Segment(printable(f"{name} ", caps), style),
        Segment(printable(figure, caps), palette.strong(caps)),
    ]
    if each.finding is not None:
        severity = each.finding.severity
        row.append(Segment(printable(f" {MARKS[severity]}", caps), palette.severity(caps, severity)))
    return row


def choice_text(own: Metric, each: Glanced | None, why: str, caps: Capabilities) -> Text:
    """Return a metric among all there are: its figure and its finding, or `why` it has no data."""
    text = Text(padded(own.label, 20), style=palette.dim(caps) if each is None else palette.strong(caps))
    if each is None:
        return text.append(why, style=palette.dim(caps))
    figure = figure_name(each, False)
    text.append(f"{figure} {each.figure}" if each.figure else _("not read yet"), style=Style())
    if (finding := each.finding) is not None:
        style = palette.severity(caps, finding.severity)
        text.append(f"  {MARKS[finding.severity]} {figure_words(finding)}", style=style)
    return text
