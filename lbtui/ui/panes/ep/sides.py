"""The EP pane's two profiles: one colour scale for both, and their difference cell by cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from lbtui.analysis.expert_parallel import (
    HeatScale,
    column_means,
    heat_scale,
    worst_layers,
)
from lbtui.analysis.imbalance import Floats
from lbtui.profile.pairing import matched
from lbtui.text import _
from lbtui.ui.kit.selection import Side
from lbtui.ui.kit.sides import left_out_words
from lbtui.ui.panes.ep.data import VIEWS, EpData, EpMap, RankLoad, ViewName


def sides(after: EpData, before: EpData | None) -> dict[Side, EpData]:
    """Return what is drawn of each side; after alone without a baseline."""
    if before is None:
        return {"after": after}
    before = _renamed(before, after)
    common = _common_scales(after, before)
    return {
        "after": replace(after, side="after", common=common),
        "before": replace(before, side="before", common=common, periods=_all_periods(after, before)),
        "difference": _difference(after, before),
    }


def names_after(before: Mapping[str, object], after: Mapping[str, object]) -> dict[str, str]:
    """Return what instances of before are called in after, of those that the comparison pairs."""
    return {b: a for b, a in matched(before, after) if b is not None and a is not None}


def _renamed(before: EpData, after: EpData) -> EpData:
    """Return before with its instances called as after's that the comparison pairs them with."""
    names = names_after(before.periods, after.periods)
    return replace(
        before,
        periods={names.get(i, i): periods for i, periods in before.periods.items()},
        maps={(names.get(i, i), view, period): m for (i, view, period), m in before.maps.items()},
        common={(names.get(i, i), view): scale for (i, view), scale in before.common.items()},
        loads={(names.get(i, i), period): load for (i, period), load in before.loads.items()},
    )


def _all_periods(after: EpData, before: EpData) -> dict[str, tuple[int, ...]]:
    """Return the periods of both, so that `[` and `]` reach the same ones on every side."""
    return {
        instance: tuple(sorted({*after.periods.get(instance, ()), *before.periods.get(instance, ())}))
        for instance in (*after.periods, *(i for i in before.periods if i not in after.periods))
    }


def _common_scales(after: EpData, before: EpData) -> dict[tuple[str, ViewName], HeatScale]:
    """Return the scales over all periods of both profiles: from the lower low to the higher high."""
    scales = {**before.common, **after.common}
    for key in scales:
        if key in after.common and key in before.common:
            a, b = after.common[key], before.common[key]
            high = max(a.high, b.high)
            scales[key] = HeatScale(
                min(a.low, b.low), high, clipped=any(s.clipped and s.high == high for s in (a, b))
            )
    return scales


def _difference(after: EpData, before: EpData) -> EpData:
    maps: dict[tuple[str, ViewName, int], EpMap] = {}
    for key, found in after.maps.items():
        other = before.maps.get(key)
        # Relative heat is each picture's own range: a difference of two says nothing.
        if other is not None and found.kind == other.kind == "multiple":
            maps[key] = _minus(found, other)
    common = {
        (instance, view): _reach(same)
        for instance in after.periods
        for view in VIEWS
        if (same := [m for (i, v, _p), m in maps.items() if (i, v) == (instance, view)])
    }
    times = None
    if after.times is not None and before.times is not None:
        times = _minus(after.times, before.times)
    return replace(
        after,
        periods=_all_periods(after, before),
        maps=maps,
        common=common,
        loads={
            key: _load_minus(load, before.loads[key])
            for key, load in after.loads.items()
            if key in before.loads
        },
        times=times,
        intervals=(),
        side="difference",
        left_out=_left_out(after, before),
    )


def _minus(after: EpMap, before: EpMap) -> EpMap:
    """Return after − before of the layers and columns that both have."""
    layers, columns = (min(a, b) for a, b in zip(after.shape, before.shape, strict=True))
    values: Floats = after.values[:layers, :columns] - before.values[:layers, :columns]
    shared = frozenset(column for column in after.shared | before.shared if column < columns)
    drawn = replace(
        after,
        values=values,
        multiples=None,
        shares=None,
        tokens=None,
        ranks=after.ranks[:columns],
        experts=tuple(row[:columns] for row in after.experts[:layers]),
        boundaries=tuple(first for first in after.boundaries if first < columns),
        shared=shared,
        means=column_means(values),
        pair=(before, after),
    )
    return replace(drawn, scale=_reach([drawn]))


def _reach(maps: Sequence[EpMap]) -> HeatScale:
    """Return a scale from −h to h, h being where `heat_scale` ends for the differences' sizes."""
    sizes = heat_scale([np.delete(m.heat, sorted(m.shared), axis=1) for m in maps])
    return HeatScale(-sizes.high, sizes.high, sizes.clipped)


def _load_minus(after: RankLoad, before: RankLoad) -> RankLoad:
    layers = min(len(after.par), len(before.par))
    ranks = tuple(rank for rank in after.ranks if rank in before.ranks)
    own, other = ([load.ranks.index(rank) for rank in ranks] for load in (after, before))
    pars: Floats = after.par[:layers] - before.par[:layers]
    return RankLoad(
        after.multiples[:layers, own] - before.multiples[:layers, other],
        ranks,
        pars,
        tuple(worst_layers(pars)),
        (before, after),
    )


def _left_out(after: EpData, before: EpData) -> str:
    names = [_parts(own, other) for own, other in ((after, before), (before, after))]
    return left_out_words(*names)


def _parts(own: EpData, other: EpData) -> list[str]:
    """Return what of a profile the other has not: instances, periods, layers, columns."""
    found = [i for i in own.periods if i not in other.periods]
    for instance, periods in own.periods.items():
        if instance in other.periods:
            missing = [str(period) for period in periods if period not in other.periods[instance]]
            found += [_("period {period}").format(period=period) for period in missing]
    names: Mapping[ViewName, str] = {
        "rank": _("ranks {first}–{last}"),
        "expert": _("slots {first}–{last}"),
        "model_expert": _("experts {first}–{last}"),
    }
    for view, text in names.items():
        pairs = [
            (m.shape, other.maps[key].shape)
            for key, m in own.maps.items()
            if key[1] == view and key in other.maps
        ]
        for axis, words in ((1, text), (0, _("layers {first}–{last}"))):
            ends = {(theirs[axis], ours[axis]) for ours, theirs in pairs if ours[axis] > theirs[axis]}
            found += [words.format(first=first, last=last - 1) for first, last in sorted(ends)]
    return list(dict.fromkeys(found))
