"""What tables bring to iterations that come after those they are made of, and for how long.

Everything here is held out: a table is judged only by what follows the iterations it was made of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from lbtui.analysis.eplb.peaks import Loads, Table, arrivals, fullest_in_use, loads_of
from lbtui.analysis.eplb.policies import Ints
from lbtui.analysis.eplb.recorded import experts_between, places_of_period
from lbtui.analysis.imbalance import Floats
from lbtui.analysis.interval import CONFIDENCE, MOST_BINS, resampled_mean
from lbtui.profile import ExpertSeries

# So many iterations, evenly spread, tell as much as all.
MOST_JUDGED = 512
# An interval of fewer, in blocks of what belongs together, is none.
FEWEST_JUDGED = 16
# A window of fewer is a matter of chance.
FEWEST_IN_WINDOW = 8
_WINDOWS = 16
_AGES = 8

Fit = Callable[[Floats], Table]  # a table made of tokens [layer, expert]


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval, without end where there are too few iterations."""

    value: float
    low: float
    high: float

    def times(self, factor: float) -> Interval:
        """Return it in another unit."""
        return Interval(self.value * factor, self.low * factor, self.high * factor)

    def less(self, price: float) -> Interval:
        """Return it after a price, of which the size is known."""
        return Interval(self.value - price, self.low - price, self.high - price)


@dataclass(frozen=True)
class Gain:
    """What a table brings to so many iterations, layers weighing as their tokens do.

    `par` over ranks before and after is Σ tokens of the fullest / Σ of the mean rank. `saved` is before less
    after: the expert time saved, in that of the mean rank. `time` is the share of the expert time saved.
    """

    par: tuple[float, float]
    saved: Interval
    time: Interval
    iterations: int


@dataclass(frozen=True)
class Lasting:
    """Whether a gain lasts: of tables made of a `window` of iterations, `saved` (as in `Gain`) by their age.

    Place k is of the k-th window after, mean of all tables; `kept` is after how many iterations less than
    half of the first is left for good, None where that is not so within what is recorded.
    """

    window: int
    saved: tuple[float, ...]
    kept: int | None

    @property
    def looked_at(self) -> int:
        """How many iterations after a table are recorded."""
        return self.window * len(self.saved)


@dataclass(frozen=True)
class Anew:
    """Tables made anew every `window` iterations, of those before: their gain, and what moves each time.

    `arrivals` is how many experts the rank gets that gets most, mean over the tables; None: other ranks.
    """

    window: int
    gain: Gain
    arrivals: float | None


@dataclass(frozen=True)
class LastTables:
    """What the recorded tables gained over the ones before, in the first and last quarter of their periods.

    `saved` as in `Gain`, mean over so many `tables`.
    """

    first: float
    last: float
    tables: int

    @property
    def fade(self) -> bool:
        """Tell whether less than half is left at the end of a period: the heat moves faster than that."""
        return self.first > 0 and 2 * self.last < self.first


def gain_of(before: Floats, after: Floats, mean: Floats, confidence: float = CONFIDENCE) -> Gain:
    """Return the gain of iterations, of the tokens of the fullest rank before and after and of the mean one.

    The mean's are not all 0.
    """
    total, peak = float(mean.sum()), float(before.sum())
    saved = float((before - after).sum()) / total
    time = float((before - after).sum()) / peak
    return Gain(
        (peak / total, float(after.sum()) / total),
        _interval(saved, (before - after - saved * mean) / mean.mean(), confidence),
        _interval(time, (before - after - time * before) / before.mean(), confidence),
        len(mean),
    )


def _interval(value: float, residuals: Floats, confidence: float) -> Interval:
    """Return the interval of a ratio of sums, whose linearised residuals follow each other in time."""
    if len(residuals) < FEWEST_JUDGED:
        return Interval(value, -np.inf, np.inf)
    bins = np.array_split(residuals, min(MOST_BINS, len(residuals)))
    series = np.array([part.mean() for part in bins])
    varied = resampled_mean(series - series.mean(), 0)
    reach = varied.error * float(np.quantile(np.abs(varied.deviations) / varied.scales, confidence))
    return Interval(value, value - reach, value + reach)


@dataclass(frozen=True, eq=False)
class Judged:
    """The iterations that are judged, with what is reckoned of them once."""

    series: ExpertSeries
    ids: Ints
    chosen: Ints  # of the series
    loads: Loads
    before: Floats  # tokens of the fullest rank under the tables in use
    mean: Floats  # and of the mean one
    heats: dict[tuple[int, int], Floats] = field(default_factory=dict, repr=False)  # what `heat` has found

    def gain(self, part: Ints, after: Floats, confidence: float = CONFIDENCE) -> Gain | None:
        """Return the gain in some of them, None without tokens."""
        if not self.mean[part].any():
            return None
        return gain_of(self.before[part], after, self.mean[part], confidence)

    def heat(self, window: Ints) -> Floats:
        """Return the tokens [layer, expert] of all iterations of a window, not only of those judged."""
        name = int(window[0]), int(window[-1])
        if name not in self.heats:
            self.heats[name] = experts_between(self.series, window, self.ids)
        return self.heats[name]

    def under(self, part: Ints, table: Table) -> Floats:
        """Return the tokens of the fullest rank of some of them under a table."""
        return self.loads.of_fullest(part, table)


