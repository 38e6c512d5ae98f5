"""The DP pane's picture put together, and what is under the cursor in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from rich.style import Style

from lbtui.analysis.data_parallel import Metric
from lbtui.analysis.imbalance import known_mean
from lbtui.lines import broken
from lbtui.profile import FrameName, Missing, MissingStatus, Profile, format_time, instant
from lbtui.render import palette
from lbtui.render.axis import bracketed, time_axis, time_pointer
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.text import blank, fit, number
from lbtui.text import _, in_sentences, with_brackets, with_comma, with_stop
from lbtui.ui.kit.rows import told_rows
from lbtui.ui.kit.selection import Side, side_word
from lbtui.ui.panes.dp.data import DpData, Measured, Scene
from lbtui.ui.panes.dp.filtered import lanes_left
from lbtui.ui.panes.dp.lanes import (
    ROOMY,
    colour_key,
    evenness_rows,
    framed,
    gap_row,
    headings,
    lane_rows,
    length_text,
    pointer_decimals,
    state_row,
    two_decimals,
    value_text,
)
from lbtui.ui.panes.dp.layout import DpState, Shown, evenness_name, place_here
from lbtui.ui.panes.dp.marks import mark_at

_MORE_READING = 3


def draw(shown: Shown, canvas: Canvas) -> list[Row]:
    """Return the lanes with everything around them, in rows that fill the canvas at most."""
    width, height, caps = canvas.width, canvas.height, canvas.caps
    view, at, cursor = shown.view, shown.at, shown.cursor
    rows = [state_row(shown, width, caps)]
    if at.pointer:
        pointer = time_pointer(
            instant(shown.state.time),
            cursor,
            at.columns,
            caps,
            decimals=pointer_decimals(view.window, view.columns),
            date=shown.data.dated,
        )
        pointer = bracketed(pointer, _spans(shown, caps), at.columns, caps)
        rows.append(framed(at, [], pointer, headings(shown.measured.metric, at, caps), width))
    rows += lane_rows(shown, width, caps)
    rest = height - len(rows) - at.axis - at.evenness_rows - at.reading
    above = 1 if rest > 0 and at.evenness_rows and at.gap else 0
    rows += [gap_row(at, cursor, width, caps)] * above
    rows += evenness_rows(shown, width, caps)
    if at.axis:
        axis = time_axis(instant(view.window[0]), instant(view.window[1]), at.columns, caps)
        rows.append(framed(at, [], axis, colour_key(shown.measured.metric, at, caps), width))
    spare = max(0, rest - above)
    # Rows that nothing else needs go to the words under the picture.
    more = min(spare, _MORE_READING)
    rows += [blank(width)] * (spare - more)
    rows += reading_rows(shown, canvas.sized(height=at.reading + more))
    return rows[:height]


def _spans(shown: Shown, caps: Capabilities) -> list[tuple[float, float, Style]]:
    """Return from which to which column the findings hold, the most severe and those of the cursor last."""
    begin, end = shown.view.window
    part = (end - begin) / shown.view.columns
    own = [
        (mark, each.measured.index(shown.state.domain) in mark.lanes)
        for each in (shown, shown.partner)
        if each is not None
        for mark in each.marks
        if not mark.lanes.isdisjoint(lanes_left(each.measured, shown.state.text))
    ]
    found = [mark for mark, _own in sorted(own, key=lambda m: (m[1], m[0].finding.severity == "critical"))]
    return [
        (
            (m.window[0] - begin) / part,
            (m.window[1] - begin) / part,
            palette.severity(caps, m.finding.severity) + Style(underline=False),
        )
        for m in found
        if m.window is not None
    ]


# What is under the cursor


def reading_rows(shown: Shown, canvas: Canvas) -> list[Row]:
    """Return what is under the cursor in words and numbers, wrapped to fill the canvas."""
    width, lines = canvas.width, canvas.height
    told = reading(shown)
    if told is None or not lines:
        return [blank(width)] * lines
    head, parts, host = told
    # Beside the lanes there is room for little of it; in a narrow terminal the figures come first.
    parts.insert(0 if width >= ROOMY else len(parts), host)
    return told_rows(head, parts, canvas)


def copied_text(shown: Shown) -> str:
    """Return what is under the cursor in one line, for the clipboard."""
    told = reading(shown)
    if told is None:
        return ""
    head, parts, host = told
    return " · ".join((head, host, *parts))


def reading(shown: Shown) -> tuple[str, list[str], str] | None:
    """Return the instant and the domain under the cursor, what is to say of them, and the domain's host."""
    data, measured, view, state = shown.data, shown.measured, shown.view, shown.state
    index = measured.index(state.domain)
    if index is None:
        return None
    domain = measured.domains[index]
    head = f"{format_time(instant(state.time), 3, date=data.dated)} · {domain.name}"
    if view.band is not None:
        return head, _band_words(measured, view, index, view.column_of(state.time)), domain.host
    parts = [*_step_words(data, state), *_column_words(measured, view, state, index)]
    parts += _place_words(measured, state)
    parts += _evenness_words(measured, view, state, domain.instance)
    for other in (shown, shown.partner):
        if other is not None and other.measured.metric.frame != "steps":
            parts.insert(0, _reading_words(other.measured, state))
    return head, [*_mark_words(shown, index), *parts], domain.host


