"""What the EP pane knows of single iterations: the series, its figures, what stays hot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from lbtui.analysis.eplb.over_time import Columns, OverTime, in_columns, over_time
from lbtui.analysis.eplb.persistence import Persistence, Together, co_hot, persistence
from lbtui.analysis.eplb.recorded import shared_ids
from lbtui.profile import ExpertSeries

_WIDEST = 16


@dataclass(frozen=True, eq=False)
class EpOver:
    """The iterations of one instance, of one phase where phases are told apart."""

    series: ExpertSeries
    figures: OverTime
    hot: tuple[Persistence, ...]  # by EPLB period
    rank_ratio: float  # a rank is hot from this × its layer's mean in an iteration
    expert_ratio: float  # an expert or slot is

    def period_of(self, iteration: int) -> int:
        """Return the EPLB period of an iteration."""
        return int(self.series.period[iteration])

    def place_of(self, slot: bool, column: int) -> int | None:
        """Return the series' column of a rank's (or a slot's) column in the maps; None if it has none."""
        each = self.series.slots_per_rank if slot else 1
        rank, rest = divmod(column, each)
        return self.series.ranks.index(rank) * each + rest if rank in self.series.ranks else None


def ep_over(series: ExpertSeries, rank_ratio: float, expert_ratio: float) -> EpOver:
    """Return what is shown of a series."""
    shared = sorted(shared_ids([series]))
    hot = tuple(
        persistence(series, period, rank_ratio=rank_ratio, expert_ratio=expert_ratio, shared=shared)
        for period in range(len(series.placements))
    )
    return EpOver(series, over_time(series), hot, rank_ratio, expert_ratio)


@lru_cache(maxsize=8)
def columns(over: EpOver, width: int) -> Columns:
    """Return the iterations in at most `width` columns."""
    return in_columns(over.figures, width)


def cell_width(shown: Columns, width: int) -> int:
    """Return how many characters a column has where there are fewer columns than `width`."""
    return max(1, min(_WIDEST, width // max(1, len(shown.mean))))


@lru_cache(maxsize=64)
def together(over: EpOver, period: int, layer: int, slots: range) -> Sequence[Together]:
    """Return the pairs of slots of a rank that are hot in the same iterations of a period."""
    return co_hot(over.series, period, layer, slots, over.expert_ratio)
