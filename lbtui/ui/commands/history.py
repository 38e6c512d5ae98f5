"""The lines that were entered, the newest last, and going back to them."""

from __future__ import annotations

from collections.abc import Iterable

MOST = 500  # lines that are kept
LONGEST = 4000  # characters of one that is kept


class History:
    """What was entered before; a walk over it begins anew with each line that is asked for."""

    def __init__(self, lines: Iterable[str] = ()) -> None:
        self._lines: list[str] = []
        for line in lines:
            self.add(line)
        self._at = 0  # how many lines back the walk is
        self._draft = ""

    @property
    def lines(self) -> tuple[str, ...]:
        """All that are kept, the newest last."""
        return tuple(self._lines)

    def add(self, line: str) -> None:
        """Keep a line as the newest: one that is there already moves."""
        line = line.strip()
        if line and len(line) <= LONGEST:
            self._lines = [*(each for each in self._lines if each != line), line][-MOST:]

    def begin(self) -> None:
        """Begin a walk at the line that is being written."""
        self._at, self._draft = 0, ""

    def walk(self, back: int, now: str) -> str | None:
        """Return the line so many further back (or on, below 0), None where there is none.

        `now` is what stands in the line: what the walk began with is there again at its other end.
        """
        wanted = self._at + back
        if not 0 <= wanted <= len(self._lines):
            return None
        if self._at == 0:
            self._draft = now
        self._at = wanted
        return self._lines[-wanted] if wanted else self._draft
