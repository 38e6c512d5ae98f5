"""How far the reading of a file is, in words: bytes, share and rate."""

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
    """Return how far reading is; `done` and `total` in bytes, `rate` in bytes a second where known."""
    name, size = visible(file, 60), f"{total / 1e6:.1f}"
    if total and done >= total:
        return _("{file} is read ({total} MB); computing …").format(file=name, total=size)
    percent = f"{100 * done // total} %" if total else ""
    words = _("reading {file} · {done} of {total} MB · {percent}").format(
        file=name, done=f"{done / 1e6:.1f}", total=size, percent=percent
    )
    return words if rate is None else words + " · " + _("{rate} MB/s").format(rate=f"{rate / 1e6:.1f}")
