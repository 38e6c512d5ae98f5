"""The hand-offs of the P/D pane: the stages of a request's way from P to D, and KV pulls per rank."""

from __future__ import annotations

import math

from lbtui.analysis.prefill_decode import ACROSS_HOSTS, SLOW_RANK, Spread, median_ratios
from lbtui.render import palette
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.glyphs import glyphs
from lbtui.render.lanes import bar
from lbtui.render.text import fit, number, right, row
from lbtui.text import _
from lbtui.ui.kit.rows import percent, ratio_text
from lbtui.ui.panes.pd.state import PdData, PdState

_LABEL = 24
_NUMBER = 8
_LAST = 9  # share or ratio
_MARK = 4
_LEAST_BAR = 32  # cells: those of its heading


def transfer_rows(data: PdData, state: PdState, lines: int, canvas: Canvas) -> list[Row]:
    """Return the stages and the ranks in view, `lines` of them, each section under its heading."""
    rows: list[Row] = []
    stages = len(data.stages)
    ratios = median_ratios(data.pulls)
    longest_pull = max((s.p50 for s in data.pulls if s.known), default=math.nan)
    whole = data.stages[-1].mean if data.stages else math.nan
    for place in range(state.first_line, state.first_line + lines):
        if place == state.first_line or place == stages:
            rows.append(_heading(place < stages, canvas.width, canvas.caps))
        here = place == state.line
        if place < stages:
            spread = data.stages[place]
            part = _part(spread.mean, whole)
            last, severity = (
                percent(part),
                _severity(spread.negative > 0 or _is_doubtful(data, spread), "warning"),
            )
        else:
            spread = data.pulls[place - stages]
            ratio = ratios[place - stages]
            part = _part(spread.p50, longest_pull)
            last, severity = ratio_text(ratio), _severity(ratio >= SLOW_RANK, "critical")
        rows.append(_line(spread, part, last, severity, here, canvas))
    return rows


def _is_doubtful(data: PdData, stage: Spread) -> bool:
    return bool(data.doubt) and stage.label in ACROSS_HOSTS


def _severity(marked: bool, level: palette.Severity) -> palette.Severity | None:
    return level if marked else None


def _part(value: float, whole: float) -> float:
    return value / whole if whole > 0 and not math.isnan(value) else math.nan


def _heading(stage: bool, width: int, caps: Capabilities) -> Row:
    title = _("hand-off, ms") if stage else _("KV pull per decode rank, ms")
    last = _("of whole") if stage else _("× median")
    numbers = "".join(right(t, _NUMBER) for t in ("n", _("mean"), "p50", "p95", _("max")))
    what = _("bar: mean / mean of the whole way") if stage else _("bar: p50 / slowest p50")
    dim = palette.dim(caps)
    return row(
        # A title runs into the room before the short figures of the first column.
        fit(f" {title}", _LABEL + _NUMBER - 2, caps=caps, style=palette.strong(caps)),
        fit(numbers[_NUMBER - 2 :], 4 * _NUMBER + 2, caps=caps, style=dim),
        fit(right(last, _LAST), _LAST + _MARK, caps=caps, style=dim),
        fit(what, _room_for_bars(width), caps=caps, style=dim),
        width=width,
    )


def _line(
    spread: Spread,
    part: float,
    last: str,
    severity: palette.Severity | None,
    here: bool,
    canvas: Canvas,
) -> Row:
    width, caps = canvas.width, canvas.caps
    style = palette.severity(caps, severity) if severity else None
    signs = {"critical": glyphs(caps).critical, "warning": glyphs(caps).warning}
    sign = signs.get(severity or "", "")
    mark = glyphs(caps).right[-1] if here else " "
    figures = (float(spread.known), spread.mean, spread.p50, spread.p95, spread.max)
    numbers = "".join(f" {number(value, _NUMBER - 1)}" for value in figures)
    room = _room_for_bars(width)
    return row(
        fit(mark + spread.label, _LABEL, caps=caps, style=palette.selected(caps) if here else style),
        fit(numbers, 5 * _NUMBER, caps=caps),
        fit(f"{right(last, _LAST)} {sign}", _LAST + _MARK, caps=caps, style=style),
        # Colour is for what stands out: a long stage is no fault.
        bar(part, room, caps, style or palette.heat_style(caps, 0)) if room > 0 else [],
        width=width,
    )


def _room_for_bars(width: int) -> int:
    """Return the cells for a bar behind the figures; none where what it is would have no room."""
    room = width - _LABEL - 5 * _NUMBER - _LAST - _MARK
    return room if room > _LEAST_BAR else 0


def transfer_reading(data: PdData, state: PdState) -> list[str]:
    """Return what the cursor's line means, most important first."""
    if state.line < len(data.stages):
        spread = data.stages[state.line]
        parts = [
            _("{stage}: {n} requests, mean {mean} ms, p95 {p95} ms, max {max} ms").format(
                stage=spread.label,
                n=number(spread.known),
                mean=number(spread.mean),
                p95=number(spread.p95),
                max=number(spread.max),
            )
        ]
        if _is_doubtful(data, spread):
            parts.insert(0, data.doubt)
        if spread.negative:
            parts.append(_("in {n} the two events came in the other order").format(n=number(spread.negative)))
        return parts
    place = state.line - len(data.stages)
    if place >= len(data.pulls):
        return []
    spread = data.pulls[place]
    return [
        _("{rank}: {n} KV pulls, median {p50} ms, {ratio}× the median of the ranks").format(
            rank=spread.label,
            n=number(spread.known),
            p50=number(spread.p50),
            ratio=ratio_text(median_ratios(data.pulls)[place]),
        ),
        _("mean {mean} ms, p95 {p95} ms, max {max} ms").format(
            mean=number(spread.mean), p95=number(spread.p95), max=number(spread.max)
        ),
    ]
