"""What stands beside the EP map: under the cursor, the layer over ranks, worst layers, hottest experts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from rich.cells import cell_len
from rich.segment import Segment

from lbtui.analysis.expert_parallel import hottest_cells
from lbtui.render.canvas import Canvas, Scale
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.glyphs import glyphs
from lbtui.render.heatmap_frame import minimap
from lbtui.render.heatmap_view import View
from lbtui.render.lanes import Marks, bar, lane, signed_lane, sparkline
from lbtui.render.palette import accent, difference_style, dim, fraction, severity, strong
from lbtui.render.text import blank, fit, fit_parts, minus, number, row
from lbtui.text import _
from lbtui.ui.panes.ep.data import VIEWS, EpData, EpMap, RankLoad
from lbtui.ui.panes.ep.facts import fact_rows
from lbtui.ui.panes.ep.shown import EpState, column_of, current_load, current_map, map_of
from lbtui.ui.panes.ep.words import (
    absent_words,
    column_words,
    homes_words,
    par_words,
    token_words,
    value_words,
    why_no_par,
)

# How tall the layer over ranks is, from which height of the panel on.
_PROFILE_LINES = ((60, 8), (40, 5), (0, 3))
_FACTS_FROM = 20
_MINIMAP = (24, 4)


def side_rows(
    data: EpData,
    state: EpState,
    view: View,
    seen: tuple[int, int],
    canvas: Canvas,
) -> list[Row]:
    """Return the panel as rows that fill the canvas; `seen` is the part of the map in sight."""
    width, height, caps = canvas.width, canvas.height, canvas.caps
    head = [*_cursor_rows(data, state, width, caps), blank(width), *_profile_rows(data, state, canvas)]
    facts = fact_rows(data, state, width, caps) if height >= _FACTS_FROM else []
    foot = [*_place_rows(data, state, view, seen, width, caps), *_absent_rows(data, state, width, caps)]
    head += [blank(width), *facts] if facts else []
    room = height - len(head) - len(foot) - 1
    if room < 4:
        foot, room = [], height - len(head) - 1
    each = _worst_count(data, state, room)
    lists = [*_worst_rows(data, state, each, width, caps), blank(width)]
    lists += _hottest_rows(data, state, room - each - 3, width, caps)
    rows = [*head, blank(width), *lists[: max(0, room)]]
    rows += [blank(width)] * (height - len(rows) - len(foot)) + foot
    return rows[:height]


def _worst_count(data: EpData, state: EpState, room: int) -> int:
    """Return how many of `room` lines the worst layers get: half, or what the hottest experts leave.

    A title and a blank line each come on top, and one more title for the hottest experts.
    """
    load, hottest = _load(data, state), _hottest_map(data, state)
    layers = 1 if load is None else len(load.worst)
    experts = 0 if hottest is None else hottest.shape[1] - len(hottest.shared)
    return max(0, min(max(room // 2 - 2, room - experts - 4), layers))


def _title(text: str, width: int, caps: Capabilities) -> Row:
    return fit(text, width, caps=caps, style=strong(caps))


def _cursor_rows(data: EpData, state: EpState, width: int, caps: Capabilities) -> list[Row]:
    shown = current_map(data, state)
    rows = [_title(_("under the cursor"), width, caps)]
    if shown is None:
        return [*rows, blank(width), blank(width), blank(width)]
    layer, column = state.layer, column_of(state)
    place = _("layer {layer}").format(layer=layer) + " · " + column_words(data, state)
    last = " · ".join(text for text in (token_words(shown, layer, column), homes_words(data, state)) if text)
    return [
        *rows,
        fit(place, width, caps=caps),
        fit(" · ".join(value_words(shown, layer, column)), width, caps=caps, style=accent(caps)),
        fit(last, width, caps=caps),
    ]


def _profile_rows(data: EpData, state: EpState, canvas: Canvas) -> list[Row]:
    width, caps = canvas.width, canvas.caps
    height = next(lines for least, lines in _PROFILE_LINES if canvas.height >= least)
    title = _("layer {layer} over ranks").format(layer=state.layer)
    load = _load(data, state)
    if load is None:
        why = _("no data: {why}").format(why=why_no_par(data, state))
        return [_title(title, width, caps), fit(why, width, caps=caps, style=dim(caps))]
    profile = load.multiples[state.layer]
    rank = load.ranks.index(state.rank) if state.rank in load.ranks else None
    high = max(1.0, float(np.nanmax(profile, initial=1.0)))
    words = par_words(data, state)
    head = row(
        fit(title, width - cell_len(words) - 1, caps=caps, style=strong(caps)), blank(1),
        fit(words, cell_len(words), caps=caps), width=width,
    )  # fmt: skip
    each = min(3, width // max(1, len(profile)))
    if each == 0:
        return [head, *_strip(data, state, load, width, caps)]
    wide = np.repeat(profile, each).tolist()
    if load.pair is None:
        marks = Marks(heat=_heat(data, state, wide))
        lines = lane(wide, Scale(0.0, high), caps, height=height, marks=marks)
    else:
        lines = signed_lane(wide, reach=_furthest(profile), height=height, caps=caps)
    return [
        head,
        *(row(line, width=width) for line in lines),
        _pointer(load, rank, profile, each, width, caps),
    ]


def _furthest(values: np.ndarray) -> float:
    return float(np.nan_to_num(np.abs(values)).max(initial=0.0)) or 1.0


def _heat(data: EpData, state: EpState, multiples: Sequence[float]) -> list[float] | None:
    """Return the colours of ranks as the map of all periods has them; None where it has no scale."""
    scale = data.common.get((state.instance or "", "rank"))
    return None if scale is None else [fraction(v, scale.low, scale.high) or 0.0 for v in multiples]


def _strip(data: EpData, state: EpState, load: RankLoad, width: int, caps: Capabilities) -> list[Row]:
    """Return the layer over ranks in one row, as far as `width` goes."""
    profile = load.multiples[state.layer]
    if load.pair is None and len(profile) > width:
        return [sparkline(profile.tolist(), caps=caps, width=width, low=0)]
    if load.pair is None:
        values = profile.tolist()
        high = max(1.0, float(np.nanmax(profile, initial=1.0)))
        lines = lane(values, Scale(0.0, high), caps, marks=Marks(heat=_heat(data, state, values)))
        return [row(*lines, width=width)]
    return [
        row(line, width=width)
        for line in signed_lane(profile[:width].tolist(), reach=_furthest(profile), caps=caps)
    ]


def _pointer(
    load: RankLoad, rank: int | None, profile: np.ndarray, each: int, width: int, caps: Capabilities
) -> Row:
    """Return the line under the profile: the cursor's rank and its load."""
    if rank is None:
        return blank(width)
    mark, used = glyphs(caps).up, rank * each + each // 2
    value = float(profile[rank])
    label = _("rank {rank}: {multiple}× mean").format(
        rank=load.ranks[rank], multiple=number(value) if load.pair is None else minus(f"{value:+.2f}")
    )
    if used + 2 + cell_len(label) <= width:
        return row(" " * used, Segment(mark, accent(caps)), " ", label, width=width, caps=caps)
    before = max(0, used - cell_len(label) - 1)
    return row(
        fit(label, used - 1, caps=caps, align="right") if before else [],
        " " if before else " " * used,
        Segment(mark, accent(caps)),
        width=width,
    )


