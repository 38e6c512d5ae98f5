"""JSON that anything may have become: a value is taken as what it must be, or refused by a `ValueError`."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

_LARGEST = 1 << 62


def parsed(data: bytes) -> Any:
    """Return what a document says; raises `ValueError` for whatever is no JSON, or nested too deeply."""
    try:
        return json.loads(data, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError from error


def _refuse(text: str) -> NoReturn:
    raise ValueError(text)


def text_of(value: object, most: int) -> str:
    """Return a text of at most so many characters."""
    if not isinstance(value, str) or len(value) > most:
        raise ValueError(type(value))
    return value


def table_of(value: object, most: int) -> Mapping[str, Any]:
    """Return an object of at most so many keys."""
    if not isinstance(value, dict) or len(value) > most:
        raise ValueError(type(value))
    return value


def list_of(value: object, most: int) -> list[Any]:
    """Return a list of at most so many values."""
    if not isinstance(value, list) or len(value) > most:
        raise ValueError(type(value))
    return value


def whole_of(value: object, least: int = 0, most: int = _LARGEST) -> int:
    """Return a whole number between the bounds, the upper one left out."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value < most:
        raise ValueError(type(value))
    return value


def number_of(value: object) -> float:
    """Return a finite number."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError(type(value))
    try:
        number = float(value)
    except OverflowError as error:
        raise ValueError from error
    if not math.isfinite(number):
        raise ValueError(number)
    return number