def judged(series: ExpertSeries, ids: Ints, usable: Ints) -> Judged:
    """Return the iterations `usable`, of many an even sample."""
    chosen = usable[:: -(-len(usable) // MOST_JUDGED)]
    loads = loads_of(series, chosen, ids)
    before = fullest_in_use(series, chosen, ids, loads)
    return Judged(series, ids, chosen, loads, before, loads.of_mean_rank())


def lasting(one: Judged, usable: Ints, fit: Fit) -> Lasting | None:
    """Return how long tables keep what they gain, None where windows would be too short or they gain nothing.

    Tables of each of eight windows are judged by each window after.
    """
    windows = np.array_split(usable, _AGES)
    if len(windows[-1]) < FEWEST_IN_WINDOW:
        return None
    inside = _inside(one, windows)
    saved, mean = np.zeros(_AGES - 1), np.zeros(_AGES - 1)
    for place, made_of in enumerate(windows[:-1]):
        table = fit(one.heat(made_of))
        for age, part in enumerate(inside[place + 1 :]):
            saved[age] += float((one.before[part] - one.under(part, table)).sum())
            mean[age] += float(one.mean[part].sum())
    if not mean.all() or saved[0] <= 0:
        return None
    by_age = saved / mean
    # The first age, but the first window itself, from which on less than half is left on average.
    rest = np.cumsum(saved[::-1])[::-1] / np.cumsum(mean[::-1])[::-1]
    faded = 1 + np.flatnonzero(2 * rest[1:] < by_age[0])
    window = len(windows[0])
    return Lasting(window, tuple(by_age.tolist()), int(faded[0]) * window if len(faded) else None)


def made_anew(one: Judged, usable: Ints, fit: Fit, period: int | None) -> tuple[Anew, ...]:
    """Return what tables made anew would bring, by how often: every fourth to sixteenth of the iterations.

    And every `period` iterations, as recorded. The intervals are wider by so many looked at (Bonferroni).
    """
    lengths = {len(usable) // parts for parts in (4, 8, _WINDOWS)}
    lengths |= set() if period is None else {period}
    wanted = sorted(n for n in lengths if FEWEST_IN_WINDOW <= n <= len(usable) // 3)
    confidence = 1 - (1 - CONFIDENCE) / max(1, len(wanted))
    found = [_anew(one, usable, fit, length, confidence) for length in wanted]
    return tuple(each for each in found if each is not None)


def _anew(one: Judged, usable: Ints, fit: Fit, length: int, confidence: float) -> Anew | None:
    windows = [usable[begin : begin + length] for begin in range(0, len(usable), length)]
    inside = _inside(one, windows)
    tables = [fit(one.heat(window)) for window in windows[:-1]]
    after = [one.under(part, table) for table, part in zip(tables, inside[1:], strict=True)]
    gain = one.gain(np.concatenate(inside[1:]), np.concatenate(after), confidence)
    if gain is None:
        return None
    moved = [arrivals(old, new) for old, new in pairwise(tables)]
    most = [float(each.sum(axis=0).max()) for each in moved if each is not None]
    return Anew(length, gain, float(np.mean(most)) if most else None)


def last_tables(one: Judged) -> LastTables | None:
    """Return what the tables recorded gained over those before, None where none followed another."""
    series, ids, ranks = one.series, one.ids, len(one.series.ranks)
    periods = series.period[one.chosen]
    quarters = np.zeros((4, 2))
    tables = 0
    for old, new in pairwise(np.unique(periods).tolist()):
        before, after = (Table(places_of_period(series, period, ids), ranks) for period in (old, new))
        own = np.flatnonzero(periods == new)
        if np.array_equal(before.placed, after.placed) or len(own) < FEWEST_IN_WINDOW:
            continue
        tables += 1
        fallen, mean = one.under(own, before) - one.under(own, after), one.mean[own]
        for quarter, part in enumerate(np.array_split(np.arange(len(own)), 4)):
            quarters[quarter] += fallen[part].sum(), mean[part].sum()
    if not tables or not quarters[:, 1].all():
        return None
    saved = quarters[:, 0] / quarters[:, 1]
    return LastTables(float(saved[0]), float(saved[-1]), tables)


def _inside(one: Judged, windows: Sequence[Ints]) -> list[Ints]:
    """Return the places among those judged of each window."""
    return [
        np.arange(np.searchsorted(one.chosen, window[0]), np.searchsorted(one.chosen, window[-1], "right"))
        for window in windows
    ]
