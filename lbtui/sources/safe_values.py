"""Values of trace events made safe: the file may hold anything where a number or a text is due."""

from __future__ import annotations

import re
from typing import Any

from lbtui.sources.decoded import decoded
from lbtui.sources.limits import LATEST

_LARGEST = 1e19
_INT32 = 2**31 - 1
_INT64 = 2**63 - 1

_WHOLE = re.compile(r"\s*[+-]?\d{1,18}(?:\.0*)?\s*", re.ASCII)


def whole(value: Any, limit: int = _INT64) -> int | None:
    """Return a whole number given as number or text (`"1"`, `1.0`), or None if none up to `limit` is."""
    if type(value) is int:
        number = value
    elif type(value) is float and value.is_integer():
        number = int(value)
    elif type(value) is str and _WHOLE.fullmatch(value):
        number = int(value.partition(".")[0])
    else:
        return None
    return number if -limit <= number <= limit else None


def small(value: Any) -> int | None:
    """Return a whole number that fits 32 bits, or None."""
    return whole(value, _INT32)


def count(value: Any) -> int | None:
    """Return a number of things that fits 32 bits, or None."""
    number = small(value)
    return None if number is None or number < 0 else number


def real(value: Any) -> float | None:
    """Return a number as float, or None; NaN, infinities and what is beyond any measurement are None."""
    if type(value) in (int, float) and -_LARGEST <= value <= _LARGEST:
        return float(value)
    return None


def share(value: Any) -> float | None:
    """Return a share from 0 to 1 given as number or text, or None."""
    if type(value) is str:
        try:
            value = float(value)
        except ValueError:
            return None
    number = real(value)
    return None if number is None or not 0 <= number <= 1 else number


def text(value: Any) -> str | None:
    """Return a text that can be stored, or None if the value is no text.

    Bytes of the file that are no UTF-8 stand in it as lone surrogates, as `json_stream` reads them.
    """
    if type(value) is not str:
        return None
    if value.isascii():
        return value
    try:
        return decoded(value.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:  # a surrogate that was written as an escape
        return value.encode("utf-8", "backslashreplace").decode()


def moment(value: Any) -> float | None:
    """Return a time in us since 1970 as the exact float, or None if it is none.

    A double holds quarters of a microsecond at today's times, and upstream writes the shortest text that
    reads back as the same double: truncation gives the microseconds of upstream's datetime texts.
    """
    if type(value) in (int, float) and 0 <= value <= LATEST:
        return float(value)
    return None


def request_ids(res_list: Any) -> list[str]:
    """Return the request ids of `args.res_list`: one text, a list of texts, or a list of dicts with `rid`."""
    if type(res_list) is not list:
        res_list = [res_list]
    ids = (_request_id(item.get("rid") if type(item) is dict else item) for item in res_list)
    return [rid for rid in ids if rid is not None]


def _request_id(value: Any) -> str | None:
    number = None if type(value) is str else whole(value)
    return text(value) if number is None else str(number)
