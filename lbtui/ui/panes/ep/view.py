"""The EP pane as rows: the state line, the map with its rulers and legend, the reading line."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from rich.cells import cell_len
from rich.segment import Segment

from lbtui.profile import FrameName, Profile
from lbtui.render.canvas import Canvas, Scale
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.glyphs import glyphs
from lbtui.render.heatmap import Groups, heatmap
from lbtui.render.heatmap_frame import gutter, legend, minimap, ruler
from lbtui.render.heatmap_view import View, halves, place_of, span
from lbtui.render.palette import dim, severity, strong
from lbtui.render.text import behind, blank, fit, fit_parts, number, printable, row, wrapped
from lbtui.text import _, with_comma, with_label
from lbtui.ui.kit.rows import missing_rows
from lbtui.ui.kit.sides import side_chip
from lbtui.ui.panes.ep.below import time_rows
from lbtui.ui.panes.ep.beside import fold_rows, place_words, side_rows
from lbtui.ui.panes.ep.data import EpData, EpMap
from lbtui.ui.panes.ep.intervals import interval_rows, interval_words
from lbtui.ui.panes.ep.layout import GUTTER, Shown, layout
from lbtui.ui.panes.ep.means import mean_bars, mean_rows
from lbtui.ui.panes.ep.shown import EpState, column_of, current_map, current_scale
from lbtui.ui.panes.ep.words import (
    VIEW_TITLES,
    absent_words,
    cell_words,
    period_words,
    phase_word,
    reading_words,
    side_lacks,
)

_MINIMAP = 12


def nothing_rows(profile: Profile, width: int, height: int, caps: Capabilities) -> list[Row]:
    """Return the pane of a profile without anything about experts: what is missing and how to get it."""
    rows = [
        fit(" " + _("No expert load in this profile."), width, caps=caps, style=strong(caps)),
        blank(width),
    ]
    frames: tuple[FrameName, ...] = ("expert_heat", "layer_times", "rank_intervals")
    rows += missing_rows([profile.missing_of(name) for name in frames], width, caps)
    for note in profile.load("expert_heat").notes:
        rows += wrapped(with_label(note.file, note.text), width, caps, severity(caps, "warning"))
    return rows[:height]


def draw(data: EpData, state: EpState, view: View, canvas: Canvas) -> list[Row]:
    """Return the pane as rows that fill the canvas; `view` is what `viewport` gave for this size."""
    width, height, caps = canvas.width, canvas.height, canvas.caps
    if height < 1:
        return []
    if data.side is not None and state.view not in data.views(state.instance):
        head = [_state_row(data, state, view, width, caps), blank(width)]
        lacks = wrapped(side_lacks(data, state.view), max(1, width - 1), caps, dim(caps))
        lines = [*head, *(row(" ", line, width=width) for line in lacks)]
        return (lines + [blank(width)] * height)[:height]
    if state.view == "intervals":
        top = [_state_row(data, state, view, width, caps)] if height > 1 else []
        return [*top, *interval_rows(data, state, width, height - len(top), caps)]
    reading = fit_parts(reading_words(data, state), width, caps=caps)
    if height == 1:
        return [reading]
    rows = [_state_row(data, state, view, width, caps)]
    shown = current_map(data, state)
    body = height - 2
    if shown is None:
        why = _("No {view} map of {period} in this profile.").format(
            view=VIEW_TITLES[state.view], period=period_words(data, state)
        )
        rows += [blank(width), fit(why, width, caps=caps, style=dim(caps))]
        return [*rows[: height - 1], *([blank(width)] * (height - 1 - len(rows))), reading][:height]
    place = layout(data, state, width, height)
    above = body - place.time
    drawn = Shown(data, state, shown, _scale(data, state, shown), view, place)
    main = _map_rows(drawn, caps)[:above]
    main += [blank(place.main)] * (above - len(main))
    main += time_rows(data, state, place, caps)
    if place.side:
        seen = span(view, place.map_canvas(caps))
        side = side_rows(data, state, view, seen, Canvas(place.side, body, caps))
        bar = [Segment(glyphs(caps).column + " ", dim(caps))]
        main = [_beside(left, bar, right) for left, right in zip(main, side, strict=True)]
    return [*rows, *main, reading]


def copied_text(data: EpData, state: EpState) -> str:
    """Return what is under the cursor for the clipboard: of which instance and period, which cell."""
    if data.side is not None and state.view not in data.views(state.instance):
        return ""
    if state.view == "intervals":
        return interval_words(data, state)
    words = reading_words(data, state)
    if not words or state.view == "times":
        return words
    where = [state.instance or "", VIEW_TITLES[state.view], period_words(data, state)]
    return " · ".join([*filter(None, where), words])


def _beside(*parts: Row) -> Row:
    """Return rows of exact widths side by side; unlike `row` it looks at their seams only, not every cell."""
    joined: Row = []
    for part in parts:
        if joined and part and (joined[-1].style or None) == (part[0].style or None):
            joined[-1] = Segment(joined[-1].text + part[0].text, joined[-1].style)
            part = part[1:]
        joined += part
    return joined


def _state_row(data: EpData, state: EpState, view: View, width: int, caps: Capabilities) -> Row:
    title = VIEW_TITLES[state.view]
    chip = side_chip(data.side, caps)
    if chip:
        title = f" {title}"
    used = Segment.get_line_length(chip) + cell_len(title)
    head = [*chip, *fit(title, min(width, cell_len(title)), caps=caps, style=strong(caps))]
    if state.skipped:
        words = " · ".join(("", absent_words(state.skipped), _("? says why")))
        style = severity(caps, "warning")
        return row(head, fit(words, max(0, width - used), caps=caps, style=style), width=width)
    rest = "".join(f" · {part}" for part in _state_words(data, state, view) if part)
    return row(head, fit_parts(rest, max(0, width - used), caps=caps), width=width)


def _state_words(data: EpData, state: EpState, view: View) -> list[str]:
    if state.view == "intervals":
        return [_("MoE Dispatch/Combine, mean of a call, 95 % t-interval")]
    shown = current_map(data, state)
    words = [_("after − before")] if data.side == "difference" else []
    if state.view == "times":
        return [*words, _("ms over the capture"), cell_words(state, view, shown), _("pid order")]
    if len(data.instances) > 1:
        words.append(state.instance or "")
    if data.phase is not None:
        words.append(phase_word(data.phase))
        if data.phase == "both":
            words.append(_("p shows one, with its iterations"))
    words.append(period_words(data, state))
    if shown is not None and shown.kind == "copies":
        words.append(_("placement alone, no load: copies of the expert"))
    elif state.metric == "tokens":
        known = shown is not None and shown.kind == "tokens"
        words.append(_("tokens") if known else _("tokens unknown here: shares"))
    words.append(cell_words(state, view, shown))
    if data.side == "difference" and state.view == "expert":
        words.append(_("slot by slot, whichever expert it holds"))
    if data.left_out:
        words.append(data.left_out)
    if shown is not None and shown.kind == "relative":
        words.append(_("relative heat"))
    if state.inside:
        words.append(_("experts of rank {rank}, Escape returns").format(rank=state.rank))
    if state.view == "expert" and shown is not None and not shown.ranks:
        words.append(
            _("ranks unknown") if shown.kind == "copies" else _("rank boundaries unknown, no by_rank map")
        )
    if state.behind:
        words.append(state.behind)
    return words


def _scale(data: EpData, state: EpState, shown: EpMap) -> Scale:
    scale = current_scale(data, state)
    return Scale(scale.low, scale.high, "load" if shown.pair is None else "difference", scale.clipped)


def _map_rows(drawn: Shown, caps: Capabilities) -> list[Row]:
    state, shown, view, place = drawn.state, drawn.map, drawn.view, drawn.place
    lines = -(-shown.shape[0] // (view.rows_per_cell * halves(caps)))
    height = min(place.map_height, lines)
    rows: list[Row] = []
    if place.ruler:
        labels = _labels(state, shown, view, caps)
        line = ruler(view, place.map_width, labels, caps, cursor=column_of(state))
        rows.append(row(_gutter_title(state, shown, caps), line, width=place.main))
    if place.slots:
        rows.append(_slot_row(drawn, caps))
    heat = _drawn(drawn, Canvas(place.map_width, height, caps))
    layers = gutter(view, shown.shape[0], width=GUTTER - 1, height=height, caps=caps, cursor=state.layer)
    space = [Segment(" ")]
    beside = [_beside(left, space, right) for left, right in zip(layers, heat, strict=True)]
    # A terminal narrower than the gutter cuts the map off.
    rows += beside if place.main > GUTTER else [row(line, width=place.main) for line in beside]
    spare = place.map_height - height
    if place.means:
        means = mean_rows(drawn, place.means + spare, caps)
        spare -= len(means) - place.means
        rows += means
    if place.legend:
        rows.append(_legend_row(drawn, caps))
    if place.fold:
        rows += fold_rows(drawn.data, state, place.main, place.fold + spare, caps)
    else:
        rows += mean_bars(drawn, spare, caps)
    return rows


def _drawn(drawn: Shown, canvas: Canvas) -> list[Row]:
    """Return the map with its cursor: only the cursor's line is drawn anew when nothing else changed."""
    shown, view, cursor = drawn.map, drawn.view, (drawn.state.layer, column_of(drawn.state))
    lit = _lit(drawn.state, shown)
    rows = list(_without_cursor(shown, drawn.scale, lit, view, canvas))
    line = place_of(view, *cursor, canvas.caps)[1]
    if 0 <= line < canvas.height:
        top = view.top + line * halves(canvas.caps) * view.rows_per_cell
        one = canvas.sized(height=1)
        (rows[line],) = _heat_rows(shown, drawn.scale, lit, replace(view, top=top), one, cursor)
    return rows


