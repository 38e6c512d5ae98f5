"""The parts of the DP picture: the state line, lanes with their figures, how even they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from lbtui.analysis.data_parallel import Metric
from lbtui.analysis.imbalance import Floats
from lbtui.findings.words import short_hosts
from lbtui.profile import Domain, format_window, instant, short_names
from lbtui.render import palette
from lbtui.render.canvas import Scale
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.glyphs import glyphs
from lbtui.render.lanes import Marks, banded_lane, lane, pointed
from lbtui.render.text import blank, fit, fit_parts, number, printable, quantity, row
from lbtui.text import _, in_list
from lbtui.ui.kit.heat import heat_of
from lbtui.ui.kit.sides import side_chip
from lbtui.ui.panes.dp.data import Evenness, Measured, Scene
from lbtui.ui.panes.dp.filtered import filter_words
from lbtui.ui.panes.dp.glance import SHORT, Glanced, glance_row
from lbtui.ui.panes.dp.layout import FIGURE, MARK, DpState, Layout, Shown, evenness_labels, lane_order
from lbtui.ui.panes.dp.marks import Mark, mark_at

# From this width on sentences are in whole words.
ROOMY = 130
# Cells, or at least that much of the state line, for all metrics at a glance.
_GLANCE, _LEAST_GLANCE = 50, 0.4
# Cells of the colours' legend.
_KEY = 9


def framed(at: Layout, label: Row, picture: Row, figures: Row, width: int) -> Row:
    """Return one line: label, what is drawn over time, figures."""
    if not at.label:
        return row(picture, width=width)
    return row(row(label, width=at.label), Segment(" "), row(picture, width=at.columns), figures, width=width)


# The state line


def beside(at: Layout, label: Row, lines: Sequence[Row], figures: Row, width: int) -> list[Row]:
    """Return a lane's lines with its label and figures on the last of them."""
    return [
        *(framed(at, [], line, [], width) for line in lines[:-1]),
        framed(at, label, lines[-1], figures, width),
    ]


def state_row(shown: Shown, width: int, caps: Capabilities) -> Row:
    """Return the line that says what is drawn."""
    measured, view, state, metric = shown.measured, shown.view, shown.state, shown.measured.metric
    begin, end = view.window
    decimals = 0 if end - begin >= 20_000_000 else 3
    window = format_window(instant(begin), instant(end), decimals, date=measured.dated)
    length = length_text((end - begin) / view.columns)
    scale = _scale_text(measured, view, state)
    statistic = _("mean") if state.statistic == "mean" else _("max") if metric.more_is_load else _("min")
    if shown.sample:
        column = _("column {length}, {statistic}").format(length=length, statistic=statistic)
        parts = [shown.sample, column, scale]
    elif width >= ROOMY + (_GLANCE if shown.glance else 0):
        parts = [
            shown_unit(metric),
            window,
            _("1 column = {length}").format(length=length),
            _("{statistic} of each column").format(statistic=statistic),
            _("scale {scale}").format(scale=scale),
        ]
    else:
        column = _("column {length}, {statistic}").format(length=length, statistic=statistic)
        # Line 1 tells the whole window, of one profile.
        told = shown.glance and state.window is None and state.side is None
        window_parts = [] if told else [window]
        parts = [*window_parts, column, scale]
    if shown.at.partner_height and (other := shown.partner) is not None:
        scale = _scale_text(other.measured, other.view, state)
        parts.append(_("below {metric}, {scale}").format(metric=other.measured.metric.label, scale=scale))
    if state.by_score:
        parts.append(_("hottest first"))
    parts = [*filter_words(measured, state.text), *parts]
    return headed(metric, state, parts, width, caps, shown.glance)


def headed(
    metric: Metric,
    state: DpState,
    parts: Sequence[str],
    width: int,
    caps: Capabilities,
    glance: Sequence[Glanced] = (),
) -> Row:
    """Return a state line: which profile, if there are two, the metric among those at a glance, the parts."""
    text = "".join(f" · {part}" for part in parts)
    chip = side_chip(state.side, caps)
    used = Segment.get_line_length(chip)
    head = [Segment(printable(f" {metric.label}", caps), palette.strong(caps))]
    if glance:
        # The metrics have the room that the parts leave, but some in any case.
        room = max(width - used - cell_len(text), int(width * _LEAST_GLANCE))
        head = glance_row(glance, metric.key, state.window is not None, room, caps)
    used += Segment.get_line_length(head)
    return row(
        chip,
        head,
        fit_parts(text, max(0, width - used), caps=caps, style=palette.dim(caps)),
        width=width,
    )


