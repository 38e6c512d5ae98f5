"""The zone of the files: Asia/Shanghai, which has been a fixed +08:00 since 1991."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

# Fixed on purpose: servers without internet often lack a zone database.
ZONE_REGION = "Asia/Shanghai"
ZONE = timezone(timedelta(hours=8), ZONE_REGION)
ZONE_OFFSET = "+08:00"
ZONE_NAME = f"{ZONE_REGION} {ZONE_OFFSET}"
ZONE_OFFSET_US = 8 * 3600 * 1_000_000

_EPOCH = datetime(1970, 1, 1)
_MICRO = timedelta(microseconds=1)


def instant(time: int) -> datetime:
    """Return µs since 1970 (UTC) as the naive UTC datetime that the frames hold."""
    return _EPOCH + time * _MICRO


def micros(time: datetime) -> int:
    """Return a naive UTC datetime, as frames and findings hold it, as µs since 1970."""
    return (time - _EPOCH) // _MICRO


def format_time(time: datetime, decimals: int = 3, *, date: bool = False) -> str:
    """Return a UTC instant (naive, as in the frames) as wall-clock text of the files' zone.

    `decimals` is the number of digits after the seconds, cut and not rounded, as upstream does.
    """
    local = time.replace(tzinfo=timezone.utc).astimezone(ZONE)
    text = local.strftime("%Y-%m-%d %H:%M:%S" if date else "%H:%M:%S")
    return text if decimals == 0 else f"{text}.{local.microsecond:06d}"[: len(text) + 1 + decimals]


def several_days(begin: datetime, end: datetime) -> bool:
    """Tell whether two UTC instants lie on different days of the files' zone: then both dates are said."""
    return format_time(begin, 0, date=True)[:10] != format_time(end, 0, date=True)[:10]


def dated(window: tuple[int, int]) -> bool:
    """Tell whether instants in a window (µs since 1970) need their date: it spans several days."""
    return several_days(instant(window[0]), instant(window[1]))


def format_window(begin: datetime, end: datetime, decimals: int = 0, *, date: bool = False) -> str:
    """Return from when to when in the files' zone; both dates where they differ, else with `date` the one."""
    if several_days(begin, end):
        return f"{format_time(begin, decimals, date=True)}–{format_time(end, decimals, date=True)}"
    return f"{format_time(begin, decimals, date=date)}–{format_time(end, decimals)}"
