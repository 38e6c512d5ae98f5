"""Rows that come in many small parts, held in a few pieces."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

# To take rows out of more pieces than that, polars makes one of them each time.
_MOST = 8
_PIECE = 1_250_000  # rows, at first
_IN_ONE = 2_000_000  # rows


class Pieces:
    """Parts of one table, in order. They are joined as they come: the memory that a part leaves is free for
    the next, whereas all joined at the end are held twice.
    """

    def __init__(self, nothing: pl.DataFrame) -> None:
        self._pieces: list[pl.DataFrame] = []
        self._parts = [nothing]
        self._waiting = 0
        self._size = _PIECE

    def add(self, part: pl.DataFrame) -> None:
        """Take the next rows; the frame is given away, its columns are taken out of it."""
        self._parts.append(part)
        self._waiting += part.height
        if self._waiting < self._size:
            return
        self._pieces.append(_joined(self._parts))
        self._parts, self._waiting = [], 0
        if len(self._pieces) == _MOST:
            self._pieces = [_joined(self._pieces[i : i + 2]) for i in range(0, _MOST, 2)]
            self._size *= 2

    def frame(self) -> pl.DataFrame:
        """Return all rows, in one piece up to two million of them; what was taken is given away."""
        if self._parts:
            self._pieces.append(_joined(self._parts))
        pieces, self._pieces, self._parts = self._pieces, [], []
        if sum(piece.height for piece in pieces) <= _IN_ONE:
            return _joined(pieces)
        return pl.concat(pieces, rechunk=False)


def _joined(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return the rows of the parts in one piece; each column of theirs is gone when it is joined."""
    columns = parts[0].columns
    return pl.DataFrame([_column([part.drop_in_place(name) for part in parts]) for name in columns])


def _column(parts: Sequence[pl.Series]) -> pl.Series:
    rows = sum(len(part) for part in parts)
    if sum(part.null_count() for part in parts) == rows:
        # Zeros that nobody has written take no memory.
        return pl.repeat(None, rows, dtype=parts[0].dtype, eager=True).alias(parts[0].name)
    return pl.concat(parts, rechunk=True)
