"""The DP pane's picture: lanes with their figures, how even they are, and what is under the cursor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.segment import Segment
from rich.style import Style

from lbtui.analysis.data_parallel import Metric
from lbtui.profile import FrameName, format_time
from lbtui.profile.collect import COLLECT
from lbtui.render import palette
from lbtui.render.axis import time_axis, time_pointer
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.glyphs import glyphs
from lbtui.render.lanes import lane
from lbtui.render.text import blank, fit, number, printable, row
from lbtui.text import _
from lbtui.ui.panes.dp_data import DpData, Evenness, Measured, Scene, instant
from lbtui.ui.panes.dp_layout import (
    FIGURE,
    DpState,
    Layout,
    lane_order,
    layout,
    place_here,
    scrolled,
    short_hosts,
)

# From this width on the state line is in whole words.
_ROOMY = 130
_MORE_READING = 3


def draw(
    data: DpData,
    measured: Measured,
    view: Scene,
    state: DpState,
    width: int,
    height: int,
    caps: Capabilities,
) -> list[Row]:
    """Return the lanes with everything around them, at most `height` rows of `width` cells."""
    at = layout(measured, width, height)
    state = scrolled(state, measured, at.shown)
    cursor = view.column_of(state.time)
    rows = [state_row(measured, view, state, width, caps)]
    if at.pointer:
        pointer = time_pointer(
            instant(state.time), cursor, at.columns, caps, decimals=_decimals(view.window, view.columns)
        )
        rows.append(_line(at, [], pointer, _headings(measured.metric, at, caps), width))
    rows += _lane_rows(measured, view, state, at, cursor, width, caps)
    rest = height - len(rows) - at.axis - at.evenness_rows - at.reading
    above = 1 if rest > 0 and at.evenness_rows and at.gap else 0
    rows += [_gap_row(at, cursor, width, caps)] * above
    evenness = _evenness_rows(measured, view, state, at, cursor, width, caps)
    rows += evenness
    if at.axis:
        axis = time_axis(instant(view.window[0]), instant(view.window[1]), at.columns, caps)
        rows.append(_line(at, [], axis, [], width))
    spare = max(0, rest - above)
    # Rows that nothing else needs go to the words under the picture.
    more = min(spare, _MORE_READING)
    rows += [blank(width)] * (spare - more)
    rows += reading_rows(data, measured, view, state, width, at.reading + more, caps)
    return rows[:height]


def _line(at: Layout, label: Row, picture: Row, figures: Row, width: int) -> Row:
    if not at.label:
        return row(picture, width=width)
    return row(row(label, width=at.label), Segment(" "), row(picture, width=at.columns), figures, width=width)


# The state line


def state_row(measured: Measured, view: Scene, state: DpState, width: int, caps: Capabilities) -> Row:
    """Return the line that says what is drawn."""
    metric = measured.metric
    begin, end = view.window
    decimals = 0 if end - begin >= 20_000_000 else 3
    window = f"{format_time(instant(begin), decimals)}–{format_time(instant(end), decimals)}"
    length = length_text((end - begin) / view.columns)
    scale = _scale_text(measured, view, state)
    statistic = _("mean") if state.statistic == "mean" else _("max") if metric.more_is_load else _("min")
    if width >= _ROOMY:
        parts = [
            metric.unit,
            window,
            _("1 column = {length}").format(length=length),
            _("{statistic} of each column").format(statistic=statistic),
            _("scale {scale}").format(scale=scale),
        ]
    else:
        column = _("column {length}, {statistic}").format(length=length, statistic=statistic)
        parts = [window, column, scale]
    if state.by_score:
        parts.append(_("most outstanding first"))
    text = "".join(f" · {part}" for part in parts)
    return row(
        Segment(printable(f" {metric.label}", caps), palette.strong(caps)),
        fit(text, max(0, width - len(metric.label) - 1), caps=caps, style=palette.dim(caps)),
        width=width,
    )


def _scale_text(measured: Measured, view: Scene, state: DpState) -> str:
    scales = instance_scales(measured, view, state)
    if len(set(scales.values())) == 1:
        return f"0–{number(next(iter(scales.values())))}"
    names = short_instances(list(scales))
    own = measured.domains[measured.index(state.domain) or 0].instance
    # The cursor's instance first: what does not fit is cut.
    order = [own, *(i for i in scales if i != own)][:4]
    return ", ".join(f"{names[i]} 0–{number(scales[i])}" for i in order)


def short_instances(instances: Sequence[str]) -> dict[str, str]:
    """Return instances without what all begin with, up to a `-`."""
    if len(instances) < 2:
        return {i: i for i in instances}
    first, last = min(instances), max(instances)
    common = next(
        (k for k, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last))
    )
    cut = first.rfind("-", 0, common) + 1
    return {i: i[cut:] for i in instances}


def instance_scales(measured: Measured, view: Scene, state: DpState) -> dict[str, float]:
    """Return the value at the full height of each instance's lanes: the largest drawn; shares end at 1.

    Instances have their own scale: a prefill node's tokens would flatten every decode lane.
    """
    values = _drawn(view, state)
    scales = {}
    for instance in measured.instances:
        part = values[measured.lanes_of(instance)]
        largest = float(np.nanmax(part)) if not np.isnan(part).all() else 0.0
        scales[instance] = 1.0 if measured.metric.key == "kv_usage" or largest <= 0 else largest
    return scales


def _drawn(view: Scene, state: DpState) -> np.ndarray:
    return view.mean if state.statistic == "mean" else view.worst


def length_text(micros: float) -> str:
    """Return a length of time with the unit that suits it."""
    for size, unit in ((1e6, "s"), (1e3, "ms")):
        if micros >= size:
            return f"{number(micros / size)} {unit}"
    return f"{number(micros)} µs"


def _decimals(window: tuple[int, int], columns: int) -> int:
    column = (window[1] - window[0]) / max(columns, 1)
    return 1 if column >= 100_000 else 2 if column >= 10_000 else 3 if column >= 1000 else 6


# Lanes


def _headings(metric: Metric, at: Layout, caps: Capabilities) -> Row:
    low = not metric.more_is_load
    names = [_("now"), _("mean"), _("p5") if low else _("p95"), _("min") if low else _("max")]
    if at.figures < 5:
        names = names[:2]
    times = glyphs(caps).times
    names = [*names, _("{times} mean").format(times=times)][: at.figures]
    return [
        segment
        for name in names
        for segment in fit(name, FIGURE, caps=caps, align="right", style=palette.dim(caps))
    ]


def _lane_rows(
    measured: Measured,
    view: Scene,
    state: DpState,
    at: Layout,
    cursor: int,
    width: int,
    caps: Capabilities,
) -> list[Row]:
    values = _drawn(view, state)
    scales = instance_scales(measured, view, state)
    current = measured.index(state.domain)
    furthest = _furthest(measured, view)
    hosts = short_hosts(measured.domains)
    rows: list[Row] = []
    before = ""
    order = lane_order(measured, state.by_score)[state.top : state.top + at.shown]
    for i in order:
        domain = measured.domains[i]
        lines = lane(
            values[i].tolist(),
            low=0.0,
            high=scales[domain.instance],
            height=at.lane_height,
            caps=caps,
            cursor=cursor,
            marks=None if view.prefill is None else view.prefill[i].tolist(),
            scarce=not measured.metric.more_is_load,
        )
        label = _label(
            "" if domain.host == before else hosts[domain.host], domain.name, at, i == current, caps
        )
        figures = _figures(measured, view, state, i, at, i in furthest, i == current, caps)
        for k, line in enumerate(lines):
            last = k == len(lines) - 1
            rows.append(_line(at, label if last else [], line, figures if last else [], width))
        before = domain.host
        if i != order[-1]:
            rows += [_gap_row(at, cursor, width, caps)] * at.gap
    return rows


def _gap_row(at: Layout, cursor: int, width: int, caps: Capabilities) -> Row:
    """Return a line between lanes, in which the cursor's guide goes on."""
    guide = [Segment(" " * cursor), Segment(glyphs(caps).column, palette.accent(caps))]
    return _line(at, [], guide, [], width)


