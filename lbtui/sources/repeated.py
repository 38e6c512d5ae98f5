"""Rows that stand twice in a table, as where a file was put together with itself."""

from __future__ import annotations

import polars as pl

from lbtui.profile import Note
from lbtui.text import _

# The columns in which rows of one table differ if they are of different things; of others, equal rows may be
# two events (of KV blocks, in one microsecond or second) or say the same once more without harm.
_TELLING = {
    "forward": ("prof_id", "start", "end"),
    "batch": ("name", "prof_id", "start", "end"),
    "request": ("request_id", "arrival"),
    "pd_split_kvcache": ("request_id", "rank", "start"),
    "pd_split_communication": ("request_id", "arrival"),
    "spec_decode": ("request_id", "iteration", "prof_id", "start"),
}
# What tells at little cost that most rows stand once.
_TIME = {"request": "arrival", "pd_split_communication": "arrival"}


def each_once(table: str, frame: pl.DataFrame, file: str) -> tuple[pl.DataFrame, list[Note]]:
    """Return the rows of a raw table without those that repeat an earlier one, and a note if there were any.

    Of tables whose equal rows may be different events, the second half is left out if it repeats the first.
    """
    if table not in _TELLING:
        return _without_second_half(frame, file)
    telling = [*_TELLING[table]]
    if not {*telling} <= {*frame.columns}:  # only some columns were read
        return frame, []
    columns = [column for column in frame.columns if column != "row"]
    repeated = (
        frame.filter(_stands_twice(frame[_TIME.get(table, "start")]))
        .drop_nulls(telling)
        .filter(pl.struct(columns).is_first_distinct().not_())["row"]
    )
    if repeated.is_empty():
        return frame, []
    return frame.filter(~pl.col("row").is_in(repeated.implode())), [_note(file, repeated)]


def _stands_twice(times: pl.Series) -> pl.Series:
    """Tell of each row whether its time stands in another row, too."""
    if not times.is_sorted():
        return times.is_duplicated()
    return ((times == times.shift()) | (times == times.shift(-1))).fill_null(False)


def _without_second_half(frame: pl.DataFrame, file: str) -> tuple[pl.DataFrame, list[Note]]:
    half, odd = divmod(frame.height, 2)
    if odd or half < 2:
        return frame, []
    first, second = frame.head(half), frame.tail(half)
    if not first.drop("row").equals(second.drop("row")):
        return frame, []
    return first, [_note(file, second["row"])]


def _note(file: str, rows: pl.Series) -> Note:
    text = _("{count} rows repeat an earlier one (the first is data row {first}) and count once.")
    return Note(file, text.format(count=len(rows), first=int(rows[0]) + 1))