# Drawing a large map costs some 15 ms; a cursor move must not.
@lru_cache(maxsize=4)
def _without_cursor(
    shown: EpMap, scale: Scale, lit: tuple[int, int] | None, view: View, canvas: Canvas
) -> tuple[Row, ...]:
    return tuple(_heat_rows(shown, scale, lit, view, canvas, None))


def _heat_rows(
    shown: EpMap,
    scale: Scale,
    lit: tuple[int, int] | None,
    view: View,
    canvas: Canvas,
    cursor: tuple[int, int] | None,
) -> list[Row]:
    boundaries = shown.boundaries if view.columns_per_cell < _slots_per_rank(shown) else ()
    groups = Groups(boundaries, lit, shown.shared)
    return heatmap(shown.values, view, canvas, scale, cursor=cursor, groups=groups)


def _slots_per_rank(shown: EpMap) -> int:
    return shown.shape[1] // max(1, len(shown.boundaries))


def _lit(state: EpState, shown: EpMap) -> tuple[int, int] | None:
    """Return the columns in colour, those of the opened rank; None: all."""
    own = shown.columns_of_rank(state.rank) if state.inside and state.view == "expert" else None
    return (own.start, own.stop) if own else None


def _gutter_title(state: EpState, shown: EpMap, caps: Capabilities) -> Row:
    if state.view == "expert":
        text = _("rank") if shown.boundaries else _("slot")
    else:
        text = {"rank": _("rank"), "model_expert": _("expert")}.get(state.view, _("process"))
    return fit(text + " ", GUTTER, caps=caps, align="right", style=dim(caps))


