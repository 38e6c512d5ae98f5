"""What Targets says in words: what is shown, and what is under the cursor."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from lbtui.analysis.latency import Percentiles, ascending, percentiles
from lbtui.analysis.slo import FEW, Stretch
from lbtui.overview.attained import Group, kind_words
from lbtui.overview.targets import attained_words, goodput_words, interval_words, share_words, target_words
from lbtui.profile import format_window, instant
from lbtui.render.text import quantity
from lbtui.text import _, in_percent, visible
from lbtui.ui.panes.requests.columns import target_names
from lbtui.ui.panes.requests.targets.charts import ChartKey, Drawn
from lbtui.ui.panes.requests.targets.data import Distributed, Measure, TargetsData, distributed, measure_words
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
        missed = ", ".join(f"{name} {count:,}" for name, count in counts)
        parts.append(_("missed {counts}").format(counts=missed))
    return " · ".join(parts)


def _name(group: Group | None) -> str:
    return _("all requests") if group is None else f"{kind_words(group.kind)} {group.name}"


@lru_cache(maxsize=64)
def _missed(data: TargetsData, row: int) -> list[tuple[str, int]]:
    """Return how many requests of a group missed each target, those that any missed."""
    bits, counts = np.unique(
        data.of_group(data.rows[row])["missed"].drop_nulls().to_numpy(), return_counts=True
    )
    total: dict[str, int] = {}
    for bit, count in zip(bits.tolist(), counts.tolist(), strict=True):
        for name in target_names(bit):
            total[name] = total.get(name, 0) + count
    return [(name, total[name]) for name in target_names(7) if name in total]


def distribution_words(data: TargetsData, state: TargetsState, found: Drawn, value: float) -> str:
    """Return the share of the cursor's group, and of all requests, at or below a value."""
    here, all_of = _kept(data, state.row, state.measure), _kept(data, 0, state.measure)
    parts = [
        _("{measure} ≤ {value}: {share}").format(
            measure=measure_words(state.measure), value=quantity(value, "ms"), share=_share(here, value)
        )
    ]
    if state.row:
        parts.append(_share(all_of, value))
    return " · ".join([*parts, _percentiles(data, state)])


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


@lru_cache(maxsize=32)
def _kept(data: TargetsData, row: int, measure: Measure) -> Distributed:
    return distributed(data, data.rows[row], measure)


def _percentiles(data: TargetsData, state: TargetsState) -> str:
    """Return percentiles of the cursor's group."""
    found = _quantiles(data, state.row, state.measure)
    if not found.count:
        return _("{measure} of none is known").format(measure=measure_words(state.measure))
    figures = (("p50", found.p50), ("p95", found.p95), (_("max"), found.max))
    return "  ".join(f"{name} {quantity(value, 'ms')}" for name, value in figures)


@lru_cache(maxsize=32)
def _quantiles(data: TargetsData, row: int, measure: Measure) -> Percentiles:
    values = data.of_group(data.rows[row])[measure]
    known = ascending(values)
    return percentiles(known, len(values) - len(known))


def scatter_words(data: TargetsData, state: TargetsState, found: Drawn) -> str:
    """Return what the requests of the class under the cursor took and attained."""
    name, attained, *others = group_words(data, state.row).split(" · ")
    parts = [name, attained, _percentiles(data, state), *others]
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
