"""What two readings of one run tell: the raw profile, and the files that the parser made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import polars as pl

from lbtui.profile import FrameName
from lbtui.profile.place import times_of
from lbtui.text import _

# What a number is: of things, of ms, a share (0..1), or an instant (µs since 1970).
Unit: TypeAlias = Literal["", "ms", "share", "instant"]
Values: TypeAlias = Mapping[str, "float | None"]  # by quantity; None where nothing tells
# Between two times, each cut or rounded to whole µs; the parser's shares need not be of 64 bits.
_WITHIN: Mapping[Unit, float] = {"": 0.0, "ms": 0.0021, "share": 1e-6, "instant": 2.0}
_CUT = 1.0  # ms: to what request.csv and pd_split_kvcache.csv cut a time


@dataclass(frozen=True)
class Quantity:
    """One number of a frame, of which `of` makes it; None where no row tells."""

    key: str
    label: str
    frame: FrameName
    of: Callable[[pl.DataFrame], float | None]
    unit: Unit = ""
    within: float = 0.0  # so far it may be apart where times are cut


@dataclass(frozen=True)
class Pair:
    """A quantity in both readings: what the parser's output tells, what the raw profile does, and why."""

    quantity: Quantity
    output: float | None
    raw: float | None
    why: str = ""  # where they differ

    @property
    def differs(self) -> bool:
        """Whether they are apart by more than the parser's files leave out."""
        if self.output is None or self.raw is None:
            return self.output is not self.raw
        return abs(self.output - self.raw) > max(self.quantity.within, _WITHIN[self.quantity.unit])


def _number(expression: pl.Expr) -> Callable[[pl.DataFrame], float | None]:
    def of(frame: pl.DataFrame) -> float | None:
        value = frame.select(expression.cast(pl.Float64)).item()
        return None if value is None else float(value)

    return of


def _sum(name: str) -> pl.Expr:
    """Return the sum of what is told in a column, null where nothing is."""
    return pl.when(pl.col(name).is_not_null().any()).then(pl.col(name).cast(pl.Int64).sum())


def _passes(frame: pl.DataFrame) -> float:
    # Steps that are already joined of their passes tell how many these were.
    return float(frame["cards"].sum()) if "cards" in frame.columns else float(frame.height)


def _bound(name: FrameName, which: Literal["first", "last"]) -> Callable[[pl.DataFrame], float | None]:
    def of(frame: pl.DataFrame) -> float | None:
        parts = times_of(name, frame)
        if not parts:
            return None
        return float(parts[0].begin if which == "first" else max(part.end for part in parts))

    return of


_ROWS = _number(pl.len())
_TOKENS = pl.col("tokens").filter(pl.col("view") == "rank")

QUANTITIES: tuple[Quantity, ...] = (
    Quantity("passes", _("forward passes"), "steps", _passes),
    Quantity("first", _("first pass begins"), "steps", _bound("steps", "first"), "instant"),
    Quantity("last", _("last pass ends"), "steps", _bound("steps", "last"), "instant"),
    Quantity("domains", _("DP domains"), "steps", _number(pl.col("domain").drop_nulls().n_unique())),
    Quantity("schedulers", _("processes that schedule"), "batches", _number(pl.col("prof_id").n_unique())),
    Quantity("rounds", _("scheduling rounds"), "batches", _ROWS),
    Quantity("round_tokens", _("tokens scheduled"), "batches", _number(_sum("tokens"))),
    Quantity("kv_readings", _("KV readings"), "kv", _ROWS),
    Quantity(
        "kv_domains", _("domains with KV blocks"), "kv", _number(pl.col("domain").drop_nulls().n_unique())
    ),
    Quantity("kv_used", _("most KV blocks used"), "kv", _number(pl.col("used_blocks").max())),
    Quantity("kv_total", _("most KV blocks of a domain"), "kv", _number(pl.col("total_blocks").max())),
    Quantity("kv_usage", _("highest KV usage"), "kv", _number(pl.col("usage").max()), "share"),
    Quantity("queue_samples", _("queue samples"), "queues", _ROWS),
    Quantity("waiting", _("most requests waiting"), "queues", _number(pl.col("waiting").max())),
    Quantity("requests", _("requests"), "requests", _ROWS),
    Quantity("input_tokens", _("input tokens"), "requests", _number(_sum("input_tokens"))),
    Quantity("output_tokens", _("output tokens"), "requests", _number(_sum("output_tokens"))),
    Quantity("ttft", _("TTFT, median"), "requests", _number(pl.col("ttft").median()), "ms"),
    Quantity("ttft_max", _("TTFT, highest"), "requests", _number(pl.col("ttft").max()), "ms"),
    Quantity("duration", _("duration, median"), "requests", _number(pl.col("duration").median()), "ms", _CUT),
    Quantity("cache_hits", _("cache hit rates"), "requests", _number(pl.col("cache_hit_rate").count())),
    Quantity("nodes", _("P/D nodes"), "nodes", _number(pl.col("address").n_unique())),
    Quantity("added", _("requests of P/D nodes"), "nodes", _number(pl.col("added").sum())),
    Quantity("handoffs", _("hand-offs from P to D"), "handoffs", _ROWS),
    Quantity("pulls", _("KV pulls"), "transfers", _ROWS),
    Quantity("pull", _("KV pull, median"), "transfers", _number(pl.col("duration").median()), "ms", _CUT),
    Quantity("periods", _("EPLB periods"), "expert_heat", _number(pl.col("period").n_unique())),
    Quantity(
        "expert_tokens",
        _("tokens of experts"),
        "expert_heat",
        _number(pl.when(_TOKENS.is_not_null().any()).then(_TOKENS.sum())),
    ),
    Quantity(
        "layers", _("layers with GroupedMatmul time"), "layer_times", _number(pl.col("layer").n_unique())
    ),
    Quantity("speculated", _("draft tokens accepted"), "speculation", _number(_sum("accepted"))),
)
FRAMES: tuple[FrameName, ...] = tuple(dict.fromkeys(quantity.frame for quantity in QUANTITIES))


def values_of(name: FrameName, frame: pl.DataFrame) -> Values:
    """Return the quantities of a frame; of one without rows all are None."""
    own = (quantity for quantity in QUANTITIES if quantity.frame == name)
    return {one.key: None if frame.is_empty() else one.of(frame) for one in own}


def pairs_of(output: Values, raw: Values) -> tuple[Pair, ...]:
    """Return every quantity that either tells, without why they differ."""
    pairs = (Pair(one, output.get(one.key), raw.get(one.key)) for one in QUANTITIES)
    return tuple(pair for pair in pairs if pair.output is not None or pair.raw is not None)


@dataclass(frozen=True)
class Beside:
    """Both readings of a run, each with its path as it is shown."""

    output: str
    raw: str
    pairs: tuple[Pair, ...]
    meet: bool = True  # whether their times overlap: else they are of two recordings

    @property
    def differing(self) -> tuple[Pair, ...]:
        """Return the quantities that are not the same in both."""
        return tuple(pair for pair in self.pairs if pair.differs)
