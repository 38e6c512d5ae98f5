"""Two readings of one frame, row by row: which rows only one has, and which cells differ by how much."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import polars as pl

from lbtui.profile import FrameName

Kind = Literal["only raw", "only parsed", "raw unknown", "parsed unknown", "other"]
_OWNER = ("instance", "host", "dp_rank", "domain")
_NEAR = 1000  # µs: rows of one key that lie so near in time may be the same
_MS, _US = 1000.0, 2.0  # µs
_DURATION = 0.0021  # ms: between two times, each cut or rounded to whole µs


@dataclass(frozen=True)
class Shape:
    """What tells a frame's rows apart: `keys`, and of those alike their order by `time`.

    `within` is how far numbers may be apart, times in µs; `cut` the same where a table or picture cuts them.
    """

    keys: tuple[str, ...]
    time: str | None = None
    within: Mapping[str, float] = field(default_factory=dict)
    cut: Mapping[str, float] = field(default_factory=dict)
    states: bool = False  # of rows less than 2 µs apart only the last counts: what is cut falls on one time


_TIMES = {"start": _US, "end": _US, "time": _US}
SHAPES: dict[FrameName, Shape] = {
    "batches": Shape(("prof_id",), "start", _TIMES),
    # forward.csv has times in ms with four digits at the least, and a bubble of two.
    "steps": Shape(
        ("prof_id",), "start", {**_TIMES, "duration": _DURATION, "bubble": _DURATION}, {"bubble": 0.011}
    ),
    "kv": Shape(("domain",), "time", {**_TIMES, "usage": 1e-9}),
    "queues": Shape(("host", "pid"), "time", _TIMES, {"time": 10.0}, states=True),
    "nodes": Shape(("address", "role"), "time"),
    "requests": Shape(
        ("request_id",),
        None,
        {
            "arrival": _US,
            **dict.fromkeys(("ttft", "queue_wait", "duration"), _DURATION),
            "cache_hit_rate": 1e-6,
        },
        {"arrival": _MS, "duration": 1.0},
    ),
    "transfers": Shape(
        ("request_id", "rank"), "start", {**_TIMES, "duration": _DURATION}, {"start": _MS, "end": _MS}
    ),
    "handoffs": Shape(
        ("request_id",),
        None,
        dict.fromkeys(("arrival", "sent", "received", "prefill_done", "end"), _US),
        dict.fromkeys(("arrival", "sent", "received", "prefill_done", "end"), _MS),
    ),
    # A picture has 256 colours between its least and its most (`heat_png`).
    "expert_heat": Shape(
        ("instance", "view", "period", "layer", "column"), None, {"share": 1e-9}, {"relative": 1.3 / 256}
    ),
    "placements": Shape(("instance", "period", "layer", "rank", "slot")),
    "speculation": Shape(("request_id", "iteration", "prof_id"), "start", _TIMES),
}
# Where a row stands, each in its own file, and what no record tells.
_NOT_COMPARED = {"row", "running_written"}


class _Row(NamedTuple):
    time: int
    place: int


@dataclass(frozen=True)
class Difference:
    """Rows of one kind: `column` is empty where a whole row is on one side only."""

    column: str
    kind: Kind
    rows: int
    example: str = ""


def differences(name: FrameName, raw: pl.DataFrame, parsed: pl.DataFrame, *, cut: bool) -> list[Difference]:
    """Return where two readings of a frame differ; `cut` tells whether the parsed one is cut."""
    shape = SHAPES[name]
    keys, columns = list(shape.keys), [c for c in raw.columns if c not in _NOT_COMPARED]
    ours, theirs = _paired(*(_last_states(frame.select(columns), shape) for frame in (raw, parsed)), shape)
    joined = ours.join(theirs, on="number", how="full", suffix="_parsed")
    found = []
    sides: tuple[tuple[Kind, str, str], ...] = (("only raw", "", "_parsed"), ("only parsed", "_parsed", ""))
    for kind, side, other in sides:
        alone = joined.filter(
            pl.col(f"number{side}").is_not_null() & pl.col(f"number{other}").is_null()
        ).select(pl.col(f"{column}{side}") for column in columns)
        if alone.height:
            found.append(Difference("", kind, alone.height, _told(alone)))
    both = joined.drop_nulls(["number", "number_parsed"])
    for column in columns:
        if column not in keys:
            most = shape.cut.get(column) if cut else None
            found += _of_column(both, column, most or shape.within.get(column, 0.0), keys)
    return found


def _paired(ours: pl.DataFrame, theirs: pl.DataFrame, shape: Shape) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return both with a `number` that the rows that are the same share."""
    numbers: tuple[list[int], list[int]] = ([0] * ours.height, [0] * theirs.height)
    groups: dict[tuple[object, ...], tuple[list[_Row], list[_Row]]] = {}
    for side, frame in enumerate((ours, theirs)):
        rows = frame.select(shape.keys).rows()
        times = frame[shape.time].dt.timestamp("us").to_list() if shape.time else [0] * frame.height
        for place, (key, time) in enumerate(zip(rows, times, strict=True)):
            groups.setdefault(key, ([], []))[side].append(_Row(time or 0, place))
    number = 0
    for group in groups.values():
        for pair in _pairs(*(sorted(rows) for rows in group)):
            number += 1
            for side, row in enumerate(pair):
                if row is not None:
                    numbers[side][row.place] = number
    first, second = (pl.Series("number", of, dtype=pl.Int64) for of in numbers)
    return ours.with_columns(first), theirs.with_columns(second)


