"""The zone of the files: Asia/Shanghai, which has been a fixed +08:00 since 1991."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

# Fixed on purpose: servers without internet often lack a zone database.
ZONE = timezone(timedelta(hours=8), "Asia/Shanghai")
ZONE_NAME = "Asia/Shanghai +08:00"
ZONE_OFFSET_US = 8 * 3600 * 1_000_000


def format_time(time: datetime, decimals: int = 3, *, date: bool = False) -> str:
    """Return a UTC instant (naive, as in the frames) as wall-clock text of the files' zone.

    `decimals` is the number of digits after the seconds, cut and not rounded, as upstream does.
    """
    local = time.replace(tzinfo=timezone.utc).astimezone(ZONE)
    text = local.strftime("%Y-%m-%d %H:%M:%S" if date else "%H:%M:%S")
    return text if decimals == 0 else f"{text}.{local.microsecond:06d}"[: len(text) + 1 + decimals]
