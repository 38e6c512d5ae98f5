"""Do EPLB's tables fit the heat they meet? What moves between periods, and what tables would have done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lbtui.analysis.eplb.moving import Placed, Step, par_of_first, step_between, step_of_heat
from lbtui.analysis.expert_parallel import HeatMatrix, shared_experts
from lbtui.analysis.imbalance import Floats, known_mean
from lbtui.findings.ep_heat import ExpertHeat

# Pictures do not tell counts. A period of ten iterations of 64 tokens with 8 of 128 experts each has 40.
_FEWEST_TOKENS = 30.0


@dataclass(frozen=True)
class Tables:
    """From each period to the next, [step, layer]; see `Step`."""

    moved: Floats
    chance: Floats
    counted: Floats
    now: Floats
    fitted: Floats | None
    first: Floats | None  # PAR of each later table with the heat of the first period

    @property
    def mean_moved(self) -> float:
        """The share of routed tokens that go to other experts than in the period before, mean of all."""
        return float(known_mean(self.moved))

    @property
    def worst(self) -> int:
        """The step after which the ranks are least even."""
        return int(np.nanargmax(known_mean(self.now, axis=1)))

    @property
    def mean_now(self) -> float:
        """PAR over ranks but for what is a rank's own, mean over layers and steps."""
        return float(known_mean(self.now))

    @property
    def mean_fitted(self) -> float | None:
        """PAR over ranks with the heat of the period before; None where no placement is known."""
        return None if self.fitted is None else float(known_mean(self.fitted))

    @property
    def fit(self) -> bool | None:
        """Whether the tables suited the heat they were made of, and ranks are uneven for another reason.

        With that heat they are less than half as uneven as counted; None where no placement is known.
        """
        return self._half_as_uneven(self.fitted)

    @property
    def suit_first(self) -> bool | None:
        """The same of the heat of the first period: the tables alone would not have made ranks uneven."""
        return self._half_as_uneven(self.first)

    def _half_as_uneven(self, pars: Floats | None) -> bool | None:
        if pars is None:
            return None
        return 2 * (float(known_mean(pars)) - 1) < float(known_mean(self.counted)) - 1


def tables_of(heat: ExpertHeat) -> Tables | None:
    """Return how the tables fit, None with one period or where no model expert's heat is known."""
    if len(heat.periods) < 2 or heat.by_time:
        return None
    placed = _placed(heat)
    steps = _steps(placed, all(s.tokens is not None for s in heat.slots)) or _by_model(heat)
    if not steps or np.isnan([known_mean(step.now) for step in steps]).all():
        return None
    fitted = [step.fitted for step in steps]
    return Tables(
        np.stack([step.moved for step in steps]),
        np.stack([step.chance for step in steps]),
        np.stack([step.counted for step in steps]),
        np.stack([step.now for step in steps]),
        None if any(each is None for each in fitted) else np.stack([e for e in fitted if e is not None]),
        par_of_first(placed) if placed else None,
    )


def _placed(heat: ExpertHeat) -> list[Placed]:
    """Return the periods where the expert in each slot is recorded, else none."""
    if not heat.slots or not all(slots.experts for slots in heat.slots):
        return []
    counted = all(slots.tokens is not None for slots in heat.slots)
    return [_period(s, m, counted) for s, m in zip(heat.slots, heat.models, strict=True)]


def _steps(placed: Sequence[Placed], counted: bool) -> list[Step]:
    tokens = None if counted else _FEWEST_TOKENS
    return [step_between(before, after, tokens) for before, after in pairwise(placed)]


def _period(slots: HeatMatrix, model: HeatMatrix | None, counted: bool) -> Placed:
    shared = shared_experts(slots, model)
    experts = [[-1 if e is None or e in shared else e for e in row] for row in slots.experts]
    loads = slots.tokens if counted else slots.shares
    assert loads is not None
    return Placed(loads, np.array(experts, dtype=np.int64), np.array(slots.ranks))


def _by_model(heat: ExpertHeat) -> list[Step]:
    """Return the steps where each period's heat by model expert is known, else none."""
    models = [model for model in heat.models if model is not None and model.shares is not None]
    if len(models) < len(heat.periods) or len({model.shape for model in models}) > 1:
        return []
    shared = shared_experts(heat.slots[0] if heat.slots else None, models[0])
    kept = [expert for expert in range(models[0].shape[1]) if expert not in shared]
    counted = all(model.tokens is not None for model in models)
    heats = [m.tokens[:, kept] for m in models if m.tokens is not None] if counted else []
    heats = heats or [m.shares[:, kept] for m in models if m.shares is not None]
    tokens = None if counted else _FEWEST_TOKENS
    if heats[0].shape[0] != heat.loads[0].shape[0]:
        return []
    return [
        step_of_heat(before, after, load, tokens)
        for (before, after), load in zip(pairwise(heats), heat.loads[1:], strict=True)
    ]
