"""Numbers as spreadsheets write them: `1,234.5`, `1234,5`, `1 234,5`."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

_SIGN, _EXPONENT = r"^\s*[+-]?", r"(?:[eE][+-]?\d+)?\s*$"
_SPACES = "'’ \u00a0\u202f"
_ALL_SPACES = f"[{_SPACES}]"


def plain_numbers(columns: Collection[str], *, decimal_comma: bool) -> list[pl.Expr]:
    """Return text columns whose numbers have no marks but a decimal point; other cells are left alone."""
    return [_plain(pl.col(column), decimal_comma) for column in columns]


def _plain(cell: pl.Expr, decimal_comma: bool) -> pl.Expr:
    if decimal_comma:
        fractions = rf"{_SIGN}\d{{1,3}}(?:[.{_SPACES}]\d{{3}})*,\d+{_EXPONENT}|{_SIGN}\d*,\d+{_EXPONENT}"
        # One point alone may be a decimal point after all.
        wholes = rf"{_SIGN}\d{{1,3}}(?:(?:\.\d{{3}}){{2,}}|(?:[{_SPACES}]\d{{3}})+)\s*$"
        grouped = f"{fractions}|{wholes}"
        bare = cell.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    else:
        grouped = rf"{_SIGN}\d{{1,3}}(?:[,{_SPACES}]\d{{3}})+(?:\.\d+)?{_EXPONENT}"
        bare = cell.str.replace_all(",", "", literal=True)
    bare = bare.str.strip_chars().str.replace_all(_ALL_SPACES, "")
    return pl.when(cell.str.contains(grouped)).then(bare).otherwise(cell)
