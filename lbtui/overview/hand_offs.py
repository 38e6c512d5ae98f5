"""The Overview's lines of hand-offs: the wait from prefill to the KV pull, and the pull itself."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl

from lbtui.analysis.hand_off_waits import longest_begun, waits_and_pulls
from lbtui.analysis.lanes import bin_edges
from lbtui.analysis.prefill_decode import rank_label
from lbtui.overview.model import BINS, Figure, Line, Place
from lbtui.overview.text import clock, short
from lbtui.profile import dated
from lbtui.profile.place import Window
from lbtui.text import _


class _Quantity(NamedTuple):
    key: str
    label: str
    column: str


_WAIT = _Quantity("hand_off_wait", _("Hand-off"), _("longest from prefill to KV pull"))
_PULL = _Quantity("pull", _("KV pull"), _("slowest KV pull"))
HAND_OFF_LINES = tuple(f"pd.{quantity.key}" for quantity in (_WAIT, _PULL))


def hand_off_lines(transfers: pl.DataFrame, handoffs: pl.DataFrame, window: Window) -> list[Line]:
    """Return a line each of the wait for the KV pull and of the pull, none for what is not recorded.

    A wait is start of the pull − end of prefill, ms, each by its own host's clock.
    """
    both = zip((_WAIT, _PULL), waits_and_pulls(transfers, handoffs), strict=True)
    return [_line(quantity, frame, window) for quantity, frame in both if not frame.is_empty()]


def _line(quantity: _Quantity, frame: pl.DataFrame, window: Window) -> Line:
    edges = bin_edges(*window, BINS)
    edges[-1] += 1  # what begins as the window ends is in the last
    values = frame["value"].cast(pl.Float64).to_numpy()
    times = frame["start"].cast(pl.Int64).to_numpy()
    p50, p95 = (float(q) for q in np.quantile(values, [0.5, 0.95]))
    slowest = int(np.argmax(values))
    at, rank = int(times[slowest]), frame["rank"][slowest]
    place = Place(rank=rank, role="decode", start=at)
    who = Place(role="decode")
    figures = (
        Figure("pd", quantity.key, "p50", "ms", p50, who, place),
        Figure("pd", quantity.key, "p95", "ms", p95, who, place),
    )
    most = float(values[slowest])
    return Line(
        f"pd.{quantity.key}",
        "pd",
        quantity.label,
        headline=_("p95 {value} ms").format(value=short(p95)),
        beside=_("p50 {value} ms").format(value=short(p50)),
        values=tuple(longest_begun(frame, edges[:-1], edges[1:]).tolist()),
        column=quantity.column,
        unit=_("ms"),
        over_time=True,
        worst=_("{who} {time}: {value} ms").format(
            who=rank_label(rank), value=short(most), time=clock(at, date=dated(window))
        ),
        # Without the rank: on screen the one selected is that of the experts.
        place=Place(role="decode", start=at),
        time=at,
        details=(
            _("p50 {p50} ms, p95 {p95} ms, most {most} ms over {count} KV pulls").format(
                p50=short(p50), p95=short(p95), most=short(most), count=len(values)
            ),
        ),
        figures=figures,
    )
