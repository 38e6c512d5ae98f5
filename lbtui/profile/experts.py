"""Expert heat over time: the tokens of every slot, iteration by iteration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from lbtui.profile.note import Note

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    # int32 where every number fits, else int64: sum with dtype=np.int64.
    Tokens: TypeAlias = NDArray[np.signedinteger[Any]]

ExpertPhase: TypeAlias = Literal["prefill", "decode"]
UNPLACED = -1  # in `ExpertSeries.placements`: a slot whose model expert is unknown
EMPTY = -2  # in a placement: a slot that holds nothing, or that its rank does not have


@dataclass(frozen=True)
class ExpertSeries:
    """The token counts of one instance (and phase, where told apart), one row per iteration.

    An iteration is what passed between two readings of the counters; readings of the ranks are matched by
    their ordinal within an EPLB period. Only iterations that every one of `ranks` read are here: nothing
    is filled in, and the notes of `expert_heat` tell what was left out.

    `tokens[iteration, layer, place × slots_per_rank + slot]`: tokens of that iteration alone, `place` being
    the rank's place in `ranks`. `period[iteration]`: its EPLB period, from 0, rising. `time[iteration]`:
    when it was read (UTC, µs), None where the source has no times. `placements[period]`: [layer, column of
    `tokens`] -> model expert, `UNPLACED` where no routing table names the slot (upstream's parser counts
    such a slot to the last model expert); None where the period has no usable table. `experts`: how many
    model experts the tables name, 0 without any. `passes`: forward passes that one iteration stands for,
    None where unknown.
    """

    instance: str
    phase: ExpertPhase | None
    ranks: tuple[int, ...]  # ascending
    slots_per_rank: int
    tokens: Tokens
    period: NDArray[np.int32]
    time: NDArray[np.datetime64] | None
    placements: tuple[NDArray[np.int32] | None, ...]
    experts: int = 0
    passes: int | None = None


@dataclass(frozen=True)
class PlacementFile:
    """A placement from a file: `experts` is [layer, device, slot] -> model expert.

    `UNPLACED` stands after the last slot of a device that has fewer than others, and where a slot is empty.
    Without `has_ranks` the file tells slots only, as if one device had all of a layer. `named`: so many
    experts there are at least, by what else the file says. `notes` are on what was taken of it.
    """

    file: str
    experts: NDArray[np.int32]
    has_ranks: bool = True
    named: int = 0
    notes: tuple[Note, ...] = ()

    @property
    def count(self) -> int:
        """How many model experts there are, as far as the file tells: the highest id + 1, or more."""
        return max(self.named, int(self.experts.max(initial=UNPLACED)) + 1)

    def over(self, ranks: int) -> NDArray[np.int32] | None:
        """Return the placement [layer, rank, slot] over so many ranks, None if it is of another number."""
        layers, devices, slots = self.experts.shape
        if self.has_ranks:
            return self.experts if devices == ranks else None
        return self.experts.reshape(layers, ranks, -1) if ranks and slots % ranks == 0 else None


@dataclass(frozen=True)
class LoadedSeries:
    """The series of a profile; where they come from and what to mind is told with `expert_heat`."""

    series: tuple[ExpertSeries, ...] = ()