def _scale_text(measured: Measured, view: Scene, state: DpState) -> str:
    scales = instance_scales(measured, view, state.statistic)
    if len(set(scales.values())) == 1:
        return f"0–{value_text(measured.metric, next(iter(scales.values())))}"
    names = short_names(list(scales), lettered=True)
    own = measured.domains[measured.index(state.domain) or 0].instance
    # The cursor's instance first: what does not fit is cut.
    order = [own, *(i for i in scales if i != own)][:4]
    return in_list(f"{names[i]} 0–{value_text(measured.metric, scales[i])}" for i in order)


@lru_cache(maxsize=8)
def instance_scales(measured: Measured, view: Scene, statistic: str) -> Mapping[str, float]:
    """Return the value at the full height of each instance's lanes: the largest drawn; shares end at 1.

    Instances have their own scale: a prefill node's tokens would flatten every decode lane.
    """
    values = drawn_values(view, statistic)
    if view.band is not None:
        # Chance lifts the largest of a sample.
        values = (view.mean + view.band[0]) / 2
    scales = {}
    for instance in measured.instances:
        part = values[measured.lanes_of(instance)]
        largest = float(np.nanmax(part)) if not np.isnan(part).all() else 0.0
        largest = max(largest, view.ceiling.get(instance, (0.0, 0.0))[statistic != "mean"])
        scales[instance] = 1.0 if measured.metric.share or largest <= 0 else largest
    return scales


def drawn_values(view: Scene, statistic: str) -> Floats:
    """Return the statistic chosen of every lane and column."""
    return view.mean if statistic == "mean" else view.worst


def value_text(metric: Metric, value: float, width: int | None = None) -> str:
    """Return a value of a metric for people, shares in percent."""
    return quantity(100 * value, "%", width) if metric.share else number(value, width)


def shown_unit(metric: Metric) -> str:
    """Return the unit of what `value_text` says."""
    return _("% of the domain's blocks") if metric.share else metric.unit


def length_text(micros: float) -> str:
    """Return a length of time with the unit that suits it."""
    for size, unit in ((1e6, "s"), (1e3, "ms")):
        if micros >= size:
            return f"{number(micros / size)} {unit}"
    return f"{number(micros)} µs"


def pointer_decimals(window: tuple[int, int], columns: int) -> int:
    """Return how many digits of a second tell two columns apart."""
    column = (window[1] - window[0]) / max(columns, 1)
    return 1 if column >= 100_000 else 2 if column >= 10_000 else 3 if column >= 1000 else 6


# Lanes


def headings(metric: Metric, at: Layout, caps: Capabilities) -> Row:
    """Return what the figures beside the lanes are."""
    low = not metric.more_is_load
    times, at_cursor = glyphs(caps).times, _("at cursor")
    if at.figures < 5:
        at_cursor = _("at {pointer}").format(pointer=glyphs(caps).down)
    names = [at_cursor, _("mean"), _("p5") if low else _("p95"), _("min") if low else _("max")]
    if at.figures < 5:
        names = names[:2]
    names = [*names, _("{times} mean").format(times=times)][: at.figures]
    return [
        segment
        for name, width in zip(names, at.figure_widths, strict=True)
        for segment in fit(name, width, caps=caps, align="right", style=palette.dim(caps))
    ]


def lane_rows(shown: Shown, width: int, caps: Capabilities) -> list[Row]:
    """Return the lanes shown, each with its label and figures, below it that of the other metric if any."""
    measured, state, at, partner = shown.measured, shown.state, shown.at, shown.partner
    scales = instance_scales(measured, shown.view, state.statistic)
    current, furthest = measured.index(state.domain), _furthest(measured, shown.view)
    hosts = short_hosts([d.host for d in measured.domains])
    rows: list[Row] = []
    before = ""
    order = lane_order(measured, state.by_score, state.text)[state.top : state.top + at.shown]
    if not order:
        return [no_lane_row(width, caps)]
    for i in order:
        domain = measured.domains[i]
        lines = _lane(shown, i, scales[domain.instance], at.lane_height, caps)
        host = "" if domain.host == before else hosts[domain.host]
        label = lane_label(host, domain.name, at, i == current, caps, mark_at(shown.marks, i))
        rows += beside(at, label, lines, _figures(shown, i, i in furthest, i == current, caps), width)
        if at.partner_height:
            rows += _partner_rows(partner, domain, shown, width, caps)
        before = domain.host
        if i != order[-1]:
            rows += [gap_row(at, shown.cursor, width, caps)] * at.gap
    return rows