def _label(host: str, name: str, at: Layout, current: bool, caps: Capabilities) -> Row:
    room = at.label - len(name) - 1
    style = palette.cursor(caps) if current else Style()
    # Two letters of a host say nothing; a short one whole does.
    if room < 1 or (room < 3 and len(host) > room):
        return fit(name, at.label, align="right", caps=caps, style=style)
    return [*fit(host, room, caps=caps, style=palette.dim(caps)), Segment(" "), Segment(name, style)]


def _furthest(measured: Measured, view: Scene) -> set[int]:
    """Return the lane of each instance whose mean is furthest to the bad side of its peers'."""
    found = set()
    for instance in measured.instances:
        rows = [i for i in measured.lanes_of(instance) if not np.isnan(view.statistics[i].ratio)]
        if len(rows) > 1:
            pick = max if measured.metric.more_is_load else min
            found.add(pick(rows, key=lambda i: view.statistics[i].ratio))
    return found


def _figures(
    measured: Measured,
    view: Scene,
    state: DpState,
    i: int,
    at: Layout,
    furthest: bool,
    current: bool,
    caps: Capabilities,
) -> Row:
    stats = view.statistics[i]
    low = not measured.metric.more_is_load
    now = measured.lanes[i].at(state.time)
    values = [now, stats.mean, stats.p5 if low else stats.p95, stats.min if low else stats.max]
    if at.figures < 5:
        values = values[:2]
    texts = [number(v, FIGURE - 1) for v in values]
    ratio = glyphs(caps).dash if np.isnan(stats.ratio) else f"{stats.ratio:.2f}"
    texts = [*texts, ratio.rjust(FIGURE - 1)][: at.figures]
    styles = [palette.accent(caps) if k == 0 else Style() for k in range(len(texts))]
    if current:
        styles = [palette.selected(caps) if k == 0 else palette.strong(caps) for k in range(len(texts))]
    if furthest and at.figures > 2:
        styles[-1] = palette.strong(caps)
    return [Segment(printable(f" {t}", caps), s) for t, s in zip(texts, styles, strict=True)]


