"""The DP pane's picture of after − before: signed lanes, figures, and what is under the cursor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rich.cells import cell_len
from rich.segment import Segment

from lbtui.analysis.data_parallel import Metric
from lbtui.profile import format_time, instant, short_names
from lbtui.render import palette
from lbtui.render.axis import time_axis, time_pointer
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.lanes import signed_lane
from lbtui.render.text import blank, fit, printable, right, row, wrapped
from lbtui.text import _
from lbtui.ui.kit.sides import Pair, left_out_words, signed, signed_ratio
from lbtui.ui.panes.dp.data import Evenness, Measured, Scene
from lbtui.ui.panes.dp.filtered import filter_words
from lbtui.ui.panes.dp.lanes import (
    ROOMY,
    beside,
    drawn_values,
    framed,
    gap_row,
    headed,
    headings,
    lane_label,
    length_text,
    no_lane_row,
    pointer_decimals,
    value_text,
)
from lbtui.ui.panes.dp.layout import (
    FIGURE,
    DpState,
    Layout,
    evenness_labels,
    evenness_name,
    lane_order,
    layout,
    place_here,
    scrolled,
)
from lbtui.ui.panes.dp.sides import Common

_DAY = 86_400_000_000  # µs
# Cells of either side in the colours' legend.
_KEY = 5


@dataclass(frozen=True)
class Difference:
    """What is drawn of two profiles' difference; `offset` is from a time of after to the same of before."""

    both: Common
    measured: Pair[Measured]
    views: Pair[Scene]
    view: Scene
    offset: int  # µs


def draw(shown: Difference, state: DpState, width: int, height: int, caps: Capabilities) -> list[Row]:
    """Return the lanes of the difference with everything around them, `height` rows of `width` cells."""
    measured, view = shown.both.measured, shown.view
    left_out = left_out_words(shown.both.only_after, shown.both.only_before)
    if not measured.domains:
        said = [_("No DP domain is in both profiles."), left_out]
        lines = [line for text in said for line in wrapped(text, max(1, width - 1), caps, palette.dim(caps))]
        head = headed(measured.metric, state, [_("after − before")], width, caps)
        return [head, blank(width), *(row(" ", line, width=width) for line in lines)][:height]
    at = layout(measured, width, height, "signed", state.text)
    state = scrolled(state, measured, at.shown)
    cursor = view.column_of(state.time)
    rows = [_state_row(shown, state, width, caps)]
    if at.pointer:
        decimals = pointer_decimals(view.window, view.columns)
        pointer = time_pointer(
            instant(state.time), cursor, at.columns, caps, decimals=decimals, date=measured.dated
        )
        rows.append(framed(at, [], pointer, headings(measured.metric, at, caps), width))
    rows += _lane_rows(shown, state, at, cursor, width, caps)
    if at.gap and at.evenness_rows:
        rows.append(gap_row(at, cursor, width, caps))
    rows += _evenness_rows(shown, state, at, cursor, width, caps)
    if at.axis:
        axis = time_axis(instant(view.window[0]), instant(view.window[1]), at.columns, caps)
        rows.append(framed(at, [], axis, _colour_key(at, caps), width))
    spare = max(0, height - len(rows) - at.reading)
    more = min(spare, 2)
    rows += [blank(width)] * (spare - more)
    return [*rows, *_reading_rows(shown, state, left_out, width, at.reading + more, caps)][:height]


def reaches(measured: Measured, view: Scene, state: DpState) -> dict[str, float]:
    """Return the difference at the full height of each instance's lanes: the furthest from 0 of any drawn."""
    values = np.nan_to_num(np.abs(drawn_values(view, state.statistic)))
    return {
        instance: float(values[measured.lanes_of(instance)].max(initial=0.0)) or 1.0
        for instance in measured.instances
    }


