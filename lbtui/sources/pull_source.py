"""Where a KV pull came from: the first number of each entry of its block tables.

MindIE writes `[[2886795281, [0], [0, 1, 2]]]`: the address of the P node as a number, then blocks. A table
of blocks alone (`[[0, 1, 2]]`) names no source.
"""

from __future__ import annotations

from typing import Any

import polars as pl

# Smaller numbers would be addresses of 0.0.0.0/8, which no host has: they are numbers of nodes.
_LEAST_ADDRESS = 1 << 24
_MOST_ADDRESS = (1 << 32) - 1
_ENTRY = r"\[\s*\d{1,19}\s*,\s*\["


def source_name(number: int) -> str:
    """Return a source as dotted IPv4 where the number is an address, else the number as text."""
    if _LEAST_ADDRESS <= number <= _MOST_ADDRESS:
        return ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))
    return str(number)


def sources(block_tables: str) -> pl.Expr:
    """Return the source of each pull from the texts of a column; null without one or with several."""
    entries = pl.col(block_tables).cast(pl.String).str.extract_all(_ENTRY)
    numbers = entries.list.eval(pl.element().str.extract(r"(\d+)").cast(pl.Int64, strict=False)).list.unique()
    number = pl.when(numbers.list.len() == 1).then(numbers.list.first())
    octets = [((number // (1 << shift)) % 256).cast(pl.String) for shift in (24, 16, 8, 0)]
    return (
        pl.when(number.is_between(_LEAST_ADDRESS, _MOST_ADDRESS))
        .then(pl.concat_str(octets, separator="."))
        .otherwise(number.cast(pl.String))
    )


def source_of(block_tables: Any) -> str | None:
    """Return the source of a pull from its tables as JSON has them; None without one or with several."""
    if type(block_tables) is not list:
        return None
    found = {
        entry[0]
        for entry in block_tables
        if type(entry) is list
        and len(entry) > 1
        and type(entry[0]) is int
        and 0 <= entry[0] < 1 << 63
        and type(entry[1]) is list
    }
    return source_name(found.pop()) if len(found) == 1 else None
