"""The window of time that all panes share, and moving about in it. Times are µs since 1970, UTC."""

from __future__ import annotations

from typing import TypeAlias

Window: TypeAlias = tuple[int, int]

LEAST = 1_000  # µs


def within(window: Window | None, whole: Window) -> Window:
    """Return the part of a window that lies in the whole; the whole without a window or such a part."""
    if window is None or window[1] <= whole[0] or whole[1] <= window[0]:
        return whole
    return max(window[0], whole[0]), min(window[1], whole[1])


def life_window(arrival: int, duration: float | None, whole: Window) -> Window:
    """Return `duration` ms from an arrival and a tenth of it on either side, inside the whole."""
    length = max(LEAST, round((duration or 0.0) * 1000))
    margin = length // 10
    return max(whole[0], arrival - margin), min(whole[1], arrival + length + margin)


def column_of(time: int, window: Window, columns: int) -> int:
    """Return the column a time falls in; outside 0..columns - 1 where it is outside the window."""
    begin, end = window
    return (time - begin) * columns // max(1, end - begin)


def time_at(column: int, window: Window, columns: int) -> int:
    """Return the middle of a column."""
    begin, end = window
    return begin + (end - begin) * (2 * column + 1) // (2 * max(1, columns))


def moved(time: int | None, step: int, window: Window, columns: int, whole: Window) -> int:
    """Return the time `step` columns on, inside the whole; a first step enters the window at its middle."""
    if time is None:
        return time_at(columns // 2, window, columns)
    target = time_at(column_of(time, window, columns) + step, window, columns)
    return max(whole[0], min(target, whole[1] - 1))


def following(time: int, window: Window, whole: Window) -> Window:
    """Return a window of the same length, moved by no more than needed to hold `time` well inside."""
    begin, end = window
    if begin <= time < end:
        return window
    length = end - begin
    begin = max(whole[0], min(time - length // 2, whole[1] - length))
    return begin, begin + length


def zoomed(
    factor: float, window: Window, whole: Window, around: int | None, least: int = LEAST
) -> Window | None:
    """Return the window `factor` times as long, `around` staying in its place; None for the whole.

    One that is `least` (µs) long, or less, is made no shorter, and none is made longer by a factor below 1.
    """
    begin, end = window
    length = max(round((end - begin) * factor), min(least, end - begin))
    # A few µs short of the whole, from rounding, is the whole.
    if length >= (whole[1] - whole[0]) * 0.999:
        return None
    centre = around if around is not None and begin <= around < end else (begin + end) // 2
    share = (centre - begin) / (end - begin)
    begin = max(whole[0], min(centre - round(share * length), whole[1] - length))
    return begin, begin + length
