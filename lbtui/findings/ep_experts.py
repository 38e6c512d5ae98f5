"""`ep.expert.hot`: an expert far above its layer's others that makes its rank hot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lbtui.analysis.expert_parallel import HeatMatrix
from lbtui.analysis.imbalance import Floats
from lbtui.findings.ep_heat import ExpertHeat, waiting_for
from lbtui.findings.ep_ranks import subject_of
from lbtui.findings.evidence import Evidence
from lbtui.findings.model import Cost, Finding
from lbtui.findings.thresholds import Thresholds
from lbtui.text import _, visible

_MAP_ERROR = 1.3 / 256  # of a picture's range: to so much its colours are read
_UNKNOWN = -1
_WARM = 0.6  # of the threshold: an expert hot somewhere counts as hot wherever it reaches that

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Hot:
    """One hot cell: an expert (or, unknown, its slot) in one layer of one period."""

    period: int  # its place among the periods
    layer: int
    column: int
    rank: int
    expert: int | None
    ratio: float  # its load / the mean slot's of the layer
    lift: float  # what it has above that mean, in mean ranks
    outstanding: bool  # beyond the thresholds; else only warm enough to belong to one that is


def find_hot_experts(evidence: Evidence, limits: Thresholds, heat: ExpertHeat) -> Iterator[Finding]:
    """Yield the experts with a multiple of the mean load that lift their rank as far as FlashLB's limit.

    An expert that is hot somewhere and warm (0.6 of the threshold) in more than half of the layers is one
    finding, else each layer in which it is hot. Chance plays no part: the counts are of thousands of tokens.
    """
    cells = [cell for i, slots in enumerate(heat.slots) for cell in _hot_cells(limits, heat, i, slots)]
    by_expert: dict[tuple[int, int], list[_Hot]] = {}
    for cell in cells:
        # A slot may hold another expert in another period, so an unknown expert is one with its slot there.
        key = (cell.expert, 0) if cell.expert is not None else (_UNKNOWN - cell.column, cell.period)
        by_expert.setdefault(key, []).append(cell)
    layers = len(heat.mean_load)
    for key in sorted(by_expert):
        group = by_expert[key]
        hot = sorted({cell.layer for cell in group if cell.outstanding})
        warm = {cell.layer for cell in group}
        if hot and len(warm) > layers / 2:
            yield _finding(evidence, limits, heat, group, None, len(warm))
        else:
            for layer in hot:
                yield _finding(evidence, limits, heat, [c for c in group if c.layer == layer], layer, 1)


def _hot_cells(limits: Thresholds, heat: ExpertHeat, place: int, slots: HeatMatrix) -> Iterator[_Hot]:
    assert slots.shares is not None
    mean = np.nanmean(slots.shares, axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = slots.shares / mean
    lifts = (slots.shares - mean) * len(set(slots.ranks))
    hot = (ratios >= limits.ep_expert_ratio) & (lifts >= limits.ep_par_mild - 1)
    warm = hot | (ratios >= _WARM * limits.ep_expert_ratio)
    ids = model_experts(slots, heat.models[place])
    for layer, column in np.argwhere(warm).tolist():
        expert = int(ids[layer, column])
        yield _Hot(
            place,
            layer,
            column,
            slots.ranks[column],
            None if expert == _UNKNOWN else expert,
            float(ratios[layer, column]),
            float(lifts[layer, column]),
            bool(hot[layer, column]),
        )


def model_experts(slots: HeatMatrix, model: HeatMatrix | None) -> Ids:
    """Return the model expert in each slot [layer, slot], -1 where it cannot be told.

    From the placement if that was recorded; else, of pictures, the model expert of the same share in the
    layer where only one has it; else, if every rank's last slot has the same load in each layer and others
    do not, these hold the shared expert and the rest the routed experts in order: the placement without
    EPLB.
    """
    if slots.experts:
        return np.array(
            [[_UNKNOWN if e is None else e for e in row] for row in slots.experts], dtype=np.int64
        )
    assert slots.shares is not None
    if model is not None and model.shares is not None and model.shape[0] == slots.shape[0]:
        return _same_share(slots.shares, model.shares)
    if _last_is_shared(slots.shares, slots.ranks):
        ranks = np.array(slots.ranks)
        last = np.append(ranks[1:] != ranks[:-1], True)
        ids = np.where(last, _UNKNOWN, np.cumsum(~last) - 1)
        return np.broadcast_to(ids, slots.shape).astype(np.int64)
    return np.full(slots.shape, _UNKNOWN, dtype=np.int64)


def _same_share(slots: Floats, model: Floats) -> Ids:
    error = _MAP_ERROR * (np.nanmax(slots) + np.nanmax(model))
    ids = np.full(slots.shape, _UNKNOWN, dtype=np.int64)
    for layer, (own, of_models) in enumerate(zip(slots, model, strict=True)):
        near = np.abs(own[:, None] - of_models[None, :]) <= error
        ids[layer] = np.where(near.sum(axis=1) == 1, near.argmax(axis=1), _UNKNOWN)
    return ids


def _last_is_shared(shares: Floats, ranks: Sequence[int]) -> bool:
    """Tell whether the ranks' last slots, and not their first ones, carry the same load in every layer."""
    array = np.array(ranks)
    last = np.flatnonzero(np.append(array[1:] != array[:-1], True))
    first = np.flatnonzero(np.append(True, array[1:] != array[:-1]))
    error = 2 * _MAP_ERROR * float(np.nanmax(shares))
    alike = [float(np.nanmax(np.ptp(shares[:, columns], axis=1))) <= error for columns in (last, first)]
    return len(last) > 1 and alike == [True, False]