def _load(data: EpData, state: EpState) -> RankLoad | None:
    load = current_load(data, state)
    return load if load is not None and state.layer < len(load.par) else None


def _worst_rows(data: EpData, state: EpState, count: int, width: int, caps: Capabilities) -> list[Row]:
    if count < 1:
        return []
    load = _load(data, state)
    differs = load is not None and load.pair is not None
    title = _("PAR over ranks · most risen first") if differs else _("worst layers · PAR over ranks")
    rows = [_title(title, width, caps)]
    if load is None:
        why = _("no data: {why}").format(why=why_no_par(data, state))
        return [*rows, fit(why, width, caps=caps, style=dim(caps))]
    if load.pair is not None:
        return [*rows, *_risen_rows(load, load.pair, state, count, width, caps)]
    high = load.worst[0][1] - 1
    for layer, value in load.worst[:count]:
        hottest = np.nan_to_num(load.multiples[layer], nan=-np.inf)
        rank = load.ranks[int(np.argmax(hottest))]
        style = accent(caps) if layer == state.layer else None
        text = _("layer {layer}  {par}  rank {rank}").format(
            layer=f"{layer:<3}", par=number(value, 5), rank=f"{rank:<3}"
        )
        excess = (value - 1) / high if high > 0 else 0.0
        rows.append(
            row(
                fit(text, min(26, width), caps=caps, style=style),
                bar(excess, max(0, width - 28), caps),
                width=width,
            )
        )
    return rows


