"""What takes time to make, made while what came before it is in use."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_T = TypeVar("_T")
_S = TypeVar("_S")


def ahead(items: Iterator[_T]) -> Iterator[_T]:
    """Yield the items (never None), each made in another thread while the one before is in use.

    Nothing is made any more once this has ended, or was closed. Raises what `items` does.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as thread:
        coming = thread.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield item


def worked(work: Callable[[_S], _T], items: Iterator[_S], at_once: int) -> Iterator[_T]:
    """Yield what `work` makes of each item, in their order, so many at once while one is in use.

    Raises what `work` and `items` do.
    """
    with ThreadPoolExecutor(at_once, thread_name_prefix="worked") as threads:
        coming: deque[Future[_T]] = deque()
        for item in items:
            coming.append(threads.submit(work, item))
            if len(coming) > at_once:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()
