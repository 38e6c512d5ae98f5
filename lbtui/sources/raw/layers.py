"""Which MoE layer each GroupedMatmul call of a process is of, from the order of the calls alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# A gated MLP is two grouped products: gate and up in one, and down.
_CALLS = 2
_MOST_CALLS = 8  # of one layer; more between two marks are of layers without marks
# Between two passes lie the head, sampling, scheduling and dense layers, between two layers only attention.
_PAUSE = 3.0
_AROUND = 15  # gaps
_MOST_PAUSES = 8  # in one pass
_FEWEST = 3  # whole passes
_AGREE = 0.8  # of them


@dataclass(frozen=True)
class LayerCalls:
    """The executions of MoE layers by one process, in their order.

    `times` are their GroupedMatmul times in ns, NaN where a call was not timed. `begins` are the places at
    which a forward pass seems to begin, after a pause. `marked` tells that calls of dispatch and combine
    separate the layers; else each two calls are taken as one. `untimed` is how many calls were not timed.
    """

    times: Floats
    begins: Ints
    marked: bool
    untimed: int


def executions(start: Ints, times: Floats, marks: Ints) -> LayerCalls:
    """Return the executions of layers from calls in ascending order of `start` (ns).

    `times` are how long the calls took in ns, NaN where not timed. `marks` are the starts of the calls of
    MoeDistributeDispatch and Combine, ascending: a layer's experts compute between the two.
    """
    between = np.searchsorted(marks, start, side="right")
    first = np.flatnonzero(np.diff(between, prepend=-1))
    lengths = np.diff(first, append=len(between))
    runs, many = np.unique(lengths, return_counts=True)
    usual = int(runs[many.argmax()]) if len(marks) and len(runs) else _MOST_CALLS + 1
    marked = usual <= _MOST_CALLS
    usual = usual if marked else _CALLS
    begin = np.flatnonzero((np.arange(len(between)) - np.repeat(first, lengths)) % usual == 0)
    if not len(begin):
        return LayerCalls(np.empty(0), np.empty(0, dtype=np.int64), marked, 0)
    ends = np.maximum.reduceat(start + np.nan_to_num(times).astype(np.int64), begin)
    untimed = int(np.isnan(times).sum())
    return LayerCalls(np.add.reduceat(times, begin), _after_pauses(start[begin], ends), marked, untimed)


def _after_pauses(start: Ints, end: Ints) -> Ints:
    """Return the places before which the gap is far longer than those around it."""
    gaps = pl.Series(start[1:] - end[:-1])
    usual = gaps.rolling_median(_AROUND, min_samples=1, center=True)
    return np.flatnonzero((gaps > _PAUSE * usual).to_numpy()).astype(np.int64) + 1


def pass_length(processes: Iterable[LayerCalls]) -> int | None:
    """Return how many layers a forward pass has, as most processes show it by pauses; None where none do.

    Speculative layers have pauses of their own: what repeats may be several pauses together.
    """
    found = [length for process in processes if (length := _period(process.begins))]
    return _most(np.array(found), 0.5)


def _period(begins: Ints) -> int | None:
    for together in range(1, min(_MOST_PAUSES, len(begins) - _FEWEST) + 1):
        if length := _most(begins[together:] - begins[:-together], _AGREE):
            return length
    return None


def layer_sums(process: LayerCalls, layers: int) -> tuple[Floats, bool]:
    """Return ns by layer, NaN without a timed execution, and whether pauses tell which layer is the first.

    Where they do not, the first call is taken to be of layer 0.
    """
    first = _first_layer(process, layers)
    layer = (np.arange(len(process.times)) - (first or 0)) % layers
    known = np.isfinite(process.times)
    sums = np.bincount(layer[known], process.times[known], minlength=layers)
    seen = np.bincount(layer[known], minlength=layers) > 0
    return np.where(seen, sums, np.nan), first is not None


def _first_layer(process: LayerCalls, layers: int) -> int | None:
    """Return the first place of layer 0: of the pauses that each pass has, that before the longest run."""
    many = np.bincount(process.begins % layers, minlength=layers)
    again = np.flatnonzero(many >= max(2, _AGREE * (len(process.times) // layers - 1)))
    if not len(again):
        return None
    following = np.diff(again, append=again[0] + layers)
    return int(again[following.argmax()])


def _most(numbers: Ints, share: float) -> int | None:
    """Return the most frequent of the numbers, if it is so large a share of them, else None."""
    values, many = np.unique(numbers, return_counts=True)
    return int(values[many.argmax()]) if len(values) and many.max() >= share * len(numbers) else None