def _labels(state: EpState, shown: EpMap, view: View, caps: Capabilities) -> dict[int, str]:
    if shown.boundaries:
        mark = glyphs(caps).column
        return {first: f"{mark}{shown.ranks[first]}" for first in shown.boundaries}
    # The pointer of the cursor stands on a label's first cell: leave it free where there is room.
    lead = " " if view.cell_width >= 4 else ""
    least = 1 if view.cell_width >= 4 else 6
    step = next(
        (s for s in (1, 2, 5, 10, 20, 50, 100) if s * view.cell_width >= least * view.columns_per_cell), 200
    )
    return {column: f"{lead}{column}" for column in range(0, shown.shape[1], step)}


def _slot_row(drawn: Shown, caps: Capabilities) -> Row:
    """Return the second ruler: the expert in each slot, in the cursor's layer, where there is room."""
    shown, view, place = drawn.map, drawn.view, drawn.place
    labels: dict[int, str] = {}
    title = ""
    if view.cell_width >= 4:
        if shown.experts:
            title = _("expert ")
            known = shown.experts[drawn.state.layer]
            labels = {c: "?" if expert is None else str(expert) for c, expert in enumerate(known)}
        else:
            title = _("slot ")
            labels = {column: str(shown.slot_of(column)) for column in range(len(shown.ranks))}
    line = ruler(view, place.map_width, labels, caps)
    return row(fit(title, GUTTER, caps=caps, align="right", style=dim(caps)), line, width=place.main)


def _scale_words(state: EpState, shown: EpMap) -> str:
    """Return the unit of the colour scale and which maps it holds for."""
    if shown.pair is not None:
        return _("ms, after − before") if shown.kind == "ms" else _("× mean, after − before")
    if shown.kind in ("ms", "copies"):
        return _("ms") if shown.kind == "ms" else _("copies")
    if shown.kind == "relative":
        return _("relative heat (scale unreadable)")
    if state.span is not None:
        held = _("all iterations") if state.common_scale else _("these iterations")
    else:
        held = _("all periods") if state.common_scale else _("this period")
    return with_comma(_("tokens") if shown.kind == "tokens" else _("× mean"), held)


def _legend_row(drawn: Shown, caps: Capabilities) -> Row:
    shown, view, place = drawn.map, drawn.view, drawn.place
    unit = printable(behind(_scale_words(drawn.state, shown)), caps)
    left = legend(drawn.scale, width=place.main - GUTTER, caps=caps, unit=unit)
    used = cell_len("".join(segment.text for segment in left).rstrip())
    extra: list[Segment] = []
    room = place.main - GUTTER - used - 2
    seen = span(view, place.map_canvas(caps))
    model_shared = shown.shared and drawn.state.view == "model_expert"
    if not place.side and (seen[0] < shown.shape[0] or seen[1] < shown.shape[1]):
        wide = min(_MINIMAP, max(0, room))
        inside = minimap(shown.shape, view, seen, width=wide, height=1, caps=caps)[0] if wide else []
        words = place_words(shown.shape, view, seen, room - wide - 1)
        extra = [Segment("  "), *inside, *fit(f" {words}", room - wide, caps=caps, style=dim(caps))]
    elif room > 20 and shown.kind == "multiple" and shown.shares is not None and not model_shared:
        # The shares of a layer sum to 1, so their mean over all slots, or ranks, is 1 / columns.
        share = _("  ({share} % of the layer)").format(share=number(100 * drawn.scale.high / shown.shape[1]))
        extra = fit(share, room, caps=caps, style=dim(caps))
    return row(" " * GUTTER, row(left, width=used), extra, width=place.main)
