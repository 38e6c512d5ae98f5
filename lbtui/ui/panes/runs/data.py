"""What the Runs pane shows, made ready: each run with the worst of each metric, and their order in time."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TypeAlias

from lbtui.comparison.model import Metric
from lbtui.runs.model import Measure, Run, RunSummary, Shape
from lbtui.runs.shapes import shape_words
from lbtui.runs.together import Series, Sweep, Trends
from lbtui.runs.verdicts import Judged
from lbtui.text import _
from lbtui.ui.panes.compare.words import Called, called
from lbtui.ui.panes.runs.columns import (
    FIXED,
    GOODPUT,
    LENGTH,
    NAME,
    PLAIN,
    SHAPE,
    START,
    VERDICT,
    WORST,
    RunColumn,
    other,
    scaled,
)

# Where a run lies: what it is told from all others by, whatever is read of it and wherever it stands.
Key: TypeAlias = str

_SEVERITIES = {"info": 1.0, "warning": 2.0, "critical": 3.0}


def key_of(run: Run) -> Key:
    """Return where a run lies; of a summary the file alone: where its run lies is known once it is read."""
    if run.file is not None:
        return f"{run.file}#summary"
    return f"{run.reading.path}{'#raw' if run.reading.raw else ''}"


@dataclass(frozen=True, eq=False)
class Known:
    """One run with the worst of each metric that it has a value of, by `Measure.key`."""

    run: Run
    key: Key
    worst: Mapping[str, Measure]

    @cached_property
    def words(self) -> str:
        """What the filter looks in, in lower case."""
        run = self.run
        parts = [run.name, engine_words(run), run.note, run.problem]
        parts += [f"{name}={value_words(value)}" for name, value in run.parameters.items()]
        if run.summary is not None and run.summary.worst is not None:
            parts.append(run.summary.worst.id)
        return " ".join(parts).lower()


@dataclass(frozen=True, eq=False)
class RunsData:
    """All runs as the app has them: a place is one in `known`, as in `trends` and `sweep`.

    `metrics` are those that any run has a value of, by key. `judged` has what runs come to against the
    baseline, by their names.
    """

    folder: Path
    known: tuple[Known, ...]
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    judged: Mapping[str, Judged] = field(default_factory=dict)
    trends: Trends | None = None
    sweep: Sweep | None = None

    @cached_property
    def places(self) -> Mapping[Key, int]:
        """The place of each run."""
        return {known.key: place for place, known in enumerate(self.known)}

    @cached_property
    def in_time(self) -> tuple[int, ...]:
        """The places in order of time, oldest first; those that tell no time come last, by name."""
        runs = [known.run for known in self.known]

        def when(place: int) -> tuple[float, str]:
            begun = runs[place].begun
            return (math.inf if begun is None else begun), runs[place].name

        return tuple(sorted(range(len(runs)), key=when))

    @cached_property
    def order(self) -> Mapping[int, int]:
        """Where each place stands in order of time."""
        return {place: at for at, place in enumerate(self.in_time)}

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """The names of all parameters, in order."""
        return tuple(sorted({name for known in self.known for name in known.run.parameters}))

    @cached_property
    def columns(self) -> Mapping[str, RunColumn]:
        """All columns that there can be, by name."""
        extra = [other(key, metric) for key, metric in self.metrics.items() if key not in _FIXED_NAMES]
        return {column.name: column for column in (*FIXED, *extra)}

    @cached_property
    def counts(self) -> tuple[int, int, int]:
        """How many runs are read, could not be, and are still to come."""
        read = sum(known.run.summary is not None for known in self.known)
        failed = sum(known.run.summary is None and bool(known.run.problem) for known in self.known)
        return read, failed, len(self.known) - read - failed

    @cached_property
    def has_targets(self) -> bool:
        """Whether any run was judged by targets."""
        return any(known.run.summary is not None and known.run.summary.targets for known in self.known)

    @cached_property
    def series(self) -> tuple[Series, ...]:
        """What went on over the runs, those of the load first."""
        return () if self.trends is None else self.trends.series

    @cached_property
    def series_ids(self) -> tuple[str, ...]:
        """What tells each series from all others: metric, subject and the shape of its runs."""
        shapes = {one.shape: shape_words(one.shape) for one in self.series}
        parts = ((one.key, one.subject, shapes[one.shape]) for one in self.series)
        return tuple(" ".join(filter(None, each)) for each in parts)

    @cached_property
    def usual_shape(self) -> Shape | None:
        """The shape of most runs, whose series come first."""
        return self.series[0].shape if self.series else None


_FIXED_NAMES = frozenset(column.name for column in FIXED)


def data_of(
    folder: Path,
    runs: Sequence[Run],
    before: RunsData | None = None,
    judged: Mapping[str, Judged] | None = None,
    trends: Trends | None = None,
    sweep: Sweep | None = None,
) -> RunsData:
    """Return the data of runs; what is not handed in stays as before, where the same runs stand there.

    What was made of a run that is the same object as before is not made again.
    """
    old = {} if before is None else {known.key: known for known in before.known}
    known, metrics = [], {} if before is None else dict(before.metrics)
    for run in runs:
        key = key_of(run)
        if (same := old.get(key)) is None or same.run is not run:
            again = same is not None and same.run.summary is run.summary
            worst = same.worst if again and same is not None else _worst(run.summary)
            same = Known(run, key, worst)
            for name, measure in worst.items():
                metrics.setdefault(name, measure.metric)
        known.append(same)
    places_stay = before is not None and [one.key for one in before.known] == [one.key for one in known]
    if before is not None and places_stay:
        judged = before.judged if judged is None else judged
        trends = before.trends if trends is None else trends
        sweep = before.sweep if sweep is None else sweep
    return RunsData(folder, tuple(known), metrics, judged or {}, trends, sweep)


def _worst(summary: RunSummary | None) -> dict[str, Measure]:
    """Return what `RunSummary.worst_of` does of every metric, in one go over them."""
    found: dict[str, Measure] = {}
    for measure in () if summary is None else summary.measures:
        if not measure.known:
            continue
        key = measure.key
        best = found.get(key)
        higher = measure.metric.better == "higher"
        if best is None or (measure.value < best.value if higher else measure.value > best.value):
            found[key] = measure
    return found


def shape_of(run: Run) -> Shape | None:
    """Return the shape of a run as far as it is known."""
    return run.shape if run.summary is None else run.summary.shape


def engine_words(run: Run) -> str:
    """Return a run's engine and shape in a few letters; empty where nothing is known."""
    shape = shape_of(run)
    return "" if shape is None else _shape_words(shape)


