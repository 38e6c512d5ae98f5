"""Arrays of numpy (.npy) of whole numbers, read without pickle and without trust in their header."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from lbtui.sources.experts.bytes import BadContent, must_be_regular
from lbtui.sources.experts.rows import MOST_TOKENS, Table
from lbtui.text import _, visible

NPY = b"\x93NUMPY"
_MOST_BYTES = 1 << 30
_MOST_CELLS = 1 << 27


def read_array(path: Path) -> Table:
    """Return the array in a .npy file as int64. Raises `BadContent` with the reason, also for fractions."""
    check_array(path)
    try:
        with path.open("rb") as file:
            values = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError) as error:
        raise BadContent(visible(str(error), 200)) from error
    return whole_tokens(values)


def whole_tokens(values: np.ndarray[Any, Any]) -> Table:
    """Return numbers as int64. Raises `BadContent` with the first that is no whole number below 2^53."""
    if not values.size:
        raise BadContent(_("it holds nothing"))
    if values.dtype.kind == "f":
        values = values.astype(np.float64)
        with np.errstate(invalid="ignore"):
            odd = ~(np.isfinite(values) & (values == np.floor(values)))
        odd |= ~(np.abs(values) <= MOST_TOKENS)
    else:
        odd = (values > MOST_TOKENS) | (values < -MOST_TOKENS)
    if odd.any():
        raise BadContent(
            _("it holds {value}, which is no whole number of tokens").format(
                value=values[tuple(np.argwhere(odd)[0])]
            )
        )
    return values.astype(np.int64)


def check_array(path: Path) -> tuple[int, ...]:
    """Return the shape that a .npy file's header tells, if its cells are numbers and all there.

    Raises `BadContent` with the reason where not; reads the header only.
    """
    try:
        must_be_regular(path)
        size = path.stat().st_size
        with path.open("rb") as file:
            version = npy.read_magic(file)
            read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}.get(version)
            if read is None:
                raise BadContent(_("its header is of version {version}").format(version=version[0]))
            shape, _fortran, dtype = read(file)
            here = size - file.tell()
    except OSError as error:
        raise BadContent(visible(error.strerror or str(error), 200)) from error
    except BadContent:
        raise
    # Headers of hostile files raise whatever Python's own parser does.
    except Exception as error:
        raise BadContent(_("it is no array of numpy, or cut within its header")) from error
    if dtype.hasobject:
        raise BadContent(_("it holds pickled objects, which are never opened here; save an array of numbers"))
    if dtype.kind not in "iuf" or dtype.fields is not None:
        raise BadContent(_("its cells are {dtype}, not whole numbers").format(dtype=visible(str(dtype), 60)))
    if prod(shape) > _MOST_CELLS or size > _MOST_BYTES:
        raise BadContent(_("it has more than {most} million cells").format(most=_MOST_CELLS >> 20))
    wanted = prod(shape) * dtype.itemsize
    if here != wanted:
        raise BadContent(
            _("its header tells {wanted} bytes, and {here} are there: copy it again").format(
                wanted=wanted, here=here
            )
        )
    return tuple(shape)