def _risen_rows(
    load: RankLoad,
    pair: tuple[RankLoad, RankLoad],
    state: EpState,
    count: int,
    width: int,
    caps: Capabilities,
) -> list[Row]:
    reach = _furthest(load.par)
    rows = []
    for layer, value in load.worst[:count]:
        text = _("layer {layer}  {before} → {after}  {difference}").format(
            layer=f"{layer:<3}",
            before=f"{pair[0].par[layer]:.2f}",
            after=f"{pair[1].par[layer]:.2f}",
            difference=minus(f"{value:+.2f}"),
        )
        style = accent(caps) if layer == state.layer else None
        ink = difference_style(caps, value / reach)
        rows.append(
            row(
                fit(text, min(32, width), caps=caps, style=style),
                bar(abs(value) / reach, max(0, width - 34), caps, ink),
                width=width,
            )
        )
    return rows


def _hottest_rows(data: EpData, state: EpState, count: int, width: int, caps: Capabilities) -> list[Row]:
    """Return the hottest experts over all layers beside those of the cursor's layer."""
    shown = _hottest_map(data, state)
    if count < 3 or shown is None or state.layer >= shown.shape[0]:
        return []
    slots = shown.boundaries or shown.ranks
    name = _("hottest slots · × mean") if slots else _("hottest experts · × mean")
    if shown.pair is not None:
        name = _("changed most · × mean, after − before")
    half = (width - 2) // 2
    rows = [
        _title(name, width, caps),
        row(
            fit(_("mean of all layers"), half + 2, caps=caps, style=dim(caps)),
            fit(_("layer {layer}").format(layer=state.layer), half, caps=caps, style=dim(caps)),
            width=width,
        ),
    ]
    over_all, here = shown.means[None, :], shown.values[state.layer : state.layer + 1]
    by_size = np.abs if shown.pair is not None else np.asarray
    columns = [
        [
            (column, float(values[0, column]))
            for _row, column in hottest_cells(by_size(values), shown.shared)[:count]
        ]
        for values in (over_all, here)
    ]
    high = max((abs(value) for entries in columns for _column, value in entries[:1]), default=1.0)
    for place in range(count - 1):
        cells: Row = []
        for entries in columns:
            if place < len(entries):
                cells += _hot_entry(*entries[place], high, half, caps, signed=shown.pair is not None)
            else:
                cells += blank(half)
            cells += blank(2)
        rows.append(row(cells, width=width))
    return rows


def _hottest_map(data: EpData, state: EpState) -> EpMap | None:
    """Return the map whose columns are experts, or else slots; None where its shares are unknown."""
    views: tuple[Literal["model_expert", "expert"], ...] = ("model_expert", "expert")
    for view in views:
        shown = map_of(data, state, view)
        if shown is not None and (shown.multiples is not None or shown.pair is not None):
            return shown
    return None


def _hot_entry(
    column: int, value: float, high: float, width: int, caps: Capabilities, *, signed: bool
) -> Row:
    text = f"{column:>4} {_figure(value, signed=signed):>5} "
    part = abs(value) / high if high > 0 else None
    return row(
        fit(text, min(12, width), caps=caps),
        bar(
            part, max(0, width - 12), caps, difference_style(caps, value / high) if signed and high else None
        ),
        width=width,
    )


