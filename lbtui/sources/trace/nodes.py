"""P/D nodes rebuilt from the coordinator's events, as coordinator.csv would count them."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from lbtui.profile import SCHEMAS, empty
from lbtui.profile.schema import TIME
from lbtui.sources.tables.row_buffer import RowBuffer, columns

BIN = 5_000_000  # us, as upstream's
# A stray time must not make a grid of millions of empty bins: ten days of 5 s.
_MOST_BINS = 172_800

DISPATCHES = columns(
    {
        "time": TIME,
        "request_id": pl.String,
        "prefill_address": pl.String,  # ip:port
        "decode_address": pl.String,
        "prefill_end": TIME,  # first GenerateToken of prefill: the request goes over to the decode node
        "decode_end": TIME,  # ReqFinish
    }
)


class _Dispatch(NamedTuple):
    time: float
    prefill: str | None
    decode: str | None


class CoordinatorEvents:
    """Gathers dispatches and the ends of their phases; times in us since 1970."""

    def __init__(self) -> None:
        self._dispatches: dict[str, _Dispatch] = {}
        self._prefill_ends: dict[str, float] = {}
        self._decode_ends: dict[str, float] = {}

    def dispatch(self, rid: str, time: float, prefill: str | None, decode: str | None) -> None:
        """Take a RequestDispatch."""
        self._dispatches[rid] = _Dispatch(time, prefill, decode)

    def prefill_end(self, rid: str, time: float) -> None:
        """Take a GenerateToken of phase prefill; the first counts."""
        self._prefill_ends[rid] = min(time, self._prefill_ends.get(rid, time))

    def decode_end(self, rid: str, time: float) -> None:
        """Take a ReqFinish; the last counts."""
        self._decode_ends[rid] = max(time, self._decode_ends.get(rid, time))

    @property
    def without_dispatch(self) -> int:
        """How many requests end here whose dispatch, and so whose nodes, the capture did not see."""
        return len((self._prefill_ends.keys() | self._decode_ends.keys()) - self._dispatches.keys())

    def dispatches(self) -> pl.DataFrame:
        """Return one row per dispatched request (`DISPATCHES`), by time."""
        rows = RowBuffer(DISPATCHES)
        for rid, (time, prefill, decode) in self._dispatches.items():
            ends = (self._prefill_ends.get(rid), self._decode_ends.get(rid))
            rows.add(int(time), rid, prefill, decode, *(None if end is None else int(end) for end in ends))
        return rows.frame().sort("time", maintain_order=True)


def node_changes(dispatches: pl.DataFrame) -> pl.DataFrame:
    """Return when nodes get requests and are done with them: `time`, `address`, `role`, `added`, `ended`.

    A prefill node gets a request at its dispatch and is done with it at its first token; the decode node
    gets it at that moment and is done at ReqFinish. Of `added` and `ended` one is 1, the other 0.
    """
    return pl.concat(
        [
            _changes(dispatches, "prefill_address", "prefill", "time", added=1),
            _changes(dispatches, "prefill_address", "prefill", "prefill_end", added=0),
            _changes(dispatches, "decode_address", "decode", "prefill_end", added=1),
            # A decode whose beginning was not seen was not added either.
            _changes(
                dispatches.filter(pl.col("prefill_end").is_not_null()),
                "decode_address",
                "decode",
                "decode_end",
                added=0,
            ),
        ]
    )


def node_frame(dispatches: pl.DataFrame) -> pl.DataFrame:
    """Return the canonical frame `nodes` from `DISPATCHES` rows: every 5 s bin × node, by time and address.

    It counts what `node_changes` tells. `running` sums added - ended since the capture began, a lower bound
    where requests were running before. `running_written` is null.
    """
    changes = node_changes(dispatches).with_columns(
        pl.from_epoch(pl.col("time").dt.timestamp("us") // BIN * BIN, "us").alias("time")
    )
    if changes.is_empty():
        return empty("nodes")
    node = ["address", "role"]
    counts = changes.group_by("time", *node).agg(pl.col("added").sum(), pl.col("ended").sum())
    return (
        _bins(counts["time"])
        .join(counts.select(node).unique(), how="cross")
        .join(counts, on=["time", *node], how="left")
        .with_columns(pl.col("added", "ended").fill_null(0))
        .sort("time", *node)
        .with_columns(
            (pl.col("added") - pl.col("ended")).cum_sum().over(node).alias("running"),
            pl.lit(None, pl.Int64).alias("running_written"),
        )
        .select(list(SCHEMAS["nodes"]))
    )


def _changes(dispatches: pl.DataFrame, address: str, role: str, time: str, added: int) -> pl.DataFrame:
    return dispatches.select(
        pl.col(time).alias("time"),
        pl.col(address).alias("address"),
        pl.lit(role).alias("role"),
        pl.lit(added, pl.Int64).alias("added"),
        pl.lit(1 - added, pl.Int64).alias("ended"),
    ).drop_nulls()


def _bins(times: pl.Series) -> pl.DataFrame:
    """Return the bins from the first to the last; only those with events when the range is absurd."""
    times = times.unique().sort()
    ticks = times.dt.timestamp("us")
    first, last = int(ticks[0]), int(ticks[-1])
    if (last - first) // BIN >= _MOST_BINS:
        return pl.DataFrame({"time": times})
    return pl.DataFrame({"time": range(first, last + 1, BIN)}, schema={"time": pl.Int64}).cast(TIME)
