"""Rows taken part by part are the same rows, in the same order, in few pieces."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from lbtui.sources.tables import pieces
from lbtui.sources.tables.pieces import Pieces


@given(st.lists(st.integers(0, 9), max_size=120), st.integers(1, 12), st.integers(0, 600))
def test_all_rows_are_there_in_order_in_at_most_eight_pieces(lengths, size, whole):
    rows = sum(lengths)
    table = pl.DataFrame(
        {"n": range(rows), "text": [None if n % 3 else f"r{n}" for n in range(rows)], "none": [None] * rows},
        schema={"n": pl.Int64, "text": pl.String, "none": pl.Float64},
    )
    kept = pieces._PIECE, pieces._IN_ONE
    pieces._PIECE, pieces._IN_ONE = size, whole
    try:
        taken, at = Pieces(table.clear()), 0
        for length in lengths:
            taken.add(table[at : at + length])
            at += length
        frame = taken.frame()
    finally:
        pieces._PIECE, pieces._IN_ONE = kept
    assert frame.equals(table)
    assert frame.schema == table.schema
    assert frame.n_chunks() <= (1 if rows <= whole else 8)