def _reading_words(measured: Measured, state: DpState) -> str:
    """Return what a metric that is not of steps was at the cursor."""
    index = measured.index(state.domain)
    now = float("nan") if index is None else measured.lanes[index].at(state.time)
    return f"{measured.metric.label} {value_text(measured.metric, now)}"


def _mark_words(shown: Shown, index: int) -> list[str]:
    """Return the finding of the lane under the cursor, of each metric shown."""
    found = [mark_at(shown.marks, index, shown.state.time)]
    if shown.partner is not None and (own := shown.partner.measured.index(shown.state.domain)) is not None:
        found.append(mark_at(shown.partner.marks, own, shown.state.time))
    return [mark.words(date=shown.data.dated) for mark in found if mark is not None]


def _step_words(data: DpData, state: DpState) -> list[str]:
    table = data.tables.get(state.domain)
    found = table.at(state.time) if table else None
    if found is None:
        return [_("no step before this instant")]
    step, runs = found
    words = []
    if not runs:
        ago = state.time - int((step["end"] - instant(0)).total_seconds() * 1e6)
        words.append(_("idle, the last step ended {ago} before").format(ago=length_text(ago)))
    split = ""
    if step["prefill_batch_size"] is not None and step["decode_batch_size"] is not None:
        split = _("{prefill} prefill, {decode} decode").format(
            prefill=step["prefill_batch_size"], decode=step["decode_batch_size"]
        )
    elif step["phase"]:
        split = step["phase"]
    if step["batch_size"] is not None:
        count = _("{count} requests").format(count=step["batch_size"])
        words.append(with_brackets(count, split) if split else count)
    if step["tokens"] is not None:
        words.append(_("{count} tokens").format(count=number(step["tokens"])))
    if step["duration"] is not None:
        words.append(_("step {ms} ms").format(ms=number(step["duration"])))
    if step["bubble"] is not None:
        words.append(_("bubble {ms} ms").format(ms=number(step["bubble"])))
    words.append(_("forward_iter {iteration}").format(iteration=step["forward_iter"]))
    if step["cards"] > 1:
        words.append(_("{count} cards").format(count=step["cards"]))
    return words


def _column_words(measured: Measured, view: Scene, state: DpState, index: int) -> list[str]:
    column = view.column_of(state.time)
    metric = measured.metric
    mean, worst = float(view.mean[index, column]), float(view.worst[index, column])
    if np.isnan(mean):
        return [_("{metric}: no data in this column").format(metric=metric.label)]
    text = (
        _("{metric} in this column: mean {mean}, max {worst}")
        if metric.more_is_load
        else _("{metric} in this column: mean {mean}, min {worst}")
    )
    peers = view.mean[measured.lanes_of(measured.domains[index].instance), column]
    words = text.format(metric=metric.label, mean=value_text(metric, mean), worst=value_text(metric, worst))
    level = value_text(metric, float(known_mean(peers)))
    beside = _("lanes' mean {mean}").format(mean=level)
    apart = float((view.mean_apart if state.statistic == "mean" else view.worst_apart)[index, column])
    if apart > 0:
        beside = with_comma(beside, _("{apart}× chance").format(apart=f"{apart:.1f}"))
    return [words, beside]