def no_lane_row(width: int, caps: Capabilities) -> Row:
    """Return what stands where the filter leaves no lane, as of another metric or profile."""
    text = " " + _("No lane matches; Escape takes the filter off.")
    return fit(text, width, caps=caps, style=palette.dim(caps))


def _partner_rows(
    partner: Shown | None, domain: Domain, shown: Shown, width: int, caps: Capabilities
) -> list[Row]:
    """Return the lane of the other metric of a domain; blank where it is not there, or not yet."""
    at = shown.at
    own = None if partner is None else partner.measured.index(domain.key)
    if partner is None or own is None:
        return [gap_row(at, shown.cursor, width, caps)] * at.partner_height
    high = instance_scales(partner.measured, partner.view, shown.state.statistic)[domain.instance]
    name = fit(
        SHORT[partner.measured.metric.key],
        at.label - MARK,
        caps=caps,
        align="right",
        style=palette.dim(caps),
    )
    label = [*name, *_mark_cells(mark_at(partner.marks, own), caps)]
    furthest = own in _furthest(partner.measured, partner.view)
    figures = _figures(partner, own, furthest, domain.key == shown.state.domain, caps)
    return beside(at, label, _lane(partner, own, high, at.partner_height, caps), figures, width)


def _lane(shown: Shown, i: int, high: float, height: int, caps: Capabilities) -> list[Row]:
    lines = _bars(shown.view, i, Scale(0.0, high), height, shown.state.statistic, caps)
    return pointed(lines, caps, Marks(shown.cursor))


@lru_cache(maxsize=512)
def _bars(view: Scene, i: int, scale: Scale, height: int, statistic: str, caps: Capabilities) -> list[Row]:
    """Return a lane that the cursor is not drawn in: most keys move nothing else."""
    apart = view.mean_apart if statistic == "mean" else view.worst_apart
    if view.band is not None:
        low, high = (end[i].tolist() for end in view.band)
        marks = Marks(heat=heat_of(apart[i]))
        return banded_lane((low, view.mean[i].tolist(), high), scale, caps, height=height, marks=marks)
    underlined = None if view.prefill is None else view.prefill[i].tolist()
    marks = Marks(underlined=underlined, heat=heat_of(apart[i]))
    return lane(drawn_values(view, statistic)[i].tolist(), scale, caps, height=height, marks=marks)


def colour_key(metric: Metric, at: Layout, caps: Capabilities) -> Row:
    """Return what the colours of lanes mean, for the line below their figures."""
    width = sum(at.figure_widths)
    far = _("far above peers") if metric.more_is_load else _("far below peers")
    if caps.colors == "none":
        far = _("bold: {far}").format(far=far)
        return fit(far if at.figures > 2 else "", width, align="right", caps=caps, style=palette.dim(caps))
    far = far if at.figures == 5 else _("beyond")
    steps = Marks(heat=[step / (_KEY - 1) for step in range(_KEY)])
    (ramp,) = lane([1.0] * _KEY, Scale(0.0, 2.0), caps, marks=steps)
    near = printable(_("by chance"), caps)
    used = cell_len(near) + _KEY + cell_len(printable(far, caps)) + 2
    if used >= width:
        return blank(width)
    style = palette.dim(caps)
    return [
        *blank(width - used),
        Segment(f"{near} ", style),
        *ramp,
        Segment(f" {printable(far, caps)}", style),
    ]


def gap_row(at: Layout, cursor: int, width: int, caps: Capabilities) -> Row:
    """Return a line between lanes, in which the cursor's guide goes on."""
    guide = [Segment(" " * cursor), Segment(glyphs(caps).column, palette.accent(caps))]
    return framed(at, [], guide, [], width)


def lane_label(
    host: str, name: str, at: Layout, current: bool, caps: Capabilities, mark: Mark | None = None
) -> Row:
    """Return what stands before a lane: the host where it has room, the domain, and how bad it is."""
    if not at.label:
        return []
    width = at.label - MARK
    room = width - cell_len(name) - 1
    style = palette.cursor(caps) if current else Style()
    # Two letters of a host say nothing; a short one whole does.
    if room < 1 or (room < 3 and cell_len(host) > room):
        said = fit(name, width, align="right", caps=caps, style=style)
    else:
        said = [*fit(host, room, caps=caps, style=palette.dim(caps)), Segment(" "), Segment(name, style)]
    return [*said, *_mark_cells(mark, caps)]


