"""What Targets says in words: what is shown, and what is under the cursor."""

from __future__ import annotations

import math

from lbtui.analysis.slo import FEW, Stretch
from lbtui.overview.attained import Group, kind_words
from lbtui.overview.targets import attained_words, goodput_words, interval_words, share_words, target_words
from lbtui.profile import format_window, instant
from lbtui.render.text import quantity
from lbtui.text import _, in_list, in_percent, visible
from lbtui.ui.panes.requests.columns import target_names
from lbtui.ui.panes.requests.targets.charts import ChartKey, Drawn
from lbtui.ui.panes.requests.targets.data import Distributed, TargetsData, measure_words
from lbtui.ui.panes.requests.targets.state import TargetsState, kind_of


def state_words(data: TargetsData, state: TargetsState, key: ChartKey | None = None) -> str:
    """Return what is shown, of which requests."""
    parts = [target_words(data.slo.targets)]
    if state.view == "cdf":
        kind = kind_of(data, state)
        by = _("all requests") if kind is None else _("by {kind}").format(kind=kind_words(kind))
        parts.insert(
            0, _("distribution of {measure}, {by}").format(measure=measure_words(state.measure), by=by)
        )
        count = 0 if kind is None else len(data.slo.of(kind))
        if key is not None and count > len(key.rows):
            shown = _("{shown} of {count}: those that met least, and the cursor's")
            parts.append(shown.format(shown=len(key.rows), count=count))
    elif state.view == "scatter":
        parts.insert(0, _("{measure} over input tokens").format(measure=measure_words(state.measure)))
    parts.append(data.of or _("{count} requests").format(count=f"{data.table.height:,}"))
    if data.requests.doubt:
        parts.append(data.requests.doubt)
    return visible(" · ".join(parts))


def run_words(data: TargetsData) -> str:
    """Return what all requests attained."""
    return attained_words(data.slo.run)


def group_words(data: TargetsData, row: int) -> str:
    """Return what the group of a row attained, and which targets were missed how often."""
    group = data.rows[row]
    found = data.slo.run if group is None else group.attained
    parts = [_name(group), attained_words(found)]
    if found.judged >= FEW:
        # Of few it stands behind the share.
        parts.append(_("95 % interval {interval}").format(interval=interval_words(found)))
    if counts := _missed(data, row):
        missed = in_list(f"{name} {count:,}" for name, count in counts)
        parts.append(_("missed {counts}").format(counts=missed))
    return " · ".join(parts)


def _name(group: Group | None) -> str:
    return _("all requests") if group is None else f"{kind_words(group.kind)} {group.name}"


def _missed(data: TargetsData, row: int) -> list[tuple[str, int]]:
    """Return how many requests of a group missed each target, those that any missed."""
    group = data.rows[row]
    total: dict[str, int] = {}
    for bits, count in data.missed.get(None if group is None else (group.kind, group.key), {}).items():
        for name in target_names(bits):
            total[name] = total.get(name, 0) + count
    return [(name, total[name]) for name in target_names(7) if name in total]


def distribution_words(state: TargetsState, found: Drawn, value: float) -> str:
    """Return the share of the cursor's group, and of all requests, at or below a value."""
    here = found.of_rows[state.row]
    parts = [
        _("{measure} ≤ {value}: {share}").format(
            measure=measure_words(state.measure), value=quantity(value, "ms"), share=_share(here, value)
        )
    ]
    if state.row:
        parts.append(_share(found.of_rows[0], value))
    return " · ".join([*parts, _percentiles(here, state)])


def _share(found: Distributed, value: float) -> str:
    share = found.share(value)
    if math.isnan(share):
        return _("{name}: none known").format(name=found.name)
    return _("{share} of {name} ({count} of {total})").format(
        share=in_percent(share, 1),
        name=found.name,
        count=f"{round(share * found.count):,}",
        total=f"{found.count:,}",
    )


def _percentiles(found: Distributed, state: TargetsState) -> str:
    """Return percentiles of a group."""
    own = found.figures
    if not own.count:
        return _("{measure} of none is known").format(measure=measure_words(state.measure))
    figures = (("p50", own.p50), ("p95", own.p95), (_("max"), own.max))
    return "  ".join(f"{name} {quantity(value, 'ms')}" for name, value in figures)


def scatter_words(data: TargetsData, state: TargetsState, found: Drawn) -> str:
    """Return what the requests of the class under the cursor took and attained."""
    name, attained, *others = group_words(data, state.row).split(" · ")
    here = found.of_rows.get(state.row)
    parts = [name, attained, *([] if here is None else [_percentiles(here, state)]), *others]
    if found.left_out:
        parts.append(_("{count} without length or time not drawn").format(count=f"{found.left_out:,}"))
    return " · ".join(parts)


def stretch_words(one: Stretch, *, date: bool) -> str:
    """Return what the requests attained that ended in a stretch of time."""
    decimals = 0 if (one.end - one.begin) % 1_000_000 == 0 else 3
    when = format_window(instant(one.begin), instant(one.end), decimals, date=date)
    if not one.attained.judged:
        return _("{when}: no request ended").format(when=when)
    return _("{when}: {share} of those that ended met ({met} of {judged}), goodput {goodput}").format(
        when=when,
        share=share_words(one.attained),
        met=f"{one.attained.met:,}",
        judged=f"{one.attained.judged:,}",
        goodput=goodput_words(one.attained),
    )