def _evenness_words(measured: Measured, view: Scene, state: DpState, instance: str) -> list[str]:
    even = view.evenness.get(instance)
    if even is None:
        return []
    name = evenness_name(measured.metric)
    here = float(even.columns[view.column_of(state.time)])
    text = _("{name} {here} in this column, {value} in the window").format(
        name=name, here=two_decimals(here), value=two_decimals(even.value)
    )
    if even.chance is not None:
        counts = _("chance {chance}; {share} % of time counts").format(
            chance=two_decimals(even.chance), share=f"{100 * even.share_counted:.0f}"
        )
        text = with_brackets(text, counts)
    return [text]


def _band_words(measured: Measured, view: Scene, index: int, column: int) -> list[str]:
    """Return what a sample tells of a column."""
    assert view.band is not None
    metric, mean = measured.metric, view.mean[index, column]
    if np.isnan(mean):
        return [_("{metric}: no data in this column").format(metric=metric.label)]
    low, high = (value_text(metric, float(end[index, column])) for end in view.band)
    text = _("{metric} in this column: about {mean}, between {low} and {high} in 90 % of cases")
    return [
        text.format(metric=metric.label, mean=value_text(metric, float(mean)), low=low, high=high),
        _("max, PAR and what stands out are told once all is read"),
    ]


def _place_words(measured: Measured, state: DpState) -> list[str]:
    here = place_here(state, measured)
    if here is None:
        return []
    place = measured.places[here]
    side = _("over") if measured.metric.more_is_load else _("under")
    return [
        _("hot spot {rank} of {count}: {excess} {side} the lanes' mean for {length}").format(
            rank=here + 1,
            count=len(measured.places),
            excess=value_text(measured.metric, place.excess),
            side=side,
            length=length_text(place.end - place.begin),
        )
    ]


# Where there is nothing to draw


_NO_DATA: Mapping[MissingStatus, str] = {
    "not_recorded": _("no data: {what} are not in this profile."),
    "unreadable": _("no data: {what} are in this profile, but of no use."),
    "other_run": _("no data: {what} are of another run."),
}


def missing_of(profile: Profile, data: DpData, metric: Metric) -> Missing:
    """Return what a metric without data lacks."""
    frame: FrameName = metric.frame
    if frame == "steps" and not data.steps.is_empty():
        # The steps are there, without what only the scheduling rounds tell.
        frame = "batches"
    return profile.missing_of(frame)


def why_missing(profile: Profile, data: DpData, metric: Metric) -> str:
    """Return in one sentence why a metric has no data."""
    missing = missing_of(profile, data, metric)
    return in_sentences(_NO_DATA[missing.status].format(what=missing.what), with_stop(missing.reason))


def missing_rows(
    profile: Profile,
    data: DpData,
    metric: Metric,
    notes: Sequence[str],
    canvas: Canvas,
    side: Side | None = None,
) -> list[Row]:
    """Return why a metric has no data, and how to collect it; `side` is which of two profiles lacks it."""
    width, caps = canvas.width, canvas.caps
    missing = missing_of(profile, data, metric)
    lines = [
        (f" {metric.label}" + (f" · {side_word(side)}" if side else ""), palette.strong(caps)),
        ("", None),
        (
            " " + _NO_DATA[missing.status].format(what=missing.what),
            palette.severity(caps, "warning"),
        ),
        (" " + _("Why: {reason}.").format(reason=missing.reason), None),
        (" " + _("How: {how}.").format(how=missing.how_to_collect), None),
        *((f" {note}", palette.dim(caps)) for note in notes),
        ("", None),
        (" " + _("m shows another metric, M all."), palette.dim(caps)),
    ]
    return [line for text, style in lines for line in _paragraph(text, width, style, caps)]


def _paragraph(text: str, width: int, style: Style | None, caps: Capabilities) -> list[Row]:
    lines = broken(text.removeprefix(" "), max(1, width - 1))
    return [fit(f" {line}", width, caps=caps, style=style) for line in lines]
