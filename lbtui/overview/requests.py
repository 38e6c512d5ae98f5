"""The Overview's line of requests: time to first token."""

from __future__ import annotations

import numpy as np
import polars as pl

from lbtui.analysis.imbalance import Floats
from lbtui.analysis.lanes import bin_edges
from lbtui.analysis.latency import ascending, percentiles
from lbtui.overview.model import BINS, Figure, Line, Place, absent_line
from lbtui.overview.text import clock, short
from lbtui.profile import dated
from lbtui.profile.place import Window
from lbtui.text import _

_ROWS = 1_000_000  # at a time


def request_lines(requests: pl.DataFrame, window: Window) -> list[Line]:
    """Return the line of time to first token, with the percentiles of wait and duration as figures."""
    if requests.is_empty():
        return [absent_line("requests.ttft", "requests", _("TTFT"), _("no finished request is recorded"))]
    figures, details = _percentiles(requests)
    known = requests.select("ttft", "arrival").drop_nulls()
    if known.is_empty():
        return [
            Line(
                "requests.ttft",
                "requests",
                _("TTFT"),
                figures=tuple(figures),
                details=tuple(details),
                absent=_("no request has both its arrival and its first token"),
            )
        ]
    highest, slowest, at = _slowest(known, window)
    return [
        Line(
            "requests.ttft",
            "requests",
            _("TTFT"),
            headline=_("p95 {value} ms").format(value=short(figures[1].value)),
            beside=_("p50 {value} ms").format(value=short(figures[0].value)),
            values=tuple(np.where(np.isinf(highest), np.nan, highest).tolist()),
            column=_("slowest of the requests that arrived"),
            unit=_("ms"),
            over_time=True,
            worst=_("{value} ms, arrived {time}").format(
                value=short(slowest), time=clock(at, date=dated(window))
            ),
            place=Place(start=at),
            time=at,
            details=tuple(details),
            figures=tuple(figures),
        )
    ]


def _percentiles(requests: pl.DataFrame) -> tuple[list[Figure], list[str]]:
    """Return the percentiles of first token, wait and duration, as figures and in words."""
    figures: list[Figure] = []
    details: list[str] = []
    for column, label in (
        ("ttft", _("TTFT")),
        ("queue_wait", _("queue wait")),
        ("duration", _("duration")),
    ):
        values = ascending(requests[column])
        found = percentiles(values, requests.height - len(values))
        figures += [
            Figure("requests", column, "p50", "ms", found.p50),
            Figure("requests", column, "p95", "ms", found.p95),
        ]
        if found.count:
            details.append(
                _("{label}: p50 {p50} ms, p95 {p95} ms, most {most} ms over {count} requests").format(
                    label=label,
                    p50=short(found.p50),
                    p95=short(found.p95),
                    most=short(found.max),
                    count=found.count,
                )
            )
        else:
            details.append(_("{label}: not recorded").format(label=label))
    return figures, details


def _slowest(known: pl.DataFrame, window: Window) -> tuple[Floats, float, int]:
    """Return the slowest of each bin of arrivals (-inf: none), and the slowest of all with its arrival."""
    edges = bin_edges(*window, BINS)
    highest = np.full(BINS, -np.inf)
    slowest, at = -np.inf, 0
    # Of millions of requests, a part at a time: numbers beside each take more memory than the requests.
    for part in known.iter_slices(_ROWS):
        ttft, arrivals = part["ttft"].to_numpy(), part["arrival"].cast(pl.Int64).to_numpy()
        bins = np.clip(np.searchsorted(edges, arrivals, side="right") - 1, 0, BINS - 1)
        np.maximum.at(highest, bins, ttft)
        place = int(np.argmax(ttft))
        if ttft[place] > slowest:
            slowest, at = float(ttft[place]), int(arrivals[place])
    return highest, slowest, at