def _state_row(shown: Difference, state: DpState, width: int, caps: Capabilities) -> Row:
    measured, view = shown.both.measured, shown.view
    begin, end = view.window
    decimals = 0 if end - begin >= 20_000_000 else 3
    scale = reaches(measured, view, state)[measured.domains[measured.index(state.domain) or 0].instance]
    date = measured.dated or not -_DAY < shown.offset < _DAY
    here, there = (format_time(instant(time), decimals, date=date) for time in (begin, begin + shown.offset))
    column = length_text((end - begin) / view.columns)
    reach = _("±{scale} {unit}") if width >= ROOMY and not measured.metric.share else _("±{scale}")
    laid = _("both from their start: {here} over {there}") if width >= ROOMY else _("from their start")
    parts = [
        *filter_words(measured, state.text),
        *([_("after − before")] if width >= ROOMY else []),
        reach.format(scale=change_text(measured.metric, scale).lstrip("+"), unit=measured.metric.unit),
        _("1 column = {length}").format(length=column),
        laid.format(here=here, there=there),
    ]
    left_out = left_out_words(shown.both.only_after, shown.both.only_before)
    return headed(measured.metric, state, [*parts, left_out] if left_out else parts, width, caps)


def _lane_rows(
    shown: Difference, state: DpState, at: Layout, cursor: int, width: int, caps: Capabilities
) -> list[Row]:
    measured, view = shown.both.measured, shown.view
    values, scales = drawn_values(view, state.statistic), reaches(measured, view, state)
    current, hosts = measured.index(state.domain), short_names(d.host for d in measured.domains)
    rows: list[Row] = []
    before = ""
    order = lane_order(measured, False, state.text)[state.top : state.top + at.shown]
    if not order:
        return [no_lane_row(width, caps)]
    for i in order:
        domain = measured.domains[i]
        here = i == current
        lines = signed_lane(
            values[i].tolist(),
            reach=scales[domain.instance],
            height=at.lane_height,
            caps=caps,
            cursor=cursor,
            lit_row=here,
        )
        label = lane_label("" if domain.host == before else hosts[domain.host], domain.name, at, here, caps)
        figures = _figures(shown, state, i, at, here, caps)
        rows += beside(at, label, lines, figures, width)
        before = domain.host
        if i != order[-1]:
            rows += [gap_row(at, cursor, width, caps)] * at.gap
    return rows


def _figures(shown: Difference, state: DpState, i: int, at: Layout, here: bool, caps: Capabilities) -> Row:
    metric, stats = shown.both.measured.metric, shown.view.statistics[i]
    low = not metric.more_is_load
    values = [
        float(drawn_values(shown.view, state.statistic)[i, shown.view.column_of(state.time)]),
        stats.mean,
        stats.p5 if low else stats.p95,
        stats.min if low else stats.max,
    ]
    if at.figures < 5:
        values = values[:2]
    texts = [change_text(metric, v, FIGURE - 1) for v in values]
    texts = [*texts, signed_ratio(stats.ratio)][: at.figures]
    plain = palette.strong(caps) if here else None
    accent = palette.selected(caps) if here else palette.accent(caps)
    return [
        Segment(printable(right(text, width), caps), plain if k else accent)
        for k, (text, width) in enumerate(zip(texts, at.figure_widths, strict=True))
    ]


def change_text(metric: Metric, value: float, width: int = 0) -> str:
    """Return a difference of a metric with its sign, of shares in percentage points."""
    if not metric.share:
        return signed(value, width)
    unit = _("pp")
    return right(f"{signed(100 * value, max(0, width - cell_len(unit) - 1)).strip()} {unit}", width)


def _colour_key(at: Layout, caps: Capabilities) -> Row:
    """Return what the colours mean, for the line below the figures."""
    parts = [step / _KEY for step in range(-_KEY, _KEY + 1)]
    (ramp,) = signed_lane(parts, reach=1.0, caps=caps)
    less, more = printable(_("less"), caps), printable(_("more"), caps)
    space = sum(at.figure_widths) - cell_len(less) - cell_len(more) - len(parts) - 2
    if space < 1:
        return blank(sum(at.figure_widths))
    style = palette.dim(caps)
    return [*blank(space), Segment(f"{less} ", style), *ramp, Segment(f" {more}", style)]


