"""How far the reading of a file is, in words: bytes, share, rate and time left."""

from __future__ import annotations

from lbtui.text import _, visible

_ENOUGH = 1.0  # s of reading that tell a rate


class Rate:
    """How fast the file at hand is read, since its reading began."""

    def __init__(self) -> None:
        self._file = ""
        self._begin = (0.0, 0)  # time (s) and bytes
        self._done = 0

    def after(self, file: str, done: int, now: float) -> float | None:
        """Return bytes a second at the time `now` (s), None in the first second of a file."""
        if file != self._file or done < self._done:
            self._file, self._begin = file, (now, done)
        self._done = done
        seconds = now - self._begin[0]
        return (done - self._begin[1]) / seconds if seconds >= _ENOUGH else None


def progress_words(file: str, done: int, total: int, rate: float | None) -> str:
    """Return how far reading is and how long it still takes; `done` and `total` in bytes.

    `rate` is in bytes a second, where known.
    """
    name = visible(file, 60)
    if not total:
        return _("reading {file}").format(file=name)
    # Of a small file MB would say 0.0 of 0.0.
    scale, unit = (1e6, _("MB")) if total >= 100_000 else (1e3, _("kB"))
    size = f"{total / scale:,.1f} {unit}"
    if done >= total:
        return _("{file} is read ({total}); computing …").format(file=name, total=size)
    parts = [
        _("reading {file}").format(file=name),
        _("{done} of {total}").format(done=f"{done / scale:,.1f}", total=size),
        f"{100 * done // total} %",
    ]
    if rate:
        parts.append(_("{rate} MB/s").format(rate=f"{rate / 1e6:.1f}"))
        parts.append(_("{time} left").format(time=_length((total - done) / rate)))
    return " · ".join(parts)


def _length(seconds: float) -> str:
    minutes, rest = divmod(max(1, round(seconds)), 60)
    return _("{minutes} min {seconds} s").format(minutes=minutes, seconds=rest) if minutes else f"{rest} s"
