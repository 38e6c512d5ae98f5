"""The Overview's line of waiting: what the steps that DP domains take together waste."""

from __future__ import annotations

import numpy as np
import polars as pl

from lbtui.analysis.data_parallel import domain_steps
from lbtui.analysis.lanes import bin_edges
from lbtui.analysis.lockstep import common_waits
from lbtui.overview.model import BINS, Figure, Frames, Line, Place
from lbtui.overview.text import clock, percent
from lbtui.profile import dated
from lbtui.profile.place import Window
from lbtui.text import _, visible

_KEY = "step_time.wasted"
WASTED_LINE = f"dp.{_KEY}"


def waiting_lines(frames: Frames, window: Window) -> list[Line]:
    """Return the line of step time wasted, none where no domains step together.

    The share is Σ wait / Σ length of common steps: from a domain's own end to the last end of the step.
    """
    steps = frames["steps"]
    if steps.is_empty():
        return []
    of_domains = domain_steps(steps).select("instance", "domain", "start", "end")
    found = []
    for instance in of_domains["instance"].unique().sort().drop_nulls().cast(pl.String):
        waits = common_waits(of_domains.filter(pl.col("instance") == instance))
        if waits is None:
            continue
        wait, length = (float(waits[name].cast(pl.Float64).to_numpy().sum()) for name in ("wait", "length"))
        if length > 0:
            found.append((wait / length, instance, waits))
    if not found:
        return []
    found.sort(key=lambda part: (-part[0], part[1]))
    share, instance, waits = found[0]
    edges = bin_edges(*window, BINS)
    at = np.searchsorted(edges, waits["begin"].cast(pl.Int64).to_numpy(), side="right") - 1
    waited, lasted = (
        np.bincount(np.clip(at, 0, BINS - 1), weights=waits[name].cast(pl.Float64).to_numpy(), minlength=BINS)
        for name in ("wait", "length")
    )
    course = np.divide(waited, lasted, out=np.full(BINS, np.nan), where=lasted > 0)
    most = int(np.nanargmax(course))
    place = Place(instance=instance, start=int(edges[most]), end=int(edges[most + 1]))
    return [
        Line(
            WASTED_LINE,
            "dp",
            _("DP wait"),
            headline=_("{share} wasted").format(share=percent(share)),
            values=tuple(course.tolist()),
            column=_("share of {instance}'s common steps spent waiting for the last domain").format(
                instance=visible(instance)
            ),
            over_time=True,
            worst=_("{share} at {time}").format(
                share=percent(float(course[most])), time=clock(int(edges[most]), date=dated(window))
            ),
            place=place,
            time=int(edges[most] + edges[most + 1]) // 2,
            details=tuple(
                _(
                    "{instance} · {share} of the time of common steps is spent waiting for the last domain"
                ).format(instance=visible(name), share=percent(part))
                for part, name, _waits in found
            ),
            figures=tuple(
                Figure("dp", _KEY, "wasted_share", "share", part, Place(instance=name))
                for part, name, _waits in found
            ),
        )
    ]
