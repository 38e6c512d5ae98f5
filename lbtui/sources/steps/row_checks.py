"""What contradicts itself within a row: used where one of the two is plainly right, else unknown."""

from __future__ import annotations

import polars as pl

from lbtui.profile import Note
from lbtui.text import _

_CUT = 1.0  # ms: what writes whole ms cuts start and end by up to so much
EXACT = 0.1  # ms
SHARE = 0.01  # of the duration may be lost in rounding
_LATE = 2.0  # ms: upstream cuts a request's start and end to whole ms
_MANY = 8  # tokens that no step yields at once


def checked_durations(
    rows: pl.DataFrame, file: str, card: str | None = None
) -> tuple[pl.DataFrame, list[Note]]:
    """Return the rows, with `start`, `end` and `duration` (ms), where these agree; and a note on the others.

    Of a row that ends before it starts the duration is right. Of others the one is that lets a `card` (the
    column that names it; rows come by start) go on to its next start, as it does one thing at a time; where
    both do, or nothing tells, the duration is unknown. A duration that is not written is that from start to
    end.
    """
    span = _ms(pl.col("end") - pl.col("start"))
    cut = pl.all_horizontal(pl.col("start", "end").dt.microsecond() % 1000 == 0)
    slack = pl.when(cut).then(_CUT).otherwise(EXACT)
    off = (pl.col("duration") - span).abs() > slack + SHARE * pl.col("duration")
    if not rows.select(off.any()).item():
        return rows.with_columns(duration=pl.col("duration").fill_null(span)), []
    us = (pl.col("duration") * 1000).cast(pl.Int64, strict=False)
    lasts = pl.col("start") + pl.duration(microseconds=us)
    following = pl.col("start").shift(-1).over(card) if card else pl.lit(None, pl.Datetime("us"))
    to_end, to_last = (following >= time - pl.duration(milliseconds=1) for time in (pl.col("end"), lasts))
    backwards = span < 0
    by_end = off & ~backwards & to_end & ~to_last
    by_duration = off & (backwards | (to_last & ~to_end).fill_null(False))
    flags = rows.with_columns(_off=off.fill_null(False), _end=by_end.fill_null(False), _last=by_duration)
    known = pl.when(pl.col("_off") & ~pl.col("_end") & ~pl.col("_last"))
    checked = flags.with_columns(
        duration=known.then(None).when("_end").then(span).otherwise(pl.col("duration").fill_null(span)),
        end=pl.when("_last").then(lasts).otherwise("end"),
    )
    count, ends, durations = (int(flags[name].sum()) for name in ("_off", "_end", "_last"))
    text = _(
        "In {count} of {all} rows during_time is not the time from start to end: in {ends} start and end are "
        "used, in {durations} start and during_time, in the others the duration is unknown and in no figure."
    ).format(count=count, all=rows.height, ends=ends, durations=durations)
    return checked.drop("_off", "_end", "_last"), [Note(file, text)]


def checked_first_tokens(requests: pl.DataFrame, file: str) -> tuple[pl.DataFrame, list[Note]]:
    """Return the requests; a first token (`ttft`) that comes with the last of many, or after the end of the
    request (`duration`), both in ms, is unknown.
    """
    many = pl.col("output_tokens").fill_null(0) >= _MANY
    last = pl.col("duration") + pl.when(many).then(-_LATE).otherwise(_LATE)
    late = (pl.col("ttft") > last).fill_null(False)
    count = int(requests.select(late.sum()).item())
    if not count:
        return requests, []
    text = _(
        "{count} of {all} requests have a first token after their end, or with the last of many; their time "
        "to first token is unknown and in no percentile."
    ).format(count=count, all=requests.height)
    return requests.with_columns(ttft=pl.when(~late).then("ttft")), [Note(file, text)]


def are_of_prefills(requests: pl.DataFrame, decoded: int) -> bool:
    """Tell whether the one output token of each request is what its prefill engine replied.

    The first token is of the prefill: where requests were `decoded` in more rounds than there are requests,
    they had more than one.
    """
    replies = requests["output_tokens"].drop_nulls()
    return not replies.is_empty() and not (replies != 1).any() and decoded > len(replies)


def _ms(duration: pl.Expr) -> pl.Expr:
    return duration.dt.total_microseconds() / 1000
