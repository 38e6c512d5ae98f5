"""What was tuned: the parameters that differ among runs, what each set came to, and the front of the best."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from lbtui.runs.model import Parameter, Run, RunSummary
from lbtui.runs.together import Sweep, Tried
from lbtui.sources.optimizer_store import OptimizerRow, OptimizerStore
from lbtui.text import _, in_sentences, plural

Latency: TypeAlias = Literal["ttft", "tpot", "e2e"]

# Of the first that all runs with a value of any tell: the front is of one quantity.
UP = ("requests.goodput", "requests.throughput.output_tokens", "requests.throughput.requests")
# Of a latency what runs tell, then what the optimizer does: its statistic nobody tells.
DOWN: Mapping[Latency, tuple[str, ...]] = {
    "ttft": ("requests.ttft.p95", "time_to_first_token"),
    "tpot": ("requests.time_per_output_token.p95", "time_per_output_token"),
    "e2e": ("requests.duration.p95",),
}


def sweep_of(
    runs: Sequence[Run], stores: Iterable[OptimizerStore] = (), latency: Latency = "ttft"
) -> Sweep | None:
    """Return what was tuned, None where no parameter differs among the runs and the rows of `stores`.

    Runs that are still to be read, or cannot be, stand in it without figures. Those without any parameter are
    left out, unless others have some: then what they lack differs.
    """
    rows = [row for store in stores for row in store.rows]
    tried = [*(_of_run(place, run) for place, run in enumerate(runs)), *map(_of_row, rows)]
    judged = [*(True for _run in runs), *(row.measured for row in rows)]
    parameters = differing([one.parameters for one in tried])
    if not parameters:
        return None
    # Goodput for other targets is another quantity.
    targets = {run.summary.targets for run in runs if run.summary is not None}
    up, down = _first(tried, UP if len(targets) <= 1 else UP[1:]), _first(tried, DOWN[latency])
    points = [
        (one.figures.get(up, math.nan), one.figures.get(down, math.nan)) if may else (math.nan, math.nan)
        for one, may in zip(tried, judged, strict=True)
    ]
    marked = tuple(replace(one, front=best) for one, best in zip(tried, front(points), strict=True))
    return Sweep(parameters, marked, up, down, in_sentences(*_whys(marked, up, down, judged)))


def differing(tried: Sequence[Mapping[str, Parameter]]) -> tuple[str, ...]:
    """Return the names whose values differ, or that not all have, in the order in which they first come."""
    names = dict.fromkeys(name for one in tried for name in one)
    return tuple(name for name in names if len({_value(one, name) for one in tried}) > 1)


def front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Tell of each (up, down) whether it is on the Pareto front: no other is better in one, as good in both.

    Equal points are on it together. One of which either is unknown is not on it and beats no other.
    """
    best, found = math.inf, [False] * len(points)
    known = [at for at, point in enumerate(points) if all(map(math.isfinite, point))]
    # From the highest: what is as high or higher has been seen, and the lowest of it is `best`.
    known.sort(key=lambda at: (-points[at][0], points[at][1]))
    last: tuple[float, float] | None = None
    for at in known:
        found[at] = points[at] == last or points[at][1] < best
        if found[at]:
            best, last = points[at][1], points[at]
    return found


@dataclass(frozen=True)
class Mean:
    """The mean of what was tried with equal parameters: `of` are their places in the sweep's rows.

    `counts` tells how many of them know each figure.
    """

    parameters: Mapping[str, Parameter]
    of: tuple[int, ...]
    figures: Mapping[str, float]
    counts: Mapping[str, int]


def means(sweep: Sweep) -> tuple[Mean, ...]:
    """Return the mean over repeats, in the order in which each set of parameters first comes.

    Failed and predicted rows count like any other as far as they have figures.
    """
    sets: dict[tuple[tuple[str, Parameter] | None, ...], list[int]] = {}
    for place, one in enumerate(sweep.tried):
        named = tuple(_value(one.parameters, name) for name in sweep.parameters)
        sets.setdefault(named, []).append(place)
    return tuple(_mean(sweep, places) for places in sets.values())


def _mean(sweep: Sweep, places: Sequence[int]) -> Mean:
    rows = [sweep.tried[place] for place in places]
    values: dict[str, list[float]] = {}
    for row in rows:
        for key, value in row.figures.items():
            if math.isfinite(value):
                values.setdefault(key, []).append(value)
    return Mean(
        {name: value for name, value in rows[0].parameters.items() if name in sweep.parameters},
        tuple(places),
        {key: math.fsum(own) / len(own) for key, own in values.items()},
        {key: len(own) for key, own in values.items()},
    )


def _value(parameters: Mapping[str, Parameter], name: str) -> tuple[str, Parameter] | None:
    """Return a value that differs from one of another kind: `True` is not 1."""
    value = parameters.get(name)
    return None if value is None else (type(value).__name__, value)


def _of_run(place: int, run: Run) -> Tried:
    figures = {} if run.summary is None else dict(_figures(run.summary))
    return Tried(run.name, place, dict(run.parameters), figures)


def _figures(summary: RunSummary) -> Iterator[tuple[str, float]]:
    """Yield each metric, of several subjects that in which it is worst, as a table has it."""
    for key in dict.fromkeys(measure.key for measure in summary.measures):
        worst = summary.worst_of(key)
        if worst is not None:
            yield key, worst.value


def _of_row(row: OptimizerRow) -> Tried:
    return Tried(row.name, None, dict(row.parameters), dict(row.figures))


def _first(tried: Sequence[Tried], keys: Sequence[str]) -> str:
    """Return the first key that all tell which tell any of them, else that which most do; "" if none does."""
    known = [[key in one.figures for key in keys] for one in tried if any(key in one.figures for key in keys)]
    counts = [sum(column) for column in zip(*known, strict=True)]
    if not counts:
        return ""
    return keys[counts.index(max(counts))]


def _whys(tried: Sequence[Tried], up: str, down: str, judged: Sequence[bool]) -> Iterator[str]:
    """Yield why there is no front, or what is not on it for what is unknown of it."""
    if not up or not down:
        missing = [_("throughput")] * (not up) + [_("this latency")] * (not down)
        for name in missing:
            yield _("No front is drawn: nothing tells {figure}.").format(figure=name)
        return
    unknown = sum(
        may and not (up in one.figures and down in one.figures)
        for one, may in zip(tried, judged, strict=True)
    )
    if unknown:
        yield plural(
            "1 is not judged for the front: not both figures are known.",
            "{count} are not judged for the front: not both figures are known.",
            unknown,
        )
    if predicted := sum(not may for may in judged):
        yield plural(
            "1 is predicted by the optimizer's model and not judged.",
            "{count} are predicted by the optimizer's model and not judged.",
            predicted,
        )
