"""Which slices are of which request, where a file tells it with each slice."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from lbtui.profile.slices import Slices

_BEHIND = "-"  # what vLLM adds to the id that the client knows begins with it
MOST = 40_000_000  # that are remembered, some 600 MB


class RequestRows:
    """The rows of slices (`Slices.row`) by the requests that they are of."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._request = array("i")
        self._row = array("q")

    @property
    def full(self) -> bool:
        """Whether no more are remembered."""
        return len(self._row) >= MOST

    def add(self, row: int, requests: Iterable[str]) -> None:
        """Take the requests of a slice."""
        for request in requests:
            self._request.append(self._numbers.setdefault(request, len(self._numbers)))
            self._row.append(row)

    def add_all(self, rows: npt.NDArray[np.int64], requests: Sequence[str]) -> None:
        """Take a request of each of these slices."""
        room = MOST - len(self._row)
        for row, request in zip(rows.tolist()[:room], requests[:room], strict=True):
            self.add(row, (request,))

    def flow(self, slices: Slices, request: str) -> list[int]:
        """Return the slices of a request by their start."""
        numbers = [number for known, number in self._numbers.items() if is_of(known, request)]
        if not numbers:
            return []
        own = np.frombuffer(self._row, np.int64)[np.isin(np.frombuffer(self._request, np.int32), numbers)]
        at = np.flatnonzero(np.isin(slices.row, own))
        return sorted(at.tolist(), key=lambda index: (int(slices.start[index]), int(slices.row[index])))


def is_of(known: str, request: str) -> bool:
    """Tell whether an id is a request's: the same, or the longer one that an engine made of it."""
    return known == request or known.startswith(request + _BEHIND)


def longer_ids(request: str) -> tuple[str, str]:
    """Return between which texts, the last left out, the longer ids of a request lie."""
    return request + _BEHIND, request + chr(ord(_BEHIND) + 1)