_shape_words = lru_cache(maxsize=1024)(shape_words)


def value_words(value: str | float | bool) -> str:
    """Return the value of a parameter as it is written in a filter and a table."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


# What stands in a column


def sort_value(data: RunsData, place: int, name: str) -> float | str | None:
    """Return what a run is sorted by in a column; None where it has nothing there."""
    known = data.known[place]
    run = known.run
    if name not in PLAIN:
        measure = known.worst.get(name)
        return None if measure is None else measure.value
    if name == NAME:
        return run.name
    if name == START:
        return run.begun
    if name == SHAPE:
        return engine_words(run) or None
    if name == VERDICT:
        counts = verdict_counts(data, place)
        return None if counts is None else 1000.0 * counts["worse"] - counts["better"]
    summary = run.summary
    if summary is None:
        return None
    if name == LENGTH:
        return summary.length
    assert name == WORST
    return _badness(summary)


def _badness(summary: RunSummary) -> float:
    """Return how bad the findings of a run are: by the worst one's severity, then by how many are so."""
    if summary.worst is None:
        return 0.0
    level = summary.worst.severity
    return _SEVERITIES[level] + min(summary.findings.get(level, 1), 999) / 1000


_ORDER: tuple[Called, ...] = (
    *("worse", "load_differs", "better", "no_evidence", "too_little_data", "not_comparable"),
)


@lru_cache(maxsize=8192)
def calls(data: RunsData, place: int) -> Mapping[str, Called]:
    """Return the verdict on each metric of a run, the worst of its subjects', by `Measure.key`."""
    judged = data.judged.get(data.known[place].run.name)
    found: dict[str, Called] = {}
    for row in () if judged is None else judged.rows:
        key = f"{row.metric.dimension}.{row.metric.key}"
        found[key] = min(called(row), found.get(key, _ORDER[-1]), key=_ORDER.index)
    return found


def verdict_counts(data: RunsData, place: int) -> Counter[Called] | None:
    """Return how many metrics of a run have each verdict; None where it was not judged."""
    if data.known[place].run.name not in data.judged:
        return None
    return Counter(calls(data, place).values())


