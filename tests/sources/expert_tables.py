"""Expert tables of single rows, joined as those of a file are."""

from __future__ import annotations

from collections.abc import Iterable

from lbtui.sources.experts.rows import ExpertAccumulator, ExpertRow
from lbtui.sources.experts.tables import ExpertTables, combine


def read_tables(rows: Iterable[ExpertRow], file: str) -> ExpertTables:
    """Return the tables of one instance from its rows, those of each process in rising order."""
    accumulator = ExpertAccumulator()
    for row in rows:
        accumulator.add(row)
    return combine(accumulator.processes(), file)


def iterations(tables: ExpertTables) -> int:
    """Return how many readings are behind the tables, of the rank that has most."""
    return max(sum(period.iterations for period in process.periods) for process in tables.processes)
