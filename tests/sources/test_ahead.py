"""What is made ahead comes in order, with its errors, and ends with who takes it."""

import itertools
import threading

import pytest

from lbtui.sources.ahead import ahead


def test_items_come_in_order_from_another_thread():
    made = ahead((number, threading.get_ident()) for number in range(50))
    numbers, threads = zip(*made, strict=True)
    assert numbers == tuple(range(50))
    assert threading.get_ident() not in threads


def test_an_error_comes_after_the_items_before_it():
    def broken():
        yield 1
        raise OSError("gone")

    made = ahead(broken())
    assert next(made) == 1
    with pytest.raises(OSError, match="gone"):
        next(made)


def test_nothing_is_made_once_it_is_closed():
    begun = []
    made = ahead(begun.append(number) or number for number in itertools.count())
    assert next(made) == 0
    made.close()
    known = list(begun)
    assert len(known) <= 2, "one is made ahead"
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]
    assert begun == known