# How even the lanes are


def evenness_name(metric: Metric) -> str:
    """Return what the evenness lanes are called."""
    return _("PAR") if metric.more_is_load else _("min/mean")


def _evenness_rows(
    measured: Measured,
    view: Scene,
    state: DpState,
    at: Layout,
    cursor: int,
    width: int,
    caps: Capabilities,
) -> list[Row]:
    if not at.evenness_rows:
        return []
    names = short_instances(measured.instances)
    instances = list(view.evenness)
    lane_index = measured.index(state.domain)
    if len(instances) * at.evenness_height > at.evenness_rows:
        own = measured.domains[lane_index or 0].instance
        instances = [own] if own in view.evenness else []
    rows: list[Row] = []
    for instance in instances:
        even = view.evenness[instance]
        low, high = evenness_scale(measured.metric, even)
        lines = lane(
            even.columns.tolist(),
            low=low,
            high=high,
            height=at.evenness_height,
            caps=caps,
            cursor=cursor,
            scarce=not measured.metric.more_is_load,
        )
        name = evenness_name(measured.metric)
        label = name if len(measured.instances) == 1 else f"{name} {names[instance]}"
        figures = _evenness_figures(even, cursor, at, caps)
        for k, line in enumerate(lines):
            last = k == len(lines) - 1
            rows.append(
                _line(
                    at,
                    fit(label, at.label, caps=caps, style=palette.strong(caps)) if last else [],
                    line,
                    figures if last else [],
                    width,
                )
            )
    missing = at.evenness_rows - len(rows)
    return rows + [blank(width)] * missing


def evenness_scale(metric: Metric, even: Evenness) -> tuple[float, float]:
    """Return lowest and highest of an evenness lane: PAR from 1 to at least 2, min/mean from 0 to 1."""
    if not metric.more_is_load:
        return 0.0, 1.0
    known = even.columns[~np.isnan(even.columns)]
    return 1.0, max(2.0, float(known.max())) if len(known) else 2.0


def _evenness_figures(even: Evenness, cursor: int, at: Layout, caps: Capabilities) -> Row:
    texts = [_two(float(even.columns[cursor])), _two(even.value)]
    parts = [
        Segment(printable(t.rjust(FIGURE), caps), palette.accent(caps) if not k else palette.strong(caps))
        for k, t in enumerate(texts[: at.figures])
    ]
    if at.figures == 5 and even.chance is not None:
        chance = _("by chance {value}").format(value=_two(even.chance))
        parts += fit(f"  {chance}", 3 * FIGURE, caps=caps, style=palette.dim(caps))
    return parts


def _two(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.2f}"


# What is under the cursor


