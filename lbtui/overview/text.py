"""Instants, shares and numbers as the Overview, the reports and the comparison say them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lbtui.overview.model import Summarised
from lbtui.profile import dated, format_time, format_window, instant
from lbtui.text import _, in_list, with_brackets, with_label


def clock(time: int, decimals: int = 0, *, date: bool = False) -> str:
    """Return an instant (µs since 1970, UTC) as wall-clock text of the files' zone."""
    return format_time(instant(time), decimals, date=date)


def span(begin: int, end: int, *, date: bool = False) -> str:
    """Return a stretch of time as wall-clock text, its end without what it shares with the beginning."""
    if date or dated((begin, end)):
        return format_window(instant(begin), instant(end), date=True)
    decimals = 0 if end - begin >= 2_000_000 else 1
    first, last = clock(begin, decimals), clock(end, decimals)
    shared = 5 if first[:5] == last[:5] else 3 if first[:2] == last[:2] else 0
    return f"{first}–{last[shared:]}"


def percent(share: float) -> str:
    """Return a share in percent, `–` for no value; `<1 %` is not nothing."""
    if math.isnan(share):
        return "–"
    return "<1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"


def short(value: float) -> str:
    """Return three significant digits, all digits of large numbers, `–` for no value."""
    if math.isnan(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def par_text(value: float) -> str:
    """Return a PAR with its name, `PAR –` for no value."""
    return _("PAR –") if math.isnan(value) else _("PAR {par:.2f}").format(par=value)


def summary_texts(summaries: Sequence[Summarised]) -> list[tuple[str, str]]:
    """Return file and text of each metric of `analyze`: its figures, and lbtui's own in brackets."""
    told: dict[tuple[str, str], list[str]] = {}
    for one in summaries:
        name = one.summary.metric
        if one.summary.unit:
            name = with_brackets(name, one.summary.unit)
        figure = f"{one.summary.statistic} {short(one.summary.value)}"
        if one.agrees is not None:
            here = _("here {own}").format(own=short(one.own))
            figure = with_brackets(figure, here if one.agrees else f"{here}!")
        told.setdefault((one.summary.file, name), []).append(figure)
    return [(file, with_label(name, in_list(figures))) for (file, name), figures in told.items()]


def size_text(size: int) -> str:
    """Return a file's size (bytes) in MB, below 0.1 MB in kB: a small file has no 0.00 MB."""
    return f"{size / 1e6:.2f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"