def _mark_cells(mark: Mark | None, caps: Capabilities) -> Row:
    if mark is None:
        return blank(MARK)
    sign = Segment(mark.sign, palette.severity(caps, mark.finding.severity))
    return row(" ", sign, width=MARK)


@lru_cache(maxsize=8)
def _furthest(measured: Measured, view: Scene) -> frozenset[int]:
    """Return the lane of each instance whose mean is furthest to the bad side of its peers'."""
    found = set()
    for instance in measured.instances:
        rows = [i for i in measured.lanes_of(instance) if not np.isnan(view.statistics[i].ratio)]
        if len(rows) > 1:
            pick = max if measured.metric.more_is_load else min
            found.add(pick(rows, key=lambda i: view.statistics[i].ratio))
    return frozenset(found)


def _figures(shown: Shown, i: int, furthest: bool, current: bool, caps: Capabilities) -> Row:
    stats, at, metric = shown.view.statistics[i], shown.at, shown.measured.metric
    low = not metric.more_is_load
    now = shown.measured.lanes[i].at(shown.state.time)
    values = [now, stats.mean, stats.p5 if low else stats.p95, stats.min if low else stats.max]
    if at.figures < 5:
        values = values[:2]
    ratio = glyphs(caps).dash if np.isnan(stats.ratio) else f"{stats.ratio:.2f}"
    texts = [*(value_text(metric, v, FIGURE - 1) for v in values), ratio][: at.figures]
    styles = [palette.accent(caps) if k == 0 else Style() for k in range(len(texts))]
    if current:
        styles = [palette.selected(caps) if k == 0 else palette.strong(caps) for k in range(len(texts))]
    if furthest and at.figures > 2:
        styles[-1] = palette.strong(caps)
    cells = zip(texts, at.figure_widths, styles, strict=True)
    return [Segment(printable(t.rjust(w), caps), s) for t, w, s in cells]


# How even the lanes are


def evenness_rows(shown: Shown, width: int, caps: Capabilities) -> list[Row]:
    """Return the lanes of how even an instance's lanes are, with the window's figures."""
    measured, view, at, cursor = shown.measured, shown.view, shown.at, shown.cursor
    if not at.evenness_rows:
        return []
    labels = evenness_labels(measured)
    instances = list(view.evenness)
    lane_index = measured.index(shown.state.domain)
    if len(instances) * at.evenness_height > at.evenness_rows:
        own = measured.domains[lane_index or 0].instance
        instances = [own] if own in view.evenness else []
    rows: list[Row] = []
    for instance in instances:
        even = view.evenness[instance]
        # Where there are lines to spare, one keeps them apart.
        scale, height = evenness_scale(measured.metric, even), at.evenness_height - at.evenness_gap
        apart = view.mean_apart[measured.lanes_of(instance)]
        heat = heat_of(np.where(np.isnan(apart), 0.0, apart).max(axis=0))
        lines = lane(even.columns.tolist(), scale, caps, height=height, marks=Marks(cursor, heat=heat))
        label = fit(labels[instance], at.label, caps=caps, style=palette.strong(caps))
        rows += [gap_row(at, cursor, width, caps)] * at.evenness_gap
        rows += beside(at, label, lines, _evenness_figures(even, cursor, at, caps), width)
    missing = at.evenness_rows - len(rows)
    return rows + [blank(width)] * missing


def evenness_scale(metric: Metric, even: Evenness) -> Scale:
    """Return the scale of an evenness lane: PAR from 1 to at least 2, min/mean from 0 to 1."""
    if not metric.more_is_load:
        return Scale(0.0, 1.0)
    known = even.columns[~np.isnan(even.columns)]
    return Scale(1.0, max(2.0, float(known.max())) if len(known) else 2.0)


def _evenness_figures(even: Evenness, cursor: int, at: Layout, caps: Capabilities) -> Row:
    texts = [two_decimals(float(even.columns[cursor])), two_decimals(even.value)]
    parts = [
        Segment(printable(t.rjust(w), caps), palette.strong(caps) if k else palette.accent(caps))
        for k, (t, w) in enumerate(zip(texts, at.figure_widths, strict=False))
    ]
    if at.figures == 5 and even.chance is not None:
        chance = _("by chance {value}").format(value=two_decimals(even.chance))
        parts += fit(f"  {chance}", 3 * FIGURE, caps=caps, style=palette.dim(caps))
    return parts


def two_decimals(value: float) -> str:
    """Return a ratio as text, a dash where it says nothing."""
    return "–" if np.isnan(value) else f"{value:.2f}"