def reading_rows(
    data: DpData,
    measured: Measured,
    view: Scene,
    state: DpState,
    width: int,
    lines: int,
    caps: Capabilities,
) -> list[Row]:
    """Return what is under the cursor in words and numbers, wrapped to `lines` rows."""
    index = measured.index(state.domain)
    if index is None or not lines:
        return [blank(width)] * lines
    domain = measured.domains[index]
    head = f"{format_time(instant(state.time), 3)} · {domain.name}"
    parts = [*_step_words(data, state), *_column_words(measured, view, state, index)]
    parts += _place_words(measured, state)
    parts += _evenness_words(measured, view, state, domain.instance)
    if measured.metric.frame != "steps":
        now = number(measured.lanes[index].at(state.time))
        parts.insert(0, f"{measured.metric.label} {now}")
    # Beside the lanes there is room for little of it; in a narrow terminal the figures come first.
    parts.insert(0 if width >= _ROOMY else len(parts), domain.host)
    return _wrapped(head, parts, width, lines, caps)


def _wrapped(head: str, parts: Sequence[str], width: int, lines: int, caps: Capabilities) -> list[Row]:
    """Return the parts joined by dots, a new line begun where the next part does not fit."""
    texts = [f" {head}"]
    for part in parts:
        joined = f"{texts[-1]} · {part}"
        if len(joined) > width and len(texts) < lines:
            texts.append(f" {part}")
        else:
            texts[-1] = joined
    rows = []
    for k, text in enumerate(texts):
        if k == 0:
            rows.append(
                row(
                    Segment(printable(f" {head}", caps), palette.selected(caps)),
                    fit(text[len(head) + 1 :], max(0, width - len(head) - 1), caps=caps),
                    width=width,
                )
            )
        else:
            rows.append(fit(text, width, caps=caps))
    return rows + [blank(width)] * (lines - len(rows))


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
        split = " " + _("({prefill} prefill, {decode} decode)").format(
            prefill=step["prefill_batch_size"], decode=step["decode_batch_size"]
        )
    elif step["phase"]:
        split = f" ({step['phase']})"
    if step["batch_size"] is not None:
        words.append(_("{count} requests").format(count=step["batch_size"]) + split)
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
    words = text.format(metric=metric.label, mean=number(mean), worst=number(worst))
    return [words + ", " + _("mean of the lanes {mean}").format(mean=number(float(np.nanmean(peers))))]


def _evenness_words(measured: Measured, view: Scene, state: DpState, instance: str) -> list[str]:
    even = view.evenness.get(instance)
    if even is None:
        return []
    name = evenness_name(measured.metric)
    here = float(even.columns[view.column_of(state.time)])
    text = _("{name} {here} here, {value} in the window").format(
        name=name, here=_two(here), value=_two(even.value)
    )
    if even.chance is not None:
        text += " " + _("(chance alone {chance}; {share} % of the time counted)").format(
            chance=_two(even.chance), share=f"{100 * even.share_counted:.0f}"
        )
    return [text]


def _place_words(measured: Measured, state: DpState) -> list[str]:
    here = place_here(state, measured)
    if here is None:
        return []
    place = measured.places[here]
    side = _("over") if measured.metric.more_is_load else _("under")
    return [
        _("outstanding place {rank} of {count}: {excess} {side} the lanes' mean for {length}").format(
            rank=here + 1,
            count=len(measured.places),
            excess=number(place.excess),
            side=side,
            length=length_text(place.end - place.begin),
        )
    ]


# Where there is nothing to draw


def missing_rows(
    data: DpData, metric: Metric, notes: Sequence[str], width: int, caps: Capabilities
) -> list[Row]:
    """Return why a metric has no data, and how to collect it."""
    frame: FrameName = metric.frame
    if frame == "steps" and not data.steps.is_empty():
        # The steps are there, without what only the scheduling rounds tell.
        frame = "batches"
    what, reason, how = COLLECT[frame]
    lines = [
        (f" {metric.label}", palette.strong(caps)),
        ("", None),
        (
            " " + _("no data: {what} are not in this profile.").format(what=what),
            palette.severity(caps, "warning"),
        ),
        (" " + _("Why: {reason}.").format(reason=reason), None),
        (" " + _("How: {how}.").format(how=how), None),
        *((f" {note}", palette.dim(caps)) for note in notes),
        ("", None),
        (" " + _("m shows another metric."), palette.dim(caps)),
    ]
    return [line for text, style in lines for line in _paragraph(text, width, style, caps)]


def _paragraph(text: str, width: int, style: Style | None, caps: Capabilities) -> list[Row]:
    lines = [""]
    for word in text.split(" "):
        joined = f"{lines[-1]} {word}" if lines[-1] or word == "" else word
        if len(joined) > width and lines[-1].strip():
            lines.append(f" {word}")
        else:
            lines[-1] = joined
    return [fit(line, width, caps=caps, style=style) for line in lines]
