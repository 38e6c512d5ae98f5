"""Synthetic loads of experts whose gain and price are known, each with the sentence that is right.

The truth is reckoned apart from the product: of the mean loads without noise, over a long future, under
tables that the plain reference (`tests/analysis/eplb/reference.py`) makes of the recorded means. Loads whose
truth is too near a limit to be known are drawn again: a gain within 0.6 to 1.6 × the threshold, a price that
is earned back within 0.6 to 1.6 × the time that a gain is recorded to last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from lbtui.analysis.eplb.price import Sentence, Service
from lbtui.profile import ExpertSeries
from lbtui.thresholds import Offer, Thresholds
from tests.analysis.eplb import reference

WORTH, WORTH_TIME = Thresholds().eplb_step_gain, Thresholds().eplb_gain
_CLEAR = (0.6, 1.6)
_FUTURE = 8  # × the recorded iterations
_BEGIN = np.datetime64("2026-03-01T00:00:00", "us")


@dataclass(frozen=True, eq=False)
class Shape:
    """How a service is laid out."""

    ranks: int
    experts: int
    layers: int
    iterations: int
    tokens: float  # of a rank in a layer and iteration
    seconds: float  # an iteration
    redundant: int


@dataclass(frozen=True, eq=False)
class Case:
    """A load, what is known of its service, and which sentence is right of so many redundant experts."""

    kind: str
    redundant: int
    series: ExpertSeries
    service: Service
    offer: Offer
    truth: Sentence
    seed: int = 0


def shape(rng: np.random.Generator) -> Shape:
    """Return a service of any usual size."""
    ranks = int(rng.choice([4, 8, 16]))
    experts = ranks * int(rng.choice([4, 8, 16]))
    return Shape(
        ranks,
        experts,
        int(rng.integers(6, 27)),
        int(rng.choice([128, 192, 256, 400])),
        float(rng.uniform(400, 3000)),
        float(rng.uniform(0.03, 0.3)),
        ranks * int(rng.integers(1, 3)),
    )


# Mean heat [layer, expert], mean 1


def skewed(one: Shape, rng: np.random.Generator, spread: float) -> np.ndarray:
    """Return heat as routers of one layer each have it: lognormal, other experts hot in each layer."""
    heat = rng.lognormal(0, spread, (one.layers, one.experts))
    return heat / heat.mean(axis=1, keepdims=True)


def in_order(one: Shape) -> np.ndarray:
    """Return the placement [layer, slot] without copies, in order."""
    return np.tile(np.arange(one.experts), (one.layers, 1))


def placed(one: Shape, heat: np.ndarray, redundant: int) -> np.ndarray:
    """Return the reference's placement of a heat."""
    whole = np.maximum(1, np.round(heat * 10_000))
    return np.array(
        [[e for held in reference.place(layer, redundant, one.ranks) for e in held] for layer in whole]
    )


