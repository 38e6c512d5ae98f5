"""Round places on an axis, and the line of times under lanes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime, timedelta

from rich.segment import Segment
from rich.style import Style

from lbtui.profile.time import ZONE_OFFSET_US, format_time, micros, several_days
from lbtui.render import palette
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.glyphs import glyphs
from lbtui.render.text import row

_MICRO = timedelta(microseconds=1)
_SECOND, _MINUTE, _HOUR, _DAY = 1_000_000, 60_000_000, 3_600_000_000, 86_400_000_000
_STEPS = (
    *(digit * 10**power for power in range(6) for digit in (1, 2, 5)),
    *(_SECOND * count for count in (1, 2, 5, 10, 15, 30)),
    *(_MINUTE * count for count in (1, 2, 5, 10, 15, 30)),
    *(_HOUR * count for count in (1, 2, 3, 6, 12)),
    *(_DAY * count for count in (1, 2, 7, 14, 28)),
)
# Room for the longest common label, hh:mm:ss, and a gap.
_ROOM = 10


def nice_step(least: timedelta) -> timedelta:
    """Return the shortest round step of time not under `least`: 1, 2, 5, 10, 15 or 30 of a unit."""
    wanted = least // _MICRO
    step = next((step for step in _STEPS if step >= wanted), None)
    return timedelta(microseconds=-(-wanted // _DAY) * _DAY if step is None else step)


def nice_ticks(low: float, high: float, count: int) -> list[float]:
    """Return about `count` round numbers, multiples of 1, 2 or 5 × a power of ten, from `low` to `high`."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low or count < 1:
        return [low] if math.isfinite(low) else []
    rough = high / count - low / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(digit * power for digit in (1, 2, 5, 10) if digit * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [index * step for index in range(first, last + 1)]


def time_axis(start: datetime, end: datetime, width: int, caps: Capabilities) -> Row:
    """Return the times of `width` columns from `start` to `end` (UTC, naive) in the files' zone.

    Each label begins in the column its time falls in. The first is whole, `08:00:00`; later ones leave out
    what has not changed, `:10`. Where the axis spans several days, the first of each has its date.
    """
    date = several_days(start, end)
    text = ""
    previous: datetime | None = None
    for time, column, step in _ticks(start, end, width):
        label = _label(time, previous, step, date=date)
        gap = 0 if previous is None else 1
        if column < len(text) + gap or column + len(label) > width:
            continue
        text = text.ljust(column) + label
        previous = time
    return row(Segment(text, palette.dim(caps)), width=width)


def time_pointer(
    time: datetime, column: int, width: int, caps: Capabilities, *, decimals: int = 1, date: bool = False
) -> Row:
    """Return the line above lanes that points down at the cursor's column and names its time.

    `date` is asked for where the lanes span several days.
    """
    mark = glyphs(caps).down
    label = format_time(time, decimals, date=date)
    if not 0 <= column < width:
        return row(width=width)
    if column + 1 + len(label) <= width:
        return row(" " * column, Segment(mark + label, palette.accent(caps)), width=width)
    before = max(0, column - len(label))
    return row(" " * before, Segment(label[: column - before] + mark, palette.accent(caps)), width=width)


def bracketed(
    pointer: Row, spans: Iterable[tuple[float, float, Style]], width: int, caps: Capabilities
) -> Row:
    """Return a `time_pointer` with brackets in its blank cells, from column to column of each span.

    They are open where the span goes on outside; of spans that overlap the last is seen.
    """
    symbols = glyphs(caps)
    text, styles = [" "] * width, [Style.null()] * width
    for begin, end, style in spans:
        first, last = max(0, math.floor(begin)), min(width, math.ceil(end)) - 1
        for column in range(first, last + 1):
            text[column], styles[column] = symbols.rule, style
        if 0 <= begin < width:
            text[first] = symbols.over_left
        if first < last and 0 < end <= width:
            text[last] = symbols.over_right
    at = 0
    for segment in pointer:
        for character in segment.text:
            if character != " ":
                text[at], styles[at] = character, segment.style or Style.null()
            at += 1
    return row(
        *(Segment(character, style) for character, style in zip(text, styles, strict=True)), width=width
    )


def _ticks(start: datetime, end: datetime, width: int) -> list[tuple[datetime, int, int]]:
    """Return the round times with their columns and the step in microseconds; the start if none is round."""
    length = (end - start) // _MICRO
    if length <= 0 or width <= 0:
        return [(start, 0, _SECOND)]
    step = nice_step(timedelta(microseconds=-(-length * _ROOM // width))) // _MICRO
    begin = micros(start) + ZONE_OFFSET_US
    ticks = []
    for local in range(-(-begin // step) * step, begin + length, step):
        time = start + timedelta(microseconds=local - begin)
        ticks.append((time, (local - begin) * width // length, step))
    first_column = ticks[0][1] if ticks else width
    # Room before the first round time: the start itself, if it does not crowd that out.
    if first_column > _ROOM or not ticks:
        ticks.insert(0, (start, 0, step))
    return ticks


def _label(time: datetime, previous: datetime | None, step: int, *, date: bool) -> str:
    decimals = 0 if step >= _SECOND else len(f"{step / _SECOND:.6f}".rstrip("0")) - 2
    if previous is None:
        return format_time(time, decimals, date=date)[5 if date else 0 :]
    if step >= _DAY:
        return format_time(time, 0, date=True)[5:10]
    if date and several_days(previous, time):
        return format_time(time, decimals, date=True)[5 : 16 if step >= _MINUTE else None]
    whole, before = format_time(time, decimals), format_time(previous, decimals)
    if step >= _MINUTE:
        return whole[:5]
    return whole[5:] if whole[:5] == before[:5] else whole
