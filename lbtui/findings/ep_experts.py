"""`ep.expert.hot`: an expert far above its layer's others that makes its rank hot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from lbtui.analysis.expert_parallel import HeatMatrix, shared_experts
from lbtui.analysis.imbalance import Floats, known_mean
from lbtui.findings.ep_gain import Gain, gain_words, gains, layer_gain_words
from lbtui.findings.ep_heat import ExpertHeat, waiting_less
from lbtui.findings.ep_ranks import subject_of
from lbtui.findings.evidence import Evidence
from lbtui.findings.model import Cost, Finding
from lbtui.text import _, in_list, in_percent
from lbtui.thresholds import Thresholds

_MAP_ERROR = 1.3 / 256  # of a picture's range: to so much its colours are read
_UNKNOWN, _SHARED = -1, -2
_FAR_ABOVE = 2.0  # × the mean slot, of all ranks' shared slots
_WARM = 0.6  # of the threshold: an expert hot somewhere counts as hot wherever it reaches that

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Hot:
    """One hot cell: an expert (or, unknown, its slot) in one layer of one period."""

    period: int  # its place among the periods
    layer: int
    column: int
    rank: int | None  # None where only the model expert's heat is known, not its slot
    expert: int | None
    ratio: float  # its load / the mean slot's of the layer
    lift: float  # what it has above that mean, in mean ranks
    outstanding: bool  # beyond the thresholds; else only warm enough to belong to one that is


@dataclass(frozen=True)
class HotExpert:
    """A finding on an expert, with the cells that it is of."""

    finding: Finding
    cells: tuple[Hot, ...]

    @property
    def share(self) -> float:
        """What it costs, as a share of expert compute."""
        return self.finding.cost.share or 0.0


def find_hot_experts(evidence: Evidence, limits: Thresholds, heat: ExpertHeat) -> list[HotExpert]:
    """Return the experts with a multiple of the mean load that lift their rank as far as FlashLB's limit.

    An expert that is hot somewhere and warm (0.6 of the threshold) in more than half of the layers is one
    finding, else each layer in which it is hot; one not hot in all periods is said with that of its peak.
    Chance plays no part: the counts are of thousands of tokens. There may be hundreds: see `ep_listed`.
    """
    groups = list(_groups(limits, heat))
    gained = gains(evidence, heat, extra_slots=1) if groups else []
    return [
        HotExpert(_finding(evidence, limits, heat, cells, layer, gained), tuple(cells))
        for cells, layer in groups
    ]


def without_experts_hot_everywhere(limits: Thresholds, heat: ExpertHeat) -> ExpertHeat:
    """Return the heat with the experts that are hot in most layers brought down to the mean slot."""
    loads = [load.copy() for load in heat.loads]
    for cells, layer in _groups(limits, heat):
        for cell in cells if layer is None else []:
            if cell.rank is not None:
                loads[cell.period][cell.layer, cell.rank] -= cell.lift
    return replace(heat, loads=tuple(loads))


def _groups(limits: Thresholds, heat: ExpertHeat) -> Iterator[tuple[list[Hot], int | None]]:
    """Yield the cells of each finding with its layer, None for an expert hot in most layers."""
    cells = [cell for i, slots in enumerate(heat.slots) for cell in _hot_cells(limits, heat, i, slots)]
    cells += _unplaced(limits, heat, cells)
    by_expert: dict[tuple[int, int], list[Hot]] = {}
    for cell in cells:
        # A slot may hold another expert in another period, so an unknown expert is one with its slot there.
        key = (cell.expert, 0) if cell.expert is not None else (_UNKNOWN - cell.column, cell.period)
        by_expert.setdefault(key, []).append(cell)
    for key in sorted(by_expert):
        group = by_expert[key]
        hot = sorted({cell.layer for cell in group if cell.outstanding})
        if hot and len({cell.layer for cell in group}) > heat.loaded / 2:
            yield group, None
        else:
            yield from (([cell for cell in group if cell.layer == layer], layer) for layer in hot)


def _hot_cells(limits: Thresholds, heat: ExpertHeat, place: int, slots: HeatMatrix) -> Iterator[Hot]:
    assert slots.shares is not None
    mean = known_mean(slots.shares, axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = slots.shares / mean
    lifts = (slots.shares - mean) * len(set(slots.ranks))
    hot = (ratios >= limits.ep_expert_ratio) & (lifts >= limits.ep_par_mild - 1)
    ids = model_experts(slots, heat.models[place])
    warm = (hot | (ratios >= _WARM * limits.ep_expert_ratio)) & (ids != _SHARED)
    for layer, column in np.argwhere(warm).tolist():
        expert = int(ids[layer, column])
        yield Hot(
            place,
            layer,
            column,
            slots.ranks[column],
            None if expert == _UNKNOWN else expert,
            float(ratios[layer, column]),
            float(lifts[layer, column]),
            outstanding=bool(hot[layer, column]),
        )


def _unplaced(limits: Thresholds, heat: ExpertHeat, cells: list[Hot]) -> Iterator[Hot]:
    """Yield where the experts that are hot somewhere are warm too, in slots that pictures do not tell."""
    known = {(cell.period, cell.layer, cell.expert) for cell in cells}
    hot = sorted({cell.expert for cell in cells if cell.outstanding and cell.expert is not None})
    for place, (slots, model) in enumerate(zip(heat.slots, heat.models, strict=False)):
        if slots.experts or model is None or model.shares is None:
            continue
        width = slots.shape[1]
        for expert in (e for e in hot if e < model.shape[1]):
            for layer, share in enumerate(model.shares[:, expert].tolist()):
                if (place, layer, expert) in known or not share * width >= _WARM * limits.ep_expert_ratio:
                    continue
                lift = (share - 1 / width) * len(set(slots.ranks))
                yield Hot(place, layer, _UNKNOWN, None, expert, share * width, lift, outstanding=False)


def model_experts(slots: HeatMatrix, model: HeatMatrix | None) -> Ids:
    """Return the model expert in each slot [layer, slot], -1 where it cannot be told, -2 for a shared one.

    From the placement if that was recorded; else, of pictures, the model expert of the same share in the
    layer where only one has it; else, if every rank's last slot looks like a shared expert, the others hold
    the routed experts in order: the placement without EPLB.
    """
    shared = shared_experts(slots, model)
    if slots.experts:
        ids = np.array([[_UNKNOWN if e is None else e for e in row] for row in slots.experts], dtype=np.int64)
        return np.where(np.isin(ids, list(shared)), _SHARED, ids)
    assert slots.shares is not None
    ranks = np.array(slots.ranks)
    last = np.append(ranks[1:] != ranks[:-1], True)
    if model is not None and model.shares is not None and model.shape[0] == slots.shape[0]:
        return np.where(last & bool(shared), _SHARED, _same_share(slots.shares, model.shares))
    if _last_is_shared(slots, last):
        routed = np.where(last, _SHARED, np.cumsum(~last) - 1)
        return np.broadcast_to(routed, slots.shape).astype(np.int64)
    return np.full(slots.shape, _UNKNOWN, dtype=np.int64)


def _same_share(slots: Floats, model: Floats) -> Ids:
    error = _MAP_ERROR * (np.nanmax(slots) + np.nanmax(model))
    ids = np.full(slots.shape, _UNKNOWN, dtype=np.int64)
    for layer, (own, of_models) in enumerate(zip(slots, model, strict=True)):
        near = np.abs(own[:, None] - of_models[None, :]) <= error
        ids[layer] = np.where(near.sum(axis=1) == 1, near.argmax(axis=1), _UNKNOWN)
    return ids


def _last_is_shared(slots: HeatMatrix, last: npt.NDArray[np.bool_]) -> bool:
    """Tell whether the ranks' last slots hold a shared expert, passed by every token of the rank.

    In every layer they carry the same load on all ranks, to the precision of the map, while first slots do
    not; or each is far above the mean in most layers, which no placement of routed experts does.
    """
    assert slots.shares is not None
    shares = slots.shares[~np.isnan(slots.shares).any(axis=1)]
    if last.sum() < 2 or not len(shares):
        return False
    error = 2 * _MAP_ERROR * float(np.nanmax(shares)) if slots.tokens is None else 1e-9
    spreads = [float(np.nanmax(np.ptp(shares[:, place], axis=1))) for place in (last, np.roll(last, 1))]
    above = np.nanmedian(shares[:, last] / known_mean(shares, axis=1, keepdims=True), axis=0)
    return spreads[0] <= error < spreads[1] or bool((above >= _FAR_ABOVE).all())


def _finding(
    evidence: Evidence,
    limits: Thresholds,
    heat: ExpertHeat,
    cells: list[Hot],
    layer: int | None,
    gained: list[Gain],
) -> Finding:
    ratio = float(np.mean([c.ratio for c in cells]))
    lift = float(np.mean([c.lift for c in cells]))
    ranks = {c.rank for c in cells}
    # In most layers an expert counts from being warm on.
    threshold = limits.ep_expert_ratio * (1.0 if layer is not None else _WARM)
    subject = subject_of(heat)
    if cells[0].expert is not None:
        subject["expert"] = cells[0].expert
    if layer is not None:
        subject["layer"] = layer
    if (period := _peak_period(heat, cells)) is not None:
        subject["period"] = period
    if len(ranks) == 1 and (rank := next(iter(ranks))) is not None:
        subject["rank"] = rank
    place = _place_words(heat, cells, layer, period)
    waste = joint_waste(heat, cells)
    critical = lift >= limits.ep_par - 1 and waste >= limits.critical_share
    return Finding(
        id="ep.expert.hot",
        severity="critical" if critical else "warning",
        subject=subject,
        metric=_("expert load / mean slot of its layer, mean where it is hot"),
        value=ratio,
        threshold=threshold,
        cost=Cost(
            waste,
            _("share of expert compute"),
            _(
                "{waste} of the ranks' expert time is waiting for it (mean over {over} of what max − "
                "mean falls by with this expert at the mean, / max); it adds {lift} of a mean rank's "
                "load where it is hot"
            ).format(waste=in_percent(waste, 2), lift=in_percent(lift), over=heat.layers),
            waste,
            of="experts",
        ),
        message=_("{who}{of_instance} gets {ratio:.1f}× its layer's mean {place}.").format(
            who=_who(cells[0]), of_instance=heat.of_instance, ratio=ratio, place=place
        ),
        advice=_(
            "Replicate this expert (redundant experts, EPLB): a second copy halves what it adds to its rank."
        ),
        what_if=gain_words(gained) if layer is None else layer_gain_words(gained, layer),
        evidence=_("{file}: {who}, {place}").format(
            file=evidence.file("expert_heat"), who=_who(cells[0]), place=place
        ),
    )


def _place_words(heat: ExpertHeat, cells: list[Hot], layer: int | None, period: int | None) -> str:
    """Return in which layers an expert is hot, and in which periods where it is not in all."""
    count = len({c.layer for c in cells})
    place = _("in {count} of {layers} layers").format(count=count, layers=heat.loaded)
    if layer is not None:
        place = _("in layer {layer}").format(layer=layer)
    if period is not None:
        places = sorted({c.period for c in cells})
        listed = in_list(str(heat.periods[each]) for each in places)
        place += _(" (EPLB period {listed} of {count})").format(listed=listed, count=len(heat.periods))
    return place


def _who(cell: Hot) -> str:
    if cell.expert is not None:
        return _("Expert {expert}").format(expert=cell.expert)
    return _("The expert in slot {slot} (which one is not recorded)").format(slot=cell.column)


def _peak_period(heat: ExpertHeat, cells: Sequence[Hot]) -> int | None:
    """Return the period in which an expert is hottest, None where it is hot in all of them."""
    if len({cell.period for cell in cells}) == len(heat.periods):
        return None
    return heat.periods[max(cells, key=lambda cell: cell.ratio).period]


def joint_waste(heat: ExpertHeat, cells: Sequence[Hot]) -> float:
    """Return which share of the ranks' expert time ends with the cells' experts at the mean slot.

    The mean over periods of what `waiting_less` says without their lifts; unknown ranks are left out.
    """
    total = 0.0
    for place, load in enumerate(heat.loads):
        without = load.copy()
        for cell in cells:
            if cell.period == place and cell.rank is not None:
                without[cell.layer, cell.rank] -= cell.lift
        total += waiting_less(load, without)
    return total / len(heat.loads)