def _evenness_rows(
    shown: Difference, state: DpState, at: Layout, cursor: int, width: int, caps: Capabilities
) -> list[Row]:
    """Return the lanes of how the evenness of each instance differs; the cursor's where not all have room."""
    measured, view = shown.both.measured, shown.view
    instances = list(view.evenness)
    if len(instances) * at.evenness_height > at.evenness_rows:
        own = measured.domains[measured.index(state.domain) or 0].instance
        instances = [own] if own in view.evenness and at.evenness_rows else []
    labels = evenness_labels(measured)
    rows: list[Row] = []
    for instance in instances:
        rows += _evenness_lane(view.evenness[instance], labels[instance], at, cursor, width, caps)
    return rows + [blank(width)] * (at.evenness_rows - len(rows))


def _evenness_lane(
    even: Evenness, name: str, at: Layout, cursor: int, width: int, caps: Capabilities
) -> list[Row]:
    reach = float(np.nan_to_num(np.abs(even.columns)).max(initial=0.0)) or 1.0
    lines = signed_lane(
        even.columns.tolist(), reach=reach, height=at.evenness_height, caps=caps, cursor=cursor
    )
    label = fit(name, at.label, caps=caps, style=palette.strong(caps))
    texts = [signed_ratio(float(even.columns[cursor])), signed_ratio(even.value)]
    figures = [
        Segment(printable(right(text, width), caps), palette.strong(caps) if k else palette.accent(caps))
        for k, (text, width) in enumerate(zip(texts, at.figure_widths, strict=False))
    ]
    return beside(at, label, lines, figures, width)


def _reading_rows(
    shown: Difference, state: DpState, left_out: str, width: int, lines: int, caps: Capabilities
) -> list[Row]:
    head, words = _reading(shown, state, left_out)
    head = f" {head}"
    texts = wrapped(" · ".join(["", *words]).strip(), max(1, width - cell_len(head) - 2), caps, None)
    first = row(Segment(printable(head, caps), palette.selected(caps)), " ", texts[0], width=width)
    rest = [row(" " * min(cell_len(head) + 1, width), text, width=width) for text in texts[1:]]
    return ([first, *rest] + [blank(width)] * lines)[:lines]


def copied_text(shown: Difference, state: DpState) -> str:
    """Return what is under the cursor in one line, for the clipboard."""
    head, words = _reading(shown, state, "")
    return " · ".join((head, *words))


def _reading(shown: Difference, state: DpState, left_out: str) -> tuple[str, list[str]]:
    """Return what is under the cursor: after, before and the difference, of the column and of the window."""
    measured, view = shown.both.measured, shown.view
    i = measured.index(state.domain) or 0
    there, here = shown.both.lanes[i]
    after, before = shown.views.after, shown.views.of("before")
    column, metric = view.column_of(state.time), measured.metric
    drawn = [drawn_values(own, state.statistic) for own in (before, after, view)]
    head = f"{format_time(instant(state.time), 3, date=measured.dated)} · {measured.domains[i].name}"
    words = [
        _("{metric} at cursor: {before} before, {after} after, {difference}").format(
            metric=metric.label,
            before=value_text(metric, float(drawn[0][there, column])),
            after=value_text(metric, float(drawn[1][here, column])),
            difference=change_text(metric, float(drawn[2][i, column])),
        ),
        *_place_words(measured, state),
        _("mean of the window {before} → {after}").format(
            before=value_text(metric, before.statistics[there].mean),
            after=value_text(metric, after.statistics[here].mean),
        ),
    ]
    instance = measured.domains[i].instance
    if (even := view.evenness.get(instance)) is not None:
        now = after.evenness[instance].value
        words.append(
            _("{name} {before} → {after}").format(
                name=evenness_name(measured.metric), before=f"{now - even.value:.2f}", after=f"{now:.2f}"
            )
        )
    words += [left_out] if left_out else []
    words.append(
        _("the same instant before: {time}").format(
            time=format_time(instant(state.time + shown.offset), 3, date=measured.dated)
        )
    )
    return head, words


def _place_words(measured: Measured, state: DpState) -> list[str]:
    here = place_here(state, measured)
    if here is None:
        return []
    place = measured.places[here]
    text = _("change {rank} of {count}: {excess} for {length}")
    return [
        text.format(
            rank=here + 1,
            count=len(measured.places),
            excess=change_text(measured.metric, place.excess),
            length=length_text(place.end - place.begin),
        )
    ]