@lru_cache(maxsize=128)
def in_course(data: RunsData, name: str) -> tuple[float | None, ...]:
    """Return the numbers of a column over the runs in order of time; None where there is none."""
    if name not in PLAIN:
        measures = (data.known[place].worst.get(name) for place in data.in_time)
        return tuple(None if measure is None else measure.value for measure in measures)
    found = (sort_value(data, place, name) for place in data.in_time)
    return tuple(float(value) if isinstance(value, int | float) else None for value in found)


@lru_cache(maxsize=128)
def decimals_of(data: RunsData, name: str) -> int:
    """Return how many decimals show three digits of the largest value of a metric's column."""
    metric = data.metrics[name]
    values = [value for value in in_course(data, name) if value is not None]
    if all(value == int(value) for value in values):
        return 0
    size = scaled(metric, max(map(abs, values)))
    return max(0, min(4, 2 - math.floor(math.log10(size))))


# Filter

_SIGNS = re.compile(r"<=|>=|<|>|=")


def filter_error(data: RunsData, text: str) -> str | None:
    """Return what is wrong with a filter, as a sentence; None if nothing is."""
    try:
        _terms(data, text)
    except ValueError as error:
        return str(error)
    return None


@lru_cache(maxsize=8)
def matching(data: RunsData, text: str) -> tuple[int, ...]:
    """Return the places of the runs that a filter leaves, in no order of the table."""
    terms = _terms(data, text)
    return tuple(place for place in range(len(data.known)) if all(term.holds(data, place) for term in terms))


@dataclass(frozen=True)
class _Term:
    """One word of a filter: that `sign` holds of what has a name, or without sign that a text is in it."""

    text: str
    sign: str = ""
    name: str = ""
    parameter: bool = False

    def holds(self, data: RunsData, place: int) -> bool:
        """Tell whether it holds of a run; of what is not known nothing holds."""
        known = data.known[place]
        if not self.sign:
            return self.text in known.words
        if self.parameter:
            if self.name not in known.run.parameters:
                return False
            own = value_words(known.run.parameters[self.name])
            if self.sign == "=":
                return own.lower() == self.text.lower() or _number(own) == _number(self.text) is not None
            value = _number(own)
        else:
            value = self._value(data, place)
        limit = _number(self.text)
        if value is None or limit is None:
            return False
        low, equal = value < limit, value == limit
        return {"<": low, "<=": low or equal, ">": not (low or equal), ">=": not low, "=": equal}[self.sign]

    def _value(self, data: RunsData, place: int) -> float | None:
        if self.name in ("worse", "better"):
            counts = verdict_counts(data, place)
            return None if counts is None else counts["worse" if self.name == "worse" else "better"]
        value = sort_value(data, place, self.name)
        if not isinstance(value, int | float):
            return None
        metric = data.metrics.get(self.name)
        return value if metric is None else scaled(metric, value)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _terms(data: RunsData, text: str) -> list[_Term]:
    return [_term(data, word) for word in text.split()]


def _term(data: RunsData, word: str) -> _Term:
    found = _SIGNS.search(word)
    if found is None:
        return _Term(word.lower())
    name, sign, text = word[: found.start()], found[0], word[found.end() :]
    if name in data.parameters:
        if sign != "=" and _number(text) is None:
            raise _no_number(name + sign, text)
        return _Term(text, sign, name, parameter=True)
    column = _column_named(data, name.lower())
    if column is None:
        if sign == "=":
            return _Term(word.lower())
        raise ValueError(
            _("“{name}” is no parameter and no column of numbers, as ttft.p95 is.").format(name=name)
        )
    if _number(text) is None:
        raise _no_number(name + sign, text)
    return _Term(text, sign, column)


def _no_number(start: str, text: str) -> ValueError:
    return ValueError(_("“{text}” after {start} is no number.").format(text=text, start=start))


def _column_named(data: RunsData, name: str) -> str | None:
    """Return the column of numbers that is called so: by its key, which may leave out the dimension."""
    if name in ("worse", "better", LENGTH):
        return name
    names = [column for column in data.columns if column not in PLAIN]
    same = [column for column in names if name in (column, column.partition(".")[2])]
    return same[0] if same else None


def shown_at_first(data: RunsData, *, judged: bool) -> tuple[str, ...]:
    """Return the columns that are shown until others are chosen: those of which any run has a value."""
    some_read = bool(data.counts[0])
    found = []
    for column in FIXED:
        name = column.name
        if name == VERDICT:
            wanted = judged
        elif name == GOODPUT:
            wanted = data.has_targets and name in data.metrics
        else:
            wanted = name in PLAIN or not some_read or name in data.metrics
        if wanted:
            found.append(name)
    return tuple(found)