def _place_rows(
    data: EpData, state: EpState, view: View, seen: tuple[int, int], width: int, caps: Capabilities
) -> list[Row]:
    shown = current_map(data, state)
    if shown is None:
        return []
    if seen[0] >= shown.shape[0] and seen[1] >= shown.shape[1]:
        return [fit(_("the whole map is in view"), width, caps=caps, style=dim(caps))]
    wide, high = min(_MINIMAP[0], width), _MINIMAP[1]
    words = place_words(shown.shape, view, seen, width)
    rows = minimap(shown.shape, view, seen, width=wide, height=high, caps=caps)
    return [
        fit(words, width, caps=caps, style=dim(caps)),
        *(row(line, width=width) for line in rows),
    ]


def place_words(shape: tuple[int, int], view: View, seen: tuple[int, int], width: int) -> str:
    """Return which layers and columns are in view, of how many; less or nothing where `width` is short."""
    text = _("layers {top}–{bottom}").format(top=view.top, bottom=min(view.top + seen[0], shape[0]) - 1)
    columns = _("columns {left}–{right}").format(left=view.left, right=min(view.left + seen[1], shape[1]) - 1)
    whole = _("{layers} of {layer_count}, {columns} of {column_count}").format(
        layers=text, layer_count=shape[0], columns=columns, column_count=shape[1]
    )
    return next((words for words in (whole, text) if cell_len(words) <= width), "")


def _absent_rows(data: EpData, state: EpState, width: int, caps: Capabilities) -> list[Row]:
    if data.side == "difference":
        # What is not here may be there before and after: saying how to collect it would mislead.
        return [fit(data.left_out, width, caps=caps, style=dim(caps))] if data.left_out else []
    there = data.views(state.instance)
    absent = [view for view in VIEWS if view not in there]
    if not absent:
        return []
    texts = [absent_words(absent), _("? says why and how to collect it")]
    return [fit(text, width, caps=caps, style=severity(caps, "info")) for text in texts]


def fold_rows(data: EpData, state: EpState, width: int, room: int, caps: Capabilities) -> list[Row]:
    """Return the panel's first lines for a terminal without room beside the map, in at most `room` rows.

    The first row holds the layer over ranks, its PAR and the worst layers; a second has room for more of
    them and for the hottest experts.
    """
    load = _load(data, state)
    words = par_words(data, state)
    title = _("layer {layer} over ranks ").format(layer=state.layer)
    if load is None:
        return [fit(title + words, width, caps=caps)][:room]
    profile = load.multiples[state.layer].tolist()
    (chart,) = _strip(data, state, load, min(len(profile), 24), caps)
    first = row(
        fit(title, cell_len(title), caps=caps),
        chart,
        "  ",
        fit(words, cell_len(words), caps=caps, style=accent(caps)),
        width=width,
    )
    listed = [f"{layer} {_figure(value, signed=load.pair is not None)}" for layer, value in load.worst]
    if room < 2:
        used = cell_len(title) + min(len(profile), 24) + cell_len(words) + 4
        few = _("worst {layers}") if load.pair is None else _("PAR {layers}")
        rest = fit_parts(
            few.format(layers=" · ".join(listed[:6])), max(0, width - used), caps=caps, style=dim(caps)
        )
        return [row(Segment.adjust_line_length(first, used), rest, width=width)][:room]
    worst = _("worst layers {layers}") if load.pair is None else _("PAR by layer, most risen first {layers}")
    texts = [worst.format(layers=" · ".join(listed[:4]))]
    shown = _hottest_map(data, state)
    if shown is not None:
        sizes = shown.means if shown.pair is None else np.abs(shown.means)
        hottest = [column for _row, column in hottest_cells(sizes[None, :], shown.shared)[:4]]
        entries = " · ".join(
            f"{column} {_figure(float(shown.means[column]), signed=shown.pair is not None)}"
            for column in hottest
        )
        words = _("hottest experts {experts}") if shown.pair is None else _("experts changed {experts}")
        texts.append(words.format(experts=entries))
    return [first, fit_parts("   ".join(texts), width, caps=caps, style=dim(caps))]


def _figure(value: float, *, signed: bool) -> str:
    return minus(f"{value:+.2f}") if signed else number(value)
