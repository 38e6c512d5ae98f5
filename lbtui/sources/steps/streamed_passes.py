"""The passes of all cards from a forward table too large to hold: few columns, read when asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lbtui.profile import Progress
from lbtui.sources.steps.forward_rows import ForwardRows
from lbtui.sources.steps.large_forward import LargeForward
from lbtui.sources.steps.owners import Owners
from lbtui.sources.steps.streamed_domains import chosen, duration_of

_COLUMNS = ("prof_id", "start", "end", "duration")


def read_passes(forward: LargeForward, owners: Owners, progress: Progress) -> pl.DataFrame:
    """Return the forward passes of DP domains in the order of the file: 28 bytes a pass.

    Columns: domain, prof_id (categorical), start, end, duration (ms). Raises what reading the file does.
    """
    return forward.read(lambda rows: _read(rows, owners, progress))


def _read(rows: ForwardRows, owners: Owners, progress: Progress) -> pl.DataFrame:
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in _COLUMNS}
    for part in rows.read(progress):
        columns = {**part.columns, "duration": duration_of(part.columns)}
        columns["prof_id"] = columns["prof_id"].astype(np.uint32)
        for name, of in parts.items():
            of.append(np.array(columns[name]))
    # One after the other: the parts of a column go as it is put together.
    whole = {name: np.concatenate([np.zeros(0, parts[name][0].dtype), *parts.pop(name)]) for name in _COLUMNS}
    domains = dict(owners.frame.select("prof_id", "domain").iter_rows())
    of_process = [domains.get(process) for process in rows.processes]
    process = whole.pop("prof_id")
    frame = pl.DataFrame(
        [
            chosen("domain", of_process, process),
            chosen("prof_id", rows.processes, process),
            *(pl.Series(name, whole.pop(name)).cast(pl.Datetime("us")) for name in ("start", "end")),
            pl.Series("duration", whole.pop("duration")),
        ]
    )
    return frame.filter(pl.col("domain").is_not_null()) if None in of_process else frame