def _last_states(frame: pl.DataFrame, shape: Shape) -> pl.DataFrame:
    if not shape.states:
        return frame
    following = pl.col("time").shift(-1).over(shape.keys, order_by="time") - pl.col("time")
    return frame.filter((following.dt.total_microseconds() > _US).fill_null(True))


def _pairs(ours: list[_Row], theirs: list[_Row]) -> Iterator[tuple[_Row | None, _Row | None]]:
    """Yield rows of both that are next to each other in time, and those that are alone."""
    if len(ours) == len(theirs) and _run_along(ours, theirs):
        yield from zip(ours, theirs, strict=True)
        return
    a = b = 0
    while a < len(ours) and b < len(theirs):
        apart = ours[a].time - theirs[b].time
        behind, first, other = (ours, a, theirs[b]) if apart < 0 else (theirs, b, ours[a])
        nearer = first + 1 < len(behind) and abs(behind[first + 1].time - other.time) < abs(apart)
        if nearer or abs(apart) > _NEAR:
            yield (ours[a], None) if apart < 0 else (None, theirs[b])
            a, b = a + (apart < 0), b + (apart > 0)
        else:
            yield ours[a], theirs[b]
            a, b = a + 1, b + 1
    yield from ((row, None) for row in ours[a:])
    yield from ((None, row) for row in theirs[b:])


def _run_along(ours: list[_Row], theirs: list[_Row]) -> bool:
    """Tell whether rows of two readings are the same one by one: near in time, or cut to whole seconds."""
    if all(row.time % 1_000_000 == 0 for row in theirs):
        return True
    return all(abs(one.time - other.time) <= _NEAR for one, other in zip(ours, theirs, strict=True))


def _of_column(both: pl.DataFrame, column: str, most: float, keys: list[str]) -> Iterator[Difference]:
    ours, theirs = pl.col(column), pl.col(f"{column}_parsed")
    if both.schema[column].is_temporal():
        apart = (ours.dt.timestamp("us") - theirs.dt.timestamp("us")).abs() > most
    elif both.schema[column].is_numeric():
        apart = (ours.cast(pl.Float64) - theirs.cast(pl.Float64)).abs() > most
    else:
        apart = ours != theirs
    kinds: dict[Kind, pl.Expr] = {
        "raw unknown": ours.is_null() & theirs.is_not_null(),
        "parsed unknown": ours.is_not_null() & theirs.is_null(),
        "other": apart.fill_null(False),
    }
    for kind, which in kinds.items():
        rows = both.filter(which)
        if rows.height:
            yield Difference(column, kind, rows.height, _told(rows.select(*keys, ours, theirs)))


def _told(rows: pl.DataFrame) -> str:
    return ", ".join(str(cell) for cell in rows.row(0))