def _finding(
    evidence: Evidence,
    limits: Thresholds,
    heat: ExpertHeat,
    cells: list[_Hot],
    layer: int | None,
    count: int,
) -> Finding:
    layers = len(heat.mean_load)
    ratio = float(np.mean([c.ratio for c in cells]))
    lift = float(np.mean([c.lift for c in cells]))
    ranks = {c.rank for c in cells}
    subject = subject_of(heat)
    if cells[0].expert is not None:
        subject["expert"] = cells[0].expert
    if layer is not None:
        subject["layer"] = layer
    if len(ranks) == 1:
        subject["rank"] = next(iter(ranks))
    place = _("in {count} of {layers} layers").format(count=count, layers=layers)
    if layer is not None:
        place = _("in layer {layer}").format(layer=layer)
    waste = _waste(heat, cells)
    return Finding(
        id="ep.expert.hot",
        dimension="ep",
        severity="critical" if lift >= limits.ep_par - 1 else "warning",
        subject=subject,
        window=None,
        metric=_("expert load / mean slot of its layer, mean where it is hot"),
        value=ratio,
        threshold=limits.ep_expert_ratio,
        cost=Cost(
            waste,
            "share of expert compute",
            _(
                "{waste:.2%} of the ranks' expert time is waiting for it (mean over all layers of 1 − "
                "mean/max, less the same with this expert at the mean); it adds {lift:.0%} of a mean "
                "rank's load where it is hot"
            ).format(waste=waste, lift=lift),
        ),
        message=_("{who} of {instance} gets {ratio:.1f}× its layer's mean {place}.").format(
            who=_who(cells[0]), instance=visible(heat.instance), ratio=ratio, place=place
        ),
        advice=_(
            "Replicate this expert (redundant experts, EPLB): a second copy halves what it adds to its rank."
        ),
        evidence=_("{file}: {who}, {place}").format(
            file=evidence.file("expert_heat"), who=_who(cells[0]), place=place
        ),
        excess=ratio / limits.ep_expert_ratio,
    )


def _who(cell: _Hot) -> str:
    if cell.expert is not None:
        return _("Expert {expert}").format(expert=cell.expert)
    return _("The expert in slot {slot} (which one is not recorded)").format(slot=cell.column)


def _waste(heat: ExpertHeat, cells: list[_Hot]) -> float:
    """Return the mean over periods of what `waiting_for` says of the expert's lift on its rank."""
    total = 0.0
    for place, load in enumerate(heat.loads):
        for rank in {c.rank for c in cells if c.period == place}:
            excess = np.zeros(len(load))
            for cell in cells:
                if cell.period == place and cell.rank == rank:
                    excess[cell.layer] += cell.lift
            total += waiting_for(load, rank, excess)
    return total / len(heat.loads)