def rank_loads(one: Shape, heat: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Return the mean loads of ranks [layer, rank], the mean of all being 1."""
    found = np.zeros((one.layers, one.ranks))
    room = table.shape[1] // one.ranks
    for layer in range(one.layers):
        copies = np.bincount(table[layer], minlength=one.experts)
        for slot, expert in enumerate(table[layer].tolist()):
            found[layer, slot // room] += heat[layer, expert] / copies[expert]
    return found * one.ranks / one.experts


def uneven(one: Shape, heat: np.ndarray, table: np.ndarray) -> float:
    """Return Σ over layers of the fullest / Σ of the mean rank."""
    return float(rank_loads(one, heat, table).max(axis=1).sum() / one.layers)


# Recordings


def recording(
    one: Shape,
    rng: np.random.Generator,
    heats: list[np.ndarray],
    tables: list[np.ndarray],
    period: np.ndarray | None = None,
) -> ExpertSeries:
    """Return Poisson counts of `heats` [iteration][layer, expert] under the table of each period.

    The tokens of an expert are shared by its copies at random, iterations have from half to twice the mean.
    """
    periods = np.zeros(len(heats), dtype=np.int32) if period is None else period
    slots = tables[0].shape[1]
    tokens = np.zeros((len(heats), one.layers, slots), dtype=np.int32)
    layer = np.arange(one.layers)[:, None]
    for place, heat in enumerate(heats):
        table = tables[periods[place]]
        copies = np.stack([np.bincount(row, minlength=one.experts) for row in table])
        mean = (heat / np.maximum(copies, 1))[layer, table] * one.tokens * one.ranks / one.experts
        tokens[place] = rng.poisson(mean * rng.uniform(0.5, 1.5))
    times = _BEGIN + (np.arange(len(heats)) * one.seconds * 1e6).astype("timedelta64[us]")
    return ExpertSeries(
        "d0",
        None,
        tuple(range(one.ranks)),
        slots // one.ranks,
        tokens,
        periods.astype(np.int32),
        times,
        tuple(table.astype(np.int32) for table in tables),
        one.experts,
    )


# Truths


def clear(value: float, limit: float) -> bool | None:
    """Tell whether a figure is above its limit, None where it is too near."""
    low, high = _CLEAR
    return None if low * limit <= value <= high * limit else value > limit


def moved_most(one: Shape, old: np.ndarray, new: np.ndarray) -> int:
    """Return how many experts the rank gets that gets most, by plain loops."""
    most = 0
    for rank in range(one.ranks):
        own = 0
        for layer in range(one.layers):
            a, b = old.shape[1] // one.ranks, new.shape[1] // one.ranks
            there = set(old[layer, rank * a : rank * a + a].tolist())
            own += sum(e not in there for e in new[layer, rank * b : rank * b + b].tolist())
        most = max(most, own)
    return most


def priced(offer: Offer, most: int, seconds: float) -> Offer:
    """Return an offer of which the rank that gets most has its experts after so many seconds."""
    return replace(offer, expert_mib=44.0, link_gbps=max(most, 1) * 44.0 * 2**20 * 8 / seconds / 1e9)


Maker = Callable[[np.random.Generator], "Case | None"]


def _once(
    kind: str, rng: np.random.Generator, spread: float, share: tuple[float, float], dear: float
) -> Case | None:
    """Return a heat that stays; the price is earned back after `dear` × what is recorded after a table."""
    one = shape(rng)
    heat = skewed(one, rng, spread)
    old, new = in_order(one), placed(one, heat, one.redundant)
    saved = uneven(one, heat, old) - uneven(one, heat, new)
    service = Service(float(rng.uniform(*share)), 1.0, None)
    worth = clear(saved * service.share, WORTH)
    horizon = one.iterations * one.seconds * 7 / 8
    offer = priced(
        Offer(),
        moved_most(one, old, new),
        dear * horizon * saved * service.share,
    )
    late = clear(dear, 1.0)
    if worth is None or late is None:
        return None
    truth: Sentence = "not now" if not worth else "not enough evidence" if late else "worth a trial"
    heats = [heat] * one.iterations
    return Case(kind, one.redundant, recording(one, rng, heats, [old]), service, offer, truth)


def skew_cheap(rng: np.random.Generator) -> Case | None:
    return _once("skew, cheap to move", rng, 0.8, (0.15, 0.5), float(rng.uniform(0.05, 0.55)))


def skew_dear(rng: np.random.Generator) -> Case | None:
    return _once(
        "skew, earned back after the recording's end", rng, 0.8, (0.15, 0.5), float(rng.uniform(1.7, 6))
    )


def skew_small_share(rng: np.random.Generator) -> Case | None:
    return _once("skew, experts a small part of a step", rng, 0.6, (0.004, 0.012), 0.3)


def even(rng: np.random.Generator) -> Case | None:
    return _once("even", rng, 0.02, (0.15, 0.5), 0.3)


def unpriced(rng: np.random.Generator) -> Case | None:
    case = _once("skew, price unknown", rng, 0.8, (0.15, 0.5), 0.3)
    return case and replace(case, offer=replace(case.offer, link_gbps=None))


def share_unknown(rng: np.random.Generator) -> Case | None:
    case = _once("skew, share of a step unknown", rng, 0.8, (0.3, 0.5), 0.3)
    return case and replace(case, service=Service())


def share_unknown_even(rng: np.random.Generator) -> Case | None:
    case = _once("even, share of a step unknown", rng, 0.02, (0.3, 0.5), 0.3)
    return case and replace(case, service=Service())


def wavering(
    base: np.ndarray, rng: np.random.Generator, count: int, spread: float, keep: float
) -> list[np.ndarray]:
    """Return so many heats about a base; from one to the next so much of how they are off is kept."""
    logs = rng.normal(0, 1, base.shape)
    heats = []
    for _iteration in range(count):
        heat = base * np.exp(spread * logs)
        heats.append(heat / heat.mean(axis=1, keepdims=True))
        logs = keep * logs + np.sqrt(1 - keep**2) * rng.normal(0, 1, base.shape)
    return heats


def wavers(rng: np.random.Generator) -> Case | None:
    """A skew that stays, about which heat wavers from iteration to iteration, some of it for a while."""
    one = shape(rng)
    base = skewed(one, rng, float(rng.uniform(0.3, 0.8)))
    keep, spread = float(rng.uniform(0.3, 0.9)), float(rng.uniform(0.3, 0.7))
    heats = wavering(base, rng, one.iterations, spread, keep)
    old, new = in_order(one), placed(one, np.mean(heats, axis=0), one.redundant)
    future = wavering(base, rng, 60, spread, 0.0)
    saved = float(np.mean([uneven(one, heat, old) - uneven(one, heat, new) for heat in future]))
    low, high = ((0.002, 0.01), (0.05, 0.5))[int(rng.integers(2))]
    service = Service(float(rng.uniform(low, high)), 1.0, None)
    worth = clear(saved * service.share, WORTH)
    if worth is None:
        return None
    horizon = one.iterations * one.seconds * 7 / 8
    offer = priced(Offer(), moved_most(one, old, new), 0.3 * horizon * max(saved, 0.01) * service.share)
    truth: Sentence = "worth a trial" if worth else "not now"
    return Case(
        "skew about which heat wavers",
        one.redundant,
        recording(one, rng, heats, [old]),
        service,
        offer,
        truth,
    )


def placed_already(rng: np.random.Generator) -> Case | None:
    """A heat that stays, under a table made of it."""
    one = shape(rng)
    heat = skewed(one, rng, 0.8)
    table = placed(one, heat, one.redundant)
    service = Service(float(rng.uniform(0.15, 0.5)), 1.0, None)
    offer = Offer(44.0, 100.0)
    series = recording(one, rng, [heat] * one.iterations, [table])
    return Case("placed well already", one.redundant, series, service, offer, "not now")


def _sets(one: Shape, rng: np.random.Generator, count: int, every: int, spread: float) -> list[np.ndarray]:
    """Return heats [iteration] of which others hold every so many iterations."""
    kinds = [skewed(one, rng, spread) for _set in range(-(-count // every))]
    return [kinds[place // every] for place in range(count)]


def _followed(kind: str, rng: np.random.Generator, of_period: float) -> Case | None:
    """Return hot experts that move every so many periods, under tables made of the period before."""
    one = replace(shape(rng), iterations=256)
    period = 16
    every = max(2, int(period * of_period))
    heats = _sets(one, rng, one.iterations, every, 0.8)
    tables = [placed(one, np.mean(heats[:period], axis=0), one.redundant)]
    for begin in range(0, one.iterations - period, period):
        tables.append(placed(one, np.mean(heats[begin : begin + period], axis=0), one.redundant))
    periods = np.arange(one.iterations) // period
    service = Service(float(rng.uniform(0.15, 0.5)), 1.0, None)
    future = _sets(one, rng, 48 * every, every, 0.8)
    once = placed(one, np.mean(heats[: one.iterations // 2], axis=0), one.redundant)
    # As it is: a table made of the period before each; to that the new one is compared.
    now = []
    after = []
    for place in range(period, len(heats)):
        now.append(uneven(one, heats[place], tables[periods[place]]))
    for heat in future[::every]:
        after.append(uneven(one, heat, once))
    if clear((float(np.mean(now)) - float(np.mean(after))) * service.share, WORTH) is not False:
        return None
    # A new table each period is what there is; moving takes longer than half a period.
    offer = priced(Offer(), moved_most(one, tables[0], tables[-1]), period * one.seconds / 2)
    series = recording(one, rng, heats, tables, periods)
    return Case(kind, one.redundant, series, service, offer, "not now")


def moves_faster(rng: np.random.Generator) -> Case | None:
    return _followed("moves faster than the period", rng, float(rng.uniform(0.15, 0.4)))


def moves_slower(rng: np.random.Generator) -> Case | None:
    return _followed("moves slower than the period, tables follow", rng, float(rng.integers(4, 8)))


def _unfollowed(kind: str, rng: np.random.Generator, cheap: bool) -> Case | None:
    """Return hot experts that move four times, under a table that never changes."""
    one = replace(shape(rng), iterations=int(rng.choice([256, 400])))
    every = one.iterations // 4
    heats = _sets(one, rng, one.iterations, every, 0.9)
    old = in_order(one)
    service = Service(float(rng.uniform(0.2, 0.5)), 1.0, None)
    window = one.iterations // 16
    # Made anew every window: of one window in `every / window` the table is of another heat.
    kinds = heats[::every]
    tables = [placed(one, heat, one.redundant) for heat in kinds]
    fresh = np.mean([uneven(one, h, old) - uneven(one, h, t) for h, t in zip(kinds, tables, strict=True)])
    stale = np.mean(
        [uneven(one, h, old) - uneven(one, h, t) for h, t in zip(kinds[1:], tables, strict=False)]
    )
    late = window / every
    anew = float(fresh * (1 - late) + stale * late) * service.share
    once = float(stale) * service.share
    most = moved_most(one, tables[0], tables[1])
    seconds = window * one.seconds * (0.2 * anew if cheap else 3 * anew + 0.5)
    net = anew - seconds / (window * one.seconds)
    offer = priced(Offer(), most, seconds)
    if clear(once, WORTH) is not False or (clear(net, WORTH) is not cheap):
        return None
    truth: Sentence = "worth a trial" if cheap else "not now"
    return Case(kind, one.redundant, recording(one, rng, heats, [old]), service, offer, truth)


def anew_cheap(rng: np.random.Generator) -> Case | None:
    return _unfollowed("moves, tables made anew are cheap", rng, True)


def anew_dear(rng: np.random.Generator) -> Case | None:
    return _unfollowed("moves, tables made anew are dear", rng, False)


def fades(rng: np.random.Generator) -> Case | None:
    """A heat that drifts away from what it was, and a price that is never earned back."""
    one = replace(shape(rng), iterations=400)
    count = one.iterations * 2
    lasts = one.iterations / float(rng.uniform(4, 7))
    keep = np.exp(-1 / lasts)
    logs = rng.normal(0, 1, (one.layers, one.experts))
    heats = []
    for _iteration in range(count):
        heat = np.exp(0.9 * logs)
        heats.append(heat / heat.mean(axis=1, keepdims=True))
        logs = keep * logs + np.sqrt(1 - keep**2) * rng.normal(0, 1, logs.shape)
    old, service = in_order(one), Service(float(rng.uniform(0.3, 0.5)), 1.0, None)
    half = one.iterations // 2
    new = placed(one, np.mean(heats[:half], axis=0), one.redundant)
    gains = np.array([uneven(one, h, old) - uneven(one, h, new) for h in heats[half:]]) * service.share
    earned = float(np.maximum.accumulate(np.cumsum(gains * one.seconds))[-1])
    fresh, stale = float(gains[: int(lasts) // 2].mean()), float(gains[int(2 * lasts) :].mean())
    if fresh < 0 or stale > 0.35 * fresh:
        return None
    offer = priced(
        Offer(),
        moved_most(one, old, new),
        3 * max(earned, fresh * one.seconds * count),
    )
    series = recording(one, rng, heats[: one.iterations], [old])
    return Case("fades before it is earned back", one.redundant, series, service, offer, "not now")


def few_tokens(rng: np.random.Generator) -> Case | None:
    one = replace(shape(rng), tokens=float(rng.uniform(8, 70)))
    return _doubtful("few tokens", one, rng, skewed(one, rng, 0.8))


def few_iterations(rng: np.random.Generator) -> Case | None:
    one = replace(shape(rng), iterations=int(rng.integers(6, 28)))
    return _doubtful("few iterations", one, rng, skewed(one, rng, 0.8))


def dummy(rng: np.random.Generator) -> Case | None:
    """Dummy tokens, which all layers send to the same experts."""
    one = shape(rng)
    heat = skewed(one, rng, 0.3)
    some = rng.choice(one.experts, max(2, one.experts // 16), replace=False)
    heat[:, some] += float(rng.uniform(3, 8))
    if uneven(one, heat, in_order(one)) < 1.3:
        return None
    return _doubtful("dummy tokens", one, rng, heat / heat.mean(axis=1, keepdims=True))


def padding(rng: np.random.Generator) -> Case | None:
    """Padding that is counted on one rank, whichever experts it holds."""
    one = shape(rng)
    heat = skewed(one, rng, 0.15)
    room = one.experts // one.ranks
    rank = int(rng.integers(one.ranks))
    heat[:, rank * room : (rank + 1) * room] += float(rng.uniform(0.6, 2))
    return _doubtful("padding on a rank", one, rng, heat / heat.mean(axis=1, keepdims=True))


def padding_moved(rng: np.random.Generator) -> Case | None:
    """The same, with a table that changed."""
    one = shape(rng)
    heat = skewed(one, rng, 0.3)
    tables = [in_order(one), placed(one, heat, 0)]
    half = one.iterations // 2
    periods = (np.arange(one.iterations) >= half).astype(np.int32)
    series = recording(one, rng, [heat] * one.iterations, tables, periods)
    tokens = series.tokens.copy()
    room, rank = one.experts // one.ranks, int(rng.integers(one.ranks))
    extra = float(rng.uniform(0.6, 2)) * one.tokens / room
    own = slice(rank * room, (rank + 1) * room)
    tokens[:, :, own] += rng.poisson(extra, tokens[:, :, own].shape).astype(np.int32)
    service, offer = Service(0.4, 1.0, None), Offer(44.0, 1000.0)
    changed = replace(series, tokens=tokens)
    return Case(
        "padding on a rank, tables changed", one.redundant, changed, service, offer, "not enough evidence"
    )


def fixed_routing(rng: np.random.Generator) -> Case | None:
    """A routing that is the same in every iteration, as of a test."""
    one = shape(rng)
    heat = skewed(one, rng, 0.8)
    case = _doubtful("fixed routing", one, rng, heat)
    tokens = np.round(heat * one.tokens * one.ranks / one.experts).astype(np.int32)
    steady = np.repeat(tokens[None], one.iterations, axis=0)
    return replace(case, series=replace(case.series, tokens=steady))


def _doubtful(kind: str, one: Shape, rng: np.random.Generator, heat: np.ndarray) -> Case:
    service, offer = Service(0.4, 1.0, None), Offer(44.0, 1000.0)
    series = recording(one, rng, [heat] * one.iterations, [in_order(one)])
    return Case(kind, one.redundant, series, service, offer, "not enough evidence")


MAKERS: tuple[Maker, ...] = (
    skew_cheap, skew_dear, skew_small_share, even, unpriced, share_unknown, share_unknown_even, wavers,
    placed_already, moves_faster, moves_slower, anew_cheap, anew_dear, fades, few_tokens, few_iterations,
    dummy, padding, padding_moved, fixed_routing,
)  # fmt: skip


def cases(each: int, only: str = "") -> Iterator[Case]:
    """Yield so many cases of every kind; those of even seeds are to set thresholds by, the others unseen."""
    for number, make in enumerate(MAKERS):
        if only not in make.__name__:
            continue
        for seed in range(each):
            rng = np.random.default_rng((20261129, number, seed))
            found = next(case for case in iter(lambda make=make, rng=rng: make(rng), 0) if case is not None)
            yield replace(found, seed=seed)
