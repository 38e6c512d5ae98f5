"""What all loaders do last: give a frame its canonical columns and types."""

from __future__ import annotations

import polars as pl

from lbtui.profile import SCHEMAS, FrameName


def canonical(frame: pl.DataFrame, name: FrameName) -> pl.DataFrame:
    """Return the columns of the frame `name`, in its order and types.

    A number too large for its type can only be a broken cell, and becomes null.
    """
    return frame.select(pl.col(c).cast(kind, strict=False) for c, kind in SCHEMAS[name].items())
