"""What Targets draws: the groups of the requests and what each attained, made once of the request table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np
import polars as pl

from lbtui.analysis.imbalance import Floats
from lbtui.analysis.latency import Percentiles, ascending, percentiles
from lbtui.analysis.order import RowNumbers
from lbtui.analysis.slo import cdf
from lbtui.overview.attained import KINDS, Group, Kind, Slo, groups_of, slo_of
from lbtui.profile import Domain
from lbtui.text import _
from lbtui.ui.panes.requests.columns import BY_NAME
from lbtui.ui.panes.requests.data import RequestsData

Measure: TypeAlias = Literal["ttft", "time_per_output_token", "queue_wait", "duration"]
MEASURES: tuple[Measure, ...] = ("ttft", "time_per_output_token", "queue_wait", "duration")
# A group by kind and key, None for all requests.
Row: TypeAlias = tuple[Kind, str | int] | None
_TARGET_OF = {"ttft": "ttft", "time_per_output_token": "tpot", "duration": "e2e"}


@dataclass(frozen=True, eq=False)
class TargetsData:
    """The requests looked at and what they attained. Compared by identity: drawings are kept by it.

    `of` says which requests, where these are not all of the run; `missed` how many missed which targets.
    """

    requests: RequestsData
    table: pl.DataFrame
    slo: Slo
    of: str = ""
    missed: Mapping[Row, Mapping[int, int]] = field(default_factory=dict)  # `_missed`

    @property
    def rows(self) -> tuple[Group | None, ...]:
        """What the cursor goes over: all requests (None), then each group."""
        return (None, *self.slo.groups)

    def target(self, measure: Measure) -> float | None:
        """Return the target of a time, ms; None without one."""
        return self.slo.targets.limits.get(_TARGET_OF.get(measure, ""))

    def of_group(self, group: Group | None) -> pl.DataFrame:
        """Return the requests of a group, of all where it is None."""
        return self.table if group is None else self.table.filter(self._mask(group))

    def _mask(self, group: Group) -> pl.Series:
        of = self._groups[group.kind]
        assert of is not None
        found = of.list.contains(group.key) if group.kind == "domain" else of == group.key
        return found.fill_null(False)

    @cached_property
    def _groups(self) -> dict[Kind, pl.Series | None]:
        return {kind: groups_of(self.table, kind) for kind in KINDS}


@dataclass(frozen=True)
class Distributed:
    """The distribution of a time over the requests of a group: its steps, and the name of the group."""

    name: str
    xs: Floats
    ys: Floats
    count: int
    figures: Percentiles

    def share(self, value: float) -> float:
        """Return the share of the requests at or below a value; NaN without any."""
        at = int(np.searchsorted(self.xs, value, side="right"))
        return (float(self.ys[at - 1]) if at else 0.0) if self.count else float("nan")


def targets_data(
    requests: RequestsData, domains: Sequence[Domain], rows: RowNumbers | None, of: str
) -> TargetsData:
    """Return the data of all requests, or of the `rows` of their table; `of` says which these are.

    The targets are those of the run in either case, and so is the time that goodput is told over.
    """
    table = requests.table if rows is None else requests.table[np.sort(rows)]
    why = "" if requests.no_places is None else requests.no_places or _("no file tells where requests ran")
    slo = slo_of(table, requests.targets, domains, why, requests.seconds)
    return TargetsData(requests, table, slo, of, _missed(table))


def distributed(data: TargetsData, group: Group | None, measure: Measure) -> Distributed:
    """Return the distribution of a time over the requests of a group, or of all."""
    values = data.of_group(group)[measure]
    xs, ys = cdf(values)
    known = ascending(values)
    name = _("all") if group is None else group.name
    return Distributed(name, xs, ys, len(known), percentiles(known, len(values) - len(known)))


def _missed(table: pl.DataFrame) -> dict[Row, dict[int, int]]:
    """Return how many requests of all, and of each group, missed which targets (the sum of their bits)."""
    bits = table["missed"]
    found: dict[Row, dict[int, int]] = {None: _counted(pl.DataFrame({"missed": bits}))}
    for kind in KINDS:
        of = groups_of(table, kind)
        if of is None:
            continue
        rows = pl.DataFrame({"group": of, "missed": bits}).filter(pl.col("missed") > 0)
        if of.dtype == pl.List:
            rows = rows.with_columns(pl.col("group").list.unique()).explode("group")
        for (key,), part in rows.drop_nulls("group").partition_by("group", as_dict=True).items():
            found[kind, key] = _counted(part)
    return found


def saved_groups(data: TargetsData) -> pl.DataFrame:
    """Return run and groups as rows to be saved: how many met the targets, missed one or are unknown."""
    rows = []
    for group in data.rows:
        attained = data.slo.run if group is None else group.attained
        low, high = attained.interval
        kind, name = ("run", "") if group is None else (group.kind, group.name)
        counts = attained.met, attained.missed, attained.unknown
        rows.append((kind, name, *counts, attained.share, low, high, attained.goodput))
    texts, counts_of = ("kind", "name"), ("met", "missed", "unknown")
    shares = ("share", "low", "high", "goodput")
    kinds = dict.fromkeys(texts, pl.String) | dict.fromkeys(counts_of, pl.Int64)
    frame = pl.DataFrame(rows, kinds | dict.fromkeys(shares, pl.Float64), orient="row")
    return frame.with_columns(pl.col(shares).fill_nan(None))


def _counted(rows: pl.DataFrame) -> dict[int, int]:
    counts = rows.filter(pl.col("missed") > 0).group_by("missed").len().sort("missed")
    return dict(counts.iter_rows())


def of_kind(data: TargetsData, kind: Kind) -> list[int]:
    """Return the places in `rows` of the groups of a kind."""
    return [place for place, group in enumerate(data.rows) if group is not None and group.kind == kind]


def measure_words(measure: Measure) -> str:
    """Return what a time is called."""
    return BY_NAME[measure].words
